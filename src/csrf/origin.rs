//! The `Origin` header, and `CSRF_TRUSTED_ORIGINS`.

use super::domain::is_same_domain;
use crate::url::UrlParts;

/// `CSRF_TRUSTED_ORIGINS`, parsed once.
pub(super) struct TrustedOrigins {
    /// Origins without a `*`, which are compared exactly.
    exact: Vec<String>,
    /// Scheme and domain of the origins with a `*`.
    subdomains: Vec<(String, String)>,
    /// The hosts of all origins.
    hosts: Vec<String>,
}

impl TrustedOrigins {
    pub(super) fn new(origins: &[String]) -> Self {
        // An entry that is not a URL matches nothing; Django fails at the first request.
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

    /// Whether a page of this origin can send forms here. The site's own origin is not among them.
    pub(super) fn has_origin(&self, origin: &str) -> bool {
        self.exact.iter().any(|exact| exact == origin)
            || UrlParts::split(origin).is_some_and(|parts| {
                self.subdomains.iter().any(|(scheme, domain)| {
                    *scheme == parts.scheme && is_host_of(origin, &parts.netloc, domain)
                })
            })
    }

    /// Whether a page of this host can send forms here, whatever its scheme.
    pub(super) fn has_host(&self, url: &str, netloc: &str) -> bool {
        self.hosts.iter().any(|host| is_host_of(url, netloc, host))
    }
}

/// `is_same_domain`, but a pattern for a whole domain only matches a plain host name.
///
/// Django takes `https://evil.com\.example.com` for a subdomain of `example.com`, but a browser
/// would go to `evil.com`.
pub(super) fn is_host_of(url: &str, netloc: &str, pattern: &str) -> bool {
    let is_odd = |c: char| c.is_control() || c.is_whitespace() || "\\,%@".contains(c);
    let is_wild = pattern.starts_with('.');
    // In Django, `https://*.` is a domain of its own that contains the empty host.
    !netloc.is_empty()
        && is_same_domain(netloc, pattern)
        && !(is_wild && (netloc.contains(is_odd) || url.contains(['\t', '\r', '\n'])))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_without_a_host_is_not_trusted() {
        for listed in ["https://*.", "https://**."] {
            let trusted = TrustedOrigins::new(&[listed.to_owned()]);
            for origin in ["https://", "https:", "https:x"] {
                assert!(!trusted.has_origin(origin), "{listed} {origin}");
                assert!(!trusted.has_host(origin, ""), "{listed} {origin}");
            }
        }
    }
}
