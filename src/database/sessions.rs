//! The session table: one statement for each thing that Django's `SessionStore` does with it.
//!
//! Each statement names a row by its key and by the data that was read. None of them recreates a row that
//! is gone, so a session that was ended stays ended.

use std::{
    sync::{Arc, OnceLock},
    time::SystemTime,
};

use tokio::time::Instant;
use tokio_postgres::{error::SqlState, types::Type};
use tracing::debug_span;

use super::{
    Database,
    direct::change,
    kind::Kind,
    statement::{KeyParameter, Parameter, SecretParameter, Statement},
};
use crate::{
    error::{Error, Unavailable},
    session::SessionKey,
    settings::{TableName, quote_name},
};

/// The key and the data that the row has, then the key, data and end that it gets.
const UPDATE_TYPES: &[Type] =
    &[Type::VARCHAR, Type::TEXT, Type::VARCHAR, Type::TEXT, Type::TIMESTAMPTZ];

/// The statements, for one table.
pub(super) struct SessionQueries {
    insert: Arc<Statement>,
    update: Arc<Statement>,
    replace: Arc<Statement>,
    delete: Arc<Statement>,
    /// Whether the table is a view, once known.
    is_view: OnceLock<bool>,
}

/// The statements that also fill further columns of a row, from a JSON object.
pub(super) struct ColumnQueries {
    insert: Arc<Statement>,
    update: Arc<Statement>,
    replace: Arc<Statement>,
}

impl ColumnQueries {
    fn new(table: &TableName, columns: &[String]) -> Self {
        let table = table.quoted();
        let columns: Vec<_> = columns.iter().map(|name| quote_name(name)).collect();
        let names: String = columns.iter().map(|name| format!(", {name}")).collect();
        let values: String = columns.iter().map(|name| format!(", further.{name}")).collect();
        let set: String = columns.iter().map(|name| format!(", {name} = further.{name}")).collect();
        let further =
            |json: &str| format!("jsonb_populate_record(NULL::{table}, {json}::jsonb) AS further");
        let types = [UPDATE_TYPES, &[Type::TEXT]].concat();
        Self {
            insert: change(
                &[Type::VARCHAR, Type::TEXT, Type::TIMESTAMPTZ, Type::TEXT],
                &format!(
                    "INSERT INTO {table} (session_key, session_data, expire_date{names}) \
                     SELECT $1, $2, $3{values} FROM {} WHERE NOT EXISTS \
                     (SELECT FROM {table} WHERE session_key = $1) RETURNING 1",
                    further("$4")
                ),
            ),
            update: change(
                &types,
                &format!(
                    "UPDATE {table} AS row SET session_key = $3, session_data = $4, \
                     expire_date = $5{set} FROM {} \
                     WHERE row.session_key = $1 AND row.session_data = $2 RETURNING 1",
                    further("$6")
                ),
            ),
            replace: Statement::new(&types, |nonce| {
                format!(
                    "WITH deleted AS (DELETE FROM {table} \
                     WHERE session_key = $1 AND session_data = $2 RETURNING 1), \
                     changed AS (INSERT INTO {table} \
                     (session_key, session_data, expire_date{names}) \
                     SELECT $3, $4, $5{values} FROM deleted, {} RETURNING 1) \
                     SELECT {nonce}, count(*) FROM changed",
                    further("$6")
                )
            }),
        }
    }
}

/// The outcome of an insert or update.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Written {
    Done,
    /// The row is gone or has changed since it was read.
    Changed,
    /// Another row has the new key. The database may also say so of another table, which a trigger writes.
    KeyTaken,
}

impl SessionQueries {
    pub(super) fn new(table: &TableName) -> Self {
        let table = table.quoted();
        Self {
            // Django looks first whether the key is taken, and so does this: not every table says so. No
            // constraint is named and ON CONFLICT is not used: partitioned tables, views with triggers and
            // deferred constraints have none to name.
            insert: change(
                &[Type::VARCHAR, Type::TEXT, Type::TIMESTAMPTZ],
                &format!(
                    "INSERT INTO {table} (session_key, session_data, expire_date) \
                     SELECT $1, $2, $3 WHERE NOT EXISTS \
                     (SELECT FROM {table} WHERE session_key = $1) RETURNING 1"
                ),
            ),
            // A session that gets another key is still one row: its further columns stay, and at no moment
            // are there two rows or none.
            update: change(
                UPDATE_TYPES,
                &format!(
                    "UPDATE {table} SET session_key = $3, session_data = $4, expire_date = $5 \
                     WHERE session_key = $1 AND session_data = $2 RETURNING 1"
                ),
            ),
            // As Django's `cycle_key`, for a view. Django never sends an UPDATE of the key, so the
            // triggers of a view may not handle one.
            replace: Statement::new(UPDATE_TYPES, |nonce| {
                format!(
                    "WITH deleted AS (DELETE FROM {table} \
                     WHERE session_key = $1 AND session_data = $2 RETURNING 1), \
                     changed AS (INSERT INTO {table} (session_key, session_data, expire_date) \
                     SELECT $3, $4, $5 FROM deleted RETURNING 1) \
                     SELECT {nonce}, count(*) FROM changed"
                )
            }),
            delete: change(
                &[Type::VARCHAR],
                &format!("DELETE FROM {table} WHERE session_key = $1 RETURNING 1"),
            ),
            is_view: OnceLock::new(),
        }
    }
}

impl Database {
    /// This database, with statements that fill further columns of the session table from JSON objects.
    pub(crate) fn with_session_columns(&self, columns: &[String]) -> Self {
        let queries = ColumnQueries::new(&self.settings().session_table, columns);
        Self { session_columns: Some(Arc::new(queries)), ..self.clone() }
    }

    /// Inserts a row. Does nothing if the key is taken.
    pub(crate) async fn insert_session(
        &self,
        key: &SessionKey,
        (session_data, columns): (&str, Option<String>),
        expire_date: SystemTime,
        deadline: Instant,
    ) -> Result<Written, Error> {
        let mut insert = &self.shared.sessions.insert;
        let mut parameters: Vec<Parameter> = vec![
            Box::new(KeyParameter::from(key)),
            Box::new(SecretParameter(session_data.into())),
            Box::new(expire_date),
        ];
        if let (Some(queries), Some(json)) = (&self.session_columns, columns) {
            insert = &queries.insert;
            parameters.push(Box::new(SecretParameter(json)));
        }
        match self.changed_session(key, insert, parameters, deadline).await {
            Ok(0) if !self.holds(key, session_data, deadline).await? => Ok(Written::KeyTaken),
            Ok(_) => Ok(Written::Done),
            Err(error) if has_code(&error, &SqlState::UNIQUE_VIOLATION) => Ok(Written::KeyTaken),
            Err(error) => Err(missing_column(error)),
        }
    }

    /// Whether the row with this key has this data. If the table is a view, a trigger may have inserted
    /// the row into another table, and the insert reports no row.
    async fn holds(
        &self,
        key: &SessionKey,
        session_data: &str,
        deadline: Instant,
    ) -> Result<bool, Error> {
        let row = self.session_row(key, deadline).await?;
        Ok(row.is_some_and(|row| row.session_data.as_str() == session_data))
    }

    /// Stores other data in a row, under the same key or another one, if the row still has the data that
    /// was read. This includes expired rows, as in Django.
    pub(crate) async fn update_session(
        &self,
        (key, read): (&SessionKey, &str),
        (new_key, session_data, expire_date): (&SessionKey, &str, SystemTime),
        columns: Option<String>,
        deadline: Instant,
    ) -> Result<Written, Error> {
        let mut parameters: Vec<Parameter> = vec![
            Box::new(KeyParameter::from(key)),
            Box::new(SecretParameter(read.into())),
            Box::new(KeyParameter::from(new_key)),
            Box::new(SecretParameter(session_data.into())),
            Box::new(expire_date),
        ];
        let sessions = &self.shared.sessions;
        let cycles = key.as_str() != new_key.as_str();
        let replaces = cycles && self.sessions_are_a_view(deadline).await?;
        let further = self.session_columns.as_ref().zip(columns);
        let (update, replace) = match &further {
            Some((queries, _)) => (&queries.update, &queries.replace),
            None => (&sessions.update, &sessions.replace),
        };
        parameters
            .extend(further.map(|(_, json)| -> Parameter { Box::new(SecretParameter(json)) }));
        let update = if replaces { replace } else { update };
        match self.changed_session(key, update, parameters, deadline).await {
            Ok(count) => Ok(if count == 0 { Written::Changed } else { Written::Done }),
            Err(error) if has_code(&error, &SqlState::UNIQUE_VIOLATION) => Ok(Written::KeyTaken),
            Err(error) => Err(error),
        }
    }

    /// Deletes a row. Returns whether it existed.
    pub(crate) async fn delete_session(
        &self,
        key: &SessionKey,
        deadline: Instant,
    ) -> Result<bool, Error> {
        let delete = &self.shared.sessions.delete;
        let parameters: Vec<Parameter> = vec![Box::new(KeyParameter::from(key))];
        Ok(self.changed_session(key, delete, parameters, deadline).await? > 0)
    }

    async fn changed_session(
        &self,
        key: &SessionKey,
        change: &Arc<Statement>,
        parameters: Vec<Parameter>,
        deadline: Instant,
    ) -> Result<i64, Error> {
        let row = (Kind::SessionWrites, key.as_str());
        self.changed(row, change, parameters, deadline, debug_span!("session write")).await
    }

    async fn sessions_are_a_view(&self, deadline: Instant) -> Result<bool, Error> {
        if let Some(is_view) = self.shared.sessions.is_view.get() {
            return Ok(*is_view);
        }
        let query = Statement::new(&[Type::TEXT], |nonce| {
            format!(
                "SELECT {nonce}, \
                 EXISTS (SELECT FROM pg_class WHERE oid = to_regclass($1) AND relkind = 'v')"
            )
        });
        let table = self.settings().session_table.quoted();
        let rows = self.query(query.with(vec![Box::new(table)]), deadline).await?;
        let row = rows.first().ok_or(Unavailable::WrongAnswer)?;
        let is_view = row.try_get(1).map_err(Unavailable::from)?;
        Ok(*self.shared.sessions.is_view.get_or_init(|| is_view))
    }
}

fn has_code(error: &Error, code: &SqlState) -> bool {
    let Error::Unavailable(error) = error else { return false };
    matches!(&**error, Unavailable::Query(error) if error.code() == Some(code))
}

/// Some sites have further columns in the table for which a new row has no value.
fn missing_column(error: Error) -> Error {
    if !has_code(&error, &SqlState::NOT_NULL_VIOLATION) {
        return error;
    }
    let Error::Unavailable(refused) = &error else { return error };
    let Unavailable::Query(refused) = &**refused else { return error };
    let column = refused.column().unwrap_or_default();
    Error::ImproperlyConfigured(format!(
        "the session table has a column \"{column}\" that must not be NULL and that Django's own \
         table does not have: give it a DEFAULT, so that new sessions can be stored"
    ))
}
