//! `AUTH_USER_MODEL`, as its tables and columns.

use super::{
    PermissionTables, SessionAuthHash,
    table_name::{TableName, is_valid_name},
};

/// Where the users are: Django's `AUTH_USER_MODEL`, as table and column names.
///
/// [`UserModel::default`] is Django's own `auth.User`. For a model of yours, name its table (what
/// `Model._meta.db_table` says) and then whatever differs from `AbstractUser`. `None` is for a column
/// that the model does not have. The type of the primary key is read from the database.
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
    /// [`UserModel::new`] sets it, with the permission tables that belong to it.
    pub table: TableName,

    /// Multi-table inheritance: the tables of parent models that are joined, whose columns may then be
    /// named like the model's own.
    ///
    /// The parent's tables of groups and permissions are the ones that count, if `PermissionsMixin`
    /// is there: see [`permission_tables`](Self::permission_tables).
    ///
    /// Defaults to none.
    pub parents: Vec<ParentModel>,

    /// The column of the primary key: an integer, a UUID, text, or any type that PostgreSQL reads
    /// from text.
    ///
    /// Defaults to `id`.
    pub primary_key: String,

    /// The column of `USERNAME_FIELD`.
    ///
    /// Defaults to `username`.
    #[doc(alias = "USERNAME_FIELD")]
    pub username: String,

    /// Finds users by their names whatever the case, for a manager whose `get_by_natural_key` asks
    /// for `username__iexact`. What else that method asks (`closed=False`) is for
    /// [`DjangoSite::after_check_password`](crate::DjangoSite::after_check_password).
    ///
    /// PostgreSQL compares `UPPER(..)` of both, as for Django: make an index on that.
    ///
    /// Defaults to `false`: names are compared exactly.
    pub username_iexact: bool,

    /// The column of the password.
    ///
    /// Defaults to `password`.
    pub password: String,

    /// The column of the last log-in, which a log-in writes.
    ///
    /// Defaults to `last_login`.
    pub last_login: Option<String>,

    /// The column that says whether the account may be used. `None`: everyone is active.
    ///
    /// Defaults to `is_active`.
    pub is_active: Option<String>,

    /// The column that says who may use the admin site. `None`: nobody may.
    ///
    /// Defaults to `is_staff`.
    pub is_staff: Option<String>,

    /// The column that says who has every permission. `None`: nobody has.
    ///
    /// Defaults to `is_superuser`.
    pub is_superuser: Option<String>,

    /// Further columns to read with the user, for
    /// [`DjangoUser::get`](crate::DjangoUser::get).
    ///
    /// Defaults to none.
    pub columns: Vec<String>,

    /// An SQL condition that hides rows, as a default manager with a filter does:
    /// `"deleted_at IS NULL"`. It goes into the query as it is: never build it from anything a
    /// client sent.
    ///
    /// Defaults to `None`.
    pub condition: Option<String>,

    /// The tables of groups and permissions. `None` is for a model without `PermissionsMixin`: nobody
    /// has any permission.
    ///
    /// Where a parent model has the `PermissionsMixin`, these are [`PermissionTables::of`] the parent's
    /// table.
    ///
    /// Defaults to [`PermissionTables::of`] this table.
    pub permission_tables: Option<PermissionTables>,

    /// How the session auth hash is made, for a model that overrides `get_session_auth_hash` or
    /// `_get_session_auth_hash`. `None` is for a model without `get_session_auth_hash`: a session
    /// outlives a change of password, as it does in Django then.
    ///
    /// Defaults to Django's way.
    pub session_auth_hash: Option<SessionAuthHash>,
}

/// A table that multi-table inheritance joins.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ParentModel {
    /// The parent's table.
    pub table: TableName,
    /// The column of its primary key.
    pub primary_key: String,
    /// The column of the model that points to it: `user_ptr_id`.
    pub link: String,
}

impl ParentModel {
    /// A parent in this table, with this primary key, to which the column `link` points.
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
    /// A model like `AbstractUser` in this table: `"table"`, `"schema.table"` or
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
