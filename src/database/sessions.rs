//! The session table: one statement for each thing that Django's `SessionStore` does with it.
//!
//! A row is named as it was read: by its key and by what is in it. None of these statements makes a
//! row out of one that is gone, so a session that somebody ended stays ended.

use std::{sync::Arc, time::SystemTime};

use tokio_postgres::{error::SqlState, types::Type};
use tracing::Instrument;

use super::{
    Database,
    connection::{Parameter, Query, Question},
    parameters::{KeyParameter, Secret},
};
use crate::{
    error::{Error, Unavailable},
    session::SessionKey,
    settings::TableName,
};

/// How many expired rows one statement deletes: so many that none takes long.
const EXPIRED_AT_ONCE: i64 = 5_000;

/// The statements, for one table.
pub(super) struct SessionQueries {
    insert: Arc<Query>,
    update: Arc<Query>,
    delete: Arc<Query>,
    clear_expired: Arc<Query>,
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
        // Whatever it changes, it answers with one row: how many rows that were.
        let query = |sql: String, types: &[Type]| {
            Query::new(types, |proof| {
                format!("WITH changed AS ({sql}) SELECT {proof}, count(*) FROM changed")
            })
        };
        Self {
            insert: query(
                format!(
                    "INSERT INTO {table} (session_key, session_data, expire_date) \
                     VALUES ($1, $2, $3) ON CONFLICT (session_key) DO NOTHING RETURNING 1"
                ),
                &[Type::VARCHAR, Type::TEXT, Type::TIMESTAMPTZ],
            ),
            // A session that is given another key is still one row: its further columns stay, and
            // no moment sees two of it, or none.
            update: query(
                format!(
                    "UPDATE {table} SET session_key = $3, session_data = $4, expire_date = $5 \
                     WHERE session_key = $1 AND session_data = $2 RETURNING 1"
                ),
                &[Type::VARCHAR, Type::TEXT, Type::VARCHAR, Type::TEXT, Type::TIMESTAMPTZ],
            ),
            delete: query(
                format!("DELETE FROM {table} WHERE session_key = $1 RETURNING 1"),
                &[Type::VARCHAR],
            ),
            clear_expired: query(
                format!(
                    "DELETE FROM {table} WHERE expire_date < $1 AND session_key IN \
                     (SELECT session_key FROM {table} WHERE expire_date < $1 LIMIT $2) \
                     RETURNING 1"
                ),
                &[Type::TIMESTAMPTZ, Type::INT8],
            ),
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
        match self.write_sessions(insert, parameters).await {
            Ok(count) => Ok(if count == 0 { Written::KeyTaken } else { Written::Done }),
            Err(error) => Err(missing_column(error)),
        }
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
        match self.write_sessions(&self.shared.sessions.update, parameters).await {
            Ok(count) => Ok(if count == 0 { Written::Changed } else { Written::Done }),
            Err(error) if has_code(&error, &SqlState::UNIQUE_VIOLATION) => Ok(Written::KeyTaken),
            Err(error) => Err(error),
        }
    }

    /// Deletes a row; says whether it was there.
    pub(crate) async fn delete_session(&self, key: &SessionKey) -> Result<bool, Error> {
        let delete = &self.shared.sessions.delete;
        let parameters: Vec<Parameter> = vec![Box::new(KeyParameter::from(key))];
        Ok(self.write_sessions(delete, parameters).await? > 0)
    }

    /// Deletes the rows that ended before this moment; says how many.
    pub(crate) async fn clear_expired(&self, now: SystemTime) -> Result<u64, Error> {
        let mut cleared = 0;
        loop {
            let clear = &self.shared.sessions.clear_expired;
            let parameters: Vec<Parameter> = vec![Box::new(now), Box::new(EXPIRED_AT_ONCE)];
            let count = self.write_sessions(clear, parameters).await?;
            cleared += count.unsigned_abs();
            if count < EXPIRED_AT_ONCE {
                return Ok(cleared);
            }
        }
    }

    /// How many rows a statement changed.
    async fn write_sessions(
        &self,
        query: &Arc<Query>,
        parameters: Vec<Parameter>,
    ) -> Result<i64, Error> {
        let write = self.write(Question::new(query, parameters), self.deadline());
        let rows = write.instrument(tracing::debug_span!("session write")).await?;
        let row = rows.first().ok_or(Unavailable::NoAnswer)?;
        Ok(row.try_get(1).map_err(Unavailable::from)?)
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
