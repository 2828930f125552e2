//! # Move an API endpoint
//!
//! Clients of an API often bring no session: a token, a JWT, a name and a password.
//! [`rest_framework`](crate::DjangoSessionMiddleware::rest_framework) recognises them as the views of the
//! Django REST framework do, by the classes that the site has, and answers as they answer.
//!
//! ## The view
//!
//! ```python
//! class Orders(APIView):
//!     permission_classes = [IsAuthenticated]
//!
//!     def get(self, request):
//!         by_token = isinstance(request.successful_authenticator, TokenAuthentication)
//!         return Response({"customer": request.user.pk, "by_token": by_token})
//! ```
//!
//! ## The handler
//!
//! ```
//! use actix_django_session::{
//!     DjangoSessionMiddleware, DjangoSite, DjangoUser, Error, RestAuth, RestScheme,
//! };
//! use actix_web::{HttpResponse, http::Method, web};
//! use serde_json::json;
//!
//! async fn orders(user: DjangoUser, auth: RestAuth) -> Result<HttpResponse, Error> {
//!     let customer: i32 = user.parse_id()?;
//!     let by_token = auth.scheme() == Some(RestScheme::Token);
//!     Ok(HttpResponse::Ok().json(json!({ "customer": customer, "by_token": by_token })))
//! }
//!
//! fn routes(site: DjangoSite) -> impl Fn(&mut web::ServiceConfig) + Clone + Send {
//!     let api = DjangoSessionMiddleware::rest_framework(site).methods([Method::GET]);
//!     move |app| {
//!         app.service(web::resource("/api/orders/").wrap(api.clone()).to(orders));
//!     }
//! }
//! ```
//!
//! | REST framework | here |
//! |---|---|
//! | `IsAuthenticated` | the default |
//! | `AllowAny` | [`allow_any`](crate::DjangoSessionMiddleware::allow_any), with [`OptionalDjangoUser`](crate::OptionalDjangoUser) |
//! | `IsAdminUser` | [`is_admin_user`](crate::DjangoSessionMiddleware::is_admin_user) |
//! | `IsAuthenticatedOrReadOnly` | [`is_authenticated_or_read_only`](crate::DjangoSessionMiddleware::is_authenticated_or_read_only) |
//! | a permission of Django | [`permission_required`](crate::DjangoSessionMiddleware::permission_required) |
//! | `has_permission` of a class of yours | [`has_permission`](crate::DjangoSessionMiddleware::has_permission) |
//! | `authentication_classes` of a view | [`authentication_classes`](crate::DjangoSessionMiddleware::authentication_classes) |
//! | an authentication class of yours | [`authenticator`](crate::DjangoSessionMiddleware::authenticator) |
//! | `request.auth`, `request.successful_authenticator` | [`RestAuth`](crate::RestAuth) |
//! | `Allow`, and the 405 | [`methods`](crate::DjangoSessionMiddleware::methods) |
//! | `EXCEPTION_HANDLER` | [`error_handler`](crate::DjangoSessionMiddleware::error_handler) |
//!
//! ## The settings
//!
//! Export them: [`from_json`](crate::DjangoSettings::from_json) brings the classes, in their order, and what
//! `SIMPLE_JWT` says. A signing key that is not the `SECRET_KEY` is in no file, and handed over:
//!
//! ```
//! use actix_django_session::{AuthenticationClass, DjangoSettings};
//!
//! # fn f(mut settings: DjangoSettings, signing_key: String) {
//! for each in &mut settings.rest_framework.default_authentication_classes {
//!     if let AuthenticationClass::Jwt(jwt) = &mut each.class {
//!         jwt.signing_key = Some(signing_key.as_str().into());
//!     }
//! }
//! # }
//! ```
//!
//! By hand:
//!
//! ```
//! use actix_django_session::{DjangoSettings, RestAuthentication, SimpleJwt};
//!
//! let mut jwt = SimpleJwt::default();
//! jwt.audience = Some(vec!["shop".into()]);
//! let mut settings = DjangoSettings::new("the SECRET_KEY");
//! settings.rest_framework.default_authentication_classes =
//!     vec![RestAuthentication::jwt(jwt), RestAuthentication::session()];
//! ```
//!
//! Whether the table of tokens can be read and the keys fit their algorithm says
//! [`check`](crate::DjangoSite::check). The role of the service needs `SELECT` on `authtoken_token`.
//!
//! ## What is as in the framework, and surprises
//!
//! - The first of the classes decides between 401 and 403, whichever class refused. Behind the framework's own
//!   order, session and basic, it is always a 403.
//! - The first class that the request asks for has the word. With the session first, a POST with a session
//!   cookie and a good token is refused without a CSRF token.
//! - A refused credential is refused on a view for everybody, too.
//! - A token or a JWT is checked against the database each time: an account that was deactivated is refused at
//!   once. A password that was changed ends a JWT only with `CHECK_REVOKE_TOKEN`.
//! - A name and a password cost a hash at each request, as a log-in does: no more are hashed at once than there
//!   are processors, and who gets no turn in time gets a 503.
//! - Whoever brings a token or a JWT has no session here: [`DjangoSession`](crate::DjangoSession) is
//!   rejected, and the hook [`after_get_user`](crate::DjangoSite::after_get_user) is given an empty one.
//!
//! ## What is not there
//!
//! Views that issue tokens, `JWK_URL`, `JWTStatelessUserAuthentication`, the list of blocked tokens (which
//! access tokens are never looked up in), throttles, versioning, other renderers than JSON, other languages than
//! English. The export says which of them the site has. What is stricter here stands in
//! `docs/rest-semantics.md`, with all rules.
