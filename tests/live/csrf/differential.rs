//! Random requests, sent to a running Django and to middlewares, one or several around each other.

use serde_json::{Value, json};
use testbed::Django;

use super::requests::{CsrfAnswer, CsrfRequest, CsrfSettings, OTHER, SECRET, answers, ascii};
use crate::beds::{Bed, Rng, seed};

const SITES: usize = 100;
const REQUESTS: usize = 60;

#[testbed::test]
async fn random_requests_get_the_verdict_of_django() {
    let mut outcome = std::collections::BTreeMap::<String, usize>::new();
    let mut rng = Rng(seed());
    let (mut alike, mut stricter) = (0, 0);
    let versions = Django::available().unwrap();
    // The total is the same for any number of Django versions.
    let sites = SITES / versions.len();
    for django in versions {
        let bed = Bed::of(django).await;
        for _ in 0..sites {
            let settings = CsrfSettings::random(&mut rng);
            let requests: Vec<_> =
                (0..REQUESTS).map(|_| CsrfRequest::random(&mut rng, &settings)).collect();
            let questions: Vec<_> = requests.iter().map(CsrfRequest::question).collect();
            let question =
                json!({ "cmd": "csrf_answers", "settings": settings.0, "requests": questions });
            let verdicts = bed.ask(question).await;
            let ours = answers(settings.ours(), &requests).await;
            // The same, with each form going through a temporary file.
            let mut on_disk = settings.ours();
            on_disk.max_form_memory = 0;
            let spooled = answers(on_disk, &requests).await;
            let verdicts = verdicts["answers"].as_array().unwrap();
            for (((request, djangos), ours), spooled) in
                requests.iter().zip(verdicts).zip(&ours).zip(&spooled)
            {
                // Older versions ignore bytes in it that are not base64 (V31).
                if django != Django::V6_1 && request.has("base64") {
                    continue;
                }
                if is_stricter(request, djangos, ours) {
                    stricter += 1;
                    continue;
                }
                compare(&settings, request, djangos, ours);
                compare(&settings, request, djangos, spooled);
                *outcome.entry(kind(djangos)).or_default() += 1;
                alike += 1;
            }
        }
    }
    println!("{alike} alike, {stricter} stricter than Django under a wildcard");
    assert!(alike >= 3_000 && stricter > 0, "{alike} alike, {stricter} stricter");
    // A comparison without any case of a verdict says nothing about it.
    println!("{outcome:#?}");
    assert!(outcome.len() >= 20, "{outcome:#?}");
}

/// What happened, without what was sent.
pub(super) fn kind(djangos: &Value) -> String {
    let reason = djangos["reason"].as_str().unwrap_or_default();
    let reason = match reason.split_once(" - ") {
        Some((check, rest)) if rest.ends_with("does not match any trusted origins.") => check,
        _ => reason,
    };
    format!("{} {reason}", djangos["status"])
}

/// If a wildcard matches text that is not a host, the middleware refuses (CD1).
fn is_stricter(request: &CsrfRequest, djangos: &Value, ours: &CsrfAnswer) -> bool {
    let is_odd = |name: &str| {
        request.header(name).is_some_and(|url| url.iter().any(|byte| b"\\@".contains(byte)))
    };
    let is_refused =
        ours.reason.as_deref().is_some_and(|reason| reason.contains("checking failed"));
    let was_refused = djangos["reason"].as_str().is_some_and(|r| r.contains("checking failed"));
    (is_odd("Origin") || is_odd("Referer")) && is_refused && !was_refused
}

pub(super) fn compare(
    settings: &CsrfSettings,
    request: &CsrfRequest,
    djangos: &Value,
    ours: &CsrfAnswer,
) {
    let case = || {
        let (question, layers) = (request.question(), &request.layers);
        format!("{settings:?}\n{question}\n{layers:?}\n{djangos}\n{ours:?}")
    };
    assert_eq!(djangos["status"], ours.status, "{}", case());
    if ours.status == 403 {
        let reason = djangos["reason"].as_str().map(ascii);
        assert_eq!(ours.reason, reason, "{}", case());
    }
    let sent: Vec<&str> =
        djangos["set_cookie"].as_array().unwrap().iter().map(|c| c.as_str().unwrap()).collect();
    assert_eq!(sent.len(), ours.set_cookie.len(), "{}", case());
    for (djangos, ours) in sent.iter().zip(&ours.set_cookie) {
        let is_kept = !is_new(request, djangos);
        assert_eq!(anonymous(djangos, is_kept), anonymous(ours, is_kept), "{}", case());
    }
    assert_eq!(
        djangos["token"].is_string() && djangos["token"] != "",
        ours.token.is_some(),
        "{}",
        case()
    );
    if djangos["reached"] == true {
        assert_eq!(ours.body, request.body, "{}", case());
    }
}

/// Whether the response has a secret that was not in the request.
fn is_new(request: &CsrfRequest, set_cookie: &str) -> bool {
    let secret = set_cookie.split(['=', ';']).nth(1).unwrap();
    let combined = unmasked(&format!("{SECRET}{OTHER}"));
    ![SECRET, OTHER, &combined].contains(&secret) || request.header("Cookie").is_none()
}

/// `_unmask_cipher_token`
fn unmasked(token: &str) -> String {
    const ALPHABET: &[u8] = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
    let index = |byte: u8| ALPHABET.iter().position(|&other| other == byte).unwrap();
    let (mask, cipher) = token.as_bytes().split_at(32);
    let letters = mask.iter().zip(cipher).map(|(&m, &c)| ALPHABET[(index(c) + 62 - index(m)) % 62]);
    letters.map(char::from).collect()
}

/// The cookie without the clock and, if it is new, without the secret.
fn anonymous(set_cookie: &str, is_kept: bool) -> String {
    let parts = set_cookie.split("; ").map(|part| match part.split_once('=') {
        Some(("expires", _)) => "expires=..".to_owned(),
        Some((name, value)) if !is_kept && name.contains("csrf") => {
            assert!(value.len() == 32 && value.bytes().all(|byte| byte.is_ascii_alphanumeric()));
            format!("{name}=..")
        }
        _ => part.to_owned(),
    });
    parts.collect::<Vec<_>>().join("; ")
}
