//! Authenticates a request with the first class that it has credentials for.

use std::{
    borrow::Cow,
    cell::{Cell, RefCell},
    rc::Rc,
    time::SystemTime,
};

use actix_web::{
    HttpRequest,
    dev::ServiceRequest,
    http::header::{AUTHORIZATION, HeaderMap},
};
use tokio::time::timeout;

use super::{
    auth::{RestAuth, RestScheme},
    classes::{Authenticator, Class},
    permission::Rest,
};
use crate::{
    auth::DjangoUser,
    csrf::CsrfCheck,
    error::{AuthenticationFailed, Error, Unavailable},
    rest::{Credentials, read_token},
    session::SessionKey,
    site::DjangoSite,
    web::{
        csrf_check::CsrfState,
        request_session::{LoadedSession, RequestSession},
    },
};

/// A request, and what the classes need to authenticate it.
pub(crate) struct Request<'a> {
    pub(crate) site: &'a DjangoSite,
    pub(crate) csrf_check: &'a CsrfCheck,
    pub(crate) csrf: &'a CsrfState,
    /// The session, or the key to look it up. Only `SessionAuthentication` needs it.
    pub(crate) incoming: IncomingSession,
    /// Whether this middleware stores the session.
    pub(crate) stores: Cell<bool>,
    /// The session, once a class has used it.
    pub(crate) looked_at: RefCell<Option<Rc<RequestSession>>>,
    pub(crate) now: SystemTime,
}

/// The session of a request.
pub(crate) enum IncomingSession {
    Known(Rc<RequestSession>),
    Unknown(SessionKey),
}

/// The client of a request.
pub(crate) struct Recognised {
    pub(crate) session: Rc<RequestSession>,
    pub(crate) auth: RestAuth,
    pub(super) user: Result<DjangoUser, Error>,
}

impl Request<'_> {
    /// Tries the classes in order. The first class that the request has credentials for decides: it returns the
    /// user or refuses the request. Then checks the permissions.
    pub(crate) async fn admit(
        &self,
        rest: &Rest,
        req: &mut ServiceRequest,
    ) -> Result<Recognised, Error> {
        let recognised = self.authenticate(rest, req).await?;
        rest.check(req.request(), recognised.user.as_ref()).await?;
        Ok(recognised)
    }

    async fn authenticate(
        &self,
        rest: &Rest,
        req: &mut ServiceRequest,
    ) -> Result<Recognised, Error> {
        let budget = self.site.database().read_budget();
        let mut anonymous = None;
        for class in &rest.classes.list {
            let (user, auth) = match class {
                Class::Session => {
                    let recognised = self.by_session(rest, req, &budget).await?;
                    if recognised.user.is_ok() {
                        return Ok(recognised);
                    }
                    anonymous = Some(recognised);
                    continue;
                }
                Class::Basic => {
                    let header = joined(req.headers(), AUTHORIZATION.as_str());
                    let Some(credentials) = Credentials::read(&header)? else { continue };
                    let user = self.site.user_by_password(&credentials).await?;
                    (user, RestAuth::by(RestScheme::Basic))
                }
                Class::Token(class) => {
                    let header = joined(req.headers(), AUTHORIZATION.as_str());
                    let Some(token) = read_token(&class.keyword, &header)? else { continue };
                    let user = self.site.user_by_token(class, token, &budget).await?;
                    (user, RestAuth::by(RestScheme::Token))
                }
                Class::Jwt(jwt) => {
                    let header = joined(req.headers(), &jwt.settings().auth_header_name);
                    let Some(token) = jwt.read(&header)? else { continue };
                    let claims = jwt.validated(token, self.now)?;
                    let user = self.site.user_by_claims(jwt, &claims, &budget).await?;
                    (user, RestAuth::by_jwt(claims))
                }
                Class::Other(path, hook) => {
                    let request = req.request().clone();
                    match self.by_hook(path, hook.as_deref(), request).await? {
                        Some(user) => (user, RestAuth::by(RestScheme::Other)),
                        None => continue,
                    }
                }
                Class::Improper(fault) => {
                    return Err(Error::ImproperlyConfigured(fault.to_string()));
                }
            };
            let session = RequestSession::of_client(self.site, user.clone());
            return Ok(Recognised { session, auth, user: Ok(user) });
        }
        Ok(anonymous.unwrap_or_else(|| Recognised {
            session: RequestSession::new(LoadedSession::Unavailable(Error::NoSessionKey)),
            auth: RestAuth::default(),
            user: Err(Error::NoSessionKey),
        }))
    }

    /// Calls the hook of a custom class. An error that rejects the visitor refuses the credential.
    async fn by_hook(
        &self,
        path: &str,
        hook: Option<&Authenticator>,
        req: HttpRequest,
    ) -> Result<Option<DjangoUser>, Error> {
        let hook = hook.ok_or_else(|| {
            Error::ImproperlyConfigured(format!(
                "DEFAULT_AUTHENTICATION_CLASSES: {path} is a custom class: say what it does with \
                 `DjangoSessionMiddleware::authenticator`, or set other `authentication_classes`"
            ))
        })?;
        let limit = self.site.settings().timeout;
        let result = timeout(limit, hook(req, self.site.clone())).await;
        match result.unwrap_or_else(|_| Err(Unavailable::Timeout(limit).into())) {
            Ok(Some(user)) => self.site.admit(user, "other").await.map(Some),
            Ok(None) => Ok(None),
            Err(error @ Error::AuthenticationFailed(_)) => Err(error),
            Err(error) if error.wants_login() => Err(AuthenticationFailed::Refused.into()),
            Err(error) => Err(error),
        }
    }
}

/// The bytes of a header, joined as WSGI joins several headers of one name. Empty if the header is absent.
fn joined<'a>(headers: &'a HeaderMap, name: &str) -> Cow<'a, [u8]> {
    let mut values = headers.get_all(name).map(|value| value.as_bytes());
    let first = values.next().unwrap_or_default();
    values.fold(Cow::Borrowed(first), |joined, value| Cow::Owned([&joined[..], value].join(&b',')))
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    #[test]
    fn several_headers_are_one_as_in_wsgi() {
        let request = TestRequest::get()
            .append_header(("Authorization", "Bearer a"))
            .append_header(("authorization", "Token b"))
            .to_http_request();
        let joined = |name| joined(request.headers(), name).into_owned();
        assert_eq!(joined("Authorization"), b"Bearer a,Token b");
        assert_eq!(joined("X-Other"), b"");
    }
}
