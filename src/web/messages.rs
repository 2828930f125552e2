//! The messages of one request, and what becomes of them with the answer.

use std::{
    cell::RefCell,
    rc::Rc,
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use actix_web::http::header::HeaderMap;

use super::{
    request_session::RequestSession,
    set_cookie::{Lifetime, SetCookie},
};
use crate::{
    error::{DecodeError, Error},
    messages::{
        COOKIE_NAME, CookieChange, MessageSite, MessageSource, SESSION_KEY, SessionChange, Storage,
        StoredMessages,
    },
    settings::{CookieSettings, DjangoSettings, MessageStorage},
};

/// What the handlers of one request read and leave.
pub(crate) struct RequestMessages {
    site: Arc<MessageSite>,
    storage: RefCell<Storage>,
    sources: RequestSources,
    /// What was done last to the session.
    done: RefCell<SessionChange>,
}

/// Where the messages of the request are: in the cookie, and in the session with its changes.
struct RequestSources {
    cookie: Option<String>,
    session: Rc<RequestSession>,
}

impl RequestMessages {
    pub(crate) fn new(
        site: Arc<MessageSite>,
        session: Rc<RequestSession>,
        cookie: Option<String>,
    ) -> Self {
        let sources = RequestSources { cookie, session };
        Self { site, storage: RefCell::default(), sources, done: RefCell::default() }
    }

    /// The `MESSAGE_STORAGE` of the settings.
    pub(crate) fn kept_in(&self) -> &MessageStorage {
        &self.site.settings.storage
    }

    /// Whether messages can be stored in the session.
    pub(crate) fn may_use_session(&self) -> bool {
        self.sources.session.is_kept()
    }

    pub(crate) fn are_of(&self, session: &Rc<RequestSession>) -> bool {
        Rc::ptr_eq(&self.sources.session, session)
    }

    /// Reads or changes the messages.
    pub(crate) fn with<T>(&self, f: impl FnOnce(&mut Storage, &MessageSource<'_>) -> T) -> T {
        let source = MessageSource { kept: &self.sources, site: &self.site };
        f(&mut self.storage.borrow_mut(), &source)
    }

    /// `MessageMiddleware.process_response`: stores messages in the session, and returns the change of the
    /// cookie. It may be called again after further messages.
    pub(crate) fn update(&self) -> CookieChange {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let now = i64::try_from(now).unwrap_or(i64::MAX);
        let (cookie, change) = self.with(|storage, source| storage.update(source, now));
        if let Err(error) = self.change_session(change) {
            tracing::error!(error = %error.chain(), "messages were not kept in the session");
        }
        cookie
    }

    fn change_session(&self, change: SessionChange) -> Result<(), Error> {
        // An inner middleware may already have stored the session.
        if *self.done.borrow() == change && self.sources.has(&change)? {
            return Ok(());
        }
        let session = &self.sources.session;
        match &change {
            SessionChange::Keep => {}
            SessionChange::Set(_) if !session.is_kept() => {
                return Err(Error::ImproperlyConfigured(
                    "messages do not fit into the cookie: set `DjangoSettings::write_sessions`"
                        .into(),
                ));
            }
            // They stay in the session, but are not shown again, because no cookie refers to them.
            SessionChange::Remove if !session.is_kept() => {}
            SessionChange::Set(json) => {
                session.begin()?;
                let insert = session.change(|changes| changes.insert_json(SESSION_KEY, json));
                insert.map_err(DecodeError::from)?;
            }
            SessionChange::Remove => {
                session.begin()?;
                session.change(|changes| changes.remove(SESSION_KEY));
            }
        }
        self.done.replace(change);
        Ok(())
    }
}

impl RequestSources {
    /// The messages in the session, as JSON.
    fn entry(&self) -> Result<Option<String>, Error> {
        self.session.begin()?;
        let json = self.session.look(|changes| {
            let json = changes.data().get_json(SESSION_KEY);
            json.map(str::to_owned)
        });
        Ok(json)
    }

    /// Whether the session already has this change.
    fn has(&self, change: &SessionChange) -> Result<bool, Error> {
        Ok(match change {
            SessionChange::Keep => true,
            SessionChange::Set(json) => self.entry()?.as_ref() == Some(json),
            SessionChange::Remove => self.entry()?.is_none(),
        })
    }
}

impl StoredMessages for RequestSources {
    fn cookie(&self) -> Option<String> {
        self.cookie.clone()
    }

    fn session(&self) -> Option<String> {
        self.entry().unwrap_or_else(|error| {
            tracing::error!(error = %error.chain(), "the session's messages cannot be read");
            None
        })
    }
}

/// Sends the cookie, with the attributes of the session cookie but for its path and age.
pub(crate) fn send(change: &CookieChange, headers: &mut HeaderMap, settings: &DjangoSettings) {
    let settings =
        CookieSettings { name: COOKIE_NAME, path: Some("/"), ..settings.session_cookie() };
    match change {
        CookieChange::Keep => {}
        CookieChange::Delete => SetCookie::deleted(settings).send(headers),
        CookieChange::Set(value) => {
            SetCookie::of(settings, value, Lifetime::Browser).send(headers);
        }
    }
}
