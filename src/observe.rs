//! Events and log lines: they contain no secret.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use crate::{
    error::{Chain, DecodeError, Error, FormError},
    signing,
};

/// An event to count: see [`DjangoSite::on_event`](crate::DjangoSite::on_event).
///
/// | event | [`name`](Event::name) | when |
/// |---|---|---|
/// | `SessionLookup` | `session_lookup` | the session table is queried for a key |
/// | `SessionFound` | `session_found` | the key has a live session |
/// | `UserLookup` | `user_lookup` | the user table is queried for the user of a session, or for the user that it had the last time |
/// | `UserFound` | `user_found` | the user counts as logged in; with the backend of the session, or the scheme of the REST framework: `basic`, `token`, `jwt`, `other` |
/// | `Rejected` | `rejected` | a middleware or extractor rejected a request; with the middleware and a [`reason`](Event::reason): `no_session_key`, `session_not_found`, `session_expired`, `anonymous`, `undecodable`, `backend_not_listed`, `backend_not_read`, `no_such_user`, `inactive`, `wrong_hash`, `refused_by_hook`, `another_user`, `permission_denied`, `csrf_failed`, `bad_form`, `form_timeout`, `too_many_forms`, `session_interrupted`, `authentication_failed`, `method_not_allowed` |
/// | `Undecodable` | `undecodable` | the data of a live session cannot be decoded |
/// | `FallbackKey` | `fallback_key` | a fallback key was needed, for session data or a session auth hash: once this stops, the old key can be removed |
/// | `PasswordHashed` | `password_hashed` | a password was hashed, which takes a processor tenths of a second |
/// | `Outage` | `outage` | PostgreSQL did not answer, and a request got a 503 |
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Event<'a> {
    /// The session table is queried for a key.
    SessionLookup,
    /// The key has a live session.
    SessionFound,
    /// The user table is queried for the user of a session.
    UserLookup,
    /// The user counts as logged in.
    #[non_exhaustive]
    UserFound {
        /// The authentication backend that the session names, as the settings list it.
        backend: &'a str,
    },
    /// A middleware or extractor rejected a request.
    #[non_exhaustive]
    Rejected {
        /// The reason: [`Error::reason`].
        reason: &'static str,
        /// The [`name`](crate::DjangoSessionMiddleware::name) of the middleware; `None` outside of one.
        middleware: Option<&'a str>,
    },
    /// The data of a live session cannot be read.
    Undecodable,
    /// A signature needed a fallback key.
    FallbackKey,
    /// A password was hashed.
    PasswordHashed,
    /// PostgreSQL did not answer.
    Outage,
}

impl<'a> Event<'a> {
    /// Returns the name of the event: a constant, for a metric or its label.
    pub fn name(&self) -> &'static str {
        match self {
            Self::SessionLookup => "session_lookup",
            Self::SessionFound => "session_found",
            Self::UserLookup => "user_lookup",
            Self::UserFound { .. } => "user_found",
            Self::Rejected { .. } => "rejected",
            Self::Undecodable => "undecodable",
            Self::FallbackKey => "fallback_key",
            Self::PasswordHashed => "password_hashed",
            Self::Outage => "outage",
        }
    }

    /// Returns why a request was rejected, as a constant word: [`Error::reason`]. `None` for other events.
    pub fn reason(&self) -> Option<&'static str> {
        match self {
            Self::Rejected { reason, .. } => Some(reason),
            _ => None,
        }
    }

    /// Returns the [`name`](crate::DjangoSessionMiddleware::name) of the middleware that rejected the
    /// request, for a label.
    pub fn middleware(&self) -> Option<&'a str> {
        match self {
            Self::Rejected { middleware, .. } => *middleware,
            _ => None,
        }
    }

    /// Returns the dotted path of the event's authentication backend, for a label.
    pub fn backend(&self) -> Option<&'a str> {
        match self {
            Self::UserFound { backend } => Some(backend),
            _ => None,
        }
    }
}

pub(crate) type OnEvent = dyn Fn(Event<'_>) + Send + Sync;

/// The receiver of events and log lines. All parts of one [`DjangoSite`](crate::DjangoSite) share it.
#[derive(Clone)]
pub(crate) struct Observer {
    on_event: Option<Arc<OnEvent>>,
    limits: Arc<Limits>,
}

/// The rate limits of log lines.
struct Limits {
    outages: RateLimit,
    busy: RateLimit,
    forms: RateLimit,
    invalid_user_ids: RateLimit,
    other_backends: RateLimit,
    other_keys: RateLimit,
    undecodable: RateLimit,
}

/// At most one line a second about an outage, about too many logins, and about forms that are not read,
/// because every request fails meanwhile.
const OUTAGE_INTERVAL: Duration = Duration::from_secs(1);

/// How much of a backend's path is logged. It comes from a session.
const LONGEST_PATH: usize = 200;

/// At most one line a minute about a mistake that locks out all users of a site.
const LOCK_OUT_INTERVAL: Duration = Duration::from_secs(60);

impl Default for Observer {
    fn default() -> Self {
        let limits = Limits {
            outages: RateLimit::every(OUTAGE_INTERVAL),
            busy: RateLimit::every(OUTAGE_INTERVAL),
            forms: RateLimit::every(OUTAGE_INTERVAL),
            invalid_user_ids: RateLimit::every(LOCK_OUT_INTERVAL),
            other_backends: RateLimit::every(LOCK_OUT_INTERVAL),
            other_keys: RateLimit::every(LOCK_OUT_INTERVAL),
            undecodable: RateLimit::every(LOCK_OUT_INTERVAL),
        };
        Self { on_event: None, limits: Arc::new(limits) }
    }
}

impl Observer {
    /// This observer with a function that it calls for each event.
    pub(crate) fn calling(&self, on_event: Arc<OnEvent>) -> Self {
        Self { on_event: Some(on_event), ..self.clone() }
    }

    pub(crate) fn event(&self, event: Event<'_>) {
        if let Some(on_event) = &self.on_event {
            on_event(event);
        }
    }

    /// Reports that a session could not be extended. The visitor gets a response all the same.
    pub(crate) fn not_extended(&self, error: &Error) {
        match error {
            Error::Unavailable(_) => self.outage(error),
            _ => tracing::warn!(error = %Chain(error), "a session cannot be extended"),
        }
    }

    fn busy(&self, error: &Error) {
        if let Some(unlogged) = self.limits.busy.pass() {
            tracing::warn!(error = %Chain(error), unlogged, "too many logins at once");
        }
    }

    /// Reports that a form was not read to its end, for lack of time or memory.
    fn unread_form(&self, error: &Error) {
        if let Some(unlogged) = self.limits.forms.pass() {
            tracing::warn!(error = %Chain(error), unlogged, "a form was not read");
        }
    }

    fn outage(&self, error: &Error) {
        if let Some(unlogged) = self.limits.outages.pass() {
            tracing::error!(error = %Chain(error), unlogged, "session database unavailable");
        }
    }

    /// Reports a user id that the primary key cannot have. If all ids are like that, the user model in the
    /// settings is wrong, or its field writes ids in a form of its own.
    pub(crate) fn invalid_user_id(&self, column: &str, kind: &'static str) {
        if let Some(unlogged) = self.limits.invalid_user_ids.pass() {
            tracing::warn!(
                column,
                kind,
                unlogged,
                "the user id in a session is not a valid primary key"
            );
        }
    }

    /// Reports a session whose backend is not listed here or does not read users. If all sessions are like
    /// that, no user is logged in.
    pub(crate) fn other_backend(&self, backend: &str) {
        if let Some(unlogged) = self.limits.other_backends.pass() {
            let backend: String = backend.chars().take(LONGEST_PATH).collect();
            let message = "the backend of a session is not in AUTHENTICATION_BACKENDS";
            tracing::warn!(backend, unlogged, message);
        }
    }

    /// The data of a live session cannot be read.
    pub(crate) fn undecodable(&self, error: &DecodeError) {
        self.event(Event::Undecodable);
        if matches!(error, DecodeError::Signing(signing::Error::BadSignature(_))) {
            if let Some(unlogged) = self.limits.other_keys.pass() {
                let message = "no key opens the session data: is this Django's SECRET_KEY?";
                tracing::warn!(unlogged, message);
            }
        } else if let Some(unlogged) = self.limits.undecodable.pass() {
            tracing::warn!(%error, unlogged, "session data cannot be decoded");
        }
    }

    /// Reports a rejected request, with the name of the middleware if there is one. The client learns
    /// almost nothing of the reason, so it is logged.
    pub(crate) fn rejected(&self, error: &Error, middleware: Option<&str>) {
        match error {
            Error::Unavailable(_) => {
                self.event(Event::Outage);
                self.outage(error);
            }
            Error::TooManyPasswords(_) => self.busy(error),
            _ => match error.reason() {
                Some(reason) => {
                    self.event(Event::Rejected { reason, middleware });
                    match error {
                        // A failed CSRF check has a log line of its own.
                        Error::CsrfFailed(_) => {}
                        Error::FormTimeout(_)
                        | Error::TooManyForms
                        | Error::BadForm(FormError::ExceedsSpool) => self.unread_form(error),
                        _ => tracing::debug!(reason, middleware, "request rejected"),
                    }
                }
                None => tracing::error!(error = %Chain(error), "request failed"),
            },
        }
    }
}

impl fmt::Debug for Observer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Observer").finish_non_exhaustive()
    }
}

/// Lets one log line through in each interval, and counts the others: a fault of every request must not
/// fill the disk.
pub(crate) struct RateLimit {
    interval: Duration,
    start: Instant,
    /// When the next line may be written, in milliseconds since the start.
    next: AtomicU64,
    unlogged: AtomicU64,
}

impl RateLimit {
    pub(crate) fn every(interval: Duration) -> Self {
        Self {
            interval,
            start: Instant::now(),
            next: AtomicU64::new(0),
            unlogged: AtomicU64::new(0),
        }
    }

    /// Whether this line may be written, and if so how many were suppressed since the last one.
    pub(crate) fn pass(&self) -> Option<u64> {
        if self.may_log(self.start.elapsed()) {
            return Some(self.unlogged.swap(0, Ordering::Relaxed));
        }
        self.unlogged.fetch_add(1, Ordering::Relaxed);
        None
    }

    fn may_log(&self, now: Duration) -> bool {
        let millis = |duration: Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        let (now, next) = (millis(now), self.next.load(Ordering::Relaxed));
        let after = now.saturating_add(millis(self.interval));
        // If several threads come at once, one wins.
        now >= next
            && self.next.compare_exchange(next, after, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outages_are_logged_once_a_second() {
        let log = RateLimit::every(OUTAGE_INTERVAL);
        let logged =
            [0, 1, 999, 1000, 1500, 2100].map(|now| log.may_log(Duration::from_millis(now)));
        assert_eq!(logged, [true, false, false, true, false, true]);
    }
}
