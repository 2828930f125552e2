//! `/account` of four examples, which differ in the settings and hooks of their sites.

use std::path::Path;
use testbed::With;

use actix_django_session::{
    DjangoSite, Expiry, SessionData,
    test::{self, Client, TestUser},
};
use actix_web::{
    App,
    test::{TestRequest, init_service},
    web::ServiceConfig,
};
use serde_json::json;

use crate::beds::pool;
use crate::handlers::{
    answers::{header, text},
    examples::{auth_version, impersonation, tls, two_factor},
};

/// The `Location` for an anonymous visitor, and the page that ada sees.
async fn answers<R>(routes: impl Fn(DjangoSite) -> R) -> (String, String)
where
    R: Fn(&mut ServiceConfig),
{
    let ada = TestUser::new(1, "ada").column("auth_version", 3);
    let site = test::site().user(ada).build();
    let app = init_service(App::new().configure(routes(site.clone()))).await;
    let account = || TestRequest::get().uri("/account");

    let answer = Client::new(&site).send(&app, account()).await;
    assert_eq!(answer.status(), 302);
    let to = header(&answer, "location").to_owned();

    let page = Client::logged_in(&site, "ada").await.send(&app, account()).await;
    (to, text(page).await)
}

#[actix_web::test]
async fn auth_version_reports_the_column() {
    let (to, page) = answers(auth_version::routes).await;
    assert_eq!(to, "/accounts/login/?next=/account");
    assert_eq!(page, "ada, auth version 3");
}

#[actix_web::test]
async fn auth_version_includes_the_column_in_the_hash() {
    let ada = TestUser::new(1, "ada").column("auth_version", 3);
    let ada = test::site().user(ada).build().user(1).await.unwrap();
    assert_eq!(auth_version::message("encoded", &ada).unwrap(), "encoded3");
    // The user model of the example names that column.
    let model = auth_version::user_model("accounts_user".into());
    assert_ne!(
        model,
        auth_version::user_model("accounts_user".into()).with(|m| m.columns = Vec::new())
    );
}

#[actix_web::test]
async fn auth_version_answers_500_if_the_settings_do_not_name_the_column() {
    let site = test::site().user(TestUser::new(1, "ada")).build();
    let app = init_service(App::new().configure(auth_version::routes(site.clone()))).await;
    let ada = Client::logged_in(&site, "ada").await;
    assert_eq!(ada.send(&app, TestRequest::get().uri("/account")).await.status(), 500);
}

#[actix_web::test]
async fn impersonation_shows_the_user_that_the_hook_found() {
    let (to, page) = answers(impersonation::routes).await;
    assert_eq!((&*to, &*page), ("/accounts/login/?next=/account", "welcome, ada"));
}

#[actix_web::test]
async fn only_staff_may_impersonate() {
    let site = test::site()
        .user(TestUser::new(1, "ada"))
        .user(TestUser::new(2, "boss").staff())
        .user(TestUser::new(3, "customer"))
        .user(TestUser::new(4, "root").superuser())
        .build()
        .after_get_user(impersonation::acting);
    let app = init_service(App::new().configure(impersonation::routes(site.clone()))).await;
    for (user, data, acts_as) in [
        ("ada", json!({}), "ada"),
        ("ada", json!({ "_impersonate": 3 }), "ada"),
        ("boss", json!({ "_impersonate": null }), "boss"),
        ("boss", json!({ "_impersonate": 3 }), "customer"),
        ("boss", json!({ "_impersonate": 4 }), "boss"),
        ("boss", json!({ "_impersonate": 5 }), "boss"),
    ] {
        let client = Client::logged_in(&site, user).await;
        client.update_session(&data).await;
        let page = client.send(&app, TestRequest::get().uri("/account")).await;
        assert_eq!(text(page).await, format!("welcome, {acts_as}"), "{user} {data}");
    }
}

#[actix_web::test]
async fn tls_needs_a_certificate_authority() {
    let url = "postgres://db.example.com/site";
    assert!(tls::pool(url.into(), Path::new("no-such-file.pem")).is_err());
}

#[actix_web::test]
async fn tls_greets_the_user() {
    let (to, page) = answers(tls::routes).await;
    assert_eq!((&*to, &*page), ("/accounts/login/?next=/account", "welcome, ada"));
}

#[actix_web::test]
async fn two_factor_sends_anonymous_visitors_to_the_page_for_both_factors() {
    let (to, page) = answers(two_factor::routes).await;
    assert_eq!((&*to, &*page), ("/account/two_factor/?next=/account", "welcome, ada"));
}

/// Calls the hook with sessions in which no device was verified; the hook does not use the pool.
#[actix_web::test]
async fn two_factor_accepts_only_device_ids() {
    for data in [
        json!({}),
        json!({ "otp_device_id": null }),
        json!({ "otp_device_id": "otp_totp.totpdevice" }),
        json!({ "otp_device_id": "otp_totp.totpdevice/x" }),
        json!({ "otp_device_id": "auth.user/1" }),
    ] {
        let site = test::site().user(TestUser::new(1, "ada")).build();
        let members = SessionData::from_object(&data).unwrap();
        let session = site.create(&members, Expiry::Default).await.unwrap();
        let ada = site.user(1).await.unwrap();
        let pool = pool("postgres://user@127.0.0.1:1/nowhere");
        assert!(two_factor::verified(pool, session, ada).await.unwrap().is_none(), "{data}");
    }
}
