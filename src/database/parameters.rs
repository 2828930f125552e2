//! Parameters whose values must not be logged: tokio-postgres logs parameters at level debug, by their
//! `Debug`.

use std::{error::Error as StdError, fmt, sync::Arc};

use bytes::BytesMut;
use tokio_postgres::types::{IsNull, ToSql, Type, to_sql_checked};

use crate::session::SessionKey;

/// A session key. Cheap to clone.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) struct KeyParameter(Arc<str>);

impl KeyParameter {
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether the key can share a query with others: some database encodings lack some characters.
    pub(super) fn is_batchable(&self) -> bool {
        self.0.is_ascii()
    }
}

impl From<&SessionKey> for KeyParameter {
    fn from(key: &SessionKey) -> Self {
        Self(Arc::clone(key.shared()))
    }
}

impl fmt::Debug for KeyParameter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyParameter(..)")
    }
}

impl ToSql for KeyParameter {
    fn to_sql(
        &self,
        ty: &Type,
        out: &mut BytesMut,
    ) -> Result<IsNull, Box<dyn StdError + Sync + Send>> {
        self.as_str().to_sql(ty, out)
    }

    fn accepts(ty: &Type) -> bool {
        <&str as ToSql>::accepts(ty)
    }

    to_sql_checked!();
}

/// Session data, or an encoded password.
pub(super) struct SecretParameter(pub(super) String);

impl fmt::Debug for SecretParameter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretParameter(..)")
    }
}

impl ToSql for SecretParameter {
    fn to_sql(
        &self,
        ty: &Type,
        out: &mut BytesMut,
    ) -> Result<IsNull, Box<dyn StdError + Sync + Send>> {
        self.0.to_sql(ty, out)
    }

    fn accepts(ty: &Type) -> bool {
        <&str as ToSql>::accepts(ty)
    }

    to_sql_checked!();
}
