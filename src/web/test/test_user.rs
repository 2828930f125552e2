//! A user of a site in memory.

use std::fmt;

use tokio_postgres::types::{ToSql, Type};

use crate::{database::ColumnValue, memory::User, settings::PasswordHasher};

/// The column types that a test's value can have: the first that accepts the Rust type.
const COLUMN_TYPES: &[Type] = &[
    Type::BOOL,
    Type::INT2,
    Type::INT4,
    Type::INT8,
    Type::FLOAT4,
    Type::FLOAT8,
    Type::TEXT,
    Type::UUID,
    Type::TIMESTAMPTZ,
    Type::TIMESTAMP,
    Type::DATE,
    Type::TIME,
    Type::NUMERIC,
    Type::JSONB,
    Type::BYTEA,
    Type::INET,
    Type::TEXT_ARRAY,
    Type::INT4_ARRAY,
    Type::INT8_ARRAY,
];

/// A user for a [`TestSite`](super::TestSite): active, without password and rights until you add them.
#[derive(Clone)]
#[must_use]
pub struct TestUser(User);

impl TestUser {
    /// Makes an active user without password, groups and permissions. `id` is the primary key.
    pub fn new(id: impl fmt::Display, username: impl Into<String>) -> Self {
        let (id, username) = (id.to_string(), username.into());
        // As Django marks a password that cannot be used.
        Self(User { id, username, password: "!".into(), is_active: true, ..User::default() })
    }

    /// Sets the user's password, encoded with a fast hasher.
    ///
    /// # Panics
    /// If the operating system gives no random numbers.
    pub fn password(mut self, raw: &str) -> Self {
        let quick = PasswordHasher::Pbkdf2Sha256 { iterations: 1 };
        self.0.password = quick.encode(raw).expect("it is computed here");
        self
    }

    /// Makes the account inactive: `is_active = False`.
    pub fn inactive(mut self) -> Self {
        self.0.is_active = false;
        self
    }

    /// Sets a further column of the user, for [`DjangoUser::get`](crate::DjangoUser::get). The Rust type
    /// decides the column's type: `7_i64` is a `bigint`, `"x"` a `text`; `None` is NULL. Users without this
    /// call have NULL there.
    ///
    /// # Panics
    /// If PostgreSQL has no column type for `T`.
    pub fn column<T: ToSql>(mut self, name: impl Into<String>, value: T) -> Self {
        let accepted = COLUMN_TYPES.iter().find(|column_type| T::accepts(column_type));
        let value = accepted.and_then(|accepted| ColumnValue::new(accepted.clone(), &value));
        self.0.columns.insert(name.into(), value.expect("a column may hold such a value"));
        self
    }

    /// Lets the user use the admin site: `is_staff = True`.
    pub fn staff(mut self) -> Self {
        self.0.is_staff = true;
        self
    }

    /// Gives the user every permission: `is_superuser = True`.
    pub fn superuser(mut self) -> Self {
        self.0.is_superuser = true;
        self
    }

    /// Sets the user's permissions, `"app_label.codename"`.
    pub fn permissions<I>(mut self, permissions: I) -> Self
    where
        I: IntoIterator,
        I::Item: Into<String>,
    {
        self.0.permissions = permissions.into_iter().map(Into::into).collect();
        self
    }

    /// Sets the user's groups by name. [`TestSite::group`](super::TestSite::group) gives groups permissions.
    pub fn groups<I>(mut self, groups: I) -> Self
    where
        I: IntoIterator,
        I::Item: Into<String>,
    {
        self.0.groups = groups.into_iter().map(Into::into).collect();
        self
    }

    pub(super) fn row(self) -> User {
        self.0
    }
}

/// Shows the id alone: no password and no other personal data.
impl fmt::Debug for TestUser {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TestUser").field("id", &self.0.id).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::super::site;
    use super::*;
    use crate::error::Error;

    #[tokio::test]
    async fn a_column_that_cannot_be_had_says_which_of_the_causes_it_was() {
        let ada = TestUser::new(1, "ada").column("tenant", 7_i64).column("plan", None::<String>);
        let user = site().user(ada).build().user(1).await.unwrap();
        assert_eq!(user.get::<i64>("tenant").unwrap(), 7);
        assert_eq!(user.get::<Option<String>>("plan").unwrap(), None);
        let message = |error: Error| error.to_string();
        assert_eq!(
            message(user.get::<String>("tenant").unwrap_err()),
            "the column \"tenant\" of the user is of type int8, or NULL, and that is no \
             `alloc::string::String` (one that may be NULL is an `Option`)"
        );
        assert!(message(user.get::<String>("plan").unwrap_err()).contains("of type text, or NULL"));
        assert_eq!(
            message(user.get::<i32>("password").unwrap_err()),
            "the column \"password\" of the user is not read: name it in `UserModel::columns`"
        );
    }
}
