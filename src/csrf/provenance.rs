//! Where a request comes from.

use std::borrow::Cow;

/// Where a request comes from and which host it was sent to, from its headers and its connection.
pub(crate) struct Provenance<'a> {
    pub(crate) origin: Option<Cow<'a, str>>,
    pub(crate) referer: Option<Cow<'a, str>>,
    pub(crate) is_secure: bool,
    /// `get_host()`; `None` for a host that is not allowed.
    pub(crate) host: Option<Cow<'a, str>>,
    /// `get_port()`
    pub(crate) port: Cow<'a, str>,
}

impl Provenance<'_> {
    /// The origin of the site's own pages.
    pub(super) fn own_origin(&self) -> Option<String> {
        let scheme = if self.is_secure { "https" } else { "http" };
        self.host.as_deref().map(|host| format!("{scheme}://{host}"))
    }
}
