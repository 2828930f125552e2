//! # Deployment
//!
//! ## Health
//!
//! | route | what it checks | who uses it |
//! |---|---|---|
//! | `/health/live` | nothing: it shows that the process answers | the supervisor that restarts the process; a restart does not repair a database |
//! | `/health/ready` | [`DjangoSite::ping`](crate::DjangoSite::ping): one query, within the [`timeout`](crate::DjangoSettings::timeout) | the deployment, which waits for a new process before it stops the old one |
//!
//! `examples/health.rs` has both.
//!
//! - Do not let the proxy take a service out because it is not ready. If the database is unavailable, no process is
//!   ready, and visitors would get the proxy's error in place of the 503 with `Retry-After`, also on pages that need no
//!   session.
//! - Give the check a longer timeout than the `timeout`.
//! - Do not expose these routes to the outside.
//!
//! [`check`](crate::DjangoSite::check) is for start-up: it runs more queries, and reports more.
//!
//! ## Shutdown
//!
//! At SIGTERM, actix-web accepts no more connections. It waits for the open ones for the
//! [`shutdown_timeout`](actix_web::HttpServer::shutdown_timeout), 30 seconds by default. Set it to less than the time that
//! the process gets before SIGKILL (10 seconds with Docker, 30 with Kubernetes):
//!
//! ```
//! # use actix_web::{App, HttpServer};
//! # fn f() {
//! HttpServer::new(App::new).shutdown_timeout(5)
//! # ;
//! # }
//! ```
//!
//! Requests end by themselves. WebSockets and streams do not. `examples/websocket.rs` listens to SIGTERM itself, and
//! closes them with the code 1001 ("going away"), so the process ends at once. After a 1001, let the client reconnect at a
//! random moment within some seconds, so that not all clients come at once.
//!
//! A login or a change of a session is stored before its response is sent. So if a visitor got the response, the change
//! is stored. If the request was cut off, the change may be stored.
//!
//! ## A container
//!
//! A service in a container listens on `0.0.0.0`: `examples/whoami.rs` reads `BIND`, `DATABASE_URL` and `DJANGO_SETTINGS`.
//! `docs/deployment/Dockerfile`, for a package named `service`:
//!
//! ```dockerfile
#![doc = include_str!("../../docs/deployment/Dockerfile")]
//! ```
//!
//! `docs/deployment/compose.yaml`. `django-settings.json` is [the exported file](super::start#the-settings): export it again
//! whenever settings of the site change. The roles `django` and `rust` need [rights](super::production#rights). Neither
//! image contains keys or passwords.
//!
//! ```yaml
#![doc = include_str!("../../docs/deployment/compose.yaml")]
//! ```
//!
//! CI checks the syntax of both files. It has no container engine, so it builds no image.
//!
//! ## Connections
//!
//! PostgreSQL accepts 100 connections unless its `max_connections` says otherwise, and reserves 3 of them for superusers.
//! All of these have to fit at the same time:
//!
//! ```text
//! processes * (max_connections of the site + max_size of your pool)
//!   + Django's + administration  <=  max_connections of PostgreSQL - 3
//! ```
//!
//! | what | connections |
//! |---|---|
//! | processes | the instances of the service, and the new ones that a deployment starts before it stops the old ones |
//! | [`max_connections`](crate::DjangoSettings::max_connections) of the site | [all connections of the site](super::start#the-sites-own-connections) in one process, for any number of workers: 32 by default |
//! | `max_size` of your pool | for the queries of your handlers: deadpool's default is twice the number of processors. Count 0 if only the site uses the pool, because the site takes no connection of it |
//! | Django's | gunicorn's `--workers` times `--threads`, for each machine, with or without `CONN_MAX_AGE`; or the `max_size` of Django's pool |
//! | administration | migrations, backups, monitoring, a shell: about 10 |
//!
//! With N workers ([`HttpServer::workers`](actix_web::HttpServer::workers), by default one for each processor), the site
//! uses up to 2 N connections to read, and up to 4 N if it also writes. Set `max_connections` to that number, or to less:
//! then workers share the connections, each request is answered, and simultaneous requests take longer.
//!
//! For example: two instances with 4 workers each are replaced one at a time, beside a Django with 12 connections. With
//! `max_connections = 16` and a `max_size` of 8, the sum is (2 + 1) * (16 + 8) + 12 + 10 = 94, which fits into 97. With
//! the default of 32 it would be 142.
//!
//! Behind PgBouncer, the connections of the service are clients of PgBouncer: `max_client_conn` (100) takes the place of
//! PostgreSQL's `max_connections` in the formula. PgBouncer opens `default_pool_size` (20) connections to PostgreSQL for
//! each pair of database and role. In transaction mode set
//! [`prepared_statements = false`](crate::DjangoSettings::prepared_statements), and see
//! [Poolers](super::production#poolers).
//!
//! `?application_name=orders` in the URL of the database names the connections in `pg_stat_activity`:
//!
//! ```sql
//! SELECT application_name, state, count(*) FROM pg_stat_activity GROUP BY 1, 2;
//! ```
//!
//! ### Passwords that are renewed
//!
//! RDS IAM and Cloud SQL issue tokens that are valid for minutes, and Vault issues roles that are valid for hours.
//! `Manager::from_connect` of deadpool-postgres takes code of yours that connects, and the site uses that code for its own
//! connections: `examples/password_file.rs` reads the password whenever it opens a connection. An open connection stays
//! open when its token expires. When a role expires, its connections have to end too: whatever drops the role has to end
//! them, and the next request opens new ones.
//!
//! ## Timeouts
//!
//! Each of these has to be longer than the one before it, so that the answer arrives before the next one stops waiting:
//!
//! | | default |
//! |---|---|
//! | [`timeout`](crate::DjangoSettings::timeout): for all that a request reads, and once more for all that it writes | 5 s |
//! | your handler's own queries and calls | none: give them one |
//! | the proxy's for this service (`proxy_read_timeout` of nginx) | 60 s |
//! | the load balancer's | 60 s for AWS |
//!
//! So the timeout of the proxy has to be longer than twice the `timeout` plus the time of the handler. Otherwise visitors
//! get the proxy's 504 in place of the 503 with `Retry-After`, and a form that was stored looks as if it was not. The
//! `shutdown_timeout` has to be longer than that too, and `stop_grace_period` or `terminationGracePeriodSeconds` longer
//! than the `shutdown_timeout`. Behind PgBouncer, set `query_timeout` and `query_wait_timeout` to the `timeout`: no
//! request waits longer than that.
//!
//! The proxy has to close idle connections before the service does; otherwise it sends requests into connections that
//! were just closed. Set [`keep_alive`](actix_web::HttpServer::keep_alive) to more than nginx's `keepalive_timeout` for the
//! upstream (60 s), because actix-web's default is 5 s. `proxy_next_upstream` repeats a GET elsewhere.
//!
//! ## Dashboards
//!
//! Draw graphs of [`Event`](crate::Event)s, as `examples/metrics.rs` counts them. For alerts, see
//! [Counters](super::production#counters). All graphs are rates of one counter,
//! `rate(django_sessions_total{event="..."}[5m])`:
//!
//! | graph | `event` | by |
//! |---|---|---|
//! | visitors with a session | `session_found`, beside `session_lookup` | |
//! | logged-in users | `user_found`, beside `user_lookup` | `backend` |
//! | rejected requests | `rejected` | `reason`, `middleware` |
//! | cost | `password_hashed`, `session_lookup`, `user_lookup` | |
//! | faults | `outage`, `undecodable`, `fallback_key` | |
//!
//! Add latency and status of each path, from the proxy's log, and the connections in `pg_stat_activity` by
//! `application_name`.
//!
//! Set alerts on log lines of the level `error`, and on the warnings `no key opens the session data` and `the backend of a
//! session is not among ..`. Both warnings mean that users of Django are anonymous here.
//!
//! ## Standbys
//!
//! Read sessions from the server that Django writes to. A standby lags behind: a user who has just logged in would be
//! anonymous there, and a user who has just logged out would still be logged in. If both are acceptable on some paths,
//! give those paths a [`DjangoSite`](crate::DjangoSite) of their own that writes no sessions. For a failover, name both
//! servers, and ask for the one that accepts writes:
//! `postgres://rust@one,two/site?target_session_attrs=read-write`.
//!
//! ## Migrations of the user table
//!
//! Each query names the columns that it reads. You can add columns, add indexes, change lengths, and drop columns that are
//! not read, and no request fails. If the service reads the column (the columns of [`UserModel`](crate::UserModel),
//! also those in [`columns`](crate::UserModel::columns)), change it in steps:
//!
//! | to | order |
//! |---|---|
//! | add a column and read it | migrate; start the service with the new `columns` |
//! | drop a column | start the service without it; migrate |
//! | rename a column | add the new one and fill it; start both sides with it; drop the old one |
//!
//! `ALTER TABLE` locks the table for a moment. While it waits for a long transaction, every other query waits behind it,
//! also Django's. Here visitors get a 503 after the `timeout`, and pages that need no user still work. So let migrations
//! give up early, and try again:
//!
//! ```python
//! # settings.py of the process that migrates
//! DATABASES["default"].setdefault("OPTIONS", {})["options"] = "-c lock_timeout=2s"
//! ```
//!
//! ## Rotating the key
//!
//! The [two steps](super::production#rotating-the-key) log no user out, also while processes with the old and with the new
//! settings run side by side. Removing the old key logs out the users whom `fallback_key` still counts.
//!
//! ## Roll-back
//!
//! | to roll back | do this |
//! |---|---|
//! | a path | delete its `location`, reload nginx: Django's view answers, and no user is logged out |
//! | a version of the service | start the previous one: it reads the sessions of the newer one, as Django does |
//! | a rotated key | swap the two keys back and keep both: remove neither until the rotation is over |
//! | a migration | take the steps above in reverse |
//!
//! ## Protect something that knows nothing of Django
//!
//! nginx can ask a handler of this service who the visitor is, before it serves files or passes a request on to another
//! service:
//!
//! ```
//! use actix_django_session::DjangoUser;
//! use actix_web::HttpResponse;
//!
//! /// Behind `login_required(site).respond_401()`: anonymous visitors get a 401, not a redirect.
//! async fn who(user: DjangoUser) -> HttpResponse {
//!     HttpResponse::NoContent().insert_header(("X-User-Id", user.id())).finish()
//! }
//! ```
//!
//! `docs/deployment/auth_request.conf`:
//!
//! ```nginx
#![doc = include_str!("../../docs/deployment/auth_request.conf")]
//! ```
//!
//! ## In frames of other sites
//!
//! Some browsers keep no cookies of third parties, but keep partitioned ones (`Partitioned`, with `Secure` and
//! `SameSite=None`: set `SESSION_COOKIE_SECURE`, `SESSION_COOKIE_SAMESITE` and those of CSRF). Django has no setting for
//! `Partitioned`, so this crate has none either: let the proxy add it to the cookies of both sides.
//! `docs/deployment/partitioned.conf`:
//!
//! ```nginx
#![doc = include_str!("../../docs/deployment/partitioned.conf")]
//! ```
