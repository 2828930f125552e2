//! The CSRF token in the body of a request.

use actix_web::{
    dev::ServiceRequest,
    http::header::{CONTENT_LENGTH, HeaderMap, TRANSFER_ENCODING, UPGRADE},
};
use tokio::time::timeout;

use super::{buffered_form::BufferedForm, form_reader::FormReader, host::header};
use crate::{
    csrf::form::Form, error::Error, settings::DEFAULT_UPLOAD_MEMORY_SIZE, site::DjangoSite,
};

/// The CSRF token in the form of a POST request. The body is read no further than needed:
///
/// - A form up to `DATA_UPLOAD_MAX_MEMORY_SIZE` is read to its end, because the last field of the name counts.
/// - A larger one is an upload: it is read up to a valid token, and not at all if the header has one.
pub(crate) async fn csrf_field(
    req: &mut ServiceRequest,
    site: &DjangoSite,
    in_header: Option<&str>,
    is_right: impl Fn(&str) -> bool,
) -> Result<Option<String>, Error> {
    let settings = site.settings();
    let content_type = header(req.headers(), "content-type").unwrap_or_default();
    let length = content_length(req.headers());
    let limits = settings.upload_limits();
    let Some(form) = Form::of(&content_type, length, limits)? else { return Ok(None) };
    let window = limits.memory_size.unwrap_or_default().max(DEFAULT_UPLOAD_MEMORY_SIZE) as u64;
    let is_upload = length.is_some_and(|length| length > window);
    if is_upload && in_header.is_some_and(&is_right) {
        return Ok(None);
    }
    let mut reader = FormReader::of(req, length, BufferedForm::new(site, length, window));
    let token = token(form, &mut reader, |token| is_upload && is_right(token));
    let found = timeout(settings.form_timeout, token).await;
    reader.give_back(req);
    found.unwrap_or(Err(Error::FormTimeout(settings.form_timeout)))
}

/// The `Content-Length` of the form. `None` if only the end of the body tells: it is chunked, or HTTP/2.
///
/// actix takes everything after an upgrade request for its body, without end and whatever the length. Without
/// a length such a request has no body.
fn content_length(headers: &HeaderMap) -> Option<u64> {
    match headers.get(CONTENT_LENGTH) {
        Some(length) => length.to_str().ok()?.parse().ok(),
        None if headers.contains_key(TRANSFER_ENCODING) => None,
        None => headers.contains_key(UPGRADE).then_some(0),
    }
}

async fn token(
    mut form: Form,
    reader: &mut FormReader,
    is_enough: impl Fn(&str) -> bool,
) -> Result<Option<String>, Error> {
    while let Some(piece) = reader.next().await? {
        form.push(&piece)?;
        if let Some(token) = form.token().filter(|token| is_enough(token)) {
            return Ok(Some(token.to_owned()));
        }
    }
    // A connection that was lost is a form without a token (C19).
    if reader.is_broken() { Ok(None) } else { Ok(form.finish()?) }
}

#[cfg(test)]
mod tests {
    use std::{cell::Cell, io, time::Duration};

    use actix_web::{
        HttpMessage, dev::Payload, error::PayloadError, http::header::CONTENT_TYPE,
        test::TestRequest,
    };
    use bytes::Bytes;
    use futures_util::{
        Stream, StreamExt,
        future::join_all,
        stream::{self, empty, iter, pending},
    };
    use tokio::time::{Instant, sleep};

    use super::*;
    use crate::{DjangoSettings, error::FormError, web::test::TestSite};

    const TOKEN: &str = "abcdefghijklmnopqrstuvwxyz012345";
    const URLENCODED: &str = "application/x-www-form-urlencoded";
    const MULTIPART: &str = "multipart/form-data; boundary=b";

    fn site(change: impl FnOnce(&mut DjangoSettings)) -> DjangoSite {
        let mut settings = DjangoSettings::new("k");
        change(&mut settings);
        TestSite::new(settings).build()
    }

    fn request(
        content_type: &'static str,
        length: usize,
        body: impl Stream<Item = Bytes> + 'static,
    ) -> ServiceRequest {
        let req = TestRequest::post().insert_header((CONTENT_TYPE, content_type));
        let mut req = req.insert_header((CONTENT_LENGTH, length)).to_srv_request();
        req.set_payload(Payload::Stream { payload: Box::pin(body.map(Ok)) });
        req
    }

    /// A body in pieces. It panics if it is polled after its end, as the bodies of some middlewares do.
    fn pieces(body: &[u8], size: usize) -> impl Stream<Item = Bytes> + 'static {
        let pieces: Vec<_> = body.chunks(size).map(Bytes::copy_from_slice).collect();
        stream::unfold(pieces.into_iter(), |mut pieces| async { Some((pieces.next()?, pieces)) })
    }

    async fn given_back(req: &mut ServiceRequest) -> Vec<Bytes> {
        req.take_payload().map(|piece| piece.unwrap()).collect().await
    }

    async fn field(req: &mut ServiceRequest, site: &DjangoSite) -> Result<Option<String>, Error> {
        csrf_field(req, site, None, |token| token == TOKEN).await
    }

    fn part(name: &str, data: &[u8]) -> Vec<u8> {
        let head = format!("--b\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n");
        [head.as_bytes(), data, b"\r\n"].concat()
    }

    fn file(size: usize) -> Vec<u8> {
        let noise: Vec<u8> = (0..size).map(|i| (i * i / 7) as u8).collect();
        part("up\"; filename=\"a", &noise)
    }

    /// A form with the token behind a file.
    fn upload(size: usize) -> Vec<u8> {
        [&file(size)[..], &part("csrfmiddlewaretoken", TOKEN.as_bytes()), b"--b--\r\n"].concat()
    }

    #[actix_web::test]
    async fn a_body_of_many_small_pieces_is_kept_as_one_and_not_polled_after_its_end() {
        let site = site(|_| ());
        let urlencoded = format!("a=1&csrfmiddlewaretoken={TOKEN}").into_bytes();
        let multipart = [&part("csrfmiddlewaretoken", TOKEN.as_bytes())[..], b"--b--\r\n"].concat();
        for (content_type, body) in [(URLENCODED, urlencoded), (MULTIPART, multipart)] {
            let mut req = request(content_type, body.len(), pieces(&body, 1));
            assert_eq!(field(&mut req, &site).await.unwrap().as_deref(), Some(TOKEN));
            assert_eq!(given_back(&mut req).await, [body]);
        }
        let mut req = request(URLENCODED, 0, empty());
        assert_eq!(field(&mut req, &site).await.unwrap(), None);
        assert!(given_back(&mut req).await.is_empty());
    }

    #[actix_web::test]
    async fn a_token_behind_a_large_file_is_found_and_the_body_comes_back_from_the_disk() {
        let site = site(|_| ());
        let body = upload(5_000_000);
        let mut req = request(MULTIPART, body.len(), pieces(&body, 70_001));
        assert_eq!(field(&mut req, &site).await.unwrap().as_deref(), Some(TOKEN));
        assert_eq!((site.form_memory().taken(), site.form_spool().taken()), (0, body.len() as u64));
        assert!(given_back(&mut req).await.concat() == body);
        assert_eq!(site.form_spool().taken(), 0);
    }

    #[actix_web::test]
    async fn what_stands_before_a_right_token_alone_is_read() {
        let site = site(|_| ());
        let token = part("csrfmiddlewaretoken", TOKEN.as_bytes());
        for before in [0, 3_000_000] {
            let read = [&file(before)[..], &token, &part("x", b"")].concat();
            // The rest never comes, and the check does not wait for it.
            let body = pieces(&read, 50_000).chain(pending());
            let mut req = request(MULTIPART, 1 << 30, body);
            assert_eq!(field(&mut req, &site).await.unwrap().as_deref(), Some(TOKEN));
            assert_eq!(site.form_spool().taken() > 0, before > 0);
            let mut given_back = req.take_payload();
            let mut got = 0;
            while got < read.len() {
                got += given_back.next().await.unwrap().unwrap().len();
            }
        }
        // Nor for the first byte, with a right token in the header.
        let mut req = request(MULTIPART, 1 << 30, pending());
        let in_header = csrf_field(&mut req, &site, Some(TOKEN), |token| token == TOKEN).await;
        assert_eq!(in_header.unwrap(), None);
    }

    /// One byte a second of a form.
    fn slow(body: Vec<u8>) -> impl Stream<Item = Bytes> + 'static {
        iter(body).then(|byte| async move {
            sleep(Duration::from_secs(1)).await;
            Bytes::copy_from_slice(&[byte])
        })
    }

    #[tokio::test(start_paused = true)]
    async fn a_form_that_does_not_come_in_time_is_not_waited_for() {
        // Between two bytes: while one is written to the disk, its room is taken.
        let most = Duration::from_millis(90_500);
        let site = site(|settings| settings.form_timeout = most);
        let form = format!("csrfmiddlewaretoken={TOKEN}").into_bytes();
        assert_eq!(form.len(), 52);
        let start = Instant::now();
        let mut req = request(URLENCODED, form.len(), slow(form.clone()));
        assert_eq!(field(&mut req, &site).await.unwrap().as_deref(), Some(TOKEN));
        assert_eq!(start.elapsed(), Duration::from_secs(52));
        drop(req);

        // It is the whole of it that counts, and not what lies between two bytes.
        let long = [&form[..], b"&a=", &[b'x'; 100]].concat();
        let spooled = [&file(3_000_000)[..], &[b'x'; 100]].concat();
        let rest = slow(vec![b'x'; 1000]);
        for mut req in [
            request(URLENCODED, long.len(), slow(long.clone())),
            request(URLENCODED, 1, pending()),
            request(MULTIPART, 4_000_000, pieces(&spooled, 100_000).chain(rest)),
        ] {
            let start = Instant::now();
            let refused = field(&mut req, &site).await;
            assert!(matches!(refused, Err(Error::FormTimeout(_))), "{refused:?}");
            assert_eq!(start.elapsed(), most);
            drop(req);
            assert_eq!((site.form_memory().taken(), site.form_spool().taken()), (0, 0));
        }
    }

    #[actix_web::test]
    async fn forms_for_which_there_is_no_memory_left_wait_on_the_disk() {
        const MEMORY: u64 = 100_000;
        let site = site(|settings| settings.max_form_memory = MEMORY);
        let form = |i: usize| {
            let text = "x".repeat(10_000 + i);
            format!("text={text}&csrfmiddlewaretoken={TOKEN}").into_bytes()
        };
        let (most, read) = (Cell::new(0), Cell::new(0));
        let mut requests: Vec<_> =
            (0..40).map(|i| request(URLENCODED, form(i).len(), pieces(&form(i), 700))).collect();
        let fields = requests.iter_mut().map(async |req| {
            // Piece by piece, in turns.
            let body = req.take_payload().then(|piece| async {
                tokio::task::yield_now().await;
                piece
            });
            req.set_payload(Payload::Stream { payload: Box::pin(body) });
            let found = field(req, &site).await.unwrap();
            assert_eq!(found.as_deref(), Some(TOKEN));
            most.set(most.get().max(site.form_memory().taken()));
            read.set(read.get() + 1);
        });
        join_all(fields).await;
        assert!((MEMORY / 2..=MEMORY).contains(&most.get()), "{}", most.get());
        assert!(read.get() == 40 && site.form_spool().taken() > 200_000);
        for (i, req) in requests.iter_mut().enumerate() {
            assert_eq!(given_back(req).await.concat(), form(i));
        }
        assert_eq!((site.form_memory().taken(), site.form_spool().taken()), (0, 0));
    }

    #[actix_web::test]
    async fn what_finds_no_room_is_refused_and_its_room_is_free_again() {
        let body = upload(3_000_000);
        let of = || request(MULTIPART, body.len(), pieces(&body, 50_000));
        let small = site(|settings| settings.max_form_spool = 5_000_000);
        let (mut first, mut second) = (of(), of());
        assert!(field(&mut first, &small).await.unwrap().is_some());
        let refused = field(&mut second, &small).await;
        assert!(matches!(refused, Err(Error::TooManyForms)), "{refused:?}");
        drop(first);
        drop(second);
        assert_eq!(small.form_spool().taken(), 0);
        assert!(field(&mut of(), &small).await.unwrap().is_some());

        // This one would find none if it were alone.
        for most in [0, 2_999_999] {
            let site = site(|settings| settings.max_form_spool = most);
            let refused = field(&mut of(), &site).await;
            assert!(
                matches!(refused, Err(Error::BadForm(FormError::ExceedsSpool))),
                "{most}: {refused:?}"
            );
        }
        let nowhere = site(|settings| (settings.max_form_memory, settings.max_form_spool) = (0, 0));
        let refused = field(&mut request(URLENCODED, 3, pieces(b"a=1", 1)), &nowhere).await;
        assert!(matches!(refused, Err(Error::TooManyForms)), "{refused:?}");
    }

    #[actix_web::test]
    async fn a_form_that_breaks_off_has_no_token_and_the_handler_sees_where_it_broke() {
        let site = site(|_| ());
        for (content_type, size) in [(URLENCODED, 1000), (MULTIPART, 1000), (MULTIPART, 3_000_000)]
        {
            let token = part("csrfmiddlewaretoken", TOKEN.as_bytes());
            let body = match content_type {
                URLENCODED => format!("csrfmiddlewaretoken={TOKEN}&").into_bytes(),
                // Of an upload the token counts as soon as it was there.
                _ => [&file(size)[..], &token[..token.len() - 2]].concat(),
            };
            let mut req = request(content_type, body.len() + 100, empty());
            let lost = iter([Err(PayloadError::Incomplete(None))]);
            let broken = pieces(&body, 40_000).map(Ok).chain(lost).chain(pending());
            req.set_payload(Payload::Stream { payload: Box::pin(broken) });
            assert_eq!(field(&mut req, &site).await.unwrap(), None, "{content_type} {size}");
            let mut given_back = req.take_payload();
            let mut got = Vec::new();
            while let Some(Ok(piece)) = given_back.next().await {
                got.extend_from_slice(&piece);
            }
            assert!(got == body);
        }
        assert_eq!((site.form_memory().taken(), site.form_spool().taken()), (0, 0));
    }

    #[actix_web::test]
    async fn a_disk_that_fails_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        let site = site(|settings| settings.file_upload_temp_dir = Some(dir.path().into()));
        let body = upload(3_000_000);
        let of = || request(MULTIPART, body.len(), pieces(&body, 50_000));
        assert!(field(&mut of(), &site).await.unwrap().is_some());
        dir.close().unwrap();
        match field(&mut of(), &site).await {
            Err(Error::FormSpool(error)) => assert_eq!(error.kind(), io::ErrorKind::NotFound),
            other => panic!("{other:?}"),
        }
        assert_eq!(site.form_spool().taken(), 0);
    }
}
