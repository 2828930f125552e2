//! The bytes that were read to find the token are returned to the handler, and no more are read
//! than that needs.

use std::{collections::BTreeMap, time::Duration};

use actix_django_session::{DjangoSessionMiddleware, DjangoSettings};
use actix_multipart::Multipart;
use actix_web::{
    App, HttpResponse,
    web::{self, Bytes, Form, Payload, PayloadConfig},
};
use futures_util::{StreamExt, future};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::{sleep, timeout},
};

use super::requests::{MASKED, SECRET, site};
use crate::{
    app::{Answer, TestApp},
    beds::Rng,
};

pub(super) fn app(settings: DjangoSettings) -> TestApp {
    TestApp::start(move || {
        let middleware = DjangoSessionMiddleware::optional(site(settings.clone()));
        App::new()
            .wrap(middleware)
            .app_data(PayloadConfig::new(1 << 24))
            .route("/bytes", web::to(async |body: Bytes| body))
            .route("/pieces", web::to(pieces))
            .route("/first", web::to(first))
            .route("/upload", web::to(upload))
            .route(
                "/form",
                web::to(async |Form(form): Form<BTreeMap<String, String>>| form["text"].clone()),
            )
    })
}

/// The names and lengths of an upload's parts.
async fn upload(mut form: Multipart) -> String {
    let mut parts = Vec::new();
    while let Some(mut field) = form.next().await.transpose().unwrap() {
        let name = field.name().unwrap().to_owned();
        let mut length = 0;
        while let Some(piece) = field.next().await {
            length += piece.unwrap().len();
        }
        parts.push(format!("{name}: {length}"));
    }
    parts.join(", ")
}

/// The body, as it comes.
async fn pieces(mut body: Payload) -> HttpResponse {
    let mut got = Vec::new();
    while let Some(piece) = body.next().await {
        got.extend(piece.unwrap());
    }
    HttpResponse::Ok().body(got)
}

/// An answer after the first piece.
async fn first(mut body: Payload) -> String {
    format!("{} bytes", body.next().await.map_or(0, |piece| piece.unwrap().len()))
}

/// Long enough for a machine that is busy with something else.
pub(super) const ANSWER_TIMEOUT: Duration = Duration::from_secs(60);

/// A request that is sent in pieces, which the server receives one after the other.
pub(super) struct Sender(TcpStream);

impl Sender {
    pub(super) async fn to(app: &TestApp, path: &str, headers: &[(&str, &str)]) -> Self {
        let address = app.url().replace("http://", "");
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        let mut head =
            format!("POST {path} HTTP/1.1\r\nHost: example.com\r\nCookie: csrftoken={SECRET}\r\n");
        for (name, value) in headers {
            head += &format!("{name}: {value}\r\n");
        }
        stream.write_all((head + "\r\n").as_bytes()).await.unwrap();
        Self(stream)
    }

    pub(super) async fn send(&mut self, piece: &[u8]) {
        self.0.write_all(piece).await.unwrap();
    }

    pub(super) async fn send_chunk(&mut self, piece: &[u8]) {
        self.send(format!("{:x}\r\n", piece.len()).as_bytes()).await;
        self.send(&[piece, b"\r\n"].concat()).await;
    }

    /// Sends nothing more, whatever was announced.
    pub(super) async fn end(&mut self) {
        self.0.shutdown().await.unwrap();
    }

    /// Status and body of the answer, while the request may still be sent.
    pub(super) async fn answer(self) -> (u16, Vec<u8>) {
        timeout(ANSWER_TIMEOUT, self.read_answer()).await.expect("an answer")
    }

    /// The whole answer to a client that sends this now and then, until the server closes the
    /// connection.
    pub(super) async fn trickle(self, piece: &[u8]) -> Answer {
        let (mut reader, mut writer) = self.0.into_split();
        let mut answer = Vec::new();
        let sending = async {
            while writer.write_all(piece).await.is_ok() {
                sleep(Duration::from_millis(20)).await;
            }
        };
        // A connection that is closed while a client sends can end in a reset.
        let reading = async { reader.read_to_end(&mut answer).await.is_ok() };
        let ended = timeout(ANSWER_TIMEOUT, future::join(sending, reading)).await;
        ended.expect("a connection that is closed");
        Answer::parse(&answer)
    }

    async fn read_answer(mut self) -> (u16, Vec<u8>) {
        let mut answer = Vec::new();
        let (end, length) = loop {
            assert!(self.0.read_buf(&mut answer).await.unwrap() > 0, "no answer");
            if let Some(end) = answer.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
                let head = String::from_utf8_lossy(&answer[..end]).to_ascii_lowercase();
                let length = head.split_once("content-length: ").unwrap().1;
                let length: usize = length.lines().next().unwrap().parse().unwrap();
                break (end + 4, length);
            }
        };
        while answer.len() < end + length {
            assert!(self.0.read_buf(&mut answer).await.unwrap() > 0, "half an answer");
        }
        let status = String::from_utf8_lossy(&answer[9..12]).parse().unwrap();
        (status, answer.split_off(end))
    }
}

pub(super) fn part(name: &str, filename: Option<&str>, data: &[u8]) -> Vec<u8> {
    let filename = filename.map(|name| format!("; filename=\"{name}\"")).unwrap_or_default();
    let head =
        format!("--XyZ\r\nContent-Disposition: form-data; name=\"{name}\"{filename}\r\n\r\n");
    [head.as_bytes(), data, b"\r\n"].concat()
}

pub(super) const MULTIPART: (&str, &str) = ("Content-Type", "multipart/form-data; boundary=XyZ");
pub(super) const URLENCODED: (&str, &str) = ("Content-Type", "application/x-www-form-urlencoded");

#[testbed::test]
async fn a_handler_gets_the_body_byte_for_byte() {
    let app = app(DjangoSettings::new("k"));
    let mut rng = Rng(7);
    let noise: Vec<u8> = (0..3_000_000).map(|_| rng.below(256) as u8).collect();
    let token = part("csrfmiddlewaretoken", None, MASKED.as_bytes());
    let multipart =
        |noise: &[u8]| [&token[..], &part("up", Some("a"), noise), b"--XyZ--\r\n"].concat();
    let urlencoded =
        |noise: &[u8]| [format!("csrfmiddlewaretoken={MASKED}&text=").as_bytes(), noise].concat();
    for (content_type, body) in [
        (URLENCODED, urlencoded(b"")),
        (URLENCODED, urlencoded(b"\xff%zz&&=")),
        (URLENCODED, urlencoded(&noise[..900])),
        (MULTIPART, multipart(b"")),
        (MULTIPART, multipart(&noise[..70_000])),
        // An upload: it streams on as soon as the token was read.
        (MULTIPART, multipart(&noise)),
    ] {
        for path in ["/bytes", "/pieces"] {
            for most in [1_000, 40_000, usize::MAX] {
                let length = body.len().to_string();
                let headers = [content_type, ("Content-Length", length.as_str())];
                let mut sender = Sender::to(&app, path, &headers).await;
                let mut rest = &body[..];
                while !rest.is_empty() {
                    let (piece, behind) = rest.split_at((1 + rng.below(most)).min(rest.len()));
                    sender.send(piece).await;
                    rest = behind;
                }
                let (status, got) = sender.answer().await;
                assert_eq!(status, 200, "{content_type:?} {}", body.len());
                assert!(got == body, "{content_type:?} {}: {} bytes", body.len(), got.len());
            }
        }
    }
}

#[testbed::test]
async fn the_handler_can_read_a_form_that_the_middleware_has_read() {
    let app = app(DjangoSettings::new("k"));
    let body = format!("text=a+b&csrfmiddlewaretoken={SECRET}");
    let length = body.len().to_string();
    let mut sender = Sender::to(&app, "/form", &[URLENCODED, ("Content-Length", &length)]).await;
    sender.send(body.as_bytes()).await;
    assert_eq!(sender.answer().await, (200, b"a b".to_vec()));

    let mut sender =
        Sender::to(&app, "/form", &[URLENCODED, ("Transfer-Encoding", "chunked")]).await;
    for piece in body.as_bytes().chunks(5) {
        sender.send_chunk(piece).await;
    }
    sender.send_chunk(b"").await;
    assert_eq!(sender.answer().await, (200, b"a b".to_vec()));
}

#[testbed::test]
async fn actix_multipart_can_read_an_upload_that_the_middleware_has_read() {
    let app = app(DjangoSettings::new("k"));
    let token = part("csrfmiddlewaretoken", None, MASKED.as_bytes());
    for size in [0, 70_000, 8_000_000] {
        let up = part("up", Some("a.bin"), &vec![b'-'; size]);
        let body = [&token[..], &up, b"--XyZ--\r\n"].concat();
        let length = body.len().to_string();
        let headers = [MULTIPART, ("Content-Length", length.as_str())];
        let mut sender = Sender::to(&app, "/upload", &headers).await;
        sender.send(&body).await;
        let expected = format!("csrfmiddlewaretoken: 64, up: {size}").into_bytes();
        assert_eq!(sender.answer().await, (200, expected));
    }
}

#[testbed::test]
async fn the_handler_gets_an_upload_as_soon_as_its_token_was_read() {
    let app = app(DjangoSettings::new("k"));
    let gigabyte = ("Content-Length", "1073741824");
    // The rest never comes, and the middleware does not wait for it.
    let mut sender = Sender::to(&app, "/first", &[MULTIPART, gigabyte]).await;
    sender.send(&part("csrfmiddlewaretoken", None, SECRET.as_bytes())).await;
    sender.send(b"--XyZ\r\n").await;
    let (status, body) = sender.answer().await;
    assert_eq!(status, 200);
    assert!(body.ends_with(b" bytes") && body != b"0 bytes");

    // With a token in the header, the middleware does not wait for the first byte either.
    let header = ("X-CSRFToken", MASKED);
    let mut sender = Sender::to(&app, "/first", &[MULTIPART, gigabyte, header]).await;
    sender.send(b"-").await;
    assert_eq!(sender.answer().await, (200, b"1 bytes".to_vec()));

    // A body that is not a form is not read.
    let json = ("Content-Type", "application/json");
    let mut sender = Sender::to(&app, "/first", &[json, gigabyte, header]).await;
    sender.send(b"{").await;
    assert_eq!(sender.answer().await, (200, b"1 bytes".to_vec()));
}

#[testbed::test]
async fn memory_is_bounded_while_a_form_is_searched_for_its_token() {
    // Files before the token: the middleware searches as far as the disk limit allows.
    let no_disk = {
        let mut settings = DjangoSettings::new("k");
        settings.max_form_spool = 0;
        app(settings)
    };
    let gigabyte = ("Content-Length", "1073741824");
    let mut sender = Sender::to(&no_disk, "/first", &[MULTIPART, gigabyte]).await;
    sender.send(&part("up", Some("a"), &[b'x'; 3_000_000])).await;
    assert_eq!(sender.answer().await, (413, Vec::new()));

    let app = app(DjangoSettings::new("k"));
    // A form with a length, and one without.
    let long = ("Content-Length", "2621441");
    let sender = Sender::to(&app, "/bytes", &[URLENCODED, long]).await;
    assert_eq!(sender.answer().await, (400, Vec::new()));
    let chunked = ("Transfer-Encoding", "chunked");
    let mut sender = Sender::to(&app, "/bytes", &[URLENCODED, chunked]).await;
    for _ in 0..41 {
        sender.send_chunk(&[b'&'; 1 << 16]).await;
    }
    assert_eq!(sender.answer().await, (400, Vec::new()));
}

/// actix takes everything after such a request for its body, until the connection ends.
#[testbed::test]
async fn a_form_ends_at_its_content_length_even_with_an_upgrade_header() {
    let app = app(DjangoSettings::new("k"));
    let upgrade = ("Upgrade", "websocket");
    let token = part("csrfmiddlewaretoken", None, SECRET.as_bytes());
    let multipart = [&token[..], b"--XyZ--\r\n"].concat();
    let urlencoded = format!("csrfmiddlewaretoken={SECRET}").into_bytes();
    for (content_type, body) in [(MULTIPART, &multipart), (URLENCODED, &urlencoded)] {
        // The connection stays open: the bytes that came are the form. One byte less, and it is not
        // a form.
        for (length, status) in [(body.len(), 200), (body.len() - 10, 403)] {
            let length = length.to_string();
            let headers = [content_type, upgrade, ("Content-Length", length.as_str())];
            let mut sender = Sender::to(&app, "/first", &headers).await;
            sender.send(body).await;
            assert_eq!(sender.answer().await.0, status, "{content_type:?} {length}");
        }
        // Without a length there is no form at all.
        let mut sender = Sender::to(&app, "/first", &[content_type, upgrade]).await;
        sender.send(body).await;
        assert_eq!(sender.answer().await.0, 403, "{content_type:?}");
    }

    // A file that never ends, in a form of a hundred bytes.
    let hundred = ("Content-Length", "100");
    let mut sender = Sender::to(&app, "/first", &[MULTIPART, upgrade, hundred]).await;
    sender.send(&part("f", Some("a"), &[b'x'; 1 << 16])).await;
    assert_eq!(sender.answer().await.0, 403);
}

#[testbed::test]
async fn bodies_of_other_methods_are_not_read() {
    let app = app(DjangoSettings::new("k"));
    let cookie = format!("csrftoken={SECRET}");
    let headers: [(&str, &[u8]); 4] = [
        ("Cookie", cookie.as_bytes()),
        ("X-CSRFToken", SECRET.as_bytes()),
        ("Content-Type", b"application/x-www-form-urlencoded"),
        ("Content-Length", b"0"),
    ];
    for method in ["PUT", "PATCH", "DELETE"] {
        assert_eq!(app.send(method, "/bytes", &headers).await.status, 200);
        assert_eq!(app.send(method, "/bytes", &headers[2..]).await.status, 403);
    }
}
