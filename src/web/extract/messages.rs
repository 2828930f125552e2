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
/// What a handler leaves is shown by the next page that shows messages, be it Django's or of this
/// service; and what Django's views have left can be shown here.
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
/// They are kept where `MESSAGE_STORAGE` of the settings says, in a cookie, in the session or in both,
/// and go out with the answer, whatever its status: also with an error and with a redirect. What goes
/// into the session is lost if the status is 500 or above, as in Django. Without
/// [`write_sessions`](crate::DjangoSettings::write_sessions) the cookie is all there is room in.
///
/// A storage of the site's own cannot be used: then, and on a route without a middleware, the answer is
/// a 500, and the log says why.
#[derive(Clone)]
#[doc(alias = "get_messages")]
#[doc(alias = "add_message")]
pub struct Messages {
    visit: Visit,
}

impl Messages {
    /// Leaves a message of the level `debug`, which is not kept unless `MESSAGE_LEVEL` says so.
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

    /// Leaves a message with tags of your own, which pages take for CSS classes: Django's
    /// `add_message(request, level, text, extra_tags)`. An empty text is not kept, and neither is a
    /// level below [`level`](Self::level). The text is not HTML: pages escape it.
    pub fn add(&self, level: MessageLevel, text: impl Into<String>, extra_tags: &str) {
        self.keep(level, text.into(), extra_tags, false);
    }

    /// [`add`](Self::add) for a text that is HTML, as Django's `mark_safe`: no page escapes it. Nothing
    /// that a visitor wrote may be in it as it is.
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

    /// All messages, the oldest first, with those that this request has left so far. They count as shown:
    /// unless more are left afterwards, the next page has none.
    ///
    /// Whatever else somebody with the site's key has put among them is left out.
    #[doc(alias = "get_messages")]
    pub fn read(&self) -> Vec<Message> {
        let read = self.visit.with_messages(|storage, source| {
            storage.read(source).iter().filter_map(Item::message).cloned().collect()
        });
        read.unwrap_or_default()
    }

    /// How many there are. None of them counts as shown.
    #[must_use]
    pub fn len(&self) -> usize {
        self.visit.with_messages(|storage, source| storage.len(source)).unwrap_or_default()
    }

    /// Whether there are none.
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

    /// Changes that for the rest of this request; `None` puts `MESSAGE_LEVEL` back: Django's `set_level`.
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
            "MESSAGE_STORAGE is {path}, a storage of the site's own: `Messages` can use those of Django \
             only"
        )),
        MessageStorage::Session if !messages.may_use_session() => improper(
            "MESSAGE_STORAGE keeps messages in the session: `Messages` needs `write_sessions`"
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
