//! What the CSRF check costs a request: a middleware in this process, without a socket and without a
//! database, with the check and without it (`.csrf_exempt()`), in turns.
//!
//! `cargo bench --bench csrf`; with `-- --quick`, less often.

use std::{env, time::Duration};

use actix_django_session::{DjangoSessionMiddleware, DjangoSettings, DjangoSite};
use actix_http::Request;
use actix_web::{
    App, HttpResponse,
    body::MessageBody,
    dev::{Service, ServiceResponse},
    rt::System,
    test::{TestRequest, call_service, init_service},
    web,
};
use deadpool_postgres::{Manager, Pool};
use rustix::time::{ClockId, clock_gettime};
use tokio_postgres::NoTls;

const SECRET: &str = "ZJxCrFQsBYoQ7kHzIDN1EiSGzOWrzzUR";
const TOKEN: &str = "SubN8IeQwfOguMcEwOvIzgmO3QNhJD6yH3yfpdU8X32WrWJ34h8z3o4ksuzy82Qf";
/// Requests of one measurement.
const BATCH: u32 = 2_000;

fn main() {
    let rounds = if env::args().any(|argument| argument == "--quick") { 20 } else { 200 };
    System::new().block_on(async {
        println!("Median of {rounds} rounds of {BATCH} requests in this process, CPU time.\n");
        println!("| request | without the check | with it | difference |");
        println!("|---|---:|---:|---:|");
        let get = || TestRequest::get().insert_header(("Host", "example.com"));
        let cookie = ("Cookie", format!("csrftoken={SECRET}"));
        let post = || {
            TestRequest::post().insert_header(("Host", "example.com")).insert_header(cookie.clone())
        };
        let header = || post().insert_header(("X-CSRFToken", TOKEN));
        let origin = || header().insert_header(("Origin", "http://example.com"));
        let form = || {
            post()
                .insert_header(("Content-Type", "application/x-www-form-urlencoded"))
                .set_payload(format!("text=a+note&csrfmiddlewaretoken={TOKEN}"))
        };
        compare("GET", rounds, &get).await;
        compare("GET with the cookie", rounds, &|| get().insert_header(cookie.clone())).await;
        compare("POST, token in the header", rounds, &header).await;
        compare("POST, header and Origin", rounds, &origin).await;
        compare("POST, token in the form", rounds, &form).await;
    });
}

async fn compare(title: &str, rounds: usize, request: &dyn Fn() -> TestRequest) {
    let middleware = || DjangoSessionMiddleware::optional(site());
    let app = |middleware: DjangoSessionMiddleware| {
        let handler = web::to(async || HttpResponse::Ok().finish());
        init_service(App::new().wrap(middleware).default_service(handler))
    };
    let (checked, exempt) = (app(middleware()).await, app(middleware().csrf_exempt()).await);
    let (mut with, mut without) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        without.push(batch(&exempt, request).await);
        with.push(batch(&checked, request).await);
    }
    let [without, with] = [without, with].map(median);
    println!("| {title} | {without:.2} µs | {with:.2} µs | {:+.2} µs |", with - without);
}

/// Microseconds of CPU time a request, the making of it apart.
async fn batch<B: MessageBody>(
    app: &impl Service<Request, Response = ServiceResponse<B>, Error = actix_web::Error>,
    request: &dyn Fn() -> TestRequest,
) -> f64 {
    let requests: Vec<_> = (0..BATCH).map(|_| request().to_request()).collect();
    let mut responses = Vec::with_capacity(requests.len());
    let began = cpu_time();
    for request in requests {
        responses.push(call_service(app, request).await);
    }
    let took = cpu_time() - began;
    assert!(responses.iter().all(|response| response.status() == 200));
    took.as_secs_f64() * 1e6 / f64::from(BATCH)
}

/// The time that this thread has been on a processor.
fn cpu_time() -> Duration {
    clock_gettime(ClockId::ThreadCPUTime).try_into().expect("time since a start")
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

fn site() -> DjangoSite {
    let pool = Pool::builder(Manager::new(tokio_postgres::Config::new(), NoTls)).build();
    let mut settings = DjangoSettings::new("k");
    settings.allowed_hosts = vec!["example.com".into()];
    DjangoSite::new(pool.expect("no runtime is needed"), settings).expect("sound settings")
}
