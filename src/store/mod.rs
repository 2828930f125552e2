//! Django's `django_session` table, read through the user's deadpool pool.

mod check;
mod connection;
mod hints;
mod lease;
mod primary_key;
mod users;

use std::{
    error::Error as StdError,
    fmt,
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
    observe::Event,
    session::{DjangoSession, SessionKey, SessionSigner},
    settings::DjangoSettings,
    signing::SaltedHmac,
};
use connection::Connection;
use hints::UserHints;
use lease::Query;
#[cfg(fuzzing)]
pub(crate) use primary_key::PrimaryKey;
pub(crate) use primary_key::PrimaryKeyValue;

/// Reads sessions from Django's table, as Django's `SessionStore` of
/// `django.contrib.sessions.backends.db` does.
///
/// Cheap to clone. Concurrent lookups of one store and its clones share one connection of the pool
/// (and a middleware gives each worker a connection of its own), so a small pool serves many
/// requests; no connection is held while no lookup is under way.
#[derive(Clone)]
pub struct SessionStore {
    shared: Arc<Shared>,
    connection: Connection,
}

struct Shared {
    settings: DjangoSettings,
    signer: Arc<SessionSigner>,
    session: Query,
    users: users::Users,
    uses_users: AtomicBool,
    hints: UserHints,
    /// The keys of the session auth hash: the secret's, then its fallbacks'.
    session_auth_keys: Vec<SaltedHmac>,
}

impl SessionStore {
    /// A store over a pool. Connects to nothing yet: see [`SessionStore::check`].
    ///
    /// The pool stays yours: its size, timeouts, TLS and recycling are as you built it.
    ///
    /// # Errors
    /// [`Error::ImproperlyConfigured`] if the settings cannot work: an empty secret key or
    /// fallback, an empty name.
    pub fn new(pool: Pool, settings: DjangoSettings) -> Result<Self, Error> {
        settings.validate()?;
        let session = Query {
            sql: format!(
                "SELECT session_data, expire_date FROM {} WHERE session_key = $1",
                settings.session_table.quoted()
            ),
            types: vec![Type::VARCHAR],
        };
        Ok(Self {
            connection: Connection::new(pool, &settings),
            shared: Arc::new(Shared {
                signer: Arc::new(SessionSigner::new(&settings)?),
                session,
                users: users::Users::default(),
                hints: UserHints::default(),
                uses_users: AtomicBool::new(settings.user_model_is_set),
                session_auth_keys: session_auth_keys(&settings),
                settings,
            }),
        })
    }

    /// The session with this key, if it is live: `expire_date > now`, by the clock of this machine
    /// (R9). One indexed read; the session data is not decoded.
    ///
    /// ```no_run
    /// # async fn f(store: actix_django_session::SessionStore) -> Result<(), Box<dyn std::error::Error>> {
    /// use actix_django_session::{Error, SessionKey};
    ///
    /// let Some(key) = SessionKey::new("0123456789abcdefghijklmnopqrstuv") else { return Ok(()) };
    /// match store.load(&key).await {
    ///     Ok(session) => println!("user {:?}", session.user_id()?),
    ///     Err(Error::SessionNotFound | Error::SessionExpired) => println!("nobody"),
    ///     Err(error) => return Err(error.into()),
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error::SessionNotFound`], [`Error::SessionExpired`], or [`Error::Unavailable`] when
    /// PostgreSQL does not answer within the `lookup_timeout`.
    pub async fn load(&self, key: &SessionKey) -> Result<DjangoSession, Error> {
        self.load_row(key, SystemTime::now).await
    }

    /// [`SessionStore::load`] by another clock: the session if it is live at `now`.
    ///
    /// # Errors
    /// As [`SessionStore::load`].
    pub async fn load_at(&self, key: &SessionKey, now: SystemTime) -> Result<DjangoSession, Error> {
        self.load_row(key, || now).await
    }

    async fn load_row(
        &self,
        key: &SessionKey,
        now: impl FnOnce() -> SystemTime,
    ) -> Result<DjangoSession, Error> {
        if !key.fits_column() {
            return Err(Error::SessionNotFound);
        }
        let observer = &self.settings().observer;
        observer.event(Event::SessionLookup);
        let params: &[&(dyn ToSql + Sync)] = &[&KeyParameter(key)];
        let lookup = self.connection.query(&self.shared.session, params);
        let rows = lookup.instrument(tracing::debug_span!("session lookup")).await?;
        let row = rows.first().ok_or(Error::SessionNotFound)?;
        let column = |error| Error::from(Unavailable::Query(error));
        let expire_date: SystemTime = row.try_get(1).map_err(column)?;
        if expire_date <= now() {
            return Err(Error::SessionExpired);
        }
        observer.event(Event::SessionFound);
        let session_data: String = row.try_get(0).map_err(column)?;
        let signer = Arc::clone(&self.shared.signer);
        Ok(DjangoSession::new(key.clone(), expire_date, session_data, signer))
    }

    /// The settings of this store.
    pub fn settings(&self) -> &DjangoSettings {
        &self.shared.settings
    }

    /// What signs and reads the session data of this store.
    pub fn signer(&self) -> &SessionSigner {
        &self.shared.signer
    }

    /// Remembers that the user tables matter, for [`SessionStore::check`].
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

    /// The keys under which a session auth hash may be made.
    pub(crate) fn session_auth_keys(&self) -> &[SaltedHmac] {
        &self.shared.session_auth_keys
    }

    /// This store with the connection that all gates of the current worker share.
    pub(crate) fn for_worker(&self) -> Self {
        Self { connection: self.connection.of_this_worker(), ..self.clone() }
    }

    /// Whether both are clones of one store.
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

fn session_auth_keys(settings: &DjangoSettings) -> Vec<SaltedHmac> {
    let Some(hash) = &settings.user_model.session_auth_hash else { return Vec::new() };
    std::iter::once(&settings.secret_key)
        .chain(&settings.secret_key_fallbacks)
        .map(|secret| SaltedHmac::new(&hash.key_salt, secret, hash.algorithm))
        .collect()
}

impl fmt::Debug for SessionStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionStore").field("settings", self.settings()).finish_non_exhaustive()
    }
}
