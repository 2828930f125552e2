//! Forms with files compared with a running Django, with the parts in any order.

use std::collections::BTreeMap;

use actix_django_session::DjangoSettings;
use serde_json::{Map, Value, json};
use testbed::Django;

use super::{
    bodies::{MULTIPART, Sender, app, part},
    differential::{compare, kind},
    requests::{
        CsrfAnswer, CsrfRequest, CsrfSettings, Layer, MASKED, OTHER, SECRET, answers, multipart,
    },
};
use crate::beds::{Bed, Rng, seed};

const TOKEN: &str = "csrfmiddlewaretoken";

/// More than fits into the memory limit.
const LARGE: usize = 2_700_000;

fn token(text: &str) -> Vec<u8> {
    part(TOKEN, None, text.as_bytes())
}

fn file(size: usize) -> Vec<u8> {
    part("up", Some("a.bin"), &vec![b'x'; size])
}

fn form(parts: &[Vec<u8>]) -> Vec<u8> {
    [&parts.concat()[..], b"--XyZ--\r\n"].concat()
}

fn request(body: Vec<u8>, in_header: Option<&str>) -> CsrfRequest {
    let mut headers = vec![
        ("Host".into(), b"example.com".to_vec()),
        ("Cookie".into(), format!("csrftoken={SECRET}").into_bytes()),
        (MULTIPART.0.into(), MULTIPART.1.as_bytes().to_vec()),
    ];
    headers.extend(in_header.map(|token| ("X-CSRFToken".to_owned(), token.as_bytes().to_vec())));
    let (scheme, port, view) = ("http", 80, "plain");
    let (method, session, layers) = ("POST".into(), Value::Null, Layer::one());
    CsrfRequest { method, scheme, port, headers, body, view, session, layers }
}

fn question(requests: &[CsrfRequest]) -> Value {
    let questions: Vec<_> = requests.iter().map(CsrfRequest::question).collect();
    json!({ "cmd": "csrf_answers", "settings": {}, "requests": questions })
}

async fn djangos(bed: &Bed, question: &Value) -> Vec<Value> {
    bed.ask(question.clone()).await["answers"].as_array().unwrap().clone()
}

/// Django checks what comes after a valid token; by then the middleware has passed the body on
/// (CD10).
fn is_passed_on(request: &CsrfRequest, djangos: &Value, ours: &CsrfAnswer) -> bool {
    let is_right =
        || request.header("X-CSRFToken").is_some() || request.has(SECRET) || request.has(MASKED);
    ours.status == 200 && (djangos["status"] == 403 || djangos["status"] == 400) && is_right()
}

fn no_settings() -> CsrfSettings {
    CsrfSettings(Map::new())
}

#[testbed::test]
async fn the_token_is_found_wherever_django_finds_it() {
    let cut = |parts: &[Vec<u8>], bytes: usize| {
        let mut body = form(parts);
        body.truncate(body.len() - bytes);
        body
    };
    // Starts of a boundary, a longer boundary, and line ends, at every position of a piece.
    let tricks = b"\r\n--XyX\r\n--Xy\n--xyz\r\n-- XyZ\r\r\n-".repeat(LARGE / 30);
    let longer = part("up", Some("a"), b"\r\n--XyZabc\r\n\r\nx");
    let fields = |count: usize| (0..count).flat_map(|_| part("a", None, b"")).collect::<Vec<_>>();
    let files: Vec<u8> = (0..101).flat_map(|_| part("f", Some("a"), b"")).collect();
    let large_field = part("text", None, &vec![b'x'; LARGE]);
    let base64 = format!(
        "--XyZ\r\nContent-Disposition: form-data; name=\"{TOKEN}\"\r\n\
         Content-Transfer-Encoding: base64\r\n\r\nWkp4Q3JGUXNCWW9RN2tIeklETjFFaVNHek9Xcnp6VVI=\r\n"
    );
    let text = part("text", None, b"tea");
    let no_line_end = [&file(LARGE)[..file(LARGE).len() - 2], &token(SECRET)].concat();
    let same = [
        ("token before the file", form(&[token(MASKED), file(LARGE)]), 200),
        ("several times as much before the token", form(&[file(3 * LARGE), token(MASKED)]), 200),
        (
            "fields around",
            form(&[text.clone(), file(LARGE), text.clone(), token(SECRET), text]),
            200,
        ),
        ("between two files", form(&[file(LARGE), token(SECRET), file(LARGE)]), 200),
        ("two files before", form(&[file(LARGE), file(LARGE), token(SECRET)]), 200),
        ("in base64", form(&[file(LARGE), base64.into_bytes()]), 200),
        ("no line end before it", form(&[no_line_end]), 200),
        ("missing", form(&[file(LARGE)]), 403),
        ("empty", form(&[file(LARGE), token("")]), 403),
        ("wrong", form(&[file(LARGE), token(OTHER)]), 403),
        ("as a file", form(&[file(LARGE), part(TOKEN, Some("a"), SECRET.as_bytes())]), 403),
        ("wrong, then right", form(&[file(LARGE), token(OTHER), token(SECRET)]), 200),
        ("wrong, file, right", form(&[token(OTHER), file(LARGE), token(SECRET)]), 200),
        ("no closing boundary", cut(&[file(LARGE), token(SECRET)], 9), 403),
        ("half a closing boundary", cut(&[file(LARGE), token(SECRET)], 5), 403),
        ("only the last dashes missing", cut(&[file(LARGE), token(SECRET)], 4), 200),
        ("cut in the token", cut(&[file(LARGE), token(SECRET)], 20), 403),
        ("cut in the head", cut(&[file(LARGE), token(SECRET)], 80), 403),
        ("cut in the file", file(LARGE), 403),
        ("boundaries in the file", form(&[part("up", Some("a"), &tricks), token(SECRET)]), 200),
        ("a longer boundary", form(&[file(LARGE), longer, token(SECRET)]), 200),
        ("a huge field", form(&[file(10), large_field.clone(), token(SECRET)]), 400),
        ("too many fields", form(&[file(LARGE), fields(1001), token(SECRET)]), 400),
        ("as many as may be", form(&[file(LARGE), fields(999), token(SECRET)]), 200),
        ("too many files", form(&[file(LARGE), files, token(SECRET)]), 400),
        ("nothing but a boundary", [&b"--XyZ"[..], &vec![b'x'; LARGE]].concat(), 400),
    ];
    let passed_on = [
        ("right, then wrong", form(&[file(LARGE), token(SECRET), file(50_000), token(OTHER)]), 403),
        ("right, file, wrong", form(&[token(SECRET), file(LARGE), token(OTHER)]), 403),
        ("a huge field behind", form(&[token(SECRET), large_field]), 400),
        ("too many fields behind", form(&[token(SECRET), file(LARGE), fields(1001)]), 400),
    ];
    let header = [
        ("header, no field", form(&[file(LARGE)]), 200, 200),
        ("header, wrong field", form(&[file(LARGE), token(OTHER)]), 403, 200),
    ];
    let (mut names, mut requests) = (Vec::new(), Vec::new());
    for (name, body, django) in same {
        names.push((name, django, django));
        requests.push(request(body, None));
    }
    for (name, body, django) in passed_on {
        names.push((name, django, 200));
        requests.push(request(body, None));
    }
    for (name, body, django, ours) in header {
        names.push((name, django, ours));
        requests.push(request(body, Some(MASKED)));
    }
    let question = question(&requests);
    let ours = answers(DjangoSettings::new("k"), &requests).await;
    for version in Django::available().unwrap() {
        let djangos = djangos(Bed::of(version).await, &question).await;
        for ((((name, django, our), request), djangos), ours) in
            names.iter().zip(&requests).zip(&djangos).zip(&ours)
        {
            // Older versions look for the end of a part's header further than 1024 bytes (V30).
            let is_older = version == Django::V4_2 && *name == "nothing but a boundary";
            let outcome = (djangos["status"].as_u64(), u64::from(ours.status));
            let reason = &ours.reason;
            assert!(
                outcome == (Some(*django), *our) || is_older,
                "{version}, {name}: {outcome:?}, {djangos}, {reason:?}"
            );
            if django == our && !is_older {
                compare_upload(request, djangos, ours);
            } else {
                assert!(is_older || is_passed_on(request, djangos, ours), "{name}");
            }
        }
    }
}

/// Without the body in the message.
fn compare_upload(request: &CsrfRequest, djangos: &Value, ours: &CsrfAnswer) {
    assert!(ours.body == if ours.status == 200 { &request.body[..] } else { b"" });
    let (request, ours) = (
        CsrfRequest { body: Vec::new(), ..request.clone() },
        CsrfAnswer {
            body: Vec::new(),
            reason: ours.reason.clone(),
            set_cookie: ours.set_cookie.clone(),
            token: ours.token.clone(),
            ..*ours
        },
    );
    compare(&no_settings(), &request, djangos, &ours);
}

#[testbed::test]
async fn random_uploads_get_the_verdict_of_django() {
    let mut rng = Rng(seed());
    let requests: Vec<_> = (0..80)
        .map(|_| {
            let mut body = multipart(&mut rng);
            // A file at the start of any part, or at the end of the form.
            let starts: Vec<_> =
                (0..body.len()).filter(|&at| body[at..].starts_with(b"--XyZ")).collect();
            let at = if starts.is_empty() { 0 } else { *rng.choose(&starts) };
            let size = 2_621_440 - 2_000 + rng.below(40_000);
            body.splice(at..at, file(size));
            let in_header = *rng.choose(&[None, None, None, Some(MASKED), Some(OTHER)]);
            request(body, in_header)
        })
        .collect();
    let question = question(&requests);
    let ours = answers(DjangoSettings::new("k"), &requests).await;
    let mut outcome = BTreeMap::<String, usize>::new();
    for version in Django::available().unwrap() {
        let (mut alike, mut passed_on) = (0, 0);
        let djangos = djangos(Bed::of(version).await, &question).await;
        for ((request, djangos), ours) in requests.iter().zip(&djangos).zip(&ours) {
            // As in the random requests without files (V30, V31).
            if version != Django::V6_1 && request.has("base64") {
                continue;
            }
            if is_passed_on(request, djangos, ours) {
                passed_on += 1;
                continue;
            }
            compare_upload(request, djangos, ours);
            *outcome.entry(kind(djangos)).or_default() += 1;
            alike += 1;
        }
        println!("{version}: {alike} alike, {passed_on} passed on");
        assert!(alike > 50 && passed_on > 0, "{version}: {alike} alike, {passed_on} passed on");
    }
    println!("{outcome:#?}");
    assert!(outcome.len() >= 4, "{outcome:#?}");
}

#[testbed::test]
async fn a_file_of_20_mb_before_the_token_reaches_the_handler_complete() {
    let app = app(DjangoSettings::new("k"));
    let mut rng = Rng(3);
    let noise: Vec<u8> = (0..20_000_000).map(|_| rng.below(256) as u8).collect();
    let body = form(&[part("up", Some("a.bin"), &noise), token(MASKED)]);
    let length = body.len().to_string();
    let headers = [MULTIPART, ("Content-Length", length.as_str())];
    let mut sender = Sender::to(&app, "/pieces", &headers).await;
    sender.send(&body).await;
    let (status, got) = sender.answer().await;
    assert!(status == 200 && got == body, "{status}, {} bytes", got.len());

    let mut sender = Sender::to(&app, "/upload", &headers).await;
    sender.send(&body).await;
    let parts = b"up: 20000000, csrfmiddlewaretoken: 64".to_vec();
    assert_eq!(sender.answer().await, (200, parts));

    // The same with a wrong token, and without one.
    for last in [token(OTHER), part("x", None, b"")] {
        let body = form(&[part("up", Some("a.bin"), &noise), last]);
        let length = body.len().to_string();
        let headers = [MULTIPART, ("Content-Length", length.as_str())];
        let mut sender = Sender::to(&app, "/pieces", &headers).await;
        sender.send(&body).await;
        assert_eq!(sender.answer().await, (403, Vec::new()));
    }
}
