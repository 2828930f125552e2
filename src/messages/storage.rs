//! The messages of one request: `BaseStorage` and its three kinds.

use super::{
    Message,
    cookie::{Content, LeftOut, MessageCookie},
    item::Item,
    session,
};
use crate::{
    error::Error,
    settings::{DjangoSettings, MessageLevel, MessageSettings, MessageStorage},
};

/// Where the messages of the browser come from. Both are read at the first use.
pub(crate) trait StoredMessages {
    /// The value of the cookie.
    fn cookie(&self) -> Option<String>;
    /// The JSON of the session's entry.
    fn session(&self) -> Option<String>;
}

/// The changes to the messages of one request. Nothing is stored yet.
#[derive(Debug, Default)]
pub(crate) struct Storage {
    loaded: Option<LoadedMessages>,
    queued: Vec<Item>,
    /// Whether the loaded messages were shown: Django's `used`.
    used: bool,
    /// Django's `added_new`.
    added: bool,
    level: Option<MessageLevel>,
}

/// The messages that were stored when the request first read them.
#[derive(Debug, Default)]
struct LoadedMessages {
    items: Vec<Item>,
    /// Whether the cookie contributed, and the session: only then is each emptied.
    of_cookie: bool,
    of_session: bool,
}

/// The change of the cookie.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) enum CookieChange {
    #[default]
    Keep,
    Set(String),
    Delete,
}

/// The change of the session's entry.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) enum SessionChange {
    #[default]
    Keep,
    /// Set it to this JSON.
    Set(String),
    Remove,
}

impl Storage {
    /// `add`: ignores an empty text, and a level below the threshold.
    pub(crate) fn add(
        &mut self,
        level: MessageLevel,
        text: String,
        extra_tags: Option<String>,
        is_safe: bool,
        settings: &MessageSettings,
    ) {
        if text.is_empty() || level < self.level(settings) {
            return;
        }
        self.added = true;
        self.queued.push(Item::Message(Message::new(level, text, extra_tags, is_safe, settings)));
    }

    /// The lowest level that is not dropped.
    pub(crate) fn level(&self, settings: &MessageSettings) -> MessageLevel {
        self.level.unwrap_or(settings.level)
    }

    /// Sets the lowest level for this request; `None` restores the setting.
    pub(crate) fn set_level(&mut self, level: Option<MessageLevel>) {
        self.level = level;
    }

    /// Returns all messages, also those of this request, and marks them as shown.
    pub(crate) fn read(&mut self, from: &MessageSource<'_>) -> &[Item] {
        let queued = std::mem::take(&mut self.queued);
        self.used = true;
        let loaded = self.loaded(from);
        loaded.items.extend(queued);
        &loaded.items
    }

    /// Returns the number of messages. Does not mark them as shown.
    pub(crate) fn len(&mut self, from: &MessageSource<'_>) -> usize {
        self.loaded(from).items.iter().filter_map(Item::message).count() + self.queued.len()
    }

    fn loaded(&mut self, from: &MessageSource<'_>) -> &mut LoadedMessages {
        if self.loaded.is_none() {
            let (loaded, is_unreadable) = from.load();
            self.used |= is_unreadable;
            self.loaded = Some(loaded);
        }
        self.loaded.get_or_insert_default()
    }

    /// `update`: returns the changes to store with the response. It can be called again after more
    /// changes.
    pub(crate) fn update(
        &mut self,
        from: &MessageSource<'_>,
        now: i64,
    ) -> (CookieChange, SessionChange) {
        if !self.used && !self.added {
            return Default::default();
        }
        if !self.used {
            self.loaded(from);
        }
        let loaded = self.loaded.as_ref();
        let shown = self.used;
        let items = loaded.filter(|_| !shown).map(|loaded| &loaded.items[..]).unwrap_or_default();
        let items = [items, &self.queued].concat();
        let nothing = LoadedMessages::default();
        from.store(&items, loaded.unwrap_or(&nothing), now)
    }
}

/// How a site stores messages. Created once from its settings.
#[derive(Clone, Debug)]
pub(crate) struct MessageSite {
    cookie: MessageCookie,
    pub(crate) settings: MessageSettings,
}

impl MessageSite {
    /// # Errors
    /// [`Error::ImproperlyConfigured`] for an empty key.
    pub(crate) fn new(settings: &DjangoSettings) -> Result<Self, Error> {
        Ok(Self { cookie: MessageCookie::new(settings)?, settings: MessageSettings::of(settings) })
    }
}

/// The messages that a request sent, with the site's settings.
pub(crate) struct MessageSource<'a> {
    pub(crate) kept: &'a dyn StoredMessages,
    pub(crate) site: &'a MessageSite,
}

impl MessageSource<'_> {
    /// `_get`; also returns whether the cookie marks all messages as shown.
    fn load(&self) -> (LoadedMessages, bool) {
        let mut loaded = LoadedMessages::default();
        if self.site.settings.storage == MessageStorage::Session {
            self.load_session(&mut loaded);
            return (loaded, false);
        }
        let alone = self.site.settings.storage == MessageStorage::Cookie;
        match self.site.cookie.read(self.kept.cookie().as_deref(), &self.site.settings) {
            Content::Nothing => (loaded, false),
            Content::Unreadable => (loaded, alone),
            // Django would fail at every page. Here the first page deletes the cookie.
            Content::Misfit => {
                tracing::warn!(
                    "the messages cookie is signed by the site, but contains no messages"
                );
                loaded.of_cookie = true;
                (loaded, true)
            }
            Content::Items(items, is_all) => {
                loaded.of_cookie = !items.is_empty();
                loaded.items = items;
                if !is_all && !alone {
                    self.load_session(&mut loaded);
                }
                (loaded, false)
            }
        }
    }

    fn load_session(&self, loaded: &mut LoadedMessages) {
        match session::read(self.kept.session().as_deref(), &self.site.settings) {
            Ok(items) => {
                loaded.of_session = !items.is_empty();
                loaded.items.extend(items);
            }
            Err(_) => {
                tracing::warn!("the session's entry for messages contains no messages");
                loaded.of_session = true;
            }
        }
    }

    /// `_store`
    fn store(
        &self,
        items: &[Item],
        loaded: &LoadedMessages,
        now: i64,
    ) -> (CookieChange, SessionChange) {
        let in_cookie = |left_out| {
            let (value, rest) = self.site.cookie.write(items, left_out, now);
            (CookieChange::Set(value), rest)
        };
        let in_session = |items: &[Item]| SessionChange::Set(session::write(items));
        let if_so = |loaded: bool| if loaded { SessionChange::Remove } else { SessionChange::Keep };
        match (&self.site.settings.storage, items) {
            (MessageStorage::Session, []) => (CookieChange::Keep, SessionChange::Remove),
            (MessageStorage::Session, items) => (CookieChange::Keep, in_session(items)),
            (MessageStorage::Cookie, []) => (CookieChange::Delete, SessionChange::Keep),
            (MessageStorage::Cookie, _) => {
                let (cookie, lost) = in_cookie(LeftOut::Oldest);
                if !lost.is_empty() {
                    tracing::warn!(lost = lost.len(), "messages do not fit into their cookie");
                }
                (cookie, SessionChange::Keep)
            }
            (_, []) => {
                let cookie =
                    if loaded.of_cookie { CookieChange::Delete } else { CookieChange::Keep };
                (cookie, if_so(loaded.of_session))
            }
            (_, _) => match in_cookie(LeftOut::Newest) {
                (cookie, []) => (cookie, if_so(loaded.of_session)),
                (cookie, rest) => (cookie, in_session(rest)),
            },
        }
    }
}
