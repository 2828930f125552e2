//! Text with a timestamp and a signature.

use std::{
    fmt,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use serde::{Serialize, de::DeserializeOwned};

use super::{
    Algorithm, Error, ImproperlyConfigured, KeyUsed, SignatureExpired, Signer, b62_decode,
    b62_encode, json, object, signer::rsplit,
};

/// Signs text together with the time: `django.core.signing.TimestampSigner`.
///
/// Derives its keys when it is made, so make it once. Cheap to clone.
///
/// Times are in seconds since 1970. Methods that end in `_at` take the time as an argument, the others
/// read the clock. A timestamp in the future is never too old.
///
/// ```
/// use std::time::Duration;
/// use actix_django_session::signing::TimestampSigner;
///
/// let signer = TimestampSigner::new("k")?.salt("x");
/// let signed = signer.sign_at("hello", 1_700_000_000);
/// assert_eq!(signed, "hello:1r31eq:2XrmANBT0ZWCi7iTWtBUe1yCArvKBjrHIa7bHV9vYl8");
/// assert_eq!(signer.unsign(&signed, None)?, "hello");
/// assert!(signer.unsign(&signed, Some(Duration::from_secs(60))).is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct TimestampSigner {
    signer: Signer,
}

impl TimestampSigner {
    /// Makes a signer with Django's defaults; see [`Signer::new`].
    ///
    /// # Errors
    ///
    /// [`ImproperlyConfigured::EmptySecretKey`].
    pub fn new(secret_key: impl AsRef<[u8]>) -> Result<Self, ImproperlyConfigured> {
        let signer = Signer::with_default_salt(secret_key, "django.core.signing.TimestampSigner")?;
        Ok(Self { signer })
    }

    /// Sets the salt; see [`Signer::salt`].
    ///
    /// Defaults to `django.core.signing.TimestampSigner`.
    pub fn salt(self, salt: &str) -> Self {
        let signer = self.signer.salt(salt);
        Self { signer }
    }

    /// Sets the separator between value, timestamp and signature; see [`Signer::sep`].
    ///
    /// Defaults to `":"`.
    ///
    /// # Errors
    ///
    /// [`ImproperlyConfigured::UnsafeSeparator`].
    pub fn sep(self, sep: &str) -> Result<Self, ImproperlyConfigured> {
        let signer = self.signer.sep(sep)?;
        Ok(Self { signer })
    }

    /// Sets the hash function.
    ///
    /// Defaults to [`Algorithm::Sha256`].
    pub fn algorithm(self, algorithm: Algorithm) -> Self {
        let signer = self.signer.algorithm(algorithm);
        Self { signer }
    }

    /// Sets former secret keys whose signatures are still accepted; see [`Signer::fallback_keys`].
    ///
    /// Defaults to none.
    ///
    /// # Errors
    ///
    /// [`ImproperlyConfigured::EmptyFallbackKey`].
    pub fn fallback_keys<I>(self, fallback_keys: I) -> Result<Self, ImproperlyConfigured>
    where
        I: IntoIterator,
        I::Item: AsRef<[u8]>,
    {
        let signer = self.signer.fallback_keys(fallback_keys)?;
        Ok(Self { signer })
    }

    /// Sets the limit on the decompressed size of an object, in bytes.
    ///
    /// Defaults to [`DEFAULT_MAX_DECOMPRESSED_SIZE`](super::DEFAULT_MAX_DECOMPRESSED_SIZE).
    pub fn max_decompressed_size(self, bytes: usize) -> Self {
        let signer = self.signer.max_decompressed_size(bytes);
        Self { signer }
    }

    /// Signs `value` with the current time: `TimestampSigner.sign`.
    pub fn sign(&self, value: &str) -> String {
        self.sign_at(value, now() as i64)
    }

    /// Signs `value` with the given time.
    pub fn sign_at(&self, value: &str, unix_seconds: i64) -> String {
        self.stamp_and_sign(value.to_owned(), unix_seconds)
    }

    /// Checks the signature and the age, and returns the value: `TimestampSigner.unsign`. `max_age` `None`
    /// accepts any age.
    ///
    /// # Errors
    ///
    /// [`Error::BadSignature`] before all others; [`Error::BadTimestamp`], even if `max_age` is `None`;
    /// [`Error::SignatureExpired`].
    pub fn unsign<'a>(&self, signed: &'a str, max_age: Option<Duration>) -> Result<&'a str, Error> {
        self.unsign_at(signed, now(), seconds(max_age))
    }

    /// [`unsign`](Self::unsign) with the time as an argument, and `max_age` in seconds.
    ///
    /// As in Django, a value is too old if `now - timestamp > max_age`, where `now` has a fraction
    /// and the timestamp has none.
    ///
    /// # Errors
    ///
    /// Those of [`unsign`](Self::unsign).
    pub fn unsign_at<'a>(
        &self,
        signed: &'a str,
        now: f64,
        max_age: Option<f64>,
    ) -> Result<&'a str, Error> {
        self.unsign_with_key(signed, now, max_age).map(|(value, _)| value)
    }

    fn unsign_with_key<'a>(
        &self,
        signed: &'a str,
        now: f64,
        max_age: Option<f64>,
    ) -> Result<(&'a str, KeyUsed), Error> {
        let (value, timestamp, key) = self.split(signed)?;
        is_young_enough(timestamp, now, max_age)?;
        Ok((value, key))
    }

    /// Checks the signature, and returns the value, of any age, and the second in which it was signed.
    ///
    /// A timestamp outside `i64` becomes the nearest bound.
    ///
    /// # Errors
    ///
    /// [`Error::BadSignature`], [`Error::BadTimestamp`].
    pub fn unsign_with_timestamp<'a>(&self, signed: &'a str) -> Result<(&'a str, i64), Error> {
        let (value, timestamp, _) = self.split(signed)?;
        let timestamp = timestamp.clamp(i64::MIN.into(), i64::MAX.into()) as i64;
        Ok((value, timestamp))
    }

    /// Signs any value as JSON, with the current time: `TimestampSigner.sign_object`.
    ///
    /// With `compress`, the JSON is compressed where that makes it shorter.
    ///
    /// # Errors
    ///
    /// [`Error::Unserializable`].
    pub fn sign_object<T>(&self, value: &T, compress: bool) -> Result<String, Error>
    where
        T: Serialize + ?Sized,
    {
        Ok(self.sign_json(&json::to_json(value)?, compress))
    }

    /// Signs JSON text unchanged, with the current time; see [`Signer::sign_json`].
    pub fn sign_json(&self, text: &str, compress: bool) -> String {
        self.sign_json_at(text, compress, now() as i64)
    }

    /// Signs JSON text unchanged, with the given time; see [`Signer::sign_json`].
    pub fn sign_json_at(&self, text: &str, compress: bool, unix_seconds: i64) -> String {
        self.stamp_and_sign(object::encode(text, compress), unix_seconds)
    }

    /// Checks and decodes a value that `sign_object` or `django.core.signing.dumps` signed:
    /// `TimestampSigner.unsign_object`.
    ///
    /// # Errors
    ///
    /// Those of [`unsign_json`](Self::unsign_json), and [`Error::Unrepresentable`] if the JSON
    /// does not fit `T`.
    pub fn unsign_object<T>(&self, signed: &str, max_age: Option<Duration>) -> Result<T, Error>
    where
        T: DeserializeOwned,
    {
        object::parse(&self.unsign_text(signed, max_age)?.0)
    }

    /// Checks the signature and the age, and returns the JSON text; see [`Signer::unsign_json`].
    ///
    /// # Errors
    ///
    /// Those of [`unsign`](Self::unsign), and a variant of [`Error`] for each way in which the data can be
    /// wrong.
    pub fn unsign_json(&self, signed: &str, max_age: Option<Duration>) -> Result<String, Error> {
        let (text, _) = self.unsign_text(signed, max_age)?;
        json::validate(&text)?;
        Ok(text)
    }

    /// Checks signature and age, and decodes to text, which may not be JSON. Returns also which key
    /// matched.
    pub(crate) fn unsign_text(
        &self,
        signed: &str,
        max_age: Option<Duration>,
    ) -> Result<(String, KeyUsed), Error> {
        let (body, key) = self.unsign_with_key(signed, now(), seconds(max_age))?;
        Ok((self.signer.decode(body)?, key))
    }

    /// Checks the age of a text whose signature was checked before: [`unsign`](Self::unsign) without the
    /// signature.
    pub(crate) fn check_age(&self, signed: &str, max_age: Option<Duration>) -> Result<(), Error> {
        let Some(max_age) = seconds(max_age) else { return Ok(()) };
        let stamped = rsplit(signed, self.signer.separator()).ok_or(Error::BadTimestamp)?.0;
        let timestamp = self.timestamp(stamped)?.1;
        is_young_enough(timestamp, now(), Some(max_age))
    }

    fn stamp_and_sign(&self, mut value: String, unix_seconds: i64) -> String {
        value.push_str(self.signer.separator());
        value.push_str(&b62_encode(unix_seconds.into()));
        self.signer.sign_owned(value)
    }

    fn split<'a>(&self, signed: &'a str) -> Result<(&'a str, i128, KeyUsed), Error> {
        let (stamped, key) = self.signer.unsign_with_key(signed)?;
        let (value, timestamp) = self.timestamp(stamped)?;
        Ok((value, timestamp, key))
    }

    /// The value and the timestamp in a signed text.
    fn timestamp<'a>(&self, stamped: &'a str) -> Result<(&'a str, i128), Error> {
        let (value, timestamp) =
            rsplit(stamped, self.signer.separator()).ok_or(Error::BadTimestamp)?;
        Ok((value, b62_decode(timestamp)?))
    }
}

/// Checks the age of a value that was signed at this second.
fn is_young_enough(timestamp: i128, now: f64, max_age: Option<f64>) -> Result<(), Error> {
    let Some(max_age) = max_age else { return Ok(()) };
    let age = now - timestamp as f64;
    if age > max_age { Err(SignatureExpired { age, max_age }.into()) } else { Ok(()) }
}

impl fmt::Debug for TimestampSigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.signer.fmt_as("TimestampSigner", f)
    }
}

fn now() -> f64 {
    match SystemTime::now().duration_since(UNIX_EPOCH) {
        Ok(after) => after.as_secs_f64(),
        Err(before) => -before.duration().as_secs_f64(),
    }
}

fn seconds(max_age: Option<Duration>) -> Option<f64> {
    max_age.map(|age| age.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signing::BadSignature;

    const SIGNED_AT: i64 = 1_700_000_000;

    fn signer() -> TimestampSigner {
        TimestampSigner::new("k").unwrap().salt("x")
    }

    // The age of a signature (S12).
    #[test]
    fn the_age_counts_from_the_whole_second_and_may_just_reach_the_limit() {
        let signed = signer().sign_at("hello", SIGNED_AT);
        let at = |offset: f64, max_age: f64| {
            let now = SIGNED_AT as f64 + offset;
            signer().unsign_at(&signed, now, Some(max_age)).is_ok()
        };
        assert!(at(10.0, 10.0));
        assert!(!at(10.000_000_5, 10.0));
        assert!(!at(11.0, 10.0));
        assert!(at(0.0, 0.0));
        assert!(!at(0.0001, 0.0));
        assert!(!at(0.0, -1.0));
        assert!(at(-1.0, -1.0));
        assert!(at(1e9, f64::NAN));
        let error = signer().unsign_at(&signed, SIGNED_AT as f64 + 10.5, Some(10.0));
        assert_eq!(error.unwrap_err().to_string(), "signature age 10.5 > 10 seconds");
    }

    #[test]
    fn the_clock_is_in_seconds_since_1970() {
        let signed = signer().sign("hello");
        let hour = Some(Duration::from_secs(3600));
        assert_eq!(signer().unsign(&signed, hour), Ok("hello"));
        let (_, timestamp) = signer().unsign_with_timestamp(&signed).unwrap();
        assert!(timestamp > SIGNED_AT);
        let old = signer().sign_at("hello", SIGNED_AT);
        assert!(matches!(signer().unsign(&old, hour), Err(Error::SignatureExpired(_))));
    }

    // The timestamp (S11).
    #[test]
    fn the_timestamp_must_be_readable_whether_or_not_it_is_asked_for() {
        let plain = Signer::new("k").unwrap().salt("x");
        for bad in ["hello", "hello:", "hello:!", "hello: 1", ":"] {
            let signed = plain.sign(bad);
            assert_eq!(signer().unsign(&signed, None), Err(Error::BadTimestamp));
        }
        assert_eq!(signer().unsign("hello:!:c2ln", None), Err(Error::BadSignature(BadSignature)));
        let signed = plain.sign("hello:-");
        assert_eq!(signer().unsign_with_timestamp(&signed), Ok(("hello", 0)));
    }

    #[test]
    fn timestamps_have_no_bounds() {
        let plain = Signer::new("k").unwrap().salt("x");
        let far = plain.sign(&format!("v:{}", "z".repeat(500)));
        assert_eq!(signer().unsign_at(&far, 0.0, Some(0.0)), Ok("v"));
        assert_eq!(signer().unsign_with_timestamp(&far), Ok(("v", i64::MAX)));
        let long_ago = plain.sign(&format!("v:-{}", "z".repeat(500)));
        assert!(signer().unsign_at(&long_ago, 0.0, Some(1e18)).is_err());
        let past = signer().sign_at("v", -1);
        assert!(past.starts_with("v:-1:"));
        assert_eq!(signer().unsign_with_timestamp(&past), Ok(("v", -1)));
    }

    #[test]
    fn a_separator_may_be_any_text() {
        for sep in ["::", "é", "*sep*"] {
            let signer = signer().sep(sep).unwrap();
            let value = ["a", "b"].join(sep);
            let signed = signer.sign_at(&value, SIGNED_AT);
            assert_eq!(signer.unsign_with_timestamp(&signed), Ok((value.as_str(), SIGNED_AT)));
        }
    }
}
