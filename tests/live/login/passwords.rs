//! Passwords compared with Django's `check_password`, with valid and damaged encodings of every kind.

use actix_django_session::{DjangoSettings, PasswordHasher};
use serde_json::{Value, json};
use testbed::{Django, With};

use crate::beds::{Bed, seed, settings};

/// A cheap hasher of each kind that this Django has, rotated to the left by `places`.
fn hashers(django: Django, places: usize) -> Vec<PasswordHasher> {
    let mut hashers = vec![
        PasswordHasher::Pbkdf2Sha256 { iterations: 1000 },
        PasswordHasher::Pbkdf2Sha1 { iterations: 1000 },
        PasswordHasher::Argon2 { time_cost: 1, memory_cost: 64, parallelism: 2 },
        PasswordHasher::BcryptSha256 { rounds: 4 },
        PasswordHasher::Bcrypt { rounds: 4 },
        PasswordHasher::Scrypt { work_factor: 16, block_size: 8, parallelism: 1 },
        PasswordHasher::Md5,
    ];
    if django == Django::V4_2 {
        hashers.extend([
            PasswordHasher::Sha1,
            PasswordHasher::UnsaltedMd5,
            PasswordHasher::UnsaltedSha1,
        ]);
    }
    hashers.rotate_left(places);
    hashers
}

/// The class attributes of Django's hashers.
fn in_python(hasher: &PasswordHasher) -> Value {
    let mut attributes = match *hasher {
        PasswordHasher::Pbkdf2Sha256 { iterations } | PasswordHasher::Pbkdf2Sha1 { iterations } => {
            json!({ "iterations": iterations })
        }
        PasswordHasher::Argon2 { time_cost, memory_cost, parallelism } => {
            json!({ "time_cost": time_cost, "memory_cost": memory_cost, "parallelism": parallelism })
        }
        PasswordHasher::BcryptSha256 { rounds } | PasswordHasher::Bcrypt { rounds } => {
            json!({ "rounds": rounds })
        }
        PasswordHasher::Scrypt { work_factor, block_size, parallelism } => json!({
            "work_factor": work_factor, "block_size": block_size, "parallelism": parallelism,
        }),
        _ => json!({}),
    };
    attributes["algorithm"] = hasher.algorithm().into();
    attributes
}

fn settings_with(hashers: &[PasswordHasher]) -> DjangoSettings {
    settings().with(|s| s.password_hashers = Some(hashers.to_vec()))
}

#[testbed::test]
async fn every_encoded_password_is_checked_as_django_checks_it() {
    for django in Django::available().unwrap() {
        let bed = Bed::of(django).await;
        let all = hashers(django, 0);
        let algorithms: Vec<_> = all.iter().map(PasswordHasher::algorithm).collect();
        let made = bed
            .ask(json!({
                "cmd": "make_passwords", "seed": seed(), "count": 1000, "algorithms": algorithms,
            }))
            .await;
        let checks = made["passwords"].as_array().unwrap();
        let in_python: Vec<_> = all.iter().map(in_python).collect();
        let verdicts = bed
            .ask(json!({ "cmd": "check_passwords", "checks": checks, "hashers": in_python }))
            .await;
        let site = bed.site_with(settings_with(&all));
        let (mut right, mut wrong, mut errors) = (0, 0, 0);
        for (check, verdict) in checks.iter().zip(verdicts["verdicts"].as_array().unwrap()) {
            let (password, encoded) = (check[0].as_str().unwrap(), check[1].as_str().unwrap());
            let ours = site.check_password(password, encoded).await.unwrap();
            let case = format!("{django}: {password:?} {encoded:?} {verdict}");
            match verdict["right"].as_bool() {
                Some(theirs) => assert_eq!(ours, theirs, "{case}"),
                // If Django raises an error, the password is refused.
                None => assert!(!ours, "{case}"),
            }
            right += usize::from(ours);
            wrong += usize::from(verdict["right"] == false);
            errors += usize::from(verdict["error"].is_string());
        }
        assert!(right > 200 && wrong > 200 && errors > 30, "{right}, {wrong}, {errors}");
    }
}

#[testbed::test]
async fn django_accepts_the_passwords_that_are_encoded_here() {
    for django in Django::available().unwrap() {
        let bed = Bed::of(django).await;
        for places in 0..hashers(django, 0).len() {
            let hashers = hashers(django, places);
            let site = bed.site_with(settings_with(&hashers));
            let mut checks = Vec::new();
            for password in ["", "pässword-1", &"long".repeat(18), "漢字"] {
                let encoded = site.make_password(password).await.unwrap();
                checks.push(json!([password, encoded]));
            }
            let in_python: Vec<_> = hashers.iter().map(in_python).collect();
            let question =
                json!({ "cmd": "check_passwords", "checks": checks, "hashers": in_python });
            let verdicts = bed.ask(question).await;
            for verdict in verdicts["verdicts"].as_array().unwrap() {
                let good = json!({ "right": true, "update": false });
                assert_eq!(verdict, &good, "{django}, {:?}", hashers[0]);
            }
        }
    }
}
