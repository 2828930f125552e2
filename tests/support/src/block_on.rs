use std::pin::Pin;

use actix_web::rt::System;

/// Runs the body of a test that is marked `#[testbed::test]`.
pub fn block_on(body: Pin<Box<dyn Future<Output = ()>>>) {
    System::new().block_on(body);
}
