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

/// The session of this request, for reading and writing: Django's `request.session`.
///
/// Changes are stored after the handler and before the answer is sent, if the status of the answer is below
/// 500. [`save`](Self::save) stores them at once. A visitor without a session gets one, with its cookie, when
/// a handler puts something into it. Later extractors of the same request see the changes.
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
/// The settings of the middleware need [`write_sessions`](crate::DjangoSettings::write_sessions). Otherwise
/// the request gets a 500, and the log names the setting. The same happens if the session's data is larger
/// than [`max_decompressed_size`](crate::DjangoSettings::max_decompressed_size), so that such a session is
/// never overwritten.
///
/// # What each method does to row and cookie
///
/// | method | the row | the cookie |
/// |---|---|---|
/// | `get`, `data` | | deleted if there is no such session |
/// | `insert`, `remove` of a key that is there, `update`, `set_expiry` | written after the handler; created if there was none | sent |
/// | `clear` | written after the handler, empty; none is created | sent if there is a row |
/// | `cycle_key` | moved to a new key after the handler; created if there was none | sent, with the new key |
/// | `flush` | deleted after the handler, whatever its status | deleted |
/// | `logout` | deleted at once | deleted |
/// | `update_session_auth_hash` | as `cycle_key` | sent, with the new key |
/// | `login`, `login_with_backend` | as `cycle_key`, or as `flush` and `insert`; `last_login` is written at once | sent, with the new key |
/// | `save` | written at once with a new `expire_date`, even if nothing was changed; created if there was none | sent if something was changed or the row is new |
///
/// "After the handler" holds if the status of the response is below 500. For a 5xx, only a `flush` or
/// `logout` counts: the row and the cookie are deleted. Other changes are lost, and no cookie is sent.
///
/// # When several requests change one session
/// Django stores the whole session, and the last request wins. This extractor stores changes:
///
/// - It replaces the row only if the row still has the data that was read. Otherwise it reads the row again
///   and applies the same changes to the new data. So the function of an [`update`](Self::update) may run
///   several times.
/// - If the row is gone, the visitor has logged out meanwhile. Then nothing is stored, and the answer is
///   [`Error::SessionInterrupted`], a 400 as in Django.
/// - If Django read the session before such a change and stores it afterwards, Django overwrites the change,
///   as it overwrites its own.
#[derive(Clone)]
#[doc(alias = "request.session")]
pub struct DjangoSessionMut {
    pub(crate) visit: Visit,
}

impl DjangoSessionMut {
    pub(crate) fn session(&self) -> &RequestSession {
        &self.visit.session
    }

    /// Returns the value of a key, or `None` if there is no such key: Django's `session.get(key)`.
    ///
    /// # Errors
    /// [`Error::Undecodable`] if the value is not a `T`.
    pub fn get<T: DeserializeOwned>(&self, key: &str) -> Result<Option<T>, Error> {
        Ok(self.session().look(|changes| changes.data().get(key))?)
    }

    /// Returns a copy of the session's data, with the changes of this request.
    pub fn data(&self) -> SessionData {
        self.session().look(|changes| changes.data().clone())
    }

    /// Sets the value of a key: Django's `session[key] = value`. A new key goes to the end of the JSON
    /// object; an existing one keeps its place.
    ///
    /// # Errors
    /// [`Error::Undecodable`] if the value has no JSON form.
    #[doc(alias = "__setitem__")]
    #[doc(alias = "setdefault")]
    pub fn insert<T: Serialize + ?Sized>(&self, key: &str, value: &T) -> Result<(), Error> {
        let inserted = self.session().change(|changes| changes.insert(key, value));
        Ok(inserted.map_err(DecodeError::from)?)
    }

    /// Removes a key and returns whether it was there. If it was not, the session counts as unchanged.
    #[doc(alias = "pop")]
    #[doc(alias = "__delitem__")]
    pub fn remove(&self, key: &str) -> bool {
        self.session().change(|changes| changes.remove(key))
    }

    /// Changes the value of a key with a function. If there is no such key, the function gets `T::default()`.
    ///
    /// The function runs again if another request changes the session meanwhile, so concurrent requests can
    /// add to one list and none of the additions is lost. It should have no side effects.
    ///
    /// # Errors
    /// [`Error::Undecodable`] if the value is not a `T`, or the new value has no JSON form.
    pub fn update<T, F>(&self, key: &str, change: F) -> Result<(), Error>
    where
        T: Serialize + DeserializeOwned + Default,
        F: Fn(&mut T) + 'static,
    {
        self.session().update(key, change)
    }

    /// Removes all keys: Django's `session.clear()`. The session stays, with its cookie;
    /// [`flush`](Self::flush) ends it.
    pub fn clear(&self) {
        self.session().change(Changes::clear);
    }

    /// Sets when the session ends, as Django's `session.set_expiry(value)`: see [`Expiry`].
    ///
    /// # Errors
    /// [`Error::InvalidExpiry`] for a time after the year 9999.
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

    /// Gives the session a new key and keeps its data: Django's `session.cycle_key()`. The old key becomes
    /// invalid.
    ///
    /// If another request has ended the session meanwhile, it stays ended; Django would restore it.
    pub fn cycle_key(&self) {
        self.session().change(Changes::cycle_key);
    }

    /// Ends the session: Django's `session.flush()`. Its row and its cookie are deleted, whatever the status of
    /// the answer. Data that is set afterwards starts a new session.
    ///
    /// If a streamed body calls this, the row is deleted when the stream ends; [`logout`](Self::logout)
    /// deletes it at once.
    pub fn flush(&self) {
        self.session().flush();
    }

    /// Stores the changes now, and not after the handler: Django's `session.save()`. It writes the row even if
    /// nothing was changed, and so extends the session. If there is no session, it creates one; a key in the
    /// cookie that no session has is replaced by a new one. Afterwards [`get`](Self::get) returns the data as
    /// stored, with the changes of other requests.
    ///
    /// # Errors
    /// After an error the changes are not lost: they are stored after the handler, or by another `save`.
    ///
    /// - [`Error::SessionInterrupted`] if another request ended the session.
    /// - [`Error::Unavailable`] when PostgreSQL does not answer.
    /// - [`Error::InvalidExpiry`].
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
