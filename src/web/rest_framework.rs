//! The middleware for endpoints of the REST framework, and its settings.

use std::{future::Future, sync::Arc, time::SystemTime};

use actix_web::{HttpRequest, http::Method};

use super::{
    admission::Admits,
    middleware::DjangoSessionMiddleware,
    rest::{Authenticator, Classes, HasPermission, Permission, Rest},
};
use crate::{auth::DjangoUser, error::Error, settings::RestAuthentication, site::DjangoSite};

/// # For endpoints of the Django REST framework
impl DjangoSessionMiddleware {
    /// Lets clients through as a view of the Django REST framework does. The site's
    /// `DEFAULT_AUTHENTICATION_CLASSES` authenticate them, in their order; the permission class is
    /// `IsAuthenticated`. A refused request gets the answer of the framework's JSON renderer, in English: a
    /// 401 with `WWW-Authenticate` or a 403, and `{"detail": ..}`.
    ///
    /// - The first class for which the request has a credential decides. If that class refuses the
    ///   credential, no later class is asked, and the request is refused even with
    ///   [`allow_any`](Self::allow_any).
    /// - Only requests that a session authenticates are checked for CSRF.
    /// - [`DjangoUser`] and permissions work as behind any middleware. [`RestAuth`](crate::RestAuth) tells
    ///   which class authenticated the client, and has the claims of a JWT.
    /// - A client with a token has no session, even if the request has a session cookie.
    ///
    /// ```
    /// use actix_django_session::{DjangoSessionMiddleware, DjangoSite, DjangoUser};
    /// use actix_web::{http::Method, web};
    ///
    /// async fn orders(user: DjangoUser) -> String {
    ///     format!("the orders of {}", user.username())
    /// }
    ///
    /// # fn f(site: DjangoSite) {
    /// // class Orders(APIView): permission_classes = [IsAuthenticated], with get() and post()
    /// let api = DjangoSessionMiddleware::rest_framework(site).methods([Method::GET, Method::POST]);
    /// let orders = web::resource("/orders").wrap(api).to(orders);
    /// # drop(orders);
    /// # }
    /// ```
    ///
    /// The classes come from [`DjangoSettings::rest_framework`](crate::DjangoSettings::rest_framework),
    /// or from the exported settings. Clones share verified tokens: build one middleware and clone it.
    #[doc(alias = "APIView")]
    #[doc(alias = "DEFAULT_AUTHENTICATION_CLASSES")]
    pub fn rest_framework(site: DjangoSite) -> Self {
        site.database().use_rest_framework();
        let settings = site.settings();
        let listed = &settings.rest_framework.default_authentication_classes;
        let rest = Rest {
            classes: Classes::new(listed, settings),
            permission: Permission::IsAuthenticated,
            permissions: Vec::new(),
            tests: Vec::new(),
            methods: None,
            clock: Arc::new(SystemTime::now),
        };
        Self::new(site, Admits::Rest(Box::new(rest))).csrf_exempt()
    }

    /// Sets the `authentication_classes` of this view, in their order, in place of the site's.
    ///
    /// # Panics
    /// If [`rest_framework`](Self::rest_framework) did not make this middleware.
    pub fn authentication_classes(
        self,
        classes: impl IntoIterator<Item = RestAuthentication>,
    ) -> Self {
        let listed: Vec<_> = classes.into_iter().collect();
        let classes = Classes::new(&listed, self.site().settings());
        self.rest(|rest| rest.classes = classes)
    }

    /// Sets a hook that does what an authentication class of the site's own does. `path` is the dotted path of
    /// that class. The hook gets the request and the site, and returns:
    ///
    /// | result | means |
    /// |---|---|
    /// | `Ok(None)` | the request has no credential for this class: the next class is asked |
    /// | `Ok(Some(user))` | the client is this user |
    /// | an error for which [`Error::wants_login`] is true | the credential is refused; no other class is asked |
    /// | any other error | the error is the answer, a 500 or 503 |
    /// | nothing within the [`timeout`](crate::DjangoSettings::timeout) | the answer is a 503 |
    ///
    /// Without this hook, each request that reaches the class gets a 500.
    ///
    /// ```
    /// # use actix_django_session::{AuthenticationFailed, DjangoSessionMiddleware, DjangoSite};
    /// # async fn owner_of(key: &str) -> Option<i64> { None }
    /// # fn f(site: DjangoSite) -> DjangoSessionMiddleware {
    /// DjangoSessionMiddleware::rest_framework(site)
    ///     .authenticator("shop.auth.ApiKeyAuthentication", |req, site| async move {
    ///         let Some(key) = req.headers().get("X-Api-Key") else { return Ok(None) };
    ///         match owner_of(key.to_str().unwrap_or_default()).await {
    ///             Some(id) => Ok(Some(site.user(id).await?)),
    ///             None => Err(AuthenticationFailed::InvalidToken.into()),
    ///         }
    ///     })
    /// # }
    /// ```
    ///
    /// # Panics
    /// If [`rest_framework`](Self::rest_framework) did not make this middleware, or none of its classes
    /// has that path.
    pub fn authenticator<F, R>(self, path: &str, hook: F) -> Self
    where
        F: Fn(HttpRequest, DjangoSite) -> R + Send + Sync + 'static,
        R: Future<Output = Result<Option<DjangoUser>, Error>> + 'static,
    {
        self.site().database().know_authenticator(path);
        let hook: Arc<Authenticator> = Arc::new(move |req, site| Box::pin(hook(req, site)));
        self.rest(|rest| {
            let is_known = rest.classes.tell(path, &hook);
            assert!(is_known, "no authentication class of this middleware has the path {path}");
        })
    }

    /// Lets every client through: `AllowAny`. A request with an invalid credential is still refused.
    ///
    /// # Panics
    /// If [`rest_framework`](Self::rest_framework) did not make this middleware.
    #[doc(alias = "AllowAny")]
    pub fn allow_any(self) -> Self {
        self.rest(|rest| rest.permission = Permission::AllowAny)
    }

    /// Lets every client through who only reads (GET, HEAD and OPTIONS), and users for all other methods:
    /// `IsAuthenticatedOrReadOnly`.
    ///
    /// # Panics
    /// As [`allow_any`](Self::allow_any).
    #[doc(alias = "IsAuthenticatedOrReadOnly")]
    pub fn is_authenticated_or_read_only(self) -> Self {
        self.rest(|rest| rest.permission = Permission::IsAuthenticatedOrReadOnly)
    }

    /// Lets only users with `is_staff` through: `IsAdminUser`.
    ///
    /// # Panics
    /// As [`allow_any`](Self::allow_any).
    #[doc(alias = "IsAdminUser")]
    pub fn is_admin_user(self) -> Self {
        self.rest(|rest| rest.permission = Permission::IsAdminUser)
    }

    /// Adds a test that does what `has_permission` of a permission class of the site's own does. It gets the
    /// request and the user, if there is one, and runs after the other permissions of this middleware. If it
    /// is called several times, all tests have to return `true`.
    ///
    /// ```
    /// # use actix_django_session::{DjangoSessionMiddleware, DjangoSite};
    /// # fn f(site: DjangoSite) -> DjangoSessionMiddleware {
    /// DjangoSessionMiddleware::rest_framework(site)
    ///     .has_permission(|_req, user| user.is_some_and(|user| user.username().ends_with("@example.com")))
    /// # }
    /// ```
    ///
    /// # Panics
    /// As [`allow_any`](Self::allow_any).
    pub fn has_permission<F>(self, test: F) -> Self
    where
        F: Fn(&HttpRequest, Option<&DjangoUser>) -> bool + Send + Sync + 'static,
    {
        let test: Arc<HasPermission> = Arc::new(test);
        self.rest(|rest| rest.tests.push(test))
    }

    /// Sets the methods of the view. Every answer lists them in the header `Allow`, with `HEAD` and `OPTIONS`.
    /// A request with another method gets the framework's 405, after authentication and permissions.
    ///
    /// Default: the routes behind the middleware decide, and there is no `Allow` header.
    ///
    /// # Panics
    /// As [`allow_any`](Self::allow_any).
    pub fn methods(self, methods: impl IntoIterator<Item = Method>) -> Self {
        let methods = methods.into_iter().collect();
        self.rest(|rest| rest.methods = Some(methods))
    }

    /// Sets the clock that decides whether a JWT has expired or is not valid yet: for tests.
    ///
    /// Default: the clock of this machine.
    ///
    /// # Panics
    /// As [`allow_any`](Self::allow_any).
    pub fn clock<F>(self, now: F) -> Self
    where
        F: Fn() -> SystemTime + Send + Sync + 'static,
    {
        self.rest(|rest| rest.clock = Arc::new(now))
    }

    fn rest(mut self, change: impl FnOnce(&mut Rest)) -> Self {
        match self.admits_mut() {
            Admits::Rest(rest) => change(rest),
            _ => panic!(
                "only a middleware of `DjangoSessionMiddleware::rest_framework` has this method"
            ),
        }
        self
    }
}
