//! The tables of permissions, read by the primary key of a user.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

use tokio::time::Instant;
use tokio_postgres::{Error as PgError, Row};

use super::{
    Database,
    connection::{Lookup, MANY_KEYS, Manner, ONE_KEY, Query, Question},
    primary_key::{PrimaryKey, PrimaryKeyValue},
};
use crate::{
    error::{Error, Unavailable},
    settings::{PermissionTables, UserModel, quote_name},
};

/// How the tables of permissions are asked.
pub(super) struct Permissions {
    one: Arc<Query>,
    many: Arc<Query>,
    key: Arc<Query>,
    all: Question,
    groups: Arc<Query>,
}

impl Database {
    /// The permissions of a user and of the user's groups, `app_label.codename`.
    pub(crate) async fn permissions_of(
        &self,
        key: &PrimaryKeyValue,
        deadline: Instant,
    ) -> Result<BTreeSet<String>, Error> {
        let Some(permissions) = &self.user_queries(deadline).await?.permissions else {
            return Ok(BTreeSet::new());
        };
        let lanes = self.lanes()?;
        let answer = lanes.permissions(self, permissions).ask(key.clone(), deadline).await;
        Ok(answer?)
    }

    /// Every permission there is, which is what a superuser has.
    pub(crate) async fn all_permissions(
        &self,
        deadline: Instant,
    ) -> Result<BTreeSet<String>, Error> {
        let Some(permissions) = &self.user_queries(deadline).await?.permissions else {
            return Ok(BTreeSet::new());
        };
        let rows = self.query(permissions.all.clone(), deadline).await?;
        let row = rows.first().ok_or(Unavailable::NoAnswer)?;
        Ok(held(row, 1).map_err(Unavailable::from)?)
    }
}

impl Database {
    /// The names of the groups of a user.
    pub(crate) async fn groups_of(
        &self,
        key: &PrimaryKeyValue,
        deadline: Instant,
    ) -> Result<BTreeSet<String>, Error> {
        let Some(permissions) = &self.user_queries(deadline).await?.permissions else {
            return Ok(BTreeSet::new());
        };
        let question = Question::new(&permissions.groups, vec![Box::new(key.clone())]);
        let rows = self.query(question, deadline).await?;
        let row = rows.first().ok_or(Unavailable::NoAnswer)?;
        Ok(held(row, 1).map_err(Unavailable::from)?)
    }
}

impl Permissions {
    /// `None` if the model has no permissions.
    pub(super) fn new(model: &UserModel, primary_key: &PrimaryKey, key: &str) -> Option<Self> {
        let tables = model.permission_tables.as_ref()?;
        let [one, many] = primary_key.parameter_types();
        // Those of a user in one row: it is the rows that cost.
        let of_users = of_user_sql(tables, key);
        let sql = |proof: &str, keys: &str| {
            format!("SELECT {proof}, ads_key, ARRAY({of_users}) FROM {keys}")
        };
        let all = |proof: &str| format!("SELECT {proof}, ARRAY({})", all_sql(tables));
        let of_groups = groups_sql(tables, key);
        let groups = |proof: &str| format!("SELECT {proof}, ARRAY({of_groups}) FROM {ONE_KEY}");
        Some(Self {
            groups: Query::new(std::slice::from_ref(&one), groups),
            key: Query::of_key(&one, key),
            one: Query::new(&[one], |proof| sql(proof, ONE_KEY)),
            many: Query::new(&[many], |proof| sql(proof, MANY_KEYS)),
            all: Question::new(&Query::new(&[], all), vec![]),
        })
    }

    pub(super) fn one(&self) -> &Arc<Query> {
        &self.one
    }
}

impl Lookup for Permissions {
    type Key = PrimaryKeyValue;
    type Answer = BTreeSet<String>;

    const MANNER: Manner =
        Manner { at_once: 64, many: 4, connections: 2, spreads: false, repeats: true };

    fn one(&self, key: &PrimaryKeyValue) -> Question {
        Question::new(&self.one, vec![Box::new(key.clone())])
    }

    fn many(&self, keys: &[PrimaryKeyValue]) -> Question {
        Question::new(&self.many, vec![Box::new(keys.to_vec())])
    }

    fn read(&self, keys: &[PrimaryKeyValue], rows: Vec<Row>) -> Vec<Option<Self::Answer>> {
        let of_user = |row: &Row| Ok::<_, PgError>((row.try_get(1)?, held(row, 2)?));
        let found = rows.iter().filter_map(|row| of_user(row).ok());
        let mut found: HashMap<PrimaryKeyValue, _> = found.collect();
        keys.iter().map(|key| found.remove(key)).collect()
    }

    fn by_itself(&self, key: &PrimaryKeyValue) -> Option<(Question, Self::Answer)> {
        Some((Question::new(&self.key, vec![Box::new(key.clone())]), BTreeSet::new()))
    }
}

/// The permissions in a column of a row.
fn held(row: &Row, column: usize) -> Result<BTreeSet<String>, PgError> {
    Ok(row.try_get::<_, Vec<String>>(column)?.into_iter().collect())
}

fn all_sql(tables: &PermissionTables) -> String {
    format!(
        "SELECT c.app_label::text || '.' || p.codename::text \
         FROM {} p JOIN {} c ON c.id = p.content_type_id",
        tables.permission.quoted(),
        tables.content_type.quoted()
    )
}

fn groups_sql(tables: &PermissionTables, key: &str) -> String {
    let of_user = &tables.user_groups;
    let (user, group) = (quote_name(&of_user.from_column), quote_name(&of_user.to_column));
    format!(
        "SELECT g.name::text FROM {} g JOIN {} ug ON ug.{group} = g.id WHERE ug.{user} = {key}",
        tables.group.quoted(),
        of_user.table.quoted()
    )
}

fn of_user_sql(tables: &PermissionTables, key: &str) -> String {
    let [
        (groups, user_of_group, group_of_user),
        (held, user_of_held, held_by_user),
        (of_groups, group, of_group),
    ] = [&tables.user_groups, &tables.user_permissions, &tables.group_permissions].map(|table| {
        (table.table.quoted(), quote_name(&table.from_column), quote_name(&table.to_column))
    });
    format!(
        "{} WHERE p.id = ANY (ARRAY(SELECT {held_by_user} FROM {held} WHERE {user_of_held} = {key} \
         UNION ALL SELECT gp.{of_group} FROM {of_groups} gp JOIN {groups} ug \
         ON ug.{group_of_user} = gp.{group} WHERE ug.{user_of_group} = {key}))",
        all_sql(tables)
    )
}
