//! # In production
//!
//! ## Rights
//!
//! The role of the site needs no more than this. `check()` asks for each right before it is needed,
//! and prints the ones that are missing as statements to paste:
//!
//! | for | rights |
//! |---|---|
//! | every middleware | `USAGE` on the schema, `SELECT` on `django_session` |
//! | [`login_required`](crate::DjangoSessionMiddleware::login_required) and [`DjangoUser`](crate::DjangoUser) | `SELECT` on `auth_user` |
//! | permissions | `SELECT` on `auth_user_user_permissions`, `auth_user_groups`, `auth_group_permissions`, `auth_permission`, `django_content_type` |
//! | changing sessions, `SESSION_SAVE_EVERY_REQUEST` | `INSERT`, `UPDATE`, `DELETE` on `django_session` |
//! | [`clear_expired`](crate::DjangoSite::clear_expired) | `UPDATE`, `DELETE` on `django_session` |
//! | [`authenticate`](crate::DjangoSite::authenticate) with upgrades of old passwords | `UPDATE (password)` on `auth_user` |
//! | `login`, for `last_login` | `UPDATE (last_login)` on `auth_user` |
//!
//! ```sql
//! CREATE ROLE rust LOGIN PASSWORD '...';
//! GRANT USAGE ON SCHEMA public TO rust;
//! GRANT SELECT ON django_session, auth_user, auth_user_user_permissions, auth_user_groups,
//!     auth_group_permissions, auth_permission, django_content_type TO rust;
//! -- what changes sessions and logs in:
//! GRANT INSERT, UPDATE, DELETE ON django_session TO rust;
//! GRANT UPDATE (password, last_login) ON auth_user TO rust;
//! ```
//!
//! With a user model, a session table or a schema of your own, put their names in place of these:
//!
//! ```sql
//! GRANT USAGE ON SCHEMA web, accounts TO rust;
//! GRANT SELECT ON web.device_session, accounts.member, accounts.member_groups,
//!     accounts.member_user_permissions, public.auth_group_permissions, public.auth_permission,
//!     public.django_content_type TO rust;
//! ```
//!
//! ## Rotating the key
//!
//! In two steps, so that at every moment each side reads what the other one signs:
//!
//! 1. Add the **new** key to `SECRET_KEY_FALLBACKS` of both sides, and start both with that.
//! 2. Swap: the new one is `SECRET_KEY`, the old one a fallback. Start both with that.
//!
//! Export the settings again at each step: a key that is not in the file is refused at start. A
//! service that only reads can take both steps at once, before Django does.
//!
//! Sessions that an old key signed go on. [`Event::FallbackKey`](crate::Event) counts how often an old
//! key was needed: when that has been zero for as long as `SESSION_COOKIE_AGE`, the old key can go.
//!
//! ## Counters
//!
//! [`DjangoSite::on_event`](crate::DjangoSite::on_event) calls a function of yours at every
//! [`Event`](crate::Event):
//!
//! ```
//! use std::sync::atomic::{AtomicU64, Ordering};
//!
//! use actix_django_session::{DjangoSite, Event};
//!
//! static OUTAGES: AtomicU64 = AtomicU64::new(0);
//!
//! /// Before middlewares are made of the site.
//! fn counted(site: DjangoSite) -> DjangoSite {
//!     site.on_event(|event| {
//!         if event == Event::Outage {
//!             OUTAGES.fetch_add(1, Ordering::Relaxed);
//!         }
//!     })
//! }
//!
//! /// A page for Prometheus; keep it from the outside.
//! async fn metrics() -> String {
//!     format!("django_outages_total {}\n", OUTAGES.load(Ordering::Relaxed))
//! }
//! ```
//!
//! `examples/metrics.rs` counts all of them, by reason, middleware and backend. Worth an alarm:
//!
//! | when | it means |
//! |---|---|
//! | `outage` is above zero for a minute | visitors get 503s |
//! | `undecodable` rises after a deployment | the two sides have different keys |
//! | `rejected` with the reason `backend_not_listed` rises | a backend of the site is missing in the settings |
//! | `fallback_key` stays high | the old key is still in use |
//! | `rejected` with the reason `form_timeout` or `too_many_forms` rises | slow uploads, or somebody who sends them on purpose: see [the bounds](super::forms#a-form-with-a-file) |
//! | `rejected` with the reason `csrf_failed` rises | a form without a token, or a proxy that changes `Host` |
//!
//! ## Log lines
//!
//! They go through `tracing`, with constant messages and the facts in fields. `tracing_subscriber::fmt::init()`
//! shows those of level `info` and above, or what the variable `RUST_LOG` says: `actix_django_session=debug` adds
//! each request that was rejected, with its reason. Session keys, session
//! data, CSRF secrets and passwords are in none of them, not even at trace level, and the parameters of
//! queries do not show in tokio-postgres's log either. Of what PostgreSQL says, they have severity, code and
//! message; details, and messages that may quote a value, are in PostgreSQL's own log only.
//!
//! | level | message | when | fields |
//! |---|---|---|---|
//! | debug | `request rejected` | a middleware or extractor turns a request away | `reason`, `middleware` |
//! | warn | `CSRF check failed` | a request gets a 403 | `reason`: Django's text; `path`; for `Origin` and `Referer`: `came`, `expected` |
//! | warn | `no key opens the session data: is this Django's SECRET_KEY?` | once a minute; so are the next three | `unlogged`: how many there were since the last line |
//! | warn | `session data cannot be decoded` | rightly signed, and no JSON | `error`, `unlogged` |
//! | warn | `the backend of a session is not among the AUTHENTICATION_BACKENDS here` | nobody is logged in who came in by it | `backend`, `unlogged` |
//! | warn | `the user id in a session fits no user` | it cannot be a key of the user table | `column`, `kind`, `unlogged` |
//! | warn | `a setting may be wrong` | `check()`, once for each warning in its report | `warning` |
//! | warn | `` a middleware was made after check() and needs what that has not looked at: make the middlewares first, before `HttpServer::new` `` | once for each of users, permissions and groups | `not_looked_at` |
//! | info | `settings checked against the database` | at the end of `check()` | tables, key type, cookie name, how many keys and backends |
//! | warn | `the encoding of a password cannot be read` | somebody tries to log in with it | |
//! | warn | `` there is a pooler in front of the database: going on without prepared statements, as without `DjangoSettings::prepared_statements` `` | once a site | |
//! | warn | `` prepared statements keep getting lost, as behind a pooler in transaction mode: going on without them, as without `DjangoSettings::prepared_statements` `` | once a site | |
//! | error | `the on_session_change hook failed for a session that has a new key` | `on_session_change` failed after a log-in or a `cycle_key`; the visitor has the new cookie | `error` |
//! | error | `a CSRF secret cannot be kept in the session` | `CSRF_USE_SESSIONS`, and a session too large to be read | `error` |
//! | error | `messages were not kept in the session` | the session could not be changed | `error` |
//! | error | `the session's messages cannot be read` | the session could not be read; the page shows none | `error` |
//! | warn | `messages do not fit into their cookie` | the oldest are lost | `lost`: how many |
//! | warn | `the messages cookie is signed by the site, and holds no messages` | another serializer | |
//! | warn | `the session's messages are no messages` | something else wrote their key | |
//! | error | `a session was changed after its answer was sent: that is not stored` | by something that a handler left running | |
//! | error | `a flushed session could not be deleted` | the request was cut off or failed, and then the database was away | `error` |
//! | error | `login_url_for returned no URL` | your function returned a text that is not a URL; a 500 | `path` |
//! | error | `a cookie cannot stand in a header` | a cookie's domain or path in the settings; it is not sent | `cookie` |
//! | warn | `a session cannot be extended` | `SESSION_SAVE_EVERY_REQUEST` could not be honoured; the visitor has an answer all the same | `error` |
//! | error | `session database unavailable` | a request got a 503, or a session was not extended; at most one line a second | `error` with all causes, `unlogged`: how many there were since the last line |
//! | warn | `too many log-ins at once` | a log-in got a 503; at most one line a second | `error`, `unlogged` |
//! | warn | `a form was not read` | a 408, a 413 or a 503, see [the bounds](super::forms#a-form-with-a-file); at most one line a second | `error`: which one, `unlogged` |
//! | error | `middleware missing` | an extractor on a route without a middleware | `error`, `path` |
//! | error | `request failed` | a mistake in a handler or in the settings: also what a handler returns, once; or a form cannot be spooled to the disk | `error` |
//!
//! The spans `visit lookup` (session and user at once), `session lookup`, `user lookup`, `session write`,
//! `session slide` and `user write` (debug) are around those queries.
//!
//! ## When the database is away
//!
//! A request that needs it gets a 503 with `Retry-After`, never the page for strangers and never the
//! page for somebody else. Requests without a session cookie go on.
//!
//! A request waits for what is looked up for one
//! [`timeout`](crate::DjangoSettings::timeout) in all, permissions included, and not a
//! moment longer; what it writes has one of its own. A connection that is silent for eight times as long
//! as answers usually take gets another one beside it, and the same is asked there: at least after 100
//! milliseconds or a fortieth of the timeout, at most after a second or a quarter of it (or twice as long
//! as answers usually take, up to half of it). So a failover costs no error once the new server answers,
//! also if all connections died in the same moment; and one that died without a word costs a second
//! visitor no more than that silence.
//! Where the pool's URL has several hosts, `connect_timeout` says how long each may take to be reached, and
//! `target_session_attrs=read-write` passes over a primary that was demoted. A host that takes connections
//! and then says nothing is ended by neither: `load_balance_hosts=random` has another attempt try another
//! one first.
//! How many there are is bounded: see [the site's own connections](super::start#the-sites-own-connections).
//! PostgreSQL itself ends what nobody waits for any more (`statement_timeout` and `lock_timeout`, set on
//! the site's connections alone, with TLS or without). What no timeout ends, such as a commit that waits
//! for a synchronous standby, is ended from another connection (`pg_terminate_backend`), and counts until
//! it is gone.
//!
//! A connection that may not any more what it could before (read-only, a right or a role that is gone)
//! gives way to a new one, and the same is asked there once. What the server did not do and says so, a
//! conflict on a standby or a deadlock, is asked again. One row that cannot be read is an error for its
//! visitor alone.
//!
//! What writes is sent once: a request that does not know whether it was stored gets a 503, never a
//! page that says so.
//!
//! ## Poolers
//!
//! Behind PgBouncer in transaction mode, set
//! [`prepared_statements`](crate::DjangoSettings::prepared_statements) to `false`. A pooler that was not
//! announced is noticed, and the log says so once. Connections are shared with others there, and no
//! setting of one's own can be left on them: queries are planned anew each time, and what ends a query
//! that waits for a lock is PgBouncer's `query_timeout`, or `ALTER ROLE .. SET statement_timeout`. Without
//! either, at most `max_connections` are left waiting at a locked table every twenty `timeout`s.
//!
//! ## Behind caches
//!
//! Every answer that passed a middleware, rejections and errors included, carries one `Vary` header with
//! `Cookie` in it. Without it a shared cache would hand one visitor's page to another.
