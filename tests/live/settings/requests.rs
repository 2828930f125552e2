//! Settings that depend on the request: forms in other charsets, the port behind a proxy, sessions
//! that are bound to an address, and sessions that end after idle time. Each answer is compared
//! with Django's.

use actix_django_session::{
    DjangoSessionMiddleware, DjangoSessionMut, DjangoSettings, DjangoSite, DjangoUser, SessionKey,
};
use actix_web::{
    App, Error, HttpResponse,
    body::MessageBody,
    dev::{ServiceRequest, ServiceResponse},
    middleware::{Next, from_fn},
    test::{TestRequest, call_service, init_service},
    web,
};
use serde_json::{Value, json};
use testbed::{Django, Settings, With};

use super::check::in_use;
use crate::beds::{Bed, MODEL_BACKEND};

const SECRET: &str = "ZJxCrFQsBYoQ7kHzIDN1EiSGzOWrzzUR";

/// What Django makes of this POST, as a status.
async fn djangos(
    bed: &Bed,
    settings: Value,
    port: u16,
    headers: &[(&str, &str)],
    body: &str,
) -> u64 {
    let body: String = body.bytes().map(|byte| format!("{byte:02x}")).collect();
    let request = json!({
        "method": "POST", "scheme": if port == 80 { "http" } else { "https" }, "port": port,
        "headers": headers, "body_hex": body, "view": "plain",
    });
    let question = json!({ "cmd": "csrf_answers", "settings": settings, "requests": [request] });
    let answer = &bed.ask(question).await["answers"][0];
    // What leaves Django as an exception is a 400 here.
    answer["status"].as_u64().unwrap_or(400)
}

async fn ours(site: DjangoSite, headers: &[(&str, &str)], body: &str) -> u64 {
    let app = App::new()
        .wrap(DjangoSessionMiddleware::optional(site))
        .route("/", web::post().to(async || HttpResponse::Ok().finish()));
    let app = init_service(app).await;
    let mut request = TestRequest::post().set_payload(body.to_owned());
    for (name, value) in headers {
        request = request.insert_header((*name, *value));
    }
    let length = body.len().to_string();
    let request = request.insert_header(("Content-Length", length)).to_request();
    call_service(&app, request).await.status().as_u16().into()
}

#[testbed::test]
async fn a_form_in_another_charset_is_read_as_the_exported_django_version_reads_it() {
    for django in Django::available().unwrap() {
        let bed = Bed::without_users(django, &Settings::default()).await;
        let settings = DjangoSettings::from_json(&bed.export().await, Settings::SECRET_KEY);
        let site = bed.site_with(settings.unwrap().with(|s| s.allowed_hosts = vec!["*".into()]));
        let cookie = format!("csrftoken={SECRET}");
        let mut statuses = std::collections::BTreeSet::new();
        for charset in ["utf-8", "UTF8", "ISO-8859-1", "windows-1252", "shift_jis", "nonsense"] {
            let kind = format!("application/x-www-form-urlencoded; charset={charset}");
            for (token, body) in
                [(SECRET, "a=1".to_owned()), ("", format!("csrfmiddlewaretoken={SECRET}&a=%E4"))]
            {
                let mut headers =
                    vec![("Host", "example.com"), ("Cookie", &*cookie), ("Content-Type", &*kind)];
                headers.extend((!token.is_empty()).then_some(("X-CSRFToken", token)));
                let expected = djangos(&bed, json!({}), 80, &headers, &body).await;
                assert_eq!(
                    ours(site.clone(), &headers, &body).await,
                    expected,
                    "{django}, {charset}, {body}"
                );
                statuses.insert(expected);
            }
        }
        assert_eq!(statuses.contains(&400), django != Django::V4_2, "{django}: {statuses:?}");
    }
}

#[testbed::test]
async fn a_referer_is_checked_against_the_port_that_django_has_behind_the_proxy() {
    let bed = Bed::new().await;
    let settings = || {
        DjangoSettings::new(Settings::SECRET_KEY).with(|s| {
            s.allowed_hosts = vec![".example.com".into()];
            s.csrf_cookie_domain = Some(".example.com".into());
            s.secure_proxy_ssl_header = Some(("X-Forwarded-Proto".into(), "https".into()));
        })
    };
    let cookie = format!("csrftoken={SECRET}");
    for (port, referer) in [
        (443, "https://www.example.com/page"),
        (443, "https://www.example.com:8443/page"),
        (8443, "https://www.example.com:8443/page"),
        (8443, "https://www.example.com/page"),
        (443, "https://evil.com/"),
    ] {
        let headers = [
            ("Host", "www.example.com"),
            ("X-Forwarded-Proto", "https"),
            ("Referer", referer),
            ("Cookie", &*cookie),
            ("X-CSRFToken", SECRET),
        ];
        let djangos_settings =
            json!({ "CSRF_COOKIE_DOMAIN": ".example.com", "ALLOWED_HOSTS": [".example.com"] });
        let expected = djangos(&bed, djangos_settings, port, &headers, "").await;
        let site = bed.site_with(settings().with(|s| s.server_port = Some(port)));
        assert_eq!(ours(site, &headers, "").await, expected, "{port} {referer}");
        // By the port of this socket, that of no site is right.
        assert_eq!(ours(bed.site_with(settings()), &headers, "").await, 403, "{port} {referer}");
    }
}

/// Whether a page of Rust's and one of Django's are shown to this session.
async fn rusts<S, B>(app: &S, key: &str, agent: &str) -> u16
where
    S: actix_web::dev::Service<actix_http::Request, Response = ServiceResponse<B>, Error = Error>,
    B: MessageBody,
{
    let request = TestRequest::get()
        .peer_addr("127.0.0.1:5000".parse().unwrap())
        .insert_header(("Cookie", format!("sessionid={key}")))
        .insert_header(("User-Agent", agent.to_owned()));
    call_service(app, request.to_request()).await.status().as_u16()
}

#[testbed::test]
async fn a_session_bound_by_django_restricted_sessions_works_only_for_its_client() {
    let settings = Settings::default()
        .package("django-restricted-sessions==0.4.0")
        .set("RESTRICTEDSESSIONS_AUTHED_ONLY", true)
        .set(
            "EXTRA_MIDDLEWARE",
            json!(["restrictedsessions.middleware.RestrictedSessionsMiddleware"]),
        );
    for django in Django::available().unwrap() {
        let bed = Bed::without_users(django, &settings).await;
        bed.user("ada", json!({})).await;
        let exported = bed.export().await;
        let read: Value = serde_json::from_str(&exported).unwrap();
        assert_eq!(read["not_honoured"][0]["hook"], "after_get_user");
        let settings = DjangoSettings::from_json(&exported, Settings::SECRET_KEY).unwrap();
        let site = in_use(bed.site_with(settings.with(|s| s.allowed_hosts = vec!["*".into()])));
        assert_eq!(site.check().await.unwrap().warnings().len(), 1);
        let site = site.after_get_user(|session, user, site| async move {
            let request = site.request()?;
            let bound = |name: &str| session.get::<String>(name);
            let is_other = |bound: Option<String>, here: Option<&str>| {
                bound.is_some_and(|bound| Some(bound.as_str()) != here)
            };
            let peer = request.peer.map(|peer| peer.to_string());
            let is_theirs = is_other(bound("_restrictedsessions_ip")?, peer.as_deref())
                || is_other(bound("_restrictedsessions_ua")?, request.header("user-agent"));
            Ok((!is_theirs).then_some(user))
        });
        assert_eq!(site.check().await.unwrap().warnings().len(), 0);
        // Without a request, the hook refuses the user.
        let app = App::new()
            .wrap(DjangoSessionMiddleware::login_required(site.clone()))
            .route("/", web::get().to(async |user: DjangoUser| user.username().to_owned()));
        let app = init_service(app).await;
        for (address, agent) in
            [("127.0.0.1", "browser"), ("10.0.0.1", "browser"), ("127.0.0.1", "another")]
        {
            let data =
                json!({ "_restrictedsessions_ip": address, "_restrictedsessions_ua": agent });
            let login = json!({ "cmd": "login", "username": "ada", "data": data });
            let key = bed.ask(login).await["key"].as_str().unwrap().to_owned();
            let visit = json!({
                "cmd": "visit", "cookie": format!("sessionid={key}"), "headers": { "User-Agent": "browser" },
            });
            let django = bed.ask(visit).await["status"].as_u64().unwrap() == 200;
            assert_eq!(rusts(&app, &key, "browser").await == 200, django, "{address} {agent}");
            let session = site.load(&SessionKey::new(&key).unwrap()).await.unwrap();
            assert!(site.get_user(&session).await.is_err());
        }
    }
}

/// `SessionTimeoutMiddleware` of django-session-timeout, as the guide has it.
async fn idle_timeout(
    session: DjangoSessionMut,
    req: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    const KEY: &str = "_session_init_timestamp_";
    const EXPIRE_SECONDS: f64 = 60.0;
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    let now = now.as_secs_f64();
    if session.data().user_id().is_some() {
        let last = session.get::<f64>(KEY)?.unwrap_or(now);
        if now - last > EXPIRE_SECONDS {
            session.flush();
        } else if last == now || now - last > 1.0 {
            session.insert(KEY, &now)?;
        }
    }
    next.call(req).await
}

#[testbed::test]
async fn requests_to_the_service_keep_a_session_of_django_session_timeout_alive() {
    let settings = Settings::default()
        .package("django-session-timeout==0.1.0")
        .set("SESSION_EXPIRE_SECONDS", 60)
        .set("SESSION_EXPIRE_AFTER_LAST_ACTIVITY", true)
        .set(
            "EXTRA_MIDDLEWARE",
            json!(["django_session_timeout.middleware.SessionTimeoutMiddleware"]),
        );
    for django in Django::available().unwrap() {
        let bed = Bed::without_users(django, &settings).await;
        let ada = bed.user("ada", json!({})).await;
        let exported = bed.export().await;
        let read: Value = serde_json::from_str(&exported).unwrap();
        assert_eq!(read["not_honoured"][0]["level"], "hook");
        let middleware = "django_session_timeout.middleware.SessionTimeoutMiddleware";
        assert_eq!(read["not_honoured"][0]["value"], middleware);
        let settings = DjangoSettings::from_json(&exported, Settings::SECRET_KEY).unwrap();
        let settings = settings.with(|s| {
            s.allowed_hosts = vec!["*".into()];
            s.write_sessions = true;
        });
        let warned = in_use(bed.site_with(settings.clone())).check().await.unwrap();
        assert_eq!(warned.warnings().len(), 1);
        let accepting = |s: &mut DjangoSettings| s.accepted_overrides.push(middleware.into());
        let site = bed.site_with(settings.with(accepting));
        assert_eq!(in_use(site.clone()).check().await.unwrap().warnings().len(), 0);
        let app = App::new().service(
            web::scope("")
                .wrap(DjangoSessionMiddleware::login_required(site.clone()))
                .wrap(from_fn(idle_timeout))
                .wrap(DjangoSessionMiddleware::optional(site.clone()))
                .route("/", web::get().to(async |user: DjangoUser| user.username().to_owned())),
        );
        let app = init_service(app).await;
        let stamp = async |key: &str| {
            let session = site.load(&SessionKey::new(key).unwrap()).await.unwrap();
            session.get::<f64>("_session_init_timestamp_").unwrap().unwrap()
        };
        // As if the last look at a page had been so many seconds earlier.
        let put_back = async |key: &str, stamp: f64| {
            let data = json!({
                "_auth_user_id": ada["pk"], "_auth_user_backend": MODEL_BACKEND,
                "_auth_user_hash": ada["session_auth_hash"], "_session_init_timestamp_": stamp,
            });
            bed.ask(json!({ "cmd": "sign_row", "key": key, "obj_json": data.to_string() })).await;
        };
        let django = async |key: &str| {
            let visit = json!({ "cmd": "visit", "cookie": format!("sessionid={key}") });
            bed.ask(visit).await["status"].as_u64().unwrap()
        };
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
        let now = now.as_secs_f64();
        let key = crate::beds::new_key();
        for _ in 0..3 {
            put_back(&key, now - 40.0).await;
            assert_eq!(rusts(&app, &key, "").await, 200);
            assert!(stamp(&key).await >= now, "{}", stamp(&key).await);
        }
        // 80 seconds after Django was last asked, and 40 after Rust was.
        put_back(&key, stamp(&key).await - 40.0).await;
        assert_eq!(django(&key).await, 200);
        // Without any request, both end the session.
        put_back(&key, now - 80.0).await;
        assert_eq!(django(&key).await, 302);
        assert_eq!(rusts(&app, &key, "").await, 302);
        assert!(site.load(&SessionKey::new(&key).unwrap()).await.is_err());
    }
}
