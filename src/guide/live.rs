//! # WebSockets and streams
//!
//! A middleware looks at a request once, when it comes. What it lets through may stay open for hours, and the
//! visitor may log out, be deactivated or change the password meanwhile. So ask again:
//! [`DjangoSite::revalidate`](crate::DjangoSite::revalidate) says whether the session that was handed
//! out still stands for its user. It is cheap enough for a timer: the questions of all that is open on
//! a worker go to the database together.
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
//! | [`wants_login`](crate::Error::wants_login) | logged out, expired, deactivated, another password: end it, with a close code that your client takes for "log in again" (the example: 1008) |
//! | [`Error::Unavailable`](crate::Error::Unavailable) | the database is away: end it (the example: 1013, "try again later"), or try again a few times; the user may still be logged in |
//!
//! `examples/websocket.rs` is a WebSocket and a stream that end within two seconds.
//!
//! ## The handshake
//!
//! A WebSocket is opened by a `GET`, and browsers open it from any page, with the cookie. So a middleware
//! looks at the `Origin` of a handshake as it does for a form: a page of another site gets a 403, and so does
//! a page of this one whose host is not in [`allowed_hosts`](crate::DjangoSettings::allowed_hosts). Without an
//! `Origin` it was no browser.
//!
//! Behind nginx, a `location` of its own lets it through, and lets events through at once:
//!
//! ```nginx
//! location /live/ {
//!     proxy_pass http://rust;
//!     proxy_set_header Upgrade $http_upgrade;
//!     proxy_set_header Connection upgrade;
//!     proxy_set_header Host $http_host;             # one of these here, and none of the server's count
//!     proxy_set_header X-Forwarded-Proto $scheme;
//!     proxy_buffering off;
//!     proxy_read_timeout 1h;
//! }
//! ```
//!
//! ## When the process ends
//!
//! actix-web waits for what is open, and then cuts it off: see [Deployment](super::deployment#shutdown). The
//! example closes all that is open at SIGTERM, with the code 1001.
//!
//! ## Sliding expiry
//!
//! Neither a WebSocket nor a stream extends a session while it is open. Where it should
//! (`SESSION_SAVE_EVERY_REQUEST`), let the page ask for something small every few minutes.
