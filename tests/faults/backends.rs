//! Counts the processes of PostgreSQL that serve the service.

use std::collections::HashSet;

use tokio_postgres::Client;

use crate::{
    load::Load,
    scene::{Scene, connect},
    service::APPLICATION_NAME,
};

pub(crate) struct Backends(Client);

impl Backends {
    pub(crate) async fn of(scene: &Scene) -> Self {
        Self(connect(scene.database.url()).await)
    }

    /// Counts them all, also those that are about to end because their connection was just closed.
    pub(crate) async fn count(&self) -> usize {
        self.pids("TRUE").await.len()
    }

    /// Counts those that wait for a lock or for a standby at the same time. Such a process does not notice
    /// that its client has gone, so its connection counts until the process has ended: there are never
    /// more than the site may have connections for queries.
    pub(crate) async fn count_waiting(&self) -> usize {
        const WAITS: &str = "(wait_event_type = 'Lock' OR wait_event = 'SyncRep')";
        // The view is not read in one instant: a process may have ended before the next one is read. Those
        // that wait in two successive readings have their connections at the same time.
        let (first, second) = (self.pids(WAITS).await, self.pids(WAITS).await);
        first.intersection(&second).count()
    }

    async fn pids(&self, condition: &str) -> HashSet<i32> {
        let sql = format!(
            "SELECT pid FROM pg_stat_activity \
             WHERE application_name = $1 AND datname = current_database() AND {condition}"
        );
        let rows = self.0.query(&sql, &[&APPLICATION_NAME]).await.unwrap();
        rows.iter().map(|row| row.get(0)).collect()
    }

    /// The greatest number that wait while visitors come to a locked table, for several timeouts of 200 of
    /// them.
    pub(crate) async fn most_while_locked(&self, scene: &Scene, load: &Load, rounds: u64) -> usize {
        let mut admin = scene.client().await;
        let transaction = admin.transaction().await.unwrap();
        transaction.batch_execute("LOCK TABLE django_session").await.unwrap();
        let (mut most, goal) = (0, load.unavailable() + rounds * 180);
        crate::until("visitors were turned away, and queries waited", async || {
            most = self.count_waiting().await.max(most);
            load.unavailable() >= goal && most > 0
        })
        .await;
        transaction.commit().await.unwrap();
        most
    }
}
