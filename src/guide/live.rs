//! # WebSockets and streams
//!
//! The middleware checks a request once, when the request arrives. A WebSocket or a stream then stays open for hours.
//! Meanwhile the visitor may log out, be deactivated or change the password. So check again:
//! [`DjangoSite::revalidate`](crate::DjangoSite::revalidate) says whether the session is still valid for its user. It is
//! cheap enough for a timer, because all open connections of a worker share one query.
//!
//! ```
//! use std::time::Duration;
//!
//! use actix_django_session::{DjangoSession, DjangoUser, DjangoSite};
//! use actix_web::{HttpResponse, rt::time::interval, web};
//! use futures_util::stream::unfold;
//!
//! /// Server-sent events, for as long as the login lasts.
//! async fn events(
//!     user: DjangoUser,
//!     session: DjangoSession,
//!     site: DjangoSite,
//! ) -> HttpResponse {
//!     let timer = interval(Duration::from_secs(1));
//!     let stream = unfold((timer, session, user, site), |(mut timer, session, user, site)| async move {
//!         timer.tick().await;
//!         let user = site.revalidate(&session, &user).await.ok()?; // logged out: the stream ends
//!         let event = web::Bytes::from(format!("data: hello, {}\n\n", user.username()));
//!         Some((Ok::<_, actix_web::Error>(event), (timer, session, user, site)))
//!     });
//!     HttpResponse::Ok().content_type("text/event-stream").streaming(stream)
//! }
//! ```
//!
//! | an error of `revalidate` | means |
//! |---|---|
//! | [`wants_login`](crate::Error::wants_login) | logged out, expired, deactivated, or password changed: close the connection, with a close code that your client takes for "log in again" (the example uses 1008) |
//! | [`Error::Unavailable`](crate::Error::Unavailable) | the database is unavailable, and the user may still be logged in: close the connection (the example uses 1013, "try again later"), or try again a few times |
//!
//! `examples/websocket.rs` has a WebSocket and a stream that end within two seconds after logout.
//!
//! ## The handshake
//!
//! A browser opens a WebSocket with a `GET`, from any page, and sends the cookie. So the middleware checks the `Origin`
//! of a handshake as it does for a form: a page of another site gets a 403. A page of this site also gets a 403 if its
//! host is not in [`allowed_hosts`](crate::DjangoSettings::allowed_hosts). A handshake without `Origin` does not come
//! from a browser, and passes.
//!
//! Behind nginx, WebSockets need a `location` of their own. This one also passes on the events of a stream at once:
//!
//! ```nginx
//! location /live/ {
//!     proxy_pass http://rust;
//!     proxy_set_header Upgrade $http_upgrade;
//!     proxy_set_header Connection upgrade;
//!     proxy_set_header Host $http_host;             # a `proxy_set_header` here replaces all of the server's
//!     proxy_set_header X-Forwarded-Proto $scheme;
//!     proxy_buffering off;
//!     proxy_read_timeout 1h;
//! }
//! ```
//!
//! ## When the process ends
//!
//! actix-web waits for open connections, and then closes them: see [Deployment](super::deployment#shutdown). The example
//! closes all WebSockets and streams at SIGTERM, with the code 1001.
//!
//! ## Sliding expiry
//!
//! An open WebSocket or stream does not extend the session. If it should (`SESSION_SAVE_EVERY_REQUEST`), let the page
//! send a small request every few minutes.
