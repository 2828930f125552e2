//! For tests of your handlers: a session of your making in a request, without a database.

use std::{
    fmt::Display,
    sync::Arc,
    time::{Duration, SystemTime},
};

use actix_web::HttpMessage;
use deadpool_postgres::{Manager, Pool};
use serde::Serialize;
use tokio_postgres::NoTls;

use super::{
    csrf::CsrfState,
    extract::CsrfToken,
    request::Visit,
    request_session::{Loaded, RequestSession},
};
pub use crate::auth::TestUser;
use crate::{
    auth::{DjangoSite, DjangoUser},
    csrf::Secret,
    error::Error,
    messages::Message,
    session::{DjangoSession, Expiry, SessionData, SessionKey, SessionSigner},
    settings::DjangoSettings,
};

/// Logs a user in to a test request, as far as the session goes.
///
/// Works on whatever `TestRequest` makes, with a middleware around the handler or without. Behind
/// `login_required`, and for [`DjangoUser`], take [`user`].
///
/// ```
/// use actix_django_session::{DjangoUserId, test};
/// use actix_web::{FromRequest, test::TestRequest};
///
/// # actix_web::rt::System::new().block_on(async {
/// let req = TestRequest::get().uri("/dashboard").to_http_request();
/// test::login(&req, 7);
/// assert_eq!(DjangoUserId::<i64>::extract(&req).await.unwrap().0, 7);
/// # });
/// ```
///
/// # Panics
/// Never in practice: the session data it makes is sound.
pub fn login(req: &impl HttpMessage, user_id: impl Display) -> DjangoSession {
    give(req, logged_in(&user_id.to_string(), SessionData::new()))
}

/// Gives a test request a session with this data: a map or a struct, such as `json!({"cart": 1})`.
///
/// It ends in an hour and has a random key.
///
/// # Panics
/// If the data is no dictionary.
pub fn with_session<T: Serialize + ?Sized>(req: &impl HttpMessage, data: &T) -> DjangoSession {
    give(req, SessionData::from_object(data).expect("session data is a dictionary"))
}

/// That data with what Django's `login()` adds.
fn logged_in(user_id: &str, mut data: SessionData) -> SessionData {
    for (key, value) in [
        ("_auth_user_id", user_id),
        ("_auth_user_backend", "django.contrib.auth.backends.ModelBackend"),
    ] {
        data.insert(key, value).expect("text has a JSON form");
    }
    data
}

fn give(req: &impl HttpMessage, data: SessionData) -> DjangoSession {
    let signer = SessionSigner::new(&settings()).expect("the settings are sound");
    let session = DjangoSession::new(
        SessionKey::generate(),
        SystemTime::now() + Duration::from_secs(3600),
        data.encode(&signer),
        Arc::new(signer),
    );
    attach(req, Loaded::Live(session.clone()), None);
    session
}

fn settings() -> DjangoSettings {
    DjangoSettings::new("the secret key of a test request")
}

/// A site without a database, for a middleware around handlers under test: it lets those through whom the
/// other functions here made, strangers get what the middleware has for them, and a request that brings a
/// session cookie gets a 503.
///
/// ```
/// use actix_django_session::{DjangoSessionMiddleware, DjangoUser, test::{self, TestUser}};
/// use actix_web::{App, test::{TestRequest, call_service, init_service}, web};
///
/// # actix_web::rt::System::new().block_on(async {
/// async fn dashboard(user: DjangoUser) -> String {
///     format!("Hello, {}", user.username())
/// }
/// let middleware = DjangoSessionMiddleware::login_required(test::site());
/// let app = init_service(App::new().wrap(middleware).route("/", web::get().to(dashboard))).await;
///
/// let stranger = TestRequest::get().to_request();
/// assert_eq!(call_service(&app, stranger).await.status(), 302);
/// let ada = TestRequest::get().to_request();
/// test::user(&ada, TestUser::new(7, "ada"));
/// assert_eq!(call_service(&app, ada).await.status(), 200);
/// # });
/// ```
///
/// # Panics
/// Never in practice: its settings are sound.
pub fn site() -> DjangoSite {
    store_with(settings()).expect("the settings are sound")
}

pub(super) fn store_with(settings: DjangoSettings) -> Result<DjangoSite, Error> {
    // Without a host there is nothing to connect to.
    let manager = Manager::new(tokio_postgres::Config::new(), NoTls);
    let pool = Pool::builder(manager).build().expect("a pool without timeouts needs no runtime");
    DjangoSite::new(pool, settings)
}

/// Gives a test request a session of this user, who counts as logged in.
///
/// ```
/// use actix_django_session::{DjangoUser, test::{self, TestUser}};
/// use actix_web::{FromRequest, test::TestRequest};
///
/// # actix_web::rt::System::new().block_on(async {
/// let req = TestRequest::get().to_http_request();
/// let ada = TestUser::new(7, "ada")
///     .permissions(["shop.add_item"])
///     .column("tenant_id", 12_i64)
///     .session_data("cart", &["a book"]);
/// test::user(&req, ada);
/// let user = DjangoUser::extract(&req).await.unwrap();
/// assert!(user.has_perm("shop.add_item").await.unwrap());
/// assert_eq!(user.get::<i64>("tenant_id").unwrap(), 12);
/// # });
/// ```
///
/// # Panics
/// Never in practice: the session data it makes is sound.
pub fn user(req: &impl HttpMessage, user: TestUser) -> DjangoUser {
    let session = give(req, logged_in(&user.id, user.session_data.clone()));
    let user = DjangoUser::of_test(user);
    attach(req, Loaded::Live(session), Some(user.clone()));
    user
}

/// Logs a user in, in the database: a real row of the session table, for a test that sends requests
/// through a whole service. It ends in an hour. What it returns is the value of a `Cookie` header.
///
/// ```no_run
/// # async fn f(site: actix_django_session::DjangoSite) {
/// use actix_django_session::test;
/// use actix_web::test::TestRequest;
///
/// let cookie = test::create_session(&site, "ada").await;
/// let request = TestRequest::get().uri("/account").insert_header(("Cookie", cookie));
/// # }
/// ```
///
/// The role of the site's pool needs `INSERT` on the session table; the settings need not let the
/// service write.
///
/// # Panics
/// If there is no such user, or PostgreSQL does not answer.
pub async fn create_session(site: &DjangoSite, username: &str) -> String {
    let row = async {
        let user = site.user_by_username(username).await?;
        site.create_logged_in(&user, Expiry::Seconds(3600)).await
    };
    let session = row.await.unwrap_or_else(|error| panic!("no session row: {}", error.chain()));
    format!("{}={}", site.settings().session_cookie_name, session.key().as_str())
}

/// Makes a test request one without a session: for handlers that are tested without a middleware, and for
/// those behind one that change the session of a stranger.
pub fn no_session(req: &impl HttpMessage) {
    attach(req, Loaded::NoCookie, None);
}

/// What is in the session of a test request by now: as the handler left it, if it is the request of an
/// answer. Without a database nothing of it is stored.
///
/// ```
/// use actix_django_session::{DjangoSessionMiddleware, DjangoSessionMut, Error, test};
/// use actix_web::{App, test::{TestRequest, call_service, init_service}, web};
///
/// # actix_web::rt::System::new().block_on(async {
/// async fn choose(session: DjangoSessionMut) -> Result<&'static str, Error> {
///     session.insert("language", "de")?;
///     Ok("Deutsch")
/// }
/// let middleware = DjangoSessionMiddleware::optional(test::site());
/// let app = init_service(App::new().wrap(middleware).route("/", web::post().to(choose))).await;
///
/// let request = TestRequest::post().to_request();
/// test::no_session(&request);
/// test::csrf(&request);
/// let answer = call_service(&app, request).await;
/// let data = test::session_of(answer.request());
/// assert_eq!(data.get::<String>("language").unwrap().as_deref(), Some("de"));
/// # });
/// ```
///
/// # Panics
/// If no function of this module gave the request a session, or [`no_session`].
pub fn session_of(req: &impl HttpMessage) -> SessionData {
    let visit = Visit::of(req).filter(|visit| visit.session.is_kept());
    let data = visit.map(|visit| visit.session.look(|changes| changes.data().clone()));
    data.expect("no function of this crate's `test` gave the request a session")
}

/// The messages that are there for the next page: what the handler has left by
/// [`Messages`](crate::Messages), if this is the request of an answer. None of them counts as shown.
///
/// ```
/// use actix_django_session::{DjangoSessionMiddleware, Messages, test};
/// use actix_web::{App, test::{TestRequest, call_service, init_service}, web};
///
/// # actix_web::rt::System::new().block_on(async {
/// async fn save(messages: Messages) -> &'static str {
///     messages.success("Your profile is saved.");
///     "done"
/// }
/// let middleware = DjangoSessionMiddleware::optional(test::site());
/// let app = init_service(App::new().wrap(middleware).route("/", web::get().to(save))).await;
///
/// let answer = call_service(&app, TestRequest::get().to_request()).await;
/// assert_eq!(test::messages(answer.request())[0].text(), "Your profile is saved.");
/// # });
/// ```
pub fn messages(req: &impl HttpMessage) -> Vec<Message> {
    let left = Visit::of(req)
        .and_then(|visit| visit.with_messages(|storage, source| storage.left(source)));
    left.unwrap_or_default()
}

/// Gives a test request what it takes to pass the CSRF check of any middleware, as a form of your own page
/// would, and [`CsrfToken`] a secret, also without a middleware. The token is one of it.
///
/// ```
/// use actix_django_session::{DjangoSessionMiddleware, test};
/// use actix_web::{App, test::{TestRequest, call_service, init_service}, web};
///
/// # actix_web::rt::System::new().block_on(async {
/// let middleware = DjangoSessionMiddleware::optional(test::site());
/// let app = init_service(App::new().wrap(middleware).route("/", web::post().to(async || "done"))).await;
///
/// let forged = TestRequest::post().to_request();
/// assert_eq!(call_service(&app, forged).await.status(), 403);
/// let meant = TestRequest::post().to_request();
/// test::csrf(&meant);
/// assert_eq!(call_service(&app, meant).await.status(), 200);
/// # });
/// ```
///
/// # Panics
/// If the operating system gives no random numbers.
pub fn csrf(req: &impl HttpMessage) -> CsrfToken {
    let secret = Secret::new();
    let token = CsrfToken::new(secret.masked());
    req.extensions_mut().insert(CsrfState::of_test(secret));
    token
}

fn attach(req: &impl HttpMessage, loaded: Loaded, user: Option<DjangoUser>) {
    let session = RequestSession::of_test(loaded, user);
    Visit::in_test(session, CsrfState::of(req.headers(), &settings())).attach(req);
}
