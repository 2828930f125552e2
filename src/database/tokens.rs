//! Users by token, and users by the value of a column of the user model: one statement each.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::time::Instant;
use tokio_postgres::types::Type;

use super::{
    Database,
    batcher::Batcher,
    primary_key::{PrimaryKey, PrimaryKeyValue},
    span::in_span,
    statement::{MANY_KEYS, ONE_KEY, Query, Statement},
    user_queries::{TypedQueries, cast},
    users::{Answer, UserRow, Users, key_column, only_user, tables, user_sql},
};
use crate::{
    error::{Chain, Error, Unavailable},
    observe::Event,
    settings::{TokenAuthentication, UserModel, quote_name},
};

/// The statements, made when they are first needed.
#[derive(Default)]
pub(super) struct TokenQueries {
    /// One for each table.
    tokens: Mutex<Vec<(TokenAuthentication, Arc<Batcher<Users>>)>>,
    columns: Mutex<Vec<(String, ByColumn)>>,
}

/// The statement that finds users by a column.
#[derive(Clone)]
struct ByColumn {
    kind: PrimaryKey,
    query: Arc<Statement>,
}

impl Database {
    /// Looks up the user of this token. Returns the row and the primary key.
    pub(crate) async fn user_row_by_token(
        &self,
        class: &TokenAuthentication,
        token: &str,
        deadline: Instant,
    ) -> Result<Option<(PrimaryKeyValue, Arc<UserRow>)>, Error> {
        if token.contains('\0') {
            return Ok(None);
        }
        let known = self.user_queries(deadline).await?;
        let users = self.users_by_token(class, known);
        self.observer.event(Event::UserLookup);
        let key = PrimaryKeyValue::Text(token.into());
        let answer = in_span(tracing::debug_span!("token lookup"), users.ask(key, deadline));
        match answer.await? {
            Answer::User(row) => Ok(known.primary_key.parse_text(row.id()).map(|key| (key, row))),
            Answer::NoUser | Answer::InvalidKey => Ok(None),
        }
    }

    /// Looks up the only user whose column has the value that the JSON stands for. Returns the row and the
    /// primary key; `None` also if several users have it.
    pub(crate) async fn user_row_by_column(
        &self,
        column: &str,
        json: &str,
        deadline: Instant,
    ) -> Result<Option<(PrimaryKeyValue, Arc<UserRow>)>, Error> {
        let known = self.user_queries(deadline).await?;
        let ByColumn { kind, query } = self.column_query(column, known, deadline).await?;
        let Some(value) = kind.parse(json) else { return Ok(None) };
        self.observer.event(Event::UserLookup);
        let question = query.with(vec![Box::new(value)]);
        let user = self.only_user(question, deadline);
        in_span(tracing::debug_span!("user lookup"), user).await
    }

    /// Asks a table of tokens for a token that does not exist, to see the errors of the database.
    pub(crate) async fn try_tokens(
        &self,
        class: &TokenAuthentication,
    ) -> Result<Option<String>, Error> {
        let deadline = self.deadline();
        let known = self.user_queries(deadline).await?;
        let no_user = vec![Box::new(None::<PrimaryKeyValue>) as _];
        let users = self.users_by_token(class, known);
        let question = users.batched().statement_of_one().with(no_user);
        match self.query(question, deadline).await {
            Ok(_) => Ok(None),
            Err(error) => match &*error {
                Unavailable::Query(refused) => Ok(Some(Chain(refused).to_string())),
                _ => Err(error.into()),
            },
        }
    }

    async fn only_user(
        &self,
        question: Query,
        deadline: Instant,
    ) -> Result<Option<(PrimaryKeyValue, Arc<UserRow>)>, Error> {
        let rows = match self.query(question, deadline).await {
            Ok(rows) => rows,
            Err(error) if super::users::is_no_such_value(&error) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        match &rows[..] {
            [_] => Ok(only_user(&rows)?),
            _ => Ok(None),
        }
    }

    /// The users of this table of tokens. Classes that differ only in their keyword share them.
    fn users_by_token(
        &self,
        class: &TokenAuthentication,
        known: &TypedQueries,
    ) -> Arc<Batcher<Users>> {
        let made = &self.shared.token_queries.tokens;
        let mut made = made.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, users)) = made.iter().find(|(other, _)| is_same_table(other, class)) {
            return Arc::clone(users);
        }
        let users = users_of(&self.settings().user_model, class, known);
        let users = Arc::new(Batcher::new(users, self.pool.clone()));
        made.push((class.clone(), Arc::clone(&users)));
        users
    }

    async fn column_query(
        &self,
        column: &str,
        known: &TypedQueries,
        deadline: Instant,
    ) -> Result<ByColumn, Error> {
        let made = &self.shared.token_queries.columns;
        let locked = || made.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, query)) = locked().iter().find(|(other, _)| other == column) {
            return Ok(query.clone());
        }
        let model = &self.settings().user_model;
        let rows = self.query(type_query(model, column).with(vec![]), deadline).await?;
        let row = rows.first().ok_or(Unavailable::WrongAnswer)?;
        let oid: u32 = row.try_get(1).map_err(Unavailable::from)?;
        let type_name: &str = row.try_get(2).map_err(Unavailable::from)?;
        let kind = PrimaryKey::of_type(oid);
        let key = match kind {
            PrimaryKey::Other => cast(type_name),
            _ => "ads_key".to_owned(),
        };
        let [one, _] = kind.parameter_types();
        let has_value = format!("{} = {key}", quote_name(column));
        let query = Statement::new(&[one], |nonce| {
            user_sql(model, &known.user_columns, nonce, ONE_KEY, &has_value) + " LIMIT 2"
        });
        let made = ByColumn { kind, query };
        locked().push((column.to_owned(), made.clone()));
        Ok(made)
    }
}

fn is_same_table(one: &TokenAuthentication, other: &TokenAuthentication) -> bool {
    one.table == other.table
        && one.key_column == other.key_column
        && one.user_column == other.user_column
}

/// The batched lookup of users by the tokens of this table.
fn users_of(model: &UserModel, class: &TokenAuthentication, known: &TypedQueries) -> Users {
    let table = class.table.quoted();
    let (key, user) = (quote_name(&class.key_column), quote_name(&class.user_column));
    let with_users = |keys: &str| {
        format!(
            "(SELECT ads_key, ads_tokens.{user} AS ads_user FROM {keys} \
             LEFT JOIN {table} ads_tokens ON ads_tokens.{key} = ads_key) ads_users"
        )
    };
    let is_user = format!("{} = ads_user", key_column(model));
    let sql = |nonce: &str, keys: &str| {
        user_sql(model, &known.user_columns, nonce, &with_users(keys), &is_user)
    };
    Users::by(
        Statement::new(&[Type::TEXT], |nonce| sql(nonce, ONE_KEY)),
        Statement::new(&[Type::TEXT_ARRAY], |nonce| sql(nonce, MANY_KEYS)),
        Statement::of_key(&Type::TEXT, "ads_key"),
    )
}

/// The statement that reads the type of a column.
fn type_query(model: &UserModel, column: &str) -> Arc<Statement> {
    let value = format!("(SELECT {} FROM {} LIMIT 0)", quote_name(column), tables(model));
    Statement::new(&[], |nonce| {
        format!("SELECT {nonce}, pg_typeof({value})::oid, pg_typeof({value})::text")
    })
}
