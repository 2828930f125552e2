//! `Cookie` headers: the crate finds the session key that Django finds in the same bytes.

use std::collections::BTreeSet;

use actix_django_session::DjangoSessionMiddleware;
use actix_web::{App, web};
use serde_json::json;
use testbed::{Django, Settings};

use crate::{
    app::{TestApp, routes},
    beds::{Bed, Rng, seed},
};

#[testbed::test]
async fn the_session_key_is_the_one_that_django_sees() {
    let seed = seed();
    let mut rng = Rng(seed);
    let headers: Vec<Vec<u8>> = (0..2_500).map(|_| header(&mut rng)).collect();
    for django in Django::available().unwrap() {
        // A separate database with a row for every key that Django finds in any header, so that
        // Rust finds the right row, a wrong row or no row.
        let bed = Bed::start(django, Settings::default()).await;
        let questions = headers
            .iter()
            .map(|header| json!({ "cmd": "parse_cookie", "cookie": latin1(header) }))
            .collect();
        let answers = bed.oracle.ask_all(questions).await.unwrap();
        let seen: Vec<_> =
            answers.iter().map(|answer| answer["cookies"]["sessionid"].as_str()).collect();
        // Keys that Django does not look up, and keys that no column or text of PostgreSQL can hold.
        let is_key = |key: &&str| (8..=40).contains(&key.chars().count()) && !key.contains('\0');
        let keys: BTreeSet<_> = seen.iter().copied().flatten().filter(is_key).collect();
        assert!(keys.len() > 500, "{} keys: the headers are too simple", keys.len());
        bed.ask(json!({ "cmd": "put_rows", "keys": keys })).await;

        let middleware = DjangoSessionMiddleware::optional(bed.site());
        let app = TestApp::start(move || {
            App::new().service(web::scope("").wrap(middleware.clone()).configure(routes))
        });
        for (header, seen) in headers.iter().zip(seen) {
            let found = app.get_with_cookie("/optional", header).await.json();
            assert_eq!(
                found["key"].as_str(),
                seen.filter(is_key),
                "{django}, seed {seed}: {}",
                header.escape_ascii()
            );
        }
    }
}

/// Several headers are read as one, as in HTTP/2, and as an ASGI server joins them.
#[testbed::test]
async fn several_cookie_headers_are_read_as_one() {
    let bed = Bed::shared().await;
    let middleware = DjangoSessionMiddleware::optional(bed.site());
    let app = TestApp::start(move || {
        App::new().service(web::scope("").wrap(middleware.clone()).configure(routes))
    });
    let (ada, grace) = (bed.login("ada").await, bed.login("grace").await);
    let (ada_cookie, grace_cookie) = (format!("sessionid={ada}"), format!("sessionid={grace}"));
    for (headers, key) in [
        ([ada_cookie.as_bytes(), grace_cookie.as_bytes()], &grace),
        ([ada_cookie.as_bytes(), b"x=y"], &ada),
        ([b"\xff\xfe", ada_cookie.as_bytes()], &ada),
    ] {
        let headers = headers.map(|header| ("Cookie", header));
        assert_eq!(app.get_with("/session", &headers).await.json()["key"], **key);
    }
}

fn latin1(bytes: &[u8]) -> String {
    bytes.iter().copied().map(char::from).collect()
}

/// Random bytes that an HTTP server accepts in a header.
fn header(rng: &mut Rng) -> Vec<u8> {
    const NAMES: &[&[u8]] = &[
        b"sessionid",
        b"sessionid",
        b"sessionid",
        b"sessionid",
        b" sessionid ",
        b"SESSIONID",
        b"sessionid2",
        b"\"sessionid\"",
        b"\xa0sessionid",
        b"\xc2\xa0sessionid",
        b"x",
        b"",
        b"$Path",
    ];
    const PIECES: &[&[u8]] = &[
        b"abcdefgh",
        b"ABCDEFGH",
        b"0123",
        b"xyz",
        b"-_.",
        b"\"",
        b"\"",
        b"'",
        b"\\",
        b"\\\"",
        b"\\141",
        b"\\351",
        b"\\400",
        b"\\9",
        b"\\\\",
        b"\\00",
        b"\\000",
        b"%61",
        b"%",
        b"=",
        b",",
        b", ",
        b" ",
        b"\t",
        b"\xc3\xa9",
        b"\xe9",
        b"\xff",
        b"\xf0\x9f\x98\x80",
        b"\xf0\x9f",
        b"\xed\xa0\x80",
        b"\xc2\xa0",
        b"\xc2\x85",
        b"\xe2\x80\x83",
        b"\xe3\x80\x80",
        b"\xef\xbb\xbf",
    ];
    const ENDS: &[&[u8]] = &[b";", b"; ", b"; ", b";;", b" ; ", b",", b"\xc2\xa0;"];
    let mut header = Vec::new();
    for _ in 0..=rng.below(4) {
        header.extend(rng.pick(NAMES));
        header.extend(rng.pick(&[&b"="[..], b"=", b"=", b" = ", b"==", b""]));
        let quoted = rng.below(3) == 0;
        let start = if rng.below(3) > 0 { rng.pick(&[&b"abcdefgh"[..], b"87654321"]) } else { b"" };
        header.extend(quoted.then_some(b'"'));
        header.extend(start);
        for _ in 0..rng.below(6) {
            header.extend(rng.pick(PIECES));
        }
        header.extend(quoted.then_some(b'"'));
        header.extend(rng.pick(ENDS));
    }
    header
}
