//! Any form: the first line is its type, the second says where it is cut in pieces. However it comes,
//! the field is the same, and only what is in the body.

#![no_main]

use actix_django_session::fuzzing::csrf_field;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let mut lines = data.splitn(3, |&byte| byte == b'\n');
    let (Some(content_type), Some(cuts), Some(body)) = (lines.next(), lines.next(), lines.next())
    else {
        return;
    };
    // The bytes of a header are latin-1 to Django.
    let content_type: String = content_type.iter().copied().map(char::from).collect();
    let found = csrf_field(&content_type, &[body]);

    let mut pieces = Vec::new();
    let mut rest = body;
    for cut in cuts {
        let (piece, behind) = rest.split_at(usize::from(*cut).min(rest.len()));
        pieces.push(piece);
        rest = behind;
    }
    pieces.push(rest);
    assert_eq!(found, csrf_field(&content_type, &pieces));
    let bytes: Vec<&[u8]> = body.chunks(1).collect();
    assert_eq!(found, csrf_field(&content_type, &bytes));

    let is_multipart = content_type.to_lowercase().starts_with("multipart");
    let is_encoded = body.windows(6).any(|bytes| bytes.eq_ignore_ascii_case(b"base64"));
    if let Ok(Some(token)) = &found
        && is_multipart
        && !is_encoded
        && token.is_ascii()
        && !content_type.to_lowercase().contains("charset")
    {
        assert!(token.len() <= body.len());
        let token = token.as_bytes();
        assert!(token.is_empty() || body.windows(token.len()).any(|bytes| bytes == token));
    }
});
