//! The responses of the middlewares that need a user.

use std::sync::mpsc;

use actix_django_session::{
    DjangoSessionMiddleware, DjangoSite, DjangoUser, Error, OptionalDjangoUser, test,
};
use actix_web::{
    App, HttpResponse, ResponseError,
    http::header::LOCATION,
    test::{TestRequest, call_service, init_service},
    web,
};
use serde_json::json;
use testbed::Log;

use crate::{
    app::TestApp,
    beds::{Bed, pool, settings},
    probe::page,
};

async fn name(user: DjangoUser) -> String {
    user.username().to_owned()
}

async fn name_or_none(OptionalDjangoUser(user): OptionalDjangoUser) -> String {
    user.map_or("anonymous".into(), |user| user.username().to_owned())
}

async fn only_for_authors(user: DjangoUser) -> Result<&'static str, Error> {
    if user.has_perm("blog.add_post").await? { Ok("write") } else { Err(Error::PermissionDenied) }
}

fn app(site: DjangoSite) -> TestApp {
    TestApp::with_routes(move |config| {
        let optional = DjangoSessionMiddleware::optional(site.clone());
        let required = DjangoSessionMiddleware::required(site.clone());
        let login = DjangoSessionMiddleware::login_required(site.clone());
        let two = login
            .clone()
            .permission_required("shop.add_item")
            .permission_required("shop.change_item");
        let outcome =
            optional.clone().permission_required("shop.add_item").error_handler(|error, req| {
                let outcome = format!("{} at {}", error.reason().unwrap_or("failure"), req.path());
                HttpResponse::build(error.status_code()).body(outcome)
            });
        config
            .service(web::resource("/two").wrap(two.clone()).to(page))
            .service(web::resource("/api").wrap(two.respond_401()).to(page))
            .service(web::resource("/staff").wrap(login.clone().staff_required()).to(page))
            .service(
                web::resource("/staff-of-any").wrap(optional.clone().staff_required()).to(page),
            )
            .service(web::resource("/told").wrap(outcome.clone()).to(page))
            .service(web::resource("/told-authors").wrap(outcome).to(only_for_authors))
            .service(web::resource("/authors").wrap(optional.clone()).to(only_for_authors))
            .service(web::resource("/optional").wrap(optional.clone()).to(name))
            .service(web::resource("/optional-none").wrap(optional).to(name_or_none))
            .service(web::resource("/required").wrap(required.clone()).to(name))
            .service(web::resource("/required-none").wrap(required).to(name_or_none))
            .service(web::resource("/login-none").wrap(login).to(name_or_none))
            .service(web::resource("/no-middleware").to(name));
    })
}

#[testbed::test]
async fn each_visitor_gets_the_answer_of_the_middleware() {
    let bed = Bed::new().await;
    let made = async |name: &str, permissions: &[&str], staff: bool, superuser: bool| {
        let fields = json!({
            "password": "x", "permissions": permissions, "is_staff": staff, "is_superuser": superuser,
        });
        bed.user(name, fields).await;
        bed.login(name).await
    };
    let plain = made("plain", &[], false, false).await;
    let half = made("half", &["shop.add_item"], false, false).await;
    let both = made("both", &["shop.add_item", "shop.change_item"], false, false).await;
    let staff = made("staff", &["blog.add_post"], true, false).await;
    let root = made("root", &[], false, true).await;
    let stale = made("stale", &["shop.add_item", "shop.change_item"], true, false).await;
    bed.user("stale", json!({ "password": "changed" })).await;
    let cart = bed.session("{\"cart\":1}").await;
    let app = app(bed.site());

    for (path, visitors) in [
        ("/two", [(&plain, 403), (&half, 403), (&both, 200), (&root, 200), (&stale, 302)]),
        ("/api", [(&plain, 403), (&half, 403), (&both, 200), (&cart, 401), (&stale, 401)]),
        ("/staff", [(&plain, 403), (&staff, 200), (&root, 403), (&cart, 302), (&stale, 302)]),
        (
            "/staff-of-any",
            [(&plain, 403), (&staff, 200), (&root, 403), (&cart, 302), (&stale, 302)],
        ),
        ("/authors", [(&plain, 403), (&staff, 200), (&root, 200), (&cart, 302), (&stale, 302)]),
        ("/told", [(&plain, 403), (&half, 200), (&root, 200), (&cart, 401), (&stale, 401)]),
        ("/optional", [(&plain, 200), (&staff, 200), (&root, 200), (&cart, 302), (&stale, 302)]),
        ("/required", [(&plain, 200), (&staff, 200), (&root, 200), (&cart, 302), (&stale, 302)]),
        (
            "/optional-none",
            [(&plain, 200), (&staff, 200), (&root, 200), (&cart, 200), (&stale, 200)],
        ),
        (
            "/required-none",
            [(&plain, 200), (&staff, 200), (&root, 200), (&cart, 200), (&stale, 200)],
        ),
        ("/login-none", [(&plain, 200), (&staff, 200), (&root, 200), (&cart, 302), (&stale, 302)]),
        (
            "/no-middleware",
            [(&plain, 500), (&staff, 500), (&root, 500), (&cart, 500), (&stale, 500)],
        ),
    ] {
        for (key, status) in visitors {
            let answer = app.get(path, key).await;
            assert_eq!(answer.status, status, "{path}");
            let vary = (status != 500).then_some("Cookie");
            assert_eq!(answer.header("vary").as_deref(), vary, "{path} answered {status}");
            let to = (status == 302).then(|| format!("/accounts/login/?next={path}"));
            assert_eq!(answer.header("location"), to);
        }
    }
    let text = async |path: &str, key: &str| app.get(path, key).await.text();
    // A refusal does not reveal its reason.
    assert_eq!(text("/two", &half).await, "");
    assert_eq!(text("/told", &plain).await, "permission_denied at /told");
    assert_eq!(text("/told", &stale).await, "wrong_hash at /told");
    assert_eq!(text("/told", "short").await, "no_session_key at /told");
    assert_eq!(text("/optional-none", &cart).await, "anonymous");
    assert_eq!(text("/optional-none", &stale).await, "anonymous");
    assert_eq!(text("/required-none", &root).await, "root");
    let anonymous = app.get_without_cookie("/two").await;
    assert_eq!(anonymous.header("location").as_deref(), Some("/accounts/login/?next=/two"));
    assert_eq!(anonymous.header("vary").as_deref(), Some("Cookie"));
}

type Kept = mpsc::Sender<DjangoUser>;

/// Gives the user to a task that no request waits for.
async fn ask_in_a_task(user: DjangoUser, kept: web::Data<Kept>) -> &'static str {
    tokio::spawn(async move {
        assert!(user.has_perm("shop.add_item").await.unwrap());
        kept.send(user).unwrap();
    });
    "a page"
}

async fn keep(user: DjangoUser, kept: web::Data<Kept>) -> &'static str {
    kept.send(user).unwrap();
    "a page"
}

#[testbed::test]
async fn a_user_outlives_the_request_and_the_server() {
    let bed = Bed::new().await;
    bed.user("ada", json!({ "password": "x", "permissions": ["shop.add_item"] })).await;
    let key = bed.login("ada").await;
    let (sender, kept): (Kept, _) = mpsc::channel();
    let site = bed.site();
    let app = TestApp::with_routes(move |config| {
        let middleware = DjangoSessionMiddleware::login_required(site.clone());
        config
            .app_data(web::Data::new(sender.clone()))
            .service(web::resource("/task").wrap(middleware.clone()).to(ask_in_a_task))
            .service(web::resource("/keep").wrap(middleware).to(keep));
    });
    assert_eq!(app.status("/task", &key).await, 200);
    let user = kept.recv().unwrap();
    assert_eq!(app.status("/keep", &key).await, 200);
    let not_asked = kept.recv().unwrap();

    app.stop();
    assert!(user.has_perm("shop.add_item").await.unwrap());
    // The server's connections were closed with its runtime.
    assert!(not_asked.has_perm("shop.add_item").await.unwrap());
    assert!(!not_asked.has_perm("no.such").await.unwrap());
}

#[testbed::test]
#[should_panic(expected = "\"add_item\" has no app label")]
async fn a_permission_without_an_app_is_refused_when_the_middleware_is_made() {
    let pool = pool("postgres://user@localhost/nowhere");
    let site = DjangoSite::new(pool, settings()).unwrap();
    drop(DjangoSessionMiddleware::login_required(site).permission_required("add_item"));
}

#[testbed::test]
async fn a_login_url_is_chosen_for_each_request() {
    let log = Log::default();
    log.listen();
    let middleware =
        DjangoSessionMiddleware::login_required(test::site().build()).login_url_for(|req| {
            let url = match req.path() {
                "/de/konto" => "/de/anmelden/",
                "/en/account" => "/en/login/?a=1",
                "/named" => "accounts:login",
                _ => "",
            };
            url.to_owned()
        });
    let app = init_service(App::new().wrap(middleware.redirect_field_name("back"))).await;
    for (path, status, to) in [
        ("/de/konto", 302, Some("/de/anmelden/?back=/de/konto")),
        ("/en/account", 302, Some("/en/login/?a=1&back=/en/account")),
        ("/named", 500, None),
        ("/nothing", 500, None),
    ] {
        let answer = call_service(&app, TestRequest::get().uri(path).to_request()).await;
        let location = answer.headers().get(LOCATION).map(|to| to.to_str().unwrap());
        assert_eq!((answer.status().as_u16(), location), (status, to), "{path}");
    }
    let message = log.of_this_crate(&["ERROR"]);
    for path in ["/named", "/nothing"] {
        let is_of =
            |line: &&String| line.contains("login_url_for returned no URL") && line.contains(path);
        assert_eq!(message.iter().filter(is_of).count(), 1, "{message:?}");
    }
}

#[test]
#[should_panic(expected = "is the name of a URL pattern: give the path of that page instead")]
fn a_view_name_is_refused_as_a_login_url() {
    drop(DjangoSessionMiddleware::login_required(test::site().build()).login_url("accounts:login"));
}
