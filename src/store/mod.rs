//! Django's tables in PostgreSQL: the only place that knows SQL.

mod check;
mod connection;
mod hints;
mod lease;
mod primary_key;
mod users;

use std::{
    error::Error as StdError,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::SystemTime,
};

use bytes::BytesMut;
use deadpool_postgres::Pool;
use tokio_postgres::types::{IsNull, ToSql, Type, to_sql_checked};
use tracing::Instrument;

use crate::{
    error::{Error, Unavailable},
    observe::{Event, Observer},
    session::SessionKey,
    settings::DjangoSettings,
};
use connection::Connection;
use hints::UserHints;
use lease::Query;
#[cfg(fuzzing)]
pub(crate) use primary_key::PrimaryKey;
pub(crate) use primary_key::PrimaryKeyValue;

/// Django's tables, as the settings name them. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Database {
    shared: Arc<Shared>,
    connection: Connection,
    observer: Observer,
}

struct Shared {
    settings: DjangoSettings,
    session: Query,
    users: users::Users,
    uses_users: AtomicBool,
    hints: UserHints,
}

/// What is in a row of the session table, beside its key.
pub(crate) struct SessionRow {
    pub(crate) session_data: String,
    pub(crate) expire_date: SystemTime,
}

impl Database {
    pub(crate) fn new(pool: Pool, settings: DjangoSettings) -> Self {
        let session = Query {
            sql: format!(
                "SELECT session_data, expire_date FROM {} WHERE session_key = $1",
                settings.session_table.quoted()
            ),
            types: vec![Type::VARCHAR],
        };
        Self {
            connection: Connection::new(pool, &settings),
            shared: Arc::new(Shared {
                session,
                users: users::Users::default(),
                hints: UserHints::default(),
                uses_users: AtomicBool::new(settings.user_model_is_set),
                settings,
            }),
            observer: Observer::default(),
        }
    }

    /// The row with this session key, expired ones too.
    pub(crate) async fn session_row(&self, key: &SessionKey) -> Result<Option<SessionRow>, Error> {
        if !key.fits_column() {
            return Ok(None);
        }
        self.observer.event(Event::SessionLookup);
        let params: &[&(dyn ToSql + Sync)] = &[&KeyParameter(key)];
        let lookup = self.connection.query(&self.shared.session, params);
        let rows = lookup.instrument(tracing::debug_span!("session lookup")).await?;
        let Some(row) = rows.first() else { return Ok(None) };
        let row = || Ok(SessionRow { session_data: row.try_get(0)?, expire_date: row.try_get(1)? });
        Ok(Some(row().map_err(Unavailable::Query)?))
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
