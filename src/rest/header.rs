//! Splits a header into words, for all schemes.

/// The words of a header: Python's `bytes.split()`.
pub(super) fn words(header: &[u8]) -> impl Iterator<Item = &[u8]> {
    let is_blank = |byte: &u8| matches!(byte, b' ' | b'\t'..=b'\r');
    header.split(is_blank).filter(|word| !word.is_empty())
}

/// The words after the scheme in a header.
pub(super) enum AfterScheme<'a> {
    Nothing,
    One(&'a [u8]),
    Several,
}

impl<'a> AfterScheme<'a> {
    pub(super) fn of(mut words: impl Iterator<Item = &'a [u8]>) -> Self {
        match (words.next(), words.next()) {
            (None, _) => Self::Nothing,
            (Some(word), None) => Self::One(word),
            _ => Self::Several,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_blanks_of_ascii_part_words() {
        let split = |header: &[u8]| words(header).map(<[u8]>::to_vec).collect::<Vec<_>>();
        assert_eq!(split(b" a\t\x0b\x0c\r\nb "), [b"a", b"b"]);
        assert_eq!(split(b"a\xa0b\x85c\x1cd"), [b"a\xa0b\x85c\x1cd"]);
        assert!(split(b" \t").is_empty());
    }
}
