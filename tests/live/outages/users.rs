//! The database goes away in the middle of a request.

use std::time::Duration;

use actix_django_session::{
    DjangoSessionMiddleware, DjangoSettings, DjangoSite, DjangoUser, Error, OptionalDjangoUser,
    UserModel,
};
use actix_web::{FromRequest, HttpRequest, HttpResponse, ResponseError, web};
use serde_json::json;
use testbed::{Django, Postgres, Settings, With, not_tested};

use crate::{
    app::TestApp,
    beds::{Bed, settings},
    probe::{page, probe},
};

/// The first request after a crash may wait for long. If no server listens, requests fail at once.
fn long_timeout() -> DjangoSettings {
    settings().with(|s| s.timeout = Duration::from_secs(60))
}

async fn server_of_our_own() -> Option<Postgres> {
    let postgres = Postgres::start().await.unwrap();
    if !postgres.is_own() {
        not_tested("an outage in the middle of a request: DATABASE_URL names a server of others");
        return None;
    }
    Some(postgres)
}

fn server(req: &HttpRequest) -> &Postgres {
    req.app_data::<web::Data<Postgres>>().unwrap()
}

/// Kills the server if the query has `kill`; the middleware has found the session by then.
async fn kill_if_requested(req: &HttpRequest) {
    if req.query_string() == "kill" {
        server(req).kill9().await.unwrap();
    }
}

async fn user(req: HttpRequest) -> Result<String, actix_web::Error> {
    kill_if_requested(&req).await;
    Ok(DjangoUser::extract(&req).await?.username().to_owned())
}

async fn optional_user(req: HttpRequest) -> Result<String, actix_web::Error> {
    kill_if_requested(&req).await;
    let user = OptionalDjangoUser::extract(&req).await?;
    Ok(user.0.as_ref().map_or("anonymous", DjangoUser::username).to_owned())
}

async fn permission(user: DjangoUser, req: HttpRequest) -> Result<String, Error> {
    kill_if_requested(&req).await;
    Ok(user.has_perm("shop.add_item").await?.to_string())
}

async fn survive(req: HttpRequest) -> Result<String, actix_web::Error> {
    let postgres = server(&req);
    postgres.kill9().await.unwrap();
    assert!(DjangoUser::extract(&req).await.is_err());
    postgres.restart().await.unwrap();
    let user = DjangoUser::extract(&req).await?;
    postgres.kill9().await.unwrap();
    assert!(user.has_perm("shop.add_item").await.is_err());
    postgres.restart().await.unwrap();
    Ok(user.has_perm("shop.add_item").await?.to_string())
}

fn app(site: DjangoSite, postgres: Postgres) -> TestApp {
    TestApp::with_routes(move |config| {
        let optional = DjangoSessionMiddleware::optional(site.clone());
        let outcome = optional.clone().error_handler(|error, _| {
            let outcome = format!("{error}; {}", error.wants_login());
            HttpResponse::build(error.status_code()).body(outcome)
        });
        let login = DjangoSessionMiddleware::login_required(site.clone());
        let middleware = login.clone().permission_required("shop.add_item");
        config
            .app_data(web::Data::new(postgres.clone()))
            .service(web::resource("/user").wrap(optional.clone()).to(user))
            .service(web::resource("/told").wrap(outcome).to(user))
            .service(web::resource("/survive").wrap(optional.clone()).to(survive))
            .service(web::resource("/optional").wrap(optional).to(optional_user))
            .service(web::resource("/permission").wrap(login).to(permission))
            .service(web::resource("/middleware").wrap(middleware).to(page));
    })
}

#[testbed::test]
async fn an_outage_between_session_and_user_is_a_503_and_never_anonymous() {
    let Some(postgres) = server_of_our_own().await else { return };
    let bed = Bed::on(&postgres, Django::default(), &Settings::default()).await;
    bed.user("ada", json!({ "password": "x", "permissions": ["shop.add_item"] })).await;
    let key = bed.login("ada").await;
    let app = app(bed.site_with(long_timeout()), postgres.clone());

    for path in ["/user", "/told", "/optional", "/permission"] {
        assert_eq!(app.status(path, &key).await, 200, "{path}");
        let answer = app.get(&format!("{path}?kill"), &key).await;
        assert_eq!(answer.status, 503, "{path}");
        assert_eq!(answer.header("vary").as_deref(), Some("Cookie"));
        assert_eq!(answer.header("location"), None);
        assert_eq!(answer.header("retry-after").as_deref(), Some("1"), "{path}");
        let outcome =
            if path == "/told" { "the session database is unavailable; false" } else { "" };
        assert_eq!(answer.text(), outcome);

        // Now the middleware cannot find the session either.
        for path in ["/optional", "/middleware"] {
            let answer = app.get(path, &key).await;
            assert_eq!((answer.status, answer.header("retry-after").as_deref()), (503, Some("1")));
        }
        postgres.restart().await.unwrap();
        for path in ["/optional", "/middleware"] {
            assert_eq!(app.status(path, &key).await, 200, "{path} after the restart");
        }
    }
}

/// After a failed lookup, the same request can look up the user again.
#[testbed::test]
async fn an_outage_is_not_remembered() {
    let Some(postgres) = server_of_our_own().await else { return };
    let bed = Bed::on(&postgres, Django::default(), &Settings::default()).await;
    bed.user("ada", json!({ "password": "x", "permissions": ["shop.add_item"] })).await;
    let key = bed.login("ada").await;
    let app = app(bed.site_with(long_timeout()), postgres.clone());
    assert_eq!(app.get("/survive", &key).await.text(), "true");
}

#[testbed::test]
async fn a_user_model_that_does_not_fit_is_a_503_and_never_anonymous() {
    let bed = Bed::new().await;
    bed.user("ada", json!({ "password": "x" })).await;
    let key = bed.login("ada").await;
    // The text is not a boolean: the query fails only for rows that exist.
    let mut model = UserModel::default();
    model.is_active = Some("username".into());
    let app = probe(bed.site_of(model));
    for path in ["/user", "/who"] {
        let answer = app.get(path, &key).await;
        assert_eq!(answer.status, 503, "{path}");
        assert!(answer.header("retry-after").is_some());
    }
}
