//! Says at start-up, in one sentence, what every request would fail on.

use std::sync::Arc;

use tokio_postgres::{Row, error::SqlState, types::Type};

use super::{Database, Query};
use crate::error::{Chain, Error, Unavailable};

/// What the lookups read, and the types they can read.
const SESSION_COLUMNS: &[(&str, &[&str])] = &[
    ("session_key", &["varchar", "text", "bpchar"]),
    ("session_data", &["text", "varchar"]),
    ("expire_date", &["timestamptz"]),
];

impl Database {
    /// Says what is wrong with the tables, their columns or this role's rights.
    pub(crate) async fn check(&self) -> Result<(), Error> {
        // The runtime of the caller drives this connection. A worker that found it in the pool would
        // wake that thread for every query, for as long as it is under load.
        Self { connection: self.connection.closing(), ..self.clone() }.check_tables().await
    }

    async fn check_tables(&self) -> Result<(), Error> {
        self.check_table(&self.settings().session_table.quoted(), SESSION_COLUMNS).await?;
        if self.uses_users() { self.check_users().await } else { Ok(()) }
    }

    async fn check_users(&self) -> Result<(), Error> {
        match self.try_user_queries().await {
            Err(Error::Unavailable(error)) => match &*error {
                Unavailable::Query(refused) => Err(Error::ImproperlyConfigured(format!(
                    "the tables of the user model cannot be read: {}",
                    Chain(refused)
                ))),
                _ => Err(Error::Unavailable(error)),
            },
            checked => checked,
        }
    }

    async fn check_table(&self, table: &str, columns: &[(&str, &[&str])]) -> Result<(), Error> {
        let improper = |reason: String| Err(Error::ImproperlyConfigured(reason));
        let found = match self.columns_of(table).await {
            Ok(found) => found,
            Err(error) => match &*error {
                Unavailable::Query(refused)
                    if refused.code() == Some(&SqlState::INSUFFICIENT_PRIVILEGE) =>
                {
                    return improper(format!(
                        "this database role may not look at {table}: {}",
                        Chain(refused)
                    ));
                }
                _ => return Err(error.into()),
            },
        };
        if found.is_empty() {
            return improper(format!(
                "the database has no table {table} on the search path: run Django's `migrate`, or \
                 correct the name of the table, the schema or the database"
            ));
        }
        for (name, types) in columns {
            match found.iter().find(|column| column.name == *name) {
                None => return improper(format!("the table {table} has no column \"{name}\"")),
                Some(column) if !types.contains(&column.type_name.as_str()) => {
                    return improper(format!(
                        "the column \"{name}\" of {table} is of type {}, not {}",
                        column.type_name, types[0]
                    ));
                }
                Some(column) if !column.readable => {
                    return improper(format!(
                        "this database role may not read the column \"{name}\" of {table}: \
                         GRANT SELECT ON {table} to it"
                    ));
                }
                Some(_) => {}
            }
        }
        Ok(())
    }

    async fn columns_of(&self, table: &str) -> Result<Vec<Column>, Arc<Unavailable>> {
        let columns = Query {
            sql: "SELECT a.attname::text, t.typname::text, \
                  has_column_privilege(a.attrelid, a.attnum, 'SELECT') \
                  FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid \
                  WHERE a.attrelid = to_regclass($1) AND a.attnum > 0 AND NOT a.attisdropped"
                .into(),
            types: vec![Type::TEXT],
        };
        let rows = self.connection.query(&columns, &[&table]).await?;
        let column = |row: &Row| {
            let (name, type_name) = (row.try_get(0)?, row.try_get(1)?);
            Ok(Column { name, type_name, readable: row.try_get(2)? })
        };
        rows.iter().map(column).collect::<Result<_, _>>().map_err(|e| Unavailable::Query(e).into())
    }
}

struct Column {
    name: String,
    type_name: String,
    readable: bool,
}
