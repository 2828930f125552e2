//! The demo in a real browser, which decides by itself which cookies and headers it sends.

use actix_web::{HttpResponse, web};
use testbed::TestApp;

use crate::{process::Demo, webdriver::Chromium};

/// A page of another origin: the same host, and so the same cookies, on another port.
fn elsewhere(page: String) -> TestApp {
    TestApp::with_routes(move |config| {
        let page = page.clone();
        let show = move || {
            let page = page.clone();
            async { HttpResponse::Ok().content_type("text/html").body(page) }
        };
        config.route("/", web::get().to(show));
    })
}

async fn log_in(chromium: &Chromium, demo: &Demo, path: &str, password: &str) {
    chromium.arrive(path).await;
    chromium.type_into("input[name=username]", &demo.username).await;
    chromium.type_into("input[name=password]", password).await;
    chromium.follow("main button").await;
}

#[testbed::test]
#[ignore = "needs chromium and chromium-driver: .ci/run browser"]
async fn a_visitor_goes_through_both_sides() {
    let demo = Demo::start("browser");
    let chromium = Chromium::start().await;
    chromium.open(&demo.url("/letters")).await;
    log_in(&chromium, &demo, "/login/", "wrong").await;
    chromium.read("do not belong together").await;
    log_in(&chromium, &demo, "/login/", &demo.password).await;
    // The login leads back to the first page, which needs a permission. The message waits for a page that shows
    // messages.
    chromium.arrive("/letters").await;
    chromium.read("You may not read these letters").await;
    chromium.follow("main a").await;
    chromium.read("Rust logged you in, ada.").await;

    // Django grants the permission, and its message is on Rust's page. Rust fills the cart, and its message is on
    // Django's page.
    chromium.follow("form[action='/permission/'] button").await;
    chromium.arrive("/dashboard").await;
    chromium.read("Django granted you accounts.read_letters.").await;
    chromium.open(&demo.url("/letters")).await;
    chromium.read("The Analytical Engine weaves").await;
    chromium.open(&demo.url("/dashboard")).await;
    chromium.follow("form[action='/cart/add'] button").await;
    chromium.arrive("/cart/").await;
    chromium.read("Rust put one into your cart.").await;
    chromium.open(&demo.url("/cart/")).await;
    assert!(!chromium.text().await.contains("Rust put one"), "a message is shown once");

    chromium.open(&demo.url("/password/")).await;
    for (field, text) in [("old_password", &*demo.password), ("new_password1", "analytical-engine")]
    {
        chromium.type_into(&format!("input[name={field}]"), text).await;
    }
    chromium.type_into("input[name=new_password2]", "analytical-engine").await;
    chromium.follow("main button").await;
    chromium.arrive("/dashboard").await;
    chromium.read("Rust changed your password.").await;

    // The WebSocket stays open until the logout.
    chromium.open(&demo.url("/live")).await;
    chromium.read("The connection is open.").await;
    chromium.type_into("#text", "tea at five").await;
    chromium.click("#say button").await;
    chromium.read("ada: tea at five").await;
    chromium.click("#stay").await;
    chromium.read("closed by Rust: you are no longer logged in").await;

    // Log in at Django, log out at Rust.
    chromium.open(&demo.url("/accounts/login/?next=/dashboard")).await;
    log_in(&chromium, &demo, "/accounts/login/", "analytical-engine").await;
    chromium.arrive("/dashboard").await;
    chromium.read("Hello, ada").await;
    chromium.follow("header form button").await;
    chromium.arrive("/").await;
    chromium.read("Rust logged you out.").await;
    chromium.open(&demo.url("/dashboard")).await;
    chromium.arrive("/login/").await;
    chromium.quit().await;
}

#[testbed::test]
#[ignore = "needs chromium and chromium-driver: .ci/run browser"]
async fn a_form_of_another_site_gets_the_error_page_of_the_demo() {
    let demo = Demo::start("evil");
    let chromium = Chromium::start().await;
    chromium.open(&demo.url("/dashboard")).await;
    log_in(&chromium, &demo, "/login/", &demo.password).await;
    chromium.arrive("/dashboard").await;

    // The same form with a valid token, on a page of another origin.
    let token = chromium.attribute("input[name=csrfmiddlewaretoken]", "value").await;
    let action = demo.url("/cart/add");
    let evil = elsewhere(format!(
        "<form method=post action='{action}'><input name=csrfmiddlewaretoken value={token}>\
         <button>Win</button></form>"
    ));
    chromium.open(&evil.url()).await;
    chromium.follow("button").await;
    chromium.arrive("/cart/add").await;
    chromium.read("This form is no longer valid").await;
    chromium.follow("main a").await;
    chromium.arrive("/dashboard").await;
    let cart = chromium.tell("return document.querySelector('dd:last-of-type').textContent").await;
    assert_eq!(cart, "0");
    chromium.quit().await;
}
