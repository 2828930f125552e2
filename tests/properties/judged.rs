//! Against a running Django, in batches: the same answer, and a reference that deserves the name.

use actix_django_session::{
    DjangoSessionMiddleware, DjangoSettings, SessionData, SessionSigner, SessionStore,
    signing::TimestampSigner,
};
use actix_web::{App, http::Uri, test, web};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use deadpool_postgres::{Config, Runtime};
use proptest::{
    collection::vec,
    prelude::*,
    sample::{Index, select},
    strategy::ValueTree,
    test_runner::TestRunner,
};
use serde_json::{Value, json};
use testbed::{Django, Settings, TestBed};
use tokio_postgres::NoTls;

use super::{
    cases,
    json::{dictionary_text, place, soup},
    reference, seed,
};

/// Random cases of a kind, without an attempt to make them smaller.
fn random<S: Strategy>(count: usize, strategy: S) -> Vec<S::Value> {
    let mut runner = TestRunner::new(cases(1));
    (0..count).map(|_| strategy.new_tree(&mut runner).unwrap().current()).collect()
}

async fn ask(questions: Vec<Value>) -> Vec<Value> {
    let bed = TestBed::start(Django::default()).await.unwrap();
    bed.judge().await.unwrap().ask_all(questions).await.unwrap()
}

fn latin1(bytes: &[u8]) -> String {
    bytes.iter().copied().map(char::from).collect()
}

fn settings() -> DjangoSettings {
    DjangoSettings::new(Settings::SECRET_KEY)
}

fn sign(body: &str) -> String {
    let signer = TimestampSigner::new(Settings::SECRET_KEY).unwrap();
    signer.salt("django.contrib.sessions.SessionStore").sign(body)
}

/// What Django decodes, in its own words; null where it finds nothing.
fn dictionary(answer: &Value) -> Option<&str> {
    assert_eq!(answer["warned"], false, "the signature is right");
    answer["json"].as_str().filter(|json| *json != "{}")
}

/// Each body is read by Django and here; what was read here is written, and read by Django again.
async fn read_by_both(bodies: Vec<String>) {
    let signer = SessionSigner::new(&settings()).unwrap();
    let mut questions = Vec::new();
    let mut rewritten = Vec::new();
    let question = |session_data: &str| json!({ "cmd": "decode", "session_data": session_data });
    for body in &bodies {
        let session_data = sign(body);
        questions.push(question(&session_data));
        let data = SessionData::decode(&session_data, &signer).ok();
        rewritten.push(data.map(|data| data.encode(&signer)));
    }
    questions.extend(rewritten.iter().flatten().map(|session_data| question(session_data)));
    let answers = ask(questions).await;
    let (first, second) = answers.split_at(bodies.len());
    let mut second = second.iter();
    let mut accepted = 0;
    for ((body, answer), rewritten) in bodies.iter().zip(first).zip(rewritten) {
        let ours = rewritten.and_then(|_| dictionary(second.next().unwrap()));
        assert_eq!(ours, dictionary(answer), "seed {}: {body:?}", seed());
        accepted += usize::from(ours.is_some());
    }
    assert!(accepted > bodies.len() / 20, "{accepted} of {} are read", bodies.len());
    assert!(accepted < bodies.len() * 19 / 20, "{accepted} of {} are read", bodies.len());
}

#[tokio::test]
async fn what_is_json_is_decided_as_python_decides_it() {
    // In a dictionary, for Django takes failure for an empty one; or after one.
    let inside = soup().prop_map(|text| format!("{{\"k\":{text}}}"));
    let behind = soup().prop_map(|text| format!("{{\"k\":1}}{text}"));
    let texts = random(3_000, prop_oneof![8 => inside, 1 => behind, 4 => dictionary_text()]);
    let texts: Vec<_> = texts
        .into_iter()
        // A nesting of 2,000 is Python's business (V17).
        .filter(|text| text.bytes().filter(|b| matches!(b, b'[' | b'{')).count() < 600)
        .collect();
    read_by_both(texts.iter().map(|text| URL_SAFE_NO_PAD.encode(text)).collect()).await;
}

#[tokio::test]
async fn any_byte_is_read_as_latin_1() {
    let text = (any::<u8>(), any::<u8>(), vec(any::<u8>(), 0..6), 0..3).prop_map(
        |(a, b, inside, place)| match place {
            0 => [b"{\"k\":\"", &inside[..], b"\"}"].concat(),
            1 => [b"{\"", &[a, b][..], b"\":[\"\\ud8", &inside, b"\"]}"].concat(),
            _ => [&[a][..], b"{\"k\":1,\"l\":[", &[b], b"1]}"].concat(),
        },
    );
    let texts = random(1_500, text);
    read_by_both(texts.iter().map(|text| URL_SAFE_NO_PAD.encode(text)).collect()).await;
}

#[tokio::test]
async fn base64_is_read_as_python_reads_it() {
    let body = (
        "[a-z~?>é]{0,9}",
        vec((any::<Index>(), select(&["!", " ", "\n", "é", "\0", ".", ":", "~"][..])), 0..3),
        (any::<bool>(), 0..4_usize, 0..2_usize, any::<u8>()),
    );
    let body = body.prop_map(|(text, junk, (standard, pads, cut, low_bits))| {
        let mut body = URL_SAFE_NO_PAD.encode(format!("{{\"k\":\"{text}\"}}"));
        if low_bits < 64 && body.len() % 4 != 0 {
            // Bits that stand for nothing.
            let last = body.pop().unwrap();
            body.push(
                char::from_u32(u32::from(last) ^ 1)
                    .filter(char::is_ascii_alphanumeric)
                    .unwrap_or(last),
            );
        }
        body.truncate(body.len() - cut);
        for (at, junk) in junk {
            let at = place(&body, at);
            // A dot in front would mean a compressed one.
            body.insert_str(at.max(1), junk);
        }
        if standard {
            body = body.replace('-', "+").replace('_', "/");
        }
        // Python 3.13 reads on behind them, so nothing follows.
        body + &"=".repeat(pads)
    });
    read_by_both(random(2_000, body)).await;
}

/// The fuzz targets and the tests here believe the reference: this is why they may.
#[tokio::test]
async fn the_reference_is_python() {
    const NAMES: &[&[u8]] =
        &[b"sessionid", b" sessionid", b"sessionid\xc2\xa0", b"SESSIONID", b"x", b"\xff", b""];
    const PIECES: &[&[u8]] = &[
        b"\"",
        b"\"",
        b"\\",
        b"\\1",
        b"01",
        b"\\377",
        b"\\400",
        b"\\\"",
        b"'",
        b"=",
        b",",
        b" ",
        b"\t",
        b"\xc2\xa0",
        b"\xe3\x80\x80",
        b"\xc3\xa9",
        b"\x85",
        b"\xf0\x9f",
        b"a",
        b"%61",
        b"\xed\xa0\x80",
    ];
    const EQUALS: &[&[u8]] = &[b"=", b"=", b"=", b" = ", b""];
    let any_byte = (0x20..=0xff_u8).prop_filter("no header", |byte| *byte != 0x7f);
    let value = prop_oneof![
        3 => vec(select(PIECES), 0..7).prop_map(|pieces| pieces.concat()),
        1 => vec(any_byte, 0..9),
        1 => vec(b'"'..=b'9', 0..6).prop_map(|inner| [b"\"", &inner[..], b"\\0", &inner, b"\""].concat()),
    ];
    let cookie = (select(NAMES), select(EQUALS), value);
    let cookie = cookie.prop_map(|(name, equals, value)| [name, equals, &value].concat());
    let headers = random(2_500, vec(cookie, 0..5).prop_map(|cookies| cookies.join(&b';')));
    let texts = random(1_500, soup());
    let texts: Vec<_> = texts.into_iter().filter(|text| !text.contains(&"[".repeat(600))).collect();

    let mut questions: Vec<_> = headers
        .iter()
        .map(|header| json!({ "cmd": "parse_cookie", "cookie": latin1(header) }))
        .collect();
    // An exception, or not.
    questions.extend(texts.iter().map(|text| json!({ "cmd": "encode", "json_text": text })));
    let answers = ask(questions).await;
    let (cookies, encoded) = answers.split_at(headers.len());
    for (header, answer) in headers.iter().zip(cookies) {
        let seen = answer["cookies"]["sessionid"].as_str();
        let case = format!("seed {}: {}", seed(), header.escape_ascii());
        assert_eq!(reference::cookie(header, "sessionid").as_deref(), seen, "{case}");
    }
    for (text, answer) in texts.iter().zip(encoded) {
        let refused = answer["error"].as_str();
        let case = format!("seed {}, {refused:?}: {text:?}", seed());
        assert_eq!(reference::parse_json(text).is_none(), refused.is_some(), "{case}");
    }
}

/// Login pages of any shape, on this host and on others (L1, L3).
#[actix_web::test]
async fn any_login_url_is_redirected_to_as_django_does() {
    const HOSTS: &[&str] =
        &["example.com", "EXAMPLE.com", "example.com:80", "example.com:8000", "other.com", "[::1]"];
    let piece = || {
        select(
            &[
                "/",
                "/",
                "a",
                "B",
                ".",
                "..",
                "é",
                "漢",
                "😀",
                "%20",
                "%C3%A9",
                "%",
                "%zz",
                " ",
                "+",
                "&",
                "=",
                "?",
                "#",
                ";",
                ":",
                "@",
                "\"",
                "'",
                "<",
                ">",
                "\\",
                "^",
                "`",
                "{",
                "|",
                "}",
                "~",
                "!",
                "$",
                "(",
                ")",
                "*",
                ",",
                "[",
                "]",
                "\t",
                "\n",
                "\r",
                "\x0b",
                "\x1f",
                "\x7f",
                "\u{a0}",
                "\u{2028}",
                "next=",
                "next",
                "next=/x&",
                "n%65xt=y",
                "//",
                "http:",
                "//example.com",
            ][..],
        )
    };
    let start = select(
        &[
            "",
            "",
            "/",
            "/login/",
            "//",
            "http:",
            "http:/",
            "http:///",
            "https:",
            "HTTPS:",
            "mailto:",
            "1a:",
            "a+b-c.d:",
            " /",
            "\t//",
            "//user@",
            "javascript:",
            "ftp:",
        ][..],
    );
    let login_url = (
        start,
        any::<bool>(),
        select(HOSTS),
        vec(piece(), 0..6),
        vec(piece(), 0..8),
        any::<bool>(),
    );
    let login_url = login_url.prop_map(|(start, has_host, host, path, query, has_query)| {
        let host = if has_host { ["//", host].concat() } else { String::new() };
        let query = if has_query { format!("?{}", query.concat()) } else { String::new() };
        format!("{start}{host}/{}{query}", path.concat())
    });
    let field = select(&["next", "next", "next", "", "back to", "é&="][..]);
    let target = "/[ -~]{0,12}(\\?[ -~]{0,12})?|/[a./%]{0,8}";
    let case = (login_url, field, select(HOSTS), any::<bool>(), target);
    let all = random(2_500, case);
    // What the server does not let in.
    let all: Vec<_> =
        all.into_iter().filter(|(.., target)| target.parse::<Uri>().is_ok()).collect();
    assert!(all.len() > 1_000, "{} targets", all.len());

    let questions = all.iter().map(|(login_url, field, host, https, target)| {
        // A fragment is not sent.
        let target = target.split('#').next().unwrap();
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        json!({
            "cmd": "redirect", "login_url": login_url, "field": field, "host": host,
            "scheme": if *https { "https" } else { "http" }, "path": path, "query": query,
        })
    });
    let answers = ask(questions.collect()).await;
    // Nobody is asked: a visitor without a cookie needs no database.
    let config =
        Config { url: Some("postgres://nobody@127.0.0.1:1/none".into()), ..Config::default() };
    let pool = config.create_pool(Some(Runtime::Tokio1), NoTls).unwrap();
    let (mut compared, mut long) = (0, 0);
    for ((login_url, field, host, https, target), answer) in all.iter().zip(answers) {
        let settings = settings().login_url(login_url).secure_proxy_ssl_header("X-Proto", "https");
        let Ok(store) = SessionStore::new(pool.clone(), settings) else {
            continue;
        };
        let gate = DjangoSessionMiddleware::required(store).redirect_field_name(*field);
        let app =
            test::init_service(App::new().wrap(gate).default_service(web::to(async || "never")))
                .await;
        let request = test::TestRequest::with_uri(target)
            .insert_header(("host", *host))
            .insert_header(("x-proto", if *https { "https" } else { "http" }));
        let response = test::call_service(&app, request.to_request()).await;
        let case = format!("seed {}: {login_url:?} {field:?} {host} {https} {target}", seed());
        match answer["location"].as_str() {
            Some(location) => {
                let ours = response.headers().get("location").map(|l| l.to_str().unwrap());
                assert_eq!(ours, Some(location), "{case}");
                compared += 1;
            }
            // Django has no answer to these: a host in brackets that is no address, for one.
            None => {
                assert!(response.status().as_u16() == 302, "{case}");
                long += 1;
            }
        }
    }
    assert!(compared > 1_000, "{compared} compared, {long} have no answer of Django's");
}
