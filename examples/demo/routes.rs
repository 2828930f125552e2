//! The paths that Rust answers itself. Every other path is Django's.

use actix_django_session::{DjangoSessionMiddleware, DjangoSite, Error};
use actix_web::{
    HttpRequest, HttpResponse, Route, guard,
    http::StatusCode,
    web::{self, ServiceConfig, resource},
};

use super::{
    account::{change_password, log_in, log_in_page, log_out, password_page},
    compare::compare,
    home::{LETTERS, add_to_cart, dashboard, favicon, home, letters, me},
    html::refusal,
    live::live_page,
    websocket::{self, Shutdown},
};

/// Makes each middleware once. Every worker gets a clone.
pub(crate) fn routes(
    site: DjangoSite,
    shutdown: Shutdown,
) -> impl Fn(&mut ServiceConfig) + Clone + Send {
    let all = DjangoSessionMiddleware::optional(site.clone()).error_handler(refused);
    let users = DjangoSessionMiddleware::login_required(site.clone()).error_handler(refused);
    let readers = users.clone().permission_required(LETTERS);
    let api = DjangoSessionMiddleware::login_required(site.clone()).respond_401();
    let websocket = websocket::routes(site, shutdown);
    move |app| {
        app.service(resource("/").wrap(all.clone()).route(read().to(home)))
            .service(
                resource("/login/").wrap(all.clone()).route(read().to(log_in_page)).post(log_in),
            )
            .service(resource("/logout").wrap(all.clone()).post(log_out))
            .service(resource("/cart/add").wrap(all.clone()).post(add_to_cart))
            .service(resource("/dashboard").wrap(users.clone()).route(read().to(dashboard)))
            .service(
                resource("/password/")
                    .wrap(users.clone())
                    .route(read().to(password_page))
                    .post(change_password),
            )
            .service(resource("/letters").wrap(readers.clone()).route(read().to(letters)))
            .service(resource("/live").wrap(users.clone()).route(read().to(live_page)))
            .service(resource("/compare").wrap(users.clone()).route(read().to(compare)))
            .service(resource("/api/me").wrap(api.clone()).route(read().to(me)))
            .service(resource("/favicon.ico").route(read().to(favicon)))
            .configure(websocket.clone());
    }
}

/// A route for reading, as Django's views have it: GET and HEAD.
fn read() -> Route {
    web::route().guard(guard::Any(guard::Get()).or(guard::Head()))
}

/// Pages of our own for rejected requests. The log has the reason.
fn refused(error: &Error, req: &HttpRequest) -> HttpResponse {
    match error {
        Error::CsrfFailed(_) => refusal(
            req,
            StatusCode::FORBIDDEN,
            "This form is no longer valid",
            "It is older than your last login, or it is not from this site. Nothing was changed. <a \
             href=\"/dashboard\">Open the page again</a>, and send it from there.",
        ),
        Error::PermissionDenied => refusal(
            req,
            StatusCode::FORBIDDEN,
            "You may not read these letters",
            "They need the permission <code>accounts.read_letters</code>. Let Django grant it, on the <a \
             href=\"/dashboard\">dashboard</a>.",
        ),
        // The redirect to the login page, a 503, ..
        error => error.default_response(req),
    }
}
