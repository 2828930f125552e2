//! `CSRF_USE_SESSIONS`: the secret is in the session, for Django and for this crate.

use actix_django_session::{
    CsrfToken, DjangoSessionMiddleware, DjangoSessionMut, DjangoSettings, DjangoSite,
};
use actix_web::{App, FromRequest, HttpRequest, web};
use serde_json::{Value, json};
use testbed::{Browser, Django, Settings, With};

use super::requests::SECRET;
use crate::{
    app::TestApp,
    beds::{Bed, PASSWORD, settings},
};

fn in_session() -> DjangoSettings {
    settings().with(|s| {
        s.csrf_use_sessions = true;
        s.allowed_hosts = vec!["127.0.0.1".into()];
    })
}

/// A page with a token, a form, and a login form that answers with the token of the logged-in user.
fn start(site: DjangoSite) -> TestApp {
    let log_in =
        async |session: DjangoSessionMut, site: web::Data<DjangoSite>, req: HttpRequest| {
            let ada = site.user_by_username("ada").await.unwrap();
            session.login(&ada).await.unwrap();
            CsrfToken::extract(&req).await.unwrap().as_str().to_owned()
        };
    TestApp::start(move || {
        App::new()
            .app_data(web::Data::new(site.clone()))
            .wrap(DjangoSessionMiddleware::optional(site.clone()))
            .route("/", web::get().to(async |token: CsrfToken| token.as_str().to_owned()))
            .route("/", web::post().to(async || "noted"))
            .route("/login", web::post().to(log_in))
    })
}

/// Posts a form with this token, as a page of the same site; returns the status and the text.
async fn post(browser: &Browser, url: &str, token: &str, fields: &str) -> (u16, String) {
    let (origin, _) = url.split_at(url.match_indices('/').nth(2).unwrap().0);
    let request = browser.client().post(url).header("Origin", origin);
    let request = request.header("Content-Type", "application/x-www-form-urlencoded");
    let answer = request.body(format!("csrfmiddlewaretoken={token}{fields}")).send().await.unwrap();
    (answer.status().as_u16(), answer.text().await.unwrap())
}

async fn text(browser: &Browser, url: &str) -> String {
    browser.get(url).await.unwrap().text().await.unwrap()
}

/// The token in a page of Django's.
async fn django_token(browser: &Browser, url: &str) -> String {
    let page = text(browser, url).await;
    let token = page.split_once("csrfmiddlewaretoken\" value=\"").unwrap().1;
    token.split('"').next().unwrap().to_owned()
}

/// The content of this visitor's row.
async fn secret(bed: &Bed, browser: &Browser, url: &str) -> Value {
    let cookies = browser.cookies(url).unwrap();
    assert!(!cookies.contains("csrftoken"), "the secret is in the session alone");
    let key = cookies.strip_prefix("sessionid=").unwrap();
    let row = bed.ask(json!({ "cmd": "get_row", "key": key })).await;
    let question = json!({ "cmd": "decode", "session_data": row["row"]["session_data"] });
    let json = bed.ask(question).await["json"].as_str().unwrap().to_owned();
    serde_json::from_str::<Value>(&json).unwrap()["_csrftoken"].clone()
}

#[testbed::test]
async fn django_and_the_service_share_the_secret_in_a_session() {
    let versions = Django::available().unwrap();
    for django in [versions[0], versions[versions.len() - 1]] {
        let bed = Bed::start(django, Settings::default().set("CSRF_USE_SESSIONS", true)).await;
        let app = start(bed.site_with(in_session().with(|s| s.write_sessions = true)));
        let (ours, log_in_here) = (app.url() + "/", app.url() + "/login");
        let theirs = format!("{}/", bed.bed().site().await.unwrap().url());
        let log_in_there = format!("{theirs}accounts/login/");
        let log_out_there = format!("{theirs}accounts/logout/");
        let credentials = format!("&username=ada&password={PASSWORD}");
        let is_secret = |secret: &Value| {
            let secret = secret.as_str().unwrap_or_default();
            secret.len() == 32 && secret.bytes().all(|b| b.is_ascii_alphanumeric())
        };

        // The service creates the session of an anonymous visitor, and Django accepts its token.
        let browser = Browser::new();
        let token = text(&browser, &ours).await;
        let made_here = secret(&bed, &browser, &ours).await;
        assert!(is_secret(&made_here), "{django}");
        assert_eq!(post(&browser, &log_in_there, SECRET, &credentials).await.0, 403, "{django}");
        assert_eq!(post(&browser, &log_in_there, &token, &credentials).await.0, 302, "{django}");

        // Django's login has rotated the secret: from now on Django's tokens are accepted here.
        let made_there = secret(&bed, &browser, &ours).await;
        assert!(is_secret(&made_there) && made_there != made_here, "{django}");
        assert_eq!(post(&browser, &ours, &token, "").await.0, 403, "{django}");
        let token = django_token(&browser, &theirs).await;
        assert_eq!(post(&browser, &ours, &token, "").await.0, 200, "{django}");
        // A page of the service keeps the secret, and Django accepts its token.
        let token = text(&browser, &ours).await;
        assert_eq!(secret(&bed, &browser, &ours).await, made_there, "{django}");
        assert_eq!(post(&browser, &log_out_there, &token, "").await.0, 302, "{django}");

        // An anonymous visitor of Django logs in here: that rotates the secret too.
        let browser = Browser::new();
        let token = django_token(&browser, &log_in_there).await;
        let (status, new) = post(&browser, &log_in_here, &token, "").await;
        assert_eq!(status, 200, "{django}");
        assert!(is_secret(&secret(&bed, &browser, &ours).await), "{django}");
        assert_eq!(post(&browser, &log_out_there, &token, "").await.0, 403, "{django}");
        assert_eq!(post(&browser, &log_out_there, &new, "").await.0, 302, "{django}");
    }
}

#[testbed::test]
async fn a_service_without_write_sessions_creates_no_secret_and_names_the_setting() {
    let bed = Bed::shared().await;
    let app = start(bed.site_with(in_session())).with_log();
    let key = bed.session(r#"{"a":1}"#).await;
    let row = || bed.ask(json!({ "cmd": "get_row", "key": key }));
    let before = row().await;
    for answer in [app.get("/", &key).await, app.get_without_cookie("/").await] {
        assert_eq!((answer.status, answer.header("set-cookie")), (500, None));
    }
    assert_eq!(row().await, before);
    let log = app.log().of_this_crate(&["ERROR"]).join("\n");
    assert!(log.contains("CSRF_USE_SESSIONS") && log.contains("write_sessions"), "{log}");
}

/// A page of the service stores the secret for the next request. A value that is not a secret is
/// ignored.
#[testbed::test]
async fn the_secret_can_be_in_the_session() {
    let bed = Bed::shared().await;
    let app = start(bed.site_with(in_session().with(|s| s.write_sessions = true)));
    let page = app.get_without_cookie("/").await;
    let cookie = page.header("set-cookie").unwrap();
    assert!(cookie.starts_with("sessionid=") && !cookie.contains("csrftoken"), "{cookie}");
    let cookie = cookie.split(';').next().unwrap().to_owned();
    let token = page.text();
    let send = async |app: &TestApp, cookie: &str, token: &str| {
        let headers = [("Cookie", cookie.as_bytes()), ("X-CSRFToken", token.as_bytes())];
        app.send("POST", "/", &headers).await.status
    };
    assert_eq!(send(&app, &cookie, &token).await, 200);
    assert_eq!(send(&app, &cookie, SECRET).await, 403);
    assert_eq!(send(&app, &format!("csrftoken={SECRET}"), SECRET).await, 403);
    // Once it is stored, it stays, and nothing is written.
    let again = app.get_with_cookie("/", cookie.as_bytes()).await;
    assert_eq!((again.status, again.header("set-cookie")), (200, None));
    assert_eq!(send(&app, &cookie, &again.text()).await, 200);
    let key = cookie.split_once('=').unwrap().1;
    let row = bed.ask(json!({ "cmd": "get_row", "key": key })).await;
    let question = json!({ "cmd": "decode", "session_data": row["row"]["session_data"] });
    let data: Value =
        serde_json::from_str(bed.ask(question).await["json"].as_str().unwrap()).unwrap();
    assert_eq!(data["_csrftoken"].as_str().unwrap().len(), 32);

    // Where nothing may be written, what is there is read, and what is not is no token.
    let reads = start(bed.site_with(in_session()));
    assert_eq!(send(&reads, &cookie, &token).await, 200);
    let page = reads.get_with_cookie("/", cookie.as_bytes()).await;
    assert_eq!(send(&app, &cookie, &page.text()).await, 200);
    assert_eq!(reads.get_without_cookie("/").await.status, 500);

    // A value that is not a secret is ignored and replaced.
    for broken in ["5", "[]", "\"abc\"", "null"] {
        let key = bed.session(&format!(r#"{{"_csrftoken": {broken}, "x": 1}}"#)).await;
        let cookie = format!("sessionid={key}");
        assert_eq!(send(&app, &cookie, SECRET).await, 403, "{broken}");
        let page = app.get_with_cookie("/", cookie.as_bytes()).await;
        assert_eq!(send(&app, &cookie, &page.text()).await, 200, "{broken}");
    }
}
