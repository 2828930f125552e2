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

/// How the tables of permissions are asked (P3).
pub(super) struct Permissions {
    one: Arc<Query>,
    many: Arc<Query>,
    key: Arc<Query>,
    all: Question,
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
        let all = rows.iter().map(|row| permission(row, 1)).collect::<Result<Vec<_>, _>>();
        Ok(all.map_err(Unavailable::Query)?.into_iter().flatten().collect())
    }
}

impl Permissions {
    /// `None` if the model has no permissions.
    pub(super) fn new(model: &UserModel, primary_key: &PrimaryKey, key: &str) -> Option<Self> {
        let tables = model.permission_tables.as_ref()?;
        let [one, many] = primary_key.parameter_types();
        let sql = |proof: &str, keys: &str| {
            format!(
                "SELECT {proof}, app_label, codename, ads_key FROM {keys} \
                 LEFT JOIN LATERAL ({}) ads_permissions ON TRUE",
                of_user_sql(tables, key)
            )
        };
        let all = |proof: &str| {
            format!(
                "SELECT {proof}, app_label, codename FROM (SELECT) ads_once \
                 LEFT JOIN ({}) ads_permissions ON TRUE",
                all_sql(tables)
            )
        };
        Some(Self {
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
        let mut found: HashMap<PrimaryKeyValue, BTreeSet<String>> = HashMap::new();
        for row in rows {
            let (Ok(key), Ok(permission)) = (row.try_get(3), permission(&row, 1)) else {
                // Not even one may be missing without a word.
                return vec![None; keys.len()];
            };
            found.entry(key).or_default().extend(permission);
        }
        keys.iter().map(|key| found.remove(key)).collect()
    }

    fn by_itself(&self, key: &PrimaryKeyValue) -> Option<(Question, Self::Answer)> {
        Some((Question::new(&self.key, vec![Box::new(key.clone())]), BTreeSet::new()))
    }
}

/// The permission in two columns of a row; none in the row of a user who has none.
fn permission(row: &Row, first: usize) -> Result<Option<String>, PgError> {
    let app_label: Option<&str> = row.try_get(first)?;
    let codename: Option<&str> = row.try_get(first + 1)?;
    Ok(app_label.zip(codename).map(|(app_label, codename)| format!("{app_label}.{codename}")))
}

fn all_sql(tables: &PermissionTables) -> String {
    format!(
        "SELECT c.app_label::text, p.codename::text FROM {} p JOIN {} c ON c.id = p.content_type_id",
        tables.permission.quoted(),
        tables.content_type.quoted()
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
        "{} WHERE p.id IN (SELECT {held_by_user} FROM {held} WHERE {user_of_held} = {key} \
         UNION SELECT gp.{of_group} FROM {of_groups} gp JOIN {groups} ug \
         ON ug.{group_of_user} = gp.{group} WHERE ug.{user_of_group} = {key})",
        all_sql(tables)
    )
}
