//! Changes plain data in the middle of an expression.

/// `DjangoSettings::new("k").with(|s| s.use_tz = false)`, where a `let mut` is in the way.
pub trait With: Sized {
    /// Returns the value after the change.
    #[must_use]
    fn with(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self
    }
}

impl<T> With for T {}
