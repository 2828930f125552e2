//! # Move an API endpoint
//!
//! Clients of an API often have no session, but a token, a JWT, or a name and a password.
//! [`rest_framework`](crate::DjangoSessionMiddleware::rest_framework) recognises them as the views of the Django REST
//! framework do, with the authentication classes of the site, and answers with the framework's responses.
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
//! Export the settings: [`from_json`](crate::DjangoSettings::from_json) reads the classes, in their order, and
//! `SIMPLE_JWT`. The file does not contain a signing key. If it is not the `SECRET_KEY`, set it yourself:
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
//! Or set them by hand:
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
//! [`check`](crate::DjangoSite::check) reports whether the token table can be read, and whether the keys fit their
//! algorithm. The role of the service needs `SELECT` on `authtoken_token`.
//!
//! ## Surprises, which are the framework's too
//!
//! - The first class in the list decides between 401 and 403, whichever class refused. With the framework's default order
//!   (session, basic) the response is always a 403.
//! - The first class whose credentials the request has decides. If the session class stands first, a POST with a session
//!   cookie and a valid token is refused without a CSRF token.
//! - A refused credential is refused also on a view that everybody may see.
//! - Each request checks its token or JWT against the database: an account that was deactivated is refused at once. A
//!   changed password ends a JWT only with `CHECK_REVOKE_TOKEN`.
//! - A name and a password cost one password hash for each request, as a login does. As many passwords are hashed at once
//!   as there are processors; a request that gets no turn in time gets a 503.
//! - A client with a token or a JWT has no session here: [`DjangoSession`](crate::DjangoSession) rejects it, and the hook
//!   [`after_get_user`](crate::DjangoSite::after_get_user) gets an empty session.
//!
//! ## What is not supported
//!
//! The export names which of these the site uses:
//!
//! - views that issue tokens
//! - `JWK_URL` and `JWTStatelessUserAuthentication`
//! - the block list of tokens, which the framework does not check for access tokens either
//! - throttles, versioning, renderers other than JSON, and languages other than English
//!
//! `docs/rest-semantics.md` has all rules, and says where this crate is stricter.
