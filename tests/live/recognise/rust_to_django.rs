//! Django reads the sessions that Rust writes.

use actix_django_session::{SessionData, SessionSigner};
use serde_json::{Value, json};
use testbed::Django;

use crate::beds::{Bed, Rng, seed, settings};

fn signer() -> SessionSigner {
    SessionSigner::new(&settings()).unwrap()
}

#[testbed::test]
async fn django_reads_every_value_that_rust_inserts() {
    let mut values = vec![
        json!(null),
        json!(true),
        json!(0),
        json!(-1),
        json!(u64::MAX),
        json!(i64::MIN),
        json!(0.1),
        json!(-0.0),
        json!(1.0),
        json!(1e16),
        json!(1e-7),
        json!(f64::MAX),
        json!(f64::MIN_POSITIVE),
        json!(5e-324),
        json!(""),
        json!("\0\u{1}\u{8}\t\n\u{c}\r\u{1f}\"\\/\u{7f}\u{80}\u{a0}é漢😀\u{2028}\u{feff}\u{ffff}"),
        json!("x".repeat(1 << 20)),
        json!([]),
        json!({}),
        json!({ "é": [1, { "": [null] }], "b": { "a": 2, "A": 1 } }),
    ];
    let mut rng = Rng(seed());
    values.extend((0..300).map(|_| value(&mut rng, 0)));
    let entries: Vec<_> = values
        .iter()
        .enumerate()
        .map(|(i, value)| (if i % 7 == 0 { format!("k\u{e9}\"{i}") } else { i.to_string() }, value))
        .collect();
    let mut data = SessionData::new();
    for (key, value) in &entries {
        data.insert(key, value).unwrap();
    }
    let session_data = data.encode(&signer());
    assert!(session_data.starts_with('.'), "this much is compressed");
    assert!(session_data.is_ascii());
    for django in Django::available().unwrap() {
        let bed = Bed::of(django).await;
        let read = bed.ask(json!({ "cmd": "decode", "session_data": session_data })).await;
        // Python read the same values from the JSON of this question.
        let set = json!({ "cmd": "edit", "session_data": "", "edits": entries });
        assert_eq!(read["json"], bed.ask(set).await["json"], "{django}");
        // The keys are in the order of insertion, as Django writes them.
        let encoded = bed.ask(json!({ "cmd": "encode", "json_text": data.to_json() })).await;
        let djangos = SessionData::decode(encoded["session_data"].as_str().unwrap(), &signer());
        assert_eq!(djangos.unwrap().to_json(), data.to_json(), "{django}");
    }
}

#[testbed::test]
async fn small_sessions_are_byte_for_byte_what_django_writes() {
    for django in Django::available().unwrap() {
        let bed = Bed::of(django).await;
        // Sizes around the one at which compression begins to save space.
        for n in [0, 1, 10, 11, 12, 13, 40, 200] {
            let mut data = SessionData::new();
            data.insert("a", &"a".repeat(n)).unwrap();
            let rust = data.encode(&signer());
            let answer = bed.ask(json!({ "cmd": "encode", "json_text": data.to_json() })).await;
            let django_text = answer["session_data"].as_str().unwrap();
            assert_eq!(rust.starts_with('.'), django_text.starts_with('.'), "{django} {n}");
            if !rust.starts_with('.') {
                let body = |text: &str| text.split(':').next().unwrap().to_owned();
                assert_eq!(body(&rust), body(django_text), "{django} {n}");
            }
            let read = bed.ask(json!({ "cmd": "decode", "session_data": rust })).await;
            let read: Value = serde_json::from_str(read["json"].as_str().unwrap()).unwrap();
            assert_eq!(read, json!({ "a": "a".repeat(n) }), "{django} {n}");
        }
    }
}

/// For Django an edit in Rust is the same as `session[key] = value` and `del session[key]`. It leaves
/// values that serde_json cannot hold exactly as they were.
#[testbed::test]
async fn django_sees_edits_of_its_sessions_and_nothing_else_changed() {
    let seed = seed();
    for django in Django::available().unwrap() {
        let bed = Bed::of(django).await;
        let made = bed.ask(json!({ "cmd": "make_sessions", "seed": seed ^ 1, "count": 300 })).await;
        let mut rng = Rng(seed);
        let mut edited = Vec::new();
        for session in made["sessions"].as_array().unwrap() {
            let row = bed.ask(json!({ "cmd": "get_row", "key": session["key"] })).await;
            let text = row["row"]["session_data"].as_str().unwrap();
            let Ok(mut data) = SessionData::decode(text, &signer()) else { continue };
            let mut edits = Vec::new();
            for _ in 0..=rng.below(4) {
                let existing = data.iter().map(|(key, _)| key.into_owned()).collect::<Vec<_>>();
                // A lone surrogate in a key is read as U+FFFD, so Rust cannot name such a key.
                let existing = existing.iter().filter(|key| !key.contains('\u{fffd}'));
                let existing = existing.collect::<Vec<_>>();
                let key = match existing.len() {
                    0 => "né w".to_owned(),
                    n if rng.below(4) > 0 => existing[rng.below(n)].clone(),
                    _ => "né w".to_owned(),
                };
                if rng.below(2) == 0 {
                    let value = value(&mut rng, 0);
                    data.insert(&key, &value).unwrap();
                    edits.push(json!([key, value]));
                } else {
                    data.remove(&key);
                    edits.push(json!([key]));
                }
            }
            edited.push((
                json!({ "cmd": "edit", "session_data": text, "edits": edits }),
                json!({ "cmd": "decode", "session_data": data.encode(&signer()) }),
            ));
        }
        assert!(edited.len() > 150, "{}", edited.len());
        let (by_django, by_rust): (Vec<_>, Vec<_>) = edited.into_iter().unzip();
        let expected = bed.oracle.ask_all(by_django.clone()).await.unwrap();
        let found = bed.oracle.ask_all(by_rust).await.unwrap();
        for ((expected, found), question) in expected.iter().zip(found).zip(by_django) {
            assert_eq!(found["warned"], false, "{django}, seed {seed}: {question}");
            assert!(expected["json"].is_string(), "{expected}");
            assert_eq!(found["json"], expected["json"], "{django}, seed {seed}: {question}");
        }
    }
}

fn value(rng: &mut Rng, depth: usize) -> Value {
    match rng.below(if depth < 4 { 8 } else { 5 }) {
        0 => json!(rng.pick(&["", "a", "é漢", "\u{1f600}\u{7f}", "\"\\/\n", "<script>"])),
        1 => json!(rng.below(usize::MAX) as i64),
        2 => json!(f64::from_bits(rng.below(usize::MAX) as u64)),
        3 => json!(rng.below(1_000_000) as f64 / 64.0),
        4 => [json!(null), json!(true), json!(false)][rng.below(3)].clone(),
        5 | 6 => (0..rng.below(4)).map(|_| value(rng, depth + 1)).collect(),
        _ => {
            let entry = |rng: &mut Rng| (rng.below(50).to_string(), value(rng, depth + 1));
            (0..rng.below(4)).map(|_| entry(rng)).collect::<serde_json::Map<_, _>>().into()
        }
    }
}
