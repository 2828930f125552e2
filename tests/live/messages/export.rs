//! The settings of messages in the export, and where a login redirects.

use actix_django_session::{
    DjangoSessionMiddleware, DjangoSettings, DjangoSite, Messages, test::Client,
};
use actix_web::{
    App, HttpResponse,
    test::{TestRequest, call_service, init_service, read_body},
    web,
};
use serde_json::json;
use testbed::{Django, Settings, TestBed};

use super::operations::SECRET_KEY;
use crate::beds::pool;

/// The site with these settings, as it exports itself.
async fn exported(version: Django, settings: Settings) -> (TestBed, DjangoSite) {
    let settings = settings.set("SECRET_KEY", SECRET_KEY);
    let bed = TestBed::with_settings(version, settings).await.unwrap();
    let json = bed.export_settings().await.unwrap();
    let mut settings = DjangoSettings::from_json(&json, SECRET_KEY).unwrap();
    settings.write_sessions = true;
    let site = DjangoSite::new(pool(bed.database_url()), settings).unwrap();
    (bed, site)
}

async fn leave(messages: Messages) -> &'static str {
    messages.info("not kept");
    messages.error("kept");
    "left"
}

#[testbed::test]
async fn the_export_contains_the_settings_of_messages() {
    let storage = "django.contrib.messages.storage.session.SessionStorage";
    for version in Django::available().unwrap() {
        let settings = Settings::default()
            .set("MESSAGE_STORAGE", storage)
            .set("MESSAGE_LEVEL", 30)
            .set("MESSAGE_TAGS", json!({ "40": "danger", "25": "" }))
            .set("LOGIN_REDIRECT_URL", "account")
            .set("LOGOUT_REDIRECT_URL", "nowhere");
        let (_bed, site) = exported(version, settings).await;
        let middleware = DjangoSessionMiddleware::optional(site.clone());
        let app = init_service(App::new().wrap(middleware).route("/", web::get().to(leave))).await;
        let client = Client::new(&site);
        let answer = client.send(&app, TestRequest::get()).await;
        let cookies = answer.headers().get_all("set-cookie");
        let cookies: Vec<_> = cookies.map(|cookie| cookie.to_str().unwrap()).collect();
        assert!(matches!(cookies[..], [one] if one.starts_with("sessionid=")), "{cookies:?}");
        let left = client.messages().await;
        assert_eq!(left.len(), 1);
        assert_eq!((left[0].text(), left[0].level_tag()), ("kept", "danger"));

        let request = TestRequest::with_uri("/out/").to_http_request();
        assert_eq!(
            site.redirect_after_login(&request, None).headers().get("location").unwrap(),
            "/account/"
        );
        let report = site.check().await.unwrap().to_string();
        assert!(
            report.contains("LOGOUT_REDIRECT_URL: nowhere cannot be resolved to a URL"),
            "{report}"
        );
    }
}

/// The service cannot know what a custom class does.
#[testbed::test]
async fn a_custom_storage_only_makes_messages_fail() {
    for (setting, path) in [
        ("MESSAGE_STORAGE", "django.contrib.messages.storage.base.BaseStorage"),
        ("MESSAGE_STORAGE", "no.such.Storage"),
        ("SIGNING_BACKEND", "django.core.signing.Signer"),
    ] {
        let settings = Settings::default().set(setting, path);
        let (_bed, site) = exported(Django::default(), settings).await;
        let report = site.check().await.unwrap().to_string();
        assert!(report.contains(path), "{report}");
        let middleware = DjangoSessionMiddleware::optional(site)
            .error_handler(|error, _| HttpResponse::InternalServerError().body(error.to_string()));
        let app = App::new().wrap(middleware).route("/", web::get().to(leave));
        let app = init_service(app.route("/other", web::get().to(async || "other"))).await;
        let other = call_service(&app, TestRequest::with_uri("/other").to_request()).await;
        assert_eq!(other.status(), 200);
        let answer = call_service(&app, TestRequest::get().to_request()).await;
        assert_eq!(answer.status(), 500);
        let message = String::from_utf8(read_body(answer).await.to_vec()).unwrap();
        assert!(message.contains(path), "{message}");
    }
}
