//! Spans around queries.

use std::future::Future;

use futures_util::future::Either;
use tracing::{Instrument, Span};

/// Runs a future in a span. A span that no subscriber wants would still cost something at each poll.
pub(super) fn in_span<F: Future>(span: Span, future: F) -> impl Future<Output = F::Output> {
    match span.is_none() {
        true => Either::Left(future),
        false => Either::Right(future.instrument(span)),
    }
}
