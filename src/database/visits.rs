//! A session, its user and what that user may, in one question: for visitors who were here before, of
//! whom is known which user their session names.

use std::sync::Arc;

use tokio::time::Instant;
use tokio_postgres::{Error as PgError, Row, types::Type};
use tracing::Instrument;

use super::{
    Database,
    connection::{Lookup, Manner, Parameter, Query, Question},
    parameters::KeyParameter,
    permissions::{AskedPermissions, HeldPermissions, held_sql},
    primary_key::{PrimaryKey, PrimaryKeyValue},
    session_lookup::{SessionRow, session_in},
    users::{UserRow, key_column, user_columns, user_in, users_joined},
};
use crate::{
    error::Error,
    observe::Event,
    session::SessionKey,
    settings::{PermissionTables, TableName, UserModel},
};

/// What there is for a session key and a user.
#[derive(Clone)]
pub(crate) struct Visit {
    /// Expired ones too.
    pub(crate) session: Option<SessionRow>,
    pub(crate) user: Option<Arc<UserRow>>,
    /// Which of the permissions that were asked for are the user's; none where none was.
    pub(crate) held: Option<HeldPermissions>,
}

/// How sessions and users are asked for together.
pub(super) struct Visits {
    one: Arc<Query>,
    many: Arc<Query>,
    with_permissions: bool,
}

/// What is asked for. The three go into one statement, so all are read at one moment.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) struct VisitKey {
    session: KeyParameter,
    user: PrimaryKeyValue,
    permissions: Arc<[String]>,
}

impl Database {
    /// The row with this session key, and that of the user with this primary key, with those of these
    /// permissions that the user has.
    ///
    /// One value that the database refuses fails all of it: then session and user are worth asking
    /// for one by one.
    pub(crate) async fn visit(
        &self,
        session: &SessionKey,
        user: PrimaryKeyValue,
        permissions: &Arc<[String]>,
        deadline: Instant,
    ) -> Result<Visit, Error> {
        let known = self.user_queries(deadline).await?;
        self.observer.event(Event::SessionLookup);
        self.observer.event(Event::UserLookup);
        let lanes = self.lanes()?;
        let with_permissions =
            known.visits_with_permissions.as_ref().filter(|_| !permissions.is_empty());
        let lane = match with_permissions {
            Some(visits) => lanes.visits_with_permissions(self, visits),
            None => lanes.visits(self, &known.visits),
        };
        let key = VisitKey { session: session.into(), user, permissions: Arc::clone(permissions) };
        let lookup = lane.ask(key, deadline);
        Ok(lookup.instrument(tracing::debug_span!("visit lookup")).await?)
    }
}

impl Visits {
    pub(super) fn new(
        sessions: &TableName,
        model: &UserModel,
        primary_key: &PrimaryKey,
        user_key: &str,
        column_types: &[u32],
        permissions: Option<&PermissionTables>,
    ) -> Self {
        let [one_user, many_users] = primary_key.parameter_types();
        let [mut one, mut many] =
            [vec![Type::VARCHAR, one_user], vec![Type::VARCHAR_ARRAY, many_users]];
        let (mut asked, mut held) = (String::new(), "NULL::int[]".to_owned());
        if let Some(tables) = permissions {
            (asked, held) = held_sql(tables, user_key, ["$3", "$4", "$5"]);
            for types in [&mut one, &mut many] {
                types.extend(AskedPermissions::TYPES);
            }
        }
        let sessions = sessions.quoted();
        let has_key = format!("{} = {user_key}", key_column(model));
        // The columns of the session table have names here that no user model has.
        let sql = |proof: &str, keys: &str| {
            format!(
                "{asked}SELECT {proof}, ads_number, ads_session, ads_key, ads_session_data, \
                 ads_expire_date, {held}, {} FROM {keys} \
                 LEFT JOIN (SELECT session_key AS ads_session_key, \
                 session_data::text AS ads_session_data, expire_date AS ads_expire_date \
                 FROM {sessions}) ads_sessions ON ads_session_key = ads_session {}",
                user_columns(model, column_types),
                users_joined(model, &has_key)
            )
        };
        let one_key = "(SELECT $1 AS ads_session, $2 AS ads_key, 1::bigint AS ads_number) ads_keys";
        let many_keys = "unnest($1, $2) WITH ORDINALITY ads_keys(ads_session, ads_key, ads_number)";
        Self {
            one: Query::new(&one, |proof| sql(proof, one_key)),
            many: Query::new(&many, |proof| sql(proof, many_keys)),
            with_permissions: permissions.is_some(),
        }
    }

    /// Asks for a user who does not exist.
    pub(super) fn nobody(&self) -> Question {
        let nothing: Vec<Parameter> =
            vec![Box::new(None::<String>), Box::new(None::<PrimaryKeyValue>)];
        self.question(&self.one, nothing, &[])
    }

    fn question(
        &self,
        query: &Arc<Query>,
        mut parameters: Vec<Parameter>,
        keys: &[VisitKey],
    ) -> Question {
        if self.with_permissions {
            parameters.extend(asked_by(keys).parameters());
        }
        Question::new(query, parameters)
    }
}

impl Lookup for Visits {
    type Key = VisitKey;
    type Answer = Visit;

    const MANNER: Manner =
        Manner { at_once: 256, many: 4, connections: 2, spreads: false, repeats: true };

    fn one(&self, key: &VisitKey) -> Question {
        let parameters: Vec<Parameter> =
            vec![Box::new(key.session.clone()), Box::new(key.user.clone())];
        self.question(&self.one, parameters, std::slice::from_ref(key))
    }

    fn many(&self, keys: &[VisitKey]) -> Question {
        let sessions: Vec<_> = keys.iter().map(|key| key.session.clone()).collect();
        let users: Vec<_> = keys.iter().map(|key| key.user.clone()).collect();
        self.question(&self.many, vec![Box::new(sessions), Box::new(users)], keys)
    }

    fn is_sociable(&self, key: &VisitKey) -> bool {
        key.session.is_sociable()
    }

    fn read(&self, keys: &[VisitKey], rows: Vec<Row>) -> Vec<Option<Visit>> {
        let asked = asked_by(keys);
        let mut visits: Vec<_> = keys.iter().map(|_| None).collect();
        for row in &rows {
            if let Ok((index, visit)) = visit(row, keys, &asked) {
                visits[index] = visit;
            }
        }
        visits
    }

    fn by_itself(&self, _: &VisitKey) -> Option<(Question, Visit)> {
        None
    }
}

/// The permissions that any of these visits asks for.
fn asked_by(keys: &[VisitKey]) -> AskedPermissions<'_> {
    AskedPermissions::of(keys.iter().flat_map(|key| key.permissions.iter()))
}

/// The number of the key that a row answers, and what it has for it. None if it has another one than
/// was asked for.
fn visit(
    row: &Row,
    keys: &[VisitKey],
    asked: &AskedPermissions<'_>,
) -> Result<(usize, Option<Visit>), PgError> {
    let number: i64 = row.try_get(1)?;
    let index = usize::try_from(number - 1).unwrap_or(usize::MAX);
    let Some(key) = keys.get(index) else { return Ok((0, None)) };
    let (session_key, user): (&str, PrimaryKeyValue) = (row.try_get(2)?, row.try_get(3)?);
    if session_key != key.session.as_str() || user != key.user {
        return Ok((index, None));
    }
    let held: Option<Vec<i32>> = row.try_get(6)?;
    let visit = Visit {
        session: session_in(row, 4)?,
        held: held.map(|held| asked.held(&key.permissions, &held)),
        user: user_in(row, 7)?.map(Arc::new),
    };
    Ok((index, Some(visit)))
}
