//! Errors that handlers return: each is logged once, and the application's error handler answers.

use actix_django_session::{
    DjangoSession, DjangoSessionMiddleware, DjangoSite, DjangoUser, Error, OptionalDjangoUser,
    Unavailable,
};
use actix_web::{
    App, HttpRequest, HttpResponse, ResponseError,
    body::MessageBody,
    dev::{ServiceRequest, ServiceResponse},
    http::header::{ContentType, HeaderValue, RETRY_AFTER, SET_COOKIE, VARY},
    middleware::{Next, from_fn},
    test::{TestRequest, call_service, init_service, read_body, try_call_service},
    web,
};
use testbed::{Log, With};

use crate::beds::{Bed, nowhere, pool, settings};

async fn column(user: DjangoUser) -> Result<String, Error> {
    user.get::<bool>("is_verified").map(|is| is.to_string())
}

async fn value(session: DjangoSession) -> Result<String, actix_web::Error> {
    let cart = session.get::<Vec<String>>("_auth_user_id").map_err(Error::from)?;
    Ok(format!("{cart:?}"))
}

async fn refused(_: OptionalDjangoUser) -> Result<String, Error> {
    Err(Error::PermissionDenied)
}

async fn busy(site: DjangoSite) -> Result<String, Error> {
    drop(site);
    Err(Unavailable::Timeout(std::time::Duration::from_secs(1)).into())
}

async fn well() -> &'static str {
    "well"
}

/// A middleware that returns an error instead of a response.
async fn fails(
    req: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<impl MessageBody>, actix_web::Error> {
    if req.path() == "/fails" {
        return Err(Error::InvalidExpiry.into());
    }
    next.call(req).await
}

#[testbed::test]
async fn each_error_is_logged_once_and_answered_by_the_error_handler() {
    let bed = Bed::shared().await;
    let cookie = format!("sessionid={}", bed.login("ada").await);
    let log = Log::default();
    log.listen();
    for is_handled in [false, true] {
        // Each site logs an outage once a second.
        let site = bed.site_with(settings().with(|s| s.write_sessions = true));
        let optional = || {
            let optional = DjangoSessionMiddleware::optional(site.clone());
            if !is_handled {
                return optional;
            }
            optional.error_handler(|error, _| {
                use actix_web::ResponseError;
                HttpResponse::build(error.status_code()).body(format!("page: {error}"))
            })
        };
        let strict = site.clone().after_get_user(|_, user, _| async move { Ok(Some(user)) });
        let app = App::new()
            .wrap(from_fn(fails))
            .wrap(DjangoSessionMiddleware::optional(strict))
            .wrap(optional())
            .service(
                web::scope("")
                    .wrap(optional())
                    .route("/column", web::get().to(column))
                    .route("/value", web::get().to(value))
                    .route("/refused", web::get().to(refused))
                    .route("/busy", web::get().to(busy))
                    .route("/well", web::get().to(well)),
            );
        let app = init_service(app).await;
        for (path, status, level, message) in [
            ("/column", 500, "ERROR", "is_verified"),
            ("/value", 500, "ERROR", "not of the requested type"),
            ("/refused", 403, "DEBUG", "permission_denied"),
            ("/busy", 503, "ERROR", "session database unavailable"),
            ("/fails", 500, "ERROR", "`_session_expiry` is not a date"),
            ("/well", 200, "", ""),
        ] {
            log.clear();
            let request = TestRequest::get().uri(path).insert_header(("Cookie", &*cookie));
            let (got, retry, body) = match try_call_service(&app, request.to_request()).await {
                Ok(response) => {
                    let retry = response.headers().contains_key(RETRY_AFTER);
                    (response.status().as_u16(), retry, read_body(response).await)
                }
                Err(error) => (error.error_response().status().as_u16(), false, web::Bytes::new()),
            };
            assert_eq!(got, status, "{path}");
            assert_eq!(retry, status == 503, "{path}");
            if path != "/fails" && status != 200 {
                assert_eq!(body.starts_with(b"page: "), is_handled, "{path}: {body:?}");
            }
            let lines = log.of_this_crate(&["ERROR", "WARN", "DEBUG"]);
            let lines: Vec<_> = lines.iter().filter(|line| line.contains(message)).collect();
            if !message.is_empty() {
                assert_eq!(lines.len(), 1, "{path}, {level}: {lines:?}");
            }
        }
    }
}

/// The crate adds the headers that the application's error page does not set.
#[testbed::test]
async fn an_outage_page_has_a_retry_after_header() {
    let site = DjangoSite::new(pool(&nowhere()), settings()).unwrap();
    let middleware = DjangoSessionMiddleware::optional(site)
        .error_handler(|_, _| HttpResponse::ServiceUnavailable().body("{}"));
    let app = App::new().wrap(middleware).route("/", web::get().to(well));
    let app = init_service(app).await;
    let request =
        TestRequest::get().insert_header(("Cookie", format!("sessionid={}", "a".repeat(32))));
    let response = call_service(&app, request.to_request()).await;
    assert_eq!(response.headers().get(RETRY_AFTER).unwrap(), "1");
}

/// As in a Django view that fails before it looks at `request.user`.
#[testbed::test]
async fn an_argument_that_fails_leaves_the_session_of_the_next_ones_untouched() {
    async fn view(_: web::Json<String>, _: OptionalDjangoUser) -> &'static str {
        "seen"
    }

    let bed = Bed::shared().await;
    let site = bed.site_with(settings().with(|s| s.write_sessions = true));
    let middleware = DjangoSessionMiddleware::optional(site).csrf_exempt();
    let app = init_service(App::new().wrap(middleware).route("/", web::post().to(view))).await;
    let cookie = ("Cookie", "sessionid=asessionthatisgone");
    // Django deletes the cookie of a session that it has looked for in vain.
    for (body, status, cookies) in [("\"x\"", 200, 1), ("x", 400, 0)] {
        let request = TestRequest::post().insert_header(cookie).insert_header(ContentType::json());
        let answer = call_service(&app, request.set_payload(body).to_request()).await;
        assert_eq!(answer.status(), status);
        assert_eq!(answer.headers().get_all(SET_COOKIE).count(), cookies, "{status}");
    }
}

/// What a page depends on is not forgotten when the error handler answers in its place.
#[testbed::test]
async fn an_error_handler_keeps_each_vary() {
    let refuse = async || {
        let mut response = HttpResponse::from_error(Error::PermissionDenied).map_into_boxed_body();
        response.headers_mut().insert(VARY, HeaderValue::from_static("Origin"));
        response
    };
    let page = |error: &Error, _: &HttpRequest| {
        HttpResponse::build(error.status_code()).insert_header((VARY, "Accept-Language")).finish()
    };
    let site = Bed::shared().await.site();
    let middleware = DjangoSessionMiddleware::optional(site).error_handler(page);
    let app = init_service(App::new().wrap(middleware).route("/", web::get().to(refuse))).await;
    let answer = call_service(&app, TestRequest::get().uri("/").to_request()).await;
    let vary = answer.headers().get_all(VARY).map(|value| value.to_str().unwrap());
    let vary = vary.collect::<Vec<_>>().join(", ");
    for each in ["Accept-Language", "Origin", "Cookie"] {
        assert!(vary.contains(each), "{vary}");
    }
}
