//! The CSRF check of a middleware, and the CSRF secret of one request.

use std::{
    cell::{Cell, OnceCell, RefCell},
    rc::Rc,
    time::SystemTime,
};

use actix_web::{
    dev::ServiceRequest,
    http::{
        Method,
        header::{HeaderMap, UPGRADE},
    },
};

use super::{
    body,
    host::{Address, header},
    request_session::RequestSession,
    set_cookie::{Lifetime, SetCookie},
};
use crate::{
    csrf::{CsrfCheck, Provenance, Secret},
    error::{CsrfReason, CsrfTokenFault, DecodeError, Error},
    session::Changes,
    settings::DjangoSettings,
    site::DjangoSite,
};

/// `CSRF_SESSION_KEY`
pub(crate) const SESSION_KEY: &str = "_csrftoken";

const NO_SECRET: &str = "CSRF_USE_SESSIONS: the session has no CSRF secret, and this service cannot store \
                         one: set `DjangoSettings::write_sessions`";

/// Which requests a middleware checks for CSRF.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum CsrfPolicy {
    /// All that may change something: all but GET, HEAD, OPTIONS and TRACE.
    #[default]
    Checked,
    /// None: `csrf_exempt`.
    Exempt,
    /// Those whose session names a user.
    IfLoggedIn,
}

/// Which part of the check a request needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// None: it changes nothing.
    Nothing,
    /// Its origin: a WebSocket may change something later.
    Page,
    /// Its origin and its token.
    Token,
}

impl Wanted {
    pub(crate) fn of(req: &ServiceRequest) -> Self {
        let is = |method: Method| is_method(req, &method);
        if is(Method::GET) {
            return if is_websocket(req.headers()) { Self::Page } else { Self::Nothing };
        }
        // All methods but the safe ones are checked: `PROPFIND` and `FOO` too (C20).
        if is(Method::HEAD) || is(Method::OPTIONS) || is(Method::TRACE) {
            return Self::Nothing;
        }
        Self::Token
    }
}

/// Compares without case, because Django turns the method into capitals first.
// C20: methods that are checked.
fn is_method(req: &ServiceRequest, method: &Method) -> bool {
    req.method() == method || req.method().as_str().eq_ignore_ascii_case(method.as_str())
}

fn is_websocket(headers: &HeaderMap) -> bool {
    let mut upgrades =
        headers.get_all(UPGRADE).flat_map(|value| value.as_bytes().split(|&b| b == b','));
    upgrades.any(|protocol| protocol.trim_ascii().eq_ignore_ascii_case(b"websocket"))
}

/// Checks the request in Django's order. If the check fails, a `warn` line has the reason, the origin of the
/// request and the expected one.
// C4: the order of the checks.
pub(crate) async fn check(
    req: &mut ServiceRequest,
    wanted: Wanted,
    check: &CsrfCheck,
    state: &CsrfState,
    site: &DjangoSite,
) -> Result<(), Error> {
    let settings = site.settings();
    if wanted == Wanted::Nothing {
        return Ok(());
    }
    let verdict = run_check(req, wanted, check, state, site).await;
    if verdict.is_ok() {
        state.set_checked_by(site);
    }
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

/// Escapes the control characters in a client's text, so that it cannot forge lines of the log.
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

async fn run_check(
    req: &mut ServiceRequest,
    wanted: Wanted,
    check: &CsrfCheck,
    state: &CsrfState,
    site: &DjangoSite,
) -> Result<(), Error> {
    let settings = site.settings();
    let from = Provenance::from(&Address::of(req.request(), settings));
    if wanted == Wanted::Page {
        return check.origin(&from).map_err(Error::CsrfFailed);
    }
    check.page(&from).map_err(Error::CsrfFailed)?;

    let secret = match state.brought.get() {
        None => None,
        Some(Ok(secret)) => secret.clone(),
        Some(Err(fault)) => return Err(Error::CsrfFailed(CsrfReason::BadCookie(*fault))),
    };
    let secret = secret.ok_or(Error::CsrfFailed(CsrfReason::NoCookie))?;
    let in_header = header(req.headers(), &settings.csrf_header_name).map(|text| text.into_owned());
    let in_form = match is_method(req, &Method::POST) {
        true => {
            let is_right = |token: &str| secret.matches(token).is_ok();
            body::csrf_field(req, site, in_header.as_deref(), is_right).await?
        }
        false => None,
    };
    check.token(&secret, in_form.as_deref(), in_header.as_deref()).map_err(Error::CsrfFailed)
}

/// The CSRF secret of one request: `request.META["CSRF_COOKIE"]` in Django.
pub(crate) struct CsrfState {
    /// The secret in the request's cookie or session; empty until the session is known.
    brought: OnceCell<Result<Option<Secret>, CsrfTokenFault>>,
    /// The secret for new tokens.
    current: RefCell<Option<Secret>>,
    /// Whether the response, or the session, has to carry it: `CSRF_COOKIE_NEEDS_UPDATE`.
    is_used: Cell<bool>,
    /// The sites by whose settings the request was checked.
    checked: RefCell<Vec<DjangoSite>>,
    /// `CSRF_USE_SESSIONS`
    is_in_session: bool,
}

impl CsrfState {
    /// The state at the beginning of a request with this CSRF cookie.
    pub(crate) fn of(cookie: Option<&str>, settings: &DjangoSettings) -> Rc<Self> {
        let state = Self {
            brought: OnceCell::new(),
            current: RefCell::default(),
            is_used: Cell::new(false),
            checked: RefCell::default(),
            is_in_session: settings.csrf_use_sessions,
        };
        if !settings.csrf_use_sessions {
            let brought = cookie.map(Secret::read).transpose();
            // A cookie that is not a valid secret is replaced with every answer (C8).
            state.is_used.set(brought.is_err());
            state.current.replace(brought.clone().unwrap_or_else(|_| Some(Secret::new())));
            state.brought.get_or_init(|| brought);
        }
        Rc::new(state)
    }

    /// Whether middlewares with these settings share their state, because they use the same cookie.
    pub(crate) fn serves(ours: &DjangoSettings, settings: &DjangoSettings) -> bool {
        ours.csrf_use_sessions == settings.csrf_use_sessions
            && ours.csrf_cookie_name == settings.csrf_cookie_name
    }

    /// Reads the secret in the session that the request came with, as `CsrfViewMiddleware` does for every
    /// request: the session counts as accessed. An invalid secret counts as none, where Django fails or
    /// compares.
    // CD2: stricter than Django with an invalid secret.
    pub(crate) fn read(&self, session: &RequestSession) {
        if !self.is_in_session || self.brought.get().is_some() {
            return;
        }
        session.touch();
        let stored = session.loaded().ok();
        let stored = stored.and_then(|session| session.get::<String>(SESSION_KEY).ok().flatten());
        let secret = stored.and_then(|stored| Secret::read(&stored).ok());
        self.current.replace(secret.clone());
        self.brought.get_or_init(|| Ok(secret));
    }

    /// Whether the request was already checked by the settings of this site.
    pub(crate) fn was_checked_by(&self, site: &DjangoSite) -> bool {
        self.checked.borrow().iter().any(|other| other.has_settings_of(site))
    }

    fn set_checked_by(&self, site: &DjangoSite) {
        self.checked.borrow_mut().push(site.clone());
    }

    /// `get_token`: a token for a page, from the current secret or from a new one if it can be stored. The
    /// response sets the cookie again, so that it lives longer.
    pub(crate) fn get_token(&self, is_session_kept: bool) -> Result<String, Error> {
        let mut current = self.current.borrow_mut();
        if self.is_in_session && !is_session_kept && current.is_none() {
            return Err(Error::ImproperlyConfigured(NO_SECRET.into()));
        }
        self.is_used.set(true);
        Ok(current.get_or_insert_with(Secret::new).masked())
    }

    /// `rotate_token`: a new secret for tokens and for the response.
    pub(crate) fn rotate_token(&self) {
        self.current.replace(Some(Secret::new()));
        self.is_used.set(true);
    }

    /// Puts the secret into the session, if it was used and is not there. Also into a session that was flushed
    /// meanwhile, so that the token of the page is valid.
    ///
    /// # Errors
    /// Those of [`RequestSession::begin`].
    // A masked one that an old Django left there is unmasked (C9).
    pub(crate) fn store(&self, session: &RequestSession) -> Result<(), Error> {
        let current = self.current.borrow();
        let Some(secret) = current.as_ref().filter(|_| self.is_in_session) else { return Ok(()) };
        if !session.is_kept() || !self.is_used.take() {
            return Ok(());
        }
        session.begin()?;
        let secret = secret.as_str();
        let stored = session.look(|changes| changes.data().get::<String>(SESSION_KEY));
        if stored.ok().flatten().as_deref() != Some(secret) {
            let insert = |changes: &mut Changes| changes.insert(SESSION_KEY, secret);
            session.change(insert).map_err(DecodeError::from)?;
        }
        Ok(())
    }

    /// Puts the cookie into the response once, if the secret was used or has to be replaced.
    pub(crate) fn send(&self, headers: &mut HeaderMap, settings: &DjangoSettings) {
        if self.is_in_session || !self.is_used.take() {
            return;
        }
        if let Some(secret) = &*self.current.borrow() {
            let lifetime = Lifetime::of_csrf(settings, SystemTime::now());
            SetCookie::of(settings.csrf_cookie(), secret.as_str(), lifetime).send(headers);
        }
    }
}
