//! Random sites and requests, answered by the real packages and by a middleware with the exported
//! settings.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use testbed::{Django, Rng, seed};

use super::{
    bed::{Answer, Bed, answers},
    random::{random_request, random_site},
};

const SITES: usize = 100;
const REQUESTS: usize = 60;

#[testbed::test]
async fn random_requests_get_the_answers_of_the_framework() {
    let mut rng = Rng(seed());
    let mut outcome = BTreeMap::<String, usize>::new();
    let versions = Django::available().unwrap();
    // The total is the same for any number of Django versions.
    let sites = SITES / versions.len();
    for django in versions {
        let bed = Bed::start(django).await;
        for _ in 0..sites {
            let site = random_site(&mut rng, algorithms(django));
            let requests: Vec<_> =
                (0..REQUESTS).map(|_| random_request(&mut rng, &bed, &site)).collect();
            let question = json!({
                "cmd": "rest_answers", "rest_framework": site.rest_framework, "jwt": site.simple_jwt,
                "requests": requests,
            });
            let theirs = bed.ask(question).await;
            let exported = &theirs["exported"]["found"];
            let theirs = theirs["answers"].as_array().unwrap();
            let mut settings = bed.settings(exported);
            site.hand_over_signing_key(&mut settings.rest_framework);
            let ours = answers(bed.site(settings), &requests, theirs).await;
            for ((request, theirs), ours) in requests.iter().zip(theirs).zip(ours) {
                let context =
                    format!("{django}\n{site:?}\n{request}\n{theirs}\n{ours:?}\n{exported}");
                *outcome.entry(compare(request, theirs, &ours, &context)).or_default() += 1;
            }
        }
    }
    println!("{outcome:#?}");
    // A comparison without any case of a verdict says nothing about it.
    for verdict in VERDICTS {
        assert!(outcome.keys().any(|kind| kind.contains(verdict)), "no {verdict}");
    }
}

/// Algorithms with a public key that SimpleJWT supports: the older version has no PS.
fn algorithms(django: Django) -> &'static [(&'static str, &'static str)] {
    let all = &[
        ("RS256", "rsa"),
        ("RS512", "rsa"),
        ("ES256", "p256"),
        ("ES384", "p384"),
        ("PS256", "rsa"),
        ("PS384", "rsa"),
        ("EdDSA", "ed25519"),
    ];
    if django == Django::V4_2 { &all[..4] } else { all }
}

/// The verdicts that must occur.
const VERDICTS: &[&str] = &[
    "200 session",
    "200 basic",
    "200 token",
    "200 jwt",
    "200 null",
    "401 Authentication credentials were not provided.",
    "403 Authentication credentials were not provided.",
    "403 You do not have permission to perform this action.",
    "CSRF Failed: CSRF cookie not set.",
    "CSRF Failed: CSRF token missing.",
    "Invalid basic header. Credentials not correctly base64 encoded.",
    "Invalid username/password.",
    "Invalid token.",
    "User inactive or deleted.",
    "token_not_valid Token",
    "Token has no 'exp' claim",
    "Token has wrong type",
    "user_not_found",
    "user_inactive",
    "password_changed",
    "bad_authorization_header",
    "Token contained no recognizable user identification",
    "405 Method",
    "500",
];

/// Compares status, body and challenge; if the framework fails, a refusal is right. Returns the
/// kind of answer.
fn compare(request: &Value, theirs: &Value, ours: &Answer, context: &str) -> String {
    let status = theirs["status"].as_u64().unwrap();
    if status == 500 {
        assert!(matches!(ours.status, 401 | 403), "{context}");
        let code = &ours.body["code"];
        assert!(code == "token_not_valid" || code == "user_not_found", "{context}");
        return format!("500, refused: {code}");
    }
    assert_eq!(u64::from(ours.status), status, "{context}");
    assert_eq!(ours.www_authenticate.as_deref(), theirs["www_authenticate"].as_str(), "{context}");
    assert_eq!(ours.allow.as_deref(), theirs["allow"].as_str(), "{context}");
    let method = request["method"].as_str().unwrap();
    if method == "HEAD" || (method == "OPTIONS" && status == 200) {
        return format!("{status} {method}");
    }
    let body: Value = serde_json::from_str(theirs["body"].as_str().unwrap()).unwrap();
    assert_eq!(ours.body, body, "{context}");
    match status {
        200 => format!("200 {}", body["by"].as_str().unwrap_or("null")),
        _ => {
            let message = body["messages"][0]["message"].as_str().unwrap_or_default();
            let (code, detail) = (body["code"].as_str().unwrap_or_default(), &body["detail"]);
            format!("{status} {} {code} {message}", detail.as_str().unwrap())
        }
    }
}
