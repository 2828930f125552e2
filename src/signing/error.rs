//! What can go wrong. No message holds a secret or any of the signed data.

/// The signature does not belong to the value: `django.core.signing.BadSignature`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the signature does not match")]
pub struct BadSignature;

/// The value is genuine but too old: `django.core.signing.SignatureExpired`.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
#[error("signature age {age} > {max_age} seconds")]
pub struct SignatureExpired {
    pub(super) age: f64,
    pub(super) max_age: f64,
}

impl SignatureExpired {
    /// Seconds since the value was signed.
    pub fn age(&self) -> f64 {
        self.age
    }

    /// Seconds that were allowed.
    pub fn max_age(&self) -> f64 {
        self.max_age
    }
}

/// A signer was set up in a way that Django, or plain safety, forbids.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ImproperlyConfigured {
    /// The secret key is empty, and so anybody could sign.
    #[error("the secret key must not be empty")]
    EmptySecretKey,
    /// One of the fallback keys is empty, and so anybody could sign.
    #[error("a fallback key must not be empty")]
    EmptyFallbackKey,
    /// The separator could be part of a signature.
    #[error(
        "unsafe separator: it must hold a character other than A-Z a-z 0-9 - _ = [ \\ ] ^ and `"
    )]
    UnsafeSeparator,
}

/// Why a signed value could not be made or read; one variant for each condition.
///
/// Django raises `BadSignature` for a wrong signature only. Data that is rightly signed but
/// malformed is an error of another kind there, and so it is here.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Not signed with any of the keys, or not for this salt.
    #[error(transparent)]
    BadSignature(#[from] BadSignature),
    /// Older than `max_age`.
    #[error(transparent)]
    SignatureExpired(#[from] SignatureExpired),
    /// Rightly signed, but without a readable timestamp.
    #[error("the signed value has no base62 timestamp")]
    BadTimestamp,
    /// Rightly signed, but not base64.
    #[error("the signed value is not base64")]
    BadBase64,
    /// Rightly signed and marked as compressed, but the zlib stream is corrupt or cut short.
    #[error("the signed value is not a complete zlib stream")]
    BadZlib,
    /// Decompressing was given up at the limit. The data may be in perfect order.
    #[error("the signed value is larger than {limit} bytes when decompressed")]
    TooLarge {
        /// The limit in bytes.
        limit: usize,
    },
    /// Rightly signed, but not what Python's `json.loads` accepts.
    #[error("the signed value is not JSON, at byte {position}")]
    BadJson {
        /// Where in the decoded text, in bytes from 0.
        position: usize,
    },
    /// The JSON nests deeper than Python would follow it.
    #[error("the signed JSON nests deeper than {limit} levels")]
    JsonTooDeep {
        /// The number of levels that are allowed.
        limit: usize,
    },
    /// Sound JSON that does not fit the Rust type asked for, be it of another shape or a value
    /// that `serde_json` cannot hold (`NaN`, a lone surrogate, a huge number, deep nesting).
    #[error("the signed JSON does not fit the type asked for, at line {line}, column {column}")]
    Unrepresentable {
        /// Line in the decoded text, from 1.
        line: usize,
        /// Column in that line, in bytes from 1.
        column: usize,
    },
    /// The Rust value has no JSON form: a map key that is not text or a number, or a `Serialize`
    /// implementation that failed.
    #[error("the value cannot be written as JSON")]
    Unserializable,
    /// The signer itself could not be made.
    #[error(transparent)]
    ImproperlyConfigured(#[from] ImproperlyConfigured),
}

impl Error {
    /// Whether Python's `except BadSignature` would catch it: a wrong signature or an expired one.
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
