//! Short fingerprints of keys: long enough to tell a wrong key from the right one, too short to
//! find a key.

use std::num::NonZeroU32;

use ring::pbkdf2;

use super::SecretKey;

/// The fingerprints of a site's keys, computed as `export_settings.py` does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fingerprints {
    pub(super) salt: String,
    pub(super) secret_key: String,
    pub(super) fallbacks: Vec<String>,
}

/// The fingerprint of one key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fingerprint {
    salt: String,
    found: String,
}

impl Fingerprint {
    pub(super) fn new(salt: &str, found: String) -> Self {
        Self { salt: salt.into(), found }
    }

    /// Whether this can be the fingerprint of the key.
    pub(crate) fn fits(&self, key: &[u8]) -> bool {
        fingerprint(&self.salt, key) == self.found
    }
}

impl Fingerprints {
    /// Says what is wrong with this `SECRET_KEY`, if anything.
    pub(super) fn fault_of_secret_key(&self, key: &[u8]) -> Option<String> {
        let found = self.of(key);
        if found == self.secret_key {
            return None;
        }
        let matches = |key: &[u8]| self.of(key) == self.secret_key;
        Some(if let Some(index) = self.fallbacks.iter().position(|fallback| *fallback == found) {
            format!(
                "SECRET_KEY: this is number {} of the site's SECRET_KEY_FALLBACKS, and the site has a \
                 newer key",
                index + 1
            )
        } else {
            match disguise(key, matches) {
                Some(disguise) => format!("SECRET_KEY: this is the site's key {disguise}"),
                None => "SECRET_KEY: this is not the key that the site had when its settings were \
                         exported: use the site's key, or export again"
                    .into(),
            }
        })
    }

    /// Says what is wrong with these `SECRET_KEY_FALLBACKS`, if anything.
    pub(super) fn fault_of_fallbacks(&self, keys: &[SecretKey]) -> Option<String> {
        let known = |key: &[u8]| self.fallbacks.contains(&self.of(key));
        if let Some((index, key)) =
            keys.iter().map(SecretKey::as_bytes).enumerate().find(|(_, key)| !known(key))
        {
            let this = format!("SECRET_KEY_FALLBACKS: number {} is", index + 1);
            return Some(if self.of(key) == self.secret_key {
                format!("{this} the SECRET_KEY itself")
            } else if let Some(disguise) = disguise(key, known) {
                format!("{this} a key of the site {disguise}")
            } else {
                format!(
                    "{this} not one of the {} that the site had when its settings were exported",
                    self.fallbacks.len()
                )
            });
        }
        (keys.len() < self.fallbacks.len()).then(|| {
            format!(
                "SECRET_KEY_FALLBACKS: the site has {}, and the service has {}: set all of them in \
                 `secret_key_fallbacks`, or sessions that are older than the key are refused",
                self.fallbacks.len(),
                keys.len()
            )
        })
    }

    fn of(&self, key: &[u8]) -> String {
        fingerprint(&self.salt, key)
    }
}

fn fingerprint(salt: &str, key: &[u8]) -> String {
    const ROUNDS: NonZeroU32 = NonZeroU32::new(100_000).expect("it is not zero");
    let mut found = [0; 2];
    pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA256, ROUNDS, salt.as_bytes(), key, &mut found);
    found.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Says how files and shells have changed the right key, if they have.
fn disguise(key: &[u8], is_right: impl Fn(&[u8]) -> bool) -> Option<&'static str> {
    let trimmed = key.trim_ascii();
    let without_break = trimmed.len() < key.len() && is_right(trimmed);
    if without_break {
        let ends_with_break = key.ends_with(b"\n");
        return Some(match ends_with_break {
            true => "with a line break at its end",
            false => "with white space around it",
        });
    }
    let unquoted = match trimmed {
        [b'\'', inner @ .., b'\''] | [b'"', inner @ .., b'"'] => inner,
        _ => return None,
    };
    is_right(unquoted).then_some("in quotes")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As Python's `hashlib.pbkdf2_hmac("sha256", key, b"site.urls", 100_000)[:2].hex()` has them.
    fn of_site() -> Fingerprints {
        Fingerprints {
            salt: "site.urls".into(),
            secret_key: "fb7b".into(),
            fallbacks: vec!["16b2".into(), "8595".into()],
        }
    }

    #[test]
    fn a_wrong_secret_key_is_told_how_it_is_wrong() {
        let fault = |key: &str| of_site().fault_of_secret_key(key.as_bytes()).unwrap_or_default();
        assert_eq!(fault("the key"), "");
        for (key, said) in [
            ("the key\n", "line break"),
            ("the key\r\n", "line break"),
            (" the key", "white space"),
            ("'the key'", "in quotes"),
            ("\"the key\"\n", "in quotes"),
            ("last year's", "number 1 of the site's SECRET_KEY_FALLBACKS"),
            ("before", "number 2 of the site's SECRET_KEY_FALLBACKS"),
            ("another", "not the key"),
            ("", "not the key"),
            ("'", "not the key"),
        ] {
            assert!(fault(key).contains(said), "{key:?}: {}", fault(key));
        }
    }

    #[test]
    fn fallbacks_have_to_be_all_of_the_sites() {
        let fault = |keys: &[&str]| {
            let keys: Vec<_> = keys.iter().map(SecretKey::from).collect();
            of_site().fault_of_fallbacks(&keys).unwrap_or_default()
        };
        assert_eq!(fault(&["last year's", "before"]), "");
        assert_eq!(fault(&["before", "last year's"]), "");
        assert!(fault(&[]).contains("the site has 2, and the service has 0"));
        assert!(fault(&["before"]).contains("the site has 2, and the service has 1"));
        assert!(fault(&["last year's", "the key"]).contains("number 2 is the SECRET_KEY itself"));
        assert!(fault(&["last year's\n", "before"]).contains("number 1 is a key of the site with"));
        assert!(fault(&["last year's,before"]).contains("number 1 is not one of the 2"));
    }
}
