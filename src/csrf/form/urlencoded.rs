//! Reads `application/x-www-form-urlencoded` as `QueryDict` does, but in pieces.

use std::borrow::Cow;

use percent_encoding::percent_decode;

use super::{FIELD, MAX_TOKEN_SIZE};
use crate::{error::FormError, settings::UploadLimits};

/// Finds the last value of the field in a body that is read in pieces.
#[derive(Clone)]
pub(crate) struct Urlencoded {
    limits: UploadLimits,
    bytes: usize,
    /// The number of pairs; empty pairs count.
    fields: usize,
    /// The start of the current pair, at most as long as the field's name with a token.
    pair: Vec<u8>,
    /// The last pair with the field's name.
    found: Option<Vec<u8>>,
    text: Utf8,
}

/// The length of name and value if every character is an escape.
const MAX_PAIR_SIZE: usize = 3 * FIELD.len() + 1 + MAX_TOKEN_SIZE;

impl Urlencoded {
    pub(super) fn new(limits: UploadLimits) -> Self {
        Self { limits, bytes: 0, fields: 1, pair: Vec::new(), found: None, text: Utf8::default() }
    }

    /// Takes the next piece of the body.
    pub(super) fn push(&mut self, piece: &[u8]) -> Result<(), FormError> {
        self.bytes += piece.len();
        if self.limits.memory_size.is_some_and(|most| self.bytes > most) {
            return Err(FormError::RequestDataTooBig);
        }
        self.text.push(piece);
        let mut rest = piece;
        while let Some(end) = memchr::memchr(b'&', rest) {
            self.go_on(&rest[..end]);
            self.end_pair();
            self.fields += 1;
            rest = &rest[end + 1..];
        }
        self.go_on(rest);
        Ok(())
    }

    /// The value of the field at the end of the body.
    pub(super) fn finish(mut self) -> Result<Option<String>, FormError> {
        if self.limits.number_fields.is_some_and(|most| self.fields > most) {
            return Err(FormError::TooManyFieldsSent);
        }
        self.end_pair();
        let is_utf8 = self.text.is_valid();
        Ok(self.found.map(|pair| {
            let value =
                pair.iter().position(|&byte| byte == b'=').map_or(&[][..], |at| &pair[at + 1..]);
            // In a body that is not UTF-8, each byte is a character.
            match is_utf8 {
                true => decoded(value).into_owned(),
                false => {
                    let text: String = value.iter().copied().map(char::from).collect();
                    decoded(text.as_bytes()).into_owned()
                }
            }
        }))
    }

    fn go_on(&mut self, text: &[u8]) {
        let room = MAX_PAIR_SIZE - self.pair.len();
        self.pair.extend_from_slice(&text[..text.len().min(room)]);
    }

    fn end_pair(&mut self) {
        let name = self.pair.split(|&byte| byte == b'=').next().unwrap_or_default();
        if !name.is_empty() && decoded(name) == FIELD {
            self.found = Some(std::mem::take(&mut self.pair));
        }
        self.pair.clear();
    }
}

fn decoded(text: &[u8]) -> Cow<'_, str> {
    if !text.contains(&b'+') {
        return percent_decode(text).decode_utf8_lossy();
    }
    let spaced: Vec<u8> = text.iter().map(|&byte| if byte == b'+' { b' ' } else { byte }).collect();
    Cow::Owned(percent_decode(&spaced).decode_utf8_lossy().into_owned())
}

/// Whether text that is read in pieces is UTF-8 as a whole.
#[derive(Clone, Default)]
struct Utf8 {
    is_broken: bool,
    /// The first bytes of a character that is not complete yet.
    begun: Vec<u8>,
}

impl Utf8 {
    fn push(&mut self, mut piece: &[u8]) {
        while !self.begun.is_empty()
            && !self.is_broken
            && let Some((&byte, rest)) = piece.split_first()
        {
            let mut begun = std::mem::take(&mut self.begun);
            begun.push(byte);
            self.check(&begun);
            piece = rest;
        }
        if !self.is_broken {
            self.check(piece);
        }
    }

    fn check(&mut self, text: &[u8]) {
        if let Err(error) = str::from_utf8(text) {
            self.is_broken = error.error_len().is_some();
            self.begun = text[error.valid_up_to()..].to_vec();
        }
    }

    fn is_valid(&self) -> bool {
        !self.is_broken && self.begun.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_utf8_or_not_wherever_it_is_cut() {
        for text in [
            &b""[..],
            b"a",
            "a\u{e9}\u{20ac}\u{1f600}z".as_bytes(),
            b"\xff",
            b"a\xe2\x82",
            b"\xe2\x82a",
            b"\xed\xa0\x80",
            b"\xf0\x9f\x98\x80\xf0\x9f",
            b"\xc0\xaf",
        ] {
            for cut in 0..=text.len() {
                for second in cut..=text.len() {
                    let mut utf8 = Utf8::default();
                    for piece in [&text[..cut], &text[cut..second], &text[second..]] {
                        utf8.push(piece);
                    }
                    assert_eq!(utf8.is_valid(), str::from_utf8(text).is_ok(), "{text:?} {cut}");
                }
            }
        }
    }

    #[test]
    fn what_is_kept_of_a_form_is_no_longer_than_a_token() {
        let limits = crate::DjangoSettings::new("").upload_limits();
        let limits = UploadLimits { memory_size: None, number_fields: None, ..limits };
        let mut form = Urlencoded::new(limits);
        let long = "%78".repeat(100_000);
        for _ in 0..3 {
            form.push(format!("csrfmiddlewaretoken={long}&{long}={long}&").as_bytes()).unwrap();
        }
        assert!(form.pair.capacity() + form.found.as_ref().unwrap().capacity() < 8 * MAX_PAIR_SIZE);
        // Such a value is longer than any token, and only that matters.
        assert!(form.finish().unwrap().unwrap().len() > 64);
    }
}
