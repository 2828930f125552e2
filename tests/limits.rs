//! What is large, deep or numerous costs bounded time and memory and has a clear outcome.

#![allow(clippy::unwrap_used)] // a test may

use std::{
    env, fs,
    io::{Read, Write},
    net::TcpStream,
    process::{Child, Command, Stdio},
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use actix_django_session::{
    DecodeError, DjangoSessionMiddleware, DjangoSettings, DjangoUserId, SessionData, SessionKey,
    SessionSigner, SessionStore, signing,
};
use actix_web::{
    App, HttpServer,
    test::{TestRequest, call_service, init_service, read_body},
    web,
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use deadpool_postgres::{Config, Runtime};
use flate2::{Compression, write::ZlibEncoder};
use serde_json::{Value, json};
use testbed::{Django, Judge, Postgres, Settings, TestDatabase};
use tokio_postgres::NoTls;

const MIB: usize = 1 << 20;

/// Generous: unoptimised code. What grows with the square of the input would take a hundred times
/// as long.
const QUICKLY: Duration = Duration::from_secs(10);

/// For a machine that does something else.
const PATIENCE: Duration = Duration::from_secs(60);

/// What a thread does takes as long on a busy machine, in time of the processor. Where that is not
/// known, in time on the clock.
struct Stopwatch {
    processor: Option<Duration>,
    clock: Instant,
}

impl Stopwatch {
    fn start() -> Self {
        Self { processor: Self::processor(), clock: Instant::now() }
    }

    fn elapsed(&self) -> Duration {
        match (self.processor, Self::processor()) {
            (Some(start), Some(now)) => now - start,
            _ => self.clock.elapsed(),
        }
    }

    /// How long this thread has been on a processor.
    fn processor() -> Option<Duration> {
        let times = fs::read_to_string("/proc/thread-self/schedstat").ok()?;
        let nanoseconds = times.split(' ').next()?.parse().ok();
        nanoseconds.filter(|&spent| spent > 0).map(Duration::from_nanos)
    }
}

fn settings() -> DjangoSettings {
    DjangoSettings::new(Settings::SECRET_KEY)
}

fn signer() -> SessionSigner {
    SessionSigner::new(&settings()).unwrap()
}

/// Session data with this text in it, signed with the right key.
fn signed(text: &[u8], compressed: bool) -> String {
    let body = match compressed {
        true => compress(text),
        false => URL_SAFE_NO_PAD.encode(text),
    };
    sign(&body)
}

fn compress(text: &[u8]) -> String {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(text).unwrap();
    format!(".{}", URL_SAFE_NO_PAD.encode(encoder.finish().unwrap()))
}

fn sign(body: &str) -> String {
    let signer = signing::TimestampSigner::new(Settings::SECRET_KEY).unwrap();
    signer.salt("django.contrib.sessions.SessionStore").sign(body)
}

/// Decodes on a thread with as little stack as actix gives its workers, and then some less.
fn decode(session_data: String) -> (Result<SessionData, DecodeError>, Duration) {
    let decode = move || {
        let start = Stopwatch::start();
        let data = SessionData::decode(&session_data, &signer());
        (data, start.elapsed())
    };
    thread::Builder::new().stack_size(256 << 10).spawn(decode).unwrap().join().unwrap()
}

#[test]
fn a_zip_bomb_is_refused_before_it_fills_the_memory() {
    let kib = kib_of("a zip bomb", measure(BOMB));
    println!("a zip bomb: {kib} KiB");
    assert!(kib < 64 * 1024, "{kib} KiB");
}

/// A gigabyte, compressed.
fn bomb() -> String {
    let nothing = vec![b' '; MIB];
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
    let mut ends = Vec::new();
    for _ in 0..3 {
        encoder.write_all(&nothing).unwrap();
        encoder.flush().unwrap();
        ends.push(encoder.get_ref().len());
    }
    // After the same text, the same text has the same form: a gigabyte of it is quickly made.
    let mut bomb = encoder.get_ref()[..ends[1]].to_vec();
    for _ in 0..1024 {
        bomb.extend_from_slice(&encoder.get_ref()[ends[1]..ends[2]]);
    }
    let bomb = sign(&format!(".{}", URL_SAFE_NO_PAD.encode(bomb)));
    assert!(bomb.len() < 2 * MIB, "{}", bomb.len());
    bomb
}

/// How many times the limit, as the documentation of `max_decompressed_size` has it.
const FACTOR: usize = 8;

/// Bytes of a dictionary of nothing but small entries.
const SMALL_ENTRIES: usize = 4 * MIB;

/// Names the kind of entries for the process that measures, or the bomb.
const MEASURED: &str = "TEST_DECODE_ENTRIES";
const BOMB: &str = "bomb";

/// Decodes in a process of its own: what the tests beside this one take is in a peak, too.
fn measure(kind: &str) -> Child {
    let measured = Command::new(env::current_exe().unwrap())
        .args(["decode_what_the_environment_says", "--exact", "--ignored", "--nocapture"])
        .env(MEASURED, kind)
        .stdout(Stdio::piped())
        .spawn();
    measured.unwrap()
}

fn kib_of(kind: &str, measured: Child) -> usize {
    let measured = measured.wait_with_output().unwrap();
    let said = String::from_utf8(measured.stdout).unwrap();
    assert!(measured.status.success(), "{kind}: {said}");
    said.lines().find_map(|line| line.split_once("KiB more: ")).unwrap().1.parse().unwrap()
}

#[test]
fn a_session_of_small_entries_costs_no_more_than_the_documented_factor() {
    let kinds = ["one key", "distinct", "escaped", "latin-1"];
    for (kind, measured) in kinds.map(|kind| (kind, measure(kind))) {
        let factor = kib_of(kind, measured) as f64 / (SMALL_ENTRIES / 1024) as f64;
        println!("small entries, {kind}: {factor:.1} times the decompressed size");
        assert!(factor < FACTOR as f64, "{kind}: {factor}");
    }
}

#[test]
#[ignore = "a part of the tests above"]
fn decode_what_the_environment_says() {
    let Ok(kind) = env::var(MEASURED) else { return };
    let (session_data, refused) = match &*kind {
        BOMB => (bomb(), true),
        _ => (small_entries(&kind), false),
    };
    let before = resident_memory();
    let (data, took) = decode(session_data);
    match data {
        Ok(data) => assert!(!refused && data.user_id().as_deref() == Some("7")),
        Err(DecodeError::Signing(signing::Error::TooLarge { .. })) if refused => {}
        Err(error) => panic!("{error:?}"),
    }
    assert!(took < 3 * QUICKLY, "{took:?}");
    println!("KiB more: {}", peak_memory() - before);
}

/// Session data of nothing but such entries.
fn small_entries(kind: &str) -> String {
    let entry = |i: usize| match kind {
        "one key" => b"\"\":0,".to_vec(),
        "distinct" => format!("\"{i:x}\":0,").into_bytes(),
        "escaped" => format!("\"\\t{i:x}\":0,").into_bytes(),
        // Two bytes each, once they are text.
        _ => "\"\u{80}\":0,".into(),
    };
    let mut text = b"{".to_vec();
    let mut i = 0;
    while text.len() < SMALL_ENTRIES {
        text.extend_from_slice(&entry(i));
        i += 1;
    }
    text.extend_from_slice(b"\"_auth_user_id\":\"7\"}");
    signed(&text, true)
}

#[test]
fn nesting_without_end_overflows_no_stack() {
    let depth = 100_000;
    for (open, close) in [("[", "]"), (r#"{"":"#, "}")] {
        let nested = format!("{}1{}", open.repeat(depth), close.repeat(depth));
        let text = format!(r#"{{"_auth_user_id": "7", "deep": {nested}}}"#);
        let (data, took) = decode(signed(text.as_bytes(), true));
        println!("nested {open}: {:?} in {took:?}", data.as_ref().map(|_| ()));
        assert!(took < QUICKLY, "{took:?}");
        // Python gives up on it as well: to Django such a session is empty.
        if let Ok(data) = data {
            assert_eq!(data.user_id().as_deref(), Some("7"));
            assert!(matches!(data.get::<Value>("deep"), Err(DecodeError::Value)));
        }
    }
    // Not closed, closed twice.
    for text in ["[".repeat(depth), "{\"\":".repeat(depth), format!("{{}}{}", "}".repeat(depth))] {
        let (data, took) = decode(signed(text.as_bytes(), true));
        assert!(data.is_err());
        assert!(took < QUICKLY, "{took:?}");
    }
}

#[test]
fn a_hundred_thousand_keys_take_no_square_of_time() {
    let count = 100_000;
    let distinct = (0..count).map(|i| format!(r#""key-{i}":{i}"#)).collect::<Vec<_>>();
    let escaped = (0..count).map(|i| format!(r#""\u006bey-{i}":{i}"#)).collect::<Vec<_>>();
    let duplicates = (0..count).map(|i| format!(r#""key-{}":{i}"#, i % 7)).collect::<Vec<_>>();
    let twice = [distinct.clone(), escaped.clone()].concat();
    for (what, entries, keys) in [
        ("distinct", distinct, count),
        ("escaped", escaped, count),
        ("duplicates", duplicates, 7),
        ("written in two ways", twice, count),
    ] {
        let text = format!(r#"{{{},"_auth_user_id":"7"}}"#, entries.join(","));
        let (data, took) = decode(signed(text.as_bytes(), true));
        let data = data.unwrap();
        assert_eq!(data.len(), keys + 1, "{what}");
        assert_eq!(data.user_id().as_deref(), Some("7"));
        let start = Stopwatch::start();
        assert_eq!(data.iter().count(), keys + 1);
        let encoded = data.encode(&signer());
        let again = SessionData::decode(&encoded, &signer()).unwrap();
        assert_eq!(again.len(), keys + 1);
        println!("{count} keys, {what}: decoded in {took:?}, encoded in {:?}", start.elapsed());
        assert!(took < QUICKLY && start.elapsed() < QUICKLY, "{what}: {took:?}");
    }
}

#[actix_web::test]
async fn a_session_of_eight_megabytes_is_a_session() {
    let (database, judge) = database().await;
    let big = "x".repeat(8 * MIB);
    let text = format!(r#"{{"_auth_user_id": "7", "big": "{big}"}}"#);
    let session_data = signed(text.as_bytes(), false);
    let key = "a-session-of-8-megabytes";
    put(&judge, key, &session_data).await;

    let app = init_service(App::new().configure(route(&database))).await;
    let start = Stopwatch::start();
    for _ in 0..3 {
        let request =
            TestRequest::with_uri("/").insert_header(("cookie", format!("sessionid={key}")));
        let answer = call_service(&app, request.to_request()).await;
        assert_eq!(answer.status(), 200);
        assert_eq!(read_body(answer).await, "7");
    }
    println!("8 MB, three times: {:?}", start.elapsed());
    assert!(start.elapsed() < 3 * QUICKLY);
    let session = store(&database).load(&SessionKey::new(key).unwrap()).await.unwrap();
    assert_eq!(session.get::<String>("big").unwrap().unwrap().len(), big.len());
}

#[actix_web::test]
async fn the_last_of_ten_thousand_cookies_counts() {
    let (database, judge) = database().await;
    let key = judge_login(&judge).await;
    let app = init_service(App::new().configure(route(&database))).await;
    let others = |from: usize| (from..from + 10_000).map(|i| format!("name-{i}=value-{i}"));

    let in_one = others(0).collect::<Vec<_>>().join("; ");
    for (what, cookies, status) in [
        ("first", format!("sessionid={key}; {in_one}"), 200),
        ("last", format!("{in_one}; sessionid={key}"), 200),
        ("none", in_one.clone(), 302),
        ("overruled", format!("sessionid={key}; {in_one}; sessionid=somebody-else"), 302),
        ("only separators", ";".repeat(MIB), 302),
        ("only quotes", format!("sessionid=\"{}\"", "\\".repeat(MIB)), 302),
        ("long value", format!("sessionid={}", "k".repeat(MIB)), 302),
    ] {
        let start = Stopwatch::start();
        let request = TestRequest::with_uri("/").insert_header(("cookie", cookies));
        let answer = call_service(&app, request.to_request()).await;
        println!("10,000 cookies in a header, {what}: {:?}", start.elapsed());
        assert_eq!(answer.status(), status, "{what}");
        assert!(start.elapsed() < QUICKLY, "{what}");
    }

    let mut request = TestRequest::with_uri("/");
    for cookie in others(0) {
        request = request.append_header(("cookie", cookie));
    }
    let request = request.append_header(("cookie", format!("sessionid={key}")));
    let start = Stopwatch::start();
    let answer = call_service(&app, request.to_request()).await;
    assert_eq!(answer.status(), 200);
    assert!(start.elapsed() < QUICKLY);
}

/// actix itself refuses it; the crate never sees it, and the server goes on.
#[actix_web::test]
async fn a_cookie_of_a_megabyte_is_refused_clearly() {
    let (database, judge) = database().await;
    let key = judge_login(&judge).await;
    let (started, start) = mpsc::channel();
    let route = route(&database);
    let server = thread::spawn(move || {
        actix_web::rt::System::new().block_on(async move {
            let server = HttpServer::new(move || App::new().configure(route.clone()))
                .workers(1)
                .disable_signals()
                .bind(("127.0.0.1", 0))
                .unwrap();
            let address = server.addrs()[0];
            let server = server.run();
            started.send((address, server.handle())).unwrap();
            server.await.unwrap();
        });
    });
    let (address, handle) = start.recv().unwrap();
    let ask = |cookie: String| {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let request = format!(
            "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nCookie: {cookie}\r\n\r\n"
        );
        // It may be refused before all of it is sent.
        drop(stream.write_all(request.as_bytes()));
        let mut status = [0; 12];
        stream.read_exact(&mut status).unwrap();
        String::from_utf8_lossy(&status).into_owned()
    };
    let refused = ask(format!("sessionid={key}; filler={}", "x".repeat(MIB)));
    println!("a cookie of 1 MB: {refused}");
    assert!(refused.starts_with("HTTP/1.1 4"), "{refused}");
    assert_eq!(ask(format!("sessionid={key}")), "HTTP/1.1 200");
    drop(handle.stop(false));
    server.join().unwrap();
}

async fn database() -> (TestDatabase, Judge) {
    let settings = Settings::default();
    let postgres = Postgres::shared().await.unwrap();
    let database = postgres.django_database(Django::V5_2, &settings).await.unwrap();
    let judge = Judge::start(Django::V5_2, database.url(), &settings).await.unwrap();
    (database, judge)
}

async fn judge_login(judge: &Judge) -> String {
    judge.set_user("ada", "lovelace").await.unwrap();
    judge.login("ada").await.unwrap()
}

async fn put(judge: &Judge, key: &str, session_data: &str) {
    let row = json!({ "cmd": "put_row", "key": key, "session_data": session_data });
    judge.ask(row).await.unwrap();
}

fn store(database: &TestDatabase) -> SessionStore {
    let config = Config { url: Some(database.url().into()), ..Config::default() };
    let pool = config.create_pool(Some(Runtime::Tokio1), NoTls).unwrap();
    SessionStore::new(pool, settings().lookup_timeout(PATIENCE)).unwrap()
}

fn route(database: &TestDatabase) -> impl Fn(&mut web::ServiceConfig) + Clone + Send + use<> {
    let gate = DjangoSessionMiddleware::required(store(database));
    move |app| {
        app.service(web::resource("/").wrap(gate.clone()).to(user_id));
    }
}

async fn user_id(DjangoUserId(id): DjangoUserId) -> String {
    id
}

/// In KiB.
fn peak_memory() -> usize {
    memory("VmHWM:")
}

/// In KiB, after the peak was set to it.
fn resident_memory() -> usize {
    fs::write("/proc/self/clear_refs", "5").unwrap();
    memory("VmRSS:")
}

fn memory(which: &str) -> usize {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(which)).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}
