//! `django.contrib.auth.hashers`: passwords checked and encoded as Django does it, at Django's price.
//!
//! Hashing takes tenths of a second, and is meant to: nothing here belongs on an async thread.

#[cfg(feature = "hashers")]
mod argon2;
#[cfg(feature = "hashers")]
mod bcrypt;
mod custom;
#[cfg(feature = "hashers")]
mod digests;
mod pbkdf2;
#[cfg(feature = "hashers")]
mod scrypt;
#[cfg(all(test, feature = "hashers"))]
mod tests;

pub(crate) use custom::{CustomHasher, CustomHashers};

use crate::{
    crypto::{LETTERS_AND_DIGITS, get_random_string},
    settings::{DEFAULT_PASSWORD_HASHERS, PasswordHasher},
};

/// What an encoding of no password starts with, and how many random characters follow.
const UNUSABLE_PREFIX: char = '!';
const UNUSABLE_SUFFIX_LENGTH: usize = 40;

/// How many random letters and digits have `salt_entropy`, 128 bits.
const SALT_LENGTH: usize = 22;

/// The `PASSWORD_HASHERS` of a site.
pub(crate) struct Hashers<'a> {
    /// Never empty; the first one makes new encodings.
    list: &'a [PasswordHasher],
    custom: &'a CustomHashers,
    on_run: OnRun<'a>,
}

/// Is told of each run of a hasher: in the end, of what is measured by attackers.
pub(crate) type OnRun<'a> = &'a dyn Fn(Run);

/// One run of a hasher.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Run {
    pub(crate) algorithm: &'static str,
    /// Iterations or rounds; 1 where more than one number says it.
    pub(crate) cost: u32,
}

/// What a check of a password says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It is the password; `must_update` if the encoding is not what it would be today.
    Correct { must_update: bool },
    /// It is not.
    Wrong,
    /// No password is right, because of what stands in the column.
    Unusable(Unusable),
}

/// Why an encoding is good for no password.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unusable {
    /// That is what `set_unusable_password` is for.
    OnPurpose,
    /// Its algorithm is not among the `PASSWORD_HASHERS`.
    NotListed,
    /// It is among them, but nothing here computes it.
    NotBuiltIn,
    /// Where Django raises an exception, or would compute for ages.
    Malformed,
}

/// `BasePasswordHasher`.
trait Hasher {
    /// A new random salt.
    fn salt(&self) -> String {
        get_random_string(SALT_LENGTH, LETTERS_AND_DIGITS)
    }

    /// The encoding of a password with today's parameters.
    fn encode(&self, password: &str, salt: &str, on_run: OnRun<'_>) -> Result<String, Malformed>;

    /// Whether that is the encoding of this password.
    fn verify(&self, password: &str, encoded: &str, on_run: OnRun<'_>) -> Result<bool, Malformed>;

    /// Whether the encoding is not what it would be today.
    fn must_update(&self, encoded: &str) -> Result<bool, Malformed>;

    /// Does the work that a weaker encoding of another password has saved.
    fn harden_runtime(&self, _password: &str, _encoded: &str, _on_run: OnRun<'_>) {}
}

/// The encoding, or the salt, cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Malformed;

impl<'a> Hashers<'a> {
    pub(crate) fn new(
        list: &'a [PasswordHasher],
        custom: &'a CustomHashers,
        on_run: OnRun<'a>,
    ) -> Self {
        Self { list, custom, on_run }
    }

    /// `verify_password`: whether that is the password. A wrong one takes as long as a run of the
    /// first hasher, whatever stands in the column, unless that is of another algorithm.
    pub(crate) fn verify_password(&self, password: &str, encoded: &str) -> Verdict {
        // I12, I16: the time of an answer must not tell which users have a password here.
        let unusable = |why| {
            self.spend_time(&get_random_string(UNUSABLE_SUFFIX_LENGTH, LETTERS_AND_DIGITS));
            Verdict::Unusable(why)
        };
        if encoded.starts_with(UNUSABLE_PREFIX) {
            return unusable(Unusable::OnPurpose);
        }
        let Some(found) = self.identify_hasher(encoded) else {
            return unusable(Unusable::NotListed);
        };
        let Some(hasher) = self.hasher(found) else { return unusable(Unusable::NotBuiltIn) };
        self.verify_by(&*hasher, found.algorithm(), password, encoded)
            .unwrap_or_else(|Malformed| unusable(Unusable::Malformed))
    }

    fn verify_by(
        &self,
        hasher: &dyn Hasher,
        algorithm: &str,
        password: &str,
        encoded: &str,
    ) -> Result<Verdict, Malformed> {
        let changed = self.preferred().algorithm() != algorithm;
        let must_update = changed
            || match self::hasher(self.preferred()) {
                Some(preferred) => preferred.must_update(encoded)?,
                None => false,
            };
        if hasher.verify(password, encoded, self.on_run)? {
            return Ok(Verdict::Correct { must_update });
        }
        if must_update && !changed {
            hasher.harden_runtime(password, encoded, self.on_run);
        }
        Ok(Verdict::Wrong)
    }

    /// `make_password`: the encoding of a password by the first hasher, with a new salt. `None` if
    /// nothing here computes it.
    pub(crate) fn make_password(&self, password: &str) -> Option<String> {
        self.encode_by(self.preferred(), password)
    }

    /// Works as long as for a user who exists, or as one of another hasher if nothing here computes
    /// the first.
    pub(crate) fn spend_time(&self, password: &str) {
        let mut hashers = self.list.iter().chain(&DEFAULT_PASSWORD_HASHERS);
        hashers.find_map(|hasher| self.encode_by(hasher, password));
    }

    /// Whether the first hasher is computed here.
    pub(crate) fn can_make_passwords(&self) -> bool {
        self.hasher(self.preferred()).is_some()
    }

    fn encode_by(&self, of: &PasswordHasher, password: &str) -> Option<String> {
        let hasher = self.hasher(of)?;
        hasher.encode(password, &hasher.salt(), self.on_run).ok()
    }

    fn preferred(&self) -> &PasswordHasher {
        &self.list[0]
    }

    /// What computes it, if anything here does.
    fn hasher(&self, of: &PasswordHasher) -> Option<Box<dyn Hasher>> {
        match of {
            PasswordHasher::Custom { algorithm } => {
                let custom = self.custom.get(algorithm)?;
                Some(Box::new(custom.clone()))
            }
            of => hasher(of),
        }
    }

    /// `identify_hasher`: by the form of the encoding, lengths in code points; of several with one
    /// algorithm the last one.
    fn identify_hasher(&self, encoded: &str) -> Option<&'a PasswordHasher> {
        let length = encoded.chars().count();
        let algorithm = if (length == 32 && !encoded.contains('$'))
            || (length == 37 && encoded.starts_with("md5$$"))
        {
            "unsalted_md5"
        } else if length == 46 && encoded.starts_with("sha1$$") {
            "unsalted_sha1"
        } else {
            encoded.split('$').next().unwrap_or_default()
        };
        self.list.iter().rfind(|hasher| hasher.algorithm() == algorithm)
    }
}

impl PasswordHasher {
    /// The encoding of a password with a new random salt, for a
    /// [`DjangoSite::password_hasher`](crate::DjangoSite::password_hasher) that does something before
    /// or after what Django does. `None` for one that is not built in.
    ///
    /// It takes tenths of a second of a processor: not for an async thread.
    pub fn encode(&self, password: &str) -> Option<String> {
        let hasher = hasher(self)?;
        hasher.encode(password, &hasher.salt(), &|_| ()).ok()
    }

    /// Whether that is the encoding of this password. `None` if it cannot be read, or for one that
    /// is not built in. It takes as long as [`encode`](Self::encode).
    pub fn verify(&self, password: &str, encoded: &str) -> Option<bool> {
        hasher(self)?.verify(password, encoded, &|_| ()).ok()
    }
}

/// What computes it, if this build has it.
fn hasher(of: &PasswordHasher) -> Option<Box<dyn Hasher>> {
    Some(match *of {
        PasswordHasher::Pbkdf2Sha256 { iterations } => Box::new(pbkdf2::Pbkdf2::sha256(iterations)),
        PasswordHasher::Pbkdf2Sha1 { iterations } => Box::new(pbkdf2::Pbkdf2::sha1(iterations)),
        PasswordHasher::Custom { .. } => return None,
        #[cfg(feature = "hashers")]
        PasswordHasher::Argon2 { .. } => Box::new(argon2::Argon2(of.clone())),
        #[cfg(feature = "hashers")]
        PasswordHasher::BcryptSha256 { rounds } => Box::new(bcrypt::Bcrypt::sha256(rounds)),
        #[cfg(feature = "hashers")]
        PasswordHasher::Bcrypt { rounds } => Box::new(bcrypt::Bcrypt::plain(rounds)),
        #[cfg(feature = "hashers")]
        PasswordHasher::Scrypt { .. } => Box::new(scrypt::Scrypt(of.clone())),
        #[cfg(feature = "hashers")]
        PasswordHasher::Md5 => Box::new(digests::Salted::Md5),
        #[cfg(feature = "hashers")]
        PasswordHasher::Sha1 => Box::new(digests::Salted::Sha1),
        #[cfg(feature = "hashers")]
        PasswordHasher::UnsaltedMd5 => Box::new(digests::Unsalted::Md5),
        #[cfg(feature = "hashers")]
        PasswordHasher::UnsaltedSha1 => Box::new(digests::Unsalted::Sha1),
        #[cfg(not(feature = "hashers"))]
        _ => return None,
    })
}

/// `must_update_salt`: whether letters and digits of that number have less than 128 bits.
fn is_short_salt(salt: &str) -> bool {
    salt.chars().count() < SALT_LENGTH
}

/// `_check_encode_args`.
fn check_salt(salt: &str) -> Result<(), Malformed> {
    if salt.is_empty() || salt.contains('$') { Err(Malformed) } else { Ok(()) }
}

/// A number as Django writes it; how many zeros stand in front does not matter, for the encoding
/// is compared as a whole.
fn number(digits: &str) -> Result<u32, Malformed> {
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    if is_number { digits.parse().map_err(|_| Malformed) } else { Err(Malformed) }
}

/// The parts between the first dollar signs; the last one has the rest.
fn parts<const N: usize>(encoded: &str) -> Result<[&str; N], Malformed> {
    let parts: Vec<_> = encoded.splitn(N, '$').collect();
    parts.try_into().map_err(|_| Malformed)
}

#[cfg(feature = "hashers")]
fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
