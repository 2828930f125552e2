//! Private functions that read bytes from outside, for the targets in `fuzz/`. Not compiled
//! otherwise.

use std::{
    borrow::Cow,
    time::{Duration, UNIX_EPOCH},
};

use actix_web::http::header::{COOKIE, HeaderMap, HeaderValue};
use actix_web::test::TestRequest;
use tokio_postgres::types::Type;

use crate::{
    csrf::{CsrfCheck, Provenance, Secret, form::Form},
    database::{PrimaryKey, PrimaryKeyValue},
    rest::{Credentials, Jwt, read_token},
    settings::{DjangoSettings, SimpleJwt},
    web::{LoginUrl, last_cookie},
};

/// The value of a cookie in these headers. `None` also if one is not a header that actix accepts.
pub fn cookie<'a>(headers: impl IntoIterator<Item = &'a [u8]>, name: &str) -> Option<String> {
    let mut map = HeaderMap::new();
    for header in headers {
        map.append(COOKIE, HeaderValue::from_bytes(header).ok()?);
    }
    last_cookie(&map, name).map(Cow::into_owned)
}

/// The redirect to the login page for a visitor of this target, which is a URI.
pub fn location(login_url: &str, field_name: &str, host: &str, target: &str) -> Option<String> {
    let request = TestRequest::with_uri(target).insert_header(("host", host)).to_http_request();
    let settings =
        DjangoSettings { allowed_hosts: vec!["*".into()], ..DjangoSettings::new("secret") };
    LoginUrl::new(login_url, field_name).location(&request, &settings)
}

/// A primary key, as text.
#[derive(Debug, PartialEq, Eq)]
pub enum Key {
    /// Of a column of integers.
    Integer(i64),
    /// Of a column `uuid`.
    Uuid(u128),
    /// Of any other.
    Text(String),
}

/// The value of a primary key of that type (`int8`, `uuid` or another).
pub fn primary_key(type_name: &str, json: &str) -> Option<Key> {
    let ty = match type_name {
        "int8" => Type::INT8,
        "uuid" => Type::UUID,
        _ => Type::TEXT,
    };
    Some(match PrimaryKey::of_type(ty.oid()).parse(json)? {
        PrimaryKeyValue::Integer(value) => Key::Integer(value),
        PrimaryKeyValue::Uuid(value) => Key::Uuid(value),
        PrimaryKeyValue::Text(value) => Key::Text(value),
    })
}

/// The check of a page: its `Origin` or, under HTTPS, its `Referer`. The error is Django's reason.
pub fn csrf_page(
    trusted_origins: &[String],
    host: &str,
    origin: Option<&str>,
    referer: Option<&str>,
    is_secure: bool,
) -> Result<(), String> {
    let settings = DjangoSettings {
        csrf_trusted_origins: trusted_origins.to_vec(),
        ..DjangoSettings::new("secret")
    };
    let from = Provenance {
        origin: origin.map(Into::into),
        referer: referer.map(Into::into),
        is_secure,
        host: Some(host.into()),
        port: "443".into(),
    };
    CsrfCheck::new(&settings).page(&from).map_err(|reason| reason.to_string())
}

/// The token in a form that comes in these pieces, `Err` being a 400.
pub fn csrf_field(content_type: &str, pieces: &[&[u8]]) -> Result<Option<String>, String> {
    let limits = DjangoSettings::new("secret").upload_limits();
    let length = pieces.iter().map(|piece| piece.len() as u64).sum();
    let found = Form::of(content_type, Some(length), limits).and_then(|form| {
        let Some(mut form) = form else { return Ok(None) };
        pieces.iter().try_for_each(|piece| form.push(piece))?;
        form.finish()
    });
    found.map_err(|error| error.to_string())
}

/// Whether the token is one of the secret in the cookie. The error is Django's words.
pub fn csrf_matches(cookie: &str, token: &str) -> Result<(), String> {
    let secret = Secret::read(cookie).map_err(|fault| format!("cookie {fault}"))?;
    secret.matches(token).map_err(|fault| fault.to_string())
}

/// The secret in a cookie and a token of it.
pub fn csrf_token(cookie: &str) -> Option<(String, String)> {
    let secret = Secret::read(cookie).ok()?;
    Some((secret.as_str().to_owned(), secret.masked()))
}

/// The user name and the password in an `Authorization` header; `Err` is the refusal.
pub fn basic(header: &[u8]) -> Result<Option<(String, String)>, String> {
    let read = Credentials::read(header).map_err(|failed| failed.to_string())?;
    Ok(read.map(|Credentials { username, password }| (username, password)))
}

/// The token in an `Authorization` header; `Err` is the refusal.
pub fn token(header: &[u8]) -> Result<Option<&str>, String> {
    read_token("Token", header).map_err(|failed| failed.to_string())
}

/// The claims of the JWT in an `Authorization` header that is signed by `HS256` with the secret `secret`
/// and holds at this second; `Err` is the refusal.
pub fn jwt(header: &[u8], now: u64) -> Result<Option<String>, String> {
    let settings = DjangoSettings::new("secret");
    let jwt = Jwt::of(&SimpleJwt::default(), &settings)?;
    let Some(token) = jwt.read(header).map_err(|failed| failed.to_string())? else {
        return Ok(None);
    };
    let now = UNIX_EPOCH + Duration::from_secs(now);
    let claims = jwt.validated(token, now).map_err(|failed| failed.to_string())?;
    Ok(Some(claims.to_json().into_owned()))
}
