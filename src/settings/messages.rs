//! The `MESSAGE_*` settings of `django.contrib.messages`.

/// How important a message is: one of Django's five levels, or a number of the site's own.
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
    /// 10: for developers, left out unless `MESSAGE_LEVEL` is lower than Django's default.
    pub const DEBUG: Self = Self(10);
    /// 20: for information.
    pub const INFO: Self = Self(20);
    /// 25: something was done.
    pub const SUCCESS: Self = Self(25);
    /// 30: something may go wrong.
    pub const WARNING: Self = Self(30);
    /// 40: something was not done.
    pub const ERROR: Self = Self(40);

    /// The tag that Django gives to this level; empty for levels of the site's own.
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
    /// `django.contrib.messages.storage.fallback.FallbackStorage`: the cookie takes what fits, the
    /// session the rest. Django's default.
    #[default]
    Fallback,
    /// `django.contrib.messages.storage.cookie.CookieStorage`: the cookie alone; what does not fit is
    /// lost, the oldest first.
    Cookie,
    /// `django.contrib.messages.storage.session.SessionStorage`: the session alone.
    Session,
    /// A storage of the site's own, by its dotted path: [`Messages`](crate::Messages) cannot use it, and
    /// says so.
    Other(String),
}
