//! `AUTH_USER_MODEL`, as tables and columns.

use super::{
    PermissionTables, SessionAuthHash,
    table_name::{TableName, is_valid_name},
};

/// Django's `AUTH_USER_MODEL`, as table and column names.
///
/// [`UserModel::default`] is Django's own `auth.User`. For a custom model, name its table
/// (`Model._meta.db_table`), and then each field that differs from `AbstractUser`. `None` means
/// that the model does not have the column. The type of the primary key is read from the database.
///
/// ```
/// use actix_django_session::{DjangoSettings, UserModel};
///
/// let mut model = UserModel::new("accounts_member");
/// model.username = "email".into();
/// model.password = "pw_hash".into();
/// model.columns = vec!["first_name".into(), "plan".into()];
///
/// let mut settings = DjangoSettings::new("secret");
/// settings.user_model = model;
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
#[doc(alias = "AUTH_USER_MODEL")]
#[doc(alias = "AbstractBaseUser")]
pub struct UserModel {
    /// The table: `"table"`, `"schema.table"` or `("schema", "table")`.
    ///
    /// [`UserModel::new`] sets it, together with the permission tables that belong to it.
    pub table: TableName,

    /// The tables of parent models (multi-table inheritance). They are joined to the model's own
    /// table, and their columns can then be named like its own.
    ///
    /// If a parent has the `PermissionsMixin`, its tables of groups and permissions count: see
    /// [`permission_tables`](Self::permission_tables).
    ///
    /// Defaults to none.
    pub parents: Vec<ParentModel>,

    /// The column of the primary key: an integer, a UUID, text, or any type that PostgreSQL can
    /// read from text.
    ///
    /// Defaults to `id`.
    pub primary_key: String,

    /// The column that `USERNAME_FIELD` names.
    ///
    /// Defaults to `username`.
    #[doc(alias = "USERNAME_FIELD")]
    pub username: String,

    /// Whether usernames are compared without regard to case. Set it for a manager whose
    /// `get_by_natural_key` uses `username__iexact`. For other conditions of that method
    /// (`closed=False`) use
    /// [`DjangoSite::after_check_password`](crate::DjangoSite::after_check_password).
    ///
    /// PostgreSQL compares `UPPER(..)` of both, as for Django, so create an index on that
    /// expression.
    ///
    /// Defaults to `false`: usernames are compared exactly.
    pub username_iexact: bool,

    /// The column of the password.
    ///
    /// Defaults to `password`.
    pub password: String,

    /// The column with the time of the last login. Each login writes it.
    ///
    /// Defaults to `last_login`.
    pub last_login: Option<String>,

    /// The column that says whether the account can be used. `None`: every account can be used.
    ///
    /// Defaults to `is_active`.
    pub is_active: Option<String>,

    /// The column that says whether the user can use the admin site. `None`: no user can.
    ///
    /// Defaults to `is_staff`.
    pub is_staff: Option<String>,

    /// The column that says whether the user has every permission. `None`: no user is a superuser.
    ///
    /// Defaults to `is_superuser`.
    pub is_superuser: Option<String>,

    /// Further columns to read with the user; see [`DjangoUser::get`](crate::DjangoUser::get).
    ///
    /// Defaults to none.
    pub columns: Vec<String>,

    /// An SQL condition that hides rows, like a default manager with a filter: `"deleted_at IS
    /// NULL"`. It becomes part of the query as it is: **never build it from anything that a client
    /// sent**.
    ///
    /// Defaults to `None`.
    pub condition: Option<String>,

    /// The tables of groups and permissions. `None` is for a model without `PermissionsMixin`,
    /// whose users have no permissions.
    ///
    /// If a parent model has the `PermissionsMixin`, set it to [`PermissionTables::of`] the
    /// parent's table.
    ///
    /// Defaults to [`PermissionTables::of`] this table.
    pub permission_tables: Option<PermissionTables>,

    /// How the session auth hash is computed, for a model that overrides `get_session_auth_hash` or
    /// `_get_session_auth_hash`. `None` is for a model without `get_session_auth_hash`: a session
    /// then survives a change of the password, as in Django.
    ///
    /// Defaults to Django's own hash.
    pub session_auth_hash: Option<SessionAuthHash>,
}

/// A parent table that multi-table inheritance joins.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ParentModel {
    /// The parent's table.
    pub table: TableName,
    /// The column of the parent's primary key.
    pub primary_key: String,
    /// The column of the child's table that refers to the parent: `user_ptr_id`.
    pub link: String,
}

impl ParentModel {
    /// Creates a `ParentModel` from the parent's table, the column of its primary key, and the
    /// child's column `link` that refers to it.
    pub fn new(
        table: impl Into<TableName>,
        primary_key: impl Into<String>,
        link: impl Into<String>,
    ) -> Self {
        Self { table: table.into(), primary_key: primary_key.into(), link: link.into() }
    }
}

impl Default for UserModel {
    fn default() -> Self {
        Self::new("auth_user")
    }
}

impl UserModel {
    /// Creates a model like `AbstractUser` in this table: `"table"`, `"schema.table"` or
    /// `("schema", "table")`. The tables of groups and permissions are expected in the same schema.
    pub fn new(table: impl Into<TableName>) -> Self {
        let table = table.into();
        Self {
            permission_tables: Some(PermissionTables::of(table.clone())),
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
            session_auth_hash: Some(SessionAuthHash::default()),
        }
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
            && columns.all(|name| is_valid_name(name))
    }
}
