//! # Who may
//!
//! ## Three middlewares
//!
//! | middleware | lets through | promises |
//! |---|---|---|
//! | [`optional`](crate::DjangoSessionMiddleware::optional) | everybody | nothing; handlers see who it is |
//! | [`required`](crate::DjangoSessionMiddleware::required) | whoever has a live session row | that the row is there and has not expired. Its data is not looked at: a visitor with a cart and no name comes through, and so does one who was deactivated |
//! | [`login_required`](crate::DjangoSessionMiddleware::login_required) | whom Django's `request.user.is_authenticated` is true for | everything that Django checks: signature, backend, user, active, password of today |
//!
//! These make any of them stricter, and one of them a `login_required`:
//!
//! | of the middleware | who comes through | who is logged in and does not |
//! |---|---|---|
//! | [`permission_required`](crate::DjangoSessionMiddleware::permission_required) | who has the permission | 403 |
//! | [`group_required`](crate::DjangoSessionMiddleware::group_required) | who is in the group; superusers too have to be | 403 |
//! | [`staff_required`](crate::DjangoSessionMiddleware::staff_required) | who may use the admin site | 403 |
//! | [`user_passes_test`](crate::DjangoSessionMiddleware::user_passes_test), [`user_passes_test_async`](crate::DjangoSessionMiddleware::user_passes_test_async) | who passes a test of yours | as Django's decorator: to the login page, with `next`. One that sends on who is logged in sends them back without end: give the middleware another `login_url`. With `respond_401()`, 403 |
//!
//! Handlers that decide themselves take [`DjangoUser`](crate::DjangoUser):
//! `user.has_perm("shop.add_item").await?`, `user.groups().await?.contains("editors")`.
//!
//! ## What each extractor gives
//!
//! They work behind any middleware that lets the visitor through. "Reject" is the middleware's rejection.
//!
//! | situation | [`DjangoUser`](crate::DjangoUser) | [`OptionalDjangoUser`](crate::OptionalDjangoUser) | [`DjangoUserId`](crate::DjangoUserId) | [`DjangoSession`](crate::DjangoSession) | [`OptionalDjangoSession`](crate::OptionalDjangoSession) | [`DjangoSessionMut`](crate::DjangoSessionMut) | [`CsrfToken`](crate::CsrfToken) | [`Messages`](crate::Messages) |
//! |---|---|---|---|---|---|---|---|---|
//! | no middleware around this route | 500 | 500 | 500 | 500 | 500 | 500 | 500 | 500 |
//! | no live session | reject | `None` | reject | reject | `None` | an empty one | a token | messages |
//! | live session: wrong signature or undecodable | reject | `None` | reject | the session; `data()` is an error | same | an empty one in its place, as in Django | a token | messages |
//! | live session, nobody logged in | reject | `None` | reject | the session | the session | the session | a token | messages |
//! | user deleted, inactive, other password, backend not listed | reject | `None` | the id | the session | the session | the session | a token | messages |
//! | logged in | the user | the user | the id | the session | the session | the session | a token | messages |
//! | the id is no `T` of `DjangoUserId<T>` | | | 500 | | | | | |
//! | `write_sessions` is off | | | | | | 500 | with `CSRF_USE_SESSIONS` and no secret in the session: 500 | with `SessionStorage`: 500 |
//! | database down, lookup too slow | 503 | 503 | 503 | 503 | 503 | 503 | 503 | 503 |
//!
//! [`DjangoSite`](crate::DjangoSite) is one too: the handle of the innermost middleware, for whatever visitor.
//!
//! ## Backends
//!
//! A session names the backend by which its user came in. What each one does has to be said, because only
//! Django can run its code: see [`AuthenticationBackend`](crate::AuthenticationBackend). Django's own and
//! allauth's are known. Permissions come from all backends of the list that grant them, whichever the
//! visitor used. An unknown path grants none until you say so. The exported settings say all of this by
//! themselves.
//!
//! Not here: object permissions. Permissions that a backend of yours computes or refuses are for
//! [`after_has_perm`](crate::DjangoSite::after_has_perm).
//!
//! ## What the site does in its own way
//!
//! The exported settings say what of the classes that decide something is not Django's own: user model,
//! manager, backends, hashers, session class, middleware. Where somebody might be let in whom Django
//! refuses, exactly that is off here: an
//! [`ImproperlyConfigured`](crate::Error::ImproperlyConfigured) that names the class, the method and the
//! hook that brings it back.
//!
//! | what the site overrides | off until | hook |
//! |---|---|---|
//! | `check_password` of the user model | `authenticate` | [`after_check_password`](crate::DjangoSite::after_check_password) |
//! | `get_by_natural_key` of its manager, `get_prep_value` of the username field | `authenticate`, `user_by_username` | [`username_iexact`](crate::UserModel::username_iexact) or [`username_to_column`](crate::DjangoSite::username_to_column) |
//! | `has_perm` of the user model, or of a backend that may refuse | `has_perm` and what asks it | [`after_has_perm`](crate::DjangoSite::after_has_perm) |
//! | a password hasher | `make_password`, and `authenticate` for its encodings | [`password_hasher`](crate::DjangoSite::password_hasher) |
//! | `create_model_instance` of the session class | changing sessions | [`session_columns`](crate::DjangoSite::session_columns) |
//! | `get_session_auth_hash` | nothing: everybody is logged out | [`session_auth_hash_message`](crate::DjangoSite::session_auth_hash_message) |
//! | a field whose sessions hold another form of the key (ULID, Hashid) | nothing: nobody is found | [`parse_user_id`](crate::DjangoSite::parse_user_id), and `format_user_id` for log-ins |
//! | `get` or `filter` of the manager, middleware that changes `request.user` | the manager: all users; middleware: nothing | [`after_get_user`](crate::DjangoSite::after_get_user) |
//!
//! [`user`](crate::DjangoSite::user), [`user_by_username`](crate::DjangoSite::user_by_username) and
//! [`authenticate`](crate::DjangoSite::authenticate) ask no `after_get_user`: where the manager has a `get` of its
//! own, they stay off but for whoever is asked about by the hook itself.
//!
//! What makes no difference, such as a method that only writes to the log, is accepted by its path:
//! [`accepted_overrides`](crate::DjangoSettings::accepted_overrides).
//!
//! A hook cannot let anybody in by failing: an error is an error, and so is one that takes too long.
//!
//! ## What known packages need
//!
//! Each tried with the real package, on a Django site that exported its settings: logged in on one side,
//! used on the other.
//!
//! | package | the export says | here |
//! |---|---|---|
//! | django-otp, django-two-factor-auth | a hook is missing | `after_get_user`: look the device up; `examples/two_factor.rs`. Both factors are asked for at Django |
//! | django-impersonate | a hook is missing | `after_get_user`: answer with the other user; `examples/impersonation.rs` |
//! | django-hijack, django-loginas | a note, or nothing | nothing to do: the session names the other user, here too |
//! | django-su | nothing | nothing to do: its backend is known. It lets in accounts that are not active, here too |
//! | django-session-timeout, django-session-security | a middleware is missing | one of yours, below, and `accepted_overrides` with its path |
//! | django-restricted-sessions | a hook is missing | `after_get_user` with [`site.request()`](crate::DjangoSite::request): address and browser |
//! | django-user-sessions, django-qsessions | changing sessions is off | to read: nothing. To log in: [`session_columns`](crate::DjangoSite::session_columns), below; then "sign out everywhere" ends these sessions too |
//! | django-axes | notes | `authenticate` is off: it would lock nobody out. Log in at Django. Whoever is in stays in, there too |
//! | django-allauth | notes | its backend knows more ways in than a name: log in at Django. Sessions of it are read |
//! | `RemoteUserMiddleware` | a hook is missing | `after_get_user`, below. Who comes with a name and no session is logged in by Django alone |
//! | `PersistentRemoteUserMiddleware` | a note | nothing to do: it is whom the session names |
//!
//! ### Sessions in a table of a package's own
//!
//! django-user-sessions keeps who, from where and by what, and django-qsessions the same with `updated_at` in
//! the place of `last_activity`, and 300 characters of the browser. A visitor who comes from elsewhere
//! is written down when the session is changed, and not with every request as there:
//!
//! ```
//! use actix_django_session::DjangoSite;
//! use serde_json::json;
//!
//! fn with_columns(site: DjangoSite) -> DjangoSite {
//!     let columns = ["user_id", "user_agent", "ip", "last_activity"];
//!     site.session_columns(columns, |data, request| {
//!         let agent = request.and_then(|request| request.header("user-agent")).unwrap_or_default();
//!         Ok(json!({
//!             "user_id": data.user_id(),
//!             "user_agent": agent.chars().take(200).collect::<String>(),
//!             // Behind a proxy, what its header says.
//!             "ip": request.and_then(|request| request.peer),
//!             "last_activity": "now",
//!         }))
//!     })
//! }
//! ```
//!
//! With `qsessions.backends.cached_db`, [`on_session_change`](crate::DjangoSite::on_session_change) is needed as
//! for Django's own: the exported `cache_key` is the entry to delete.
//!
//! ### A proxy that says who it is
//!
//! The rule of Django's `RemoteUserMiddleware`: a session that began with the proxy's word ends without it,
//! and none goes on when it names somebody else. **The proxy has to take the header off whatever a client
//! sends.**
//!
//! ```
//! use actix_django_session::DjangoSite;
//!
//! const BACKEND: &str = "django.contrib.auth.backends.RemoteUserBackend";
//!
//! fn bound_to_remote_user(site: DjangoSite) -> DjangoSite {
//!     site.after_get_user(|session, user, site| async move {
//!         let is_theirs = match site.request()?.header("x-remote-user") {
//!             Some(name) if !name.is_empty() => name == user.username(),
//!             _ => session.get::<String>("_auth_user_backend")?.as_deref() != Some(BACKEND),
//!         };
//!         Ok(is_theirs.then_some(user))
//!     })
//! }
//! ```
//!
//! ### Sessions that end when nobody is there
//!
//! A rule of idleness has two halves: it ends a session, and it writes down that somebody was there. Only
//! with both is a visitor who stays on pages of this service logged in at Django afterwards. So it is a
//! middleware around the one that asks who it is, and not an `after_get_user`, which cannot write. This is
//! what django-session-timeout does with `SESSION_EXPIRE_AFTER_LAST_ACTIVITY`; the settings need
//! [`write_sessions`](crate::DjangoSettings::write_sessions):
//!
//! ```
//! use std::time::{SystemTime, UNIX_EPOCH};
//!
//! use actix_django_session::{DjangoSessionMiddleware, DjangoSessionMut, DjangoSite, DjangoUser};
//! use actix_web::{
//!     Error,
//!     body::MessageBody,
//!     dev::{ServiceRequest, ServiceResponse},
//!     middleware::{Next, from_fn},
//!     web::{self, ServiceConfig},
//! };
//!
//! async fn idle_timeout(
//!     session: DjangoSessionMut,
//!     req: ServiceRequest,
//!     next: Next<impl MessageBody>,
//! ) -> Result<ServiceResponse<impl MessageBody>, Error> {
//!     const KEY: &str = "_session_init_timestamp_";
//!     const EXPIRE_SECONDS: f64 = 1800.0;
//!     let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
//!     if session.data().user_id().is_some() {
//!         match session.get::<f64>(KEY)? {
//!             Some(last) if now - last > EXPIRE_SECONDS => session.flush(),
//!             // SESSION_EXPIRE_AFTER_LAST_ACTIVITY_GRACE_PERIOD: not every request writes.
//!             Some(last) if now - last <= 60.0 => {}
//!             _ => session.insert(KEY, &now)?,
//!         }
//!     }
//!     next.call(req).await
//! }
//!
//! async fn account(user: DjangoUser) -> String {
//!     format!("hello {}", user.username())
//! }
//!
//! fn routes(site: DjangoSite) -> impl FnOnce(&mut ServiceConfig) {
//!     move |app| {
//!         app.service(
//!             web::scope("/account")
//!                 // From the inside out: the last one is asked first.
//!                 .wrap(DjangoSessionMiddleware::login_required(site.clone()))
//!                 .wrap(from_fn(idle_timeout))
//!                 .wrap(DjangoSessionMiddleware::optional(site))
//!                 .route("", web::get().to(account)),
//!         );
//!     }
//! }
//! ```
//!
//! For django-session-security the entry is `_session_security`, a text of the time in the site's `TIME_ZONE`
//! (`2026-01-15T10:30:45.123456`), and what is no time counts as now. It writes with every request; one that
//! writes less often ends sessions by as much earlier at Django. The site's own numbers go into both
//! sides. Once the middleware is there, its path in `accepted_overrides`
//! tells `check()` so.
//!
//! ## A page for those who may not
//!
//! Whoever is logged in and lacks a permission gets an empty 403, be it from the middleware or because a
//! handler returned [`Error::PermissionDenied`](crate::Error::PermissionDenied). For a page of yours, keep the middleware's
//! own answer for everything else:
//!
//! ```
//! use actix_django_session::{DjangoSessionMiddleware, Error, DjangoSite};
//! use actix_web::{HttpResponse, http::header::ContentType};
//!
//! # fn f(site: DjangoSite) -> DjangoSessionMiddleware {
//! DjangoSessionMiddleware::login_required(site)
//!     .permission_required("shop.change_item")
//!     .error_handler(|error, req| match error {
//!         Error::PermissionDenied => HttpResponse::Forbidden()
//!             .content_type(ContentType::html())
//!             .body("<h1>This is for the people of the shop</h1>"),
//!         error => error.default_response(req), // the redirect to the login page, a 503
//!     })
//! # }
//! ```
//!
//! Do not tell strangers why they are none: a page that says "expired" to one and "unknown" to another
//! tells somebody who guesses keys which ones were right.
//!
//! ## Users without a session
//!
//! For a token of your own (an API key, a JSON web token):
//! [`DjangoSite::user`](crate::DjangoSite::user) and
//! [`user_by_username`](crate::DjangoSite::user_by_username) find the user, with the same checks,
//! columns and permissions. Tokens of the REST framework are read and answered as the framework does:
//! [Move an API endpoint](crate::guide::rest).
