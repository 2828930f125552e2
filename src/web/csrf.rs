//! The CSRF check of a middleware, and the secret of one request.

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
    time::SystemTime,
};

use actix_web::{
    HttpMessage,
    dev::ServiceRequest,
    http::{
        Method,
        header::{HeaderMap, UPGRADE},
    },
};

use super::{
    body,
    cookie::last_cookie,
    host::{Address, header},
    set_cookie::SetCookie,
    writing::Writing,
};
use crate::{
    csrf::{CsrfCheck, Provenance, Secret},
    error::{CsrfReason, CsrfTokenFault, DecodeError, Error},
    session::DjangoSession,
    settings::DjangoSettings,
};

/// `CSRF_SESSION_KEY`
const SESSION_KEY: &str = "_csrftoken";

const NO_SECRET: &str = "CSRF_USE_SESSIONS: the session has no CSRF secret, and this service writes \
                         none into sessions: set `DjangoSettings::writes_sessions(true)`";

/// Of which requests a middleware checks that they were meant by the visitor.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum CsrfPolicy {
    /// All that may change something.
    #[default]
    Checked,
    /// None: `csrf_exempt`.
    Exempt,
    /// Those that a session authenticates.
    IfLoggedIn,
}

/// What there is to check of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// Nothing: it changes nothing.
    Nothing,
    /// From what page it comes: a WebSocket may change anything later.
    Page,
    /// That, and the token.
    Token,
}

impl Wanted {
    pub(crate) fn of(req: &ServiceRequest) -> Self {
        let is = |method: Method| is_method(req, &method);
        if is(Method::GET) {
            return if is_websocket(req.headers()) { Self::Page } else { Self::Nothing };
        }
        // Anything not known to be safe: `PROPFIND` and `FOO` too (C20).
        if is(Method::HEAD) || is(Method::OPTIONS) || is(Method::TRACE) {
            return Self::Nothing;
        }
        Self::Token
    }
}

/// Django spells a method in capitals first.
// C20.
fn is_method(req: &ServiceRequest, method: &Method) -> bool {
    req.method() == method || req.method().as_str().eq_ignore_ascii_case(method.as_str())
}

fn is_websocket(headers: &HeaderMap) -> bool {
    let mut upgrades =
        headers.get_all(UPGRADE).flat_map(|value| value.as_bytes().split(|&b| b == b','));
    upgrades.any(|protocol| protocol.trim_ascii().eq_ignore_ascii_case(b"websocket"))
}

/// The check, in Django's order. Says on a `warn` line what came and what was expected.
// C4.
pub(crate) async fn check(
    req: &mut ServiceRequest,
    wanted: Wanted,
    check: &CsrfCheck,
    state: &CsrfState,
    session: Option<&DjangoSession>,
    settings: &DjangoSettings,
) -> Result<(), Error> {
    if wanted == Wanted::Nothing {
        return Ok(());
    }
    let verdict = judge(req, wanted, check, state, session, settings).await;
    if let Err(Error::CsrfFailed(reason)) = &verdict {
        let from = Provenance::from(&Address::of(req.request(), settings));
        let expected = check.expected(&from, reason);
        let came = expected.as_ref().and(from.origin.as_ref().or(from.referer.as_ref()));
        tracing::warn!(
            reason = %printable(&reason.to_string()),
            path = req.path(),
            expected = expected.as_deref().map(tracing::field::display),
            came = came.map(|came| tracing::field::display(printable(came))),
            "CSRF check failed",
        );
    }
    verdict
}

/// What a client sent, without what could pass for another line of the log.
fn printable(text: &str) -> String {
    let mut printable = String::with_capacity(text.len());
    for c in text.chars() {
        match c.is_control() || c == '\\' {
            true => printable.extend(c.escape_default()),
            false => printable.push(c),
        }
    }
    printable
}

async fn judge(
    req: &mut ServiceRequest,
    wanted: Wanted,
    check: &CsrfCheck,
    state: &CsrfState,
    session: Option<&DjangoSession>,
    settings: &DjangoSettings,
) -> Result<(), Error> {
    let from = Provenance::from(&Address::of(req.request(), settings));
    if wanted == Wanted::Page {
        return check.origin(&from).map_err(Error::CsrfFailed);
    }
    check.page(&from).map_err(Error::CsrfFailed)?;

    let secret = match &state.brought {
        _ if state.is_in_session => secret_in(session),
        Ok(secret) => secret.clone(),
        Err(fault) => return Err(Error::CsrfFailed(CsrfReason::BadCookie(*fault))),
    };
    let secret = secret.ok_or(Error::CsrfFailed(CsrfReason::NoCookie))?;
    let in_header = header(req.headers(), &settings.csrf.header_name).map(|text| text.into_owned());
    let in_form = match is_method(req, &Method::POST) {
        true => {
            let is_right = |token: &str| secret.matches(token).is_ok();
            body::csrf_field(req, settings.upload_limits, in_header.as_deref(), is_right).await?
        }
        false => None,
    };
    check.token(&secret, in_form.as_deref(), in_header.as_deref()).map_err(Error::CsrfFailed)?;
    state.is_checked.set(true);
    Ok(())
}

/// The secret in a session. What is none counts for nothing, where Django fails or compares.
// CD2.
fn secret_in(session: Option<&DjangoSession>) -> Option<Secret> {
    let stored: String = session?.get(SESSION_KEY).ok().flatten()?;
    Secret::read(&stored).ok()
}

/// The secret in a session that may be written: as it stands there, or in its place.
// A session that was flushed has none: it gets a new one (CD4). Masked, it is unmasked (C9).
fn written_secret(writing: &Writing) -> Result<Secret, Error> {
    let stored: Option<String> =
        writing.look(|changes| Ok(changes.data().get(SESSION_KEY).ok().flatten()))?;
    let secret = stored.as_deref().and_then(|stored| Secret::read(stored).ok());
    match secret {
        Some(secret) if stored.as_deref() == Some(secret.as_str()) => Ok(secret),
        other => {
            let secret = other.unwrap_or_else(Secret::new);
            write(writing, &secret)?;
            Ok(secret)
        }
    }
}

fn write(writing: &Writing, secret: &Secret) -> Result<(), Error> {
    let secret = secret.as_str();
    writing.change(|changes| Ok(changes.insert(SESSION_KEY, secret).map_err(DecodeError::from)?))
}

/// What is known of the CSRF secret of one request: `request.META["CSRF_COOKIE"]` in Django.
pub(crate) struct CsrfState {
    /// What the request's cookie holds.
    brought: Result<Option<Secret>, CsrfTokenFault>,
    /// What tokens are made of from now on.
    current: RefCell<Option<Secret>>,
    /// Whether the response has to carry it: `CSRF_COOKIE_NEEDS_UPDATE`.
    is_used: Cell<bool>,
    is_checked: Cell<bool>,
    /// `CSRF_USE_SESSIONS`
    is_in_session: bool,
}

impl CsrfState {
    /// What the request brings.
    pub(crate) fn of(headers: &HeaderMap, settings: &DjangoSettings) -> Rc<Self> {
        let brought = match settings.csrf.use_sessions {
            true => Ok(None),
            false => last_cookie(headers, &settings.csrf.cookie.name)
                .map(|cookie| Secret::read(&cookie))
                .transpose(),
        };
        // What is no secret is replaced at once, whatever the request is for (C8).
        let current = brought.clone().unwrap_or_else(|_| Some(Secret::new()));
        Rc::new(Self {
            is_used: Cell::new(brought.is_err()),
            current: RefCell::new(current),
            brought,
            is_checked: Cell::new(false),
            is_in_session: settings.csrf.use_sessions,
        })
    }

    /// One of a test, that counts as checked.
    pub(crate) fn of_test(secret: Secret) -> Rc<Self> {
        Rc::new(Self {
            brought: Ok(Some(secret.clone())),
            current: RefCell::new(Some(secret)),
            is_used: Cell::new(false),
            is_checked: Cell::new(true),
            is_in_session: false,
        })
    }

    /// What a test gave to this request.
    pub(crate) fn given_by_test(req: &impl HttpMessage) -> Option<Rc<Self>> {
        req.extensions().get::<Rc<Self>>().cloned()
    }

    /// Whether a middleware has checked the request: once is enough.
    pub(crate) fn is_checked(&self) -> bool {
        self.is_checked.get()
    }

    /// `get_token`: a token for a page, of the secret that is there or of a new one. The response
    /// carries the cookie, so that it is renewed.
    pub(crate) fn get_token(
        &self,
        session: Option<&DjangoSession>,
        writing: Option<&Writing>,
    ) -> Result<String, Error> {
        let token = |secret: &Secret| Ok(secret.masked());
        match writing {
            _ if !self.is_in_session => {
                self.is_used.set(true);
                token(self.current.borrow_mut().get_or_insert_with(Secret::new))
            }
            Some(writing) => token(&written_secret(writing)?),
            None => match secret_in(session) {
                Some(secret) => token(&secret),
                None => Err(Error::ImproperlyConfigured(NO_SECRET.into())),
            },
        }
    }

    /// `rotate_token`: from now on, and in the response, another secret.
    pub(crate) fn rotate_token(&self, writing: Option<&Writing>) -> Result<(), Error> {
        match writing {
            Some(writing) if self.is_in_session => write(writing, &Secret::new()),
            _ => {
                self.current.replace(Some(Secret::new()));
                self.is_used.set(true);
                Ok(())
            }
        }
    }

    /// Puts the cookie into the response, if it was used or has to be replaced; once.
    pub(crate) fn send(&self, headers: &mut HeaderMap, settings: &DjangoSettings) {
        if self.is_in_session || !self.is_used.take() {
            return;
        }
        if let Some(secret) = &*self.current.borrow() {
            SetCookie::of(&settings.csrf.cookie, secret.as_str(), SystemTime::now()).send(headers);
        }
    }
}
