use actix_django_session::{DjangoSessionMiddleware, DjangoSite};
use actix_web::{App, web};
use testbed::{Django, Settings};

use crate::{app::TestApp, beds::Bed};

chapter::code!("start", "fn with_own_columns");

/// Uses the settings that Django exported.
#[testbed::test]
async fn a_handler_reads_a_further_column_of_the_user_table() {
    let bed = Bed::start(Django::default(), Settings::default()).await;
    bed.sql("ALTER TABLE auth_user ADD is_verified boolean NOT NULL DEFAULT false").await;
    bed.sql("UPDATE auth_user SET is_verified = true WHERE username = 'ada'").await;
    let settings = DjangoSettings::from_json(&bed.export().await, Settings::SECRET_KEY).unwrap();
    let site = DjangoSite::new(bed.pool(), with_own_columns(settings)).unwrap();
    let login_required = DjangoSessionMiddleware::login_required(site.clone());
    site.check().await.unwrap();
    let app = TestApp::start(move || {
        App::new().service(web::resource("/page").wrap(login_required.clone()).get(page))
    });
    for (name, message) in [("ada", "ada: true"), ("grace", "grace: false")] {
        assert_eq!(app.get("/page", &bed.login(name).await).await.text(), message);
    }
    assert_eq!(app.get_without_cookie("/page").await.status, 302);
}
