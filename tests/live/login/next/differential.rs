//! Random unusual URLs, checked by this crate and by every available Django.

use actix_django_session::url_has_allowed_host_and_scheme;
use serde_json::json;
use testbed::{Django, Rng, seed};

use crate::beds::Bed;

const HOSTS: [&str; 4] = ["example.com", "example.com:8000", "[::1]", "ex\u{e4}mple.com"];

/// The parts of the random URLs.
const PIECES: &[&str] = &[
    "/",
    "//",
    "///",
    "\\",
    "\\\\",
    "/\\",
    ":",
    "@",
    "?",
    "#",
    "http:",
    "https:",
    "HTTP:",
    "http://",
    "https://",
    "javascript:",
    "ftp://",
    "data:",
    "1http:",
    "-a:",
    ".b:",
    "//example.com",
    "http://example.com",
    "https://example.com",
    "example.com",
    "evil.example",
    "EXAMPLE.com",
    ":8000",
    "user@",
    "[::1]",
    "[",
    "]",
    "[v1.a]",
    "[::1%25x]",
    " ",
    "\t",
    "\n",
    "\r",
    "\0",
    "\u{1}",
    "\u{8}",
    "\u{1f}",
    "\u{7f}",
    "\u{85}",
    "\u{a0}",
    "\u{ad}",
    "\u{200b}",
    "\u{2028}",
    "\u{3000}",
    "\u{feff}",
    "\u{e000}",
    "\u{ffff}",
    "\u{2100}",
    "\u{ff0f}",
    "\u{ff1a}",
    "\u{ff20}",
    "\u{ff03}",
    "\u{fe5f}",
    "\u{e9}",
    "ex\u{e4}mple.com",
    "\u{1f600}",
    "%2f",
    "%5C",
    "%09",
    ";",
    "&",
    "=",
    "..",
    "./",
    "a",
    "x/y",
    "next",
    ".",
];

#[testbed::test]
async fn a_url_that_any_django_refuses_is_refused_here() {
    let mut rng = Rng(seed());
    let mut urls: Vec<String> = (0..6000)
        .map(|_| (0..1 + rng.below(6)).map(|_| PIECES[rng.below(PIECES.len())]).collect())
        .collect();
    for _ in 0..1500 {
        let c = char::from_u32(rng.below(0x11_0000) as u32).unwrap_or('\u{fffd}');
        urls.push(format!("{c}//evil.example"));
    }
    urls.extend([2047, 2048, 2049].map(|length| "/".to_owned() + &"\u{e9}".repeat(length - 1)));
    for require_https in [false, true] {
        let ours: Vec<_> = urls
            .iter()
            .map(|url| url_has_allowed_host_and_scheme(url, HOSTS, require_https))
            .collect();
        assert!(ours.iter().filter(|is_safe| **is_safe).count() > 1000);
        for version in Django::available().unwrap() {
            let bed = Bed::of(version).await;
            let question = json!({
                "cmd": "safe_urls", "urls": urls, "allowed_hosts": HOSTS, "require_https": require_https,
            });
            let answer = bed.ask(question).await;
            let theirs = answer["safe"].as_array().unwrap();
            for ((url, ours), theirs) in urls.iter().zip(&ours).zip(theirs) {
                let is_stricter = !ours && *theirs == true && differs(url);
                assert!(*ours == (*theirs == true) || is_stricter, "{version}: {url:?}, {theirs}");
            }
        }
    }
}

/// Whether versions of Django, or of Python's Unicode data, differ on this URL.
fn differs(url: &str) -> bool {
    let stripped = url.trim();
    let is_odd_scheme = |(scheme, _): (&str, &str)| {
        scheme.starts_with(|c: char| c.is_ascii_digit() || "+-.".contains(c))
    };
    let compact = stripped.replace(['\t', '\r', '\n'], "");
    let compact = compact.trim_start_matches(|c: char| c <= ' ');
    stripped.chars().count() > 2048
        || compact.split_once(':').is_some_and(is_odd_scheme)
        || stripped.starts_with(|c: char| !c.is_ascii())
}
