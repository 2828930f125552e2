//! The `MESSAGE_*` settings on their own.

use std::collections::BTreeMap;

use super::{DjangoSettings, MessageLevel, MessageStorage};

/// The settings of messages.
#[derive(Clone, Debug)]
pub(crate) struct MessageSettings {
    pub(crate) storage: MessageStorage,
    pub(crate) level: MessageLevel,
    tags: BTreeMap<MessageLevel, String>,
}

impl MessageSettings {
    pub(crate) fn of(settings: &DjangoSettings) -> Self {
        Self {
            storage: settings.message_storage.clone(),
            level: settings.message_level,
            tags: settings.message_tags.clone(),
        }
    }

    /// `Message.level_tag`
    pub(crate) fn level_tag(&self, level: MessageLevel) -> &str {
        self.tags.get(&level).map_or(level.default_tag(), String::as_str)
    }
}
