//! The middleware for endpoints of the REST framework, and what can be said of them.

use std::{future::Future, sync::Arc, time::SystemTime};

use actix_web::{HttpRequest, http::Method};

use super::{
    admission::Admits,
    middleware::DjangoSessionMiddleware,
    rest::{Authenticator, Classes, HasPermission, Permission, Rest},
};
use crate::{
    auth::{DjangoSite, DjangoUser},
    error::Error,
    settings::RestAuthentication,
};

impl DjangoSessionMiddleware {
    /// Lets clients through as a view of the Django REST framework does: recognised by the site's
    /// `DEFAULT_AUTHENTICATION_CLASSES` in their order, and with `IsAuthenticated`. What it turns away
    /// gets what the framework's JSON renderer answers, in English: a 401 with `WWW-Authenticate` or a
    /// 403, and `{"detail": ..}`.
    ///
    /// The first class that the request asks for decides; a credential that is refused is refused,
    /// whatever the classes behind it would say, and on a view for everybody too. Only requests that a
    /// session authenticates are checked for CSRF. [`DjangoUser`] and permissions are behind it as behind
    /// any middleware; [`RestAuth`](crate::RestAuth) says which class it was and gives the claims of a JWT.
    /// A client who brings a token has no session here, be there a cookie or not.
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
    /// or from the exported settings. Clones share what they have verified: make one and clone it.
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

    /// The `authentication_classes` of this view, in their order, in place of the site's.
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

    /// Says what an authentication class of the site's own does, by its dotted path: `Ok(None)` where the
    /// request brings nothing for it, so that the next class is asked; `Ok(Some(user))`; or an error. One
    /// that is a rejection ([`Error::wants_login`]) refuses the credential, and nobody else is asked. One
    /// that takes longer than the [`timeout`](crate::DjangoSettings::timeout) is a 503.
    ///
    /// Until it is said, every request that comes to that class is a 500.
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
            assert!(is_known, "no authentication class of this middleware is {path}");
        })
    }

    /// `AllowAny`: lets everybody through. Refused credentials are refused all the same.
    ///
    /// # Panics
    /// If [`rest_framework`](Self::rest_framework) did not make this middleware.
    #[doc(alias = "AllowAny")]
    pub fn allow_any(self) -> Self {
        self.rest(|rest| rest.permission = Permission::AllowAny)
    }

    /// `IsAuthenticatedOrReadOnly`: lets everybody through who only reads: GET, HEAD and OPTIONS.
    ///
    /// # Panics
    /// As [`allow_any`](Self::allow_any).
    #[doc(alias = "IsAuthenticatedOrReadOnly")]
    pub fn is_authenticated_or_read_only(self) -> Self {
        self.rest(|rest| rest.permission = Permission::IsAuthenticatedOrReadOnly)
    }

    /// `IsAdminUser`: lets only users through with `is_staff`.
    ///
    /// # Panics
    /// As [`allow_any`](Self::allow_any).
    #[doc(alias = "IsAdminUser")]
    pub fn is_admin_user(self) -> Self {
        self.rest(|rest| rest.permission = Permission::IsAdminUser)
    }

    /// A permission class of the site's own: its `has_permission`, asked after the others of this
    /// middleware, with the user if there is one. Called several times, all of them have to say yes.
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

    /// The methods of the view: every answer has them in `Allow`, with `HEAD` and `OPTIONS`, and others
    /// get the framework's 405, after authentication and permissions.
    ///
    /// Defaults to what the routes behind the middleware make of it, without `Allow`.
    ///
    /// # Panics
    /// As [`allow_any`](Self::allow_any).
    pub fn methods(self, methods: impl IntoIterator<Item = Method>) -> Self {
        let methods = methods.into_iter().collect();
        self.rest(|rest| rest.methods = Some(methods))
    }

    /// By which clock a JWT has expired, or is not valid yet: for tests.
    ///
    /// Defaults to that of this machine.
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
            _ => panic!("this is for a middleware that `rest_framework` made"),
        }
        self
    }
}
