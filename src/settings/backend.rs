//! `AUTHENTICATION_BACKENDS`, and what each of them does.

/// One of `AUTHENTICATION_BACKENDS`: its dotted path exactly as `settings.py` lists it, and what it
/// does for the visitors who came in by it.
///
/// Made from the path. Django's own backends and that of django-allauth are known by theirs:
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
/// Say what is different about one of your own:
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
    /// model's default manager. Otherwise nobody is logged in here who came in by it.
    ///
    /// Defaults to `true`.
    pub reads_users: bool,

    /// Whether it grants the permissions of Django's tables, as `ModelBackend` and all backends do
    /// that derive from it and do not override that; one that derives from `BaseBackend` grants
    /// none. Every backend that is listed grants to all users, whichever they came in by.
    ///
    /// Defaults to what the table above says. `None`, unknown, grants none; which backends have been
    /// left at that shows in [`DjangoSite::check`](crate::DjangoSite::check).
    pub grants_permissions: Option<bool>,

    /// Whether it lets inactive users in, as one does whose `user_can_authenticate` says so.
    ///
    /// Defaults to what the table above says.
    pub admits_inactive: bool,

    /// Whether its `authenticate(username=.., password=..)` is that of `ModelBackend`, for
    /// [`DjangoSite::authenticate`](crate::DjangoSite::authenticate). `Some(false)` passes it over: for
    /// one that takes other arguments, or that knows other ways in, which are then not open here.
    ///
    /// **Think before you say `Some(false)` of a backend that refuses.** Django asks it first and heeds
    /// its `PermissionDenied`; django-axes and others lock out by that whoever tries too often. Here
    /// nobody does, unless you do it.
    ///
    /// Defaults to what the table above says; `authenticate` is an error while it is unknown, `None`, of
    /// a backend that Django would ask first.
    pub checks_passwords: Option<bool>,
}

impl AuthenticationBackend {
    /// The backend with this path.
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
        // The others of those that are known take no user name, or know more ways in than this one.
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
