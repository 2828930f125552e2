//! The answers of four sets of packages, and those of a middleware, with the same clock and users.

mod skipped;
mod world;

use std::{
    collections::{BTreeMap, HashMap},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use actix_django_session::{
    DjangoSessionMiddleware, DjangoSite, OptionalDjangoUser, RestAuth, RestScheme,
};
use actix_web::{
    App, HttpResponse,
    http::{Method, header::HeaderValue},
    test::{TestRequest, call_service, init_service, read_body},
    web,
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use skipped::why_not;
use world::World;

const VECTORS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/live/rest/vectors.jsonl");

fn lines() -> Vec<Value> {
    let text = std::fs::read_to_string(VECTORS).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[testbed::test]
async fn the_middleware_answers_as_the_framework_did() {
    let mut lines = lines();
    let vectors = lines.split_off(1);
    let world = World::new(&lines[0]).await;
    let newest: HashMap<_, _> = vectors
        .iter()
        .filter(|vector| is_of_newer_packages(vector))
        .map(|vector| (vector["id"].to_string(), vector))
        .collect();
    let mut counts = BTreeMap::<&str, usize>::new();
    for vector in &vectors {
        let of_newer = newest.get(&vector["id"].to_string()).copied();
        let kind = match why_not(vector, of_newer) {
            Some(reason) => reason,
            None => replay(&world, vector).await,
        };
        *counts.entry(kind).or_default() += 1;
    }
    println!("{counts:#?}");
    let expected = [
        ("a failure for what is set, as there", 8),
        ("a failure, refused", 31),
        ("as the framework", 945),
        ("left out: JWK_URL is not supported", 16),
        ("left out: RemoteUserAuthentication is not known here", 9),
        ("left out: a body that the view parses", 2),
        ("left out: a class of the site's own", 4),
        ("left out: a header with control characters, that no server lets in", 10),
        ("left out: a permission class that is a predicate of the application here", 38),
        ("left out: a site without sessions, or with middleware of its own", 10),
        ("left out: a token class that the export does not know", 6),
        ("left out: a view of its own", 1),
        ("left out: another language than English", 7),
        ("left out: negotiation of the content, HTML", 7),
        ("left out: this crate has no UNAUTHENTICATED_USER", 1),
        ("left out: older packages, that are more lenient or fail", 64),
        ("left out: settings that the export refuses", 8),
        ("left out: the list of blocked tokens", 4),
        ("left out: users that are in no table, of a class that is not known here", 31),
        ("stricter: a token that is not in UTF-8", 7),
    ];
    assert_eq!(counts, BTreeMap::from(expected));
}

/// The differences W1 to W14 do not exist after these versions.
fn is_of_newer_packages(vector: &Value) -> bool {
    let versions = vector["versions"].as_array().unwrap();
    versions.iter().any(|versions| versions.as_str().unwrap().contains("/5.5.1/"))
}

/// Compares the answer; returns the kind of answer.
async fn replay(world: &World, vector: &Value) -> &'static str {
    world.reset().await;
    let site = world.site(vector, !is_of_newer_packages(vector));
    let answer = answer(site, vector).await;
    let expect = &vector["expect"];
    let context = || format!("{}\n{answer:?}", vector);
    let status = expect["status"].as_u64().unwrap();
    if status == 500 {
        // A wrong setting of the site is reported as one; what a client sent wrong is refused.
        return match answer.status {
            401 | 403 => "a failure, refused",
            500 if vector["kind"] == "jwt-setting" => "a failure for what is set, as there",
            _ => panic!("{}", context()),
        };
    }
    if answer.status == 401 && status == 200 && !is_utf_8(vector) {
        return "stricter: a token that is not in UTF-8";
    }
    assert_eq!(u64::from(answer.status), status, "{}", context());
    assert_eq!(
        answer.www_authenticate.as_deref(),
        expect["www_authenticate"].as_str(),
        "{}",
        context()
    );
    assert_eq!(answer.allow.as_deref(), expect["allow"].as_str(), "{}", context());
    let method = vector["method"].as_str().unwrap();
    if status == 200 && method != "OPTIONS" && method != "HEAD" {
        let by = expect["by"].as_str().map(|class| match class {
            "SessionAuthentication" => "session",
            class if class.ends_with("Basic") || class.starts_with("Basic") => "basic",
            class if class.contains("JWT") => "jwt",
            _ => "token",
        });
        let id = expect["user_id"].as_i64().map(|id| id.to_string());
        assert_eq!(answer.body["by"].as_str(), by, "{}", context());
        assert_eq!(answer.body["user_id"].as_str(), id.as_deref(), "{}", context());
        let claims = &expect["auth"]["claims"];
        if !claims.to_string().contains("\"special\"") {
            assert_eq!(answer.body["claims"], *claims, "{}", context());
        }
    } else if status != 200 && method != "HEAD" {
        assert_eq!(answer.body, expect["body"], "{}", context());
    }
    "as the framework"
}

/// Whether the parts of the token are text in UTF-8.
fn is_utf_8(vector: &Value) -> bool {
    let mut headers = vector["headers"].as_array().unwrap().iter();
    let header = headers.find(|header| header[0] == "Authorization").unwrap();
    let mut words = header[1].as_str().unwrap().split(' ');
    let parts = words.nth(1).unwrap().split('.').take(2);
    let is_text = |part: &str| {
        let bytes = URL_SAFE_NO_PAD.decode(part).unwrap();
        String::from_utf8(bytes).is_ok_and(|text| !text.contains('\0'))
    };
    parts.into_iter().all(is_text)
}

#[derive(Debug)]
struct Answer {
    status: u16,
    body: Value,
    www_authenticate: Option<String>,
    allow: Option<String>,
}

async fn answer(site: DjangoSite, vector: &Value) -> Answer {
    let seconds = vector["now"].as_f64().unwrap();
    let now: SystemTime = UNIX_EPOCH + Duration::from_secs_f64(seconds);
    let methods = match vector["path"].as_str().unwrap() {
        "/getonly/" => vec![Method::GET],
        _ => vec![Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE],
    };
    let view = DjangoSessionMiddleware::rest_framework(site).clock(move || now).methods(methods);
    let view = match vector["path"].as_str().unwrap() {
        "/any/" | "/noperm/" => view.allow_any(),
        "/admin/" => view.is_admin_user(),
        "/ro/" => view.is_authenticated_or_read_only(),
        _ => view,
    };
    let app = App::new().wrap(view).default_service(web::to(describe));
    let app = init_service(app).await;
    let method = Method::from_bytes(vector["method"].as_str().unwrap().as_bytes()).unwrap();
    let mut request =
        TestRequest::with_uri("/").method(method).append_header(("Host", "example.com"));
    if vector["scheme"] == "https" {
        request = request.append_header(("X-Forwarded-Proto", "https"));
    }
    for header in vector["headers"].as_array().unwrap() {
        let [name, value] = [0, 1].map(|at| header[at].as_str().unwrap());
        let bytes: Vec<u8> = value.chars().map(|c| u8::try_from(c).unwrap()).collect();
        request = request.append_header((name, HeaderValue::from_bytes(&bytes).unwrap()));
    }
    if let Some(body) = vector["body"].as_str() {
        request = request.set_payload(body.to_owned());
        request = request.insert_header(("Content-Length", body.len()));
    }
    let response = call_service(&app, request.to_request()).await;
    let header =
        |name: &str| response.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
    let (status, www_authenticate) = (response.status().as_u16(), header("www-authenticate"));
    let allow = header("allow");
    let body = serde_json::from_slice(&read_body(response).await).unwrap_or(Value::Null);
    Answer { status, body, www_authenticate, allow }
}

async fn describe(user: OptionalDjangoUser, auth: RestAuth) -> HttpResponse {
    // Null for a claim that JSON in Rust cannot hold: such claims are not compared.
    HttpResponse::Ok().json(json!({
        "user_id": user.0.as_ref().map(|user| user.id()),
        "by": auth.scheme().map(RestScheme::name),
        "claims": auth.claims().ok().flatten(),
    }))
}
