//! Log in, log out, a new password: as a browser does it, and beside Django.

use actix_django_session::{DjangoSite, test};
use actix_web::{
    App,
    test::{TestRequest, call_service, init_service},
};
use testbed::{Browser, Example};

use crate::{
    beds::pool,
    handlers::{
        answers::{header, text},
        bed::bed,
        examples::log_in::{routes, settings},
    },
};

/// Sends a form, with the token of the cookie; follows no redirect.
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
    bed.judge().await.unwrap().set_user("eva", "old-password").await.unwrap();
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
    for (old, new, said) in [
        ("old-password", "short", "at least 8 characters"),
        ("wrong", "new-password", "not your old password"),
        ("old-password", "new-password", "Your password is changed."),
    ] {
        let answer = post(&browser, &url("/password/"), &change(old, new)).await;
        assert_eq!(answer.status(), 303);
        let next = page(&browser, &url(answer.headers()["location"].to_str().unwrap())).await;
        assert!(next.contains(said), "{next}");
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
async fn a_log_in_leads_to_no_other_site() {
    let bed = bed().await;
    bed.judge().await.unwrap().set_user("fay", "lovelace").await.unwrap();
    let pool = pool(bed.database_url());
    let site = DjangoSite::new(pool.clone(), settings(testbed::Settings::SECRET_KEY)).unwrap();
    let app = init_service(App::new().configure(routes(site, pool))).await;
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
        let fields = [("username", "fay"), ("password", "lovelace"), ("next", next)];
        let request = TestRequest::post().uri("/login/?next=/never/").set_form(fields);
        let request = request.insert_header(("Host", "localhost")).to_request();
        test::csrf(&request);
        let answer = call_service(&app, request).await;
        assert_eq!((answer.status().as_u16(), header(&answer, "location")), (302, to), "{next}");
    }
}

/// Without a database there is no log-in; its page there is.
#[actix_web::test]
async fn the_pages_need_no_database() {
    let routes = routes(test::site(), pool("postgres://127.0.0.1:1/none"));
    let app = init_service(App::new().configure(routes)).await;
    let form = call_service(&app, TestRequest::get().uri("/login/?next=/a/").to_request()).await;
    assert!(text(form).await.contains("name=\"next\" value=\"/a/\""));
    let change = TestRequest::post().uri("/password/").set_form([
        ("old_password", "a"),
        ("new_password1", "b"),
        ("new_password2", "c"),
    ]);
    let change = change.to_request();
    test::csrf(&change);
    test::user(&change, test::TestUser::new(1, "ada"));
    let answer = call_service(&app, change).await;
    assert_eq!(answer.status(), 303);
    let left = test::messages(answer.request());
    assert_eq!(left[0].text(), "The two new passwords differ.");
    assert_eq!(left[0].level_tag(), "error");
}
