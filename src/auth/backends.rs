//! `AUTHENTICATION_BACKENDS`: which backend a session came in by, and which of them may log a user in.

use super::{BACKEND, DjangoUser};
use crate::{
    error::{Error, NotLoggedIn},
    session::SessionData,
    settings::{AuthenticationBackend, DjangoSettings},
};

/// The backend that a session names, if it is listed.
pub(crate) fn backend_in<'a>(
    backends: &'a [AuthenticationBackend],
    data: &SessionData,
) -> Option<&'a AuthenticationBackend> {
    let path = data.text(BACKEND)?;
    backends.iter().find(|backend| backend.path == path)
}

/// Whether a backend lets this user in.
pub(crate) fn admits(backend: &AuthenticationBackend, user: &DjangoUser) -> bool {
    user.is_active() || backend.admits_inactive
}

/// Checks that a backend reads users as `ModelBackend` does. If all have a `get_user` of their own, only
/// those backends know the users.
///
/// # Errors
/// [`NotLoggedIn::BackendNotRead`].
pub(crate) fn require_reading_backend(backends: &[AuthenticationBackend]) -> Result<(), Error> {
    match backends.iter().any(|backend| backend.reads_users) {
        true => Ok(()),
        false => Err(NotLoggedIn::BackendNotRead.into()),
    }
}

/// The backend for a login: the given one, that by which `authenticate` found the user, or the only one.
///
/// # Errors
/// [`Error::ImproperlyConfigured`] if there are several and none is given.
pub(crate) fn backend_of_login<'a>(
    backends: &'a [AuthenticationBackend],
    user: &'a DjangoUser,
    given: Option<&'a str>,
) -> Result<&'a str, Error> {
    match (given.or(user.backend()), backends) {
        (Some(backend), _) => Ok(backend),
        (None, [AuthenticationBackend { path, .. }]) => Ok(path),
        (None, _) => Err(Error::ImproperlyConfigured(
            "AUTHENTICATION_BACKENDS lists several backends: log in a user whom `authenticate` \
             found, or give the backend to `login_with_backend`"
                .into(),
        )),
    }
}

/// The backends that check passwords as `ModelBackend` does: one check serves them all.
///
/// # Errors
/// [`Error::ImproperlyConfigured`] if there is none, or if it is unknown what one of them does.
pub(crate) fn password_backends(
    settings: &DjangoSettings,
) -> Result<Vec<&AuthenticationBackend>, Error> {
    let improper = |reason: String| Err(Error::ImproperlyConfigured(reason));
    if settings.user_model.session_auth_hash.is_none() {
        return improper(
            "`authenticate` needs a user model with a session auth hash: set \
             `UserModel::session_auth_hash`"
                .into(),
        );
    }
    let backends = settings.authentication_backends.iter();
    let unknown = backends.clone().find(|backend| backend.checks_passwords != Some(false));
    if let Some(AuthenticationBackend { path, checks_passwords: None, .. }) = unknown {
        return improper(format!(
            "AUTHENTICATION_BACKENDS: it is unknown whether {path} checks passwords or refuses \
             logins: set `AuthenticationBackend::checks_passwords`"
        ));
    }
    let checking: Vec<_> =
        backends.filter(|backend| backend.checks_passwords == Some(true)).collect();
    if checking.is_empty() {
        return improper(
            "AUTHENTICATION_BACKENDS: no backend checks passwords as ModelBackend does: set \
             `AuthenticationBackend::checks_passwords` of the one that does"
                .into(),
        );
    }
    Ok(checking)
}
