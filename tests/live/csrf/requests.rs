//! Random requests for a CSRF check, and a middleware without a database that answers them.

use std::io::Write;

use actix_django_session::{
    CsrfToken, DjangoSessionMiddleware, DjangoSettings, DjangoSite, Error,
    test::{Client, TestSite},
};
use actix_http::Request;
use actix_service::{IntoServiceFactory, ServiceFactory};
use actix_web::{
    App, HttpResponse, ResponseError,
    body::MessageBody,
    dev::{AppConfig, Payload, Service, ServiceResponse},
    http::{
        Method,
        header::{COOKIE, HeaderName, HeaderValue, SET_COOKIE},
    },
    middleware::Condition,
    test::{TestRequest, call_service, read_body},
    web::{self, Bytes, PayloadConfig},
};
use flate2::{Compression, write::ZlibEncoder};
use futures_util::stream;
use serde_json::{Map, Value, json};

use crate::beds::Rng;

pub(super) const SECRET: &str = "ZJxCrFQsBYoQ7kHzIDN1EiSGzOWrzzUR";
pub(super) const MASKED: &str = "SubN8IeQwfOguMcEwOvIzgmO3QNhJD6yH3yfpdU8X32WrWJ34h8z3o4ksuzy82Qf";
pub(super) const OTHER: &str = "4lKn4n7uSm6cnDrCn6HRWZmXTxT0BaQ0";

/// Settings in Django's names.
#[derive(Clone, Debug, Default)]
pub(super) struct CsrfSettings(pub(super) Map<String, Value>);

impl CsrfSettings {
    pub(super) fn random(rng: &mut Rng) -> Self {
        let mut settings = Map::new();
        let mut set = |name: &str, value: Value| drop(settings.insert(name.to_owned(), value));
        let hosts: &[&str] = rng.pick(&[
            &["example.com"][..],
            &[".example.com", "127.0.0.1"],
            &["*"],
            &["other.org", "[::1]"],
            &[],
        ]);
        set("ALLOWED_HOSTS", json!(hosts));
        let origins: &[&str] = rng.pick(&[
            &[][..],
            &[],
            &["https://partner.org", "http://partner.org:81"],
            &["https://*.partner.org"],
            &["https://*.example.com:8443", "http://.dotted.org", "https://www.example.com"],
        ]);
        set("CSRF_TRUSTED_ORIGINS", json!(origins));
        if rng.below(3) == 0 {
            let domain = *rng.pick(&[&".example.com", &"example.com", &".EXAMPLE.com"]);
            set("CSRF_COOKIE_DOMAIN", json!(domain));
        }
        if rng.below(4) == 0 {
            set("CSRF_COOKIE_AGE", if rng.below(2) == 0 { json!(3600) } else { Value::Null });
            set("CSRF_COOKIE_PATH", json!(*rng.pick(&[&"/", &"/app/", &""])));
            set("CSRF_COOKIE_SECURE", json!(rng.below(2) == 0));
            set("CSRF_COOKIE_HTTPONLY", json!(rng.below(2) == 0));
            set("CSRF_COOKIE_SAMESITE", json!(*rng.pick(&[&"Strict", &"none", &""])));
        }
        if rng.below(6) == 0 {
            set("CSRF_COOKIE_NAME", json!("__Host-csrf"));
            set("CSRF_HEADER_NAME", json!("HTTP_X_2FA_TOKEN"));
        }
        if rng.below(4) == 0 {
            set("USE_X_FORWARDED_HOST", json!(true));
            set("USE_X_FORWARDED_PORT", json!(rng.below(2) == 0));
        }
        if rng.below(3) == 0 {
            set("SECURE_PROXY_SSL_HEADER", json!(["HTTP_X_FORWARDED_PROTO", "https"]));
        }
        if rng.below(5) == 0 {
            set("CSRF_USE_SESSIONS", json!(true));
            set("SESSION_COOKIE_DOMAIN", json!(".example.com"));
        }
        if rng.below(3) == 0 {
            set("DATA_UPLOAD_MAX_MEMORY_SIZE", json!(60 + rng.below(200)));
            set("DATA_UPLOAD_MAX_NUMBER_FIELDS", json!(1 + rng.below(5)));
            set("DATA_UPLOAD_MAX_NUMBER_FILES", json!(rng.below(3)));
        }
        Self(settings)
    }

    pub(super) fn cookie_name(&self) -> &str {
        self.0.get("CSRF_COOKIE_NAME").and_then(Value::as_str).unwrap_or("csrftoken")
    }

    fn header_name(&self) -> String {
        let name = self.0.get("CSRF_HEADER_NAME").and_then(Value::as_str);
        http_name(name.unwrap_or("HTTP_X_CSRFTOKEN"))
    }

    fn uses_sessions(&self) -> bool {
        self.0.get("CSRF_USE_SESSIONS").is_some_and(|yes| *yes == true)
    }

    pub(super) fn ours(&self) -> DjangoSettings {
        let list = |value: &Value| -> Vec<String> {
            let items = value.as_array().unwrap().iter();
            items.map(|item| item.as_str().unwrap().to_owned()).collect()
        };
        let mut settings = DjangoSettings::new("k");
        for (name, value) in &self.0 {
            let yes = *value == true;
            let text = value.as_str();
            let number = value.as_u64().map(|number| usize::try_from(number).unwrap());
            match name.as_str() {
                "ALLOWED_HOSTS" => settings.allowed_hosts = list(value),
                "CSRF_TRUSTED_ORIGINS" => settings.csrf_trusted_origins = list(value),
                "CSRF_COOKIE_NAME" => settings.csrf_cookie_name = text.unwrap().into(),
                "CSRF_COOKIE_AGE" => settings.csrf_cookie_age = value.as_i64(),
                "CSRF_COOKIE_DOMAIN" => settings.csrf_cookie_domain = text.map(str::to_owned),
                "CSRF_COOKIE_PATH" => settings.csrf_cookie_path = text.map(str::to_owned),
                "CSRF_COOKIE_SAMESITE" => settings.csrf_cookie_samesite = text.map(str::to_owned),
                "CSRF_COOKIE_SECURE" => settings.csrf_cookie_secure = yes,
                "CSRF_COOKIE_HTTPONLY" => settings.csrf_cookie_httponly = yes,
                "CSRF_HEADER_NAME" => settings.csrf_header_name = http_name(text.unwrap()),
                "CSRF_USE_SESSIONS" => {
                    settings.csrf_use_sessions = yes;
                    settings.write_sessions = yes;
                }
                "SESSION_COOKIE_DOMAIN" => {
                    settings.session_cookie_domain = Some(text.unwrap().into())
                }
                "USE_X_FORWARDED_HOST" => settings.use_x_forwarded_host = yes,
                "USE_X_FORWARDED_PORT" => settings.use_x_forwarded_port = yes,
                "SECURE_PROXY_SSL_HEADER" => {
                    settings.secure_proxy_ssl_header = Some((
                        http_name(value[0].as_str().unwrap()),
                        value[1].as_str().unwrap().into(),
                    ))
                }
                "DATA_UPLOAD_MAX_MEMORY_SIZE" => settings.data_upload_max_memory_size = number,
                "DATA_UPLOAD_MAX_NUMBER_FIELDS" => settings.data_upload_max_number_fields = number,
                "DATA_UPLOAD_MAX_NUMBER_FILES" => settings.data_upload_max_number_files = number,
                other => panic!("{other}"),
            }
        }
        settings
    }
}

fn http_name(key: &str) -> String {
    key.strip_prefix("HTTP_").unwrap().replace('_', "-")
}

#[derive(Clone, Debug)]
pub(super) struct CsrfRequest {
    pub(super) method: String,
    pub(super) scheme: &'static str,
    pub(super) port: u16,
    pub(super) headers: Vec<(String, Vec<u8>)>,
    pub(super) body: Vec<u8>,
    pub(super) view: &'static str,
    pub(super) session: Value,
    /// The middlewares around the handler, the outermost first. Django has one.
    pub(super) layers: [Layer; 3],
}

/// A middleware.
#[derive(Clone, Copy, Debug)]
pub(super) struct Layer {
    check: Check,
    /// The handle: the site's, a clone of it with a hook, or a second one on the same tables.
    handle: usize,
}

/// How a middleware checks.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Check {
    Everybody,
    IfLoggedIn,
    Exempt,
    /// There is no such middleware.
    Absent,
}

impl Layer {
    /// One middleware, of the site's own handle.
    pub(super) fn one() -> [Self; 3] {
        [Check::Everybody, Check::Absent, Check::Absent].map(|check| Self { check, handle: 0 })
    }

    /// One of the three checks everybody.
    fn random(rng: &mut Rng) -> [Self; 3] {
        let mut layers = [(); 3].map(|()| {
            let others = [Check::Everybody, Check::IfLoggedIn, Check::Exempt, Check::Absent];
            Self { check: others[rng.below(4)], handle: rng.below(3) }
        });
        layers[rng.below(3)].check = Check::Everybody;
        layers
    }

    fn of(self, middleware: &DjangoSessionMiddleware) -> Condition<DjangoSessionMiddleware> {
        let middleware = middleware.clone();
        let middleware = match self.check {
            Check::Everybody | Check::Absent => middleware,
            Check::IfLoggedIn => middleware.csrf_if_logged_in(),
            Check::Exempt => middleware.csrf_exempt(),
        };
        Condition::new(self.check != Check::Absent, middleware)
    }
}

impl CsrfRequest {
    pub(super) fn random(rng: &mut Rng, settings: &CsrfSettings) -> Self {
        let method = rng.pick(&[
            "POST", "POST", "POST", "POST", "POST", "POST", "post", "PUT", "PATCH", "DELETE",
            "GET", "HEAD", "FOO",
        ]);
        let scheme = *rng.pick(&[&"http", &"http", &"https"]);
        let port = *rng.pick(&[&80_u16, &443, &8000, &8443]);
        let mut headers: Vec<(String, Vec<u8>)> = Vec::new();
        let mut push = |name: &str, value: &[u8]| headers.push((name.to_owned(), value.to_vec()));

        let host = host(rng);
        push("Host", host.as_bytes());
        if rng.below(6) == 0 {
            push("X-Forwarded-Host", self::host(rng).as_bytes());
            push("X-Forwarded-Port", rng.pick(&["443", "8443", "80", ""]).as_bytes());
        }
        if rng.below(3) == 0 {
            let proto = rng.pick(&["https", "http", "https, http", "HTTPS", ""]);
            push("X-Forwarded-Proto", proto.as_bytes());
        }
        if rng.below(2) == 0 {
            push("Origin", &origin(rng, host));
        }
        if rng.below(2) == 0 {
            push("Referer", &referer(rng, host));
        }
        let name = settings.cookie_name();
        match rng.below(12) {
            0 => {}
            1 => push("Cookie", format!("{name}={}; {name}", token(rng)).as_bytes()),
            2 => push("Cookie", format!("{name}={}; {name}={SECRET}", token(rng)).as_bytes()),
            3 => push("Cookie", format!("a=b; {name}=\"{SECRET}\"").as_bytes()),
            4 => push("Cookie", &[b"x=\xff; ", name.as_bytes(), b"=", SECRET.as_bytes()].concat()),
            5 => push("Cookie", format!("{name}={}", token(rng)).as_bytes()),
            6 => push("Cookie", format!("{name}={MASKED}").as_bytes()),
            _ => push("Cookie", format!("a=b; {name}={SECRET}").as_bytes()),
        }
        if rng.below(3) == 0 {
            push(&settings.header_name(), token(rng).as_bytes());
        }
        let body = match rng.below(8) {
            0 => Vec::new(),
            1 => {
                push("Content-Type", b"application/json");
                format!("{{\"csrfmiddlewaretoken\":\"{SECRET}\"}}").into_bytes()
            }
            2..5 => {
                push("Content-Type", urlencoded_type(rng).as_bytes());
                urlencoded(rng)
            }
            _ => {
                push("Content-Type", multipart_type(rng).as_bytes());
                multipart(rng)
            }
        };
        let stored = *rng.pick(&[&Some(SECRET), &Some(MASKED), &Some(OTHER), &None]);
        let session = match settings.uses_sessions() {
            true => json!({ "x": 1, "_csrftoken": stored }),
            false => Value::Null,
        };
        // Without a session to write to, a page gets a token only of one that is there.
        let view = if settings.uses_sessions() { "plain" } else { rng.pick(&["plain", "token"]) };
        let view = if view == "plain" { "plain" } else { "token" };
        let layers = Layer::random(rng);
        Self { method: method.to_owned(), scheme, port, headers, body, view, session, layers }
    }

    pub(super) fn question(&self) -> Value {
        let latin1 = |bytes: &[u8]| bytes.iter().copied().map(char::from).collect::<String>();
        let headers: Vec<_> =
            self.headers.iter().map(|(name, value)| json!([name, latin1(value)])).collect();
        // A file may be large, and is mostly the same byte.
        let mut zlib = ZlibEncoder::new(Vec::new(), Compression::fast());
        zlib.write_all(&self.body).unwrap();
        let body = zlib.finish().unwrap();
        let hex: String = body.iter().map(|byte| format!("{byte:02x}")).collect();
        json!({
            "method": self.method, "scheme": self.scheme, "port": self.port, "headers": headers,
            "body_zlib_hex": hex, "view": self.view, "session": self.session,
        })
    }

    /// Whether the body has this text.
    pub(super) fn has(&self, text: &str) -> bool {
        memchr::memmem::find(&self.body, text.as_bytes()).is_some()
    }

    pub(super) fn header(&self, name: &str) -> Option<&[u8]> {
        let found = self.headers.iter().find(|(other, _)| other == name);
        found.map(|(_, value)| value.as_slice())
    }
}

fn host(rng: &mut Rng) -> &'static str {
    rng.pick(&[
        "example.com",
        "example.com",
        "example.com",
        "EXAMPLE.com",
        "example.com:8443",
        "example.com:80",
        "www.example.com",
        "example.com.",
        "evil.com",
        "127.0.0.1:8000",
        "[::1]",
        "a_b.com",
        "example.com:",
    ])
}

fn origin(rng: &mut Rng, host: &str) -> Vec<u8> {
    match rng.below(6) {
        0 => format!("http://{host}").into_bytes(),
        1 | 2 => format!("https://{host}").into_bytes(),
        _ => {
            let origin: &[u8] = rng.pick(&[
                &b"http://example.com"[..],
                b"https://example.com",
                b"null",
                b"",
                b"http://evil.com",
                b"https://a.partner.org",
                b"https://partner.org",
                b"http://partner.org:81",
                b"https://PARTNER.org",
                b"https://a.example.com:8443",
                b"https://[::1",
                b"https://[::1]",
                b"http://\xc3\xa9.com",
                b"https://xpartner.org",
                b"HTTPS://a.partner.org",
                b"example.com",
                b"https://evil.com\\.partner.org",
                b"https://u:p@a.partner.org",
            ]);
            origin.to_vec()
        }
    }
}

fn referer(rng: &mut Rng, host: &str) -> Vec<u8> {
    match rng.below(4) {
        0 | 1 => format!("https://{host}/page?q#f").into_bytes(),
        _ => {
            let referer: &[u8] = rng.pick(&[
                &b"https://example.com/"[..],
                b"http://example.com/",
                b"https://www.example.com/x",
                b"https://evil.com/x?y",
                b"https://partner.org:81/",
                b"https://a.partner.org/",
                b"https:///x",
                b"",
                b"https:example.com",
                b"//example.com/",
                b"HTTPS://example.com",
                b"https://EXAMPLE.com/",
                b"https://[bad]/",
                b"https://evil.com/?#",
                b"ftp://example.com/",
                b"https://evil.com/\xe9",
                b"https://a.dotted.org/",
                b"https://example.com:8443/",
                b"https://evil.com\\.partner.org/",
            ]);
            referer.to_vec()
        }
    }
}

fn token(rng: &mut Rng) -> String {
    match rng.below(12) {
        0 => OTHER.into(),
        1 => String::new(),
        2 => SECRET[1..].into(),
        3 => SECRET.replace('x', "-"),
        4 => "-".repeat(33),
        5 => format!("{SECRET}{OTHER}"),
        6 => "a".repeat(65),
        7 | 8 => MASKED.into(),
        _ => SECRET.into(),
    }
}

fn urlencoded_type(rng: &mut Rng) -> &'static str {
    rng.pick(&[
        "application/x-www-form-urlencoded",
        "application/x-www-form-urlencoded",
        "application/x-www-form-urlencoded",
        "application/x-www-form-urlencoded",
        "Application/X-WWW-Form-Urlencoded; charset=UTF-8",
        "application/x-www-form-urlencoded;charset=\"utf-8\"; x=y",
        "application/x-www-form-urlencoded; charset=bogus",
        "application/x-www-form-urlencoded, x",
        "application/x-www-form-urlencoded ;",
    ])
}

fn urlencoded(rng: &mut Rng) -> Vec<u8> {
    let mut body = Vec::new();
    for _ in 0..rng.below(5) {
        let name: &[u8] = rng.pick(&[
            &b"csrfmiddlewaretoken"[..],
            b"csrfmiddlewaretoken",
            b"%63srfmiddlewaretoken",
            b"text",
            b"csrfmiddlewaretoken+",
            b"CSRFMIDDLEWARETOKEN",
            b"",
            b"\xff",
        ]);
        body.extend(name);
        if rng.below(8) > 0 {
            body.push(b'=');
            let token = token(rng);
            let value: Vec<u8> = match rng.below(6) {
                0 => token.replace('r', "%72").into_bytes(),
                1 => format!("{token}%C3%A9%zz+=").into_bytes(),
                2 => [token.as_bytes(), b"\xc3\xa9"].concat(),
                _ => token.into_bytes(),
            };
            body.extend(value);
        }
        if rng.below(8) > 0 {
            let end: &[u8] = rng.pick(&[&b"&"[..], b"&", b"&", b"&&", b";", b"\r\n"]);
            body.extend(end);
        }
    }
    body
}

fn multipart_type(rng: &mut Rng) -> &'static str {
    rng.pick(&[
        "multipart/form-data; boundary=XyZ",
        "multipart/form-data; boundary=XyZ",
        "multipart/form-data; boundary=XyZ",
        "multipart/form-data; boundary=\"XyZ\"",
        "multipart/form-data; Boundary=XyZ; charset=utf-8",
        "multipart/form-data",
        "Multipart/Form-Data; boundary=XyZ",
        "multipart/form-data; boundary=",
        "multipart/mixed; boundary=XyZ",
    ])
}

pub(super) fn multipart(rng: &mut Rng) -> Vec<u8> {
    let mut body: Vec<u8> = Vec::new();
    if rng.below(10) == 0 {
        body.extend(b"preamble\r\n");
    }
    for _ in 0..rng.below(5) {
        body.extend(b"--XyZ\r\n");
        let disposition = rng.pick(&[
            "Content-Disposition: form-data; name=\"csrfmiddlewaretoken\"",
            "Content-Disposition: form-data; name=\"csrfmiddlewaretoken\"",
            "Content-Disposition: form-data; name=csrfmiddlewaretoken",
            "content-disposition: FORM-DATA ; NAME= \"csrfmiddlewaretoken\" ",
            "Content-Disposition: form-data; name=\"csrfmiddlewaretoken\"; filename=\"\"",
            "Content-Disposition: form-data; name=\"csrfmiddlewaretoken\"; filename=\"a.txt\"",
            "Content-Disposition: form-data; name=\"up\"; filename=\"a;b.txt\"\r\nContent-Type: text/plain",
            "Content-Disposition: form-data; name*=utf-8''csrfmiddlewaretoken",
            "Content-Disposition: form-data; name=\"te\\\"xt\"",
            "Content-Disposition: form-data",
            "X-Other: 1\r\nno header",
        ]);
        body.extend(disposition.bytes());
        let token = token(rng);
        match rng.below(12) {
            0 => {
                body.extend(b"\r\nContent-Transfer-Encoding: base64\r\n\r\n");
                body.extend(b"Wkp4Q3JGUXNCWW9RN2tIeklETjFFaVNHek9Xcnp6VVI=");
            }
            1 => body.extend(b"\r\nno end"),
            2 => body.extend([b"\r\n\r\n", token.as_bytes(), b"\r\n"].concat()),
            3 => body.extend([b"\r\n\r\n", token.as_bytes(), b"\xff--XyX"].concat()),
            _ => body.extend([b"\r\n\r\n", token.as_bytes()].concat()),
        }
        if rng.below(12) > 0 {
            body.extend(b"\r\n");
        }
    }
    if rng.below(8) > 0 {
        body.extend(b"--XyZ--\r\n");
    }
    if rng.below(6) == 0 && !body.is_empty() {
        let at = rng.below(body.len());
        match rng.below(3) {
            0 => body.truncate(at),
            1 => body[at] = b"-\r\n;\"=:"[rng.below(7)],
            _ => drop(body.remove(at)),
        }
    }
    body
}

/// What became of a request.
#[derive(Debug)]
pub(super) struct CsrfAnswer {
    pub(super) status: u16,
    pub(super) reason: Option<String>,
    pub(super) set_cookie: Vec<String>,
    pub(super) token: Option<String>,
    /// The body as the handler saw it, where it was reached.
    pub(super) body: Vec<u8>,
}

/// A site without a database.
pub(super) fn site(settings: DjangoSettings) -> DjangoSite {
    TestSite::new(settings).build()
}

/// Sends requests to middlewares of these settings.
pub(super) async fn answers(settings: DjangoSettings, requests: &[CsrfRequest]) -> Vec<CsrfAnswer> {
    let tables = TestSite::new(settings);
    let site = tables.clone().build();
    let hooked = site.clone().after_get_user(|_, user, _| async move { Ok(Some(user)) });
    let middlewares = [site.clone(), hooked, tables.build()].map(|site| {
        DjangoSessionMiddleware::optional(site).error_handler(|error, _| {
            let mut response = error.error_response();
            let reason = match error {
                Error::CsrfFailed(reason) => reason.to_string(),
                other => format!("{other:?}"),
            };
            response.headers_mut().insert(REASON, HeaderValue::from_str(&ascii(&reason)).unwrap());
            response
        })
    });
    let mut all = Vec::new();
    for request in requests {
        let [outer, middle, inner] =
            request.layers.map(|layer| layer.of(&middlewares[layer.handle]));
        let app = App::new()
            .wrap(inner)
            .wrap(middle)
            .wrap(outer)
            .app_data(PayloadConfig::new(1 << 26))
            .service(web::resource("/token/").to(async |token: CsrfToken, body: Bytes| {
                HttpResponse::Ok().insert_header((TOKEN, token.as_str())).body(body)
            }))
            .default_service(web::to(async |body: Bytes| HttpResponse::Ok().body(body)));
        let local = (std::net::Ipv4Addr::LOCALHOST, request.port).into();
        let config =
            AppConfig::__priv_test_new(request.scheme == "https", "127.0.0.1".into(), local);
        let app = app.into_factory().new_service(config).await.unwrap();
        all.push(answer(&site, &app, request).await);
    }
    all
}

/// As large as actix reads them from a connection.
const PIECE: usize = 32 << 10;

const REASON: HeaderName = HeaderName::from_static("x-reason");
const TOKEN: HeaderName = HeaderName::from_static("x-token");

async fn answer<B: MessageBody>(
    site: &DjangoSite,
    app: &impl Service<Request, Response = ServiceResponse<B>, Error = actix_web::Error>,
    request: &CsrfRequest,
) -> CsrfAnswer {
    let mut sent = TestRequest::with_uri(&format!("/{}/", request.view))
        .method(Method::from_bytes(request.method.as_bytes()).unwrap());
    for (name, value) in &request.headers {
        let value = HeaderValue::from_bytes(value).unwrap();
        sent = sent.append_header((HeaderName::try_from(name.as_str()).unwrap(), value));
    }
    if !request.session.is_null() {
        let client = Client::new(site);
        client.update_session(&request.session).await;
        let cookie = format!("sessionid={}", client.cookie("sessionid").unwrap());
        sent = sent.append_header((COOKIE, cookie));
    }
    let mut sent = sent.set_payload(request.body.clone()).to_request();
    let pieces: Vec<_> =
        request.body.chunks(PIECE).map(|piece| Ok(piece.to_vec().into())).collect();
    *sent.payload() = Payload::Stream { payload: Box::pin(stream::iter(pieces)) };
    let response = call_service(app, sent).await;
    let values = |name: HeaderName| -> Vec<String> {
        let values = response.headers().get_all(name);
        values.map(|value| value.to_str().unwrap().to_owned()).collect()
    };
    CsrfAnswer {
        status: response.status().as_u16(),
        reason: values(REASON).pop(),
        // Of Django's answers the session's is not told.
        set_cookie: values(SET_COOKIE)
            .into_iter()
            .filter(|cookie| !cookie.starts_with("sessionid="))
            .collect(),
        token: values(TOKEN).pop(),
        body: read_body(response).await.to_vec(),
    }
}

/// What is not, as an escape: a header could not hold it.
pub(super) fn ascii(text: &str) -> String {
    text.chars()
        .flat_map(|c| if c.is_ascii() { vec![c] } else { c.escape_unicode().collect() })
        .collect()
}
