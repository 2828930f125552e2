//! # Move one endpoint
//!
//! Pick a view that is asked for often, reads much and writes little. This chapter moves one, and
//! leaves a way back at every step.
//!
//! ## The view
//!
//! ```python
//! # urls.py:  path("api/orders/", views.orders)
//! @login_required
//! @permission_required("shop.view_order", raise_exception=True)
//! def orders(request):
//!     rows = Order.objects.filter(customer=request.user.pk).order_by("-id")[:50]
//!     return JsonResponse({"orders": [{"id": o.id, "total": o.total} for o in rows]})
//! ```
//!
//! ## The handler
//!
//! ```no_run
//! use actix_django_session::{DjangoSessionMiddleware, DjangoUser, Error, DjangoSite};
//! use actix_web::{HttpResponse, error::ErrorServiceUnavailable, web};
//! use deadpool_postgres::Pool;
//! use serde_json::json;
//!
//! async fn orders(user: DjangoUser, pool: web::Data<Pool>) -> actix_web::Result<HttpResponse> {
//!     let customer: i32 = user.parse_id()?;
//!     let database = pool.get().await.map_err(ErrorServiceUnavailable)?;
//!     let sql = "SELECT id, total FROM shop_order WHERE customer_id = $1 ORDER BY id DESC LIMIT 50";
//!     let rows = database.query(sql, &[&customer]).await.map_err(ErrorServiceUnavailable)?;
//!     let orders: Vec<_> = rows
//!         .iter()
//!         .map(|row| json!({ "id": row.get::<_, i32>(0), "total": row.get::<_, i32>(1) }))
//!         .collect();
//!     Ok(HttpResponse::Ok().json(json!({ "orders": orders })))
//! }
//!
//! /// Called once, before `check()`; each worker gets a clone: `App::new().configure(routes.clone())`.
//! fn routes(sessions: DjangoSite) -> impl Fn(&mut web::ServiceConfig) + Clone + Send {
//!     let middleware = DjangoSessionMiddleware::login_required(sessions)
//!         .permission_required("shop.view_order");
//!     move |app| {
//!         let orders = web::resource("/api/orders/")
//!             .wrap(middleware.clone())
//!             .route(web::get().to(orders))
//!             .route(web::head().to(orders)); // Django answers HEAD as GET, without the body
//!         app.service(orders);
//!     }
//! }
//! ```
//!
//! | Django | here |
//! |---|---|
//! | `@login_required` | [`login_required`](crate::DjangoSessionMiddleware::login_required): the same redirect, with the same `next` |
//! | `@permission_required(.., raise_exception=True)` | [`permission_required`](crate::DjangoSessionMiddleware::permission_required): strangers log in first, others get a 403 |
//! | `@staff_member_required` | [`staff_required`](crate::DjangoSessionMiddleware::staff_required) |
//! | `request.user` | [`DjangoUser`](crate::DjangoUser), or [`OptionalDjangoUser`](crate::OptionalDjangoUser) where nobody may be there |
//! | `request.session` | [`DjangoSession`](crate::DjangoSession) to read |
//! | `request.user.pk` | [`DjangoUser::parse_id`](crate::DjangoUser::parse_id) |
//! | a view that only reads, and asks for nobody | no middleware |
//! | a view that takes forms from anybody | [`optional`](crate::DjangoSessionMiddleware::optional): it checks them for CSRF |
//!
//! ## The address
//!
//! Both sides have to be behind one host, because a browser sends the session cookie to the host
//! that set it. A proxy in front sends the moved path, and only that, to Rust:
//!
//! ```nginx
//! upstream django { server 127.0.0.1:8000; }
//! upstream rust   { server 127.0.0.1:8080; keepalive 32; }
//!
//! server {
//!     listen 443 ssl;
//!     server_name example.com;
//!     ssl_certificate     /etc/ssl/example.com.pem;
//!     ssl_certificate_key /etc/ssl/example.com.key;
//!
//!     proxy_http_version 1.1;
//!     proxy_set_header Connection "";
//!     proxy_set_header Host $http_host;                # with its port: CSRF checks compare it
//!     proxy_set_header X-Forwarded-Proto $scheme;      # behind another proxy: what that one says
//!     proxy_set_header X-Forwarded-For $remote_addr;
//!     # 127.0.0.1:8080 is not the port of the site: `DjangoSettings::server_port(443)`, or, with
//!     # USE_X_FORWARDED_PORT on both sides, this:
//!     # proxy_set_header X-Forwarded-Port $server_port;
//!
//!     location = /api/orders/ {
//!         limit_except GET { proxy_pass http://django; }   # what was not moved stays with Django
//!         proxy_pass http://rust;
//!     }
//!     location / { proxy_pass http://django; }
//! }
//! ```
//!
//! A path with its slash and one without are two paths: Django redirects the second to the first
//! (`APPEND_SLASH`), and so does nginx for a `location` with `proxy_pass` that ends in a slash.
//! Methods that were not moved stay with Django, in the proxy as above.
//!
//! The demo (`cargo run --example demo`) does the same without nginx: `examples/demo/proxy.rs` is an
//! actix service that answers its own paths and passes every other one on.
//!
//! Tell the site what the proxy does to the request, in the words of `settings.py`:
//! `USE_X_FORWARDED_HOST`, `SECURE_PROXY_SSL_HEADER` and their like. The
//! [exported settings](crate::guide::start) have them all.
//!
//! ## Compare before you switch
//!
//! Ask both sides the same with the same cookie, before any visitor is sent to the new one:
//!
//! ```sh
//! cookie="sessionid=..."            # from a browser that is logged in, out of its developer tools
//! ask() {                           # port, path: the body, the status and where it leads
//!     curl -s --connect-to "::127.0.0.1:$1" -b "$cookie" -H "X-Forwarded-Proto: https" \
//!         -w '\n%{http_code} %{redirect_url}\n' "http://example.com$2" |
//!         sed 's/\([,:]\) /\1/g'    # Django writes JSON with spaces
//! }
//! diff <(ask 8000 /api/orders/) <(ask 8080 /api/orders/)
//! ```
//!
//! Do so with the cookie of somebody who may, of somebody who may not, with one that was logged out
//! and with none: there should be no difference four times. Headers that middleware
//! of the site adds (`X-Frame-Options`, `Referrer-Policy`, a content security policy) are yours to
//! add in the proxy or with [`DefaultHeaders`](actix_web::middleware::DefaultHeaders).
//!
//! For a day of real visitors, let nginx send a copy of each request to Rust with
//! `mirror` and compare the counters: the answers of a mirror reach nobody. Mirror only what reads, to a
//! service that writes no sessions: a cookie that it sets is lost.
//!
//! ## The way back
//!
//! Delete the `location` and reload the proxy. Nothing else has to be undone: Django's view is still
//! there, the session was Django's all the time, and nobody is logged out. Remove the view when the
//! handler has been right for as long as you keep your logs.
