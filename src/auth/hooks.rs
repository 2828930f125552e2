//! What an application hands to a site: code with a say in who is logged in.

use std::{future::Future, sync::Arc};

use tokio::time::timeout;

use super::{
    DjangoSite, DjangoUser, RequestParts,
    site::{LastWord, Verdict},
};
use crate::{
    error::{Error, NotLoggedIn, Unavailable},
    observe::Event,
    session::DjangoSession,
    settings::{AuthenticationBackend, NotHonoured, PasswordHasher, Power},
};

impl DjangoSite {
    /// Has the last word on who is logged in, after all of Django's own checks: for a site whose own
    /// middleware changes `request.user`, or asks for more than a session. It is given the session,
    /// its user and this site, and answers with that user, with another one, or with nobody.
    ///
    /// Which middleware needs it: one that asks for a second factor (django-otp), that lets
    /// somebody act as another user (django-impersonate, django-hijack), that ends sessions by rules
    /// of its own (an address that changed). Whatever only adds to the response does not. A rule that
    /// asks for headers or the address finds them in [`site.request()`](Self::request). One that
    /// writes down who was there (django-session-timeout) takes a
    /// [middleware](crate::guide::who_may) of yours.
    ///
    /// ```
    /// # use actix_django_session::{Error, DjangoSite};
    /// # fn f(site: DjangoSite) -> DjangoSite {
    /// // A superuser may act as a customer, whose id is in the session then.
    /// site.after_get_user(|session, user, site| async move {
    ///     match session.get::<i64>("acts_as")? {
    ///         Some(customer) if user.is_superuser() => Ok(Some(site.user(customer).await?)),
    ///         _ => Ok(Some(user)),
    ///     }
    /// })
    /// # }
    /// ```
    ///
    /// It is asked once a request, by the first middleware or extractor that needs the user, and what it
    /// says stands for all of them. An error is no user: one that is a rejection
    /// ([`Error::wants_login`]) makes the visitor a stranger, any other one is the answer, a 500 or
    /// 503. So is a hook that takes longer than the `timeout`. An error of your own queries
    /// is passed on by `.map_err(Unavailable::from)?`.
    ///
    /// A client of the REST framework that sends a token, a JWT or a password has no session, so the hook
    /// gets an empty one. If the hook returns `None`, the credential is refused.
    ///
    /// The site that it is given has no such hook, and may be asked for anybody.
    /// [`DjangoUserId`](crate::DjangoUserId) is whom the session names, whatever this says. The
    /// examples `two_factor` and `impersonation` are such hooks.
    ///
    /// Defaults to the user of the session.
    #[must_use]
    pub fn after_get_user<F, R>(mut self, hook: F) -> Self
    where
        F: Fn(DjangoSession, DjangoUser, DjangoSite) -> R + Send + Sync + 'static,
        R: Future<Output = Result<Option<DjangoUser>, Error>> + Send + 'static,
    {
        let hook = move |session, user, site| -> Verdict { Box::pin(hook(session, user, site)) };
        self.hooks_mut().last_word = LastWord::Hook(Arc::new(hook));
        self
    }

    /// The request at hand: for an [`after_get_user`](Self::after_get_user) whose rule asks for more
    /// than the session, and of the site that it is given.
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
    /// [`Error::ImproperlyConfigured`] where there is none: outside of that hook, or in it when
    /// [`get_user`](Self::get_user) or [`revalidate`](Self::revalidate) is called outside of a
    /// request.
    pub fn request(&self) -> Result<&RequestParts, Error> {
        self.request_at_hand().ok_or_else(|| {
            Error::ImproperlyConfigured("there is no request here, and a hook asks for it".into())
        })
    }

    /// Whether any hook may ask for it.
    pub(crate) fn asks_for_requests(&self) -> bool {
        let hooks = self.hooks();
        matches!(hooks.last_word, LastWord::Hook(_)) || hooks.session_columns.is_some()
    }

    /// The primary key that an id in a session stands for, both as text: for a user model whose
    /// field writes another form into the session than stands in its column. A ULID is a `uuid`
    /// there, a Hashid an integer. `None` for an id that stands for none.
    ///
    /// ```
    /// # use actix_django_session::DjangoSite;
    /// # mod hashids { pub fn decode(_: &str) -> Option<i64> { None } }
    /// # fn f(site: DjangoSite) -> DjangoSite {
    /// site.parse_user_id(|id| hashids::decode(id).map(|key| key.to_string()))
    /// # }
    /// ```
    ///
    /// [`DjangoUserId`](crate::DjangoUserId) and [`DjangoSession::user_id`] still give what the
    /// session holds; [`DjangoUser::id`] is the primary key. A service that logs users in needs
    /// [`format_user_id`](Self::format_user_id) as well.
    ///
    /// Defaults to the id as it is, read as Django's own fields read it.
    #[must_use]
    pub fn parse_user_id<F>(mut self, primary_key: F) -> Self
    where
        F: Fn(&str) -> Option<String> + Send + Sync + 'static,
    {
        self.hooks_mut().parse_user_id = Some(Arc::new(primary_key));
        self
    }

    /// What stands in a session for a primary key, both as text: the way back of
    /// [`parse_user_id`](Self::parse_user_id), for services that log users in.
    ///
    /// Defaults to the primary key as it is; if there is a way there and none back, a log-in is a
    /// 500.
    #[must_use]
    pub fn format_user_id<F>(mut self, user_id: F) -> Self
    where
        F: Fn(&str) -> String + Send + Sync + 'static,
    {
        self.hooks_mut().format_user_id = Some(Arc::new(user_id));
        self
    }

    /// The text that the session auth hash is made of, from the stored password and the user: for a
    /// user model that hashes more than the password. Its
    /// [`SessionAuthHash`](crate::SessionAuthHash) has to say which method does so.
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
    /// An error of it is the answer of the request: nobody is let in on half a message.
    ///
    /// Defaults to the stored password.
    #[must_use]
    pub fn session_auth_hash_message<F>(mut self, message: F) -> Self
    where
        F: Fn(&str, &DjangoUser) -> Result<String, Error> + Send + Sync + 'static,
    {
        self.hooks_mut().session_auth_hash_message = Some(Arc::new(message));
        self
    }

    /// What stands in a session for this user.
    ///
    /// # Errors
    /// [`Error::ImproperlyConfigured`] if only the other way is known.
    pub(super) fn session_id_of(&self, user: &DjangoUser) -> Result<String, Error> {
        let hooks = self.hooks();
        match &hooks.format_user_id {
            Some(id_of) => Ok(id_of(user.id())),
            None if hooks.parse_user_id.is_none() => Ok(user.id().to_owned()),
            None => Err(Error::ImproperlyConfigured(
                "a log-in needs format_user_id where there is a parse_user_id".into(),
            )),
        }
    }

    /// # Errors
    /// [`Error::ImproperlyConfigured`] if the site does this in a way of its own, and nothing here
    /// does the same.
    pub(crate) fn require(&self, power: Power) -> Result<(), Error> {
        let is_missing = |each: &&NotHonoured| !self.has_hook(each.hook.as_deref());
        let missing = self.settings().overrides_of(power).filter(is_missing);
        improperly_configured(missing.map(|each| sentence(each, &how_to_do(each))))
    }

    /// [`Self::require`] of whoever finds users without a session: no hook is asked about them.
    pub(super) fn require_users(&self) -> Result<(), Error> {
        if matches!(self.hooks().last_word, LastWord::OfWhoAsks) {
            return Ok(());
        }
        let overrides = self.settings().overrides_of(Power::GetUser);
        improperly_configured(overrides.map(|each| sentence(each, "")))
    }

    /// Whether the application has plugged in what does this.
    pub(super) fn has_hook(&self, name: Option<&str>) -> bool {
        let (hooks, model) = (self.hooks(), &self.settings().user_model);
        match name {
            Some("after_check_password") => hooks.after_check_password.is_some(),
            Some("after_get_user") => !matches!(hooks.last_word, LastWord::Djangos),
            Some("after_has_perm") => hooks.after_has_perm.is_some(),
            Some("password_hasher") => {
                self.settings().hashers().iter().all(|hasher| match hasher {
                    PasswordHasher::Custom { algorithm } => {
                        hooks.password_hashers.contains_key(algorithm)
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

    /// Whom the application makes of the user of a session.
    pub(super) async fn last_word(
        &self,
        session: &DjangoSession,
        user: DjangoUser,
        backend: &AuthenticationBackend,
    ) -> Result<DjangoUser, Error> {
        self.require(Power::GetUser)?;
        let user = self.ask_after_get_user(session, user).await?;
        self.observer().event(Event::UserFound { backend: &backend.path });
        Ok(user)
    }

    /// What the hook says of a user.
    pub(super) async fn ask_after_get_user(
        &self,
        session: &DjangoSession,
        user: DjangoUser,
    ) -> Result<DjangoUser, Error> {
        let LastWord::Hook(hook) = &self.hooks().last_word else { return Ok(user) };
        let mut inner = self.clone().at(RequestParts::current());
        inner.hooks_mut().last_word = LastWord::OfWhoAsks;
        let patience = self.settings().timeout;
        let verdict = timeout(patience, hook(session.clone(), user, inner)).await;
        let user = verdict.map_err(|_| Unavailable::Timeout(patience))??;
        Ok(user.ok_or(NotLoggedIn::RefusedByHook)?)
    }
}

/// What the application may plug in for it.
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

/// What is off, and what brings it back.
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
