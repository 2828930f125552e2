//! `ScryptPasswordHasher`.

use base64::{Engine, engine::general_purpose::STANDARD};
use scrypt::{Params, scrypt};

use super::{Hasher, Malformed, OnRun, Run, check_salt, number, parts};
use crate::{crypto::constant_time_compare, settings::PasswordHasher};

const HASH_LENGTH: usize = 64;

/// `scrypt$<work factor>$<salt>$<block size>$<parallelism>$<hash>`, with the parameters of
/// [`PasswordHasher::Scrypt`].
pub(super) struct Scrypt(pub(super) PasswordHasher);

/// The parameters and the salt of an encoding.
fn decode(encoded: &str) -> Result<(PasswordHasher, &str), Malformed> {
    let [_, work_factor, salt, block_size, parallelism, hash] = parts(encoded)?;
    if hash.contains('$') {
        return Err(Malformed);
    }
    let parameters = PasswordHasher::Scrypt {
        work_factor: number(work_factor)?,
        block_size: number(block_size)?,
        parallelism: number(parallelism)?,
    };
    Ok((parameters, salt))
}

fn encode(
    parameters: PasswordHasher,
    password: &str,
    salt: &str,
    on_run: OnRun<'_>,
) -> Result<String, Malformed> {
    check_salt(salt)?;
    let PasswordHasher::Scrypt { work_factor: n, block_size: r, parallelism: p } = parameters
    else {
        return Err(Malformed);
    };
    if !parameters.is_affordable() {
        return Err(Malformed);
    }
    // A power of 2 below 2^32.
    let log_n = n.trailing_zeros() as u8;
    let params = Params::new(log_n, r, p).map_err(|_| Malformed)?;
    let mut hash = [0; HASH_LENGTH];
    scrypt(password.as_bytes(), salt.as_bytes(), &params, &mut hash).map_err(|_| Malformed)?;
    on_run(Run { algorithm: parameters.built_in_algorithm(), cost: 1 });
    Ok(format!("scrypt${n}${salt}${r}${p}${}", STANDARD.encode(hash)))
}

impl Hasher for Scrypt {
    fn encode(&self, password: &str, salt: &str, on_run: OnRun<'_>) -> Result<String, Malformed> {
        encode(self.0.clone(), password, salt, on_run)
    }

    fn verify(&self, password: &str, encoded: &str, on_run: OnRun<'_>) -> Result<bool, Malformed> {
        let (parameters, salt) = decode(encoded)?;
        Ok(constant_time_compare(encode(parameters, password, salt, on_run)?, encoded))
    }

    fn must_update(&self, encoded: &str) -> Result<bool, Malformed> {
        // Django checks the length of the salt for the other hashers, but not here (I13).
        Ok(decode(encoded)?.0 != self.0)
    }
}
