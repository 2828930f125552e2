//! A user of a site in memory.

use std::fmt;

use tokio_postgres::types::{ToSql, Type};

use crate::{database::ColumnValue, memory::User, settings::PasswordHasher};

/// The types of columns that a value of a test may stand for: of those that take it, the first.
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

/// A user for a [`TestSite`](super::TestSite): active, without a password, and with what you give.
#[derive(Clone)]
#[must_use]
pub struct TestUser(User);

impl TestUser {
    /// A user without special rights.
    pub fn new(id: impl fmt::Display, username: impl Into<String>) -> Self {
        let (id, username) = (id.to_string(), username.into());
        // As Django marks a password that cannot be used.
        Self(User { id, username, password: "!".into(), is_active: true, ..User::default() })
    }

    /// Gives the user a password. It is hashed so that a test does not wait for it.
    ///
    /// # Panics
    /// If the operating system gives no random numbers.
    pub fn password(mut self, raw: &str) -> Self {
        let quick = PasswordHasher::Pbkdf2Sha256 { iterations: 1 };
        self.0.password = quick.encode(raw).expect("it is computed here");
        self
    }

    /// Makes the account one that is not active.
    pub fn inactive(mut self) -> Self {
        self.0.is_active = false;
        self
    }

    /// Gives the user a further column, for [`DjangoUser::get`](crate::DjangoUser::get): `7_i64` is
    /// one of type `bigint`, `"x"` one of type `text`, an `Option` may be NULL. Other users have NULL
    /// there.
    ///
    /// # Panics
    /// If no column has such values.
    pub fn column<T: ToSql>(mut self, name: impl Into<String>, value: T) -> Self {
        let accepted = COLUMN_TYPES.iter().find(|column_type| T::accepts(column_type));
        let value = accepted.and_then(|accepted| ColumnValue::new(accepted.clone(), &value));
        self.0.columns.insert(name.into(), value.expect("a column may hold such a value"));
        self
    }

    /// Lets the user use the admin site.
    pub fn staff(mut self) -> Self {
        self.0.is_staff = true;
        self
    }

    /// Gives the user every permission.
    pub fn superuser(mut self) -> Self {
        self.0.is_superuser = true;
        self
    }

    /// Gives the user these permissions, `"app_label.codename"`.
    pub fn permissions<I>(mut self, permissions: I) -> Self
    where
        I: IntoIterator,
        I::Item: Into<String>,
    {
        self.0.permissions = permissions.into_iter().map(Into::into).collect();
        self
    }

    /// Puts the user into these groups: see [`TestSite::group`](super::TestSite::group).
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

/// Does not show the password, and nothing else that is said of somebody.
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
        let said = |error: Error| error.to_string();
        assert_eq!(
            said(user.get::<String>("tenant").unwrap_err()),
            "the column \"tenant\" of the user is of type int8, or NULL, and that is no \
             `alloc::string::String` (one that may be NULL is an `Option`)"
        );
        assert!(said(user.get::<String>("plan").unwrap_err()).contains("of type text, or NULL"));
        assert_eq!(
            said(user.get::<i32>("password").unwrap_err()),
            "the column \"password\" of the user is not read: name it in `UserModel::columns`"
        );
    }
}
