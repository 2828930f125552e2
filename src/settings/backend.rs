//! `AUTHENTICATION_BACKENDS`, and what each of them does.

/// One entry of `AUTHENTICATION_BACKENDS`: its dotted path exactly as `settings.py` lists it, and
/// what it does for the users who logged in with it.
///
/// Convert it from the path. The crate knows Django's own backends and the backend of
/// django-allauth:
///
/// | path | reads users | grants permissions | admits inactive users | checks passwords |
/// |---|---|---|---|---|
/// | `django.contrib.auth.backends.ModelBackend` | yes | yes | no | yes |
/// | `django.contrib.auth.backends.RemoteUserBackend` | yes | yes | no | no |
/// | `django.contrib.auth.backends.AllowAllUsersModelBackend` | yes | yes | yes | yes |
/// | `django.contrib.auth.backends.AllowAllUsersRemoteUserBackend` | yes | yes | yes | no |
/// | `allauth.account.auth_backends.AuthenticationBackend` | yes | yes | no | no |
/// | any other | yes | no | no | unknown |
///
/// For a custom backend, set the fields that differ:
///
/// ```
/// use actix_django_session::{AuthenticationBackend, DjangoSettings};
///
/// // class EmailBackend(ModelBackend): def authenticate(..)
/// let mut by_email = AuthenticationBackend::new("shop.backends.EmailBackend");
/// by_email.grants_permissions = Some(true);
/// // class ApiKeyBackend(BaseBackend): def get_user(..), and no permissions
/// let mut by_api_key = AuthenticationBackend::new("shop.backends.ApiKeyBackend");
/// by_api_key.grants_permissions = Some(false);
///
/// let mut settings = DjangoSettings::new("secret");
/// settings.authentication_backends = vec![by_email, by_api_key];
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
#[doc(alias = "ModelBackend")]
pub struct AuthenticationBackend {
    /// The dotted path.
    pub path: String,

    /// Whether its `get_user` is that of `ModelBackend`: by the primary key, through the user
    /// model's default manager. With `false`, users who logged in with this backend are anonymous
    /// here.
    ///
    /// Defaults to `true`.
    pub reads_users: bool,

    /// Whether it grants the permissions of Django's tables. `ModelBackend` does, and so does a
    /// backend that derives from it without overriding that; a backend that derives from
    /// `BaseBackend` grants none. Each listed backend grants to all users, no matter with which
    /// backend they logged in.
    ///
    /// Defaults to what the table above says. `None` means unknown and grants none;
    /// [`DjangoSite::check`](crate::DjangoSite::check) lists the backends that are unknown.
    pub grants_permissions: Option<bool>,

    /// Whether it lets inactive users log in, as a backend whose `user_can_authenticate` allows it
    /// does.
    ///
    /// Defaults to what the table above says.
    pub admits_inactive: bool,

    /// Whether its `authenticate(username=.., password=..)` is that of `ModelBackend`, for
    /// [`DjangoSite::authenticate`](crate::DjangoSite::authenticate). `Some(false)` skips the
    /// backend: use it for a backend that takes other arguments, or that offers other ways to log
    /// in, which are then not available here.
    ///
    /// **Warning: `Some(false)` for a backend that locks accounts (django-axes) disables that
    /// lock-out for logins through this service.** Django asks such a backend first and obeys its
    /// `PermissionDenied`.
    ///
    /// Defaults to what the table above says. While it is `None` (unknown) for a backend that
    /// Django would ask first, `authenticate` returns an error.
    pub checks_passwords: Option<bool>,
}

impl AuthenticationBackend {
    /// Creates the backend with this path.
    pub fn new(path: impl Into<String>) -> Self {
        let path = path.into();
        let (is_known, admits_inactive) = match path.as_str() {
            "django.contrib.auth.backends.ModelBackend"
            | "django.contrib.auth.backends.RemoteUserBackend"
            | "allauth.account.auth_backends.AuthenticationBackend" => (true, false),
            "django.contrib.auth.backends.AllowAllUsersModelBackend"
            | "django.contrib.auth.backends.AllowAllUsersRemoteUserBackend" => (true, true),
            _ => (false, false),
        };
        let grants_permissions = is_known.then_some(true);
        // The other known backends take no username, or offer more ways to log in than this one.
        let is_model_backend = path.ends_with("ModelBackend");
        let checks_passwords = is_known.then_some(is_model_backend);
        Self { path, reads_users: true, grants_permissions, admits_inactive, checks_passwords }
    }
}

impl<S: Into<String>> From<S> for AuthenticationBackend {
    fn from(path: S) -> Self {
        Self::new(path)
    }
}
