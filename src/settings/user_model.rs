//! `AUTH_USER_MODEL`, as its tables and columns.

use std::fmt;

use super::{
    SessionAuthHash, TableName,
    permission_tables::{ManyToMany, PermissionTables},
};

/// Where the users are: Django's `AUTH_USER_MODEL`, told by table and column names.
///
/// [`UserModel::default`] is Django's own `auth.User`. For a model of yours, name its table (what
/// `Model._meta.db_table` says) and then whatever differs from `AbstractUser`. The type of the
/// primary key is read from the database.
///
/// ```
/// use actix_django_session::{DjangoSettings, UserModel};
///
/// let settings = DjangoSettings::new("secret").user_model(
///     UserModel::new("accounts_member")
///         .username_column("email")
///         .password_column("pw_hash")
///         .columns(["first_name", "plan"]),
/// );
/// ```
#[derive(Clone, PartialEq, Eq)]
#[must_use]
pub struct UserModel {
    pub(crate) table: TableName,
    pub(crate) parents: Vec<Parent>,
    pub(crate) primary_key: String,
    pub(crate) username: String,
    pub(crate) username_iexact: bool,
    pub(crate) password: String,
    pub(crate) last_login: Option<String>,
    pub(crate) is_active: Option<String>,
    pub(crate) is_staff: Option<String>,
    pub(crate) is_superuser: Option<String>,
    pub(crate) columns: Vec<String>,
    pub(crate) condition: Option<String>,
    pub(crate) permission_tables: Option<PermissionTables>,
    pub(crate) session_auth_hash: Option<SessionAuthHash>,
}

/// A table that multi-table inheritance joins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Parent {
    pub(crate) table: TableName,
    pub(crate) primary_key: String,
    pub(crate) link: String,
}

impl Default for UserModel {
    fn default() -> Self {
        Self::new("auth_user")
    }
}

impl UserModel {
    /// A model like `AbstractUser` in this table: `"table"`, `"schema.table"` or
    /// `("schema", "table")`. The tables of groups and permissions are expected in the same schema.
    pub fn new(table: impl Into<TableName>) -> Self {
        let table = table.into();
        let permission_tables = PermissionTables::of(&table);
        Self {
            table,
            parents: Vec::new(),
            primary_key: "id".into(),
            username: "username".into(),
            username_iexact: false,
            password: "password".into(),
            last_login: Some("last_login".into()),
            is_active: Some("is_active".into()),
            is_staff: Some("is_staff".into()),
            is_superuser: Some("is_superuser".into()),
            columns: Vec::new(),
            condition: None,
            permission_tables: Some(permission_tables),
            session_auth_hash: Some(SessionAuthHash::default()),
        }
    }

    /// The column of the primary key: an integer, a UUID, text, or any type that PostgreSQL reads
    /// from text.
    ///
    /// Defaults to `id`.
    pub fn primary_key(mut self, column: impl Into<String>) -> Self {
        self.primary_key = column.into();
        self
    }

    /// The column of `USERNAME_FIELD`.
    ///
    /// Defaults to `username`.
    pub fn username_column(mut self, column: impl Into<String>) -> Self {
        self.username = column.into();
        self
    }

    /// Finds users by their names whatever the case, for a manager whose `get_by_natural_key` asks
    /// for `username__iexact`. What else that method asks (`closed=False`) is for
    /// [`DjangoSite::after_check_password`](crate::DjangoSite::after_check_password).
    ///
    /// PostgreSQL compares `UPPER(..)` of both, as for Django: make an index on that.
    ///
    /// Defaults to `false`: names are compared exactly.
    pub fn username_iexact(mut self, yes: bool) -> Self {
        self.username_iexact = yes;
        self
    }

    /// The column of the password.
    ///
    /// Defaults to `password`.
    pub fn password_column(mut self, column: impl Into<String>) -> Self {
        self.password = column.into();
        self
    }

    /// The column of the last log-in, which a log-in writes. `None`: the model has none.
    ///
    /// Defaults to `last_login`.
    pub fn last_login_column<'a>(mut self, column: impl Into<Option<&'a str>>) -> Self {
        self.last_login = column.into().map(Into::into);
        self
    }

    /// The column that says whether the account may be used. `None`: the model has none, and
    /// everyone is active.
    ///
    /// Defaults to `is_active`.
    pub fn is_active_column<'a>(mut self, column: impl Into<Option<&'a str>>) -> Self {
        self.is_active = column.into().map(Into::into);
        self
    }

    /// The column that says who may use the admin site. `None`: the model has none, and nobody may.
    ///
    /// Defaults to `is_staff`.
    pub fn is_staff_column<'a>(mut self, column: impl Into<Option<&'a str>>) -> Self {
        self.is_staff = column.into().map(Into::into);
        self
    }

    /// The column that says who has every permission. `None`: the model has none, and nobody has.
    ///
    /// Defaults to `is_superuser`.
    pub fn is_superuser_column<'a>(mut self, column: impl Into<Option<&'a str>>) -> Self {
        self.is_superuser = column.into().map(Into::into);
        self
    }

    /// Further columns to read with the user, for
    /// [`DjangoUser::get`](crate::DjangoUser::get).
    ///
    /// Defaults to none.
    pub fn columns<I>(mut self, columns: I) -> Self
    where
        I: IntoIterator,
        I::Item: Into<String>,
    {
        self.columns = columns.into_iter().map(Into::into).collect();
        self
    }

    /// Multi-table inheritance: joins the table of a parent model, whose columns may then be named
    /// like the model's own. `link` is the column that points to the parent (`user_ptr_id`).
    ///
    /// The parent's tables of groups and permissions are the ones that count, if `PermissionsMixin`
    /// is there: see [`UserModel::permissions_of`].
    pub fn parent(
        mut self,
        table: impl Into<TableName>,
        primary_key: impl Into<String>,
        link: impl Into<String>,
    ) -> Self {
        let (table, primary_key, link) = (table.into(), primary_key.into(), link.into());
        self.parents.push(Parent { table, primary_key, link });
        self
    }

    /// An SQL condition that hides rows, as a default manager with a filter does:
    /// `"deleted_at IS NULL"`. It goes into the query as it is: never build it from anything a
    /// client sent.
    ///
    /// Defaults to none.
    pub fn condition(mut self, sql: impl Into<String>) -> Self {
        self.condition = Some(sql.into());
        self
    }

    /// The many-to-many tables of `PermissionsMixin`, and the column in both that names the user.
    ///
    /// Defaults to `<table>_groups`, `<table>_user_permissions` and `<model>_id`.
    pub fn permission_tables(
        mut self,
        groups: impl Into<TableName>,
        user_permissions: impl Into<TableName>,
        user_column: impl Into<String>,
    ) -> Self {
        if let Some(tables) = &mut self.permission_tables {
            let column = user_column.into();
            tables.user_groups = ManyToMany::new(groups, column.clone(), "group_id");
            tables.user_permissions = ManyToMany::new(user_permissions, column, "permission_id");
        }
        self
    }

    /// The tables of three many-to-many fields, for a project that made its own: the user model's
    /// `groups` and `user_permissions`, and the group model's `permissions`.
    pub fn many_to_many(
        mut self,
        groups: ManyToMany,
        user_permissions: ManyToMany,
        group_permissions: ManyToMany,
    ) -> Self {
        if let Some(tables) = &mut self.permission_tables {
            tables.user_groups = groups;
            tables.user_permissions = user_permissions;
            tables.group_permissions = group_permissions;
        }
        self
    }

    /// Takes the many-to-many tables of another table's model: that of the parent model which has
    /// the `PermissionsMixin`.
    pub fn permissions_of(mut self, table: impl Into<TableName>) -> Self {
        self.permission_tables = Some(PermissionTables::of(&table.into()));
        self
    }

    /// The tables of `django.contrib.auth` and `contenttypes`, where they have other names.
    ///
    /// Defaults to `auth_group_permissions`, `auth_permission` and `django_content_type`.
    pub fn auth_tables(
        mut self,
        group_permissions: impl Into<TableName>,
        permission: impl Into<TableName>,
        content_type: impl Into<TableName>,
    ) -> Self {
        if let Some(tables) = &mut self.permission_tables {
            tables.group_permissions.table = group_permissions.into();
            tables.permission = permission.into();
            tables.content_type = content_type.into();
        }
        self
    }

    /// The table of groups, where it has another name.
    ///
    /// Defaults to `auth_group`.
    pub fn group_table(mut self, group: impl Into<TableName>) -> Self {
        if let Some(tables) = &mut self.permission_tables {
            tables.group = group.into();
        }
        self
    }

    /// For a model without `PermissionsMixin`: nobody has any permission.
    pub fn without_permissions(mut self) -> Self {
        self.permission_tables = None;
        self
    }

    /// How the session auth hash is made, for a model that overrides `get_session_auth_hash` or
    /// `_get_session_auth_hash`.
    ///
    /// Defaults to Django's way.
    pub fn session_auth_hash(mut self, hash: SessionAuthHash) -> Self {
        self.session_auth_hash = Some(hash);
        self
    }

    /// For a model without `get_session_auth_hash`: a session outlives a change of password, as it
    /// does in Django then.
    pub fn without_session_auth_hash(mut self) -> Self {
        self.session_auth_hash = None;
        self
    }

    pub(crate) fn is_valid(&self) -> bool {
        let mut tables = self.parents.iter().map(|parent| &parent.table);
        let columns = [&self.primary_key, &self.username, &self.password];
        let columns = columns.into_iter().chain(&self.last_login);
        let columns = columns.chain(&self.is_active).chain(&self.is_staff);
        let columns = columns.chain(&self.is_superuser).chain(&self.columns);
        let links = self.parents.iter().flat_map(|parent| [&parent.primary_key, &parent.link]);
        let mut columns = columns.chain(links);
        self.table.is_valid()
            && tables.all(TableName::is_valid)
            && self.permission_tables.as_ref().is_none_or(PermissionTables::is_valid)
            && columns.all(|name| super::is_valid_name(name))
    }
}

impl fmt::Debug for UserModel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UserModel")
            .field("table", &self.table)
            .field("primary_key", &self.primary_key)
            .finish_non_exhaustive()
    }
}
