//! A connection for one long job, beside those that answer visitors.

use std::time::Duration;

use deadpool::managed::Manager;
use deadpool_postgres::ClientWrapper;
use tokio::{runtime::Handle, time::timeout};
use tokio_postgres::{
    Row,
    types::{ToSql, Type},
};

use super::Server;
use crate::error::Unavailable;

/// How much later than the server the client gives up: the server's own error says more.
const GRACE: Duration = Duration::from_secs(5);

/// A connection that one job has for itself, and that ends with it.
///
/// Nothing of it is prepared, and no setting of it outlives a transaction, so it works behind a
/// pooler too.
pub(crate) struct OwnConnection<'a> {
    /// `None` only while it is dropped.
    client: Option<ClientWrapper>,
    server: &'a Server,
}

impl<'a> OwnConnection<'a> {
    pub(crate) async fn open(server: &'a Server) -> Result<Self, Unavailable> {
        if Handle::try_current().is_err() {
            return Err(Unavailable::NoRuntime);
        }
        let patience = server.timeout();
        let client = timeout(patience, server.pool.manager().create()).await;
        let client = client.map_err(|_| Unavailable::NoConnection(patience))?;
        let client = Some(client.map_err(|error| Unavailable::Connection(error.into()))?);
        Ok(Self { client, server })
    }

    /// Executes a statement in a transaction of its own, planned for these very parameters, and
    /// returns its rows. `settings` are statements that hold for this transaction. The server ends
    /// what takes longer than `longest`.
    pub(crate) async fn transaction(
        &self,
        settings: &str,
        longest: Duration,
        sql: &str,
        parameters: &[(&(dyn ToSql + Sync), Type)],
    ) -> Result<Vec<Row>, Unavailable> {
        let Some(client) = &self.client else { return Err(Unavailable::NoRuntime) };
        // Other levels of isolation refuse what others have changed, instead of looking again.
        let begin = format!(
            "BEGIN ISOLATION LEVEL READ COMMITTED; \
             SET LOCAL statement_timeout = {}; {settings}",
            longest.as_millis()
        );
        let executed = async {
            client.batch_execute(&begin).await?;
            let rows = client.query_typed(sql, parameters).await?;
            client.batch_execute("COMMIT").await?;
            Ok::<_, tokio_postgres::Error>(rows)
        };
        let executed = timeout(longest.saturating_add(GRACE), executed).await;
        Ok(executed.map_err(|_| Unavailable::Timeout(longest))??)
    }
}

impl Drop for OwnConnection<'_> {
    fn drop(&mut self) {
        if let Some(mut client) = self.client.take() {
            // The manager keeps a list of what it made.
            self.server.pool.manager().detach(&mut client);
        }
    }
}
