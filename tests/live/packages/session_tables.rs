//! Packages with their own session table: a session that the package ends has ended for the
//! service.

use actix_django_session::{DjangoSite, Error, Expiry, SessionData};
use serde_json::json;
use testbed::{Browser, Settings, Site};

use super::{beds, both, entries_of, exported, post, service, site_with};
use crate::beds::{Bed, PASSWORD};

const AGENT: &str = "browser";

fn with_sessions(settings: Settings, engine: &str, middleware: &str) -> Settings {
    settings.set("SESSION_ENGINE", engine).set(
        "MIDDLEWARE",
        json!([
            middleware,
            "django.middleware.common.CommonMiddleware",
            "django.middleware.csrf.CsrfViewMiddleware",
            "django.contrib.auth.middleware.AuthenticationMiddleware",
        ]),
    )
}

/// Logs in here and there, signs out everywhere else there, and looks who is left.
async fn signs_out_everywhere(
    bed: &Bed,
    site: DjangoSite,
    table: &str,
    time: &str,
    sign_out_others: impl AsyncFn(&Browser),
) {
    let service = service(site);
    let (here, there) = (Browser::new(), Browser::new());
    let log_in = format!("{}/in/ada", service.url());
    let answer = here.client().get(log_in).header("User-Agent", AGENT).send().await.unwrap();
    assert_eq!(answer.text().await.unwrap(), "in");
    let columns = format!(
        "SELECT user_id, user_agent, host(ip), {time} > now() - interval '1 day' FROM {table}"
    );
    assert_eq!(bed.sql(&columns).await, json!([[1, AGENT, "127.0.0.1", true]]));
    assert_eq!(both(&here, &service, bed).await, ["ada", "ada"]);

    there.login(bed.bed().site().await.unwrap(), "ada", PASSWORD).await.unwrap();
    assert_eq!(both(&there, &service, bed).await, ["ada", "ada"]);
    sign_out_others(&there).await;
    assert_eq!(both(&here, &service, bed).await, ["", ""]);
    assert_eq!(both(&there, &service, bed).await, ["ada", "ada"]);

    // Another user by the same session: the column follows.
    there.get(&format!("{}/in/ben", service.url())).await.unwrap();
    assert_eq!(both(&there, &service, bed).await, ["ben", "ben"]);
    let users = format!("SELECT user_id FROM {table} WHERE user_id IS NOT NULL");
    assert_eq!(bed.sql(&users).await, json!([[2]]));
    there.get(&format!("{}/out", service.url())).await.unwrap();
    assert_eq!(both(&there, &service, bed).await, ["", ""]);
    assert_eq!(bed.sql(&users).await, json!([]));
}

async fn refused(site: &DjangoSite, class: &str) {
    let refused = site.create(&SessionData::new(), Expiry::Default).await.unwrap_err();
    let Error::ImproperlyConfigured(sentence) = refused else { panic!("{refused}") };
    assert!(sentence.contains(class) && sentence.contains("session_columns"), "{sentence}");
}

#[testbed::test]
async fn django_user_sessions_can_end_sessions_that_the_service_created() {
    // The package imports `pkg_resources`, which newer Pythons do not have by themselves.
    let packages = ["django-user-sessions==2.0.0", "setuptools==80.9.0"];
    let settings = site_with(&packages, &["user_sessions"]);
    let middleware = "user_sessions.middleware.SessionMiddleware";
    for bed in beds(with_sessions(settings, "user_sessions.backends.db", middleware)).await {
        let (found, settings) = exported(&bed).await;
        let class = "user_sessions.backends.db.SessionStore";
        let unsafely = [Some("unsafe"), Some(class), Some("session_columns")];
        assert_eq!(entries_of(&found, "SESSION_ENGINE"), [unsafely]);
        assert_eq!(entries_of(&found, "MIDDLEWARE"), [[Some("note"), Some(middleware), None]]);
        let site = bed.site_with(settings);
        refused(&site, class).await;

        let columns = ["user_id", "user_agent", "ip", "last_activity"];
        let site = site.session_columns(columns, |data, request| {
            let agent =
                request.and_then(|request| request.header("user-agent")).unwrap_or_default();
            Ok(json!({
                "user_id": data.user_id(),
                "user_agent": agent.chars().take(200).collect::<String>(),
                "ip": request.and_then(|request| request.peer),
                "last_activity": "now",
            }))
        });
        let other = "/account/sessions/other/delete/";
        let sign_out_others =
            async |browser: &Browser| assert_eq!(post(browser, &bed, other, &[]).await, 302);
        signs_out_everywhere(&bed, site, "user_sessions_session", "last_activity", sign_out_others)
            .await;
    }
}

#[testbed::test]
async fn django_qsessions_can_end_sessions_that_the_service_created() {
    let packages = ["django-qsessions==2.1.0"];
    let middleware = "qsessions.middleware.SessionMiddleware";
    let settings = site_with(&packages, &["qsessions"]);
    for bed in beds(with_sessions(settings, "qsessions.backends.db", middleware)).await {
        let (found, settings) = exported(&bed).await;
        let class = "qsessions.backends.db.SessionStore";
        let unsafely = [Some("unsafe"), Some(class), Some("session_columns")];
        assert_eq!(entries_of(&found, "SESSION_ENGINE"), [unsafely]);
        assert_eq!(entries_of(&found, "MIDDLEWARE"), [[Some("note"), Some(middleware), None]]);
        let site = bed.site_with(settings);
        refused(&site, class).await;

        let columns = ["user_id", "user_agent", "ip", "updated_at"];
        let site = site.session_columns(columns, |data, request| {
            let agent =
                request.and_then(|request| request.header("user-agent")).unwrap_or_default();
            Ok(json!({
                "user_id": data.user_id(),
                "user_agent": agent.chars().take(300).collect::<String>(),
                "ip": request.and_then(|request| request.peer),
                "updated_at": "now",
            }))
        });
        let sign_out_others = async |browser: &Browser| {
            let cookies = browser.cookies(bed.bed().site().await.unwrap().url()).unwrap();
            let key = cookies.split("; ").find_map(|pair| pair.strip_prefix("sessionid=")).unwrap();
            let script = format!(
                "from django.contrib.auth import get_user_model\n\
             user = get_user_model().objects.get(username='ada')\n\
             print(user.session_set.exclude(session_key='{key}').delete()[0])"
            );
            let arguments = ["-v", "0", "-c", &*script];
            let settings = bed.bed().settings();
            let deleted =
                Site::shell(bed.django, bed.url(), settings, &arguments, "").await.unwrap();
            assert_eq!(deleted.trim(), "1");
        };
        signs_out_everywhere(&bed, site, "qsessions_session", "updated_at", sign_out_others).await;
    }
}
