//! `DjangoSite`: Django's tables, the signer of session data, and the hooks of the application.

use std::{fmt, sync::Arc, time::SystemTime};

use deadpool_postgres::Pool;
use futures_util::future::BoxFuture;
use tokio::time::Instant;

use super::{
    request_parts::RequestParts,
    writer::{OnSessionChange, SessionColumns, Writer},
};
use crate::{
    auth::{AfterHasPerm, DjangoUser, SessionAuthKeys, hashers::CustomHashers},
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

/// A handle of your Django site: it reads and writes sessions, users and permissions in Django's
/// tables, as `SessionStore` of `django.contrib.sessions.backends.db` and `django.contrib.auth` do.
///
/// Build it once, with [`new`](Self::new), and give it to each
/// [`DjangoSessionMiddleware`](crate::DjangoSessionMiddleware). It is cheap to clone. It is also an
/// extractor: a handler behind a middleware takes `site: DjangoSite` as an argument.
///
/// | for | methods |
/// |---|---|
/// | start-up and health | [`new`](Self::new), [`check`](Self::check), [`ping`](Self::ping), [`settings`](Self::settings), [`form_config`](Self::form_config) |
/// | hooks: who is logged in | [`after_get_user`](Self::after_get_user), [`request`](Self::request), [`parse_user_id`](Self::parse_user_id), [`format_user_id`](Self::format_user_id), [`session_auth_hash_message`](Self::session_auth_hash_message) |
/// | hooks: passwords and permissions | [`username_to_column`](Self::username_to_column), [`after_check_password`](Self::after_check_password), [`password_hasher`](Self::password_hasher), [`after_has_perm`](Self::after_has_perm) |
/// | hooks: sessions and metrics | [`on_session_change`](Self::on_session_change), [`session_columns`](Self::session_columns), [`on_event`](Self::on_event) |
/// | sessions | [`load`](Self::load), [`load_at`](Self::load_at), [`create`](Self::create), [`delete`](Self::delete), [`clear_expired`](Self::clear_expired), [`signer`](Self::signer) |
/// | users | [`get_user`](Self::get_user), [`revalidate`](Self::revalidate), [`user`](Self::user), [`user_by_username`](Self::user_by_username), [`update_last_login`](Self::update_last_login) |
/// | passwords | [`authenticate`](Self::authenticate), [`set_password`](Self::set_password), [`make_password`](Self::make_password), [`check_password`](Self::check_password) |
/// | redirects after login and logout | [`safe_next`](Self::safe_next), [`redirect_after_login`](Self::redirect_after_login), [`redirect_after_logout`](Self::redirect_after_logout) |
///
/// Each hook method takes the site and returns it with the hook. Set all hooks before you build a
/// middleware: a clone made earlier does not have them.
///
/// The site opens its own connections. From the pool it takes only how to connect: host, credentials,
/// TLS. It never uses the pool's connections, so the pool's hooks and the application's queries do not
/// affect it. Concurrent requests share a query: while one is under way, the next ones gather and go
/// as one. It has at most [`max_connections`](DjangoSettings::max_connections) in the process, and closes one
/// that has been idle for a minute.
#[derive(Clone)]
#[doc(alias = "SessionStore")]
pub struct DjangoSite {
    parts: Arc<Parts>,
    /// The request that is being answered, for the hook that runs.
    request: Option<Arc<RequestParts>>,
}

/// What clones share. In one place, because each request clones its site.
#[derive(Clone)]
struct Parts {
    database: Backend,
    signer: Arc<SessionSigner>,
    memo: Arc<Memo>,
    session_auth_keys: Option<Arc<SessionAuthKeys>>,
    messages: Arc<MessageSite>,
    form_memory: Room,
    form_spool: Room,
    hooks: Arc<Hooks>,
    writer: Arc<Writer>,
}

/// Code of the application that takes part in decisions about users, passwords and sessions.
#[derive(Clone, Default)]
pub(super) struct Hooks {
    pub(super) after_get_user: AfterGetUser,
    pub(super) parse_user_id: Option<Arc<IdToKey>>,
    pub(super) format_user_id: Option<Arc<KeyToId>>,
    pub(super) session_auth_hash_message: Option<Arc<HashMessage>>,
    pub(super) on_session_change: Option<Arc<OnSessionChange>>,
    pub(super) username_to_column: Option<Arc<UsernameToColumn>>,
    pub(super) after_check_password: Option<Arc<AfterCheckPassword>>,
    pub(super) after_has_perm: Option<Arc<AfterHasPerm>>,
    pub(super) password_hashers: CustomHashers,
    pub(super) session_columns: Option<Arc<SessionColumns>>,
}

/// What decides about the user of a session after Django's own checks.
#[derive(Clone, Default)]
pub(super) enum AfterGetUser {
    /// Nothing.
    #[default]
    NoHook,
    Hook(Arc<AfterGetUserHook>),
    /// Nothing, because this site was given to the hook: the hook answers for all users that it
    /// looks up.
    InsideHook,
}

pub(super) type AfterGetUserHook =
    dyn Fn(DjangoSession, DjangoUser, DjangoSite) -> HookFuture + Send + Sync;
/// The user whom a hook lets in, or `None`.
pub(super) type HookFuture = BoxFuture<'static, Result<Option<DjangoUser>, Error>>;
type UsernameToColumn = dyn Fn(&str) -> Result<Option<String>, Error> + Send + Sync;
type AfterCheckPassword = dyn Fn(DjangoUser, DjangoSite) -> HookFuture + Send + Sync;
type KeyToId = dyn Fn(&str) -> String + Send + Sync;
type IdToKey = dyn Fn(&str) -> Option<String> + Send + Sync;
type HashMessage = dyn Fn(&str, &DjangoUser) -> Result<String, Error> + Send + Sync;

/// # Start-up and health
/// See also [`check`](Self::check) and [`form_config`](Self::form_config).
impl DjangoSite {
    /// Makes a site on the database of this pool. It opens no connection yet:
    /// [`check`](Self::check) does.
    ///
    /// The pool stays yours: the site takes from it only how to connect.
    ///
    /// # Errors
    /// [`Error::ImproperlyConfigured`] with everything that is wrong in the settings, such as an empty
    /// secret key, fallback or name.
    pub fn new(pool: Pool, settings: DjangoSettings) -> Result<Self, Error> {
        settings.validate()?;
        Self::with_tables_in(Backend::Postgres(Database::new(pool, settings).into()))
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
        let parts = Parts {
            signer: Arc::new(SessionSigner::new(settings)?.observed_by(observer)),
            memo: Arc::new(Memo::new(settings.max_memo_size)),
            session_auth_keys: SessionAuthKeys::new(settings).map(Arc::new),
            messages: Arc::new(MessageSite::new(settings)?),
            writer: Arc::new(Writer::new(settings)?),
            form_memory: Room::of(settings.max_form_memory),
            form_spool: Room::of(settings.max_form_spool),
            database,
            hooks: Arc::default(),
        };
        Ok(Self { parts: parts.into(), request: None })
    }

    /// Asks PostgreSQL whether it answers, for the readiness route of a service as in
    /// `examples/health.rs`. It uses a connection of the site, not of the pool, and reads no table:
    /// [`check`](Self::check) looks at tables.
    ///
    /// Mirrors `connection.is_usable()`.
    ///
    /// # Errors
    /// [`Error::Unavailable`] (as a response, a 503) when PostgreSQL does not answer within the
    /// [`timeout`](DjangoSettings::timeout). The error is neither logged nor counted here.
    #[doc(alias = "is_usable")]
    pub async fn ping(&self) -> Result<(), Error> {
        self.parts.database.ping().await
    }

    /// The settings of this site.
    pub fn settings(&self) -> &DjangoSettings {
        self.parts.database.settings()
    }
}

/// # Hook: metrics
impl DjangoSite {
    /// Calls a function at every [`Event`], for your counters. It runs within the request, so it should
    /// only count:
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
    /// Default: nothing is called.
    #[must_use]
    pub fn on_event<F>(mut self, on_event: F) -> Self
    where
        F: Fn(Event<'_>) + Send + Sync + 'static,
    {
        let observer = self.observer().calling(Arc::new(on_event));
        let parts = Arc::make_mut(&mut self.parts);
        parts.signer = Arc::new(SessionSigner::clone(&parts.signer).observed_by(observer.clone()));
        parts.database = parts.database.clone().observed_by(observer);
        self
    }
}

/// # Sessions
/// Reading; [`create`](Self::create), [`delete`](Self::delete) and [`clear_expired`](Self::clear_expired)
/// write.
impl DjangoSite {
    /// Reads the session with this key, if it is live: `expire_date > now` by the clock of this machine.
    /// It makes one indexed read and does not decode the session data. Mirrors `SessionStore.load`.
    ///
    /// ```no_run
    /// # async fn f(site: actix_django_session::DjangoSite) -> Result<(), Box<dyn std::error::Error>> {
    /// use actix_django_session::{Error, SessionKey};
    ///
    /// let Some(key) = SessionKey::new("0123456789abcdefghijklmnopqrstuv") else { return Ok(()) };
    /// match site.load(&key).await {
    ///     Ok(session) => println!("user {:?}", session.user_id()?),
    ///     Err(Error::SessionNotFound | Error::SessionExpired) => println!("anonymous"),
    ///     Err(error) => return Err(error.into()),
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error::SessionNotFound`], [`Error::SessionExpired`], or [`Error::Unavailable`] when
    /// PostgreSQL does not answer within the [`timeout`](DjangoSettings::timeout).
    pub async fn load(&self, key: &SessionKey) -> Result<DjangoSession, Error> {
        let wait = self.parts.database.read_budget().wait();
        self.load_by(key, wait.deadline()).await
    }

    /// [`DjangoSite::load`] with a deadline of the caller.
    pub(crate) async fn load_by(
        &self,
        key: &SessionKey,
        deadline: Instant,
    ) -> Result<DjangoSession, Error> {
        self.load_row(key, SystemTime::now, deadline).await
    }

    /// Reads a session as [`load`](DjangoSite::load) does, if it is live at `now`: for tests and jobs
    /// with a clock of their own.
    ///
    /// # Errors
    /// As [`DjangoSite::load`].
    pub async fn load_at(&self, key: &SessionKey, now: SystemTime) -> Result<DjangoSession, Error> {
        let wait = self.parts.database.read_budget().wait();
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
        let row = self.parts.database.session_row(key, deadline).await?;
        self.live_session(key, row.ok_or(Error::SessionNotFound)?, now())
    }

    /// The session in this row, if it is live.
    pub(super) fn live_session(
        &self,
        key: &SessionKey,
        row: SessionRow,
        now: SystemTime,
    ) -> Result<DjangoSession, Error> {
        if !is_live(row.expire_date, now) {
            return Err(Error::SessionExpired);
        }
        self.observer().event(Event::SessionFound);
        Ok(self.session(key.clone(), row))
    }

    /// The session in a row.
    pub(super) fn session(&self, key: SessionKey, row: SessionRow) -> DjangoSession {
        let (signer, memo) = (self.shared_signer(), Arc::clone(&self.parts.memo));
        DjangoSession::of_row(key, row.expire_date, row.session_data, signer, Some(memo))
    }

    /// The session of the engine `signed_cookies`: the cookie holds all of it.
    fn session_in_cookie(&self, key: &SessionKey, now: SystemTime) -> Result<DjangoSession, Error> {
        // The cookie holds the time when it was made; every change extends its life.
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

    /// The signer of this site's session data: it signs, encodes and decodes `session_data`.
    pub fn signer(&self) -> &SessionSigner {
        &self.parts.signer
    }
}

impl DjangoSite {
    pub(crate) fn messages(&self) -> &Arc<MessageSite> {
        &self.parts.messages
    }

    pub(crate) fn database(&self) -> &Backend {
        &self.parts.database
    }

    pub(crate) fn observer(&self) -> &Observer {
        self.parts.database.observer()
    }

    /// This site on another database.
    pub(super) fn on(&self, database: Backend) -> Self {
        let parts = Parts { database, ..Parts::clone(&self.parts) };
        Self { parts: parts.into(), request: self.request.clone() }
    }

    pub(super) fn shared_signer(&self) -> Arc<SessionSigner> {
        Arc::clone(&self.parts.signer)
    }

    /// The sessions that were verified before.
    pub(super) fn memo(&self) -> &Memo {
        &self.parts.memo
    }

    /// The memory for forms that are being read.
    pub(crate) fn form_memory(&self) -> &Room {
        &self.parts.form_memory
    }

    /// The disk space for forms that are being read and wait in temporary files.
    pub(crate) fn form_spool(&self) -> &Room {
        &self.parts.form_spool
    }

    pub(super) fn writer(&self) -> &Writer {
        &self.parts.writer
    }

    pub(super) fn hooks_mut(&mut self) -> &mut Hooks {
        Arc::make_mut(&mut Arc::make_mut(&mut self.parts).hooks)
    }

    /// This site, for a hook that runs for that request.
    pub(super) fn with_request(self, request: Option<Arc<RequestParts>>) -> Self {
        Self { request, ..self }
    }

    pub(super) fn current_request(&self) -> Option<&RequestParts> {
        self.request.as_deref()
    }

    pub(super) fn hooks(&self) -> &Hooks {
        &self.parts.hooks
    }

    pub(super) fn session_auth_keys(&self) -> Option<&SessionAuthKeys> {
        self.parts.session_auth_keys.as_deref()
    }

    /// Whether both sites see the same session behind a cookie: they use the same table, cookie name,
    /// keys and limits, so that either can read what the other wrote.
    pub(crate) fn shares_sessions(&self, other: &Self) -> bool {
        let (ours, theirs) = (self.settings(), other.settings());
        self.parts.database.is_same(&other.parts.database)
            || self.parts.database.is_beside(&other.parts.database)
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
        self.parts.database.is_same(&other.parts.database) || self.settings() == other.settings()
    }

    /// Whether both are clones of one site, with the same hooks.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        self.parts.database.is_same(&other.parts.database)
            && Arc::ptr_eq(&self.parts.hooks, &other.parts.hooks)
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
        // A visitor whom one site lets in may be rejected by the other.
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
