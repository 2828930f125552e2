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

/// For how long after a read or write the row is known well enough to send its cookie. Answers that are
/// no further apart may overtake each other on the network anyway.
const MOMENT: Duration = Duration::from_millis(100);

/// What the row of a session is like just before its cookie is sent.
#[derive(Debug)]
pub(crate) enum RowNow {
    /// The row is there, and ends as this session does.
    Live(DjangoSession),
    /// The row has expired, or the database does not answer: no cookie can be promised.
    Uncertain,
    Gone,
}

/// # Sessions: writing
impl DjangoSite {
    /// Sets a hook that runs after a session was changed or deleted. It gets the session key; after a
    /// [`cycle_key`](crate::DjangoSessionMut::cycle_key), the old one.
    ///
    /// A site with the `cached_db` engine needs this hook: Django trusts the copy in its cache, so a
    /// service that changes the row has to delete the copy. The cache key is
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
    /// The row is already changed when the hook runs.
    ///
    /// | the hook | what happens |
    /// |---|---|
    /// | fails, or takes longer than the [`timeout`](crate::DjangoSettings::timeout) | the request gets a 503, because a session that was ended may still be in the cache |
    /// | does so for a session that has a new key, as after a login | the request succeeds, and the log has the error |
    /// | takes longer than the `timeout` | it runs on after the answer: give it a timeout of its own |
    ///
    /// One gap remains, and nothing outside Django can close it: if Django read the row before the change
    /// and fills its cache after the hook ran, it serves the old copy until the copy expires.
    ///
    /// Default: nothing is called.
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

    /// Creates a session with this data, a new key and this expiry, as Django's `create()` does. You send
    /// its cookie: the value is [`session.key()`](DjangoSession::key).
    ///
    /// # Errors
    /// - [`Error::ImproperlyConfigured`] without
    ///   [`write_sessions`](crate::DjangoSettings::write_sessions), or if the table requires a value for a
    ///   column that Django's own table does not have.
    /// - [`Error::InvalidExpiry`].
    /// - [`Error::Unavailable`] when PostgreSQL does not answer.
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

    /// Deletes a session, live or expired, and returns whether it was there. Its user is logged out.
    /// Mirrors `SessionStore.delete`. With the engine `signed_cookies` there is no row: the result is
    /// `false`.
    ///
    /// # Errors
    /// Those of [`create`](DjangoSite::create).
    pub async fn delete(&self, key: &SessionKey) -> Result<bool, Error> {
        self.require_writing()?;
        if self.is_in_cookie() {
            return Ok(false);
        }
        self.memo().forget(key);
        let wait = self.database().write_budget().wait();
        let (site, key, deadline) = (self.clone(), key.clone(), wait.deadline());
        self.uncancelled(async move {
            let deleted = site.database().delete_session(&key, deadline).await?;
            site.notify_change(&key, deadline).await?;
            Ok(deleted)
        })
        .await
    }

    /// Deletes all expired sessions, as `manage.py clearsessions` does, and returns how many.
    ///
    /// It deletes 1000 rows at a time, on a separate connection that closes at the end. Each batch may
    /// take ten minutes; the `timeout` of the settings does not apply. With the index that Django's table
    /// has on `expire_date`, it reads only the rows that it deletes. Without that index it reads the whole
    /// table for each batch.
    ///
    /// Several of these may run at once, also beside Django's command. A row that is locked is skipped, and
    /// is deleted by a later run if it is still expired then. The role needs `SELECT`, `DELETE` and
    /// `UPDATE` on the table (`UPDATE` for locking). The hook
    /// [`on_session_change`](DjangoSite::on_session_change) does not run, because no cache keeps expired
    /// sessions.
    ///
    /// # Errors
    /// Those of [`create`](DjangoSite::create). Rows that were deleted before the error stay deleted.
    #[doc(alias = "clearsessions")]
    pub async fn clear_expired(&self) -> Result<u64, Error> {
        self.require_writing()?;
        if self.is_in_cookie() {
            return Ok(0);
        }
        self.database().clear_expired(SystemTime::now()).await
    }

    /// Stores the changes that a request made to its session: the data that it sees or, if another
    /// request stored something meanwhile, that data with the same edits applied.
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

    /// Extends an unchanged session, unless that was done a moment ago. `seen` is when its row was last
    /// read or written.
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
        // Another request has extended, changed or ended the session.
        self.look_for_row(session, deadline).await
    }

    /// What the row of a session is like now. `seen` is when it was last read or written.
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

    /// The `expire_date` of a session with this data that is stored now.
    ///
    /// # Errors
    /// [`Error::InvalidExpiry`].
    pub(crate) fn expire_date(&self, data: &SessionData) -> Result<SystemTime, Error> {
        self.writer().policy().expire_date(data, SystemTime::now())
    }

    /// The JSON that `set_expiry` stores in the session; `None` removes the entry.
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

    /// Creates a session with this data, even without `write_sessions`: for tests.
    ///
    /// # Errors
    /// As [`DjangoSite::create`].
    pub(crate) async fn create_as_django(&self, data: SessionData) -> Result<DjangoSession, Error> {
        if self.is_in_cookie() {
            return self.signed_session(SessionKey::generate(), data);
        }
        self.insert_row(SessionKey::generate(), data).await
    }

    async fn insert(&self, key: SessionKey, data: SessionData) -> Result<DjangoSession, Error> {
        self.require_writing()?;
        self.insert_row(key, data).await
    }

    async fn insert_row(
        &self,
        mut key: SessionKey,
        data: SessionData,
    ) -> Result<DjangoSession, Error> {
        let wait = self.database().write_budget().wait();
        // Two keys in succession are never taken by chance: then something in the database, such as a
        // trigger, prevents the insert.
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

    /// Compares and swaps, again after each change of another request.
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
        // A key that the session already has is never taken, and two new keys in succession are never
        // taken by chance: then something in the database prevents the update.
        let mut may_be_taken = !matches!(save.row(), Row::Kept(_));
        loop {
            let session = self.signed_session(key, data)?;
            let columns = self.further_columns(session.data()?)?;
            let (site, was, is) = (self.clone(), row.clone(), session.clone());
            let written = self.uncancelled(async move {
                let read = (was.key(), was.session_data());
                let (data, end) = (is.session_data(), is.expire_date());
                let new = (is.key(), data, end);
                let written = site.database().update_session(read, new, columns, deadline).await?;
                if written == Written::Done {
                    site.notify_replaced(was.key(), is.key(), deadline).await?;
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
                turn = Some(self.writer().turn(row.key(), deadline).await);
            }
            let now = self.database().session_row(row.key(), deadline).await?;
            let Some(now) = now else {
                let data = save.without_row()?.ok_or(Error::SessionInterrupted)?;
                drop(wait);
                return self.insert(session.key().clone(), data).await;
            };
            // Each further attempt has a reason: the row was changed. If it was not, something in the
            // database prevents the update.
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

    /// A session ready to be stored: signed, and with its `expire_date`.
    ///
    /// # Errors
    /// [`Error::InvalidExpiry`]; [`Error::ImproperlyConfigured`] for more than `max_decompressed_size`.
    pub(crate) fn signed_session(
        &self,
        key: SessionKey,
        data: SessionData,
    ) -> Result<DjangoSession, Error> {
        if data.to_json().len() > self.settings().max_decompressed_size {
            // This service could not read it again.
            return Err(Error::ImproperlyConfigured(
                "the session is too large to be stored: raise \
                 `DjangoSettings::max_decompressed_size`, or store less in it"
                    .into(),
            ));
        }
        let end = self.expire_date(&data)?;
        let session = DjangoSession::encoded(key, end, data, self.shared_signer());
        Ok(if self.is_in_cookie() { session.as_its_own_key() } else { session })
    }

    fn is_in_cookie(&self) -> bool {
        self.settings().session_engine == SessionEngine::SignedCookies
    }

    /// Changes a row and notifies the hook, even if the visitor disconnects meanwhile: otherwise a cache
    /// would keep an outdated copy.
    async fn uncancelled<T: Send + 'static>(
        &self,
        write: impl Future<Output = Result<T, Error>> + Send + 'static,
    ) -> Result<T, Error> {
        if self.hooks().on_session_change.is_none() {
            return write.await;
        }
        tokio::spawn(write).await.unwrap_or_else(|_| Err(Unavailable::NoRuntime.into()))
    }

    /// Notifies the hook of a changed row whose key `was` the first and is `now` the second. If the key is
    /// new, no cache has it yet, so a failing hook must not cost the visitor the session.
    async fn notify_replaced(
        &self,
        was: &SessionKey,
        now: &SessionKey,
        deadline: Instant,
    ) -> Result<(), Error> {
        match self.notify_change(was, deadline).await {
            Err(error) if was.as_str() != now.as_str() => {
                let message = "the on_session_change hook failed for a session that has a new key";
                tracing::error!(error = %error.chain(), message);
                Ok(())
            }
            notified => notified,
        }
    }

    /// Notifies the hook that the copy of a row in a cache is outdated. The hook runs to its end; the
    /// request waits for it until the deadline.
    async fn notify_change(&self, key: &SessionKey, deadline: Instant) -> Result<(), Error> {
        let Some(on_change) = self.hooks().on_session_change.clone() else { return Ok(()) };
        let (key, timeout) = (key.clone(), self.settings().timeout);
        let hook = tokio::spawn(async move { on_change(key).await });
        let failed = match timeout_at(deadline, hook).await {
            Ok(Ok(Ok(()))) => return Ok(()),
            Ok(Ok(Err(error))) => error,
            Ok(Err(_)) => "the on_session_change hook panicked or was cancelled".into(),
            Err(_) => format!("the on_session_change hook took longer than {timeout:?}").into(),
        };
        Err(Unavailable::Cache(failed).into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        memory::Tables,
        session::Changes,
        settings::{DjangoSettings, With},
    };

    /// As a handler has it that begins to save, and goes on with something else.
    #[tokio::test(start_paused = true)]
    async fn a_save_that_is_never_finished_holds_up_another_one_for_a_part_of_its_time() {
        let settings = DjangoSettings::new("k").with(|s| s.write_sessions = true);
        let timeout = settings.timeout;
        let site = DjangoSite::in_memory(Tables::default(), settings).unwrap();
        let made = site.create(&SessionData::new(), Expiry::Default).await.unwrap();
        let deadline = Instant::now() + timeout;
        let unfinished = site.writer().turn(made.key(), deadline).await;
        let save = async |name: &str| {
            let mut changes = Changes::new(Some(&made)).unwrap();
            changes.insert(name, &1).unwrap();
            let data = changes.data().clone();
            site.save(&changes.start_save(), data).await
        };
        let start = Instant::now();
        save("first").await.unwrap();
        assert_eq!(start.elapsed(), Duration::ZERO);
        // The row is not what these have read.
        for name in ["second", "third"] {
            let start = Instant::now();
            let saved = save(name).await.unwrap();
            let waited = start.elapsed();
            assert!(saved.data().unwrap().get_json("first").is_some());
            assert!(waited >= timeout / 2 && waited < timeout * 3 / 4, "{waited:?}");
        }
        drop(unfinished);
        let start = Instant::now();
        save("fourth").await.unwrap();
        assert_eq!(start.elapsed(), Duration::ZERO);
    }
}
