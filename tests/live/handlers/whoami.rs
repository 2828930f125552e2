//! The pages of `whoami`.

use actix_django_session::{
    DjangoSettings, DjangoSite, UserModel,
    test::{self, Client, TestUser},
};
use actix_web::{
    App,
    test::{TestRequest, init_service, read_body_json},
};
use serde_json::{Value, json};

use crate::handlers::examples::whoami::{routes, settings};

fn site() -> DjangoSite {
    let ada = TestUser::new(7, "ada").staff().permissions(["shop.add_item"]);
    test::site().user(ada).build()
}

/// An anonymous visitor with a cart.
async fn anonymous(site: &DjangoSite) -> Client {
    let client = Client::new(site);
    client.update_session(&json!({ "cart": [1, 2] })).await;
    client
}

#[actix_web::test]
async fn all_visitors_see_the_index() {
    let site = site();
    let app = init_service(App::new().configure(routes(site.clone()))).await;
    for (client, outcome) in [
        (Client::new(&site), json!({ "session": false })),
        (anonymous(&site).await, json!({ "session": true, "user_id": null })),
        (Client::logged_in(&site, "ada").await, json!({ "session": true, "user_id": "7" })),
    ] {
        let answer = client.send(&app, TestRequest::get()).await;
        assert_eq!(read_body_json::<Value, _>(answer).await, outcome);
    }
}

#[actix_web::test]
async fn the_session_page_shows_the_session_data() {
    let site = site();
    let app = init_service(App::new().configure(routes(site.clone()))).await;
    let session = || TestRequest::get().uri("/session");
    assert_eq!(Client::new(&site).send(&app, session()).await.status(), 302);
    let data: Value = read_body_json(anonymous(&site).await.send(&app, session()).await).await;
    assert_eq!(data, json!({ "cart": [1, 2] }));
}

#[actix_web::test]
async fn a_user_id_needs_a_session_that_names_a_user() {
    let site = site();
    let app = init_service(App::new().configure(routes(site.clone()))).await;
    for (path, refused) in [("/user", 302), ("/api/user", 401)] {
        let client = anonymous(&site).await;
        let request = || TestRequest::get().uri(path);
        assert_eq!(client.send(&app, request()).await.status(), refused, "{path}");
        client.force_login("ada").await;
        let outcome: Value = read_body_json(client.send(&app, request()).await).await;
        assert_eq!(outcome, json!({ "user_id": "7" }), "{path}");
    }
}

#[actix_web::test]
async fn the_account_page_shows_the_user() {
    let site = site();
    let app = init_service(App::new().configure(routes(site.clone()))).await;
    let client = Client::new(&site);
    let account = || TestRequest::get().uri("/account");
    assert_eq!(client.send(&app, account()).await.status(), 302);
    client.force_login("ada").await;
    let outcome: Value = read_body_json(client.send(&app, account()).await).await;
    let expected = json!({
        "id": "7", "username": "ada", "is_staff": true, "is_superuser": false,
        "permissions": ["shop.add_item"],
    });
    assert_eq!(outcome, expected);
}

#[test]
fn settings_come_from_environment_variables() {
    let variables = |name: &str| {
        let value = match name {
            "DJANGO_SECRET_KEY" => "tea",
            "DJANGO_SECRET_KEY_FALLBACKS" => "coffee, , milk",
            "AUTHENTICATION_BACKENDS" => "a.B,c.D",
            "AUTH_USER_TABLE" => "accounts_user",
            "SESSION_COOKIE_NAME" => "visit",
            "LOGIN_URL" => "/login",
            _ => return None,
        };
        Some(value.to_owned())
    };
    let mut expected = DjangoSettings::new("tea");
    expected.secret_key_fallbacks = vec!["coffee".into(), "milk".into()];
    expected.authentication_backends = vec!["a.B".into(), "c.D".into()];
    expected.user_model = UserModel::new("accounts_user");
    expected.session_cookie_name = "visit".into();
    expected.login_url = "/login".into();
    assert_eq!(settings(variables).unwrap(), expected);

    let of_key = |name: &str| (name == "DJANGO_SECRET_KEY").then(|| "tea".to_owned());
    assert_eq!(settings(of_key).unwrap(), DjangoSettings::new("tea"));
    let error = settings(|_| None).unwrap_err().to_string();
    assert_eq!(error, "DJANGO_SECRET_KEY is not set");
}
