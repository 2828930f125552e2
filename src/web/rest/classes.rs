//! The authentication classes of a view, ready for use.

use std::{future::Future, pin::Pin, sync::Arc};

use actix_web::{HttpRequest, http::header::HeaderValue};

use crate::{
    auth::DjangoUser,
    error::Error,
    rest::Jwt,
    settings::{AuthenticationClass, DjangoSettings, RestAuthentication, TokenAuthentication},
    site::DjangoSite,
};

/// What a custom class does: code of the application.
pub(crate) type Authenticator =
    dyn Fn(HttpRequest, DjangoSite) -> AuthenticatorFuture + Send + Sync;
pub(crate) type AuthenticatorFuture =
    Pin<Box<dyn Future<Output = Result<Option<DjangoUser>, Error>>>>;

/// The classes, in the order of the settings.
#[derive(Clone)]
pub(crate) struct Classes {
    pub(super) list: Vec<Class>,
    /// The `authenticate_header` of the first class. With it, a refusal is a 401.
    pub(super) challenge: Option<HeaderValue>,
    /// The header of a JWT, if it is not `Authorization`.
    pub(super) further_header: Option<HeaderValue>,
}

/// One authentication class.
#[derive(Clone)]
pub(super) enum Class {
    Session,
    Basic,
    Token(Arc<TokenAuthentication>),
    Jwt(Arc<Jwt>),
    Other(Arc<str>, Option<Arc<Authenticator>>),
    /// A class that cannot be used, and why.
    Improper(Arc<str>),
}

impl Classes {
    pub(crate) fn new(listed: &[RestAuthentication], settings: &DjangoSettings) -> Self {
        let list: Vec<_> = listed.iter().map(|each| Class::new(&each.class, settings)).collect();
        let challenge = listed.first().and_then(|first| first.www_authenticate.as_deref());
        let challenge = challenge.filter(|challenge| !challenge.is_empty());
        let further = list.iter().find_map(|class| match class {
            Class::Jwt(jwt) => Some(&jwt.settings().auth_header_name),
            _ => None,
        });
        let further = further.filter(|name| !name.eq_ignore_ascii_case("Authorization"));
        Self {
            challenge: challenge.and_then(|text| HeaderValue::from_str(text).ok()),
            further_header: further.and_then(|name| HeaderValue::from_str(name).ok()),
            list,
        }
    }

    /// Registers what a custom class does.
    pub(crate) fn tell(&mut self, path: &str, hook: &Arc<Authenticator>) -> bool {
        let mut found = false;
        for class in &mut self.list {
            if let Class::Other(other, known) = class
                && **other == *path
            {
                *known = Some(Arc::clone(hook));
                found = true;
            }
        }
        found
    }
}

impl Class {
    fn new(class: &AuthenticationClass, settings: &DjangoSettings) -> Self {
        match class {
            AuthenticationClass::Session => Self::Session,
            AuthenticationClass::Basic => Self::Basic,
            AuthenticationClass::Token(class) => Self::Token(Arc::new(class.clone())),
            AuthenticationClass::Jwt(jwt) => match Jwt::of(jwt, settings) {
                Ok(jwt) => Self::Jwt(Arc::new(jwt)),
                Err(fault) => Self::Improper(fault.into()),
            },
            AuthenticationClass::Other(path) => Self::Other(path.as_str().into(), None),
        }
    }
}
