//! # Deployment
//!
//! ## Health
//!
//! | route | asks | who looks at it |
//! |---|---|---|
//! | `/health/live` | nothing: the process answers | what restarts it; a restart does not bring a database back |
//! | `/health/ready` | [`DjangoSite::ping`](crate::DjangoSite::ping): one query, within the [`timeout`](crate::DjangoSettings::timeout) | what waits for a new process before it stops the old one |
//!
//! `examples/health.rs` has both. Let no proxy take a service out because it is not ready: when the database
//! is away, all are not ready, and visitors get the proxy's error in place of the 503 with
//! `Retry-After` and of the pages that need no session. Give the check a longer timeout than the
//! `timeout`, and do not pass the routes on to the outside.
//!
//! [`check`](crate::DjangoSite::check) is for the start: it asks more, and says more.
//!
//! ## Shutdown
//!
//! At SIGTERM actix-web accepts no more connections, and waits for what is open as long as the
//! [`shutdown_timeout`](actix_web::HttpServer::shutdown_timeout) says: 30 seconds if nothing is said. Set
//! it to less than the process is given before SIGKILL (10 seconds by Docker, 30 by Kubernetes):
//!
//! ```
//! # use actix_web::{App, HttpServer};
//! # fn f() {
//! HttpServer::new(App::new).shutdown_timeout(5)
//! # ;
//! # }
//! ```
//!
//! Requests end by themselves. WebSockets and streams do not: `examples/websocket.rs` listens to SIGTERM
//! itself, closes them with the code 1001 ("going away"), and is gone at once. Let your client come back
//! after a 1001 at a random moment within some seconds, so that not all come at once.
//!
//! A log-in or a change of a session is stored before its answer is sent. So a request that was cut
//! off may have been stored, and one that was answered is.
//!
//! ## A container
//!
//! `docs/deployment/Dockerfile`:
//!
//! ```dockerfile
#![doc = include_str!("../../docs/deployment/Dockerfile")]
//! ```
//!
//! `docs/deployment/compose.yaml`. `django-settings.json` is what [the export](super::start#the-settings) printed:
//! make it again whenever settings of the site change. Keys and passwords are in neither image.
//!
//! ```yaml
#![doc = include_str!("../../docs/deployment/compose.yaml")]
//! ```
//!
//! ## Connections
//!
//! PostgreSQL takes 100 connections unless its `max_connections` says otherwise, and keeps 3 of them for
//! superusers. All of this has to fit at once:
//!
//! ```text
//! processes * (max_connections of the site + max_size of your pool)
//!   + Django's + administration  <=  max_connections of PostgreSQL - 3
//! ```
//!
//! | what | connections |
//! |---|---|
//! | processes | the instances of the service, and those that a deployment starts before it stops the old ones |
//! | [`max_connections`](crate::DjangoSettings::max_connections) of the site | all [its own](super::start#the-sites-own-connections) of one process, whatever the number of workers: 32 |
//! | `max_size` of your pool | for the queries of your handlers: twice the processors. 0 if you give the pool to the site alone: it takes none of them |
//! | Django's | gunicorn's `--workers` times `--threads`, for each machine (with `CONN_MAX_AGE` or without), or its pool's `max_size` |
//! | administration | migrations, backups, monitoring, a shell: some 10 |
//!
//! With N workers ([`HttpServer::workers`](actix_web::HttpServer::workers), one for each processor by default)
//! the site uses up to 2 N connections where it reads, and up to 4 N where it also writes. Give it as many,
//! or fewer: workers share what there is, each request is answered, and requests that come together take longer.
//!
//! Two instances with 4 workers each, replaced one at a time, beside a Django of 12: with
//! `max_connections = 16` and a `max_size` of 8 it is (2 + 1) * (16 + 8) + 12 + 10 = 94, which fits into 97.
//! With the default of 32 it would be 142.
//!
//! Through PgBouncer, those of the service are clients: `max_client_conn` (100) takes the place of PostgreSQL's
//! `max_connections` in the formula. Towards PostgreSQL there are `default_pool_size` (20) for each pair of
//! database and role. In transaction mode set
//! [`prepared_statements = false`](crate::DjangoSettings::prepared_statements), and see
//! [Poolers](super::production#poolers).
//!
//! `?application_name=orders` in the URL of the database names them in `pg_stat_activity`:
//!
//! ```sql
//! SELECT application_name, state, count(*) FROM pg_stat_activity GROUP BY 1, 2;
//! ```
//!
//! ### Passwords that are renewed
//!
//! RDS IAM and Cloud SQL give tokens that live for minutes, Vault gives roles that live for hours.
//! `Manager::from_connect` of deadpool-postgres takes code of yours that connects, and the site uses it for
//! its own connections: `examples/password_file.rs` reads the password whenever a connection is made. One
//! that is open stays so when a token ends. With a role that ends, its connections have to end, too: what
//! drops the role ends them, and the next request connects anew.
//!
//! ## Timeouts
//!
//! Each of these has to be longer than the one before it, so that an answer is there before somebody
//! stops waiting for it:
//!
//! | | default |
//! |---|---|
//! | [`timeout`](crate::DjangoSettings::timeout): a request waits for what it reads, and once more for what it writes | 5 s |
//! | your handler's own queries and calls | none: give them one |
//! | the proxy's for this service (`proxy_read_timeout` of nginx) | 60 s |
//! | the load balancer's | 60 s for AWS |
//!
//! So the proxy's has to be longer than twice the `timeout` and what the handler itself takes: otherwise
//! visitors get the proxy's 504 in place of the 503 with `Retry-After`, and a form that was stored looks as if
//! it was not. The `shutdown_timeout` has to be longer than that, too, and `stop_grace_period` or
//! `terminationGracePeriodSeconds` longer than the `shutdown_timeout`. Behind PgBouncer set `query_timeout`
//! and `query_wait_timeout` to the `timeout`: what waits there for longer has nobody who waits for it.
//!
//! Connections that the proxy keeps open must end there first, or it meets some that were just closed: set
//! [`keep_alive`](actix_web::HttpServer::keep_alive) to more than nginx's `keepalive_timeout` for
//! the upstream (60 s): actix-web's 5 s are less. `proxy_next_upstream` tries a GET again elsewhere.
//!
//! ## Dashboards
//!
//! Graphs of [`Event`](crate::Event)s, as `examples/metrics.rs` counts them; what to alert on stands
//! [under Counters](super::production#counters). All are rates of one counter,
//! `rate(django_sessions_total{event="..."}[5m])`:
//!
//! | graph | `event` | by |
//! |---|---|---|
//! | how many visitors came with a session | `session_found`, beside `session_lookup` | |
//! | how many are logged in | `user_found`, beside `user_lookup` | `backend` |
//! | how many are turned away | `rejected` | `reason`, `middleware` |
//! | what costs | `password_hashed`, `session_lookup`, `user_lookup` | |
//! | what is wrong | `outage`, `undecodable`, `fallback_key` | |
//!
//! Beside them belong latency and status of each path (from the proxy's log), and the connections of
//! `pg_stat_activity` by `application_name`.
//!
//! Of the log, alert on each line of level `error`, and on `no key opens the session data` and `the backend of
//! a session is not among ..`: both mean that visitors of Django are strangers here.
//!
//! ## Standbys
//!
//! Sessions are read from the server that Django writes to. A standby is behind it: a visitor who just
//! logged in would be nobody there, and one who just logged out somebody, for as long as it lags. If both
//! are acceptable on some paths, give those a [`DjangoSite`](crate::DjangoSite) of their own that writes no
//! sessions. For a failover, name both servers and ask for the one that takes writes:
//! `postgres://rust@one,two/site?target_session_attrs=read-write`.
//!
//! ## Migrations of the user table
//!
//! Each query names the columns it reads. New columns, indexes, other lengths and dropped columns that are
//! not read cost no request. Do what concerns a column that is read (of [`UserModel`](crate::UserModel),
//! the ones in [`columns`](crate::UserModel::columns) included) in steps:
//!
//! | to | order |
//! |---|---|
//! | add one, and read it | migrate; start the service with the new `columns` |
//! | drop one | start the service without it; migrate |
//! | rename one | add the new one and fill it; start both sides with it; drop the old one |
//!
//! `ALTER TABLE` needs the table for itself for a moment. While it waits behind a long transaction,
//! everybody else waits behind it, Django's visitors too: here they get a 503 after the `timeout`,
//! while pages that need no user go on. So let migrations give up early, and try again:
//!
//! ```python
//! # settings.py of the process that migrates
//! DATABASES["default"].setdefault("OPTIONS", {})["options"] = "-c lock_timeout=2s"
//! ```
//!
//! ## Rotating the key
//!
//! The [two steps](super::production#rotating-the-key) log nobody out, also while processes with the old
//! settings and with the new ones answer side by side. The third, to drop the old key, logs out whom
//! `fallback_key` still counts.
//!
//! ## Roll-back
//!
//! | of | how |
//! |---|---|
//! | a path | delete its `location`, reload nginx: Django's view answers, and nobody is logged out |
//! | a version of the service | start the one before: it reads the sessions of this one, as Django does |
//! | a rotated key | swap the two keys back, keep both: neither is dropped until the rotation is over |
//! | a migration | the steps above, backwards |
//!
//! ## Something that knows nothing of Django
//!
//! nginx can ask a handler of this service who it is before it serves files, or passes a request on to
//! something else:
//!
//! ```
//! use actix_django_session::DjangoUser;
//! use actix_web::HttpResponse;
//!
//! /// Behind `login_required(site).respond_401()`: a 401 where a page would be a redirect.
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
//! Browsers that keep no cookies of third parties keep partitioned ones (`Partitioned`, with `Secure` and
//! `SameSite=None`: `SESSION_COOKIE_SECURE`, `SESSION_COOKIE_SAMESITE` and those of CSRF). Django has no
//! setting for that, so this crate has none: let the proxy add it to the cookies of both sides.
//! `docs/deployment/partitioned.conf`:
//!
//! ```nginx
#![doc = include_str!("../../docs/deployment/partitioned.conf")]
//! ```
