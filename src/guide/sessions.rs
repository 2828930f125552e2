//! # Sessions that change
//!
//! Reading sessions always works. Changing them is a setting, because the service then needs more rights in the
//! database:
//!
//! ```
//! use actix_django_session::DjangoSettings;
//!
//! let mut settings = DjangoSettings::new("the SECRET_KEY of settings.py");
//! settings.write_sessions = true;
//! ```
//!
//! ## `request.session`
//!
//! [`DjangoSessionMut`](crate::DjangoSessionMut) is the session of this request. The middleware saves its changes after
//! the handler and before it sends the response, if the status is below 500:
//!
//! ```
//! use actix_django_session::{DjangoSessionMut, Error, Expiry};
//! use actix_web::web;
//!
//! async fn add(session: DjangoSessionMut, item: web::Path<String>) -> Result<String, Error> {
//!     let item = item.into_inner();
//!     // `clone`: the closure runs again if another request changes the session meanwhile.
//!     session.update("cart", move |cart: &mut Vec<String>| cart.push(item.clone()))?;
//!     Ok(format!("{:?}", session.get::<Vec<String>>("cart")?.unwrap_or_default()))
//! }
//!
//! async fn choose(session: DjangoSessionMut, theme: web::Path<String>) -> Result<&'static str, Error> {
//!     session.insert("theme", &*theme)?;
//!     session.set_expiry(Expiry::AtBrowserClose)?;
//!     Ok("chosen")
//! }
//! ```
//!
//! | Django | here |
//! |---|---|
//! | `request.session.get("cart", [])` | `session.get::<Vec<String>>("cart")?.unwrap_or_default()` |
//! | `request.session["cart"] = cart` | `session.insert("cart", &cart)?` |
//! | read the value, change it, set it | `session.update("cart", \|cart: &mut Vec<String>\| ..)?` |
//! | `request.session.pop("cart", None)` | `session.remove("cart")?` returns whether the entry was there; `get` the value first if you need it |
//! | `request.session.clear()` | `session.clear()` |
//! | `request.session.set_expiry(3600)` | `session.set_expiry(Expiry::..)?`, see [`Expiry`](crate::Expiry) |
//! | `request.session.cycle_key()`, `.flush()` | `session.cycle_key()`, `session.flush()` |
//! | `request.session.save()` | `session.save().await?` |
//! | `authenticate(request, username=.., password=..)` | [`DjangoSite::authenticate`](crate::DjangoSite::authenticate) |
//! | `login(request, user)`, `logout(request)` | `session.login(&user).await?`, `session.logout().await?` |
//! | `update_session_auth_hash(request, user)` | `session.update_session_auth_hash(&user).await?` |
//! | `manage.py clearsessions` | [`DjangoSite::clear_expired`](crate::DjangoSite::clear_expired) |
//!
//! ## When two requests change one session
//!
//! Django stores the whole session, and the last request wins. This crate stores the *changes*: it replaces the row
//! only if the row still is what the request read. If the row has changed, the crate reads it again and applies the
//! same changes to it. So if two hundred requests add to one list at once with `update`, no addition is lost.
//!
//! A request that Django answers still overwrites the whole session, also changes that were stored here while it
//! ran, as it overwrites those of other Django requests.
//!
//! A session that ended meanwhile stays ended: the response is a 400
//! ([`Error::SessionInterrupted`](crate::Error::SessionInterrupted)), as in Django. When the key of an ended session
//! is cycled, Django brings the session back; this crate does not.
//!
//! ## Sliding expiry
//!
//! With `SESSION_SAVE_EVERY_REQUEST` and `write_sessions`, every response behind a middleware extends the session and
//! sends its cookie again. Without `write_sessions` the service extends no session: a visitor who stays on its
//! pages is logged out when the session ends, and `check()` warns of that.
//!
//! The service writes only `expire_date`, for many visitors in one statement, and at most once a second for each
//! session. So the requests of one page extend the session once, and a visitor who then stays away may be logged out up
//! to a second earlier than by Django. For a session that lives for less than a minute, the interval is a sixtieth of
//! its life. [`session_save_interval`](crate::DjangoSettings::session_save_interval) sets another interval; with zero,
//! each request extends the session, as in Django.
//!
//! The service sends a session cookie only for a row that it read or wrote in the last tenth of a second; otherwise it
//! looks the row up again first. So a slow response never replaces the new key of a login with the old one. If the
//! session ended meanwhile, the slow response is a 400, as in Django.
//!
//! These statements are committed with `synchronous_commit` off, so they wait neither for the disk nor for a
//! standby. If the database server crashes, it may lose the extensions of its last moments and nothing else. Those
//! sessions then end when they would have ended without them.
//!
//! ## Log in and log out
//!
//! See [Log in and log out](crate::guide::log_in).
//!
//! ## Other engines
//!
//! | `SESSION_ENGINE` | reading | changing |
//! |---|---|---|
//! | `db` | yes | yes |
//! | `cached_db` | yes: every session is in the table too | with [`on_session_change`](crate::DjangoSite::on_session_change), which deletes Django's cached copy; without it, start-up fails. `examples/cached_db.rs` does this with Redis |
//! | `signed_cookies` | yes; a copy of a cookie that was made before logout stays valid, as in Django | yes |
//! | `cache`, `file` | no: the database contains no sessions | no |
//!
//! ## A table with more columns
//!
//! A row keeps its further columns when it changes. A new row needs a `DEFAULT` for columns that may not be NULL.
//! Without a `DEFAULT`, the error names the column. To fill the columns, use
//! [`session_columns`](crate::DjangoSite::session_columns).
//!
//! ## Partitioned tables, views and triggers
//!
//! This crate can write to every table that Django can write to:
//!
//! - a partitioned table, for example by `expire_date`, so that you drop old sessions with their partition
//! - a table without a unique constraint, or with a deferrable one
//! - a table whose trigger puts new rows elsewhere
//! - a view, with `INSTEAD OF` triggers where it needs them. When a session in a view gets another key, its row is
//!   deleted and inserted, as in Django: columns that the view does not have get their defaults.
//!
//! ## Tables that refer to sessions
//!
//! A model of the site may refer to a session: `UserSession(session=OneToOneField(Session, ..))`. Django itself
//! carries out `on_delete`, in Python. In the database, the constraint of `CASCADE`, `SET_NULL`, `PROTECT` and
//! `RESTRICT` is the same, and refuses the deletion. Without Django, PostgreSQL has to do it: the constraint must say
//! `ON UPDATE CASCADE`, and `ON DELETE CASCADE`, or `ON DELETE SET NULL` for `SET_NULL`. Otherwise such a session
//! cannot be logged out, cycled or cleared here: the response is a 503.
//!
//! Django 6.1 adds `DB_CASCADE`, `DB_SET_NULL` and `DB_SET_DEFAULT`, which PostgreSQL carries out. They lack `ON
//! UPDATE CASCADE`, so such a session cannot be cycled, and login cycles it. `check()` warns of each constraint, and
//! prints the statement to paste.
//!
//! ## What differs from Django
//!
//! | when | Django | here |
//! |---|---|---|
//! | two requests change one session at once | the last request wins, and replaces the whole session | both changes are kept |
//! | a session that ended meanwhile is cycled | it lives on under a new key | 400, and it stays ended |
//! | a session that ended meanwhile is logged in to | it lives on under a new key | a new session, without the data of the old one |
//! | a session becomes larger than `max_decompressed_size` | stored | 500, and not stored, because it could not be read again |
//! | a session is changed or saved after the response was sent | the change is lost silently | an error, and nothing is stored; only a `flush` counts |
//! | the response is a 5xx, after `cycle_key` or `login` | the key is cycled and no cookie is sent: the visitor is logged out | the session is unchanged. A `flush` and a `logout` count in both |
//! | the database is unavailable while the session is saved | 400 | 503 |
//! | `login` with several backends and none named; or of a user who was deleted meanwhile | 500 with a new row | 500, or 401; nothing is changed |
//! | an encoded password that cannot be read, or would take minutes to check | 500, or minutes | wrong password, and a warning in the log |
//! | `SESSION_SAVE_EVERY_REQUEST` | signs the data again; creates a session for a visitor with an unknown key | moves `expire_date` and nothing else |
