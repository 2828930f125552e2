//! Redirect targets from a request: `url_has_allowed_host_and_scheme` of `django.utils.http`.

use super::{UrlParts, category::is_other};

/// `MAX_URL_LENGTH`, in characters: Django 4.2 has no such limit.
const MAX_LENGTH: usize = 2048;

/// Characters that Unicode's NFKC turns into one of `/ ? # @ :`, or into several characters with one of
/// them.
const DISGUISED: &[char] = &[
    '\u{2047}', '\u{2048}', '\u{2049}', '\u{2100}', '\u{2101}', '\u{2105}', '\u{2106}', '\u{2a74}',
    '\u{fe13}', '\u{fe16}', '\u{fe55}', '\u{fe56}', '\u{fe5f}', '\u{fe6b}', '\u{ff03}', '\u{ff0f}',
    '\u{ff1a}', '\u{ff1f}', '\u{ff20}',
];

/// Returns whether this URL, which came with the request, is safe to redirect to: a path of the same site,
/// or an `http` or `https` URL of one of these hosts.
///
/// ```
/// use actix_django_session::url_has_allowed_host_and_scheme as is_safe;
///
/// assert!(is_safe("/account/", ["example.com"], true));
/// assert!(is_safe("https://example.com/account/", ["example.com"], true));
/// assert!(!is_safe("http://example.com/account/", ["example.com"], true));
/// assert!(!is_safe("//evil.example", ["example.com"], false));
/// assert!(!is_safe("/\\evil.example", ["example.com"], false));
/// ```
///
/// This is Django's function of that name. Hosts are compared as whole texts: case, port and a user name
/// count, and there are no patterns. `require_https` refuses `http`. Where versions of Django differ, this
/// refuses: more than 2048 characters, a scheme that begins with a digit, and a first character that
/// Unicode assigned after version 12.1.
///
/// [`DjangoSite::safe_next`](crate::DjangoSite::safe_next) calls this with the host of the request.
#[must_use]
pub fn url_has_allowed_host_and_scheme<I>(url: &str, allowed_hosts: I, require_https: bool) -> bool
where
    I: IntoIterator,
    I::Item: AsRef<str>,
{
    let hosts: Vec<_> = allowed_hosts.into_iter().collect();
    let hosts: Vec<_> = hosts.iter().map(AsRef::as_ref).collect();
    let url = strip(url);
    // Browsers treat a backslash as a slash.
    !url.is_empty()
        && is_safe(url, &hosts, require_https)
        && is_safe(&url.replace('\\', "/"), &hosts, require_https)
}

/// `_url_has_allowed_host_and_scheme`
fn is_safe(url: &str, allowed_hosts: &[&str], require_https: bool) -> bool {
    // A browser finds a host behind three slashes, and `urlsplit` does not.
    if url.starts_with("///") || url.chars().count() > MAX_LENGTH || url.starts_with(is_other) {
        return false;
    }
    let Some(UrlParts { scheme, netloc, .. }) = UrlParts::split(url) else { return false };
    // `urlsplit` raises for such a host.
    if netloc.contains(DISGUISED) {
        return false;
    }
    // A browser reads a host in `http:///example.com`.
    if netloc.is_empty() && (!scheme.is_empty() || has_odd_scheme(url)) {
        return false;
    }
    let scheme = if scheme.is_empty() { "http" } else { &scheme };
    let is_relative = netloc.is_empty();
    let is_allowed = |netloc: &str| allowed_hosts.contains(&netloc);
    is_relative
        || (is_allowed(&netloc) && (scheme == "https" || (scheme == "http" && !require_https)))
}

/// Whether Django 4.2 on its Pythons sees a scheme: it may begin with a digit, a plus, a minus or a dot
/// there.
fn has_odd_scheme(url: &str) -> bool {
    let url = url.trim_start_matches(|c: char| c <= ' ').replace(['\t', '\r', '\n'], "");
    url.split_once(':').is_some_and(|(scheme, _)| {
        !scheme.is_empty() && scheme.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c))
    })
}

/// Python's `str.strip()`.
pub(crate) fn strip(text: &str) -> &str {
    // R30: Python's white space is Unicode's and the four ASCII separators.
    text.trim_matches(|c: char| c.is_whitespace() || ('\x1c'..='\x1f').contains(&c))
}
