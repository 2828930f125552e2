//! The tables of `django.contrib.auth`: one query for the user, one for the permissions.

use std::{collections::BTreeSet, sync::OnceLock};

use tokio_postgres::{
    Row,
    error::SqlState,
    types::{ToSql, Type},
};
use tracing::Instrument;

use super::{
    Database, Query,
    primary_key::{PrimaryKey, PrimaryKeyValue},
};
use crate::{
    error::{Error, Unavailable},
    observe::Event,
    settings::{UserModel, quote_name},
};

/// The queries about users. They are made when the type of the primary key is known.
#[derive(Default)]
pub(super) struct Users(OnceLock<UserQueries>);

pub(super) struct UserQueries {
    pub(super) primary_key: PrimaryKey,
    /// How the primary key stands in SQL as the first parameter.
    pub(super) parameter: String,
    user: Query,
    user_by_username: Query,
    permissions: Query,
    all_permissions: Query,
}

impl Database {
    /// How ids are read for the primary key of the user model.
    pub(crate) async fn primary_key(&self) -> Result<&PrimaryKey, Error> {
        Ok(&self.user_queries().await?.primary_key)
    }

    /// The row of the user with this key, for [`DjangoUser`](crate::DjangoUser).
    pub(crate) async fn user_row(&self, key: &PrimaryKeyValue) -> Result<Option<Row>, Error> {
        let queries = self.user_queries().await?;
        self.observer().event(Event::UserLookup);
        let params: &[&(dyn ToSql + Sync)] = &[key];
        let lookup = self.connection.query(&queries.user, params);
        match lookup.instrument(tracing::debug_span!("user lookup")).await {
            Ok(rows) => Ok(rows.into_iter().next()),
            // Only here does PostgreSQL read the id from text.
            Err(error) if queries.primary_key == PrimaryKey::Other && is_no_such_value(&error) => {
                let column = &self.settings().user_model.primary_key;
                self.observer().misfit_id(column, queries.primary_key.kind());
                Ok(None)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// The user with this username, and the primary key.
    pub(crate) async fn user_row_by_username(
        &self,
        username: &str,
    ) -> Result<Option<(PrimaryKeyValue, Row)>, Error> {
        if username.contains('\0') {
            return Ok(None);
        }
        let queries = self.user_queries().await?;
        self.observer().event(Event::UserLookup);
        let name = PrimaryKeyValue::Text(username.into());
        let params: &[&(dyn ToSql + Sync)] = &[&name];
        let lookup = self.connection.query(&queries.user_by_username, params);
        let rows = match lookup.instrument(tracing::debug_span!("user lookup")).await {
            Ok(rows) => rows,
            Err(error) if is_no_such_value(&error) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        if rows.len() > 1 {
            return Err(Error::ImproperlyConfigured("several users have one username".into()));
        }
        let Some(row) = rows.into_iter().next() else { return Ok(None) };
        let id: String = row.try_get("ads_id").map_err(Unavailable::Query)?;
        Ok(queries.primary_key.parse_text(&id).map(|key| (key, row)))
    }

    /// The permissions of a user and of the user's groups, `app_label.codename`.
    pub(crate) async fn permissions_of(
        &self,
        key: &PrimaryKeyValue,
    ) -> Result<BTreeSet<String>, Error> {
        if self.settings().user_model.permission_tables.is_none() {
            return Ok(BTreeSet::new());
        }
        let query = &self.user_queries().await?.permissions;
        permissions(&self.connection.query(query, &[key]).await?)
    }

    /// Every permission there is, which is what a superuser has.
    pub(crate) async fn all_permissions(&self) -> Result<BTreeSet<String>, Error> {
        if self.settings().user_model.permission_tables.is_none() {
            return Ok(BTreeSet::new());
        }
        let query = &self.user_queries().await?.all_permissions;
        permissions(&self.connection.query(query, &[]).await?)
    }

    /// Asks the queries about users for a user who does not exist.
    pub(super) async fn try_user_queries(&self) -> Result<(), Error> {
        let queries = self.user_queries().await?;
        let nobody: Option<PrimaryKeyValue> = None;
        self.connection.query(&queries.user, &[&nobody]).await?;
        if self.settings().user_model.permission_tables.is_some() {
            self.connection.query(&queries.permissions, &[&nobody]).await?;
        }
        Ok(())
    }

    pub(super) async fn user_queries(&self) -> Result<&UserQueries, Error> {
        if let Some(queries) = self.shared.users.0.get() {
            return Ok(queries);
        }
        // Whoever comes before the answer asks as well. If only one did and the others waited, and
        // there is no answer, each would spend its timeout after the other.
        let model = &self.settings().user_model;
        let rows = self.connection.query(&type_query(model), &[]).await?;
        let column = |error| Error::from(Unavailable::Query(error));
        // Without FROM there is one row; none at all comes from a pooler that mixes things up.
        let row = rows.first().ok_or(Unavailable::NoAnswer)?;
        let oid: u32 = row.try_get(0).map_err(column)?;
        let type_name: String = row.try_get(1).map_err(column)?;
        let username_type: String = row.try_get(2).map_err(column)?;
        let primary_key = PrimaryKey::of_type(oid);
        let make = || UserQueries::new(model, primary_key, &type_name, &username_type);
        Ok(self.shared.users.0.get_or_init(make))
    }
}

impl UserQueries {
    fn new(
        model: &UserModel,
        primary_key: PrimaryKey,
        type_name: &str,
        username_type: &str,
    ) -> Self {
        let parameter = match primary_key {
            PrimaryKey::Other => cast(type_name),
            _ => "$1".into(),
        };
        let has_username = format!("{} = {}", quote_name(&model.username), cast(username_type));
        let types = vec![primary_key.parameter_type()];
        let [permissions, all_permissions] = permission_sql(model, &parameter);
        Self {
            user: Query {
                sql: user_sql(model, &format!("{} = {parameter}", key_column(model))),
                types: types.clone(),
            },
            user_by_username: Query {
                sql: user_sql(model, &has_username) + " LIMIT 2",
                types: vec![Type::TEXT],
            },
            permissions: Query { sql: permissions, types },
            all_permissions: Query { sql: all_permissions, types: vec![] },
            primary_key,
            parameter,
        }
    }
}

/// A parameter that is text, as a value of this type: what compares like the column itself, and can
/// use its index.
fn cast(type_name: &str) -> String {
    // By its SQL name, text would be cut to a length of one.
    let type_name = if type_name == "character" { "bpchar" } else { type_name };
    format!("CAST($1 AS {type_name})")
}

/// Asks for the types of the primary key and the username. Fails in the database's words if there
/// is no such table or column.
fn type_query(model: &UserModel) -> Query {
    let of = |column: &str| format!("pg_typeof((SELECT {column} FROM {} LIMIT 0))", tables(model));
    let (key, username) = (of(&key_column(model)), of(&quote_name(&model.username)));
    Query { sql: format!("SELECT {key}::oid, {key}::text, {username}::text"), types: vec![] }
}

pub(super) fn key_column(model: &UserModel) -> String {
    format!("{}.{}", model.table.quoted(), quote_name(&model.primary_key))
}

/// The table of the model, with those that multi-table inheritance joins.
pub(super) fn tables(model: &UserModel) -> String {
    let mut tables = model.table.quoted();
    for parent in &model.parents {
        let table = parent.table.quoted();
        let (own, link) = (quote_name(&parent.primary_key), quote_name(&parent.link));
        tables += &format!(" JOIN {table} ON {table}.{own} = {link}");
    }
    tables
}

fn user_sql(model: &UserModel, is_asked_for: &str) -> String {
    let key = key_column(model);
    let flag = |column: &Option<String>, otherwise: &str| match column {
        Some(column) => format!("{}::boolean", quote_name(column)),
        None => otherwise.to_owned(),
    };
    let mut sql = format!(
        "SELECT {key}::text AS ads_id, {}::text AS ads_username, {} AS ads_password, \
         {} AS ads_is_active, {} AS ads_is_staff, {} AS ads_is_superuser",
        quote_name(&model.username),
        match &model.session_auth_hash {
            Some(_) => format!("{}::text", quote_name(&model.password)),
            None => "NULL::text".into(),
        },
        flag(&model.is_active, "TRUE"),
        flag(&model.is_staff, "FALSE"),
        flag(&model.is_superuser, "FALSE"),
    );
    for column in &model.columns {
        sql += &format!(", {}", quote_name(column));
    }
    sql += &format!(" FROM {} WHERE {is_asked_for}", tables(model));
    if let Some(condition) = &model.condition {
        sql += &format!(" AND ({condition})");
    }
    sql
}

/// The permissions of one user, and all there are (P3).
fn permission_sql(model: &UserModel, parameter: &str) -> [String; 2] {
    let Some(tables) = &model.permission_tables else { return Default::default() };
    let all = format!(
        "SELECT c.app_label::text, p.codename::text FROM {} p JOIN {} c ON c.id = p.content_type_id",
        tables.permission.quoted(),
        tables.content_type.quoted()
    );
    let [
        (groups, user_of_group, group_of_user),
        (held, user_of_held, held_by_user),
        (of_groups, group, of_group),
    ] = [&tables.user_groups, &tables.user_permissions, &tables.group_permissions].map(|table| {
        (table.table.quoted(), quote_name(&table.from_column), quote_name(&table.to_column))
    });
    let of_user = format!(
        "{all} WHERE p.id IN (SELECT {held_by_user} FROM {held} WHERE {user_of_held} = {parameter} \
         UNION SELECT gp.{of_group} FROM {of_groups} gp JOIN {groups} ug \
         ON ug.{group_of_user} = gp.{group} WHERE ug.{user_of_group} = {parameter})",
    );
    [of_user, all]
}

fn permissions(rows: &[Row]) -> Result<BTreeSet<String>, Error> {
    let permission = |row: &Row| {
        let (app_label, codename) = (row.try_get::<_, &str>(0)?, row.try_get::<_, &str>(1)?);
        Ok(format!("{app_label}.{codename}"))
    };
    rows.iter().map(permission).collect::<Result<_, _>>().map_err(|e| Unavailable::Query(e).into())
}

/// Whether the text was no value of the column's type, so that no row can have it.
fn is_no_such_value(error: &Unavailable) -> bool {
    let Unavailable::Query(error) = error else { return false };
    matches!(
        error.code(),
        Some(
            &SqlState::INVALID_TEXT_REPRESENTATION
                // Of a domain.
                | &SqlState::CHECK_VIOLATION
                | &SqlState::NUMERIC_VALUE_OUT_OF_RANGE
                | &SqlState::INVALID_DATETIME_FORMAT
                | &SqlState::DATETIME_FIELD_OVERFLOW
                | &SqlState::STRING_DATA_RIGHT_TRUNCATION
        )
    )
}
