//! The user table, read by primary key.

use std::{collections::HashMap, error::Error as StdError, fmt::Write, sync::Arc};

use bytes::BytesMut;
use tokio::time::Instant;
use tokio_postgres::{
    Error as PgError, Row,
    types::{FromSql, FromSqlOwned, IsNull, ToSql, Type},
};

use super::{
    Database,
    batched::Batched,
    kind::Kind,
    primary_key::{PrimaryKey, PrimaryKeyValue},
    query_failure,
    span::in_span,
    statement::{MANY_KEYS, ONE_KEY, Query, Statement},
};
use crate::{
    error::{Error, Unavailable},
    observe::Event,
    settings::{UserModel, quote_name},
};

/// A row of the user table: the columns that the settings ask for.
pub(crate) struct UserRow {
    pub(crate) texts: UserTexts,
    pub(crate) is_active: bool,
    pub(crate) is_staff: bool,
    pub(crate) is_superuser: bool,
    /// In the order of `columns` of the user model.
    pub(crate) columns: Vec<ColumnValue>,
}

/// The primary key, the username and the password, one after the other: three strings would cost two more
/// allocations, which count when a batch brings many users.
pub(crate) struct UserTexts {
    all: String,
    id_end: usize,
    username_end: usize,
    has_password: bool,
}

/// The value of a column as PostgreSQL sent it. It does not keep the rest of the row alive.
#[derive(Clone, Debug)]
pub(crate) struct ColumnValue {
    pub(crate) column_type: Type,
    /// `None` is NULL.
    pub(crate) value: Option<Vec<u8>>,
}

/// The statements that read the user table.
pub(super) struct Users {
    one: Arc<Statement>,
    many: Arc<Statement>,
    key: Arc<Statement>,
}

impl Database {
    /// Looks up the user with this primary key.
    pub(crate) async fn user_row(
        &self,
        key: &PrimaryKeyValue,
        deadline: Instant,
    ) -> Result<Option<Arc<UserRow>>, Error> {
        let known = self.user_queries(deadline).await?;
        self.observer.event(Event::UserLookup);
        let lookup = known.users.ask(key.clone(), deadline);
        let answer = in_span(tracing::debug_span!("user lookup"), lookup).await;
        match answer? {
            Answer::User(row) => Ok(Some(row)),
            Answer::NoUser => Ok(None),
            Answer::InvalidKey => {
                let column = &self.settings().user_model.primary_key;
                self.observer.invalid_user_id(column, known.primary_key.kind());
                Ok(None)
            }
        }
    }

    /// Looks up the user with this username. Returns the row and the primary key.
    pub(crate) async fn user_row_by_username(
        &self,
        username: &str,
        deadline: Instant,
    ) -> Result<Option<(PrimaryKeyValue, Arc<UserRow>)>, Error> {
        if username.contains('\0') {
            return Ok(None);
        }
        let known = self.user_queries(deadline).await?;
        self.observer.event(Event::UserLookup);
        let name = PrimaryKeyValue::Text(username.into());
        let query = known.by_username.with(vec![Box::new(name)]);
        let lookup = self.query(query, deadline);
        let rows = match in_span(tracing::debug_span!("user lookup"), lookup).await {
            Ok(rows) => rows,
            Err(error) if is_no_such_value(&error) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        if rows.len() > 1 {
            return Err(Error::ImproperlyConfigured("several users have one username".into()));
        }
        Ok(only_user(&rows)?)
    }
}

impl Users {
    pub(super) fn new(
        model: &UserModel,
        primary_key: &PrimaryKey,
        key: &str,
        columns: &str,
    ) -> Self {
        let [one, many] = primary_key.parameter_types();
        let has_key = format!("{} = {key}", key_column(model));
        let sql = |nonce: &str, keys: &str| user_sql(model, columns, nonce, keys, &has_key);
        Self::by(
            Statement::new(std::slice::from_ref(&one), |nonce| sql(nonce, ONE_KEY)),
            Statement::new(&[many], |nonce| sql(nonce, MANY_KEYS)),
            Statement::of_key(&one, key),
        )
    }

    /// The batched lookup with these statements: for one key, for many keys, and for the key alone.
    pub(super) fn by(one: Arc<Statement>, many: Arc<Statement>, key: Arc<Statement>) -> Self {
        Self { one, many, key }
    }

    pub(super) fn statement_of_one(&self) -> &Arc<Statement> {
        &self.one
    }

    /// The query for a user that does not exist.
    pub(super) fn for_no_user(&self) -> Query {
        self.one.with(vec![Box::new(None::<PrimaryKeyValue>)])
    }
}

/// The answer for a key.
#[derive(Clone)]
pub(super) enum Answer {
    User(Arc<UserRow>),
    NoUser,
    /// No row can have such a key.
    InvalidKey,
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
        let answer = |row: Option<_>| row.map_or(Answer::NoUser, |row| Answer::User(Arc::new(row)));
        keys.iter().map(|key| found.remove(key).map(answer)).collect()
    }

    fn by_itself(&self, key: &PrimaryKeyValue) -> Option<(Query, Self::Answer)> {
        Some((self.key.with(vec![Box::new(key.clone())]), Answer::InvalidKey))
    }
}

/// The user in the answer to a question for one key.
pub(super) fn only_user(
    rows: &[Row],
) -> Result<Option<(PrimaryKeyValue, Arc<UserRow>)>, Unavailable> {
    let Some(row) = rows.first() else { return Ok(None) };
    Ok(user_in(row, 2)?.map(|(key, row)| (key, Arc::new(row))))
}

/// The key that a row answers, and the user with that key.
fn user(row: &Row) -> Result<(PrimaryKeyValue, Option<UserRow>), PgError> {
    Ok((row.try_get(1)?, user_in(row, 2)?.map(|(_, user)| user)))
}

/// The user in the columns of a row from this one on, those of [`user_columns`], and its primary key.
pub(super) fn user_in(
    row: &Row,
    column: usize,
) -> Result<Option<(PrimaryKeyValue, UserRow)>, PgError> {
    let Some(key) = row.try_get::<_, Option<PrimaryKeyValue>>(column)? else { return Ok(None) };
    let user = user_with_key(&key, row, column + 1)?;
    Ok(Some((key, user)))
}

/// The user with this key, in the columns of a row from this one on: those of [`user_columns`] but the key.
pub(super) fn user_with_key(
    key: &PrimaryKeyValue,
    row: &Row,
    column: usize,
) -> Result<UserRow, PgError> {
    let flags: i32 = row.try_get(column + 2)?;
    let flag = |number: usize| flags & (1 << number) != 0;
    let columns = (column + FURTHER_COLUMNS..row.len()).map(|index| {
        let column_type = row.columns()[index].type_().clone();
        Ok(ColumnValue { column_type, value: row.try_get::<_, RawBytes>(index)?.0 })
    });
    let username: Option<&str> = row.try_get(column)?;
    Ok(UserRow {
        texts: UserTexts::new(key, username.unwrap_or_default(), row.try_get(column + 1)?),
        is_active: flag(0),
        is_staff: flag(1),
        is_superuser: flag(2),
        columns: columns.collect::<Result<_, PgError>>()?,
    })
}

/// Room for an integer or a UUID.
const KEY_LENGTH: usize = 36;

/// The index of the first further column, counted from the one behind the key.
const FURTHER_COLUMNS: usize = 3;

pub(super) fn user_sql(
    model: &UserModel,
    columns: &str,
    nonce: &str,
    keys: &str,
    is_asked_for: &str,
) -> String {
    let joined = users_joined(model, is_asked_for);
    format!("SELECT {nonce}, ads_key, {columns} FROM {keys} LEFT {joined}")
}

/// The columns that are read of a user: the primary key, and the others.
pub(super) fn user_columns(
    model: &UserModel,
    primary_key: &PrimaryKey,
    column_types: &[u32],
) -> [String; 2] {
    let key = format!("{}::{}", key_column(model), primary_key.parameter_types()[0]);
    let mut sql = format!(
        "{}::text, {}, {}",
        quote_name(&model.username),
        match &model.session_auth_hash {
            Some(_) => format!("{}::text", quote_name(&model.password)),
            None => "NULL::text".into(),
        },
        flags(
            &[(&model.is_active, true), (&model.is_staff, false), (&model.is_superuser, false)],
            0
        )
    );
    for (column, ty) in model.columns.iter().zip(column_types) {
        sql += &format!(", {}", quote_name(column));
        // tokio-postgres would query an unknown type and prepare statements for that, even where the
        // settings forbid it. Enums, `citext`, `hstore` and the like are read as text.
        if Type::from_oid(*ty).is_none() {
            sql += "::text";
        }
    }
    [key, sql]
}

/// The flags in one number, each with its value if there is no such column: bit 0 for the first one. Each
/// further column costs PostgreSQL more than this expression.
fn flags(columns: &[(&Option<String>, bool)], number: u32) -> String {
    let Some(((column, otherwise), rest)) = columns.split_last() else { return number.to_string() };
    let of = |flag: bool| flags(rest, number | u32::from(flag) << rest.len());
    match column {
        // A9: NULL counts as false.
        Some(column) => {
            let (set, unset) = (of(true), of(false));
            format!("CASE WHEN {}::boolean THEN {set} ELSE {unset} END", quote_name(column))
        }
        None => of(*otherwise),
    }
}

/// The join of the user with the tables before it.
pub(super) fn users_joined(model: &UserModel, is_asked_for: &str) -> String {
    let mut sql = format!("JOIN {} ON {is_asked_for}", tables(model));
    if let Some(condition) = &model.condition {
        sql += &format!(" AND ({condition})");
    }
    sql
}

pub(super) fn key_column(model: &UserModel) -> String {
    format!("{}.{}", model.table.quoted(), quote_name(&model.primary_key))
}

/// The table of the model, joined with those of multi-table inheritance.
pub(super) fn tables(model: &UserModel) -> String {
    let mut tables = model.table.quoted();
    for parent in &model.parents {
        let table = parent.table.quoted();
        let (own, link) = (quote_name(&parent.primary_key), quote_name(&parent.link));
        tables = format!("({tables} JOIN {table} ON {table}.{own} = {link})");
    }
    tables
}

impl UserRow {
    /// The primary key as text.
    pub(crate) fn id(&self) -> &str {
        &self.texts.all[..self.texts.id_end]
    }

    pub(crate) fn username(&self) -> &str {
        &self.texts.all[self.texts.id_end..self.texts.username_end]
    }

    /// The encoded password. `None` is NULL, or a model without a session auth hash.
    pub(crate) fn password(&self) -> Option<&str> {
        self.texts.has_password.then(|| &self.texts.all[self.texts.username_end..])
    }
}

impl UserTexts {
    pub(crate) fn new(key: &PrimaryKeyValue, username: &str, password: Option<&str>) -> Self {
        let has_password = password.is_some();
        let password = password.unwrap_or_default();
        let mut all = String::with_capacity(KEY_LENGTH + username.len() + password.len());
        // Writing into a string does not fail.
        let _ = write!(all, "{key}");
        let id_end = all.len();
        all += username;
        let username_end = all.len();
        all += password;
        Self { all, id_end, username_end, has_password }
    }
}

impl ColumnValue {
    /// This value in a column of that type. `None` if it has no form there.
    pub(crate) fn new<T: ToSql>(column_type: Type, value: &T) -> Option<Self> {
        let mut bytes = BytesMut::new();
        let null = value.to_sql(&column_type, &mut bytes).ok()?;
        let value = matches!(null, IsNull::No).then(|| bytes.to_vec());
        Some(Self { column_type, value })
    }

    /// NULL, in a column of the type of this one.
    pub(crate) fn null(like: Option<&Self>) -> Self {
        let column_type = like.map_or(Type::TEXT, |like| like.column_type.clone());
        Self { column_type, value: None }
    }

    /// Whether it is what this JSON stands for in a column of its type.
    pub(crate) fn is_json(&self, json: &str) -> bool {
        let Some(bytes) = &self.value else { return false };
        let value = match self.column_type {
            Type::INT2 => self.get().map(i16::into).map(PrimaryKeyValue::Integer),
            Type::INT4 => self.get().map(i32::into).map(PrimaryKeyValue::Integer),
            _ => PrimaryKey::of_type(self.column_type.oid()).read(bytes),
        };
        value.is_some() && value == PrimaryKey::of_type(self.column_type.oid()).parse(json)
    }

    /// The value as a `T`; `None` if it is of another type.
    pub(crate) fn get<T: FromSqlOwned>(&self) -> Option<T> {
        if !T::accepts(&self.column_type) {
            return None;
        }
        T::from_sql_nullable(&self.column_type, self.value.as_deref()).ok()
    }
}

/// The value of a column of any type.
struct RawBytes(Option<Vec<u8>>);

impl FromSql<'_> for RawBytes {
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

/// Whether the text is not a value of the column's type, so that no row can have it.
pub(super) fn is_no_such_value(error: &Unavailable) -> bool {
    matches!(error, Unavailable::Query(error) if query_failure::is_no_such_value(error.code()))
}
