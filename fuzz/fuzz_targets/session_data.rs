//! Any text in the column `session_data`: without the secret nobody gets one through.

#![no_main]

use std::sync::LazyLock;

use actix_django_session::{
    DecodeError, DjangoSettings, SessionData, SessionSigner,
    signing::{Error, Signer},
};
use libfuzzer_sys::fuzz_target;

// Those of the sessions in tests/vectors.jsonl, so that some in the corpus are genuine.
const SECRET: &str = "s3cr3t-key";
const OLD_SECRET: &str = "old-key";
const SALT: &str = "django.contrib.sessions.SessionStore";

static SIGNER: LazyLock<SessionSigner> = LazyLock::new(|| {
    let mut settings = DjangoSettings::new(SECRET);
    settings.secret_key_fallbacks = vec![OLD_SECRET.into()];
    SessionSigner::new(&settings).unwrap()
});
static KEYS: LazyLock<[Signer; 2]> =
    LazyLock::new(|| [SECRET, OLD_SECRET].map(|key| Signer::new(key).unwrap().salt(SALT)));

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    // The signature has to be the very text that is written by somebody who knows a secret.
    let is_genuine = text
        .rsplit_once(':')
        .is_some_and(|(value, signature)| KEYS.iter().any(|key| key.signature(value) == signature));
    match SessionData::decode(text, &SIGNER) {
        Ok(read) => {
            assert!(is_genuine);
            let again = SessionData::decode(&read.encode(&SIGNER), &SIGNER).unwrap();
            assert!(read.iter().eq(again.iter()));
        }
        Err(DecodeError::Signing(Error::BadSignature(_))) => assert!(!is_genuine),
        Err(_) => assert!(is_genuine),
    }

    // A genuine one with the text in it somewhere, or some of its own missing.
    let signed = KEYS[0].sign("e30:1r31eq");
    let at = data.len() % (signed.len() + 1);
    let (before, behind) = signed.split_at(at);
    let added = [before, text, behind].concat();
    let cut = [before, text, behind.get(1..).unwrap_or_default()].concat();
    for changed in [added, cut] {
        let decoded = SessionData::decode(&changed, &SIGNER);
        match changed == signed {
            true => assert!(decoded.unwrap().is_empty()),
            false => assert!(decoded.is_err(), "{changed:?}"),
        }
    }
});
