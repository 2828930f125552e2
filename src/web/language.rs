//! `LocaleMiddleware` of `django.middleware.locale`: the language of the login page for a visitor.

use actix_web::HttpRequest;
use percent_encoding::percent_decode_str;

use super::{cookie_header::last_cookie, host::header};
use crate::settings::LoginUrls;

/// `LANGUAGE_CODE_MAX_LENGTH` of Django: longer codes are cut to this length.
const MAX_LENGTH: usize = 500;

/// Returns `LOGIN_URL` in the language of the request, as Django chooses it: by path, cookie and
/// `Accept-Language`. The code is spelled as in `LANGUAGES`; Django repeats `/DE/` from the path.
pub(crate) fn login_url<'a>(urls: &'a LoginUrls, req: &HttpRequest) -> &'a str {
    if urls.checks_path {
        let path = percent_decode_str(req.uri().path()).decode_utf8_lossy();
        if let Some(url) = code_in_path(&path).and_then(|code| in_language(urls, code)) {
            return url;
        }
        if !urls.prefixes_default {
            return urls.in_language_code();
        }
    }
    let cookie = last_cookie(req.headers(), &urls.language_cookie_name);
    if let Some(url) = cookie.and_then(|code| in_language(urls, &code)) {
        return url;
    }
    let accepted = header(req.headers(), "accept-language").unwrap_or_default();
    let accepted = accepted_languages(&accepted);
    let mut codes = accepted.iter().take_while(|code| *code != "*");
    codes.find_map(|code| urls.in_language(code)).unwrap_or_else(|| urls.in_default_language())
}

fn in_language<'a>(urls: &'a LoginUrls, code: &str) -> Option<&'a str> {
    if code.is_empty() {
        return None;
    }
    match code.char_indices().nth(MAX_LENGTH) {
        None => urls.in_language(code),
        Some((end, _)) => urls.in_language(&code[..code[..end].rfind('-').filter(|&at| at > 0)?]),
    }
}

/// `language_code_prefix_re`: the first segment of the path, if it consists of one to three words.
fn code_in_path(path: &str) -> Option<&str> {
    let code = path.strip_prefix('/')?.split('/').next()?;
    let is_word =
        |word: &str| !word.is_empty() && word.chars().all(|c| c.is_alphanumeric() || c == '_');
    let words = code.split(['-', '@']);
    (words.clone().count() <= 3 && words.clone().all(is_word)).then_some(code)
}

/// `parse_accept_lang_header`: the languages of the header, highest quality first. A malformed header has no
/// languages.
fn accepted_languages(value: &str) -> Vec<String> {
    let value = match value.char_indices().nth(MAX_LENGTH) {
        None => value,
        Some((end, _)) => match value[..end].rfind(',') {
            // Django cuts a long header at the last comma, which then counts as its end.
            Some(comma) if comma > 0 => &value[..comma],
            _ => return Vec::new(),
        },
    };
    let value = value.to_ascii_lowercase();
    // Spaces may surround a comma, and the header may end with a comma.
    let (value, ends_by_comma) = match value.trim_end_matches(SPACES).strip_suffix(',') {
        Some(rest) => (rest, true),
        None => (&*value, false),
    };
    let is_bare = value.starts_with(SPACES) || !ends_by_comma && value.ends_with(SPACES);
    let parsed: Option<Vec<_>> = value.split(',').map(language_range).collect();
    let mut parsed = parsed.filter(|_| !is_bare).unwrap_or_default();
    parsed.sort_by_key(|&(_, quality)| std::cmp::Reverse(quality));
    parsed.into_iter().map(|(code, _)| code.to_owned()).collect()
}

/// The characters that `\s` matches in a header.
const SPACES: [char; 4] = [' ', '\t', '\x0b', '\x0c'];

/// Parses `en-gb;q=0.8`: the language, and its quality in thousandths.
fn language_range(range: &str) -> Option<(&str, u32)> {
    let range = range.trim_matches(SPACES);
    let (code, quality) = match range.split_once(';') {
        Some((code, parameter)) => {
            let quality = parameter.trim_start_matches(SPACES).strip_prefix("q=")?;
            (code.trim_end_matches(SPACES), thousandths(quality)?)
        }
        None => (range, 1000),
    };
    let mut words = code.split('-');
    let first = words.next()?;
    let is_word = |word: &str| (1..=8).contains(&word.len());
    let is_language = is_word(first)
        && first.bytes().all(|byte| byte.is_ascii_alphabetic())
        && words.all(|word| is_word(word) && word.bytes().all(|byte| byte.is_ascii_alphanumeric()));
    (code == "*" || is_language).then_some((code, quality))
}

fn thousandths(quality: &str) -> Option<u32> {
    let (whole, decimals) = quality.split_once('.').unwrap_or((quality, ""));
    if decimals.len() > 3 || !decimals.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let thousandths: u32 = format!("{decimals:0<3}").parse().ok()?;
    match whole {
        "0" => Some(thousandths),
        "1" if thousandths == 0 => Some(1000),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accept_language_is_read_as_django_reads_it() {
        let long = format!("{}de", "en,".repeat(200));
        for (value, expected) in [
            ("", &[][..]),
            ("de", &["de"]),
            ("De-AT, en;q=0.8 ,*;q=0.1", &["de-at", "en", "*"]),
            ("en;q=0.3,de;q=0.31", &["de", "en"]),
            ("en;q=0,de;q=0", &["en", "de"]),
            ("de,", &["de"]),
            ("de,,", &[]),
            (" de", &[]),
            ("de ", &[]),
            ("de , ", &["de"]),
            ("de;q=2", &[]),
            ("de;q=1.001", &[]),
            ("de;q=0.1234", &[]),
            ("de;level=1", &[]),
            ("abcdefghi", &[]),
            ("de_AT", &[]),
            ("1de", &[]),
        ] {
            assert_eq!(accepted_languages(value), expected, "{value:?}");
        }
        assert!(accepted_languages(&long).iter().all(|code| code == "en"));
        assert!(accepted_languages(&"x".repeat(600)).is_empty());
    }
}
