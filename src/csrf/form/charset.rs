//! The charset that a form declares.

/// What a charset means for a token, which consists of ASCII characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Charset {
    Utf8,
    /// A charset that contains ASCII. Such charsets all decode a token in the same way.
    Ascii,
    /// A charset in which the bytes of an ASCII token mean something else.
    Foreign,
}

impl Charset {
    /// The charset of this name, if Python has a codec for it; other names are ignored (rule C17).
    /// Recognised by families of names: Python knows some 400 spellings, and browsers send UTF-8.
    pub(super) fn named(name: &str) -> Option<Self> {
        const FAMILIES: [&str; 24] = [
            "ascii", "big5", "cp", "csiso", "euc", "gb", "hz", "ibm", "iso", "johab", "koi8", "kz",
            "l1", "latin", "mac", "ms", "ptcp", "shift", "sjis", "tis", "uhc", "us", "utf",
            "windows",
        ];
        const FOREIGN: [&str; 14] = [
            "utf16", "utf32", "cp037", "cp273", "cp424", "cp500", "cp875", "cp1026", "cp1140",
            "ibm037", "ibm273", "ibm424", "ibm500", "ibm1140",
        ];
        let name: String = name
            .chars()
            .filter(char::is_ascii_alphanumeric)
            .collect::<String>()
            .to_ascii_lowercase();
        if name == "utf8" || name == "u8" {
            Some(Self::Utf8)
        } else if FOREIGN.iter().any(|foreign| name.starts_with(foreign)) {
            Some(Self::Foreign)
        } else {
            FAMILIES.iter().any(|family| name.starts_with(family)).then_some(Self::Ascii)
        }
    }

    /// The text of these bytes; `None` if it cannot be a token.
    pub(super) fn decode(self, bytes: &[u8]) -> Option<String> {
        match self {
            Self::Utf8 => Some(String::from_utf8_lossy(bytes).into_owned()),
            Self::Ascii => Some(bytes.iter().copied().map(char::from).collect()),
            Self::Foreign => None,
        }
    }
}
