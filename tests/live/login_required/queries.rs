//! The cost of the full check: the queries, counted on the connection, and their indexes.

use std::time::Duration;

use actix_django_session::{
    DjangoSession, DjangoSessionMiddleware, DjangoSite, DjangoUser, DjangoUserId, Error,
    OptionalDjangoUser, UserModel,
};
use actix_web::web;
use serde_json::json;
use testbed::{Proxy, With};
use tokio_postgres::types::Type;

use crate::{
    app::TestApp,
    beds::{Bed, MODEL_BACKEND, pool, settings},
    login_required::sessions::{quoted, session},
    probe::page,
};

async fn ask_twice(user: DjangoUser) -> Result<String, Error> {
    let one = user.has_perm("shop.add_item").await?;
    let other = user.has_perms(["shop.add_item", "no.such"]).await?;
    let module = user.has_module_perms("shop").await?;
    Ok(format!("{one} {other} {module}"))
}

async fn ask_for_the_same(user: DjangoUser) -> Result<String, Error> {
    Ok(user.has_perm("shop.add_item").await?.to_string())
}

async fn everything(
    _: DjangoSession,
    _: DjangoUserId,
    _: DjangoUser,
    _: OptionalDjangoUser,
    _: DjangoUser,
) -> &'static str {
    "a page"
}

fn app(site: DjangoSite) -> TestApp {
    TestApp::with_routes(move |config| {
        let optional = DjangoSessionMiddleware::optional(site.clone());
        let required = DjangoSessionMiddleware::required(site.clone());
        let login = DjangoSessionMiddleware::login_required(site.clone());
        let permission = login.clone().permission_required("shop.add_item");
        config
            .service(web::resource("/optional").wrap(optional.clone()).to(page))
            .service(web::resource("/required").wrap(required.clone()).to(page))
            .service(web::resource("/login").wrap(login.clone()).to(page))
            .service(web::resource("/asks").wrap(optional.clone()).to(ask_twice))
            .service(web::resource("/everything").wrap(optional.clone()).to(everything))
            .service(web::resource("/permission").wrap(permission.clone()).to(ask_twice))
            .service(web::resource("/permitted").wrap(permission.clone()).to(ask_for_the_same))
            .service(web::resource("/staff").wrap(login.clone().staff_required()).to(page))
            .service(
                web::scope("/nested").wrap(optional).service(
                    web::scope("/in").wrap(required).service(
                        web::scope("/deeper")
                            .wrap(login)
                            .service(web::resource("/user").to(everything))
                            .service(web::resource("/asks").wrap(permission).to(ask_twice)),
                    ),
                ),
            );
    })
}

#[testbed::test]
async fn a_request_makes_only_the_queries_that_it_needs() {
    let bed = Bed::new().await;
    let fields = json!({ "password": "x", "permissions": ["shop.add_item"] });
    let ada = bed.user("ada", fields).await;
    bed.user("root", json!({ "password": "x", "is_superuser": true })).await;
    bed.user("idle", json!({ "password": "x" })).await;
    bed.user("cyd", json!({ "password": "x" })).await;
    let (ada_key, root, idle) =
        (bed.login("ada").await, bed.login("root").await, bed.login("idle").await);
    let new_here = bed.login("cyd").await;
    bed.user("idle", json!({ "is_active": false })).await;
    let cart = bed.session("{\"cart\":1}").await;
    let hash = quoted(ada["session_auth_hash"].as_str().unwrap());
    let unlisted = bed.session(&session("\"1\"", "\"no.such.Backend\"", &hash)).await;
    let no_id = bed.session(&session("\"abc\"", &quoted(MODEL_BACKEND), &hash)).await;
    let unknown_key = "an-unknown-key";

    for prepared_statements in [true, false] {
        let proxy = Proxy::before(bed.url()).await;
        // The timeout is long: on a busy machine the crate could repeat a slow query.
        let mut settings = settings();
        settings.timeout = Duration::from_secs(60);
        settings.prepared_statements = prepared_statements;
        let app = app(DjangoSite::new(pool(proxy.url()), settings).unwrap());
        // Warms up: afterwards the crate knows the type of the primary key and has its connections.
        for path in ["/asks", "/login", "/permitted"] {
            for key in [&ada_key, &root] {
                assert_eq!(app.status(path, key).await, 200);
            }
        }
        assert!(proxy.executed() >= 9);

        for (path, key, status, queries) in [
            ("/optional", "short", 200, 0),
            ("/required", "short", 302, 0),
            ("/login", "short", 302, 0),
            ("/optional", &ada_key, 200, 1),
            ("/required", &ada_key, 200, 1),
            ("/required", unknown_key, 302, 1),
            ("/login", unknown_key, 302, 1),
            ("/login", &ada_key, 200, 1),
            ("/login", &cart, 302, 1),
            ("/login", &cart, 302, 1),
            ("/login", &unlisted, 302, 1),
            ("/login", &unlisted, 302, 1),
            ("/login", &no_id, 302, 1),
            ("/login", &no_id, 302, 1),
            // Only a session that let a user in is remembered with its user.
            ("/login", &idle, 302, 2),
            ("/login", &idle, 302, 2),
            ("/login", &new_here, 200, 2),
            ("/login", &new_here, 200, 1),
            ("/everything", &ada_key, 200, 2),
            ("/staff", &ada_key, 403, 1),
            ("/permitted", &ada_key, 200, 1),
            // Who seems not to have a permission is looked up by its name.
            ("/permitted", &new_here, 403, 2),
            ("/permitted", &root, 200, 1),
            ("/permitted", &idle, 302, 2),
            ("/asks", &ada_key, 200, 3),
            ("/asks", &root, 200, 2),
            // Reads all permissions, because the handler needs them.
            ("/permission", &ada_key, 200, 2),
            ("/permission", &root, 200, 1),
            ("/permission", unknown_key, 302, 1),
            ("/nested/in/deeper/user", &ada_key, 200, 2),
            ("/nested/in/deeper/user", &cart, 302, 1),
            ("/nested/in/deeper/asks", &ada_key, 200, 3),
            ("/nested/in/deeper/asks", &root, 200, 2),
        ] {
            assert_eq!(app.status(path, key).await, status, "{path}");
            let executed = proxy.executed();
            // What the permissions of a middleware are called is read once a second.
            let names = usize::from(path.contains("permi") || path.ends_with("deeper/asks"));
            assert!(
                (queries..=queries + names).contains(&executed),
                "{path} as {key}, {prepared_statements}: {executed} queries"
            );
        }
        for path in ["/optional", "/login", "/permission", "/nested/in/deeper/user"] {
            app.get_without_cookie(path).await;
            assert_eq!(proxy.executed(), 0, "{path} without a cookie");
        }
    }
}

#[testbed::test]
async fn the_primary_key_index_is_used_for_every_key_type() {
    let models = [
        ("auth.User", UserModel::default(), "1"),
        ("bigint.BigUser", UserModel::new("bigint_biguser"), "1"),
        (
            "uuids.UuidUser",
            UserModel::new("uuids_uuiduser"),
            "01234567-89ab-cdef-0123-456789abcdef",
        ),
        (
            "texts.TextUser",
            UserModel::new("texts_textuser").with(|m| m.primary_key = "code".into()),
            "1",
        ),
    ];
    for (name, model, sample) in models {
        let bed = Bed::of_model(name).await;
        bed.user("ada", json!({ "password": "x", "permissions": ["shop.add_item"] })).await;
        let key = bed.login("ada").await;
        let proxy = Proxy::before(bed.url()).await;
        let mut settings = settings();
        settings.timeout = Duration::from_secs(60);
        settings.user_model = model;
        let app = app(DjangoSite::new(pool(proxy.url()), settings).unwrap());
        for path in ["/permission", "/permission", "/login"] {
            assert_eq!(app.status(path, &key).await, 200);
        }

        let client = bed.pool().get().await.unwrap();
        // PostgreSQL scans a table of one row, unless sequential scans are off.
        client
            .batch_execute("SET enable_seqscan = off; SET enable_bitmapscan = off")
            .await
            .unwrap();
        let mut explained = 0;
        for statement in proxy.prepared() {
            if !statement.sql.contains("ads_key") || statement.sql.contains("unnest($1") {
                continue;
            }
            let mut explain = format!("EXPLAIN {}", statement.sql);
            for (number, of_parameter) in (1..).zip(&statement.types) {
                let value = match *of_parameter {
                    Type::INT4_ARRAY | Type::INT8_ARRAY | Type::TEXT_ARRAY => "{1}",
                    Type::INT8 => "1",
                    _ => sample,
                };
                let value = format!("'{value}'::{}", of_parameter.name());
                explain = explain.replace(&format!("${number}"), &value);
            }
            let plan = client.query(&explain, &[]).await.unwrap();
            let plan: Vec<&str> = plan.iter().map(|line| line.get(0)).collect();
            let plan = plan.join("\n");
            assert!(!plan.contains("Seq Scan"), "{name}: {}\n{plan}", statement.sql);
            assert!(plan.contains("Index Cond: ("), "{name}: {}\n{plan}", statement.sql);
            explained += 1;
        }
        assert_eq!(
            explained, 5,
            "{name}: the session, the user, the permissions, and all at once with and without these"
        );
    }
}
