use std::time::{Duration, Instant};

use tokio::time::sleep;

/// Looks again and again, with a pause in between, until it is so. `what` completes the sentence "waited too long
/// until".
///
/// # Panics
/// When it is not so within a minute: two busy cores are slow, but not that slow.
pub async fn until(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    const PATIENCE: Duration = Duration::from_secs(60);
    const PAUSE: Duration = Duration::from_millis(5);

    let start = Instant::now();
    while !is_so().await {
        assert!(start.elapsed() < PATIENCE, "waited too long until {what}");
        sleep(PAUSE).await;
    }
}
