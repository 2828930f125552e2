//! The request at hand, for code of the application that decides by more than the session.

use std::{fmt, future::Future, net::IpAddr, sync::Arc};

use tokio::task_local;

task_local! {
    /// The request that this task answers.
    static REQUEST: Arc<RequestParts>;
}

/// What a request says beside its body: Django's `request`, as far as rules about sessions ask for it.
/// Owned, so that it can go into a future.
#[derive(Clone)]
#[non_exhaustive]
pub struct RequestParts {
    /// `request.method`
    pub method: String,
    /// `request.path`, as it came.
    pub path: String,
    /// `request.META["QUERY_STRING"]`
    pub query: String,
    /// `request.META["REMOTE_ADDR"]`: where the connection comes from. Behind a proxy, that is the
    /// proxy, and a header that it sets says more.
    pub peer: Option<IpAddr>,
    headers: Vec<(String, String)>,
}

impl RequestParts {
    /// A request with these headers, of which several by one name are joined as Django joins them.
    pub(crate) fn new(
        (method, path, query): (&str, &str, &str),
        peer: Option<IpAddr>,
        headers: Vec<(String, String)>,
    ) -> Self {
        let [method, path, query] = [method, path, query].map(str::to_owned);
        Self { method, path, query, peer, headers }
    }

    /// The value of a header, whatever the case of its name: `request.headers.get(name)`. Several of
    /// one name are joined by commas.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.headers.iter();
        let found = headers.find(|(header, _)| header.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }

    /// Answers this request: hooks that are asked meanwhile know it.
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
