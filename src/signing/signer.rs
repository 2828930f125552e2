//! Text with a signature.

use std::fmt;

use serde::{Serialize, de::DeserializeOwned};

use super::{
    Algorithm, BadSignature, DEFAULT_MAX_DECOMPRESSED_SIZE, Error, ImproperlyConfigured,
    SaltedHmac, b64, json, object, salted_hmac::MAX_DIGEST_SIZE,
};

/// Signs text and checks signatures: `django.core.signing.Signer`.
///
/// Derives its keys when it is made, so make it once. Cheap to clone.
///
/// ```
/// use actix_django_session::signing::Signer;
///
/// let signer = Signer::new("my secret")?.salt("newsletter");
/// let signed = signer.sign("ada@example.org");
/// assert_eq!(signer.unsign(&signed)?, "ada@example.org");
/// assert!(signer.unsign("eve@example.org:c2lnbmF0dXJl").is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Signer {
    // The secrets are kept because a setter may change what is derived from them.
    secret_key: Box<[u8]>,
    fallback_keys: Vec<Box<[u8]>>,
    key: SaltedHmac,
    fallbacks: Vec<SaltedHmac>,
    salt: String,
    default_salt: &'static str,
    sep: String,
    algorithm: Algorithm,
    max_decompressed_size: usize,
}

impl Signer {
    /// Makes a signer with Django's defaults.
    ///
    /// The secret key is text, used as UTF-8, or bytes.
    ///
    /// # Errors
    ///
    /// [`ImproperlyConfigured::EmptySecretKey`].
    pub fn new(secret_key: impl AsRef<[u8]>) -> Result<Self, ImproperlyConfigured> {
        Self::with_default_salt(secret_key, "django.core.signing.Signer")
    }

    pub(super) fn with_default_salt(
        secret_key: impl AsRef<[u8]>,
        default_salt: &'static str,
    ) -> Result<Self, ImproperlyConfigured> {
        let secret_key = secret_key.as_ref();
        if secret_key.is_empty() {
            return Err(ImproperlyConfigured::EmptySecretKey);
        }
        let signer = Self {
            secret_key: secret_key.into(),
            fallback_keys: Vec::new(),
            key: SaltedHmac::new("", "", Algorithm::default()),
            fallbacks: Vec::new(),
            salt: default_salt.to_owned(),
            default_salt,
            sep: ":".to_owned(),
            algorithm: Algorithm::default(),
            max_decompressed_size: DEFAULT_MAX_DECOMPRESSED_SIZE,
        };
        Ok(signer.derive_keys())
    }

    /// Sets the salt: a value signed with one salt is not valid with another.
    ///
    /// Defaults to the name of Django's class, `django.core.signing.Signer` or
    /// `django.core.signing.TimestampSigner`. An empty salt means the default too.
    pub fn salt(mut self, salt: &str) -> Self {
        let salt = if salt.is_empty() { self.default_salt } else { salt };
        self.salt = salt.to_owned();
        self.derive_keys()
    }

    /// Sets the separator between the value and its signature.
    ///
    /// Defaults to `":"`.
    ///
    /// # Errors
    ///
    /// [`ImproperlyConfigured::UnsafeSeparator`] for an empty separator, and for one that could be part of
    /// a signature, which Django refuses.
    pub fn sep(mut self, sep: &str) -> Result<Self, ImproperlyConfigured> {
        if is_unsafe_separator(sep) {
            return Err(ImproperlyConfigured::UnsafeSeparator);
        }
        self.sep = sep.to_owned();
        Ok(self)
    }

    /// Sets the hash function.
    ///
    /// Defaults to [`Algorithm::Sha256`].
    pub fn algorithm(mut self, algorithm: Algorithm) -> Self {
        self.algorithm = algorithm;
        self.derive_keys()
    }

    /// Sets former secret keys whose signatures are still accepted: `SECRET_KEY_FALLBACKS`.
    ///
    /// New values are not signed with them. Defaults to none.
    ///
    /// # Errors
    ///
    /// [`ImproperlyConfigured::EmptyFallbackKey`].
    pub fn fallback_keys<I>(mut self, fallback_keys: I) -> Result<Self, ImproperlyConfigured>
    where
        I: IntoIterator,
        I::Item: AsRef<[u8]>,
    {
        self.fallback_keys.clear();
        for key in fallback_keys {
            let key = key.as_ref();
            // A8: for an empty fallback key, Django's Signer uses the main key, and its session auth hash
            // an empty secret that anybody knows.
            if key.is_empty() {
                return Err(ImproperlyConfigured::EmptyFallbackKey);
            }
            self.fallback_keys.push(key.into());
        }
        Ok(self.derive_keys())
    }

    /// Sets the limit on the decompressed size of an object, in bytes.
    ///
    /// Defaults to [`DEFAULT_MAX_DECOMPRESSED_SIZE`].
    pub fn max_decompressed_size(mut self, bytes: usize) -> Self {
        self.max_decompressed_size = bytes;
        self
    }

    /// Returns the signature of `value` alone: `Signer.signature`.
    pub fn signature(&self, value: &str) -> String {
        let mut signature = String::new();
        b64::encode_into(self.key.tag(value.as_bytes()).as_ref(), &mut signature);
        signature
    }

    /// Signs `value`: returns it with the separator and the signature, as `Signer.sign`.
    pub fn sign(&self, value: &str) -> String {
        self.sign_owned(value.to_owned())
    }

    /// Checks the signature and returns the value: `Signer.unsign`.
    ///
    /// # Errors
    ///
    /// [`BadSignature`] if the signature is not exactly the text that Django writes, or there is no
    /// separator.
    pub fn unsign<'a>(&self, signed: &'a str) -> Result<&'a str, BadSignature> {
        self.unsign_with_key(signed).map(|(value, _)| value)
    }

    /// [`unsign`](Self::unsign) that also returns which key matched.
    pub(super) fn unsign_with_key<'a>(
        &self,
        signed: &'a str,
    ) -> Result<(&'a str, KeyUsed), BadSignature> {
        let (value, signature) = rsplit(signed, &self.sep).ok_or(BadSignature)?;
        // S5: Django compares texts. Only one text decodes to a given digest, so comparing digests is
        // equivalent, and ring does that in constant time.
        let mut buffer = [0; MAX_DIGEST_SIZE];
        let digest = b64::decode_exact(signature, &mut buffer).ok_or(BadSignature)?;
        let made_with = |key: &SaltedHmac| key.verify(value.as_bytes(), digest);
        if made_with(&self.key) {
            Ok((value, KeyUsed::Current))
        } else if self.fallbacks.iter().any(made_with) {
            Ok((value, KeyUsed::Fallback))
        } else {
            Err(BadSignature)
        }
    }

    /// Signs any value as JSON: `Signer.sign_object`.
    ///
    /// With `compress`, the JSON is compressed where that makes it shorter.
    ///
    /// ```
    /// use actix_django_session::signing::Signer;
    ///
    /// let signer = Signer::new("my secret")?;
    /// let signed = signer.sign_object(&("é", 1.0), true)?;
    /// assert!(signed.starts_with("WyJcdTAwZTkiLDEuMF0:"));
    /// let object: (String, f64) = signer.unsign_object(&signed)?;
    /// assert_eq!(object, ("é".to_owned(), 1.0));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
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

    /// Signs JSON text unchanged and unchecked.
    ///
    /// Characters outside ASCII become `\u` escapes, because Django would misread them.
    pub fn sign_json(&self, text: &str, compress: bool) -> String {
        self.sign_owned(object::encode(text, compress))
    }

    /// Checks and decodes a value that `sign_object` signed: `Signer.unsign_object`.
    ///
    /// # Errors
    ///
    /// Those of [`unsign_json`](Self::unsign_json), and [`Error::Unrepresentable`] if the JSON
    /// does not fit `T`.
    pub fn unsign_object<T>(&self, signed: &str) -> Result<T, Error>
    where
        T: DeserializeOwned,
    {
        object::parse(&self.unsign_text(signed)?)
    }

    /// Checks the signature and returns the JSON text, for values that no Rust type holds.
    ///
    /// The text is what Python's `json.loads` accepts, which is more than JSON: it may contain `NaN`,
    /// `Infinity`, lone surrogates, duplicate keys and numbers of any size.
    ///
    /// # Errors
    ///
    /// A variant of [`Error`] for each way in which the data can be wrong.
    pub fn unsign_json(&self, signed: &str) -> Result<String, Error> {
        let text = self.unsign_text(signed)?;
        json::validate(&text)?;
        Ok(text)
    }

    fn unsign_text(&self, signed: &str) -> Result<String, Error> {
        self.decode(self.unsign(signed)?)
    }

    /// Decodes a body whose signature was checked to text, which may not be JSON.
    pub(super) fn decode(&self, body: &str) -> Result<String, Error> {
        object::decode(body, self.max_decompressed_size)
    }

    pub(super) fn sign_owned(&self, mut value: String) -> String {
        let tag = self.key.tag(value.as_bytes());
        value.push_str(&self.sep);
        b64::encode_into(tag.as_ref(), &mut value);
        value
    }

    pub(super) fn separator(&self) -> &str {
        &self.sep
    }

    /// Derives the keys again after a setting has changed.
    fn derive_keys(mut self) -> Self {
        let key_salt = [self.salt.as_str(), "signer"].concat();
        let derive = |secret: &[u8]| SaltedHmac::new(&key_salt, secret, self.algorithm);
        let fallbacks = self.fallback_keys.iter().map(|secret| derive(secret));
        self.fallbacks = fallbacks.collect();
        self.key = derive(&self.secret_key);
        self
    }

    pub(super) fn fmt_as(&self, name: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct(name)
            .field("salt", &self.salt)
            .field("sep", &self.sep)
            .field("algorithm", &self.algorithm)
            .field("max_decompressed_size", &self.max_decompressed_size)
            .finish_non_exhaustive()
    }
}

/// Shows no key.
impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.fmt_as("Signer", f)
    }
}

/// Which key a signature was made with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum KeyUsed {
    Current,
    Fallback,
}

/// `text.rsplit(sep, 1)`
pub(super) fn rsplit<'a>(text: &'a str, sep: &str) -> Option<(&'a str, &'a str)> {
    match sep.as_bytes() {
        // Searching for one byte is much faster than for a text.
        [byte] => text.rsplit_once(char::from(*byte)),
        _ => text.rsplit_once(sep),
    }
}

/// Django's `^[A-z0-9-_=]*$`, where `A-z` includes what lies between `Z` and `a`, and `$` lets
/// one line break pass.
fn is_unsafe_separator(sep: &str) -> bool {
    sep.strip_suffix('\n')
        .unwrap_or(sep)
        .bytes()
        .all(|byte| matches!(byte, b'A'..=b'z' | b'0'..=b'9' | b'-' | b'='))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signer() -> Signer {
        Signer::new("k").unwrap().salt("x")
    }

    // The text of a signature (S1, S2, S3).
    #[test]
    fn signatures_are_djangos() {
        let right = "v:ZLGFQ8B8ionJ23GHxLNJE7naE2qZ3aZic231VSPoNhU";
        assert_eq!(signer().sign("v"), right);
        assert_eq!(["v", &signer().signature("v")].join(":"), right);
        let bytes = Signer::new(b"\xff\xfe").unwrap().salt("x");
        assert_eq!(bytes.sign("v"), "v:8uGVHb-2l-z3qkIwRFI9TVqgswiM9fH0EwLSyY7OFgQ");
        let default = Signer::new("k").unwrap();
        assert_eq!(default.sign("v"), signer().salt("django.core.signing.Signer").sign("v"));
        assert_eq!(default.sign("v"), signer().salt("").sign("v"));
    }

    // The comparison of signatures (S5).
    #[test]
    fn the_signature_must_be_the_very_text() {
        let signer = signer();
        for value in ["", "v", "a:b", "v:", ":", "é"] {
            assert_eq!(signer.unsign(&signer.sign(value)), Ok(value));
        }
        let signed = signer.sign("v");
        let signature = signer.signature("v");
        let mut unused_bits = signed.clone();
        assert_eq!(unused_bits.pop(), Some('U'));
        unused_bits.push('V');
        for wrong in [
            "",
            "v",
            ":",
            "v:",
            "v:é",
            "v:\0",
            &signature,
            &signed[..signed.len() - 1],
            &unused_bits,
            &format!("{signed}="),
            &format!("{signed} "),
            &format!("{signed}\n"),
            &format!("{signed}A"),
            &format!("{signed}:"),
            &format!("v: {signature}"),
            &format!("v::{signature}"),
            &format!("w:{signature}"),
            &format!("v:{}", signature.to_lowercase()),
            &format!("v:{}", signature.replace('2', "+")),
            &format!("v:{}", "A".repeat(10_000)),
        ] {
            assert_eq!(signer.unsign(wrong), Err(BadSignature), "{wrong:?}");
        }
    }

    // The separator (S6).
    #[test]
    fn separators_that_could_be_in_a_signature_are_refused() {
        for sep in ["", "a", "Z", "0", "-", "_", "=", "[", "\\", "]", "^", "`", "-_=", "\n", "a\n"]
        {
            assert!(signer().sep(sep).is_err(), "{sep:?}");
        }
        for sep in
            [":", "/", "*sep*", ",", "::", ".", " ", "~", "abc:", "é", "\n\n", "\na", "@", "{"]
        {
            let signer = signer().sep(sep).unwrap();
            let value = ["a", "b"].join(sep);
            let signed = signer.sign(&value);
            assert_eq!(signer.unsign(&signed), Ok(value.as_str()), "{sep:?}");
        }
    }

    #[test]
    fn the_last_separator_counts_also_when_it_overlaps() {
        let signer = signer().sep("::").unwrap();
        let signed = signer.sign("a:");
        assert!(signed.starts_with("a:::"));
        assert_eq!(signer.unsign(&signed), Ok("a:"));
    }

    // Fallback keys (S7).
    #[test]
    fn fallback_keys_read_but_never_sign() {
        let rotated = Signer::new("new").unwrap().salt("x");
        let rotated = rotated.fallback_keys(["other", "k"]).unwrap();
        assert_eq!(rotated.unsign(&signer().sign("v")), Ok("v"));
        assert_eq!(signer().unsign(&rotated.sign("v")), Err(BadSignature));
        // The setters may be called in any order.
        let late = Signer::new("new").unwrap().fallback_keys([b"k"]).unwrap();
        let late = late.salt("x").algorithm(Algorithm::Sha512);
        let signed = signer().algorithm(Algorithm::Sha512).sign("v");
        assert_eq!(late.unsign(&signed), Ok("v"));
        let none = rotated.fallback_keys(Vec::<String>::new()).unwrap();
        assert_eq!(none.unsign(&signer().sign("v")), Err(BadSignature));
    }

    #[test]
    fn empty_secrets_are_refused() {
        let refused = Signer::new("").unwrap_err();
        assert_eq!(refused, ImproperlyConfigured::EmptySecretKey);
        let refused = signer().fallback_keys(["a", ""]).unwrap_err();
        assert_eq!(refused, ImproperlyConfigured::EmptyFallbackKey);
    }

    #[test]
    fn debug_shows_no_secret() {
        let signer = Signer::new("hunter2").unwrap();
        let signer = signer.fallback_keys(["hunter1"]).unwrap();
        let debug = format!("{signer:?}");
        assert!(debug.starts_with("Signer { salt: \"django.core.signing.Signer\""));
        assert!(!debug.contains("hunter") && !debug.contains("104, 117"));
    }

    // The text of a signed object (S13, S16).
    #[test]
    fn objects_go_both_ways() {
        let signer = signer();
        let long = vec!["é"; 50];
        for compress in [false, true] {
            let signed = signer.sign_object(&long, compress).unwrap();
            assert_eq!(signed.starts_with('.'), compress);
            assert_eq!(
                signer.unsign_object::<Vec<String>>(&signed).as_deref(),
                Ok(&long.iter().map(|s| (*s).to_owned()).collect::<Vec<_>>()[..])
            );
        }
        let odd = r#"{"a":NaN,"b":"\ud800","b":1E400}"#;
        assert_eq!(signer.unsign_json(&signer.sign_json(odd, true)).unwrap(), odd);
        let bad = signer.sign_json("nan", false);
        assert_eq!(signer.unsign_json(&bad), Err(Error::BadJson { position: 0 }));
    }
}
