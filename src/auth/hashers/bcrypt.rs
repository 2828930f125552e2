//! `BCryptSHA256PasswordHasher` and `BCryptPasswordHasher`.

use base64::{
    Engine, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use bcrypt::bcrypt;
use ring::digest::{SHA256, digest};

use super::{Hasher, Malformed, OnRun, Run, hex, number, parts};
use crate::{
    crypto::{constant_time_compare, random_bytes},
    settings::PasswordHasher,
};

/// How many bytes of a password bcrypt reads, including the NUL at its end.
const MAX_PASSWORD_LENGTH: usize = 72;
/// The lengths of the salt and of the hash that bcrypt returns, in bytes.
const SALT_LENGTH: usize = 16;
const HASH_LENGTH: usize = 23;
/// The number of characters of an encoded salt.
const SALT_DIGITS: usize = 22;

/// The last character of a salt has unused bits. bcrypt writes them as zeros.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::BCRYPT,
    GeneralPurposeConfig::new()
        .with_encode_padding(false)
        .with_decode_padding_mode(DecodePaddingMode::RequireNone)
        .with_decode_allow_trailing_bits(true),
);

/// `bcrypt_sha256$$2b$12$<salt><hash>`, of the hexadecimal SHA-256 of the password, or of the
/// password itself.
pub(super) struct Bcrypt {
    of: fn(u32) -> PasswordHasher,
    digests: bool,
    rounds: u32,
}

impl Bcrypt {
    pub(super) fn sha256(rounds: u32) -> Self {
        Self { of: |rounds| PasswordHasher::BcryptSha256 { rounds }, digests: true, rounds }
    }

    pub(super) fn plain(rounds: u32) -> Self {
        Self { of: |rounds| PasswordHasher::Bcrypt { rounds }, digests: false, rounds }
    }

    /// Parses the version, the rounds, and the salt followed by the hash.
    fn decode<'a>(&self, encoded: &'a str) -> Result<(&'a str, u32, &'a str), Malformed> {
        let [_, salt] = parts(encoded)?;
        self.decode_salt(salt)
    }

    /// Parses the same from the salt argument of `bcrypt.hashpw`, which may be followed by a hash.
    fn decode_salt<'a>(&self, salt: &'a str) -> Result<(&'a str, u32, &'a str), Malformed> {
        let ["", version @ ("2a" | "2b" | "2x" | "2y"), rounds, salt] = parts(salt)? else {
            return Err(Malformed);
        };
        let rounds = number(rounds)?;
        let is_affordable = (self.of)(rounds).is_affordable();
        is_affordable.then_some((version, rounds, salt)).ok_or(Malformed)
    }
}

impl Hasher for Bcrypt {
    fn salt(&self) -> String {
        format!("$2b${:02}${}", self.rounds, BASE64.encode(random_bytes::<SALT_LENGTH>()))
    }

    fn encode(&self, password: &str, salt: &str, on_run: OnRun<'_>) -> Result<String, Malformed> {
        let (version, rounds, salt) = self.decode_salt(salt)?;
        let salt = salt.get(..SALT_DIGITS).ok_or(Malformed)?;
        let salt = BASE64.decode(salt).map_err(|_| Malformed)?;
        let salt: [u8; SALT_LENGTH] = salt.try_into().map_err(|_| Malformed)?;

        let mut password = if self.digests {
            hex(digest(&SHA256, password.as_bytes()).as_ref())
        } else {
            password.to_owned()
        }
        .into_bytes();
        password.push(0);
        password.truncate(MAX_PASSWORD_LENGTH);

        let hash = bcrypt(rounds, salt, &password);
        let algorithm = (self.of)(rounds).built_in_algorithm();
        on_run(Run { algorithm, cost: rounds });
        let (salt, hash) = (BASE64.encode(salt), BASE64.encode(&hash[..HASH_LENGTH]));
        Ok(format!("{algorithm}$${version}${rounds:02}${salt}{hash}"))
    }

    fn verify(&self, password: &str, encoded: &str, on_run: OnRun<'_>) -> Result<bool, Malformed> {
        let [_, salt] = parts(encoded)?;
        Ok(constant_time_compare(self.encode(password, salt, on_run)?, encoded))
    }

    fn must_update(&self, encoded: &str) -> Result<bool, Malformed> {
        Ok(self.decode(encoded)?.1 != self.rounds)
    }

    fn harden_runtime(&self, password: &str, encoded: &str, on_run: OnRun<'_>) {
        let Ok((_, rounds, _)) = self.decode(encoded) else { return };
        let [_, salt] = match parts(encoded) {
            Ok(parts) => parts,
            Err(Malformed) => return,
        };
        // Each further round doubles the work.
        let all: u32 = 1 << self.rounds.saturating_sub(rounds).min(31);
        for _ in 1..all {
            drop(self.encode(password, salt, on_run));
        }
    }
}
