//! The ends of sessions, moved for all visitors who come at the same time.

use std::{
    collections::HashSet,
    hash::{Hash, Hasher},
    sync::Arc,
    time::SystemTime,
};

use tokio::time::Instant;
use tokio_postgres::{Row, types::Type};
use tracing::Instrument;

use super::{
    Database,
    batcher::Batched,
    kind::Kind,
    parameters::KeyParameter,
    statement::{Query, Statement},
};
use crate::{error::Error, session::SessionKey, settings::TableName};

/// How ends are moved.
pub(super) struct Slides {
    one: Arc<Statement>,
    many: Arc<Statement>,
}

/// One session's end: what it was, and what it is to be.
#[derive(Clone)]
pub(super) struct Slide {
    key: KeyParameter,
    was: SystemTime,
    end: SystemTime,
}

/// Requests of one visitor that come together, as those of a page do, ask for one slide: their ends
/// are as far apart as they are.
impl PartialEq for Slide {
    fn eq(&self, other: &Self) -> bool {
        (&self.key, self.was) == (&other.key, other.was)
    }
}

impl Eq for Slide {}

impl Hash for Slide {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (&self.key, self.was).hash(state);
    }
}

impl Slides {
    pub(super) fn new(table: &TableName) -> Self {
        let table = table.quoted();
        // A server that crashes may forget the slides of its last moments, and nobody waits for its
        // disk: those sessions end when they would have.
        let query = |types: &[Type], update: String| {
            Statement::new(types, |nonce| {
                format!(
                    "WITH slid AS ({update}) SELECT {nonce}, slid.session_key::text \
                     FROM (SELECT set_config('synchronous_commit', 'off', true)) always \
                     LEFT JOIN slid ON TRUE"
                )
            })
        };
        // In the order of the keys, and past those that somebody else is changing: nobody waits for
        // a lock, so nobody waits in a circle. Where the end is not what it was, somebody gave the
        // session another one, and that stands. `=` would invite the planner to look for all
        // sessions that end at that moment.
        let types = [Type::VARCHAR_ARRAY, Type::TIMESTAMPTZ_ARRAY, Type::TIMESTAMPTZ_ARRAY];
        let many = query(
            &types,
            format!(
                "UPDATE {table} t SET expire_date = s.moved FROM (\
                 SELECT t.session_key, u.moved \
                 FROM unnest($1, $2, $3) u(key, was, moved) JOIN {table} t \
                 ON t.session_key = u.key AND t.expire_date IS NOT DISTINCT FROM u.was \
                 ORDER BY t.session_key FOR NO KEY UPDATE OF t SKIP LOCKED) s \
                 WHERE t.session_key = s.session_key RETURNING t.session_key"
            ),
        );
        // For one alone, all that takes a third longer.
        let types = [Type::VARCHAR, Type::TIMESTAMPTZ, Type::TIMESTAMPTZ];
        let one = query(
            &types,
            format!(
                "UPDATE {table} SET expire_date = $3 WHERE session_key = (\
                 SELECT session_key FROM {table} \
                 WHERE session_key = $1 AND expire_date IS NOT DISTINCT FROM $2 \
                 FOR NO KEY UPDATE SKIP LOCKED) RETURNING session_key"
            ),
        );
        Self { one, many }
    }
}

impl Database {
    /// Moves the end of a session, if it still ends when it did; says whether it was moved.
    pub(crate) async fn slide_session(
        &self,
        key: &SessionKey,
        was: SystemTime,
        end: SystemTime,
        deadline: Instant,
    ) -> Result<bool, Error> {
        let slide = Slide { key: key.into(), was, end };
        let batchers = self.batchers()?;
        let slid = batchers.slides(self).ask(slide, deadline);
        let slid = slid.instrument(tracing::debug_span!("session slide")).await;
        Ok(slid?)
    }
}

impl Batched for Slides {
    type Key = Slide;
    type Answer = bool;

    // A slide that was done and is asked for again finds another end, and does nothing.
    const KIND: Kind = Kind::Slides;
    const MANY: usize = 2;

    fn one(&self, slide: &Slide) -> Query {
        let Slide { key, was, end } = slide.clone();
        self.one.with(vec![Box::new(key), Box::new(was), Box::new(end)])
    }

    fn many(&self, slides: &[Slide]) -> Query {
        let keys: Vec<_> = slides.iter().map(|slide| slide.key.clone()).collect();
        let was: Vec<_> = slides.iter().map(|slide| slide.was).collect();
        let ends: Vec<_> = slides.iter().map(|slide| slide.end).collect();
        self.many.with(vec![Box::new(keys), Box::new(was), Box::new(ends)])
    }

    /// Not every encoding of a database has every character.
    fn is_batchable(&self, slide: &Slide) -> bool {
        slide.key.as_str().is_ascii()
    }

    fn read(&self, slides: &[Slide], rows: Vec<Row>) -> Vec<Option<bool>> {
        let moved = |row: &Row| row.try_get::<_, Option<String>>(1).ok().flatten();
        let moved: HashSet<_> = rows.iter().filter_map(moved).collect();
        slides.iter().map(|slide| Some(moved.contains(slide.key.as_str()))).collect()
    }

    fn by_itself(&self, _: &Slide) -> Option<(Query, bool)> {
        None
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_session_is_slid_once_for_all_who_found_the_same_end() {
        let slide = |key: &str, was: u64, end: u64| Slide {
            key: (&SessionKey::new(key).unwrap()).into(),
            was: SystemTime::UNIX_EPOCH + Duration::from_secs(was),
            end: SystemTime::UNIX_EPOCH + Duration::from_secs(end),
        };
        let asked = [slide("a-session", 1, 7), slide("a-session", 1, 8)];
        assert_eq!(HashSet::from(asked.clone()).len(), 1);
        assert!(asked[0] != slide("a-session", 2, 7) && asked[0] != slide("b-session", 1, 7));
    }
}
