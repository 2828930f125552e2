//! A service with everything.

use actix_django_session::test::{self, TestUser};
use actix_web::{
    App,
    http::header::CONTENT_TYPE,
    test::{TestRequest, call_and_read_body, call_and_read_body_json, call_service, init_service},
};
use serde_json::{Value, json};

use crate::handlers::{
    answers::{header, text},
    bed::{bed, site},
    examples::workbench::routes::routes,
};

#[actix_web::test]
async fn visitors_are_told_who_they_are() {
    let app = init_service(App::new().configure(routes(test::site()))).await;
    for (path, told) in [
        ("/", json!({ "session": true, "user_id": "7" })),
        ("/user", json!({ "user_id": "7" })),
        ("/api/user", json!({ "user_id": "7" })),
        (
            "/session",
            json!({
                "_auth_user_id": "7",
                "_auth_user_backend": "django.contrib.auth.backends.ModelBackend",
            }),
        ),
        (
            "/account",
            json!({
                "id": "7", "username": "ada", "is_staff": false, "is_superuser": false,
                "permissions": ["shop.add_item"],
            }),
        ),
    ] {
        let request = TestRequest::get().uri(path).to_request();
        test::user(&request, TestUser::new(7, "ada").permissions(["shop.add_item"]));
        let body: Value = call_and_read_body_json(&app, request).await;
        assert_eq!(body, told, "{path}");
    }
    for (path, status) in
        [("/", 200), ("/user", 302), ("/api/user", 401), ("/session", 302), ("/account", 302)]
    {
        let stranger = TestRequest::get().uri(path).to_request();
        assert_eq!(call_service(&app, stranger).await.status(), status, "{path}");
    }
}

#[actix_web::test]
async fn the_token_is_good_for_a_note() {
    let app = init_service(App::new().configure(routes(test::site()))).await;
    let answer = call_service(&app, TestRequest::get().uri("/csrf").to_request()).await;
    let cookie = header(&answer, "set-cookie").split(';').next().unwrap().to_owned();
    let told: Value = serde_json::from_str(&text(answer).await).unwrap();
    let note = TestRequest::post()
        .uri("/note")
        .insert_header(("Cookie", cookie))
        .set_form([("csrfmiddlewaretoken", told["csrf_token"].as_str().unwrap()), ("text", "tea")]);
    let said: Value = call_and_read_body_json(&app, note.to_request()).await;
    assert_eq!(said, json!({ "text": "tea" }));
}

#[actix_web::test]
async fn what_is_put_comes_back() {
    let app = init_service(App::new().configure(routes(test::site()))).await;
    let put = TestRequest::put().uri("/note").insert_header((CONTENT_TYPE, "text/x-odd"));
    let put = put.set_payload(&b"\0\xff"[..]).to_request();
    test::csrf(&put);
    let answer = call_service(&app, put).await;
    assert_eq!(header(&answer, "content-type"), "text/x-odd");
    assert_eq!(actix_web::test::read_body(answer).await, &b"\0\xff"[..]);
}

/// A form of several parts, too; and a field that is none of its kind.
#[actix_web::test]
async fn fields_come_in_any_form() {
    let app = init_service(App::new().configure(routes(test::site()))).await;
    let parts = "--x\r\nContent-Disposition: form-data; name=\"text\"\r\n\r\ntea\r\n--x--\r\n";
    let note = TestRequest::post().uri("/note").set_payload(parts);
    let note = note.insert_header((CONTENT_TYPE, "multipart/form-data; boundary=x")).to_request();
    test::csrf(&note);
    assert_eq!(call_and_read_body(&app, note).await, r#"{"text":"tea"}"#);

    let add = TestRequest::post().uri("/cart").set_form([("item", "tea")]).to_request();
    test::no_session(&add);
    test::csrf(&add);
    let answer = call_service(&app, add).await;
    assert_eq!(answer.status(), 400);
    assert_eq!(text(answer).await, "item is no integer");
}

#[actix_web::test]
async fn a_session_is_changed() {
    let app = init_service(App::new().configure(routes(test::site()))).await;
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
        let request = request.to_request();
        test::with_session(&request, &json!({ "a": 1, "cart": [2] }));
        test::csrf(&request);
        let answered = call_service(&app, request).await;
        let after: Value =
            serde_json::from_str(&test::session_of(answered.request()).to_json()).unwrap();
        assert_eq!(after, data);
        assert_eq!(text(answered).await, answer);
    }
}

/// On a real row: a log-in, what is put into the cart, another key, the log-out.
#[actix_web::test]
async fn a_visit_from_log_in_to_log_out() {
    let app = init_service(App::new().configure(routes(site().await))).await;
    let judge = bed().await.judge().await.unwrap();
    let row = async |cookie: &str| {
        let question = json!({ "cmd": "read_row", "key": cookie.strip_prefix("sessionid=") });
        judge.ask(question).await.unwrap()
    };
    let post = async |path: &str, cookie: &str, form: &[(&str, &str)]| {
        let request = TestRequest::post().uri(path).insert_header(("Cookie", cookie));
        let request = request.set_form(form).to_request();
        test::csrf(&request);
        call_service(&app, request).await
    };
    let wrong = [("username", "ada"), ("password", "wrong")];
    assert_eq!(post("/login", "", &wrong).await.status(), 401);

    let right = [("username", "ada"), ("password", "lovelace")];
    let answer = post("/login", "", &right).await;
    let cookie = session_cookie(&answer);
    assert_eq!(text(answer).await, r#"{"user_id":"1"}"#);
    for (item, cart) in [("7", r#"{"cart":[7]}"#), ("8", r#"{"cart":[7,8]}"#)] {
        assert_eq!(text(post("/cart", &cookie, &[("item", item)]).await).await, cart);
    }
    let new = session_cookie(&post("/cycle", &cookie, &[]).await);
    assert_eq!(row(&cookie).await, Value::Null);
    assert!(row(&new).await["json"].as_str().unwrap().contains(r#""cart": [7, 8]"#));
    assert_eq!(post("/logout", &new, &[]).await.status(), 204);
    assert_eq!(row(&new).await, Value::Null);
}

/// What a browser would send from now on.
fn session_cookie<B>(answer: &actix_web::dev::ServiceResponse<B>) -> String {
    let cookies = answer.headers().get_all("set-cookie").map(|cookie| cookie.to_str().unwrap());
    let mut cookies = cookies.filter(|cookie| cookie.starts_with("sessionid="));
    cookies.next().unwrap().split(';').next().unwrap().to_owned()
}

#[actix_web::test]
async fn the_rest_framework_says_by_what_a_client_came() {
    let app = init_service(App::new().configure(routes(test::site()))).await;
    let ask = async |request: TestRequest, user: Option<TestUser>| {
        let request = request.to_request();
        user.into_iter().for_each(|user| drop(test::user(&request, user)));
        let answer = call_service(&app, request).await;
        (answer.status().as_u16(), text(answer).await)
    };
    let ada = || Some(TestUser::new(7, "ada"));
    let by_session = (200, r#"{"by":"session","user_id":"7"}"#.to_owned());
    let nobody = (200, r#"{"by":null,"user_id":null}"#.to_owned());
    let get = |path| TestRequest::get().uri(path);
    let refused = |detail: &str| (403, format!(r#"{{"detail":"{detail}"}}"#));
    let no_credentials = refused("Authentication credentials were not provided.");
    for path in ["/rest/me", "/rest/open", "/rest/read"] {
        assert_eq!(ask(get(path), ada()).await, by_session, "{path}");
    }
    for path in ["/rest/open", "/rest/read"] {
        assert_eq!(ask(get(path), None).await, nobody, "{path}");
    }
    assert_eq!(ask(get("/rest/me"), None).await, no_credentials);
    let not_staff = refused("You do not have permission to perform this action.");
    assert_eq!(ask(get("/rest/staff"), ada()).await, not_staff);
    let root = Some(TestUser::new(7, "root").staff());
    assert_eq!(ask(get("/rest/staff"), root).await, by_session);
    let delete = |path| TestRequest::delete().uri(path);
    assert_eq!(ask(delete("/rest/read"), None).await, no_credentials);
    assert_eq!(ask(delete("/rest/open"), None).await, nobody);
    let forged = refused("CSRF Failed: CSRF cookie not set.");
    assert_eq!(ask(delete("/rest/open"), ada()).await, forged);
}
