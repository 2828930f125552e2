//! Sessions that six versions of Django saved: the `session` lines of `tests/vectors.jsonl`.

use actix_django_session::{DjangoSettings, SessionData, SessionSigner};
use ring::digest::{SHA256, digest};
use serde_json::Value;

#[test]
fn every_session_that_django_saved_is_read_and_written_back() {
    let mut count = 0;
    for line in include_str!("../../vectors.jsonl").lines() {
        let vector: Value = serde_json::from_str(line).unwrap();
        if vector["kind"] != "session" {
            continue;
        }
        count += 1;
        let fallbacks = vector["fallbacks_hex"].as_array().unwrap();
        let mut settings = DjangoSettings::new(unhex(&vector["secret_key_hex"]));
        settings.secret_key_fallbacks = fallbacks.iter().map(unhex).map(Into::into).collect();
        settings.session_key_salt = vector["salt"].as_str().unwrap().into();
        let signer = SessionSigner::new(&settings).unwrap();

        let data = SessionData::decode(vector["session_data"].as_str().unwrap(), &signer).unwrap();
        let json = data.to_json();
        match vector["obj_json"].as_str() {
            Some(expected) => assert_eq!(json, expected, "{line}"),
            None => {
                let digest = digest(&SHA256, json.as_bytes());
                assert_eq!(digest.as_ref(), unhex(&vector["obj_sha256"]), "{line}");
            }
        }
        let again = SessionData::decode(&data.encode(&signer), &signer).unwrap();
        assert_eq!(again.to_json(), json, "{line}");

        let other_site = SessionSigner::new(&DjangoSettings::new("another key")).unwrap();
        let stolen = SessionData::decode(vector["session_data"].as_str().unwrap(), &other_site);
        assert!(stolen.is_err(), "{line}");
    }
    assert_eq!(count, 36);
}

fn unhex(text: &Value) -> Vec<u8> {
    let text = text.as_str().unwrap();
    let pairs = (0..text.len()).step_by(2).map(|i| &text[i..i + 2]);
    pairs.map(|pair| u8::from_str_radix(pair, 16).unwrap()).collect()
}
