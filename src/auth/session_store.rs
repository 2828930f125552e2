//! Sessions that are made, changed and ended: the writing half of Django's `SessionStore`.

use std::{
    future::Future,
    sync::Arc,
    time::{Duration, SystemTime},
};

use futures_util::future::BoxFuture;
use tokio::time::{Instant, timeout_at};

use super::{DjangoSite, writer::Failure};
use crate::{
    database::Written,
    error::{Error, Unavailable},
    session::{
        CookieLife, DjangoSession, Expiry, Row, SESSION_EXPIRY, Save, SessionData, SessionKey,
        is_live,
    },
    settings::{Power, SessionEngine},
};

/// How long a browser can be told of a session by what is known of its row. Answers that are no further
/// apart may overtake each other on their way anyway.
const MOMENT: Duration = Duration::from_millis(100);

/// What there is of the row of a session, before its cookie is sent.
#[derive(Debug)]
pub(crate) enum RowNow {
    /// It is there, and ends as this session does.
    Live(DjangoSession),
    /// It has expired, or cannot be asked for: nothing can be promised.
    Uncertain,
    Gone,
}

impl DjangoSite {
    /// Calls this after a session was changed or deleted, with its key (after a
    /// [`cycle_key`](crate::DjangoSessionMut::cycle_key), with the old one).
    ///
    /// A site with the `cached_db` engine needs it: Django believes the copy in its cache, and
    /// whoever changes the row has to delete that. The cache key is
    /// `{KEY_PREFIX}:{VERSION}:django.contrib.sessions.cached_db{session_key}`; with Django's
    /// defaults it starts with `:1:`.
    ///
    /// ```
    /// # use actix_django_session::DjangoSite;
    /// # struct Cache;
    /// # impl Cache { async fn delete(&self, _: String) -> std::io::Result<()> { Ok(()) } }
    /// # fn f(site: DjangoSite, cache: std::sync::Arc<Cache>) -> DjangoSite {
    /// site.on_session_change(move |key| {
    ///     let cache = cache.clone();
    ///     async move {
    ///         cache.delete(format!(":1:django.contrib.sessions.cached_db{}", key.as_str())).await
    ///     }
    /// })
    /// # }
    /// ```
    ///
    /// The row is changed already when this is called. If it fails, or takes longer than the
    /// `timeout`, the request gets a 503: a session that was ended may still be in the cache. A session
    /// that has a new key by then, as after a log-in, goes on all the same, and the log has the error.
    /// What takes longer goes on, though nobody waits for it: give it an end of its own. A Django that
    /// had read the row before the change, and fills its cache after this was called, serves the old
    /// one until that expires: nothing outside Django can prevent it.
    ///
    /// Defaults to nothing.
    #[must_use]
    pub fn on_session_change<F, R, E>(mut self, on_change: F) -> Self
    where
        F: Fn(SessionKey) -> R + Send + Sync + 'static,
        R: Future<Output = Result<(), E>> + Send + 'static,
        E: Into<Failure>,
    {
        let on_change = move |key| -> BoxFuture<'static, Result<(), Failure>> {
            let change = on_change(key);
            Box::pin(async move { change.await.map_err(Into::into) })
        };
        self.hooks_mut().on_session_change = Some(Arc::new(on_change));
        self
    }

    /// Makes a session with this data, as Django's `create()`: with a new key, ended by this expiry.
    /// Its cookie is yours to send.
    ///
    /// # Errors
    /// [`Error::ImproperlyConfigured`] without
    /// [`write_sessions`](crate::DjangoSettings::write_sessions), or where the table wants a value
    /// that Django's has not; [`Error::InvalidExpiry`]; [`Error::Unavailable`] when PostgreSQL does not
    /// answer.
    pub async fn create(&self, data: &SessionData, expiry: Expiry) -> Result<DjangoSession, Error> {
        let mut data = data.clone();
        match self.writer().policy().stored(expiry, SystemTime::now())? {
            Some(json) => {
                data.insert_json(SESSION_EXPIRY, &json).map_err(|_| Error::InvalidExpiry)?
            }
            None => drop(data.remove(SESSION_EXPIRY)),
        }
        if self.is_in_cookie() {
            self.require_writing()?;
            return self.signed_session(SessionKey::generate(), data);
        }
        self.insert(SessionKey::generate(), data).await
    }

    /// Deletes a session, expired ones too; says whether it was there. Whoever was logged in to it
    /// is not any more.
    ///
    /// # Errors
    /// As [`DjangoSite::create`].
    pub async fn delete(&self, key: &SessionKey) -> Result<bool, Error> {
        self.require_writing()?;
        if self.is_in_cookie() {
            return Ok(false);
        }
        self.memo().forget(key);
        let wait = self.database().write_budget().wait();
        let (site, key, deadline) = (self.clone(), key.clone(), wait.deadline());
        self.to_the_end(async move {
            let deleted = site.database().delete_session(&key, deadline).await?;
            site.tell_change(&key, deadline).await?;
            Ok(deleted)
        })
        .await
    }

    /// Deletes all sessions that have expired, as `manage.py clearsessions`; says how many it
    /// deleted.
    ///
    /// It deletes a thousand at a time, on a connection of its own that closes when it is done, and
    /// each thousand has ten minutes: the `timeout` is for visitors. With the index that
    /// Django's table has on `expire_date`, it reads no more than it deletes, however large the table
    /// is; without that index it reads the whole table for each thousand.
    ///
    /// Several may run at once, also beside Django's command. A row that somebody else has locked is
    /// passed over: another one who clears deletes it, or a request gives it another end; otherwise
    /// it goes next time. Locking takes the right to `UPDATE`, beside `SELECT` and `DELETE`. No
    /// [`on_session_change`](DjangoSite::on_session_change) is called: what has expired is in no
    /// cache.
    ///
    /// # Errors
    /// As [`DjangoSite::create`]. What was deleted until then stays deleted.
    #[doc(alias = "clearsessions")]
    pub async fn clear_expired(&self) -> Result<u64, Error> {
        self.require_writing()?;
        if self.is_in_cookie() {
            return Ok(0);
        }
        self.database().clear_expired(SystemTime::now()).await
    }

    /// Stores what a request did to its session: the data that it sees, or what the same edits make
    /// of the data that somebody else stored meanwhile.
    ///
    /// # Errors
    /// [`Error::SessionInterrupted`] if the row is gone, and those of [`DjangoSite::create`].
    pub(crate) async fn save(
        &self,
        save: &Save,
        data: SessionData,
    ) -> Result<DjangoSession, Error> {
        match save.row() {
            _ if self.is_in_cookie() => {
                self.require_writing()?;
                self.signed_session(SessionKey::generate(), data)
            }
            Row::New(key) | Row::Blank(key) => self.insert(key.clone(), data).await,
            Row::Kept(row) => self.replace((row, row.key()), save, data).await,
            Row::Cycled(row, key) | Row::LoggedIn(row, key) => {
                self.replace((row, key), save, data).await
            }
        }
    }

    /// Moves the end of a session that was not changed, unless that was done a moment ago. Its row was
    /// `seen` then.
    ///
    /// # Errors
    /// [`Error::InvalidExpiry`], [`Error::Unavailable`].
    pub(crate) async fn slide(
        &self,
        session: &DjangoSession,
        seen: Instant,
    ) -> Result<RowNow, Error> {
        let empty = SessionData::new();
        let data = session.data().unwrap_or(&empty);
        if self.is_in_cookie() {
            return Ok(RowNow::Live(self.signed_session(session.key().clone(), data.clone())?));
        }
        let (was, end) = (session.expire_date(), self.expire_date(data)?);
        let life = end.duration_since(SystemTime::now()).unwrap_or_default();
        let worth_it = self.settings().save_interval(life);
        if was == end || end.duration_since(was).is_ok_and(|moved| moved < worth_it) {
            return self.row_now(session, seen).await;
        }
        let wait = self.database().write_budget().wait();
        let deadline = wait.deadline();
        if self.database().slide_session(session.key(), was, end, deadline).await? {
            return Ok(RowNow::Live(session.ending(end)));
        }
        // Somebody else has moved it, or is changing it, or has ended it.
        self.look_for_row(session, deadline).await
    }

    /// What there is of the row of a session that was `seen` then.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub(crate) async fn row_now(
        &self,
        session: &DjangoSession,
        seen: Instant,
    ) -> Result<RowNow, Error> {
        if self.is_in_cookie() || seen.elapsed() < MOMENT {
            return Ok(RowNow::Live(session.clone()));
        }
        let wait = self.database().write_budget().wait();
        self.look_for_row(session, wait.deadline()).await
    }

    async fn look_for_row(
        &self,
        session: &DjangoSession,
        deadline: Instant,
    ) -> Result<RowNow, Error> {
        let row = self.database().session_row(session.key(), deadline).await?;
        Ok(match row {
            None => RowNow::Gone,
            Some(row) if is_live(row.expire_date, SystemTime::now()) => {
                RowNow::Live(session.clone())
            }
            Some(_) => RowNow::Uncertain,
        })
    }

    /// How long the cookie of a session with this data lives.
    ///
    /// # Errors
    /// [`Error::InvalidExpiry`].
    pub(crate) fn cookie_life(&self, data: &SessionData) -> Result<CookieLife, Error> {
        self.writer().policy().cookie_life(data, SystemTime::now())
    }

    /// When a session with this data ends that is stored now.
    ///
    /// # Errors
    /// [`Error::InvalidExpiry`].
    pub(crate) fn expire_date(&self, data: &SessionData) -> Result<SystemTime, Error> {
        self.writer().policy().expire_date(data, SystemTime::now())
    }

    /// What `set_expiry` stores in the session; `None` takes the entry out.
    ///
    /// # Errors
    /// [`Error::InvalidExpiry`].
    pub(crate) fn stored_expiry(&self, expiry: Expiry) -> Result<Option<String>, Error> {
        self.writer().policy().stored(expiry, SystemTime::now())
    }

    /// # Errors
    /// [`Error::ImproperlyConfigured`] if this service may not change sessions.
    pub(crate) fn require_writing(&self) -> Result<(), Error> {
        let improper = |reason: String| Err(Error::ImproperlyConfigured(reason));
        let settings = self.settings();
        if let Err(error) = self.require(Power::WriteSessions) {
            Err(error)
        } else if !settings.write_sessions {
            improper("to change sessions, set `DjangoSettings::write_sessions`".into())
        } else if settings.session_engine == SessionEngine::CachedDb
            && self.hooks().on_session_change.is_none()
        {
            let site = settings.site.as_ref();
            let key = site.and_then(|site| site.sessions.cache_key.as_deref());
            improper(format!(
                "with SESSION_ENGINE cached_db, changing sessions needs a \
                 `DjangoSite::on_session_change` that deletes Django's cached copy{}",
                key.map(|key| format!(", \"{key}\" in the cache")).unwrap_or_default()
            ))
        } else {
            Ok(())
        }
    }

    /// Makes a session with this data, whether this service may write or not.
    ///
    /// # Errors
    /// As [`DjangoSite::create`].
    pub(crate) async fn create_as_django(&self, data: SessionData) -> Result<DjangoSession, Error> {
        if self.is_in_cookie() {
            return self.signed_session(SessionKey::generate(), data);
        }
        self.inserted(SessionKey::generate(), data).await
    }

    async fn insert(&self, key: SessionKey, data: SessionData) -> Result<DjangoSession, Error> {
        self.require_writing()?;
        self.inserted(key, data).await
    }

    async fn inserted(
        &self,
        mut key: SessionKey,
        data: SessionData,
    ) -> Result<DjangoSession, Error> {
        let wait = self.database().write_budget().wait();
        // No two keys in a row are taken by chance: something in the database lets no row in.
        for _ in 0..2 {
            let session = self.signed_session(key, data.clone())?;
            let (session_data, end) = (session.session_data(), session.expire_date());
            let columns = self.further_columns(&data)?;
            let key_of = session.key();
            let inserted = self.database().insert_session(
                key_of,
                (session_data, columns),
                end,
                wait.deadline(),
            );
            match inserted.await? {
                Written::Done => return Ok(session),
                Written::KeyTaken | Written::Changed => key = SessionKey::generate(),
            }
        }
        Err(Unavailable::NotWritten.into())
    }

    /// Compares and swaps, as often as somebody else was faster.
    async fn replace(
        &self,
        (row, new_key): (&DjangoSession, &SessionKey),
        save: &Save,
        mut data: SessionData,
    ) -> Result<DjangoSession, Error> {
        self.require_writing()?;
        let timeout = self.settings().timeout;
        let wait = self.database().write_budget().wait();
        let deadline = wait.deadline();
        let (mut row, mut key) = (row.clone(), new_key.clone());
        let mut turn = None;
        let mut was_the_same = false;
        // The key that a session keeps cannot be, nor are two in a row by chance: then something in
        // the database lets no change through.
        let mut may_be_taken = !matches!(save.row(), Row::Kept(_));
        loop {
            let session = self.signed_session(key, data)?;
            let columns = self.further_columns(session.data()?)?;
            let (site, was, is) = (self.clone(), row.clone(), session.clone());
            let written = self.to_the_end(async move {
                let read = (was.key(), was.session_data());
                let (data, end) = (is.session_data(), is.expire_date());
                let new = (is.key(), data, end);
                let written = site.database().update_session(read, new, columns, deadline).await?;
                if written == Written::Done {
                    site.tell_replaced(was.key(), is.key(), deadline).await?;
                }
                Ok(written)
            });
            match written.await? {
                Written::Done => return Ok(session),
                Written::KeyTaken if std::mem::take(&mut may_be_taken) => {
                    key = SessionKey::generate();
                    data = session.data()?.clone();
                    continue;
                }
                Written::KeyTaken => return Err(Unavailable::NotWritten.into()),
                Written::Changed => {}
            }
            if turn.is_none() {
                let queue = self.writer().queue(row.key()).lock();
                let queue = timeout_at(deadline, queue).await;
                turn = Some(queue.map_err(|_| Unavailable::Timeout(timeout))?);
            }
            let now = self.database().session_row(row.key(), deadline).await?;
            let Some(now) = now else {
                let data = save.without_row()?.ok_or(Error::SessionInterrupted)?;
                drop(wait);
                return self.insert(session.key().clone(), data).await;
            };
            // Each further try has a reason: the row was changed. Where it was not, something in the
            // database does not let it be.
            if now.session_data.as_str() == row.session_data()
                && std::mem::replace(&mut was_the_same, true)
            {
                return Err(Unavailable::NotWritten.into());
            }
            if deadline <= Instant::now() {
                return Err(Unavailable::Timeout(timeout).into());
            }
            row = self.session(row.key().clone(), now);
            data = save.apply_to(&row)?;
            key = session.key().clone();
        }
    }

    /// A session as it is to be stored: signed, and with its end.
    ///
    /// # Errors
    /// [`Error::InvalidExpiry`]; [`Error::ImproperlyConfigured`] for more than `max_decompressed_size`.
    pub(crate) fn signed_session(
        &self,
        key: SessionKey,
        data: SessionData,
    ) -> Result<DjangoSession, Error> {
        if data.to_json().len() > self.settings().max_decompressed_size {
            // Nobody here could read it again.
            return Err(Error::ImproperlyConfigured(
                "a session is to be stored that is larger than `max_decompressed_size`".into(),
            ));
        }
        let end = self.expire_date(&data)?;
        let session = DjangoSession::sealed(key, end, data, self.shared_signer());
        Ok(if self.is_in_cookie() { session.as_its_own_key() } else { session })
    }

    fn is_in_cookie(&self) -> bool {
        self.settings().session_engine == SessionEngine::SignedCookies
    }

    /// Changes a row and tells of it. A visitor who goes away in between must not leave a copy behind
    /// that is not true any more.
    async fn to_the_end<T: Send + 'static>(
        &self,
        write: impl Future<Output = Result<T, Error>> + Send + 'static,
    ) -> Result<T, Error> {
        if self.hooks().on_session_change.is_none() {
            return write.await;
        }
        tokio::spawn(write).await.unwrap_or_else(|_| Err(Unavailable::NoRuntime.into()))
    }

    /// A row is changed, and has the key `now`. Under another one than it `was`, nobody else knows it: a
    /// cache that does not hear of that must not cost the visitor the session.
    async fn tell_replaced(
        &self,
        was: &SessionKey,
        now: &SessionKey,
        deadline: Instant,
    ) -> Result<(), Error> {
        match self.tell_change(was, deadline).await {
            Err(error) if was.as_str() != now.as_str() => {
                let message =
                    "a session has a new key, and the change could not be told to the cache";
                tracing::error!(error = %error.chain(), message);
                Ok(())
            }
            told => told,
        }
    }

    /// A row is changed: whatever copy of it there is elsewhere is not true any more. It is told to
    /// the end, but nobody waits for a cache that hangs.
    async fn tell_change(&self, key: &SessionKey, deadline: Instant) -> Result<(), Error> {
        let Some(on_change) = self.hooks().on_session_change.clone() else { return Ok(()) };
        let (key, timeout) = (key.clone(), self.settings().timeout);
        let told = tokio::spawn(async move { on_change(key).await });
        let failed = match timeout_at(deadline, told).await {
            Ok(Ok(Ok(()))) => return Ok(()),
            Ok(Ok(Err(error))) => error,
            Ok(Err(_)) => "it did not come to an end".into(),
            Err(_) => format!("no answer within {timeout:?}").into(),
        };
        Err(Unavailable::Cache(failed).into())
    }
}
