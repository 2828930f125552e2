//! # Log in and log out
//!
//! Most sites leave this to Django: whom it logs in is logged in here. To do it here, with
//! [`write_sessions`](crate::DjangoSettings::write_sessions):
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
//! `examples/log_in.rs` is all of it, to be copied: the page, a wrong password, `next`, a button that logs
//! out, messages, and a form that changes the password and keeps the session.
//!
//! ## `next`
//!
//! A link to the log-in page may come from anybody, and so may the `next` in it.
//! [`redirect_after_login`](crate::DjangoSite::redirect_after_login) sends a visitor where Django's `LoginView`
//! would: to `next` if it is a path of this site, or a URL of this host by a scheme as safe as that of the
//! request, and to `LOGIN_REDIRECT_URL` if not. [`safe_next`](crate::DjangoSite::safe_next) is that `next`, for
//! the hidden field of the form; [`url_has_allowed_host_and_scheme`](crate::url_has_allowed_host_and_scheme)
//! asks it of any URL, with hosts of your own. A field of the form counts before the query, even if it
//! is unsafe. Behind a proxy, a URL with a host needs
//! [`allowed_hosts`](crate::DjangoSettings::allowed_hosts) and
//! [`secure_proxy_ssl_header`](crate::DjangoSettings::secure_proxy_ssl_header).
//!
//! ## What a log-in does
//!
//! [`authenticate`](crate::DjangoSite::authenticate) finds whom Django's `ModelBackend` finds, and takes as
//! long whether there is such a user, the password is wrong, or the account is not active. PBKDF2,
//! Django's default, is always there; argon2, bcrypt, scrypt and the old digests need the feature
//! `hashers`. No more passwords are hashed at once than there are processors; who gets no turn in time
//! gets a 503. Old encodings are brought up to date as in Django once
//! [`password_hashers`](crate::DjangoSettings::password_hashers) says what is up to date; settings that
//! Django exported do.
//!
//! [`login`](crate::DjangoSessionMut::login) keeps, cycles or ends the session that the visitor had by
//! Django's rules, writes `last_login` and changes the CSRF secret;
//! [`logout`](crate::DjangoSessionMut::logout) deletes the row at once. For a form that changes the
//! password there are [`set_password`](crate::DjangoSite::set_password) and
//! [`update_session_auth_hash`](crate::DjangoSessionMut::update_session_auth_hash), which keeps this session
//! and ends the user's others.
//!
//! The session lives for `SESSION_COOKIE_AGE`, as after Django's `LoginView`. Where the site's own form has
//! "remember me", as allauth's has, call `session.set_expiry(Expiry::AtBrowserClose)?` after `login` for those
//! who did not choose it.
//!
//! **What runs in Django and not here:** the signals `user_logged_in`, `user_logged_out` and
//! `user_login_failed`, and with them whatever listens: the attempts that django-axes counts to lock out
//! who tries too often, the mails and "remember me" of django-allauth, audit logs; the form's own
//! cleaning of the name (NFKC) and its `clean` methods; backends other than `ModelBackend` and
//! `AllowAllUsersModelBackend`. A backend of another kind in front of them is an error until
//! [`checks_passwords`](crate::AuthenticationBackend::checks_passwords) says that it may be passed over. If
//! you need any of these, leave log-in to Django: what it does counts here all the same.
//!
//! ## New passwords
//!
//! `AUTH_PASSWORD_VALIDATORS` are Python classes of the site. A log-in asks none of them, in Django neither:
//! an old weak password still opens. A form that sets a password does, and here nothing does: a history of
//! passwords is not kept either. Where a site has rules beyond a minimum length, leave that form to Django.
//!
//! ## In a debug build
//!
//! Hashing is meant to be slow, and without optimisation it is ten times as slow: a log-in takes seconds.
//! In the `Cargo.toml` of the service:
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
