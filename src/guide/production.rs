//! # In production
//!
//! ## Rights
//!
//! The database role of the service needs these rights and no others. `check()` checks each of them at start-up, and
//! prints the missing ones as statements to paste:
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
//! If you have a user model, a session table or a schema of your own, use their names instead:
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
//! Rotate in two steps. Each side can then read what the other side signs, at every moment:
//!
//! 1. Add the **new** key to `SECRET_KEY_FALLBACKS` on both sides, and restart both.
//! 2. Swap the keys: the new key is `SECRET_KEY`, the old key is a fallback. Restart both sides.
//!
//! Export the settings again at each step, because the service refuses to start with a key that is not in the file. A
//! service that only reads can take both steps at once, before Django does.
//!
//! Sessions that the old key signed stay valid. [`Event::FallbackKey`](crate::Event) counts how often a fallback key was
//! needed. When the count has been zero for as long as `SESSION_COOKIE_AGE`, remove the old key.
//!
//! ## Counters
//!
//! [`DjangoSite::on_event`](crate::DjangoSite::on_event) calls your function at every [`Event`](crate::Event):
//!
//! ```
//! use std::sync::atomic::{AtomicU64, Ordering};
//!
//! use actix_django_session::{DjangoSite, Event};
//!
//! static OUTAGES: AtomicU64 = AtomicU64::new(0);
//!
//! /// Call this before you make middlewares of the site.
//! fn counted(site: DjangoSite) -> DjangoSite {
//!     site.on_event(|event| {
//!         if event == Event::Outage {
//!             OUTAGES.fetch_add(1, Ordering::Relaxed);
//!         }
//!     })
//! }
//!
//! /// A page for Prometheus. Do not expose it to the outside.
//! async fn metrics() -> String {
//!     format!("django_outages_total {}\n", OUTAGES.load(Ordering::Relaxed))
//! }
//! ```
//!
//! `examples/metrics.rs` counts all events, by reason, middleware and backend. Set alerts on these:
//!
//! | when | it means |
//! |---|---|
//! | `outage` is above zero for a minute | visitors get 503s |
//! | `undecodable` rises after a deployment | the secret keys of the two sides differ |
//! | `rejected` with the reason `backend_not_listed` rises | a backend of the site is missing in the settings |
//! | `fallback_key` stays high | the old key is still in use |
//! | `rejected` with the reason `form_timeout` or `too_many_forms` rises | slow uploads, or an attack with them: see [the bounds](super::forms#a-form-with-a-file) |
//! | `rejected` with the reason `csrf_failed` rises | a form without a token, or a proxy that changes `Host` |
//!
//! ## Log lines
//!
//! Log lines go through `tracing`, with constant messages and facts in fields. `tracing_subscriber::fmt::init()` shows
//! the levels `info` and above. The variable `RUST_LOG` changes that: `actix_django_session=debug` also shows each
//! rejected request, with its reason.
//!
//! No log line contains a session key, session data, a CSRF secret or a password, not even at the level `trace`. The log
//! of tokio-postgres does not show the parameters of queries either. From PostgreSQL's errors, the log has severity, code
//! and message. Details, and messages that may quote a value, are only in PostgreSQL's own log.
//!
//! | level | message | when | fields |
//! |---|---|---|---|
//! | debug | `request rejected` | a middleware or an extractor rejects a request | `reason`, `middleware` |
//! | warn | `CSRF check failed` | a request gets a 403 | `reason`: Django's text; `path`; for `Origin` and `Referer`: `came`, `expected` |
//! | warn | `no key opens the session data: is this Django's SECRET_KEY?` | the signature fits no key; at most once a minute, like the next three | `unlogged`: how many there were since the last line |
//! | warn | `session data cannot be decoded` | the signature is right, and the data is not JSON | `error`, `unlogged` |
//! | warn | `the backend of a session is not in AUTHENTICATION_BACKENDS` | its user logged in by that backend, and is rejected | `backend`, `unlogged` |
//! | warn | `the user id in a session is not a valid primary key` | it cannot be a primary key of the user table | `column`, `kind`, `unlogged` |
//! | warn | `a setting may be wrong` | `check()`, once for each warning in its report | `warning` |
//! | warn | `` a middleware was made after check() and needs what that has not looked at: make the middlewares first, before `HttpServer::new` `` | once for each of users, permissions and groups | `not_looked_at` |
//! | info | `settings checked against the database` | at the end of `check()` | tables, key type, cookie name, how many keys and backends |
//! | warn | `the encoding of a password cannot be read` | a user tries to log in with it | |
//! | warn | `` there is a pooler in front of the database: going on without prepared statements, as without `DjangoSettings::prepared_statements` `` | once a site | |
//! | warn | `` prepared statements keep getting lost, as behind a pooler in transaction mode: going on without them, as without `DjangoSettings::prepared_statements` `` | once a site | |
//! | error | `the on_session_change hook failed for a session that has a new key` | `on_session_change` failed after a login or a `cycle_key`; the visitor has the new cookie | `error` |
//! | error | `a CSRF secret cannot be kept in the session` | `CSRF_USE_SESSIONS`, and a session too large to be read | `error` |
//! | error | `messages were not kept in the session` | the session could not be changed | `error` |
//! | error | `the session's messages cannot be read` | the session could not be read; the page shows none | `error` |
//! | warn | `messages do not fit into their cookie` | the oldest are lost | `lost`: how many |
//! | warn | `the messages cookie is signed by the site, but contains no messages` | the site has another serializer | |
//! | warn | `the session's entry for messages contains no messages` | other code wrote their key | |
//! | error | `a session was changed after its answer was sent: that is not stored` | by a task that a handler left running | |
//! | error | `a flushed session could not be deleted` | the request was cut off or failed, and the database was unavailable | `error` |
//! | error | `login_url_for returned no URL` | your function returned text that cannot stand in a header; a 500 | `path` |
//! | error | `a cookie cannot stand in a header` | because of the domain or path in the settings; it is not sent | `cookie` |
//! | warn | `a session cannot be extended` | `SESSION_SAVE_EVERY_REQUEST` failed; the visitor gets the response all the same | `error` |
//! | error | `session database unavailable` | a request got a 503, or a session was not extended; at most one line a second | `error` with all causes, `unlogged`: how many there were since the last line |
//! | warn | `too many logins at once` | a login got a 503; at most one line a second | `error`, `unlogged` |
//! | warn | `a form was not read` | a 408, a 413 or a 503, see [the bounds](super::forms#a-form-with-a-file); at most one line a second | `error`: the bound, `unlogged` |
//! | error | `middleware missing` | an extractor on a route without a middleware | `error`, `path` |
//! | error | `request failed` | a mistake in a handler or in the settings, or an error that a handler returned, once; or the temporary file of a form cannot be written | `error` |
//!
//! These queries run in spans (debug): `visit lookup` (session and user at once), `session lookup`, `user lookup`,
//! `session write`, `session slide` and `user write`.
//!
//! ## When the database is unavailable
//!
//! A request that needs the database gets a 503 with `Retry-After`. It never gets the page for anonymous visitors, and
//! never the page of another user. Requests without a session cookie work as usual.
//!
//! ### Time
//!
//! One request waits at most one [`timeout`](crate::DjangoSettings::timeout) for all that it reads (session, user,
//! permissions), and at most one more for all that it writes.
//!
//! If a connection does not answer within 8 times its usual latency, a query that reads is also sent on a second
//! connection, and the first answer counts. With the default `timeout` it waits for 125 milliseconds to one second
//! before that. In general the wait is between `max(100 ms, timeout / 40)` and `min(1 s, timeout / 4)`; where answers
//! usually take long, it is twice their latency, up to `timeout / 2`. So a failover costs no error once the new server
//! answers, even if all connections died at once. A connection that died silently delays the next visitor by no more
//! than this wait.
//!
//! A query that writes is sent once. If the request does not know whether its data was stored, the response is a 503,
//! never a page that says that it was.
//!
//! | what happens | what the site does |
//! |---|---|
//! | the server reports that it did not execute a query (a deadlock, a conflict on a standby) | repeats the query |
//! | a connection lost its rights or its role, or became read-only | opens a new connection, and repeats the query there once |
//! | one row cannot be read | answers its visitor alone with the error |
//! | no visitor waits for a query any more | lets PostgreSQL end it: `statement_timeout` and `lock_timeout` are set on the connections of the site alone |
//! | no timeout ends a query, such as a commit that waits for a synchronous standby | ends it from another connection (`pg_terminate_backend`), and counts the connection until it is gone |
//!
//! [`max_connections`](super::start#the-sites-own-connections) bounds all these connections.
//!
//! ### Several hosts
//!
//! If the URL of the pool has several hosts, `connect_timeout` bounds the time to reach each, and
//! `target_session_attrs=read-write` skips a primary that was demoted. Neither helps against a host that accepts
//! connections and then does not answer: `load_balance_hosts=random` lets the next attempt try another host first.
//!
//! ## Poolers
//!
//! Behind PgBouncer in transaction mode, set [`prepared_statements`](crate::DjangoSettings::prepared_statements) to
//! `false`. If you do not, the site notices the pooler, and the log says so once. There the site shares its connections
//! with other clients, and cannot set anything on them. Therefore PostgreSQL plans every query again, and only PgBouncer's
//! `query_timeout` or `ALTER ROLE .. SET statement_timeout` ends a query that waits for a lock. Without either, a locked
//! table can leave up to `max_connections` queries waiting every twenty `timeout`s.
//!
//! ## Slow forms
//!
//! [The bounds on forms](super::forms#a-form-with-a-file) count for all clients together. A client that sends many slow
//! forms can use them up; until its forms reach the [`form_timeout`](crate::DjangoSettings::form_timeout), forms of other
//! clients get a 503 with `Retry-After`. The service has no share for each client: behind a proxy all connections come
//! from one address, and a header with another address is only as true as the proxy that sets it.
//!
//! The proxy knows its clients, so let it do both: wait for slow forms, and give each client a share. nginx waits unless
//! you turn `proxy_request_buffering` off. This is `docs/deployment/forms.conf`:
//!
//! ```nginx
#![doc = include_str!("../../docs/deployment/forms.conf")]
//! ```
//!
//! A service that clients reach without a proxy needs a shorter `form_timeout`, or its own limit of connections for each
//! address.
//!
//! ## Behind caches
//!
//! Every response that passed a middleware, also a rejection or an error, has one `Vary` header with `Cookie` in it.
//! Without that header, a shared cache would give the page of one visitor to another. A redirect to a login page in the
//! visitor's language also has `Accept-Language` there, as with Django's `LocaleMiddleware`.
