//! Values that six versions of Django signed are read and made again: `vectors.jsonl`, see `vectors.md`.

#![allow(clippy::unwrap_used)] // a test may

use actix_django_session::signing::{
    Algorithm, BadSignature, Error, SaltedHmac, Signer, TimestampSigner, b62_decode, b62_encode,
    salted_hmac,
};
use ring::digest;
use serde::Deserialize;

/// Algorithms that `hashlib` has and this crate does not. Their vectors are skipped, and counted.
const UNSUPPORTED: [&str; 5] = ["sha224", "md5", "sha3_512", "blake2b", "blake2s"];

#[derive(Deserialize)]
struct Vector {
    kind: String,
    #[serde(default)]
    secret_key_hex: String,
    #[serde(default)]
    fallbacks_hex: Vec<String>,
    #[serde(default)]
    salt: String,
    #[serde(default)]
    algorithm: String,
    sep: Option<String>,
    value: Option<String>,
    now: Option<f64>,
    max_age: Option<f64>,
    #[serde(default)]
    compress: bool,
    obj_json: Option<String>,
    obj_gen: Option<String>,
    obj_sha256: Option<String>,
    signed: Option<String>,
    session_data: Option<String>,
    name: Option<String>,
    note: Option<String>,
    expect: Option<String>,
    password: Option<String>,
    session_auth_hash: Option<String>,
    #[serde(default)]
    session_auth_fallback_hashes: Vec<String>,
    key_salt: Option<String>,
    hex: Option<String>,
}

impl Vector {
    fn secret(&self) -> Vec<u8> {
        unhex(&self.secret_key_hex)
    }

    fn fallbacks(&self) -> Vec<Vec<u8>> {
        self.fallbacks_hex.iter().map(|hex| unhex(hex)).collect()
    }

    /// `None` for the unsupported ones; any other name fails.
    fn algorithm(&self) -> Option<Algorithm> {
        match self.algorithm.as_str() {
            "sha1" => Some(Algorithm::Sha1),
            "sha256" => Some(Algorithm::Sha256),
            "sha384" => Some(Algorithm::Sha384),
            "sha512" => Some(Algorithm::Sha512),
            name if UNSUPPORTED.contains(&name) => None,
            name => panic!("unknown algorithm {name}"),
        }
    }

    fn signer(&self) -> Option<Signer> {
        let signer = Signer::new(self.secret()).unwrap().salt(&self.salt);
        let signer = signer.sep(self.sep.as_deref().unwrap_or(":")).unwrap();
        let signer = signer.fallback_keys(self.fallbacks()).unwrap();
        Some(signer.algorithm(self.algorithm()?))
    }

    fn timestamp_signer(&self) -> TimestampSigner {
        let signer = TimestampSigner::new(self.secret()).unwrap();
        let signer = signer.salt(&self.salt);
        let signer = signer.sep(self.sep.as_deref().unwrap_or(":")).unwrap();
        let signer = signer.fallback_keys(self.fallbacks()).unwrap();
        signer.algorithm(self.algorithm().expect("a supported algorithm"))
    }

    fn value(&self) -> &str {
        self.value.as_deref().unwrap()
    }

    fn signed(&self) -> &str {
        self.signed.as_deref().unwrap()
    }

    fn seconds(&self) -> i64 {
        self.now.unwrap() as i64
    }
}

/// All vectors of a kind. `count` makes a lost line fail.
fn vectors(kind: &str, count: usize) -> Vec<Vector> {
    let lines = include_str!("vectors.jsonl").lines();
    let vectors: Vec<Vector> = lines
        .map(|line| serde_json::from_str(line).unwrap())
        .filter(|vector: &Vector| vector.kind == kind)
        .collect();
    assert_eq!(vectors.len(), count, "vectors of kind {kind}");
    vectors
}

fn unhex(hex: &str) -> Vec<u8> {
    assert_eq!(hex.len() % 2, 0);
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
}

fn to_hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn values_are_signed_as_django_signs_them() {
    let mut skipped = Vec::new();
    for vector in vectors("signer", 46) {
        let Some(signer) = vector.signer() else {
            skipped.push(vector.algorithm);
            continue;
        };
        assert_eq!(signer.sign(vector.value()), vector.signed());
        assert_eq!(signer.unsign(vector.signed()), Ok(vector.value()));
        let other = signer.salt("another salt");
        assert_eq!(other.unsign(vector.signed()), Err(BadSignature));
    }
    assert_eq!(skipped, UNSUPPORTED);
}

#[test]
fn timestamps_are_signed_as_django_signs_them() {
    for vector in vectors("timestamp_signer", 5) {
        let signer = vector.timestamp_signer();
        let seconds = vector.seconds();
        assert_eq!(signer.sign_at(vector.value(), seconds), vector.signed());
        assert_eq!(signer.unsign_with_timestamp(vector.signed()), Ok((vector.value(), seconds)));
    }
}

#[test]
fn base_62_goes_both_ways() {
    for vector in vectors("b62", 10) {
        let number = vector.value().parse().unwrap();
        assert_eq!(b62_encode(number), vector.signed());
        assert_eq!(b62_decode(vector.signed()), Ok(number));
    }
}

#[test]
fn objects_are_signed_as_django_signs_them() {
    let (mut same, mut compressed, mut by_fallback) = (0, 0, 0);
    for vector in vectors("dumps", 55) {
        let signer = vector.timestamp_signer();
        let json = vector.obj_json.as_deref().unwrap();
        assert_eq!(signer.unsign_json(vector.signed(), None).unwrap(), json);

        let signed = signer.sign_json_at(json, vector.compress, vector.seconds());
        assert_eq!(signer.unsign_json(&signed, None).unwrap(), json);
        if vector.note.is_some() {
            assert_ne!(signed, vector.signed(), "new values take the main key");
            by_fallback += 1;
        } else if vector.signed().starts_with('.') {
            assert!(vector.compress && signed.starts_with('.'), "{json}");
            compressed += 1;
        } else {
            assert_eq!(signed, vector.signed());
            same += 1;
        }
    }
    assert_eq!((same, compressed, by_fallback), (48, 6, 1));
}

#[test]
fn age_is_judged_as_django_judges_it() {
    for vector in vectors("max_age", 10) {
        let signer = vector.timestamp_signer();
        let now = vector.now.unwrap();
        assert!(vector.max_age.is_some());
        let verdict = match signer.unsign_at(vector.signed(), now, vector.max_age) {
            Ok(_) => "ok",
            Err(Error::SignatureExpired(_)) => "SignatureExpired",
            Err(other) => panic!("{other}"),
        };
        let case = format!("now {now}, max_age {:?}", vector.max_age);
        assert_eq!(Some(verdict), vector.expect.as_deref(), "{case}");
        let json = signer.unsign_json(vector.signed(), None).unwrap();
        assert_eq!(Some(json), vector.obj_json);
    }
}

#[test]
fn objects_are_read_as_django_reads_them() {
    for vector in vectors("loads", 31) {
        let name = vector.name.as_deref().unwrap();
        let read = vector.timestamp_signer().unsign_json(vector.signed(), None);
        match vector.expect.as_deref().unwrap() {
            "ok" => {
                let again = vector.obj_json.as_deref().unwrap();
                assert_eq!(read.unwrap(), as_written(name).unwrap_or(again), "{name}");
            }
            exception => {
                let error = read.unwrap_err();
                assert!(is_like(&error, exception, name), "{name}: {error:?}");
            }
        }
    }
}

/// The signed text, where Django's `dumps(loads(text))` is another text with the same meaning. Here the
/// text stays as written.
fn as_written(name: &str) -> Option<&'static str> {
    match name {
        "dup keys" => Some(r#"{"a":1,"a":2}"#),
        "raw latin-1 byte" => Some(r#"{"a":"é"}"#),
        "raw utf-8 bytes read as latin-1" => Some(r#"{"a":"Ã©"}"#),
        "raw DEL" => Some("{\"a\":\"\x7f\"}"),
        "1E400" => Some(r#"{"a":1E400}"#),
        "-0" => Some(r#"{"a":-0}"#),
        _ => None,
    }
}

fn is_like(error: &Error, exception: &str, name: &str) -> bool {
    match (exception, name) {
        ("BadSignature", _) => error == &Error::BadSignature(BadSignature),
        ("JSONDecodeError", _) | (_, "int 4301 digits") => matches!(error, Error::BadJson { .. }),
        ("RecursionError", _) => matches!(error, Error::JsonTooDeep { .. }),
        ("ValueError", "no timestamp" | "timestamp bad char") => error == &Error::BadTimestamp,
        ("error", _) => error == &Error::BadZlib,
        _ => false,
    }
}

/// The part of a session that is only signing.
#[test]
fn session_data_is_signed_as_django_signs_it() {
    let mut generated = 0;
    for vector in vectors("session", 36) {
        let signer = vector.timestamp_signer();
        let session_data = vector.session_data.as_deref().unwrap();
        let json = signer.unsign_json(session_data, None).unwrap();
        match (&vector.obj_json, &vector.obj_gen) {
            (Some(expected), None) => assert_eq!(&json, expected),
            (None, Some(_)) => {
                let sha256 = digest::digest(&digest::SHA256, json.as_bytes());
                assert_eq!(Some(to_hex(sha256.as_ref())), vector.obj_sha256);
                generated += 1;
            }
            _ => panic!("a vector has one of obj_json and obj_gen"),
        }

        assert!(vector.compress);
        let (_, timestamp) = signer.unsign_with_timestamp(session_data).unwrap();
        let signed = signer.sign_json_at(&json, true, timestamp);
        assert_eq!(signed.starts_with('.'), session_data.starts_with('.'));
        assert_eq!(signer.unsign_json(&signed, None).unwrap(), json);
        if !signed.starts_with('.') && vector.note.is_none() {
            assert_eq!(signed, session_data);
        }
    }
    assert_eq!(generated, 2);
}

#[test]
fn the_session_auth_hash_is_djangos() {
    let mut fallbacks_seen = 0;
    for vector in vectors("auth", 16) {
        let password = vector.password.as_deref().unwrap();
        let hash = vector.session_auth_hash.as_deref().unwrap();
        let hmac = |secret: &[u8]| SaltedHmac::new(&vector.salt, secret, Algorithm::Sha256);

        let main = hmac(&vector.secret());
        assert_eq!(main.hexdigest(password), hash);
        assert!(main.verify_hex(password, hash));
        assert!(!main.verify_hex("another password", hash));

        let fallbacks = vector.fallbacks();
        let hashes = &vector.session_auth_fallback_hashes;
        assert_eq!(fallbacks.len(), hashes.len());
        for (secret, hash) in fallbacks.iter().zip(hashes) {
            assert!(hmac(secret).verify_hex(password, hash));
            assert!(!main.verify_hex(password, hash));
            fallbacks_seen += 1;
        }
    }
    assert!(fallbacks_seen > 0);
}

/// The hash of columns with and without a password, under text keys.
#[test]
fn the_session_auth_hash_of_any_column_is_djangos() {
    const SALT: &str = "django.contrib.auth.models.AbstractBaseUser.get_session_auth_hash";
    let lines = include_str!("vectors-writes.jsonl").lines();
    let vectors = lines.map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    let mut count = 0;
    for vector in vectors.filter(|vector| vector["kind"] == "hash") {
        let hash = |secret: &serde_json::Value| {
            let secret = secret.as_str().unwrap();
            let hmac = SaltedHmac::new(SALT, secret, Algorithm::Sha256);
            hmac.hexdigest(vector["password_column"].as_str().unwrap())
        };
        assert_eq!(hash(&vector["secret_key"]), vector["expect"]["session_auth_hash"]);
        let fallbacks = vector["fallbacks"].as_array().unwrap();
        let hashes: Vec<_> = fallbacks.iter().map(hash).collect();
        assert_eq!(serde_json::json!(hashes), vector["expect"]["fallback_hashes"]);
        count += 1;
    }
    assert_eq!(count, 12);
}

#[test]
fn salted_hmac_is_djangos() {
    for vector in vectors("salted_hmac", 5) {
        let digest = salted_hmac(
            vector.key_salt.as_deref().unwrap(),
            vector.value(),
            vector.secret(),
            vector.algorithm().expect("a supported algorithm"),
        );
        assert_eq!(Some(to_hex(&digest)), vector.hex);
    }
}
