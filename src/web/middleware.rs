//! `DjangoSessionMiddleware`: its constructors and settings.

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
    redirect::{LoginUrl, REDIRECT_FIELD_NAME},
    rejection::{ChooseLoginUrl, ErrorHandler, Rejection, RejectionAnswer},
    request::Context,
    rest::{Permission, RestAnswer},
    service::{DjangoSessionService, Middleware},
};
use crate::{auth::DjangoUser, database::Need, error::Error, settings::is_url, site::DjangoSite};

/// Recognises the visitor whom Django logged in, by the session cookie and the session's row, checks forms
/// for CSRF, and lets the request through to the handlers or rejects it.
///
/// | constructor | lets through |
/// |---|---|
/// | [`optional`](Self::optional) | every visitor |
/// | [`required`](Self::required) | visitors with a live session, anonymous ones included |
/// | [`login_required`](Self::login_required) | users who are logged in |
/// | [`rest_framework`](Self::rest_framework) | clients whom a view of the Django REST framework lets through |
///
/// Build it once, outside `HttpServer::new`, and wrap an `App`, a `Scope` or a `Resource` in a
/// clone. The extractors of the handlers inside use its result.
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
///         .wrap(actix_web::middleware::Logger::default()) // outside of the middleware, so it runs first
///         .service(web::scope("/api").wrap(middleware.clone()).route("/dashboard", web::get().to(dashboard)))
/// })
/// .bind("127.0.0.1:8080")?
/// .run()
/// .await
/// # }
/// ```
///
/// Every response of a middleware has the header `Vary: Cookie`. If PostgreSQL does not answer, the
/// visitor gets a 503 with `Retry-After`, never the page for anonymous visitors.
///
/// # Nested middlewares
///
/// A request has to pass all of them, the outermost first. Middlewares on the same session share it:
///
/// - The session is looked up once.
/// - Each middleware sees all earlier changes, also those of a middleware of yours between them.
/// - No outer middleware undoes a change of an inner one.
///
/// Each site handle decides by its own hooks who the visitor is: no hook is skipped because another
/// middleware has let the visitor through.
///
/// | site handles of the middlewares | session | user and hooks | which middleware stores the session and sends its cookie | CSRF |
/// |---|---|---|---|---|
/// | the same, or clones | one | one | the outermost one, once | checked once |
/// | clones that differ in a hook | one | each its own | the outermost one, with its `on_session_change` | checked once |
/// | built separately on one table, with the same connection parameters, cookie name, engine, keys and size limits | one | each its own | the outermost one that has [`write_sessions`](crate::DjangoSettings::write_sessions) | checked again by each one whose settings differ |
/// | different table, database, engine or key; different cookie names | each its own | each its own | each its own | as above |
/// | different table, database, engine or key; one cookie name | each its own, but a browser keeps only one of them | each its own | each stores its own; the innermost one that sets or deletes the cookie sends it | as above |
///
/// Extractors use the innermost middleware. Middlewares with the same `CSRF_COOKIE_NAME` share that cookie,
/// which is sent once.
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

/// Where the login page of a middleware is.
#[derive(Clone)]
enum LoginPage {
    OfSettings,
    At(String),
    Chosen(Arc<ChooseLoginUrl>),
}

/// # Which requests pass
impl DjangoSessionMiddleware {
    /// Lets every visitor through. Handlers learn who it is by
    /// [`OptionalDjangoUser`](crate::OptionalDjangoUser).
    pub fn optional(site: DjangoSite) -> Self {
        Self::new(site, Admits::Anyone)
    }

    /// Lets requests with a live session through. The session may be anonymous: a visitor with a shopping
    /// cart has a session and no user. The session data is not decoded. It makes one indexed read.
    pub fn required(site: DjangoSite) -> Self {
        Self::new(site, Admits::Session)
    }

    /// Lets a request through if Django's `request.user.is_authenticated` would be true: the user exists
    /// and is active, the password is the same as at login, and the backend of the login is still listed.
    /// Mirrors the decorator `login_required`. [`DjangoSite::get_user`] lists all checks, and where they
    /// differ from Django's.
    ///
    /// It makes two indexed reads, in one query for a visitor whom this session let in before (see
    /// [`DjangoSettings::max_memo_size`](crate::DjangoSettings::max_memo_size)).
    #[doc(alias = "LoginRequiredMiddleware")]
    #[doc(alias = "LoginRequiredMixin")]
    pub fn login_required(site: DjangoSite) -> Self {
        Self::new(site, Admits::User(Demands::default()))
    }

    /// Lets only users with this permission through, `"app_label.codename"`. If it is called several times,
    /// the user needs all of them.
    ///
    /// Other users who are logged in get a 403, as from Django's `PermissionRequiredMixin` and from its
    /// decorator with `raise_exception=True`. Without `raise_exception` the decorator sends them to the login
    /// page, though they are logged in. To do the same:
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
    /// A middleware of `optional` or `required` becomes one of `login_required`; one of `rest_framework`
    /// stays one.
    ///
    /// # Panics
    /// If the permission has no app label: no user but a superuser can have such a permission.
    #[doc(alias = "PermissionRequiredMixin")]
    pub fn permission_required(mut self, permission: impl Into<String>) -> Self {
        let permission = permission.into();
        assert!(
            permission.split_once('.').is_some_and(|(app_label, _)| !app_label.is_empty()),
            "the permission \"{permission}\" has no app label: give it as \"app_label.codename\""
        );
        self.site.database().need(Need::Permissions);
        match &mut self.admits {
            Admits::Rest(rest) => rest.permissions.push(permission),
            _ => self.demands().permissions.push(permission),
        }
        self
    }

    /// Lets only users through who may use the admin site
    /// ([`is_active_staff`](crate::DjangoUser::is_active_staff)). Other users who are logged in get a 403;
    /// Django's `staff_member_required` sends them to the login page. To do the same, see
    /// [`permission_required`](Self::permission_required).
    ///
    /// A middleware of `optional` or `required` becomes one of `login_required`; for one of
    /// `rest_framework` this is [`is_admin_user`](Self::is_admin_user).
    #[doc(alias = "staff_member_required")]
    pub fn staff_required(mut self) -> Self {
        match &mut self.admits {
            Admits::Rest(rest) => rest.permission = Permission::IsAdminUser,
            _ => self.demands().staff = true,
        }
        self
    }

    /// Lets only users in the group of this name through. If it is called several times, the user needs to
    /// be in all of them. Other users who are logged in get a 403, superusers too. To accept any of several
    /// groups, use [`user_passes_test_async`](Self::user_passes_test_async) and
    /// [`DjangoUser::groups`](crate::DjangoUser::groups).
    ///
    /// A middleware of `optional` or `required` becomes one of `login_required`.
    ///
    /// # Panics
    /// If [`rest_framework`](Self::rest_framework) made this middleware: use
    /// [`has_permission`](Self::has_permission).
    pub fn group_required(mut self, group: impl Into<String>) -> Self {
        self.site.database().need(Need::Groups);
        self.demands().groups.push(group.into());
        self
    }

    /// Lets only users through who pass this test. If it is called several times, the user has to pass all
    /// tests. The test does not run for visitors who are not logged in: they are rejected. A middleware of
    /// `optional` or `required` becomes one of `login_required`.
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
    /// Users who do not pass get the answer of Django's decorator `user_passes_test`: a redirect to the
    /// login page, with `next`, though they are logged in. With [`respond_401`](Self::respond_401) they get
    /// a 403. The error is [`Error::TestNotPassed`].
    ///
    /// **Warning:** if the login page redirects users who are logged in (`redirect_authenticated_user` of
    /// Django's `LoginView`), that is an endless loop. Then give the middleware its own
    /// [`login_url`](Self::login_url), as above.
    ///
    /// # Panics
    /// If [`rest_framework`](Self::rest_framework) made this middleware: use
    /// [`has_permission`](Self::has_permission).
    #[doc(alias = "UserPassesTestMixin")]
    pub fn user_passes_test<F>(mut self, test: F) -> Self
    where
        F: Fn(&DjangoUser) -> bool + Send + Sync + 'static,
    {
        self.demands().tests.push(UserTest::OfUser(Arc::new(test)));
        self
    }

    /// Lets only users through who pass this async test: as [`user_passes_test`](Self::user_passes_test),
    /// for a test that asks the database or another service. The test gets the user and the site.
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
    /// If the test returns an error, that error is the answer. If it takes longer than the
    /// [`timeout`](crate::DjangoSettings::timeout), the answer is a 503.
    ///
    /// # Panics
    /// As [`user_passes_test`](Self::user_passes_test).
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
        match &mut self.admits {
            Admits::User(demands) => demands,
            _ => panic!(
                "a middleware of `rest_framework` takes no group_required and no user_passes_test: use \
                 has_permission"
            ),
        }
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

    /// Sets the name of this middleware in log lines and [`Event`](crate::Event)s.
    ///
    /// Default: the name of its constructor: `optional`, `required`, `login_required` or `rest_framework`.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Switches the CSRF check off: Django's `csrf_exempt`, for webhooks and other requests that are
    /// authenticated without the visitor's cookies. Without this, a middleware refuses what
    /// `CsrfViewMiddleware` would: see [`CsrfToken`](crate::CsrfToken).
    ///
    /// With nested middlewares, the outermost one that is not exempt does the check: exempt that one too, or
    /// put the route outside of it.
    pub fn csrf_exempt(mut self) -> Self {
        self.csrf = CsrfPolicy::Exempt;
        self
    }

    /// Checks for CSRF only the requests whose session names a user, as the REST framework's
    /// `SessionAuthentication` does. Requests of anonymous visitors, and of clients with a token, reach the
    /// handler unchecked. So use it only if your handlers change nothing because of an anonymous session.
    ///
    /// It also checks requests of a user who is not logged in any more, such as an inactive one, because a
    /// handler may use [`DjangoUserId`](crate::DjangoUserId) alone. The REST framework would treat such a
    /// user as anonymous.
    pub fn csrf_if_logged_in(mut self) -> Self {
        self.csrf = CsrfPolicy::IfLoggedIn;
        self
    }

    /// Sets the login page to which rejected visitors are redirected: a path or a URL. A URL of another
    /// host gets the parameter `next` only if the settings have
    /// [`allowed_hosts`](crate::DjangoSettings::allowed_hosts).
    ///
    /// Default, also for an empty text: [`login_url`](crate::DjangoSettings::login_url) of the settings.
    ///
    /// # Panics
    /// If the text is the name of a URL pattern (`login`, `accounts:login`): only Django can resolve it.
    pub fn login_url(mut self, url: impl Into<String>) -> Self {
        let url = url.into();
        assert!(
            url.is_empty() || is_url(&url),
            "the login_url of a middleware is the name of a URL pattern: give the path of that page instead"
        );
        self.login_page = if url.is_empty() { LoginPage::OfSettings } else { LoginPage::At(url) };
        self
    }

    /// Sets a function that chooses the login URL for each request. You need none if only the language
    /// decides (`i18n_patterns` with Django's `LocaleMiddleware`): exported settings do that by themselves.
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
    /// If the function returns an empty text or the name of a URL pattern, the request gets a 500. If it reads
    /// a header, name that header in `Vary`, by a middleware around this one.
    pub fn login_url_for<F>(mut self, choose: F) -> Self
    where
        F: Fn(&HttpRequest) -> String + Send + Sync + 'static,
    {
        self.login_page = LoginPage::Chosen(Arc::new(choose));
        self
    }

    /// Sets the name of the query parameter that tells the login page where to return to: Django's
    /// `redirect_field_name`. With an empty name there is no such parameter.
    ///
    /// Default: `next`.
    pub fn redirect_field_name(mut self, name: impl Into<String>) -> Self {
        self.redirect_field_name = name.into();
        self
    }

    /// Answers rejected visitors with an empty 401 instead of a redirect to the login page: for APIs.
    #[doc(alias = "handle_no_permission")]
    pub fn respond_401(mut self) -> Self {
        self.responds_401 = true;
        self
    }

    /// Sets a function that answers every [`Error`] of the middleware, of its extractors and of the handlers
    /// behind it: rejections, and failures such as [`Error::Unavailable`]. For errors that need no answer of
    /// your own, return [`Error::default_response`]:
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
    /// If your answer is a 503 without `Retry-After`, the middleware adds that header.
    ///
    /// Answer all errors for which [`wants_login`](Error::wants_login) is true in the same way. Otherwise
    /// your answer tells an attacker whether an account exists, is inactive, or has a new password. The log
    /// has the reason.
    pub fn error_handler<F>(mut self, handler: F) -> Self
    where
        F: Fn(&Error, &HttpRequest) -> HttpResponse + Send + Sync + 'static,
    {
        self.error_handler = Some(Arc::new(handler));
        self
    }

    pub(super) fn middleware(&self) -> Middleware {
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
                if let Some(urls) = settings.login_urls() {
                    return RejectionAnswer::RedirectByLanguage(urls.clone(), field_name.clone());
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::web::test::site;

    fn rest() -> DjangoSessionMiddleware {
        DjangoSessionMiddleware::rest_framework(site().build())
    }

    #[test]
    #[should_panic(expected = "use has_permission")]
    fn a_rest_middleware_takes_no_group() {
        let _ = rest().group_required("editors");
    }

    #[test]
    #[should_panic(expected = "use has_permission")]
    fn a_rest_middleware_takes_no_user_test() {
        let _ = rest().user_passes_test(DjangoUser::is_staff);
    }
}
