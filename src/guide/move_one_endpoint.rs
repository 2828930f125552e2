//! # Move one endpoint
//!
//! Pick a view that gets many requests, reads much and writes little. This chapter moves one. At every step you can go
//! back.
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
//! This is `examples/orders.rs`. A handler gets from [`web::Data`](actix_web::web::Data) what `app_data` registered, here
//! the pool.
//!
//! ```no_run
#![doc = include_str!("../../examples/orders.rs")]
//! ```
//!
//! | Django | here |
//! |---|---|
//! | `@login_required` | [`login_required`](crate::DjangoSessionMiddleware::login_required): the same redirect, with the same `next` |
//! | `@permission_required(.., raise_exception=True)` | [`permission_required`](crate::DjangoSessionMiddleware::permission_required): anonymous visitors log in first, users without the permission get a 403 |
//! | `@staff_member_required` | [`staff_required`](crate::DjangoSessionMiddleware::staff_required) |
//! | `request.user` | [`DjangoUser`](crate::DjangoUser), or [`OptionalDjangoUser`](crate::OptionalDjangoUser) where the visitor may be anonymous |
//! | `request.session` | [`DjangoSession`](crate::DjangoSession) to read |
//! | `request.user.pk` | [`DjangoUser::parse_id`](crate::DjangoUser::parse_id) |
//! | a view that only reads, and does not use `request.user` or `request.session` | no middleware |
//! | a view that accepts forms from anonymous visitors | [`optional`](crate::DjangoSessionMiddleware::optional), which checks them for CSRF |
//!
//! ## The address
//!
//! Both sides have to be behind one host, because a browser sends the session cookie only to the host that set it. A
//! proxy in front sends the moved path to Rust, and every other path to Django:
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
//!     proxy_set_header X-Forwarded-Proto $scheme;      # behind another proxy: pass on its header
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
//! A path with a slash at its end and one without are two paths. Django redirects the second to the first
//! (`APPEND_SLASH`). nginx does the same for a `location` with `proxy_pass` whose path ends with a slash. Methods that
//! you did not move stay with Django, by `limit_except` as above.
//!
//! The demo (`cargo run --example demo`) needs no nginx: `examples/demo/proxy.rs` is an actix service that answers its
//! own paths and passes all others on.
//!
//! Tell the service what the proxy does to a request, with Django's settings: `USE_X_FORWARDED_HOST`,
//! `SECURE_PROXY_SSL_HEADER` and the like. The [exported settings](crate::guide::start) contain them all.
//!
//! ## Compare before you switch
//!
//! `examples/compare.rs` sends the same request with the same cookie to both sides, and prints where status, headers or
//! JSON differ. Run it, in a checkout of this crate, before you send visitors to the new handler:
//!
//! ```sh
//! # cookie.txt: "sessionid=..", from the developer tools of a browser that is logged in
//! COOKIE_FILE=cookie.txt HOST=www.example.com PROTO=https cargo example compare -- \
//!     http://127.0.0.1:8000 http://127.0.0.1:8080 < paths.txt
//! ```
//!
//! `paths.txt` has one path per line, or is an access log: `grep 'GET /api/orders/' access.log`. JSON is compared by
//! value, so spaces and the order of keys do not count. Run it four times, with the cookie of:
//!
//! - a user who has the permission
//! - a user who lacks it
//! - a user who has logged out
//! - no user: without a cookie
//!
//! It should print no difference. Headers that middleware of the site adds have to be added in the proxy or here. A new
//! Django site adds these; a content security policy may come on top:
//!
//! ```
//! use actix_web::middleware::DefaultHeaders;
//!
//! /// For `.wrap(..)` around everything that moved.
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
//! Let nginx send a copy of each GET to Rust for a day. Django answers the visitors; the answers of Rust are dropped.
//! Give the role of that service `SELECT` and no other right, and leave
//! [`write_sessions`](crate::DjangoSettings::write_sessions) off: whatever it would write or set as a cookie would be
//! lost. This is `docs/deployment/mirror.conf`:
//!
//! ```nginx
#![doc = include_str!("../../docs/deployment/mirror.conf")]
//! ```
//!
//! Both answers to a request have the same id in `sides.log`. This command prints the requests whose status differs:
//!
//! ```sh
//! awk '$3 ~ /^[0-9]+$/ { s[$1,$2] = $3; d = s[$1,"django"]; r = s[$1,"rust"]; if (d && r && d != r) print $4, $5, d, r }' /var/log/nginx/sides.log
//! ```
//!
//! nginx waits for the copy before it takes the next request of the same connection, so the timeouts are short. To compare
//! the bodies too, give the log of a quiet hour to `compare`.
//!
//! ## The way back
//!
//! Delete the `location` and reload the proxy. You have to undo nothing else: Django's view is still there, the sessions
//! are Django's, and no visitor is logged out. Remove the view when the handler has been right for as long as you keep
//! logs.
