//! The tables of permissions, read by the primary key of a user.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

use tokio::time::Instant;
use tokio_postgres::{Error as PgError, Row, types::Type};

use super::{
    Database,
    batcher::Batched,
    kind::Kind,
    primary_key::{PrimaryKey, PrimaryKeyValue},
    statement::{MANY_KEYS, ONE_KEY, Parameter, Query, Statement},
};
use crate::{
    error::{Error, Unavailable},
    settings::{PermissionTables, UserModel, quote_name},
};

/// How the tables of permissions are asked.
pub(super) struct Permissions {
    one: Arc<Statement>,
    many: Arc<Statement>,
    key: Arc<Statement>,
    all: Arc<Statement>,
    groups: Arc<Statement>,
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
        let batchers = self.batchers()?;
        let answer = batchers.permissions(self, permissions).ask(key.clone(), deadline).await;
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
        let rows = self.query(permissions.all.with(vec![]), deadline).await?;
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
        let question = permissions.groups.with(vec![Box::new(key.clone())]);
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
        })
    }

    /// Asks for a user who does not exist.
    pub(super) fn nobody(&self) -> Query {
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
        let of_user = |row: &Row| Ok::<_, PgError>((row.try_get(1)?, held(row, 2)?));
        let found = rows.iter().filter_map(|row| of_user(row).ok());
        let mut found: HashMap<PrimaryKeyValue, _> = found.collect();
        keys.iter().map(|key| found.remove(key)).collect()
    }

    fn by_itself(&self, key: &PrimaryKeyValue) -> Option<(Query, Self::Answer)> {
        Some((self.key.with(vec![Box::new(key.clone())]), BTreeSet::new()))
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

/// Permissions that a middleware asks for, and those of them that a user has. Cheap to clone.
#[derive(Clone)]
pub(crate) struct HeldPermissions {
    asked: Arc<[String]>,
    /// In the same order.
    held: Arc<[bool]>,
}

impl HeldPermissions {
    /// Whether the user has this one. `None` if it was not asked for.
    pub(crate) fn get(&self, permission: &str) -> Option<bool> {
        let index = self.asked.iter().position(|asked| asked == permission)?;
        self.held.get(index).copied()
    }
}

/// The different permissions that one question asks for, each by its number in it.
pub(super) struct AskedPermissions<'a>(Vec<&'a str>);

impl<'a> AskedPermissions<'a> {
    /// The types of the parameters: number, app label and codename.
    pub(super) const TYPES: [Type; 3] = [Type::INT4_ARRAY, Type::TEXT_ARRAY, Type::TEXT_ARRAY];

    pub(super) fn of(permissions: impl IntoIterator<Item = &'a String>) -> Self {
        let mut asked: Vec<&str> = Vec::new();
        for permission in permissions {
            if !asked.contains(&&**permission) {
                asked.push(permission);
            }
        }
        Self(asked)
    }

    /// Django compares `app_label.codename` as a whole: any dot may be the one between them.
    pub(super) fn parameters(&self) -> [Parameter; 3] {
        let (mut numbers, mut labels, mut codenames) = (Vec::new(), Vec::new(), Vec::new());
        for (number, permission) in (0_i32..).zip(&self.0) {
            for (dot, _) in permission.match_indices('.') {
                numbers.push(number);
                labels.push(permission[..dot].to_owned());
                codenames.push(permission[dot + 1..].to_owned());
            }
        }
        [Box::new(numbers), Box::new(labels), Box::new(codenames)]
    }

    /// What a user has of these permissions, by the numbers of those that the user has of all.
    pub(super) fn held(&self, permissions: &Arc<[String]>, numbers: &[i32]) -> HeldPermissions {
        let number = |permission: &String| self.0.iter().position(|asked| asked == permission);
        let holds = |permission| {
            let number = number(permission).and_then(|number| i32::try_from(number).ok());
            number.is_some_and(|number| numbers.contains(&number))
        };
        let held = permissions.iter().map(holds).collect();
        HeldPermissions { asked: Arc::clone(permissions), held }
    }
}

/// The permissions that are asked for, looked up once for all users (a `WITH`), and the numbers of
/// those that one user has.
pub(super) fn held_sql(
    tables: &PermissionTables,
    key: &str,
    [numbers, labels, codenames]: [&str; 3],
) -> (String, String) {
    let [
        (groups, user_of_group, group_of_user),
        (held, user_of_held, held_by_user),
        (of_groups, group, of_group),
    ] = links(tables);
    let (permission, content_type) = (tables.permission.quoted(), tables.content_type.quoted());
    let asked = format!(
        "WITH ads_asked AS MATERIALIZED (SELECT a.number, p.id \
         FROM unnest({numbers}, {labels}, {codenames}) a(number, label, codename) \
         JOIN {content_type} c ON c.app_label::text = a.label \
         JOIN {permission} p ON p.content_type_id = c.id AND p.codename::text = a.codename) "
    );
    let held = format!(
        "ARRAY(SELECT ads_asked.number FROM ads_asked JOIN {held} h ON h.{held_by_user} = ads_asked.id \
         WHERE h.{user_of_held} = {key} \
         UNION ALL SELECT ads_asked.number FROM {groups} ug \
         JOIN {of_groups} gp ON gp.{group} = ug.{group_of_user} \
         JOIN ads_asked ON gp.{of_group} = ads_asked.id WHERE ug.{user_of_group} = {key})"
    );
    (asked, held)
}
