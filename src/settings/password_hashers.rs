//! `PASSWORD_HASHERS`: the encodings of passwords, and what they cost.

/// One entry of `PASSWORD_HASHERS`, with the parameters of its class.
///
/// Django's classes have the parameters of this table; a custom class may have others:
///
/// | class of `django.contrib.auth.hashers` | here |
/// |---|---|
/// | `PBKDF2PasswordHasher` | `Pbkdf2Sha256 { iterations }`: 600,000 in Django 4.2, 720,000 in 5.0, 870,000 in 5.1, 1,000,000 in 5.2, 1,200,000 in 6.0, 1,500,000 in 6.1 |
/// | `PBKDF2SHA1PasswordHasher` | `Pbkdf2Sha1 { iterations }`, the same numbers |
/// | `Argon2PasswordHasher` | `Argon2 { time_cost: 2, memory_cost: 102_400, parallelism: 8 }` |
/// | `BCryptSHA256PasswordHasher`, `BCryptPasswordHasher` | `BcryptSha256 { rounds: 12 }`, `Bcrypt { rounds: 12 }` |
/// | `ScryptPasswordHasher` | `Scrypt { work_factor: 16_384, block_size: 8, parallelism: 5 }`, with `parallelism: 1` before Django 5.1 |
/// | `MD5PasswordHasher` | `Md5` |
/// | `SHA1PasswordHasher`, `UnsaltedMD5PasswordHasher`, `UnsaltedSHA1PasswordHasher`, until Django 5.0 | `Sha1`, `UnsaltedMd5`, `UnsaltedSha1` |
///
/// All but the first two require the feature `hashers` of this crate.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PasswordHasher {
    /// `pbkdf2_sha256`, Django's default.
    Pbkdf2Sha256 {
        /// How often the hash is applied.
        iterations: u32,
    },
    /// `pbkdf2_sha1`.
    Pbkdf2Sha1 {
        /// How often the hash is applied.
        iterations: u32,
    },
    /// `argon2`: argon2id.
    #[cfg_attr(docsrs, doc(cfg(feature = "hashers")))]
    Argon2 {
        /// The number of passes over the memory.
        time_cost: u32,
        /// The memory, in KiB.
        memory_cost: u32,
        /// The degree of parallelism, `p` of RFC 9106.
        parallelism: u32,
    },
    /// `bcrypt_sha256`.
    #[cfg_attr(docsrs, doc(cfg(feature = "hashers")))]
    BcryptSha256 {
        /// The base-2 logarithm of the number of key expansions.
        rounds: u32,
    },
    /// `bcrypt`, which reads only the first 72 bytes of a password.
    #[cfg_attr(docsrs, doc(cfg(feature = "hashers")))]
    Bcrypt {
        /// The base-2 logarithm of the number of key expansions.
        rounds: u32,
    },
    /// `scrypt`.
    #[cfg_attr(docsrs, doc(cfg(feature = "hashers")))]
    Scrypt {
        /// The number of blocks, a power of 2.
        work_factor: u32,
        /// The size of a block, in units of 128 bytes.
        block_size: u32,
        /// How often the whole computation runs.
        parallelism: u32,
    },
    /// `md5`, with a salt.
    #[cfg_attr(docsrs, doc(cfg(feature = "hashers")))]
    Md5,
    /// `sha1`, with a salt.
    #[cfg_attr(docsrs, doc(cfg(feature = "hashers")))]
    Sha1,
    /// `unsalted_md5`.
    #[cfg_attr(docsrs, doc(cfg(feature = "hashers")))]
    UnsaltedMd5,
    /// `unsalted_sha1`.
    #[cfg_attr(docsrs, doc(cfg(feature = "hashers")))]
    UnsaltedSha1,
    /// A hasher that the service computes: a custom class of the site. Register a
    /// [`DjangoSite::password_hasher`](crate::DjangoSite::password_hasher) for the same algorithm.
    Custom {
        /// The class attribute `algorithm`.
        algorithm: String,
    },
}

/// Django 5.2's default of `PASSWORD_HASHERS`.
pub(crate) const DEFAULT_PASSWORD_HASHERS: [PasswordHasher; 5] = [
    PasswordHasher::Pbkdf2Sha256 { iterations: 1_000_000 },
    PasswordHasher::Pbkdf2Sha1 { iterations: 1_000_000 },
    PasswordHasher::Argon2 { time_cost: 2, memory_cost: 102_400, parallelism: 8 },
    PasswordHasher::BcryptSha256 { rounds: 12 },
    PasswordHasher::Scrypt { work_factor: 16_384, block_size: 8, parallelism: 5 },
];

impl PasswordHasher {
    /// The class attribute `algorithm`: the text before the first `$` of a salted encoding.
    pub fn algorithm(&self) -> &str {
        match self {
            Self::Custom { algorithm } => algorithm,
            built_in => built_in.built_in_algorithm(),
        }
    }

    /// The same for Django's own classes; empty for others.
    pub(crate) fn built_in_algorithm(&self) -> &'static str {
        match self {
            Self::Pbkdf2Sha256 { .. } => "pbkdf2_sha256",
            Self::Pbkdf2Sha1 { .. } => "pbkdf2_sha1",
            Self::Argon2 { .. } => "argon2",
            Self::BcryptSha256 { .. } => "bcrypt_sha256",
            Self::Bcrypt { .. } => "bcrypt",
            Self::Scrypt { .. } => "scrypt",
            Self::Md5 => "md5",
            Self::Sha1 => "sha1",
            Self::UnsaltedMd5 => "unsalted_md5",
            Self::UnsaltedSha1 => "unsalted_sha1",
            Self::Custom { .. } => "",
        }
    }

    /// Whether the parameters are possible, and affordable for one login: some seconds, and 256
    /// MiB. The settings and the password column are both checked; more expensive parameters are
    /// refused.
    pub(crate) fn is_affordable(&self) -> bool {
        const MEMORY: u64 = 256 << 20;
        const WORK: u64 = 2 << 30;

        match *self {
            Self::Pbkdf2Sha256 { iterations } | Self::Pbkdf2Sha1 { iterations } => {
                (1..=10_000_000).contains(&iterations)
            }
            Self::Argon2 { time_cost, memory_cost, parallelism } => {
                let memory = u64::from(memory_cost) * 1024;
                let is_possible = time_cost > 0
                    && (1..1 << 24).contains(&parallelism)
                    && u64::from(memory_cost) >= 8 * u64::from(parallelism);
                is_possible && memory <= MEMORY && memory * u64::from(time_cost) <= WORK
            }
            Self::BcryptSha256 { rounds } | Self::Bcrypt { rounds } => (4..=16).contains(&rounds),
            Self::Scrypt { work_factor, block_size, parallelism } => {
                let is_possible = work_factor > 1
                    && work_factor.is_power_of_two()
                    && block_size > 0
                    && parallelism > 0;
                let memory = u128::from(work_factor) * u128::from(block_size) * 128;
                // One more block for each parallel run.
                let blocks = u128::from(block_size) * u128::from(parallelism) * 128;
                is_possible
                    && memory + blocks <= u128::from(MEMORY)
                    && memory * u128::from(parallelism) <= u128::from(WORK)
            }
            Self::Md5 | Self::Sha1 | Self::UnsaltedMd5 | Self::UnsaltedSha1 => true,
            // The site's owner answers for what a custom hasher costs.
            Self::Custom { .. } => true,
        }
    }

    /// Whether this build includes the hasher.
    pub(crate) fn is_built_in(&self) -> bool {
        cfg!(feature = "hashers")
            || matches!(
                self,
                Self::Pbkdf2Sha256 { .. } | Self::Pbkdf2Sha1 { .. } | Self::Custom { .. }
            )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_django_uses_is_affordable_and_what_would_stop_a_server_is_not() {
        assert!(DEFAULT_PASSWORD_HASHERS.iter().all(PasswordHasher::is_affordable));

        let pbkdf2 = |iterations| PasswordHasher::Pbkdf2Sha256 { iterations }.is_affordable();
        assert!(pbkdf2(1) && pbkdf2(1_500_000));
        assert!(!pbkdf2(0) && !pbkdf2(u32::MAX));

        let bcrypt = |rounds| PasswordHasher::Bcrypt { rounds }.is_affordable();
        assert!(bcrypt(4) && bcrypt(14));
        assert!(!bcrypt(3) && !bcrypt(31));

        let argon2 = |time_cost, memory_cost, parallelism| {
            PasswordHasher::Argon2 { time_cost, memory_cost, parallelism }.is_affordable()
        };
        assert!(argon2(1, 8, 1) && argon2(4, 131_072, 8));
        assert!(!argon2(0, 8, 1) && !argon2(1, 7, 1) && !argon2(1, 63, 8) && !argon2(1, 8, 0));
        assert!(!argon2(1, u32::MAX, 1) && !argon2(u32::MAX, 8, 1));
        assert!(!argon2(u32::MAX, u32::MAX, u32::MAX));

        let scrypt = |work_factor, block_size, parallelism| {
            PasswordHasher::Scrypt { work_factor, block_size, parallelism }.is_affordable()
        };
        assert!(scrypt(2, 1, 1) && scrypt(65_536, 8, 5));
        assert!(!scrypt(1, 8, 1) && !scrypt(1000, 8, 1) && !scrypt(2, 0, 1) && !scrypt(2, 1, 0));
        assert!(!scrypt(1 << 31, 8, 1) && !scrypt(2, u32::MAX, 1) && !scrypt(2, 1, u32::MAX));
        assert!(!scrypt(1 << 31, u32::MAX, u32::MAX));
    }
}
