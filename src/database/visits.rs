//! Visits: a session, its user and the user's permissions in one lookup, for visitors whose session was
//! seen before with the same user.

use std::{
    hash::{Hash, Hasher},
    sync::Arc,
};

use tokio::time::Instant;
use tokio_postgres::{Error as PgError, Row, types::Type};

use super::{
    Database,
    batched::Batched,
    kind::Kind,
    permission_ids::{HeldPermissions, NamedPermissions},
    permissions::{has_sql, held_sql},
    primary_key::{PrimaryKey, PrimaryKeyValue},
    session_lookup::{LargeKeys, SessionRow, session_in},
    span::in_span,
    statement::{KeyParameter, Parameter, Query, Statement},
    users::{UserRow, key_column, user_in, user_with_key, users_joined},
};
use crate::{
    error::Error,
    observe::Event,
    session::{DecodedText, SessionKey},
    settings::{PermissionTables, TableName, UserModel},
};

/// The rows of a session key and a user.
#[derive(Clone)]
pub(crate) struct VisitRows {
    /// It may have expired.
    pub(crate) session: SessionRow,
    pub(crate) user: Arc<UserRow>,
    /// Which of the requested permissions the user has; `None` if none were requested.
    pub(crate) held: Option<HeldPermissions>,
}

/// The statements that read sessions and users together.
pub(super) struct Visits {
    /// For any number of permissions, if permissions are read.
    usual: Statements,
    /// For one permission, as most middlewares ask for.
    of_one_permission: Option<Statements>,
    large: Arc<LargeKeys>,
}

/// The statements for one visit and for many.
struct Statements {
    one: Arc<Statement>,
    many: Arc<Statement>,
    reads: Reads,
}

/// What they read of permissions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reads {
    Nothing,
    /// Whether the user has one: a boolean, which costs PostgreSQL less than an array.
    One,
    /// Which of several the user has.
    Several,
}

/// What one question asks for. One statement reads all of it, so everything is read at one moment.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct VisitKey {
    session: KeyParameter,
    user: PrimaryKeyValue,
    /// The data that the session had the last time.
    known: Same<DecodedText>,
    /// A middleware always asks for the same list.
    permissions: Option<Same<NamedPermissions>>,
}

/// A value that is compared by its address.
struct Same<T>(Arc<T>);

impl Database {
    /// Looks up the row with this session key, whose data is known from the last time, and the user with this
    /// primary key, with those of these permissions that the user has.
    ///
    /// `None` if the session or the user was not found. That may be wrong behind a pooler. If the database
    /// refuses one of the values, the whole lookup fails. In both cases the caller should look up session and
    /// user separately.
    pub(crate) async fn visit(
        &self,
        (session, known): (&SessionKey, &Arc<DecodedText>),
        user: PrimaryKeyValue,
        permissions: &Arc<[String]>,
        deadline: Instant,
    ) -> Result<Option<VisitRows>, Error> {
        let queries = self.user_queries(deadline).await?;
        self.observer.event(Event::SessionLookup);
        self.observer.event(Event::UserLookup);
        let requested = match &queries.permissions {
            Some(of_model) if !permissions.is_empty() => {
                Some(of_model.batched().ids.named(permissions, self, deadline).await?)
            }
            _ => None,
        };
        let batcher = match (&requested, &queries.visits_with_permissions) {
            (Some(_), Some(visits)) => visits,
            _ => &queries.visits,
        };
        let (known, permissions) = (Same(Arc::clone(known)), requested.map(Same));
        let key = VisitKey { session: session.into(), user, known, permissions };
        let lookup = batcher.ask(key, deadline);
        Ok(in_span(tracing::debug_span!("visit lookup"), lookup).await?)
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
        let sessions = sessions.quoted();
        let has_key = format!("{} = {user_key}", key_column(model));
        // The columns of the session table get names here that no user model has.
        let sql = |nonce: &str, keys: &str, held: &str| {
            format!(
                "SELECT {nonce}, ads_session, ads_session_data, ads_expire_date, {held}{columns} \
                 FROM {keys} \
                 JOIN (SELECT session_key AS ads_session_key, \
                 session_data::text AS ads_session_data, expire_date AS ads_expire_date \
                 FROM {sessions}) ads_sessions ON ads_session_key = ads_session {}",
                users_joined(model, &has_key)
            )
        };
        let one_key = "(SELECT $1 AS ads_session, $2 AS ads_key) ads_keys";
        let many_keys = "unnest($1, $2) WITH ORDINALITY ads_keys(ads_session, ads_key, ads_number)";
        let statements = |held: Option<(String, Type)>, reads| {
            let [mut one, mut many] = [
                vec![Type::VARCHAR, one_user.clone()],
                vec![Type::VARCHAR_ARRAY, many_users.clone()],
            ];
            let held = held.map(|(held, parameter)| {
                one.push(parameter.clone());
                many.push(parameter);
                held + ", "
            });
            let held = held.unwrap_or_default();
            Statements {
                one: Statement::of_found(&one, |nonce| sql(nonce, one_key, &held)),
                many: Statement::of_found(&many, |nonce| {
                    sql(&format!("{nonce} + ads_number - 1"), many_keys, &held)
                }),
                reads,
            }
        };
        let Some(tables) = permissions else {
            let usual = statements(None, Reads::Nothing);
            return Self { usual, of_one_permission: None, large };
        };
        let several = (held_sql(tables, user_key, "$3"), Type::INT8_ARRAY);
        let one = (has_sql(tables, user_key, "$3"), Type::INT8);
        Self {
            usual: statements(Some(several), Reads::Several),
            of_one_permission: Some(statements(Some(one), Reads::One)),
            large,
        }
    }

    /// The query for a user that does not exist.
    pub(super) fn for_no_user(&self) -> Query {
        let nothing: Vec<Parameter> =
            vec![Box::new(None::<String>), Box::new(None::<PrimaryKeyValue>)];
        self.usual.query(&self.usual.one, nothing, Vec::new())
    }

    /// The statements for these questions, and the primary keys of the permissions that they ask for.
    fn statements(&self, keys: &[VisitKey]) -> (&Statements, Vec<i64>) {
        let requested = keys.iter().filter_map(|key| key.permissions.as_ref());
        let mut ids: Vec<i64> = requested.flat_map(|Same(requested)| requested.ids()).collect();
        ids.sort_unstable();
        ids.dedup();
        match &self.of_one_permission {
            Some(of_one) if ids.len() == 1 => (of_one, ids),
            _ => (&self.usual, ids),
        }
    }
}

impl Statements {
    fn query(
        &self,
        statement: &Arc<Statement>,
        mut parameters: Vec<Parameter>,
        ids: Vec<i64>,
    ) -> Query {
        match self.reads {
            Reads::Nothing => {}
            Reads::One => parameters.push(Box::new(ids.first().copied())),
            Reads::Several => parameters.push(Box::new(ids)),
        }
        statement.with(parameters)
    }

    /// The answer in a row. `None` if the row has another session than the question.
    fn visit(
        &self,
        row: &Row,
        key: &VisitKey,
        ids: &Arc<[i64]>,
    ) -> Result<Option<VisitRows>, PgError> {
        if row.try_get::<_, &str>(1)? != key.session.as_str() {
            return Ok(None);
        }
        let column = 4 + usize::from(self.reads != Reads::Nothing);
        let user = match &key.user {
            // It may be written in another way.
            PrimaryKeyValue::Text(_) => user_in(row, column)?.map(|(_, user)| user),
            key => Some(user_with_key(key, row, column)?),
        };
        // With NULL in a column that Django never leaves empty, the caller looks up the session alone.
        let (Some(session), Some(user)) = (session_in(row, 2, Some(&key.known.0))?, user) else {
            return Ok(None);
        };
        let held = match self.reads {
            Reads::Nothing => None,
            Reads::One if row.try_get(4)? => Some(Arc::clone(ids)),
            Reads::One => Some(Arc::default()),
            Reads::Several => Some(row.try_get::<_, Vec<i64>>(4)?.into()),
        };
        let held = key.permissions.as_ref().zip(held);
        let held = held.map(|(Same(requested), held)| requested.held(held));
        Ok(Some(VisitRows { session, user: Arc::new(user), held }))
    }
}

impl Batched for Visits {
    type Key = VisitKey;
    type Answer = Option<VisitRows>;

    const KIND: Kind = Kind::Visits;

    fn one(&self, key: &VisitKey) -> Query {
        let (statements, ids) = self.statements(std::slice::from_ref(key));
        let parameters: Vec<Parameter> =
            vec![Box::new(key.session.clone()), Box::new(key.user.clone())];
        statements.query(&statements.one, parameters, ids)
    }

    fn many(&self, keys: &[VisitKey]) -> Query {
        let (statements, ids) = self.statements(keys);
        let sessions: Vec<_> = keys.iter().map(|key| key.session.clone()).collect();
        let users: Vec<_> = keys.iter().map(|key| key.user.clone()).collect();
        statements.query(&statements.many, vec![Box::new(sessions), Box::new(users)], ids)
    }

    fn is_batchable(&self, key: &VisitKey) -> bool {
        key.session.is_batchable()
    }

    fn is_large(&self, key: &VisitKey) -> bool {
        self.large.has(&key.session)
    }

    fn read(&self, keys: &[VisitKey], rows: Vec<Row>) -> Vec<Option<Self::Answer>> {
        let (statements, ids) = self.statements(keys);
        let ids = ids.into();
        let statement = if keys.len() == 1 { &statements.one } else { &statements.many };
        let mut visits: Vec<_> = keys.iter().map(|_| Some(None)).collect();
        for row in &rows {
            let Some(index) = statement.index(row) else { continue };
            let (Some(key), Some(visit)) = (keys.get(index), visits.get_mut(index)) else {
                continue;
            };
            let found = statements.visit(row, key, &ids).ok().flatten();
            if let Some(VisitRows { session, .. }) = &found {
                self.large.note(key.session.as_str(), session.session_data.as_str().len());
            }
            *visit = found.map(Some);
        }
        visits
    }

    fn by_itself(&self, _: &VisitKey) -> Option<(Query, Self::Answer)> {
        None
    }
}

impl<T> Clone for Same<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T> PartialEq for Same<T> {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl<T> Eq for Same<T> {}

/// Two questions about one session are seldom different.
impl Hash for VisitKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.session.hash(state);
    }
}
