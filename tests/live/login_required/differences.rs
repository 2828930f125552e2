//! Intended differences between the crate and Django; each test shows both sides.

use actix_django_session::{
    DjangoSessionMiddleware, DjangoSettings, DjangoSite, Error, UserModel, signing::Algorithm,
};
use actix_web::{
    App, HttpResponse,
    test::{TestRequest, call_service, init_service},
    web,
};
use serde_json::{Value, json};
use testbed::{Django, Settings, With};

use crate::{
    beds::{Bed, MODEL_BACKEND, settings},
    login_required::sessions::{quoted, session, session_auth_hash, session_of},
    probe::probe,
};

#[testbed::test]
async fn a_wrong_hash_is_anonymous_in_both_but_only_django_deletes_the_row() {
    for django in Django::available().unwrap() {
        let bed = Bed::without_users(django, &Settings::default()).await;
        let ada = bed.user("ada", json!({ "password": "lovelace" })).await;
        let pk = ada["pk"].as_str().unwrap();
        let key = bed.session(&session_of(pk, &"0".repeat(64))).await;
        let app = probe(bed.site());

        let answer = app.get("/user", &key).await;
        assert_eq!(answer.status, 302);
        assert_eq!(answer.header("set-cookie"), None);
        let row = bed.ask(json!({ "cmd": "get_row", "key": key })).await;
        assert!(row["row"].is_object(), "{row}");
        assert_eq!(bed.verdict(&key).await, json!({ "user": null, "row": "deleted" }), "{django}");
    }
}

#[testbed::test]
async fn a_fallback_hash_is_valid_in_both_but_only_django_makes_a_new_key() {
    for django in Django::available().unwrap() {
        let bed =
            Bed::without_users(django, &Settings::default().secret_key_fallbacks(["old"])).await;
        let ada = bed.user("ada", json!({ "password": "lovelace" })).await;
        let hash = ada["fallback_hashes"][0].as_str().unwrap();
        let key = bed.session(&session_of(ada["pk"].as_str().unwrap(), hash)).await;
        let row = bed.ask(json!({ "cmd": "get_row", "key": key })).await;
        let app =
            probe(bed.site_with(settings().with(|s| s.secret_key_fallbacks = vec!["old".into()])));

        let answer = app.get("/user", &key).await;
        assert_eq!(answer.status, 200);
        assert_eq!(answer.header("set-cookie"), None);
        assert_eq!(bed.ask(json!({ "cmd": "get_row", "key": key })).await, row);
        let verdict = bed.verdict(&key).await;
        assert_eq!(
            (&verdict["user"]["username"], &verdict["row"]),
            (&json!("ada"), &json!("cycled"))
        );
        // Without the fallback key it is a wrong hash.
        assert_eq!(probe(bed.site()).status("/user", &key).await, 302);
    }
}

#[testbed::test]
async fn a_session_that_makes_django_fail_is_anonymous_here() {
    let failing = [
        "\"\"",
        "\"abc\"",
        "\"1.0\"",
        "[]",
        "{}",
        "NaN",
        "\"1\\u0000\"",
        "Infinity",
        "\"\\u001c1\"",
    ];
    for django in Django::available().unwrap() {
        let bed = Bed::without_users(django, &Settings::default()).await;
        let ada = bed.user("ada", json!({ "password": "lovelace" })).await;
        let hash = quoted(ada["session_auth_hash"].as_str().unwrap());
        let app = probe(bed.site());
        let mut sessions: Vec<_> =
            failing.map(|id| session(id, &quoted(MODEL_BACKEND), &hash)).into();
        // This holds even if no user could log in, because the backend is not listed.
        sessions.push(session("\"abc\"", "\"no.such.Backend\"", &hash));
        sessions.push(session("\"1\"", &quoted(MODEL_BACKEND), "\"\\ud800\""));
        sessions.extend(["[]", "null", "5"].map(str::to_owned));
        for json_text in sessions {
            let key = bed.session(&json_text).await;
            let verdict = bed.verdict(&key).await;
            assert!(verdict["error"].is_string(), "{django} on {json_text}: {verdict}");
            assert_eq!(app.json("/who", &key).await, Value::Null, "{json_text}");
            assert_eq!(app.status("/user", &key).await, 302, "{json_text}");
        }
    }
}

#[testbed::test]
async fn lists_and_dictionaries_are_not_primary_keys_here() {
    let bed = Bed::of_model("texts.TextUser").await;
    let app = probe(
        bed.site_of(UserModel::new("texts_textuser").with(|m| m.primary_key = "code".into())),
    );
    for (code, id) in [("['a']", "[\"a\"]"), ("{'a': 1}", "{\"a\":1}")] {
        let user = bed.user(code, json!({ "code": code, "password": "x" })).await;
        let hash = quoted(user["session_auth_hash"].as_str().unwrap());
        let odd = bed.session(&session(id, &quoted(MODEL_BACKEND), &hash)).await;
        assert_eq!(bed.verdict(&odd).await["user"]["id"], code);
        assert_eq!(app.json("/who", &odd).await, Value::Null);
        // Sessions that are signed with the key are valid.
        let plain = bed.session(&session(&quoted(code), &quoted(MODEL_BACKEND), &hash)).await;
        assert_eq!(app.json("/who", &plain).await["id"], code);
    }
}

/// Case 40: every attacker can make a hash with the empty secret.
#[testbed::test]
async fn an_empty_fallback_secret_is_refused_here_although_django_accepts_it() {
    let bed =
        Bed::without_users(Django::default(), &Settings::default().secret_key_fallbacks([""]))
            .await;
    let ada = bed.user("ada", json!({ "password": "lovelace" })).await;
    let password = ada["password"].as_str().unwrap();
    let hash = session_auth_hash(b"", password, Algorithm::Sha256);
    let key = bed.session(&session_of(ada["pk"].as_str().unwrap(), &hash)).await;
    assert_eq!(bed.verdict(&key).await["user"]["username"], "ada");

    let refused =
        DjangoSite::new(bed.pool(), settings().with(|s| s.secret_key_fallbacks = vec!["".into()]));
    assert!(matches!(refused, Err(Error::ImproperlyConfigured(_))));
    assert!(DjangoSite::new(bed.pool(), DjangoSettings::new("")).is_err());
    assert_eq!(probe(bed.site()).status("/user", &key).await, 302);
}

/// A user is logged in and lacks the permission: Django's decorators redirect to the login page, and so does
/// the middleware with the error handler of its documentation.
#[testbed::test]
async fn a_user_without_the_permission_gets_a_403_or_the_answer_of_the_decorators() {
    let sends = |middleware: DjangoSessionMiddleware| {
        middleware.error_handler(|error, req| match error {
            Error::PermissionDenied => Error::Anonymous.default_response(req),
            error => error.default_response(req),
        })
    };
    for django in Django::available().unwrap() {
        let bed = Bed::without_users(django, &Settings::default()).await;
        bed.user("ada", json!({})).await;
        bed.user("ben", json!({ "permissions": ["auth.view_user"] })).await;
        bed.user("ann", json!({ "is_staff": true })).await;
        bed.user("root", json!({ "is_staff": true, "is_superuser": true })).await;
        let site = bed.site_with(settings().with(|s| s.allowed_hosts = vec!["*".into()]));
        let of = || DjangoSessionMiddleware::login_required(site.clone());
        let permission = || of().permission_required("auth.view_user");
        for name in [None, Some("ada"), Some("ben"), Some("ann"), Some("root")] {
            let question =
                json!({ "cmd": "decorated", "username": name, "permission": "auth.view_user" });
            let django = bed.ask(question).await;
            let key = match name {
                Some(name) => bed.login(name).await,
                None => String::new(),
            };
            let ours = async |middleware: DjangoSessionMiddleware| {
                let app = App::new().wrap(middleware).default_service(web::to(HttpResponse::Ok));
                let request = TestRequest::with_uri("/desk/?a=1")
                    .insert_header(("Host", "example.com"))
                    .insert_header(("Cookie", format!("sessionid={key}")));
                let answer = call_service(&init_service(app).await, request.to_request()).await;
                let location = answer.headers().get("Location");
                json!([answer.status().as_u16(), location.map(|to| to.to_str().unwrap())])
            };
            assert_eq!(ours(sends(permission())).await, django["permission"], "{name:?}");
            assert_eq!(ours(sends(of().staff_required())).await, django["staff"], "{name:?}");
            // Without the handler, a logged-in user is not redirected to the login page.
            let plain = ours(permission()).await;
            let staff = ours(of().staff_required()).await;
            if name.is_some() {
                assert_eq!(plain, django["permission_or_403"], "{name:?}");
                let refused = if django["staff"][0] == 302 { 403 } else { 200 };
                assert_eq!(staff, json!([refused, null]), "{name:?}");
            } else {
                assert_eq!((&plain, &staff), (&django["permission"], &django["staff"]));
            }
        }
    }
}
