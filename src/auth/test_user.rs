//! A user for tests of handlers.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Display,
};

use bytes::BytesMut;
use serde::Serialize;
use tokio_postgres::types::{IsNull, ToSql, Type};

use crate::{database::ColumnValue, session::SessionData};

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

/// A user for [`test::user`](crate::test::user): active, and with what you give.
#[derive(Clone, Debug)]
#[must_use]
pub struct TestUser {
    pub(crate) id: String,
    pub(crate) username: String,
    pub(crate) is_staff: bool,
    pub(crate) is_superuser: bool,
    pub(crate) permissions: BTreeSet<String>,
    pub(crate) groups: BTreeSet<String>,
    pub(crate) columns: BTreeMap<String, ColumnValue>,
    pub(crate) session_data: SessionData,
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
            groups: BTreeSet::new(),
            columns: BTreeMap::new(),
            session_data: SessionData::new(),
        }
    }

    /// Gives the user a further column, for [`DjangoUser::get`](crate::DjangoUser::get): `7_i64` is
    /// one of type `bigint`, `"x"` one of type `text`, an `Option` may be NULL.
    ///
    /// # Panics
    /// If no column has such values.
    pub fn column<T: ToSql>(mut self, name: impl Into<String>, value: T) -> Self {
        let accepted = COLUMN_TYPES.iter().find(|column_type| T::accepts(column_type));
        let column_type = accepted.expect("a column may hold such a value").clone();
        let mut bytes = BytesMut::new();
        let null = value.to_sql(&column_type, &mut bytes).expect("the value has a form in SQL");
        let value = matches!(null, IsNull::No).then(|| bytes.to_vec());
        self.columns.insert(name.into(), ColumnValue { column_type, value });
        self
    }

    /// Puts a value into the user's session, beside what says who is logged in.
    ///
    /// # Panics
    /// If the value has no JSON form.
    pub fn session_data<T: Serialize + ?Sized>(mut self, key: &str, value: &T) -> Self {
        self.session_data.insert(key, value).expect("the value has a JSON form");
        self
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

    /// Puts the user into these groups.
    pub fn groups<I>(mut self, groups: I) -> Self
    where
        I: IntoIterator,
        I::Item: Into<String>,
    {
        self.groups = groups.into_iter().map(Into::into).collect();
        self
    }
}
