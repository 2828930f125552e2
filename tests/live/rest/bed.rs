//! A Django with the REST framework and SimpleJWT, with users, tokens and sessions, and a site of
//! this crate on the same tables.

use actix_django_session::{
    DjangoSessionMiddleware, DjangoSettings, DjangoSite, OptionalDjangoUser, RestAuth,
};
use actix_web::{
    App, HttpResponse, Responder,
    http::{Method, header::HeaderValue},
    test::{TestRequest, call_service, init_service, read_body},
    web,
};
use deadpool_postgres::{Config, Pool, Runtime};
use serde_json::{Value, json};
use testbed::{Django, Settings, TestBed};
use tokio_postgres::NoTls;

pub(crate) const PASSWORD: &str = "lovelace";
pub(crate) const CSRF: &str = "ZJxCrFQsBYoQ7kHzIDN1EiSGzOWrzzUR";

/// Tokens of ada, of an inactive user, of staff, and one with characters beyond ASCII.
pub(crate) const TOKENS: [(&str, i64); 4] = [
    ("0123456789abcdef0123456789abcdef01234567", 1),
    ("1123456789abcdef0123456789abcdef01234567", 3),
    ("2123456789abcdef0123456789abcdef01234567", 2),
    ("cl\u{e9}-key", 4),
];

pub(crate) struct Bed {
    bed: TestBed,
    exported: Value,
    /// Sessions of ada, of staff, of the inactive user, and of a user whose password has changed
    /// since.
    pub(crate) sessions: [String; 4],
    /// The MD5 of ada's password, as SimpleJWT writes it.
    pub(crate) revoke_claim: String,
}

/// The part of an answer that is compared.
#[derive(Debug, PartialEq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Value,
    pub(crate) www_authenticate: Option<String>,
    pub(crate) allow: Option<String>,
}

impl Bed {
    pub(crate) async fn start(django: Django) -> Self {
        let settings = with_rest_framework(django, Settings::default());
        let bed = TestBed::with_settings(django, settings).await.unwrap();
        let exported = bed.export_settings().await.unwrap();
        let exported = serde_json::from_str(&exported[exported.find('{').unwrap()..]).unwrap();
        let oracle = bed.oracle().await.unwrap();
        let user = async |name: &str, fields: Value| {
            let mut question = json!({ "cmd": "set_user", "username": name });
            question.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
            oracle.ask(question).await.unwrap()
        };
        user("ada", json!({ "password": PASSWORD, "email": "ada@example.com" })).await;
        user("staff", json!({ "password": "st\u{e4}ff: y", "is_staff": true, "email": "twice" }))
            .await;
        user("idle", json!({ "password": PASSWORD, "email": "twice" })).await;
        user("stale", json!({ "password": "before" })).await;
        let mut sessions = [const { String::new() }; 4];
        for (session, name) in sessions.iter_mut().zip(["ada", "staff", "idle", "stale"]) {
            *session = oracle.login(name).await.unwrap();
        }
        user("idle", json!({ "is_active": false })).await;
        user("stale", json!({ "password": "after" })).await;
        for (key, user) in TOKENS {
            let statement = format!(
                "INSERT INTO authtoken_token (key, user_id, created) VALUES ('{key}', {user}, now())"
            );
            oracle.ask(json!({ "cmd": "sql", "statement": statement })).await.unwrap();
        }
        let ada = oracle.ask(json!({ "cmd": "rest_user", "username": "ada" })).await.unwrap();
        assert_eq!(ada["id"], 1);
        let revoke_claim = ada["md5"].as_str().unwrap().to_owned();
        Self { bed, exported, sessions, revoke_claim }
    }

    pub(crate) async fn ask(&self, question: Value) -> Value {
        let oracle = self.bed.oracle().await.unwrap();
        let answer = oracle.ask(question.clone()).await;
        answer.unwrap_or_else(|error| panic!("{}: {error}", question["cmd"]))
    }

    pub(crate) fn database_url(&self) -> &str {
        self.bed.database_url()
    }

    pub(crate) fn pool(&self) -> Pool {
        let url = Some(self.database_url().to_owned());
        Config { url, ..Config::default() }.create_pool(Some(Runtime::Tokio1), NoTls).unwrap()
    }

    /// The settings of the site, with other settings of the REST framework.
    pub(crate) fn settings(&self, rest_framework: &Value) -> DjangoSettings {
        let mut exported = self.exported.clone();
        exported["rest_framework"] = rest_framework.clone();
        DjangoSettings::from_json(&exported.to_string(), Settings::SECRET_KEY).unwrap()
    }

    pub(crate) fn site(&self, settings: DjangoSettings) -> DjangoSite {
        DjangoSite::new(self.pool(), settings).unwrap()
    }
}

/// A site with the REST framework: the newest packages that support this Django, but an older
/// SimpleJWT for the oldest Django.
pub(crate) fn with_rest_framework(django: Django, settings: Settings) -> Settings {
    let (rest_framework, simplejwt) = match django {
        Django::V4_2 => ("djangorestframework==3.16.1", "djangorestframework-simplejwt==5.3.1"),
        _ => ("djangorestframework==3.18.3", "djangorestframework-simplejwt==5.5.1"),
    };
    let packages = settings.package(rest_framework).package(simplejwt);
    packages.package("PyJWT[crypto]==2.15.1").extra_apps([
        "rest_framework",
        "rest_framework.authtoken",
        "rest_framework_simplejwt",
    ])
}

/// Sends requests to four views, under the names that Django uses for them.
pub(crate) async fn answers(site: DjangoSite, requests: &[Value], sent: &[Value]) -> Vec<Answer> {
    let middleware = || {
        let methods = [Method::GET, Method::POST, Method::DELETE];
        DjangoSessionMiddleware::rest_framework(site.clone()).methods(methods)
    };
    let view = |path: &str, middleware: DjangoSessionMiddleware| {
        web::resource(path).wrap(middleware).to(describe)
    };
    let app = App::new()
        .service(view("/me/", middleware()))
        .service(view("/open/", middleware().allow_any()))
        .service(view("/staff/", middleware().is_admin_user()))
        .service(view("/read/", middleware().is_authenticated_or_read_only()));
    let app = init_service(app).await;
    let mut answers = Vec::new();
    for (request, sent) in requests.iter().zip(sent) {
        let method = Method::from_bytes(request["method"].as_str().unwrap().as_bytes()).unwrap();
        let uri = format!("/{}/", request["view"].as_str().unwrap());
        let mut built = TestRequest::with_uri(&uri).method(method);
        for header in sent["headers"].as_array().unwrap() {
            let [name, value] = [0, 1].map(|at| header[at].as_str().unwrap());
            let bytes: Vec<u8> = value.chars().map(|c| u8::try_from(c).unwrap()).collect();
            built = built.append_header((name, HeaderValue::from_bytes(&bytes).unwrap()));
        }
        let response = call_service(&app, built.to_request()).await;
        let header = |name: &str| {
            response.headers().get(name).map(|value| value.to_str().unwrap().to_owned())
        };
        let (status, www_authenticate) = (response.status().as_u16(), header("www-authenticate"));
        let allow = header("allow");
        let body = read_body(response).await;
        let body = serde_json::from_slice(&body).unwrap_or(Value::Null);
        answers.push(Answer { status, body, www_authenticate, allow });
    }
    answers
}

pub(crate) async fn describe(user: OptionalDjangoUser, auth: RestAuth) -> impl Responder {
    let by = auth.scheme().map(actix_django_session::RestScheme::name);
    HttpResponse::Ok().json(json!({ "user_id": user.0.as_ref().map(|user| user.id()), "by": by }))
}
