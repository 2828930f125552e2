//! One message, as Django's `Message`.

use std::fmt;

use crate::settings::{MessageLevel, MessageSettings};

/// A message for the visitor: what [`Messages`](crate::Messages) reads, left by Django or by this
/// service.
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

    /// How important it is.
    pub fn level(&self) -> MessageLevel {
        self.level
    }

    /// The text. It is HTML if [`is_safe`](Self::is_safe), and plain text if not: for a page take
    /// [`html`](Self::html).
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether the text was marked as safe markup (`mark_safe`) by whoever left it.
    pub fn is_safe(&self) -> bool {
        self.is_safe
    }

    /// The text for a page, escaped unless it [`is_safe`](Self::is_safe): Django's `{{ message }}`.
    pub fn html(&self) -> String {
        match self.is_safe {
            true => self.text.clone(),
            false => escaped(&self.text),
        }
    }

    /// The tags that were given to it, for CSS; empty if none were.
    pub fn extra_tags(&self) -> &str {
        self.extra_tags.as_deref().unwrap_or_default()
    }

    /// The tag of its level: `success`, say, or what `MESSAGE_TAGS` of the settings has instead.
    pub fn level_tag(&self) -> &str {
        &self.level_tag
    }

    /// The extra tags and the tag of the level, with a space between them: Django's `message.tags`.
    /// It is not escaped.
    pub fn tags(&self) -> String {
        let tags = [self.extra_tags(), &self.level_tag];
        tags.iter().filter(|tag| !tag.is_empty()).copied().collect::<Vec<_>>().join(" ")
    }

    /// `None` and `""` are stored in two ways.
    pub(super) fn stored_tags(&self) -> Option<&str> {
        self.extra_tags.as_deref()
    }
}

/// The text as it is, not escaped.
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
