//! The tokens of Python's JSON.

use std::ops::Range;

use crate::signing::Error;

/// The number of digits that Python's `int()` accepts.
const MAX_INT_DIGITS: usize = 4_300;

/// A position in a JSON text, which moves over one token after another.
pub(super) struct Scanner<'a> {
    bytes: &'a [u8],
    pub(super) at: usize,
}

impl<'a> Scanner<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { bytes: text.as_bytes(), at: 0 }
    }

    pub(super) fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    pub(super) fn take(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    pub(super) fn error(&self) -> Error {
        Error::BadJson { position: self.at }
    }

    pub(super) fn skip_space(&mut self) {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.peek() {
            self.at += 1;
        }
    }

    /// Scans a key, the colon, and the space before the value. Returns the range of the key without its
    /// quotes.
    pub(super) fn key(&mut self) -> Result<Range<usize>, Error> {
        if self.peek() != Some(b'"') {
            return Err(self.error());
        }
        let key = self.string()?;
        self.skip_space();
        if !self.take(b':') {
            return Err(self.error());
        }
        self.skip_space();
        Ok(key)
    }

    /// Scans a string from its opening quote to its closing one. Returns its range without them.
    pub(super) fn string(&mut self) -> Result<Range<usize>, Error> {
        self.at += 1;
        let start = self.at;
        loop {
            match self.peek() {
                Some(b'"') => {
                    let inner = start..self.at;
                    self.at += 1;
                    return Ok(inner);
                }
                Some(b'\\') => {
                    self.at += 1;
                    self.escape()?;
                }
                Some(0x20..) => self.at += 1,
                Some(..0x20) | None => return Err(self.error()),
            }
        }
    }

    fn escape(&mut self) -> Result<(), Error> {
        match self.peek() {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => self.at += 1,
            Some(b'u') => {
                self.at += 1;
                for _ in 0..4 {
                    if !self.peek().is_some_and(|digit| digit.is_ascii_hexdigit()) {
                        return Err(self.error());
                    }
                    self.at += 1;
                }
            }
            _ => return Err(self.error()),
        }
        Ok(())
    }

    pub(super) fn number_or_literal(&mut self) -> Result<(), Error> {
        let rest = &self.bytes[self.at..];
        let literals = [&b"null"[..], b"true", b"false", b"NaN", b"Infinity", b"-Infinity"];
        if let Some(b'-' | b'0'..=b'9') = self.peek()
            && !rest.starts_with(b"-I")
        {
            return self.number();
        }
        for literal in literals {
            if rest.starts_with(literal) {
                self.at += literal.len();
                return Ok(());
            }
        }
        Err(self.error())
    }

    fn number(&mut self) -> Result<(), Error> {
        self.take(b'-');
        let start = self.at;
        let digits = if self.take(b'0') { 1 } else { self.digits()? };
        let mut is_int = true;
        if self.take(b'.') {
            is_int = false;
            self.digits()?;
        }
        if self.take(b'e') || self.take(b'E') {
            is_int = false;
            if !self.take(b'+') {
                self.take(b'-');
            }
            self.digits()?;
        }
        if is_int && digits > MAX_INT_DIGITS {
            return Err(Error::BadJson { position: start });
        }
        Ok(())
    }

    /// Scans one digit or more. Returns how many.
    fn digits(&mut self) -> Result<usize, Error> {
        let start = self.at;
        while let Some(b'0'..=b'9') = self.peek() {
            self.at += 1;
        }
        if self.at == start {
            return Err(self.error());
        }
        Ok(self.at - start)
    }
}
