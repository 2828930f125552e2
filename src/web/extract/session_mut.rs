//! `DjangoSessionMut` in the arguments of a handler.

use std::{
    fmt,
    future::{Ready, ready},
    rc::Rc,
};

use actix_web::{FromRequest, HttpRequest, dev::Payload};
use serde::{Serialize, de::DeserializeOwned};

use crate::{
    error::{DecodeError, Error},
    session::{Expiry, SESSION_EXPIRY, SessionData},
    web::{request::Visit, writing::Writing},
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
/// [`writes_sessions(true)`](crate::DjangoSettings::writes_sessions); without, the answer is a 500,
/// and the log names the setting.
///
/// # What happens when several change one session
/// Django stores whole sessions, and the last one wins. This stores changes: the row is replaced only
/// if it still is what was read. If it is not, it is read again and the same changes are made to
/// that, which is why the function of an [`update`](Self::update) may run several times. If the row is
/// gone, the visitor has logged out meanwhile: nothing is stored, and the answer is
/// [`Error::SessionInterrupted`], a 400 as in Django. What Django stores later from a copy that it
/// had read before overwrites what was stored here, as it does with Django's own.
#[derive(Clone)]
pub struct DjangoSessionMut {
    pub(crate) writing: Rc<Writing>,
    pub(crate) visit: Visit,
}

impl DjangoSessionMut {
    /// The value of a key. `None` if there is no such key.
    ///
    /// # Errors
    /// [`Error::Undecodable`] if the value is no `T`.
    pub fn get<T: DeserializeOwned>(&self, key: &str) -> Result<Option<T>, Error> {
        self.writing.look(|changes| Ok(changes.data().get(key)?))
    }

    /// All of the session's data, as it is now.
    ///
    /// # Errors
    /// Never in practice: what cannot be read was refused when this was extracted.
    pub fn data(&self) -> Result<SessionData, Error> {
        self.writing.look(|changes| Ok(changes.data().clone()))
    }

    /// Sets a key, in its place if it is there and at the end if not.
    ///
    /// # Errors
    /// [`Error::Undecodable`] if the value has no JSON form.
    pub fn insert<T: Serialize + ?Sized>(&self, key: &str, value: &T) -> Result<(), Error> {
        self.writing.change(|changes| Ok(changes.insert(key, value).map_err(DecodeError::from)?))
    }

    /// Removes a key; says whether it was there.
    ///
    /// # Errors
    /// As [`DjangoSessionMut::data`].
    pub fn remove(&self, key: &str) -> Result<bool, Error> {
        self.writing.change(|changes| Ok(changes.remove(key)))
    }

    /// Changes the value of a key by a function, which starts with the default where there is none.
    ///
    /// It should do nothing else: it runs again if somebody else changes the session meanwhile, and
    /// so of many who add to one list at once none is lost.
    ///
    /// # Errors
    /// [`Error::Undecodable`] if the value is no `T`, or what becomes of it has no JSON form. A clone
    /// of this that the function uses gives it nothing but errors.
    pub fn update<T, F>(&self, key: &str, change: F) -> Result<(), Error>
    where
        T: Serialize + DeserializeOwned + Default,
        F: Fn(&mut T) + 'static,
    {
        self.writing.change(|changes| changes.update(key, change))
    }

    /// Removes all keys. The session itself stays, with its cookie; [`flush`](Self::flush) ends it.
    pub fn clear(&self) {
        self.infallibly(|writing| {
            writing.change(|changes| {
                changes.clear();
                Ok(())
            })
        });
    }

    /// When the session is to end: see [`Expiry`].
    ///
    /// # Errors
    /// [`Error::Expiry`] for a moment beyond the year 9999.
    pub fn set_expiry(&self, expiry: Expiry) -> Result<(), Error> {
        let stored = self.writing.stored_expiry(expiry)?;
        self.writing.change(|changes| match stored {
            Some(json) => {
                Ok(changes.insert_json(SESSION_EXPIRY, &json).map_err(DecodeError::from)?)
            }
            None => {
                changes.remove(SESSION_EXPIRY);
                Ok(())
            }
        })
    }

    /// Gives the session a new key and keeps what is in it: whoever knows the old one has nothing.
    ///
    /// A session that somebody else ended meanwhile stays ended, where Django would bring it back.
    pub fn cycle_key(&self) {
        self.infallibly(|writing| {
            writing.change(|changes| {
                changes.cycle_key();
                Ok(())
            })
        });
    }

    /// Ends the session: its row is deleted and its cookie too, whatever the status of the answer.
    /// What is set afterwards makes a new one. In the body of an answer that is streamed, the row is
    /// deleted at its end: `logout` does so at once.
    pub fn flush(&self) {
        self.infallibly(Writing::flush);
    }

    /// Stores what was done so far, now and not after the handler. Afterwards
    /// [`get`](Self::get) shows what is stored, others' changes included.
    ///
    /// # Errors
    /// [`Error::SessionInterrupted`] if somebody else ended the session,
    /// [`Error::Unavailable`] when PostgreSQL does not answer, [`Error::Expiry`].
    pub async fn save(&self) -> Result<(), Error> {
        self.writing.save().await
    }

    /// Where it cannot fail: the data was read when this was extracted.
    fn infallibly(&self, change: impl FnOnce(&Writing) -> Result<(), Error>) {
        if let Err(error) = change(&self.writing) {
            tracing::error!(error = %error.chain(), "a session could not be changed");
        }
    }
}

impl FromRequest for DjangoSessionMut {
    /// actix's own, with the answer of the middleware in it; not the [`Error`](crate::Error) of this crate,
    /// which handlers return.
    type Error = actix_web::Error;
    type Future = Ready<Result<Self, Self::Error>>;

    fn from_request(req: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Visit::behind_gate::<Self>(req).and_then(|visit| {
            let writing = visit.writing().map_err(|error| visit.reject(error, req))?;
            Ok(Self { writing, visit })
        }))
    }
}

/// Shows nothing of the session.
impl fmt::Debug for DjangoSessionMut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DjangoSessionMut").finish_non_exhaustive()
    }
}
