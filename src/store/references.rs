//! Foreign keys onto the session table. Django deletes what refers to a row before the row itself, and
//! this crate knows the table of sessions only: here it is the database that has to.

use std::sync::Arc;

use tokio_postgres::types::Type;

use super::{
    Database,
    connection::{Query, Question},
};
use crate::{
    error::{Error, Unavailable},
    report::CheckReport,
};

impl Database {
    /// Warns of foreign keys that let no session be deleted, or be given another key.
    pub(super) async fn check_references(
        &self,
        session_table: &str,
        report: &mut CheckReport,
    ) -> Result<(), Error> {
        let asked = Question::new(&query(), vec![Box::new(session_table.to_owned())]);
        for row in self.query(asked, self.deadline()).await? {
            let text = |index: usize| row.try_get::<_, Option<&str>>(index);
            let row = text(1).and_then(|table| Ok(table.zip(text(2)?).zip(text(3)?)));
            let Some(((table, name), definition)) = row.map_err(Unavailable::from)? else {
                continue;
            };
            report.warning(format!(
                "writes_sessions: the constraint {name} of {table} lets no session to which a row \
                 there refers be ended, or be given another key, as a log-in does. Let the database \
                 do what Django's `on_delete` does: ALTER TABLE {table} DROP CONSTRAINT {name}, ADD \
                 CONSTRAINT {name} {definition} ON DELETE CASCADE ON UPDATE CASCADE DEFERRABLE \
                 INITIALLY DEFERRED;"
            ));
        }
        Ok(())
    }
}

/// Those that do nothing ("a") or refuse ("r"), each once: partitions have copies.
fn query() -> Arc<Query> {
    Query::new(&[Type::TEXT], |proof| {
        format!(
            "SELECT {proof}, c.conrelid::regclass::text, quote_ident(c.conname), \
             substring(pg_get_constraintdef(c.oid) from '^FOREIGN KEY .*?[)] REFERENCES .*?[)]') \
             FROM (SELECT) once LEFT JOIN pg_constraint c ON c.confrelid = to_regclass($1) \
             AND c.contype = 'f' AND c.conparentid = 0 AND (c.confdeltype IN ('a', 'r') OR \
             c.confupdtype IN ('a', 'r') AND EXISTS (SELECT FROM pg_attribute a \
             WHERE a.attrelid = c.confrelid AND a.attname = 'session_key' \
             AND a.attnum = ANY (c.confkey))) ORDER BY 2, 3"
        )
    })
}
