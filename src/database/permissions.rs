//! The tables of permissions, read by the primary key of a user.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

use tokio::time::Instant;
use tokio_postgres::{Error as PgError, Row};

use super::{
    Database,
    batched::Batched,
    kind::Kind,
    permission_ids::PermissionIds,
    primary_key::{PrimaryKey, PrimaryKeyValue},
    statement::{MANY_KEYS, ONE_KEY, Query, Statement},
};
use crate::{
    error::{Error, Unavailable},
    settings::{PermissionTables, UserModel, quote_name},
};

/// The statements that read the tables of permissions.
pub(super) struct Permissions {
    one: Arc<Statement>,
    many: Arc<Statement>,
    key: Arc<Statement>,
    all: Arc<Statement>,
    groups: Arc<Statement>,
    /// The ids of the permissions that middlewares ask for.
    pub(super) ids: PermissionIds,
}

impl Database {
    /// Looks up the permissions of a user and of the user's groups, `app_label.codename`.
    pub(crate) async fn permissions_of(
        &self,
        key: &PrimaryKeyValue,
        deadline: Instant,
    ) -> Result<BTreeSet<String>, Error> {
        let Some(permissions) = &self.user_queries(deadline).await?.permissions else {
            return Ok(BTreeSet::new());
        };
        Ok(permissions.ask(key.clone(), deadline).await?)
    }

    /// Looks up all permissions, which a superuser has.
    pub(crate) async fn all_permissions(
        &self,
        deadline: Instant,
    ) -> Result<BTreeSet<String>, Error> {
        let Some(permissions) = &self.user_queries(deadline).await?.permissions else {
            return Ok(BTreeSet::new());
        };
        let rows = self.query(permissions.batched().all.with(vec![]), deadline).await?;
        let row = rows.first().ok_or(Unavailable::WrongAnswer)?;
        Ok(permissions_in(row, 1).map_err(Unavailable::from)?)
    }
}

impl Database {
    /// Looks up the names of the groups of a user.
    pub(crate) async fn groups_of(
        &self,
        key: &PrimaryKeyValue,
        deadline: Instant,
    ) -> Result<BTreeSet<String>, Error> {
        let Some(permissions) = &self.user_queries(deadline).await?.permissions else {
            return Ok(BTreeSet::new());
        };
        let question = permissions.batched().groups.with(vec![Box::new(key.clone())]);
        let rows = self.query(question, deadline).await?;
        let row = rows.first().ok_or(Unavailable::WrongAnswer)?;
        Ok(permissions_in(row, 1).map_err(Unavailable::from)?)
    }
}

impl Permissions {
    /// `None` if the model has no permissions.
    pub(super) fn new(model: &UserModel, primary_key: &PrimaryKey, key: &str) -> Option<Self> {
        let tables = model.permission_tables.as_ref()?;
        let [one, many] = primary_key.parameter_types();
        // One row for each user with all permissions: the number of rows is what costs.
        let of_users = of_user_sql(tables, key);
        let sql = |nonce: &str, keys: &str| {
            format!("SELECT {nonce}, ads_key, ARRAY({of_users}) FROM {keys}")
        };
        let all = |nonce: &str| format!("SELECT {nonce}, ARRAY({})", all_sql(tables));
        let of_groups = groups_sql(tables, key);
        let groups = |nonce: &str| format!("SELECT {nonce}, ARRAY({of_groups}) FROM {ONE_KEY}");
        Some(Self {
            groups: Statement::new(std::slice::from_ref(&one), groups),
            key: Statement::of_key(&one, key),
            one: Statement::new(&[one], |nonce| sql(nonce, ONE_KEY)),
            many: Statement::new(&[many], |nonce| sql(nonce, MANY_KEYS)),
            all: Statement::new(&[], all),
            ids: PermissionIds::new(tables),
        })
    }

    /// The query for a user that does not exist.
    pub(super) fn for_no_user(&self) -> Query {
        self.one.with(vec![Box::new(None::<PrimaryKeyValue>)])
    }
}

impl Batched for Permissions {
    type Key = PrimaryKeyValue;
    type Answer = BTreeSet<String>;

    const KIND: Kind = Kind::Permissions;
    const AT_ONCE: usize = 64;

    fn one(&self, key: &PrimaryKeyValue) -> Query {
        self.one.with(vec![Box::new(key.clone())])
    }

    fn many(&self, keys: &[PrimaryKeyValue]) -> Query {
        self.many.with(vec![Box::new(keys.to_vec())])
    }

    fn read(&self, keys: &[PrimaryKeyValue], rows: Vec<Row>) -> Vec<Option<Self::Answer>> {
        let of_user = |row: &Row| Ok::<_, PgError>((row.try_get(1)?, permissions_in(row, 2)?));
        let found = rows.iter().filter_map(|row| of_user(row).ok());
        let mut found: HashMap<PrimaryKeyValue, _> = found.collect();
        keys.iter().map(|key| found.remove(key)).collect()
    }

    fn by_itself(&self, key: &PrimaryKeyValue) -> Option<(Query, Self::Answer)> {
        Some((self.key.with(vec![Box::new(key.clone())]), BTreeSet::new()))
    }
}

/// The permissions in a column of a row.
fn permissions_in(row: &Row, column: usize) -> Result<BTreeSet<String>, PgError> {
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

/// The tables between users, groups and permissions, each with the columns that point to both.
fn links(tables: &PermissionTables) -> [(String, String, String); 3] {
    [&tables.user_groups, &tables.user_permissions, &tables.group_permissions].map(|table| {
        (table.table.quoted(), quote_name(&table.from_column), quote_name(&table.to_column))
    })
}

fn of_user_sql(tables: &PermissionTables, key: &str) -> String {
    let [
        (groups, user_of_group, group_of_user),
        (held, user_of_held, held_by_user),
        (of_groups, group, of_group),
    ] = links(tables);
    format!(
        "{} WHERE p.id = ANY (ARRAY(SELECT {held_by_user} FROM {held} WHERE {user_of_held} = {key} \
         UNION ALL SELECT gp.{of_group} FROM {of_groups} gp JOIN {groups} ug \
         ON ug.{group_of_user} = gp.{group} WHERE ug.{user_of_group} = {key}))",
        all_sql(tables)
    )
}

/// Which of the permissions with these primary keys, an array, a user has: an array of their keys.
pub(super) fn held_sql(tables: &PermissionTables, key: &str, ids: &str) -> String {
    let [(of_groups, from_groups), (own, from_own)] =
        holdings(tables, key, &format!("= ANY ({ids})"));
    format!(
        "ARRAY(SELECT {own}::bigint FROM {from_own} \
         UNION ALL SELECT {of_groups}::bigint FROM {from_groups})"
    )
}

/// Whether a user has the permission with this primary key.
pub(super) fn has_sql(tables: &PermissionTables, key: &str, id: &str) -> String {
    let [(_, from_groups), (_, from_own)] = holdings(tables, key, &format!("= {id}"));
    format!("(EXISTS (SELECT FROM {from_groups}) OR EXISTS (SELECT FROM {from_own}))")
}

/// Where the permissions of a user are, those of groups and the user's own: the column of the permission,
/// and the rows in which it meets a condition.
fn holdings(tables: &PermissionTables, key: &str, condition: &str) -> [(String, String); 2] {
    let [
        (groups, user_of_group, group_of_user),
        (held, user_of_held, held_by_user),
        (of_groups, group, of_group),
    ] = links(tables);
    let (of_group, own) = (format!("gp.{of_group}"), format!("h.{held_by_user}"));
    let from_groups = format!(
        "{groups} ug JOIN {of_groups} gp ON gp.{group} = ug.{group_of_user} \
         WHERE ug.{user_of_group} = {key} AND {of_group} {condition}"
    );
    let from_own = format!("{held} h WHERE h.{user_of_held} = {key} AND {own} {condition}");
    [(of_group, from_groups), (own, from_own)]
}
