//! The middleware of each handler.

use actix_django_session::{DjangoSessionMiddleware, DjangoSite};
use actix_web::web::{self, ServiceConfig};

use super::{log_in, notes, rest, sessions, visitors};

/// Makes each middleware once. Every worker gets a clone.
pub(crate) fn routes(site: DjangoSite) -> impl Fn(&mut ServiceConfig) + Clone + Send {
    let optional = DjangoSessionMiddleware::optional(site.clone());
    let required = DjangoSessionMiddleware::required(site.clone());
    let api = required.clone().respond_401();
    let login_required = DjangoSessionMiddleware::login_required(site.clone());
    let rest = rest::routes(site.clone());
    let data = web::Data::new(site);
    move |app| {
        let for_everybody = |path| web::resource(path).wrap(optional.clone());
        rest(app);
        app.app_data(data.clone())
            .service(for_everybody("/").get(visitors::index))
            .service(for_everybody("/csrf").get(notes::csrf_token))
            .service(for_everybody("/note").post(notes::note).put(notes::echo))
            .service(
                for_everybody("/cart").post(sessions::add_to_cart).delete(sessions::remove_cart),
            )
            .service(for_everybody("/expiry").post(sessions::set_expiry))
            .service(for_everybody("/cycle").post(sessions::cycle_key))
            .service(for_everybody("/login").post(log_in::log_in))
            .service(for_everybody("/logout").post(log_in::log_out))
            .service(web::resource("/api/user").wrap(api.clone()).get(visitors::user))
            .service(web::resource("/account").wrap(login_required.clone()).get(visitors::account))
            .service(
                web::scope("")
                    .wrap(required.clone())
                    .route("/session", web::get().to(visitors::session))
                    .route("/user", web::get().to(visitors::user)),
            );
    }
}
