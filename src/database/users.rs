//! The user table, read by primary key.

use std::{
    collections::HashMap,
    error::Error as StdError,
    sync::{Arc, OnceLock},
};

use tokio::time::Instant;
use tokio_postgres::{
    Error as PgError, Row,
    types::{FromSql, FromSqlOwned, Type},
};
use tracing::Instrument;

use super::{
    Database,
    batcher::Batched,
    connection,
    kind::Kind,
    permissions::Permissions,
    primary_key::{PrimaryKey, PrimaryKeyValue},
    statement::{MANY_KEYS, ONE_KEY, Query, Statement},
};
use crate::{
    error::{Error, Unavailable},
    observe::Event,
    settings::{UserModel, quote_name},
};

/// What is in a row of the user table, as far as the settings ask for it.
#[derive(Clone)]
pub(crate) struct UserRow {
    pub(crate) id: String,
    pub(crate) username: String,
    /// `None` is NULL, or a model without a session auth hash.
    pub(crate) password: Option<String>,
    pub(crate) is_active: bool,
    pub(crate) is_staff: bool,
    pub(crate) is_superuser: bool,
    /// In the order of the user model's `columns`.
    pub(crate) columns: Vec<ColumnValue>,
}

/// The value of a column, as PostgreSQL sent it. It holds nothing of the rows that came along.
#[derive(Clone, Debug)]
pub(crate) struct ColumnValue {
    pub(crate) column_type: Type,
    /// `None` is NULL.
    pub(crate) value: Option<Vec<u8>>,
}

/// The queries about users. They are made when it is known of which types the columns are.
pub(super) struct UserQueries {
    types: Arc<Statement>,
    known: OnceLock<Known>,
}

pub(super) struct Known {
    pub(super) primary_key: PrimaryKey,
    /// How a key stands in SQL that is `ads_key` as a parameter.
    pub(super) key: String,
    by_username: Arc<Statement>,
    pub(super) users: Arc<Users>,
    pub(super) permissions: Option<Arc<Permissions>>,
}

/// How the user table is asked.
pub(super) struct Users {
    one: Arc<Statement>,
    many: Arc<Statement>,
    key: Arc<Statement>,
}

impl Database {
    /// How ids are read for the primary key of the user model.
    pub(crate) async fn primary_key(&self, deadline: Instant) -> Result<PrimaryKey, Error> {
        Ok(self.user_queries(deadline).await?.primary_key.clone())
    }

    /// The row of the user with this key.
    pub(crate) async fn user_row(
        &self,
        key: &PrimaryKeyValue,
        deadline: Instant,
    ) -> Result<Option<UserRow>, Error> {
        let known = self.user_queries(deadline).await?;
        self.observer.event(Event::UserLookup);
        let batchers = self.batchers()?;
        let lookup = batchers.users(self, &known.users).ask(key.clone(), deadline);
        let answer = lookup.instrument(tracing::debug_span!("user lookup")).await;
        match answer? {
            Answer::User(row) => Ok(Some(row)),
            Answer::Nobody => Ok(None),
            Answer::Misfit => {
                let column = &self.settings().user_model.primary_key;
                self.observer.misfit_id(column, known.primary_key.kind());
                Ok(None)
            }
        }
    }

    /// The user with this username, and the primary key.
    pub(crate) async fn user_row_by_username(
        &self,
        username: &str,
        deadline: Instant,
    ) -> Result<Option<(PrimaryKeyValue, UserRow)>, Error> {
        if username.contains('\0') {
            return Ok(None);
        }
        let known = self.user_queries(deadline).await?;
        self.observer.event(Event::UserLookup);
        let name = PrimaryKeyValue::Text(username.into());
        let asked = known.by_username.with(vec![Box::new(name)]);
        let lookup = self.query(asked, deadline);
        let rows = match lookup.instrument(tracing::debug_span!("user lookup")).await {
            Ok(rows) => rows,
            Err(error) if is_no_such_value(&error) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        if rows.len() > 1 {
            return Err(Error::ImproperlyConfigured("several users have one username".into()));
        }
        let row = rows.first().map(user).transpose().map_err(Unavailable::from)?;
        let Some((_, Some(row))) = row else { return Ok(None) };
        Ok(known.primary_key.parse_text(&row.id).map(|key| (key, row)))
    }

    /// Asks the queries about users for a user who does not exist.
    pub(super) async fn try_user_queries(
        &self,
        with_permissions: bool,
        deadline: Instant,
    ) -> Result<(), Error> {
        let known = self.user_queries(deadline).await?;
        let nobody = || vec![Box::new(None::<PrimaryKeyValue>) as _];
        self.query(known.users.one.with(nobody()), deadline).await?;
        if let Some(permissions) = known.permissions.as_ref().filter(|_| with_permissions) {
            self.query(permissions.one().with(nobody()), deadline).await?;
        }
        Ok(())
    }

    pub(super) async fn user_queries(&self, deadline: Instant) -> Result<&Known, Error> {
        let queries = &self.shared.user_queries;
        if let Some(known) = queries.known.get() {
            return Ok(known);
        }
        // Whoever comes before the answer asks as well.
        let rows = self.query(queries.types.with(vec![]), deadline).await?;
        let known = rows.first().map(|row| Known::of(&self.settings().user_model, row)).transpose();
        let known = known.map_err(Unavailable::from)?.ok_or(Unavailable::NoAnswer)?;
        Ok(queries.known.get_or_init(|| known))
    }
}

impl UserQueries {
    pub(super) fn new(model: &UserModel) -> Self {
        Self { types: type_query(model), known: OnceLock::new() }
    }
}

impl Known {
    /// From the answer to [`type_query`].
    fn of(model: &UserModel, row: &Row) -> Result<Self, PgError> {
        let (oid, type_name): (u32, &str) = (row.try_get(1)?, row.try_get(2)?);
        let username_type: &str = row.try_get(3)?;
        let column_types: Vec<u32> = row.try_get(4)?;
        let primary_key = PrimaryKey::of_type(oid);
        let key = match primary_key {
            PrimaryKey::Other => cast(type_name),
            _ => "ads_key".to_owned(),
        };
        let has_username = format!("{} = {}", quote_name(&model.username), cast(username_type));
        let by_username = |nonce: &str| {
            user_sql(model, nonce, ONE_KEY, &has_username, &column_types) + " LIMIT 2"
        };
        let permissions = Permissions::new(model, &primary_key, &key);
        Ok(Self {
            by_username: Statement::new(&[Type::TEXT], by_username),
            users: Arc::new(Users::new(model, &primary_key, &key, &column_types)),
            permissions: permissions.map(Arc::new),
            primary_key,
            key,
        })
    }
}

impl Users {
    fn new(model: &UserModel, primary_key: &PrimaryKey, key: &str, column_types: &[u32]) -> Self {
        let [one, many] = primary_key.parameter_types();
        let has_key = format!("{} = {key}", key_column(model));
        let sql = |nonce: &str, keys: &str| user_sql(model, nonce, keys, &has_key, column_types);
        Self {
            key: Statement::of_key(&one, key),
            one: Statement::new(&[one], |nonce| sql(nonce, ONE_KEY)),
            many: Statement::new(&[many], |nonce| sql(nonce, MANY_KEYS)),
        }
    }
}

/// What there is for a key.
#[derive(Clone)]
pub(super) enum Answer {
    User(UserRow),
    Nobody,
    /// No row can have such a key.
    Misfit,
}

impl Batched for Users {
    type Key = PrimaryKeyValue;
    type Answer = Answer;

    const KIND: Kind = Kind::Users;

    fn one(&self, key: &PrimaryKeyValue) -> Query {
        self.one.with(vec![Box::new(key.clone())])
    }

    fn many(&self, keys: &[PrimaryKeyValue]) -> Query {
        self.many.with(vec![Box::new(keys.to_vec())])
    }

    fn read(&self, keys: &[PrimaryKeyValue], rows: Vec<Row>) -> Vec<Option<Self::Answer>> {
        let mut found: HashMap<_, _> = rows.iter().filter_map(|row| user(row).ok()).collect();
        let answer = |row: Option<UserRow>| row.map_or(Answer::Nobody, Answer::User);
        keys.iter().map(|key| found.remove(key).map(answer)).collect()
    }

    fn by_itself(&self, key: &PrimaryKeyValue) -> Option<(Query, Self::Answer)> {
        Some((self.key.with(vec![Box::new(key.clone())]), Answer::Misfit))
    }
}

/// The key that a row answers, and the user who has it.
fn user(row: &Row) -> Result<(PrimaryKeyValue, Option<UserRow>), PgError> {
    let key = row.try_get(1)?;
    let Some(id) = row.try_get(2)? else { return Ok((key, None)) };
    // NULL is neither active nor anything else (A9).
    let flag = |index| row.try_get::<_, Option<bool>>(index).map(|flag| flag.unwrap_or(false));
    let columns = (FIRST_COLUMN..row.len()).map(|index| {
        let column_type = row.columns()[index].type_().clone();
        Ok(ColumnValue { column_type, value: row.try_get::<_, Bytes>(index)?.0 })
    });
    let user = UserRow {
        id,
        username: row.try_get::<_, Option<String>>(3)?.unwrap_or_default(),
        password: row.try_get(4)?,
        is_active: flag(5)?,
        is_staff: flag(6)?,
        is_superuser: flag(7)?,
        columns: columns.collect::<Result<_, PgError>>()?,
    };
    Ok((key, Some(user)))
}

/// Where the further columns begin in a row.
const FIRST_COLUMN: usize = 8;

fn user_sql(
    model: &UserModel,
    nonce: &str,
    keys: &str,
    is_asked_for: &str,
    column_types: &[u32],
) -> String {
    let key = key_column(model);
    let flag = |column: &Option<String>, otherwise: &str| match column {
        Some(column) => format!("{}::boolean", quote_name(column)),
        None => otherwise.to_owned(),
    };
    let mut sql = format!(
        "SELECT {nonce}, ads_key, {key}::text, {}::text, {}, {}, {}, {}",
        quote_name(&model.username),
        match &model.session_auth_hash {
            Some(_) => format!("{}::text", quote_name(&model.password)),
            None => "NULL::text".into(),
        },
        flag(&model.is_active, "TRUE"),
        flag(&model.is_staff, "FALSE"),
        flag(&model.is_superuser, "FALSE"),
    );
    for (column, ty) in model.columns.iter().zip(column_types) {
        sql += &format!(", {}", quote_name(column));
        // tokio-postgres would ask what type that is, and prepare statements for it, whatever the
        // settings say. Enums, `citext`, `hstore` and the like are read as text.
        if Type::from_oid(*ty).is_none() {
            sql += "::text";
        }
    }
    let tables = tables(model);
    sql += &format!(" FROM {keys} LEFT JOIN {tables} ON {is_asked_for}");
    if let Some(condition) = &model.condition {
        sql += &format!(" AND ({condition})");
    }
    sql
}

/// A key that is text, as a value of this type: what compares like the column itself, and can use
/// its index.
fn cast(type_name: &str) -> String {
    // By its SQL name, text would be cut to a length of one.
    let type_name = if type_name == "character" { "bpchar" } else { type_name };
    format!("CAST(ads_key AS {type_name})")
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
        tables = format!("({tables} JOIN {table} ON {table}.{own} = {link})");
    }
    tables
}

/// Asks for the types of the primary key, the username and the further columns. Fails in the database's words if
/// there is no such table or column.
fn type_query(model: &UserModel) -> Arc<Statement> {
    let value = |column: &str, tables: &str| {
        format!("(SELECT {} FROM {tables} LIMIT 0)", quote_name(column))
    };
    let key = value(&model.primary_key, &model.table.quoted());
    let username = value(&model.username, &tables(model));
    // `coalesce` with another type makes a domain what it is made of, which is how it is sent.
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

impl ColumnValue {
    /// The value as a `T`; `None` if it is none.
    pub(crate) fn get<T: FromSqlOwned>(&self) -> Option<T> {
        if !T::accepts(&self.column_type) {
            return None;
        }
        T::from_sql_nullable(&self.column_type, self.value.as_deref()).ok()
    }
}

/// The value of a column of any type.
struct Bytes(Option<Vec<u8>>);

impl FromSql<'_> for Bytes {
    fn from_sql(_: &Type, raw: &[u8]) -> Result<Self, Box<dyn StdError + Sync + Send>> {
        Ok(Self(Some(raw.to_vec())))
    }

    fn from_sql_null(_: &Type) -> Result<Self, Box<dyn StdError + Sync + Send>> {
        Ok(Self(None))
    }

    fn accepts(_: &Type) -> bool {
        true
    }
}

/// Whether the text was no value of the column's type, so that no row can have it.
fn is_no_such_value(error: &Unavailable) -> bool {
    matches!(error, Unavailable::Query(error) if connection::is_no_such_value(error.code()))
}
