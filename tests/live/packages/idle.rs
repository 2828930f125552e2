//! django-session-security: sessions that end after idle time.

use actix_django_session::{DjangoSessionMiddleware, DjangoSessionMut, DjangoUser, SessionKey};
use actix_web::{
    App, Error,
    body::MessageBody,
    dev::{ServiceRequest, ServiceResponse},
    middleware::{Next, from_fn},
    web,
};
use jiff::{Zoned, civil::DateTime};
use serde_json::json;
use testbed::With;

use super::{beds, entries_of, exported, site_with};
use crate::{
    app::TestApp,
    beds::{MODEL_BACKEND, new_key},
    settings::check::in_use,
};

const KEY: &str = "_session_security";

/// The time of the site's TIME_ZONE, as the package writes it.
fn now() -> DateTime {
    Zoned::now().in_tz("UTC").unwrap().datetime()
}

fn stamp(time: DateTime) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%S.%6f").to_string()
}

/// `SessionSecurityMiddleware`, with its default of ten minutes.
async fn session_security(
    session: DjangoSessionMut,
    req: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    const EXPIRE_AFTER: i64 = 600;
    if session.data().user_id().is_some() {
        let last = session.get::<String>(KEY)?;
        // A value that is not a time counts as now.
        let last = last.map(|last| last.parse::<DateTime>().unwrap_or_else(|_| now()));
        match last.map(|last| last.duration_until(now()).as_secs()) {
            Some(idle) if idle >= EXPIRE_AFTER => session.flush(),
            _ => session.insert(KEY, &stamp(now()))?,
        }
    }
    next.call(req).await
}

#[testbed::test]
async fn requests_to_the_service_keep_a_session_of_django_session_security_alive() {
    let middleware = "session_security.middleware.SessionSecurityMiddleware";
    let settings = site_with(&["django-session-security==2.6.8"], &["session_security"])
        .set("SESSION_EXPIRE_AT_BROWSER_CLOSE", true)
        .set("EXTRA_MIDDLEWARE", json!([middleware]));
    for bed in beds(settings).await {
        let (found, settings) = exported(&bed).await;
        assert_eq!(entries_of(&found, "MIDDLEWARE"), [[Some("hook"), Some(middleware), None]]);
        let warns = in_use(bed.site_with(settings.clone())).check().await.unwrap();
        assert!(
            warns.warnings().len() == 1 && warns.warnings()[0].contains(middleware),
            "{warns:?}"
        );
        let site =
            in_use(bed.site_with(settings.with(|s| s.accepted_overrides.push(middleware.into()))));
        assert_eq!(site.check().await.unwrap().warnings(), [""; 0]);

        let middlewares = site.clone();
        let service = TestApp::start(move || {
            App::new().service(
                web::scope("")
                    .wrap(DjangoSessionMiddleware::login_required(middlewares.clone()))
                    .wrap(from_fn(session_security))
                    .wrap(DjangoSessionMiddleware::optional(middlewares.clone()))
                    .route(
                        "/page",
                        web::get().to(async |user: DjangoUser| user.username().to_owned()),
                    ),
            )
        });
        let ada = bed.ask(json!({ "cmd": "get_user", "username": "ada" })).await;
        let put = async |key: &str, last: Option<&str>| {
            let mut data = json!({
                "_auth_user_id": ada["pk"], "_auth_user_backend": MODEL_BACKEND,
                "_auth_user_hash": ada["session_auth_hash"],
            });
            if let Some(last) = last {
                data[KEY] = last.into();
            }
            bed.ask(json!({ "cmd": "sign_row", "key": key, "obj_json": data.to_string() })).await;
        };
        let django = async |key: &str| {
            let visit = json!({ "cmd": "visit", "cookie": format!("sessionid={key}") });
            bed.ask(visit).await["verdict"]["username"] == "ada"
        };
        let ago = |seconds: i64| now() - jiff::SignedDuration::from_secs(seconds);
        let seconds_of = |time: DateTime| stamp(time).split('.').next().unwrap().to_owned();
        for (last, is_in) in [
            (None, true),
            (Some(stamp(ago(30))), true),
            (Some(stamp(ago(400))), true),
            (Some(stamp(ago(700))), false),
            (Some(seconds_of(ago(400))), true),
            (Some(seconds_of(ago(700))), false),
            (Some("a while ago".to_owned()), true),
            (Some(String::new()), true),
        ] {
            let key = new_key();
            put(&key, last.as_deref()).await;
            assert_eq!(django(&key).await, is_in, "{last:?}");
            assert_eq!(service.get("/page", &key).await.status == 200, is_in, "{last:?}");
            // What was written down here, Django reads: 700 seconds after it was asked last.
            let session = site.load(&SessionKey::new(&key).unwrap()).await;
            assert_eq!(session.is_ok(), is_in, "{last:?}");
            if let Ok(session) = session {
                let written = session.get::<String>(KEY).unwrap().unwrap();
                let written: DateTime = written.parse().unwrap();
                assert!(written.duration_until(now()).as_secs() < 200, "{written}");
                assert!(django(&key).await, "{last:?}");
            }
        }
    }
}
