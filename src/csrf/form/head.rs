//! Headers with parameters: `parse_header_parameters` of `django.utils.http`.

use percent_encoding::percent_decode_str;

use super::charset::Charset;

/// `MAX_HEADER_LENGTH`
const MAX_LENGTH: usize = 10_000;

/// A header such as `form-data; name="field"`.
pub(super) struct Parameters {
    /// The text before the first `;`, in lower case.
    pub(super) value: String,
    named: Vec<(String, String)>,
}

impl Parameters {
    /// `None` where Django raises a `ValueError`.
    pub(super) fn read(header: &str) -> Option<Self> {
        if header.chars().count() > MAX_LENGTH {
            return None;
        }
        let mut parts = split(header);
        let value = parts.next().unwrap_or_default().to_lowercase();
        let mut named = Vec::new();
        for part in parts {
            let (name, text) = part.split_once('=').unwrap_or((part, ""));
            let (name, text) = (name.trim().to_lowercase(), unquoted(text.trim()));
            match name.strip_suffix('*') {
                Some(name) => named.push((name.to_owned(), extended(&text)?)),
                None => named.push((name, text)),
            }
        }
        Some(Self { value, named })
    }

    /// The last parameter of this name.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        let mut named = self.named.iter().rev();
        named.find(|(other, _)| other == name).map(|(_, text)| text.as_str())
    }
}

/// `_parseparam` of Python's `email.message`: splits at each `;` outside quotes.
fn split(header: &str) -> impl Iterator<Item = &str> {
    let mut rest = Some(header);
    std::iter::from_fn(move || {
        let text = rest?;
        let mut is_quoted = false;
        let mut escaped = false;
        let end = text.bytes().position(|byte| {
            match byte {
                // A quote after a backslash does not count.
                b'"' if !escaped => is_quoted = !is_quoted,
                b';' if !is_quoted => return true,
                _ => {}
            }
            escaped = byte == b'\\';
            false
        });
        let (part, behind) = match end {
            Some(end) => (&text[..end], Some(&text[end + 1..])),
            None => (text, None),
        };
        rest = behind;
        Some(part.trim())
    })
}

/// `unquote` of Python's `email.utils`.
fn unquoted(text: &str) -> String {
    let inside = |left, right| text.strip_prefix(left).and_then(|text| text.strip_suffix(right));
    match (inside('"', '"'), inside('<', '>')) {
        (Some(text), _) => text.replace("\\\\", "\\").replace("\\\"", "\""),
        (_, Some(text)) => text.to_owned(),
        _ => text.to_owned(),
    }
}

/// The value of `name*=utf-8''value` (RFC 2231).
fn extended(text: &str) -> Option<String> {
    let bytes: Vec<u8> = percent_decode_str(text).collect();
    let mut parts = bytes.splitn(3, |&byte| byte == b'\'');
    let (charset, bytes) = match (parts.next(), parts.next(), parts.next()) {
        (Some(charset), Some(_language), Some(value)) => (charset, value),
        _ => (&b""[..], &bytes[..]),
    };
    let charset = match str::from_utf8(charset) {
        Ok("") => Charset::Ascii,
        Ok(name) => Charset::named(name)?,
        Err(_) => return None,
    };
    charset.decode(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_read_as_django_reads_them() {
        // What Django 6.1 returns for each header.
        for (header, value, name) in [
            ("form-data; name=\"a\"", "form-data", Some("a")),
            ("FORM-DATA ; NAME=a", "form-data", Some("a")),
            ("form-data; name=\"a;b\"; x=y", "form-data", Some("a;b")),
            ("form-data; name=\"a\\\";b\"", "form-data", Some("a\";b")),
            ("form-data; name=a; name=b", "form-data", Some("b")),
            ("form-data; name=<a>", "form-data", Some("a")),
            ("form-data; name", "form-data", Some("")),
            ("form-data; name*=utf-8''%61b", "form-data", Some("ab")),
            ("form-data; name*=''ab", "form-data", Some("ab")),
            ("form-data; name*=ab", "form-data", Some("ab")),
            ("form-data", "form-data", None),
            (";name=a", "", Some("a")),
            ("", "", None),
        ] {
            let read = Parameters::read(header).unwrap();
            assert_eq!((read.value.as_str(), read.get("name")), (value, name), "{header}");
        }
        assert!(Parameters::read("form-data; name*=bogus''a").is_none());
        assert!(Parameters::read(&"a".repeat(MAX_LENGTH + 1)).is_none());
    }
}
