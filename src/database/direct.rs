//! Queries that are not batched: rare reads, and all writes.

use std::{
    hash::Hash,
    sync::{Arc, LazyLock},
};

use tokio::{runtime::Handle, sync::oneshot, time::Instant};
use tokio_postgres::{Row, types::Type};
use tracing::Span;

use super::{
    Database,
    batch::{Batch, Caller, Job, Outcome},
    connection::Connection,
    kind::Kind,
    pool::Pool,
    query_failure::QueryFailure,
    span::in_span,
    statement::{Parameter, Query, Statement},
    turns::Turns,
};
use crate::error::{Error, Unavailable};

/// Sends queries that are not batched. Each runs in a task of its own: a caller that is paused or goes
/// away leaves no connection in use. Clones share the state.
#[derive(Clone)]
pub(super) struct Direct {
    pool: Arc<Pool>,
    turns: Arc<Turns>,
}

impl Direct {
    pub(super) fn new(pool: &Arc<Pool>) -> Self {
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

/// One statement for all, so that each connection prepares it once.
static NOTHING: LazyLock<Arc<Statement>> =
    LazyLock::new(|| Statement::new(&[], |nonce| format!("SELECT {nonce}")));

/// A statement that changes rows. `sql` is an INSERT, UPDATE or DELETE that returns each row it changed.
/// The statement returns one row with their number.
pub(super) fn change(types: &[Type], sql: &str) -> Arc<Statement> {
    Statement::new(types, |nonce| {
        format!("WITH changed AS ({sql}) SELECT {nonce}, count(*) FROM changed")
    })
}

impl Database {
    /// The rows that a query returns. It only reads.
    pub(super) async fn query(
        &self,
        query: Query,
        deadline: Instant,
    ) -> Result<Vec<Row>, Arc<Unavailable>> {
        self.direct.read(query, deadline).await
    }

    pub(crate) async fn ping(&self) -> Result<(), Error> {
        self.query(NOTHING.with(vec![]), self.deadline()).await?;
        Ok(())
    }

    /// Executes a [`change`]. Returns how many rows it changed. Changes of one row by one runtime
    /// are executed one after the other.
    ///
    /// If the answer is lost on its way, this fails although the statement may have been executed.
    pub(super) async fn changed(
        &self,
        (kind, row): (Kind, impl Hash),
        change: &Arc<Statement>,
        parameters: Vec<Parameter>,
        deadline: Instant,
        span: Span,
    ) -> Result<i64, Error> {
        let write = self.direct.write(kind, row, change.with(parameters), deadline);
        let rows = in_span(span, write).await?;
        let row = rows.first().ok_or(Unavailable::WrongAnswer)?;
        Ok(row.try_get(1).map_err(Unavailable::from)?)
    }
}
