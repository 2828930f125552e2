//! Counts the processes of PostgreSQL that serve the service.

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

    pub(crate) async fn count(&self) -> i64 {
        self.count_those("TRUE").await
    }

    /// Counts those that wait for a lock.
    pub(crate) async fn count_locked(&self) -> i64 {
        self.count_those("wait_event_type = 'Lock'").await
    }

    async fn count_those(&self, condition: &str) -> i64 {
        let sql = format!(
            "SELECT count(*) FROM pg_stat_activity \
             WHERE application_name = $1 AND datname = current_database() AND {condition}"
        );
        self.0.query_one(&sql, &[&APPLICATION_NAME]).await.unwrap().get(0)
    }

    /// The greatest number while visitors come to a locked table, for several timeouts of 200 of them.
    pub(crate) async fn most_while_locked(&self, scene: &Scene, load: &Load, rounds: usize) -> i64 {
        let mut admin = scene.client().await;
        let transaction = admin.transaction().await.unwrap();
        transaction.batch_execute("LOCK TABLE django_session").await.unwrap();
        let mut most = 0;
        for _ in 0..rounds {
            load.fail(180).await;
            most = self.count().await.max(most);
        }
        transaction.commit().await.unwrap();
        most
    }
}
