//! Rows and tables that somebody else has locked.

use std::time::{Duration, Instant};

use actix_django_session::{DjangoSessionMiddleware, DjangoSessionMut, Error};
use actix_web::{App, web};
use futures_util::future::join_all;
use testbed::{With, until};
use tokio_postgres::{Client, NoTls};

use crate::{
    app::TestApp,
    beds::{Bed, settings},
};

async fn add(session: DjangoSessionMut) -> Result<&'static str, Error> {
    session.update("n", |n: &mut i64| *n += 1)?;
    Ok("added")
}

async fn log_out(session: DjangoSessionMut) -> Result<&'static str, Error> {
    session.logout().await?;
    Ok("out")
}

/// Several writes of one request, whatever becomes of them.
async fn save_thrice(session: DjangoSessionMut) -> Result<String, Error> {
    let mut saved = 0;
    for n in 0..3 {
        session.insert("n", &n)?;
        saved += u32::from(session.save().await.is_ok());
    }
    Ok(saved.to_string())
}

async fn app(bed: &Bed, timeout: Duration, slides: bool) -> TestApp {
    let mut settings = settings();
    settings.write_sessions = true;
    settings.timeout = timeout;
    let site = bed.store_with(settings.with(|s| s.session_save_every_request = slides));
    let middleware = DjangoSessionMiddleware::optional(site).csrf_exempt();
    TestApp::start(move || {
        App::new()
            .wrap(middleware.clone())
            .route("/add", web::get().to(add))
            .route("/out", web::get().to(log_out))
            .route("/page", web::get().to(async |_: DjangoSessionMut| "page"))
            .route("/thrice", web::get().to(save_thrice))
    })
}

async fn admin(bed: &Bed) -> Client {
    let url = bed.bed().database_url();
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

async fn status(app: &TestApp, path: &str, key: &str) -> u16 {
    let client = awc::Client::builder().timeout(Duration::from_secs(60)).finish();
    let request = client.get(format!("{}{path}", app.url()));
    let request = request.insert_header(("Cookie", format!("sessionid={key}")));
    request.send().await.unwrap().status().as_u16()
}

const LOCK: &str = "SELECT 1 FROM django_session WHERE session_key = $1 FOR UPDATE";

/// One visitor's slow view in Django, and ten more requests of the same visitor here.
#[actix_web::test]
async fn nobody_else_waits_for_a_row_that_many_want_to_write() {
    // Far beyond what an answer takes.
    const TIMEOUT: Duration = Duration::from_secs(20);

    let bed = Bed::start(Default::default(), Default::default()).await;
    let app = app(&bed, TIMEOUT, false).await;
    let locked = bed.session(r#"{"n":1}"#).await;
    let others = [bed.session(r#"{"n":1}"#).await, bed.session(r#"{"n":1}"#).await];
    assert_eq!(status(&app, "/add", &others[0]).await, 200);
    let (mut admin, watcher) = (admin(&bed).await, admin(&bed).await);
    let transaction = admin.transaction().await.unwrap();
    transaction.query(LOCK, &[&locked]).await.unwrap();
    let start = Instant::now();
    let stuck = join_all((0..10).map(|_| status(&app, "/add", &locked)));
    let meanwhile = async {
        let waiting = "SELECT count(*) FROM pg_stat_activity \
                       WHERE datname = current_database() AND wait_event_type = 'Lock'";
        until("a write waits for the row", async || {
            watcher.query_one(waiting, &[]).await.unwrap().get::<_, i64>(0) > 0
        })
        .await;
        for key in &others {
            assert_eq!(status(&app, "/add", key).await, 200);
        }
        assert_eq!(status(&app, "/out", &others[0]).await, 200);
        assert!(start.elapsed() < TIMEOUT, "they waited for the row of another");
        transaction.rollback().await.unwrap();
    };
    let (stuck, ()) = futures_util::future::join(stuck, meanwhile).await;
    assert_eq!(stuck, vec![200; 10]);
}

/// However many writes one request makes: they have one `timeout` in all.
#[actix_web::test]
async fn all_that_a_request_writes_has_one_budget() {
    const TIMEOUT: Duration = Duration::from_secs(3);

    let bed = Bed::start(Default::default(), Default::default()).await;
    let app = app(&bed, TIMEOUT, false).await;
    let key = bed.session(r#"{"n":1}"#).await;
    assert_eq!(status(&app, "/add", &key).await, 200);
    let mut admin = admin(&bed).await;
    let transaction = admin.transaction().await.unwrap();
    transaction.query(LOCK, &[&key]).await.unwrap();
    let start = Instant::now();
    assert_eq!(status(&app, "/thrice", &key).await, 503);
    let took = start.elapsed();
    assert!(took >= TIMEOUT && took < 2 * TIMEOUT, "{took:?}");
}

/// `CREATE INDEX` on the session table: it can be read and not written.
#[actix_web::test]
async fn a_page_that_only_slides_does_not_wait_for_a_table_that_cannot_be_written() {
    const TIMEOUT: Duration = Duration::from_secs(20);

    let bed = Bed::start(Default::default(), Default::default()).await;
    let app = app(&bed, TIMEOUT, true).await;
    let key = bed.session(r#"{"n":1}"#).await;
    let mut admin = admin(&bed).await;
    let transaction = admin.transaction().await.unwrap();
    transaction.batch_execute("LOCK TABLE django_session IN SHARE MODE").await.unwrap();
    let start = Instant::now();
    assert_eq!(status(&app, "/page", &key).await, 200);
    assert!(start.elapsed() < TIMEOUT / 2, "{:?}", start.elapsed());
    transaction.rollback().await.unwrap();
}
