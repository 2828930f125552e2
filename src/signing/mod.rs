//! A port of `django.core.signing`: this module reads what Django signs, and Django reads what it signs.
//!
//! | Django | here |
//! |---|---|
//! | `Signer(key=.., salt=..).sign(value)`, `.unsign(..)` | [`Signer::sign`], [`Signer::unsign`] |
//! | `TimestampSigner(..).unsign(.., max_age=..)` | [`TimestampSigner::unsign`] |
//! | `.sign_object(obj)`, `.unsign_object(..)` | [`Signer::sign_object`], [`TimestampSigner::sign_object`], .. |
//! | `signing.dumps(obj)`, `signing.loads(..)` | [`dumps`], [`loads`] |
//! | `django.utils.crypto.salted_hmac` | [`salted_hmac()`], or [`SaltedHmac`] with the key derived once |
//! | `json.dumps(obj, separators=(",", ":"))` | [`to_json`] |
//! | `signing.b62_encode`, `signing.b62_decode` | [`b62_encode`], [`b62_decode`] |
//!
//! Signing does not encrypt: anybody can read a signed value. The signature shows that the value was made
//! with `SECRET_KEY` and this salt.
//!
//! This module uses nothing else of the crate, no database and no HTTP.
//!
//! # Differences from Django
//!
//! - An empty secret among the fallbacks is refused; Django's `Signer` reads it as "the main key".
//! - Decompressed data has a limit, [`DEFAULT_MAX_DECOMPRESSED_SIZE`] unless set otherwise.
//! - JSON may nest 9,998 levels deep, as on Python 3.13; older Pythons stop near 990.
//! - Of the hash algorithms only the SHA-1 and SHA-2 ones in [`Algorithm`] are there.

mod b64;
mod base62;
mod error;
pub(crate) mod json;
mod object;
mod salted_hmac;
mod signer;
mod timestamp;
mod zlib;

use std::time::Duration;

use serde::{Serialize, de::DeserializeOwned};

pub(crate) use self::{b64::decode_base64, signer::KeyUsed};
pub use self::{
    base62::{b62_decode, b62_encode},
    error::{BadSignature, Error, ImproperlyConfigured, SignatureExpired},
    json::to_json,
    object::DEFAULT_MAX_DECOMPRESSED_SIZE,
    salted_hmac::{Algorithm, SaltedHmac, salted_hmac},
    signer::Signer,
    timestamp::TimestampSigner,
};

/// Signs any value together with the current time, as `django.core.signing.dumps` does.
///
/// `salt` `None` is Django's default, `django.core.signing`. With `compress`, the JSON is compressed where
/// that makes it shorter.
///
/// ```
/// use actix_django_session::signing::{dumps, loads};
///
/// let signed = dumps(&["a", "b"], "my secret", None, false)?;
/// let list: Vec<String> = loads(&signed, "my secret", None, None)?;
/// assert_eq!(list, ["a", "b"]);
/// # Ok::<(), actix_django_session::signing::Error>(())
/// ```
///
/// # Errors
///
/// [`Error::ImproperlyConfigured`] if the secret is empty, [`Error::Unserializable`] if the value
/// has no JSON form.
pub fn dumps<T>(
    value: &T,
    secret_key: impl AsRef<[u8]>,
    salt: Option<&str>,
    compress: bool,
) -> Result<String, Error>
where
    T: Serialize + ?Sized,
{
    dumps_signer(secret_key, salt)?.sign_object(value, compress)
}

/// Checks and decodes a value that `django.core.signing.dumps` or [`dumps`] signed.
///
/// `salt` `None` is Django's default, `django.core.signing`; `max_age` `None` accepts any age. For
/// fallback keys, use a [`TimestampSigner`] with that salt.
///
/// # Errors
///
/// [`Error::ImproperlyConfigured`] if the secret is empty, otherwise those of
/// [`TimestampSigner::unsign_object`].
pub fn loads<T>(
    signed: &str,
    secret_key: impl AsRef<[u8]>,
    salt: Option<&str>,
    max_age: Option<Duration>,
) -> Result<T, Error>
where
    T: DeserializeOwned,
{
    dumps_signer(secret_key, salt)?.unsign_object(signed, max_age)
}

fn dumps_signer(
    secret_key: impl AsRef<[u8]>,
    salt: Option<&str>,
) -> Result<TimestampSigner, ImproperlyConfigured> {
    Ok(TimestampSigner::new(secret_key)?.salt(salt.unwrap_or("django.core.signing")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dumps_has_a_salt_of_its_own_and_an_empty_one_means_the_class_name() {
        let signed = dumps("x", "k", None, false).unwrap();
        assert_eq!(loads::<String>(&signed, "k", None, None).unwrap(), "x");
        assert_eq!(
            loads::<String>(&signed, "k", Some(""), None),
            Err(Error::BadSignature(BadSignature))
        );
        let by_class = TimestampSigner::new("k").unwrap();
        assert_eq!(
            by_class.unsign_object::<String>(&dumps("x", "k", Some(""), false).unwrap(), None),
            Ok("x".to_owned())
        );
    }

    #[test]
    fn an_empty_secret_is_refused() {
        let refused = Err(Error::ImproperlyConfigured(ImproperlyConfigured::EmptySecretKey));
        assert_eq!(dumps("x", "", None, false), refused);
        assert_eq!(loads::<String>("x", "", None, None), refused);
    }
}
