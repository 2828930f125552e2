//! Visits: a session, its user and the user's permissions in one lookup, for visitors whose session was
//! seen before with the same user.

use std::{
    hash::{Hash, Hasher},
    sync::Arc,
};

use tokio::time::Instant;
use tokio_postgres::{Error as PgError, Row, types::Type};
use tracing::Instrument;

use super::{
    Database,
    batched::Batched,
    kind::Kind,
    permission_ids::{HeldPermissions, NamedPermissions},
    permissions::held_sql,
    primary_key::{PrimaryKey, PrimaryKeyValue},
    session_lookup::{LargeKeys, SessionRow, session_in},
    statement::{KeyParameter, Parameter, Query, Statement},
    users::{UserRow, key_column, user_in, users_joined},
};
use crate::{
    error::Error,
    observe::Event,
    session::SessionKey,
    settings::{PermissionTables, TableName, UserModel},
};

/// The rows found for a session key and a user.
#[derive(Clone)]
pub(crate) struct VisitRows {
    /// Present even if it has expired.
    pub(crate) session: Option<SessionRow>,
    pub(crate) user: Option<Arc<UserRow>>,
    /// Which of the requested permissions the user has; `None` if none were requested.
    pub(crate) held: Option<HeldPermissions>,
}

/// The statements that read sessions and users together.
pub(super) struct Visits {
    one: Arc<Statement>,
    many: Arc<Statement>,
    large: Arc<LargeKeys>,
    with_permissions: bool,
}

/// What one question asks for. One statement reads all of it, so everything is read at one moment.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct VisitKey {
    session: KeyParameter,
    user: PrimaryKeyValue,
    permissions: Option<SamePermissions>,
}

/// Compared by address: a middleware always asks for the same list.
#[derive(Clone)]
struct SamePermissions(Arc<NamedPermissions>);

impl Database {
    /// Looks up the row with this session key and the user with this primary key, with those of these
    /// permissions that the user has.
    ///
    /// If the database refuses one of the values, the whole lookup fails. The caller should then look up
    /// session and user separately.
    pub(crate) async fn visit(
        &self,
        session: &SessionKey,
        user: PrimaryKeyValue,
        permissions: &Arc<[String]>,
        deadline: Instant,
    ) -> Result<VisitRows, Error> {
        let known = self.user_queries(deadline).await?;
        self.observer.event(Event::SessionLookup);
        self.observer.event(Event::UserLookup);
        let requested = match &known.permissions {
            Some(of_model) if !permissions.is_empty() => {
                Some(of_model.batched().ids.named(permissions, self, deadline).await?)
            }
            _ => None,
        };
        let batcher = match (&requested, &known.visits_with_permissions) {
            (Some(_), Some(visits)) => visits,
            _ => &known.visits,
        };
        let permissions = requested.map(SamePermissions);
        let key = VisitKey { session: session.into(), user, permissions };
        let lookup = batcher.ask(key, deadline);
        Ok(lookup.instrument(tracing::debug_span!("visit lookup")).await?)
    }
}

impl Visits {
    pub(super) fn new(
        (sessions, large): (&TableName, Arc<LargeKeys>),
        model: &UserModel,
        primary_key: &PrimaryKey,
        user_key: &str,
        columns: &str,
        permissions: Option<&PermissionTables>,
    ) -> Self {
        let [one_user, many_users] = primary_key.parameter_types();
        let [mut one, mut many] =
            [vec![Type::VARCHAR, one_user], vec![Type::VARCHAR_ARRAY, many_users]];
        let held = match permissions {
            Some(tables) => {
                one.push(Type::INT8_ARRAY);
                many.push(Type::INT8_ARRAY);
                held_sql(tables, user_key, "$3") + ", "
            }
            None => String::new(),
        };
        let sessions = sessions.quoted();
        let has_key = format!("{} = {user_key}", key_column(model));
        // The columns of the session table get names here that no user model has.
        let sql = |nonce: &str, keys: &str| {
            format!(
                "SELECT {nonce}, ads_session, ads_session_data, ads_expire_date, {held}{columns} \
                 FROM {keys} \
                 LEFT JOIN (SELECT session_key AS ads_session_key, \
                 session_data::text AS ads_session_data, expire_date AS ads_expire_date \
                 FROM {sessions}) ads_sessions ON ads_session_key = ads_session {}",
                users_joined(model, &has_key)
            )
        };
        let one_key = "(SELECT $1 AS ads_session, $2 AS ads_key) ads_keys";
        let many_keys = "unnest($1, $2) WITH ORDINALITY ads_keys(ads_session, ads_key, ads_number)";
        Self {
            one: Statement::new(&one, |nonce| sql(nonce, one_key)),
            many: Statement::new(&many, |nonce| {
                sql(&format!("{nonce} + ads_number - 1"), many_keys)
            }),
            large,
            with_permissions: permissions.is_some(),
        }
    }

    /// The query for a user that does not exist.
    pub(super) fn for_no_user(&self) -> Query {
        let nothing: Vec<Parameter> =
            vec![Box::new(None::<String>), Box::new(None::<PrimaryKeyValue>)];
        self.query(&self.one, nothing, &[])
    }

    /// The visit in a row. `None` if the row has another session than the question, or
    /// another user: a key that is text may be written in another way.
    fn visit(&self, row: &Row, key: &VisitKey) -> Result<Option<VisitRows>, PgError> {
        let user = user_in(row, 4 + usize::from(self.with_permissions))?;
        let is_other = |found: &PrimaryKeyValue| {
            !matches!(found, PrimaryKeyValue::Text(_)) && *found != key.user
        };
        if row.try_get::<_, &str>(1)? != key.session.as_str()
            || user.as_ref().is_some_and(|(found, _)| is_other(found))
        {
            return Ok(None);
        }
        let requested = key.permissions.as_ref().filter(|_| self.with_permissions);
        let held = requested.map(|SamePermissions(requested)| {
            let held = row.try_get::<_, Option<Vec<i64>>>(4)?;
            Ok::<_, PgError>(requested.held(held.unwrap_or_default()))
        });
        let user = user.map(|(_, user)| Arc::new(user));
        Ok(Some(VisitRows { session: session_in(row, 2)?, user, held: held.transpose()? }))
    }

    fn query(
        &self,
        statement: &Arc<Statement>,
        mut parameters: Vec<Parameter>,
        keys: &[VisitKey],
    ) -> Query {
        if self.with_permissions {
            let requested = keys.iter().filter_map(|key| key.permissions.as_ref());
            let mut ids: Vec<i64> =
                requested.flat_map(|SamePermissions(requested)| requested.ids()).collect();
            ids.sort_unstable();
            ids.dedup();
            parameters.push(Box::new(ids));
        }
        statement.with(parameters)
    }
}

impl Batched for Visits {
    type Key = VisitKey;
    type Answer = VisitRows;

    const KIND: Kind = Kind::Visits;

    fn one(&self, key: &VisitKey) -> Query {
        let parameters: Vec<Parameter> =
            vec![Box::new(key.session.clone()), Box::new(key.user.clone())];
        self.query(&self.one, parameters, std::slice::from_ref(key))
    }

    fn many(&self, keys: &[VisitKey]) -> Query {
        let sessions: Vec<_> = keys.iter().map(|key| key.session.clone()).collect();
        let users: Vec<_> = keys.iter().map(|key| key.user.clone()).collect();
        self.query(&self.many, vec![Box::new(sessions), Box::new(users)], keys)
    }

    fn is_batchable(&self, key: &VisitKey) -> bool {
        key.session.is_batchable()
    }

    fn is_large(&self, key: &VisitKey) -> bool {
        self.large.has(&key.session)
    }

    fn read(&self, keys: &[VisitKey], rows: Vec<Row>) -> Vec<Option<VisitRows>> {
        let statement = if keys.len() == 1 { &self.one } else { &self.many };
        let mut visits: Vec<_> = keys.iter().map(|_| None).collect();
        for row in &rows {
            let Some(index) = statement.index(row) else { continue };
            let (Some(key), Some(visit)) = (keys.get(index), visits.get_mut(index)) else {
                continue;
            };
            *visit = self.visit(row, key).ok().flatten();
            if let Some(VisitRows { session: Some(session), .. }) = visit {
                self.large.note(key.session.as_str(), session.session_data.as_str().len());
            }
        }
        visits
    }

    fn by_itself(&self, _: &VisitKey) -> Option<(Query, VisitRows)> {
        None
    }
}

impl PartialEq for SamePermissions {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for SamePermissions {}

/// Two questions about one session are seldom different.
impl Hash for VisitKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.session.hash(state);
    }
}
