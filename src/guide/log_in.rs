//! # Log in and log out
//!
//! Most sites leave login to Django: a visitor whom Django logged in is logged in here. If this service shall log
//! users in, set [`write_sessions`](crate::DjangoSettings::write_sessions):
//!
//! ```
//! use actix_django_session::{DjangoSessionMiddleware, DjangoSessionMut, DjangoSite, Error};
//! use actix_web::{HttpRequest, HttpResponse, web};
//!
//! #[derive(serde::Deserialize)]
//! struct LogIn {
//!     username: String,
//!     password: String,
//!     next: Option<String>,
//! }
//!
//! async fn log_in(
//!     req: HttpRequest,
//!     session: DjangoSessionMut,
//!     site: DjangoSite,
//!     form: web::Form<LogIn>,
//! ) -> Result<HttpResponse, Error> {
//!     match site.authenticate(form.username.trim(), &form.password).await? {
//!         Some(user) => {
//!             session.login(&user).await?;
//!             Ok(site.redirect_after_login(&req, form.next.as_deref()))
//!         }
//!         None => Ok(HttpResponse::Ok().body("wrong name or password")),
//!     }
//! }
//!
//! async fn log_out(
//!     req: HttpRequest,
//!     session: DjangoSessionMut,
//!     site: DjangoSite,
//! ) -> Result<HttpResponse, Error> {
//!     session.logout().await?;
//!     let answer = site.redirect_after_logout(&req, None);
//!     Ok(answer.unwrap_or_else(|| HttpResponse::Ok().body("you are logged out")))
//! }
//!
//! fn routes(site: DjangoSite) -> impl Fn(&mut web::ServiceConfig) + Clone {
//!     let everyone = DjangoSessionMiddleware::optional(site);
//!     move |app| {
//!         let login = web::resource("/login/").wrap(everyone.clone()).post(log_in);
//!         let logout = web::resource("/logout/").wrap(everyone.clone()).post(log_out);
//!         app.service(login).service(logout);
//!     }
//! }
//! ```
//!
//! `examples/log_in.rs` is a complete example to copy: the page, a wrong password, `next`, a button that logs out,
//! messages, and a form that changes the password and keeps the session.
//!
//! ## `next`
//!
//! Anybody can make a link to the login page with a `next` that leads to another site.
//! [`redirect_after_login`](crate::DjangoSite::redirect_after_login) sends the visitor where Django's `LoginView`
//! would: to `next` if it is a path of this site, or a URL of this host whose scheme is as safe as that of the request;
//! otherwise to `LOGIN_REDIRECT_URL`. The form field `next` counts before the query parameter, even if the field is
//! unsafe.
//!
//! [`safe_next`](crate::DjangoSite::safe_next) returns that `next`, for the hidden field of the form.
//! [`url_has_allowed_host_and_scheme`](crate::url_has_allowed_host_and_scheme) checks any URL against hosts of your
//! own. Behind a proxy, a `next` with a host needs [`allowed_hosts`](crate::DjangoSettings::allowed_hosts) and
//! [`secure_proxy_ssl_header`](crate::DjangoSettings::secure_proxy_ssl_header).
//!
//! ## What login does
//!
//! [`authenticate`](crate::DjangoSite::authenticate) finds the user whom Django's `ModelBackend` finds. It takes the same
//! time whether the user does not exist, the password is wrong, or the account is not active.
//!
//! | | |
//! |---|---|
//! | PBKDF2, Django's default | always there |
//! | argon2, bcrypt, scrypt and the old digests | with the feature `hashers` |
//! | many logins at once | as many passwords are hashed at once as there are processors; a login that gets no turn in time gets a 503 |
//! | old encodings | upgraded as in Django, if [`password_hashers`](crate::DjangoSettings::password_hashers) has the current parameters; exported settings have them |
//!
//! [`login`](crate::DjangoSessionMut::login) keeps, cycles or flushes the visitor's session by Django's rules, writes
//! `last_login` and changes the CSRF secret. [`logout`](crate::DjangoSessionMut::logout) deletes the row at once. A form
//! that changes the password uses [`set_password`](crate::DjangoSite::set_password) and
//! [`update_session_auth_hash`](crate::DjangoSessionMut::update_session_auth_hash), which keeps this session and ends
//! the user's other sessions.
//!
//! The session lives for `SESSION_COOKIE_AGE`, as after Django's `LoginView`. If the site's own form has "remember me",
//! as allauth's has, call `session.set_expiry(Expiry::AtBrowserClose)?` after `login` for users who did not choose it.
//!
//! ### What runs in Django and not here
//!
//! - The signals `user_logged_in`, `user_logged_out` and `user_login_failed`, and their receivers: django-axes counts
//!   attempts to lock attackers out, django-allauth sends mail and has "remember me", and audit logs use them.
//! - The form's cleaning of the name (NFKC), and its `clean` methods.
//! - Backends other than `ModelBackend` and `AllowAllUsersModelBackend`. If such a backend stands before them, login is
//!   an error until [`checks_passwords`](crate::AuthenticationBackend::checks_passwords) says that it may be skipped.
//!
//! If you need any of these, leave login to Django: this service recognises its sessions all the same.
//!
//! ## New passwords
//!
//! `AUTH_PASSWORD_VALIDATORS` are Python classes of the site. Login does not use them, in Django neither: a user with an
//! old weak password can still log in. Django's forms that set a password use them. This crate does not, and it keeps
//! no history of passwords. If the site has rules beyond a minimum length, leave such a form to Django.
//!
//! ## In a debug build
//!
//! Hashing is slow on purpose, and without optimisation it is ten times slower: a login takes seconds. Put this into the
//! `Cargo.toml` of the service:
//!
//! ```toml
//! [profile.dev.package]
//! ring = { opt-level = 3 }   # PBKDF2, Django's default
//! argon2 = { opt-level = 3 } # with the feature `hashers`, those that the site uses
//! blake2 = { opt-level = 3 }
//! bcrypt = { opt-level = 3 }
//! blowfish = { opt-level = 3 }
//! scrypt = { opt-level = 3 }
//! salsa20 = { opt-level = 3 }
//! sha2 = { opt-level = 3 }
//! ```
