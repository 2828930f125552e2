//! The containers that are open at a place in a JSON text.

use crate::signing::Error;

/// The depth to which Python 3.13 accepts nested lists and dictionaries.
const MAX_DEPTH: usize = 9_998;

#[derive(Clone, Copy, PartialEq)]
pub(super) enum Container {
    Array,
    Object,
}

/// The open containers, one bit for each: set for an object.
#[derive(Default)]
pub(super) struct Nesting {
    pub(super) depth: usize,
    /// The innermost ones, of the last 64 levels begun.
    bits: u64,
    outer: Vec<u64>,
}

impl Nesting {
    pub(super) fn push(&mut self, container: Container) -> Result<(), Error> {
        if self.depth == MAX_DEPTH {
            return Err(Error::JsonTooDeep { limit: MAX_DEPTH });
        }
        if self.depth > 0 && self.depth.is_multiple_of(64) {
            self.outer.push(self.bits);
        }
        self.bits = self.bits << 1 | u64::from(container == Container::Object);
        self.depth += 1;
        Ok(())
    }

    pub(super) fn pop(&mut self) {
        self.bits >>= 1;
        self.depth -= 1;
        if self.depth.is_multiple_of(64)
            && let Some(bits) = self.outer.pop()
        {
            self.bits = bits;
        }
    }

    pub(super) fn innermost(&self) -> Option<Container> {
        match (self.depth, self.bits & 1) {
            (0, _) => None,
            (_, 0) => Some(Container::Array),
            _ => Some(Container::Object),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_opened_last_is_closed_first_at_any_depth() {
        let kind = |level: usize| match level % 3 {
            0 => Container::Object,
            _ => Container::Array,
        };
        let mut open = Nesting::default();
        for level in 0..MAX_DEPTH {
            open.push(kind(level)).unwrap();
        }
        assert!(open.push(Container::Array).is_err());
        for level in (0..MAX_DEPTH).rev() {
            assert!(open.innermost() == Some(kind(level)), "{level}");
            open.pop();
        }
        assert!(open.innermost().is_none());
    }
}
