//! The results of Django 4.2.30, 5.2.19 and 6.1.3 for 1,441 URLs and requests: `vectors.jsonl`. If the
//! versions differ, `expect_of_others` has the results of the others.

use actix_django_session::{
    DjangoSettings, DjangoSite, deadpool_postgres, url_has_allowed_host_and_scheme,
};
use actix_web::{HttpResponse, http::header::LOCATION, test::TestRequest};
use percent_encoding::percent_decode_str;
use serde_json::{Value, json};
use std::collections::BTreeMap;

fn vectors(kinds: &[&str]) -> Vec<Value> {
    let lines = include_str!("vectors.jsonl").lines();
    let vectors = lines.map(|line| serde_json::from_str::<Value>(line).unwrap());
    vectors.filter(|vector| kinds.iter().any(|kind| vector["kind"] == *kind)).collect()
}

/// The results of the versions.
fn results(vector: &Value) -> Vec<Value> {
    let others = vector["expect_of_others"].as_array().cloned().unwrap_or_default();
    std::iter::once(vector["expect"].clone()).chain(others).collect()
}

#[test]
fn a_url_is_safe_if_every_django_version_accepts_it() {
    let mut counts = [0, 0];
    for vector in vectors(&["allowed"]) {
        let hosts: Vec<&str> = match &vector["allowed_hosts"] {
            Value::String(host) => vec![host],
            Value::Array(hosts) => hosts.iter().map(|host| host.as_str().unwrap()).collect(),
            _ => vec![],
        };
        let url = vector["url"].as_str().unwrap_or_default();
        let is_safe = url_has_allowed_host_and_scheme(url, hosts, vector["require_https"] == true);
        let expected = results(&vector).iter().all(|message| *message == true);
        assert_eq!(is_safe, expected, "{vector}");
        counts[usize::from(is_safe)] += 1;
    }
    assert_eq!(counts, [724, 219]);
}

/// Uses `LOGIN_REDIRECT_URL`, whose host is not checked.
#[test]
fn a_location_is_written_as_django_writes_it() {
    let mut seen = 0;
    let mut left_out = 0;
    for vector in vectors(&["redirect", "iri_to_uri"]) {
        let url = vector["url"].as_str().unwrap();
        let mut settings = DjangoSettings::new("k");
        settings.login_redirect_url = url.into();
        let Ok(site) = DjangoSite::new(no_database(), settings) else {
            // The value could be the name of a URL pattern.
            assert!(!url.contains(['/', '.']), "{vector}");
            left_out += 1;
            continue;
        };
        let answer = site.redirect_after_login(&TestRequest::get().to_http_request(), None);
        let expected = results(&vector);
        // A value that Django would write into a header, but does not send.
        let is_refused = location(&answer).is_none();
        if vector["kind"] == "iri_to_uri" && is_refused {
            left_out += 1;
            continue;
        }
        match location(&answer) {
            Some(location) => assert!(expected.contains(&location.into()), "{vector}"),
            None => {
                assert_eq!(answer.status(), 400);
                assert!(expected.iter().any(|message| message["error"].is_string()), "{vector}");
            }
        }
        seen += 1;
    }
    assert_eq!((seen, left_out), (49, 24));
}

#[test]
fn login_and_logout_redirect_where_django_redirects() {
    let mut left_out = BTreeMap::new();
    let mut seen = 0;
    for vector in vectors(&["login", "logout"]) {
        let settings = match settings(&vector) {
            Ok(settings) => settings,
            Err(reason) => {
                *left_out.entry(reason).or_insert(0) += 1;
                continue;
            }
        };
        let site = DjangoSite::new(no_database(), settings).unwrap();
        let ours = answer(&vector, &site);
        let expected = results(&vector);
        let is_same = |message: &Value| {
            message["status"] == ours["status"]
                && message["location"] == ours["location"]
                && (ours["body"].is_null() || message["body"] == ours["body"])
        };
        assert!(expected.iter().any(is_same), "{ours} for {vector}");
        seen += 1;
    }
    let left_out: Vec<_> = left_out.into_iter().collect();
    let expected = [
        ("an option of Django's view: here the handler is the application's", 106),
        ("the name of a URL pattern: the export resolves it", 9),
        ("what a GET does is the route's matter", 1),
    ];
    assert_eq!(left_out, expected);
    assert_eq!(seen, 309);
}

/// The settings of a vector. `Err`: why the crate has no equal settings.
fn settings(vector: &Value) -> Result<DjangoSettings, &'static str> {
    if vector["view"].is_object() {
        return Err("an option of Django's view: here the handler is the application's");
    }
    if vector["kind"] == "logout" && vector["method"] == "GET" {
        return Err("what a GET does is the route's matter");
    }
    let mut settings = DjangoSettings::new("k");
    settings.allowed_hosts = vec!["*".into()];
    settings.secure_proxy_ssl_header = Some(("X-Test-Scheme".into(), "https".into()));
    for (name, value) in vector["settings"].as_object().into_iter().flatten() {
        let text = value.as_str().unwrap_or_default();
        if name.ends_with("REDIRECT_URL") && !value.is_null() && !text.contains(['/', '.']) {
            if text.is_empty() && name.starts_with("LOGOUT") {
                continue;
            }
            return Err("the name of a URL pattern: the export resolves it");
        }
        match &**name {
            "LOGIN_REDIRECT_URL" => settings.login_redirect_url = text.into(),
            "LOGOUT_REDIRECT_URL" if value.is_null() => {}
            "LOGOUT_REDIRECT_URL" => settings.logout_redirect_url = Some(text.into()),
            "ALLOWED_HOSTS" => {
                settings.allowed_hosts = value
                    .as_array()
                    .unwrap()
                    .iter()
                    .map(|v| v.as_str().unwrap())
                    .map(Into::into)
                    .collect()
            }
            "USE_X_FORWARDED_HOST" => settings.use_x_forwarded_host = *value == true,
            "SECURE_PROXY_SSL_HEADER" => {
                settings.secure_proxy_ssl_header =
                    Some(("X-Forwarded-Proto".into(), value[1].as_str().unwrap().into()))
            }
            other => panic!("{other}"),
        }
    }
    Ok(settings)
}

/// The response of a handler like the one of the example `log_in`, without a check of the password.
fn answer(vector: &Value, site: &DjangoSite) -> Value {
    let text = |name: &str| vector[name].as_str().unwrap_or_default();
    let uri = match text("query") {
        "" => text("path").to_owned(),
        query => format!("{}?{query}", text("path")),
    };
    let mut request = TestRequest::with_uri(&uri).insert_header(("Host", text("host")));
    if vector["https"] == true {
        request = request.insert_header(("X-Test-Scheme", "https"));
    }
    for (name, value) in vector["environ"].as_object().into_iter().flatten() {
        let name = name.strip_prefix("HTTP_").unwrap().replace('_', "-");
        request = request.insert_header((name, value.as_str().unwrap()));
    }
    let request = request.to_http_request();
    let fields = fields(text("body"));
    let posted = fields.get("next").map(String::as_str);
    let is_right = fields.get("password").is_some_and(|password| password == "right");
    let answer = match (text("kind"), text("method")) {
        ("login", "POST") if is_right => Some(site.redirect_after_login(&request, posted)),
        ("login", _) => {
            let next = site.safe_next(&request, posted).unwrap_or_default();
            let is_lost = site.redirect_after_login(&request, posted).status() == 400
                && results(vector)[0]["status"] == 400;
            if is_lost {
                return json!({ "status": 400, "location": null });
            }
            return json!({ "status": 200, "location": null, "body": format!("form next=[{}]", escaped(&next)) });
        }
        _ => site.redirect_after_logout(&request, posted),
    };
    match answer {
        Some(answer) => {
            json!({ "status": answer.status().as_u16(), "location": location(&answer) })
        }
        None => json!({ "status": 200, "location": null, "body": "logged out" }),
    }
}

/// Escapes HTML as Django's templates do.
fn escaped(text: &str) -> String {
    let text = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    text.replace('"', "&quot;").replace('\'', "&#x27;")
}

fn location(answer: &HttpResponse) -> Option<&str> {
    answer.headers().get(LOCATION).map(|location| location.to_str().unwrap())
}

/// The last value of each field of a form.
fn fields(body: &str) -> BTreeMap<String, String> {
    let decode =
        |text: &str| percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned();
    let pairs = body.split('&').filter(|pair| !pair.is_empty());
    pairs
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .map(|(name, value)| (decode(name), decode(value)))
        .collect()
}

fn no_database() -> deadpool_postgres::Pool {
    let manager = deadpool_postgres::Manager::new(
        actix_django_session::tokio_postgres::Config::new(),
        actix_django_session::tokio_postgres::NoTls,
    );
    deadpool_postgres::Pool::builder(manager).build().unwrap()
}
