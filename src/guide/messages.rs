//! # Messages
//!
//! This service and Django share the messages of `django.contrib.messages`. A message that a handler adds is shown by the
//! next page, which may be Django's or yours. Your pages can show the messages that Django's views and allauth added.
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
//! | `{% if messages %}`, `{{ messages\|length }}`, which do not mark them | [`is_empty`](crate::Messages::is_empty), [`len`](crate::Messages::len) |
//! | `{{ message }}` | [`Message::html`](crate::Message::html): escaped, unless it is safe |
//! | `{{ message.tags }}` | [`Message::tags`](crate::Message::tags); escape them yourself |
//! | `messages.set_level(request, messages.DEBUG)` | [`set_level`](crate::Messages::set_level) |
//!
//! ## Where messages are stored
//!
//! | `MESSAGE_STORAGE` | here |
//! |---|---|
//! | `FallbackStorage`, Django's default | the cookie `messages` takes what fits into 2048 characters, the session the rest |
//! | `CookieStorage` | the cookie alone: if there are too many messages, the oldest are lost, with a line in the log |
//! | `SessionStorage` | the session alone |
//! | a class of the site's own | not supported: [`Messages`](crate::Messages) is an error that names the class |
//!
//! Storing messages in the session needs [`write_sessions`](crate::DjangoSettings::write_sessions). Without it, `Messages`
//! uses the cookie alone: messages that do not fit are lost, with an error in the log, and `SessionStorage` is refused.
//! Exported settings contain the storage, `MESSAGE_LEVEL` and `MESSAGE_TAGS`.
//!
//! ## What to know
//!
//! - Messages are sent with every response, also with an error and a redirect. These rules are Django's: if a page reads
//!   the messages and ends as a 5xx, the messages in the cookie count as shown; those in the session stay, and new
//!   messages for the session are lost.
//! - Messages in the cookie survive logout: they belong to the browser.
//! - If two requests run at once, the cookie of the last response wins.
//! - A handler with a streaming body has to read the messages before the body begins. Messages that it reads later stay
//!   in the cookie.
//! - A forged cookie is ignored. A cookie with the site's signature and no messages in it makes every page of Django
//!   fail; here the first page that reads the messages deletes the cookie.
//!
//! In tests, [`Client::messages`](crate::test::Client::messages) returns the messages that a handler added.
