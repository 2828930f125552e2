//! What six versions of Django answered to requests, and what a gate answers: the vectors of the
//! kinds that a middleware can show. Each one that is left out is printed with the reason.

use std::net::SocketAddr;

use actix_service::{IntoServiceFactory, ServiceFactory};
use actix_web::{
    App, FromRequest, HttpRequest, HttpResponse, ResponseError,
    dev::{AppConfig, Payload},
    error::PayloadError,
    http::{
        Method, StatusCode,
        header::{CONTENT_LENGTH, HeaderName, HeaderValue, SET_COOKIE, VARY},
    },
    test::{TestRequest, call_service},
    web,
};
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use serde_json::Value;

use super::{
    DjangoSessionMiddleware,
    extract::CsrfToken,
    request::Visit,
    test::{self, store_with},
};
use crate::{
    csrf::{
        Secret,
        vectors::{body, header, list, of_kind},
    },
    error::{Error, FormError},
    settings::DjangoSettings,
};

const REASON: &str = "x-reason";

#[actix_web::test]
async fn a_gate_answers_as_django_does() {
    let (mut seen, mut skipped) = (Vec::new(), 0);
    for kind in ["request", "session", "set_cookie", "failure", "form", "origin", "referer"] {
        for vector in of_kind(kind) {
            match why_not(&vector) {
                Some(reason) => {
                    println!("{}: skipped: {reason}", vector["id"]);
                    skipped += 1;
                }
                None => {
                    replay(&vector).await;
                    seen.push(vector["id"].as_str().unwrap().to_owned());
                }
            }
        }
    }
    println!("{} as in Django, {skipped} skipped", seen.len());
    assert_eq!((seen.len(), skipped), (693, 109));

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

/// The reason why this gate cannot show what the vector shows, if there is one.
fn why_not(vector: &Value) -> Option<&'static str> {
    let setting = |name: &str| &vector["settings"][name];
    let middleware = match vector["middleware"].as_str() {
        Some("none") => Some("there is no get_token without a gate"),
        Some("common") => Some("CommonMiddleware is no part of this"),
        Some("noenforce" | "done") => Some("tests pass the check by test::csrf"),
        Some("body_before" | "post_before" | "read_before") => {
            Some("what reads a body before the gate gives it back or takes it away")
        }
        Some(other) if other.contains("rotate") || other.contains("token_before") => {
            Some("only log-in rotates, in a handler")
        }
        Some("csrf" | "session_after") => Some("a gate always knows the session"),
        _ => None,
    };
    let view = match vector["view"].as_str() {
        Some("stream_token") => Some("the cookie is decided when CsrfToken is extracted"),
        Some("own_cookie_token" | "delete_cookie_token") => {
            Some("one cookie is sent, the gate's own: flags of the handler's do not survive")
        }
        Some(view) if view.starts_with("do_") || view.starts_with("session_") => {
            Some("sessions that change have tests of their own")
        }
        _ => None,
    };
    let settings = if vector["expect"]["raises"] == "CookieError"
        || setting("CSRF_COOKIE_SAMESITE") == "bogus"
    {
        Some("refused at the start")
    } else if ["CSRF_COOKIE_AGE", "CSRF_COOKIE_DOMAIN"]
        .iter()
        .any(|name| setting(name).is_f64() || setting(name).is_boolean())
    {
        Some("of another type, which Python takes")
    } else if setting("CSRF_HEADER_NAME").as_str().is_some_and(|name| !name.starts_with("HTTP_")) {
        Some("a header has an HTTP name here")
    } else if list(vector, "CSRF_TRUSTED_ORIGINS")
        .into_iter()
        .flatten()
        .any(|origin| !origin.contains("://"))
    {
        Some("refused at the start, as by Django's system check")
    } else if vector["settings"].get("DEFAULT_CHARSET").is_some() {
        Some("the charset of forms is UTF-8 in every Django since 5.0")
    } else {
        None
    };
    let path = match vector["path"].as_str() {
        Some("/nowhere/") => Some("a gate stands before the routes behind it"),
        _ => None,
    };
    let is_secret = |value: &Value| {
        value.as_str().is_some_and(|value| Secret::read(value).is_ok()) || value.is_null()
    };
    let kind = vector["kind"].as_str().unwrap_or_default();
    let session = match kind {
        "session" if !is_secret(&vector["session"]["_csrftoken"]) => {
            Some("an ill-formed secret in a session counts as none (CD2)")
        }
        "session"
            if vector["expect"]["set_cookie"].as_array().is_some_and(|sent| !sent.is_empty()) =>
        {
            Some("sessions that change have tests of their own")
        }
        "session" if vector["view"].as_str().is_some_and(|view| view.ends_with("_token")) => {
            Some("sessions that change have tests of their own")
        }
        _ => None,
    };
    let odd = match kind {
        "form" if header(vector, "Content-Length").is_some() => {
            Some("a server refuses such a length, or cuts the body")
        }
        "origin" | "referer" if !vector["expect"]["raises"].is_null() => {
            Some("an item of CSRF_TRUSTED_ORIGINS that is no URL matches nothing")
        }
        "origin" | "referer" if is_stricter(vector) => Some("stricter than Django (CD1)"),
        _ if vector["server"][0]
            .as_str()
            .is_some_and(|name| name.parse::<std::net::IpAddr>().is_err())
            && header(vector, "Host").is_none() =>
        {
            Some("a server knows its address, not its name")
        }
        _ => None,
    };
    middleware.or(view).or(settings).or(path).or(session).or(odd)
}

/// Where `web::host` has a test that says so.
fn is_stricter(vector: &Value) -> bool {
    let url = header(vector, "Origin").or_else(|| header(vector, "Referer")).unwrap_or_default();
    let is_odd = |c: char| "\\,%@\t".contains(c) || c == ' ';
    let netloc =
        url.split("//").nth(1).unwrap_or_default().split(['/', '?']).next().unwrap_or_default();
    let is_wild =
        list(vector, "CSRF_TRUSTED_ORIGINS").into_iter().flatten().any(|o| o.contains('*'));
    is_wild
        && (netloc.contains(is_odd) || url.contains('\t'))
        && (vector["expect"] == true || vector["expect"] == "ok")
}

async fn replay(vector: &Value) {
    let settings = settings(vector);
    let use_sessions = settings.csrf.use_sessions;
    let store = store_with(settings).unwrap_or_else(|error| panic!("{error}: {vector}"));
    let view = vector["view"].as_str().unwrap_or("plain").to_owned();
    let gate = |store| {
        DjangoSessionMiddleware::optional(store).error_handler(|error, _| {
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
    let mut outer = gate(store.clone());
    if view.starts_with("exempt") {
        outer = outer.csrf_exempt();
    }
    let is_nested = view == "exempt_protect" || vector["middleware"] == "twice";
    let inner = if is_nested { gate(store.clone()) } else { gate(store).csrf_exempt() };
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
    }
    match &vector["session"] {
        Value::Null if use_sessions => test::no_session(&request),
        Value::Null => {}
        data => drop(test::session(&request, data)),
    }
    let response = call_service(&app, request).await;
    let status = response.status().as_u16();
    let values = |name| -> Vec<String> {
        let latin1 =
            |value: &HeaderValue| value.as_bytes().iter().copied().map(char::from).collect();
        response.headers().get_all(name).map(latin1).collect()
    };
    let reason = values(HeaderName::from_static(REASON)).pop();
    let cookies: Vec<String> =
        values(SET_COOKIE).iter().map(|cookie| without_expires(cookie)).collect();
    let vary = values(VARY);
    let token = values(HeaderName::from_static("x-token")).pop();
    let got = actix_web::test::read_body(response).await;
    check(vector, &Found { status, reason, cookies, vary, token, body: got, sent });
}

struct Found {
    status: u16,
    reason: Option<String>,
    cookies: Vec<String>,
    vary: Vec<String>,
    token: Option<String>,
    body: Bytes,
    sent: Vec<u8>,
}

fn check(vector: &Value, found: &Found) {
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
    // Everything behind a gate depends on the cookie; where Django says so too, it says the same.
    assert_eq!(found.vary, [expect["vary"].as_str().unwrap_or("Cookie")], "{vector}");
    let is_through = expect["reached_view"] == true && found.status == 200;
    if is_through && vector["body_error"] != true {
        assert_eq!(found.body, found.sent, "{vector}");
    }
}

/// A wrong token in the form is said to be one of the form; none is missing.
fn check_form(vector: &Value, found: &Found) {
    let expect = &vector["expect"];
    let reason = found.reason.as_deref().unwrap_or("ok");
    let expected = match (expect["value"].as_str(), expect["error"].as_str()) {
        (Some(""), _) | (_, Some("UnreadablePostError")) => "CSRF token missing.".to_owned(),
        (Some(value), _) => match Secret::read(COOKIE).unwrap().matches(value) {
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

/// The secret of the vectors about forms.
const COOKIE: &str = "ZJxCrFQsBYoQ7kHzIDN1EiSGzOWrzzUR";

/// Without the clock.
fn without_expires(cookie: &str) -> String {
    let parts = cookie.split("; ").filter(|part| !part.starts_with("expires="));
    parts.collect::<Vec<_>>().join("; ")
}

/// Django's views of these names.
async fn answer(req: HttpRequest, mut body: web::Payload, view: String) -> HttpResponse {
    let mut got = Vec::new();
    while let Some(Ok(piece)) = body.next().await {
        got.extend(piece);
    }
    let mut response = HttpResponse::Ok();
    match view.strip_prefix("template_form").or(view.strip_suffix("_token")) {
        _ if view == "rotate" => Visit::of(&req).unwrap().rotate_csrf_token().unwrap(),
        Some(_) => drop(response.insert_header(token(&req).await)),
        None if view == "token" || view == "ensure" => {
            response.insert_header(token(&req).await);
        }
        None if view == "token_rotate" => {
            let one = token(&req).await;
            Visit::of(&req).unwrap().rotate_csrf_token().unwrap();
            let other = token(&req).await;
            assert_ne!(one, other);
            response.insert_header(other);
        }
        None => {}
    }
    match view.as_str() {
        "error_token" | "status500_token" => response.status(StatusCode::INTERNAL_SERVER_ERROR),
        "http404_token" => response.status(StatusCode::NOT_FOUND),
        "raises_badrequest" => response.status(StatusCode::BAD_REQUEST),
        "vary_token" => response.insert_header((VARY, "Accept-Language")),
        "vary_cookie_token" => response.insert_header((VARY, "accept-encoding, cookie")),
        "vary_star_token" => response.insert_header((VARY, "*")),
        _ => &mut response,
    };
    response.body(got)
}

async fn token(req: &HttpRequest) -> (HeaderName, HeaderValue) {
    let token = CsrfToken::extract(req).await.unwrap();
    assert_eq!(token.as_str().len(), 64);
    let value = HeaderValue::from_str(token.as_str()).unwrap();
    (HeaderName::from_static("x-token"), value)
}

fn settings(vector: &Value) -> DjangoSettings {
    let given = |name: &str| vector["settings"].get(name);
    let mut settings = DjangoSettings::new("k")
        .allowed_hosts(match list(vector, "ALLOWED_HOSTS") {
            Some(none) if none.is_empty() && given("DEBUG").is_some_and(|debug| *debug == true) => {
                [".localhost", "127.0.0.1", "[::1]"].map(str::to_owned).to_vec()
            }
            Some(hosts) => hosts,
            None => vec!["example.com".into()],
        })
        .csrf_trusted_origins(list(vector, "CSRF_TRUSTED_ORIGINS").unwrap_or_default());
    let is = |name: &str| given(name).is_some_and(|value| *value == true);
    settings = settings
        .csrf_use_sessions(is("CSRF_USE_SESSIONS"))
        .csrf_cookie_secure(is("CSRF_COOKIE_SECURE"))
        .csrf_cookie_httponly(is("CSRF_COOKIE_HTTPONLY"))
        .use_x_forwarded_host(is("USE_X_FORWARDED_HOST"))
        .use_x_forwarded_port(is("USE_X_FORWARDED_PORT"));
    for (name, value) in vector["settings"].as_object().into_iter().flatten() {
        let number = || value.as_u64().map(|number| usize::try_from(number).unwrap());
        let name_of =
            |key: &Value| key.as_str().unwrap().strip_prefix("HTTP_").unwrap().replace('_', "-");
        settings = match name.as_str() {
            "CSRF_COOKIE_NAME" => settings.csrf_cookie_name(value.as_str().unwrap()),
            "CSRF_COOKIE_AGE" => settings.csrf_cookie_age(value.as_i64()),
            "CSRF_COOKIE_DOMAIN" => settings.csrf_cookie_domain(value.as_str()),
            "CSRF_COOKIE_PATH" => settings.csrf_cookie_path(value.as_str()),
            "CSRF_COOKIE_SAMESITE" => settings.csrf_cookie_samesite(value.as_str()),
            "CSRF_HEADER_NAME" => settings.csrf_header_name(name_of(value)),
            "SESSION_COOKIE_DOMAIN" => settings.session_cookie_domain(value.as_str().unwrap()),
            "SECURE_PROXY_SSL_HEADER" => {
                settings.secure_proxy_ssl_header(name_of(&value[0]), value[1].as_str().unwrap())
            }
            "DATA_UPLOAD_MAX_MEMORY_SIZE" => settings.data_upload_max_memory_size(number()),
            "DATA_UPLOAD_MAX_NUMBER_FIELDS" => settings.data_upload_max_number_fields(number()),
            "DATA_UPLOAD_MAX_NUMBER_FILES" => settings.data_upload_max_number_files(number()),
            _ => settings,
        };
    }
    settings
}

fn request(vector: &Value) -> Option<TestRequest> {
    let method = Method::from_bytes(vector["method"].as_str().unwrap().as_bytes()).unwrap();
    let sent = body(vector);
    let mut request = TestRequest::with_uri("/plain/").method(method);
    let path = vector["path"].as_str().filter(|path| path.is_ascii() && !path.contains(' '));
    if let Some(path) = path.filter(|path| !path.contains(['\\', '\t'])) {
        request = request.uri(path);
    }
    for header in vector["headers"].as_array().unwrap() {
        let [name, value] = [0, 1].map(|at| header[at].as_str().unwrap());
        let bytes: Vec<u8> = value.chars().map(|c| u8::try_from(c).unwrap()).collect();
        let Ok(value) = HeaderValue::from_bytes(&bytes) else {
            println!("{}: skipped: the header cannot come in", vector["id"]);
            return None;
        };
        request = request.append_header((HeaderName::try_from(name).unwrap(), value));
    }
    if vector["kind"] == "form" {
        request = request.insert_header(("Cookie", format!("csrftoken={COOKIE}")));
    }
    Some(request.set_payload(sent))
}

fn config(vector: &Value) -> AppConfig {
    let is_secure = vector["scheme"] == "https";
    let port = vector["server"][1].as_u64().unwrap_or(if is_secure { 443 } else { 80 });
    let address = vector["server"][0].as_str().and_then(|name| name.parse().ok());
    let address = address.unwrap_or_else(|| [127, 0, 0, 1].into());
    let local = SocketAddr::new(address, port.try_into().unwrap());
    AppConfig::__priv_test_new(is_secure, local.to_string(), local)
}
