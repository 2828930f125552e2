//! The session table, read by session key, for all visitors who ask at the same time.

use std::{
    collections::HashMap,
    sync::{Arc, OnceLock},
    time::SystemTime,
};

use tokio::time::Instant;
use tokio_postgres::{Error as PgError, Row, types::Type};
use tracing::Instrument;

use super::{
    Database,
    connection::{Lookup, MANY_KEYS, Manner, ONE_KEY, Query, Question},
    parameters::KeyParameter,
};
use crate::{
    error::{Error, Unavailable},
    observe::Event,
    session::{SessionKey, SessionText},
    settings::TableName,
};

/// `max_length` of Django's own session model.
const USUAL_LENGTH: usize = 40;

/// What is in a row of the session table, beside its key.
#[derive(Clone)]
pub(crate) struct SessionRow {
    /// One for all who asked for the row.
    pub(crate) session_data: Arc<SessionText>,
    pub(crate) expire_date: SystemTime,
}

/// How the session table is asked.
pub(super) struct SessionLookup {
    one: Arc<Query>,
    many: Arc<Query>,
    key: Arc<Query>,
    key_length: Arc<Query>,
    /// How many characters a key may have, once that is known. `None`: any number.
    longest: OnceLock<Option<usize>>,
}

impl SessionLookup {
    pub(super) fn new(table: &TableName) -> Self {
        let table = table.quoted();
        let sql = |proof: &str, keys: &str| {
            format!(
                "SELECT {proof}, ads_key, session_data::text, expire_date \
                 FROM {keys} LEFT JOIN {table} ON session_key = ads_key"
            )
        };
        let key_length = |proof: &str| {
            format!(
                "SELECT {proof}, (SELECT atttypmod FROM pg_attribute \
                 WHERE attrelid = to_regclass($1) AND attname = 'session_key')"
            )
        };
        Self {
            one: Query::new(&[Type::VARCHAR], |proof| sql(proof, ONE_KEY)),
            many: Query::new(&[Type::VARCHAR_ARRAY], |proof| sql(proof, MANY_KEYS)),
            key: Query::of_key(&Type::VARCHAR, "ads_key"),
            key_length: Query::new(&[Type::TEXT], key_length),
            longest: OnceLock::new(),
        }
    }
}

impl Database {
    /// The row with this session key, expired ones too.
    pub(crate) async fn session_row(
        &self,
        key: &SessionKey,
        deadline: Instant,
    ) -> Result<Option<SessionRow>, Error> {
        if key.is_longer_than(USUAL_LENGTH) && self.is_too_long(key, deadline).await? {
            return Ok(None);
        }
        self.observer.event(Event::SessionLookup);
        let lanes = self.lanes()?;
        let lookup = lanes.sessions(self).ask(key.into(), deadline);
        let answer = lookup.instrument(tracing::debug_span!("session lookup")).await;
        Ok(answer?)
    }

    /// Whether no row can have this key.
    async fn is_too_long(&self, key: &SessionKey, deadline: Instant) -> Result<bool, Error> {
        let sessions = &self.shared.session_lookup;
        let longest = match sessions.longest.get() {
            Some(longest) => *longest,
            None => {
                let table = self.settings().session_table.quoted();
                let asked = Question::new(&sessions.key_length, vec![Box::new(table)]);
                let rows = self.query(asked, deadline).await?;
                // Of a column with a limit, it is that and 4; otherwise it is negative.
                let modifier: Option<i32> = rows
                    .first()
                    .map(|row| row.try_get(1))
                    .transpose()
                    .map_err(Unavailable::from)?
                    .flatten();
                let longest = modifier.and_then(|modifier| usize::try_from(modifier - 4).ok());
                *sessions.longest.get_or_init(|| longest)
            }
        };
        Ok(longest.is_some_and(|longest| key.is_longer_than(longest)))
    }
}

impl Lookup for SessionLookup {
    type Key = KeyParameter;
    type Answer = Option<SessionRow>;

    const MANNER: Manner =
        Manner { at_once: 256, many: 4, connections: 2, spreads: false, repeats: true };

    fn one(&self, key: &KeyParameter) -> Question {
        Question::new(&self.one, vec![Box::new(key.clone())])
    }

    fn many(&self, keys: &[KeyParameter]) -> Question {
        Question::new(&self.many, vec![Box::new(keys.to_vec())])
    }

    fn is_sociable(&self, key: &KeyParameter) -> bool {
        key.is_sociable()
    }

    fn read(&self, keys: &[KeyParameter], rows: Vec<Row>) -> Vec<Option<Self::Answer>> {
        let found = rows.iter().filter_map(|row| session(row).ok());
        if let [key] = keys {
            return vec![
                found.into_iter().find(|(of, _)| *of == key.as_str()).map(|(_, found)| found),
            ];
        }
        let mut found: HashMap<_, _> = found.collect();
        keys.iter().map(|key| found.remove(key.as_str())).collect()
    }

    fn by_itself(&self, key: &KeyParameter) -> Option<(Question, Self::Answer)> {
        Some((Question::new(&self.key, vec![Box::new(key.clone())]), None))
    }
}

/// The key that a row answers, and what it has for it.
fn session(row: &Row) -> Result<(&str, Option<SessionRow>), PgError> {
    Ok((row.try_get(1)?, session_in(row, 2)?))
}

/// What stands in two columns of a row, from this one on: session data and the end of the session.
pub(super) fn session_in(row: &Row, column: usize) -> Result<Option<SessionRow>, PgError> {
    let session_data: Option<&str> = row.try_get(column)?;
    let expire_date: Option<SystemTime> = row.try_get(column + 1)?;
    Ok(session_data.zip(expire_date).map(|(session_data, expire_date)| SessionRow {
        session_data: Arc::new(SessionText::new(session_data)),
        expire_date,
    }))
}
