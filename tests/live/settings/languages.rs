//! Where a site in several languages sends visitors to log in: as its `LocaleMiddleware` would.

use std::collections::BTreeSet;

use actix_django_session::{DjangoSessionMiddleware, DjangoSettings};
use actix_web::{
    App, HttpResponse,
    test::{TestRequest, call_service, init_service},
    web,
};
use serde_json::{Value, json};
use testbed::{Django, Settings, With};

use crate::beds::{Bed, Rng, seed};

const PATHS: [&str; 13] = [
    "/members/",
    "/",
    "/de/",
    "/de",
    "/de-at/x",
    "/fr/x",
    "/pt/x",
    "/pt-pt/",
    "/zh-tw/",
    "/zh-hant-hk/x",
    "/de-a-b-c/",
    "/en/x",
    "/de%2Fx",
];
const COOKIES: [&str; 10] =
    ["", "de", "fr", "pt-br", "pt", "zh-cn", "en-gb", "no such language", "-", "\"de\""];
const ACCEPTED: [&str; 16] = [
    "",
    "de",
    "de-AT,de;q=0.8",
    "fr,pt;q=0.5",
    "fr",
    "*",
    "*,de",
    "zh-TW",
    "zh-Hant",
    "en;q=0.1,de;q=0.2",
    "de;q=0,en;q=0",
    "de;q=2",
    "de,,en",
    "pt-PT, zh-hans",
    "DE ; q=0.9 , en",
    "x,de;q=0.001",
];

fn sites() -> [Settings; 5] {
    let site = || {
        Settings::default()
            .set("ROOT_URLCONF", "own.urls")
            .set("LANGUAGE_CODE", "en-us")
            .set("EXTRA_MIDDLEWARE", json!(["django.middleware.locale.LocaleMiddleware"]))
            .login_url("login")
    };
    let some =
        json!([["en", "English"], ["de", "Deutsch"], ["pt-br", "Brasil"], ["zh-hans", "Han"]]);
    [
        site(),
        site().set("LANGUAGES", some.clone()),
        site().set("LANGUAGES", some.clone()).set("PREFIX_DEFAULT_LANGUAGE", false),
        site()
            .set("LANGUAGES", some.clone())
            .set("LANGUAGE_CODE", "de")
            .set("PREFIX_DEFAULT_LANGUAGE", false),
        site()
            .set("LANGUAGES", some)
            .set("LANGUAGE_COOKIE_NAME", "tongue")
            .set("LANGUAGE_CODE", "fr"),
    ]
}

#[testbed::test]
async fn visitors_are_redirected_to_the_login_page_in_their_language() {
    let rng = &mut Rng(seed());
    let versions = Django::available().unwrap();
    // The total is the same for any number of Django versions.
    let visits = 150 / versions.len();
    for django in versions {
        for (number, settings) in sites().iter().enumerate() {
            let bed = Bed::without_users(django, settings).await;
            let exported = bed.export().await;
            let found: Value = serde_json::from_str(&exported).unwrap();
            assert_eq!(found["not_honoured"], json!([]), "{django}, {number}");
            let made = DjangoSettings::from_json(&exported, Settings::SECRET_KEY).unwrap();
            let site = bed.site_with(made.with(|s| s.allowed_hosts = vec!["*".into()]));
            let app = App::new()
                .wrap(DjangoSessionMiddleware::login_required(site))
                .default_service(web::to(HttpResponse::Ok));
            let app = init_service(app).await;
            let name = settings.get("LANGUAGE_COOKIE_NAME").unwrap_or("django_language");
            let (mut seen, mut varies) = (BTreeSet::new(), BTreeSet::new());
            for _ in 0..visits {
                let path = PATHS[rng.below(PATHS.len())];
                let cookie = format!("{name}={}", COOKIES[rng.below(COOKIES.len())]);
                let accepted = ACCEPTED[rng.below(ACCEPTED.len())];
                let visit = json!({
                    "cmd": "visit", "path": path, "cookie": cookie,
                    "headers": { "Accept-Language": accepted },
                });
                let expected = bed.ask(visit).await;
                let request = TestRequest::with_uri(path)
                    .insert_header(("Cookie", cookie.clone()))
                    .insert_header(("Accept-Language", accepted));
                let answer = call_service(&app, request.to_request()).await;
                let [location, vary] = ["Location", "Vary"]
                    .map(|name| answer.headers().get(name).unwrap().to_str().unwrap());
                let context = format!("{django}, {number}: {path} {cookie} {accepted:?}");
                assert_eq!(location, expected["location"], "{context}");
                assert_eq!(vary, expected["vary"], "{context}");
                varies.insert(vary.to_owned());
                seen.insert(location.split("/accounts").next().unwrap().to_owned());
            }
            assert!(seen.len() >= 3, "{django}, {number}: {seen:?}");
            assert_eq!(varies.len(), 2, "{django}, {number}: {varies:?}");
        }
    }
}

/// A URL that the service sets stands, whatever the language.
#[testbed::test]
async fn a_login_url_of_the_service_does_not_depend_on_the_language() {
    let settings = &sites()[1];
    let bed = Bed::without_users(Django::default(), settings).await;
    let made = DjangoSettings::from_json(&bed.export().await, Settings::SECRET_KEY).unwrap();
    for settings in [made.clone().with(|s| s.login_url = "/in/".into()), made.clone()] {
        let site = bed.site_with(settings.with(|s| s.allowed_hosts = vec!["*".into()]));
        let middleware = DjangoSessionMiddleware::login_required(site.clone());
        let of_middleware = middleware.clone().login_url("/in/");
        let is_set = site.settings() != &made.clone().with(|s| s.allowed_hosts = vec!["*".into()]);
        for (middleware, expected) in [(middleware, is_set), (of_middleware, true)] {
            let app = App::new().wrap(middleware).default_service(web::to(HttpResponse::Ok));
            let app = init_service(app).await;
            let request = TestRequest::with_uri("/de/");
            let answer = call_service(&app, request.to_request()).await;
            let location = answer.headers().get("Location").unwrap().to_str().unwrap();
            let expected = if expected { "/in/" } else { "/de/accounts/login/" };
            assert!(location.starts_with(expected), "{location}");
        }
    }
}

/// One that chooses in a way of its own is said.
#[testbed::test]
async fn a_custom_locale_middleware_is_exported_as_a_note() {
    let settings = sites()[0]
        .clone()
        .set("EXTRA_MIDDLEWARE", json!(["own.locale.ByAccount"]))
        .set("LOGIN_REDIRECT_URL", "login");
    let bed = Bed::without_users(Django::default(), &settings).await;
    let found: Value = serde_json::from_str(&bed.export().await).unwrap();
    assert_eq!(
        (&found["LOGIN_URL"], &found["login_urls"]),
        (&json!("/en/accounts/login/"), &Value::Null)
    );
    assert_eq!(found["LOGIN_REDIRECT_URL"], "/en/accounts/login/");
    let message: Vec<_> =
        found["not_honoured"].as_array().unwrap().iter().map(|each| &each["setting"]).collect();
    assert_eq!(message, ["LOGIN_URL", "LOGIN_REDIRECT_URL", "MIDDLEWARE"]);
}
