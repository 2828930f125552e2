//! The session table, read by session key in batches.

use std::{
    collections::{HashMap, HashSet},
    hash::{BuildHasher, RandomState},
    sync::{
        Arc, Mutex, OnceLock, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::SystemTime,
};

use tokio::time::Instant;
use tokio_postgres::{Error as PgError, Row, types::Type};

use super::{
    Database,
    batched::Batched,
    kind::Kind,
    span::in_span,
    statement::{KeyParameter, MANY_KEYS, ONE_KEY, Query, Statement},
};
use crate::{
    error::{Error, Unavailable},
    observe::Event,
    session::{DecodedText, SessionKey, SessionText},
    settings::TableName,
};

/// `max_length` of the key in Django's own session model.
const USUAL_LENGTH: usize = 40;

/// From this size on, in bytes, other callers do not wait for a session: its transfer takes longer than
/// everything else.
const LARGE: usize = 64 * 1024;

/// How many keys are remembered. Beyond that, all are forgotten.
const CAPACITY: usize = 4_096;

/// A row of the session table without its key.
#[derive(Clone)]
pub(crate) struct SessionRow {
    /// Shared by all callers that asked for the row.
    pub(crate) session_data: Arc<SessionText>,
    pub(crate) expire_date: SystemTime,
}

/// The statements that read the session table.
pub(super) struct SessionLookup {
    one: Arc<Statement>,
    many: Arc<Statement>,
    key: Arc<Statement>,
    key_length: Arc<Statement>,
    /// How many characters a key may have, once known. `None` inside: any number.
    longest: OnceLock<Option<usize>>,
    large: Arc<LargeKeys>,
}

impl SessionLookup {
    pub(super) fn new(table: &TableName) -> Self {
        let table = table.quoted();
        let sql = |nonce: &str, keys: &str| {
            format!(
                "SELECT {nonce}, ads_key, session_data::text, expire_date \
                 FROM {keys} LEFT JOIN {table} ON session_key = ads_key"
            )
        };
        let key_length = |nonce: &str| {
            format!(
                "SELECT {nonce}, (SELECT atttypmod FROM pg_attribute \
                 WHERE attrelid = to_regclass($1) AND attname = 'session_key')"
            )
        };
        Self {
            one: Statement::new(&[Type::VARCHAR], |nonce| sql(nonce, ONE_KEY)),
            many: Statement::new(&[Type::VARCHAR_ARRAY], |nonce| sql(nonce, MANY_KEYS)),
            key: Statement::of_key(&Type::VARCHAR, "ads_key"),
            key_length: Statement::new(&[Type::TEXT], key_length),
            longest: OnceLock::new(),
            large: Arc::default(),
        }
    }

    /// The keys of large sessions.
    pub(super) fn large(&self) -> &Arc<LargeKeys> {
        &self.large
    }
}

impl Database {
    /// Looks up the row with this session key, even if it has expired.
    pub(crate) async fn session_row(
        &self,
        key: &SessionKey,
        deadline: Instant,
    ) -> Result<Option<SessionRow>, Error> {
        // What few requests need is in a box, so that the future of the others is small.
        if key.is_longer_than(USUAL_LENGTH) && Box::pin(self.is_too_long(key, deadline)).await? {
            return Ok(None);
        }
        self.observer.event(Event::SessionLookup);
        let lookup = self.shared.session_lookup.ask(key.into(), deadline);
        let answer = in_span(tracing::debug_span!("session lookup"), lookup).await;
        Ok(answer?)
    }

    /// Whether the key is longer than the column allows, so that no row can have it.
    async fn is_too_long(&self, key: &SessionKey, deadline: Instant) -> Result<bool, Error> {
        let sessions = self.shared.session_lookup.batched();
        let longest = match sessions.longest.get() {
            Some(longest) => *longest,
            None => {
                let table = self.settings().session_table.quoted();
                let query = sessions.key_length.with(vec![Box::new(table)]);
                let rows = self.query(query, deadline).await?;
                // For a column with a limit this is the limit plus 4; otherwise it is negative.
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

impl Batched for SessionLookup {
    type Key = KeyParameter;
    type Answer = Option<SessionRow>;

    const KIND: Kind = Kind::Sessions;

    fn one(&self, key: &KeyParameter) -> Query {
        self.one.with(vec![Box::new(key.clone())])
    }

    fn many(&self, keys: &[KeyParameter]) -> Query {
        self.many.with(vec![Box::new(keys.to_vec())])
    }

    fn is_batchable(&self, key: &KeyParameter) -> bool {
        key.is_batchable()
    }

    fn is_large(&self, key: &KeyParameter) -> bool {
        self.large.has(key)
    }

    fn read(&self, keys: &[KeyParameter], rows: Vec<Row>) -> Vec<Option<Self::Answer>> {
        let found = rows.iter().filter_map(|row| session(row).ok());
        let found = found.inspect(|(key, session)| {
            self.large.note(
                key,
                session.as_ref().map_or(0, |session| session.session_data.as_str().len()),
            );
        });
        if let [key] = keys {
            return vec![
                found.into_iter().find(|(of, _)| *of == key.as_str()).map(|(_, found)| found),
            ];
        }
        let mut of_keys = HashMap::with_capacity(keys.len());
        of_keys.extend(found);
        keys.iter().map(|key| of_keys.remove(key.as_str())).collect()
    }

    fn by_itself(&self, key: &KeyParameter) -> Option<(Query, Self::Answer)> {
        Some((self.key.with(vec![Box::new(key.clone())]), None))
    }
}

/// The key that a row answers, and the session found for it.
fn session(row: &Row) -> Result<(&str, Option<SessionRow>), PgError> {
    Ok((row.try_get(1)?, session_in(row, 2, None)?))
}

/// The session in two columns of a row, from this one on: `session_data` and `expire_date`. The
/// data is not copied if it is the text that is known.
pub(super) fn session_in(
    row: &Row,
    column: usize,
    known: Option<&Arc<DecodedText>>,
) -> Result<Option<SessionRow>, PgError> {
    let session_data: Option<&str> = row.try_get(column)?;
    let expire_date: Option<SystemTime> = row.try_get(column + 1)?;
    Ok(session_data.zip(expire_date).map(|(session_data, expire_date)| {
        let text = match known.filter(|known| known.as_str() == session_data) {
            Some(known) => SessionText::of_decoded(known),
            None => SessionText::new(session_data),
        };
        SessionRow { session_data: Arc::new(text), expire_date }
    }))
}

/// The keys of large sessions, as hashes.
#[derive(Default)]
pub(super) struct LargeKeys {
    hasher: RandomState,
    /// Whether there is any: most sites have no large session.
    has_any: AtomicBool,
    keys: Mutex<HashSet<u64>>,
}

impl LargeKeys {
    pub(super) fn has(&self, key: &KeyParameter) -> bool {
        self.has_any.load(Ordering::Relaxed) && {
            let keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
            keys.contains(&self.hasher.hash_one(key.as_str()))
        }
    }

    /// Records the size of a session in bytes.
    pub(super) fn note(&self, key: &str, bytes: usize) {
        if bytes < LARGE && !self.has_any.load(Ordering::Relaxed) {
            return;
        }
        let key = self.hasher.hash_one(key);
        let mut keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        if bytes < LARGE {
            keys.remove(&key);
        } else {
            if keys.len() >= CAPACITY && !keys.contains(&key) {
                keys.clear();
            }
            keys.insert(key);
        }
        self.has_any.store(!keys.is_empty(), Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_sessions_are_remembered_and_few() {
        let large = LargeKeys::default();
        let key = |i: usize| SessionKey::new(format!("session-{i}")).unwrap();
        let has = |i| large.has(&(&key(i)).into());
        large.note(key(0).as_str(), LARGE - 1);
        assert!(!has(0));
        for i in 0..CAPACITY {
            large.note(key(i).as_str(), LARGE);
        }
        assert!(has(0) && has(CAPACITY - 1));
        large.note(key(0).as_str(), 0);
        assert!(!has(0) && has(1));
        large.note(key(0).as_str(), LARGE);
        large.note(key(CAPACITY).as_str(), LARGE);
        assert!(!has(0) && has(CAPACITY));
    }
}
