//! Comparison with a running Django, in batches: the same answers, and a reference that can be trusted.

use actix_django_session::{
    DjangoSessionMiddleware, DjangoSettings, DjangoSite, SessionData, SessionSigner,
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
use tokio::sync::OnceCell;
use tokio_postgres::NoTls;

use super::{
    cases,
    json::{dictionary_text, place, soup},
    reference, seed,
};

/// Random cases of a kind, without shrinking.
fn random<S: Strategy>(count: usize, strategy: S) -> Vec<S::Value> {
    let mut runner = TestRunner::new(cases(1));
    (0..count).map(|_| strategy.new_tree(&mut runner).unwrap().current()).collect()
}

/// The answers of each Django that is installed.
async fn ask(questions: Vec<Value>) -> Vec<(Django, Vec<Value>)> {
    static BEDS: [OnceCell<TestBed>; Django::ALL.len()] =
        [const { OnceCell::const_new() }; Django::ALL.len()];

    let mut answers = Vec::new();
    for django in Django::available().unwrap() {
        let index = Django::ALL.iter().position(|&other| other == django).unwrap();
        let start = async || TestBed::start(django).await.unwrap();
        let oracle = BEDS[index].get_or_init(start).await.oracle().await.unwrap();
        answers.push((django, oracle.ask_all(questions.clone()).await.unwrap()));
    }
    answers
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

/// Django's decoded value, in its own words; null where it finds none.
fn dictionary(answer: &Value) -> Option<&str> {
    assert_eq!(answer["warned"], false, "the signature is right");
    answer["json"].as_str().filter(|json| *json != "{}")
}

/// Each body is read by Django and here. What was read here is written again and read by Django.
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
    for (django, answers) in ask(questions).await {
        let (first, second) = answers.split_at(bodies.len());
        let mut second = second.iter();
        let mut accepted = 0;
        for ((body, answer), rewritten) in bodies.iter().zip(first).zip(&rewritten) {
            let ours = rewritten.as_ref().and_then(|_| dictionary(second.next().unwrap()));
            assert_eq!(ours, dictionary(answer), "{django}, seed {}: {body:?}", seed());
            accepted += usize::from(ours.is_some());
        }
        let few = bodies.len() / 20;
        let range = few..bodies.len() - few;
        assert!(range.contains(&accepted), "{accepted} of {} are read", bodies.len());
    }
}

#[tokio::test]
async fn json_is_accepted_as_python_accepts_it() {
    // Inside a dictionary, because Django treats a failure as an empty one; or after one.
    let inside = soup().prop_map(|text| format!("{{\"k\":{text}}}"));
    let behind = soup().prop_map(|text| format!("{{\"k\":1}}{text}"));
    let texts = random(3_000, prop_oneof![8 => inside, 1 => behind, 4 => dictionary_text()]);
    let texts: Vec<_> = texts
        .into_iter()
        // How Python handles a nesting of 2,000 differs (V17).
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
            // Unused bits.
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
            // A leading dot would mean a compressed value.
            body.insert_str(at.max(1), junk);
        }
        if standard {
            body = body.replace('-', "+").replace('_', "/");
        }
        // Python 3.13 reads on behind padding, so nothing follows.
        body + &"=".repeat(pads)
    });
    read_by_both(random(2_000, body)).await;
}

/// The fuzz targets and these tests rely on the reference: this test shows that they may.
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
    // Whether there is an exception.
    questions.extend(texts.iter().map(|text| json!({ "cmd": "encode", "json_text": text })));
    for (django, answers) in ask(questions).await {
        let (cookies, encoded) = answers.split_at(headers.len());
        for (header, answer) in headers.iter().zip(cookies) {
            let seen = answer["cookies"]["sessionid"].as_str();
            let case = format!("{django}, seed {}: {}", seed(), header.escape_ascii());
            assert_eq!(reference::cookie(header, "sessionid").as_deref(), seen, "{case}");
        }
        for (text, answer) in texts.iter().zip(encoded) {
            let refused = answer["error"].as_str();
            let case = format!("{django}, seed {}, {refused:?}: {text:?}", seed());
            assert_eq!(reference::parse_json(text).is_none(), refused.is_some(), "{case}");
        }
    }
}

/// Login URLs of any shape, on this host and on others (L1, L3).
#[testbed::test]
async fn any_login_url_is_redirected_to_as_django_does() {
    const HOSTS: &[&str] =
        &["example.com", "EXAMPLE.com", "example.com:80", "example.com:8000", "other.com", "[::1]"];
    const STARTS: &[&str] = &[
        "", "", "/", "/login/", "//", "http:", "http:/", "http:///", "https:", "HTTPS:", "mailto:",
        "1a:", "a+b-c.d:", " /", "\t//", "//user@", "ftp:",
    ];
    const CHARACTERS: &[&str] = &[
        "/", "/", "a", "B", ".", "..", "é", "漢", "😀", "%20", "%C3%A9", "%", "%zz", " ", "+", "&",
        "=", "?", "#", ";x", ":", "@", "\"", "'", "<", ">", "\\", "^", "`", "{", "|", "}", "~",
        "!", "$", "(", ")", "*", ",", "[", "]", "\t", "\n", "\r", "\x0b", "\x1f", "\x7f", "\u{a0}",
    ];
    const WORDS: &[&str] =
        &["next=", "next", "next=/x&", "n%65xt=y", "//", "http:", "//example.com", "\u{2028}"];
    let piece = || prop_oneof![4 => select(CHARACTERS), 1 => select(WORDS)];
    let login_url = (
        select(STARTS),
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
    let all = random(4_000, case);
    // Without URLs that the server does not accept, and without `http:////x`, an empty host and the path
    // `//x`, which each Python reads differently.
    let is_case = |login_url: &str, target: &str| {
        !login_url.replace(['\t', '\r', '\n'], "").contains("///") && target.parse::<Uri>().is_ok()
    };
    let all: Vec<_> =
        all.into_iter().filter(|(login_url, .., target)| is_case(login_url, target)).collect();
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
    // No server is needed: a visitor without a cookie needs no database.
    let url = Some("postgres://user@127.0.0.1:1/none".into());
    let pool = Config { url, ..Config::default() }.create_pool(Some(Runtime::Tokio1), NoTls);
    let pool = pool.unwrap();
    let mut compared = 0;
    for (i, (login_url, field, host, https, target)) in all.iter().enumerate() {
        // As in the oracle: any host may be named in the way back.
        let mut settings = settings();
        settings.login_url = login_url.into();
        settings.allowed_hosts = vec!["*".into()];
        settings.secure_proxy_ssl_header = Some(("X-Proto".into(), "https".into()));
        let site = DjangoSite::new(pool.clone(), settings).unwrap();
        let middleware = DjangoSessionMiddleware::required(site).redirect_field_name(*field);
        let app = App::new().wrap(middleware).default_service(web::to(async || "never"));
        let app = test::init_service(app).await;
        let request = test::TestRequest::with_uri(target)
            .insert_header(("host", *host))
            .insert_header(("x-proto", if *https { "https" } else { "http" }));
        let response = test::call_service(&app, request.to_request()).await;
        assert_eq!(response.status(), 302);
        let ours = response.headers().get("location").unwrap().to_str().unwrap();
        // Django has no answer to some: a host in brackets that is not an address, for example.
        let locations: Vec<_> =
            answers.iter().filter_map(|(_, answers)| answers[i]["location"].as_str()).collect();
        let case = format!("seed {}: {ours}, not {locations:?}: {:?}", seed(), all[i]);
        assert!(locations.iter().all(|location| *location == ours), "{case}");
        compared += usize::from(!locations.is_empty());
    }
    assert!(compared > all.len() * 2 / 3, "{compared} of {} are compared", all.len());
}
