//! Slides: the ends of sessions, extended in batches.

use std::{
    collections::HashSet,
    hash::{Hash, Hasher},
    sync::Arc,
    time::SystemTime,
};

use tokio::time::Instant;
use tokio_postgres::{Row, types::Type};

use super::{
    Database,
    batched::Batched,
    kind::Kind,
    span::in_span,
    statement::{KeyParameter, Query, Statement},
};
use crate::{error::Error, session::SessionKey, settings::TableName};

/// The statements that extend sessions.
pub(super) struct Slides {
    one: Arc<Statement>,
    many: Arc<Statement>,
}

/// The extension of one session: its former end and its new one.
#[derive(Clone)]
pub(super) struct Slide {
    key: KeyParameter,
    was: SystemTime,
    end: SystemTime,
}

/// Slides of one session with the same former end are equal. Requests of one page come together and ask
/// for ends that differ by moments only.
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
        // A server that crashes may forget its last slides, so no caller waits for its disk: those
        // sessions end at their former time.
        let query = |types: &[Type], update: String| {
            Statement::new(types, |nonce| {
                format!(
                    "WITH slid AS ({update}) SELECT {nonce}, slid.session_key::text \
                     FROM (SELECT set_config('synchronous_commit', 'off', true)) always \
                     LEFT JOIN slid ON TRUE"
                )
            })
        };
        // Rows are locked in the order of their keys, and rows that another transaction changes are
        // skipped: no slide waits for a lock, so there is no deadlock. If a row has another end than the
        // former one, another request has set it, and it stays. `=` would invite the planner to search for
        // all sessions that end at that moment.
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
        // For a single key, that would take a third longer.
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
    /// Extends a session if it still has the former end. Returns whether it was extended.
    pub(crate) async fn slide_session(
        &self,
        key: &SessionKey,
        was: SystemTime,
        end: SystemTime,
        deadline: Instant,
    ) -> Result<bool, Error> {
        let slide = Slide { key: key.into(), was, end };
        let slid = self.shared.slides.ask(slide, deadline);
        let slid = in_span(tracing::debug_span!("session slide"), slid).await;
        Ok(slid?)
    }
}

impl Batched for Slides {
    type Key = Slide;
    type Answer = bool;

    // A slide that is sent twice finds another end the second time, and does nothing.
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

    /// Some database encodings lack some characters.
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
    fn slides_of_one_session_from_the_same_end_are_one() {
        let slide = |key: &str, was: u64, end: u64| Slide {
            key: (&SessionKey::new(key).unwrap()).into(),
            was: SystemTime::UNIX_EPOCH + Duration::from_secs(was),
            end: SystemTime::UNIX_EPOCH + Duration::from_secs(end),
        };
        let slides = [slide("a-session", 1, 7), slide("a-session", 1, 8)];
        assert_eq!(HashSet::from(slides.clone()).len(), 1);
        assert!(slides[0] != slide("a-session", 2, 7) && slides[0] != slide("b-session", 1, 7));
    }
}
