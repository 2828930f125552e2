//! The messages of one request, and what becomes of them with the answer.

use std::{
    cell::RefCell,
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use actix_web::http::header::HeaderMap;

use super::{
    set_cookie::{Lifetime, SetCookie, is_deleted_securely},
    writing::Writing,
};
use crate::{
    error::{DecodeError, Error},
    messages::{
        COOKIE_NAME, CookieChange, Kept, MessageSite, SESSION_KEY, SessionChange, Source, Storage,
    },
    session::DjangoSession,
    settings::DjangoSettings,
};

/// What the handlers of one request read and leave.
#[derive(Debug)]
pub(crate) struct RequestMessages {
    pub(crate) site: Arc<MessageSite>,
    storage: RefCell<Storage>,
    /// The value that the request brought.
    cookie: Option<String>,
}

/// The session of the request as it is by now: to be changed, or only to be read.
#[derive(Clone, Copy)]
pub(crate) enum SessionPart<'a> {
    Writing(&'a Writing),
    Reading(Option<&'a DjangoSession>),
}

impl RequestMessages {
    pub(crate) fn new(site: Arc<MessageSite>, cookie: Option<String>) -> Self {
        Self { site, storage: RefCell::default(), cookie }
    }

    /// Does something to them, given where the browser's own are.
    pub(crate) fn with<T>(
        &self,
        session: SessionPart<'_>,
        f: impl FnOnce(&mut Storage, &Source<'_>) -> T,
    ) -> T {
        let kept = Brought { cookie: self.cookie.as_deref(), session };
        f(&mut self.storage.borrow_mut(), &Source { kept: &kept, site: &self.site })
    }

    /// `MessageMiddleware.process_response`: stores what goes into the session, and says what
    /// becomes of the cookie. It counts what has happened until then, and may be asked again.
    pub(crate) fn update(&self, session: SessionPart<'_>) -> CookieChange {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let now = i64::try_from(now).unwrap_or(i64::MAX);
        let (cookie, change) = self.with(session, |storage, source| storage.update(source, now));
        if let Err(error) = session.change(change) {
            tracing::error!(error = %error.chain(), "messages were not kept in the session");
        }
        cookie
    }
}

impl SessionPart<'_> {
    fn entry(self) -> Result<Option<String>, Error> {
        let own = |json: Option<&str>| json.map(str::to_owned);
        match self {
            Self::Writing(writing) => {
                writing.look(|changes| Ok(own(changes.data().get_json(SESSION_KEY))))
            }
            Self::Reading(None) => Ok(None),
            Self::Reading(Some(session)) => Ok(own(session.data()?.get_json(SESSION_KEY))),
        }
    }

    fn change(self, change: SessionChange) -> Result<(), Error> {
        match (self, change) {
            (_, SessionChange::Keep) => Ok(()),
            (Self::Writing(writing), SessionChange::Set(json)) => writing.change(|changes| {
                Ok(changes.insert_json(SESSION_KEY, &json).map_err(DecodeError::from)?)
            }),
            (Self::Writing(writing), SessionChange::Remove) => {
                writing.change(|changes| Ok(changes.remove(SESSION_KEY))).map(drop)
            }
            (Self::Reading(_), SessionChange::Set(_)) => Err(Error::ImproperlyConfigured(
                "messages that do not fit into the cookie need `writes_sessions(true)`".into(),
            )),
            // They stay, and are not shown again: no cookie says that there are any.
            (Self::Reading(_), SessionChange::Remove) => Ok(()),
        }
    }
}

struct Brought<'a> {
    cookie: Option<&'a str>,
    session: SessionPart<'a>,
}

impl Kept for Brought<'_> {
    fn cookie(&self) -> Option<String> {
        self.cookie.map(str::to_owned)
    }

    fn session(&self) -> Option<String> {
        self.session.entry().unwrap_or_else(|error| {
            tracing::error!(error = %error.chain(), "the session's messages cannot be read");
            None
        })
    }
}

/// Tells the browser, with the attributes of the session cookie but for its path and its age.
pub(crate) fn send(change: &CookieChange, headers: &mut HeaderMap, settings: &DjangoSettings) {
    let sessions = &settings.sessions;
    let samesite = sessions.cookie_samesite.as_deref();
    let cookie = SetCookie {
        name: COOKIE_NAME,
        value: "",
        lifetime: Lifetime::Deleted,
        domain: sessions.cookie_domain.as_deref(),
        path: Some("/"),
        samesite,
        secure: is_deleted_securely(COOKIE_NAME, samesite),
        httponly: false,
    };
    match change {
        CookieChange::Keep => {}
        CookieChange::Delete => cookie.send(headers),
        CookieChange::Set(value) => SetCookie {
            value,
            lifetime: Lifetime::Browser,
            secure: sessions.cookie_secure,
            httponly: sessions.cookie_httponly,
            ..cookie
        }
        .send(headers),
    }
}
