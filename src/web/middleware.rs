//! The middlewares: who comes through to the handlers.

use std::{
    fmt,
    future::{Future, Ready, ready},
    sync::Arc,
};

use actix_web::{
    HttpRequest, HttpResponse,
    body::{EitherBody, MessageBody},
    dev::{Service, ServiceRequest, ServiceResponse, Transform},
};

use futures_util::future::BoxFuture;

use super::{
    admission::{Admits, Demands, UserTest},
    csrf_check::CsrfPolicy,
    language,
    redirect::{LoginUrl, REDIRECT_FIELD_NAME},
    rejection::{ChooseLoginUrl, ErrorHandler, Rejection, RejectionAnswer},
    request::Context,
    rest::{Permission, RestAnswer},
    service::{DjangoSessionService, Middleware},
};
use crate::{
    auth::{DjangoSite, DjangoUser},
    database::Need,
    error::Error,
    settings::is_url,
};

/// Recognises the visitor whom Django logged in, by the session cookie and the row behind it.
///
/// Build it once, outside `HttpServer::new`, and wrap an `App`, a `Scope` or a `Resource` in a
/// clone. Extractors inside read what it found.
///
/// ```no_run
/// use actix_django_session::{DjangoSessionMiddleware, DjangoUserId, DjangoSite};
/// use actix_web::{App, HttpServer, Responder, web};
///
/// async fn dashboard(DjangoUserId(id): DjangoUserId<i64>) -> impl Responder {
///     format!("user {id}")
/// }
///
/// # async fn serve(site: DjangoSite) -> std::io::Result<()> {
/// let middleware = DjangoSessionMiddleware::required(site);
/// HttpServer::new(move || {
///     App::new()
///         .wrap(actix_web::middleware::Logger::default()) // added last or outside: runs first
///         .service(web::scope("/api").wrap(middleware.clone()).route("/dashboard", web::get().to(dashboard)))
/// })
/// .bind("127.0.0.1:8080")?
/// .run()
/// .await
/// # }
/// ```
///
/// Every response that passed a middleware carries `Vary: Cookie`. When PostgreSQL does not answer, the
/// visitor gets a 503 with `Retry-After`, never the page for strangers.
///
/// # Middlewares in middlewares
///
/// A request has to pass all of them, the outermost first. Those whose session is the same one share it:
/// it is looked up once, each goes by what was done to it before, also by a middleware of yours between
/// them, and no outer one undoes what was done further in. Who the visitor is, each site handle finds out
/// by its own hooks: none is skipped because another one let the visitor in.
///
/// | their site handles | session | user and hooks | who stores it and sends the cookie | CSRF |
/// |---|---|---|---|---|
/// | the same, or clones | one | one | the outermost one, once | checked once |
/// | clones that differ in a hook | one | each its own | the outermost one, with its `on_session_change` | checked once |
/// | made apart on one table: with the same connection parameters, cookie name, engine, keys, and limits of what is read | one | each its own | the outermost one that has [`write_sessions`](crate::DjangoSettings::write_sessions) | each by its own settings, if they differ |
/// | another table, database, engine or key, and another cookie name | each its own | each its own | each its own | the same |
/// | the same, under one cookie name | each its own: a browser can keep only one of them | each its own | each stores its own; the innermost that has something to say of the cookie sends it | the same |
///
/// Extractors are those of the innermost one. The CSRF cookie of one name is one for all, and goes out once.
#[derive(Clone)]
#[must_use = "a middleware does nothing until something is wrapped in it"]
#[doc(alias = "SessionMiddleware")]
#[doc(alias = "AuthenticationMiddleware")]
#[doc(alias = "CsrfViewMiddleware")]
#[doc(alias = "MessageMiddleware")]
pub struct DjangoSessionMiddleware {
    site: DjangoSite,
    name: Option<String>,
    admits: Admits,
    login_page: LoginPage,
    redirect_field_name: String,
    responds_401: bool,
    error_handler: Option<Arc<ErrorHandler>>,
    csrf: CsrfPolicy,
}

/// Where the login page is.
#[derive(Clone)]
enum LoginPage {
    OfSettings,
    At(String),
    Chosen(Arc<ChooseLoginUrl>),
}

impl DjangoSessionMiddleware {
    /// Lets everyone through; handlers see who it is.
    pub fn optional(site: DjangoSite) -> Self {
        Self::new(site, Admits::Anyone)
    }

    /// Lets a request through that has a live session, anonymous ones included: a visitor with a
    /// shopping cart has a session and no user. The session data is not looked at.
    pub fn required(site: DjangoSite) -> Self {
        Self::new(site, Admits::Session)
    }

    /// Lets a request through only if Django's `request.user.is_authenticated` would be true: the
    /// user exists, is active, has not changed the password since, and came in by a backend that
    /// is still listed. Two indexed reads: in one query for a visitor who was here before (see
    /// [`DjangoSettings::max_memo_size`](crate::DjangoSettings::max_memo_size)).
    ///
    /// See [`DjangoSite::get_user`] for what is checked, and where this differs from Django.
    #[doc(alias = "LoginRequiredMiddleware")]
    #[doc(alias = "LoginRequiredMixin")]
    pub fn login_required(site: DjangoSite) -> Self {
        Self::new(site, Admits::User(Demands::default()))
    }

    /// Lets only users through who have this permission, `"app_label.codename"`; called several
    /// times, all of them. Others who are logged in get a 403, as from Django's `PermissionRequiredMixin`
    /// and its decorator with `raise_exception=True`, and nobody is sent to log in twice. Without that
    /// the decorator sends them to the log-in page, and so does `staff_member_required`. For the same:
    ///
    /// ```
    /// # use actix_django_session::{DjangoSessionMiddleware, DjangoSite, Error};
    /// # fn f(site: DjangoSite) -> DjangoSessionMiddleware {
    /// DjangoSessionMiddleware::login_required(site)
    ///     .permission_required("shop.change_item")
    ///     .error_handler(|error, req| match error {
    ///         Error::PermissionDenied => Error::Anonymous.default_response(req),
    ///         error => error.default_response(req),
    ///     })
    /// # }
    /// ```
    ///
    /// Makes any middleware one for `login_required`, but for one of `rest_framework`.
    ///
    /// # Panics
    /// If the permission names no app: nobody has such a one, superusers apart.
    #[doc(alias = "PermissionRequiredMixin")]
    pub fn permission_required(mut self, permission: impl Into<String>) -> Self {
        let permission = permission.into();
        assert!(
            permission.split_once('.').is_some_and(|(app_label, _)| !app_label.is_empty()),
            "the permission \"{permission}\" names no app: it is \"app_label.codename\""
        );
        self.site.database().need(Need::Permissions);
        match &mut self.admits {
            Admits::Rest(rest) => rest.permissions.push(permission),
            _ => self.demands().permissions.push(permission),
        }
        self
    }

    /// Lets only users through who may use the admin site
    /// ([`is_active_staff`](crate::DjangoUser::is_active_staff)); others who are logged in get a 403,
    /// where `staff_member_required` sends them to the log-in page: see
    /// [`permission_required`](Self::permission_required).
    ///
    /// Makes any middleware one for `login_required`; one of `rest_framework` asks for
    /// [`is_admin_user`](Self::is_admin_user).
    #[doc(alias = "staff_member_required")]
    pub fn staff_required(mut self) -> Self {
        match &mut self.admits {
            Admits::Rest(rest) => rest.permission = Permission::IsAdminUser,
            _ => self.demands().staff = true,
        }
        self
    }

    /// Lets only users through who are in the group of this name; called several times, in all of them.
    /// Others who are logged in get a 403, as with
    /// [`permission_required`](Self::permission_required), superusers too. For one group of several, take
    /// [`user_passes_test_async`](Self::user_passes_test_async) and
    /// [`DjangoUser::groups`](crate::DjangoUser::groups).
    ///
    /// Makes any middleware one for `login_required`.
    pub fn group_required(mut self, group: impl Into<String>) -> Self {
        self.site.database().need(Need::Groups);
        self.demands().groups.push(group.into());
        self
    }

    /// Lets only users through who pass this test; called several times, all of them. Whoever is not
    /// logged in does not pass, and is not asked about. Makes any middleware one for `login_required`.
    ///
    /// ```
    /// # use actix_django_session::{DjangoSessionMiddleware, DjangoSite};
    /// # fn f(site: DjangoSite) -> DjangoSessionMiddleware {
    /// DjangoSessionMiddleware::login_required(site)
    ///     .user_passes_test(|user| user.get("is_verified").unwrap_or(false))
    ///     .login_url("/verify/")
    /// # }
    /// ```
    ///
    /// Others get what Django's decorator `user_passes_test` answers: a redirect to the login page, with
    /// `next`, though they are logged in. **A login page that sends those on who are logged in**
    /// (`redirect_authenticated_user` of Django's `LoginView`) **sends them back, without end**: give
    /// such a middleware a [`login_url`](Self::login_url) of its own, as above. With
    /// [`respond_401`](Self::respond_401) they get a 403. The error is
    /// [`Error::TestNotPassed`].
    #[doc(alias = "UserPassesTestMixin")]
    pub fn user_passes_test<F>(mut self, test: F) -> Self
    where
        F: Fn(&DjangoUser) -> bool + Send + Sync + 'static,
    {
        self.demands().tests.push(UserTest::OfUser(Arc::new(test)));
        self
    }

    /// [`user_passes_test`](Self::user_passes_test) with a test that asks the database, or something else
    /// that takes time. It is given the user and the site.
    ///
    /// ```
    /// # use actix_django_session::{DjangoSessionMiddleware, DjangoSite};
    /// # fn f(site: DjangoSite) -> DjangoSessionMiddleware {
    /// DjangoSessionMiddleware::login_required(site).user_passes_test_async(|user, _site| async move {
    ///     let groups = user.groups().await?;
    ///     Ok(groups.contains("editors") || groups.contains("authors"))
    /// })
    /// # }
    /// ```
    ///
    /// An error of it lets nobody through: it is the answer. So is a test that takes longer than the
    /// `timeout`, a 503.
    pub fn user_passes_test_async<F, R>(mut self, test: F) -> Self
    where
        F: Fn(DjangoUser, DjangoSite) -> R + Send + Sync + 'static,
        R: Future<Output = Result<bool, Error>> + Send + 'static,
    {
        let test = move |user, site| -> BoxFuture<'static, _> { Box::pin(test(user, site)) };
        self.demands().tests.push(UserTest::Async(Arc::new(test)));
        self
    }

    fn demands(&mut self) -> &mut Demands {
        if !self.admits.user_matters() {
            self.site.database().need(Need::Users);
            self.admits = Admits::User(Demands::default());
        }
        let Admits::User(demands) = &mut self.admits else { unreachable!("set above") };
        demands
    }

    pub(super) fn site(&self) -> &DjangoSite {
        &self.site
    }

    pub(super) fn admits_mut(&mut self) -> &mut Admits {
        &mut self.admits
    }

    pub(super) fn new(site: DjangoSite, admits: Admits) -> Self {
        let need = if admits.user_matters() { Need::Users } else { Need::Sessions };
        site.database().need(need);
        Self {
            site,
            name: None,
            admits,
            login_page: LoginPage::OfSettings,
            redirect_field_name: REDIRECT_FIELD_NAME.into(),
            responds_401: false,
            error_handler: None,
            csrf: CsrfPolicy::default(),
        }
    }

    /// What this middleware is called in the log and in [`Event`](crate::Event)s.
    ///
    /// Defaults to the function that makes such a middleware: `optional`, `required`, `login_required` or
    /// `rest_framework`.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Checks no request for CSRF: Django's `csrf_exempt`, for webhooks and whatever else proves by
    /// other means that it was meant. Without this, a middleware refuses what `CsrfViewMiddleware` would:
    /// see [`CsrfToken`](crate::CsrfToken).
    ///
    /// With nested middlewares, the outermost one that is not exempt does the check: exempt that one, or put
    /// the route outside of it.
    pub fn csrf_exempt(mut self) -> Self {
        self.csrf = CsrfPolicy::Exempt;
        self
    }

    /// Checks for CSRF only those requests whose session names a user, as the REST framework's
    /// `SessionAuthentication` does: strangers, and clients with a token of their own, pass to the
    /// handler. A user whom Django would not call logged in any more is checked as well, where the
    /// REST framework would take them for a stranger: handlers may go by
    /// [`DjangoUserId`](crate::DjangoUserId) alone.
    ///
    /// Only for handlers that change nothing on the word of a session without a user.
    pub fn csrf_if_logged_in(mut self) -> Self {
        self.csrf = CsrfPolicy::IfLoggedIn;
        self
    }

    /// Where rejected visitors are sent: a path or URL.
    ///
    /// On another host than this service's, it gets a way back only if the settings have
    /// [`allowed_hosts`](crate::DjangoSettings::allowed_hosts).
    ///
    /// Defaults to the `login_url` of the site's settings, which an empty one leaves.
    ///
    /// # Panics
    /// If it is the name of a URL pattern (`login`, `accounts:login`): only Django knows where that
    /// leads.
    pub fn login_url(mut self, url: impl Into<String>) -> Self {
        let url = url.into();
        assert!(
            url.is_empty() || is_url(&url),
            "the login_url of a middleware is the name of a URL pattern: give the path that it stands for"
        );
        self.login_page = if url.is_empty() { LoginPage::OfSettings } else { LoginPage::At(url) };
        self
    }

    /// Chooses the login URL for each request: for a site that does so by a rule of its own. Where
    /// `LOGIN_URL` is another one in every language (`i18n_patterns`), and Django's `LocaleMiddleware`
    /// chooses the language, exported settings do it by themselves.
    ///
    /// ```
    /// # use actix_django_session::{DjangoSessionMiddleware, DjangoSite};
    /// # fn f(site: DjangoSite) -> DjangoSessionMiddleware {
    /// DjangoSessionMiddleware::login_required(site).login_url_for(|req| {
    ///     let language = if req.path().starts_with("/de/") { "de" } else { "en" };
    ///     format!("/{language}/accounts/login/")
    /// })
    /// # }
    /// ```
    ///
    /// If it gives the name of a URL pattern, or nothing, the request gets a 500.
    pub fn login_url_for<F>(mut self, choose: F) -> Self
    where
        F: Fn(&HttpRequest) -> String + Send + Sync + 'static,
    {
        self.login_page = LoginPage::Chosen(Arc::new(choose));
        self
    }

    /// The query parameter that leads back after the login. An empty name means none.
    ///
    /// Defaults to `next`.
    pub fn redirect_field_name(mut self, name: impl Into<String>) -> Self {
        self.redirect_field_name = name.into();
        self
    }

    /// Answers rejected visitors with an empty 401 instead of a redirect: for APIs.
    #[doc(alias = "handle_no_permission")]
    pub fn respond_401(mut self) -> Self {
        self.responds_401 = true;
        self
    }

    /// Answers every request that the middleware or one of its extractors turns away: rejections, and
    /// failures such as [`Error::Unavailable`]; and every [`Error`] that a handler behind it returns.
    /// [`Error::default_response`] is the answer to the former without this, so it need not know them all:
    ///
    /// ```
    /// # use actix_django_session::{DjangoSessionMiddleware, DjangoSite};
    /// use actix_django_session::Error;
    /// use actix_web::HttpResponse;
    ///
    /// # fn f(site: DjangoSite) -> DjangoSessionMiddleware {
    /// DjangoSessionMiddleware::login_required(site).error_handler(|error, req| match error {
    ///     Error::PermissionDenied => HttpResponse::Forbidden().body("This is not for you."),
    ///     error => error.default_response(req), // the redirect to the login page, a 503, ..
    /// })
    /// # }
    /// ```
    ///
    /// A 503 without a `Retry-After` gets one.
    ///
    /// Answer all errors alike for which [`wants_login`](Error::wants_login) is true: which of
    /// them it was tells strangers whether an account exists, is locked, or has a new password. The
    /// log has it.
    pub fn error_handler<F>(mut self, handler: F) -> Self
    where
        F: Fn(&Error, &HttpRequest) -> HttpResponse + Send + Sync + 'static,
    {
        self.error_handler = Some(Arc::new(handler));
        self
    }

    fn middleware(&self) -> Middleware {
        let rejection = Rejection { answer: self.answer(), handler: self.error_handler.clone() };
        let name = self.name.clone().unwrap_or_else(|| self.admits.name().into());
        let context = Context { name, site: self.site.clone(), rejection };
        Middleware::new(context, self.admits.clone(), self.csrf)
    }

    fn answer(&self) -> RejectionAnswer {
        let field_name = &self.redirect_field_name;
        if let Admits::Rest(rest) = &self.admits {
            return RejectionAnswer::Rest(RestAnswer::of(rest));
        }
        let url = match &self.login_page {
            _ if self.responds_401 => return RejectionAnswer::Unauthorized,
            LoginPage::Chosen(choose) => {
                return RejectionAnswer::RedirectTo(Arc::clone(choose), field_name.clone());
            }
            LoginPage::At(url) => url,
            LoginPage::OfSettings => {
                let settings = self.site.settings();
                if let Some(urls) = settings.login_urls().cloned() {
                    let choose =
                        move |req: &HttpRequest| language::login_url(&urls, req).to_owned();
                    return RejectionAnswer::RedirectTo(Arc::new(choose), field_name.clone());
                }
                &settings.login_url
            }
        };
        RejectionAnswer::Redirect(LoginUrl::new(url, field_name))
    }
}

impl fmt::Debug for DjangoSessionMiddleware {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DjangoSessionMiddleware")
            .field("site", &self.site)
            .field("admits", &self.admits)
            .finish_non_exhaustive()
    }
}

impl<S, B> Transform<S, ServiceRequest> for DjangoSessionMiddleware
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = actix_web::Error> + 'static,
    B: MessageBody + 'static,
{
    type Response = ServiceResponse<EitherBody<B>>;
    type Error = actix_web::Error;
    type Transform = DjangoSessionService<S>;
    type InitError = ();
    type Future = Ready<Result<Self::Transform, Self::InitError>>;

    fn new_transform(&self, service: S) -> Self::Future {
        ready(Ok(DjangoSessionService::new(service, self.middleware())))
    }
}
