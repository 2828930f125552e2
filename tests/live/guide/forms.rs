use actix_django_session::DjangoSessionMiddleware;
use actix_web::App;
use testbed::Browser;

use crate::{
    app::TestApp,
    beds::{Bed, PASSWORD, settings},
};

chapter::code!("forms", "async fn page");

mod limit {
    chapter::code!("forms", "fn limits");

    pub(super) fn of(site: DjangoSite) -> impl Fn(&mut ServiceConfig) + Clone + Send {
        limits(site)
    }
}

#[testbed::test]
async fn a_form_needs_its_token_and_may_be_as_large_as_in_django() {
    let bed = Bed::shared().await;
    let mut settings = settings();
    settings.allowed_hosts = vec!["127.0.0.1".into()];
    let site = bed.site_with(settings);
    let form = TestApp::start(move || {
        let middleware = DjangoSessionMiddleware::login_required(site.clone());
        let form = web::resource("/form").wrap(middleware).get(page).post(post);
        App::new().configure(limit::of(site.clone())).service(form)
    });
    let (browser, url) = (Browser::new(), format!("{}/form", form.url()));
    browser.login(bed.bed().site().await.unwrap(), "ada", PASSWORD).await.unwrap();
    for text in ["tea", &"x".repeat(20 * 1024)] {
        let answer = browser.submit(&url, &[("text", text)]).await.unwrap();
        assert_eq!(answer.text().await.unwrap(), format!("ada wrote {text}"));
    }
    let cookies = browser.cookies(&url).unwrap();
    let forged = browser.client().post(&url).header("Cookie", cookies).body("text=tea");
    let forged = forged.header("Content-Type", "application/x-www-form-urlencoded");
    assert_eq!(forged.send().await.unwrap().status(), 403);
}
