//! # Forms and CSRF
//!
//! A session cookie is sent along with whatever any page on the web makes a browser send. So every
//! middleware checks what is not a read, by itself, exactly as Django's `CsrfViewMiddleware`: where the
//! request comes from (`Origin`, or `Referer` over HTTPS), and that it brings a token that goes with
//! the cookie. What fails gets a 403, and the log says Django's own reason.
//!
//! Both sides share the cookie, so a page of Django may post to Rust and a page of Rust to Django.
//!
//! ## A form
//!
//! ```
//! use actix_django_session::{CsrfToken, DjangoUser};
//! use actix_web::{HttpResponse, http::header::ContentType, web};
//! use serde::Deserialize;
//!
//! async fn page(csrf_token: CsrfToken) -> HttpResponse {
//!     HttpResponse::Ok().content_type(ContentType::html()).body(format!(
//!         "<form method=\"post\">{}<input name=\"text\"><button>Send</button></form>",
//!         csrf_token.input()
//!     ))
//! }
//!
//! #[derive(Deserialize)]
//! struct Note {
//!     text: String,
//! }
//!
//! async fn post(user: DjangoUser, note: web::Form<Note>) -> String {
//!     format!("{} wrote {}", user.username(), note.text)
//! }
//! ```
//!
//! The middleware reads a form only as far as it needs to find the token, within Django's limits, and the
//! handler gets the body as it came, byte for byte: `web::Form`, `actix-multipart`, `web::Payload`.
//!
//! ## A form with a file
//!
//! Put the token first, or into the header: then nothing of the file is held back, and it goes to the
//! handler as it comes, however large it is. `examples/upload.rs` is a form with a file.
//!
//! A token behind a file is found as well, as in Django: while it has not come, the file is not with the
//! handler, and beyond 2.5 MiB (`DATA_UPLOAD_MAX_MEMORY_SIZE`, if that is more) it is not in memory either, but
//! in a temporary file that has no name. What is bounded:
//!
//! | what | by | beyond that |
//! |---|---|---|
//! | how long a form is read for its token | [`form_timeout`](crate::DjangoSettings::form_timeout), 60 seconds | 408, and the connection is closed |
//! | how much memory all forms take | [`max_form_memory`](crate::DjangoSettings::max_form_memory), 64 MiB | the form goes on in a temporary file |
//! | how much room all temporary files take | [`max_form_spool`](crate::DjangoSettings::max_form_spool), 1 GiB | 503 with `Retry-After`; 413 for a form that takes more by itself |
//! | fields of a form, and how many | `DATA_UPLOAD_MAX_MEMORY_SIZE`, `_NUMBER_FIELDS`, `_NUMBER_FILES` | 400 |
//!
//! Each of these leaves a line in the log: see [its table](super::production#log-lines). The files are in
//! [`file_upload_temp_dir`](crate::DjangoSettings::file_upload_temp_dir).
//!
//! What is not looked at: of an upload, that is a form of more than 2.5 MiB (or `DATA_UPLOAD_MAX_MEMORY_SIZE`),
//! all that stands behind the first right token, or all of it if the header has a right one. A wrong token or
//! too many fields there are a refusal of Django's, and no matter here: the page is known to be one of the
//! site's. A handler that parses the form has limits of its own.
//!
//! ## A large form
//!
//! Django takes forms of up to 2.5 MiB (`DATA_UPLOAD_MAX_MEMORY_SIZE`), `web::Form` of up to 16 KiB: a
//! larger one is a 413. [`form_config`](crate::DjangoSite::form_config) gives it the site's limit. It is made
//! for each worker, so call it where the routes are added:
//!
//! ```
//! use actix_django_session::DjangoSite;
//! use actix_web::web::ServiceConfig;
//!
//! fn limits(site: DjangoSite) -> impl Fn(&mut ServiceConfig) + Clone + Send {
//!     move |app| {
//!         app.app_data(site.form_config());
//!     }
//! }
//! ```
//!
//! ## A page with scripts
//!
//! As Django's documentation has it: read the cookie `csrftoken`, send its value in `X-CSRFToken`.
//! With `CSRF_COOKIE_HTTPONLY` or `CSRF_USE_SESSIONS` a script cannot read it: put
//! [`CsrfToken::as_str`](crate::CsrfToken::as_str) into the page.
//!
//! ```js
//! fetch("/api/notes/", {
//!     method: "POST",
//!     headers: { "X-CSRFToken": token, "Content-Type": "application/json" },
//!     body: JSON.stringify({ text: "hello" }),
//! })
//! ```
//!
//! ## Where there is nothing to check
//!
//! | Django | here |
//! |---|---|
//! | `@csrf_exempt`, for webhooks | [`csrf_exempt`](crate::DjangoSessionMiddleware::csrf_exempt) |
//! | the REST framework's `SessionAuthentication` | [`csrf_if_logged_in`](crate::DjangoSessionMiddleware::csrf_if_logged_in): only requests whose session names a user |
//! | an API with tokens, which no browser sends by itself | no middleware |
//!
//! ## When it says 403
//!
//! The `warn` line has Django's reason, and for `Origin` and `Referer` what was expected and what came.
//! Behind a proxy that ends TLS, nearly always one of these is missing:
//!
//! | reason | what to do |
//! |---|---|
//! | `Origin checking failed`, where the host of this request is not allowed | [`allowed_hosts`](crate::DjangoSettings::allowed_hosts) lacks it, or was not set: it has no default |
//! | `Origin checking failed - https://example.com does not match` | the proxy sends no `X-Forwarded-Proto`, or [`secure_proxy_ssl_header`](crate::DjangoSettings::secure_proxy_ssl_header) is not set; or it does not pass `Host` on with its port |
//! | the same, with another host | that host is not this one: name it in [`csrf_trusted_origins`](crate::DjangoSettings::csrf_trusted_origins) if it may post here |
//! | `Referer checking failed - no Referer` | a page with `Referrer-Policy: no-referrer`; Django's default is `same-origin` |
//! | `Referer checking failed`, where a port is expected that is not the site's (`https://.example.com:8099/`) | with a `CSRF_COOKIE_DOMAIN`, Django expects the domain with its own port: name it with [`server_port`](crate::DjangoSettings::server_port). A browser sends `Origin`, and is not asked |
//! | `CSRF cookie not set` | no page with a token was seen before, or the cookie's domain is another |
//! | `CSRF token missing` | the form lacks the field, or the header has another name |
//! | `... incorrect` | a page from before the log-in: log-in changes the secret |
