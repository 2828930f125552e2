//! A body that is looked into for the CSRF token, and given back as it came.

use actix_web::{
    HttpMessage,
    dev::{Payload, ServiceRequest},
    error::PayloadError,
    http::header::CONTENT_LENGTH,
};
use bytes::Bytes;
use futures_util::{StreamExt, stream};

use super::host::header;
use crate::{
    csrf::form::{Form, Multipart, urlencoded},
    error::FormError,
    settings::UploadLimits,
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
    let length = req.headers().get(CONTENT_LENGTH).and_then(|length| length.to_str().ok());
    let length = length.and_then(|length| length.parse::<u64>().ok());
    let most = limits.memory_size.unwrap_or(usize::MAX);
    match Form::of(&content_type, length, limits)? {
        Form::None => Ok(None),
        Form::Urlencoded if length.is_some_and(|length| length > most as u64) => {
            Err(FormError::RequestDataTooBig)
        }
        Form::Urlencoded => {
            let mut reader = Reader::of(req);
            while reader.next().await.is_some() {
                if reader.size > most {
                    return Err(FormError::RequestDataTooBig);
                }
            }
            let found = match reader.is_broken() {
                // A connection that was lost is a form without a token (C19).
                true => Ok(None),
                false => urlencoded::token(&reader.joined(), limits),
            };
            reader.give_back(req);
            found
        }
        Form::Multipart(form) => {
            let window =
                limits.memory_size.unwrap_or_default().max(UploadLimits::DEFAULT_MEMORY_SIZE);
            let is_upload = length.is_none_or(|length| length > window as u64);
            if is_upload && in_header.is_some_and(&is_right) {
                return Ok(None);
            }
            let mut reader = Reader::of(req);
            let found = match is_upload {
                true => first_right_token(form, &mut reader, window, is_right).await,
                false => last_token(form, &mut reader).await,
            };
            reader.give_back(req);
            found
        }
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
    while reader.size < window
        && let Some(piece) = reader.next().await
    {
        form.push(&piece)?;
        if form.token().is_some_and(&is_right) {
            break;
        }
    }
    Ok(form.token().map(str::to_owned))
}

/// Reads a body and keeps what it has read.
struct Reader {
    read: Vec<Result<Bytes, PayloadError>>,
    size: usize,
    rest: Payload,
}

impl Reader {
    fn of(req: &mut ServiceRequest) -> Self {
        Self { read: Vec::new(), size: 0, rest: req.take_payload() }
    }

    /// The next piece; none at the end, and where the connection broke.
    async fn next(&mut self) -> Option<Bytes> {
        let piece = self.rest.next().await?;
        let bytes = piece.as_ref().ok().cloned();
        self.size += bytes.as_ref().map_or(0, Bytes::len);
        self.read.push(piece);
        bytes
    }

    fn is_broken(&self) -> bool {
        self.read.last().is_some_and(Result::is_err)
    }

    fn joined(&mut self) -> Bytes {
        if let [Ok(whole)] = &self.read[..] {
            return whole.clone();
        }
        let mut joined = Vec::with_capacity(self.size);
        self.read.drain(..).flatten().for_each(|piece| joined.extend_from_slice(&piece));
        let joined = Bytes::from(joined);
        self.read.push(Ok(joined.clone()));
        joined
    }

    /// What was read and what is left, as one body again.
    fn give_back(self, req: &mut ServiceRequest) {
        req.set_payload(match self.read.is_empty() {
            true => self.rest,
            false => {
                Payload::Stream { payload: Box::pin(stream::iter(self.read).chain(self.rest)) }
            }
        });
    }
}
