//! Reads the header and the body of a response.

use actix_web::{body::MessageBody, dev::ServiceResponse, test::read_body};

/// The value of a header. Panics if the response does not have it.
pub(crate) fn header<'a, B>(answer: &'a ServiceResponse<B>, name: &str) -> &'a str {
    let header = answer.headers().get(name);
    header.unwrap_or_else(|| panic!("no {name}")).to_str().unwrap()
}

/// The body as text.
pub(crate) async fn text(answer: ServiceResponse<impl MessageBody>) -> String {
    String::from_utf8(read_body(answer).await.to_vec()).unwrap()
}
