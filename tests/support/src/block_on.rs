use std::{
    any::Any,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    pin::Pin,
    thread,
};

use actix_web::rt::System;

use crate::python::tell;

/// How much of a message is shown: it may have a form of megabytes.
const MOST: usize = 2_000;

/// Runs the body of a test that is marked `#[testbed::test]`. If it panics, says so at once: the test harness
/// shows the message when all tests have ended.
pub fn block_on(body: Pin<Box<dyn Future<Output = ()>>>) {
    let ended = catch_unwind(AssertUnwindSafe(|| System::new().block_on(body)));
    if let Err(panic) = ended {
        let test = thread::current().name().unwrap_or_default().to_owned();
        let message: String = message(&*panic).chars().take(MOST).collect();
        tell(&format!("testbed: {test} panicked: {message}\n"));
        resume_unwind(panic);
    }
}

fn message(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or_default()
}
