//! The session of one request, shared by extractors, the CSRF check and all middlewares of the request.

use std::{
    cell::{Cell, OnceCell, RefCell},
    rc::Rc,
};

use actix_web::http::StatusCode;
use serde::{Serialize, de::DeserializeOwned};
use tokio::{
    runtime::Handle,
    sync::{Mutex, MutexGuard},
    time::{Instant, timeout, timeout_at},
};

use super::session_cookie::SessionCookie;
use crate::{
    auth::{BACKEND, DjangoUser, HASH},
    error::{DecodeError, Error, NotLoggedIn, Unavailable},
    session::{Changes, DjangoSession, Save, SessionData, USER_ID},
    site::{DjangoSite, RowNow, Visitor},
};

const ALREADY_SENT: &str = "a session cannot be saved after its answer was sent: save it in the handler, \
                            before it returns";

/// The session that a request came with, and its changes.
///
/// There is one for each session table and cookie. The outermost middleware with that table and cookie makes
/// it; those inside share it, whichever site handle they have.
pub(crate) struct RequestSession {
    loaded: LoadedSession,
    /// When its row was last read or written.
    seen: Cell<Instant>,
    /// The site of the middleware that stores it: the outermost one that may.
    keeper: OnceCell<DjangoSite>,
    state: RefCell<State>,
    /// One lookup of a user at a time: extractors of one handler ask together.
    asking: Mutex<()>,
    /// One save at a time.
    saving: Mutex<()>,
}

/// What there was of the session when the request came.
#[derive(Debug)]
pub(crate) enum LoadedSession {
    /// The request has no session cookie.
    NoCookie,
    /// The cookie cannot be a session key, so Django would not look it up.
    NoKey,
    /// There is no such session, or it has expired.
    Missing(Error),
    Live(DjangoSession),
    /// It is unknown whether there is one: the database does not answer.
    Unavailable(Error),
}

#[derive(Default)]
struct State {
    /// Made at the first use.
    changes: Option<Changes>,
    /// The user who was looked up together with the session, until the first use.
    found: Option<Identity>,
    identities: Vec<Identity>,
    phase: Phase,
}

/// The visitor's user by one site handle and its hooks.
struct Identity {
    site: DjangoSite,
    user: Result<DjangoUser, Error>,
}

/// How far the request has come with its session.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
enum Phase {
    #[default]
    Untouched,
    /// Something looked into it: Django's `accessed`.
    Accessed,
    /// Something that changed is stored.
    Saved,
    /// The answer is on its way, and nothing is stored any more.
    Sent,
}

impl RequestSession {
    pub(crate) fn new(loaded: LoadedSession) -> Rc<Self> {
        Rc::new(Self {
            loaded,
            seen: Instant::now().into(),
            keeper: OnceCell::new(),
            state: RefCell::default(),
            asking: Mutex::default(),
            saving: Mutex::default(),
        })
    }

    /// For a client whom something else than a session authenticated: there is no session, and none is made.
    pub(crate) fn of_client(site: &DjangoSite, user: DjangoUser) -> Rc<Self> {
        let session = Self::new(LoadedSession::Unavailable(Error::NoSessionKey));
        session.set_user(site, Ok(user));
        session
    }

    /// For a visitor whom this handle has looked up.
    pub(crate) fn of_visitor(site: &DjangoSite, visitor: Visitor) -> Rc<Self> {
        let session = Self::new(LoadedSession::from(visitor.session));
        let found = Identity { site: site.clone(), user: visitor.user };
        session.state.borrow_mut().found = Some(found);
        session
    }

    /// Makes this handle's middleware store the session, unless one further out does. Returns whether this
    /// one does.
    pub(crate) fn keep(&self, site: &DjangoSite) -> bool {
        self.keeper.get().is_none() && self.keeper.set(site.clone()).is_ok()
    }

    /// Whether a middleware stores its changes.
    pub(crate) fn is_kept(&self) -> bool {
        self.keeper.get().is_some()
    }

    /// The site of the middleware that stores it, if there is one.
    pub(crate) fn site(&self) -> Option<&DjangoSite> {
        self.keeper.get()
    }

    // Its current state.

    /// The live session with its changes.
    pub(crate) fn session(&self) -> Result<DjangoSession, Error> {
        self.touch();
        let state = self.state.borrow();
        let Some(changes) = &state.changes else { return self.loaded() };
        if !changes.is_modified() {
            return changes.stored().map_or_else(|| self.loaded(), |session| Ok(session.clone()));
        }
        if changes.is_empty() {
            return Err(Error::NoSessionKey);
        }
        // Without a middleware that stores it, the session cannot be changed.
        let Some(site) = self.site() else { return self.loaded() };
        site.signed_session(changes.key().clone(), changes.data().clone())
    }

    /// The session as the request brought it.
    pub(crate) fn loaded(&self) -> Result<DjangoSession, Error> {
        match &self.loaded {
            LoadedSession::NoCookie | LoadedSession::NoKey => Err(Error::NoSessionKey),
            LoadedSession::Missing(error) | LoadedSession::Unavailable(error) => Err(error.clone()),
            LoadedSession::Live(session) => Ok(session.clone()),
        }
    }

    /// Whether there was no session, and none was started.
    pub(crate) fn is_absent(&self) -> bool {
        let is_live = matches!(self.loaded, LoadedSession::Live(_) | LoadedSession::Unavailable(_));
        !is_live && self.state.borrow().changes.is_none()
    }

    /// Prepares the session for changes.
    ///
    /// # Errors
    /// [`Error::Undecodable`] if the session's data is too large to be read; the error of the lookup if it is
    /// unknown whether there is a session.
    pub(crate) fn begin(&self) -> Result<(), Error> {
        self.touch();
        if let LoadedSession::Unavailable(error) = &self.loaded {
            return Err(error.clone());
        }
        let state = &mut *self.state.borrow_mut();
        if state.changes.is_none() {
            state.changes = Some(Changes::new(self.live())?);
        }
        Ok(())
    }

    /// Looks at the session with its changes.
    pub(crate) fn look<T>(&self, look: impl FnOnce(&Changes) -> T) -> T {
        self.look_mut(|changes| look(changes))
    }

    fn look_mut<T>(&self, look: impl FnOnce(&mut Changes) -> T) -> T {
        self.touch();
        look(self.changes(&mut self.state.borrow_mut()))
    }

    /// Changes the session. The change may log another user in.
    pub(crate) fn change<T>(&self, change: impl FnOnce(&mut Changes) -> T) -> T {
        self.touch();
        let state = &mut *self.state.borrow_mut();
        if state.phase == Phase::Sent {
            tracing::error!("a session was changed after its answer was sent: that is not stored");
        }
        let changes = self.changes(state);
        let was = who(changes.data());
        let changed = change(changes);
        if was != who(changes.data()) {
            state.identity_changed();
        }
        changed
    }

    /// Changes the value of a key. No code of the application runs while the session is borrowed.
    ///
    /// # Errors
    /// [`Error::Undecodable`] if the value is no `T`, or what becomes of it has no JSON form.
    pub(crate) fn update<T, F>(&self, key: &str, change: F) -> Result<(), Error>
    where
        T: Serialize + DeserializeOwned + Default,
        F: Fn(&mut T) + 'static,
    {
        let mut value = self.look(|changes| changes.data().get::<T>(key))?.unwrap_or_default();
        change(&mut value);
        self.change(|changes| changes.updated(key, &value, change))
    }

    /// Ends the session and forgets its user.
    pub(crate) fn flush(&self) {
        // If the answer is already being sent, the row is deleted when it ends.
        self.look_mut(Changes::flush);
        self.state.borrow_mut().identity_changed();
    }

    /// The changes, made at the first use. [`begin`](Self::begin) refuses a session that cannot be read; if
    /// it was not called, that session is left alone, and the changes start a new one.
    fn changes<'a>(&self, state: &'a mut State) -> &'a mut Changes {
        let new = || Changes::new(self.live()).unwrap_or_else(|_| Changes::of_no_row());
        state.changes.get_or_insert_with(new)
    }

    fn live(&self) -> Option<&DjangoSession> {
        match &self.loaded {
            LoadedSession::Live(session) => Some(session),
            _ => None,
        }
    }

    fn look_if_any<T>(&self, look: impl FnOnce(&Changes) -> T) -> Option<T> {
        self.state.borrow().changes.as_ref().map(look)
    }

    /// Something looks into the session.
    pub(crate) fn touch(&self) {
        self.reach(Phase::Accessed);
    }

    fn reach(&self, phase: Phase) {
        let mut state = self.state.borrow_mut();
        state.phase = state.phase.max(phase);
    }

    // Its user.

    /// The user by this handle, looked up once. That no user is logged in is remembered too.
    pub(crate) async fn user(&self, site: &DjangoSite) -> Result<DjangoUser, Error> {
        self.touch();
        if let Some(user) = self.known_user(site) {
            return user;
        }
        let _turn = match self.asking.try_lock() {
            Ok(turn) => turn,
            Err(_) => {
                let limit = site.settings().timeout;
                let turn = Box::pin(timeout(limit, self.asking.lock())).await;
                turn.map_err(|_| Unavailable::Timeout(limit))?
            }
        };
        if let Some(user) = self.known_user(site) {
            return user;
        }
        let is_of_site = |found: &mut Identity| found.site.is_same(site);
        let found = self.state.borrow_mut().found.take_if(is_of_site);
        let user = match found {
            Some(found) => found.user,
            None => {
                let session = self.session()?;
                let user = Box::pin(site.get_user(&session)).await;
                // The handler may have logged a user in or out meanwhile.
                let now = self.session()?;
                if who_in(&now) != who_in(&session) {
                    return self.known_user(site).unwrap_or(Err(Error::Anonymous));
                }
                user
            }
        };
        self.found_user(site, user)
    }

    /// `request.user = user`, by this handle. Other handles ask their own hooks.
    pub(crate) fn set_user(&self, site: &DjangoSite, user: Result<DjangoUser, Error>) {
        let mut state = self.state.borrow_mut();
        state.identity_changed();
        state.identities.push(Identity { site: site.clone(), user });
    }

    pub(crate) fn known_user(&self, site: &DjangoSite) -> Option<Result<DjangoUser, Error>> {
        let state = self.state.borrow();
        let known = state.identities.iter().find(|identity| identity.site.is_same(site));
        known.map(|identity| identity.user.clone())
    }

    /// Does what Django does after the lookup: a hash of another password ends the session; a hash that was
    /// made with a fallback key is replaced, and the session gets a new key.
    fn found_user(
        &self,
        site: &DjangoSite,
        user: Result<DjangoUser, Error>,
    ) -> Result<DjangoUser, Error> {
        let may_write = self.site().is_some() && site.require_writing().is_ok();
        match &user {
            Err(Error::NotLoggedIn(NotLoggedIn::WrongHash)) if may_write => {
                self.begin()?;
                self.flush();
                return user;
            }
            Ok(found) if may_write => {
                let upgraded = |data: &SessionData| site.upgraded_hash(data, found);
                let hash = match self.look_if_any(|changes| upgraded(changes.data())) {
                    Some(hash) => hash?,
                    None => upgraded(self.loaded()?.data()?)?,
                };
                if let Some(hash) = hash {
                    self.begin()?;
                    let upgrade = |changes: &mut Changes| changes.upgrade(HASH, &hash);
                    self.change(upgrade).map_err(DecodeError::from)?;
                }
            }
            // A failure is not remembered: the next use may succeed.
            Err(error) if !error.wants_login() => return user,
            _ => {}
        }
        let identity = Identity { site: site.clone(), user: user.clone() };
        self.state.borrow_mut().identities.push(identity);
        user
    }

    // Storing it.

    /// Django's `save()`: stores the changes, and extends an unchanged session. If there is no session, it
    /// creates one.
    ///
    /// # Errors
    /// [`Error::SessionInterrupted`] if another request ended the session, [`Error::InvalidExpiry`], and
    /// [`Error::Unavailable`].
    pub(crate) async fn save(&self) -> Result<(), Error> {
        self.change(Changes::save_anyway);
        self.store().await
    }

    async fn store(&self) -> Result<(), Error> {
        let Some(site) = self.site() else { return Ok(()) };
        let _turn = self.turn(site).await?;
        if self.state.borrow().phase == Phase::Sent {
            // The cookie of a new key could not be sent any more.
            return Err(Error::ImproperlyConfigured(ALREADY_SENT.into()));
        }
        self.delete_ended(site).await?;
        let (data, save) = self.look_mut(|changes| (changes.data().clone(), changes.start_save()));
        let saving = Unfinished { session: self, save: Some(save) };
        let Some(save) = &saving.save else { return Ok(()) };
        let stored = site.save(save, data).await?;
        self.seen.set(Instant::now());
        // Functions of the application run here, so nothing is borrowed.
        let data = self.look(Changes::since_save).apply_to(&stored);
        saving.done(stored, data)
    }

    /// Deletes the row of a session that was flushed, now.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub(crate) async fn delete_flushed(&self) -> Result<(), Error> {
        let Some(site) = self.site() else { return Ok(()) };
        // Nothing was changed, so nothing is being saved: there is no turn to wait for.
        if self.state.borrow().changes.is_none() {
            return Ok(());
        }
        let _turn = self.turn(site).await?;
        self.delete_ended(site).await
    }

    /// The turn to save. It has a deadline, because a handler may hold an unfinished save that it never polls
    /// again.
    async fn turn(&self, site: &DjangoSite) -> Result<MutexGuard<'_, ()>, Error> {
        let wait = site.database().write_budget().wait();
        let turn = timeout_at(wait.deadline(), self.saving.lock()).await;
        Ok(turn.map_err(|_| Unavailable::Timeout(site.settings().timeout))?)
    }

    async fn delete_ended(&self, site: &DjangoSite) -> Result<(), Error> {
        if let Some(key) = self.look_if_any(|changes| changes.to_delete().cloned()).flatten() {
            Box::pin(site.delete(&key)).await?;
            self.forget_ended();
        }
        Ok(())
    }

    fn forget_ended(&self) {
        self.state.borrow_mut().changes.iter_mut().for_each(Changes::deleted);
    }

    /// `SessionMiddleware.process_response`: stores the changes, if the status of the answer allows it, and
    /// returns the cookie to send.
    ///
    /// # Errors
    /// Those of [`RequestSession::save`].
    pub(crate) async fn finish(&self, status: StatusCode) -> Result<Option<SessionCookie>, Error> {
        let outcome = self.finished(status).await;
        self.reach(Phase::Sent);
        outcome
    }

    async fn finished(&self, status: StatusCode) -> Result<Option<SessionCookie>, Error> {
        let Some(site) = self.site() else { return Ok(None) };
        // A logout counts whatever comes after.
        if let Err(error) = self.delete_flushed().await {
            // The visitor learns that it failed. A later attempt could not tell the visitor its result.
            self.forget_ended();
            return Err(error);
        }
        let phase = self.state.borrow().phase;
        let is_empty = self.look_if_any(Changes::is_empty).unwrap_or(match &self.loaded {
            LoadedSession::Live(_) => false,
            // For what cannot be a key, Django knows without a lookup that there is no session (R7).
            LoadedSession::NoCookie | LoadedSession::NoKey => true,
            LoadedSession::Missing(_) | LoadedSession::Unavailable(_) => phase >= Phase::Accessed,
        });
        if is_empty || status.is_server_error() {
            let deletes = is_empty && !matches!(self.loaded, LoadedSession::NoCookie);
            return Ok(deletes.then_some(SessionCookie::Delete));
        }
        if self.look_if_any(Changes::is_modified).unwrap_or_default() {
            // Before anything is stored, so that an invalid expiry changes nothing (W16).
            self.look(|changes| site.cookie_life(changes.data()))?;
            match Box::pin(self.store()).await {
                // Another request of this visitor has upgraded the hash first, as with a page and its
                // images: this one has no changes of its own to store.
                Err(Error::SessionInterrupted)
                    if self.look_if_any(Changes::is_only_upgraded).unwrap_or_default() =>
                {
                    return Ok(None);
                }
                outcome => outcome?,
            }
        }
        let stored = self.look_if_any(|changes| changes.stored().cloned()).flatten();
        let Ok(session) = stored.map_or_else(|| self.loaded(), Ok) else { return Ok(None) };
        let was_saved = self.state.borrow().phase == Phase::Saved;
        let row = match (was_saved, site.settings().session_save_every_request) {
            (true, _) => site.row_now(&session, self.seen.get()).await,
            (false, true) => site.slide(&session, self.seen.get()).await,
            (false, false) => return Ok(None),
        };
        // A failed lookup is no reason to withhold the answer: the session then ends when it would have
        // ended, and a session that this request has stored itself gets its cookie.
        let row = row.unwrap_or_else(|error| {
            site.observer().not_extended(&error);
            if was_saved { RowNow::Live(session) } else { RowNow::Uncertain }
        });
        match row {
            RowNow::Live(session) => {
                let empty = SessionData::new();
                let life = site.cookie_life(session.data().unwrap_or(&empty))?;
                Ok(Some(SessionCookie::Set(session.key().clone(), life)))
            }
            // A request that did not use the session loses nothing. Django would create a new session for
            // it; this crate does not.
            RowNow::Gone if phase >= Phase::Accessed => Err(Error::SessionInterrupted),
            RowNow::Gone | RowNow::Uncertain => Ok(None),
        }
    }
}

/// The result of a lookup: live, missing, or failed.
impl From<Result<DjangoSession, Error>> for LoadedSession {
    fn from(session: Result<DjangoSession, Error>) -> Self {
        match session {
            Ok(session) => Self::Live(session),
            Err(error) if error.wants_login() => Self::Missing(error),
            Err(error) => Self::Unavailable(error),
        }
    }
}

impl State {
    /// Forgets the users: another one may be logged in now.
    fn identity_changed(&mut self) {
        self.identities.clear();
        self.found = None;
    }
}

/// A save in progress. If a handler drops it, its changes stay to be stored.
struct Unfinished<'a> {
    session: &'a RequestSession,
    save: Option<Save>,
}

impl Unfinished<'_> {
    /// Takes the session as stored, and its data with the changes made since.
    fn done(
        mut self,
        stored: DjangoSession,
        data: Result<SessionData, Error>,
    ) -> Result<(), Error> {
        let Some(save) = self.save.take() else { return Ok(()) };
        let state = &mut *self.session.state.borrow_mut();
        let changes = self.session.changes(state);
        let was = who(changes.data());
        let (data, outcome) = match data {
            Ok(data) => (data, Ok(())),
            Err(error) => (stored.data().cloned().unwrap_or_default(), Err(error)),
        };
        changes.saved(&save, stored, data);
        // Another request may have changed who is logged in with the same session.
        if was != who(changes.data()) {
            state.identity_changed();
        }
        if save.is_modified() {
            state.phase = state.phase.max(Phase::Saved);
        }
        outcome
    }
}

impl Drop for Unfinished<'_> {
    fn drop(&mut self) {
        let Some(save) = self.save.take() else { return };
        let state = &mut *self.session.state.borrow_mut();
        self.session.changes(state).not_saved(save);
    }
}

/// Deletes a flushed session whose row is still there: the handler panicked, was cancelled, or flushed the
/// session while the answer was being sent.
impl Drop for RequestSession {
    fn drop(&mut self) {
        let changes = self.state.get_mut().changes.as_ref();
        let ended = changes.and_then(Changes::to_delete).cloned();
        let (Some(site), Some(key)) = (self.keeper.take(), ended) else { return };
        let Ok(runtime) = Handle::try_current() else { return };
        runtime.spawn(async move {
            if let Err(error) = site.delete(&key).await {
                tracing::error!(error = %error.chain(), "a flushed session could not be deleted");
            }
        });
    }
}

/// The entries that decide who is logged in.
fn who(data: &SessionData) -> [Option<String>; 3] {
    [USER_ID, BACKEND, HASH].map(|key| data.get_json(key).map(str::to_owned))
}

fn who_in(session: &DjangoSession) -> Option<[Option<String>; 3]> {
    session.data().ok().map(who)
}
