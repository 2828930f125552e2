//! Any `Origin`, at any host and beside any trusted origins: nothing that a browser reads as another
//! host comes through. Lines: a trusted origin, the host, the origin.

#![no_main]

use actix_django_session::fuzzing::csrf_page;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let mut lines = data.splitn(3, |&byte| byte == b'\n');
    let mut line = || lines.next().and_then(|line| std::str::from_utf8(line).ok());
    let (Some(trusted), Some(host), Some(origin)) = (line(), line(), line()) else {
        return;
    };
    // Refused when the settings are read: it has no scheme.
    if !trusted.contains("://") {
        return;
    }
    let check = |trusted: &str| csrf_page(&[trusted.to_owned()], host, Some(origin), None, true);
    let verdict = check(trusted);
    if let Err(reason) = &verdict {
        let text = format!("Origin checking failed - {origin} does not match any trusted origins.");
        assert_eq!(*reason, text);
    }
    // The site's own pages and a trusted origin, to the letter.
    let is_own = origin == format!("https://{host}");
    let is_listed = !trusted.contains('*') && origin == trusted;
    if is_own || is_listed {
        assert!(verdict.is_ok());
    } else if !trusted.contains('*') {
        assert!(verdict.is_err());
    } else if verdict.is_ok() {
        // A wildcard: what a browser would call the host is in that domain.
        let [origin, trusted] = [origin, trusted].map(|url| url.replace(['\t', '\r', '\n'], ""));
        let (_, rest) = origin.split_once("//").expect("an origin has a host");
        let authority = rest.split(['/', '?', '#']).next().unwrap();
        let (_, domain) = trusted.split_once("//").expect("an origin has a scheme");
        let domain = domain.split(['/', '?', '#']).next().unwrap();
        let domain = domain.trim_start_matches('*').to_lowercase();
        let apex = domain.strip_prefix('.').unwrap_or(&domain);
        assert!(authority.ends_with(&domain) || authority == apex, "{origin:?} {trusted:?}");
        if domain.starts_with('.') {
            let is_odd = |c: char| c.is_control() || c.is_whitespace() || "@\\,%".contains(c);
            assert!(!authority.contains(is_odd), "{origin:?}");
        }
    }
});
