//! `SESSION_ENGINE`

/// `SESSION_ENGINE`, as far as another language can read what it stores.
///
/// Not here, and why: `cache` keeps pickled Python objects, without a signature, in a cache that
/// forgets; `file` keeps them in a folder of Django's own machine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum SessionEngine {
    /// `django.contrib.sessions.backends.db`: a row for each session.
    #[default]
    Db,
    /// `django.contrib.sessions.backends.cached_db`: the row, and a copy in Django's cache. The row
    /// is all that is read here. Whoever changes it has to delete the copy: see
    /// `DjangoSite::on_session_change`.
    CachedDb,
    /// `django.contrib.sessions.backends.signed_cookies`: the session itself is the cookie's value.
    ///
    /// Nothing of it can be revoked: a copy of the cookie that was taken before the visitor logged
    /// out opens the session until `SESSION_COOKIE_AGE` has passed.
    SignedCookies,
}
