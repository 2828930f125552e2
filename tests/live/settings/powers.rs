//! An override switches off what it concerns in every place, and a hook replaces it in every place.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use actix_django_session::{
    DjangoSessionMiddleware, DjangoSite, DjangoUser, Error, NotLoggedIn, RestAuthentication,
    RestFramework,
};
use actix_web::{
    App,
    dev::ServiceResponse,
    test::{TestRequest, call_service, init_service},
    web,
};
use serde_json::{Value, json};
use testbed::{Django, Settings, With};

use super::overrides::{assert_reported, exported, refusal};
use crate::beds::{Bed, PASSWORD, settings};

async fn status<S, B>(app: &S, path: &str, key: &str) -> u16
where
    S: actix_web::dev::Service<
            actix_http::Request,
            Response = ServiceResponse<B>,
            Error = actix_web::Error,
        >,
    B: actix_web::body::MessageBody,
{
    let request = TestRequest::with_uri(path).insert_header(("Cookie", format!("sessionid={key}")));
    call_service(app, request.to_request()).await.status().as_u16()
}

fn by_session() -> RestFramework {
    let mut rest = RestFramework::default();
    rest.default_authentication_classes = vec![RestAuthentication::session()];
    rest
}

/// Whether Django finds this user by the manager that the site has.
async fn django_finds(bed: &Bed, key: &str) -> bool {
    bed.verdict(key).await["user"] != Value::Null
}

#[testbed::test]
async fn users_whom_the_manager_hides_are_never_found() {
    for django in Django::available().unwrap() {
        let settings = Settings::default().auth_user_model("unseen.UnseenUser");
        let bed = Bed::without_users(django, &settings).await;
        bed.user("ada", json!({ "password": PASSWORD })).await;
        bed.user("closed", json!({ "password": PASSWORD })).await;
        let (ada, closed) = (bed.login("ada").await, bed.login("closed").await);
        bed.user("closed", json!({ "closed": true })).await;
        assert!(django_finds(&bed, &ada).await && !django_finds(&bed, &closed).await);

        let settings = exported(&bed).await.with(|s| s.rest_framework = by_session());
        let settings = settings.with(|s| s.user_model.columns = vec!["closed".into()]);
        let site = bed.site_with(settings.clone());
        let manager = "users.unseen.models.Open.get";
        let view = |site: &DjangoSite| {
            let site = site.clone();
            App::new()
                .service(
                    web::resource("/page")
                        .wrap(DjangoSessionMiddleware::login_required(site.clone()))
                        .to(async |_: DjangoUser| "in"),
                )
                .service(
                    web::resource("/rest")
                        .wrap(DjangoSessionMiddleware::rest_framework(site))
                        .to(async |_: DjangoUser| "in"),
                )
        };
        let app = init_service(view(&site)).await;
        for path in ["/page", "/rest"] {
            assert_eq!(status(&app, path, &ada).await, 500, "{django}, {path}");
        }
        assert_reported(&refusal(site.user(1).await), &[manager, "accepted_overrides"]);
        assert_reported(&refusal(site.user_by_username("ada").await), &[manager]);
        assert_reported(&refusal(site.authenticate("ada", PASSWORD).await), &[manager]);

        // The hook answers for those whom it is asked about, and for those whom it asks for.
        let hooked = site.after_get_user(|_, user, site| async move {
            let again = site.user(user.id()).await?;
            Ok((!again.get::<bool>("closed")?).then_some(again))
        });
        let app = init_service(view(&hooked)).await;
        for path in ["/page", "/rest"] {
            assert_eq!(status(&app, path, &ada).await, 200, "{django}, {path}");
            assert_ne!(status(&app, path, &closed).await, 200, "{django}, {path}");
        }
        // It is asked about no others.
        let refused = refusal(hooked.user(1).await);
        assert_reported(&refused, &[manager, "accepted_overrides"]);
        assert!(!refused.contains("after_get_user"), "{refused}");
        let site = bed.site_with(settings.with(|s| s.accepted_overrides.push(manager.into())));
        assert_eq!(site.user(1).await.unwrap().username(), "ada");
    }
}

#[testbed::test]
async fn users_of_backends_that_find_users_themselves_are_anonymous() {
    let settings = Settings::default().authentication_backends(["accounts.backends.Strict"]);
    let bed = Bed::without_users(Django::default(), &settings).await;
    bed.user("ada", json!({})).await;
    let site = bed.site_with(exported(&bed).await);
    for found in [site.user(1).await, site.user_by_username("ada").await] {
        assert!(matches!(found, Err(Error::NotLoggedIn(NotLoggedIn::BackendNotRead))), "{found:?}");
    }
}

#[testbed::test]
async fn a_model_with_its_own_permissions_and_set_password_needs_hooks() {
    for django in Django::available().unwrap() {
        let settings = Settings::default().auth_user_model("guarded.GuardedUser");
        let bed = Bed::without_users(django, &settings).await;
        let users = [
            ("ada", false, false),
            ("ben", true, false),
            ("root", true, true),
            ("ann", false, true),
        ];
        for (name, locked, is_superuser) in users {
            let permissions = if is_superuser { json!([]) } else { json!(["auth.view_user"]) };
            bed.user(name, json!({ "locked": locked, "is_superuser": is_superuser, "permissions": permissions }))
                .await;
        }
        let settings = exported(&bed).await;
        let settings = settings.with(|s| s.user_model.columns = vec!["locked".into()]);
        let site = bed.site_with(settings.clone());
        let model = "users.guarded.models.GuardedUser";
        let ada = site.user_by_username("ada").await.unwrap();
        let refused = refusal(ada.has_perm("auth.view_user").await);
        assert_reported(&refused, &[&format!("{model}.has_perm"), "after_has_perm"]);
        assert_reported(
            &refusal(site.make_password("pw").await),
            &[&format!("{model}.set_password")],
        );

        let site = site
            .after_has_perm(|user, _, has| async move { Ok(has && !user.get::<bool>("locked")?) });
        for (name, ..) in users {
            let user = site.user_by_username(name).await.unwrap();
            for permission in ["auth.view_user", "auth.add_user"] {
                let question =
                    json!({ "cmd": "get_user", "username": name, "has_perms": [permission] });
                let django = &bed.ask(question).await["has_perms"][permission];
                let has = user.has_perm(permission).await.unwrap();
                assert_eq!(json!(has), *django, "{name} {permission}");
            }
        }
        let accepted =
            settings.with(|s| s.accepted_overrides.push(format!("{model}.set_password")));
        assert!(bed.site_with(accepted).make_password("pw").await.is_ok());
    }
}

/// A hook is also asked about a permission that was read together with session and user.
#[testbed::test]
async fn a_hook_can_also_veto_a_permission_read_with_the_session() {
    let bed = Bed::new().await;
    bed.user("ada", json!({ "permissions": ["auth.view_user", "auth.add_user"] })).await;
    let key = bed.login("ada").await;
    let asked = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&asked);
    let site = bed.site_with(settings().with(|s| s.rest_framework = by_session())).after_has_perm(
        move |_, permission, has| {
            // What the tables say, with the visit or without.
            assert!(has, "{permission}");
            counter.fetch_add(1, Ordering::Relaxed);
            async move { Ok(permission != "auth.view_user") }
        },
    );
    let page = |path: &str, permission: &str| {
        let middleware = DjangoSessionMiddleware::login_required(site.clone());
        web::resource(path)
            .wrap(middleware.permission_required(permission))
            .to(async |_: DjangoUser| "in")
    };
    let rest = |path: &str, permission: &str| {
        let middleware = DjangoSessionMiddleware::rest_framework(site.clone());
        web::resource(path)
            .wrap(middleware.permission_required(permission))
            .to(async |_: DjangoUser| "in")
    };
    // Both came with the visit; one was asked for by the middleware.
    let extractor = async |user: DjangoUser| match user.has_perm("auth.view_user").await? {
        true => Ok("in"),
        false => Err(Error::PermissionDenied),
    };
    let middleware = DjangoSessionMiddleware::login_required(site.clone());
    let app = App::new()
        .service(page("/page/view", "auth.view_user"))
        .service(page("/page/add", "auth.add_user"))
        .service(rest("/rest/view", "auth.view_user"))
        .service(rest("/rest/add", "auth.add_user"))
        .service(
            web::resource("/extractor")
                .wrap(middleware.permission_required("auth.add_user"))
                .to(extractor),
        );
    let app = init_service(app).await;
    // A visitor who was not here before comes in two questions, and in one from then on.
    for round in 0..3 {
        for (path, expected) in [
            ("/page/view", 403),
            ("/page/add", 200),
            ("/rest/view", 403),
            ("/rest/add", 200),
            ("/extractor", 403),
        ] {
            let before = asked.load(Ordering::Relaxed);
            assert_eq!(status(&app, path, &key).await, expected, "{round}, {path}");
            assert!(asked.load(Ordering::Relaxed) > before, "{round}, {path}");
        }
    }
}

/// A hook that needs the request receives it behind each kind of middleware.
#[testbed::test]
async fn hooks_receive_the_request_behind_every_middleware() {
    let bed = Bed::new().await;
    bed.user("ada", json!({})).await;
    let key = bed.login("ada").await;
    let site = bed.site_with(settings().with(|s| s.rest_framework = by_session()));
    let hooked = site.clone().after_get_user(|_, user, site| async move {
        Ok((site.request()?.path.ends_with("/in")).then_some(user))
    });
    let of = |site: &DjangoSite| DjangoSessionMiddleware::optional(site.clone());
    let app = App::new()
        .service(
            web::resource("/rest/{end}")
                .wrap(DjangoSessionMiddleware::rest_framework(hooked.clone()))
                .to(async |_: DjangoUser| "in"),
        )
        .service(web::resource("/one/{end}").wrap(of(&hooked)).to(async |_: DjangoUser| "in"))
        // The outer one has no hook, and the inner one asks no database.
        .service(
            web::resource("/two/{end}")
                .wrap(of(&hooked))
                .wrap(DjangoSessionMiddleware::required(site))
                .to(async |_: DjangoUser| "in"),
        );
    let app = init_service(app).await;
    for path in ["/rest", "/one", "/two"] {
        assert_eq!(status(&app, &format!("{path}/in"), &key).await, 200, "{path}");
        let out = status(&app, &format!("{path}/out"), &key).await;
        assert!(matches!(out, 302 | 403), "{path}: {out}");
    }
}
