//! The session of one request as its handlers change it, and what becomes of it with the answer.

use std::{
    cell::{OnceCell, RefCell},
    rc::Rc,
    time::SystemTime,
};

use actix_web::http::StatusCode;
use tokio::{
    runtime::Handle,
    sync::{Mutex, MutexGuard},
    time::timeout_at,
};

use super::session_cookie::SessionCookie;
use crate::{
    auth::{BACKEND, DjangoSite, DjangoUser, HASH},
    database::Budget,
    error::{DecodeError, Error, NotLoggedIn, Unavailable},
    session::{Changes, DjangoSession, Expiry, ExpiryPolicy, SessionData, USER_ID},
};

const OVER: &str = "a session was to be saved after its answer was sent";
const NESTED: &str = "the function of an `update` used the session that it is changing";

/// What the handlers of one request do to its session.
pub(crate) struct Writing {
    /// `None` in a test without a database: then nothing is stored.
    site: Option<DjangoSite>,
    /// As it was found when the request came.
    session: Result<DjangoSession, Error>,
    /// Whether the request came with a session cookie, be it of a session that is none.
    has_cookie: bool,
    state: RefCell<State>,
    /// One save at a time.
    saving: Mutex<()>,
    /// How long this request may still wait for what it writes.
    budget: OnceCell<Budget>,
}

#[derive(Default)]
struct State {
    /// Made when the first one asks.
    changes: Option<Changes>,
    /// Whom the handler logged in, that it logged somebody out, or what was found out of the user.
    user: Option<Result<DjangoUser, Error>>,
    /// Whether something looked into the session: Django's `accessed`.
    accessed: bool,
    saved: bool,
    /// The answer is on its way, and nothing is stored any more.
    over: bool,
}

impl Writing {
    pub(crate) fn new(
        site: Option<DjangoSite>,
        session: Result<DjangoSession, Error>,
        has_cookie: bool,
    ) -> Rc<Self> {
        let state = RefCell::default();
        let (saving, budget) = (Mutex::default(), OnceCell::new());
        Rc::new(Self { site, session, has_cookie, state, saving, budget })
    }

    /// Looks at the session as it is by now.
    ///
    /// # Errors
    /// [`Error::Undecodable`] if its data is too large to be read; those of `look`.
    pub(crate) fn look<T>(
        &self,
        look: impl FnOnce(&Changes) -> Result<T, Error>,
    ) -> Result<T, Error> {
        self.with(|changes| look(changes))
    }

    /// Changes the session.
    ///
    /// # Errors
    /// As [`Writing::look`].
    pub(crate) fn change<T>(
        &self,
        change: impl FnOnce(&mut Changes) -> Result<T, Error>,
    ) -> Result<T, Error> {
        if self.state.try_borrow().is_ok_and(|state| state.over) {
            tracing::error!("a session was changed after its answer was sent: that is not stored");
        }
        self.with(|changes| {
            let was = who(changes.data());
            let changed = change(changes)?;
            Ok((changed, was != who(changes.data())))
        })
        .map(|(changed, is_another)| {
            if is_another {
                self.state.borrow_mut().user = None;
            }
            changed
        })
    }

    fn with<T>(&self, f: impl FnOnce(&mut Changes) -> Result<T, Error>) -> Result<T, Error> {
        let Ok(mut state) = self.state.try_borrow_mut() else {
            return Err(Error::ImproperlyConfigured(NESTED.into()));
        };
        state.accessed = true;
        if state.changes.is_none() {
            state.changes = Some(Changes::new(self.session.clone().ok())?);
        }
        match &mut state.changes {
            Some(changes) => f(changes),
            None => Err(Error::NoSessionKey),
        }
    }

    /// The session as a later extractor of this request sees it.
    pub(crate) fn session(&self) -> Result<DjangoSession, Error> {
        self.state.borrow_mut().accessed = true;
        let state = self.state.borrow();
        let Some(changes) = state.changes.as_ref().filter(|changes| changes.is_modified()) else {
            let saved = state.changes.as_ref().and_then(Changes::stored);
            return saved.map_or_else(|| self.session.clone(), |session| Ok(session.clone()));
        };
        if changes.is_empty() {
            return Err(Error::NoSessionKey);
        }
        let (key, data) = (changes.key().clone(), changes.data().clone());
        match (&self.site, &self.session) {
            (Some(site), _) => site.sealed(key, data),
            (None, Ok(session)) => Ok(session.changed(key, data)),
            (None, Err(error)) => Err(error.clone()),
        }
    }

    /// Whether something was done to it.
    pub(crate) fn is_touched(&self) -> bool {
        self.look_if_any(Changes::is_modified).unwrap_or_default() || self.state.borrow().saved
    }

    /// Whether it says of another than at first that they are logged in, or of nobody.
    pub(crate) fn names_another(&self) -> bool {
        let at_first = self.session.as_ref().ok().and_then(|session| session.data().ok());
        let at_first = at_first.map(who).unwrap_or_default();
        self.look_if_any(|changes| who(changes.data()) != at_first).unwrap_or_default()
    }

    fn is_only_upgraded(&self) -> bool {
        self.look_if_any(Changes::is_only_upgraded).unwrap_or_default()
    }

    /// Whom the handlers made the user of this request.
    pub(crate) fn user(&self) -> Option<Result<DjangoUser, Error>> {
        self.state.borrow().user.clone()
    }

    /// `request.user = user`.
    pub(crate) fn set_user(&self, user: Result<DjangoUser, Error>) {
        self.state.borrow_mut().user = Some(user);
    }

    /// How long this request may still wait for what it writes, all in all.
    pub(crate) fn budget(&self, site: &DjangoSite) -> &Budget {
        self.budget.get_or_init(|| site.database().budget())
    }

    /// `None` in a test without a database.
    pub(crate) fn site(&self) -> Option<&DjangoSite> {
        self.site.as_ref()
    }

    /// Forgets the session and whoever was logged in to it.
    ///
    /// # Errors
    /// As [`Writing::look`].
    pub(crate) fn flush(&self) -> Result<(), Error> {
        self.with(|changes| {
            changes.flush();
            Ok(())
        })?;
        self.state.borrow_mut().user = None;
        Ok(())
    }

    /// The user of the session was looked up: a hash of another password ends the session, one
    /// that was made with a fallback key gives way to one of today, under a new session key.
    ///
    /// # Errors
    /// As [`Writing::change`].
    pub(crate) fn found_user(&self, user: &Result<DjangoUser, Error>) -> Result<(), Error> {
        self.state.borrow_mut().accessed = true;
        let Some(site) = &self.site else { return Ok(()) };
        if self.state.borrow().user.is_some() {
            return Ok(());
        }
        match user {
            Err(Error::NotLoggedIn(NotLoggedIn::WrongHash)) => self.flush(),
            Ok(user) => {
                self.set_user(Ok(user.clone()));
                let hash = self.look(|changes| site.upgraded_hash(changes.data(), user))?;
                let Some(hash) = hash else { return Ok(()) };
                self.with(|changes| Ok(changes.upgrade(HASH, &hash).map_err(DecodeError::from)?))
            }
            Err(error) => {
                // It will not be another one: the application is asked once a request.
                if error.is_rejection() {
                    self.set_user(Err(error.clone()));
                }
                Ok(())
            }
        }
    }

    /// What `set_expiry` puts into the session; `None` takes it out.
    ///
    /// # Errors
    /// [`Error::Expiry`].
    pub(crate) fn stored_expiry(&self, expiry: Expiry) -> Result<Option<String>, Error> {
        match &self.site {
            Some(site) => site.stored_expiry(expiry),
            None => ExpiryPolicy::default().stored(expiry, SystemTime::now()),
        }
    }

    /// Makes sure that there is something to change.
    ///
    /// # Errors
    /// As [`Writing::look`].
    pub(crate) fn begin(&self) -> Result<(), Error> {
        self.look(|_| Ok(()))
    }

    /// Stores what was done so far.
    ///
    /// # Errors
    /// [`Error::SessionInterrupted`] if somebody else ended the session, [`Error::Expiry`], and
    /// [`Error::Unavailable`].
    pub(crate) async fn save(&self) -> Result<(), Error> {
        let Some(site) = &self.site else { return Ok(()) };
        let _turn = self.turn(site).await?;
        if self.state.borrow().over {
            // The visitor could not be told its key.
            return Err(Error::ImproperlyConfigured(OVER.into()));
        }
        self.delete_doomed(site).await?;
        let planned = self.look_if_any(|changes| {
            let worth_it = changes.is_modified() && !changes.is_empty();
            worth_it.then(|| (changes.plan(), changes.data().clone()))
        });
        let Some((plan, data)) = planned.flatten() else { return Ok(()) };
        let session = site.save(&plan, data, self.budget(site)).await?;
        let state = &mut *self.state.borrow_mut();
        state.saved = true;
        let Some(changes) = &mut state.changes else { return Ok(()) };
        let was = who(changes.data());
        changes.saved(session, &plan)?;
        // Another request may have logged somebody out of the same session.
        if was != who(changes.data()) {
            state.user = None;
        }
        Ok(())
    }

    /// Deletes the row of a session that was flushed, now.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub(crate) async fn delete_flushed(&self) -> Result<(), Error> {
        let Some(site) = &self.site else { return Ok(()) };
        let _turn = self.turn(site).await?;
        self.delete_doomed(site).await
    }

    /// The turn to save. A handler may have left a save unfinished that nobody goes on with.
    async fn turn(&self, site: &DjangoSite) -> Result<MutexGuard<'_, ()>, Error> {
        let wait = self.budget(site).wait();
        let turn = timeout_at(wait.deadline(), self.saving.lock()).await;
        Ok(turn.map_err(|_| Unavailable::Timeout(site.settings().timeout))?)
    }

    async fn delete_doomed(&self, site: &DjangoSite) -> Result<(), Error> {
        if let Some(key) = self.look_if_any(|changes| changes.doomed().cloned()).flatten() {
            site.delete_within(&key, self.budget(site)).await?;
            self.state.borrow_mut().changes.iter_mut().for_each(Changes::deleted);
        }
        Ok(())
    }

    fn look_if_any<T>(&self, look: impl FnOnce(&Changes) -> T) -> Option<T> {
        self.state.borrow().changes.as_ref().map(look)
    }

    /// `SessionMiddleware.process_response`: stores what is to be stored, given the status of the
    /// answer, and says what the browser is to be told.
    ///
    /// # Errors
    /// As [`Writing::save`].
    pub(crate) async fn finish(&self, status: StatusCode) -> Result<Option<SessionCookie>, Error> {
        let outcome = self.finished(status).await;
        self.state.borrow_mut().over = true;
        outcome
    }

    async fn finished(&self, status: StatusCode) -> Result<Option<SessionCookie>, Error> {
        let Some(site) = &self.site else { return Ok(None) };
        // Whoever logs out is logged out, whatever comes after.
        if let Err(error) = self.delete_flushed().await {
            // Who asked for it hears that it was not done. Nobody would hear of another attempt.
            self.state.borrow_mut().changes.iter_mut().for_each(Changes::deleted);
            return Err(error);
        }
        let (changed, accessed) = {
            let state = self.state.borrow();
            (state.changes.as_ref().is_some_and(Changes::is_modified), state.accessed)
        };
        let is_empty = self
            .look_if_any(Changes::is_empty)
            // What can be no key is known for that without a look (R7).
            .unwrap_or(match self.session {
                Ok(_) => false,
                Err(Error::NoSessionKey) => true,
                Err(_) => accessed,
            });
        let failed = status.is_server_error();
        if is_empty || failed {
            let deletes = is_empty && self.has_cookie;
            return Ok(deletes.then_some(SessionCookie::Delete));
        }
        if changed {
            // Before anything is stored: a date that is none spoils nothing (W16).
            self.look(|changes| site.cookie_life(changes.data()))?;
            match self.save().await {
                // Another request of this visitor was faster, as with a page and its images: this
                // one has nothing of its own to store.
                Err(Error::SessionInterrupted) if self.is_only_upgraded() => return Ok(None),
                outcome => outcome?,
            }
        }
        let (saved, session) = {
            let state = self.state.borrow();
            let stored = state.changes.as_ref().and_then(Changes::stored).cloned();
            (state.saved, stored.map_or_else(|| self.session.clone(), Ok))
        };
        let Ok(session) = session else { return Ok(None) };
        let session = if saved { Some(session) } else { self.slide(site, &session).await };
        let Some(session) = session else { return Ok(None) };
        let empty = SessionData::new();
        let life = site.cookie_life(session.data().unwrap_or(&empty))?;
        Ok(Some(SessionCookie::Set(session.key().clone(), life)))
    }

    /// `SESSION_SAVE_EVERY_REQUEST`. That it cannot be done is no reason to withhold an answer: the
    /// session ends when it would have.
    async fn slide(&self, site: &DjangoSite, session: &DjangoSession) -> Option<DjangoSession> {
        if !site.settings().sessions.save_every_request {
            return None;
        }
        let slid = site.slide(session, self.budget(site)).await;
        slid.unwrap_or_else(|error| {
            site.observer().not_extended(&error);
            None
        })
    }
}

/// A handler that panics, is given up, or flushes when the answer is on its way, has ended the
/// session all the same: its visitor was told so, or is gone.
impl Drop for Writing {
    fn drop(&mut self) {
        let changes = self.state.get_mut().changes.as_ref();
        let doomed = changes.and_then(Changes::doomed).cloned();
        let (Some(site), Some(key)) = (self.site.take(), doomed) else { return };
        let Ok(runtime) = Handle::try_current() else { return };
        runtime.spawn(async move {
            if let Err(error) = site.delete(&key).await {
                tracing::error!(error = %error.chain(), "a flushed session could not be deleted");
            }
        });
    }
}

/// What says who is logged in.
fn who(data: &SessionData) -> [Option<String>; 3] {
    [USER_ID, BACKEND, HASH].map(|key| data.get_json(key).map(str::to_owned))
}
