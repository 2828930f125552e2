//! # Forms and CSRF
//!
//! Any page on the web can make a browser send a request with the session cookie. So every middleware checks each
//! request whose method is not GET, HEAD, OPTIONS or TRACE, as Django's `CsrfViewMiddleware` does, before the handler
//! runs. It checks where the request comes from (`Origin`, or `Referer` over HTTPS), and whether the request brings a
//! token that matches the CSRF cookie. A request that fails the check gets a 403, and the log has Django's own
//! reason.
//!
//! Django and this service share the cookie. So a page of Django can post to Rust, and a page of Rust to Django.
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
//! The middleware reads a form only until it finds the token, within Django's limits. The handler gets the whole
//! body, byte for byte: use `web::Form`, `actix-multipart` or `web::Payload` as usual.
//!
//! ## A form with a file
//!
//! Put the token before the file, or into the header. Then the handler gets the file while it arrives, whatever its
//! size. `examples/upload.rs` is a form with a file.
//!
//! The middleware also finds a token behind a file, as Django does. Until it has found the token, the handler does
//! not run. The form waits in memory up to 2.5 MiB (or `DATA_UPLOAD_MAX_MEMORY_SIZE`, if that is larger), and
//! then in a temporary file that has no name. These are the bounds:
//!
//! | what is bounded | setting | beyond the bound |
//! |---|---|---|
//! | the time to read a form until its token is found | [`form_timeout`](crate::DjangoSettings::form_timeout), 60 seconds | 408, and the connection is closed |
//! | the memory of all forms | [`max_form_memory`](crate::DjangoSettings::max_form_memory), 64 MiB | the form continues in a temporary file |
//! | the size of all temporary files | [`max_form_spool`](crate::DjangoSettings::max_form_spool), 1 GiB | 503 with `Retry-After`; 413 for a form that is larger than the bound by itself |
//! | the fields of one form: their size and number | `DATA_UPLOAD_MAX_MEMORY_SIZE`, `_NUMBER_FIELDS`, `_NUMBER_FILES` | 400 |
//!
//! The bounds on memory and on temporary files count for all clients together: see [Slow forms](super::production#slow-forms).
//! Each of these writes a line to the log: see [the table of log lines](super::production#log-lines). The temporary
//! files are in [`file_upload_temp_dir`](crate::DjangoSettings::file_upload_temp_dir).
//!
//! ### What is not looked at
//!
//! An upload is a form of more than 2.5 MiB (or `DATA_UPLOAD_MAX_MEMORY_SIZE`, if that is larger). The middleware stops reading an
//! upload at the first right token; if the header has a right token, it does not read the upload at all. Django reads
//! on, and refuses the form if a wrong token or too many fields follow. Here the handler gets the form: the right token
//! has shown that the page is one of the site's. A handler that parses the form has limits of its own.
//!
//! ## A large form
//!
//! Django accepts forms of up to 2.5 MiB (`DATA_UPLOAD_MAX_MEMORY_SIZE`). actix's `web::Form` accepts 16 KiB, and answers
//! a larger form with a 413. [`form_config`](crate::DjangoSite::form_config) gives `web::Form` the limit of the site. It
//! is made for each worker, so call it where the routes are added:
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
//! Do what Django's documentation says: read the cookie `csrftoken`, and send its value in the header `X-CSRFToken`.
//! With `CSRF_COOKIE_HTTPONLY` or `CSRF_USE_SESSIONS` a script cannot read the token there: put
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
//! ## Routes without a check
//!
//! | Django | here |
//! |---|---|
//! | `@csrf_exempt`, for webhooks | [`csrf_exempt`](crate::DjangoSessionMiddleware::csrf_exempt) |
//! | the REST framework's `SessionAuthentication` | [`csrf_if_logged_in`](crate::DjangoSessionMiddleware::csrf_if_logged_in): checks only requests whose session names a user |
//! | an API whose clients send a token in a header, which no browser adds by itself | no middleware |
//!
//! ## When the answer is a 403
//!
//! The `warn` line of the log has Django's reason. For `Origin` and `Referer` it also has what was expected and what
//! came. Behind a proxy that ends TLS, the cause is nearly always in this table:
//!
//! | reason | what to do |
//! |---|---|
//! | `Origin checking failed`, and the host of the request is not allowed | add the host to [`allowed_hosts`](crate::DjangoSettings::allowed_hosts), which is empty by default |
//! | `Origin checking failed - https://example.com does not match` | let the proxy send `X-Forwarded-Proto`, and set [`secure_proxy_ssl_header`](crate::DjangoSettings::secure_proxy_ssl_header); let the proxy pass on `Host` with its port |
//! | the same, with the host of another site | if that site may post here, name it in [`csrf_trusted_origins`](crate::DjangoSettings::csrf_trusted_origins) |
//! | `Referer checking failed - no Referer` | the page has `Referrer-Policy: no-referrer`; Django's default is `same-origin` |
//! | `Referer checking failed`, and the expected port is not the port of the site (`https://.example.com:8099/`) | with a `CSRF_COOKIE_DOMAIN`, Django expects that domain with the port of its own server: set [`server_port`](crate::DjangoSettings::server_port). Browsers send `Origin`, for which the port does not matter |
//! | `CSRF cookie not set` | the visitor has seen no page with a token before, or the cookie's domain is another |
//! | `CSRF token missing` | the form lacks the field, or the header has another name |
//! | `... incorrect` | the page is older than the login: login changes the secret |
