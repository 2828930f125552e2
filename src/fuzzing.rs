//! Private functions that read bytes from outside, for the targets in `fuzz/`. Not compiled
//! otherwise.

use actix_web::http::header::{COOKIE, HeaderMap, HeaderValue};
use actix_web::test::TestRequest;
use tokio_postgres::types::Type;

use crate::{
    settings::DjangoSettings,
    store::{PrimaryKey, PrimaryKeyValue},
    web::{LoginUrl, last_cookie},
};

/// The value of a cookie in these headers. `None` also if one is no header that actix lets in.
pub fn cookie<'a>(headers: impl IntoIterator<Item = &'a [u8]>, name: &str) -> Option<String> {
    let mut map = HeaderMap::new();
    for header in headers {
        map.append(COOKIE, HeaderValue::from_bytes(header).ok()?);
    }
    last_cookie(&map, name)
}

/// Where a visitor of that target, an URI, is sent to log in.
pub fn location(login_url: &str, field_name: &str, host: &str, target: &str) -> Option<String> {
    let request = TestRequest::with_uri(target).insert_header(("host", host)).to_http_request();
    let settings = DjangoSettings::new("secret").allowed_hosts(["*"]);
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
