//! `django.contrib.auth.hashers`: checks and encodes passwords as Django does, in the same time.
//!
//! Hashing takes tenths of a second on purpose. Call these functions on a blocking thread.

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

/// An encoding that fits no password is this prefix and random characters.
const UNUSABLE_PREFIX: char = '!';
const UNUSABLE_SUFFIX_LENGTH: usize = 40;

/// The number of random letters and digits that have `salt_entropy`, 128 bits.
const SALT_LENGTH: usize = 22;

/// The `PASSWORD_HASHERS` of a site.
pub(crate) struct Hashers<'a> {
    /// Never empty. The first hasher makes new encodings.
    list: &'a [PasswordHasher],
    custom: &'a CustomHashers,
    on_run: OnRun<'a>,
}

/// Called for each run of a hasher. Attackers measure the time that these runs take.
pub(crate) type OnRun<'a> = &'a dyn Fn(Run);

/// One run of a hasher.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Run {
    pub(crate) algorithm: &'static str,
    /// Iterations or rounds. 1 for a hasher whose cost is not one number.
    pub(crate) cost: u32,
}

/// The result of a password check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// The password is correct. `must_update` says that a new encoding would have other parameters.
    Correct { must_update: bool },
    /// The password is wrong.
    Wrong,
    /// No password can be correct, because of the text in the column.
    Unusable(Unusable),
}

/// Why no password fits an encoding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unusable {
    /// `set_unusable_password` wrote it.
    OnPurpose,
    /// `PASSWORD_HASHERS` does not list its algorithm.
    NotListed,
    /// `PASSWORD_HASHERS` lists its algorithm, but this build has no code for it.
    NotBuiltIn,
    /// Django raises an exception for it, or would compute for hours.
    Malformed,
}

/// `BasePasswordHasher`.
trait Hasher {
    /// Makes a new random salt.
    fn salt(&self) -> String {
        get_random_string(SALT_LENGTH, LETTERS_AND_DIGITS)
    }

    /// Encodes a password with the parameters of the settings.
    fn encode(&self, password: &str, salt: &str, on_run: OnRun<'_>) -> Result<String, Malformed>;

    /// Whether this encoding belongs to the password.
    fn verify(&self, password: &str, encoded: &str, on_run: OnRun<'_>) -> Result<bool, Malformed>;

    /// Whether a new encoding would have other parameters.
    fn must_update(&self, encoded: &str) -> Result<bool, Malformed>;

    /// Does the work that a check of a weaker encoding has saved, so that both take the same time.
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

    /// `verify_password`: checks a password. Unless the encoding has another algorithm, a wrong password
    /// takes as long as a run of the first hasher, whatever the column contains.
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

    /// `make_password`: encodes a password with the first hasher and a new salt. `None` if this build has
    /// no code for that hasher.
    pub(crate) fn make_password(&self, password: &str) -> Option<String> {
        self.encode_by(self.preferred(), password)
    }

    /// Takes as long as the check of an existing user's password, so that the time does not tell whether the
    /// user exists. Without code for the first hasher, another hasher runs.
    pub(crate) fn spend_time(&self, password: &str) {
        let mut hashers = self.list.iter().chain(&DEFAULT_PASSWORD_HASHERS);
        hashers.find_map(|hasher| self.encode_by(hasher, password));
    }

    /// Whether this build has code for the first hasher.
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

    /// The code for a hasher, if this build or the application has it.
    fn hasher(&self, of: &PasswordHasher) -> Option<Box<dyn Hasher>> {
        match of {
            PasswordHasher::Custom { algorithm } => {
                let custom = self.custom.get(algorithm)?;
                Some(Box::new(custom.clone()))
            }
            of => hasher(of),
        }
    }

    /// `identify_hasher`: finds the hasher by the form of the encoding. Lengths count code points. If several
    /// hashers have the same algorithm, the last one is found.
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
    /// Encodes a password with a new random salt: for a
    /// [`DjangoSite::password_hasher`](crate::DjangoSite::password_hasher) that wraps one of Django's
    /// hashers. Returns `None` for a hasher that is not built in.
    ///
    /// It takes tenths of a second of processor time: call it on a blocking thread.
    pub fn encode(&self, password: &str) -> Option<String> {
        let hasher = hasher(self)?;
        hasher.encode(password, &hasher.salt(), &|_| ()).ok()
    }

    /// Returns whether the encoded text is that of this password. Returns `None` if the text cannot be read,
    /// or for a hasher that is not built in. It takes as long as [`encode`](Self::encode).
    pub fn verify(&self, password: &str, encoded: &str) -> Option<bool> {
        hasher(self)?.verify(password, encoded, &|_| ()).ok()
    }
}

/// The code for a hasher, if this build has it.
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

/// `must_update_salt`: whether that many random letters and digits have less than 128 bits.
fn is_short_salt(salt: &str) -> bool {
    salt.chars().count() < SALT_LENGTH
}

/// `_check_encode_args`.
fn check_salt(salt: &str) -> Result<(), Malformed> {
    if salt.is_empty() || salt.contains('$') { Err(Malformed) } else { Ok(()) }
}

/// Parses a decimal number. Leading zeros are accepted here, because the encoding is compared as a whole
/// afterwards.
fn number(digits: &str) -> Result<u32, Malformed> {
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    if is_number { digits.parse().map_err(|_| Malformed) } else { Err(Malformed) }
}

/// Splits at the first dollar signs. The last part is the rest.
fn parts<const N: usize>(encoded: &str) -> Result<[&str; N], Malformed> {
    let parts: Vec<_> = encoded.splitn(N, '$').collect();
    parts.try_into().map_err(|_| Malformed)
}

#[cfg(feature = "hashers")]
fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
