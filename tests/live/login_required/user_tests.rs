//! Groups, and middlewares with the application's own user test, compared with Django's `user_passes_test`.

use actix_django_session::{
    DjangoSessionMiddleware, DjangoSite, DjangoUser, Error, Unavailable,
    test::{self, Client, TestUser},
};
use actix_web::{
    App,
    http::{StatusCode, header::LOCATION},
    test::{TestRequest, call_and_read_body, call_service, init_service},
    web,
};
use serde_json::json;
use testbed::{Django, Settings, With};

use crate::beds::{Bed, settings};

/// Names that need quoting in SQL or JSON.
const GROUPS: [&str; 4] = ["editors", "Editors", "a \"b\" 'c'; --", "gr\u{fc}\u{df}e"];

async fn groups(user: DjangoUser) -> Result<String, Error> {
    Ok(json!(user.groups().await?).to_string())
}

#[testbed::test]
async fn groups_and_group_tests_give_the_answers_of_django() {
    for version in Django::available().unwrap() {
        let bed = Bed::without_users(version, &Settings::default()).await;
        let of = |names: &[&str]| {
            json!(
                names
                    .iter()
                    .map(|name| ((*name).to_owned(), json!([])))
                    .collect::<serde_json::Map<_, _>>()
            )
        };
        bed.user("nora", json!({ "password": "x" })).await;
        bed.user("root", json!({ "password": "x", "is_superuser": true, "groups": of(&[]) })).await;
        bed.user("ada", json!({ "password": "x", "groups": of(&GROUPS) })).await;
        bed.user("bob", json!({ "password": "x", "groups": of(&["Editors"]) })).await;
        let site = DjangoSite::new(
            bed.pool(),
            settings().with(|s| s.allowed_hosts = vec!["example.com".into()]),
        )
        .unwrap();
        for name in [None, Some("nora"), Some("root"), Some("ada"), Some("bob")] {
            for group in GROUPS {
                let django =
                    bed.ask(json!({ "cmd": "group_test", "username": name, "group": group })).await;
                let by_test = DjangoSessionMiddleware::optional(site.clone())
                    .user_passes_test_async(move |user, _| async move {
                        Ok(user.groups().await?.contains(group))
                    });
                let by_name =
                    DjangoSessionMiddleware::login_required(site.clone()).group_required(group);
                let app = App::new()
                    .service(web::resource("/desk/").wrap(by_test).to(groups))
                    .service(web::resource("/by-name/").wrap(by_name).to(groups));
                let app = init_service(app).await;
                let request = async |uri: &str| {
                    let mut request =
                        TestRequest::with_uri(uri).insert_header(("Host", "example.com"));
                    if let Some(name) = name {
                        request = request
                            .insert_header(("Cookie", test::create_session(&site, name).await));
                    }
                    request.to_request()
                };
                let answer = call_service(&app, request("/desk/?a=1").await).await;
                let location = answer.headers().get(LOCATION).map(|text| text.to_str().unwrap());
                assert_eq!(answer.status().as_u16(), django["status"], "{name:?} {group}");
                assert_eq!(location, django["location"].as_str(), "{name:?} {group}");
                let passes = answer.status() == StatusCode::OK;

                let by_name =
                    call_service(&app, request("/by-name/").await).await.status().as_u16();
                let expected = match name {
                    _ if passes => 200,
                    None => 302,
                    Some(_) => 403,
                };
                assert_eq!(by_name, expected, "{name:?} {group}");
                if passes {
                    let body = call_and_read_body(&app, request("/desk/").await).await;
                    let ours: serde_json::Value = serde_json::from_slice(&body).unwrap();
                    let mut theirs: Vec<_> = django["groups"].as_array().unwrap().clone();
                    theirs.sort_by(|a, b| a.as_str().cmp(&b.as_str()));
                    assert_eq!(ours, json!(theirs));
                }
            }
        }
    }
}

#[testbed::test]
async fn a_user_test_admits_only_users_who_pass_it() {
    let site = test::site()
        .user(TestUser::new(1, "ada").column("is_verified", true))
        .user(TestUser::new(2, "eve").column("is_verified", false))
        .user(TestUser::new(3, "bob").column("is_verified", true))
        // The column is NULL: the test fails.
        .user(TestUser::new(4, "nora"))
        .build();
    let verified = DjangoSessionMiddleware::login_required(site.clone())
        .user_passes_test(|user| user.get("is_verified").unwrap_or(false))
        .user_passes_test(|user| user.username() != "bob");
    let api = verified.clone().respond_401();
    let app = App::new()
        .service(web::resource("/").wrap(verified).to(async || "in"))
        .service(web::resource("/api").wrap(api).to(async || "in"));
    let app = init_service(app).await;
    for (who, page, api) in [
        (Some("ada"), 200, 200),
        (Some("eve"), 302, 403),
        (Some("bob"), 302, 403),
        (Some("nora"), 302, 403),
        (None, 302, 401),
    ] {
        let client = match who {
            Some(name) => Client::logged_in(&site, name).await,
            None => Client::new(&site),
        };
        let status = async |uri| client.send(&app, TestRequest::with_uri(uri)).await.status();
        assert_eq!(status("/").await, page, "{who:?}");
        assert_eq!(status("/api").await, api, "{who:?}");
    }
}

#[testbed::test]
async fn a_user_test_that_fails_or_hangs_admits_no_visitor() {
    let site = test::site().user(TestUser::new(7, "ada")).build();
    let failing = DjangoSessionMiddleware::optional(site.clone())
        .user_passes_test_async(|_, _| async { Err(Error::from(Unavailable::WrongAnswer)) });
    let app = App::new().service(web::resource("/failing").wrap(failing).to(async || "in"));
    let app = init_service(app).await;
    let ada = Client::logged_in(&site, "ada").await;
    let answer = ada.send(&app, TestRequest::with_uri("/failing")).await;
    assert_eq!(answer.status(), 503);
    assert!(answer.headers().contains_key("Retry-After"));
}

#[testbed::test]
async fn a_test_user_has_the_groups_that_the_test_gives() {
    let site = test::site().user(TestUser::new(7, "ada")).build();
    let middleware = DjangoSessionMiddleware::optional(site.clone()).group_required("editors");
    let client = Client::logged_in(&site, "ada").await;
    let app =
        init_service(App::new().service(web::resource("/").wrap(middleware).to(groups))).await;
    for (names, status) in [(vec!["editors", "x"], 200), (vec!["x"], 403), (vec![], 403)] {
        test::put_user(&site, TestUser::new(7, "ada").groups(names));
        assert_eq!(client.send(&app, TestRequest::get()).await.status(), status);
    }
}
