//! The cookie of `CookieStorage`: signed, and with a greatest size.

use super::item::Item;
use crate::{
    error::Error,
    settings::{DjangoSettings, MessageSettings, SecretKey},
    signing::{self, TimestampSigner},
};

/// `CookieStorage.cookie_name`
pub(crate) const COOKIE_NAME: &str = "messages";

/// `CookieStorage.max_cookie_size`, in characters: browsers allow about 4,096 bytes for all
/// cookies.
const MAX_COOKIE_SIZE: usize = 2048;

/// The last item of a list that is not complete.
const NOT_FINISHED: &str = "__messagesnotfinished__";

/// Writes and reads the cookie's value. Derives its keys once.
#[derive(Clone, Debug)]
pub(crate) struct MessageCookie {
    signer: TimestampSigner,
}

/// The content of the cookie.
#[derive(Debug, PartialEq)]
pub(super) enum Content {
    /// There is no cookie, or it contains `null`.
    Nothing,
    /// The cookie is not signed by this site: any client can send that.
    Unreadable,
    /// The cookie is signed by this site, but Django would fail to read it.
    Misfit,
    /// The items, and whether the list is complete.
    Items(Vec<Item>, bool),
}

/// Which messages are left out of the cookie if there are too many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LeftOut {
    Oldest,
    Newest,
}

impl MessageCookie {
    /// `django.core.signing.get_cookie_signer(salt="django.contrib.messages")`
    ///
    /// # Errors
    /// [`Error::ImproperlyConfigured`] for an empty key.
    pub(crate) fn new(settings: &DjangoSettings) -> Result<Self, Error> {
        let of_cookies = |key: &SecretKey| [b"django.http.cookies", key.as_bytes()].concat();
        let signer = TimestampSigner::new(of_cookies(&settings.secret_key))
            .and_then(|signer| {
                signer.fallback_keys(settings.secret_key_fallbacks.iter().map(of_cookies))
            })
            .map_err(|error| Error::ImproperlyConfigured(error.to_string()))?
            .salt("django.contrib.messages")
            .max_decompressed_size(settings.max_decompressed_size);
        Ok(Self { signer })
    }

    /// `CookieStorage._get`
    pub(super) fn read(&self, value: Option<&str>, settings: &MessageSettings) -> Content {
        use signing::Error as Signing;

        let Some(value) = value.filter(|value| !value.is_empty()) else { return Content::Nothing };
        let list = match self.signer.unsign_object(value, None) {
            Ok(value) => Item::list(value, settings),
            Err(Signing::BadSignature(_) | Signing::BadBase64 | Signing::BadJson { .. }) => {
                return Content::Unreadable;
            }
            Err(_) => return Content::Misfit,
        };
        match list {
            Ok(None) => Content::Nothing,
            Ok(Some(mut items)) => {
                let is_open = items.last().is_some_and(is_not_finished);
                if is_open {
                    items.pop();
                }
                Content::Items(items, !is_open)
            }
            Err(_) => Content::Misfit,
        }
    }

    /// `CookieStorage._store`: returns the cookie's value, and the items that are left out of it.
    pub(super) fn write<'a>(
        &self,
        items: &'a [Item],
        left_out: LeftOut,
        now: i64,
    ) -> (String, &'a [Item]) {
        let json: Vec<_> = items.iter().map(Item::compact).collect();
        let all = self.sign(&format!("[{}]", json.join(",")), now);
        if fits(&all) {
            return (all, &[]);
        }
        let part = |json: &[String]| {
            let items = json.iter().map(|item| format!("{item},")).collect::<String>();
            self.sign(&format!("[{items}\"{NOT_FINISHED}\"]"), now)
        };
        // Leaves out as few as possible, found in the same way as in Django.
        let is_too_long = |count: usize| match left_out {
            LeftOut::Oldest => !fits(&part(&json[count..])),
            LeftOut::Newest => !fits(&part(&json[..json.len() - count])),
        };
        let count = partition_point(json.len(), is_too_long);
        match left_out {
            LeftOut::Oldest => (part(&json[count..]), &items[..count]),
            LeftOut::Newest => {
                let kept = json.len() - count;
                (part(&json[..kept]), &items[kept..])
            }
        }
    }

    fn sign(&self, json: &str, now: i64) -> String {
        self.signer.sign_json_at(json, true, now)
    }
}

fn is_not_finished(item: &Item) -> bool {
    matches!(item, Item::Other(value) if value == NOT_FINISHED)
}

fn fits(value: &str) -> bool {
    value.len() <= MAX_COOKIE_SIZE
}

/// The first of `0..=count` at which the condition is false. It must be false at `count`.
fn partition_point(count: usize, condition: impl Fn(usize) -> bool) -> usize {
    let (mut low, mut high) = (0, count);
    while low < high {
        let middle = usize::midpoint(low, high);
        match condition(middle) {
            true => low = middle + 1,
            false => high = middle,
        }
    }
    low
}
