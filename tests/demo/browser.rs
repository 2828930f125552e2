//! The demo in a real browser, which decides itself what it sends along.

use std::{net::TcpListener, sync::mpsc, thread};

use actix_web::{App, HttpResponse, HttpServer, web};

use crate::{Demo, webdriver::Chromium};

/// A page of another origin: the same host, and so the same cookies, on another port.
fn elsewhere(page: String) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        actix_web::rt::System::new().block_on(async move {
            let app = move || {
                let page = page.clone();
                let page = move || {
                    let page = page.clone();
                    async { HttpResponse::Ok().content_type("text/html").body(page) }
                };
                App::new().default_service(web::to(page))
            };
            let server = HttpServer::new(app).workers(1).disable_signals().listen(listener);
            let server = server.unwrap().run();
            sender.send(()).unwrap();
            server.await.unwrap();
        });
    });
    receiver.recv().unwrap();
    url
}

#[actix_web::test]
#[ignore = "needs chromium and chromium-driver: .ci/run browser"]
async fn a_browser_sends_forms_of_the_site_and_no_others() {
    let demo = Demo::start("browser");
    let chromium = Chromium::start().await;

    // Rust sends the stranger to Django's login page, and that one back.
    chromium.open(&demo.url("/dashboard")).await;
    chromium.arrive("/accounts/login/").await;
    chromium.type_into("input[name=username]", &demo.username).await;
    chromium.type_into("input[name=password]", &demo.password).await;
    chromium.follow("main button").await;
    chromium.arrive("/dashboard").await;
    assert!(chromium.text().await.contains(&format!("Hello, {}", demo.username)));

    // A form of a Rust page.
    chromium.type_into("form[action='/notes'] input[name=text]", "tea at five").await;
    chromium.follow("form[action='/notes'] button").await;
    chromium.arrive("/dashboard").await;
    assert!(chromium.text().await.contains("tea at five"));

    // The same form, with a token that is good, on a page of another origin.
    let token = chromium.attribute("input[name=csrfmiddlewaretoken]", "value").await;
    let action = demo.url("/notes");
    let evil = elsewhere(format!(
        "<form method=post action='{action}'><input name=csrfmiddlewaretoken value={token}>\
         <input name=text value=poison><button>Win</button></form>"
    ));
    chromium.open(&evil).await;
    chromium.follow("button").await;
    chromium.arrive("/notes").await;
    assert!(chromium.text().await.contains("403"), "{}", chromium.text().await);
    chromium.open(&demo.url("/dashboard")).await;
    let page = chromium.text().await;
    assert!(page.contains("tea at five") && !page.contains("poison"), "{page}");

    // The log-out button of the Rust page, which Django answers.
    chromium.follow("header form button").await;
    chromium.arrive("/").await;
    chromium.open(&demo.url("/dashboard")).await;
    chromium.arrive("/accounts/login/").await;
    chromium.quit().await;
}
