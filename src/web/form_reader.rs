//! Reads the body of a request, keeps what it has read, and gives it back as it came.

use actix_web::{
    HttpMessage,
    dev::{Payload, ServiceRequest},
    error::PayloadError,
};
use bytes::{Bytes, BytesMut};
use futures_util::{FutureExt, StreamExt, TryStreamExt, stream};

use super::buffered_form::BufferedForm;
use crate::error::Error;

/// How many bytes are written to the disk at once, if as many have arrived.
const WRITTEN_AT_ONCE: usize = 16 << 10;

/// Reads a form and keeps what it has read. A form ends at its `Content-Length`, whatever follows (Django's
/// `LimitedStream`).
pub(crate) struct FormReader {
    form: BufferedForm,
    /// How many bytes of the form are still to come, at most.
    left: u64,
    /// The error that broke the connection.
    error: Option<PayloadError>,
    /// `None` at the end: some bodies panic if they are polled after their end.
    rest: Option<Payload>,
}

impl FormReader {
    pub(crate) fn of(req: &mut ServiceRequest, length: Option<u64>, form: BufferedForm) -> Self {
        let left = length.unwrap_or(u64::MAX);
        Self { form, left, error: None, rest: Some(req.take_payload()) }
    }

    /// The next piece of the form, which is kept. `None` at the end, and where the connection broke.
    pub(crate) async fn next(&mut self) -> Result<Option<Bytes>, Error> {
        if self.left == 0 {
            return Ok(None);
        }
        let Some(mut piece) = self.receive().await else { return Ok(None) };
        if self.form.is_spooled() {
            piece = self.receive_more(piece);
        }
        self.form.push(&piece).await?;
        piece.truncate(self.left.try_into().unwrap_or(usize::MAX));
        self.left -= piece.len() as u64;
        Ok(Some(piece))
    }

    /// Whether the connection was lost on the way.
    pub(crate) fn is_broken(&self) -> bool {
        self.error.is_some()
    }

    async fn receive(&mut self) -> Option<Bytes> {
        if self.error.is_some() {
            return None;
        }
        match self.rest.as_mut()?.next().await {
            Some(Ok(piece)) => return Some(piece),
            Some(Err(error)) => self.error = Some(error),
            None => self.rest = None,
        }
        None
    }

    /// The piece and the following ones that have already arrived, so that the disk does not write each byte
    /// of a slow client on its own.
    fn receive_more(&mut self, piece: Bytes) -> Bytes {
        let most = self.left.min(WRITTEN_AT_ONCE as u64) as usize;
        let mut gathered = BytesMut::new();
        while piece.len() + gathered.len() < most
            && let Some(Some(next)) = self.receive().now_or_never()
        {
            gathered.extend_from_slice(&next);
        }
        match gathered.is_empty() {
            true => piece,
            false => [&piece[..], &gathered[..]].concat().into(),
        }
    }

    /// Puts the body back into the request: the part that was read, and the rest.
    pub(crate) fn give_back(self, req: &mut ServiceRequest) {
        let is_untouched = self.form.is_empty() && self.error.is_none();
        req.set_payload(match self.rest {
            rest if is_untouched => rest.unwrap_or(Payload::None),
            rest => {
                let read = self.form.into_stream().map_err(PayloadError::Io);
                let error = stream::iter(self.error.map(Err));
                let rest = stream::iter(rest).flatten();
                Payload::Stream { payload: Box::pin(read.chain(error).chain(rest)) }
            }
        });
    }
}
