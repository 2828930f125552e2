//! `DjangoSessionMut` in the arguments of a handler.

use std::{
    fmt,
    future::{Ready, ready},
};

use actix_web::{FromRequest, HttpRequest, dev::Payload};
use serde::{Serialize, de::DeserializeOwned};

use crate::{
    error::{DecodeError, Error},
    session::{Changes, Expiry, SESSION_EXPIRY, SessionData},
    web::{request::Visit, request_session::RequestSession},
};

/// The session of this request, to be changed: Django's `request.session`.
///
/// What a handler does is kept in mind and stored after it, before the answer goes out, if the
/// status of the answer is below 500; [`save`](Self::save) stores it at once. A visitor without a
/// session gets one, with its cookie, as soon as something is in it. Later extractors of the same
/// request see the session as it is by then.
///
/// ```
/// use actix_django_session::{DjangoSessionMut, Error};
/// use actix_web::web;
///
/// async fn add(session: DjangoSessionMut, item: web::Path<u32>) -> Result<String, Error> {
///     let item = item.into_inner();
///     session.update("cart", move |cart: &mut Vec<u32>| cart.push(item))?;
///     Ok(format!("{:?}", session.get::<Vec<u32>>("cart")?))
/// }
/// ```
///
/// It works behind any middleware whose settings have
/// [`write_sessions`](crate::DjangoSettings::write_sessions); without, the answer is a 500,
/// and the log names the setting. A session whose data is larger than
/// [`max_decompressed_size`](crate::DjangoSettings::max_decompressed_size) is refused when this is
/// extracted, so that it is never overwritten.
///
/// # What each does to row and cookie
///
/// | method | the row | the cookie |
/// |---|---|---|
/// | `get`, `data` | | that of a session which is not there is deleted |
/// | `insert`, `remove` of a key that is there, `update`, `set_expiry` | written after the handler; made if there was none | sent |
/// | `clear` | written after the handler, empty; none is made | sent if there is a row |
/// | `cycle_key` | moved to a new key after the handler; made if there was none | sent, with the new key |
/// | `flush` | deleted after the handler, whatever its status | deleted |
/// | `logout` | deleted at once | deleted |
/// | `update_session_auth_hash` | as `cycle_key` | sent, with the new key |
/// | `login`, `login_with_backend` | as `cycle_key`, or as `flush` and `insert`; `last_login` is written at once | sent, with the new key |
/// | `save` | written at once, and its end moved, also where nothing was changed; made if there was none | sent if something was changed or the row is new |
///
/// After the handler means: if the status of the answer is below 500. Otherwise nothing but what was
/// ended is stored, and no cookie is sent.
///
/// # What happens when several change one session
/// Django stores whole sessions, and the last one wins. This stores changes: the row is replaced only
/// if it still is what was read. If it is not, it is read again and the same changes are made to
/// that, which is why the function of an [`update`](Self::update) may run several times. If the row is
/// gone, the visitor has logged out meanwhile: nothing is stored, and the answer is
/// [`Error::SessionInterrupted`], a 400 as in Django. What Django stores later from a copy that it
/// had read before overwrites what was stored here, as it does with Django's own.
#[derive(Clone)]
#[doc(alias = "request.session")]
pub struct DjangoSessionMut {
    pub(crate) visit: Visit,
}

impl DjangoSessionMut {
    pub(crate) fn session(&self) -> &RequestSession {
        &self.visit.session
    }

    /// The value of a key. `None` if there is no such key.
    ///
    /// # Errors
    /// [`Error::Undecodable`] if the value is no `T`.
    pub fn get<T: DeserializeOwned>(&self, key: &str) -> Result<Option<T>, Error> {
        Ok(self.session().look(|changes| changes.data().get(key))?)
    }

    /// All of the session's data, as it is now.
    pub fn data(&self) -> SessionData {
        self.session().look(|changes| changes.data().clone())
    }

    /// Sets a key, in its place if it is there and at the end if not.
    ///
    /// # Errors
    /// [`Error::Undecodable`] if the value has no JSON form.
    #[doc(alias = "__setitem__")]
    #[doc(alias = "setdefault")]
    pub fn insert<T: Serialize + ?Sized>(&self, key: &str, value: &T) -> Result<(), Error> {
        let inserted = self.session().change(|changes| changes.insert(key, value));
        Ok(inserted.map_err(DecodeError::from)?)
    }

    /// Removes a key; says whether it was there. If it was not, nothing has changed.
    #[doc(alias = "pop")]
    #[doc(alias = "__delitem__")]
    pub fn remove(&self, key: &str) -> bool {
        self.session().change(|changes| changes.remove(key))
    }

    /// Changes the value of a key by a function, which starts with the default where there is none.
    ///
    /// It should do nothing else: it runs again if somebody else changes the session meanwhile, and
    /// so of many who add to one list at once none is lost.
    ///
    /// # Errors
    /// [`Error::Undecodable`] if the value is no `T`, or what becomes of it has no JSON form.
    pub fn update<T, F>(&self, key: &str, change: F) -> Result<(), Error>
    where
        T: Serialize + DeserializeOwned + Default,
        F: Fn(&mut T) + 'static,
    {
        self.session().update(key, change)
    }

    /// Removes all keys. The session itself stays, with its cookie; [`flush`](Self::flush) ends it.
    pub fn clear(&self) {
        self.session().change(Changes::clear);
    }

    /// When the session is to end: see [`Expiry`].
    ///
    /// # Errors
    /// [`Error::InvalidExpiry`] for a moment beyond the year 9999.
    pub fn set_expiry(&self, expiry: Expiry) -> Result<(), Error> {
        match self.visit.site().stored_expiry(expiry)? {
            Some(json) => {
                let insert = |changes: &mut Changes| changes.insert_json(SESSION_EXPIRY, &json);
                self.session().change(insert).map_err(DecodeError::from)?;
            }
            None => drop(self.remove(SESSION_EXPIRY)),
        }
        Ok(())
    }

    /// Gives the session a new key and keeps what is in it: whoever knows the old one has nothing.
    ///
    /// A session that somebody else ended meanwhile stays ended, where Django would bring it back.
    pub fn cycle_key(&self) {
        self.session().change(Changes::cycle_key);
    }

    /// Ends the session: its row is deleted and its cookie too, whatever the status of the answer.
    /// What is set afterwards makes a new one. In the body of an answer that is streamed, the row is
    /// deleted at its end: `logout` does so at once.
    pub fn flush(&self) {
        self.session().flush();
    }

    /// Stores what was done so far, now and not after the handler: Django's `save()`. It also writes a
    /// session of which nothing was changed, and so moves its end, and makes one where there is none; a
    /// key that no session has gives way to a new one. Afterwards [`get`](Self::get) shows what is stored,
    /// others' changes included.
    ///
    /// # Errors
    /// [`Error::SessionInterrupted`] if somebody else ended the session,
    /// [`Error::Unavailable`] when PostgreSQL does not answer, [`Error::InvalidExpiry`]. What was to be stored
    /// then is still to be stored.
    pub async fn save(&self) -> Result<(), Error> {
        self.session().save().await
    }
}

impl FromRequest for DjangoSessionMut {
    /// An actix error that carries the middleware's answer. Handlers return [`Error`](crate::Error) instead.
    type Error = actix_web::Error;
    type Future = Ready<Result<Self, Self::Error>>;

    fn from_request(req: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Visit::behind_middleware::<Self>(req).and_then(|visit| {
            visit.begin_changes().map_err(|error| visit.reject(error, req))?;
            Ok(Self { visit })
        }))
    }
}

/// Shows nothing of the session.
impl fmt::Debug for DjangoSessionMut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DjangoSessionMut").finish_non_exhaustive()
    }
}
