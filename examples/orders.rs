//! The endpoint that the chapter "Move one endpoint" moves.

use std::{env, fs};

use actix_django_session::{DjangoSessionMiddleware, DjangoSettings, DjangoSite, DjangoUser};
use actix_web::{App, HttpResponse, HttpServer, error::ErrorServiceUnavailable, web};
use deadpool_postgres::{Config, Pool, Runtime};
use serde_json::json;
use tokio_postgres::NoTls;

async fn orders(user: DjangoUser, pool: web::Data<Pool>) -> actix_web::Result<HttpResponse> {
    let customer: i32 = user.parse_id()?;
    let database = pool.get().await.map_err(ErrorServiceUnavailable)?;
    let sql = "SELECT id, total FROM shop_order WHERE customer_id = $1 ORDER BY id DESC LIMIT 50";
    let rows = database.query(sql, &[&customer]).await.map_err(ErrorServiceUnavailable)?;
    let orders: Vec<_> = rows
        .iter()
        .map(|row| json!({ "id": row.get::<_, i32>(0), "total": row.get::<_, i32>(1) }))
        .collect();
    Ok(HttpResponse::Ok().json(json!({ "orders": orders })))
}

/// Called once, before `check()`. Each worker gets a clone.
fn routes(site: DjangoSite, pool: Pool) -> impl Fn(&mut web::ServiceConfig) + Clone + Send {
    let middleware =
        DjangoSessionMiddleware::login_required(site).permission_required("shop.view_order");
    let pool = web::Data::new(pool);
    move |app| {
        let orders = web::resource("/api/orders/")
            .wrap(middleware.clone())
            .route(web::get().to(orders))
            .route(web::head().to(orders)); // Django answers HEAD as GET, without the body
        app.app_data(pool.clone()).service(orders);
    }
}

#[actix_web::main]
pub(crate) async fn main() -> Result<(), Box<dyn std::error::Error>> {
    // Errors are reported in the log only.
    tracing_subscriber::fmt().with_writer(std::io::stderr).init();
    let variable = |name| env::var(name).map_err(|_| format!("the environment has no {name}"));
    let file = variable("DJANGO_SETTINGS")?;
    let json = fs::read_to_string(&file).map_err(|error| format!("{file}: {error}"))?;
    let settings = DjangoSettings::from_json(&json, variable("DJANGO_SECRET_KEY")?)?;
    // For the queries of the handlers. The site opens its own connections.
    let pool = Config { url: Some(variable("DATABASE_URL")?), ..Config::default() }
        .create_pool(Some(Runtime::Tokio1), NoTls)?;
    let site = DjangoSite::new(pool.clone(), settings)?;
    let routes = routes(site.clone(), pool);
    site.check().await?;
    let server = HttpServer::new(move || App::new().configure(routes.clone()))
        .bind(variable("BIND").unwrap_or_else(|_| "127.0.0.1:8080".into()))?;
    for address in server.addrs() {
        println!("listening on http://{address}");
    }
    server.run().await?;
    Ok(())
}
