//! # Who may
//!
//! ## Three middlewares
//!
//! | middleware | lets through | promises |
//! |---|---|---|
//! | [`optional`](crate::DjangoSessionMiddleware::optional) | all visitors | nothing; handlers see who the visitor is |
//! | [`required`](crate::DjangoSessionMiddleware::required) | visitors with a live session row | that the row exists and has not expired. The data is not read: anonymous visitors with a cart and users who were deactivated come through |
//! | [`login_required`](crate::DjangoSessionMiddleware::login_required) | users for whom Django's `request.user.is_authenticated` is true | everything that Django checks: signature, backend, user, `is_active`, current password |
//!
//! These make each of the three stricter, and turn it into a `login_required`:
//!
//! | method | lets through | logged-in users who do not pass get |
//! |---|---|---|
//! | [`permission_required`](crate::DjangoSessionMiddleware::permission_required) | users with the permission | 403 |
//! | [`group_required`](crate::DjangoSessionMiddleware::group_required) | users in the group; superusers have to be in the group too | 403 |
//! | [`staff_required`](crate::DjangoSessionMiddleware::staff_required) | users who may use the admin site | 403 |
//! | [`user_passes_test`](crate::DjangoSessionMiddleware::user_passes_test), [`user_passes_test_async`](crate::DjangoSessionMiddleware::user_passes_test_async) | users who pass your test | the redirect to the login page, with `next`, as with Django's decorator; with `respond_401()`, 403. If your login page redirects logged-in users to `next`, they go round in circles: give the middleware another `login_url` |
//!
//! A handler can decide by itself, with [`DjangoUser`](crate::DjangoUser):
//!
//! ## What each extractor returns
//!
//! Extractors work behind every middleware. "Reject" is the middleware's rejection.
//!
//! | situation | [`DjangoUser`](crate::DjangoUser) | [`OptionalDjangoUser`](crate::OptionalDjangoUser) | [`DjangoUserId`](crate::DjangoUserId) | [`DjangoSession`](crate::DjangoSession) | [`OptionalDjangoSession`](crate::OptionalDjangoSession) | [`DjangoSessionMut`](crate::DjangoSessionMut) | [`CsrfToken`](crate::CsrfToken) | [`Messages`](crate::Messages) |
//! |---|---|---|---|---|---|---|---|---|
//! | no middleware around this route | 500 | 500 | 500 | 500 | 500 | 500 | 500 | 500 |
//! | no live session | reject | `None` | reject | reject | `None` | an empty one | a token | messages |
//! | live session: wrong signature or undecodable | reject | `None` | reject | the session; `data()` is an error | same | an empty one in its place, as in Django | a token | messages |
//! | live session, anonymous | reject | `None` | reject | the session | the session | the session | a token | messages |
//! | user deleted, inactive, password changed, backend not listed | reject | `None` | the id | the session | the session | the session | a token | messages |
//! | logged in | the user | the user | the id | the session | the session | the session | a token | messages |
//! | the id cannot be parsed as the `T` of `DjangoUserId<T>` | | | 500 | | | | | |
//! | `write_sessions` is off | | | | | | 500 | with `CSRF_USE_SESSIONS` and no secret in the session: 500 | with `SessionStorage`: 500 |
//! | database unavailable or too slow | 503 | 503 | 503 | 503 | 503 | 503 | 503 | 503 |
//!
//! [`DjangoSite`](crate::DjangoSite) is an extractor too: it returns the handle of the innermost middleware, for every
//! visitor.
//!
//! ## Backends
//!
//! A session names the backend by which its user logged in. This service cannot run the Python code of a backend, so the
//! settings say what each backend does: see [`AuthenticationBackend`](crate::AuthenticationBackend). Exported settings
//! do so by themselves, and the backends of Django, allauth and django-su are known. A user has the permissions of all
//! listed backends that grant permissions, whichever backend the user logged in by. A backend with an unknown path
//! grants none until you say so.
//!
//! Object permissions are not supported. For permissions that a backend of yours computes or refuses, use
//! [`after_has_perm`](crate::DjangoSite::after_has_perm).
//!
//! ## What the site does in its own way
//!
//! The export looks at the classes that decide something: user model, manager, backends, hashers, session class and
//! middleware. It finds each method that is not Django's own. Where such a method may refuse somebody whom Django's own
//! method would let in, this crate switches off exactly that feature. Using the feature is then an
//! [`ImproperlyConfigured`](crate::Error::ImproperlyConfigured) that names the class, the method and the hook that
//! brings the feature back.
//!
//! | what the site overrides | what is off | the hook that brings it back |
//! |---|---|---|
//! | `check_password` of the user model | `authenticate` | [`after_check_password`](crate::DjangoSite::after_check_password) |
//! | `get_by_natural_key` of its manager, `get_prep_value` of the username field | `authenticate`, `user_by_username` | [`username_iexact`](crate::UserModel::username_iexact) or [`username_to_column`](crate::DjangoSite::username_to_column) |
//! | `has_perm` of the user model, or of a backend that may refuse | `has_perm` and what uses it | [`after_has_perm`](crate::DjangoSite::after_has_perm) |
//! | a password hasher | `make_password`, and `authenticate` for its encodings | [`password_hasher`](crate::DjangoSite::password_hasher) |
//! | `create_model_instance` of the session class | changing sessions | [`session_columns`](crate::DjangoSite::session_columns) |
//! | `get_session_auth_hash` | nothing, but every user is logged out | [`session_auth_hash_message`](crate::DjangoSite::session_auth_hash_message) |
//! | a primary key that sessions contain in another form (ULID, Hashid) | nothing, but no user is found | [`parse_user_id`](crate::DjangoSite::parse_user_id), and `format_user_id` for logins |
//! | `get` or `filter` of the manager | all users | [`after_get_user`](crate::DjangoSite::after_get_user) |
//! | middleware that changes `request.user` | nothing | [`after_get_user`](crate::DjangoSite::after_get_user) |
//!
//! [`user`](crate::DjangoSite::user), [`user_by_username`](crate::DjangoSite::user_by_username) and
//! [`authenticate`](crate::DjangoSite::authenticate) do not call `after_get_user`. Where the manager has a `get` of its own,
//! these three stay off, except inside that hook.
//!
//! If an override makes no difference here, such as a method that only writes to the log, accept it by its path:
//! [`accepted_overrides`](crate::DjangoSettings::accepted_overrides).
//!
//! A hook that fails lets no visitor in: an error is answered as an error, and so is a hook that takes too long.
//!
//! ## What known packages need
//!
//! Each was tried with the real package, on a Django site that exported its settings: a user logged in on one side and
//! used the other.
//!
//! | package | the export says | here |
//! |---|---|---|
//! | django-otp, django-two-factor-auth | a hook is missing | `after_get_user`: look the device up; `examples/two_factor.rs`. Users enter both factors at Django |
//! | django-impersonate | a hook is missing | `after_get_user`: return the other user; `examples/impersonation.rs` |
//! | django-hijack, django-loginas | a note, or nothing | nothing to do: the session names the other user |
//! | django-su | nothing | nothing to do: its backend is known. It lets in accounts that are not active, also here |
//! | django-session-timeout, django-session-security | a middleware is missing | a middleware of your own, [below](#sessions-that-end-when-a-visitor-is-idle), and its path in `accepted_overrides` |
//! | django-restricted-sessions | a hook is missing | `after_get_user` with [`site.request()`](crate::DjangoSite::request): address and browser |
//! | django-user-sessions, django-qsessions | changing sessions is off | to read: nothing. To log in: [`session_columns`](crate::DjangoSite::session_columns), below. The package's own "log out everywhere" page then ends these sessions too |
//! | django-axes | notes | `authenticate` is off, because it would not lock out attackers: users log in at Django. Users who are logged in stay logged in, as in Django |
//! | django-allauth | notes | its backend accepts more than a user name: users log in at Django. Their sessions are read |
//! | `RemoteUserMiddleware` | a hook is missing | `after_get_user`, below. Only Django logs in a visitor who comes with a name and without a session |
//! | `PersistentRemoteUserMiddleware` | a note | nothing to do: the user is the one whom the session names |
//!
//! ### Sessions in a table of a package's own
//!
//! django-user-sessions keeps the user, the address and the browser of each session. django-qsessions keeps the same, with
//! `updated_at` in place of `last_activity`, and 300 characters of the browser's name. In the packages a visitor's new
//! address is stored with every request; here it is stored when the session changes:
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
//!             // Behind a proxy this is the proxy's address: read the header that it sets.
//!             "ip": request.and_then(|request| request.peer),
//!             "last_activity": "now",
//!         }))
//!     })
//! }
//! ```
//!
//! `qsessions.backends.cached_db` needs [`on_session_change`](crate::DjangoSite::on_session_change), as Django's own
//! `cached_db` does: the exported `cache_key` is the entry to delete.
//!
//! ### A proxy that names the user
//!
//! This is the rule of Django's `RemoteUserMiddleware`: a session that began with the proxy's header ends when the header
//! is missing, and every session ends when the header names another user. **The proxy has to remove this header from
//! every request of a client.**
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
//! ### Sessions that end when a visitor is idle
//!
//! An idle timeout has two parts: it ends idle sessions, and it records when the visitor was active. If this service
//! did only the first part, Django would log out visitors who stay on pages of this service. `after_get_user` cannot
//! write, so use a middleware around `login_required`. This one does what django-session-timeout does with
//! `SESSION_EXPIRE_AFTER_LAST_ACTIVITY`; the settings need [`write_sessions`](crate::DjangoSettings::write_sessions):
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
//!                 // From the inside out: the last one runs first.
//!                 .wrap(DjangoSessionMiddleware::login_required(site.clone()))
//!                 .wrap(from_fn(idle_timeout))
//!                 .wrap(DjangoSessionMiddleware::optional(site))
//!                 .route("", web::get().to(account)),
//!         );
//!     }
//! }
//! ```
//!
//! For django-session-security the entry is `_session_security`: the time in the site's `TIME_ZONE` as text
//! (`2026-01-15T10:30:45.123456`). Text that is not a time counts as now. The package writes with every request; if you
//! write at longer intervals, Django ends sessions earlier by one interval. Use the same timeouts on both sides. Put the
//! path of the package's middleware into `accepted_overrides` to tell `check()` that your service has one too.
//!
//! ## A page for users without a permission
//!
//! A logged-in user who lacks a permission gets an empty 403, from the middleware or because a handler returned
//! [`Error::PermissionDenied`](crate::Error::PermissionDenied). To show a page of your own, handle that error and keep the
//! default response for the others:
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
//!         error => error.default_response(req), // the redirect to the login page, the 503
//!     })
//! # }
//! ```
//!
//! Do not tell visitors why their session was rejected. If a page says "expired" for one session key and "unknown" for
//! another, it tells an attacker which guessed keys were right.
//!
//! ## Users without a session
//!
//! For a token of your own (an API key, a JSON web token), [`DjangoSite::user`](crate::DjangoSite::user) and
//! [`user_by_username`](crate::DjangoSite::user_by_username) find the user, with the same checks, columns and
//! permissions. For tokens of the REST framework, see [Move an API endpoint](crate::guide::rest).
