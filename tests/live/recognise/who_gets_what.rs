//! Every cell of the documentation's table "who gets what".

use std::time::{Duration, Instant};

use actix_django_session::{DjangoSessionMiddleware, DjangoSite, DjangoUserId, Error};
use actix_web::{
    App, HttpResponse, ResponseError,
    body::BoxBody,
    dev::ServiceResponse,
    error::ErrorImATeapot,
    http::header::{HeaderName, HeaderValue},
    middleware::{Compress, DefaultHeaders, Next, from_fn},
    web,
};
use deadpool_postgres::PoolConfig;
use serde_json::json;
use testbed::{Django, Postgres, Settings, With};

use crate::{
    app::{Answer, TestApp, routes},
    beds::{self, Bed, nowhere, out_of_reach, pool, pool_with, settings},
};

/// The routes behind each middleware, and without a middleware.
fn every_middleware(site: &DjangoSite) -> TestApp {
    let optional = DjangoSessionMiddleware::optional(site.clone());
    let required = DjangoSessionMiddleware::required(site.clone());
    let api = DjangoSessionMiddleware::required(site.clone()).respond_401();
    let optional_api = DjangoSessionMiddleware::optional(site.clone()).respond_401();
    let own = DjangoSessionMiddleware::required(site.clone()).error_handler(|error, req| {
        HttpResponse::build(error.status_code())
            .insert_header(("x-path", req.path()))
            .body(format!("own: {error}"))
    });
    TestApp::start(move || {
        App::new()
            .service(web::scope("/none").configure(routes))
            .service(web::scope("/optional").wrap(optional.clone()).configure(routes))
            .service(web::scope("/required").wrap(required.clone()).configure(routes))
            .service(web::scope("/api").wrap(api.clone()).configure(routes))
            .service(web::scope("/optional-api").wrap(optional_api.clone()).configure(routes))
            .service(web::scope("/own").wrap(own.clone()).configure(routes))
    })
    .with_log()
}

const EXTRACTORS: [&str; 5] = ["nothing", "session", "optional", "user", "number"];

/// The response that a visitor gets at a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Gets {
    /// The handler's page with this text.
    Page(&'static str),
    /// The middleware's rejection.
    Rejected,
    /// A 500.
    Fails,
    /// A 503.
    Unavailable,
}

use Gets::{Fails, Page, Rejected, Unavailable};

/// Compares the responses for each extractor, behind `optional` and behind `required`, with a line of the
/// table.
async fn assert_gets(app: &TestApp, cookie: &str, optional: [Gets; 5], required: [Gets; 5]) {
    for (middleware, gets) in [
        ("optional", optional),
        ("optional-api", optional),
        ("required", required),
        ("api", required),
        ("own", required),
    ] {
        for (extractor, gets) in EXTRACTORS.into_iter().zip(gets) {
            let path = format!("/{middleware}/{extractor}");
            let answer = match cookie {
                "" => app.get_without_cookie(&path).await,
                cookie => app.get(&path, cookie).await,
            };
            assert_answer(middleware, &path, &answer, gets);
        }
    }
}

fn assert_answer(middleware: &str, path: &str, answer: &Answer, gets: Gets) {
    assert_eq!(answer.header("vary").as_deref(), Some("Cookie"), "{path} {answer:?}");
    assert_eq!(answer.header("set-cookie"), None, "{path} {answer:?}");
    let (status, location) = match (gets, middleware) {
        (Page(_), _) => (200, None),
        (Rejected, "optional" | "required") => (302, Some(format!("/accounts/login/?next={path}"))),
        (Rejected, _) => (401, None),
        (Fails, _) => (500, None),
        (Unavailable, _) => (503, None),
    };
    assert_eq!(answer.status, status, "{path} {gets:?} {answer:?}");
    assert_eq!(answer.header("location"), location, "{path} {answer:?}");
    match gets {
        Page(text) => assert!(answer.text().contains(text), "{path} {gets:?} {answer:?}"),
        _ if middleware == "own" => {
            assert!(answer.text().starts_with("own: "), "{path} {answer:?}");
            assert_eq!(answer.header("x-path").as_deref(), Some(path));
        }
        _ => assert_eq!(answer.text(), "", "{path}"),
    }
    // The header is there even if the application's error handler does not set it.
    let retry_after = (gets == Unavailable).then(|| "1".to_owned());
    assert_eq!(answer.header("retry-after"), retry_after, "{path} {answer:?}");
}

const NO_SESSION: [[Gets; 5]; 2] =
    [[Page("a page"), Rejected, Page("null"), Rejected, Rejected], [Rejected; 5]];

#[testbed::test]
async fn without_a_middleware_extractors_fail_and_the_log_names_the_fix() {
    let bed = Bed::shared().await;
    let app = every_middleware(&bed.site());
    let key = bed.login("ada").await;
    assert_eq!(app.get("/none/nothing", &key).await.text(), "a page");
    for extractor in &EXTRACTORS[1..] {
        app.log().clear();
        let answer = app.get(&format!("/none/{extractor}"), &key).await;
        assert_eq!((answer.status, answer.text()), (500, String::new()), "{extractor}");
        let log = app.log().of_this_crate(&["WARN", "ERROR"]);
        assert_eq!(log.len(), 1, "{log:?}");
        for hint in [".wrap(DjangoSessionMiddleware::", "last one added runs first"] {
            assert!(log[0].contains(hint), "{log:?}");
        }
    }
}

#[testbed::test]
async fn without_a_session_key_the_database_is_not_asked() {
    let pool = pool(&nowhere());
    let app = every_middleware(&DjangoSite::new(pool.clone(), settings()).unwrap());
    let [optional, required] = NO_SESSION;
    for cookie in ["", "short", "1234567", "\"1234567\"", "ä😀ä😀", "\"aaaaaaa\\000aaaa\""] {
        assert_gets(&app, cookie, optional, required).await;
    }
    assert_eq!(pool.status().size, 0);
    // Any other key needs the database, which cannot be reached.
    assert_eq!(app.get("/optional/nothing", "12345678").await.status, 503);
}

#[testbed::test]
async fn unknown_and_expired_sessions_count_as_no_session() {
    let bed = Bed::shared().await;
    let app = every_middleware(&bed.site());
    let [optional, required] = NO_SESSION;
    assert_gets(&app, "there-is-no-such-session", optional, required).await;
    // The key is longer than the column, so no row can have it.
    assert_gets(&app, &"a".repeat(41), optional, required).await;
    assert_gets(&app, &"a".repeat(100_000), optional, required).await;

    let key = bed.login("ada").await;
    let row = bed.ask(json!({ "cmd": "get_row", "key": key })).await["row"].take();
    bed.ask(json!({
        "cmd": "put_row", "key": key, "session_data": row["session_data"],
        "expire_date": "2024-01-01T00:00:00+00:00",
    }))
    .await;
    assert_gets(&app, &key, optional, required).await;
}

#[testbed::test]
async fn a_session_that_cannot_be_decoded_is_a_session_without_a_user() {
    let bed = Bed::shared().await;
    let app = every_middleware(&bed.site());
    let undecodable = Page(r#""json":null"#);
    let gets = [Page("a page"), undecodable, undecodable, Rejected, Rejected];
    let not_decoded = "session data cannot be decoded";
    for (what, message) in [
        (json!({ "secret": "another secret", "obj_json": "{}" }), "no key opens the session data"),
        (json!({ "obj_json": "no JSON" }), not_decoded),
        (json!({ "obj_json": "[]" }), not_decoded),
        (json!({ "obj_json": "{}", "timestamp": null }), not_decoded),
    ] {
        let key = bed.session("{}").await;
        let mut question = what.clone();
        question["cmd"] = "sign_row".into();
        question["key"] = key.clone().into();
        bed.ask(question).await;
        assert_gets(&app, &key, gets, gets).await;
        assert_logged_once(&every_middleware(&bed.site()), "/required/user", &key, message).await;
    }
}

/// Every visitor of a site may have such a session: a log line for each would fill the disk.
#[testbed::test]
async fn a_fault_that_locks_out_all_users_is_logged_once_a_minute() {
    let bed = Bed::shared().await;
    for (json, message) in [
        (
            r#"{"_auth_user_id":"1","_auth_user_backend":"site.Other","_auth_user_hash":"x"}"#,
            "site.Other",
        ),
        (
            r#"{"_auth_user_id":"01M8AA5J8FXTY5GAFW115994ZV","_auth_user_backend":"django.contrib.auth.backends.ModelBackend","_auth_user_hash":"x"}"#,
            "is not a valid primary key",
        ),
    ] {
        let key = bed.session(json).await;
        let middleware = DjangoSessionMiddleware::login_required(bed.site());
        let app = TestApp::start(move || App::new().wrap(middleware.clone()).configure(routes))
            .with_log();
        assert_logged_once(&app, "/nothing", &key, message).await;
    }
}

/// Makes a hundred requests; checks that the first is logged, and one more in each further minute.
async fn assert_logged_once(app: &TestApp, path: &str, key: &str, message: &str) {
    app.log().clear();
    let start = Instant::now();
    for _ in 0..100 {
        app.get(path, key).await;
    }
    let log = app.log().of_this_crate(&["WARN", "ERROR"]);
    let minutes = start.elapsed().as_secs() / 60;
    assert!((1..=1 + minutes).contains(&(log.len() as u64)), "{minutes} minutes: {log:?}");
    assert!(log.iter().all(|line| line.contains(message)), "{message}: {log:?}");
    assert!(log[0].contains("unlogged=0"), "{log:?}");
}

#[testbed::test]
async fn a_session_without_a_user_is_anonymous() {
    let bed = Bed::shared().await;
    let app = every_middleware(&bed.site());
    for json in [r#"{"cart":1}"#, "{}", r#"{"_auth_user_id":null}"#, r#"{"_auth_user_id":""}"#] {
        let key = bed.session(json).await;
        let anonymous = Page(r#""user_id":null"#);
        let gets = [Page("a page"), anonymous, anonymous, Rejected, Rejected];
        assert_gets(&app, &key, gets, gets).await;
    }
}

#[testbed::test]
async fn an_id_of_another_type_than_the_handler_expects_is_a_500() {
    let bed = Bed::shared().await;
    let app = every_middleware(&bed.site());
    let key = bed.session(r#"{"_auth_user_id":"01234567-89ab-cdef"}"#).await;
    let id = Page("01234567-89ab-cdef");
    let gets = [Page("a page"), id, id, id, Fails];
    assert_gets(&app, &key, gets, gets).await;
    app.log().clear();
    app.get("/required/number", &key).await;
    let log = app.log().of_this_crate(&["WARN", "ERROR"]);
    assert_eq!(log.len(), 1, "{log:?}");
    assert!(log[0].contains("`i64`") && !log[0].contains("01234567"), "{log:?}");
}

#[testbed::test]
async fn a_user_who_logged_in_at_django_is_known_by_id() {
    let bed = Bed::shared().await;
    let app = every_middleware(&bed.site());
    for (name, id) in [("ada", "1"), ("grace", "2")] {
        let key = bed.login(name).await;
        let session = if id == "1" { r#""user_id":"1""# } else { r#""user_id":"2""# };
        let gets = [Page("a page"), Page(session), Page(session), Page(id), Page(id)];
        assert_gets(&app, &key, gets, gets).await;
    }
    assert_eq!(app.log().of_this_crate(&["WARN", "ERROR"]), [""; 0]);
}

#[testbed::test]
async fn without_a_database_every_visitor_gets_a_503_and_is_never_anonymous() {
    let app = every_middleware(&out_of_reach(settings()));
    assert_gets(&app, "12345678", [Unavailable; 5], [Unavailable; 5]).await;

    // At most one line a second, because all of these requests fail in the same way.
    let log = app.log().of_this_crate(&["WARN", "ERROR"]);
    assert!((1..25).contains(&log.len()), "{log:?}");
    // The line has the whole chain of errors, down to the error of the operating system.
    assert!(log[0].contains("no database connection") && log[0].contains("refused"), "{log:?}");
}

#[testbed::test]
async fn without_a_session_table_every_visitor_gets_a_503() {
    let bed = Bed::shared().await;
    let app = every_middleware(
        &bed.site_with(settings().with(|s| s.session_table = "no_such_table".into())),
    );
    assert_gets(&app, "12345678", [Unavailable; 5], [Unavailable; 5]).await;
}

/// The crate takes only the address of the database from the pool.
#[testbed::test]
async fn an_exhausted_pool_does_not_fail_requests() {
    let bed = Bed::shared().await;
    let key = bed.login("ada").await;
    let pool = pool_with(bed.bed().database_url(), PoolConfig::new(1));
    let app = every_middleware(&DjangoSite::new(pool.clone(), settings()).unwrap());
    let taken = pool.get().await.unwrap();
    assert_eq!(app.get("/required/user", &key).await.text(), "1");
    drop(taken);
}

#[testbed::test]
async fn a_lookup_that_takes_too_long_is_a_503() {
    let settings = Settings::default();
    let postgres = Postgres::shared().await.unwrap();
    let database = postgres.django_database(Django::default(), &settings).await.unwrap();
    let pool = pool(database.url());
    let timeout = Duration::from_millis(50);
    let site =
        DjangoSite::new(pool.clone(), beds::settings().with(|s| s.timeout = timeout)).unwrap();
    let app = every_middleware(&site);
    let client = pool.get().await.unwrap();
    client.batch_execute("BEGIN; LOCK TABLE django_session").await.unwrap();
    assert_gets(&app, "12345678", [Unavailable; 5], [Unavailable; 5]).await;
    client.batch_execute("ROLLBACK").await.unwrap();
    // A busy machine may need more than the timeout for some of the responses.
    let start = Instant::now();
    loop {
        match app.get("/required/user", "12345678").await.status {
            503 => assert!(start.elapsed() < Duration::from_secs(60), "it does not recover"),
            status => break assert_eq!(status, 302),
        }
    }
}

#[testbed::test]
async fn a_dead_connection_causes_no_error() {
    let bed = Bed::start(Django::default(), Settings::default()).await;
    let app = every_middleware(&bed.site());
    let key = bed.login("ada").await;
    for _ in 0..3 {
        assert_eq!(app.get("/required/user", &key).await.text(), "1");
        bed.bed().database().terminate_backends().await.unwrap();
        assert_eq!(app.get("/required/user", &key).await.text(), "1");
    }
}

#[testbed::test]
async fn the_login_url_can_be_set_for_each_middleware() {
    let bed = Bed::shared().await;
    let site = bed.site_with(settings().with(|s| s.login_url = "/login".into()));
    let middleware = DjangoSessionMiddleware::required(site);
    let app = TestApp::start(move || {
        let scope = |path, middleware| web::scope(path).wrap(middleware).configure(routes);
        App::new()
            .service(scope("/a", middleware.clone()))
            .service(scope("/b", middleware.clone().login_url("/other/?x=1")))
            .service(scope("/c", middleware.clone().redirect_field_name("back")))
            .service(scope("/d", middleware.clone().redirect_field_name("")))
            .service(scope("/e", middleware.clone().respond_401().login_url("/other/")))
            .service(scope("/f", middleware.clone().csrf_exempt()))
    });
    for (path, status, location) in [
        ("/a/user?y=2", 302, Some("/login?next=/a/user%3Fy%3D2")),
        ("/b/user?y=2", 302, Some("/other/?x=1&next=/b/user%3Fy%3D2")),
        ("/c/user?y=2", 302, Some("/login?back=/c/user%3Fy%3D2")),
        ("/d/user?y=2", 302, Some("/login")),
        ("/e/user?y=2", 401, None),
    ] {
        let answer = app.get_without_cookie(path).await;
        assert_eq!((answer.status, answer.header("location").as_deref()), (status, location));
    }
    // Any method is redirected, as in Django, after it has passed the CSRF check.
    let answer = app.send("POST", "/a/user", &[]).await;
    assert_eq!(answer.status, 403);
    let answer = app.send("POST", "/f/user", &[]).await;
    assert_eq!(
        (answer.status, answer.header("location").as_deref()),
        (302, Some("/login?next=/f/user"))
    );
}

#[testbed::test]
async fn a_middleware_can_wrap_apps_scopes_and_resources() {
    let bed = Bed::shared().await;
    let key = bed.login("ada").await;
    let middleware = DjangoSessionMiddleware::required(bed.site());
    let whole = {
        let middleware = middleware.clone();
        TestApp::start(move || App::new().wrap(middleware.clone()).configure(routes))
    };
    let part = TestApp::start(move || {
        App::new()
            .service(web::scope("/scope").wrap(middleware.clone()).configure(routes))
            .service(
                web::resource("/resource")
                    .wrap(middleware.clone())
                    .to(async |id: DjangoUserId| id.0),
            )
            .route("/open", web::get().to(async || "open"))
    });
    for (app, path) in [(&whole, "/user"), (&part, "/scope/user"), (&part, "/resource")] {
        assert_eq!(app.get(path, &key).await.text(), "1", "{path}");
        let answer = app.get_without_cookie(path).await;
        assert_eq!(answer.header("location").unwrap(), format!("/accounts/login/?next={path}"));
    }
    // A middleware around an `App` sees every request, including requests that match no route.
    assert_eq!(whole.get_without_cookie("/no-such-page").await.status, 302);
    let answer = whole.get("/no-such-page", &key).await;
    assert_eq!((answer.status, answer.header("vary").as_deref()), (404, Some("Cookie")));
    // A middleware around a scope or resource does not change other routes.
    let answer = part.get_without_cookie("/open").await;
    assert_eq!((answer.text().as_str(), answer.header("vary")), ("open", None));
}

#[testbed::test]
async fn an_outer_middleware_still_works() {
    let bed = Bed::shared().await;
    let key = bed.login("ada").await;
    let middleware = DjangoSessionMiddleware::required(bed.site());
    let app = TestApp::start(move || {
        App::new().service(
            web::scope("/site")
                .wrap(middleware.clone())
                // A CORS middleware adds headers to every response, including those of inner middlewares.
                .wrap(DefaultHeaders::new().add(("Access-Control-Allow-Origin", "*")))
                .wrap(from_fn(async |req, next: Next<_>| {
                    let mut response = next.call(req).await?;
                    let vary =
                        (HeaderName::from_static("vary"), HeaderValue::from_static("Origin"));
                    response.headers_mut().append(vary.0, vary.1);
                    Ok(response)
                }))
                .wrap(Compress::default())
                .configure(routes),
        )
    });
    for (cookie, status, encoded) in [(&*key, 200, Some("gzip")), ("unknown-key", 302, None)] {
        let cookie = format!("sessionid={cookie}");
        let headers = [("Cookie", cookie.as_bytes()), ("Accept-Encoding", &b"gzip"[..])];
        let answer = app.get_with("/site/session", &headers).await;
        assert_eq!(answer.status, status);
        assert_eq!(answer.header("access-control-allow-origin").as_deref(), Some("*"));
        assert_eq!(answer.header("content-encoding").as_deref(), encoded);
        let vary = answer.header("vary").unwrap().to_ascii_lowercase();
        assert!(vary.contains("cookie") && vary.contains("origin"), "{vary}");
    }
}

#[testbed::test]
async fn responses_and_errors_of_handlers_vary_on_the_cookie() {
    let bed = Bed::shared().await;
    let key = bed.login("ada").await;
    let middleware = DjangoSessionMiddleware::required(bed.site());
    let app = TestApp::start(move || {
        App::new()
            .service(
                web::scope("/compressed")
                    .wrap(Compress::default())
                    .wrap(middleware.clone())
                    .configure(routes),
            )
            .service(
                web::scope("/failing")
                    .wrap(from_fn(async |_, _: Next<BoxBody>| {
                        Err::<ServiceResponse, _>(ErrorImATeapot("no coffee"))
                    }))
                    .wrap(middleware.clone())
                    .configure(routes),
            )
            .service(web::resource("/varied").wrap(middleware.clone()).to(async || {
                HttpResponse::Ok()
                    .append_header(("Vary", "Accept-Language"))
                    .append_header(("Vary", "Origin"))
                    .finish()
            }))
    });
    let cookie = format!("sessionid={key}");
    let headers = [("Cookie", cookie.as_bytes()), ("Accept-Encoding", &b"gzip"[..])];
    let answer = app.get_with("/compressed/session", &headers).await;
    assert_eq!(answer.header("content-encoding").as_deref(), Some("gzip"));
    assert!(answer.header("vary").unwrap().ends_with("Cookie"));
    let answer = app.get_with("/failing/session", &headers).await;
    assert_eq!((answer.status, answer.header("vary").as_deref()), (418, Some("Cookie")));
    let answer = app.get_with("/varied", &headers).await;
    assert_eq!(answer.header("vary").as_deref(), Some("Accept-Language, Origin, Cookie"));
}

#[testbed::test]
async fn an_error_handler_can_find_the_error() {
    let bed = Bed::shared().await;
    let middleware = DjangoSessionMiddleware::required(bed.site()).error_handler(|error, _| {
        HttpResponse::Ok().body(match error {
            Error::NoSessionKey => "no key",
            Error::SessionNotFound => "not found",
            Error::SessionExpired => "expired",
            Error::Anonymous => "anonymous",
            Error::Undecodable(_) => "undecodable",
            Error::UserIdType { .. } => "type",
            _ => "else",
        })
    });
    let app = TestApp::start(move || {
        App::new().service(web::scope("").wrap(middleware.clone()).configure(routes))
    });
    let expired = bed.session("{}").await;
    bed.ask(json!({ "cmd": "put_row", "key": expired, "session_data": "", "expire_date": 0 }))
        .await;
    let garbage = bed.session("{}").await;
    bed.ask(json!({ "cmd": "put_row", "key": garbage, "session_data": "garbage" })).await;
    for (key, path, body) in [
        ("", "/user", "no key"),
        ("unknown-key", "/user", "not found"),
        (&*expired, "/user", "expired"),
        (&*bed.session("{}").await, "/user", "anonymous"),
        (&*garbage, "/user", "undecodable"),
        (&*bed.session(r#"{"_auth_user_id":"x"}"#).await, "/number", "type"),
    ] {
        assert_eq!(app.get(path, key).await.text(), body);
    }
}

#[testbed::test]
async fn nested_middlewares_of_one_table_make_one_lookup_with_any_handle() {
    let bed = Bed::start(Django::default(), Settings::default()).await;
    // A view that counts how often a row is read.
    bed.sql("CREATE SEQUENCE lookups").await;
    bed.sql(
        "CREATE VIEW counted AS SELECT * FROM django_session WHERE nextval('lookups') IS NOT NULL",
    )
    .await;
    // The timeout is long: on a busy machine the crate could repeat a slow query.
    let settings = || {
        settings().with(|s| {
            s.session_table = "counted".into();
            s.timeout = Duration::from_secs(60);
        })
    };
    let (one, other) = (bed.site_with(settings()), bed.site_with(settings()));
    let optional = DjangoSessionMiddleware::optional(one.clone());
    let required = DjangoSessionMiddleware::required(one);
    let elsewhere = DjangoSessionMiddleware::required(other);
    let app = TestApp::start(move || {
        App::new().wrap(optional.clone()).configure(routes).service(
            web::scope("/a")
                .wrap(required.clone())
                .configure(routes)
                .service(web::scope("/b").wrap(elsewhere.clone()).configure(routes)),
        )
    });
    let key = bed.login("ada").await;
    for (path, lookups) in [("/user", 1), ("/a/user", 1), ("/a/session", 1), ("/a/b/user", 1)] {
        bed.sql("ALTER SEQUENCE lookups RESTART").await;
        assert_eq!(app.get(path, &key).await.status, 200, "{path}");
        let next = bed.sql("SELECT nextval('lookups')").await[0][0].as_i64().unwrap();
        assert_eq!(next - 1, lookups, "{path}");
    }
    // The inner middleware makes its own decision.
    assert_eq!(app.get_without_cookie("/optional").await.text(), "null");
    assert_eq!(app.get_without_cookie("/a/optional").await.status, 302);
}
