//! A service that uses every extractor.

use actix_django_session::{
    DjangoSite,
    test::{self, Client, TestUser},
};
use actix_web::{
    App,
    http::header::CONTENT_TYPE,
    test::{TestRequest, call_and_read_body_json, call_service, init_service, read_body_json},
};
use serde_json::{Value, json};

use crate::handlers::{
    answers::{header, text},
    bed::{bed, site},
    examples::workbench::routes::routes,
};

fn in_memory() -> DjangoSite {
    test::site()
        .user(TestUser::new(7, "ada").password("lovelace").permissions(["shop.add_item"]))
        .user(TestUser::new(8, "boss").staff())
        .token("a-token", 7)
        .build()
}

#[actix_web::test]
async fn the_workbench_reports_the_user() {
    let site = in_memory();
    let app = init_service(App::new().configure(routes(site.clone()))).await;
    let client = Client::new(&site);
    for (path, status) in
        [("/", 200), ("/user", 302), ("/api/user", 401), ("/session", 302), ("/account", 302)]
    {
        let answer = client.send(&app, TestRequest::get().uri(path)).await;
        assert_eq!(answer.status(), status, "{path}");
    }
    client.force_login("ada").await;
    let session: Value = serde_json::from_str(&client.session().await.to_json()).unwrap();
    assert_eq!(session["_auth_user_id"], "7");
    for (path, outcome) in [
        ("/", json!({ "session": true, "user_id": "7" })),
        ("/user", json!({ "user_id": "7" })),
        ("/api/user", json!({ "user_id": "7" })),
        ("/session", session),
        (
            "/account",
            json!({
                "id": "7", "username": "ada", "is_staff": false, "is_superuser": false,
                "permissions": ["shop.add_item"],
            }),
        ),
    ] {
        let answer = client.send(&app, TestRequest::get().uri(path)).await;
        assert_eq!(read_body_json::<Value, _>(answer).await, outcome, "{path}");
    }
}

#[actix_web::test]
async fn a_note_is_accepted_with_the_token() {
    let app = init_service(App::new().configure(routes(in_memory()))).await;
    let answer = call_service(&app, TestRequest::get().uri("/csrf").to_request()).await;
    let cookie = header(&answer, "set-cookie").split(';').next().unwrap().to_owned();
    let outcome: Value = serde_json::from_str(&text(answer).await).unwrap();
    let note = TestRequest::post().uri("/note").insert_header(("Cookie", cookie)).set_form([
        ("csrfmiddlewaretoken", outcome["csrf_token"].as_str().unwrap()),
        ("text", "tea"),
    ]);
    let message: Value = call_and_read_body_json(&app, note.to_request()).await;
    assert_eq!(message, json!({ "text": "tea" }));
}

#[actix_web::test]
async fn a_put_body_is_returned_unchanged() {
    let site = in_memory();
    let app = init_service(App::new().configure(routes(site.clone()))).await;
    let put = TestRequest::put().uri("/note").insert_header((CONTENT_TYPE, "text/x-odd"));
    let answer = Client::new(&site).send(&app, put.set_payload(&b"\0\xff"[..])).await;
    assert_eq!(header(&answer, "content-type"), "text/x-odd");
    assert_eq!(actix_web::test::read_body(answer).await, &b"\0\xff"[..]);
}

/// Multipart forms too, and a field whose value has the wrong type.
#[actix_web::test]
async fn form_fields_are_read_from_every_form_encoding() {
    let site = in_memory();
    let app = init_service(App::new().configure(routes(site.clone()))).await;
    let client = Client::new(&site);
    let parts = "--x\r\nContent-Disposition: form-data; name=\"text\"\r\n\r\ntea\r\n--x--\r\n";
    let note = TestRequest::post().uri("/note").set_payload(parts);
    let note = note.insert_header((CONTENT_TYPE, "multipart/form-data; boundary=x"));
    assert_eq!(text(client.send(&app, note).await).await, r#"{"text":"tea"}"#);

    let add = TestRequest::post().uri("/cart").set_form([("item", "tea")]);
    let answer = client.send(&app, add).await;
    assert_eq!(answer.status(), 400);
    assert_eq!(text(answer).await, "item is no integer");
}

#[actix_web::test]
async fn a_session_is_changed() {
    let site = in_memory();
    let app = init_service(App::new().configure(routes(site.clone()))).await;
    for (request, answer, data) in [
        (TestRequest::delete().uri("/cart"), r#"{"removed":true}"#, json!({ "a": 1 })),
        (
            TestRequest::post().uri("/expiry").set_form([("seconds", "60")]),
            "",
            json!({ "a": 1, "cart": [2], "_session_expiry": 60 }),
        ),
        (TestRequest::post().uri("/expiry"), "", json!({ "a": 1, "cart": [2] })),
        (TestRequest::post().uri("/cycle"), "", json!({ "a": 1, "cart": [2] })),
    ] {
        let client = Client::new(&site);
        client.update_session(&json!({ "a": 1, "cart": [2] })).await;
        let answered = client.send(&app, request).await;
        let after: Value = serde_json::from_str(&client.session().await.to_json()).unwrap();
        assert_eq!(after, data);
        assert_eq!(text(answered).await, answer);
    }
}

/// A login, a changed cart, a new session key and a logout: in memory, and in a database whose rows Django
/// reads.
#[actix_web::test]
async fn a_user_logs_in_works_and_logs_out() {
    let oracle = bed().await.oracle().await.unwrap();
    for (site, id, is_in_database) in [(in_memory(), 7, false), (site().await, 1, true)] {
        let app = init_service(App::new().configure(routes(site.clone()))).await;
        let client = Client::new(&site);
        let row = async |key: Option<String>| {
            oracle.ask(json!({ "cmd": "read_row", "key": key })).await.unwrap()
        };
        let post = async |path: &str, form: &[(&str, &str)]| {
            client.send(&app, TestRequest::post().uri(path).set_form(form)).await
        };
        let wrong = [("username", "ada"), ("password", "wrong")];
        assert_eq!(post("/login", &wrong).await.status(), 401);

        let right = [("username", "ada"), ("password", "lovelace")];
        let answer = post("/login", &right).await;
        assert_eq!(text(answer).await, format!(r#"{{"user_id":"{id}"}}"#));
        for (item, cart) in [("7", r#"{"cart":[7]}"#), ("8", r#"{"cart":[7,8]}"#)] {
            assert_eq!(text(post("/cart", &[("item", item)]).await).await, cart);
        }
        let old = client.cookie("sessionid");
        post("/cycle", &[]).await;
        let new = client.cookie("sessionid");
        assert_ne!(old, new);
        assert_eq!(client.session().await.get::<Vec<i64>>("cart").unwrap(), Some(vec![7, 8]));
        if is_in_database {
            assert_eq!(row(old).await, Value::Null);
            assert!(row(new.clone()).await["json"].as_str().unwrap().contains(r#""cart": [7, 8]"#));
        }
        assert_eq!(post("/logout", &[]).await.status(), 204);
        assert_eq!(client.cookie("sessionid"), None);
        assert_eq!(row(new).await, Value::Null);
    }
}

#[actix_web::test]
async fn the_rest_framework_reports_the_authentication_class() {
    let site = in_memory();
    let app = init_service(App::new().configure(routes(site.clone()))).await;
    let ask = async |request: TestRequest, user: Option<&str>| {
        let client = match user {
            Some(user) => Client::logged_in(&site, user).await,
            None => Client::new(&site),
        };
        let answer = client.enforce_csrf_checks().send(&app, request).await;
        (answer.status().as_u16(), text(answer).await)
    };
    let ada = || Some("ada");
    let by_session = (200, r#"{"by":"session","user_id":"7"}"#.to_owned());
    let anonymous = (200, r#"{"by":null,"user_id":null}"#.to_owned());
    let get = |path| TestRequest::get().uri(path);
    let refused = |detail: &str| (403, format!(r#"{{"detail":"{detail}"}}"#));
    let no_credentials = refused("Authentication credentials were not provided.");
    for path in ["/rest/me", "/rest/open", "/rest/read"] {
        assert_eq!(ask(get(path), ada()).await, by_session, "{path}");
    }
    for path in ["/rest/open", "/rest/read"] {
        assert_eq!(ask(get(path), None).await, anonymous, "{path}");
    }
    assert_eq!(ask(get("/rest/me"), None).await, no_credentials);
    let not_staff = refused("You do not have permission to perform this action.");
    assert_eq!(ask(get("/rest/staff"), ada()).await, not_staff);
    let by_session = |id| (200, format!(r#"{{"by":"session","user_id":"{id}"}}"#));
    assert_eq!(ask(get("/rest/staff"), Some("boss")).await, by_session(8));
    let delete = |path| TestRequest::delete().uri(path);
    assert_eq!(ask(delete("/rest/read"), None).await, no_credentials);
    assert_eq!(ask(delete("/rest/open"), None).await, anonymous);
    let forged = refused("CSRF Failed: CSRF cookie not set.");
    assert_eq!(ask(delete("/rest/open"), ada()).await, forged);
}
