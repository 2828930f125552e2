//! The check of `Referer`, for HTTPS requests without `Origin`.

use super::{
    origin::{TrustedOrigins, is_host_of},
    provenance::Provenance,
};
use crate::{error::CsrfReason, url::UrlParts};

/// `_check_referer`
pub(super) fn check(
    from: &Provenance<'_>,
    trusted: &TrustedOrigins,
    cookie_domain: Option<&str>,
) -> Result<(), CsrfReason> {
    let referer = from.referer.as_deref().ok_or(CsrfReason::NoReferer)?;
    let parts = UrlParts::split(referer).ok_or(CsrfReason::MalformedReferer)?;
    if parts.scheme.is_empty() || parts.netloc.is_empty() {
        return Err(CsrfReason::MalformedReferer);
    }
    if parts.scheme != "https" {
        return Err(CsrfReason::InsecureReferer);
    }
    if trusted.has_host(referer, &parts.netloc) {
        return Ok(());
    }
    match good_host(from, cookie_domain) {
        Some(good) if is_host_of(referer, &parts.netloc, &good) => Ok(()),
        _ => Err(CsrfReason::BadReferer(parts.joined())),
    }
}

/// The host whose pages can send forms here; `None` if the request's own host is not allowed.
pub(super) fn good_host(from: &Provenance<'_>, cookie_domain: Option<&str>) -> Option<String> {
    match cookie_domain {
        // The port is the server's port, whatever the `Host` header says.
        Some(domain) if !["443", "80"].contains(&from.port.as_ref()) => {
            Some(format!("{domain}:{}", from.port))
        }
        Some(domain) => Some(domain.to_owned()),
        None => from.host.as_deref().map(str::to_owned),
    }
}
