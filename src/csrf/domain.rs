//! `is_same_domain` of `django.utils.http`.

/// Whether the host is the one of the pattern; one with a leading dot stands for a domain and its
/// subdomains.
// The host is compared as it came: it is never lower-cased, and a port is part of it (C13).
pub(crate) fn is_same_domain(host: &str, pattern: &str) -> bool {
    if pattern.is_empty() {
        return false;
    }
    let pattern = pattern.to_lowercase();
    match pattern.strip_prefix('.') {
        Some(domain) => host.ends_with(&pattern) || host == domain,
        None => host == pattern,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::csrf::vectors::{of_kind, text};

    #[test]
    fn domains_are_compared_as_django_compares_them() {
        let mut seen = 0;
        for vector in of_kind("domain") {
            let same = is_same_domain(text(&vector, "host"), text(&vector, "pattern"));
            assert_eq!(vector["expect"], same, "{vector}");
            seen += 1;
        }
        assert_eq!(seen, 36);
    }
}
