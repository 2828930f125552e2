//! Any `Cookie` headers, one a line: the session cookie's value is the one that Django sees.

#![no_main]

use actix_django_session::{SessionKey, fuzzing};
use libfuzzer_sys::fuzz_target;

#[path = "../../tests/properties/reference.rs"]
mod reference;

const NAME: &str = "sessionid";

fuzz_target!(|data: &[u8]| {
    // What a server lets in: no control characters but the tab.
    let is_header = |bytes: &[u8]| bytes.iter().all(|&b| b == b'\t' || b >= b' ' && b != 0x7f);
    let headers: Vec<&[u8]> = data.split(|&byte| byte == b'\n').collect();
    if !headers.iter().all(|header| is_header(header)) {
        return;
    }
    let cookie = |header: &[u8]| fuzzing::cookie([header], NAME);
    let found = fuzzing::cookie(headers.iter().copied(), NAME);

    // Several headers are one.
    let joined = headers.join(&b';');
    assert_eq!(found, reference::cookie(&joined, NAME));
    assert_eq!(found, cookie(&joined));

    // Neighbours do no harm, and the last cookie wins.
    assert_eq!(found, cookie(&[b"\xff=\xff; =; x; \"=\";", &joined[..]].concat()));
    assert_eq!(found, cookie(&[&joined[..], b";sessionid;SESSIONID=x;\xc3"].concat()));
    let last = cookie(&[&joined[..], b"; sessionid=the-last"].concat());
    assert_eq!(last.as_deref(), Some("the-last"));

    if let Some(value) = found {
        let is_key = value.chars().count() >= 8 && !value.contains('\0');
        let key = SessionKey::new(value.as_str());
        assert_eq!(key.as_ref().map(SessionKey::as_str), is_key.then_some(value.as_str()));
    }
});
