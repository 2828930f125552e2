//! Who is this visitor?

use actix_django_session::{
    DjangoSettings, UserModel,
    test::{self, TestUser},
};
use actix_web::{
    App,
    test::{TestRequest, call_and_read_body_json, call_service, init_service},
};
use serde_json::{Value, json};

use crate::handlers::examples::whoami::{routes, settings};

#[actix_web::test]
async fn the_index_is_for_everybody() {
    let app = init_service(App::new().configure(routes(test::site()))).await;
    let index = || TestRequest::get().uri("/").to_request();
    let (nobody, visitor, ada) = (index(), index(), index());
    test::with_session(&visitor, &json!({ "cart": 1 }));
    test::login(&ada, 7);
    for (request, told) in [
        (nobody, json!({ "session": false })),
        (visitor, json!({ "session": true, "user_id": null })),
        (ada, json!({ "session": true, "user_id": "7" })),
    ] {
        assert_eq!(call_and_read_body_json::<_, _, Value>(&app, request).await, told);
    }
}

#[actix_web::test]
async fn the_session_tells_its_data() {
    let app = init_service(App::new().configure(routes(test::site()))).await;
    let session = || TestRequest::get().uri("/session").to_request();
    assert_eq!(call_service(&app, session()).await.status(), 302);
    let visitor = session();
    test::with_session(&visitor, &json!({ "cart": [1, 2] }));
    let data: Value = call_and_read_body_json(&app, visitor).await;
    assert_eq!(data, json!({ "cart": [1, 2] }));
}

#[actix_web::test]
async fn a_user_id_takes_a_session_that_names_one() {
    let app = init_service(App::new().configure(routes(test::site()))).await;
    for (path, refused) in [("/user", 302), ("/api/user", 401)] {
        let request = || TestRequest::get().uri(path).to_request();
        let (visitor, ada) = (request(), request());
        test::with_session(&visitor, &json!({ "cart": 1 }));
        assert_eq!(call_service(&app, visitor).await.status(), refused, "{path}");
        test::login(&ada, 7);
        let told: Value = call_and_read_body_json(&app, ada).await;
        assert_eq!(told, json!({ "user_id": "7" }), "{path}");
    }
}

#[actix_web::test]
async fn the_account_tells_of_the_user() {
    let app = init_service(App::new().configure(routes(test::site()))).await;
    let account = || TestRequest::get().uri("/account").to_request();
    assert_eq!(call_service(&app, account()).await.status(), 302);
    let ada = account();
    test::user(&ada, TestUser::new(7, "ada").staff().permissions(["shop.add_item"]));
    let told: Value = call_and_read_body_json(&app, ada).await;
    let expected = json!({
        "id": "7", "username": "ada", "is_staff": true, "is_superuser": false,
        "permissions": ["shop.add_item"],
    });
    assert_eq!(told, expected);
}

#[test]
fn settings_come_from_variables() {
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
