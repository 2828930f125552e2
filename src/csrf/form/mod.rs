//! Finds the token in a body, as `request.POST.get("csrfmiddlewaretoken")` does, and reads nothing
//! else.

mod charset;
mod head;
mod multipart;
mod urlencoded;

use charset::Charset;
use head::Parameters;
use multipart::Multipart;
use urlencoded::Urlencoded;

use crate::{error::FormError, settings::UploadLimits};

/// The name of the field.
pub(crate) const FIELD: &str = "csrfmiddlewaretoken";

/// How many bytes of a value are kept: more than any token has, in any charset.
const MAX_TOKEN_SIZE: usize = 1024;

/// A form that is read in pieces. The memory that it needs is bounded.
#[derive(Clone)]
pub(crate) enum Form {
    /// `application/x-www-form-urlencoded`
    Urlencoded(Urlencoded),
    /// `multipart/form-data`
    Multipart(Box<Multipart>),
}

impl Form {
    /// The form of a POST with these headers. `None` if Django does not parse such a body.
    pub(crate) fn of(
        content_type: &str,
        content_length: Option<u64>,
        limits: UploadLimits,
    ) -> Result<Option<Self>, FormError> {
        let Some(parameters) = Parameters::read(content_type) else {
            return Ok(None);
        };
        let charset = parameters.get("charset").and_then(Charset::named);
        Ok(match parameters.value.as_str() {
            // Rule V20: no other spelling is a form, but upper case is.
            "application/x-www-form-urlencoded" => {
                match (parameters.get("charset"), charset) {
                    (Some(name), Some(_)) if name.eq_ignore_ascii_case("utf-8") => {}
                    // A charset without ASCII is refused here; Django 4.2 reads it (CD3).
                    (_, Some(Charset::Utf8 | Charset::Ascii)) if limits.reads_charsets => {}
                    (_, Some(_)) => return Err(FormError::NotUtf8),
                    (_, None) => {}
                }
                // Checked before the body is read.
                if let (Some(length), Some(most)) = (content_length, limits.memory_size)
                    && length > most as u64
                {
                    return Err(FormError::RequestDataTooBig);
                }
                Some(Self::Urlencoded(Urlencoded::new(limits)))
            }
            "multipart/form-data" => {
                let boundary = parameters.get("boundary").filter(|text| is_boundary(text));
                let (Some(boundary), true) = (boundary, content_type.starts_with("multipart/"))
                else {
                    return Err(FormError::MultiPartParserError);
                };
                if !content_type.is_ascii() {
                    return Err(FormError::MultiPartParserError);
                }
                let charset = charset.unwrap_or(Charset::Utf8);
                // Rule C18: to Django, a chunked body is an empty form.
                (content_length.unwrap_or_default() > 0)
                    .then(|| Self::Multipart(Box::new(Multipart::new(boundary, charset, limits))))
            }
            _ => None,
        })
    }

    /// Takes the next piece of the body.
    pub(crate) fn push(&mut self, piece: &[u8]) -> Result<(), FormError> {
        match self {
            Self::Urlencoded(form) => form.push(piece),
            Self::Multipart(form) => form.push(piece),
        }
    }

    /// The last value of the field in the part of the body that was read. For a form that is not
    /// multipart, it is only known at the end.
    pub(crate) fn token(&self) -> Option<&str> {
        match self {
            Self::Urlencoded(_) => None,
            Self::Multipart(form) => form.token(),
        }
    }

    /// The value of the field at the end of the body.
    pub(crate) fn finish(self) -> Result<Option<String>, FormError> {
        match self {
            Self::Urlencoded(form) => form.finish(),
            Self::Multipart(form) => form.finish(),
        }
    }
}

/// `MultiPartParser.boundary_re`
fn is_boundary(text: &str) -> bool {
    let is_printable = text.bytes().all(|byte| (b' '..=b'~').contains(&byte));
    is_printable && (1..=201).contains(&text.len()) && !text.ends_with(' ')
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::json;

    use super::*;
    use crate::csrf::vectors::{body, header, of_kind};

    /// The value of the field, or the class of Django's exception.
    fn field(
        content_type: &str,
        body: &[u8],
        chunked: bool,
        limits: UploadLimits,
    ) -> serde_json::Value {
        let length = (!chunked).then(|| body.len().try_into().unwrap());
        let found = Form::of(content_type, length, limits).and_then(|form| {
            let Some(mut form) = form else { return Ok(None) };
            // The result is the same in one piece and byte by byte.
            let mut bytewise = form.clone();
            let in_pieces = body
                .iter()
                .try_for_each(|byte| bytewise.push(&[*byte]))
                .and_then(|()| bytewise.finish());
            let whole = form.push(body).and_then(|()| form.finish());
            assert_eq!(whole, in_pieces);
            whole
        });
        match found {
            Ok(value) => json!({ "value": value.unwrap_or_default() }),
            Err(FormError::NotUtf8) => json!({ "error": "BadRequest" }),
            Err(error) => json!({ "error": format!("{error:?}") }),
        }
    }

    #[test]
    fn the_field_is_found_where_django_finds_it() {
        let (mut seen, mut left_out) = (0, BTreeMap::<&str, usize>::new());
        for vector in of_kind("form") {
            let skipped = if vector["method"] != "POST" {
                "bodies of other methods are not looked into"
            } else if vector["body_error"] == true {
                "a lost connection is no matter of text"
            } else if header(&vector, "Content-Length").is_some() {
                "a server refuses such a length, or cuts the body"
            } else {
                ""
            };
            if !skipped.is_empty() {
                *left_out.entry(skipped).or_default() += 1;
                continue;
            }
            let setting = |name: &str, default: Option<usize>| match &vector["settings"][name] {
                value if vector["settings"].get(name).is_some() => {
                    value.as_u64().map(|number| number.try_into().unwrap())
                }
                _ => default,
            };
            let default = crate::DjangoSettings::new("").upload_limits();
            let limits = UploadLimits {
                memory_size: setting("DATA_UPLOAD_MAX_MEMORY_SIZE", default.memory_size),
                number_fields: setting("DATA_UPLOAD_MAX_NUMBER_FIELDS", default.number_fields),
                number_files: setting("DATA_UPLOAD_MAX_NUMBER_FILES", default.number_files),
                reads_charsets: false,
            };
            let content_type = header(&vector, "Content-Type").unwrap_or_default();
            let found = field(&content_type, &body(&vector), vector["chunked"] == true, limits);
            assert_eq!(found, vector["expect"], "{vector}");
            seen += 1;
        }
        assert_eq!(seen, 107);
        let expected = [
            ("a lost connection is no matter of text", 2),
            ("a server refuses such a length, or cuts the body", 3),
            ("bodies of other methods are not looked into", 6),
        ];
        assert_eq!(left_out, BTreeMap::from(expected));
    }
}
