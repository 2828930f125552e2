//! Sites with known packages, the real ones from PyPI: exported, served, and used on both sides.
//! The tests hold what the guide says about each package.

mod idle;
mod other_users;
mod remote_user;
mod session_tables;
mod two_factor;

use actix_django_session::{
    DjangoSessionMiddleware, DjangoSessionMut, DjangoSettings, DjangoSite, DjangoUser, Error,
};
use actix_web::{App, web};
use serde_json::{Value, json};
use testbed::{Browser, Django, Settings, With};

use crate::{
    app::TestApp,
    beds::{Bed, PASSWORD},
};

/// A site with packages: its middlewares come after Django's, or one in the place of Django's own for sessions.
fn site_with(packages: &[&'static str], apps: &[&str]) -> Settings {
    let settings = Settings::default().set("ROOT_URLCONF", "own.package_urls");
    let settings = packages.iter().fold(settings, |settings, package| settings.package(package));
    settings.extra_apps(apps.iter().copied())
}

/// A bed for each version of Django that is tested, all with the same site.
async fn beds(settings: Settings) -> Vec<Bed> {
    let mut beds = Vec::new();
    for django in Django::available().unwrap() {
        let bed = Bed::without_users(django, &settings).await;
        for name in ["ada", "ben"] {
            bed.user(name, json!({ "password": PASSWORD })).await;
        }
        let root = json!({ "password": PASSWORD, "is_superuser": true, "is_staff": true });
        bed.user("root", root).await;
        beds.push(bed);
    }
    beds
}

/// What the site exports, and the settings made of it.
async fn exported(bed: &Bed) -> (Value, DjangoSettings) {
    let exported = bed.export().await;
    let settings = DjangoSettings::from_json(&exported, Settings::SECRET_KEY).unwrap();
    (
        serde_json::from_str(&exported).unwrap(),
        settings.with(|s| {
            s.allowed_hosts = vec!["*".into()];
            s.write_sessions = true;
        }),
    )
}

/// What is said of a setting: level, value and hook.
fn entries_of<'a>(exported: &'a Value, setting: &str) -> Vec<[Option<&'a str>; 3]> {
    let all = exported["not_honoured"].as_array().unwrap().iter();
    let of_setting = all.filter(|each| each["setting"] == setting);
    of_setting.map(|each| ["level", "value", "hook"].map(|name| each[name].as_str())).collect()
}

/// A page that says who it is, one that logs in, and one that logs out.
fn service(site: DjangoSite) -> TestApp {
    async fn log_in(
        name: web::Path<String>,
        site: DjangoSite,
        session: DjangoSessionMut,
    ) -> Result<&'static str, Error> {
        let user = site.authenticate(&name, PASSWORD).await?.ok_or(Error::Anonymous)?;
        session.login(&user).await?;
        Ok("in")
    }
    async fn log_out(session: DjangoSessionMut) -> Result<&'static str, Error> {
        session.logout().await?;
        Ok("out")
    }
    TestApp::start(move || {
        let everyone = DjangoSessionMiddleware::optional(site.clone());
        App::new()
            .service(
                web::resource("/in/{name}").wrap(everyone.clone()).route(web::get().to(log_in)),
            )
            .service(web::resource("/out").wrap(everyone).route(web::get().to(log_out)))
            .service(
                web::resource("/page")
                    .wrap(DjangoSessionMiddleware::login_required(site.clone()))
                    .to(async |user: DjangoUser| user.username().to_owned()),
            )
    })
}

/// The users that the service and Django recognise in a browser; empty for an anonymous visitor.
async fn both(browser: &Browser, service: &TestApp, bed: &Bed) -> [String; 2] {
    let answer = browser.get(&format!("{}/page", service.url())).await.unwrap();
    let ours = match answer.status().as_u16() {
        200 => answer.text().await.unwrap(),
        302 => String::new(),
        other => panic!("{other}"),
    };
    let djangos = browser.whoami(bed.bed().site().await.unwrap()).await.unwrap();
    [ours, djangos["username"].as_str().unwrap().to_owned()]
}

/// Posts to Django, with the token of the cookie. The status.
async fn post(browser: &Browser, bed: &Bed, path: &str, fields: &[(&str, &str)]) -> u16 {
    let site = bed.bed().site().await.unwrap().url();
    let cookies = browser.cookies(site).unwrap_or_default();
    let mut pairs = cookies.split("; ").filter_map(|pair| pair.split_once('='));
    let token = pairs.find(|(name, _)| *name == "csrftoken").map(|(_, value)| value.to_owned());
    let request = browser.client().post(format!("{site}{path}")).form(fields);
    let request = request.header("Origin", site).header("X-CSRFToken", token.unwrap_or_default());
    request.send().await.unwrap().status().as_u16()
}
