//! The queries about users, made when the types of the columns are known.

use std::sync::{Arc, OnceLock};

use tokio::time::Instant;
use tokio_postgres::{Error as PgError, Row, types::Type};

use super::{
    Database,
    batcher::Batcher,
    permissions::Permissions,
    primary_key::PrimaryKey,
    statement::{ONE_KEY, Statement},
    users::{Users, tables, user_columns, user_sql},
    visits::Visits,
};
use crate::{
    error::{Error, Unavailable},
    settings::{UserModel, quote_name},
};

/// The queries about users. They are made when the types of the columns are known.
pub(super) struct UserQueries {
    types: Arc<Statement>,
    known: OnceLock<TypedQueries>,
}

pub(super) struct TypedQueries {
    pub(super) primary_key: PrimaryKey,
    /// The SQL expression of a key whose parameter is `ads_key`.
    pub(super) key: String,
    pub(super) by_username: Arc<Statement>,
    /// The columns that are read of a user, in SQL.
    pub(super) user_columns: String,
    pub(super) users: Batcher<Users>,
    pub(super) permissions: Option<Batcher<Permissions>>,
    pub(super) visits: Batcher<Visits>,
    /// `None` if the model has no permissions. No visit waits for one with permissions.
    pub(super) visits_with_permissions: Option<Batcher<Visits>>,
}

impl Database {
    /// How user ids are parsed for the primary key of the user model.
    pub(crate) async fn primary_key(&self, deadline: Instant) -> Result<PrimaryKey, Error> {
        Ok(self.user_queries(deadline).await?.primary_key.clone())
    }

    /// Runs the queries about users for a user that does not exist, to see their errors.
    pub(super) async fn try_user_queries(
        &self,
        with_permissions: bool,
        deadline: Instant,
    ) -> Result<(), Error> {
        let known = self.user_queries(deadline).await?;
        self.query(known.users.batched().for_no_user(), deadline).await?;
        self.query(known.visits.batched().for_no_user(), deadline).await?;
        if with_permissions {
            if let Some(permissions) = known.permissions.as_ref().map(Batcher::batched) {
                self.query(permissions.for_no_user(), deadline).await?;
                permissions.ids.named(&Arc::from([]), self, deadline).await?;
            }
            if let Some(visits) = &known.visits_with_permissions {
                self.query(visits.batched().for_no_user(), deadline).await?;
            }
        }
        Ok(())
    }

    pub(super) async fn user_queries(&self, deadline: Instant) -> Result<&TypedQueries, Error> {
        let queries = &self.shared.user_queries;
        if let Some(known) = queries.known.get() {
            return Ok(known);
        }
        // Callers that come before the answer ask as well. In a box, because it is asked once.
        let rows = Box::pin(self.query(queries.types.with(vec![]), deadline)).await?;
        let known = rows.first().map(|row| TypedQueries::of(self, row)).transpose();
        let known = known.map_err(Unavailable::from)?.ok_or(Unavailable::WrongAnswer)?;
        Ok(queries.known.get_or_init(|| known))
    }
}

impl UserQueries {
    pub(super) fn new(model: &UserModel) -> Self {
        Self { types: type_query(model), known: OnceLock::new() }
    }
}

impl TypedQueries {
    /// Made from the answer to [`type_query`].
    fn of(database: &Database, row: &Row) -> Result<Self, PgError> {
        let (settings, pool) = (database.settings(), &database.pool);
        let model = &settings.user_model;
        let (oid, type_name): (u32, &str) = (row.try_get(1)?, row.try_get(2)?);
        let username_type: &str = row.try_get(3)?;
        let column_types: Vec<u32> = row.try_get(4)?;
        let primary_key = PrimaryKey::of_type(oid);
        let key = match primary_key {
            PrimaryKey::Other => cast(type_name),
            _ => "ads_key".to_owned(),
        };
        let [key_column, others] = user_columns(model, &primary_key, &column_types);
        let columns = format!("{key_column}, {others}");
        // A visit knows the key, unless it may be written in several ways.
        let of_visit = match primary_key {
            PrimaryKey::Integer | PrimaryKey::Uuid => &others,
            PrimaryKey::Text | PrimaryKey::Other => &columns,
        };
        let username = quote_name(&model.username);
        let has_username = match model.username_iexact {
            // As Django writes `iexact`.
            true => format!("UPPER({username}::text) = UPPER(ads_key)"),
            false => format!("{username} = {}", cast(username_type)),
        };
        let by_username =
            |nonce: &str| user_sql(model, &columns, nonce, ONE_KEY, &has_username) + " LIMIT 2";
        let permissions = Permissions::new(model, &primary_key, &key);
        let visits = |permissions| {
            let large = Arc::clone(database.shared.session_lookup.batched().large());
            let visits = Visits::new(
                (&settings.session_table, large),
                model,
                &primary_key,
                &key,
                of_visit,
                permissions,
            );
            Batcher::new(visits, pool.clone())
        };
        Ok(Self {
            by_username: Statement::new(&[Type::TEXT], by_username),
            users: Batcher::new(Users::new(model, &primary_key, &key, &columns), pool.clone()),
            permissions: permissions.map(|of_users| Batcher::new(of_users, pool.clone())),
            visits: visits(None),
            visits_with_permissions: model.permission_tables.as_ref().map(|of| visits(Some(of))),
            user_columns: columns,
            primary_key,
            key,
        })
    }
}

/// Casts a key that is text to this type, so that it compares like the column itself and can use its
/// index.
pub(super) fn cast(type_name: &str) -> String {
    // By its SQL name (`character`), text would be cut to one character.
    let type_name = if type_name == "character" { "bpchar" } else { type_name };
    format!("CAST(ads_key AS {type_name})")
}

/// The statement that reads the types of the primary key, the username and the further columns. The
/// database refuses it if there is no such table or column.
fn type_query(model: &UserModel) -> Arc<Statement> {
    let value = |column: &str, tables: &str| {
        format!("(SELECT {} FROM {tables} LIMIT 0)", quote_name(column))
    };
    let key = value(&model.primary_key, &model.table.quoted());
    let username = value(&model.username, &tables(model));
    // `coalesce` turns a domain into its base type, in which it is sent.
    let base_type = |column: &String| {
        format!("pg_typeof(coalesce({}, NULL))::oid", value(column, &tables(model)))
    };
    let columns: Vec<_> = model.columns.iter().map(base_type).collect();
    Statement::new(&[], |nonce| {
        format!(
            "SELECT {nonce}, pg_typeof({key})::oid, pg_typeof({key})::text, \
             pg_typeof({username})::text, ARRAY[{}]::oid[]",
            columns.join(", ")
        )
    })
}
