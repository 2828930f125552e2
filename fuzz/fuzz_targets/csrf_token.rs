//! Any cookie and any token, a line each: a token is right if it unmasks to what the cookie does.

#![no_main]

use actix_django_session::fuzzing::{csrf_matches, csrf_token};
use libfuzzer_sys::fuzz_target;

const ALPHABET: &[u8] = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";

fuzz_target!(|data: &[u8]| {
    let mut lines = data.splitn(2, |&byte| byte == b'\n');
    let mut line = || lines.next().map(String::from_utf8_lossy);
    let (Some(cookie), Some(token)) = (line(), line()) else {
        return;
    };
    let expected = match (secret(&cookie), secret(&token)) {
        (Err(fault), _) => Err(format!("cookie {fault}")),
        (_, Err(fault)) => Err(fault.to_owned()),
        (Ok(one), Ok(other)) if one == other => Ok(()),
        _ => Err("incorrect".to_owned()),
    };
    assert_eq!(csrf_matches(&cookie, &token), expected);

    match csrf_token(&cookie) {
        None => assert!(secret(&cookie).is_err()),
        Some((kept, masked)) => {
            assert_eq!(secret(&cookie), Ok(kept.clone()));
            assert_eq!((secret(&masked), masked.len()), (Ok(kept.clone()), 64));
            assert_eq!(csrf_matches(&kept, &masked), Ok(()));
        }
    }
});

/// `_check_token_format` and `_unmask_cipher_token`, once more.
fn secret(text: &str) -> Result<String, &'static str> {
    let chars: Vec<char> = text.chars().collect();
    if chars.len() != 32 && chars.len() != 64 {
        return Err("has incorrect length");
    }
    let index = |c: char| ALPHABET.iter().position(|&letter| char::from(letter) == c);
    let indices: Option<Vec<usize>> = chars.iter().copied().map(index).collect();
    let indices = indices.ok_or("has invalid characters")?;
    let letter = |index: usize| char::from(ALPHABET[index % 62]);
    Ok(match indices.len() {
        32 => indices.into_iter().map(letter).collect(),
        _ => (0..32).map(|at| letter(indices[32 + at] + 62 - indices[at])).collect(),
    })
}
