//! The request as hooks of the application see it.

use std::collections::BTreeSet;

use actix_web::dev::ServiceRequest;

use super::host::header;
use crate::site::{DjangoSite, RequestParts};

/// A copy of the request, if a hook may use it.
pub(crate) fn request_parts(req: &ServiceRequest, site: &DjangoSite) -> Option<RequestParts> {
    if !site.hooks_use_request() {
        return None;
    }
    let names: BTreeSet<_> = req.headers().keys().map(|name| name.as_str()).collect();
    let value = |name: &str| header(req.headers(), name).map(|value| value.into_owned());
    let headers = names.into_iter().filter_map(|name| Some((name.to_owned(), value(name)?)));
    let line = (req.method().as_str(), req.path(), req.query_string());
    let peer = req.peer_addr().map(|address| address.ip());
    Some(RequestParts::new(line, peer, headers.collect()))
}
