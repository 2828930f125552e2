//! # What differs from Django
//!
//! Where this crate does not answer as Django does, it is stricter, loses fewer changes, or waits less. These are all
//! differences:
//!
//! | situation | Django | here |
//! |---|---|---|
//! | the user id in a session cannot be a primary key (`"abc"` for an integer) | 500 | anonymous |
//! | `expire_date` is beyond the year 9999 | 500 | anonymous |
//! | [`write_sessions`](crate::DjangoSettings::write_sessions) is off, and the session auth hash is wrong | the row is deleted | the user is rejected; nothing is written |
//! | `write_sessions` is off, and the hash was made with a fallback key | the session gets a new key | the user is accepted; nothing is written |
//! | two requests change one session | the last request wins, and replaces the whole session | both changes are kept; if both set the same key, the last one wins, unless they use [`update`](crate::DjangoSessionMut::update) |
//! | a permission gets another name in the database | the new name counts at once | behind `permission_required`, the old name still counts for up to a second |
//! | `SESSION_SAVE_EVERY_REQUEST`, several requests within one second | each moves `expire_date` | one moves it: [`session_save_interval`](crate::DjangoSettings::session_save_interval) |
//! | `Host` is not in `ALLOWED_HOSTS` | 400 | 400 instead of the redirect to the login page, 403 for forms; other requests are answered |
//! | a logged-in user does not pass [`permission_required`](crate::DjangoSessionMiddleware::permission_required) or [`staff_required`](crate::DjangoSessionMiddleware::staff_required) | the decorators redirect to the login page, unless `raise_exception` | 403; the documentation of `permission_required` shows how to redirect |
//! | `LocaleMiddleware`, and a path or cookie names the language in capitals (`/DE/`) | redirects to `/DE/accounts/login/` | redirects to `/de/accounts/login/` |
//! | CSRF: a host that no browser sends (`https://evil.com\.example.com`) matches a wildcard | trusted | refused |
//! | CSRF: an upload of more than 2.5 MiB with a right token, and behind it a wrong token, or more fields than are allowed | 403 or 400 | the handler gets it: see [what is not looked at](super::forms#what-is-not-looked-at) |
//! | CSRF: a form arrives slowly, or many forms at once | no bound of its own | 408, 413 or 503: see [the bounds](super::forms#a-form-with-a-file) |
//! | a `POST` to a path that does not exist, behind a middleware | 404 | 403 |
//! | a messages cookie with a right signature and no messages in it | 500 | no messages |
//! | REST framework: a refused credential that makes the framework fail | 500 | 401 |
//! | REST framework: an RSA key of less than 2048 bits | accepted | refused |
//!
//! For changes of sessions, see [the table of that chapter](super::sessions#what-differs-from-django).
//!
//! ## Other hosts
//!
//! Django refuses each request whose `Host` is not in `ALLOWED_HOSTS`. A proxy that passes on only the hosts of the site
//! does the same for both sides. Without such a proxy, use a guard:
//!
//! ```
//! use actix_django_session::{DjangoSessionMiddleware, DjangoSite, DjangoUser};
//! use actix_web::{HttpResponse, guard, web};
//!
//! async fn home(user: DjangoUser) -> String {
//!     format!("Hello, {}", user.username())
//! }
//!
//! fn routes(site: DjangoSite) -> impl Fn(&mut web::ServiceConfig) + Clone + Send {
//!     let login_required = DjangoSessionMiddleware::login_required(site);
//!     move |app| {
//!         let hosts = guard::Any(guard::Host("www.example.com")).or(guard::Host("example.com"));
//!         let pages = web::scope("").guard(hosts).wrap(login_required.clone());
//!         app.service(pages.route("/", web::get().to(home)))
//!             .default_service(web::to(HttpResponse::BadRequest));
//!     }
//! }
//! ```
//!
//! ## What stays with Django
//!
//! - Signals and their receivers: django-axes counts attempts, django-allauth sends mail.
//! - Object permissions, and permissions that a backend computes, unless the hook
//!   [`after_has_perm`](crate::DjangoSite::after_has_perm) repeats them.
//! - Changes of `request.user` by middleware of your site, unless the hook
//!   [`after_get_user`](crate::DjangoSite::after_get_user) repeats them.
//!
//! `docs/django-semantics.md` of the package has Django's rules, as several versions of Django behaved.
