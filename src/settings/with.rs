//! Changes settings in the middle of an expression, in tests.

/// `DjangoSettings::new("k").with(|s| s.use_tz = false)`
pub(crate) trait With: Sized {
    fn with(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self
    }
}

impl<T> With for T {}
