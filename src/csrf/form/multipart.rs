//! Reads `multipart/form-data` as Django's `MultiPartParser` does, but in pieces.

use base64::{
    Engine, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use memchr::memmem::{self, Finder};

use super::{FIELD, MAX_TOKEN_SIZE, charset::Charset, head::Parameters};
use crate::{error::FormError, settings::UploadLimits};

/// `MAX_TOTAL_HEADER_SIZE`: the greatest length in bytes of a part's header.
const MAX_HEADER_SIZE: usize = 1024;

/// Finds the field in a body that is read in pieces. The memory that it needs is bounded.
#[derive(Clone)]
pub(crate) struct Multipart {
    separator: Finder<'static>,
    charset: Charset,
    limits: UploadLimits,
    /// Bytes that cannot be interpreted yet: the header of a part, or the possible start of a
    /// separator.
    pending: Vec<u8>,
    /// How many of these bytes were already searched for a separator.
    searched: usize,
    part: FormPart,
    token: Option<String>,
    /// Counted as Django does: the bytes of fields and their names, fields, files.
    bytes: usize,
    fields: usize,
    files: usize,
}

/// The place in a part that the reader has reached.
#[derive(Clone)]
enum FormPart {
    Head,
    Field(Field),
    /// Content that makes no difference: a file, or a part without a name.
    Other,
}

#[derive(Clone)]
struct Field {
    is_token: bool,
    is_base64: bool,
    /// The start of the value, if this is the token.
    data: Vec<u8>,
}

impl Multipart {
    pub(super) fn new(boundary: &str, charset: Charset, limits: UploadLimits) -> Self {
        let separator = format!("--{boundary}");
        Self {
            separator: Finder::new(separator.as_bytes()).into_owned(),
            charset,
            limits,
            pending: Vec::new(),
            searched: 0,
            part: FormPart::Head,
            token: None,
            bytes: 0,
            fields: 0,
            files: 0,
        }
    }

    /// The last value of the field in the part of the body that was read.
    pub(super) fn token(&self) -> Option<&str> {
        self.token.as_deref()
    }

    /// Takes the next piece of the body.
    pub(super) fn push(&mut self, piece: &[u8]) -> Result<(), FormError> {
        self.pending.extend_from_slice(piece);
        let mut pending = std::mem::take(&mut self.pending);
        let mut start = 0;
        while let Some(at) = self.separator.find(&pending[start + self.searched..]) {
            let at = start + self.searched + at;
            // Django finds a separator anywhere, also in the middle of a line.
            let content = without_line_end(&pending[start..at]);
            self.end_part(content)?;
            start = at + self.separator.needle().len();
            self.searched = 0;
        }

        // The last bytes may be the start of a line end and a separator.
        let rest = &pending[start..];
        let unsearched = self.separator.needle().len() - 1;
        let certain = rest.len().saturating_sub(unsearched + 2);
        let taken = self.go_on(&rest[..certain])?;
        self.searched = (rest.len() - taken).saturating_sub(unsearched);
        pending.drain(..start + taken);
        // Frees the memory of a large piece when little of it is left.
        pending.shrink_to(2 * MAX_HEADER_SIZE);
        self.pending = pending;
        Ok(())
    }

    /// The value of the field at the end of the body.
    pub(super) fn finish(mut self) -> Result<Option<String>, FormError> {
        let rest = std::mem::take(&mut self.pending);
        if !matches!(self.part, FormPart::Head) || !rest.is_empty() {
            self.end_part(&rest)?;
        }
        Ok(self.token)
    }

    /// Reads as much of a part's content as can be interpreted, and returns how many bytes that
    /// was.
    fn go_on(&mut self, content: &[u8]) -> Result<usize, FormError> {
        if !matches!(self.part, FormPart::Head) {
            self.take(content)?;
            return Ok(content.len());
        }
        match head_end(content) {
            Some((head, body)) => {
                self.begin_part(&content[..head])?;
                self.take(&content[body..])?;
                Ok(content.len())
            }
            None if content.len() >= MAX_HEADER_SIZE => Err(FormError::MultiPartParserError),
            None => Ok(0),
        }
    }

    /// Reads the rest of a part's content.
    fn end_part(&mut self, content: &[u8]) -> Result<(), FormError> {
        if self.go_on(content)? == 0 && matches!(self.part, FormPart::Head) {
            // A part without a header: every body starts and ends with one.
            self.count_field()?;
        }
        if let FormPart::Field(field) = std::mem::replace(&mut self.part, FormPart::Head)
            && field.is_token
        {
            self.token = self.charset.decode(&field.value());
        }
        Ok(())
    }

    fn begin_part(&mut self, head: &[u8]) -> Result<(), FormError> {
        let Head { disposition, transfer_encoding } = Head::read(head);
        let is_file = |parameters: &Parameters| {
            parameters.get("filename").is_some_and(|name| !name.is_empty())
        };
        let is_file = disposition.as_ref().is_some_and(is_file);
        if !is_file {
            self.count_field()?;
        }
        let name = disposition.as_ref().and_then(|parameters| parameters.get("name"));
        self.part = match name {
            Some(_) if is_file => {
                self.files += 1;
                if self.limits.number_files.is_some_and(|most| self.files > most) {
                    return Err(FormError::TooManyFilesSent);
                }
                FormPart::Other
            }
            Some(name) => {
                let name = self.charset.decode(name.trim_ascii().as_bytes());
                let length = name.as_ref().map_or(0, |name| name.chars().count());
                self.count_bytes(length + 2)?;
                FormPart::Field(Field {
                    is_token: name.as_deref() == Some(FIELD),
                    is_base64: transfer_encoding.as_deref() == Some("base64"),
                    data: Vec::new(),
                })
            }
            None => FormPart::Other,
        };
        Ok(())
    }

    /// Reads content after the header of a part.
    fn take(&mut self, content: &[u8]) -> Result<(), FormError> {
        let FormPart::Field(field) = &mut self.part else { return Ok(()) };
        if field.is_token {
            let room = MAX_TOKEN_SIZE - field.data.len();
            field.data.extend_from_slice(&content[..content.len().min(room)]);
        }
        self.count_bytes(content.len())
    }

    fn count_field(&mut self) -> Result<(), FormError> {
        self.fields += 1;
        // Adds two: for the text before the first separator and after the last one.
        match self.limits.number_fields {
            Some(most) if self.fields > most.saturating_add(2) => Err(FormError::TooManyFieldsSent),
            _ => Ok(()),
        }
    }

    fn count_bytes(&mut self, bytes: usize) -> Result<(), FormError> {
        self.bytes += bytes;
        match self.limits.memory_size {
            Some(most) if self.bytes > most => Err(FormError::RequestDataTooBig),
            _ => Ok(()),
        }
    }
}

impl Field {
    fn value(self) -> Vec<u8> {
        // Base64 is decoded strictly; text that is not base64 counts as it is (rule V31).
        const BASE64: GeneralPurpose = GeneralPurpose::new(
            &alphabet::STANDARD,
            GeneralPurposeConfig::new()
                .with_decode_padding_mode(DecodePaddingMode::RequireCanonical)
                .with_decode_allow_trailing_bits(true),
        );
        let decoded = self.is_base64.then(|| BASE64.decode(&self.data).ok()).flatten();
        decoded.unwrap_or(self.data)
    }
}

/// The relevant values of a part's header.
struct Head {
    disposition: Option<Parameters>,
    transfer_encoding: Option<String>,
}

impl Head {
    fn read(head: &[u8]) -> Self {
        let mut read = Self { disposition: None, transfer_encoding: None };
        for line in lines(head) {
            let line = str::from_utf8(line).ok().and_then(|line| line.split_once(':'));
            let Some((name, value)) = line else { continue };
            let Some(parameters) = Parameters::read(value.trim_start_matches(' ')) else {
                continue;
            };
            match name.to_lowercase().trim_end_matches(' ') {
                "content-disposition" => read.disposition = Some(parameters),
                "content-transfer-encoding" => read.transfer_encoding = Some(parameters.value),
                _ => {}
            }
        }
        read
    }
}

fn lines(head: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = Some(head);
    std::iter::from_fn(move || {
        let text = rest?;
        let end = memmem::find(text, b"\r\n");
        rest = end.map(|end| &text[end + 2..]);
        Some(&text[..end.unwrap_or(text.len())])
    })
}

/// The end of a part's header, and the start of its content.
fn head_end(content: &[u8]) -> Option<(usize, usize)> {
    let beginning = &content[..content.len().min(MAX_HEADER_SIZE)];
    memmem::find(beginning, b"\r\n\r\n").map(|end| (end, end + 4))
}

fn without_line_end(content: &[u8]) -> &[u8] {
    let content = content.strip_suffix(b"\n").unwrap_or(content);
    content.strip_suffix(b"\r").unwrap_or(content)
}
