//! # What differs from Django
//!
//! Where this crate does not answer as Django does, it is stricter, or it loses or waits less. All differences:
//!
//! | situation | Django | here |
//! |---|---|---|
//! | the user id in a session cannot be a primary key (`"abc"` for an integer) | 500 | anonymous |
//! | `expire_date` is beyond the year 9999 | 500 | anonymous |
//! | [`write_sessions`](crate::DjangoSettings::write_sessions) is off, and the session auth hash is wrong | the row is deleted | the user is rejected; nothing is written |
//! | `write_sessions` is off, and the hash was made with a fallback key | the session gets a new key | the user is accepted; nothing is written |
//! | two requests change one session | the last one wins, whole | both changes are kept; of one key the last, unless by [`update`](crate::DjangoSessionMut::update) |
//! | `SESSION_SAVE_EVERY_REQUEST`, requests within one second | each one moves `expire_date` | one of them does: [`session_save_interval`](crate::DjangoSettings::session_save_interval) |
//! | `Host` is not in `ALLOWED_HOSTS` | 400 | 400 for anonymous visitors who would be redirected, 403 for forms; else it is answered |
//! | [`permission_required`](crate::DjangoSessionMiddleware::permission_required) or [`staff_required`](crate::DjangoSessionMiddleware::staff_required), and who is logged in lacks it | the decorators send to the log-in page, unless `raise_exception` | 403; the former says how to do the same |
//! | `LocaleMiddleware`, and a path or cookie names the language in capitals (`/DE/`) | to `/DE/accounts/login/` | to `/de/accounts/login/` |
//! | CSRF: text that no browser sends (`https://evil.com\.example.com`) under a wildcard | trusted | refused |
//! | CSRF: an upload of more than 2.5 MiB, behind whose right token is a wrong one, or more than a form may have | 403 or 400 | the handler gets it: see [what is not looked at](super::forms#a-form-with-a-file) |
//! | CSRF: a form comes slowly, or with many others | no bound of its own | 408, 413 or 503 |
//! | a `POST` to a path that does not exist, behind a middleware | 404 | 403 |
//! | a messages cookie with a right signature and no messages in it | 500 | no messages |
//! | REST framework: a refused credential that makes the framework fail | 500 | 401 |
//! | REST framework: an RSA key of less than 2048 bits | accepted | refused |
//!
//! Changing sessions has more: see [the table of that chapter](super::sessions#what-differs-from-django).
//!
//! ## Other hosts
//!
//! Django refuses each request whose `Host` is not in `ALLOWED_HOSTS`. A proxy that passes on the hosts of the
//! site alone does the same for both sides. Where there is none, a guard does:
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
//! - Signals, and what listens to them: the attempts that django-axes counts, the mails of django-allauth.
//! - Object permissions, and permissions that a backend computes, unless a hook does
//!   ([`after_has_perm`](crate::DjangoSite::after_has_perm)).
//! - What middleware of your site makes of `request.user`, unless a hook does
//!   ([`after_get_user`](crate::DjangoSite::after_get_user)).
//!
//! The rules of Django, each as several versions were seen to behave, stand in `docs/django-semantics.md` of the
//! package.
