//! A form with a file, with the CSRF token of the page and without.

use actix_django_session::{DjangoSettings, DjangoSite};
use actix_web::App;
use reqwest::header::{CONTENT_TYPE, COOKIE, ORIGIN};
use testbed::{Browser, Settings};

use crate::{
    app::TestApp,
    beds::{Bed, pool},
    handlers::examples::upload::routes,
};

const BOUNDARY: &str = "------------------------0123456789abcdef";

/// A multipart body as browsers send it: the parts are in the order of the form.
fn form(parts: &[(&str, &str)]) -> String {
    let parts = parts.iter().map(|(name, value)| {
        let file = if *name == "file" { "; filename=\"a.bin\"" } else { "" };
        format!(
            "--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"{name}\"{file}\r\n\r\n{value}\r\n"
        )
    });
    parts.chain([format!("--{BOUNDARY}--\r\n")]).collect()
}

#[actix_web::test]
async fn a_file_of_any_size_is_accepted_with_the_token_of_the_page() {
    let bed = Bed::shared().await;
    let mut settings = DjangoSettings::new(Settings::SECRET_KEY);
    settings.allowed_hosts = vec!["127.0.0.1".into()];
    let site = DjangoSite::new(pool(bed.url()), settings).unwrap();
    let app = TestApp::start(move || App::new().configure(routes(site.clone())));
    let url = format!("{}/upload", app.url());
    let browser = Browser::new();
    let page = browser.get(&url).await.unwrap().text().await.unwrap();
    let token = page.split_once("value=\"").unwrap().1.split_once('"').unwrap().0;
    let large = "x".repeat(20 * 1024 * 1024);
    for (parts, status, outcome) in [
        (vec![("csrfmiddlewaretoken", token), ("file", &*large)], 200, "20971520 bytes"),
        // Django accepts this order too. The file must wait until the token is checked.
        (vec![("file", &*large), ("csrfmiddlewaretoken", token)], 200, "20971520 bytes"),
        (vec![("csrfmiddlewaretoken", token), ("file", "")], 400, "no file"),
        (vec![("csrfmiddlewaretoken", token)], 400, "no file"),
        (vec![("file", "tea")], 403, ""),
        (vec![("csrfmiddlewaretoken", &large[..64]), ("file", "tea")], 403, ""),
    ] {
        let cookies = browser.cookies(&url).unwrap();
        let request = testbed::http_client().build().unwrap().post(&url);
        let request = request
            .header(CONTENT_TYPE, format!("multipart/form-data; boundary={BOUNDARY}"))
            .header(ORIGIN, app.url())
            .header(COOKIE, cookies)
            .body(form(&parts));
        // The server may close the connection of a refused client before the client
        // has sent the whole body. These bodies are small.
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), status, "{}", parts.len());
        let body = answer.text().await.unwrap();
        assert!(outcome.is_empty() || body == outcome, "{body}");
    }
}
