//! A middleware inside a middleware that changes the session, such as one that ends idle sessions: the inner
//! one uses the changed session.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use actix_django_session::{
    DjangoSessionMiddleware, DjangoSessionMut, DjangoSite, OptionalDjangoUser,
};
use actix_web::{
    App, Error,
    body::MessageBody,
    dev::{ServiceRequest, ServiceResponse},
    http::Method,
    middleware::{Next, from_fn},
    test::{TestRequest, call_service, init_service, read_body},
    web,
};
use serde_json::{Value, json};
use testbed::{Django, With};

use crate::{
    beds::{Bed, settings},
    sessions::operations::{self, done},
};

/// The middleware that does the operations.
type Ops = web::Data<Value>;

async fn change(
    ops: Ops,
    mut req: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    let session = req.extract::<DjangoSessionMut>().await?;
    for op in ops.as_array().unwrap() {
        done(&session, op, req.request()).await?;
    }
    next.call(req).await
}

async fn username(OptionalDjangoUser(user): OptionalDjangoUser) -> String {
    user.map_or_else(String::new, |user| user.username().to_owned())
}

/// The response to a request through `outer`, a middleware that does `ops`, and `inner`.
async fn ask(
    site: &DjangoSite,
    [outer, inner]: [DjangoSessionMiddleware; 2],
    method: Method,
    cookie: Option<&str>,
    ops: &Value,
) -> (u16, String) {
    let app = App::new()
        .app_data(web::Data::new(site.clone()))
        .app_data(web::Data::new(ops.clone()))
        .wrap(inner)
        .wrap(from_fn(change))
        .wrap(outer)
        .default_service(web::to(username));
    let app = init_service(app).await;
    let mut request = TestRequest::default().method(method);
    if let Some(cookie) = cookie {
        request = request.insert_header(("Cookie", cookie));
    }
    let response = call_service(&app, request.to_request()).await;
    let status = response.status().as_u16();
    (status, String::from_utf8(read_body(response).await.to_vec()).unwrap())
}

#[testbed::test]
async fn a_middleware_sees_the_session_as_an_outer_middleware_left_it() {
    let versions = Django::available().unwrap();
    for version in [versions[0], versions[versions.len() - 1]] {
        let bed = Bed::of(version).await;
        let site = bed.site_with(settings().with(|s| s.write_sessions = true));
        let optional = || DjangoSessionMiddleware::optional(site.clone());
        let login_required = || DjangoSessionMiddleware::login_required(site.clone());
        let required = || DjangoSessionMiddleware::required(site.clone());
        for visitor in ["without a cookie", "anonymous", "ada"] {
            for ops in [
                json!([]),
                json!([["insert", "a", 1]]),
                json!([["insert", "a", 1], ["save"]]),
                json!([["flush"]]),
                json!([["flush"], ["insert", "a", 1]]),
                json!([["logout"]]),
                json!([["login", "grace"]]),
                json!([["login", "grace"], ["logout"]]),
            ] {
                let case = format!("{version}, {visitor}, {ops}");
                let cookie = async || match visitor {
                    "without a cookie" => None,
                    "ada" => Some(format!("sessionid={}", bed.login("ada").await)),
                    _ => Some(format!("sessionid={}", bed.session("{\"cart\":1}").await)),
                };
                let mut with_questions = ops.clone();
                let questions = [json!(["is_admitted"]), json!(["is_empty"]), json!(["user"])];
                with_questions.as_array_mut().unwrap().extend(questions);
                let django =
                    operations::django(bed, cookie().await.as_deref(), &with_questions, 200).await;
                let [.., is_admitted, is_empty, user] = &django.results.as_array().unwrap()[..]
                else {
                    panic!("{case}: {django:?}")
                };
                let user = user.as_str().unwrap_or_default();
                let middlewares = [
                    (login_required(), if *is_admitted == true { 200 } else { 302 }),
                    (
                        login_required().staff_required(),
                        if *is_admitted == true { 403 } else { 302 },
                    ),
                    (required(), if *is_empty == true { 302 } else { 200 }),
                    (optional(), 200),
                ];
                for (i, (inner, status)) in middlewares.into_iter().enumerate() {
                    let cookie = cookie().await;
                    let middlewares = [optional(), inner];
                    let answer =
                        ask(&site, middlewares, Method::GET, cookie.as_deref(), &ops).await;
                    assert_eq!(answer.0, status, "{case}, middleware {i}");
                    if status == 200 {
                        assert_eq!(answer.1, user, "{case}, middleware {i}");
                    }
                }
            }
        }
    }
}

/// Django's `request.user` stays the user of its first use. Here a flush ends the session for the rest of
/// the request too.
#[testbed::test]
async fn a_middleware_refuses_a_visitor_whose_session_an_outer_middleware_flushed() {
    let bed = Bed::shared().await;
    let site = bed.site_with(settings().with(|s| s.write_sessions = true));
    let cookie = async || format!("sessionid={}", bed.login("ada").await);
    let ops = json!([["request_user"], ["flush"], ["is_admitted"]]);
    let django = operations::django(bed, Some(&cookie().await), &ops, 200).await;
    assert_eq!(django.results, json!(["ada", null, true]));
    let middlewares = [(); 2].map(|()| DjangoSessionMiddleware::login_required(site.clone()));
    let ops = json!([["user"], ["flush"]]);
    let answer = ask(&site, middlewares, Method::GET, Some(&cookie().await), &ops).await;
    assert_eq!(answer.0, 302);
}

#[testbed::test]
async fn the_csrf_check_uses_the_session_as_a_middleware_left_it() {
    let bed = Bed::shared().await;
    let site = bed.site_with(settings().with(|s| s.write_sessions = true));
    for (ops, status) in [
        (json!([]), 403),
        (json!([["flush"]]), 200),
        (json!([["logout"]]), 200),
        (json!([["logout"], ["login", "grace"]]), 403),
    ] {
        let middlewares = [
            DjangoSessionMiddleware::optional(site.clone()).csrf_exempt(),
            DjangoSessionMiddleware::optional(site.clone()).csrf_if_logged_in(),
        ];
        let cookie = format!("sessionid={}", bed.login("ada").await);
        let answer = ask(&site, middlewares, Method::POST, Some(&cookie), &ops).await;
        assert_eq!(answer.0, status, "{ops}");
    }
}

/// If the crate cannot tell whether a user is logged in, the CSRF check must not be skipped.
#[testbed::test]
async fn a_session_that_cannot_be_decoded_does_not_skip_the_csrf_check() {
    let bed = Bed::shared().await;
    let mut settings = settings();
    settings.write_sessions = true;
    settings.max_decompressed_size = 1000;
    let site = bed.site_with(settings);
    let handled = web::Data::new(AtomicUsize::new(0));
    let handler = async |handled: web::Data<AtomicUsize>| {
        handled.fetch_add(1, Ordering::Relaxed);
        "done"
    };
    let app = App::new()
        .app_data(handled.clone())
        .app_data(web::Data::new(json!([["insert", "a", "a".repeat(2000)]])))
        .wrap(DjangoSessionMiddleware::optional(site.clone()).csrf_if_logged_in())
        .wrap(from_fn(change))
        .wrap(DjangoSessionMiddleware::login_required(site.clone()).csrf_exempt())
        .default_service(web::to(handler));
    let app = init_service(app).await;
    let cookie = format!("sessionid={}", bed.login("ada").await);
    let request = TestRequest::post().insert_header(("Cookie", cookie)).to_request();
    assert_eq!(call_service(&app, request).await.status(), 500);
    assert_eq!(handled.load(Ordering::Relaxed), 0);
}

/// Another request has logged the user out of the same row meanwhile.
#[testbed::test]
async fn a_saved_session_that_names_no_user_is_anonymous() {
    let bed = Bed::shared().await;
    let site = bed.site_with(settings().with(|s| s.write_sessions = true));
    let key = bed.login("ada").await;
    let middlewares = [(); 2].map(|()| DjangoSessionMiddleware::login_required(site.clone()));
    let anonymous = bed.session("{}").await;
    let clear = format!(
        "UPDATE django_session SET session_data = (SELECT session_data FROM django_session \
         WHERE session_key = '{anonymous}') WHERE session_key = '{key}'"
    );
    let clears = json!([["insert", "a", 1], ["sql", clear, bed.bed().database_url()], ["save"]]);
    let answer =
        ask(&site, middlewares, Method::GET, Some(&format!("sessionid={key}")), &clears).await;
    assert_eq!(answer.0, 302);
}

/// The same holds for a session that was changed before, and for each result of the hook.
#[testbed::test]
async fn the_user_hook_runs_once_a_request() {
    let bed = Bed::shared().await;
    for user_goes_on in [true, false] {
        let calls = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&calls);
        let site = bed.site_with(settings().with(|s| s.write_sessions = true));
        let site = site.after_get_user(move |_, user, _| {
            count.fetch_add(1, Ordering::Relaxed);
            async move { Ok(user_goes_on.then_some(user)) }
        });
        let middlewares = [(); 2].map(|()| DjangoSessionMiddleware::optional(site.clone()));
        let cookie = format!("sessionid={}", bed.login("ada").await);
        let ops = json!([["insert", "a", 1], ["user"], ["insert", "a", 2], ["user"]]);
        let answer = ask(&site, middlewares, Method::GET, Some(&cookie), &ops).await;
        let name = if user_goes_on { "ada" } else { "" };
        assert_eq!(answer, (200, name.to_owned()));
        assert_eq!(calls.load(Ordering::Relaxed), 1);
    }
}
