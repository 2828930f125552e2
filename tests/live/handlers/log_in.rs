//! Login, logout and a new password: with a browser, and beside Django.

use actix_django_session::{
    DjangoSite,
    test::{Client, TestSite, TestUser},
};
use actix_web::{
    App,
    test::{TestRequest, init_service},
};
use testbed::{Browser, Example};

use crate::handlers::{
    answers::{header, text},
    bed::bed,
    examples::log_in::{routes, settings},
};

fn in_memory() -> DjangoSite {
    TestSite::new(settings("a key")).user(TestUser::new(1, "ada").password("lovelace")).build()
}

/// Sends a form with the CSRF token of the cookie; does not follow redirects.
async fn post(browser: &Browser, url: &str, fields: &[(&str, &str)]) -> reqwest::Response {
    let cookies = browser.cookies(url).unwrap();
    let token = cookies.split("; ").find_map(|cookie| cookie.strip_prefix("csrftoken="));
    let mut body = format!("csrfmiddlewaretoken={}", token.unwrap());
    for (name, value) in fields {
        body += &format!("&{name}={value}");
    }
    let request = browser.client().post(url).body(body);
    let request = request.header("Content-Type", "application/x-www-form-urlencoded");
    request.send().await.unwrap()
}

async fn page(browser: &Browser, url: &str) -> String {
    browser.get(url).await.unwrap().text().await.unwrap()
}

#[actix_web::test]
async fn a_visitor_logs_in_changes_the_password_and_logs_out() {
    let bed = bed().await;
    bed.oracle().await.unwrap().set_user("eva", "old-password").await.unwrap();
    let example = Example::run("log_in", bed.database_url(), &[]).unwrap();
    let url = |path: &str| format!("{}{path}", example.url());
    let (browser, elsewhere) = (Browser::new(), Browser::new());
    elsewhere.login(bed.site().await.unwrap(), "eva", "old-password").await.unwrap();
    assert!(page(&elsewhere, &url("/")).await.contains("Hello, eva"));

    let form = page(&browser, &url("/login/?next=/password/?a%3D%22b")).await;
    assert!(form.contains("name=\"next\" value=\"/password/?a=&quot;b\""), "{form}");
    let log_in = |password| [("username", "eva"), ("password", password), ("next", "/password/")];
    let wrong = post(&browser, &url("/login/"), &log_in("wrong")).await;
    assert_eq!(wrong.status(), 200);
    let wrong = wrong.text().await.unwrap();
    assert!(wrong.contains("Wrong name or password.") && wrong.contains("value=\"/password/\""));
    let right = post(&browser, &url("/login/"), &log_in("old-password")).await;
    assert_eq!(
        (right.status().as_u16(), &right.headers()["location"]),
        (302, &"/password/".parse().unwrap())
    );
    assert!(
        page(&browser, &url("/password/")).await.contains("<p class=\"success\">Welcome, eva.</p>")
    );
    assert!(!page(&browser, &url("/password/")).await.contains("Welcome"));

    let change = |old, new| [("old_password", old), ("new_password1", new), ("new_password2", new)];
    for (old, new, message) in [
        ("old-password", "short", "at least 8 characters"),
        ("wrong", "new-password", "not your old password"),
        ("old-password", "new-password", "Your password is changed."),
    ] {
        let answer = post(&browser, &url("/password/"), &change(old, new)).await;
        assert_eq!(answer.status(), 303);
        let next = page(&browser, &url(answer.headers()["location"].to_str().unwrap())).await;
        assert!(next.contains(message), "{next}");
    }
    assert_eq!(browser.whoami(bed.site().await.unwrap()).await.unwrap()["username"], "eva");
    assert!(!page(&elsewhere, &url("/")).await.contains("Hello"));
    elsewhere.login(bed.site().await.unwrap(), "eva", "new-password").await.unwrap();

    let out = post(&browser, &url("/logout/"), &[]).await;
    assert_eq!((out.status().as_u16(), &out.headers()["location"]), (302, &"/".parse().unwrap()));
    let front = page(&browser, &url("/")).await;
    assert!(front.contains("You are logged out.") && front.contains("Log in"), "{front}");
    assert_ne!(browser.whoami(bed.site().await.unwrap()).await.unwrap()["username"], "eva");
}

#[actix_web::test]
async fn a_login_never_redirects_to_another_site() {
    let site = in_memory();
    let app = init_service(App::new().configure(routes(site.clone()))).await;
    for (next, to) in [
        ("/account/?a=1", "/account/?a=1"),
        ("http://localhost/x", "http://localhost/x"),
        ("//evil.example", "/"),
        ("https://evil.example/", "/"),
        ("/\\evil.example", "/"),
        ("javascript:alert(1)", "/"),
        ("/a\r\nSet-Cookie: a=b", "/a%0D%0ASet-Cookie:%20a=b"),
        ("", "/"),
    ] {
        let fields = [("username", "ada"), ("password", "lovelace"), ("next", next)];
        let request = TestRequest::post().uri("/login/?next=/never/").set_form(fields);
        let request = request.insert_header(("Host", "localhost"));
        let answer = Client::new(&site).send(&app, request).await;
        assert_eq!((answer.status().as_u16(), header(&answer, "location")), (302, to), "{next}");
    }
}

/// Takes the same steps without a database.
#[actix_web::test]
async fn a_test_client_needs_no_database() {
    let site = in_memory();
    let app = init_service(App::new().configure(routes(site.clone()))).await;
    let (client, elsewhere) = (Client::new(&site), Client::logged_in(&site, "ada").await);
    let get = async |path: &str| {
        let page = TestRequest::get().uri(path).insert_header(("Host", "localhost"));
        text(client.send(&app, page).await).await
    };
    let post = async |path: &str, form: &[(&str, &str)]| {
        let form = TestRequest::post().uri(path).set_form(form);
        let answer = client.send(&app, form.insert_header(("Host", "localhost"))).await;
        (answer.status().as_u16(), answer.headers().get("location").cloned())
    };
    assert!(get("/login/?next=/a/").await.contains("name=\"next\" value=\"/a/\""));
    assert_eq!(post("/login/", &[("username", "ada"), ("password", "wrong")]).await.0, 200);
    assert_eq!(post("/login/", &[("username", "ada"), ("password", "lovelace")]).await.0, 302);
    assert!(get("/").await.contains("Hello, ada"));

    let change =
        |old, new, again| [("old_password", old), ("new_password1", new), ("new_password2", again)];
    for (form, message, level) in [
        (change("lovelace", "b", "c"), "The two new passwords differ.", "error"),
        (change("lovelace", "b", "b"), "A password has at least 8 characters.", "error"),
        (
            change("wrong", "new-password", "new-password"),
            "That is not your old password.",
            "error",
        ),
        (
            change("lovelace", "new-password", "new-password"),
            "Your password is changed.",
            "success",
        ),
    ] {
        assert_eq!(post("/password/", &form).await.0, 303);
        let left = client.messages().await;
        let last = left.last().unwrap();
        assert_eq!((last.text(), last.level_tag()), (message, level));
    }
    // The visitor's own session stays live, and the other one ends.
    assert!(get("/").await.contains("Hello, ada"));
    let answer = elsewhere.send(&app, TestRequest::get()).await;
    assert!(!text(answer).await.contains("Hello"));
    assert!(site.authenticate("ada", "lovelace").await.unwrap().is_none());
    assert!(site.authenticate("ada", "new-password").await.unwrap().is_some());

    assert_eq!(post("/logout/", &[]).await.0, 302);
    assert_eq!(client.cookie("sessionid"), None);
    assert!(get("/").await.contains("You are logged out."));
}
