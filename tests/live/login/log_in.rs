//! Login and logout where Django has nothing to compare with, or where only the next request shows the
//! result.

use std::{
    future,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use actix_django_session::{
    AuthenticationBackend, DjangoSessionMiddleware, DjangoSessionMut, DjangoSite, DjangoUser,
    Error, OptionalDjangoUser, PasswordHasher, SessionKey, UserModel,
    test::{self, Client, TestUser},
};
use actix_web::{
    App, FromRequest, HttpRequest, HttpResponse,
    http::header::SET_COOKIE,
    rt,
    test::{TestRequest, call_service, init_service},
    web,
};
use serde_json::{Value, json};
use testbed::{Django, Log, Settings, With};
use tokio::sync::oneshot;

use crate::{
    beds::{Bed, PASSWORD, pool, settings},
    sessions::operations::{Outcome, operate},
};

/// A browser: it sends its session cookie and keeps the cookie of the response.
struct Visitor {
    cookie: Option<String>,
}

impl Visitor {
    async fn new(bed: &Bed) -> Self {
        Self { cookie: Some(bed.session(r#"{"cart":[1]}"#).await) }
    }

    async fn run(&mut self, site: &DjangoSite, ops: Value, status: u16) -> Outcome {
        let cookie = self.cookie.as_ref().map(|key| format!("sessionid={key}"));
        let outcome = operate(site, cookie.as_deref(), &ops, status).await;
        for text in &outcome.set_cookie {
            if let Some(value) = text.strip_prefix("sessionid=") {
                let key = value.split(';').next().unwrap();
                self.cookie = (key != "\"\"").then(|| key.to_owned());
            }
        }
        outcome
    }

    /// The user whom Django finds for the cookie.
    async fn user(&self, bed: &Bed) -> Value {
        let Some(key) = &self.cookie else { return Value::Null };
        who(bed, key).await
    }
}

async fn who(bed: &Bed, key: &str) -> Value {
    let mut answer = bed.ask(json!({ "cmd": "request_users", "keys": [key] })).await;
    answer["users"][0]["user"]["username"].take()
}

async fn row(bed: &Bed, key: &str) -> Value {
    bed.ask(json!({ "cmd": "read_row", "key": key })).await
}

async fn last_login(bed: &Bed, username: &str) -> Value {
    let query = format!("SELECT last_login FROM auth_user WHERE username = '{username}'");
    bed.sql(&query).await[0][0].take()
}

#[testbed::test]
async fn a_user_stays_logged_in_when_the_password_is_upgraded() {
    let bed = Bed::start(Django::default(), Settings::default()).await;
    let site = |iterations| {
        let hashers = [PasswordHasher::Pbkdf2Sha256 { iterations }];
        bed.site_with(settings().with(|s| {
            s.password_hashers = Some(hashers.into());
            s.write_sessions = true;
        }))
    };
    let old = site(7).make_password(PASSWORD).await.unwrap();
    bed.ask(json!({ "cmd": "set_user", "username": "ada", "password_column": old })).await;
    let mut visitor = Visitor::new(&bed).await;
    let ops = json!([["authenticate_login", "ada", PASSWORD]]);
    assert_eq!(visitor.run(&site(8), ops, 200).await.results, json!(["ada"]));
    assert_eq!(visitor.user(&bed).await, "ada");
    let user = bed.ask(json!({ "cmd": "get_user", "username": "ada" })).await;
    assert!(user["password"].as_str().unwrap().starts_with("pbkdf2_sha256$8$"), "{user}");
}

async fn change_password(
    user: DjangoUser,
    session: DjangoSessionMut,
    site: web::Data<DjangoSite>,
    pool: web::Data<deadpool_postgres::Pool>,
    req: HttpRequest,
) -> Result<HttpResponse, Error> {
    let encoded = site.make_password("another").await?;
    let update = "UPDATE auth_user SET password = $1 WHERE username = $2";
    let client = pool.get().await.unwrap();
    client.execute(update, &[&encoded, &user.username()]).await.unwrap();
    let user = site.user(user.id()).await?;
    session.update_session_auth_hash(&user).await?;
    let still = DjangoUser::extract(&req).await.unwrap();
    assert_eq!((still.id(), still.username()), (user.id(), user.username()));
    Ok(HttpResponse::Ok().finish())
}

#[testbed::test]
async fn changing_the_password_ends_all_other_sessions() {
    let bed = Bed::start(Django::default(), Settings::default()).await;
    let calls = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&calls);
    let site = bed.site_with(settings().with(|s| s.write_sessions = true)).after_get_user(
        move |_, user, _| {
            count.fetch_add(1, Ordering::Relaxed);
            async { Ok(Some(user)) }
        },
    );
    let (here, elsewhere) = (bed.login("ada").await, bed.login("ada").await);
    let app = App::new()
        .app_data(web::Data::new(site.clone()))
        .app_data(web::Data::new(bed.pool()))
        .wrap(DjangoSessionMiddleware::optional(site))
        .route("/", web::get().to(change_password));
    let app = init_service(app).await;
    let request = TestRequest::get().insert_header(("Cookie", format!("sessionid={here}")));
    let response = call_service(&app, request.to_request()).await;
    assert_eq!(response.status(), 200);
    assert_eq!(calls.load(Ordering::Relaxed), 1, "the hook runs once a request");
    let cookie = response.headers().get(SET_COOKIE).unwrap().to_str().unwrap();
    let key = cookie.strip_prefix("sessionid=").unwrap().split(';').next().unwrap();
    assert_ne!(key, here);
    assert_eq!(who(&bed, key).await, "ada");
    assert_eq!(row(&bed, &here).await, Value::Null);
    assert_eq!(who(&bed, &elsewhere).await, Value::Null);
}

/// In this case Django loses the visitor's session, because it has already changed the row's key.
#[testbed::test]
async fn a_failed_login_leaves_the_session_unchanged() {
    let bed = Bed::start(Django::default(), Settings::default()).await;
    let site = bed.site_with(settings().with(|s| s.write_sessions = true));
    let mut visitor = Visitor::new(&bed).await;
    let key = visitor.cookie.clone().unwrap();
    let before = row(&bed, &key).await;

    // The handler fails after the login.
    let outcome = visitor.run(&site, json!([["login", "ada"]]), 500).await;
    assert_eq!((outcome.status, row(&bed, &key).await), (500, before.clone()));
    assert_ne!(last_login(&bed, "ada").await, Value::Null);

    // The call does not name one of the two backends.
    let backends = ["django.contrib.auth.backends.ModelBackend", "shop.Backend"];
    let mut two = settings();
    two.authentication_backends = backends.map(AuthenticationBackend::new).into();
    two.write_sessions = true;
    let outcome = visitor.run(&bed.site_with(two), json!([["login", "grace"]]), 200).await;
    assert_eq!((outcome.status, row(&bed, &key).await), (500, before.clone()));
    assert_eq!(last_login(&bed, "grace").await, Value::Null);

    // The user is deleted between the two calls.
    let grace = site.user_by_username("grace").await.unwrap();
    bed.ask(json!({ "cmd": "delete_user", "username": "grace" })).await;
    let handler = move |session: DjangoSessionMut| {
        let grace = grace.clone();
        async move { session.login(&grace).await.map(|()| HttpResponse::Ok().finish()) }
    };
    let middleware = DjangoSessionMiddleware::optional(site);
    let app = init_service(App::new().wrap(middleware).route("/", web::get().to(handler))).await;
    let request = TestRequest::get().insert_header(("Cookie", format!("sessionid={key}")));
    let response = call_service(&app, request.to_request()).await;
    assert_eq!((response.status().as_u16(), row(&bed, &key).await), (401, before));
}

/// A double click: the second request does not find the anonymous session any more. The same happens to a
/// login after another request ended the session. Its data does not come back.
#[testbed::test]
async fn a_login_on_a_deleted_session_creates_a_new_session() {
    let bed = Bed::shared().await;
    let site = bed.site_with(settings().with(|s| s.write_sessions = true));
    let key = bed.session(r#"{"cart":[1]}"#).await;
    let ada = site.user_by_username("ada").await.unwrap();
    let handler = {
        let (site, key) = (site.clone(), key.clone());
        move |session: DjangoSessionMut| {
            let (ada, site, key) = (ada.clone(), site.clone(), key.clone());
            async move {
                session.insert("theme", "dark")?;
                session.login(&ada).await?;
                site.delete(&SessionKey::new(key).unwrap()).await?;
                Ok::<_, Error>(HttpResponse::Ok().finish())
            }
        }
    };
    let middleware = DjangoSessionMiddleware::optional(site);
    let app = init_service(App::new().wrap(middleware).route("/", web::get().to(handler))).await;
    let request = TestRequest::get().insert_header(("Cookie", format!("sessionid={key}")));
    let response = call_service(&app, request.to_request()).await;
    assert_eq!(response.status(), 200);
    let cookies = response.headers().get_all(SET_COOKIE).map(|text| text.to_str().unwrap());
    let new = cookies.filter_map(|text| text.strip_prefix("sessionid=")).next().unwrap();
    let new = new.split(';').next().unwrap();
    assert_eq!(who(bed, new).await, "ada");
    let data = row(bed, new).await["json"].as_str().unwrap().to_owned();
    assert!(data.starts_with(r#"{"theme": "dark", "_auth_user_id": "1""#), "{data}");
    assert_eq!(row(bed, &key).await, Value::Null);
}

/// No later event keeps the user logged in.
#[testbed::test]
async fn a_logout_has_deleted_the_row_when_it_returns() {
    let bed = Bed::shared().await;
    let site = bed.site_with(settings().with(|s| s.write_sessions = true));
    let key = bed.login("ada").await;
    let (answered, hears) = oneshot::channel();
    let answered = std::cell::Cell::new(Some(answered));
    let handler = move |session: DjangoSessionMut| {
        let answered = answered.take();
        async move {
            session.logout().await?;
            answered.unwrap().send(()).unwrap();
            // The client disconnects during the request.
            future::pending::<Result<HttpResponse, Error>>().await
        }
    };
    let handler = std::rc::Rc::new(handler);
    let route = web::get().to(move |session| handler(session));
    let app = App::new().wrap(DjangoSessionMiddleware::optional(site)).route("/", route);
    let app = init_service(app).await;
    let request = TestRequest::get().insert_header(("Cookie", format!("sessionid={key}")));
    let request = request.to_request();
    let answer = rt::spawn(async move { call_service(&app, request).await.status() });
    hears.await.unwrap();
    answer.abort();
    assert_eq!(row(bed, &key).await, Value::Null);
}

#[testbed::test]
async fn login_and_logout_need_only_the_documented_rights() {
    let bed = Bed::start(Django::default(), Settings::default()).await;
    let role = format!("log_in_{}", bed.bed().database().name());
    bed.sql(&format!("CREATE ROLE {role} LOGIN PASSWORD 'secret'")).await;
    bed.sql(&format!("GRANT SELECT ON auth_user, django_session TO {role}")).await;
    let (_, address) = bed.bed().database_url().split_once('@').unwrap();
    let pool = pool(&format!("postgres://{role}:secret@{address}"));
    let mut model = UserModel::default();
    model.permission_tables = None;
    let mut settings = settings();
    settings.user_model = model;
    settings.write_sessions = true;
    let site = DjangoSite::new(pool, settings).unwrap();
    let grant = async |rights: &str| bed.sql(&format!("GRANT {rights} TO {role}")).await;
    let log_in = || json!([["authenticate_login", "ada", PASSWORD]]);

    // `last_login` is written first: without that right nothing changes.
    let mut visitor = Visitor::new(&bed).await;
    let before = row(&bed, visitor.cookie.as_ref().unwrap()).await;
    assert_eq!(visitor.run(&site, log_in(), 200).await.status, 503);
    assert_eq!(row(&bed, visitor.cookie.as_ref().unwrap()).await, before);
    assert_eq!(last_login(&bed, "ada").await, Value::Null);
    grant("UPDATE (last_login) ON auth_user").await;
    // An existing session gets a new key and new data.
    assert_eq!(visitor.run(&site, log_in(), 200).await.status, 503);
    grant("UPDATE ON django_session").await;
    assert_eq!(visitor.run(&site, log_in(), 200).await.status, 200);
    assert_eq!(visitor.user(&bed).await, "ada");
    // The session of another user is deleted, and a new one is created.
    let as_grace = || json!([["authenticate_login", "grace", PASSWORD]]);
    assert_eq!(visitor.run(&site, as_grace(), 200).await.status, 503);
    grant("DELETE ON django_session").await;
    assert_eq!(visitor.run(&site, as_grace(), 200).await.status, 503);
    grant("INSERT ON django_session").await;
    let mut visitor = Visitor { cookie: None };
    assert_eq!(visitor.run(&site, as_grace(), 200).await.status, 200);
    assert_eq!(visitor.user(&bed).await, "grace");
    assert_eq!(visitor.run(&site, json!([["logout"]]), 200).await.status, 200);
    assert_eq!((&visitor.cookie, visitor.user(&bed).await), (&None, Value::Null));
    bed.sql(&format!("DROP OWNED BY {role}")).await;
    bed.sql(&format!("DROP ROLE {role}")).await;
}

#[testbed::test]
async fn no_log_line_has_a_password_a_hash_or_a_key() {
    let bed = Bed::start(Django::default(), Settings::default()).await;
    let site = bed.site_with(settings().with(|s| s.write_sessions = true));
    let user = bed.ask(json!({ "cmd": "get_user", "username": "ada" })).await;
    let hash = user["session_auth_hash"].as_str().unwrap().to_owned();
    let password = user["password"].as_str().unwrap().split('$').next_back().unwrap().to_owned();
    let log = Log::default();
    log.listen();
    let mut visitor = Visitor::new(&bed).await;
    let mut secrets = vec![PASSWORD.to_owned(), hash, password];
    secrets.extend(visitor.cookie.clone());
    for ops in [
        json!([["authenticate_login", "ada", PASSWORD]]),
        json!([["update_session_auth_hash", "ada"]]),
        json!([["login", "grace"]]),
        json!([["logout"]]),
    ] {
        assert_eq!(visitor.run(&site, ops, 200).await.status, 200);
        secrets.extend(visitor.cookie.clone());
    }
    assert_eq!(secrets.len(), 7);
    let lines = log.lines();
    // Ignores the log lines of actix about requests.
    let lines = lines.iter().filter(|line| !line.target.starts_with("actix_http"));
    assert!(lines.clone().filter(|line| line.target == "tokio_postgres::query").count() > 5);
    for line in lines {
        for secret in &secrets {
            assert!(!line.text.contains(secret.as_str()), "{secret} is in {}", line.text);
        }
    }
}

/// A test without a database can check handlers that log in and out.
#[testbed::test]
async fn a_handler_under_test_logs_in_and_out() {
    async fn again(req: HttpRequest, ada: DjangoUser, session: DjangoSessionMut) -> &'static str {
        session.logout().await.unwrap();
        assert!(OptionalDjangoUser::extract(&req).await.unwrap().0.is_none());
        session.login(&ada).await.unwrap();
        assert_eq!(DjangoUser::extract(&req).await.unwrap().id(), "7");
        assert_eq!(session.get::<String>("_auth_user_id").unwrap().as_deref(), Some("7"));
        session.update_session_auth_hash(&ada).await.unwrap();
        "done"
    }
    let site = test::site().user(TestUser::new(7, "ada").password("lovelace")).build();
    let middleware = DjangoSessionMiddleware::optional(site.clone());
    let app = App::new().wrap(middleware).default_service(web::to(again));
    let (app, client) = (init_service(app).await, Client::logged_in(&site, "ada").await);
    let before = client.cookie("sessionid");
    assert_eq!(client.send(&app, TestRequest::get()).await.status(), 200);
    assert_ne!(client.cookie("sessionid"), before);
    assert_eq!(client.session().await.user_id().as_deref(), Some("7"));
}
