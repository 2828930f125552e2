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
//! This is `examples/orders.rs`. A handler finds in [`web::Data`](actix_web::web::Data) what `app_data`
//! registered, here the pool.
//!
//! ```no_run
#![doc = include_str!("../../examples/orders.rs")]
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
//!     # 127.0.0.1:8080 is not the port of the site: `server_port = Some(443)` in the settings, or, with
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
//! `examples/compare.rs` asks both sides the same with the same cookie, and prints where status, headers
//! or JSON differ. Do so before any visitor is sent to the new one:
//!
//! ```sh
//! # cookie.txt: "sessionid=..", from the developer tools of a browser that is logged in
//! COOKIE_FILE=cookie.txt HOST=www.example.com PROTO=https cargo run --example compare -- \
//!     http://127.0.0.1:8000 http://127.0.0.1:8080 < paths.txt
//! ```
//!
//! `paths.txt` has a path a line, or is an access log: `grep 'GET /api/orders/' access.log`.
//! JSON is compared by value, so spaces and the order of keys do not count. Do it four times: with the
//! cookie of somebody who may, of somebody who may not, with one that was logged out, and without. There
//! should be no difference. Headers that middleware of the site adds are yours to add, in the proxy or here. A new
//! Django site has these; a content security policy comes on top:
//!
//! ```
//! use actix_web::middleware::DefaultHeaders;
//!
//! /// To `wrap` around all that moved.
//! fn headers_of_django() -> DefaultHeaders {
//!     DefaultHeaders::new()
//!         .add(("Cross-Origin-Opener-Policy", "same-origin"))
//!         .add(("Referrer-Policy", "same-origin"))
//!         .add(("X-Content-Type-Options", "nosniff"))
//!         .add(("X-Frame-Options", "DENY"))
//! }
//! ```
//!
//! ## Shadow traffic
//!
//! For a day of real visitors, let nginx send a copy of each GET to Rust. Django answers; what Rust
//! answers reaches nobody. The role of that service has `SELECT` and no other right, and
//! [`write_sessions`](crate::DjangoSettings::write_sessions) is off: what it would write, or set as a
//! cookie, is lost. This is `docs/deployment/mirror.conf`:
//!
//! ```nginx
#![doc = include_str!("../../docs/deployment/mirror.conf")]
//! ```
//!
//! Both answers to a request have one id in `sides.log`. This prints those whose status differs:
//!
//! ```sh
//! awk '$3 ~ /^[0-9]+$/ { s[$1,$2] = $3; d = s[$1,"django"]; r = s[$1,"rust"]; if (d && r && d != r) print $4, $5, d, r }' /var/log/nginx/sides.log
//! ```
//!
//! nginx waits for a copy before it takes the next request of the same connection: hence the short
//! timeouts. To compare what is in the answers too, give the log of a quiet hour to `compare`.
//!
//! ## The way back
//!
//! Delete the `location` and reload the proxy. Nothing else has to be undone: Django's view is still
//! there, the session was Django's all the time, and nobody is logged out. Remove the view when the
//! handler has been right for as long as you keep your logs.
