//! Foreign keys to the session table. Django deletes rows that refer to a session before the session
//! itself. This crate knows only the session table, so the database has to do it.

use std::{fmt, sync::Arc};

use tokio_postgres::{Row, types::Type};

use super::{Database, statement::Statement};
use crate::{
    error::{Error, Unavailable},
    report::CheckReport,
};

impl Database {
    /// Warns of foreign keys that prevent a session from being deleted or getting another key.
    pub(super) async fn check_references(
        &self,
        session_table: &str,
        report: &mut CheckReport,
    ) -> Result<(), Error> {
        let query = query().with(vec![Box::new(session_table.to_owned())]);
        for row in self.query(query, self.deadline()).await? {
            if let Some(reference) = Reference::of(&row).map_err(Unavailable::from)? {
                report.warning(format!("write_sessions: {reference}"));
            }
        }
        Ok(())
    }
}

/// A constraint that prevents this.
struct Reference {
    table: String,
    name: String,
    /// The definition that it should have.
    definition: String,
    refuses_delete: bool,
    refuses_update: bool,
}

impl Reference {
    /// `None` for the row that stands for no constraint.
    fn of(row: &Row) -> Result<Option<Self>, tokio_postgres::Error> {
        let Some(table) = row.try_get(1)? else { return Ok(None) };
        Ok(Some(Self {
            table,
            name: row.try_get(2)?,
            definition: row.try_get(3)?,
            refuses_delete: row.try_get(4)?,
            refuses_update: row.try_get(5)?,
        }))
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { table, name, definition, refuses_delete, refuses_update } = self;
        let refused = match (refuses_delete, refuses_update) {
            (true, true) => "be deleted, or get another key, as a login does",
            (true, false) => "be deleted",
            _ => "get another key, as a login does",
        };
        // In the database, all `on_delete` options but `DB_CASCADE`, `DB_SET_NULL` and `DB_SET_DEFAULT`
        // look the same.
        let choice = if *refuses_delete {
            " Django's `on_delete` is not in the database. Write SET NULL for the CASCADE of ON \
             DELETE if that is the model's; leave the constraint as it is for PROTECT and RESTRICT:"
        } else {
            " Let the key be changed:"
        };
        write!(
            f,
            "the constraint {name} of {table} lets no session to which a row there refers \
             {refused}.{choice} ALTER TABLE {table} DROP CONSTRAINT {name}, ADD CONSTRAINT {name} \
             {definition};"
        )
    }
}

/// The constraints with NO ACTION ("a") or RESTRICT ("r"), each once: partitions have copies. The new
/// definition changes only the refusing action.
fn query() -> Arc<Statement> {
    Statement::new(&[Type::TEXT], |nonce| {
        format!(
            "SELECT {nonce}, c.conrelid::regclass::text, quote_ident(c.conname), \
             regexp_replace(pg_get_constraintdef(c.oid), '( ON UPDATE {ACTION})?( ON DELETE \
             {ACTION}(?: [(].*[)])?)?((?: DEFERRABLE)?(?: INITIALLY DEFERRED)?(?: NOT [A-Z]+)*)$', \
             CASE WHEN c.refuses_update THEN ' ON UPDATE CASCADE' ELSE E'\\\\1' END || \
             CASE WHEN c.refuses_delete THEN ' ON DELETE CASCADE' ELSE E'\\\\2' END || E'\\\\3'), \
             c.refuses_delete, c.refuses_update FROM (SELECT) once LEFT JOIN (SELECT oid, conrelid, \
             conname, confdeltype IN ('a', 'r') AS refuses_delete, confupdtype IN ('a', 'r') AND \
             EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = confrelid AND \
             a.attname = 'session_key' AND a.attnum = ANY (confkey)) AS refuses_update \
             FROM pg_constraint WHERE confrelid = to_regclass($1) AND contype = 'f' AND \
             conparentid = 0) c ON c.refuses_delete OR c.refuses_update ORDER BY 2, 3"
        )
    })
}

/// The actions after ON UPDATE or ON DELETE.
const ACTION: &str = "(?:RESTRICT|CASCADE|SET NULL|SET DEFAULT)";
