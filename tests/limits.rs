//! Large, deep or numerous input costs bounded time and memory, and has a clear outcome.

#![allow(clippy::unwrap_used)] // a test may

use std::{
    env, fs,
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    process::{Child, Command, Stdio},
    sync::mpsc,
    thread::{self, JoinHandle},
    time::Duration,
};

use actix_django_session::{
    DecodeError, DjangoSessionMiddleware, DjangoSettings, DjangoSite, DjangoUserId, SessionData,
    SessionKey, SessionSigner, signing,
};
use actix_web::{
    App, HttpServer,
    dev::ServerHandle,
    test::{TestRequest, call_service, init_service, read_body},
    web,
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use deadpool_postgres::{Config, Runtime};
use flate2::{Compression, write::ZlibEncoder};
use futures_util::StreamExt;
use rustix::time::{ClockId, clock_gettime};
use serde_json::{Value, json};
use testbed::{Django, Oracle, Postgres, Settings, TestDatabase, With};
use tokio_postgres::NoTls;

const MIB: usize = 1 << 20;

/// For a machine that is busy.
const TEST_TIMEOUT: Duration = Duration::from_secs(60);

/// Measures a size and a tenth of it: ten times as much may take fifty times as long, but not the hundred
/// times of a square. The speed of the machine does not matter. The quickest of five attempts counts,
/// because a busy machine takes processor time from all.
async fn takes_less_than_quadratic_time(
    what: &str,
    size: usize,
    measured: impl AsyncFn(usize) -> Duration,
) {
    let (mut less, mut more) = (Duration::MAX, Duration::MAX);
    for _ in 0..5 {
        less = less.min(measured(size / 10).await);
        more = more.min(measured(size).await);
        println!("{what}: {size} take {more:?}, a tenth of it {less:?}");
        if more < less * 50 {
            return;
        }
    }
    panic!("{what}: {size} take {more:?}, a tenth of it {less:?}");
}

/// The processor time of this thread.
fn processor_time() -> Duration {
    clock_gettime(ClockId::ThreadCPUTime).try_into().unwrap()
}

fn settings() -> DjangoSettings {
    DjangoSettings::new(Settings::SECRET_KEY)
}

fn signer() -> SessionSigner {
    SessionSigner::new(&settings()).unwrap()
}

/// Session data with this text, signed with the right key.
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

/// Decodes on a thread with the stack of an actix worker, and less.
fn decode(session_data: String) -> (Result<SessionData, DecodeError>, Duration) {
    let decode = move || {
        let start = processor_time();
        let data = SessionData::decode(&session_data, &signer());
        (data, processor_time() - start)
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
    // After the same text, the same text compresses to the same bytes: a gigabyte is made quickly.
    let mut bomb = encoder.get_ref()[..ends[1]].to_vec();
    for _ in 0..1024 {
        bomb.extend_from_slice(&encoder.get_ref()[ends[1]..ends[2]]);
    }
    let bomb = sign(&format!(".{}", URL_SAFE_NO_PAD.encode(bomb)));
    assert!(bomb.len() < 2 * MIB, "{}", bomb.len());
    bomb
}

/// The factor over the limit that the documentation of `max_decompressed_size` names.
const FACTOR: usize = 8;

/// The size of a dictionary of many small entries, in bytes.
const SMALL_ENTRIES: usize = 4 * MIB;

/// Names the kind of entries, or the bomb, for the process that measures.
const MEASURED: &str = "TEST_DECODE_ENTRIES";
const BOMB: &str = "bomb";
const UPLOAD: &str = "upload";
const MANY_FORMS: &str = "many forms";

/// Decodes in a process of its own: its peak must not include the memory of other tests.
fn measure(kind: &str) -> Child {
    measure_by("decode_what_the_environment_says", kind)
}

fn measure_by(test: &str, kind: &str) -> Child {
    let measured = Command::new(env::current_exe().unwrap())
        .args([test, "--exact", "--ignored", "--nocapture"])
        .env(MEASURED, kind)
        .stdout(Stdio::piped())
        .spawn();
    measured.unwrap()
}

fn kib_of(kind: &str, measured: Child) -> usize {
    let measured = measured.wait_with_output().unwrap();
    let message = String::from_utf8(measured.stdout).unwrap();
    assert!(measured.status.success(), "{kind}: {message}");
    message.lines().find_map(|line| line.split_once("KiB more: ")).unwrap().1.parse().unwrap()
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
    match decode(session_data).0 {
        Ok(data) => assert!(!refused && data.user_id().as_deref() == Some("7")),
        Err(DecodeError::Signing(signing::Error::TooLarge { .. })) if refused => {}
        Err(error) => panic!("{error:?}"),
    }
    println!("KiB more: {}", peak_memory() - before);
}

/// Session data that consists of such entries.
fn small_entries(kind: &str) -> String {
    let entry = |i: usize| match kind {
        "one key" => b"\"\":0,".to_vec(),
        "distinct" => format!("\"{i:x}\":0,").into_bytes(),
        "escaped" => format!("\"\\t{i:x}\":0,").into_bytes(),
        // Two bytes each once they are text.
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

/// How many forms are sent at the same time, and the size of each.
const FORMS: usize = 40;
const FORM: usize = 2_400_000;

/// The limit for all of them in KiB: what they may take, and what a connection and a writing thread take.
const FORM_ROOM: usize = 4096 + FORMS * 700;

#[test]
fn an_upload_with_its_token_at_the_end_does_not_stay_in_memory() {
    let kib = kib_of(UPLOAD, measure_by("upload_what_the_environment_says", UPLOAD));
    println!("an upload of 20 MB: {kib} KiB");
    assert!(kib < 10 * 1024, "{kib} KiB");
}

#[test]
fn forms_that_are_being_sent_take_no_more_memory_than_they_may() {
    let kib = kib_of(MANY_FORMS, measure_by("upload_what_the_environment_says", MANY_FORMS));
    println!("{FORMS} forms of {FORM} bytes: {kib} KiB");
    assert!(kib < FORM_ROOM, "{kib} KiB");
    const { assert!(FORM_ROOM * 1024 < FORMS * FORM / 2, "a bound that says nothing") };
}

#[test]
#[ignore = "a part of the tests above"]
fn upload_what_the_environment_says() {
    let Ok(kind) = env::var(MEASURED) else { return };
    let mut settings = DjangoSettings::new("k");
    settings.max_form_memory = 4 << 20;
    let pool = Config { url: Some("postgres://nowhere/none".into()), ..Config::default() }
        .create_pool(Some(Runtime::Tokio1), NoTls)
        .unwrap();
    let site = DjangoSite::new(pool, settings).unwrap();
    let (address, handle, server) = serve(move |app| {
        let middleware = DjangoSessionMiddleware::optional(site.clone());
        let length = async |mut body: web::Payload| {
            let mut length = 0;
            while let Some(piece) = body.next().await {
                length += piece.unwrap().len();
            }
            length.to_string()
        };
        app.service(web::resource("/").wrap(middleware).post(length));
    });
    let (forms, size) = if kind == UPLOAD { (1, 20_000_000) } else { (FORMS, FORM) };
    // One form before, for what is allocated once.
    for (count, size, is_measured) in [(1, 1000, false), (forms, size, true)] {
        let before = resident_memory();
        let mut senders: Vec<_> = (0..count).map(|_| Form::begin(address, size)).collect();
        // All but the end of each, in turns, and then the ends.
        while senders.iter_mut().map(Form::go_on).filter(|goes_on| *goes_on).count() > 0 {}
        for sender in senders {
            sender.end();
        }
        if is_measured {
            println!("KiB more: {}", peak_memory().saturating_sub(before));
        }
    }
    drop(handle.stop(false));
    server.join().unwrap();
}

/// A form that is being sent: a file and, behind it, the token.
struct Form {
    stream: TcpStream,
    /// How much of the file is still to be sent.
    left: usize,
    length: usize,
}

const CSRF_SECRET: &str = "ZJxCrFQsBYoQ7kHzIDN1EiSGzOWrzzUR";

impl Form {
    const PIECE: [u8; 1 << 16] = [b'x'; 1 << 16];

    fn begin(address: SocketAddr, size: usize) -> Self {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(TEST_TIMEOUT)).unwrap();
        let file = "--XyZ\r\nContent-Disposition: form-data; name=\"up\"; filename=\"a\"\r\n\r\n";
        let length = file.len() + size + Self::token().len();
        let head = format!(
            "POST / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\
             Cookie: csrftoken={CSRF_SECRET}\r\nContent-Type: multipart/form-data; boundary=XyZ\r\n\
             Content-Length: {length}\r\n\r\n{file}"
        );
        stream.write_all(head.as_bytes()).unwrap();
        Self { stream, left: size, length }
    }

    fn token() -> String {
        format!(
            "\r\n--XyZ\r\nContent-Disposition: form-data; name=\"csrfmiddlewaretoken\"\r\n\r\n\
             {CSRF_SECRET}\r\n--XyZ--\r\n"
        )
    }

    /// Sends a piece. Returns whether there is more to send.
    fn go_on(&mut self) -> bool {
        let piece = &Self::PIECE[..self.left.min(Self::PIECE.len())];
        self.stream.write_all(piece).unwrap();
        self.left -= piece.len();
        self.left > 0
    }

    fn end(mut self) {
        self.stream.write_all(Self::token().as_bytes()).unwrap();
        let mut answer = String::new();
        self.stream.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        assert!(answer.ends_with(&format!("\r\n\r\n{}", self.length)), "{answer}");
    }
}

#[testbed::test]
async fn nesting_without_end_overflows_no_stack() {
    for (open, close) in [("[", "]"), (r#"{"":"#, "}")] {
        takes_less_than_quadratic_time(&format!("nested {open}"), 100_000, async |depth| {
            let nested = format!("{}1{}", open.repeat(depth), close.repeat(depth));
            let text = format!(r#"{{"_auth_user_id": "7", "deep": {nested}}}"#);
            let (data, took) = decode(signed(text.as_bytes(), true));
            // Python fails on it as well: for Django such a session is empty.
            if let Ok(data) = data {
                assert_eq!(data.user_id().as_deref(), Some("7"));
                assert!(matches!(data.get::<Value>("deep"), Err(DecodeError::Value)));
            }
            took
        })
        .await;
    }
    // Not closed, closed twice.
    for (once, repeated) in [("", "["), ("", r#"{"":"#), ("{}", "}")] {
        takes_less_than_quadratic_time(&format!("only {repeated}"), 100_000, async |depth| {
            let text = format!("{once}{}", repeated.repeat(depth));
            let (data, took) = decode(signed(text.as_bytes(), true));
            assert!(data.is_err());
            took
        })
        .await;
    }
}

#[testbed::test]
async fn twenty_thousand_keys_take_less_than_quadratic_time() {
    let distinct = |i: usize| format!(r#""key-{i}":{i}"#);
    let escaped = |i: usize| format!(r#""\u006bey-{i}":{i}"#);
    let duplicates = |i: usize| format!(r#""key-{}":{i}"#, i % 7);
    let twice = |i: usize| format!("{},{}", distinct(i), escaped(i));
    let kinds: [(_, &dyn Fn(usize) -> String, _); 4] = [
        ("distinct", &distinct, usize::MAX),
        ("escaped", &escaped, usize::MAX),
        ("duplicates", &duplicates, 7),
        ("written in two ways", &twice, usize::MAX),
    ];
    for (what, entry, keys) in kinds {
        takes_less_than_quadratic_time(&format!("keys, {what}"), 20_000, async |count| {
            let entries = (0..count).map(entry).collect::<Vec<_>>().join(",");
            let text = format!(r#"{{{entries},"_auth_user_id":"7"}}"#);
            let (data, took) = decode(signed(text.as_bytes(), true));
            let data = data.unwrap();
            assert_eq!(data.len(), keys.min(count) + 1, "{what}");
            assert_eq!(data.user_id().as_deref(), Some("7"));
            let start = processor_time();
            assert_eq!(data.iter().count(), data.len());
            let encoded = data.encode(&signer());
            let took = took + processor_time() - start;
            assert_eq!(SessionData::decode(&encoded, &signer()).unwrap().len(), data.len());
            took
        })
        .await;
    }
}

#[testbed::test]
async fn a_session_of_eight_megabytes_is_a_session() {
    let (database, oracle) = database().await;
    let app = init_service(App::new().configure(route(&database))).await;
    takes_less_than_quadratic_time("bytes of a session", 8 * MIB, async |size| {
        let big = "x".repeat(size);
        let text = format!(r#"{{"_auth_user_id": "7", "big": "{big}"}}"#);
        let key = format!("a-session-of-{size}-bytes");
        put(&oracle, &key, &signed(text.as_bytes(), false)).await;
        let start = processor_time();
        let request =
            TestRequest::with_uri("/").insert_header(("cookie", format!("sessionid={key}")));
        let answer = call_service(&app, request.to_request()).await;
        let took = processor_time() - start;
        assert_eq!(answer.status(), 200);
        assert_eq!(read_body(answer).await, "7");
        let session = site(&database).load(&SessionKey::new(&key).unwrap()).await.unwrap();
        assert_eq!(session.get::<String>("big").unwrap().unwrap().len(), size);
        took
    })
    .await;
}

#[testbed::test]
async fn the_last_of_ten_thousand_cookies_counts() {
    let (database, oracle) = database().await;
    let key = oracle_login(&oracle).await;
    let app = init_service(App::new().configure(route(&database))).await;
    let others = |count: usize| (0..count).map(|i| format!("name-{i}=value-{i}"));
    let in_one = |count: usize| others(count).collect::<Vec<_>>().join("; ");
    let kinds: [(_, _, &dyn Fn(usize) -> Vec<String>, _); 8] = [
        ("first", 10_000, &|n| vec![format!("sessionid={key}; {}", in_one(n))], 200),
        ("last", 10_000, &|n| vec![format!("{}; sessionid={key}", in_one(n))], 200),
        ("none", 10_000, &|n| vec![in_one(n)], 302),
        (
            "overruled",
            10_000,
            &|n| vec![format!("sessionid={key}; {}; sessionid=somebody-else", in_one(n))],
            302,
        ),
        (
            "headers of their own",
            10_000,
            &|n| others(n).chain([format!("sessionid={key}")]).collect(),
            200,
        ),
        ("only separators", MIB, &|n| vec![";".repeat(n)], 302),
        ("only quotes", MIB, &|n| vec![format!("sessionid=\"{}\"", "\\".repeat(n))], 302),
        ("long value", MIB, &|n| vec![format!("sessionid={}", "k".repeat(n))], 302),
    ];
    for (what, size, cookies, status) in kinds {
        takes_less_than_quadratic_time(&format!("cookies, {what}"), size, async |size| {
            let mut request = TestRequest::with_uri("/");
            for cookie in cookies(size) {
                request = request.append_header(("cookie", cookie));
            }
            let request = request.to_request();
            let start = processor_time();
            let answer = call_service(&app, request).await;
            let took = processor_time() - start;
            assert_eq!(answer.status(), status, "{what}");
            took
        })
        .await;
    }
}

/// actix refuses it: the crate never sees it, and the server goes on.
#[testbed::test]
async fn a_cookie_of_a_megabyte_is_refused_clearly() {
    let (database, oracle) = database().await;
    let key = oracle_login(&oracle).await;
    let (address, handle, server) = serve(route(&database));
    let ask = |cookie: String| {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(TEST_TIMEOUT)).unwrap();
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

/// A server with one worker.
fn serve(
    routes: impl Fn(&mut web::ServiceConfig) + Clone + Send + 'static,
) -> (SocketAddr, ServerHandle, JoinHandle<()>) {
    let (started, start) = mpsc::channel();
    let server = thread::spawn(move || {
        actix_web::rt::System::new().block_on(async move {
            let server = HttpServer::new(move || App::new().configure(routes.clone()))
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
    (address, handle, server)
}

async fn database() -> (TestDatabase, Oracle) {
    let settings = Settings::default();
    let postgres = Postgres::shared().await.unwrap();
    let database = postgres.django_database(Django::V5_2, &settings).await.unwrap();
    let oracle = Oracle::start(Django::V5_2, database.url(), &settings).await.unwrap();
    (database, oracle)
}

async fn oracle_login(oracle: &Oracle) -> String {
    oracle.set_user("ada", "lovelace").await.unwrap();
    oracle.login("ada").await.unwrap()
}

async fn put(oracle: &Oracle, key: &str, session_data: &str) {
    let row = json!({ "cmd": "put_row", "key": key, "session_data": session_data });
    oracle.ask(row).await.unwrap();
}

fn site(database: &TestDatabase) -> DjangoSite {
    let config = Config { url: Some(database.url().into()), ..Config::default() };
    let pool = config.create_pool(Some(Runtime::Tokio1), NoTls).unwrap();
    DjangoSite::new(pool, settings().with(|s| s.timeout = TEST_TIMEOUT)).unwrap()
}

fn route(database: &TestDatabase) -> impl Fn(&mut web::ServiceConfig) + Clone + Send + use<> {
    let middleware = DjangoSessionMiddleware::required(site(database));
    move |app| {
        app.service(web::resource("/").wrap(middleware.clone()).to(user_id));
    }
}

async fn user_id(DjangoUserId(id): DjangoUserId) -> String {
    id
}

/// In KiB.
fn peak_memory() -> usize {
    memory("VmHWM:")
}

/// In KiB, after the peak was reset to it.
fn resident_memory() -> usize {
    fs::write("/proc/self/clear_refs", "5").unwrap();
    memory("VmRSS:")
}

fn memory(which: &str) -> usize {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(which)).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}
