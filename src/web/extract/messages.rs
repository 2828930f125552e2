//! `Messages` in the arguments of a handler.

use std::{
    fmt,
    future::{Ready, ready},
};

use actix_web::{FromRequest, HttpRequest, dev::Payload};

use crate::{
    error::Error,
    messages::{Item, Message},
    settings::{MessageLevel, MessageStorage},
    web::{messages::RequestMessages, request::Visit},
};

/// The messages for this visitor: `django.contrib.messages`.
///
/// A handler leaves messages, and the next page that shows messages shows them, be it Django's or this
/// service's. A handler can also show the messages of Django's views.
///
/// ```
/// use actix_django_session::Messages;
/// use actix_web::HttpResponse;
///
/// async fn save(messages: Messages) -> HttpResponse {
///     messages.success("Your profile is saved.");
///     HttpResponse::SeeOther().insert_header(("Location", "/profile/")).finish()
/// }
///
/// async fn profile(messages: Messages) -> String {
///     let items = messages.read().into_iter();
///     items.map(|each| format!("<li class=\"{}\">{}</li>", each.level_tag(), each.html())).collect()
/// }
/// ```
///
/// `MESSAGE_STORAGE` of the settings decides where messages are kept: in a cookie, in the session or in both.
/// They are stored with the answer, also if it is a redirect or an error. As in Django, messages in the
/// session are lost if the status is 500 or above. Without
/// [`write_sessions`](crate::DjangoSettings::write_sessions) only the cookie can keep messages.
///
/// With a storage class of the site's own, or on a route without a middleware, the request gets a 500, and
/// the log says why.
#[derive(Clone)]
#[doc(alias = "get_messages")]
#[doc(alias = "add_message")]
pub struct Messages {
    visit: Visit,
}

impl Messages {
    /// Leaves a message of the level `debug`, which is dropped unless `MESSAGE_LEVEL` is low enough.
    pub fn debug(&self, text: impl Into<String>) {
        self.add(MessageLevel::DEBUG, text, "");
    }

    /// Leaves a message of the level `info`.
    pub fn info(&self, text: impl Into<String>) {
        self.add(MessageLevel::INFO, text, "");
    }

    /// Leaves a message of the level `success`.
    pub fn success(&self, text: impl Into<String>) {
        self.add(MessageLevel::SUCCESS, text, "");
    }

    /// Leaves a message of the level `warning`.
    pub fn warning(&self, text: impl Into<String>) {
        self.add(MessageLevel::WARNING, text, "");
    }

    /// Leaves a message of the level `error`.
    pub fn error(&self, text: impl Into<String>) {
        self.add(MessageLevel::ERROR, text, "");
    }

    /// Leaves a message with tags of your own, which pages use as CSS classes (separated by spaces): Django's
    /// `add_message(request, level, text, extra_tags)`. A message with an empty text, or with a level below
    /// [`level`](Self::level), is dropped. The text is plain text: pages escape it.
    pub fn add(&self, level: MessageLevel, text: impl Into<String>, extra_tags: &str) {
        self.keep(level, text.into(), extra_tags, false);
    }

    /// Leaves a message as [`add`](Self::add) does, whose text is HTML: Django's `mark_safe`. No page escapes
    /// it, so escape everything in it that a visitor wrote.
    #[doc(alias = "mark_safe")]
    pub fn add_safe(&self, level: MessageLevel, html: impl Into<String>, extra_tags: &str) {
        self.keep(level, html.into(), extra_tags, true);
    }

    fn keep(&self, level: MessageLevel, text: String, extra_tags: &str, is_safe: bool) {
        let tags = Some(extra_tags.to_owned());
        self.visit.with_messages(|storage, source| {
            storage.add(level, text, tags, is_safe, &source.site.settings);
        });
    }

    /// Returns all messages, the oldest first, those of this request included: Django's
    /// `get_messages(request)`. They count as shown: the next page shows only messages that are left
    /// afterwards.
    ///
    /// Entries in the storage that are not messages are left out.
    #[doc(alias = "get_messages")]
    pub fn read(&self) -> Vec<Message> {
        let read = self.visit.with_messages(|storage, source| {
            storage.read(source).iter().filter_map(Item::message).cloned().collect()
        });
        read.unwrap_or_default()
    }

    /// The number of messages. This does not count them as shown.
    #[must_use]
    pub fn len(&self) -> usize {
        self.visit.with_messages(|storage, source| storage.len(source)).unwrap_or_default()
    }

    /// Whether there are no messages. This does not count them as shown.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The lowest level that is kept in this request: Django's `get_level`.
    pub fn level(&self) -> MessageLevel {
        let level =
            self.visit.with_messages(|storage, source| storage.level(&source.site.settings));
        level.unwrap_or(MessageLevel::INFO)
    }

    /// Changes the lowest level that is kept, for the rest of this request; `None` restores `MESSAGE_LEVEL`:
    /// Django's `set_level`.
    pub fn set_level(&self, level: impl Into<Option<MessageLevel>>) {
        let level = level.into();
        self.visit.with_messages(|storage, _| storage.set_level(level));
    }
}

impl FromRequest for Messages {
    /// An actix error that carries the middleware's answer. Handlers return [`Error`](crate::Error) instead.
    type Error = actix_web::Error;
    type Future = Ready<Result<Self, Self::Error>>;

    fn from_request(req: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Visit::behind_middleware::<Self>(req).and_then(|visit| {
            usable(visit.begin_messages(req)).map_err(|error| visit.reject(error, req))?;
            Ok(Self { visit })
        }))
    }
}

/// Whether messages can be kept there.
fn usable(messages: &RequestMessages) -> Result<(), Error> {
    let improper = |reason: String| Err(Error::ImproperlyConfigured(reason));
    match messages.kept_in() {
        MessageStorage::Other(path) => improper(format!(
            "MESSAGE_STORAGE is {path}, a class of the site's own: `Messages` supports Django's classes \
             only"
        )),
        MessageStorage::Session if !messages.may_use_session() => improper(
            "MESSAGE_STORAGE keeps messages in the session: set `DjangoSettings::write_sessions`"
                .into(),
        ),
        _ => Ok(()),
    }
}

/// Shows nothing of the messages.
impl fmt::Debug for Messages {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Messages").finish_non_exhaustive()
    }
}
