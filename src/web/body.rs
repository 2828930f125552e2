//! A body that is looked into for the CSRF token, and given back as it came.

use actix_web::{
    HttpMessage,
    dev::{Payload, ServiceRequest},
    error::PayloadError,
    http::header::{CONTENT_LENGTH, HeaderMap, TRANSFER_ENCODING, UPGRADE},
};
use bytes::{Bytes, BytesMut};
use futures_util::{StreamExt, stream};

use super::host::header;
use crate::{
    csrf::form::{Form, Multipart, urlencoded},
    error::FormError,
    settings::{DEFAULT_UPLOAD_MEMORY_SIZE, UploadLimits},
};

/// The token in the form that a POST brings. It is read as far as that takes, and no further.
///
/// A form that is not multipart is read to its end: the last field by the name is the one that
/// counts. So is a multipart form no larger than `DATA_UPLOAD_MAX_MEMORY_SIZE`. A larger one is an
/// upload: it is read up to a right token, and not at all if the header has one; where none comes
/// within that size, there is none.
pub(crate) async fn csrf_field(
    req: &mut ServiceRequest,
    limits: UploadLimits,
    in_header: Option<&str>,
    is_right: impl Fn(&str) -> bool,
) -> Result<Option<String>, FormError> {
    let content_type = header(req.headers(), "content-type").unwrap_or_default();
    let length = content_length(req.headers());
    let most = limits.memory_size.unwrap_or(usize::MAX);
    match Form::of(&content_type, length, limits)? {
        Form::None => Ok(None),
        Form::Urlencoded if length.is_some_and(|length| length > most as u64) => {
            Err(FormError::RequestDataTooBig)
        }
        Form::Urlencoded => {
            let mut reader = Reader::of(req, length);
            while reader.next().await.is_some() {
                if reader.form().len() > most {
                    return Err(FormError::RequestDataTooBig);
                }
            }
            let found = match reader.is_broken() {
                // A connection that was lost is a form without a token (C19).
                true => Ok(None),
                false => urlencoded::token(reader.form(), limits),
            };
            reader.give_back(req);
            found
        }
        Form::Multipart(form) => {
            let window = upload_window(length, limits);
            if window.is_some() && in_header.is_some_and(&is_right) {
                return Ok(None);
            }
            let mut reader = Reader::of(req, length);
            let found = match window {
                Some(window) => first_right_token(form, &mut reader, window, is_right).await,
                None => last_token(form, &mut reader).await,
            };
            reader.give_back(req);
            found
        }
    }
}

/// In how many of its first bytes the token of a POST is looked for, if it is an upload.
pub(crate) fn searched(headers: &HeaderMap, limits: UploadLimits) -> Option<usize> {
    let length = content_length(headers);
    let content_type = header(headers, "content-type").unwrap_or_default();
    match Form::of(&content_type, length, limits) {
        Ok(Form::Multipart(_)) => upload_window(length, limits),
        _ => None,
    }
}

/// How much of an upload is held in memory. `None` for a multipart form that is none: it is read as a whole.
fn upload_window(length: Option<u64>, limits: UploadLimits) -> Option<usize> {
    let window = limits.memory_size.unwrap_or_default().max(DEFAULT_UPLOAD_MEMORY_SIZE);
    length.is_none_or(|length| length > window as u64).then_some(window)
}

/// How long the form says that it is. `None` if it will end when it ends: it is chunked, or HTTP/2.
///
/// actix takes what follows a request to upgrade for its body, without end and whatever its length is
/// said to be. Without a length it has none.
fn content_length(headers: &HeaderMap) -> Option<u64> {
    match headers.get(CONTENT_LENGTH) {
        Some(length) => length.to_str().ok()?.parse().ok(),
        None if headers.contains_key(TRANSFER_ENCODING) => None,
        None => headers.contains_key(UPGRADE).then_some(0),
    }
}

async fn last_token(
    mut form: Box<Multipart>,
    reader: &mut Reader,
) -> Result<Option<String>, FormError> {
    while let Some(piece) = reader.next().await {
        form.push(&piece)?;
    }
    if reader.is_broken() { Ok(None) } else { form.finish() }
}

async fn first_right_token(
    mut form: Box<Multipart>,
    reader: &mut Reader,
    window: usize,
    is_right: impl Fn(&str) -> bool,
) -> Result<Option<String>, FormError> {
    while reader.read.len() < window
        && let Some(piece) = reader.next().await
    {
        form.push(&piece)?;
        if form.token().is_some_and(&is_right) {
            break;
        }
    }
    Ok(form.token().map(str::to_owned))
}

/// Reads a form and keeps what it has read, in one piece: many small ones would take many times as
/// much. A form ends where it says, whatever comes behind (Django's `LimitedStream`).
struct Reader {
    read: BytesMut,
    /// Where the form ends.
    end: usize,
    /// What the connection broke with.
    error: Option<PayloadError>,
    /// None at the end: not every body can be asked again then.
    rest: Option<Payload>,
}

impl Reader {
    fn of(req: &mut ServiceRequest, length: Option<u64>) -> Self {
        let end = length.and_then(|length| length.try_into().ok()).unwrap_or(usize::MAX);
        Self { read: BytesMut::new(), end, error: None, rest: Some(req.take_payload()) }
    }

    /// What was read of the form.
    fn form(&self) -> &[u8] {
        &self.read[..self.read.len().min(self.end)]
    }

    /// The next piece; none at the end, and where the connection broke.
    async fn next(&mut self) -> Option<Bytes> {
        let left = self.end.saturating_sub(self.read.len());
        if left == 0 {
            return None;
        }
        match self.rest.as_mut()?.next().await {
            Some(Ok(mut piece)) => {
                self.read.extend_from_slice(&piece);
                piece.truncate(left);
                Some(piece)
            }
            Some(Err(error)) => {
                self.error = Some(error);
                None
            }
            None => {
                self.rest = None;
                None
            }
        }
    }

    fn is_broken(&self) -> bool {
        self.error.is_some()
    }

    /// What was read and what is left, as one body again.
    fn give_back(self, req: &mut ServiceRequest) {
        let read = Some(self.read.freeze()).filter(|read| !read.is_empty()).map(Ok);
        let read: Vec<_> = read.into_iter().chain(self.error.map(Err)).collect();
        req.set_payload(match (self.rest, read.is_empty()) {
            (Some(rest), true) => rest,
            (Some(rest), false) => {
                Payload::Stream { payload: Box::pin(stream::iter(read).chain(rest)) }
            }
            (None, true) => Payload::None,
            (None, false) => Payload::Stream { payload: Box::pin(stream::iter(read)) },
        });
    }
}

#[cfg(test)]
mod tests {
    use actix_web::{http::header::CONTENT_TYPE, test::TestRequest};

    use super::*;

    const TOKEN: &str = "abcdefghijklmnopqrstuvwxyz012345";

    /// The token that is found in a body which comes byte by byte, and the pieces in which a handler
    /// gets it then. Asked once more after its end, this body panics, as those of some middleware do.
    async fn given_back(content_type: &'static str, body: &str) -> (Option<String>, Vec<Bytes>) {
        let length = (CONTENT_LENGTH, body.len());
        let req = TestRequest::post().insert_header((CONTENT_TYPE, content_type));
        let mut req = req.insert_header(length).to_srv_request();
        let bytes = body.as_bytes().to_vec().into_iter();
        let bytes = stream::unfold(bytes, |mut bytes| async {
            let byte = bytes.next()?;
            Some((Ok(Bytes::copy_from_slice(&[byte])), bytes))
        });
        req.set_payload(Payload::Stream { payload: Box::pin(bytes) });
        let token =
            csrf_field(&mut req, crate::DjangoSettings::new("").upload_limits(), None, |_| false)
                .await
                .unwrap();
        let pieces = req.take_payload().map(|piece| piece.unwrap()).collect().await;
        (token, pieces)
    }

    #[actix_web::test]
    async fn a_body_of_many_small_pieces_is_kept_as_one_and_not_asked_again_after_its_end() {
        let form = format!("a=1&csrfmiddlewaretoken={TOKEN}");
        let (token, pieces) = given_back("application/x-www-form-urlencoded", &form).await;
        assert_eq!((token.as_deref(), pieces), (Some(TOKEN), vec![Bytes::from(form)]));

        let form = format!(
            "--b\r\nContent-Disposition: form-data; name=\"csrfmiddlewaretoken\"\r\n\r\n{TOKEN}\r\n\
             --b--\r\n"
        );
        let (token, pieces) = given_back("multipart/form-data; boundary=b", &form).await;
        assert_eq!((token.as_deref(), pieces), (Some(TOKEN), vec![Bytes::from(form)]));

        let (token, pieces) = given_back("application/x-www-form-urlencoded", "").await;
        assert_eq!((token, pieces), (None, vec![]));
    }
}
