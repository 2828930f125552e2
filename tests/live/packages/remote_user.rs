//! Django's own `RemoteUserMiddleware`: a proxy names the user.

use actix_django_session::DjangoSite;
use serde_json::{Value, json};
use testbed::Browser;

use super::{beds, entries_of, exported, service, site_with};
use crate::beds::{Bed, MODEL_BACKEND, new_key};

const BACKEND: &str = "django.contrib.auth.backends.RemoteUserBackend";

/// The rule of the middleware, as the guide has it.
fn bound_to_remote_user(site: DjangoSite) -> DjangoSite {
    site.after_get_user(|session, user, site| async move {
        let is_theirs = match site.request()?.header("x-remote-user") {
            Some(name) if !name.is_empty() => name == user.username(),
            // Sessions of other backends need none.
            _ => session.get::<String>("_auth_user_backend")?.as_deref() != Some(BACKEND),
        };
        Ok(is_theirs.then_some(user))
    })
}

async fn rusts(url: &str, browser: &Browser, remote_user: Option<&str>) -> u16 {
    let request = browser.client().get(format!("{url}/page"));
    let request = match remote_user {
        Some(name) => request.header("X-Remote-User", name),
        None => request,
    };
    request.send().await.unwrap().status().as_u16()
}

/// A session of ada's, by this backend.
async fn session_of_ada(bed: &Bed, backend: &str) -> String {
    let ada = bed.ask(json!({ "cmd": "get_user", "username": "ada" })).await;
    let data = json!({
        "_auth_user_id": ada["pk"], "_auth_user_backend": backend,
        "_auth_user_hash": ada["session_auth_hash"],
    });
    let key = new_key();
    bed.ask(json!({ "cmd": "sign_row", "key": key, "obj_json": data.to_string() })).await;
    key
}

#[testbed::test]
async fn a_session_ends_when_the_proxy_names_no_user_or_another_user() {
    let middleware = "own.remote.ByHeader";
    let settings = site_with(&[], &[])
        .authentication_backends([BACKEND, MODEL_BACKEND])
        .set("EXTRA_MIDDLEWARE", json!([middleware]));
    for bed in beds(settings).await {
        let (found, settings) = exported(&bed).await;
        let hook = [Some("hook"), Some(middleware), Some("after_get_user")];
        assert_eq!(entries_of(&found, "MIDDLEWARE"), [hook]);
        let service = service(bound_to_remote_user(bed.site_with(settings)));
        for backend in [BACKEND, MODEL_BACKEND] {
            let key = session_of_ada(&bed, backend).await;
            for remote_user in [None, Some("ada"), Some("ben"), Some("Ada"), Some("")] {
                let cookie = format!("sessionid={key}");
                let headers = remote_user.map(|name| json!({ "X-Remote-User": name }));
                let visit = json!({ "cmd": "visit", "cookie": cookie, "headers": headers });
                let django = bed.ask(visit).await["verdict"]["username"] == "ada";
                let mut headers = vec![("Cookie", cookie.as_bytes())];
                headers.extend(remote_user.map(|name| ("X-Remote-User", name.as_bytes())));
                let ours = service.get_with("/page", &headers).await.status == 200;
                assert_eq!(ours, django, "{backend} {remote_user:?}");
            }
        }
        // A user whom the header logged in there is logged in here, with the header.
        let ada = Browser::new();
        let page = format!("{}/whoami/", bed.bed().site().await.unwrap().url());
        let request = ada.client().get(page).header("X-Remote-User", "ada");
        let answer: Value =
            serde_json::from_str(&request.send().await.unwrap().text().await.unwrap()).unwrap();
        assert_eq!(answer["username"], "ada");
        assert_eq!(rusts(&service.url(), &ada, Some("ada")).await, 200);
        assert_eq!(rusts(&service.url(), &ada, None).await, 302);
    }
}

#[testbed::test]
async fn a_persistent_remote_user_is_the_user_whom_the_session_names() {
    let middleware = "django.contrib.auth.middleware.PersistentRemoteUserMiddleware";
    let settings = site_with(&[], &[])
        .authentication_backends([BACKEND, MODEL_BACKEND])
        .set("EXTRA_MIDDLEWARE", json!([middleware]));
    for bed in beds(settings).await {
        let (found, settings) = exported(&bed).await;
        assert_eq!(entries_of(&found, "MIDDLEWARE"), [[Some("note"), Some(middleware), None]]);
        let service = service(bed.site_with(settings));
        let key = session_of_ada(&bed, BACKEND).await;
        let visit = json!({ "cmd": "visit", "cookie": format!("sessionid={key}") });
        assert_eq!(bed.ask(visit).await["verdict"]["username"], "ada");
        assert_eq!(service.get("/page", &key).await.text(), "ada");
    }
}
