//! `BasicAuthentication`: username and password.

use super::header::{AfterScheme, words};
use crate::{error::AuthenticationFailed, signing::decode_base64};

/// A username and a password. It has no `Debug`, because neither belongs in a log.
pub(crate) struct Credentials {
    pub(crate) username: String,
    pub(crate) password: String,
}

impl Credentials {
    /// Reads the credentials in a header.
    pub(crate) fn read(header: &[u8]) -> Result<Option<Self>, AuthenticationFailed> {
        let mut words = words(header);
        if !words.next().is_some_and(|scheme| scheme.eq_ignore_ascii_case(b"basic")) {
            return Ok(None);
        }
        match AfterScheme::of(words) {
            AfterScheme::Nothing => Err(AuthenticationFailed::BasicWithoutCredentials),
            AfterScheme::Several => Err(AuthenticationFailed::BasicWithSpaces),
            AfterScheme::One(text) => Self::decode(text).map(Some),
        }
    }

    fn decode(text: &[u8]) -> Result<Self, AuthenticationFailed> {
        let bytes = decode_base64(text).ok_or(AuthenticationFailed::BasicNotBase64)?;
        // So both encodings of `é` can log in.
        let text = String::from_utf8(bytes)
            .unwrap_or_else(|error| error.into_bytes().into_iter().map(char::from).collect());
        // Before version 3.16, the framework reads a text without a colon as a name with an empty
        // password. Here it is refused (rule X2).
        let (username, password) =
            text.split_once(':').ok_or(AuthenticationFailed::BasicNotBase64)?;
        Ok(Self { username: username.into(), password: password.into() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(header: &[u8]) -> Result<Option<(String, String)>, AuthenticationFailed> {
        let read = Credentials::read(header)?;
        Ok(read.map(|Credentials { username, password }| (username, password)))
    }

    #[test]
    fn a_header_has_another_scheme_or_is_a_credential_or_is_refused() {
        use AuthenticationFailed as Failed;
        let ada = || Ok(Some(("ada".to_owned(), "a:b".to_owned())));
        for header in ["Basic YWRhOmE6Yg==", "bASIC\tYWRhOmE6Yg==", "Basic Y-W!Rh\u{7f}OmE6Yg=="] {
            assert_eq!(read(header.as_bytes()), ada(), "{header}");
        }
        for header in ["", " ", "Basic:YWRhOmE6Yg==", "Token x", "YWRhOmE6Yg=="] {
            assert_eq!(read(header.as_bytes()), Ok(None), "{header}");
        }
        assert_eq!(read(b"Basic"), Err(Failed::BasicWithoutCredentials));
        assert_eq!(read(b"Basic a b"), Err(Failed::BasicWithSpaces));
        for bad in ["Basic YWRhOmE6Yg=", "Basic Y", "Basic %%%", "Basic YWRh"] {
            assert_eq!(read(bad.as_bytes()), Err(Failed::BasicNotBase64), "{bad}");
        }
    }

    #[test]
    fn bytes_that_are_not_utf_8_are_latin_1() {
        let name = |header| read(header).unwrap().unwrap().0;
        assert_eq!(name(b"Basic w6k6"), "é");
        assert_eq!(name(b"Basic 6To="), "é");
    }
}
