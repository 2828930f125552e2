//! The user, as Django's `request.user`.

use std::{
    any::type_name,
    collections::BTreeSet,
    fmt,
    str::FromStr,
    sync::{Arc, OnceLock},
};

use futures_util::future::BoxFuture;
use tokio::time::timeout;
use tokio_postgres::types::FromSqlOwned;

use crate::{
    backend::Backend,
    database::{Budget, ColumnValue, HeldPermissions, PrimaryKeyValue, UserRow},
    error::{Error, Unavailable},
    session::DecodedText,
};

/// The user who is logged in: the one that Django's `get_user` would return.
///
/// As an extractor it works behind any middleware: the user is looked up and checked when the first one
/// asks, once a request. Nobody logged in: the middleware's rejection. Cheap to clone, and `Send`.
///
/// ```
/// use actix_django_session::{DjangoUser, Error};
///
/// async fn add_item(user: DjangoUser) -> Result<String, Error> {
///     if !user.has_perm("shop.add_item").await? {
///         return Err(Error::PermissionDenied);
///     }
///     Ok(format!("well done, {}", user.username()))
/// }
/// ```
#[derive(Clone)]
#[doc(alias = "request.user")]
#[doc(alias = "current_user")]
#[doc(alias = "AbstractUser")]
#[doc(alias = "AnonymousUser")]
#[doc(alias = "is_authenticated")]
pub struct DjangoUser(Arc<Inner>);

struct Inner {
    row: Arc<UserRow>,
    /// Where the permissions of this user are looked up, and how long this request still waits for
    /// that.
    source: Source,
    /// Those that the middleware asked for.
    held: Option<HeldPermissions>,
    /// Those that Django's own classes would say.
    permissions: OnceLock<BTreeSet<String>>,
    /// Those of them that the application does not refuse, if it has a say.
    allowed: OnceLock<BTreeSet<String>>,
    policy: PermissionPolicy,
    groups: OnceLock<BTreeSet<String>>,
    /// The encoding that took the place of the one in the row.
    password: OnceLock<String>,
    /// By which backend `authenticate` found this user.
    backend: OnceLock<String>,
    /// The session that stands for this user.
    session_text: OnceLock<Arc<DecodedText>>,
}

/// Who has the last word on permissions.
pub(super) enum PermissionPolicy {
    /// Django's tables.
    Tables,
    /// Code of the application.
    Hook(Arc<AfterHasPerm>),
    /// Somebody who is not there: why.
    Off(Box<Error>),
}

/// Code of the application with a say in who has which permission.
pub(super) type AfterHasPerm =
    dyn Fn(DjangoUser, String, bool) -> BoxFuture<'static, Result<bool, Error>> + Send + Sync;

type Source = (Backend, PrimaryKeyValue, Budget);

impl DjangoUser {
    /// The user in a row of [`Database::user_row`].
    pub(super) fn from_row(
        row: Arc<UserRow>,
        held: Option<HeldPermissions>,
        source: Source,
        policy: PermissionPolicy,
    ) -> Self {
        Self(Arc::new(Inner {
            row,
            source,
            held,
            permissions: OnceLock::new(),
            allowed: OnceLock::new(),
            policy,
            groups: OnceLock::new(),
            password: OnceLock::new(),
            backend: OnceLock::new(),
            session_text: OnceLock::new(),
        }))
    }

    /// The stored password, hashed: what the session auth hash is made of.
    pub(crate) fn password(&self) -> &str {
        let password = self.0.password.get().or(self.0.row.password.as_ref());
        // Python's text for no password at all (A7).
        password.map_or("None", String::as_str)
    }

    /// The password was encoded anew.
    pub(super) fn set_password(&self, encoded: String) {
        // Nobody else has this user yet.
        let _ = self.0.password.set(encoded);
    }

    /// This session stands for this user.
    pub(super) fn set_session_text(&self, text: &Arc<DecodedText>) {
        self.0.session_text.get_or_init(|| Arc::clone(text));
    }

    /// The session that stands for this user, if the user was found by one.
    pub(super) fn session_text(&self) -> Option<&Arc<DecodedText>> {
        self.0.session_text.get()
    }

    /// This user, found by the backend with this path.
    pub(super) fn by_backend(self, path: &str) -> Self {
        let _ = self.0.backend.set(path.to_owned());
        self
    }

    /// The path of the backend by which [`DjangoSite::authenticate`](crate::DjangoSite::authenticate)
    /// found this user: Django's `user.backend`.
    pub fn backend(&self) -> Option<&str> {
        self.0.backend.get().map(String::as_str)
    }

    /// The primary key as the database has it.
    pub(crate) fn key(&self) -> &PrimaryKeyValue {
        &self.0.source.1
    }

    /// The primary key as text: decimal, a lower-case UUID with dashes, or the text itself.
    #[doc(alias = "pk")]
    pub fn id(&self) -> &str {
        &self.0.row.id
    }

    /// The primary key as a type of yours.
    ///
    /// # Errors
    /// [`Error::UserIdType`] if it is no `T`: a mistake in the handler.
    pub fn parse_id<T: FromStr>(&self) -> Result<T, Error> {
        self.0.row.id.parse().map_err(|_| Error::UserIdType { expected: type_name::<T>() })
    }

    /// The value of the username column.
    #[doc(alias = "get_username")]
    pub fn username(&self) -> &str {
        &self.0.row.username
    }

    /// The value of the column `is_staff`, whether the account is active or not. Who may use the
    /// admin site says [`is_active_staff`](Self::is_active_staff).
    pub fn is_staff(&self) -> bool {
        self.0.row.is_staff
    }

    /// Whether the user may use the admin site: `is_active and is_staff`, as Django's
    /// `staff_member_required` and `AdminSite.has_permission` ask. The middleware's `staff_required` asks
    /// this too.
    pub fn is_active_staff(&self) -> bool {
        self.0.row.is_active && self.0.row.is_staff
    }

    /// Whether the user has every permission.
    pub fn is_superuser(&self) -> bool {
        self.0.row.is_superuser
    }

    /// Whether the account may be used. Only a backend that admits inactive users lets others in.
    pub fn is_active(&self) -> bool {
        self.0.row.is_active
    }

    /// The value of one of the further [`columns`](crate::UserModel::columns) of the user model, as a
    /// type that owns it (`String`, not `&str`); an `Option` if it may be NULL.
    ///
    /// ```
    /// use actix_django_session::{DjangoUser, Error};
    ///
    /// async fn greeting(user: DjangoUser) -> Result<String, Error> {
    ///     let first_name: String = user.get("first_name")?;
    ///     let tenant: Option<i64> = user.get("tenant_id")?;
    ///     Ok(format!("{first_name} of {tenant:?}"))
    /// }
    /// ```
    ///
    /// The error is a mistake in the handler or in the user model, never the visitor's. `?` answers
    /// with an empty 500 in a handler that returns a `Result` with the [`Error`] of this crate, as
    /// above, or with [`actix_web::Error`], which it becomes by itself. The log has which of two it
    /// was:
    ///
    /// ```
    /// use actix_django_session::test::{self, TestUser};
    ///
    /// # actix_web::rt::System::new().block_on(async {
    /// let ada = TestUser::new(7, "ada").column("tenant_id", 3_i64);
    /// let ada = test::site().user(ada).build().user(7).await.unwrap();
    /// assert_eq!(ada.get::<i64>("tenant_id").unwrap(), 3);
    /// assert_eq!(
    ///     ada.get::<String>("tenant_id").unwrap_err().to_string(),
    ///     "the column \"tenant_id\" of the user is of type int8, or NULL, and that is no \
    ///      `alloc::string::String` (one that may be NULL is an `Option`)"
    /// );
    /// assert_eq!(
    ///     ada.get::<i64>("team_id").unwrap_err().to_string(),
    ///     "the column \"team_id\" of the user is not read: name it in `UserModel::columns`"
    /// );
    /// # });
    /// ```
    ///
    /// A type that borrows is neither: it does not compile.
    ///
    /// ```compile_fail
    /// # async fn greeting(user: actix_django_session::DjangoUser) {
    /// let first_name = user.get::<&str>("first_name");
    /// // error: implementation of `FromSql` is not general enough
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error::UserColumn`] if that column was not asked for in the user model, or holds no `T`.
    pub fn get<T: FromSqlOwned>(&self, column: &str) -> Result<T, Error> {
        let found = self.column(column);
        found.and_then(ColumnValue::get).ok_or_else(|| Error::UserColumn {
            column: column.into(),
            found: found.map(|found| found.column_type.name().to_owned()),
            expected: type_name::<T>(),
        })
    }

    fn column(&self, name: &str) -> Option<&ColumnValue> {
        let columns = &self.0.source.0.settings().user_model.columns;
        let index = columns.iter().position(|column| column == name)?;
        self.0.row.columns.get(index)
    }

    /// Whether the user has a permission, `"app_label.codename"`. Superusers have every one, existing
    /// or not; others have those that stand in Django's tables, if a backend grants them, whichever
    /// the user came in by: see
    /// [`grants_permissions`](crate::AuthenticationBackend::grants_permissions).
    ///
    /// # Errors
    /// [`Error::Unavailable`] if the permissions cannot be looked up; [`Error::ImproperlyConfigured`]
    /// if the exported settings say that the site decides in a way of its own, and there is no
    /// [`after_has_perm`](crate::DjangoSite::after_has_perm).
    #[doc(alias = "has_permission")]
    pub async fn has_perm(&self, permission: &str) -> Result<bool, Error> {
        self.is_allowed(permission).await
    }

    /// Whether the user has all of these permissions; of none, yes.
    ///
    /// # Errors
    /// As [`DjangoUser::has_perm`].
    pub async fn has_perms<I>(&self, permissions: I) -> Result<bool, Error>
    where
        I: IntoIterator,
        I::Item: AsRef<str>,
    {
        for permission in permissions {
            if !self.has_perm(permission.as_ref()).await? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Whether the user has any permission in an app.
    ///
    /// # Errors
    /// As [`DjangoUser::has_perm`].
    pub async fn has_module_perms(&self, app_label: &str) -> Result<bool, Error> {
        // Up to the first dot: the rest is the codename, which may hold more of them (P1).
        let of_app = |permission: &String| {
            permission.split_once('.').is_some_and(|(label, _)| label == app_label)
        };
        let all_count = matches!(self.0.policy, PermissionPolicy::Tables);
        if all_count && self.has_every_permission() {
            return Ok(true);
        }
        Ok(self.permissions().await?.iter().any(of_app))
    }

    /// All permissions, as `get_all_permissions`: those of the user and of the user's groups; for a
    /// superuser, all there are. One query, once a request.
    ///
    /// # Errors
    /// As [`DjangoUser::has_perm`].
    #[doc(alias = "get_all_permissions")]
    pub async fn permissions(&self) -> Result<&BTreeSet<String>, Error> {
        self.look_up_allowed().await
    }

    /// The names of the groups that the user is in: Django's `user.groups`. One query, once a request.
    /// A superuser is in those groups only that the table names.
    ///
    /// ```
    /// use actix_django_session::{DjangoUser, Error};
    ///
    /// async fn desk(user: DjangoUser) -> Result<&'static str, Error> {
    ///     Ok(if user.groups().await?.contains("editors") { "drafts" } else { "news" })
    /// }
    /// ```
    ///
    /// The role of the pool needs `SELECT` on `auth_group` for it.
    ///
    /// # Errors
    /// [`Error::Unavailable`] if the groups cannot be looked up.
    pub async fn groups(&self) -> Result<&BTreeSet<String>, Error> {
        self.look_up_groups().await
    }

    /// [`DjangoUser::groups`] for a middleware, which reports errors itself.
    pub(crate) async fn look_up_groups(&self) -> Result<&BTreeSet<String>, Error> {
        if let Some(groups) = self.0.groups.get() {
            return Ok(groups);
        }
        let (database, key, budget) = &self.0.source;
        let wait = budget.wait();
        let groups = database.groups_of(key, wait.deadline()).await?;
        Ok(self.0.groups.get_or_init(|| groups))
    }

    fn has_every_permission(&self) -> bool {
        self.0.row.is_active && self.0.row.is_superuser
    }

    /// Whether the user has a permission, if that takes no query.
    fn knows_of(&self, permission: &str) -> Option<bool> {
        if self.has_every_permission() {
            return Some(true);
        }
        // The tables may say more than counts: an inactive user has no permission.
        if !self.0.row.is_active {
            return Some(false);
        }
        match self.0.permissions.get() {
            Some(all) => Some(all.contains(permission)),
            None => self.0.held.as_ref()?.has(permission).then_some(true),
        }
    }

    /// [`DjangoUser::has_perms`] for a middleware, which reports errors itself.
    pub(crate) async fn meets(&self, permissions: &[String]) -> Result<bool, Error> {
        for permission in permissions {
            if !self.is_allowed(permission).await? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    async fn is_allowed(&self, permission: &str) -> Result<bool, Error> {
        if let PermissionPolicy::Off(error) = &self.0.policy {
            return Err((**error).clone());
        }
        let has = match self.knows_of(permission) {
            Some(known) => known,
            None => self.look_up_permissions().await?.contains(permission),
        };
        match &self.0.policy {
            PermissionPolicy::Hook(hook) => self.ask(hook, permission, has).await,
            _ => Ok(has),
        }
    }

    async fn look_up_allowed(&self) -> Result<&BTreeSet<String>, Error> {
        let hook = match &self.0.policy {
            PermissionPolicy::Tables => return self.look_up_permissions().await,
            PermissionPolicy::Off(error) => return Err((**error).clone()),
            PermissionPolicy::Hook(hook) => hook,
        };
        if let Some(allowed) = self.0.allowed.get() {
            return Ok(allowed);
        }
        let mut allowed = BTreeSet::new();
        for permission in self.look_up_permissions().await? {
            if self.ask(hook, permission, true).await? {
                allowed.insert(permission.clone());
            }
        }
        Ok(self.0.allowed.get_or_init(|| allowed))
    }

    async fn ask(
        &self,
        hook: &Arc<AfterHasPerm>,
        permission: &str,
        has: bool,
    ) -> Result<bool, Error> {
        let answer = hook(self.clone(), permission.to_owned(), has);
        let limit = self.0.source.0.settings().timeout;
        timeout(limit, answer).await.map_err(|_| Unavailable::Timeout(limit))?
    }

    /// Whoever comes before the answer asks as well: nobody waits for another's future, which may
    /// have been put aside.
    async fn look_up_permissions(&self) -> Result<&BTreeSet<String>, Error> {
        if let Some(permissions) = self.0.permissions.get() {
            return Ok(permissions);
        }
        let (database, key, budget) = &self.0.source;
        // Those of the tables are granted by a backend, or not at all; to those who are active.
        let permissions = if !self.0.row.is_active || !database.settings().grants_permissions() {
            BTreeSet::new()
        } else if self.0.row.is_superuser {
            let wait = budget.wait();
            database.all_permissions(wait.deadline()).await?
        } else {
            let wait = budget.wait();
            database.permissions_of(key, wait.deadline()).await?
        };
        Ok(self.0.permissions.get_or_init(|| permissions))
    }
}

impl fmt::Debug for DjangoUser {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DjangoUser")
            .field("id", &self.0.row.id)
            .field("is_active", &self.0.row.is_active)
            .field("is_staff", &self.0.row.is_staff)
            .field("is_superuser", &self.0.row.is_superuser)
            .finish_non_exhaustive()
    }
}
