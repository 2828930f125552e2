//! nginx asks the Rust service for the user, for a server that does not know Django.

use actix_django_session::{DjangoSessionMiddleware, DjangoSite, DjangoUser};
use actix_web::{App, HttpRequest, HttpResponse, web};
use serde_json::{Value, json};

use super::nginx::Nginx;
use crate::{
    app::TestApp,
    beds::{Bed, nowhere, pool, settings},
};

/// The handler of the guide's chapter.
async fn who(user: DjangoUser) -> HttpResponse {
    HttpResponse::NoContent().insert_header(("X-User-Id", user.id())).finish()
}

fn rust(site: DjangoSite) -> TestApp {
    let middleware = DjangoSessionMiddleware::login_required(site).respond_401();
    TestApp::start(move || {
        App::new().service(web::resource("/who").wrap(middleware.clone()).get(who))
    })
}

/// Reports the headers that the protected server gets.
async fn report(req: HttpRequest) -> HttpResponse {
    let header = |name: &str| req.headers().get(name).map(|value| value.to_str().unwrap());
    let (user_id, cookie) = (header("x-user-id"), header("cookie"));
    HttpResponse::Ok().json(json!({ "user_id": user_id, "cookie": cookie }))
}

#[testbed::test]
async fn nginx_lets_only_logged_in_users_through() {
    let bed = Bed::shared().await;
    let reports = TestApp::start(|| App::new().default_service(web::to(report)));
    let django = bed.bed().site().await.unwrap().url().to_owned();
    let (ada, cart) = (bed.login("ada").await, bed.session("{\"cart\":1}").await);
    let ask = async |rust: &TestApp, method: &str, key: &str| {
        let servers = [
            ("127.0.0.1:8000", &*django),
            ("127.0.0.1:8080", &rust.url()),
            ("127.0.0.1:9000", &reports.url()),
        ];
        let nginx = Nginx::start("auth_request.conf", &servers).await?;
        // The client's own user header is ignored.
        let headers = format!("Cookie: sessionid={key}\r\nX-User-Id: 4711\r\n");
        Some(nginx.send(method, "/reports/?page=2", &headers).await)
    };
    let up = rust(bed.site());
    let Some(answer) = ask(&up, "GET", &ada).await else { return };
    assert_eq!(answer.json(), json!({ "user_id": "1", "cookie": Value::Null }));
    for key in ["", "unknown-key", &cart] {
        let answer = ask(&up, "GET", key).await.unwrap();
        assert_eq!(answer.status, 302);
        let to = answer.header("location").unwrap();
        assert!(to.ends_with("/accounts/login/?next=/reports/?page=2"), "{to}");
    }
    assert_eq!(ask(&up, "POST", &ada).await.unwrap().status, 403);

    // An outage admits no visitor and sends no visitor to the login page.
    let away = rust(DjangoSite::new(pool(&nowhere()), settings()).unwrap());
    let answer = ask(&away, "GET", &ada).await.unwrap();
    assert_eq!((answer.status, answer.header("retry-after").is_some()), (503, true));
}
