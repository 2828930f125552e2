//! # Messages
//!
//! `django.contrib.messages` here and there: what a handler leaves, the next page shows, be it Django's or
//! yours; and what Django's views and allauth have left, your pages can show.
//!
//! ```
//! use actix_django_session::Messages;
//! use actix_web::{Responder, web::Redirect};
//!
//! async fn save(messages: Messages) -> impl Responder {
//!     messages.success("Your profile is saved.");
//!     Redirect::to("/profile/").see_other()
//! }
//!
//! async fn profile(messages: Messages) -> String {
//!     let items = messages.read().into_iter();
//!     items.map(|each| format!("<li class=\"{}\">{}</li>", each.level_tag(), each.html())).collect()
//! }
//! ```
//!
//! | Django | here |
//! |---|---|
//! | `messages.success(request, "..")`, `debug`, `info`, `warning`, `error` | [`success`](crate::Messages::success) and the others |
//! | `messages.add_message(request, level, "..", extra_tags="..")` | [`add`](crate::Messages::add) |
//! | `mark_safe("<b>..</b>")` as the text | [`add_safe`](crate::Messages::add_safe) |
//! | `{% for message in messages %}`, which marks them as shown | [`read`](crate::Messages::read) |
//! | `{% if messages %}`, `{{ messages\|length }}`, which do not | [`is_empty`](crate::Messages::is_empty), [`len`](crate::Messages::len) |
//! | `{{ message }}` | [`Message::html`](crate::Message::html): escaped, unless it is safe |
//! | `{{ message.tags }}` | [`Message::tags`](crate::Message::tags), which you escape |
//! | `messages.set_level(request, messages.DEBUG)` | [`set_level`](crate::Messages::set_level) |
//!
//! ## Where they are
//!
//! | `MESSAGE_STORAGE` | here |
//! |---|---|
//! | `FallbackStorage`, Django's default | the cookie `messages` takes what fits into 2048 characters, the session the rest |
//! | `CookieStorage` | the cookie alone: the oldest are lost if there are too many, with a line in the log |
//! | `SessionStorage` | the session alone |
//! | a class of the site's own | an error of [`Messages`](crate::Messages), by its name |
//!
//! What goes into the session needs [`write_sessions`](crate::DjangoSettings::write_sessions).
//! Without, `Messages` works with the cookie: more than fits is lost, with an error in the log, and
//! `SessionStorage` is refused. Exported settings have all of this, `MESSAGE_LEVEL` and `MESSAGE_TAGS`.
//!
//! ## What to know
//!
//! - They go out with every answer, also with an error and a redirect. A page that reads them and ends as
//!   a 500 has shown them, as far as the cookie goes. What is in the session stays if the status is 500
//!   or above, and what was to go there is lost. All of that is Django's.
//! - Messages in the cookie survive a log-out: they belong to the browser.
//! - Two requests at once: the last cookie wins.
//! - A body that streams reads before it begins: what it reads later is not taken out of the cookie.
//! - A cookie that somebody has forged is no cookie. One with the site's signature and no messages in it,
//!   over which Django fails at every page, is deleted here by the first page that reads.
//!
//! In tests [`Client::messages`](crate::test::Client::messages) says what a handler has left.
