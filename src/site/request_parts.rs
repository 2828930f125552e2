//! The current request, for hooks that need more than the session.

use std::{fmt, future::Future, net::IpAddr, sync::Arc};

use tokio::task_local;

task_local! {
    /// The request that this task answers.
    static REQUEST: Arc<RequestParts>;
}

/// The request without its body, for hooks: the part of Django's `request` that rules about sessions use.
/// Owned, so that a future can hold it.
#[derive(Clone)]
#[non_exhaustive]
pub struct RequestParts {
    /// The method, such as `GET`: Django's `request.method`.
    pub method: String,
    /// The path as the client sent it, percent-encoded. Django's `request.path` is decoded.
    pub path: String,
    /// The query without the `?`, percent-encoded: Django's `request.META["QUERY_STRING"]`.
    pub query: String,
    /// The address of the other end of the connection: Django's `request.META["REMOTE_ADDR"]`. Behind a
    /// proxy this is the proxy's address; the client's is in a header that the proxy sets.
    pub peer: Option<IpAddr>,
    headers: Vec<(String, String)>,
}

impl RequestParts {
    /// A request with these headers, already joined by name as Django joins them.
    pub(crate) fn new(
        (method, path, query): (&str, &str, &str),
        peer: Option<IpAddr>,
        headers: Vec<(String, String)>,
    ) -> Self {
        let [method, path, query] = [method, path, query].map(str::to_owned);
        Self { method, path, query, peer, headers }
    }

    /// The value of a header: Django's `request.headers.get(name)`. The case of the name does not matter.
    /// Several headers of one name are joined by commas.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.headers.iter();
        let found = headers.find(|(header, _)| header.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }

    /// Runs the answer of this request: hooks that run meanwhile can use the request.
    pub(crate) async fn answering<T>(self, answer: impl Future<Output = T>) -> T {
        REQUEST.scope(Arc::new(self), answer).await
    }

    /// The request that this task answers.
    pub(super) fn current() -> Option<Arc<Self>> {
        REQUEST.try_with(Arc::clone).ok()
    }
}

/// Headers carry cookies and passwords.
impl fmt::Debug for RequestParts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequestParts")
            .field("method", &self.method)
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}
