//! One message: Django's `Message`.

use std::fmt;

use crate::settings::{MessageLevel, MessageSettings};

/// A message for the visitor, added by Django or by this service. [`Messages`](crate::Messages)
/// reads it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    level: MessageLevel,
    text: String,
    extra_tags: Option<String>,
    is_safe: bool,
    level_tag: String,
}

impl Message {
    pub(super) fn new(
        level: MessageLevel,
        text: String,
        extra_tags: Option<String>,
        is_safe: bool,
        settings: &MessageSettings,
    ) -> Self {
        let level_tag = settings.level_tag(level).to_owned();
        Self { level, text, extra_tags, is_safe, level_tag }
    }

    /// Returns the level of the message.
    pub fn level(&self) -> MessageLevel {
        self.level
    }

    /// Returns the text: HTML if [`is_safe`](Self::is_safe), otherwise plain text. For a page use
    /// [`html`](Self::html).
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether the code that added the message marked its text as safe HTML (`mark_safe`).
    pub fn is_safe(&self) -> bool {
        self.is_safe
    }

    /// Returns the text as HTML, escaped unless it [`is_safe`](Self::is_safe): Django's `{{ message
    /// }}`.
    pub fn html(&self) -> String {
        match self.is_safe {
            true => self.text.clone(),
            false => escaped(&self.text),
        }
    }

    /// Returns the CSS classes that were given to the message; empty if there are none.
    pub fn extra_tags(&self) -> &str {
        self.extra_tags.as_deref().unwrap_or_default()
    }

    /// Returns the CSS class of its level: `success`, for example, or the value in `MESSAGE_TAGS`.
    pub fn level_tag(&self) -> &str {
        &self.level_tag
    }

    /// Returns the extra tags and the level's tag, separated by a space: Django's `message.tags`.
    /// They are not escaped.
    pub fn tags(&self) -> String {
        let tags = [self.extra_tags(), &self.level_tag];
        tags.iter().filter(|tag| !tag.is_empty()).copied().collect::<Vec<_>>().join(" ")
    }

    /// Django stores `None` and `""` differently.
    pub(super) fn stored_tags(&self) -> Option<&str> {
        self.extra_tags.as_deref()
    }
}

/// Writes the text as it is, not escaped.
impl fmt::Display for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// `django.utils.html.escape`
fn escaped(text: &str) -> String {
    let mut html = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => html.push_str("&amp;"),
            '<' => html.push_str("&lt;"),
            '>' => html.push_str("&gt;"),
            '"' => html.push_str("&quot;"),
            '\'' => html.push_str("&#x27;"),
            c => html.push(c),
        }
    }
    html
}
