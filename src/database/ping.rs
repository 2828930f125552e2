//! Whether the database answers at all.

use std::sync::{Arc, LazyLock};

use super::{Database, statement::Statement};
use crate::error::Error;

/// One statement for all, so that each connection prepares it once.
static NOTHING: LazyLock<Arc<Statement>> =
    LazyLock::new(|| Statement::new(&[], |nonce| format!("SELECT {nonce}")));

impl Database {
    pub(crate) async fn ping(&self) -> Result<(), Error> {
        self.query(NOTHING.with(vec![]), self.deadline()).await?;
        Ok(())
    }
}
