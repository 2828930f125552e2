//! `django.contrib.messages` without HTTP: what a message is, how it is stored, and what happens to
//! the messages of one request.

mod cookie;
mod item;
mod message;
mod session;
mod storage;

pub(crate) use cookie::COOKIE_NAME;
pub(crate) use item::Item;
pub use message::Message;
pub(crate) use session::SESSION_KEY;
pub(crate) use storage::{
    CookieChange, MessageSite, MessageSource, SessionChange, Storage, StoredMessages,
};
