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

/// Where the browser's messages are, as far as the request knows; asked when the first one reads.
pub(crate) trait Kept {
    /// The value of the cookie.
    fn cookie(&self) -> Option<String>;
    /// The JSON of the session's entry.
    fn session(&self) -> Option<String>;
}

/// What happened to the messages of one request. Nothing of it is stored yet.
#[derive(Debug, Default)]
pub(crate) struct Storage {
    loaded: Option<Loaded>,
    queued: Vec<Item>,
    /// What was loaded has been shown: Django's `used`.
    used: bool,
    /// Django's `added_new`
    added: bool,
    level: Option<MessageLevel>,
}

/// What was there when the first one asked.
#[derive(Debug, Default)]
struct Loaded {
    items: Vec<Item>,
    /// Whether the cookie had a part in it, and the session: each is emptied only then.
    of_cookie: bool,
    of_session: bool,
}

/// What becomes of the cookie.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) enum CookieChange {
    #[default]
    Keep,
    Set(String),
    Delete,
}

/// What becomes of the session's entry.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) enum SessionChange {
    #[default]
    Keep,
    /// To this JSON.
    Set(String),
    Remove,
}

impl Storage {
    /// `add`: an empty text and a level below the threshold are ignored.
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

    /// The lowest level that is kept.
    pub(crate) fn level(&self, settings: &MessageSettings) -> MessageLevel {
        self.level.unwrap_or(settings.level)
    }

    /// `None` puts the setting back.
    pub(crate) fn set_level(&mut self, level: Option<MessageLevel>) {
        self.level = level;
    }

    /// All there are, those of this request included; marks them as shown.
    pub(crate) fn read(&mut self, from: &Source<'_>) -> &[Item] {
        let queued = std::mem::take(&mut self.queued);
        self.used = true;
        let loaded = self.loaded(from);
        loaded.items.extend(queued);
        &loaded.items
    }

    /// How many there are; none is shown by that.
    pub(crate) fn len(&mut self, from: &Source<'_>) -> usize {
        self.loaded(from).items.iter().filter_map(Item::message).count() + self.queued.len()
    }

    fn loaded(&mut self, from: &Source<'_>) -> &mut Loaded {
        if self.loaded.is_none() {
            let (loaded, is_unreadable) = from.load();
            self.used |= is_unreadable;
            self.loaded = Some(loaded);
        }
        self.loaded.get_or_insert_default()
    }

    /// `update`: what is to be stored, with the answer. It may be asked again, after more has
    /// happened.
    pub(crate) fn update(&mut self, from: &Source<'_>, now: i64) -> (CookieChange, SessionChange) {
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
        let nothing = Loaded::default();
        from.store(&items, loaded.unwrap_or(&nothing), now)
    }
}

/// What a site does with messages, made once of its settings.
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

/// What the request brought, to a site.
pub(crate) struct Source<'a> {
    pub(crate) kept: &'a dyn Kept,
    pub(crate) site: &'a MessageSite,
}

impl Source<'_> {
    /// `_get`; and whether the cookie was one that marks all as used.
    fn load(&self) -> (Loaded, bool) {
        let mut loaded = Loaded::default();
        if self.site.settings.storage == MessageStorage::Session {
            self.load_session(&mut loaded);
            return (loaded, false);
        }
        let alone = self.site.settings.storage == MessageStorage::Cookie;
        match self.site.cookie.read(self.kept.cookie().as_deref(), &self.site.settings) {
            Content::Nothing => (loaded, false),
            Content::Unreadable => (loaded, alone),
            // Django fails over it at every page. Here it ends with the first one.
            Content::Misfit => {
                tracing::warn!("the messages cookie is signed by the site, and holds no messages");
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

    fn load_session(&self, loaded: &mut Loaded) {
        match session::read(self.kept.session().as_deref(), &self.site.settings) {
            Ok(items) => {
                loaded.of_session = !items.is_empty();
                loaded.items.extend(items);
            }
            Err(_) => {
                tracing::warn!("the session's messages are no messages");
                loaded.of_session = true;
            }
        }
    }

    /// `_store`
    fn store(&self, items: &[Item], loaded: &Loaded, now: i64) -> (CookieChange, SessionChange) {
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
