//! What six versions of Django answered to requests, and what a middleware answers: the vectors of the
//! kinds that a middleware can show. Those that are left out are counted by the reason.

mod site;
mod skipped;

use std::collections::BTreeMap;

use actix_service::{IntoServiceFactory, ServiceFactory};
use actix_web::{
    App, HttpRequest, ResponseError,
    dev::Payload,
    error::PayloadError,
    http::header::{CONTENT_LENGTH, COOKIE, HeaderName, HeaderValue, SET_COOKIE, VARY},
    test::call_service,
    web,
};
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use serde_json::Value;

use super::{DjangoSessionMiddleware, test::TestSite};
use crate::{
    csrf::{
        Secret,
        vectors::{body, header, of_kind},
    },
    error::{Error, FormError},
    session::SessionData,
};
use site::{answer, config, request, settings};
use skipped::why_not;

const REASON: &str = "x-reason";

#[actix_web::test]
async fn a_middleware_answers_as_django_does() {
    let (mut seen, mut skipped) = (Vec::new(), BTreeMap::<&str, usize>::new());
    for kind in ["request", "session", "set_cookie", "failure", "form", "origin", "referer"] {
        for vector in of_kind(kind) {
            match why_not(&vector) {
                Some(reason) => *skipped.entry(reason).or_default() += 1,
                None => {
                    replay(&vector).await;
                    seen.push(vector["id"].as_str().unwrap().to_owned());
                }
            }
        }
    }
    assert_eq!(seen.len(), 693);
    let expected = [
        ("CommonMiddleware is no part of this", 1),
        ("a header has an HTTP name here", 1),
        ("a middleware always knows the session", 2),
        ("a middleware stands before the routes behind it", 2),
        ("a server knows its address, not its name", 5),
        ("a server refuses such a length, or cuts the body", 3),
        ("an ill-formed secret in a session counts as none (CD2)", 14),
        ("an item of CSRF_TRUSTED_ORIGINS that is no URL matches nothing", 2),
        ("of another type, which Python takes", 2),
        ("one cookie is sent, the middleware's own: flags of the handler's do not survive", 2),
        ("only login rotates, in a handler", 11),
        ("refused at the start", 2),
        ("refused at the start, as by Django's system check", 4),
        ("sessions that change have tests of their own", 31),
        ("stricter than Django (CD1)", 12),
        ("tests pass the check by test::csrf", 3),
        ("the charset of forms is UTF-8 in every Django since 5.0", 1),
        ("the cookie is decided when CsrfToken is extracted", 1),
        ("there is no get_token without a middleware", 6),
        ("what reads a body before the middleware gives it back or takes it away", 4),
    ];
    assert_eq!(skipped, BTreeMap::from(expected));

    // The worked cases of docs/django-semantics.md are among them, but for these.
    let missing: Vec<_> = worked_cases().into_iter().filter(|id| !seen.contains(id)).collect();
    let expected = [
        "c-0747", "c-0790", "c-0854", "c-0855", "c-0887", "c-0891", "c-0894", "c-0966", "c-0972",
        "c-0980", "c-0992", "c-0997", "c-1002",
    ];
    assert_eq!(missing, expected);
}

/// The ids of the vectors that the documentation shows.
fn worked_cases() -> Vec<String> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/django-semantics.md");
    let text = std::fs::read_to_string(path).unwrap();
    let rows = text.lines().filter_map(|line| line.split(" | ").nth(1));
    let ids: Vec<_> = rows.filter(|id| id.starts_with("c-")).map(str::to_owned).collect();
    assert_eq!(ids.len(), 120);
    ids
}

async fn replay(vector: &Value) {
    let settings = settings(vector);
    let site = TestSite::new(settings).build();
    let session = match &vector["session"] {
        Value::Null => None,
        data => {
            let data = SessionData::from_object(data).unwrap();
            Some(site.create_as_django(data).await.unwrap())
        }
    };
    let view = vector["view"].as_str().unwrap_or("plain").to_owned();
    let middleware = |site| {
        DjangoSessionMiddleware::optional(site).error_handler(|error, _| {
            let mut response = error.error_response();
            let reason = match error {
                Error::CsrfFailed(reason) => reason.to_string(),
                other => format!("{other:?}"),
            };
            let latin1: Vec<u8> = reason.chars().map(|c| u8::try_from(c).unwrap()).collect();
            let reason = HeaderValue::from_bytes(&latin1).unwrap();
            response.headers_mut().insert(HeaderName::from_static(REASON), reason);
            response
        })
    };
    let mut outer = middleware(site.clone());
    if view.starts_with("exempt") {
        outer = outer.csrf_exempt();
    }
    let is_nested = view == "exempt_protect" || vector["middleware"] == "twice";
    let inner = if is_nested { middleware(site.clone()) } else { middleware(site).csrf_exempt() };
    let handler =
        web::to(move |req: HttpRequest, body: web::Payload| answer(req, body, view.clone()));
    let app = App::new()
        .wrap(inner)
        .wrap(outer)
        .app_data(web::PayloadConfig::new(1 << 24))
        .default_service(handler);
    let app = app.into_factory().new_service(config(vector)).await.unwrap();

    let Some(request) = request(vector) else { return };
    let mut request = request.to_request();
    let sent = body(vector);
    if vector["chunked"] == true {
        request.headers_mut().remove(CONTENT_LENGTH);
    }
    if vector["body_error"] == true {
        let pieces = [Ok(Bytes::from(sent.clone())), Err(PayloadError::Incomplete(None))];
        *request.payload() = Payload::Stream { payload: stream::iter(pieces).boxed_local() };
        // What was lost is still to come by then.
        request.headers_mut().insert(CONTENT_LENGTH, (sent.len() + 1).into());
    }
    if let Some(session) = session {
        let cookie = format!("sessionid={}", session.key().as_str());
        let cookies = header(vector, "Cookie").map(|other| format!("{other}; {cookie}"));
        let cookies = HeaderValue::try_from(cookies.unwrap_or(cookie)).unwrap();
        request.headers_mut().insert(COOKIE, cookies);
    }
    let response = call_service(&app, request).await;
    let status = response.status().as_u16();
    let values = |name| -> Vec<String> {
        let latin1 =
            |value: &HeaderValue| value.as_bytes().iter().copied().map(char::from).collect();
        response.headers().get_all(name).map(latin1).collect()
    };
    let reason = values(HeaderName::from_static(REASON)).pop();
    // In the vectors the session is one that is not stored.
    let cookies = values(SET_COOKIE);
    let cookies = cookies.iter().filter(|cookie| !cookie.starts_with("sessionid="));
    let cookies: Vec<String> = cookies.map(|cookie| without_expires(cookie)).collect();
    let vary = values(VARY);
    let token = values(HeaderName::from_static("x-token")).pop();
    let got = actix_web::test::read_body(response).await;
    check(vector, &VectorResponse { status, reason, cookies, vary, token, body: got, sent });
}

struct VectorResponse {
    status: u16,
    reason: Option<String>,
    cookies: Vec<String>,
    vary: Vec<String>,
    token: Option<String>,
    body: Bytes,
    sent: Vec<u8>,
}

fn check(vector: &Value, found: &VectorResponse) {
    let expect = &vector["expect"];
    let reason = found.reason.as_deref();
    match vector["kind"].as_str().unwrap() {
        // No cookie was sent along: what follows the page is the next reason.
        "origin" => {
            let is_accepted = reason.is_none_or(|reason| !reason.starts_with("Origin checking"));
            assert_eq!(*expect, is_accepted, "{reason:?}: {vector}");
            return;
        }
        "referer" => {
            let verdict = reason.filter(|reason| reason.starts_with("Referer checking"));
            assert_eq!(verdict.unwrap_or("ok"), expect.as_str().unwrap(), "{reason:?}: {vector}");
            return;
        }
        "form" => return check_form(vector, found),
        "failure" => {
            // The page is Django's; the reason is what it would show, escaped, with DEBUG.
            assert_eq!(found.status, 403, "{vector}");
            let mut shown = reason.unwrap().to_owned();
            for (char, escaped) in
                [('&', "&amp;"), ('<', "&lt;"), ('>', "&gt;"), ('"', "&quot;"), ('\'', "&#x27;")]
            {
                shown = shown.replace(char, escaped);
            }
            assert!(shown.contains(vector["probe"].as_str().unwrap()), "{shown}: {vector}");
            return;
        }
        _ => {}
    }
    if expect["raises"] == "BadRequest" {
        // Django's own page of this error fails once more (V20, C19).
        assert_eq!(found.status, 400, "{vector}");
        return;
    }
    assert_eq!(found.status, expect["status"], "{reason:?}: {vector}");
    if found.status == 403 {
        assert_eq!(reason, expect["reason"].as_str(), "{vector}");
    }
    let sent = expect["set_cookie"].as_array().unwrap().iter();
    let expected: Vec<String> =
        sent.map(|cookie| without_expires(cookie.as_str().unwrap())).collect();
    assert_eq!(found.cookies.len(), expected.len(), "{:?}: {vector}", found.cookies);
    for (ours, djangos) in found.cookies.iter().zip(&expected) {
        let (value, rest) = ours.split_once(';').unwrap();
        let secret = Secret::read(value.split_once('=').unwrap().1).unwrap();
        // A new secret is a secret, and not the one that came.
        let value = match djangos.contains("<new>") {
            true => {
                assert!(!header(vector, "Cookie").unwrap_or_default().contains(secret.as_str()));
                value.replace(secret.as_str(), "<new>")
            }
            false => value.to_owned(),
        };
        assert_eq!(format!("{value};{rest}"), *djangos, "{vector}");
        if let Some(token) = &found.token {
            assert_eq!(secret.matches(token), Ok(()), "{vector}");
        }
    }
    // Everything behind a middleware depends on the cookie; where Django says so too, it says the same.
    assert_eq!(found.vary, [expect["vary"].as_str().unwrap_or("Cookie")], "{vector}");
    let is_through = expect["reached_view"] == true && found.status == 200;
    if is_through && vector["body_error"] != true {
        assert_eq!(found.body, found.sent, "{vector}");
    }
}

/// A wrong token in the form is said to be one of the form; none is missing.
fn check_form(vector: &Value, found: &VectorResponse) {
    let expect = &vector["expect"];
    let reason = found.reason.as_deref().unwrap_or("ok");
    let expected = match (expect["value"].as_str(), expect["error"].as_str()) {
        (Some(""), _) | (_, Some("UnreadablePostError")) => "CSRF token missing.".to_owned(),
        (Some(value), _) => match Secret::read(site::COOKIE).unwrap().matches(value) {
            Ok(()) => "ok".to_owned(),
            Err(fault) => format!("CSRF token from POST {fault}."),
        },
        (_, Some("BadRequest")) => format!("BadForm({:?})", FormError::NotUtf8),
        (_, Some(error)) => format!("BadForm({error})"),
        _ => unreachable!("{vector}"),
    };
    match vector["method"].as_str().unwrap().to_ascii_uppercase().as_str() {
        "POST" => assert_eq!(reason, expected, "{vector}"),
        "GET" | "HEAD" | "OPTIONS" | "TRACE" => assert_eq!(reason, "ok", "{vector}"),
        _ => assert_eq!(reason, "CSRF token missing.", "{vector}"),
    }
    if reason == "ok" {
        assert_eq!(found.body, found.sent, "{vector}");
    }
}

/// Without the clock.
fn without_expires(cookie: &str) -> String {
    let parts = cookie.split("; ").filter(|part| !part.starts_with("expires="));
    parts.collect::<Vec<_>>().join("; ")
}
