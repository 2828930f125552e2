//! # Testing your handlers
//!
//! ## Without a database
//!
//! [`test::site`](crate::test::site) builds a Django site whose tables are in memory.
//! [`test::Client`](crate::test::Client) is a visitor with a browser, as `django.test.Client`. Middlewares, extractors,
//! cookies and CSRF tokens are the real ones: give the site to your routes, and send requests.
//!
//! ```
//! use actix_django_session::{DjangoSessionMiddleware, DjangoSessionMut, Error, test::{self, Client}};
//! use actix_web::{App, test::{TestRequest, init_service, read_body}, web};
//!
//! #[derive(serde::Deserialize)]
//! struct Item {
//!     item: u32,
//! }
//!
//! async fn add(session: DjangoSessionMut, form: web::Form<Item>) -> Result<String, Error> {
//!     let item = form.item;
//!     session.update("cart", move |cart: &mut Vec<u32>| cart.push(item))?;
//!     Ok(format!("{:?}", session.get::<Vec<u32>>("cart")?))
//! }
//!
//! # actix_web::rt::System::new().block_on(async {
//! let site = test::site().build();
//! let middleware = DjangoSessionMiddleware::optional(site.clone());
//! let app = App::new().wrap(middleware).route("/cart", web::post().to(add));
//! let app = init_service(app).await;
//!
//! let client = Client::new(&site);
//! for (item, cart) in [(7, "Some([7])"), (8, "Some([7, 8])")] {
//!     let add = TestRequest::post().uri("/cart").set_form([("item", item)]);
//!     assert_eq!(read_body(client.send(&app, add).await).await, cart);
//! }
//! assert_eq!(client.session().await.to_json(), r#"{"cart":[7,8]}"#);
//!
//! // A page of another site has no token of this site.
//! let forger = Client::new(&site).enforce_csrf_checks();
//! assert_eq!(forger.send(&app, TestRequest::post().uri("/cart")).await.status(), 403);
//! # });
//! ```
//!
//! | in the test | by |
//! |---|---|
//! | a user, with permissions, groups, columns, a password | [`TestUser`](crate::test::TestUser) |
//! | a group with permissions, a token of the REST framework | [`TestSite::group`](crate::test::TestSite::group), [`token`](crate::test::TestSite::token) |
//! | the settings of your service | [`TestSite::new(settings)`](crate::test::TestSite::new) |
//! | a visitor; one who is logged in | [`Client::new`](crate::test::Client::new); [`Client::logged_in`](crate::test::Client::logged_in) |
//! | a session with data of your own | [`Client::update_session`](crate::test::Client::update_session) |
//! | a form of a page of another site, which has no token | [`Client::enforce_csrf_checks`](crate::test::Client::enforce_csrf_checks) |
//! | what the handler left: in the session; as messages for the next page | [`Client::session`](crate::test::Client::session); [`Client::messages`](crate::test::Client::messages) |
//! | a user who is deactivated between two requests | [`test::put_user`](crate::test::put_user) |
//! | the arguments of a handler that the test calls itself | [`DjangoSite::user`](crate::DjangoSite::user), [`create`](crate::DjangoSite::create) |
//!
//! ### Permissions
//!
//! ```
//! use actix_django_session::{DjangoSessionMiddleware, DjangoUser, Error, test::{self, Client, TestUser}};
//! use actix_web::{App, test::{TestRequest, init_service, read_body}, web};
//!
//! async fn add_item(user: DjangoUser) -> Result<String, Error> {
//!     Ok(format!("added for tenant {}", user.get::<i64>("tenant_id")?))
//! }
//!
//! # actix_web::rt::System::new().block_on(async {
//! let site = test::site()
//!     .user(TestUser::new(7, "ada").groups(["sellers"]).column("tenant_id", 3_i64))
//!     .group("sellers", ["shop.add_item"])
//!     .user(TestUser::new(8, "bob"))
//!     .build();
//! let middleware = DjangoSessionMiddleware::login_required(site.clone())
//!     .permission_required("shop.add_item")
//!     .respond_401();
//! let app = init_service(App::new().wrap(middleware).route("/", web::post().to(add_item))).await;
//!
//! assert_eq!(Client::new(&site).send(&app, TestRequest::post()).await.status(), 401);
//! let bob = Client::logged_in(&site, "bob").await;
//! assert_eq!(bob.send(&app, TestRequest::post()).await.status(), 403);
//! let ada = Client::logged_in(&site, "ada").await;
//! let answer = ada.send(&app, TestRequest::post()).await;
//! assert_eq!(read_body(answer).await, "added for tenant 3");
//!
//! test::put_user(&site, TestUser::new(7, "ada").groups(["sellers"]).inactive());
//! assert_eq!(ada.send(&app, TestRequest::post()).await.status(), 401);
//!
//! // A handler is a function: a test can call it without a middleware.
//! test::put_user(&site, TestUser::new(7, "ada").column("tenant_id", 4_i64));
//! assert_eq!(add_item(site.user(7).await.unwrap()).await.unwrap(), "added for tenant 4");
//! # });
//! ```
//!
//! ### From login to logout
//!
//! ```
//! use actix_django_session::{
//!     DjangoSessionMiddleware, DjangoSessionMut, DjangoSite, DjangoUser, Error, Messages,
//!     test::{self, Client, TestUser},
//! };
//! use actix_web::{App, HttpResponse, test::{TestRequest, init_service}, web};
//!
//! async fn log_in(
//!     site: DjangoSite,
//!     session: DjangoSessionMut,
//!     messages: Messages,
//!     password: String,
//! ) -> Result<HttpResponse, Error> {
//!     let Some(user) = site.authenticate("ada", &password).await? else {
//!         return Ok(HttpResponse::Unauthorized().finish());
//!     };
//!     session.login(&user).await?;
//!     messages.success("Welcome.");
//!     Ok(HttpResponse::Ok().finish())
//! }
//!
//! async fn change_password(
//!     site: DjangoSite,
//!     session: DjangoSessionMut,
//!     user: DjangoUser,
//!     password: String,
//! ) -> Result<&'static str, Error> {
//!     let user = site.set_password(&user, &password).await?;
//!     session.update_session_auth_hash(&user).await?;
//!     Ok("changed")
//! }
//!
//! async fn log_out(session: DjangoSessionMut) -> Result<&'static str, Error> {
//!     session.logout().await?;
//!     Ok("bye")
//! }
//!
//! # actix_web::rt::System::new().block_on(async {
//! let site = test::site().user(TestUser::new(7, "ada").password("lovelace")).build();
//! let app = App::new()
//!     .wrap(DjangoSessionMiddleware::optional(site.clone()))
//!     .route("/login", web::post().to(log_in))
//!     .route("/password", web::post().to(change_password))
//!     .route("/account", web::get().to(async |user: DjangoUser| user.username().to_owned()))
//!     .route("/logout", web::post().to(log_out));
//! let app = init_service(app).await;
//!
//! let elsewhere = Client::logged_in(&site, "ada").await;
//! let client = Client::new(&site);
//! client.update_session(&serde_json::json!({ "cart": [7] })).await;
//! let account = || TestRequest::get().uri("/account");
//! let post = async |path: &str, body: &'static str| {
//!     let request = TestRequest::post().uri(path).set_payload(body);
//!     client.send(&app, request).await.status().as_u16()
//! };
//!
//! assert_eq!(post("/login", "wrong").await, 401);
//! assert_eq!(post("/login", "lovelace").await, 200);
//! assert_eq!(client.send(&app, account()).await.status(), 200);
//! assert_eq!(client.messages().await[0].text(), "Welcome.");
//! // The session keeps its data.
//! assert_eq!(client.session().await.get::<Vec<u32>>("cart").unwrap(), Some(vec![7]));
//!
//! // This session stays valid, and the user's other sessions end.
//! assert_eq!(post("/password", "a new password").await, 200);
//! assert_eq!(client.send(&app, account()).await.status(), 200);
//! assert_eq!(elsewhere.send(&app, account()).await.status(), 302);
//!
//! assert_eq!(post("/logout", "").await, 200);
//! assert_eq!(client.send(&app, account()).await.status(), 302);
//! assert!(client.session().await.is_empty() && client.cookie("sessionid").is_none());
//! # });
//! ```
//!
//! Let one function add your routes to an `App`. Then a test uses the same middlewares and handlers as your service:
//! `App::new().configure(routes(site.clone()))`. All examples do this, and `tests/live/handlers/` of this crate's
//! repository tests them.
//!
//! The site in memory does not support [`UserModel::condition`](crate::UserModel::condition), which is SQL, and the columns
//! of [`session_columns`](crate::DjangoSite::session_columns). For everything else, a test of random operations compares
//! its answers with PostgreSQL's. To test an outage, use a pool whose server does not exist: `DjangoSite::new` opens no
//! connection.
//!
//! ## With a database
//!
//! Test end to end against a database that Django has migrated. [`test::create_session`](crate::test::create_session)
//! creates a session row for a real user, and returns the `Cookie` header of a browser that is logged in:
//!
//! ```no_run
//! use actix_django_session::{DjangoSessionMiddleware, DjangoSite, DjangoUser, test};
//! use actix_web::{App, test::{TestRequest, call_and_read_body, init_service}, web};
//!
//! async fn dashboard(user: DjangoUser) -> String {
//!     format!("Hello, {}", user.username())
//! }
//!
//! /// Called by a test, with a site on a test database.
//! async fn ada_is_greeted(site: DjangoSite) {
//!     let login_required = DjangoSessionMiddleware::login_required(site.clone());
//!     let dashboard = web::resource("/dashboard").wrap(login_required).get(dashboard);
//!     let app = init_service(App::new().service(dashboard)).await;
//!
//!     let cookie = test::create_session(&site, "ada").await;
//!     let request = TestRequest::get().uri("/dashboard").insert_header(("Cookie", cookie));
//!     assert_eq!(call_and_read_body(&app, request.to_request()).await, "Hello, ada");
//! }
//! ```
//!
//! curl can use the cookie too: `curl -H "Cookie: sessionid=.." http://127.0.0.1:8080/dashboard`.
//!
//! Or let Django create a session, in `manage.py shell`:
//!
//! ```python
//! from django.contrib.auth import get_user_model
//! from django.test import Client
//! client = Client()
//! client.force_login(get_user_model().objects.get(username="ada"))
//! print(client.cookies["sessionid"].value)
//! ```
//!
//! Or insert a row with SQL. The session data has to be signed with the same key, here by
//! [`SessionData::encode`](crate::SessionData::encode). These three entries log a user in:
//!
//! ```python
//! from django.contrib.sessions.backends.db import SessionStore
//! SessionStore().encode({
//!     "_auth_user_id": str(user.pk),
//!     "_auth_user_backend": "django.contrib.auth.backends.ModelBackend",
//!     "_auth_user_hash": user.get_session_auth_hash(),
//! })
//! ```
//!
//! ```sql
//! INSERT INTO django_session (session_key, session_data, expire_date)
//! VALUES ('a-key-of-32-letters-and-digits00', '<signed text>', now() + interval '1 hour');
//! ```
//!
//! In a database without Django, create this table:
//!
//! ```sql
//! CREATE TABLE django_session (
//!     session_key varchar(40) PRIMARY KEY,
//!     session_data text NOT NULL,
//!     expire_date timestamptz NOT NULL
//! );
//! CREATE INDEX ON django_session (expire_date);
//! ```
