//! The site of a vector: its settings, its views, and what is sent to it.

use std::net::SocketAddr;

use actix_web::{
    FromRequest, HttpRequest, HttpResponse,
    dev::AppConfig,
    http::{
        Method, StatusCode,
        header::{HeaderName, HeaderValue, VARY},
    },
    test::TestRequest,
    web,
};
use futures_util::StreamExt;
use serde_json::Value;

use crate::{
    csrf::vectors::{body, list},
    settings::DjangoSettings,
    web::{extract::CsrfToken, request::Visit},
};

/// The secret of the vectors about forms.
pub(super) const COOKIE: &str = "ZJxCrFQsBYoQ7kHzIDN1EiSGzOWrzzUR";

/// Django's views of these names.
pub(super) async fn answer(req: HttpRequest, mut body: web::Payload, view: String) -> HttpResponse {
    let mut got = Vec::new();
    while let Some(Ok(piece)) = body.next().await {
        got.extend(piece);
    }
    let mut response = HttpResponse::Ok();
    match view.strip_prefix("template_form").or(view.strip_suffix("_token")) {
        _ if view == "rotate" => Visit::of(&req).unwrap().csrf.rotate_token(),
        Some(_) => drop(response.insert_header(token(&req).await)),
        None if view == "token" || view == "ensure" => {
            response.insert_header(token(&req).await);
        }
        None if view == "token_rotate" => {
            let one = token(&req).await;
            Visit::of(&req).unwrap().csrf.rotate_token();
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

pub(super) fn settings(vector: &Value) -> DjangoSettings {
    let given = |name: &str| vector["settings"].get(name);
    let mut settings = DjangoSettings::new("k");
    settings.allowed_hosts = match list(vector, "ALLOWED_HOSTS") {
        Some(none) if none.is_empty() && given("DEBUG").is_some_and(|debug| *debug == true) => {
            [".localhost", "127.0.0.1", "[::1]"].map(str::to_owned).to_vec()
        }
        Some(hosts) => hosts,
        None => vec!["example.com".into()],
    };
    settings.csrf_trusted_origins = list(vector, "CSRF_TRUSTED_ORIGINS").unwrap_or_default();
    let is = |name: &str| given(name).is_some_and(|value| *value == true);
    settings.write_sessions = true;
    settings.csrf_use_sessions = is("CSRF_USE_SESSIONS");
    settings.csrf_cookie_secure = is("CSRF_COOKIE_SECURE");
    settings.csrf_cookie_httponly = is("CSRF_COOKIE_HTTPONLY");
    settings.use_x_forwarded_host = is("USE_X_FORWARDED_HOST");
    settings.use_x_forwarded_port = is("USE_X_FORWARDED_PORT");
    for (name, value) in vector["settings"].as_object().into_iter().flatten() {
        let number = || value.as_u64().map(|number| usize::try_from(number).unwrap());
        let name_of =
            |key: &Value| key.as_str().unwrap().strip_prefix("HTTP_").unwrap().replace('_', "-");
        match name.as_str() {
            "CSRF_COOKIE_NAME" => settings.csrf_cookie_name = value.as_str().unwrap().into(),
            "CSRF_COOKIE_AGE" => settings.csrf_cookie_age = value.as_i64(),
            "CSRF_COOKIE_DOMAIN" => settings.csrf_cookie_domain = value.as_str().map(str::to_owned),
            "CSRF_COOKIE_PATH" => settings.csrf_cookie_path = value.as_str().map(str::to_owned),
            "CSRF_COOKIE_SAMESITE" => {
                settings.csrf_cookie_samesite = value.as_str().map(str::to_owned)
            }
            "CSRF_HEADER_NAME" => settings.csrf_header_name = name_of(value),
            "SESSION_COOKIE_DOMAIN" => {
                settings.session_cookie_domain = Some(value.as_str().unwrap().into())
            }
            "SECURE_PROXY_SSL_HEADER" => {
                settings.secure_proxy_ssl_header =
                    Some((name_of(&value[0]), value[1].as_str().unwrap().into()))
            }
            "DATA_UPLOAD_MAX_MEMORY_SIZE" => settings.data_upload_max_memory_size = number(),
            "DATA_UPLOAD_MAX_NUMBER_FIELDS" => settings.data_upload_max_number_fields = number(),
            "DATA_UPLOAD_MAX_NUMBER_FILES" => settings.data_upload_max_number_files = number(),
            _ => {}
        }
    }
    settings
}

pub(super) fn request(vector: &Value) -> Option<TestRequest> {
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

pub(super) fn config(vector: &Value) -> AppConfig {
    let is_secure = vector["scheme"] == "https";
    let port = vector["server"][1].as_u64().unwrap_or(if is_secure { 443 } else { 80 });
    let address = vector["server"][0].as_str().and_then(|name| name.parse().ok());
    let address = address.unwrap_or_else(|| [127, 0, 0, 1].into());
    let local = SocketAddr::new(address, port.try_into().unwrap());
    AppConfig::__priv_test_new(is_secure, local.to_string(), local)
}
