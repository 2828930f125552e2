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
//! | [`user_passes_test`](crate::DjangoSessionMiddleware::user_passes_test), [`user_passes_test_async`](crate::DjangoSessionMiddleware::user_passes_test_async) | who passes a test of yours | as Django's decorator: to the login page, with `next`. One that sends on who is logged in sends them back without end: give the middleware another `login_url`. With `unauthorized()`, 403 |
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
//! | `writes_sessions` is off | | | | | | 500 | with `CSRF_USE_SESSIONS` and no secret in the session: 500 | with `SessionStorage`: 500 |
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
//! Not here: object permissions, and permissions that a backend of yours computes.
//!
//! ## What middleware of the site adds
//!
//! Middleware that only adds to a response does not matter. One that changes `request.user`, or asks
//! for more than a session, has to be repeated here:
//!
//! | middleware | here |
//! |---|---|
//! | django-otp, django-two-factor-auth | [`after_get_user`](crate::DjangoSite::after_get_user): look the device up; `examples/two_factor.rs` |
//! | django-impersonate, django-hijack | `after_get_user`: answer with the other user; `examples/impersonation.rs` |
//! | django-session-timeout and other rules that end sessions | `after_get_user`: `Ok(None)` |
//! | `RemoteUserMiddleware` | none: a header that a proxy sets is yours to check |
//! | a field whose sessions hold another form of the key (ULID, Hashid) | [`user_id_to_primary_key`](crate::DjangoSite::user_id_to_primary_key), and `primary_key_to_user_id` for log-ins |
//!
//! The hook is asked once a request, and what it says is final. It cannot let anybody in by failing: an
//! error is an error.
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
//! columns and permissions. `examples/rest_framework.rs` answers as the REST framework does.
