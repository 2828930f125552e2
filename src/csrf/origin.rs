//! The `Origin` header, and `CSRF_TRUSTED_ORIGINS`.

use super::domain::is_same_domain;
use crate::url::UrlParts;

/// `CSRF_TRUSTED_ORIGINS`, taken apart once.
pub(super) struct TrustedOrigins {
    /// Those without a `*`: they are compared as they stand.
    exact: Vec<String>,
    /// Scheme and domain of those with one.
    subdomains: Vec<(String, String)>,
    /// The hosts of all.
    hosts: Vec<String>,
}

impl TrustedOrigins {
    pub(super) fn new(origins: &[String]) -> Self {
        // One that is no URL matches nothing; Django fails over it at the first request.
        let split = |origin: &String| {
            let UrlParts { scheme, netloc, .. } = UrlParts::split(origin)?;
            Some((scheme, netloc.trim_start_matches('*').to_owned()))
        };
        let (wild, exact): (Vec<_>, Vec<_>) =
            origins.iter().cloned().partition(|origin| origin.contains('*'));
        Self {
            exact,
            subdomains: wild.iter().filter_map(split).collect(),
            hosts: origins.iter().filter_map(split).map(|(_, host)| host).collect(),
        }
    }

    /// Whether a page of this origin may send forms here, beside the site's own.
    pub(super) fn has_origin(&self, origin: &str) -> bool {
        self.exact.iter().any(|exact| exact == origin)
            || UrlParts::split(origin).is_some_and(|parts| {
                self.subdomains.iter().any(|(scheme, domain)| {
                    *scheme == parts.scheme && is_host_of(origin, &parts.netloc, domain)
                })
            })
    }

    /// Whether a page of this host may, whatever the scheme.
    pub(super) fn has_host(&self, url: &str, netloc: &str) -> bool {
        self.hosts.iter().any(|host| is_host_of(url, netloc, host))
    }
}

/// `is_same_domain`, but that for a whole domain the host has to be nothing but a host.
///
/// Django takes `https://evil.com\.example.com` for a subdomain of `example.com`, where a browser
/// would go to `evil.com`.
// CD1.
pub(super) fn is_host_of(url: &str, netloc: &str, pattern: &str) -> bool {
    let is_odd = |c: char| c.is_control() || c.is_whitespace() || "\\,%@".contains(c);
    let is_wild = pattern.starts_with('.');
    // `https://*.` is a domain of its own in Django, and the empty host is in it.
    !netloc.is_empty()
        && is_same_domain(netloc, pattern)
        && !(is_wild && (netloc.contains(is_odd) || url.contains(['\t', '\r', '\n'])))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_without_a_host_is_nobodys() {
        for listed in ["https://*.", "https://**."] {
            let trusted = TrustedOrigins::new(&[listed.to_owned()]);
            for origin in ["https://", "https:", "https:x"] {
                assert!(!trusted.has_origin(origin), "{listed} {origin}");
                assert!(!trusted.has_host(origin, ""), "{listed} {origin}");
            }
        }
    }
}
