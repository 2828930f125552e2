//! `PBKDF2PasswordHasher` and `PBKDF2SHA1PasswordHasher`.

use std::num::NonZeroU32;

use base64::{Engine, engine::general_purpose::STANDARD};
use ring::{digest, pbkdf2};

use super::{Hasher, Malformed, OnRun, Run, check_salt, is_short_salt, number, parts};
use crate::{crypto::constant_time_compare, settings::PasswordHasher};

/// `pbkdf2_sha256$<iterations>$<salt>$<hash>`.
pub(super) struct Pbkdf2 {
    of: fn(u32) -> PasswordHasher,
    algorithm: pbkdf2::Algorithm,
    hash_length: usize,
    iterations: u32,
}

/// The parts of an encoding.
struct Pbkdf2Encoding<'a> {
    iterations: u32,
    salt: &'a str,
}

impl Pbkdf2 {
    pub(super) fn sha256(iterations: u32) -> Self {
        Self {
            of: |iterations| PasswordHasher::Pbkdf2Sha256 { iterations },
            algorithm: pbkdf2::PBKDF2_HMAC_SHA256,
            hash_length: digest::SHA256_OUTPUT_LEN,
            iterations,
        }
    }

    pub(super) fn sha1(iterations: u32) -> Self {
        Self {
            of: |iterations| PasswordHasher::Pbkdf2Sha1 { iterations },
            algorithm: pbkdf2::PBKDF2_HMAC_SHA1,
            hash_length: digest::SHA1_OUTPUT_LEN,
            iterations,
        }
    }

    fn decode<'a>(&self, encoded: &'a str) -> Result<Pbkdf2Encoding<'a>, Malformed> {
        let [_, iterations, salt, _hash] = parts(encoded)?;
        check_salt(salt)?;
        let iterations = number(iterations)?;
        let is_affordable = (self.of)(iterations).is_affordable();
        is_affordable.then_some(Pbkdf2Encoding { iterations, salt }).ok_or(Malformed)
    }

    fn encode_with(
        &self,
        password: &str,
        salt: &str,
        iterations: u32,
        on_run: OnRun<'_>,
    ) -> Result<String, Malformed> {
        check_salt(salt)?;
        let rounds = NonZeroU32::new(iterations).ok_or(Malformed)?;
        let algorithm = (self.of)(iterations).built_in_algorithm();
        let mut hash = vec![0; self.hash_length];
        pbkdf2::derive(self.algorithm, rounds, salt.as_bytes(), password.as_bytes(), &mut hash);
        on_run(Run { algorithm, cost: iterations });
        Ok(format!("{algorithm}${iterations}${salt}${}", STANDARD.encode(hash)))
    }
}

impl Hasher for Pbkdf2 {
    fn encode(&self, password: &str, salt: &str, on_run: OnRun<'_>) -> Result<String, Malformed> {
        self.encode_with(password, salt, self.iterations, on_run)
    }

    fn verify(&self, password: &str, encoded: &str, on_run: OnRun<'_>) -> Result<bool, Malformed> {
        let decoded = self.decode(encoded)?;
        let again = self.encode_with(password, decoded.salt, decoded.iterations, on_run)?;
        // An encoding with leading zeros, missing padding or further parts never matches (I15).
        Ok(constant_time_compare(again, encoded))
    }

    fn must_update(&self, encoded: &str) -> Result<bool, Malformed> {
        let decoded = self.decode(encoded)?;
        // Fewer or more iterations than the settings have (I13).
        Ok(decoded.iterations != self.iterations || is_short_salt(decoded.salt))
    }

    fn harden_runtime(&self, password: &str, encoded: &str, on_run: OnRun<'_>) {
        if let Ok(decoded) = self.decode(encoded)
            && decoded.iterations < self.iterations
        {
            let missing = self.iterations - decoded.iterations;
            drop(self.encode_with(password, decoded.salt, missing, on_run));
        }
    }
}
