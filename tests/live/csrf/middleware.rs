//! Which middleware checks which requests, and when.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use actix_django_session::{
    AuthenticationBackend, CsrfReason, CsrfToken, DjangoSessionMiddleware, DjangoSessionMut,
    DjangoSettings, DjangoSite, DjangoUser, DjangoUserId, Error, Event,
    test::{self, Client, TestSite, TestUser},
};
use actix_web::{
    App, FromRequest, HttpResponse, ResponseError,
    dev::ServiceResponse,
    http::header::{COOKIE, LOCATION, ORIGIN, SET_COOKIE, UPGRADE, VARY},
    test::{TestRequest, call_service, init_service, read_body},
    web,
};
use serde_json::json;
use testbed::{Browser, Django, With};

use super::requests::{MASKED, SECRET, site};
use crate::{
    app::TestApp,
    beds::{Bed, nowhere, pool, settings},
};

fn own_settings() -> DjangoSettings {
    DjangoSettings::new("k").with(|s| s.allowed_hosts = vec!["example.com".into()])
}

fn optional() -> DjangoSessionMiddleware {
    DjangoSessionMiddleware::optional(site(own_settings()))
}

/// A request of a visitor who has the cookie.
fn post() -> TestRequest {
    TestRequest::post()
        .insert_header(("Host", "example.com"))
        .insert_header((COOKIE, format!("csrftoken={SECRET}")))
}

fn post_with_token() -> TestRequest {
    post().insert_header(("X-CSRFToken", MASKED))
}

macro_rules! app {
    ($middleware:expr) => {
        init_service(
            App::new()
                .wrap($middleware)
                .default_service(web::to(async || HttpResponse::Ok().finish())),
        )
        .await
    };
}

macro_rules! status {
    ($app:expr, $request:expr) => {
        call_service(&$app, $request.to_request()).await.status().as_u16()
    };
}

#[testbed::test]
async fn middlewares_check_around_apps_scopes_and_resources() {
    let handler = || web::to(async || HttpResponse::Ok().finish());
    let app = init_service(
        App::new()
            .service(web::scope("/scope").wrap(optional()).route("/x", handler()))
            .service(web::resource("/resource").wrap(optional()).route(handler()))
            .route("/outside", handler()),
    )
    .await;
    for (path, status) in [("/scope/x", 403), ("/resource", 403), ("/outside", 200)] {
        assert_eq!(status!(app, post().uri(path)), status, "{path}");
        assert_eq!(status!(app, post_with_token().uri(path)), 200, "{path}");
    }
    assert_eq!(status!(app!(optional()), post()), 403);
}

#[testbed::test]
async fn every_middleware_checks_csrf_before_it_looks_up_the_user() {
    let middlewares = [
        DjangoSessionMiddleware::optional,
        DjangoSessionMiddleware::required,
        DjangoSessionMiddleware::login_required,
    ];
    for middleware in middlewares {
        let site = DjangoSite::new(pool(&nowhere()), own_settings()).unwrap();
        let app = app!(middleware(site).respond_401());
        // The session cannot be looked up: there is no database.
        let cookies = format!("csrftoken={SECRET}; sessionid=kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk");
        let visitor = || TestRequest::post().insert_header((COOKIE, cookies.as_str()));
        assert_eq!(status!(app, visitor()), 403);
        assert_eq!(status!(app, visitor().insert_header(("X-CSRFToken", SECRET))), 503);
    }
}

#[testbed::test]
async fn anonymous_visitors_with_a_valid_form_are_redirected_to_log_in() {
    let app = app!(DjangoSessionMiddleware::login_required(site(own_settings())));
    let refused = call_service(&app, post().to_request()).await;
    assert_eq!((refused.status().as_u16(), refused.headers().get(LOCATION)), (403, None));
    assert_eq!(refused.headers().get(VARY).unwrap(), "Cookie");
    assert!(read_body(refused).await.is_empty());
    assert_eq!(status!(app, post_with_token()), 302);
}

#[testbed::test]
async fn nested_middlewares_check_once() {
    let refusals = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&refusals);
    let site = site(own_settings()).on_event(move |event| {
        if matches!(event, Event::Rejected { reason: "csrf_failed", .. }) {
            counted.fetch_add(1, Ordering::Relaxed);
        }
    });
    let middleware = DjangoSessionMiddleware::optional(site);
    let app = init_service(
        App::new().wrap(middleware.clone()).wrap(middleware.clone()).service(
            web::scope("")
                .wrap(middleware)
                .route("/token", web::to(async |token: CsrfToken| token.input()))
                .default_service(web::to(async |body: String| body)),
        ),
    )
    .await;
    let form = format!("csrfmiddlewaretoken={SECRET}");
    let sent = post()
        .insert_header(("Content-Type", "application/x-www-form-urlencoded"))
        .set_payload(form.clone());
    assert_eq!(read_body(call_service(&app, sent.to_request()).await).await, form);
    assert_eq!(status!(app, post()), 403);
    assert_eq!(refusals.load(Ordering::Relaxed), 1);
    // One cookie for all of them.
    let page = call_service(&app, TestRequest::with_uri("/token").to_request()).await;
    assert_eq!(page.headers().get_all(SET_COOKIE).count(), 1);
    assert_eq!(page.headers().get_all(VARY).count(), 1);
}

#[testbed::test]
async fn a_middleware_inside_an_exempt_one_still_checks_csrf() {
    let exempt = optional().csrf_exempt();
    let handler = || web::to(async || HttpResponse::Ok().finish());
    let app = init_service(
        App::new()
            .wrap(exempt)
            .service(web::resource("/checked").wrap(optional()).route(handler()))
            .default_service(handler()),
    )
    .await;
    let evil = || post().insert_header((ORIGIN, "http://evil.com"));
    assert_eq!(status!(app, evil()), 200);
    assert_eq!(status!(app, evil().uri("/checked")), 403);
    assert_eq!(status!(app, post().uri("/checked")), 403);
    assert_eq!(status!(app, post_with_token().uri("/checked")), 200);
    // A cookie that is not a secret is replaced all the same.
    let broken = TestRequest::post().insert_header((COOKIE, "csrftoken=broken"));
    let answer = call_service(&app, broken.to_request()).await;
    assert_eq!(answer.status(), 200);
    assert!(answer.headers().get(SET_COOKIE).unwrap().to_str().unwrap().starts_with("csrftoken="));
}

#[testbed::test]
async fn a_middleware_for_apis_checks_csrf_of_users_with_a_session() {
    let site = test::site().user(TestUser::new(7, "ada")).build();
    let app = app!(DjangoSessionMiddleware::optional(site.clone()).csrf_if_logged_in());
    assert_eq!(status!(app, TestRequest::post()), 200);
    let bearer = TestRequest::post().insert_header(("Authorization", "Bearer x"));
    assert_eq!(status!(app, bearer.insert_header((ORIGIN, "http://evil.com"))), 200);

    let client = Client::new(&site).enforce_csrf_checks();
    assert_eq!(client.send(&app, TestRequest::post()).await.status(), 200);
    client.update_session(&json!({ "cart": [1] })).await;
    assert_eq!(client.send(&app, TestRequest::post()).await.status(), 200);
    client.force_login("ada").await;
    assert_eq!(client.send(&app, TestRequest::post()).await.status(), 403);
    assert_eq!(client.send(&app, post_with_token()).await.status(), 200);

    // A visitor who cannot be looked up is refused, whatever the request contains.
    let site = DjangoSite::new(pool(&nowhere()), own_settings()).unwrap();
    let app = app!(DjangoSessionMiddleware::optional(site).csrf_if_logged_in());
    let cookie = (COOKIE, "sessionid=kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk");
    assert_eq!(status!(app, TestRequest::post().insert_header(cookie)), 503);
}

#[testbed::test]
async fn a_middleware_for_apis_looks_up_the_user_in_djangos_tables() {
    let bed = Bed::shared().await;
    let site = bed.site();
    let app = TestApp::start(move || {
        let middleware = DjangoSessionMiddleware::optional(site.clone()).csrf_if_logged_in();
        App::new().wrap(middleware).default_service(web::to(async || "done"))
    });
    let key = bed.login("ada").await;
    let anonymous = bed.session(r#"{"cart": [1]}"#).await;
    let idle = bed.login("idle").await;
    for (key, status) in [(&key, 403), (&anonymous, 200), (&idle, 403), (&"x".repeat(32), 200)] {
        let cookie = format!("sessionid={key}");
        assert_eq!(app.send("POST", "/", &[("Cookie", cookie.as_bytes())]).await.status, status);
    }
    let cookies = format!("sessionid={key}; csrftoken={SECRET}");
    let sound = [("Cookie", cookies.as_bytes()), ("X-CSRFToken", MASKED.as_bytes())];
    assert_eq!(app.send("DELETE", "/", &sound).await.status, 200);

    // An id in a form that Django reads but never writes also names a user.
    let question = json!({ "cmd": "get_user", "username": "ada" });
    let hash = bed.ask(question).await["session_auth_hash"].take();
    let site = bed.site();
    let with_user = TestApp::start(move || {
        let middleware = DjangoSessionMiddleware::optional(site.clone()).csrf_if_logged_in();
        App::new().wrap(middleware).default_service(web::to(async |_: DjangoUser| "done"))
    });
    for id in ["1", "true", "1.0", "1e0"] {
        let backend = "django.contrib.auth.backends.ModelBackend";
        let key = bed
            .session(&format!(
                r#"{{"_auth_user_id": {id}, "_auth_user_backend": "{backend}", "_auth_user_hash": {hash}}}"#
            ))
            .await;
        assert_eq!(with_user.get("/", &key).await.status, 200, "{id}");
        let cookie = format!("sessionid={key}");
        let answer = with_user.send("POST", "/", &[("Cookie", cookie.as_bytes())]).await;
        assert_eq!(answer.status, 403, "{id}");
    }

    // A user who is stored elsewhere may be logged in.
    let mut elsewhere = AuthenticationBackend::new("sso.Backend");
    elsewhere.reads_users = false;
    let site = bed.site_with(settings().with(|s| s.authentication_backends = vec![elsewhere]));
    let app = TestApp::start(move || {
        let middleware = DjangoSessionMiddleware::required(site.clone()).csrf_if_logged_in();
        App::new().wrap(middleware).default_service(web::to(async |_: DjangoUserId| "done"))
    });
    let named = r#"{"_auth_user_id": "7", "_auth_user_backend": "sso.Backend"}"#;
    let cookie = format!("sessionid={}", bed.session(named).await);
    assert_eq!(app.send("POST", "/", &[("Cookie", cookie.as_bytes())]).await.status, 403);

    let away = DjangoSite::new(pool(&nowhere()), settings()).unwrap();
    let app = TestApp::start(move || {
        let middleware = DjangoSessionMiddleware::optional(away.clone()).csrf_if_logged_in();
        App::new().wrap(middleware).default_service(web::to(async || "done"))
    });
    assert_eq!(app.send("DELETE", "/", &sound).await.status, 503);
}

#[testbed::test]
async fn only_pages_of_the_site_can_open_a_web_socket() {
    let app = app!(optional());
    let handshake = || {
        TestRequest::get()
            .insert_header(("Host", "example.com"))
            .insert_header(("Connection", "Upgrade"))
            .insert_header((UPGRADE, "WebSocket"))
    };
    let from = |origin| handshake().insert_header((ORIGIN, origin));
    assert_eq!(status!(app, from("http://example.com")), 200);
    assert_eq!(status!(app, from("http://evil.com")), 403);
    assert_eq!(status!(app, from("null")), 403);
    // Without a browser there is no session of a visitor that could be misused.
    assert_eq!(status!(app, handshake()), 200);
    assert_eq!(status!(app, from("http://evil.com").insert_header((UPGRADE, "h2c"))), 200);
    let exempt = app!(optional().csrf_exempt());
    assert_eq!(status!(exempt, from("http://evil.com")), 200);
}

#[testbed::test]
async fn an_error_handler_can_answer_as_the_rest_framework() {
    let middleware = optional().error_handler(|error, _| match error {
        Error::CsrfFailed(reason) => {
            HttpResponse::Forbidden().json(json!({ "detail": format!("CSRF Failed: {reason}") }))
        }
        error => error.error_response(),
    });
    let app = app!(middleware);
    let answer = call_service(&app, post().to_request()).await;
    assert_eq!(answer.status(), 403);
    assert_eq!(read_body(answer).await, r#"{"detail":"CSRF Failed: CSRF token missing."}"#);
    assert_eq!(Error::CsrfFailed(CsrfReason::TokenMissing).reason(), Some("csrf_failed"));
    assert!(!Error::CsrfFailed(CsrfReason::NoCookie).wants_login());
}

/// A page with a form, for refused visitors: the new token is in its cookie.
#[testbed::test]
async fn an_error_handler_can_make_a_page_with_a_form() {
    let middleware = optional().error_handler(|_, req| {
        let token = CsrfToken::from_request(req, &mut actix_web::dev::Payload::None);
        let token = token.into_inner().expect("the request came to a middleware");
        HttpResponse::Forbidden().body(token.as_str().to_owned())
    });
    let app = app!(middleware);
    let answer = call_service(&app, TestRequest::post().to_request()).await;
    let cookie = cookie_of(&answer);
    let token = String::from_utf8(read_body(answer).await.to_vec()).unwrap();
    let again =
        TestRequest::post().insert_header((COOKIE, cookie)).insert_header(("X-CSRFToken", token));
    assert_eq!(status!(app, again), 200);
}

fn cookie_of<B>(answer: &ServiceResponse<B>) -> String {
    let cookie = answer.headers().get(SET_COOKIE).unwrap().to_str().unwrap();
    cookie.split(';').next().unwrap().to_owned()
}

#[testbed::test]
async fn each_token_is_different_and_all_are_accepted() {
    let page = web::get().to(async |one: CsrfToken, other: CsrfToken| {
        assert_ne!(one.as_str(), other.as_str());
        let input = other.input();
        assert!(input.starts_with("<input type=\"hidden\" name=\"csrfmiddlewaretoken\" value=\""));
        assert!(input.contains(other.as_str()) && input.ends_with("\">"));
        format!("{} {}", one.as_str(), other.as_str())
    });
    let post = web::post().to(async || "done");
    let app = init_service(App::new().wrap(optional()).route("/", page).route("/", post)).await;
    let answer = call_service(&app, TestRequest::get().to_request()).await;
    let cookie = cookie_of(&answer);
    let body = read_body(answer).await;
    let tokens = std::str::from_utf8(&body).unwrap();
    for token in tokens.split(' ') {
        let request = TestRequest::post()
            .insert_header((COOKIE, cookie.as_str()))
            .insert_header(("X-CSRFToken", token));
        assert_eq!(status!(app, request), 200);
    }
    // The cookie is renewed with the same secret.
    let again = TestRequest::get().insert_header((COOKIE, cookie.as_str()));
    assert_eq!(cookie_of(&call_service(&app, again.to_request()).await), cookie);
}

#[testbed::test]
async fn without_a_middleware_a_token_fails_and_names_the_fix() {
    let app = TestApp::start(|| {
        App::new().route("/", web::get().to(async |token: CsrfToken| token.input()))
    })
    .with_log();
    assert_eq!(app.get_without_cookie("/").await.status, 500);
    assert!(app.log().of_this_crate(&["ERROR"])[0].contains("CsrfToken"));
}

#[testbed::test]
async fn the_test_client_sends_a_token_wherever_the_secret_is() {
    for in_sessions in [false, true] {
        let settings = own_settings().with(|settings| {
            settings.csrf_use_sessions = in_sessions;
            settings.write_sessions = true;
        });
        let site = TestSite::new(settings).build();
        let app = app!(DjangoSessionMiddleware::optional(site.clone()));
        let (client, forger) = (Client::new(&site), Client::new(&site).enforce_csrf_checks());
        for _ in 0..2 {
            assert_eq!(client.send(&app, TestRequest::post()).await.status(), 200);
            assert_eq!(forger.send(&app, TestRequest::post()).await.status(), 403);
        }
        assert_eq!(client.cookie("csrftoken").is_some(), !in_sessions);
        assert_eq!(client.session().await.is_empty(), !in_sessions);
    }
}

#[testbed::test]
async fn improper_settings_are_refused_at_start() {
    for settings in [
        own_settings().with(|s| s.csrf_trusted_origins = vec!["example.com".into()]),
        own_settings().with(|s| s.csrf_header_name = "HTTP_X_CSRFTOKEN".into()),
        own_settings().with(|s| s.csrf_cookie_name = "a b".into()),
    ] {
        let pool = pool(&nowhere());
        let error = DjangoSite::new(pool, settings).unwrap_err();
        assert!(
            matches!(&error, Error::ImproperlyConfigured(text) if text.contains("CSRF_")),
            "{error}"
        );
    }
}

/// The token of a Django page is accepted here, and the token of a page of the service in Django.
#[testbed::test]
async fn tokens_are_exchanged_with_a_running_django() {
    for django in Django::available().unwrap() {
        let bed = Bed::of(django).await;
        let django_site = bed.bed().site().await.unwrap();
        let site = bed.site_with(settings().with(|s| s.allowed_hosts = vec!["127.0.0.1".into()]));
        let app = TestApp::start(move || {
            let middleware = DjangoSessionMiddleware::login_required(site.clone());
            App::new()
                .wrap(middleware)
                .route("/", web::get().to(async |token: CsrfToken| token.input()))
                .route("/", web::post().to(async || "noted"))
        });
        let browser = Browser::new();
        browser.login(django_site, "ada", crate::beds::PASSWORD).await.unwrap();
        // Django's own page has the token, and its cookie is sent to every port of this host.
        let page =
            browser.get(&format!("{}/", django_site.url())).await.unwrap().text().await.unwrap();
        let ours = browser.get(&app.url()).await.unwrap().text().await.unwrap();
        let post = async |url: &str, origin: &str, page: &str| {
            let token = page.split_once("csrfmiddlewaretoken\" value=\"").unwrap().1;
            let form = format!("csrfmiddlewaretoken={}", token.split('"').next().unwrap());
            let request = browser.client().post(url).header("Origin", origin);
            let request = request.header("Content-Type", "application/x-www-form-urlencoded");
            request.body(form).send().await.unwrap().status().as_u16()
        };
        assert_eq!(post(&app.url(), &app.url(), &page).await, 200, "{django}");
        assert_eq!(post(&app.url(), django_site.url(), &page).await, 403, "{django}");
        let logout = format!("{}/accounts/logout/", django_site.url());
        assert_eq!(post(&logout, django_site.url(), &ours).await, 302, "{django}");
        assert!(browser.get(&app.url()).await.unwrap().status().is_redirection(), "{django}");
    }
}

/// A login creates a new secret, so that a secret known before the login becomes useless.
#[testbed::test]
async fn a_login_rotates_the_secret() {
    let bed = Bed::shared().await;
    for use_sessions in [false, true] {
        let mut settings = settings();
        settings.csrf_use_sessions = use_sessions;
        settings.write_sessions = true;
        let site = bed.site_with(settings);
        let app = TestApp::start(move || {
            let middleware = DjangoSessionMiddleware::optional(site.clone());
            let log_in = async |session: DjangoSessionMut,
                                site: web::Data<DjangoSite>,
                                req: actix_web::HttpRequest| {
                let ada = site.user_by_username("ada").await.unwrap();
                session.login(&ada).await.unwrap();
                // A token of the new secret, in the same request.
                CsrfToken::extract(&req).await.unwrap().as_str().to_owned()
            };
            App::new()
                .app_data(web::Data::new(site.clone()))
                .wrap(middleware)
                .route("/", web::get().to(async |token: CsrfToken| token.as_str().to_owned()))
                .route("/", web::post().to(async || "done"))
                .route("/login", web::post().to(log_in))
        });
        let mut cookies = std::collections::BTreeMap::new();
        let mut send = async |method: &str, path: &str, token: &str| {
            let all: Vec<_> =
                cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
            let all = all.join("; ");
            let headers = [("Cookie", all.as_bytes()), ("X-CSRFToken", token.as_bytes())];
            let answer = app.send(method, path, &headers).await;
            for cookie in answer.header("set-cookie").iter().flat_map(|all| all.split(", ")) {
                if let Some((name, value)) = cookie.split(';').next().unwrap().split_once('=')
                    && ["csrftoken", "sessionid"].contains(&name)
                {
                    cookies.insert(name.to_owned(), value.to_owned());
                }
            }
            (answer.status, answer.text(), cookies.clone())
        };
        let (_, old, before) = send("GET", "/", "").await;
        assert_eq!(send("POST", "/", &old).await.0, 200);
        let (status, new, after) = send("POST", "/login", &old).await;
        assert_eq!(status, 200);
        let secret = if use_sessions { "sessionid" } else { "csrftoken" };
        assert_ne!(before[secret], after[secret], "{use_sessions}");
        assert_eq!(send("POST", "/", &old).await.0, 403, "{use_sessions}");
        assert_eq!(send("POST", "/", &new).await.0, 200, "{use_sessions}");
    }
}
