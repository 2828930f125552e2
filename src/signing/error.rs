//! The errors of signing. No message contains a secret or signed data.

/// The signature does not belong to the value: `django.core.signing.BadSignature`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the signature does not match")]
pub struct BadSignature;

/// The signature is right but too old: `django.core.signing.SignatureExpired`.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
#[error("signature age {age} > {max_age} seconds")]
pub struct SignatureExpired {
    pub(super) age: f64,
    pub(super) max_age: f64,
}

impl SignatureExpired {
    /// Returns the seconds since the value was signed.
    pub fn age(&self) -> f64 {
        self.age
    }

    /// Returns the greatest age that was allowed, in seconds.
    pub fn max_age(&self) -> f64 {
        self.max_age
    }
}

/// A setting of a signer that Django, or this crate, refuses as unsafe.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ImproperlyConfigured {
    /// The secret key is empty: anybody could sign.
    #[error("the secret key must not be empty")]
    EmptySecretKey,
    /// A fallback key is empty: anybody could sign.
    #[error("a fallback key must not be empty")]
    EmptyFallbackKey,
    /// The separator could be part of a signature.
    #[error(
        "unsafe separator: it must hold a character other than A-Z a-z 0-9 - _ = [ \\ ] ^ and `"
    )]
    UnsafeSeparator,
}

/// Why a value could not be signed or read; one variant for each condition.
///
/// Django raises `BadSignature` only for a wrong signature. Data with a right signature that is malformed
/// is another error there, and so it is here.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The value was not signed with any of the keys, or not with this salt.
    #[error(transparent)]
    BadSignature(#[from] BadSignature),
    /// The value is older than `max_age`.
    #[error(transparent)]
    SignatureExpired(#[from] SignatureExpired),
    /// The signature is right, but the timestamp is missing or malformed.
    #[error("the signed value has no base62 timestamp")]
    BadTimestamp,
    /// The signature is right, but the value is not base64.
    #[error("the signed value is not base64")]
    BadBase64,
    /// The signature is right, but the zlib stream is corrupt or cut short.
    #[error("the signed value is not a complete zlib stream")]
    BadZlib,
    /// The data exceeds the limit on decompressed size. It may be valid.
    #[error("the signed value is larger than {limit} bytes when decompressed")]
    #[non_exhaustive]
    TooLarge {
        /// The limit in bytes.
        limit: usize,
    },
    /// The signature is right, but Python's `json.loads` would not accept the value.
    #[error("the signed value is not JSON, at byte {position}")]
    #[non_exhaustive]
    BadJson {
        /// The place in the decoded text, in bytes from 0.
        position: usize,
    },
    /// The JSON nests deeper than Python accepts.
    #[error("the signed JSON nests deeper than {limit} levels")]
    #[non_exhaustive]
    JsonTooDeep {
        /// The number of levels that are allowed.
        limit: usize,
    },
    /// The JSON is valid but does not fit the requested Rust type: it has another shape, or a value that
    /// `serde_json` cannot hold (`NaN`, a lone surrogate, a huge number, deep nesting).
    #[error("the signed JSON does not fit the requested type, at line {line}, column {column}")]
    #[non_exhaustive]
    Unrepresentable {
        /// Line in the decoded text, from 1.
        line: usize,
        /// Column in that line, in bytes from 1.
        column: usize,
    },
    /// The Rust value has no JSON form: a map key is neither text nor a number, or a `Serialize`
    /// implementation failed.
    #[error("the value cannot be written as JSON")]
    Unserializable,
    /// The signer could not be made.
    #[error(transparent)]
    ImproperlyConfigured(#[from] ImproperlyConfigured),
}

impl Error {
    /// Returns whether Python's `except BadSignature` would catch it: a wrong signature or an expired one.
    pub fn is_bad_signature(&self) -> bool {
        matches!(self, Self::BadSignature(_) | Self::SignatureExpired(_))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_error_can_be_kept_and_sent() {
        fn kept<T: Clone + Send + Sync + std::error::Error + 'static>() {}
        kept::<Error>();
    }

    #[test]
    fn only_the_signature_counts_as_a_bad_signature() {
        let expired = SignatureExpired { age: 10.5, max_age: 10.0 };
        assert_eq!(expired.to_string(), "signature age 10.5 > 10 seconds");
        assert!(Error::from(expired).is_bad_signature());
        assert!(Error::from(BadSignature).is_bad_signature());
        assert!(!Error::BadTimestamp.is_bad_signature());
    }
}
