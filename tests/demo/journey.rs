//! A visitor's way through both sides, request by request.

use std::time::Duration;

use actix_web::http::header::COOKIE;
use awc::{
    error::WsProtocolError as ProtocolError,
    ws::{CloseCode, Frame},
};
use futures_util::{Stream, StreamExt};
use reqwest::{
    Response,
    header::{LOCATION, SET_COOKIE},
};
use testbed::Browser;

use crate::process::Demo;

/// A visitor of the demo, with cookies.
pub(crate) struct Visitor<'a> {
    demo: &'a Demo,
    browser: Browser,
}

impl<'a> Visitor<'a> {
    pub(crate) fn new(demo: &'a Demo) -> Self {
        Self { demo, browser: Browser::new() }
    }

    pub(crate) async fn get(&self, path: &str) -> Response {
        self.browser.get(&self.demo.url(path)).await.unwrap()
    }

    async fn page(&self, path: &str) -> String {
        self.get(path).await.text().await.unwrap()
    }

    /// Submits a form of this page, as a page of that origin would.
    async fn post(&self, page: &str, path: &str, origin: &str, fields: &str) -> Response {
        let page = self.page(page).await;
        let token = page.split_once("csrfmiddlewaretoken\" value=\"").unwrap().1;
        let token = token.split_once('"').unwrap().0;
        let request = self
            .browser
            .client()
            .post(self.demo.url(path))
            .header("content-type", "application/x-www-form-urlencoded")
            .header("origin", origin)
            .body(format!("csrfmiddlewaretoken={token}&{fields}"));
        request.send().await.unwrap()
    }

    /// Submits a form from the demo's own origin. Returns the location of the redirect.
    async fn send(&self, page: &str, path: &str, fields: &str) -> String {
        let answer = self.post(page, path, &self.demo.url(""), fields).await;
        let (status, location) = (answer.status(), location(&answer));
        if location.is_empty() {
            let (text, log) = (answer.text().await.unwrap(), self.demo.log());
            panic!("POST {path} is not redirected: {status} {text}\nThe demo's log: {log}");
        }
        location
    }

    /// Logs in on the page with this path, Rust's or Django's.
    pub(crate) async fn log_in(&self, path: &str, password: &str) -> Response {
        let (page, username) = (format!("{path}?next=/letters"), &self.demo.username);
        let fields = format!("username={username}&password={password}&next=/letters");
        self.post(&page, path, &self.demo.url(""), &fields).await
    }

    /// Opens a WebSocket as this visitor.
    pub(crate) async fn socket(
        &self,
    ) -> impl Stream<Item = Result<Frame, ProtocolError>> + Unpin + use<> {
        let cookies = self.browser.cookies(&self.demo.url("/")).unwrap();
        let url = self.demo.url("/live/socket").replace("http:", "ws:");
        let socket = awc::Client::default().ws(url).header(COOKIE, cookies);
        socket.origin(self.demo.url("")).connect().await.unwrap().1
    }
}

/// Waits for the close of a WebSocket and returns its code.
pub(crate) async fn closed(
    socket: &mut (impl Stream<Item = Result<Frame, ProtocolError>> + Unpin),
) -> CloseCode {
    let closed = tokio::time::timeout(Duration::from_secs(60), async {
        loop {
            if let Frame::Close(reason) = socket.next().await.unwrap().unwrap() {
                return reason.unwrap().code;
            }
        }
    });
    closed.await.unwrap()
}

/// The `Location` of an answer; empty for a page.
fn location(answer: &Response) -> String {
    answer.headers().get(LOCATION).map_or("", |to| to.to_str().unwrap()).to_owned()
}

#[testbed::test]
async fn a_visitor_goes_through_both_sides() {
    let demo = Demo::start("journey");
    let visitor = Visitor::new(&demo);
    let home = visitor.page("/").await;
    assert!(home.contains("Rust</span> made this page in ") && home.contains("not logged in"));
    assert_eq!(visitor.get("/api/me").await.status(), 401);
    assert_eq!(visitor.get("/favicon.ico").await.headers()["content-type"], "image/svg+xml");

    // An anonymous visitor can have a session. This one is new.
    let anonymous = Visitor::new(&demo);
    assert_eq!(anonymous.send("/", "/cart/add", "").await, "/cart/");
    assert!(anonymous.page("/cart/").await.contains("Things in your cart: 1."));
    assert!(anonymous.page("/").await.contains("<dd>not logged in</dd>"));

    // Pages of both sides that need a login redirect to Rust's login page.
    assert_eq!(location(&visitor.get("/letters").await), "/login/?next=/letters");
    assert_eq!(location(&visitor.get("/account/").await), "/login/?next=/account/");
    let wrong = visitor.log_in("/login/", "wrong").await;
    assert_eq!(wrong.status(), 200);
    let wrong = wrong.text().await.unwrap();
    assert!(wrong.contains("do not belong together") && wrong.contains("value=\"/letters\""));
    assert!(wrong.contains("href=\"/login/\">Log in</a>"), "{wrong}");
    let logged_in = visitor.log_in("/login/", &demo.password).await;
    assert_eq!((logged_in.status().as_u16(), &*location(&logged_in)), (302, "/letters"));
    let evil = "username=ada&password=lovelace-1815&next=https://evil.example/";
    assert_eq!(Visitor::new(&demo).send("/login/", "/login/", evil).await, "/dashboard");

    // A login at Rust is a login at Django too. Django shows the message of Rust.
    let account = visitor.page("/account/").await;
    assert!(
        account.contains("Django</span> made this page in ") && account.contains("<h1>ada</h1>")
    );
    assert!(account.contains("Rust logged you in, ada."), "{account}");
    assert!(!visitor.page("/dashboard").await.contains("Rust logged you in"));

    // Django grants a permission and revokes it. Rust checks it, and shows the messages of Django.
    let refused = visitor.get("/letters").await;
    assert_eq!(refused.status(), 403);
    assert!(refused.text().await.unwrap().contains("<h1>You may not read these letters</h1>"));
    for (status, output) in [(200, "granted you"), (403, "took")] {
        assert_eq!(visitor.send("/dashboard", "/permission/", "").await, "/dashboard");
        let dashboard = visitor.page("/dashboard").await;
        assert!(dashboard.contains(&format!("\">Django {output} ")), "{dashboard}");
        assert_eq!(visitor.get("/letters").await.status(), status);
    }

    // Rust adds to the cart, and Django shows it with Rust's message. Then Django adds to it.
    assert_eq!(visitor.send("/dashboard", "/cart/add", "").await, "/cart/");
    let cart = visitor.page("/cart/").await;
    assert!(
        cart.contains("Things in your cart: 1.") && cart.contains("Rust put one into your cart.")
    );
    assert_eq!(visitor.send("/cart/", "/cart/", "").await, "/cart/");
    let home = visitor.page("/").await;
    assert!(home.contains("<dt>In your cart</dt><dd>2</dd>"), "{home}");
    assert!(home.contains("Django put one into your cart."), "{home}");

    // The same form from another site is refused with the demo's own error page.
    let refused = visitor.post("/dashboard", "/cart/add", "http://evil.example", "").await;
    assert_eq!(refused.status(), 403);
    assert!(refused.text().await.unwrap().contains("<h1>This form is no longer valid</h1>"));
    assert!(visitor.page("/").await.contains("<dt>In your cart</dt><dd>2</dd>"));
}

#[testbed::test]
async fn a_new_password_ends_the_sessions_of_other_browsers() {
    let demo = Demo::start("password");
    let (visitor, other) = (Visitor::new(&demo), Visitor::new(&demo));
    let mut old = demo.password.clone();
    for (login, path, new) in [
        ("/login/", "/password/", "analytical-engine"),
        ("/accounts/login/", "/accounts/password_change/", "difference-engine"),
    ] {
        for visitor in [&visitor, &other] {
            assert_eq!(location(&visitor.log_in(login, &old).await), "/letters");
            assert_eq!(visitor.get("/dashboard").await.status(), 200);
        }
        let fields = |old: &str, new: &str, again: &str| {
            format!("old_password={old}&new_password1={new}&new_password2={again}")
        };
        if path == "/password/" {
            for (fields, mistake) in [
                (fields("wrong", new, new), "That is not your old password."),
                (fields(&old, new, "else"), "The two new passwords differ."),
                (fields(&old, "engine7", "engine7"), "A password has at least 8 characters."),
            ] {
                assert_eq!(visitor.send(path, path, &fields).await, path);
                assert!(visitor.page(path).await.contains(mistake), "{mistake}");
            }
        }
        assert_ne!(visitor.send(path, path, &fields(&old, new, new)).await, path);
        // Each side accepts the password that the other one stored.
        assert_eq!(visitor.get("/dashboard").await.status(), 200);
        assert_eq!(visitor.get("/account/").await.status(), 200);
        assert_eq!(other.get("/dashboard").await.status(), 302);
        old = new.to_owned();
    }
}

#[testbed::test]
async fn a_socket_closes_when_its_visitor_logs_out() {
    let demo = Demo::start("socket");
    // Log out at Rust, then at Django.
    for (log_out, back) in [("/logout", "/"), ("/accounts/logout/", "/")] {
        let visitor = Visitor::new(&demo);
        visitor.log_in("/login/", &demo.password).await;
        let mut socket = visitor.socket().await;
        assert_eq!(visitor.send("/dashboard", log_out, "").await, back);
        assert_eq!(closed(&mut socket).await, CloseCode::Policy);
        assert_eq!(visitor.get("/dashboard").await.status(), 302);
    }
}

#[testbed::test]
async fn both_sides_are_compared_and_no_secret_is_shown() {
    let demo = Demo::start("compare");
    let visitor = Visitor::new(&demo);
    let logged_in = visitor.log_in("/login/", &demo.password).await;
    let cookies = logged_in.headers().get_all(SET_COOKIE).iter();
    let cookies: Vec<_> = cookies.map(|cookie| cookie.to_str().unwrap()).collect();
    let key = cookies.iter().find_map(|cookie| cookie.strip_prefix("sessionid=")).unwrap();
    let key = key.split(';').next().unwrap();
    visitor.send("/dashboard", "/permission/", "").await;
    assert!(visitor.page("/dashboard").await.contains("granted you accounts.read_letters"));

    let page = visitor.page("/compare").await;
    assert!(page.contains("The two answers are equal."), "{page}");
    assert_eq!(page.matches("accounts.read_letters").count(), 2, "{page}");
    assert_eq!(page.matches(" ms <small>median").count(), 2, "{page}");
    assert!(page.contains(&format!("<dd>sessionid={}…</dd>", &key[..5])), "{page}");
    assert!(page.contains("<dt>_auth_user_id</dt><dd>1</dd>"), "{page}");
    assert!(!page.contains(&key[..6]), "{page}");

    visitor.log_in("/login/", "wrong-password").await;
    visitor.post("/dashboard", "/cart/add", "http://evil.example", "").await;
    visitor.send("/dashboard", "/logout", "").await;
    let log = demo.log();
    for line in ["logged in", "wrong name or password", "CSRF", "logged out", "settings checked"] {
        assert!(log.contains(line), "no line {line}: {log}");
    }
    for secret in [key, "wrong-password", &demo.password] {
        assert!(!log.contains(secret), "{log}");
    }
    assert!(!log.contains("favicon") && log.lines().count() < 12, "noise: {log}");
}
