//! The database fails after a session was read and before it is saved: the visitor gets an error.

use std::{cell::Cell, pin::pin, rc::Rc, time::Duration};

use actix_django_session::{
    DjangoSessionMiddleware, DjangoSessionMut, DjangoSite, Error, Expiry, SessionData, SessionKey,
};
use actix_service::Service;
use actix_web::{
    App,
    error::ErrorGatewayTimeout,
    http::header::SET_COOKIE,
    test::{TestRequest, call_service, init_service},
    web,
};
use futures_util::future::{Either, select};
use serde_json::json;
use testbed::{Django, Postgres, Settings, TestBed, With, until};
use tokio::{io::AsyncWriteExt, net::TcpStream, sync::Notify};

use crate::{
    app::TestApp,
    beds::{Bed, pool, settings},
    sessions::operations::operate,
};

/// A change that a handler makes to the session before the database fails.
#[derive(Clone, Copy, Debug)]
enum Change {
    Insert,
    Cycle,
    Flush,
}

impl Change {
    const ALL: [Self; 3] = [Self::Insert, Self::Cycle, Self::Flush];

    fn make(self, session: &DjangoSessionMut) -> Result<(), Error> {
        match self {
            Self::Insert => session.insert("b", &2)?,
            Self::Cycle => session.cycle_key(),
            Self::Flush => session.flush(),
        }
        Ok(())
    }
}

/// The status of the response, and whether it sets a cookie. Retries if the session could not be read in
/// time: then nothing has changed.
async fn request(
    site: &DjangoSite,
    key: &str,
    change: Change,
    meanwhile: impl AsyncFn() + Clone + 'static,
) -> (u16, bool) {
    let middleware = DjangoSessionMiddleware::optional(site.clone());
    let happened = Rc::new(Cell::new(false));
    let happens = Rc::clone(&happened);
    let handler = move |session: DjangoSessionMut| {
        let (meanwhile, happens) = (meanwhile.clone(), Rc::clone(&happens));
        async move {
            happens.set(true);
            change.make(&session)?;
            meanwhile().await;
            Ok::<_, Error>("a page")
        }
    };
    let app = init_service(App::new().wrap(middleware).route("/", web::get().to(handler))).await;
    for _ in 0..20 {
        let request = TestRequest::get().insert_header(("Cookie", format!("sessionid={key}")));
        let response = call_service(&app, request.to_request()).await;
        if happened.get() {
            return (response.status().as_u16(), response.headers().contains_key(SET_COOKIE));
        }
    }
    panic!("the session was never read");
}

async fn row(site: &DjangoSite) -> String {
    let mut data = SessionData::new();
    data.insert("a", &1).unwrap();
    site.create(&data, Expiry::Default).await.unwrap().key().as_str().to_owned()
}

#[testbed::test]
async fn a_killed_or_frozen_server_never_reports_success_for_unsaved_changes() {
    let postgres = Postgres::start().await.unwrap();
    let bed = TestBed::on(&postgres, Django::default(), Settings::default()).await.unwrap();
    let site = |seconds| {
        let timeout = Duration::from_secs(seconds);
        let mut settings = settings();
        settings.write_sessions = true;
        settings.timeout = timeout;
        DjangoSite::new(pool(bed.database_url()), settings).unwrap()
    };
    for change in Change::ALL {
        let (site, with_short_timeout) = (site(60), site(2));
        let key = row(&site).await;
        let server = postgres.clone();
        let kill = async move || server.kill9().await.unwrap();
        assert_eq!(request(&site, &key, change, kill).await, (503, false), "{change:?}, killed");
        postgres.restart().await.unwrap();
        let session = site.load(&SessionKey::new(&*key).unwrap()).await.unwrap();
        assert_eq!(
            session.data().unwrap().to_json(),
            r#"{"a":1}"#,
            "{change:?}: nothing was stored"
        );

        let server = postgres.clone();
        let freeze = async move || server.freeze().await.unwrap();
        let answer = request(&with_short_timeout, &key, change, freeze).await;
        assert_eq!(answer, (503, false), "{change:?}, frozen");
        postgres.thaw().await.unwrap();
    }
    // The next request finds no trace of the outage.
    let site = site(60);
    let key = row(&site).await;
    postgres.terminate_backends().await.unwrap();
    let nothing = async || {};
    assert_eq!(request(&site, &key, Change::Insert, nothing).await, (200, true));
}

#[testbed::test]
async fn a_flushed_session_is_deleted_even_if_the_handler_panics_or_is_dropped() {
    static ENOUGH: Notify = Notify::const_new();

    let bed = Bed::shared().await;
    let site = bed.site_with(settings().with(|s| s.write_sessions = true));
    let middleware = DjangoSessionMiddleware::optional(site.clone());
    let app = TestApp::start(move || {
        let handler = async |session: DjangoSessionMut, how: web::Path<String>| -> String {
            session.flush();
            if *how == "panic" {
                panic!("this panic is part of the test");
            }
            ENOUGH.notify_one();
            std::future::pending().await
        };
        // A middleware that drops a handler that takes too long.
        let route = web::scope("").wrap(middleware.clone()).wrap_fn(|req, service| {
            let answer = service.call(req);
            async move {
                match select(pin!(answer), pin!(ENOUGH.notified())).await {
                    Either::Left((answer, _)) => answer,
                    Either::Right(_) => Err(ErrorGatewayTimeout("")),
                }
            }
        });
        App::new().service(route.route("/{how}", web::get().to(handler)))
    });
    let address = app.url().trim_start_matches("http://").to_owned();
    for how in ["panic", "wait"] {
        let key = row(&site).await;
        let request = format!("GET /{how} HTTP/1.1\r\nHost: x\r\nCookie: sessionid={key}\r\n\r\n");
        let mut visitor = TcpStream::connect(&address).await.unwrap();
        visitor.write_all(request.as_bytes()).await.unwrap();
        let key = SessionKey::new(key).unwrap();
        until("the session is gone", async || {
            matches!(site.load(&key).await, Err(Error::SessionNotFound))
        })
        .await;
    }
}

/// A database role with given rights on the session table.
struct Role {
    bed: Bed,
    name: String,
}

impl Role {
    async fn new() -> Self {
        let bed = Bed::start(Django::default(), Settings::default()).await;
        // Roles belong to the whole server, so the role has the name of this database.
        let name = format!("role_{}", bed.bed().database().name());
        bed.sql(&format!("CREATE ROLE {name} LOGIN PASSWORD 'secret'")).await;
        Self { bed, name }
    }

    async fn may(&self, rights: &str) {
        let name = &self.name;
        self.bed.sql(&format!("REVOKE ALL ON django_session FROM {name}")).await;
        self.bed.sql(&format!("GRANT {rights} ON django_session TO {name}")).await;
    }

    fn site(&self, sliding: bool) -> DjangoSite {
        let (_, rest) = self.bed.bed().database_url().split_once('@').unwrap();
        let url = format!("postgres://{}:secret@{rest}", self.name);
        let mut settings = settings();
        settings.write_sessions = true;
        settings.session_save_every_request = sliding;
        DjangoSite::new(pool(&url), settings).unwrap()
    }

    async fn end(self) {
        let name = &self.name;
        self.bed.sql(&format!("DROP OWNED BY {name}")).await;
        self.bed.sql(&format!("DROP ROLE {name}")).await;
    }
}

#[testbed::test]
async fn each_feature_needs_exactly_the_rights_that_the_guide_names() {
    let role = Role::new().await;
    for (rights, makes, changes, ends) in [
        ("SELECT", 503, 503, 503),
        ("SELECT, INSERT", 200, 503, 503),
        ("SELECT, UPDATE", 503, 200, 503),
        ("SELECT, DELETE", 503, 503, 200),
        ("SELECT, INSERT, UPDATE, DELETE", 200, 200, 200),
    ] {
        role.may(rights).await;
        let site = role.site(false);
        let key = || async { format!("sessionid={}", role.bed.session(r#"{"a":1}"#).await) };
        let insert = json!([["insert", "b", 1]]);
        for (cookie, ops, status) in [
            (None, &insert, makes),
            (Some(key().await), &insert, changes),
            (Some(key().await), &json!([["cycle_key"]]), changes),
            (Some(key().await), &json!([["flush"]]), ends),
            (Some(key().await), &json!([["get", "a"]]), 200),
        ] {
            let came = operate(&site, cookie.as_deref(), ops, 200).await;
            assert_eq!(came.status, status, "{rights}: {ops} {cookie:?}");
            let outcome = !came.set_cookie.is_empty();
            assert_eq!(outcome, status == 200 && *ops != json!([["get", "a"]]), "{rights}: {ops}");
        }
        // Rows are locked before they are deleted, so that no deadlock occurs.
        let clears = site.clear_expired().await.is_ok();
        assert_eq!(clears, ends == 200 && changes == 200, "{rights}");
        // A request that would only extend its session still gets its page; the expiry stays the same.
        let came = operate(&role.site(true), Some(&key().await), &json!([["get", "a"]]), 200).await;
        assert_eq!((came.status, !came.set_cookie.is_empty()), (200, changes == 200), "{rights}");
    }
    role.end().await;
}

#[testbed::test]
async fn a_read_only_server_and_a_table_without_write_rights_are_outages() {
    let role = Role::new().await;
    role.may("SELECT, INSERT, UPDATE, DELETE").await;
    let key = format!("sessionid={}", role.bed.session(r#"{"a":1}"#).await);
    let insert = json!([["insert", "b", 1]]);
    let name = &role.name;
    role.bed.sql(&format!("ALTER ROLE {name} SET default_transaction_read_only = on")).await;
    for cookie in [None, Some(&*key)] {
        let came = operate(&role.site(false), cookie, &insert, 200).await;
        assert_eq!((came.status, came.set_cookie), (503, vec![]), "{cookie:?}");
    }
    role.bed.sql(&format!("ALTER ROLE {name} RESET default_transaction_read_only")).await;
    for statement in [
        "CREATE FUNCTION keep() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'",
        "CREATE TRIGGER keep BEFORE INSERT OR UPDATE ON django_session FOR EACH ROW \
         EXECUTE FUNCTION keep()",
    ] {
        role.bed.sql(statement).await;
    }
    for cookie in [None, Some(&*key)] {
        let came = operate(&role.site(false), cookie, &insert, 200).await;
        assert_eq!((came.status, came.set_cookie), (503, vec![]), "{cookie:?}");
    }
    role.end().await;
}

#[testbed::test]
async fn a_saved_row_keeps_further_columns_and_a_new_row_needs_their_defaults() {
    let bed = Bed::start(Django::default(), Settings::default()).await;
    let site = bed.site_with(settings().with(|s| s.write_sessions = true));
    let key = row(&site).await;
    for statement in [
        "ALTER TABLE django_session ADD user_id int, ADD device_info text NOT NULL DEFAULT 'x'",
        "UPDATE django_session SET user_id = 7, device_info = 'a phone'",
        "ALTER TABLE django_session ALTER device_info DROP DEFAULT",
    ] {
        bed.sql(statement).await;
    }
    let ops = json!([["insert", "b", 1], ["save"], ["cycle_key"], ["insert", "c", 1]]);
    let came = operate(&site, Some(&format!("sessionid={key}")), &ops, 200).await;
    assert_eq!(came.status, 200);
    let columns = bed.sql("SELECT user_id, device_info FROM django_session").await;
    assert_eq!(columns, json!([[7, "a phone"]]));

    let refused = site.create(&SessionData::new(), Expiry::Default).await.unwrap_err();
    assert!(matches!(refused, Error::ImproperlyConfigured(_)), "{refused:?}");
    assert!(refused.to_string().contains("device_info"), "{refused}");
    bed.sql("ALTER TABLE django_session ALTER device_info SET DEFAULT 'unknown'").await;
    site.create(&SessionData::new(), Expiry::Default).await.unwrap();
}
