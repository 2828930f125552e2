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
//! `max_connections` of PostgreSQL has to be enough for all of this at once:
//!
//! | what | connections |
//! |---|---|
//! | the site | [its own](super::start#the-sites-own-connections), for each process; while a new version starts beside the old one, twice |
//! | your pool | its `max_size`, for each process |
//! | Django | one for each worker and thread (`CONN_MAX_AGE`), or its pool's |
//! | administration | `superuser_reserved_connections`, migrations, backups, monitoring |
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
//! | the proxy's for this service (`proxy_read_timeout` of nginx) | 60 s |
//! | the load balancer's | 60 s for AWS |
//!
//! So the proxy's has to be longer than twice the `timeout` and what the handler itself takes.
//! Connections that the proxy keeps open must end there first, or it meets some that were just closed: set
//! [`keep_alive`](actix_web::HttpServer::keep_alive) to more than nginx's `keepalive_timeout` for
//! the upstream (60 s): actix-web's 5 s are less. `proxy_next_upstream` tries a GET again elsewhere.
//!
//! ## Dashboards
//!
//! Four graphs of [`Event`](crate::Event)s, as `examples/metrics.rs` has them; what to alert on stands
//! [under Counters](super::production#counters):
//!
//! | graph | of |
//! |---|---|
//! | how many are recognised | `user_found` by `backend`, beside `session_lookup` |
//! | how many are turned away | `rejected` by `reason` and `middleware` |
//! | what costs | `password_hashed`, `user_lookup` |
//! | what is wrong | `outage`, `undecodable`, `fallback_key` |
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
//! /// Behind `login_required(site).unauthorized()`: a 401 where a page would be a redirect.
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
