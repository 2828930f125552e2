//! A login that was found to be right, remembered with the text that it is in.

use crate::signing::KeyUsed;

/// The room for texts. Each session reserves it. Those of Django take about 100 bytes.
const ROOM: usize = 192;

/// Who is logged in by a text: everything that the next request with the same text needs, in one place.
///
/// It lets no visitor in by itself: it counts only for the site that checked it, and the rows of the session
/// and the user are read and checked with each request.
pub(crate) struct CheckedLogin {
    site: u64,
    backend: usize,
    /// Where the user id ends in the texts.
    user_id_end: u8,
    /// `None` if there is no room: then the hash is computed with each request.
    hash: Option<MatchedHash>,
    texts: [u8; ROOM],
}

/// The session auth hash that was found to match, and what it was made of.
struct MatchedHash {
    key: KeyUsed,
    /// Where the password ends in the texts. It begins where the user id ends.
    password_end: u8,
    /// Where the message ends, which begins where the password ends. `None` stands for the password.
    message_end: Option<u8>,
}

impl CheckedLogin {
    /// A login that the site with this number has checked, by the backend with this index in
    /// `AUTHENTICATION_BACKENDS`. The user id is JSON. The hash was made with this key, from an encoded
    /// password and a message. `None` if the user id is too long.
    pub(crate) fn new(
        (site, backend): (u64, usize),
        user_id: &str,
        key: KeyUsed,
        [password, message]: [&str; 2],
    ) -> Option<Self> {
        let mut texts = [0; ROOM];
        let mut end = 0;
        let mut put = |text: &str| {
            let place = end..end + text.len();
            texts.get_mut(place.clone())?.copy_from_slice(text.as_bytes());
            end = place.end;
            u8::try_from(end).ok()
        };
        let user_id_end = put(user_id)?;
        let password_end = put(password);
        let message_end = match message == password {
            true => Some(None),
            false => put(message).map(Some),
        };
        let hash = password_end.zip(message_end);
        let hash =
            hash.map(|(password_end, message_end)| MatchedHash { key, password_end, message_end });
        Some(Self { site, backend, user_id_end, hash, texts })
    }

    pub(super) fn is_of(&self, site: u64) -> bool {
        self.site == site
    }

    /// The index of the backend.
    pub(crate) fn backend(&self) -> usize {
        self.backend
    }

    /// The user id, as JSON.
    pub(crate) fn user_id(&self) -> &str {
        str::from_utf8(self.text(0, self.user_id_end)).unwrap_or_default()
    }

    /// The key that the session auth hash is made with, if it is known to be made from this password and
    /// message.
    pub(crate) fn key_for(&self, [password, message]: [&str; 2]) -> Option<KeyUsed> {
        let hash = self.hash.as_ref()?;
        let own_password = self.text(self.user_id_end, hash.password_end);
        let own_message = match hash.message_end {
            None => own_password,
            Some(end) => self.text(hash.password_end, end),
        };
        let is_same = own_password == password.as_bytes() && own_message == message.as_bytes();
        is_same.then_some(hash.key)
    }

    fn text(&self, start: u8, end: u8) -> &[u8] {
        &self.texts[usize::from(start)..usize::from(end)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn login(user_id: &str, hashed: [&str; 2]) -> Option<CheckedLogin> {
        CheckedLogin::new((7, 2), user_id, KeyUsed::Fallback, hashed)
    }

    #[test]
    fn it_counts_only_for_its_site_and_for_exactly_its_password_and_message() {
        let texts = ["pbkdf2$é", "m", "", "pbkdf2$"];
        for password in texts {
            for message in texts {
                let login = login("\"12\"", [password, message]).unwrap();
                assert!(login.is_of(7) && !login.is_of(8));
                assert_eq!((login.user_id(), login.backend()), ("\"12\"", 2));
                for other in texts.into_iter().flat_map(|one| texts.map(|other| [one, other])) {
                    let is_same = other == [password, message];
                    assert_eq!(login.key_for(other).is_some(), is_same, "{other:?}");
                }
            }
        }
    }

    #[test]
    fn if_there_is_no_room_the_hash_is_not_known_and_a_long_id_is_not_kept() {
        let (rest, one_more) = ("x".repeat(ROOM - 3), "x".repeat(ROOM - 2));
        let known = |hashed: [&str; 2]| login("123", hashed).unwrap().key_for(hashed).is_some();
        assert!(known([&rest, &rest]) && known([&rest, ""]) && known(["", &rest]));
        assert!(!known([&one_more, &one_more]) && !known([&rest, "m"]) && !known(["p", &rest]));
        assert_eq!(login("123", [&one_more, "m"]).unwrap().user_id(), "123");
        assert!(login(&"1".repeat(ROOM), ["", ""]).is_some());
        assert!(login(&"1".repeat(ROOM + 1), ["", ""]).is_none());
    }
}
