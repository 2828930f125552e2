//! # Sessions that change
//!
//! Reading is always on. Changing sessions is a setting, because it needs more rights in the database:
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
//! [`DjangoSessionMut`](crate::DjangoSessionMut) is the session of this request. What a handler does
//! to it is stored after the handler, before the answer goes out, if the status is below 500:
//!
//! ```
//! use actix_django_session::{DjangoSessionMut, Error, Expiry};
//! use actix_web::web;
//!
//! async fn add(session: DjangoSessionMut, item: web::Path<String>) -> Result<String, Error> {
//!     let item = item.into_inner();
//!     // `clone`: if somebody else changes the session meanwhile, the same is done again.
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
//! | read, change, set | `session.update("cart", \|cart: &mut Vec<String>\| ..)?` |
//! | `request.session.pop("cart", None)` | `session.remove("cart")?`: whether it was there; `get` it first if you need it |
//! | `request.session.clear()` | `session.clear()` |
//! | `request.session.set_expiry(3600)` | `session.set_expiry(Expiry::..)?`, see [`Expiry`](crate::Expiry) |
//! | `request.session.cycle_key()`, `.flush()` | `session.cycle_key()`, `session.flush()` |
//! | `request.session.save()` | `session.save().await?` |
//! | `authenticate(request, username=.., password=..)` | [`DjangoSite::authenticate`](crate::DjangoSite::authenticate) |
//! | `login(request, user)`, `logout(request)` | `session.login(&user).await?`, `session.logout().await?` |
//! | `update_session_auth_hash(request, user)` | `session.update_session_auth_hash(&user).await?` |
//! | `manage.py clearsessions` | [`DjangoSite::clear_expired`](crate::DjangoSite::clear_expired) |
//!
//! ## When two change one session
//!
//! Django stores the whole session, and the last one wins. This crate stores what was *done*: the row
//! is replaced only if it still is what was read; if not, it is read again and the same is done to
//! that. So of two hundred visitors' clicks that add to one list none is lost, as long as they use
//! `update`. A Django request that had read the session before still overwrites what was stored
//! here when it ends, as it overwrites Django's own.
//!
//! A session that somebody ended meanwhile stays ended: the answer is a 400
//! ([`Error::SessionInterrupted`](crate::Error::SessionInterrupted)), as in Django. Where Django brings such
//! a session back (when its key is cycled), this crate does not.
//!
//! ## Expiry that slides
//!
//! With `SESSION_SAVE_EVERY_REQUEST` and `write_sessions` every answer behind a middleware moves the end of
//! the session, and sends its cookie again. Without the latter nothing slides, and who stays on pages of
//! this service is logged out when the session ends: `check()` warns of that. Only `expire_date` is
//! written, for many visitors in one statement, and no session's twice within a second: the requests of a
//! page move it once. So a visitor who stays away is logged out up to a second earlier than by Django (of
//! a session that lives for less than a minute, by a sixtieth of that).
//! [`session_save_interval`](crate::DjangoSettings::session_save_interval) sets another interval; with zero,
//! each request moves the end, as in Django.
//!
//! A cookie goes out only for a row that was read or written a tenth of a second before, or is asked for
//! again: a slow answer does not take the new key of a log-in away. If the session was ended meanwhile, the
//! slow answer is a 400, as in Django.
//!
//! Those statements are committed with `synchronous_commit` off: nobody waits for the disk, or for a
//! standby. A database server that crashes may forget the slides of its last moments, nothing else; those
//! sessions end when they would have without them.
//!
//! ## Log in and log out
//!
//! Stands in [a chapter of its own](crate::guide::log_in).
//!
//! ## Other engines
//!
//! | `SESSION_ENGINE` | reading | changing |
//! |---|---|---|
//! | `db` | yes | yes |
//! | `cached_db` | yes: every session is in the table too | with [`on_session_change`](crate::DjangoSite::on_session_change), which deletes Django's cached copy; refused at start without. `examples/cached_db.rs` does so with Redis |
//! | `signed_cookies` | yes; a copy of a cookie that was taken before the log-out stays good, as in Django | yes |
//! | `cache`, `file` | no: there is nothing in the database | no |
//!
//! ## A table with more columns
//!
//! A row keeps its further columns whatever is done to it. A new one needs a `DEFAULT` for those that
//! may not be NULL; without, the error names the column.
//!
//! ## A table of another kind
//!
//! What Django can write to, this crate can: a table that is partitioned (by `expire_date`, say, so that
//! old sessions are dropped and not deleted), one without a unique constraint or with a deferrable one, one
//! whose trigger puts new rows elsewhere, and a view, with `INSTEAD OF` triggers where it needs them. In
//! a view, a session that is given another key is deleted and inserted, as Django does it: columns that
//! the view does not have start anew.
//!
//! ## Tables that refer to sessions
//!
//! What refers to a session (`UserSession(session=OneToOneField(Session, ..))`) Django deletes or empties by
//! the model's `on_delete` itself, in Python: in the database the constraint of `CASCADE`, `SET_NULL`,
//! `PROTECT` and `RESTRICT` is the same, and refuses. Here PostgreSQL has to do it, and its constraint must
//! say `ON UPDATE CASCADE` and `ON DELETE CASCADE`, or `ON DELETE SET NULL` for `SET_NULL`. Without, no
//! such session can be logged out, cycled or cleared here: a 503. `DB_CASCADE`, `DB_SET_NULL` and
//! `DB_SET_DEFAULT` (from Django 6.1) are in the database; they lack `ON UPDATE CASCADE`, so that such a session
//! cannot be cycled, as a log-in does. `check()` warns of each, with the statement to paste.
//!
//! ## What differs from Django
//!
//! | when | Django | here |
//! |---|---|---|
//! | two requests change one session at once | the last one wins, whole | both changes are kept |
//! | a session that was ended meanwhile is cycled | it lives on under a new key | 400, and it stays ended |
//! | the same, and somebody logs in to it | the same | a new session, without what was in the old one |
//! | a session becomes larger than `max_decompressed_size` | stored | 500, and not stored: it could not be read again |
//! | it is changed or saved after the answer was sent | lost, silently | an error, and nothing is stored, but that a `flush` counts |
//! | the answer is a 5xx, after `cycle_key` or `login` | the key is cycled without a cookie: the visitor is logged out | the session is as it was. A `flush` and a `logout` count in both |
//! | the database is away while it is saved | 400 | 503 |
//! | several backends, none named; user deleted meanwhile | 500 with a new row | 500, or 401; nothing is changed |
//! | an encoded password that cannot be read, or would take minutes | 500, or minutes | wrong password, and a warning in the log |
//! | `SESSION_SAVE_EVERY_REQUEST` | seals the data anew, makes a session for who has an unknown key | moves `expire_date` and nothing else |
