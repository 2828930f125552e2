//! `Argon2PasswordHasher`.

use argon2::{Algorithm, Argon2 as Function, Params, Version};
use base64::{Engine, engine::general_purpose::STANDARD_NO_PAD};

use super::{Hasher, Malformed, OnRun, Run, is_short_salt, number, parts};
use crate::{crypto::constant_time_compare, settings::PasswordHasher};

/// The length of the hash in a new encoding, and the greatest length that is checked, in bytes.
const HASH_LENGTH: usize = 32;
const MAX_HASH_LENGTH: usize = 64;

/// `argon2$argon2id$v=19$m=102400,t=2,p=8$<salt>$<hash>`, with the parameters of
/// [`PasswordHasher::Argon2`].
pub(super) struct Argon2(pub(super) PasswordHasher);

/// The parts of an encoding.
struct Argon2Encoding {
    variety: Algorithm,
    version: Version,
    parameters: PasswordHasher,
    salt: Vec<u8>,
    hash: Vec<u8>,
}

/// Parses an encoding as the reference implementation does.
fn decode(encoded: &str) -> Result<Argon2Encoding, Malformed> {
    let [_, variety, rest] = parts(encoded)?;
    let variety = match variety {
        "argon2id" => Algorithm::Argon2id,
        "argon2i" => Algorithm::Argon2i,
        "argon2d" => Algorithm::Argon2d,
        _ => return Err(Malformed),
    };
    // Version 16 of argon2 wrote no version number.
    let (version, rest) = match rest.strip_prefix("v=") {
        Some(rest) => rest.split_once('$').ok_or(Malformed)?,
        None => ("16", rest),
    };
    let version = match version {
        "19" => Version::V0x13,
        "16" => Version::V0x10,
        _ => return Err(Malformed),
    };
    let [parameters, salt, hash] = parts(rest)?;
    let base64 = |text| STANDARD_NO_PAD.decode(text).map_err(|_| Malformed);
    Ok(Argon2Encoding {
        variety,
        version,
        parameters: decode_parameters(parameters)?,
        salt: base64(salt)?,
        hash: base64(hash)?,
    })
}

/// `m=102400,t=2,p=8`, in this order.
fn decode_parameters(text: &str) -> Result<PasswordHasher, Malformed> {
    let mut parts = text.split(',');
    let mut parameter = |name| {
        let digits = parts.next().and_then(|part| part.strip_prefix(name)).ok_or(Malformed)?;
        // The encoding is not computed and compared as a whole, so leading zeros must be refused here.
        if digits.len() > 1 && digits.starts_with('0') { Err(Malformed) } else { number(digits) }
    };
    let (memory_cost, time_cost) = (parameter("m=")?, parameter("t=")?);
    let parallelism = parameter("p=")?;
    let parameters = PasswordHasher::Argon2 { time_cost, memory_cost, parallelism };
    let is_read = parts.next().is_none() && parameters.is_affordable();
    is_read.then_some(parameters).ok_or(Malformed)
}

/// Computes the hash for any variant and version of argon2.
fn hash(
    (variety, version, parameters): (Algorithm, Version, PasswordHasher),
    password: &str,
    salt: &[u8],
    length: usize,
    on_run: OnRun<'_>,
) -> Result<Vec<u8>, Malformed> {
    let PasswordHasher::Argon2 { time_cost, memory_cost, parallelism } = parameters else {
        return Err(Malformed);
    };
    if length > MAX_HASH_LENGTH {
        return Err(Malformed);
    }
    let params = Params::new(memory_cost, time_cost, parallelism, Some(length));
    let function = Function::new(variety, version, params.map_err(|_| Malformed)?);
    let mut hash = vec![0; length];
    function.hash_password_into(password.as_bytes(), salt, &mut hash).map_err(|_| Malformed)?;
    on_run(Run { algorithm: parameters.built_in_algorithm(), cost: 1 });
    Ok(hash)
}

impl Hasher for Argon2 {
    fn encode(&self, password: &str, salt: &str, on_run: OnRun<'_>) -> Result<String, Malformed> {
        let PasswordHasher::Argon2 { time_cost, memory_cost, parallelism } = self.0 else {
            return Err(Malformed);
        };
        let how = (Algorithm::Argon2id, Version::V0x13, self.0.clone());
        let hash = hash(how, password, salt.as_bytes(), HASH_LENGTH, on_run)?;
        let (salt, hash) = (STANDARD_NO_PAD.encode(salt), STANDARD_NO_PAD.encode(hash));
        Ok(format!(
            "argon2$argon2id$v=19$m={memory_cost},t={time_cost},p={parallelism}${salt}${hash}"
        ))
    }

    fn verify(&self, password: &str, encoded: &str, on_run: OnRun<'_>) -> Result<bool, Malformed> {
        let decoded = decode(encoded)?;
        let how = (decoded.variety, decoded.version, decoded.parameters);
        let again = hash(how, password, &decoded.salt, decoded.hash.len(), on_run)?;
        Ok(constant_time_compare(again, decoded.hash))
    }

    fn must_update(&self, encoded: &str) -> Result<bool, Malformed> {
        let decoded = decode(encoded)?;
        let is_todays = matches!(decoded.variety, Algorithm::Argon2id)
            && matches!(decoded.version, Version::V0x13)
            && decoded.parameters == self.0
            && decoded.hash.len() == HASH_LENGTH;
        // Django reads the salt as latin-1: one character a byte.
        let salt: String = decoded.salt.iter().copied().map(char::from).collect();
        Ok(!is_todays || is_short_salt(&salt))
    }
}
