//! Hashers that are too fast to be safe: `MD5PasswordHasher`, and three that Django removed in 5.1. Old
//! rows have such encodings.

use md5::{Digest, Md5};
use ring::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};

use super::{Hasher, Malformed, OnRun, Run, check_salt, hex, is_short_salt, parts};
use crate::{crypto::constant_time_compare, settings::PasswordHasher};

/// `md5$<salt>$<hash>` and `sha1$<salt>$<hash>`.
pub(super) enum Salted {
    Md5,
    Sha1,
}

impl Hasher for Salted {
    fn encode(&self, password: &str, salt: &str, on_run: OnRun<'_>) -> Result<String, Malformed> {
        check_salt(salt)?;
        let salted = format!("{salt}{password}");
        let (of, hash) = match self {
            Self::Md5 => (PasswordHasher::Md5, md5_hex(&salted)),
            Self::Sha1 => (PasswordHasher::Sha1, sha1_hex(&salted)),
        };
        let algorithm = of.built_in_algorithm();
        on_run(Run { algorithm, cost: 1 });
        Ok(format!("{algorithm}${salt}${hash}"))
    }

    fn verify(&self, password: &str, encoded: &str, on_run: OnRun<'_>) -> Result<bool, Malformed> {
        let [_, salt, _hash] = parts(encoded)?;
        Ok(constant_time_compare(self.encode(password, salt, on_run)?, encoded))
    }

    fn must_update(&self, encoded: &str) -> Result<bool, Malformed> {
        let [_, salt, _hash] = parts(encoded)?;
        Ok(is_short_salt(salt))
    }
}

/// An unsalted hash: the hash alone or `md5$$<hash>` for MD5, `sha1$$<hash>` for SHA-1.
pub(super) enum Unsalted {
    Md5,
    Sha1,
}

impl Hasher for Unsalted {
    fn salt(&self) -> String {
        String::new()
    }

    fn encode(&self, password: &str, _salt: &str, on_run: OnRun<'_>) -> Result<String, Malformed> {
        let (of, encoded) = match self {
            Self::Md5 => (PasswordHasher::UnsaltedMd5, md5_hex(password)),
            Self::Sha1 => (PasswordHasher::UnsaltedSha1, format!("sha1$${}", sha1_hex(password))),
        };
        on_run(Run { algorithm: of.built_in_algorithm(), cost: 1 });
        Ok(encoded)
    }

    fn verify(&self, password: &str, encoded: &str, on_run: OnRun<'_>) -> Result<bool, Malformed> {
        let hash = match self {
            Self::Md5 => encoded.strip_prefix("md5$$").unwrap_or(encoded),
            Self::Sha1 => encoded,
        };
        Ok(constant_time_compare(self.encode(password, "", on_run)?, hash))
    }

    fn must_update(&self, _encoded: &str) -> Result<bool, Malformed> {
        Ok(false)
    }
}

fn md5_hex(text: &str) -> String {
    hex(&Md5::digest(text))
}

fn sha1_hex(text: &str) -> String {
    hex(digest(&SHA1_FOR_LEGACY_USE_ONLY, text.as_bytes()).as_ref())
}
