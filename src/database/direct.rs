//! Queries that are not batched: rare reads, and all writes.

use std::{hash::Hash, sync::Arc};

use tokio::{runtime::Handle, sync::oneshot, time::Instant};
use tokio_postgres::Row;

use super::{
    batch::{Batch, Caller, Job, Outcome},
    connection::{Connection, QueryFailure},
    kind::Kind,
    pool::Pool,
    statement::Query,
    turns::Turns,
};
use crate::error::Unavailable;

/// Sends queries that are not batched. Each runs in a task of its own: a caller that is paused or goes
/// away leaves no connection in use. Clones share the state.
#[derive(Clone)]
pub(super) struct Direct {
    pool: Pool,
    turns: Arc<Turns>,
}

impl Direct {
    pub(super) fn new(pool: &Pool) -> Self {
        Self { pool: pool.clone(), turns: Arc::default() }
    }

    /// Reads, on further connections where need be, and returns the rows.
    pub(super) async fn read(&self, query: Query, deadline: Instant) -> Outcome<Vec<Row>> {
        let (callers, answered) = ask(deadline);
        let batch = Batch::new(&self.pool, Kind::Reads, query, callers);
        spawn(batch.run())?;
        answer(answered).await
    }

    /// Executes a statement that writes this row, and returns its rows. It is sent at most once, unless
    /// the server says that it executed nothing. It is a transaction of its own.
    pub(super) async fn write(
        &self,
        kind: Kind,
        row: impl Hash,
        query: Query,
        deadline: Instant,
    ) -> Outcome<Vec<Row>> {
        let (callers, answered) = ask(deadline);
        // A runtime whose thread is blocked delays only its own requests.
        let turn = self.turns.of((Handle::try_current().ok().map(|h| h.id()), kind, row));
        let pool = self.pool.clone();
        spawn(async move {
            let Some(_turn) = turn.come(deadline).await else {
                return callers.into_iter().for_each(|(_, callers)| {
                    let error = Unavailable::Timeout(pool.server().timeout());
                    drop(callers.answer.send(Err(error.into())));
                });
            };
            Batch::new(&pool, kind, query, callers).run().await;
        })?;
        answer(answered).await
    }
}

/// The only caller of a batch.
type OneCaller = Vec<(usize, Caller<Vec<Row>>)>;

fn ask(deadline: Instant) -> (OneCaller, oneshot::Receiver<Outcome<Vec<Row>>>) {
    let (answer, answered) = oneshot::channel();
    (vec![(0, Caller { deadline, answer })], answered)
}

fn spawn(task: impl Future<Output = ()> + Send + 'static) -> Result<(), Arc<Unavailable>> {
    let runtime = Handle::try_current().map_err(|_| Unavailable::NoRuntime)?;
    drop(runtime.spawn(task));
    Ok(())
}

async fn answer(answered: oneshot::Receiver<Outcome<Vec<Row>>>) -> Outcome<Vec<Row>> {
    answered.await.unwrap_or_else(|_| Err(Unavailable::NoRuntime.into()))
}

impl Job for Query {
    type Answer = Vec<Row>;

    async fn ask(&self, connection: &Connection) -> Result<Vec<Outcome<Vec<Row>>>, QueryFailure> {
        Ok(vec![Ok(connection.query(self).await?)])
    }
}
