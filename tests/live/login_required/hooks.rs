//! The hooks of an application: the user hook `after_get_user`, and conversions of user ids.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use actix_django_session::{
    DjangoSessionMiddleware, DjangoSessionMut, DjangoSite, DjangoUser, Error, NotLoggedIn,
    OptionalDjangoUser, ParentModel, PermissionTables, SessionKey, Unavailable, UserModel,
};
use actix_web::{HttpRequest, web};
use serde_json::{Value, json};
use testbed::{Django, Log, Settings, With};

use crate::{
    app::TestApp,
    beds::{Bed, MODEL_BACKEND, settings},
    login_required::sessions::{quoted, session, session_of},
    probe::{page, probe},
};

async fn user_of(site: &DjangoSite, key: &str) -> Result<DjangoUser, Error> {
    let session = site.load(&SessionKey::new(key).unwrap()).await?;
    site.get_user(&session).await
}

/// Three middlewares and two extractors get the user, one after the other.
fn nested(site: DjangoSite) -> TestApp {
    async fn both(OptionalDjangoUser(one): OptionalDjangoUser, two: DjangoUser) -> String {
        assert_eq!(one.unwrap().id(), two.id());
        two.username().to_owned()
    }
    async fn maybe(
        OptionalDjangoUser(one): OptionalDjangoUser,
        OptionalDjangoUser(two): OptionalDjangoUser,
    ) -> String {
        format!("{} {}", one.is_some(), two.is_some())
    }
    TestApp::with_routes(move |config| {
        let optional = DjangoSessionMiddleware::optional(site.clone());
        let login = DjangoSessionMiddleware::login_required(site.clone());
        let inner = web::scope("/in").wrap(login.clone()).service(
            web::resource("/user")
                .wrap(login.clone().permission_required("shop.add_item"))
                .to(both),
        );
        config
            .service(web::resource("/login").wrap(login).to(both))
            .service(web::resource("/maybe").wrap(optional.clone()).to(maybe))
            .service(web::scope("").wrap(optional).service(inner));
    })
}

#[testbed::test]
async fn the_user_hook_runs_once_a_request_and_its_refusal_is_final() {
    let bed = Bed::new().await;
    bed.user("ada", json!({ "password": "x", "permissions": ["shop.add_item"] })).await;
    let key = bed.login("ada").await;
    let calls = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&calls);
    // The hook refuses every first call and admits every second call.
    let site = bed.site().after_get_user(move |_, user, _| {
        let yes = count.fetch_add(1, Ordering::Relaxed) % 2 == 1;
        async move { Ok(yes.then_some(user)) }
    });
    let app = nested(site);
    for (path, no) in [("/login", "302"), ("/in/user", "302"), ("/maybe", "200 false false")] {
        for round in 0..6 {
            let before = calls.load(Ordering::Relaxed);
            let answer = app.get(path, &key).await;
            let (status, text) = (answer.status, answer.text());
            let outcome = format!("{status} {text}");
            let yes = if path == "/maybe" { "200 true true" } else { "200 ada" };
            let expected = if before.is_multiple_of(2) { no } else { yes };
            assert_eq!(outcome.trim(), expected, "{path}, round {round}");
            assert_eq!(calls.load(Ordering::Relaxed), before + 1, "{path}, round {round}");
        }
    }
    // The hook does not run for visitors who are anonymous to Django.
    let before = calls.load(Ordering::Relaxed);
    bed.user("ada", json!({ "is_active": false })).await;
    assert_eq!(app.status("/login", &key).await, 302);
    assert_eq!(app.status("/login", "unknown-key").await, 302);
    assert_eq!(calls.load(Ordering::Relaxed), before);
}

#[testbed::test]
async fn the_user_hook_may_return_another_user_no_user_or_an_error() {
    let bed = Bed::new().await;
    bed.user("ada", json!({ "password": "x", "is_superuser": true })).await;
    let ben = bed.user("ben", json!({ "password": "y", "permissions": ["shop.add_item"] })).await;
    bed.user("idle", json!({ "password": "z", "is_active": false })).await;
    let ben = ben["pk"].as_str().unwrap().to_owned();
    let app = |seconds| {
        let ben = ben.clone();
        let site = bed.site_with(settings().with(|s| s.timeout = Duration::from_secs(seconds)));
        probe(site.after_get_user(move |session, user, site| {
            let ben = ben.clone();
            async move {
                match session.get::<String>("acts_as")?.as_deref() {
                    Some("ben") => site.user(ben).await.map(Some),
                    Some("anonymous") => Ok(None),
                    Some("deleted") => site.user(4711).await.map(Some),
                    Some("idle") => site.user_by_username("idle").await.map(Some),
                    Some("away") => Err(Unavailable::WrongAnswer.into()),
                    Some("misfit") => user.get::<i64>("no such column").map(|_| None),
                    Some("slow") => std::future::pending().await,
                    // `get_user` inside the hook does not call the hook again.
                    Some("again") => site.get_user(&session).await.map(Some),
                    _ => Ok(Some(user)),
                }
            }
        }))
    };
    // Only the case without an answer has a short timeout.
    let (long_timeout, short_timeout) = (app(60), app(2));
    for (acts_as, status, name) in [
        ("", 200, "ada"),
        ("ben", 200, "ben"),
        ("again", 200, "ada"),
        ("anonymous", 302, ""),
        ("deleted", 302, ""),
        ("idle", 302, ""),
        ("away", 503, ""),
        ("misfit", 500, ""),
        ("slow", 503, ""),
    ] {
        let app = if acts_as == "slow" { &short_timeout } else { &long_timeout };
        let question = json!({ "cmd": "login", "username": "ada", "data": { "acts_as": acts_as } });
        let key = bed.ask(question).await["key"].as_str().unwrap().to_owned();
        // Two requests: the second one has a remembered hint for the user of the session.
        for _ in 0..2 {
            assert_eq!(app.status("/user", &key).await, status, "{acts_as}");
        }
        if status < 400 {
            let who = app.json("/who", &key).await;
            assert_eq!(who["username"].as_str().unwrap_or_default(), name, "{acts_as}");
        } else {
            assert_eq!(app.status("/who", &key).await, status, "{acts_as}");
        }
        // The permissions are those of the user that the hook returned.
        let expected = if status == 200 && name == "ben" { 403 } else { status };
        assert_eq!(app.status("/perms", &key).await, expected, "{acts_as}");
    }
}

#[testbed::test]
async fn a_remembered_hint_belongs_to_the_session_and_not_to_the_impersonated_user() {
    let bed = Bed::new().await;
    bed.user("ada", json!({ "password": "x" })).await;
    let ben = bed.user("ben", json!({ "password": "y" })).await["pk"].as_str().unwrap().to_owned();
    let key = bed.login("ada").await;
    let site = bed.site().after_get_user(move |_, _, site| {
        let ben = ben.clone();
        async move { site.user(ben).await.map(Some) }
    });
    let app = probe(site);
    for _ in 0..3 {
        assert_eq!(app.json("/who", &key).await["username"], "ben");
    }
    // The session still depends on ada's account.
    bed.user("ada", json!({ "password": "changed" })).await;
    assert_eq!(app.status("/user", &key).await, 302);
}

#[testbed::test]
async fn users_are_found_without_a_session() {
    let bed = Bed::new().await;
    let groups = json!({ "editors": ["shop.weird.name"] });
    let fields = json!({ "password": "x", "groups": groups, "email": "ada@example.com" });
    let pk = bed.user("Ada", fields).await["pk"].as_str().unwrap().to_owned();
    bed.user("idle", json!({ "password": "x", "is_active": false })).await;
    let site = bed.site_of(UserModel::default().with(|m| m.columns = vec!["email".into()]));
    let id: i32 = pk.parse().unwrap();
    for user in [site.user(id).await, site.user(&pk).await, site.user_by_username("Ada").await] {
        let user = user.unwrap();
        assert_eq!((user.id(), user.username()), (pk.as_str(), "Ada"));
        assert_eq!(user.get::<String>("email").unwrap(), "ada@example.com");
        assert!(user.has_perm("shop.weird.name").await.unwrap());
    }
    let refused = async |reason: NotLoggedIn, user: Result<DjangoUser, Error>| {
        assert!(matches!(user, Err(Error::NotLoggedIn(why)) if why == reason), "{user:?}");
    };
    for name in ["ada", "ADA", "Ada ", "", "anonymous", "A\0da", "%", "'; --"] {
        refused(NotLoggedIn::NoSuchUser, site.user_by_username(name).await).await;
    }
    for id in ["4711", "abc", "", "99999999999999999999", "1.0", "1; --"] {
        refused(NotLoggedIn::NoSuchUser, site.user(id).await).await;
    }
    refused(NotLoggedIn::Inactive, site.user_by_username("idle").await).await;
}

#[testbed::test]
async fn a_username_is_compared_by_the_collation_of_its_column() {
    let bed = Bed::of_model("bigint.Child").await;
    bed.user("ada", json!({ "password": "x", "nickname": "countess" })).await;
    let mut model = UserModel::new("bigint_child");
    model.primary_key = "biguser_ptr_id".into();
    model.parents.push(ParentModel::new("bigint_biguser", "id", "biguser_ptr_id"));
    model.permission_tables = Some(PermissionTables::of("bigint_biguser"));
    let user = bed.site_of(model.clone()).user_by_username("ada").await.unwrap();
    assert!(!user.has_perm("shop.add_item").await.unwrap());
    // Usernames that are numbers, such as telephone numbers.
    bed.sql("UPDATE bigint_biguser SET username = '4711'").await;
    bed.sql(
        "DO $$ DECLARE name text; BEGIN FOR name IN SELECT indexname FROM pg_indexes \
         WHERE tablename = 'bigint_biguser' AND indexname LIKE '%_like' \
         LOOP EXECUTE 'DROP INDEX ' || quote_ident(name); END LOOP; END $$",
    )
    .await;
    bed.sql("ALTER TABLE bigint_biguser ALTER username TYPE bigint USING username::bigint").await;
    let site = bed.site_of(model);
    assert_eq!(site.user_by_username("4711").await.unwrap().username(), "4711");
    assert!(site.user_by_username("ada").await.unwrap_err().wants_login());
}

#[testbed::test]
async fn hashids_stand_for_integers() {
    // The package does not support Django 6.
    let versions = Django::available().unwrap().into_iter().filter(|it| *it != Django::V6_1);
    for django in versions {
        let settings = Settings::default().auth_user_model("hashids.HashidUser");
        let bed = Bed::without_users(django, &settings).await;
        let ada = bed.user("ada", json!({ "password": "x" })).await;
        bed.user("ben", json!({ "password": "y" })).await;
        let id = ada["pk"].as_str().unwrap().to_owned();
        assert!(id.parse::<i64>().is_err(), "{id}");
        let key = bed.login("ada").await;
        assert_eq!(bed.verdict(&key).await["user"]["username"], "ada");

        let model = UserModel::new("hashids_hashiduser");
        let row = bed.sql("SELECT id::text FROM hashids_hashiduser WHERE username = 'ada'").await;
        let primary_key = row[0][0].as_str().unwrap().to_owned();
        let to_key = HashMap::from([(id.clone(), primary_key.clone())]);
        let log = Log::default();
        log.listen();
        let without = bed.site_of(model.clone());
        for _ in 0..3 {
            assert!(user_of(&without, &key).await.unwrap_err().wants_login());
        }
        let warned = log.of_this_crate(&["WARN"]);
        assert_eq!(warned.len(), 1, "{warned:?}");
        assert!(
            warned[0].contains("the user id in a session is not a valid primary key"),
            "{warned:?}"
        );
        assert!(warned[0].contains("integer") && !warned[0].contains(&id), "{warned:?}");

        let site = bed.site_of(model).parse_user_id(move |id| to_key.get(id).cloned());
        let user = user_of(&site, &key).await.unwrap();
        assert_eq!((user.id(), user.username()), (primary_key.as_str(), "ada"));
        let hash = ada["session_auth_hash"].as_str().unwrap();
        let other = bed.session(&session_of("unknown", hash)).await;
        assert!(user_of(&site, &other).await.unwrap_err().wants_login());
        let null = session("null", &quoted(MODEL_BACKEND), &quoted(hash));
        assert!(user_of(&site, &bed.session(&null).await).await.unwrap_err().wants_login());
    }
}

async fn log_in(
    site: web::Data<DjangoSite>,
    session: DjangoSessionMut,
    req: HttpRequest,
) -> Result<&'static str, Error> {
    let user = site.user_by_username(req.query_string()).await?;
    session.login(&user).await?;
    Ok("welcome")
}

#[testbed::test]
async fn a_login_writes_the_user_id_in_the_form_of_the_site() {
    let settings = Settings::default().auth_user_model("hashids.HashidUser");
    let bed = Bed::without_users(Django::default(), &settings).await;
    let ada = bed.user("ada", json!({ "password": "x" })).await;
    let id = ada["pk"].as_str().unwrap().to_owned();
    let row = bed.sql("SELECT id::text FROM hashids_hashiduser").await;
    let key = row[0][0].as_str().unwrap().to_owned();
    let mut settings = self::settings();
    settings.user_model = UserModel::new("hashids_hashiduser");
    settings.write_sessions = true;
    settings.allowed_hosts = vec!["*".into()];
    let one_way = {
        let key = key.clone();
        bed.site_with(settings).parse_user_id(move |_| Some(key.clone()))
    };
    let both_ways = one_way.clone().format_user_id(move |_| id.clone());
    for (site, status) in [(one_way, 500), (both_ways, 200)] {
        let app = TestApp::with_routes(move |config| {
            let middleware = DjangoSessionMiddleware::optional(site.clone());
            config
                .app_data(web::Data::new(site.clone()))
                .service(web::resource("/login").wrap(middleware.clone()).to(log_in))
                .service(web::resource("/page").wrap(middleware).to(page));
        });
        let answer = app.get_without_cookie("/login?ada").await;
        assert_eq!(answer.status, status);
        let cookies = answer.header("set-cookie").unwrap_or_default();
        let key =
            cookies.split("sessionid=").nth(1).map(|cookie| cookie.split(';').next().unwrap());
        match status {
            200 => assert_eq!(bed.verdict(key.unwrap()).await["user"]["username"], "ada"),
            _ => assert_eq!(key, None),
        }
    }
}

#[testbed::test]
async fn revalidate_finds_the_user_of_a_session_again() {
    let bed = Bed::new().await;
    bed.user("ada", json!({ "password": "x" })).await;
    let ben = bed.user("ben", json!({ "password": "y" })).await;
    let site = bed.site();
    let start = async || {
        let key = bed.login("ada").await;
        let session = site.load(&SessionKey::new(key.as_str()).unwrap()).await.unwrap();
        let user = site.get_user(&session).await.unwrap();
        (key, session, user)
    };
    let (key, session, user) = start().await;
    for _ in 0..2 {
        assert_eq!(site.revalidate(&session, &user).await.unwrap().username(), "ada");
    }
    // The current permissions.
    bed.user("ada", json!({ "permissions": ["shop.add_item"] })).await;
    let now = site.revalidate(&session, &user).await.unwrap();
    assert!(now.has_perm("shop.add_item").await.unwrap());

    let reason = async |session, user| {
        let error = site.revalidate(session, user).await.unwrap_err();
        assert!(error.wants_login());
        error.reason().unwrap()
    };
    bed.user("ada", json!({ "is_active": false })).await;
    assert_eq!(reason(&session, &user).await, "inactive");
    bed.user("ada", json!({ "is_active": true })).await;
    assert!(site.revalidate(&session, &user).await.is_ok());
    bed.user("ada", json!({ "password": "changed" })).await;
    assert_eq!(reason(&session, &user).await, "wrong_hash");
    bed.ask(json!({ "cmd": "delete_row", "key": key })).await;
    assert_eq!(reason(&session, &user).await, "session_not_found");

    let (key, session, user) = start().await;
    bed.sql(&format!(
        "UPDATE django_session SET expire_date = now() - interval '1 s' WHERE session_key = '{key}'"
    ))
    .await;
    assert_eq!(reason(&session, &user).await, "session_expired");

    // The same session key now has the session of another user.
    let (key, session, user) = start().await;
    let pk = ben["pk"].as_str().unwrap();
    let json_text = session_of(pk, ben["session_auth_hash"].as_str().unwrap());
    bed.ask(json!({ "cmd": "sign_row", "key": key, "obj_json": json_text })).await;
    assert_eq!(reason(&session, &user).await, "another_user");
}

/// A date that Django cannot read is an error on each of its pages; here the visitor is anonymous.
#[testbed::test]
async fn a_session_ends_before_the_year_10000() {
    for django in Django::available().unwrap() {
        let bed = Bed::without_users(django, &Settings::default()).await;
        bed.user("ada", json!({ "password": "x" })).await;
        let app = probe(bed.site());
        let key = bed.login("ada").await;
        for (date, django_says, status) in [
            ("9999-12-31 23:59:59.999999+00", "ada", 200),
            ("10000-01-01 00:00:00+00", "error", 302),
            ("infinity", "error", 302),
            ("-infinity", "anonymous", 302),
            ("0044-03-15 00:00:00+00 BC", "anonymous", 302),
            ("294276-12-31 00:00:00+00", "error", 302),
        ] {
            bed.sql(&format!("UPDATE django_session SET expire_date = '{date}'")).await;
            let verdict = bed.verdict(&key).await;
            let message = match (&verdict["error"], &verdict["user"]["username"]) {
                (Value::String(_), _) => "error",
                (_, Value::String(name)) => name,
                _ => "anonymous",
            };
            assert_eq!(message, django_says, "{django}, {date}: {verdict}");
            assert_eq!(app.status("/user", &key).await, status, "{django}, {date}");
        }
    }
}
