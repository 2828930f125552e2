//! The way of a visitor: redirected to Django's login page, back and logged in; then logged out and
//! redirected again.

use std::net::TcpListener;

use actix_django_session::{DjangoSessionMiddleware, DjangoSite, DjangoUserId};
use actix_web::{App, HttpRequest, web};
use reqwest::Response;
use testbed::{Browser, Django, Settings, TestBed};

use crate::{
    app::TestApp,
    beds::{pool, settings},
};

#[testbed::test]
async fn a_login_at_django_is_valid_in_rust_until_the_logout() {
    for django in Django::available().unwrap() {
        journey(django).await;
    }
}

async fn journey(django: Django) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let rust = format!("http://{}", listener.local_addr().unwrap());
    let site = Settings::default().rust_url(&rust).user("ada", "lovelace").user("grace", "hopper");
    let bed = TestBed::with_settings(django, site).await.unwrap();
    let login_url = format!("{}/accounts/login/", bed.site().await.unwrap().url());
    let mut settings = settings();
    settings.login_url = login_url.clone();
    settings.allowed_hosts = vec!["127.0.0.1".into()];
    let site = DjangoSite::new(pool(bed.database_url()), settings).unwrap();
    let middleware = DjangoSessionMiddleware::required(site);
    let app = TestApp::serve(listener, 2, move || {
        let page = async |req: HttpRequest, id: DjangoUserId<i64>| {
            format!("user {id} at {}?{}", req.path(), req.query_string())
        };
        App::new()
            .service(web::scope("").wrap(middleware.clone()).route("/{page}", web::get().to(page)))
    });
    assert_eq!(app.url(), rust);
    let browser = Browser::new();
    let page = format!("{rust}/caf%C3%A9%20menu?drink=a%20b+c&size=l");

    // An anonymous visitor is redirected to Django's login page with `next`.
    let answer = browser.get(&page).await.unwrap();
    let login = location(&answer);
    assert!(login.starts_with(&format!("{login_url}?next=http%3A//")), "{django}: {login}");
    let refused = browser.submit(&login, &[("username", "ada"), ("password", "wrong")]).await;
    assert_eq!(refused.unwrap().status(), 200, "{django}");
    assert_eq!(browser.get(&page).await.unwrap().status(), 302, "{django}");
    let answer = browser.submit(&login, &[("username", "ada"), ("password", "lovelace")]).await;
    let back = location(&answer.unwrap());
    assert_eq!(back, page, "{django}");

    // Both sides see the same user.
    let answer = browser.get(&back).await.unwrap();
    assert_eq!(answer.headers()["vary"], "Cookie");
    let text = answer.text().await.unwrap();
    assert_eq!(text, "user 1 at /caf%C3%A9%20menu?drink=a%20b+c&size=l", "{django}");
    assert_eq!(
        browser.whoami(bed.site().await.unwrap()).await.unwrap()["user_id"],
        "1",
        "{django}"
    );

    // The session key from before the logout is not valid any more.
    let old_cookie = browser.cookies(&rust).unwrap();
    browser.logout(bed.site().await.unwrap()).await.unwrap();
    assert_eq!(location(&browser.get(&page).await.unwrap()), login, "{django}");
    let answer = app.get_with_cookie("/x", old_cookie.as_bytes()).await;
    assert_eq!(answer.status, 302, "{django}");

    // Another user logs in with the same browser.
    browser.login(bed.site().await.unwrap(), "grace", "hopper").await.unwrap();
    let text = browser.get(&format!("{rust}/x")).await.unwrap().text().await.unwrap();
    assert_eq!(text, "user 2 at /x?", "{django}");
}

fn location(answer: &Response) -> String {
    assert_eq!(answer.status(), 302);
    answer.headers()["location"].to_str().unwrap().to_owned()
}
