//! A login that was found to be right, remembered with the text that it is in.

use crate::signing::KeyUsed;

/// Longer texts are not kept, because each session reserves this many bytes. Those of Django take about 100.
const ROOM: usize = 192;

/// Who is logged in by a text: everything that the next request with the same text needs, in one place.
///
/// It lets no visitor in by itself: it counts only for the site that checked it, and only while the user has
/// the same password.
pub(crate) struct CheckedLogin {
    site: u64,
    backend: usize,
    key: KeyUsed,
    /// Where the user id, the password and the message end.
    ends: [u8; 3],
    texts: [u8; ROOM],
}

impl CheckedLogin {
    /// A login that the site with this number has checked, by the backend with this index in
    /// `AUTHENTICATION_BACKENDS`. The texts are the user id as JSON, the encoded password, and the text that
    /// the session auth hash was made of with this key. `None` if they are too long.
    pub(crate) fn new(
        (site, backend): (u64, usize),
        key: KeyUsed,
        [user_id, password, message]: [&str; 3],
    ) -> Option<Self> {
        // No message stands for the password.
        let message = if message == password { "" } else { message };
        let mut login = Self { site, backend, key, ends: [0; 3], texts: [0; ROOM] };
        let mut start = 0;
        for (text, end) in [user_id, password, message].into_iter().zip(&mut login.ends) {
            let place = start..start + text.len();
            login.texts.get_mut(place.clone())?.copy_from_slice(text.as_bytes());
            (start, *end) = (place.end, u8::try_from(place.end).ok()?);
        }
        Some(login)
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
        let [end, ..] = self.ends.map(usize::from);
        std::str::from_utf8(&self.texts[..end]).unwrap_or_default()
    }

    /// The key that the session auth hash is made with, if it was made from this password and message.
    pub(crate) fn key_for(&self, [password, message]: [&str; 2]) -> Option<KeyUsed> {
        let [id, of_password, of_message] = self.ends.map(usize::from);
        let own_password = &self.texts[id..of_password];
        let own_message = match &self.texts[of_password..of_message] {
            [] => own_password,
            message => message,
        };
        let is_same = own_password == password.as_bytes() && own_message == message.as_bytes();
        is_same.then_some(self.key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn login(texts: [&str; 3]) -> Option<CheckedLogin> {
        CheckedLogin::new((7, 2), KeyUsed::Fallback, texts)
    }

    #[test]
    fn it_counts_only_for_its_site_and_for_exactly_its_password_and_message() {
        for (message, other) in [("pbkdf2$é", "m"), ("m", "pbkdf2$é"), ("m", "")] {
            let login = login(["\"12\"", "pbkdf2$é", message]).unwrap();
            assert!(login.is_of(7) && !login.is_of(8));
            assert_eq!((login.user_id(), login.backend()), ("\"12\"", 2));
            assert_eq!(login.key_for(["pbkdf2$é", message]), Some(KeyUsed::Fallback));
            for wrong in
                [["pbkdf2$é", other], ["pbkdf2$", message], ["", message], [message, other]]
            {
                assert_eq!(login.key_for(wrong), None, "{wrong:?}");
            }
        }
    }

    #[test]
    fn long_texts_are_not_kept() {
        let long = "x".repeat(ROOM);
        assert!(login(["", &long, &long]).is_some());
        for texts in [["1", &long, &long], ["", &long, "m"], [&long, "", "m"], ["", "", &long[1..]]]
        {
            let is_kept = texts.concat().len() <= ROOM;
            assert_eq!(login(texts).is_some(), is_kept);
        }
        assert!(login([&long, &long, &long]).is_none());
    }
}
