//! What `settings.py` says of a cookie that Django sends.

/// The settings `.._COOKIE_NAME`, `.._COOKIE_AGE` and so on, for the CSRF cookie and the session
/// cookie alike.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CookieSettings {
    pub(crate) name: String,
    /// In seconds; none makes it a cookie of the browser's session.
    pub(crate) age: Option<i64>,
    pub(crate) domain: Option<String>,
    pub(crate) path: Option<String>,
    pub(crate) samesite: Option<String>,
    pub(crate) secure: bool,
    pub(crate) httponly: bool,
}

impl CookieSettings {
    /// What cannot work, in words that follow the setting's prefix.
    pub(crate) fn fault(&self) -> Option<&'static str> {
        if !is_cookie_name(&self.name) {
            Some("COOKIE_NAME is not the name of a cookie")
        } else if !self.domain.iter().all(|text| is_attribute(text)) {
            Some("COOKIE_DOMAIN is not a domain that a cookie can name")
        } else if !self.path.iter().all(|text| is_attribute(text)) {
            Some("COOKIE_PATH is not a path that a cookie can name")
        } else if !self.samesite.iter().all(|text| is_samesite(text)) {
            Some("COOKIE_SAMESITE must be Lax, Strict or None")
        } else {
            None
        }
    }
}

/// A name that Python's `http.cookies` would write.
// C25.
pub(super) fn is_cookie_name(name: &str) -> bool {
    let is_legal = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~:".contains(&byte);
    !name.is_empty() && name.bytes().all(is_legal)
}

/// Whether a cookie's attribute can have this value.
pub(super) fn is_attribute(text: &str) -> bool {
    !text.contains(|c: char| c == ';' || !(' '..='~').contains(&c)) && text.trim() == text
}

pub(super) fn is_samesite(text: &str) -> bool {
    text.is_empty() || ["lax", "strict", "none"].iter().any(|one| text.eq_ignore_ascii_case(one))
}
