//! A reference for Python's behaviour: short, slow, and recursive where the crate is not.
//!
//! Shared by the property tests and by the fuzz targets.

#![allow(dead_code)] // not all of them need all of it

/// Text as in Python: code points, lone surrogates among them.
pub(crate) type PythonText = Vec<u32>;

/// The content of a JSON text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Json<'a> {
    /// A dictionary: keys and the texts of the values, duplicates resolved.
    Dictionary(Vec<(PythonText, &'a str)>),
    /// Any other value.
    Other,
}

/// `json.loads`. `None` if it raises an exception.
pub(crate) fn parse_json(text: &str) -> Option<Json<'_>> {
    let mut parser = Parser { rest: text, depth: 0 };
    parser.skip_space();
    let value = parser.value()?;
    parser.skip_space();
    parser.rest.is_empty().then_some(value)
}

/// `json.dumps` of text, without the quotes. `None` for text that is not Unicode.
pub(crate) fn escape_json(text: &str) -> String {
    let mut escaped = String::new();
    for character in text.chars() {
        match character {
            '"' | '\\' => escaped.extend(['\\', character]),
            '\u{8}' => escaped += "\\b",
            '\t' => escaped += "\\t",
            '\n' => escaped += "\\n",
            '\u{c}' => escaped += "\\f",
            '\r' => escaped += "\\r",
            ' '..='~' => escaped.push(character),
            _ => escaped += &escape_unicode(character),
        }
    }
    escaped
}

/// JSON text in ASCII.
pub(crate) fn ascii_json(text: &str) -> String {
    text.chars().map(|c| if c.is_ascii() { c.to_string() } else { escape_unicode(c) }).collect()
}

fn escape_unicode(character: char) -> String {
    let units = character.encode_utf16(&mut [0; 2]).to_vec();
    units.iter().map(|unit| format!("\\u{unit:04x}")).collect()
}

/// Text for a comparison, with U+FFFD for each byte that a lone surrogate would take in UTF-8.
pub(crate) fn show(text: &PythonText) -> String {
    text.iter().map(|&c| char::from_u32(c).map_or("\u{fffd}".repeat(3), String::from)).collect()
}

struct Parser<'a> {
    rest: &'a str,
    depth: usize,
}

impl<'a> Parser<'a> {
    fn value(&mut self) -> Option<Json<'a>> {
        match self.rest.chars().next()? {
            '{' => {
                let dictionary = self.nested(Self::dictionary)?;
                return Some(Json::Dictionary(dictionary));
            }
            '[' => self.nested(Self::list)?,
            '"' => drop(self.string()?),
            '-' | '0'..='9' if !self.rest.starts_with("-I") => self.number()?,
            _ => {
                let words = ["null", "true", "false", "NaN", "Infinity", "-Infinity"];
                words.into_iter().find(|word| self.take(word)).map(drop)?;
            }
        }
        Some(Json::Other)
    }

    fn nested<T>(&mut self, inside: fn(&mut Self) -> Option<T>) -> Option<T> {
        self.depth += 1;
        let value = if self.depth > 9_998 { None } else { inside(self) };
        self.depth -= 1;
        value
    }

    fn list(&mut self) -> Option<()> {
        self.take("[");
        self.skip_space();
        if self.take("]") {
            return Some(());
        }
        loop {
            self.skip_space();
            self.value()?;
            self.skip_space();
            if self.take("]") {
                return Some(());
            }
            self.take(",").then_some(())?;
        }
    }

    fn dictionary(&mut self) -> Option<Vec<(PythonText, &'a str)>> {
        let mut entries: Vec<(PythonText, &str)> = Vec::new();
        self.take("{");
        self.skip_space();
        if self.take("}") {
            return Some(entries);
        }
        loop {
            self.skip_space();
            let key = self.rest.starts_with('"').then(|| self.string())??;
            self.skip_space();
            self.take(":").then_some(())?;
            self.skip_space();
            let from_here = self.rest;
            self.value()?;
            let value = &from_here[..from_here.len() - self.rest.len()];
            match entries.iter_mut().find(|(other, _)| *other == key) {
                Some((_, old)) => *old = value,
                None => entries.push((key, value)),
            }
            self.skip_space();
            if self.take("}") {
                return Some(entries);
            }
            self.take(",").then_some(())?;
        }
    }

    fn string(&mut self) -> Option<PythonText> {
        let mut units: Vec<Unit> = Vec::new();
        self.take("\"");
        loop {
            match self.next()? {
                '"' => return Some(join_surrogates(&units)),
                '\\' => units.push(match self.next()? {
                    'u' => {
                        let digits = self.rest.get(..4)?;
                        self.rest = &self.rest[4..];
                        let all_hex = digits.chars().all(|c| c.is_ascii_hexdigit());
                        Unit::Escaped(all_hex.then(|| u32::from_str_radix(digits, 16).ok())??)
                    }
                    'b' => Unit::Plain(8),
                    't' => Unit::Plain(9),
                    'n' => Unit::Plain(10),
                    'f' => Unit::Plain(12),
                    'r' => Unit::Plain(13),
                    itself @ ('"' | '\\' | '/') => Unit::Plain(itself.into()),
                    _ => return None,
                }),
                control if control < ' ' => return None,
                plain => units.push(Unit::Plain(plain.into())),
            }
        }
    }

    /// `(-?(?:0|[1-9][0-9]*))(\.[0-9]+)?([eE][-+]?[0-9]+)?`
    fn number(&mut self) -> Option<()> {
        let _ = self.take("-");
        let whole = if self.take("0") { 1 } else { self.digits() };
        let before_fraction = self.rest;
        let has_fraction = self.take(".") && self.digits() > 0;
        if !has_fraction {
            self.rest = before_fraction;
        }
        let before_exponent = self.rest;
        let has_exponent = self.exponent();
        if !has_exponent {
            self.rest = before_exponent;
        }
        (whole > 0 && (whole <= 4_300 || has_fraction || has_exponent)).then_some(())
    }

    fn exponent(&mut self) -> bool {
        if !self.take("e") && !self.take("E") {
            return false;
        }
        let _ = self.take("+") || self.take("-");
        self.digits() > 0
    }

    fn digits(&mut self) -> usize {
        let rest = self.rest.trim_start_matches(|c: char| c.is_ascii_digit());
        let count = self.rest.len() - rest.len();
        self.rest = rest;
        count
    }

    fn skip_space(&mut self) {
        self.rest = self.rest.trim_start_matches([' ', '\t', '\n', '\r']);
    }

    fn take(&mut self, text: &str) -> bool {
        match self.rest.strip_prefix(text) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn next(&mut self) -> Option<char> {
        let next = self.rest.chars().next()?;
        self.rest = &self.rest[next.len_utf8()..];
        Some(next)
    }
}

/// A character of a string. Only escaped surrogates join.
#[derive(Clone, Copy)]
enum Unit {
    Plain(u32),
    Escaped(u32),
}

fn join_surrogates(units: &[Unit]) -> PythonText {
    let mut text = Vec::new();
    let mut units = units;
    loop {
        units = match units {
            [
                Unit::Escaped(high @ 0xd800..=0xdbff),
                Unit::Escaped(low @ 0xdc00..=0xdfff),
                rest @ ..,
            ] => {
                text.push(0x10000 + (high - 0xd800) * 0x400 + (low - 0xdc00));
                rest
            }
            [Unit::Plain(c) | Unit::Escaped(c), rest @ ..] => {
                text.push(*c);
                rest
            }
            [] => return text,
        };
    }
}

/// The value of a cookie: `parse_cookie` of `django.http.cookie`, under WSGI.
pub(crate) fn cookie(header: &[u8], name: &str) -> Option<String> {
    let header = String::from_utf8_lossy(header);
    let mut found = None;
    for chunk in header.split(';') {
        let (key, value) = match chunk.find('=') {
            Some(at) => (&chunk[..at], &chunk[at + 1..]),
            None => ("", chunk),
        };
        let (key, value) = (strip(key), strip(value));
        if key == name && (!key.is_empty() || chunk.contains('=')) {
            found = Some(unquote_cookie(value));
        }
    }
    found
}

/// `str.strip()`
fn strip(text: &str) -> &str {
    const SPACE: &[char] = &[
        '\t', '\n', '\x0b', '\x0c', '\r', '\x1c', '\x1d', '\x1e', '\x1f', ' ', '\u{85}', '\u{a0}',
        '\u{1680}', '\u{2000}', '\u{2001}', '\u{2002}', '\u{2003}', '\u{2004}', '\u{2005}',
        '\u{2006}', '\u{2007}', '\u{2008}', '\u{2009}', '\u{200a}', '\u{2028}', '\u{2029}',
        '\u{202f}', '\u{205f}', '\u{3000}',
    ];
    text.trim_matches(SPACE)
}

/// `http.cookies._unquote`: `re.sub(r"\\(?:([0-3][0-7][0-7])|(.))", ..)` between double quotes.
fn unquote_cookie(value: &str) -> String {
    let characters: Vec<char> = value.chars().collect();
    let inner = match &characters[..] {
        ['"', inner @ .., '"'] => inner,
        _ => return value.to_owned(),
    };
    let mut text = String::new();
    let mut at = 0;
    while at < inner.len() {
        let octal: String = inner.iter().skip(at + 1).take(3).collect();
        let is_octal = octal.len() == 3
            && octal.starts_with(['0', '1', '2', '3'])
            && octal.chars().all(|digit| digit.is_digit(8));
        match inner[at] {
            '\\' if is_octal => {
                let code = u32::from_str_radix(&octal, 8).ok().and_then(char::from_u32);
                text.extend(code);
                at += 4;
            }
            // `.` does not match a line break, and the backslash may be the last character.
            '\\' if inner.get(at + 1).is_some_and(|&c| c != '\n') => {
                text.push(inner[at + 1]);
                at += 2;
            }
            other => {
                text.push(other);
                at += 1;
            }
        }
    }
    text
}
