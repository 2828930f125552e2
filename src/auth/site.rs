//! The session store: Django's tables, what signs session data, and the hooks of the application.

use std::{fmt, sync::Arc, time::SystemTime};

use deadpool_postgres::Pool;
use futures_util::future::BoxFuture;
use tokio::time::Instant;

use super::{
    DjangoUser,
    hashers::CustomHashers,
    request_parts::RequestParts,
    session_auth_keys::SessionAuthKeys,
    user::AfterHasPerm,
    writer::{OnSessionChange, SessionColumns, Writer},
};
use crate::{
    backend::Backend,
    database::{Database, SessionRow},
    error::{DecodeError, Error},
    memory::{Memory, Tables},
    messages::MessageSite,
    observe::{Event, Observer},
    room::Room,
    session::{DjangoSession, Memo, SessionKey, SessionSigner, is_live},
    settings::{DjangoSettings, SessionEngine},
    signing,
};

/// Reads sessions and their users from Django's tables, as Django's `SessionStore` of
/// `django.contrib.sessions.backends.db` and `django.contrib.auth` do.
///
/// Cheap to clone. It opens connections of its own, with the host, credentials and TLS of the pool: at
/// most [`max_connections`](DjangoSettings::max_connections) in the process, opened when they are needed
/// and closed after a minute without use. Concurrent requests of a worker share queries: while one query
/// is in flight, further lookups gather, and the next query carries all of them. It never uses a
/// connection of the pool, so neither the pool's hooks nor the application's use of them affects a lookup.
#[derive(Clone)]
#[doc(alias = "SessionStore")]
pub struct DjangoSite {
    database: Backend,
    signer: Arc<SessionSigner>,
    memo: Arc<Memo>,
    session_auth_keys: Option<Arc<SessionAuthKeys>>,
    messages: Arc<MessageSite>,
    form_memory: Room,
    form_spool: Room,
    hooks: Arc<Hooks>,
    /// What is being answered, for a hook that is being asked.
    request: Option<Arc<RequestParts>>,
    writer: Arc<Writer>,
}

/// Code of the application that has a say in who is logged in.
#[derive(Clone, Default)]
pub(super) struct Hooks {
    pub(super) last_word: LastWord,
    pub(super) parse_user_id: Option<Arc<IdToKey>>,
    pub(super) format_user_id: Option<Arc<KeyToId>>,
    pub(super) session_auth_hash_message: Option<Arc<Message>>,
    pub(super) on_session_change: Option<Arc<OnSessionChange>>,
    pub(super) username_to_column: Option<Arc<UsernameToColumn>>,
    pub(super) after_check_password: Option<Arc<AfterCheckPassword>>,
    pub(super) after_has_perm: Option<Arc<AfterHasPerm>>,
    pub(super) password_hashers: CustomHashers,
    pub(super) session_columns: Option<Arc<SessionColumns>>,
}

/// Who has the last word on the user of a session.
#[derive(Clone, Default)]
pub(super) enum LastWord {
    /// Django's own checks.
    #[default]
    Djangos,
    Hook(Arc<AfterGetUser>),
    /// The hook that this site is given: it answers for all users whom it asks for.
    OfWhoAsks,
}

pub(super) type AfterGetUser =
    dyn Fn(DjangoSession, DjangoUser, DjangoSite) -> Verdict + Send + Sync;
pub(super) type Verdict = BoxFuture<'static, Result<Option<DjangoUser>, Error>>;
type UsernameToColumn = dyn Fn(&str) -> Result<Option<String>, Error> + Send + Sync;
type AfterCheckPassword = dyn Fn(DjangoUser, DjangoSite) -> Verdict + Send + Sync;
type KeyToId = dyn Fn(&str) -> String + Send + Sync;
type IdToKey = dyn Fn(&str) -> Option<String> + Send + Sync;
type Message = dyn Fn(&str, &DjangoUser) -> Result<String, Error> + Send + Sync;

impl DjangoSite {
    /// A site on the database of this pool. Connects to nothing yet: see [`DjangoSite::check`].
    ///
    /// The pool stays yours: only how it connects is taken from it.
    ///
    /// # Errors
    /// [`Error::ImproperlyConfigured`] if the settings cannot work: an empty secret key or
    /// fallback, an empty name.
    pub fn new(pool: Pool, settings: DjangoSettings) -> Result<Self, Error> {
        settings.validate()?;
        Self::with_tables_in(Backend::Postgres(Database::new(pool, settings)))
    }

    /// A site whose tables are in memory.
    ///
    /// # Errors
    /// As [`DjangoSite::new`].
    pub(crate) fn in_memory(tables: Tables, settings: DjangoSettings) -> Result<Self, Error> {
        settings.validate()?;
        Self::with_tables_in(Backend::Memory(Memory::new(tables, settings)))
    }

    fn with_tables_in(database: Backend) -> Result<Self, Error> {
        let (settings, observer) = (database.settings(), database.observer().clone());
        Ok(Self {
            signer: Arc::new(SessionSigner::new(settings)?.observed_by(observer)),
            memo: Arc::new(Memo::new(settings.max_memo_size)),
            session_auth_keys: SessionAuthKeys::new(settings).map(Arc::new),
            messages: Arc::new(MessageSite::new(settings)?),
            writer: Arc::new(Writer::new(settings)?),
            form_memory: Room::of(settings.max_form_memory),
            form_spool: Room::of(settings.max_form_spool),
            database,
            hooks: Arc::default(),
            request: None,
        })
    }

    /// Calls this at every [`Event`], for counters of yours. It runs in the request, so it should do
    /// no more than count:
    ///
    /// ```
    /// # use actix_django_session::DjangoSite;
    /// use std::sync::atomic::{AtomicU64, Ordering};
    /// use actix_django_session::Event;
    ///
    /// static OUTAGES: AtomicU64 = AtomicU64::new(0);
    ///
    /// # fn f(site: DjangoSite) -> DjangoSite {
    /// site.on_event(|event| {
    ///     if event == Event::Outage {
    ///         OUTAGES.fetch_add(1, Ordering::Relaxed);
    ///     }
    ///     // or, with the `metrics` crate:
    ///     // let (name, reason) = (event.name(), event.reason().unwrap_or_default());
    ///     // metrics::counter!("django_sessions", "event" => name, "reason" => reason).increment(1);
    /// })
    /// # }
    /// ```
    ///
    /// Defaults to nothing.
    #[must_use]
    pub fn on_event<F>(mut self, on_event: F) -> Self
    where
        F: Fn(Event<'_>) + Send + Sync + 'static,
    {
        let observer = self.observer().calling(Arc::new(on_event));
        self.signer = Arc::new(SessionSigner::clone(&self.signer).observed_by(observer.clone()));
        self.database = self.database.observed_by(observer);
        self
    }

    /// The session with this key, if it is live: `expire_date > now`, by the clock of this machine.
    /// One indexed read; the session data is not decoded.
    ///
    /// ```no_run
    /// # async fn f(site: actix_django_session::DjangoSite) -> Result<(), Box<dyn std::error::Error>> {
    /// use actix_django_session::{Error, SessionKey};
    ///
    /// let Some(key) = SessionKey::new("0123456789abcdefghijklmnopqrstuv") else { return Ok(()) };
    /// match site.load(&key).await {
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
    /// PostgreSQL does not answer within the `timeout`.
    pub async fn load(&self, key: &SessionKey) -> Result<DjangoSession, Error> {
        let wait = self.database.read_budget().wait();
        self.load_by(key, wait.deadline()).await
    }

    /// [`DjangoSite::load`], by that moment.
    pub(crate) async fn load_by(
        &self,
        key: &SessionKey,
        deadline: Instant,
    ) -> Result<DjangoSession, Error> {
        self.load_row(key, SystemTime::now, deadline).await
    }

    /// [`DjangoSite::load`] by another clock: the session if it is live at `now`.
    ///
    /// # Errors
    /// As [`DjangoSite::load`].
    pub async fn load_at(&self, key: &SessionKey, now: SystemTime) -> Result<DjangoSession, Error> {
        let wait = self.database.read_budget().wait();
        self.load_row(key, || now, wait.deadline()).await
    }

    async fn load_row(
        &self,
        key: &SessionKey,
        now: impl FnOnce() -> SystemTime,
        deadline: Instant,
    ) -> Result<DjangoSession, Error> {
        if self.settings().session_engine == SessionEngine::SignedCookies {
            return self.session_in_cookie(key, now());
        }
        self.live_session(key, self.database.session_row(key, deadline).await?, now())
    }

    /// The session in this row, if there is one and it is live.
    pub(super) fn live_session(
        &self,
        key: &SessionKey,
        row: Option<SessionRow>,
        now: SystemTime,
    ) -> Result<DjangoSession, Error> {
        let row = row.ok_or(Error::SessionNotFound)?;
        if !is_live(row.expire_date, now) {
            return Err(Error::SessionExpired);
        }
        self.observer().event(Event::SessionFound);
        Ok(self.session(key.clone(), row))
    }

    /// The session in a row.
    pub(super) fn session(&self, key: SessionKey, row: SessionRow) -> DjangoSession {
        let (signer, memo) = (self.shared_signer(), Arc::clone(&self.memo));
        DjangoSession::of_row(key, row.expire_date, row.session_data, signer, Some(memo))
    }

    /// The session that is its own cookie.
    fn session_in_cookie(&self, key: &SessionKey, now: SystemTime) -> Result<DjangoSession, Error> {
        // It says when it was made, and lives on with every change.
        let end = now + self.settings().session_max_age().unwrap_or_default();
        let session = DjangoSession::in_cookie(key.clone(), end, self.shared_signer());
        let session = session.map_err(|error| match error {
            DecodeError::Signing(signing::Error::SignatureExpired(_)) => Error::SessionExpired,
            DecodeError::Signing(signing::Error::TooLarge { .. }) => Error::Undecodable(error),
            _ => Error::SessionNotFound,
        })?;
        self.observer().event(Event::SessionFound);
        Ok(session)
    }

    /// Asks PostgreSQL for nothing, to see whether it answers: for the readiness route of a service, as
    /// in `examples/health.rs`. It takes one of the site's own connections, so what a handler does with
    /// the pool has no say in it. No table is read: [`DjangoSite::check`] looks at those.
    ///
    /// Mirrors `connection.is_usable()`.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when PostgreSQL does not answer within the `timeout`. As a response
    /// that is a 503. It is neither logged nor counted here.
    #[doc(alias = "is_usable")]
    pub async fn ping(&self) -> Result<(), Error> {
        self.database.ping().await
    }

    /// The settings of this site.
    pub fn settings(&self) -> &DjangoSettings {
        self.database.settings()
    }

    /// What signs and reads the session data of this site.
    pub fn signer(&self) -> &SessionSigner {
        &self.signer
    }

    pub(crate) fn messages(&self) -> &Arc<MessageSite> {
        &self.messages
    }

    pub(crate) fn database(&self) -> &Backend {
        &self.database
    }

    pub(crate) fn observer(&self) -> &Observer {
        self.database.observer()
    }

    /// This site on another database.
    pub(super) fn on(&self, database: Backend) -> Self {
        Self { database, ..self.clone() }
    }

    pub(super) fn shared_signer(&self) -> Arc<SessionSigner> {
        Arc::clone(&self.signer)
    }

    /// What was found in sessions before.
    pub(super) fn memo(&self) -> &Memo {
        &self.memo
    }

    /// For forms that are being read.
    pub(crate) fn form_memory(&self) -> &Room {
        &self.form_memory
    }

    /// For forms that are being read and wait in temporary files.
    pub(crate) fn form_spool(&self) -> &Room {
        &self.form_spool
    }

    pub(super) fn writer(&self) -> &Writer {
        &self.writer
    }

    pub(super) fn hooks_mut(&mut self) -> &mut Hooks {
        Arc::make_mut(&mut self.hooks)
    }

    /// This site, for a hook that is asked about that request.
    pub(super) fn at(self, request: Option<Arc<RequestParts>>) -> Self {
        Self { request, ..self }
    }

    pub(super) fn request_at_hand(&self) -> Option<&RequestParts> {
        self.request.as_deref()
    }

    pub(super) fn hooks(&self) -> &Hooks {
        &self.hooks
    }

    pub(super) fn session_auth_keys(&self) -> Option<&SessionAuthKeys> {
        self.session_auth_keys.as_deref()
    }

    /// Whether a session key stands for the same session to both, from the same cookie: in one table, and
    /// what the one can read, so can the other.
    pub(crate) fn shares_sessions(&self, other: &Self) -> bool {
        let (ours, theirs) = (self.settings(), other.settings());
        self.database.is_same(&other.database)
            || self.database.is_beside(&other.database)
                && ours.session_table == theirs.session_table
                && ours.session_cookie_name == theirs.session_cookie_name
                && ours.session_engine == theirs.session_engine
                && ours.secret_key == theirs.secret_key
                && ours.secret_key_fallbacks == theirs.secret_key_fallbacks
                && ours.session_key_salt == theirs.session_key_salt
                && ours.session_max_age() == theirs.session_max_age()
                && ours.max_decompressed_size == theirs.max_decompressed_size
    }

    /// Whether both have the same settings.
    pub(crate) fn has_settings_of(&self, other: &Self) -> bool {
        self.database.is_same(&other.database) || self.settings() == other.settings()
    }

    /// Whether both are clones of one site, with the same hooks.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        self.database.is_same(&other.database) && Arc::ptr_eq(&self.hooks, &other.hooks)
    }
}

impl fmt::Debug for DjangoSite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DjangoSite").field("settings", self.settings()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use deadpool_postgres::Manager;
    use tokio_postgres::{Config, NoTls};

    use super::*;
    use crate::settings::With;

    fn site(host: &str, settings: DjangoSettings) -> DjangoSite {
        let mut config = Config::new();
        config.host(host).password("hush").dbname("shop");
        let pool = Pool::builder(Manager::new(config, NoTls)).build().unwrap();
        DjangoSite::new(pool, settings).unwrap()
    }

    #[test]
    fn handles_share_sessions_if_a_key_means_the_same_to_both() {
        let settings = || DjangoSettings::new("k");
        let one = site("a", settings());
        let hooked = one.clone().after_get_user(|_, user, _| async move { Ok(Some(user)) });
        let but = |change: fn(&mut DjangoSettings)| site("a", settings().with(change));
        for same in [&one, &hooked, &but(|_| ()), &but(|s| s.write_sessions = true)] {
            assert!(one.shares_sessions(same) && same.shares_sessions(&one));
        }
        // Whoever is let in by the one need not be by the other.
        for other in [
            site("b", settings()),
            site("a", DjangoSettings::new("other")),
            but(|s| s.secret_key_fallbacks = vec!["old".into()]),
            but(|s| s.session_table = "other_session".into()),
            but(|s| s.session_cookie_name = "other".into()),
            but(|s| s.session_engine = SessionEngine::SignedCookies),
            but(|s| s.session_key_salt = "other".into()),
            but(|s| s.session_data_max_age = Some(Duration::from_secs(60))),
            but(|s| s.max_decompressed_size = 1000),
        ] {
            assert!(!one.shares_sessions(&other) && !other.shares_sessions(&one));
        }
    }
}
