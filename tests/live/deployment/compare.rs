//! `examples/compare.rs` compares Django and a service.

use std::{
    io::Write,
    process::{Output, Stdio},
};

use actix_django_session::{DjangoSessionMiddleware, DjangoUser};
use actix_web::{App, HttpRequest, HttpResponse, http::header::ContentType, middleware, web};
use testbed::{Example, unused_address};
use tokio::task::spawn_blocking;

use crate::{app::TestApp, beds::Bed};

/// Runs the example with these lines on stdin.
async fn compare(servers: [String; 2], environment: &[(&str, &str)], lines: &str) -> Output {
    let mut command = Example::command("compare").unwrap();
    command.args(servers).env_clear().envs(environment.iter().copied());
    let lines = lines.to_owned();
    spawn_blocking(move || {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(lines.as_bytes()).unwrap();
        child.wait_with_output().unwrap()
    })
    .await
    .unwrap()
}

/// Everything that the example prints. Panics if the output has the cookie.
fn output_text(output: &Output, secret: &str) -> String {
    let all = [&output.stdout[..], &output.stderr].concat();
    let all = String::from_utf8(all).unwrap();
    assert!(!all.contains(secret), "{all}");
    all
}

/// JSON with other spaces and another order of keys than Django's.
async fn path(_: DjangoUser, req: HttpRequest) -> HttpResponse {
    let wrong = req.query_string() == "wrong";
    let path = if wrong { "somewhere else" } else { &req.uri().to_string() };
    let json = format!("{{ \"path\":\n {path:?} }}");
    HttpResponse::Ok().content_type(ContentType::json()).body(json)
}

async fn user(user: DjangoUser) -> HttpResponse {
    // The content type that Django sends.
    HttpResponse::Ok().content_type("text/html; charset=utf-8").body(user.id().to_owned())
}

#[testbed::test]
async fn compare_reports_only_answers_that_differ_in_meaning() {
    let bed = Bed::shared().await;
    let ada = bed.login("ada").await;
    let site = bed.site();
    let rust = TestApp::start(move || {
        let login_required = DjangoSessionMiddleware::login_required(site.clone());
        let as_django = middleware::DefaultHeaders::new()
            .add(("X-Content-Type-Options", "nosniff"))
            .add(("Referrer-Policy", "same-origin"))
            .add(("Cross-Origin-Opener-Policy", "same-origin"));
        App::new()
            .wrap(as_django)
            .service(web::resource("/protected/{any:.*}").wrap(login_required.clone()).get(path))
            .service(web::resource("/user/").wrap(login_required).get(user))
    });
    let django = bed.bed().site().await.unwrap().url();
    let servers = || [django.to_owned(), format!("{}/", rust.url())];
    let cookie = format!("sessionid={ada}");

    // Paths, and lines of access logs.
    let same = "/protected/?page=2\n\n\
        127.0.0.1 - - [30/Nov/2026:07:52:29 +0000] \"GET /protected/a?b=%C3%BC HTTP/1.1\" 200 5 \"-\" \"curl\"\n\
        127.0.0.1 - - [30/Nov/2026:07:52:29 +0000] \"POST /cart/ HTTP/1.1\" 302 0 \"-\" \"curl\"\n\
        127.0.0.1 - - [30/Nov/2026:07:52:29 +0000] \"GET /\\x22 HTTP/1.1\" 404 0 \"-\" \"curl\"\n\
        /user/\n";
    let output = compare(servers(), &[("COOKIE", &cookie)], same).await;
    assert_eq!(output_text(&output, &ada), "3 compared, 0 differ, 3 lines without a GET\n");
    assert!(output.status.success());
    // Anonymous visitors get the same redirect on both sides. But Django does not redirect `/user/`.
    let output = compare(servers(), &[], "/protected/?page=2\n/user/\n").await;
    let outcome = output_text(&output, &ada);
    assert!(outcome.starts_with("GET /user/\n  status: 200 | 302\n"), "{outcome}");
    assert!(
        outcome.contains("  location: (not there) | \"/accounts/login/?next=/user/\"\n"),
        "{outcome}"
    );
    assert!(outcome.ends_with("2 compared, 1 differ, 0 lines without a GET\n"), "{outcome}");
    assert!(!output.status.success());

    let file = std::env::temp_dir().join(format!("{}.txt", crate::beds::new_key()));
    std::fs::write(&file, format!("{cookie}\n")).unwrap();
    let environment = [("COOKIE_FILE", file.to_str().unwrap()), ("IGNORE", "Vary,content-type")];
    let output = compare(servers(), &environment, "/protected/?wrong\n/cart/\n").await;
    std::fs::remove_file(file).unwrap();
    let outcome = output_text(&output, &ada);
    assert!(
        outcome.starts_with("GET /protected/?wrong\n  JSON at \"/path\"\nGET /cart/\n"),
        "{outcome}"
    );
    assert!(outcome.contains("  status: 200 | 404\n"), "{outcome}");
    // Django sets a cookie: the report has its name and attributes, without the token.
    assert!(
        outcome.contains("  set-cookie: \"csrftoken; path=/; samesite=lax\" | (not there)\n"),
        "{outcome}"
    );
    assert!(outcome.ends_with("2 compared, 2 differ, 0 lines without a GET\n"), "{outcome}");

    // A server that cannot be reached is a difference; the next line is still compared.
    let away = [format!("http://{}", unused_address()), rust.url()];
    let output = compare(away, &[("COOKIE", &cookie)], "/user/\n/user/\n").await;
    let outcome = output_text(&output, &ada);
    assert!(outcome.contains("no answer: "), "{outcome}");
    assert!(outcome.ends_with("2 compared, 2 differ, 0 lines without a GET\n"), "{outcome}");
}

/// A form has a new token in each response; the pages count as equal.
#[testbed::test]
async fn compare_ignores_csrf_tokens_in_forms() {
    let bed = Bed::shared().await;
    let ada = bed.login("ada").await;
    let django = bed.bed().site().await.unwrap().url();
    let cookie = format!("sessionid={ada}");
    let output = compare(
        [django.to_owned(), django.to_owned()],
        &[("COOKIE", &cookie)],
        "/\n/cart/\n/account/\n",
    )
    .await;
    assert_eq!(output_text(&output, &ada), "3 compared, 0 differ, 0 lines without a GET\n");
}
