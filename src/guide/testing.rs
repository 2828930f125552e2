//! # Testing your handlers
//!
//! ## Without a database
//!
//! [`test::user`](crate::test::user) logs somebody in to a `TestRequest`, in one line, with
//! permissions, columns and session data:
//!
//! ```
//! use actix_django_session::{DjangoUser, Error, test::{self, TestUser}};
//! use actix_web::{FromRequest, test::TestRequest};
//!
//! async fn add_item(user: DjangoUser) -> Result<String, Error> {
//!     if !user.has_perm("shop.add_item").await? {
//!         return Err(Error::PermissionDenied);
//!     }
//!     Ok(format!("added for tenant {}", user.get::<i64>("tenant_id")?))
//! }
//!
//! # actix_web::rt::System::new().block_on(async {
//! let req = TestRequest::post().to_http_request();
//! let ada = TestUser::new(7, "ada").permissions(["shop.add_item"]).column("tenant_id", 3_i64);
//! test::user(&req, ada);
//! let user = DjangoUser::extract(&req).await.unwrap();
//! assert_eq!(add_item(user).await.unwrap(), "added for tenant 3");
//! # });
//! ```
//!
//! Middlewares work without a database too: a middleware takes what a test put into the request for its own.
//! [`test::site`](crate::test::site) makes the site that it needs:
//!
//! ```
//! use actix_django_session::{DjangoSessionMiddleware, test::{self, TestUser}};
//! use actix_web::{App, HttpResponse, test::{TestRequest, call_service, init_service}, web};
//!
//! # actix_web::rt::System::new().block_on(async {
//! let middleware = DjangoSessionMiddleware::login_required(test::site())
//!     .permission_required("shop.add_item")
//!     .respond_401();
//! let route = web::get().to(HttpResponse::Ok);
//! let app = init_service(App::new().wrap(middleware).route("/items", route)).await;
//!
//! let items = || TestRequest::get().uri("/items").to_request();
//! assert_eq!(call_service(&app, items()).await.status(), 401);
//! let ada = items();
//! test::user(&ada, TestUser::new(7, "ada"));
//! assert_eq!(call_service(&app, ada).await.status(), 403);
//! let bob = items();
//! test::user(&bob, TestUser::new(8, "bob").permissions(["shop.add_item"]));
//! assert_eq!(call_service(&app, bob).await.status(), 200);
//! # });
//! ```
//!
//! | in the request | made by |
//! |---|---|
//! | a user who is logged in | [`test::user`](crate::test::user) |
//! | a session that names a user, for [`DjangoUserId`](crate::DjangoUserId) | [`test::login`](crate::test::login) |
//! | a session with data of your own | [`test::with_session`](crate::test::with_session) |
//! | nobody, for handlers without a middleware, and for those that change the session | [`test::no_session`](crate::test::no_session) |
//! | a CSRF cookie and a token that goes with it | [`test::csrf`](crate::test::csrf) |
//! | what the handler left for the next page | read by [`test::messages`](crate::test::messages) |
//!
//! [`test::site`](crate::test::site) has Django's defaults. For the settings of your site, its `LOGIN_URL` and
//! hosts among them, make one of [exported settings](super::start#the-settings) and a pool whose server is not
//! there (`postgres://localhost:1`): what a test puts into the request needs no database. What asks it all the
//! same gets a 503: [`authenticate`](crate::DjangoSite::authenticate), and so a log-in form, is for the tests
//! with a database below.
//!
//! A handler that changes the session does so, and nothing is stored:
//! [`test::session_of`](crate::test::session_of) of the answer's request has what it did.
//!
//! Let one function add your routes to an `App`, and a test has the same middlewares and handlers as your
//! service: `App::new().configure(routes(test::site()))`. The examples are made so, and
//! `tests/live/handlers/` of this crate's repository tests all of theirs.
//!
//! ## With a database
//!
//! End to end, against a database that Django has migrated: [`test::create_session`](crate::test::create_session)
//! makes a real row for a real user, and gives the cookie of a browser that is logged in:
//!
//! ```no_run
//! use actix_django_session::{DjangoSessionMiddleware, DjangoSite, DjangoUser, test};
//! use actix_web::{App, test::{TestRequest, call_and_read_body, init_service}, web};
//!
//! async fn dashboard(user: DjangoUser) -> String {
//!     format!("Hello, {}", user.username())
//! }
//!
//! /// Called by a test, with a site that writes sessions.
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
//! The cookie is good for curl, too: `curl -H "Cookie: sessionid=.." http://127.0.0.1:8080/dashboard`.
//!
//! Or let Django make one, in `manage.py shell`:
//!
//! ```python
//! from django.contrib.auth import get_user_model
//! from django.test import Client
//! client = Client()
//! client.force_login(get_user_model().objects.get(username="ada"))
//! print(client.cookies["sessionid"].value)
//! ```
//!
//! The same in SQL, with the signed text made by the same key (here, by
//! [`SessionData::encode`](crate::SessionData::encode)). Somebody is logged in by three entries:
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
//! Against a database without Django, the table is this:
//!
//! ```sql
//! CREATE TABLE django_session (
//!     session_key varchar(40) PRIMARY KEY,
//!     session_data text NOT NULL,
//!     expire_date timestamptz NOT NULL
//! );
//! CREATE INDEX ON django_session (expire_date);
//! ```
