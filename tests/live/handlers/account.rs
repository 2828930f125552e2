//! `/account` of four examples, which differ in what they give to their stores.

use std::path::Path;
use testbed::With;

use actix_django_session::{
    DjangoSite, Error,
    test::{self, TestUser},
};
use actix_web::{
    App,
    test::{TestRequest, call_and_read_body, call_service, init_service},
    web::ServiceConfig,
};
use serde_json::json;

use crate::beds::pool;
use crate::handlers::{
    answers::header,
    examples::{auth_version, impersonation, tls, two_factor},
};

/// Where strangers are sent, and what ada sees.
async fn answers<R>(routes: impl Fn(DjangoSite) -> R) -> (String, String)
where
    R: Fn(&mut ServiceConfig),
{
    let app = init_service(App::new().configure(routes(test::site()))).await;
    let account = || TestRequest::get().uri("/account").to_request();

    let answer = call_service(&app, account()).await;
    assert_eq!(answer.status(), 302);
    let to = header(&answer, "location").to_owned();

    let ada = account();
    test::user(&ada, TestUser::new(1, "ada").column("auth_version", 3));
    let page = call_and_read_body(&app, ada).await;
    (to, String::from_utf8(page.to_vec()).unwrap())
}

#[actix_web::test]
async fn auth_version_tells_the_column() {
    let (to, page) = answers(auth_version::routes).await;
    assert_eq!(to, "/accounts/login/?next=/account");
    assert_eq!(page, "ada, auth version 3");
}

#[actix_web::test]
async fn auth_version_makes_the_hash_of_the_column_too() {
    let ada = TestUser::new(1, "ada").column("auth_version", 3);
    let ada = test::user(&TestRequest::get().to_http_request(), ada);
    assert_eq!(auth_version::message("encoded", &ada).unwrap(), "encoded3");
    // The store does read that column.
    let model = auth_version::user_model("accounts_user".into());
    assert_ne!(
        model,
        auth_version::user_model("accounts_user".into()).with(|m| m.columns = Vec::new())
    );
}

#[actix_web::test]
async fn auth_version_answers_500_if_the_store_was_not_told_of_the_column() {
    let app = init_service(App::new().configure(auth_version::routes(test::site()))).await;
    let ada = TestRequest::get().uri("/account").to_request();
    test::user(&ada, TestUser::new(1, "ada"));
    assert_eq!(call_service(&app, ada).await.status(), 500);
}

#[actix_web::test]
async fn impersonation_welcomes_whom_the_hook_found() {
    let (to, page) = answers(impersonation::routes).await;
    assert_eq!((&*to, &*page), ("/accounts/login/?next=/account", "welcome, ada"));
}

/// The hook, of four sessions: those who may act as another are looked up in the database, which a
/// test's store does not have.
#[actix_web::test]
async fn impersonation_is_for_staff() {
    let (ada, boss) = (TestUser::new(1, "ada"), TestUser::new(2, "boss").staff());
    for (user, data, is_asked) in [
        (&ada, json!({}), false),
        (&ada, json!({ "_impersonate": 3 }), false),
        (&boss, json!({ "_impersonate": null }), false),
        (&boss, json!({ "_impersonate": 3 }), true),
    ] {
        let request = TestRequest::get().to_http_request();
        let session = test::with_session(&request, &data);
        let user = test::user(&request, user.clone());
        let name = user.username().to_owned();
        match impersonation::acting(session, user, test::site()).await {
            Ok(acting) => assert_eq!((acting.unwrap().username(), false), (&*name, is_asked)),
            Err(error) => assert!(is_asked && matches!(error, Error::Unavailable(_)), "{error}"),
        }
    }
}

#[actix_web::test]
async fn tls_wants_an_authority() {
    let url = "postgres://db.example.com/site";
    assert!(tls::pool(url.into(), Path::new("no-such-file.pem")).is_err());
}

#[actix_web::test]
async fn tls_welcomes_the_user() {
    let (to, page) = answers(tls::routes).await;
    assert_eq!((&*to, &*page), ("/accounts/login/?next=/account", "welcome, ada"));
}

#[actix_web::test]
async fn two_factor_sends_strangers_to_the_page_for_both_factors() {
    let (to, page) = answers(two_factor::routes).await;
    assert_eq!((&*to, &*page), ("/account/two_factor/?next=/account", "welcome, ada"));
}

/// The hook, of sessions in which nothing was verified; the pool is not asked.
#[actix_web::test]
async fn two_factor_takes_nothing_else_for_a_device() {
    for data in [
        json!({}),
        json!({ "otp_device_id": null }),
        json!({ "otp_device_id": "otp_totp.totpdevice" }),
        json!({ "otp_device_id": "otp_totp.totpdevice/x" }),
        json!({ "otp_device_id": "auth.user/1" }),
    ] {
        let request = TestRequest::get().to_http_request();
        let session = test::with_session(&request, &data);
        let ada = test::user(&request, TestUser::new(1, "ada"));
        let pool = pool("postgres://nobody@127.0.0.1:1/nowhere");
        assert!(two_factor::verified(pool, session, ada).await.unwrap().is_none(), "{data}");
    }
}
