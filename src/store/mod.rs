//! Django's tables in PostgreSQL: the only place that knows SQL.

mod check;
mod connection;
mod hints;
mod lease;
mod primary_key;
mod sessions;
mod user_columns;
mod users;

use std::{
    error::Error as StdError,
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use bytes::BytesMut;
use deadpool_postgres::Pool;
use tokio_postgres::types::{IsNull, ToSql, Type, to_sql_checked};

use crate::{observe::Observer, session::SessionKey, settings::DjangoSettings};
use connection::Connection;
use hints::UserHints;
use lease::Query;
#[cfg(fuzzing)]
pub(crate) use primary_key::PrimaryKey;
pub(crate) use primary_key::PrimaryKeyValue;
pub(crate) use sessions::{SessionRow, Written};

/// Django's tables, as the settings name them. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Database {
    shared: Arc<Shared>,
    connection: Connection,
    observer: Observer,
}

struct Shared {
    settings: DjangoSettings,
    sessions: sessions::SessionQueries,
    users: users::Users,
    user_columns: user_columns::UserColumns,
    uses_users: AtomicBool,
    hints: UserHints,
}

impl Database {
    pub(crate) fn new(pool: Pool, settings: DjangoSettings) -> Self {
        Self {
            connection: Connection::new(pool, &settings),
            shared: Arc::new(Shared {
                sessions: sessions::SessionQueries::new(&settings.session_table),
                users: users::Users::default(),
                user_columns: user_columns::UserColumns::default(),
                hints: UserHints::default(),
                uses_users: AtomicBool::new(settings.user_model_is_set),
                settings,
            }),
            observer: Observer::default(),
        }
    }

    pub(crate) fn settings(&self) -> &DjangoSettings {
        &self.shared.settings
    }

    pub(crate) fn observer(&self) -> &Observer {
        &self.observer
    }

    /// This database, with what happens told to that observer.
    pub(crate) fn observed_by(mut self, observer: Observer) -> Self {
        self.observer = observer;
        self
    }

    /// Remembers that the user tables matter, for [`Database::check`].
    pub(crate) fn use_users(&self) {
        self.shared.uses_users.store(true, Ordering::Relaxed);
    }

    fn uses_users(&self) -> bool {
        self.shared.uses_users.load(Ordering::Relaxed)
    }

    /// Whom session keys stood for last.
    pub(crate) fn hints(&self) -> &UserHints {
        &self.shared.hints
    }

    /// This database by the connection that all gates of the current worker share.
    pub(crate) fn for_worker(&self) -> Self {
        Self { connection: self.connection.of_this_worker(), ..self.clone() }
    }

    /// Whether both are clones of one.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.shared, &other.shared)
    }
}

/// A session key as the parameter of a query: tokio-postgres shows parameters in its own log, at
/// level debug, by their `Debug`.
#[derive(Debug)]
struct KeyParameter<'a>(&'a SessionKey);

impl ToSql for KeyParameter<'_> {
    fn to_sql(
        &self,
        ty: &Type,
        out: &mut BytesMut,
    ) -> Result<IsNull, Box<dyn StdError + Sync + Send>> {
        self.0.as_str().to_sql(ty, out)
    }

    fn accepts(ty: &Type) -> bool {
        <&str as ToSql>::accepts(ty)
    }

    to_sql_checked!();
}

/// Session data as the parameter of a query, likewise.
struct Secret<'a>(&'a str);

impl fmt::Debug for Secret<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

impl ToSql for Secret<'_> {
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
