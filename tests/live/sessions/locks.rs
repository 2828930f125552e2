//! Rows and tables that another transaction has locked.

use std::{
    cell::Cell,
    sync::Arc,
    time::{Duration, Instant},
};

use actix_django_session::{
    DjangoSessionMiddleware, DjangoSessionMut, DjangoSite, DjangoUser, Error, Expiry,
    PasswordHasher, SessionData, SessionKey,
};
use actix_web::{App, web};
use futures_util::future::{join, join_all};
use testbed::{Proxy, until};
use tokio::time::sleep;
use tokio_postgres::{Client, NoTls};

use crate::{
    app::TestApp,
    beds::{Bed, PASSWORD, pool, settings},
};

async fn add(session: DjangoSessionMut) -> Result<&'static str, Error> {
    session.update("n", |n: &mut i64| *n += 1)?;
    Ok("added")
}

async fn log_out(session: DjangoSessionMut) -> Result<&'static str, Error> {
    session.logout().await?;
    Ok("out")
}

async fn flush(session: DjangoSessionMut) -> Result<&'static str, Error> {
    session.flush();
    Ok("flushed")
}

async fn log_in(session: DjangoSessionMut, site: DjangoSite) -> Result<&'static str, Error> {
    session.login(&site.user_by_username("grace").await?).await?;
    Ok("in")
}

/// Makes several writes in one request; ignores their results.
async fn save_thrice(session: DjangoSessionMut) -> Result<String, Error> {
    let mut saved = 0;
    for n in 0..3 {
        session.insert("n", &n)?;
        saved += u32::from(session.save().await.is_ok());
    }
    Ok(saved.to_string())
}

async fn create_thrice(site: DjangoSite) -> Result<&'static str, Error> {
    for _ in 0..2 {
        drop(site.create(&SessionData::new(), Expiry::Default).await);
    }
    site.create(&SessionData::new(), Expiry::Default).await?;
    Ok("created")
}

async fn create_and_delete(user: DjangoUser, site: DjangoSite) -> Result<&'static str, Error> {
    drop(site.create(&SessionData::new(), Expiry::Default).await);
    drop(site.update_last_login(&user).await);
    site.delete(&SessionKey::new("0123456789abcdefghijklmnopqrstuv").unwrap()).await?;
    Ok("deleted")
}

/// Authenticates with a password that is saved in another encoding, so that it is upgraded.
async fn authenticate_and_add(
    session: DjangoSessionMut,
    site: DjangoSite,
) -> Result<&'static str, Error> {
    assert!(site.authenticate("ada", PASSWORD).await.is_err());
    add(session).await
}

async fn app(bed: &Bed, timeout: Duration, slides: bool) -> TestApp {
    let mut settings = settings();
    settings.write_sessions = true;
    settings.timeout = timeout;
    settings.session_save_every_request = slides;
    // A hasher that is not the one of the users' passwords.
    settings.password_hashers = Some(vec![PasswordHasher::Pbkdf2Sha256 { iterations: 7 }]);
    let site = bed.site_with(settings);
    let middleware = DjangoSessionMiddleware::optional(site).csrf_exempt();
    TestApp::start(move || {
        App::new()
            .wrap(middleware.clone())
            .route("/add", web::get().to(add))
            .route("/out", web::get().to(log_out))
            .route("/page", web::get().to(async |_: DjangoSessionMut| "page"))
            .route("/flush", web::get().to(flush))
            .route("/login", web::get().to(log_in))
            .route("/thrice", web::get().to(save_thrice))
            .route("/create", web::get().to(create_thrice))
            .route("/delete", web::get().to(create_and_delete))
            .route("/authenticate", web::get().to(authenticate_and_add))
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

/// A slow Django view of one visitor has locked the row, and ten requests of the same visitor wait here.
#[testbed::test]
async fn a_locked_row_does_not_delay_other_visitors() {
    // Much longer than a response takes.
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
        assert!(start.elapsed() < TIMEOUT, "they waited for the row of another visitor");
        transaction.rollback().await.unwrap();
    };
    let (stuck, ()) = futures_util::future::join(stuck, meanwhile).await;
    assert_eq!(stuck, vec![200; 10]);
}

/// Slow Django views of a hundred visitors have locked their rows.
#[testbed::test]
async fn a_hundred_locked_rows_do_not_delay_other_visitors() {
    const ROWS: usize = 100;
    const TIMEOUT: Duration = Duration::from_secs(30);
    /// How many of the 31 default connections of a site can be used to write sessions.
    const WRITES: i64 = 5;

    let bed = Bed::start(Default::default(), Default::default()).await;
    let app = app(&bed, TIMEOUT, false).await;
    let mut locked = Vec::new();
    for _ in 0..ROWS {
        locked.push(bed.session(r#"{"n":1}"#).await);
    }
    let other = bed.session(r#"{"n":1}"#).await;
    assert_eq!(status(&app, "/add", &other).await, 200);
    let (mut admin, watcher) = (admin(&bed).await, admin(&bed).await);
    let transaction = admin.transaction().await.unwrap();
    let lock = "SELECT 1 FROM django_session WHERE session_key = ANY ($1) FOR UPDATE";
    assert_eq!(transaction.query(lock, &[&locked]).await.unwrap().len(), ROWS);
    let stuck = join_all(locked.iter().map(|key| status(&app, "/add", key)));
    let waiting = async || {
        let waiting = "SELECT count(*) FROM pg_stat_activity \
                       WHERE datname = current_database() AND wait_event_type = 'Lock'";
        watcher.query_one(waiting, &[]).await.unwrap().get::<_, i64>(0)
    };
    let meanwhile = async {
        let start = Instant::now();
        until("writes wait for rows", async || waiting().await == WRITES).await;
        for _ in 0..10 {
            assert_eq!(status(&app, "/add", &other).await, 200);
            assert_eq!(status(&app, "/page", &other).await, 200);
            let waiting = waiting().await;
            assert!(waiting <= WRITES, "{waiting} wait for a row");
        }
        let took = start.elapsed();
        assert!(took < TIMEOUT / 2, "they waited for the rows of other visitors: {took:?}");
        transaction.rollback().await.unwrap();
    };
    let (stuck, ()) = futures_util::future::join(stuck, meanwhile).await;
    assert_eq!(stuck, vec![200; ROWS]);
}

/// All writes of one request, of any number and kind, share one `timeout`.
#[testbed::test]
async fn all_writes_of_a_request_share_one_time_budget() {
    const TIMEOUT: Duration = Duration::from_secs(3);
    const PATHS: [&str; 8] =
        ["/add", "/out", "/flush", "/login", "/thrice", "/create", "/delete", "/authenticate"];

    let bed = Bed::start(Default::default(), Default::default()).await;
    let app = app(&bed, TIMEOUT, false).await;
    let mut keys = Vec::new();
    for path in PATHS {
        keys.push(bed.login("ada").await);
        assert_eq!(status(&app, "/page", keys.last().unwrap()).await, 200, "{path}");
    }
    let mut admin = admin(&bed).await;
    let transaction = admin.transaction().await.unwrap();
    // Both tables can be read, but not written.
    let lock = "LOCK TABLE django_session, auth_user IN SHARE MODE";
    transaction.batch_execute(lock).await.unwrap();
    join_all(PATHS.iter().zip(&keys).map(async |(path, key)| {
        let start = Instant::now();
        let status = status(&app, path, key).await;
        let took = start.elapsed();
        assert_eq!(status, 503, "{path}");
        assert!(took >= TIMEOUT && took < 2 * TIMEOUT, "{path}: {took:?}");
    }))
    .await;
    transaction.rollback().await.unwrap();
}

/// Another client changes the row repeatedly, in transactions that take most of a `timeout`.
#[testbed::test]
async fn a_writer_that_is_overtaken_repeatedly_keeps_its_time_budget() {
    const TIMEOUT: Duration = Duration::from_secs(2);

    let bed = Bed::start(Default::default(), Default::default()).await;
    let app = app(&bed, TIMEOUT, false).await;
    let key = bed.session(r#"{"n":1}"#).await;
    let mut texts = Vec::new();
    for n in 0..3 {
        let other = bed.session(&format!(r#"{{"n":{n}}}"#)).await;
        let row = format!("SELECT session_data FROM django_session WHERE session_key = '{other}'");
        texts.push(bed.sql(&row).await[0][0].as_str().unwrap().to_owned());
    }
    assert_eq!(status(&app, "/add", &key).await, 200);
    let (admin, over) = (admin(&bed).await, Cell::new(false));
    let others = async {
        for text in texts.iter().cycle() {
            if over.get() {
                break;
            }
            admin.batch_execute("BEGIN").await.unwrap();
            let update = "UPDATE django_session SET session_data = $1 WHERE session_key = $2";
            admin.execute(update, &[text, &key]).await.unwrap();
            sleep(TIMEOUT * 9 / 10).await;
            admin.batch_execute("COMMIT").await.unwrap();
        }
    };
    let visitor = async {
        for _ in 0..3 {
            let start = Instant::now();
            let status = status(&app, "/add", &key).await;
            let took = start.elapsed();
            assert!([200, 503].contains(&status), "{status}");
            // One budget for the reads, and one for the writes.
            assert!(took < 2 * TIMEOUT, "{took:?}");
        }
        over.set(true);
    };
    join(others, visitor).await;
}

/// The database stops answering: all reads share one `timeout`, and all writes share another one, including
/// the write that extends the session.
#[testbed::test]
async fn reads_and_writes_of_a_request_have_separate_time_budgets() {
    const TIMEOUT: Duration = Duration::from_secs(2);

    let bed = Bed::start(Default::default(), Default::default()).await;
    let proxy = Arc::new(Proxy::before(bed.url()).await);
    let mut settings = settings();
    settings.write_sessions = true;
    settings.timeout = TIMEOUT;
    settings.session_save_every_request = true;
    let site = DjangoSite::new(pool(proxy.url()), settings).unwrap();
    let (middleware, line) = (DjangoSessionMiddleware::optional(site), Arc::clone(&proxy));
    let app = TestApp::start(move || {
        App::new()
            .app_data(web::Data::from(Arc::clone(&line)))
            .wrap(middleware.clone())
            .route("/page", web::get().to(async |_: DjangoSessionMut| "page"))
            .route("/reads", web::get().to(reads_in_silence))
            .route("/both", web::get().to(reads_and_writes_in_silence))
    });
    // The extension of the session is a write too.
    for path in ["/reads", "/both"] {
        let key = bed.session(r#"{"n":1}"#).await;
        proxy.set_deaf(false);
        until("the page works", async || status(&app, "/page", &key).await == 200).await;
        let start = Instant::now();
        assert_eq!(status(&app, path, &key).await, 200);
        let took = start.elapsed();
        assert!(took >= 2 * TIMEOUT && took < 3 * TIMEOUT, "{path}: {took:?}");
    }
}

/// The database falls silent while a handler asks for permissions, and comes back.
#[testbed::test]
async fn what_outlives_a_request_asks_when_the_request_could_ask_no_more() {
    let bed = Bed::start(Default::default(), Default::default()).await;
    let proxy = Arc::new(Proxy::before(bed.url()).await);
    let mut settings = settings();
    settings.timeout = Duration::from_secs(2);
    let site = DjangoSite::new(pool(proxy.url()), settings).unwrap();
    let (middleware, line) = (DjangoSessionMiddleware::login_required(site), Arc::clone(&proxy));
    let app = TestApp::start(move || {
        App::new()
            .app_data(web::Data::from(Arc::clone(&line)))
            .wrap(middleware.clone())
            .route("/", web::get().to(asks_later))
    });
    assert_eq!(status(&app, "/", &bed.login("ada").await).await, 200);
}

async fn asks_later(user: DjangoUser, proxy: web::Data<Proxy>) -> &'static str {
    proxy.set_deaf(true);
    proxy.fall_silent();
    assert!(user.permissions().await.is_err());
    proxy.set_deaf(false);
    // As a WebSocket is: a task that no request waits for.
    let later = actix_web::rt::spawn(async move {
        until("permissions are known", async || user.permissions().await.is_ok()).await;
    });
    later.await.unwrap();
    "told"
}

async fn reads_in_silence(
    site: DjangoSite,
    proxy: web::Data<Proxy>,
) -> Result<&'static str, Error> {
    proxy.set_deaf(true);
    proxy.fall_silent();
    let key = SessionKey::new("0123456789abcdefghijklmnopqrstuv").unwrap();
    for _ in 0..2 {
        assert!(site.load(&key).await.is_err_and(|error| !error.wants_login()));
        assert!(site.user_by_username("ada").await.is_err_and(|error| !error.wants_login()));
    }
    Ok("read")
}

async fn reads_and_writes_in_silence(
    site: DjangoSite,
    proxy: web::Data<Proxy>,
    session: DjangoSessionMut,
) -> Result<&'static str, Error> {
    assert!(session.get::<i64>("n")?.is_some());
    reads_in_silence(site.clone(), proxy).await?;
    for _ in 0..2 {
        assert!(site.create(&SessionData::new(), Expiry::Default).await.is_err());
    }
    // After this the middleware tries to extend the session.
    Ok("written")
}

/// `CREATE INDEX` runs on the session table: it can be read, but not written.
#[testbed::test]
async fn a_page_that_only_slides_does_not_wait_for_a_locked_table() {
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
