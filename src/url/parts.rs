//! `urlsplit` of Python's `urllib.parse`, which is not a browser's parser.

use std::net::Ipv6Addr;

/// The parts of a URL, neither decoded nor corrected.
// C14: the parts as Python splits them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct UrlParts {
    pub(crate) scheme: String,
    pub(crate) netloc: String,
    pub(crate) path: String,
    pub(crate) query: String,
    pub(crate) fragment: String,
}

impl UrlParts {
    /// Splits any text, even where Python would raise a `ValueError`.
    pub(crate) fn split_any(url: &str) -> Self {
        let url = url.trim_start_matches(|c: char| c <= ' ').replace(['\t', '\r', '\n'], "");
        let (scheme, rest) = match url.split_once(':') {
            Some((scheme, rest)) if is_scheme(scheme) => (scheme.to_ascii_lowercase(), rest),
            _ => (String::new(), url.as_str()),
        };
        let (netloc, rest) = match rest.strip_prefix("//") {
            Some(rest) => rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len())),
            None => ("", rest),
        };
        let (rest, fragment) = rest.split_once('#').unwrap_or((rest, ""));
        let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
        let [netloc, path, query, fragment] = [netloc, path, query, fragment].map(str::to_owned);
        Self { scheme, netloc, path, query, fragment }
    }

    /// `urlsplit`; `None` stands for its `ValueError`.
    pub(crate) fn split(url: &str) -> Option<Self> {
        Some(Self::split_any(url)).filter(|parts| has_sound_brackets(&parts.netloc))
    }

    /// `geturl()` of a URL that has a netloc.
    pub(crate) fn joined(&self) -> String {
        let mut url = format!("{}://{}{}", self.scheme, self.netloc, self.path);
        for (mark, part) in [('?', &self.query), ('#', &self.fragment)] {
            if !part.is_empty() {
                url.push(mark);
                url.push_str(part);
            }
        }
        url
    }
}

fn is_scheme(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c))
}

/// `_check_bracketed_netloc`, of Pythons that also check the text around the brackets.
// V23: text before or after the brackets is refused.
fn has_sound_brackets(netloc: &str) -> bool {
    if !netloc.contains(['[', ']']) {
        return true;
    }
    let host = netloc.rsplit_once('@').map_or(netloc, |(_, host)| host);
    let Some((address, behind)) = host.strip_prefix('[').and_then(|rest| rest.split_once(']'))
    else {
        return false;
    };
    (behind.is_empty() || behind.starts_with(':')) && is_bracketed_host(address)
}

/// `_check_bracketed_host`
fn is_bracketed_host(host: &str) -> bool {
    if let Some(future) = host.strip_prefix('v') {
        return future.split_once('.').is_some_and(|(version, rest)| {
            !version.is_empty()
                && version.bytes().all(|byte| byte.is_ascii_hexdigit())
                && !rest.is_empty()
        });
    }
    let (address, scope) = host.split_once('%').unwrap_or((host, "-"));
    !scope.is_empty() && !scope.contains('%') && address.parse::<Ipv6Addr>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn brackets_hold_what_python_accepts_in_them() {
        for (netloc, is_sound) in [
            ("example.com", true),
            ("[::1]", true),
            ("[::1]:8443", true),
            ("u:p@[::1]", true),
            ("[::1%25eth0]", true),
            ("[fe80::1%]", false),
            ("[v1.a]", true),
            ("[vx.a]", false),
            ("[v1.]", false),
            ("[127.0.0.1]", false),
            ("[::1", false),
            ("::1]", false),
            ("]", false),
            ("[]", false),
            ("[::1].example.com", false),
            ("x[::1]", false),
            ("[::1]@example.com", false),
        ] {
            assert_eq!(has_sound_brackets(netloc), is_sound, "{netloc}");
        }
    }

    #[test]
    fn a_url_is_put_together_again_as_it_was() {
        for (url, expected) in [
            ("HTTPS://evil.com/?#", "https://evil.com/"),
            ("https://evil.com", "https://evil.com"),
            (" https://e\tvil.com/a?b#c", "https://evil.com/a?b#c"),
            ("https://EVIL.com/p;?q", "https://EVIL.com/p;?q"),
        ] {
            assert_eq!(UrlParts::split_any(url).joined(), expected);
        }
    }
}
