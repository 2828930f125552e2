//! The tables behind `PermissionsMixin` and `django.contrib.auth`.

use super::table_name::{TableName, is_valid_name};

/// The tables that hold permissions: the many-to-many tables of `PermissionsMixin`, and the tables
/// of `django.contrib.auth` and `django.contrib.contenttypes`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
#[doc(alias = "PermissionsMixin")]
pub struct PermissionTables {
    /// The user model's `groups`.
    pub user_groups: ManyToMany,
    /// The user model's `user_permissions`.
    pub user_permissions: ManyToMany,
    /// The group model's `permissions`.
    pub group_permissions: ManyToMany,
    /// The table of permissions, `auth_permission`.
    pub permission: TableName,
    /// The table of content types, `django_content_type`.
    pub content_type: TableName,
    /// The table of groups, `auth_group`.
    pub group: TableName,
}

/// The table of a many-to-many field, with its two columns: one refers to the model that has the
/// field, the other to the related model.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ManyToMany {
    /// `m2m_db_table()` of the field.
    pub table: TableName,
    /// `m2m_column_name()`: the column that refers to the model that has the field.
    pub from_column: String,
    /// `m2m_reverse_name()`: the column that refers to the related model.
    pub to_column: String,
}

impl ManyToMany {
    /// Creates a `ManyToMany` from what `m2m_db_table()`, `m2m_column_name()` and
    /// `m2m_reverse_name()` of the field return.
    pub fn new(
        table: impl Into<TableName>,
        from_column: impl Into<String>,
        to_column: impl Into<String>,
    ) -> Self {
        let (from_column, to_column) = (from_column.into(), to_column.into());
        Self { table: table.into(), from_column, to_column }
    }

    fn is_valid(&self) -> bool {
        self.table.is_valid() && is_valid_name(&self.from_column) && is_valid_name(&self.to_column)
    }
}

impl PermissionTables {
    /// Returns the tables of a model with `PermissionsMixin` whose own table is `table`, all
    /// in the same schema: `<table>_groups` and `<table>_user_permissions` with the column
    /// `<model>_id`, and Django's own names for the others.
    pub fn of(table: impl Into<TableName>) -> Self {
        let table = table.into();
        // The table is `<app label>_<model>`. The model's name has no underscore; the app label may
        // have one.
        let model = table.name().rsplit('_').next().unwrap_or_default();
        let of_user = |field: &str, to_column: &str| {
            let table = table.sibling(&format!("{}_{field}", table.name()));
            ManyToMany::new(table, format!("{model}_id"), to_column)
        };
        let groups = table.sibling("auth_group_permissions");
        Self {
            user_groups: of_user("groups", "group_id"),
            user_permissions: of_user("user_permissions", "permission_id"),
            group_permissions: ManyToMany::new(groups, "group_id", "permission_id"),
            permission: table.sibling("auth_permission"),
            content_type: table.sibling("django_content_type"),
            group: table.sibling("auth_group"),
        }
    }

    pub(crate) fn many_to_many(&self) -> [&ManyToMany; 3] {
        [&self.user_groups, &self.user_permissions, &self.group_permissions]
    }

    pub(super) fn is_valid(&self) -> bool {
        self.many_to_many().iter().all(|table| table.is_valid())
            && self.permission.is_valid()
            && self.content_type.is_valid()
            && self.group.is_valid()
    }
}
