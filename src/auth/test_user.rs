//! A user for tests of handlers.

use std::{collections::BTreeSet, fmt::Display};

/// A user for [`test::user`](crate::test::user): active, and with what you give.
#[derive(Clone, Debug)]
#[must_use]
pub struct TestUser {
    pub(crate) id: String,
    pub(crate) username: String,
    pub(crate) is_staff: bool,
    pub(crate) is_superuser: bool,
    pub(crate) permissions: BTreeSet<String>,
}

impl TestUser {
    /// A user without special rights.
    pub fn new(id: impl Display, username: impl Into<String>) -> Self {
        Self {
            id: id.to_string(),
            username: username.into(),
            is_staff: false,
            is_superuser: false,
            permissions: BTreeSet::new(),
        }
    }

    /// Lets the user use the admin site.
    pub fn staff(mut self) -> Self {
        self.is_staff = true;
        self
    }

    /// Gives the user every permission.
    pub fn superuser(mut self) -> Self {
        self.is_superuser = true;
        self
    }

    /// Gives the user these permissions, `"app_label.codename"`.
    pub fn permissions<I>(mut self, permissions: I) -> Self
    where
        I: IntoIterator,
        I::Item: Into<String>,
    {
        self.permissions = permissions.into_iter().map(Into::into).collect();
        self
    }
}
