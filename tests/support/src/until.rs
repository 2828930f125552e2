use std::time::{Duration, Instant};

use tokio::time::sleep;

/// Checks a condition again and again, with a pause, until it is true. `what` completes the
/// sentence "waited too long until".
///
/// # Panics
/// When the condition is not true within a minute, which is enough for two busy cores.
pub async fn until(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    const TIMEOUT: Duration = Duration::from_secs(60);
    const PAUSE: Duration = Duration::from_millis(5);

    let start = Instant::now();
    while !is_so().await {
        assert!(start.elapsed() < TIMEOUT, "waited too long until {what}");
        sleep(PAUSE).await;
    }
}
