//! `TokenAuthentication`: a random text that is stored in a table.

use super::header::{AfterScheme, words};
use crate::error::AuthenticationFailed;

/// Reads the token after this keyword in a header.
pub(crate) fn read<'a>(
    keyword: &str,
    header: &'a [u8],
) -> Result<Option<&'a str>, AuthenticationFailed> {
    let mut words = words(header);
    // Python lowers only ASCII letters in bytes, but all letters in text.
    let is_keyword = |word: &[u8]| word.to_ascii_lowercase() == keyword.to_lowercase().into_bytes();
    if !words.next().is_some_and(is_keyword) {
        return Ok(None);
    }
    match AfterScheme::of(words) {
        AfterScheme::Nothing => Err(AuthenticationFailed::TokenWithoutCredentials),
        AfterScheme::Several => Err(AuthenticationFailed::TokenWithSpaces),
        AfterScheme::One(token) => {
            str::from_utf8(token).map(Some).map_err(|_| AuthenticationFailed::TokenNotUtf8)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_has_another_scheme_or_is_a_credential_or_is_refused() {
        use AuthenticationFailed as Failed;
        assert_eq!(read("Token", b"tOKEN  abc "), Ok(Some("abc")));
        assert_eq!(read("Token", b"Token=abc"), Ok(None));
        assert_eq!(read("Token", b"Bearer abc"), Ok(None));
        assert_eq!(read("Bearer", b"bearer abc"), Ok(Some("abc")));
        assert_eq!(read("Token", b"Token"), Err(Failed::TokenWithoutCredentials));
        assert_eq!(read("Token", b"Token a b"), Err(Failed::TokenWithSpaces));
        assert_eq!(read("Token", b"Token \xff"), Err(Failed::TokenNotUtf8));
        // A letter that is not ASCII never equals an ASCII letter.
        assert_eq!(read("Token", "To\u{212a}en abc".as_bytes()), Ok(None));
    }
}
