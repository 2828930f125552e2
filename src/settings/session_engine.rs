//! `SESSION_ENGINE`

/// `SESSION_ENGINE`, as far as this crate can read what it stores.
///
/// Two of Django's engines are missing: `cache` stores pickled Python objects, unsigned, in a cache
/// that can lose them; `file` stores them in a directory of Django's machine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum SessionEngine {
    /// `django.contrib.sessions.backends.db`: one row for each session.
    #[default]
    Db,
    /// `django.contrib.sessions.backends.cached_db`: the row, and a copy in Django's cache. This
    /// crate reads only the row. Code that changes the row has to delete the copy: see
    /// `DjangoSite::on_session_change`.
    CachedDb,
    /// `django.contrib.sessions.backends.signed_cookies`: the value of the cookie is the session
    /// itself.
    ///
    /// Such a session cannot be revoked: a copy of the cookie that was made before the logout opens
    /// the session until `SESSION_COOKIE_AGE` has passed.
    SignedCookies,
}
