//! Any `Referer` under HTTPS. Lines: a trusted origin, the host, the referer.

#![no_main]

use actix_django_session::fuzzing::csrf_page;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let mut lines = data.splitn(3, |&byte| byte == b'\n');
    let mut line = || lines.next().and_then(|line| std::str::from_utf8(line).ok());
    let (Some(trusted), Some(host), Some(referer)) = (line(), line(), line()) else {
        return;
    };
    let trusted = [trusted.to_owned()];
    let check = |referer: &str| csrf_page(&trusted, host, None, Some(referer), true);
    match check(referer) {
        Ok(()) => {
            // What comes through came by HTTPS, from a host that is there.
            let url =
                referer.trim_start_matches(|c: char| c <= ' ').replace(['\t', '\r', '\n'], "");
            let (scheme, rest) = url.split_once("://").expect("a URL");
            assert!(scheme.eq_ignore_ascii_case("https"), "{referer:?}");
            let netloc = rest.split(['/', '?', '#']).next().unwrap();
            assert!(!netloc.is_empty());
            // The page's path is no matter, its host is.
            assert_eq!(check(&format!("https://{netloc}/other?page#here")), Ok(()));
            let elsewhere = format!("https://{netloc}.evil.example/");
            let is_known = trusted[0].contains("evil.example") || host.contains("evil.example");
            assert!(is_known || check(&elsewhere).is_err(), "{elsewhere:?}");
        }
        Err(reason) => assert!(reason.starts_with("Referer checking failed - "), "{reason}"),
    }
    assert!(csrf_page(&trusted, host, None, Some(referer), false).is_ok());
});
