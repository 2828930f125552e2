//! The `MESSAGE_*` settings of `django.contrib.messages`.

/// The level of a message: one of Django's five, or a number that the site defines.
///
/// ```
/// use actix_django_session::MessageLevel;
///
/// assert!(MessageLevel::WARNING > MessageLevel::SUCCESS);
/// assert_eq!(MessageLevel(25), MessageLevel::SUCCESS);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[doc(alias = "DEFAULT_MESSAGE_LEVELS")]
pub struct MessageLevel(pub i64);

impl MessageLevel {
    /// 10: for developers. Dropped unless `MESSAGE_LEVEL` is lower than Django's default.
    pub const DEBUG: Self = Self(10);
    /// 20: information.
    pub const INFO: Self = Self(20);
    /// 25: an action succeeded.
    pub const SUCCESS: Self = Self(25);
    /// 30: something may go wrong.
    pub const WARNING: Self = Self(30);
    /// 40: an action failed.
    pub const ERROR: Self = Self(40);

    /// Django's tag for this level; empty for a level that the site defines.
    pub(super) fn default_tag(self) -> &'static str {
        match self {
            Self::DEBUG => "debug",
            Self::INFO => "info",
            Self::SUCCESS => "success",
            Self::WARNING => "warning",
            Self::ERROR => "error",
            _ => "",
        }
    }
}

/// `MESSAGE_STORAGE`: where messages are kept until they are shown.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum MessageStorage {
    /// `django.contrib.messages.storage.fallback.FallbackStorage`: messages that fit go into the
    /// cookie, the others into the session. Django's default.
    #[default]
    Fallback,
    /// `django.contrib.messages.storage.cookie.CookieStorage`: the cookie only. Messages that do
    /// not fit are lost, the oldest first.
    Cookie,
    /// `django.contrib.messages.storage.session.SessionStorage`: the session only.
    Session,
    /// A custom storage, by its dotted path. [`Messages`](crate::Messages) cannot use it and
    /// returns an error.
    Other(String),
}
