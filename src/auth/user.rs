//! `DjangoUser`: Django's `request.user`.

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

/// The user who is logged in: the one that Django's `get_user` would return. Cheap to clone, and `Send`.
///
/// As an extractor it works behind any middleware. The user is looked up and checked once a request, for
/// the first extractor or middleware that needs it. If no user is logged in, the request gets the
/// middleware's rejection: a redirect to the login page, or a 401.
/// [`OptionalDjangoUser`](crate::OptionalDjangoUser) lets anonymous visitors through.
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
pub struct DjangoUser(Arc<UserInner>);

struct UserInner {
    row: Arc<UserRow>,
    /// Where the permissions of this user are looked up, and how long this request may still wait for
    /// that.
    source: UserSource,
    /// The permissions that were looked up together with the user, for the middleware.
    looked_up: Option<HeldPermissions>,
    /// The permissions that Django's own classes would grant.
    permissions: OnceLock<BTreeSet<String>>,
    /// Those of them that the application's hook does not refuse.
    allowed: OnceLock<BTreeSet<String>>,
    policy: PermissionPolicy,
    groups: OnceLock<BTreeSet<String>>,
    /// The encoding that took the place of the one in the row.
    password: OnceLock<String>,
    /// The path of the backend by which `authenticate` found this user.
    backend: OnceLock<String>,
    /// The session that names this user.
    session_text: OnceLock<Arc<DecodedText>>,
}

/// What decides about permissions.
pub(crate) enum PermissionPolicy {
    /// Django's tables.
    Tables,
    /// Django's tables, and then a hook of the application.
    Hook(Arc<AfterHasPerm>),
    /// A hook that is missing: every question is this error.
    HookMissing(Box<Error>),
}

/// The `after_has_perm` hook of the application.
pub(crate) type AfterHasPerm =
    dyn Fn(DjangoUser, String, bool) -> BoxFuture<'static, Result<bool, Error>> + Send + Sync;

type UserSource = (Backend, PrimaryKeyValue, Budget);

impl DjangoUser {
    /// The user in this row.
    pub(crate) fn from_row(
        row: Arc<UserRow>,
        looked_up: Option<HeldPermissions>,
        source: UserSource,
        policy: PermissionPolicy,
    ) -> Self {
        Self(Arc::new(UserInner {
            row,
            source,
            looked_up,
            permissions: OnceLock::new(),
            allowed: OnceLock::new(),
            policy,
            groups: OnceLock::new(),
            password: OnceLock::new(),
            backend: OnceLock::new(),
            session_text: OnceLock::new(),
        }))
    }

    /// The stored (encoded) password, from which the session auth hash is made.
    pub(crate) fn password(&self) -> &str {
        let password = self.0.password.get().map(String::as_str).or(self.0.row.password());
        // Python's text for no password at all (A7).
        password.unwrap_or("None")
    }

    /// Takes another encoding of the password, which was just stored.
    pub(crate) fn set_password(&self, encoded: String) {
        // No other code has this user yet.
        let _ = self.0.password.set(encoded);
    }

    /// Remembers the session that names this user.
    pub(crate) fn set_session_text(&self, text: &Arc<DecodedText>) {
        self.0.session_text.get_or_init(|| Arc::clone(text));
    }

    /// The session that names this user, if the user was found by one.
    pub(crate) fn session_text(&self) -> Option<&Arc<DecodedText>> {
        self.0.session_text.get()
    }

    /// This user, found by the backend with this path.
    pub(crate) fn by_backend(self, path: &str) -> Self {
        let _ = self.0.backend.set(path.to_owned());
        self
    }

    /// The dotted path of the backend by which
    /// [`DjangoSite::authenticate`](crate::DjangoSite::authenticate) found this user: Django's
    /// `user.backend`. `None` for users that were found otherwise.
    pub fn backend(&self) -> Option<&str> {
        self.0.backend.get().map(String::as_str)
    }

    /// The primary key, typed as in the database.
    pub(crate) fn key(&self) -> &PrimaryKeyValue {
        &self.0.source.1
    }

    /// The primary key as text: decimal digits, a lower-case UUID with dashes, or the text itself. Django's
    /// `str(user.pk)`.
    #[doc(alias = "pk")]
    pub fn id(&self) -> &str {
        self.0.row.id()
    }

    /// The primary key, parsed as a type of yours: `i64`, `Uuid`.
    ///
    /// # Errors
    /// [`Error::UserIdType`] if the primary key cannot be parsed as `T`: a mistake in the handler.
    pub fn parse_id<T: FromStr>(&self) -> Result<T, Error> {
        self.0.row.id().parse().map_err(|_| Error::UserIdType { expected: type_name::<T>() })
    }

    /// The value of the username column: Django's `user.get_username()`.
    #[doc(alias = "get_username")]
    pub fn username(&self) -> &str {
        self.0.row.username()
    }

    /// The value of the column `is_staff`, also for an inactive account. To check who may use the admin
    /// site, call [`is_active_staff`](Self::is_active_staff).
    pub fn is_staff(&self) -> bool {
        self.0.row.is_staff
    }

    /// Whether the user may use the admin site: `is_active and is_staff`. Django's
    /// `staff_member_required` and `AdminSite.has_permission` check the same, and so does
    /// [`staff_required`](crate::DjangoSessionMiddleware::staff_required).
    pub fn is_active_staff(&self) -> bool {
        self.0.row.is_active && self.0.row.is_staff
    }

    /// The value of the column `is_superuser`. An active superuser has every permission.
    pub fn is_superuser(&self) -> bool {
        self.0.row.is_superuser
    }

    /// The value of the column `is_active`. It can be `false` only if the user came in by a backend that
    /// [admits inactive users](crate::AuthenticationBackend::admits_inactive).
    pub fn is_active(&self) -> bool {
        self.0.row.is_active
    }

    /// Returns the value of one of the further [`columns`](crate::UserModel::columns) of the user model.
    /// `T` owns the value (`String`, not `&str`). Take an `Option` if the column may be NULL.
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
    /// An error is a mistake in the handler or in the settings, never the visitor's. With `?` the request
    /// gets an empty 500, in a handler that returns a `Result` with [`Error`] or with
    /// [`actix_web::Error`]. The log has the mistake:
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
    /// A type that borrows does not compile:
    ///
    /// ```compile_fail
    /// # async fn greeting(user: actix_django_session::DjangoUser) {
    /// let first_name = user.get::<&str>("first_name");
    /// // error: implementation of `FromSql` is not general enough
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error::UserColumn`] if [`UserModel::columns`](crate::UserModel::columns) does not name this
    /// column, or if its value cannot be a `T`.
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

    /// Returns whether the user has a permission, `"app_label.codename"`: Django's `user.has_perm(perm)`.
    ///
    /// | the user | has |
    /// |---|---|
    /// | inactive | no permission |
    /// | a superuser | every permission, even one that does not exist |
    /// | any other | those of the user and of the user's groups in Django's tables, if any backend [`grants_permissions`](crate::AuthenticationBackend::grants_permissions) |
    ///
    /// An [`after_has_perm`](crate::DjangoSite::after_has_perm) hook decides last.
    ///
    /// # Errors
    /// - [`Error::Unavailable`] if the permissions cannot be looked up.
    /// - [`Error::ImproperlyConfigured`] if the exported settings say that the site decides in its own way,
    ///   and there is no `after_has_perm` hook.
    #[doc(alias = "has_permission")]
    pub async fn has_perm(&self, permission: &str) -> Result<bool, Error> {
        self.is_allowed(permission).await
    }

    /// Returns whether the user has all of these permissions: Django's `user.has_perms(perm_list)`. For an
    /// empty list it returns `true`.
    ///
    /// # Errors
    /// Those of [`has_perm`](DjangoUser::has_perm).
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

    /// Returns whether the user has any permission in an app, such as `"shop"`: Django's
    /// `user.has_module_perms(app_label)`.
    ///
    /// # Errors
    /// Those of [`has_perm`](DjangoUser::has_perm).
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

    /// Returns all permissions of the user and of the user's groups, `"app_label.codename"`: Django's
    /// `user.get_all_permissions()`. For a superuser these are all permissions that exist. It makes one
    /// query, once a request.
    ///
    /// # Errors
    /// Those of [`has_perm`](DjangoUser::has_perm).
    #[doc(alias = "get_all_permissions")]
    pub async fn permissions(&self) -> Result<&BTreeSet<String>, Error> {
        self.look_up_allowed().await
    }

    /// Returns the names of the groups that the user is in: Django's `user.groups`. It makes one query,
    /// once a request. A superuser is in no more groups than the table says.
    ///
    /// ```
    /// use actix_django_session::{DjangoUser, Error};
    ///
    /// async fn desk(user: DjangoUser) -> Result<&'static str, Error> {
    ///     Ok(if user.groups().await?.contains("editors") { "drafts" } else { "news" })
    /// }
    /// ```
    ///
    /// The database role needs `SELECT` on `auth_group`.
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
        let wait = budget.here().wait();
        let groups = Box::pin(database.groups_of(key, wait.deadline())).await?;
        Ok(self.0.groups.get_or_init(|| groups))
    }

    fn has_every_permission(&self) -> bool {
        self.0.row.is_active && self.0.row.is_superuser
    }

    /// Whether the user has a permission, if no query is needed to tell.
    fn knows_of(&self, permission: &str) -> Option<bool> {
        if self.has_every_permission() {
            return Some(true);
        }
        // An inactive user has no permission, whatever the tables say.
        if !self.0.row.is_active {
            return Some(false);
        }
        match self.0.permissions.get() {
            Some(all) => Some(all.contains(permission)),
            None => self.0.looked_up.as_ref()?.has(permission).then_some(true),
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
        if let PermissionPolicy::HookMissing(error) = &self.0.policy {
            return Err((**error).clone());
        }
        let has = match self.knows_of(permission) {
            Some(known) => known,
            // In a box, so that the future of a request that needs no query is small.
            None => Box::pin(self.look_up_permissions()).await?.contains(permission),
        };
        match &self.0.policy {
            PermissionPolicy::Hook(hook) => Box::pin(self.ask(hook, permission, has)).await,
            _ => Ok(has),
        }
    }

    async fn look_up_allowed(&self) -> Result<&BTreeSet<String>, Error> {
        let hook = match &self.0.policy {
            PermissionPolicy::Tables => return self.look_up_permissions().await,
            PermissionPolicy::HookMissing(error) => return Err((**error).clone()),
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

    /// Two concurrent callers both send the query: neither may wait for the other's future, which may
    /// never be polled again.
    async fn look_up_permissions(&self) -> Result<&BTreeSet<String>, Error> {
        if let Some(permissions) = self.0.permissions.get() {
            return Ok(permissions);
        }
        let (database, key, budget) = &self.0.source;
        // Django grants the permissions in the tables only through a backend, and only to active users.
        let permissions = if !self.0.row.is_active || !database.settings().grants_permissions() {
            BTreeSet::new()
        } else if self.0.row.is_superuser {
            let wait = budget.here().wait();
            database.all_permissions(wait.deadline()).await?
        } else {
            let wait = budget.here().wait();
            database.permissions_of(key, wait.deadline()).await?
        };
        Ok(self.0.permissions.get_or_init(|| permissions))
    }
}

impl fmt::Debug for DjangoUser {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DjangoUser")
            .field("id", &self.0.row.id())
            .field("is_active", &self.0.row.is_active)
            .field("is_staff", &self.0.row.is_staff)
            .field("is_superuser", &self.0.row.is_superuser)
            .finish_non_exhaustive()
    }
}
