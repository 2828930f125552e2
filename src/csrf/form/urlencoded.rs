//! `application/x-www-form-urlencoded`, as `QueryDict` reads it.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

use super::FIELD;
use crate::{error::FormError, settings::UploadLimits};

/// The last value of the field in a whole body.
pub(crate) fn token(body: &[u8], limits: UploadLimits) -> Result<Option<String>, FormError> {
    // Empty pairs count.
    let fields = 1 + body.iter().filter(|&&byte| byte == b'&').count();
    if limits.number_fields.is_some_and(|most| fields > most) {
        return Err(FormError::TooManyFieldsSent);
    }
    // Of a body that is not UTF-8 every byte is a character.
    let body = match str::from_utf8(body) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => Cow::Owned(body.iter().copied().map(char::from).collect()),
    };
    Ok(body.rsplit('&').filter(|pair| !pair.is_empty()).find_map(|pair| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        (decoded(name) == FIELD).then(|| decoded(value).into_owned())
    }))
}

fn decoded(text: &str) -> Cow<'_, str> {
    if !text.contains(['+', '%']) {
        return Cow::Borrowed(text);
    }
    let text = text.replace('+', " ");
    Cow::Owned(percent_decode_str(&text).decode_utf8_lossy().into_owned())
}
