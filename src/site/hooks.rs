//! The hooks that decide who is logged in.

use std::{future::Future, sync::Arc};

use tokio::time::timeout;

use super::{
    DjangoSite, RequestParts,
    django_site::{AfterGetUser, AfterGetUserHook, HookFuture},
};
use crate::{
    auth::DjangoUser,
    error::{Error, NotLoggedIn, Unavailable},
    observe::Event,
    session::DjangoSession,
    settings::{AuthenticationBackend, NotHonoured, PasswordHasher, Power},
};

/// # Hooks: who is logged in
impl DjangoSite {
    /// Sets a hook that decides who is logged in, after all of Django's own checks: for a site whose
    /// middleware changes `request.user`, or asks for more than a session. The hook gets the session,
    /// its user and a site. It returns that user, another user, or `None`: then the visitor is
    /// anonymous.
    ///
    /// | the site's middleware | what to do |
    /// |---|---|
    /// | asks for a second factor (django-otp) | this hook: see the example `two_factor` |
    /// | lets a user act as another one (django-impersonate, django-hijack) | this hook: see the example `impersonation` |
    /// | ends sessions by its own rules (an address that changed) | this hook; headers and address are in [`site.request()`](Self::request) |
    /// | records visits (django-session-timeout) | a [middleware](crate::guide::who_may) of yours |
    /// | only adds to the response | nothing |
    ///
    /// ```
    /// # use actix_django_session::{Error, DjangoSite};
    /// # fn f(site: DjangoSite) -> DjangoSite {
    /// // A superuser may act as a customer. Then the session holds the customer's id.
    /// site.after_get_user(|session, user, site| async move {
    ///     match session.get::<i64>("acts_as")? {
    ///         Some(customer) if user.is_superuser() => Ok(Some(site.user(customer).await?)),
    ///         _ => Ok(Some(user)),
    ///     }
    /// })
    /// # }
    /// ```
    ///
    /// The hook runs once a request, for the first middleware or extractor that needs the user. All
    /// others of this request get the same result. An error lets no user in:
    ///
    /// | the hook returns | the visitor |
    /// |---|---|
    /// | an error for which [`Error::wants_login`] is true | is anonymous |
    /// | any other error | gets it as the answer: a 500 or 503 |
    /// | nothing within the [`timeout`](crate::DjangoSettings::timeout) | gets a 503 |
    ///
    /// Pass on an error of your own queries with `.map_err(Unavailable::from)?`.
    ///
    /// A client of the REST framework who brings a token, a JWT or a password has no session: then the
    /// hook gets an empty one. If it refuses the user, the credential is refused.
    ///
    /// The site that the hook gets does not have this hook, so the hook can look up any user with it.
    /// [`DjangoUserId`](crate::DjangoUserId) is the user whom the session names; the hook does not change
    /// it.
    ///
    /// Default: the user of the session.
    #[must_use]
    pub fn after_get_user<F, R>(mut self, hook: F) -> Self
    where
        F: Fn(DjangoSession, DjangoUser, DjangoSite) -> R + Send + Sync + 'static,
        R: Future<Output = Result<Option<DjangoUser>, Error>> + Send + 'static,
    {
        let hook = move |session, user, site| -> HookFuture { Box::pin(hook(session, user, site)) };
        self.hooks_mut().after_get_user = AfterGetUser::Hook(Arc::new(hook));
        self
    }

    /// The request that is being answered, in the site that an
    /// [`after_get_user`](Self::after_get_user) hook gets: for a rule that needs more than the session.
    ///
    /// ```
    /// # use actix_django_session::DjangoSite;
    /// # fn f(site: DjangoSite) -> DjangoSite {
    /// // Sessions that are bound to an address, as those of django-restricted-sessions.
    /// site.after_get_user(|session, user, site| async move {
    ///     let bound_to = session.get::<String>("_restrictedsessions_ip")?;
    ///     let peer = site.request()?.peer.map(|peer| peer.to_string());
    ///     Ok((bound_to.is_none() || bound_to == peer).then_some(user))
    /// })
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error::ImproperlyConfigured`] if there is no request: outside of that hook, and inside it when
    /// [`get_user`](Self::get_user) or [`revalidate`](Self::revalidate) was called outside of a
    /// request.
    pub fn request(&self) -> Result<&RequestParts, Error> {
        self.current_request().ok_or_else(|| {
            Error::ImproperlyConfigured(
                "`DjangoSite::request` was called where no request is being answered: only an \
                 `after_get_user` hook can use it, and only within a request"
                    .into(),
            )
        })
    }

    /// Whether a hook may use the request.
    pub(crate) fn hooks_use_request(&self) -> bool {
        let hooks = self.hooks();
        matches!(hooks.after_get_user, AfterGetUser::Hook(_)) || hooks.session_columns.is_some()
    }

    /// Sets the function that turns the user id in a session into the primary key, both as text: for a
    /// user model whose field writes ids into the session in another form than its column has. Examples:
    /// the column of a ULID has the type `uuid`, that of a Hashid an integer type. `None` means that no
    /// user can have this id.
    ///
    /// ```
    /// # use actix_django_session::DjangoSite;
    /// # mod hashids { pub fn decode(_: &str) -> Option<i64> { None } }
    /// # fn f(site: DjangoSite) -> DjangoSite {
    /// site.parse_user_id(|id| hashids::decode(id).map(|key| key.to_string()))
    /// # }
    /// ```
    ///
    /// [`DjangoUserId`](crate::DjangoUserId) and [`DjangoSession::user_id`] still return the id as the
    /// session holds it; [`DjangoUser::id`] is the primary key. A service that logs users in needs
    /// [`format_user_id`](Self::format_user_id) as well.
    ///
    /// Default: the id as it is, parsed as Django's own fields parse it.
    #[must_use]
    pub fn parse_user_id<F>(mut self, primary_key: F) -> Self
    where
        F: Fn(&str) -> Option<String> + Send + Sync + 'static,
    {
        self.hooks_mut().parse_user_id = Some(Arc::new(primary_key));
        self
    }

    /// Sets the function that turns a primary key into the user id for the session, both as text: the
    /// inverse of [`parse_user_id`](Self::parse_user_id), for services that log users in.
    ///
    /// Default: the primary key as it is. With `parse_user_id` and without this, a login is a 500.
    #[must_use]
    pub fn format_user_id<F>(mut self, user_id: F) -> Self
    where
        F: Fn(&str) -> String + Send + Sync + 'static,
    {
        self.hooks_mut().format_user_id = Some(Arc::new(user_id));
        self
    }

    /// Sets the function that makes the text for the session auth hash from the stored (encoded) password
    /// and the user: for a user model whose `get_session_auth_hash` hashes more than the password. The
    /// model's [`SessionAuthHash`](crate::SessionAuthHash) has to name the overridden method.
    ///
    /// ```
    /// use actix_django_session::{DjangoSettings, SessionAuthHash, DjangoSite, UserModel};
    /// # use actix_django_session::{Error, deadpool_postgres::Pool};
    ///
    /// // def _get_session_auth_hash(self, secret=None):
    /// //     message = f"{self.password}{self.auth_version}"
    /// //     return salted_hmac("shop.hash", message, secret=secret, algorithm="sha256").hexdigest()
    /// # fn f(pool: Pool) -> Result<DjangoSite, Error> {
    /// let mut hash = SessionAuthHash::default();
    /// hash.overrides_private_get_session_auth_hash = true;
    /// hash.key_salt = "shop.hash".into();
    /// let mut settings = DjangoSettings::new("secret");
    /// settings.user_model = UserModel::new("shop_user");
    /// settings.user_model.columns = vec!["auth_version".into()];
    /// settings.user_model.session_auth_hash = Some(hash);
    /// let site = DjangoSite::new(pool, settings)?.session_auth_hash_message(|password, user| {
    ///     Ok(format!("{password}{}", user.get::<i32>("auth_version")?))
    /// });
    /// # Ok(site)
    /// # }
    /// ```
    ///
    /// If the function returns an error, that error is the answer of the request.
    ///
    /// Default: the stored password.
    #[must_use]
    pub fn session_auth_hash_message<F>(mut self, message: F) -> Self
    where
        F: Fn(&str, &DjangoUser) -> Result<String, Error> + Send + Sync + 'static,
    {
        self.hooks_mut().session_auth_hash_message = Some(Arc::new(message));
        self
    }

    /// The id of this user as the session holds it.
    ///
    /// # Errors
    /// [`Error::ImproperlyConfigured`] if there is a `parse_user_id` and no `format_user_id`.
    pub(super) fn user_id_for_session(&self, user: &DjangoUser) -> Result<String, Error> {
        let hooks = self.hooks();
        match &hooks.format_user_id {
            Some(id_of) => Ok(id_of(user.id())),
            None if hooks.parse_user_id.is_none() => Ok(user.id().to_owned()),
            None => Err(Error::ImproperlyConfigured(
                "a login needs `DjangoSite::format_user_id` beside `DjangoSite::parse_user_id`"
                    .into(),
            )),
        }
    }

    /// # Errors
    /// [`Error::ImproperlyConfigured`] if the site overrides this in Django, and no hook does the same.
    pub(crate) fn require(&self, power: Power) -> Result<(), Error> {
        let is_missing = |each: &&NotHonoured| !self.has_hook(each.hook.as_deref());
        let missing = self.settings().overrides_of(power).filter(is_missing);
        improperly_configured(missing.map(|each| sentence(each, &how_to_do(each))))
    }

    /// [`Self::require`] for users without a session: no `after_get_user` hook runs for them.
    pub(super) fn require_users(&self) -> Result<(), Error> {
        if matches!(self.hooks().after_get_user, AfterGetUser::InsideHook) {
            return Ok(());
        }
        let overrides = self.settings().overrides_of(Power::GetUser);
        improperly_configured(overrides.map(|each| sentence(each, "")))
    }

    /// Whether the application has set the hook of this name.
    pub(super) fn has_hook(&self, name: Option<&str>) -> bool {
        let (hooks, model) = (self.hooks(), &self.settings().user_model);
        match name {
            Some("after_check_password") => hooks.after_check_password.is_some(),
            Some("after_get_user") => !matches!(hooks.after_get_user, AfterGetUser::NoHook),
            Some("after_has_perm") => hooks.after_has_perm.is_some(),
            Some("password_hasher") => {
                let settings = self.settings();
                settings.hashers().iter().all(|hasher| match hasher {
                    PasswordHasher::Custom { algorithm } => {
                        hooks.password_hashers.contains_key(algorithm)
                            || settings.lacks_hasher(algorithm)
                    }
                    _ => true,
                })
            }
            Some("session_auth_hash") => {
                let hash = model.session_auth_hash.as_ref();
                hooks.session_auth_hash_message.is_some()
                    || hash.is_none_or(|hash| !hash.is_djangos())
            }
            Some("session_columns") => hooks.session_columns.is_some(),
            Some("parse_user_id") => hooks.parse_user_id.is_some(),
            Some("username_to_column") => {
                hooks.username_to_column.is_some() || model.username_iexact
            }
            _ => false,
        }
    }

    /// The user after the hook, counted as found.
    pub(super) async fn run_after_get_user(
        &self,
        session: &DjangoSession,
        user: DjangoUser,
        backend: &AuthenticationBackend,
    ) -> Result<DjangoUser, Error> {
        self.require(Power::GetUser)?;
        let user = self.call_after_get_user(session, user).await?;
        self.observer().event(Event::UserFound { backend: &backend.path });
        Ok(user)
    }

    /// The user whom the hook returns.
    pub(super) async fn call_after_get_user(
        &self,
        session: &DjangoSession,
        user: DjangoUser,
    ) -> Result<DjangoUser, Error> {
        let AfterGetUser::Hook(hook) = &self.hooks().after_get_user else { return Ok(user) };
        // In a box, so that the future of a request without a hook is small.
        Box::pin(self.ask_after_get_user(&**hook, session, user)).await
    }

    async fn ask_after_get_user(
        &self,
        hook: &AfterGetUserHook,
        session: &DjangoSession,
        user: DjangoUser,
    ) -> Result<DjangoUser, Error> {
        let mut inner = self.clone().with_request(RequestParts::current());
        inner.hooks_mut().after_get_user = AfterGetUser::InsideHook;
        let limit = self.settings().timeout;
        let result = timeout(limit, hook(session.clone(), user, inner)).await;
        let user = result.map_err(|_| Unavailable::Timeout(limit))??;
        Ok(user.ok_or(NotLoggedIn::RefusedByHook)?)
    }
}

/// The hook or setting that does the same as the site's override.
fn how_to_do(each: &NotHonoured) -> String {
    match each.hook.as_deref() {
        Some("username_to_column") => {
            "`UserModel::username_iexact` or `DjangoSite::username_to_column` does the same, or "
                .to_owned()
        }
        Some(hook) => format!("`DjangoSite::{hook}` does the same, or "),
        None => String::new(),
    }
}

/// What is switched off, and what switches it on again.
fn sentence(each: &NotHonoured, hook: &str) -> String {
    format!(
        "{each}: this is off here until {hook}\"{}\" is one of \
         `DjangoSettings::accepted_overrides`, which says that it makes no difference",
        each.value
    )
}

fn improperly_configured(sentences: impl Iterator<Item = String>) -> Result<(), Error> {
    let sentences: Vec<_> = sentences.collect();
    match sentences.is_empty() {
        true => Ok(()),
        false => Err(Error::ImproperlyConfigured(sentences.join("; "))),
    }
}
