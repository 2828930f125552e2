//! Passes requests on to Django, as nginx or a load balancer does elsewhere.

use std::time::Duration;

use actix_web::{
    HttpRequest, HttpResponse,
    body::SizedStream,
    http::{
        StatusCode,
        header::{
            self, HeaderMap, HeaderName, HeaderValue, X_FORWARDED_FOR, X_FORWARDED_HOST,
            X_FORWARDED_PROTO,
        },
    },
    web::{Data, Payload},
};
use awc::{Client, error::SendRequestError};

/// Headers of one connection, not of the message (RFC 9110, 7.6.1).
const HOP_BY_HOP: [&str; 9] = [
    "connection",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// One worker's client for the Django site.
pub(crate) struct Upstream {
    client: Client,
    url: String,
}

impl Upstream {
    pub(crate) fn new(url: &str) -> Self {
        let client = Client::builder()
            .no_default_headers()
            .disable_redirects()
            .timeout(Duration::from_secs(60))
            .finish();
        Self { client, url: url.to_owned() }
    }

    pub(crate) fn client(&self) -> &Client {
        &self.client
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }
}

/// Returns Django's answer. Bodies stream in both directions; WebSockets are not supported.
pub(crate) async fn pass_on(
    req: HttpRequest,
    body: Payload,
    upstream: Data<Upstream>,
) -> HttpResponse {
    let path = req.uri().path_and_query().map_or("/", |path| path.as_str());
    let mut passed =
        upstream.client.request(req.method().clone(), format!("{}{path}", upstream.url));
    let headers = passed.headers_mut();
    for (name, value) in end_to_end(req.headers()) {
        headers.append(name.clone(), value.clone());
    }
    // The visitor's own values of these headers are not trusted: this server is the first proxy.
    for name in [X_FORWARDED_FOR, X_FORWARDED_HOST, X_FORWARDED_PROTO] {
        headers.remove(&name);
    }
    if let Some(peer) = req.peer_addr().and_then(|peer| peer.ip().to_string().parse().ok()) {
        headers.insert(X_FORWARDED_FOR, peer);
    }
    if let Some(host) = req.headers().get(header::HOST) {
        headers.insert(X_FORWARDED_HOST, host.clone());
    }
    headers.insert(X_FORWARDED_PROTO, HeaderValue::from_static("http"));

    let sent = match content_length(req.headers()) {
        Some(length) => passed.send_body(SizedStream::new(length, body)),
        None if req.headers().contains_key(header::TRANSFER_ENCODING) => passed.send_stream(body),
        None => passed.send(),
    };
    match sent.await {
        Ok(answer) => {
            let mut response = HttpResponse::build(answer.status());
            for (name, value) in end_to_end(answer.headers()) {
                response.append_header((name.clone(), value.clone()));
            }
            if let Some(length) = content_length(answer.headers()) {
                response.no_chunking(length);
            }
            response.streaming(answer)
        }
        Err(SendRequestError::Timeout) => HttpResponse::GatewayTimeout().body("Django is slow\n"),
        Err(error) => {
            tracing::error!(%error, "Django does not answer");
            HttpResponse::build(StatusCode::BAD_GATEWAY).body("Django does not answer\n")
        }
    }
}

/// The headers to pass on. The length is set with the body.
fn end_to_end(headers: &HeaderMap) -> impl Iterator<Item = (&HeaderName, &HeaderValue)> {
    let named: Vec<_> = headers
        .get_all(header::CONNECTION)
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(|name| name.trim().to_ascii_lowercase())
        .collect();
    headers.iter().filter(move |(name, _)| {
        let name = name.as_str();
        !HOP_BY_HOP.contains(&name)
            && !["content-length", "expect"].contains(&name)
            && !named.iter().any(|other| other == name)
    })
}

fn content_length(headers: &HeaderMap) -> Option<u64> {
    headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}
