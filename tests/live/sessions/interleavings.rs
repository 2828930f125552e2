//! A request changes its session while others change it too: during the handler, and in transactions that
//! are open when the response is sent.

use std::{
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use actix_django_session::{
    DjangoSessionMiddleware, DjangoSessionMut, DjangoSettings, DjangoSite, DjangoUser, Error,
    SessionKey,
};
use actix_web::{
    App, FromRequest, HttpRequest, HttpResponse,
    http::header::SET_COOKIE,
    test::{TestRequest, call_and_read_body, call_service, init_service},
    web,
};
use futures_util::future::{join, join3};
use serde_json::{Value, json};
use testbed::{Settings, With, until};
use tokio::sync::Barrier;
use tokio_postgres::{Client, NoTls};

use crate::{
    beds::{Bed, settings},
    sessions::operations::{django, done},
};

const K: &str = r#"{"cart":[1,2],"theme":"dark"}"#;

/// The result of a request: the status, whether the cookie was set or deleted, and the row's data.
#[derive(Debug, PartialEq)]
struct Response {
    status: u16,
    cookie: &'static str,
    row: Value,
}

/// Sends a request of this session that does `ops`; then runs `meanwhile`; then sends the response.
async fn request(
    site: &DjangoSite,
    key: &str,
    ops: Value,
    meanwhile: impl AsyncFn() + Clone + 'static,
) -> (u16, Option<String>) {
    let middleware = actix_django_session::DjangoSessionMiddleware::optional(site.clone());
    let handler = move |session: DjangoSessionMut, req: actix_web::HttpRequest| {
        let (ops, meanwhile) = (ops.clone(), meanwhile.clone());
        async move {
            for op in ops.as_array().unwrap() {
                done(&session, op, &req).await?;
            }
            meanwhile().await;
            Ok::<_, Error>(HttpResponse::Ok().finish())
        }
    };
    let app = App::new().wrap(middleware).route("/", web::get().to(handler));
    let app = init_service(app).await;
    let request = TestRequest::get().insert_header(("Cookie", format!("sessionid={key}")));
    let response = call_service(&app, request.to_request()).await;
    let cookie = response.headers().get(SET_COOKIE).map(|text| text.to_str().unwrap().to_owned());
    (response.status().as_u16(), cookie)
}

async fn actual(bed: &Bed, key: &str, (status, cookie): (u16, Option<String>)) -> Response {
    let cookie = match &cookie {
        None => "none",
        Some(text) if text.contains("Max-Age=0") => "deleted",
        Some(text) if text.contains(key) => "set",
        Some(_) => "another",
    };
    let row = bed.ask(json!({ "cmd": "read_row", "key": key })).await;
    let json = row["json"].as_str().unwrap_or("null");
    Response { status, cookie, row: serde_json::from_str(json).unwrap() }
}

#[testbed::test]
async fn concurrent_changes_are_kept_and_ended_sessions_stay_ended() {
    let bed = Bed::shared().await;
    let site = bed.site_with(settings().with(|s| s.write_sessions = true));
    let with_a = json!({ "cart": [1, 2], "theme": "dark", "a": 1 });
    for (ops, others, expected) in [
        // Django would lose "a" here, because it saves all of the data that it has read.
        (json!([["insert", "b", 2]]), json!([["insert", "a", 1]]), {
            let mut row = with_a.clone();
            row["b"] = json!(2);
            Response { status: 200, cookie: "set", row }
        }),
        (json!([["get", "b"]]), json!([["insert", "a", 1]]), {
            Response { status: 200, cookie: "none", row: with_a.clone() }
        }),
        (json!([["remove", "cart"], ["append", "list", 1]]), json!([["append", "list", 0]]), {
            let row = json!({ "theme": "dark", "list": [0, 1] });
            Response { status: 200, cookie: "set", row }
        }),
        (json!([["clear"], ["insert", "b", 2]]), json!([["insert", "a", 1]]), {
            Response { status: 200, cookie: "set", row: json!({ "b": 2 }) }
        }),
        (json!([["cycle_key"], ["insert", "b", 2]]), json!([["insert", "a", 1]]), {
            Response { status: 200, cookie: "another", row: Value::Null }
        }),
        // The session has ended: 400, and no row comes back. Django restores it when the key is cycled.
        (json!([["insert", "b", 2]]), json!([["flush"]]), {
            Response { status: 400, cookie: "none", row: Value::Null }
        }),
        (json!([["clear"]]), json!([["flush"]]), {
            Response { status: 400, cookie: "none", row: Value::Null }
        }),
        (json!([["cycle_key"]]), json!([["flush"]]), {
            Response { status: 400, cookie: "none", row: Value::Null }
        }),
        (json!([["insert", "b", 2]]), json!([["cycle_key"]]), {
            Response { status: 400, cookie: "none", row: Value::Null }
        }),
        (json!([["flush"]]), json!([["flush"]]), {
            Response { status: 200, cookie: "deleted", row: Value::Null }
        }),
        (json!([["flush"]]), json!([["insert", "a", 1]]), {
            Response { status: 200, cookie: "deleted", row: Value::Null }
        }),
    ] {
        let key = bed.session(K).await;
        let case = format!("{ops} while Django does {others}");
        let cookie = format!("sessionid={key}");
        let meanwhile = async move || {
            let done = django(Bed::shared().await, Some(&cookie), &others, 200).await;
            assert_eq!(done.status, 200);
        };
        let answer = request(&site, &key, ops, meanwhile).await;
        let (new_cookie, is_cycle) = (answer.1.clone(), expected.cookie == "another");
        assert_eq!(actual(bed, &key, answer).await, expected, "{case}");
        if is_cycle {
            let text = new_cookie.unwrap();
            let new = text.strip_prefix("sessionid=").unwrap().split(';').next().unwrap();
            let session = site.load(&SessionKey::new(new).unwrap()).await.unwrap();
            let mut row = with_a.clone();
            row["b"] = json!(2);
            let data: Value = serde_json::from_str(&session.data().unwrap().to_json()).unwrap();
            assert_eq!(data, row, "the change that Django saved under the old key is kept");
        }
    }
}

pub(super) async fn connect(bed: &Bed) -> Client {
    let (client, connection) =
        tokio_postgres::connect(bed.bed().database_url(), NoTls).await.unwrap();
    actix_web::rt::spawn(connection);
    client
}

/// Waits until a statement on the session table waits for a lock.
pub(super) async fn a_statement_waits(client: &Client) {
    let waits = "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() \
                 AND wait_event_type = 'Lock'";
    until("a statement waits for a lock", async || {
        !client.query(waits, &[]).await.unwrap().is_empty()
    })
    .await;
}

#[testbed::test]
async fn a_write_waits_for_an_open_transaction_and_respects_its_outcome() {
    // A separate database, so that any connection that waits for a lock belongs to this test.
    let bed = Bed::start(testbed::Django::default(), testbed::Settings::default()).await;
    let site = bed.site_with(settings().with(|s| s.write_sessions = true));
    let (theirs, watcher) = (connect(&bed).await, connect(&bed).await);
    let other = bed.session(r#"{"a":1}"#).await;
    let insert = json!([["insert", "b", 1]]);
    let mut with_b: Value = serde_json::from_str(K).unwrap();
    with_b["b"] = json!(1);
    for (statement, end, ops, status, row) in [
        ("DELETE FROM django_session", "COMMIT", &insert, 400, Value::Null),
        ("DELETE FROM django_session", "ROLLBACK", &insert, 200, with_b.clone()),
        ("UPDATE django_session SET expire_date = now()", "COMMIT", &insert, 200, with_b.clone()),
        (
            "UPDATE django_session SET session_data = (SELECT session_data FROM django_session \
             WHERE session_key = 'OTHER')",
            "COMMIT",
            &insert,
            200,
            json!({ "a": 1, "b": 1 }),
        ),
        ("DELETE FROM django_session", "COMMIT", &json!([["cycle_key"]]), 400, Value::Null),
        (
            "UPDATE django_session SET expire_date = now()",
            "COMMIT",
            &json!([["flush"]]),
            200,
            Value::Null,
        ),
    ] {
        let key = bed.session(K).await;
        let statement = statement.replace("OTHER", &other);
        let statement = format!("{statement} WHERE session_key = '{key}'");
        theirs.batch_execute(&format!("BEGIN; {statement}")).await.unwrap();
        let ending = async {
            a_statement_waits(&watcher).await;
            theirs.batch_execute(end).await.unwrap();
        };
        let (answer, ()) = join(request(&site, &key, ops.clone(), async || {}), ending).await;
        let actual = actual(&bed, &key, answer).await;
        assert_eq!((actual.status, actual.row), (status, row), "{statement}; {end}; {ops}");
    }
}

#[testbed::test]
async fn all_middlewares_and_extractors_of_a_request_share_one_session() {
    use actix_django_session::{DjangoSession, DjangoSessionMiddleware, OptionalDjangoSession};

    let bed = Bed::shared().await;
    let site = bed.site_with(settings().with(|s| s.write_sessions = true));
    let (outer, inner) = (
        DjangoSessionMiddleware::optional(site.clone()),
        DjangoSessionMiddleware::optional(site.clone()),
    );
    let handler =
        async |one: DjangoSessionMut, two: DjangoSessionMut, req: actix_web::HttpRequest| {
            use actix_web::FromRequest;
            one.insert("a", &1)?;
            two.update("a", |a: &mut u32| *a += 1)?;
            let seen = DjangoSession::extract(&req).await.unwrap();
            assert_eq!(seen.get::<u32>("a").unwrap(), Some(2));
            two.save().await?;
            one.insert("b", &1)?;
            let seen = DjangoSession::extract(&req).await.unwrap();
            assert_eq!(seen.get::<u32>("b").unwrap(), Some(1));
            if req.query_string() == "flush" {
                one.flush();
                let seen = OptionalDjangoSession::extract(&req).await.unwrap();
                assert!(seen.0.is_none());
            }
            Ok::<_, Error>(seen.key().as_str().to_owned())
        };
    let app = App::new()
        .wrap(outer)
        .service(web::scope("").wrap(inner).route("/", web::get().to(handler)));
    let app = init_service(app).await;
    let response = call_service(&app, TestRequest::get().uri("/").to_request()).await;
    assert_eq!(response.headers().get_all(SET_COOKIE).count(), 1, "{response:?}");
    let key = actix_web::test::read_body(response).await;
    let key = SessionKey::new(std::str::from_utf8(&key).unwrap()).unwrap();
    let session = site.load(&key).await.unwrap();
    assert_eq!(session.data().unwrap().to_json(), r#"{"a":2,"b":1}"#);

    let request = TestRequest::get()
        .uri("/?flush")
        .insert_header(("Cookie", format!("sessionid={}", key.as_str())));
    let response = call_service(&app, request.to_request()).await;
    let cookies: Vec<_> = response.headers().get_all(SET_COOKIE).collect();
    assert!(
        cookies.len() == 1 && cookies[0].to_str().unwrap().contains("Max-Age=0"),
        "{cookies:?}"
    );
    assert!(matches!(site.load(&key).await, Err(Error::SessionNotFound)));
}

#[testbed::test]
async fn no_reader_is_refused_while_the_hash_is_updated() {
    let bed = Bed::shared().await;
    // The site's secret key was replaced by a new one.
    let new = || {
        DjangoSettings::new("a new key")
            .with(|s| s.secret_key_fallbacks = vec![Settings::SECRET_KEY.into()])
    };
    let ended = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&ended);
    let site = bed.site_with(new().with(|s| s.write_sessions = true)).on_event(move |event| {
        if event.reason() == Some("session_interrupted") {
            counter.fetch_add(1, Ordering::Relaxed);
        }
    });
    let key = bed.login("ada").await;
    let all_are_in = Rc::new(Barrier::new(3));
    let handler = move |user: DjangoUser, req: HttpRequest| {
        let all_are_in = Rc::clone(&all_are_in);
        async move {
            if req.query_string() == "change" {
                DjangoSessionMut::extract(&req).await?.insert("a", &1)?;
            }
            all_are_in.wait().await;
            Ok::<_, actix_web::Error>(user.username().to_owned())
        }
    };
    let middleware = DjangoSessionMiddleware::login_required(site.clone());
    let app = init_service(App::new().wrap(middleware).route("/", web::get().to(handler))).await;
    let get = |key: &str, path| {
        let cookie = ("Cookie", format!("sessionid={key}"));
        call_service(&app, TestRequest::get().uri(path).insert_header(cookie).to_request())
    };
    let (a, b, c) = join3(get(&key, "/"), get(&key, "/"), get(&key, "/")).await;
    let mut cookies = Vec::new();
    for response in [a, b, c] {
        assert_eq!(response.status(), 200);
        cookies.extend(response.headers().get(SET_COOKIE).cloned());
    }
    // One request changed the session key, and the others did not restore the old row.
    assert_eq!(cookies.len(), 1, "{cookies:?}");
    assert!(matches!(
        site.load(&SessionKey::new(&*key).unwrap()).await,
        Err(Error::SessionNotFound)
    ));

    // A request with changes to save gets an error.
    let key = bed.login("ada").await;
    let answers = join3(get(&key, "/?change"), get(&key, "/?change"), get(&key, "/?change")).await;
    let mut statuses: Vec<_> =
        <[_; 3]>::from(answers).map(|answer| answer.status().as_u16()).into();
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 400, 400]);
    assert_eq!(ended.load(Ordering::Relaxed), 2);
}

#[testbed::test]
async fn an_update_can_read_its_own_session() {
    let bed = Bed::shared().await;
    let site = bed.site_with(settings().with(|s| s.write_sessions = true));
    let handler = async |session: DjangoSessionMut| {
        let other = session.clone();
        session.insert("b", &1)?;
        session.update("a", move |a: &mut u32| {
            *a = other.get::<u32>("b").unwrap_or_default().unwrap_or_default() + 1;
            other.flush();
        })?;
        Ok::<_, Error>(format!("{:?} {:?}", session.get::<u32>("a")?, session.get::<u32>("b")?))
    };
    let middleware = DjangoSessionMiddleware::optional(site);
    let app = init_service(App::new().wrap(middleware).route("/", web::get().to(handler))).await;
    let body = call_and_read_body(&app, TestRequest::get().to_request()).await;
    assert_eq!(body, "Some(2) None");
}
