//! The log line of a refusal.

use actix_django_session::{CsrfToken, DjangoSessionMiddleware, DjangoSettings, test};
use actix_web::{
    App,
    test::{TestRequest, call_and_read_body, init_service},
    web,
};
use testbed::With;

use super::requests::{MASKED, SECRET, site};
use crate::app::TestApp;

fn app(settings: DjangoSettings) -> TestApp {
    TestApp::start(move || {
        let middleware = DjangoSessionMiddleware::optional(site(settings.clone()));
        App::new().wrap(middleware).default_service(web::to(async || "reached"))
    })
    .with_log()
}

type Headers<'a> = &'a [(&'a str, &'a [u8])];

#[testbed::test]
async fn a_refusal_logs_one_warning_with_djangos_reason_and_the_received_and_expected_values() {
    let mut settings = DjangoSettings::new("k");
    settings.allowed_hosts = vec!["example.com".into()];
    settings.secure_proxy_ssl_header = Some(("X-Forwarded-Proto".into(), "https".into()));
    let app = app(settings);
    let cookie = format!("csrftoken={SECRET}");
    let host = ("Host", &b"example.com"[..]);
    let https = ("X-Forwarded-Proto", &b"https"[..]);
    let cases: [(Headers<'_>, &[&str]); 6] = [
        // Behind a proxy that terminates TLS, without the setting: the most frequent question about
        // Django.
        (
            &[host, ("Origin", b"https://example.com")],
            &[
                "Origin checking failed - https://example.com does not match any trusted origins.",
                "expected=http://example.com",
                "came=https://example.com",
                "path=\"/note\"",
            ],
        ),
        (
            &[("Host", b"evil.com"), ("Origin", b"http://evil.com")],
            &[
                "Origin checking failed",
                "expected=the host of this request is not in ALLOWED_HOSTS",
            ],
        ),
        (
            &[host, https],
            &["Referer checking failed - no Referer.", "expected=https://example.com/"],
        ),
        (
            &[host, https, ("Referer", b"https://evil.com/x?y")],
            &["https://evil.com/x?y does not match", "came=https://evil.com/x?y"],
        ),
        (&[host], &["CSRF cookie not set."]),
        (
            &[host, ("Cookie", cookie.as_bytes()), ("X-CSRFToken", &MASKED.as_bytes()[1..])],
            &["CSRF token from the 'X-Csrftoken' HTTP header has incorrect length."],
        ),
    ];
    for (headers, expected) in cases {
        app.log().clear();
        let answer = app.send("POST", "/note?q=1", headers).await;
        assert_eq!((answer.status, answer.text().as_str()), (403, ""));
        let lines = app.log().of_this_crate(&["ERROR", "WARN", "INFO", "DEBUG"]);
        let [line] = &lines[..] else { panic!("{lines:#?}") };
        assert!(line.contains("CSRF check failed"), "{line}");
        for text in expected {
            assert!(line.contains(text), "no {text} in {line}");
        }
        for secret in [SECRET, &MASKED[1..]] {
            assert!(!line.contains(secret), "{line}");
        }
    }
}

#[testbed::test]
async fn values_from_a_client_cannot_break_a_log_line() {
    let app = app(DjangoSettings::new("k").with(|s| s.allowed_hosts = vec!["*".into()]));
    let origin = "http://a\u{85}\t\u{1b}[31m".chars().map(|c| c as u8).collect::<Vec<_>>();
    let origin: Vec<u8> = origin.into_iter().filter(|&byte| byte != 0x1b).collect();
    app.send("POST", "/", &[("Origin", &origin)]).await;
    let lines = app.log().of_this_crate(&["WARN"]);
    assert!(lines[0].contains(r"http://a\u{85}\t[31m"), "{lines:?}");
}

#[testbed::test]
async fn debug_output_of_a_token_shows_no_secret() {
    let site = test::site().build();
    let page = async |token: CsrfToken| format!("{token:?}");
    let app =
        App::new().wrap(DjangoSessionMiddleware::optional(site)).default_service(web::to(page));
    let app = init_service(app).await;
    let shown = call_and_read_body(&app, TestRequest::default().to_request()).await;
    assert_eq!(shown, "CsrfToken(..)");
}
