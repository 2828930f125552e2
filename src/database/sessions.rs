//! The session table: one statement for each thing that Django's `SessionStore` does with it.
//!
//! A row is named as it was read: by its key and by what is in it. None of these statements makes a
//! row out of one that is gone, so a session that somebody ended stays ended.

use std::{
    sync::{Arc, OnceLock},
    time::SystemTime,
};

use tokio_postgres::{error::SqlState, types::Type};
use tracing::debug_span;

use super::{
    Database,
    changes::change,
    connection::{Parameter, Query, Question},
    parameters::{KeyParameter, Secret},
};
use crate::{
    error::{Error, Unavailable},
    session::SessionKey,
    settings::TableName,
};

/// The key and the data that a row has, and the key, data and end that it is to have.
const UPDATE_TYPES: &[Type] =
    &[Type::VARCHAR, Type::TEXT, Type::VARCHAR, Type::TEXT, Type::TIMESTAMPTZ];

/// The statements, for one table.
pub(super) struct SessionQueries {
    insert: Arc<Query>,
    update: Arc<Query>,
    replace: Arc<Query>,
    delete: Arc<Query>,
    /// Whether the table is a view, once that is known.
    is_view: OnceLock<bool>,
}

/// What became of a row that was to be inserted or moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Written {
    Done,
    /// The row is gone, or is not any more what it was.
    Changed,
    /// Another row has the new key, or so the database says: what a trigger writes may be taken too.
    KeyTaken,
}

impl SessionQueries {
    pub(super) fn new(table: &TableName) -> Self {
        let table = table.quoted();
        Self {
            // As Django, which looks first: not every table says that a key is taken. Nor is any
            // constraint named, or a conflict passed over: tables that are partitioned, views with
            // triggers and constraints that are checked later have none to name.
            insert: change(
                &[Type::VARCHAR, Type::TEXT, Type::TIMESTAMPTZ],
                &format!(
                    "INSERT INTO {table} (session_key, session_data, expire_date) \
                     SELECT $1, $2, $3 WHERE NOT EXISTS \
                     (SELECT FROM {table} WHERE session_key = $1) RETURNING 1"
                ),
            ),
            // A session that is given another key is still one row: its further columns stay, and
            // no moment sees two of it, or none.
            update: change(
                UPDATE_TYPES,
                &format!(
                    "UPDATE {table} SET session_key = $3, session_data = $4, expire_date = $5 \
                     WHERE session_key = $1 AND session_data = $2 RETURNING 1"
                ),
            ),
            // As Django's `cycle_key`, for a view: what its triggers make of another key in an
            // UPDATE, which Django never sends, nobody knows.
            replace: Query::new(UPDATE_TYPES, |proof| {
                format!(
                    "WITH deleted AS (DELETE FROM {table} \
                     WHERE session_key = $1 AND session_data = $2 RETURNING 1), \
                     changed AS (INSERT INTO {table} (session_key, session_data, expire_date) \
                     SELECT $3, $4, $5 FROM deleted RETURNING 1) \
                     SELECT {proof}, count(*) FROM changed"
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
    /// Makes a row. The key may be taken; then nothing happens.
    pub(crate) async fn insert_session(
        &self,
        key: &SessionKey,
        session_data: &str,
        expire_date: SystemTime,
    ) -> Result<Written, Error> {
        let insert = &self.shared.sessions.insert;
        let parameters: Vec<Parameter> = vec![
            Box::new(KeyParameter::from(key)),
            Box::new(Secret(session_data.into())),
            Box::new(expire_date),
        ];
        match self.changed(insert, parameters, debug_span!("session write")).await {
            Ok(0) if !self.holds(key, session_data).await? => Ok(Written::KeyTaken),
            Ok(_) => Ok(Written::Done),
            Err(error) if has_code(&error, &SqlState::UNIQUE_VIOLATION) => Ok(Written::KeyTaken),
            Err(error) => Err(missing_column(error)),
        }
    }

    /// Whether the row with this key holds this data: a trigger may have put a new row into another
    /// table, of which this one is made, and then no row was inserted into this one.
    async fn holds(&self, key: &SessionKey, session_data: &str) -> Result<bool, Error> {
        let row = self.session_row(key, self.deadline()).await?;
        Ok(row.is_some_and(|row| row.session_data.as_str() == session_data))
    }

    /// Stores other data in a row, under another key or the same, if it still holds what was read.
    /// Expired rows too, as Django does.
    pub(crate) async fn update_session(
        &self,
        (key, read): (&SessionKey, &str),
        new_key: &SessionKey,
        session_data: &str,
        expire_date: SystemTime,
    ) -> Result<Written, Error> {
        let parameters: Vec<Parameter> = vec![
            Box::new(KeyParameter::from(key)),
            Box::new(Secret(read.into())),
            Box::new(KeyParameter::from(new_key)),
            Box::new(Secret(session_data.into())),
            Box::new(expire_date),
        ];
        let sessions = &self.shared.sessions;
        let update = match key.as_str() != new_key.as_str() && self.sessions_are_a_view().await? {
            true => &sessions.replace,
            false => &sessions.update,
        };
        match self.changed(update, parameters, debug_span!("session write")).await {
            Ok(count) => Ok(if count == 0 { Written::Changed } else { Written::Done }),
            Err(error) if has_code(&error, &SqlState::UNIQUE_VIOLATION) => Ok(Written::KeyTaken),
            Err(error) => Err(error),
        }
    }

    /// Deletes a row; says whether it was there.
    pub(crate) async fn delete_session(&self, key: &SessionKey) -> Result<bool, Error> {
        let delete = &self.shared.sessions.delete;
        let parameters: Vec<Parameter> = vec![Box::new(KeyParameter::from(key))];
        Ok(self.changed(delete, parameters, debug_span!("session write")).await? > 0)
    }

    async fn sessions_are_a_view(&self) -> Result<bool, Error> {
        if let Some(is_view) = self.shared.sessions.is_view.get() {
            return Ok(*is_view);
        }
        let query = Query::new(&[Type::TEXT], |proof| {
            format!(
                "SELECT {proof}, \
                 EXISTS (SELECT FROM pg_class WHERE oid = to_regclass($1) AND relkind = 'v')"
            )
        });
        let table = self.settings().session_table.quoted();
        let rows =
            self.query(Question::new(&query, vec![Box::new(table)]), self.deadline()).await?;
        let row = rows.first().ok_or(Unavailable::NoAnswer)?;
        let is_view = row.try_get(1).map_err(Unavailable::from)?;
        Ok(*self.shared.sessions.is_view.get_or_init(|| is_view))
    }
}

fn has_code(error: &Error, code: &SqlState) -> bool {
    let Error::Unavailable(error) = error else { return false };
    matches!(&**error, Unavailable::Query(error) if error.code() == Some(code))
}

/// Some sites keep more in the table than Django does, and a new row has nothing to put there.
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
