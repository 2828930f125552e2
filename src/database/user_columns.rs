//! The two columns of a user that a login writes: `password`, encoded again, and `last_login`.

use std::{
    sync::{Arc, OnceLock},
    time::SystemTime,
};

use tokio::time::Instant;
use tokio_postgres::types::Type;
use tracing::debug_span;

use super::{
    Database,
    direct::change,
    kind::Kind,
    primary_key::PrimaryKeyValue,
    statement::{ONE_KEY, Parameter, SecretParameter, Statement},
    users::{key_column, tables},
};
use crate::{
    error::{Error, Unavailable},
    settings::{UserModel, quote_name},
};

/// The statements. They are made when it is known which table has which column.
#[derive(Default)]
pub(super) struct UserColumns {
    password: OnceLock<Arc<Statement>>,
    last_login: OnceLock<Arc<Statement>>,
}

impl Database {
    /// Replaces this encoded password by another one. Returns whether the row still had it: a password
    /// that was changed meanwhile stays.
    pub(crate) async fn replace_password(
        &self,
        key: &PrimaryKeyValue,
        old: &str,
        new: &str,
        deadline: Instant,
    ) -> Result<bool, Error> {
        let column = &self.settings().user_model.password;
        let statement = &self.shared.user_columns.password;
        let statement = self.statement(statement, column, Type::TEXT, true, deadline).await?;
        let parameters: Vec<Parameter> = vec![
            Box::new(key.clone()),
            Box::new(SecretParameter(new.into())),
            Box::new(SecretParameter(old.into())),
        ];
        let span = debug_span!("user write");
        let row = (Kind::UserWrites, key);
        Ok(self.changed(row, statement, parameters, deadline, span).await? > 0)
    }

    /// Writes the time of a login. Returns whether the user exists. A model without that column has
    /// nothing to write.
    pub(crate) async fn update_last_login(
        &self,
        key: &PrimaryKeyValue,
        now: SystemTime,
        deadline: Instant,
    ) -> Result<bool, Error> {
        let Some(column) = &self.settings().user_model.last_login else { return Ok(true) };
        let statement = &self.shared.user_columns.last_login;
        let statement =
            self.statement(statement, column, Type::TIMESTAMPTZ, false, deadline).await?;
        let parameters: Vec<Parameter> = vec![Box::new(key.clone()), Box::new(now)];
        let span = debug_span!("user write");
        let row = (Kind::UserWrites, key);
        Ok(self.changed(row, statement, parameters, deadline, span).await? > 0)
    }

    async fn statement<'a>(
        &self,
        made: &'a OnceLock<Arc<Statement>>,
        column: &str,
        of_type: Type,
        compares: bool,
        deadline: Instant,
    ) -> Result<&'a Arc<Statement>, Error> {
        if let Some(statement) = made.get() {
            return Ok(statement);
        }
        let known = self.user_queries(deadline).await?;
        let model = &self.settings().user_model;
        let owner = self.owner_of(model, column, deadline).await?;
        let [key_type, _] = known.primary_key.parameter_types();
        let mut types = vec![key_type, of_type.clone()];
        types.extend(compares.then_some(of_type));
        let sql = update_sql(model, &known.key, &owner, column, compares);
        Ok(made.get_or_init(|| change(&types, &sql)))
    }

    /// The table that has this column, of those that multi-table inheritance joins.
    async fn owner_of(
        &self,
        model: &UserModel,
        column: &str,
        deadline: Instant,
    ) -> Result<Owner, Error> {
        let own = Owner { table: model.table.quoted(), key: quote_name(&model.primary_key) };
        if model.parents.is_empty() {
            return Ok(own);
        }
        let parents = model.parents.iter().map(|parent| Owner {
            table: parent.table.quoted(),
            key: quote_name(&parent.primary_key),
        });
        let owners: Vec<_> = std::iter::once(own).chain(parents).collect();
        let tables: Vec<_> = owners.iter().map(|owner| owner.table.clone()).collect();
        let parameters: Vec<Parameter> = vec![Box::new(tables), Box::new(column.to_owned())];
        let query = owner_query().with(parameters);
        let rows = self.query(query, deadline).await?;
        let row = rows.first().ok_or(Unavailable::WrongAnswer)?;
        let number: Option<i64> = row.try_get(1).map_err(Unavailable::from)?;
        let index = number.and_then(|number| usize::try_from(number - 1).ok());
        index.and_then(|index| owners.into_iter().nth(index)).ok_or_else(|| {
            Error::ImproperlyConfigured(format!("no table of the user model has a column {column}"))
        })
    }
}

/// A table of the user model, and its primary key.
struct Owner {
    table: String,
    key: String,
}

/// The number, from 1, of the table that has a column.
fn owner_query() -> Arc<Statement> {
    Statement::new(&[Type::TEXT_ARRAY, Type::TEXT], |nonce| {
        format!(
            "SELECT {nonce}, (SELECT number FROM unnest($1) WITH ORDINALITY tables(name, number) \
             JOIN pg_attribute ON attrelid = to_regclass(name) \
             WHERE attname = $2 AND NOT attisdropped ORDER BY number LIMIT 1)"
        )
    })
}

/// Changes one column of one user.
fn update_sql(
    model: &UserModel,
    ads_key: &str,
    owner: &Owner,
    column: &str,
    compares: bool,
) -> String {
    let (Owner { table, key }, column) = (owner, quote_name(column));
    let user = format!("{} = (SELECT {ads_key} FROM {ONE_KEY})", key_column(model));
    let user = if *table == model.table.quoted() {
        user
    } else {
        format!("{table}.{key} IN (SELECT {table}.{key} FROM {} WHERE {user})", tables(model))
    };
    // Python's text for no password at all (A7).
    let compared = match compares {
        true => format!(" AND coalesce({column}, 'None') = $3"),
        false => String::new(),
    };
    format!("UPDATE {table} SET {column} = $2 WHERE {user}{compared} RETURNING 1")
}
