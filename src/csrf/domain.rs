//! `is_same_domain` of `django.utils.http`.

/// Whether the host matches the pattern. A pattern with a leading dot matches the domain and its
/// subdomains. The host is compared unchanged: it is not lower-cased, and its port counts (rule
/// C13).
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
