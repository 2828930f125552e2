//! What six versions of Django answered: `tests/vectors-writes.jsonl`.

#![allow(clippy::unwrap_used)] // a test may

use std::cell::RefCell;

use serde_json::Value;

use super::{CustomHashers, Hashers, Run, Unusable, Verdict, hasher};
use crate::settings::{DEFAULT_PASSWORD_HASHERS, PasswordHasher};

fn vectors(kind: &str) -> Vec<Value> {
    let lines = include_str!("../../../tests/vectors-writes.jsonl").lines();
    let vectors = lines.map(|line| serde_json::from_str(line).unwrap());
    vectors.filter(|vector: &Value| vector["kind"] == kind).collect()
}

/// Django's own list in one of the six versions.
fn defaults_of(version: &str) -> Vec<PasswordHasher> {
    let defaults = vectors("defaults");
    let of_version =
        |vector: &&Value| vector["versions"].as_array().unwrap().contains(&version.into());
    let expect = &defaults.iter().find(of_version).unwrap()["expect"];
    let number = |value: &Value| u32::try_from(value.as_u64().unwrap()).unwrap();
    vec![
        PasswordHasher::Pbkdf2Sha256 { iterations: number(&expect["pbkdf2_sha256_iterations"]) },
        PasswordHasher::Pbkdf2Sha1 { iterations: number(&expect["pbkdf2_sha1_iterations"]) },
        PasswordHasher::Argon2 {
            time_cost: number(&expect["argon2"][0]),
            memory_cost: number(&expect["argon2"][1]),
            parallelism: number(&expect["argon2"][2]),
        },
        PasswordHasher::BcryptSha256 { rounds: number(&expect["bcrypt_rounds"]) },
        PasswordHasher::Scrypt {
            work_factor: number(&expect["scrypt"][0]),
            block_size: number(&expect["scrypt"][1]),
            parallelism: number(&expect["scrypt"][2]),
        },
    ]
}

/// The same list with this algorithm first.
fn preferring(algorithm: Option<&str>, mut list: Vec<PasswordHasher>) -> Vec<PasswordHasher> {
    if let Some(algorithm) = algorithm {
        list.sort_by_key(|hasher| hasher.algorithm() != algorithm);
        assert_eq!(list[0].algorithm(), algorithm);
    }
    list
}

/// The verdict, and the hashers that ran.
fn verify(list: &[PasswordHasher], password: &str, encoded: &str) -> (Verdict, Vec<Run>) {
    let runs = RefCell::new(Vec::new());
    let on_run = |run| runs.borrow_mut().push(run);
    let verdict =
        Hashers::new(list, &CustomHashers::new(), &on_run).verify_password(password, encoded);
    (verdict, runs.into_inner())
}

/// The runs as the vectors write them: `pbkdf2_sha256$default-1000`, `bcrypt_sha256 * 256`, `argon2 verify`.
fn runs(text: &str, default_iterations: u32) -> Vec<Run> {
    let (hasher, times) = text.split_once(" * ").unwrap_or((text, "1"));
    let (algorithm, cost) = hasher.split_once('$').unwrap_or((hasher, ""));
    let cost = match cost.strip_prefix("default") {
        Some("") => default_iterations,
        Some(less) => default_iterations - less[1..].parse::<u32>().unwrap(),
        // The rounds of bcrypt are part of the encodings: 4 and 12.
        None => cost.parse().unwrap_or(1),
    };
    let algorithm = algorithm.split(' ').next().unwrap();
    let hashers = defaults_of("6.1.3");
    let hasher = hashers.iter().find(|hasher| hasher.algorithm() == algorithm).unwrap();
    let algorithm = hasher.built_in_algorithm();
    vec![Run { algorithm, cost }; times.parse().unwrap()]
}

/// A site without `PASSWORD_HASHERS` has the defaults of its Django version. Here these are those of 5.2.
#[test]
fn the_hashers_that_are_not_set_are_djangos() {
    assert_eq!(vectors("defaults").len(), 6);
    assert_eq!(DEFAULT_PASSWORD_HASHERS[..], defaults_of("5.2.19"));
}

#[test]
fn passwords_are_checked_as_django_checks_them_and_at_its_price() {
    let mut priced_otherwise = Vec::new();
    let mut count = 0;
    for vector in vectors("password") {
        let text = |name: &str| vector[name].as_str().unwrap();
        // Versions with the same answer share a line. One version of the line is enough.
        let list = defaults_of(vector["versions"][0].as_str().unwrap());
        let PasswordHasher::Pbkdf2Sha256 { iterations: default } = list[0] else { panic!() };
        let list = preferring(vector["preferred"].as_str(), list);
        let (verdict, spent) = verify(&list, text("password"), text("encoded"));
        count += 1;

        let expect = &vector["expect"];
        let case = format!("{}: {}", text("id"), text("note"));
        if expect["error"].is_string() {
            assert_eq!(verdict, Verdict::Unusable(Unusable::Malformed), "{case}");
            assert_eq!(spent.len(), 1, "{case}");
            continue;
        }
        let must_update = match verdict {
            Verdict::Correct { must_update } => Some(must_update),
            Verdict::Wrong | Verdict::Unusable(_) => None,
        };
        assert_eq!(must_update.is_some(), expect["ok"], "{case}");
        assert_eq!(must_update.unwrap_or(false), expect["upgrade"], "{case}");
        let theirs = expect["hash_runs"].as_array().unwrap().iter();
        let theirs: Vec<_> = theirs.flat_map(|run| runs(run.as_str().unwrap(), default)).collect();
        let is_alike = |run: &Run, other: &Run| {
            run.algorithm == other.algorithm
                && (run.cost == other.cost || run.algorithm == "bcrypt_sha256")
        };
        let is_alike = spent.len() == theirs.len()
            && spent.iter().zip(&theirs).all(|(run, other)| is_alike(run, other));
        if !is_alike {
            priced_otherwise.push(text("note").to_owned());
        }
    }
    // No password fits these encodings. A check costs one run of the first hasher.
    let expected =
        ["iterations 0 means the default: refused", "argon2, damaged", "bcrypt_sha256, one $"];
    assert_eq!(priced_otherwise, expected);
    assert_eq!(count, 78);
}

#[test]
fn passwords_are_encoded_as_django_encodes_them() {
    let mut count = 0;
    for vector in vectors("password_encode") {
        let text = |name: &str| vector[name].as_str().unwrap();
        let iterations = vector["iterations"].as_u64().map(|n| u32::try_from(n).unwrap());
        let version = vector["versions"].as_array().unwrap().last().unwrap().as_str().unwrap();
        let of = match (text("algorithm"), iterations) {
            ("pbkdf2_sha256", Some(iterations)) => PasswordHasher::Pbkdf2Sha256 { iterations },
            ("pbkdf2_sha1", Some(iterations)) => PasswordHasher::Pbkdf2Sha1 { iterations },
            ("md5", None) => PasswordHasher::Md5,
            (algorithm, None) => preferring(Some(algorithm), defaults_of(version))[0].clone(),
            other => panic!("{other:?}"),
        };
        let encoded = hasher(&of).unwrap().encode(text("password"), text("salt"), &|_| ());
        assert_eq!(encoded.ok().as_deref(), vector["expect"]["encoded"].as_str(), "{vector}");
        count += 1;
    }
    assert_eq!(count, 12);
}

#[test]
fn what_an_encoding_asks_for_is_paid_up_to_a_limit() {
    let list = [
        PasswordHasher::Pbkdf2Sha256 { iterations: 3 },
        PasswordHasher::Argon2 { time_cost: 1, memory_cost: 8, parallelism: 1 },
        PasswordHasher::Scrypt { work_factor: 2, block_size: 1, parallelism: 1 },
        PasswordHasher::BcryptSha256 { rounds: 4 },
        PasswordHasher::Bcrypt { rounds: 4 },
    ];
    let salt = "abcdefghijklmnopqrstuv";
    let (long, b64) = ("A".repeat(43), "c2FsdHNhbHRzYWx0c2FsdA");
    for encoded in [
        format!("pbkdf2_sha256$4294967295${salt}${long}="),
        format!("pbkdf2_sha256$99999999999999999999${salt}${long}="),
        format!("argon2$argon2id$v=19$m=4294967295,t=1,p=1${b64}${long}"),
        format!("argon2$argon2id$v=19$m=8,t=4294967295,p=1${b64}${long}"),
        format!("argon2$argon2id$v=19$m=8,t=1,p=1${b64}${}", "A".repeat(4_000)),
        format!("scrypt$2147483648${salt}$8$1${long}="),
        format!("scrypt$2${salt}$4294967295$4294967295${long}="),
        format!("bcrypt_sha256$$2b$31${salt}{}", "a".repeat(31)),
        format!("bcrypt$$2b$99${salt}{}", "a".repeat(31)),
    ] {
        let (verdict, runs) = verify(&list, "password", &encoded);
        assert_eq!(verdict, Verdict::Unusable(Unusable::Malformed), "{encoded}");
        assert_eq!(runs, [Run { algorithm: "pbkdf2_sha256", cost: 3 }], "{encoded}");
    }
}

#[test]
fn what_is_encoded_is_verified_and_needs_no_update() {
    for of in [
        PasswordHasher::Pbkdf2Sha256 { iterations: 3 },
        PasswordHasher::Pbkdf2Sha1 { iterations: 3 },
        PasswordHasher::Argon2 { time_cost: 1, memory_cost: 8, parallelism: 1 },
        PasswordHasher::Scrypt { work_factor: 2, block_size: 1, parallelism: 1 },
        PasswordHasher::BcryptSha256 { rounds: 4 },
        PasswordHasher::Bcrypt { rounds: 4 },
        PasswordHasher::Md5,
        PasswordHasher::Sha1,
        PasswordHasher::UnsaltedMd5,
        PasswordHasher::UnsaltedSha1,
    ] {
        for password in ["", "pässword", "NUL \0 inside", &"long".repeat(500)] {
            let encoded = Hashers::new(std::slice::from_ref(&of), &CustomHashers::new(), &|_| ())
                .make_password(password)
                .unwrap();
            assert!(encoded.len() <= 128, "{encoded}");
            let (verdict, runs) = verify(std::slice::from_ref(&of), password, &encoded);
            assert_eq!(verdict, Verdict::Correct { must_update: false }, "{encoded}");
            assert_eq!(runs.len(), 1);
            assert_eq!(
                verify(std::slice::from_ref(&of), "another", &encoded).0,
                Verdict::Wrong,
                "{encoded}"
            );
        }
    }
}

/// Other programs write the table too, so an encoding can be any text.
#[test]
fn any_text_in_the_column_is_answered() {
    let mut list = defaults_of("6.1.3");
    list[0] = PasswordHasher::Pbkdf2Sha256 { iterations: 1 };
    list.extend([PasswordHasher::Bcrypt { rounds: 4 }, PasswordHasher::Md5, PasswordHasher::Sha1]);
    list.extend([PasswordHasher::UnsaltedMd5, PasswordHasher::UnsaltedSha1]);
    const PIECES: [&str; 28] = [
        "pbkdf2_sha256",
        "pbkdf2_sha1",
        "argon2",
        "argon2id",
        "argon2i",
        "bcrypt_sha256",
        "bcrypt",
        "scrypt",
        "md5",
        "sha1",
        "$",
        "$",
        "$",
        "$",
        "2b",
        "04",
        "4",
        "16",
        "v=19",
        "m=8,t=1,p=1",
        "m=08,t=1,p=1",
        "abcdefghijklmnopqrstuu",
        "=",
        "é",
        "\0",
        "!",
        "-1",
        " ",
    ];
    let mut state = 7_u64;
    let mut random = |below: usize| {
        // The high bits of Knuth's generator are random enough.
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(state >> 33).unwrap() % below
    };
    for _ in 0..20_000 {
        let encoded: String = (0..random(12)).map(|_| PIECES[random(PIECES.len())]).collect();
        let (verdict, runs) = verify(&list, "password", &encoded);
        assert!(!matches!(verdict, Verdict::Correct { .. }), "{encoded}");
        assert!(!runs.is_empty(), "{encoded}");
    }
}
