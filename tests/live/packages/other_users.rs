//! Packages that log in as another user, and one that counts failed logins.

use actix_django_session::{AuthenticationBackend, Error};
use serde_json::json;
use testbed::Browser;
use testbed::With;

use super::{beds, both, entries_of, exported, post, service, site_with};
use crate::{
    beds::{MODEL_BACKEND, PASSWORD},
    settings::check::in_use,
};

#[testbed::test]
async fn with_django_loginas_the_session_names_the_other_user() {
    let apps = ["django.contrib.admin", "django.contrib.messages", "loginas"];
    let messages = "django.contrib.messages.middleware.MessageMiddleware";
    let settings = site_with(&["django-loginas==0.3.14"], &apps);
    for bed in beds(settings.set("EXTRA_MIDDLEWARE", json!([messages]))).await {
        let (found, settings) = exported(&bed).await;
        assert_eq!(found["not_honoured"], json!([]));
        let service = service(bed.site_with(settings));
        let root = Browser::new();
        root.login(bed.bed().site().await.unwrap(), "root", PASSWORD).await.unwrap();
        assert_eq!(both(&root, &service, &bed).await, ["root", "root"]);
        assert_eq!(post(&root, &bed, "/admin/login/user/1/", &[]).await, 302);
        assert_eq!(both(&root, &service, &bed).await, ["ada", "ada"]);
        assert_eq!(post(&root, &bed, "/admin/logout/", &[]).await, 302);
        assert_eq!(both(&root, &service, &bed).await, ["root", "root"]);
    }
}

#[testbed::test]
async fn the_backend_of_django_su_is_known() {
    let settings = site_with(&["django-su==1.0.0"], &["django_su"]);
    let backends = [MODEL_BACKEND, "django_su.backends.SuBackend"];
    for bed in beds(settings.authentication_backends(backends)).await {
        let (found, settings) = exported(&bed).await;
        assert_eq!(found["not_honoured"], json!([]));
        let site = in_use(bed.site_with(settings));
        assert_eq!(site.check().await.unwrap().warnings(), [""; 0]);
        let service = service(site.clone());
        let root = Browser::new();
        root.login(bed.bed().site().await.unwrap(), "root", PASSWORD).await.unwrap();
        assert_eq!(post(&root, &bed, "/su/1/", &[]).await, 302);
        assert_eq!(both(&root, &service, &bed).await, ["ada", "ada"]);
        // Its backend logs in any user in the table, and asks for no password.
        bed.user("ada", json!({ "is_active": false })).await;
        assert_eq!(both(&root, &service, &bed).await, ["ada", "ada"]);
        assert!(site.authenticate("ada", PASSWORD).await.unwrap().is_none());
        let back = format!("{}/su/", bed.bed().site().await.unwrap().url());
        assert_eq!(root.get(&back).await.unwrap().status(), 302);
        assert_eq!(both(&root, &service, &bed).await, ["root", "root"]);
        root.get(&format!("{}/out", service.url())).await.unwrap();
        assert_eq!(both(&root, &service, &bed).await, ["", ""]);
    }
}

#[testbed::test]
async fn a_login_is_left_to_django_if_django_axes_counts_attempts() {
    let axes = "axes.backends.AxesStandaloneBackend";
    let settings = site_with(&["django-axes==8.3.1"], &["axes"])
        .authentication_backends([axes, MODEL_BACKEND])
        .set("EXTRA_MIDDLEWARE", json!(["axes.middleware.AxesMiddleware"]));
    for bed in beds(settings).await {
        let (found, settings) = exported(&bed).await;
        assert_eq!(
            entries_of(&found, "AUTHENTICATION_BACKENDS"),
            [[Some("note"), Some(axes), None]]
        );
        assert_eq!(entries_of(&found, "user_login_failed").len(), 1);
        let site = bed.site_with(settings.clone());
        let refused = site.authenticate("ada", PASSWORD).await.unwrap_err();
        let Error::ImproperlyConfigured(sentence) = refused else { panic!("{refused}") };
        assert!(sentence.contains(axes) && sentence.contains("checks_passwords"), "{sentence}");

        let service = service(site);
        let (ada, locked) = (Browser::new(), Browser::new());
        ada.login(bed.bed().site().await.unwrap(), "ada", PASSWORD).await.unwrap();
        assert_eq!(both(&ada, &service, &bed).await, ["ada", "ada"]);
        let page = format!("{}/accounts/login/", bed.bed().site().await.unwrap().url());
        let mut statuses = Vec::new();
        for _ in 0..4 {
            let wrong = [("username", "ada"), ("password", "wrong")];
            statuses.push(locked.submit(&page, &wrong).await.unwrap().status().as_u16());
        }
        assert_eq!(statuses.last(), Some(&429), "{statuses:?}");
        assert!(locked.login(bed.bed().site().await.unwrap(), "ada", PASSWORD).await.is_err());
        // A user who is logged in stays logged in, also in Django.
        assert_eq!(both(&ada, &service, &bed).await, ["ada", "ada"]);
        // A service that skips this backend has no lock-out.
        let mut passed_over = AuthenticationBackend::new(axes);
        passed_over.checks_passwords = Some(false);
        let site = bed.site_with(settings.with(|s| {
            s.authentication_backends = vec![passed_over, AuthenticationBackend::new(MODEL_BACKEND)]
        }));
        assert!(site.authenticate("ada", PASSWORD).await.unwrap().is_some());
    }
}
