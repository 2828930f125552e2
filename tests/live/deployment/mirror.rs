//! Shadow traffic: Django answers, and a service that may only read gets a copy.

use std::{
    fs,
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use actix_django_session::{DjangoSessionMiddleware, DjangoSite, DjangoUser};
use actix_web::{App, HttpResponse, web};
use serde_json::json;
use testbed::{Django, Settings, until};

use super::nginx::Nginx;
use crate::{
    app::TestApp,
    beds::{Bed, pool, settings},
};

/// A site with the database rights of a service that only gets copies of requests.
async fn reader(bed: &Bed, role: &str) -> DjangoSite {
    bed.sql(&format!("CREATE ROLE {role} LOGIN PASSWORD 'reader'")).await;
    bed.sql(&format!("GRANT SELECT ON django_session, auth_user TO {role}")).await;
    let (_, address) = bed.url().split_once('@').unwrap();
    DjangoSite::new(pool(&format!("postgres://{role}:reader@{address}")), settings()).unwrap()
}

#[testbed::test]
async fn a_mirror_with_read_rights_gets_a_copy_of_each_get_request() {
    let bed = Bed::start(Django::default(), Settings::default()).await;
    let role = format!("reader_{}", bed.bed().database().name());
    let site = reader(&bed, &role).await;
    let calls = Arc::new(AtomicUsize::new(0));
    let (site_, calls_) = (site.clone(), Arc::clone(&calls));
    // Answers as Django's view does, except that grace gets an error.
    let rust = TestApp::start(move || {
        let calls = Arc::clone(&calls_);
        let middleware = DjangoSessionMiddleware::login_required(site_.clone());
        let handler = move |user: DjangoUser| {
            calls.fetch_add(1, Ordering::SeqCst);
            async move {
                match user.username() {
                    "grace" => HttpResponse::InternalServerError().finish(),
                    _ => HttpResponse::Ok().json(json!({ "path": "not what Django says" })),
                }
            }
        };
        App::new().service(web::resource("/{any:.*}").wrap(middleware).to(handler))
    });
    let django = bed.bed().site().await.unwrap();
    let servers = [
        ("127.0.0.1:8000", django.url()),
        ("127.0.0.1:8080", &rust.url()),
        ("/api/orders/", "/protected/"),
    ];
    let Some(nginx) = Nginx::start("mirror.conf", &servers).await else { return };
    let (ada, grace) = (bed.login("ada").await, bed.login("grace").await);
    let before = bed.sql("SELECT * FROM django_session ORDER BY 1").await;

    for (method, key, status) in [
        ("GET", &*ada, 200),
        ("GET", "unknown-key", 302),
        ("GET", &grace, 200),
        // Only Django gets the POST request.
        ("POST", &ada, 403),
    ] {
        let cookie = format!("Cookie: sessionid={key}\r\n");
        let answer = nginx.send(method, "/protected/?page=2", &cookie).await;
        assert_eq!(answer.status, status, "{method} {key}");
        if status == 200 {
            assert_eq!(answer.json(), json!({ "path": "/protected/?page=2" }));
        }
    }
    // The log has both sides of each request, by the id of the request.
    let log = nginx.log("sides.log");
    until("nginx has logged seven answers", async || {
        fs::read_to_string(&log).is_ok_and(|text| text.lines().count() >= 7)
    })
    .await;
    assert_eq!(calls.load(Ordering::SeqCst), 2);
    assert_eq!(bed.sql("SELECT * FROM django_session ORDER BY 1").await, before);

    // The command of the guide's chapter finds the request whose responses differ.
    let chapter = include_str!("../../../src/guide/move_one_endpoint.rs");
    let command = chapter.lines().find_map(|line| line.strip_prefix("//! awk ")).unwrap();
    let program = command.trim().strip_prefix('\'').unwrap();
    let program = program.strip_suffix("' /var/log/nginx/sides.log").unwrap();
    let found = Command::new("awk").arg(program).arg(&log).output().unwrap();
    assert!(found.status.success());
    assert_eq!(String::from_utf8(found.stdout).unwrap(), "GET /protected/?page=2 200 500\n");

    bed.sql(&format!("DROP OWNED BY {role}")).await;
    bed.sql(&format!("DROP ROLE {role}")).await;
}
