//! Says at start-up, in one sentence, what every request would fail on.

use std::sync::Arc;

use tokio_postgres::{Row, error::SqlState, types::Type};

use super::{
    Database,
    connection::{Query, Question},
};
use crate::error::{Chain, Error, Unavailable};

/// How often others are let go first, so that connections are closed: the lane's task drops one, and
/// then its own task ends.
const GOODBYES: usize = 3;

/// What the lookups read, and the types they can read.
const SESSION_COLUMNS: &[(&str, &[&str])] = &[
    ("session_key", &["varchar", "text", "bpchar"]),
    ("session_data", &["text", "varchar"]),
    ("expire_date", &["timestamptz"]),
];

impl Database {
    /// Says what is wrong with the tables, their columns or this role's rights.
    pub(crate) async fn check(&self) -> Result<(), Error> {
        // On connections that end with it, however it ends: the runtime of the caller may do nothing
        // else, and serve no visitor.
        let own = Self { runtimes: Arc::default(), ..self.clone() };
        let checked = own.check_tables().await;
        drop(own);
        for _ in 0..GOODBYES {
            tokio::task::yield_now().await;
        }
        checked
    }

    async fn check_tables(&self) -> Result<(), Error> {
        self.check_table(&self.settings().session_table.quoted(), SESSION_COLUMNS).await?;
        if self.uses_users() { self.check_users().await } else { Ok(()) }
    }

    async fn check_users(&self) -> Result<(), Error> {
        match self.try_user_queries(self.patience().wait().deadline()).await {
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
        let columns = Query::new(&[Type::TEXT], |proof| {
            format!(
                "SELECT {proof}, a.attname::text, t.typname::text, \
                 has_column_privilege(a.attrelid, a.attnum, 'SELECT') \
                 FROM (SELECT to_regclass($1) AS relation) r \
                 LEFT JOIN pg_attribute a \
                 ON a.attrelid = r.relation AND a.attnum > 0 AND NOT a.attisdropped \
                 LEFT JOIN pg_type t ON t.oid = a.atttypid"
            )
        });
        let asked = Question::new(&columns, vec![Box::new(table.to_owned())]);
        let rows = self.query(asked, self.patience().wait().deadline()).await?;
        let column = |row: &Row| {
            let Some(name) = row.try_get(1)? else { return Ok(None) };
            Ok(Some(Column { name, type_name: row.try_get(2)?, readable: row.try_get(3)? }))
        };
        let columns = rows.iter().filter_map(|row| column(row).transpose());
        columns.collect::<Result<_, _>>().map_err(|error| Unavailable::Query(error).into())
    }
}

struct Column {
    name: String,
    type_name: String,
    readable: bool,
}
