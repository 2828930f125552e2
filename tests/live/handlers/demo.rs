//! The Rust side of the demo, and the requests that it passes on to Django.

use actix_django_session::{
    DjangoSite,
    test::{self, Client, TestUser},
};
use actix_web::{
    App,
    body::MessageBody,
    dev::{Service, ServiceFactory, ServiceRequest, ServiceResponse},
    test::{TestRequest, call_and_read_body_json, init_service, read_body_json},
    web::{self, Data},
};
use serde_json::{Value, json};

use crate::handlers::{
    answers::{header, text},
    bed::{bed, site},
    examples::demo::{
        html,
        proxy::{Upstream, pass_on},
        routes::routes,
    },
    websocket::no_shutdown,
};

/// The demo without a database.
fn app(
    site: DjangoSite,
) -> App<
    impl ServiceFactory<
        ServiceRequest,
        Config = (),
        Response = ServiceResponse<impl MessageBody>,
        Error = actix_web::Error,
        InitError = (),
    >,
> {
    App::new().configure(routes(site, no_shutdown())).wrap_fn(|req, service| {
        html::begin(&req);
        service.call(req)
    })
}

/// A demo without a database: one user may read the letters, and one may not.
fn site_in_memory() -> DjangoSite {
    let reader = TestUser::new(8, "reader").permissions(["accounts.read_letters"]);
    test::site().user(TestUser::new(7, "ada")).user(reader).build()
}

#[actix_web::test]
async fn the_home_page_names_the_user() {
    let site = site_in_memory();
    let app = init_service(app(site.clone())).await;
    let client = Client::new(&site);
    let page = text(client.send(&app, TestRequest::get()).await).await;
    assert!(page.contains("<dt>You are</dt><dd>not logged in</dd>"), "{page}");
    assert!(page.contains("<dt>Your session</dt><dd>you have none</dd>"), "{page}");
    assert!(page.contains("href=\"/login/\">Log in</a>"), "{page}");

    client.force_login("ada").await;
    client.update_session(&json!({ "cart": 3 })).await;
    let page = text(client.send(&app, TestRequest::get()).await).await;
    assert!(page.contains("<dt>You are</dt><dd>ada</dd>"), "{page}");
    assert!(page.contains("<dt>In your cart</dt><dd>3</dd>"), "{page}");
    assert!(page.contains("<button>Log out</button>"), "{page}");
}

/// The badge shows the time since the request arrived.
#[actix_web::test]
async fn a_page_reports_how_long_it_took() {
    let site = site_in_memory();
    let app = init_service(app(site.clone())).await;
    let page = text(Client::new(&site).send(&app, TestRequest::get()).await).await;
    let took = page.split_once("Rust</span> made this page in ").unwrap().1;
    let took = took.split_once(" ms<").unwrap().0;
    assert!(took.parse::<f64>().is_ok(), "{took}");
}

#[actix_web::test]
async fn anonymous_visitors_are_sent_to_the_login_page() {
    let site = site_in_memory();
    let app = init_service(app(site.clone())).await;
    let client = Client::new(&site);
    for path in ["/dashboard", "/letters", "/live", "/compare", "/password/"] {
        let answer = client.send(&app, TestRequest::get().uri(path)).await;
        assert_eq!(answer.status(), 302);
        assert_eq!(header(&answer, "location"), format!("/accounts/login/?next={path}"));
    }
    for path in ["/api/me", "/live/socket"] {
        let answer = client.send(&app, TestRequest::get().uri(path)).await;
        assert_eq!(answer.status(), 401);
    }
}

#[actix_web::test]
async fn only_users_with_the_permission_read_letters() {
    let site = site_in_memory();
    let app = init_service(app(site.clone())).await;
    for (user, status, title) in
        [("ada", 403, "You may not read these letters"), ("reader", 200, "Letters")]
    {
        let client = Client::logged_in(&site, user).await;
        let answer = client.send(&app, TestRequest::get().uri("/letters")).await;
        assert_eq!(answer.status(), status);
        let page = text(answer).await;
        assert!(page.contains(&format!("<h1>{title}</h1>")), "{page}");
    }
}

#[actix_web::test]
async fn the_api_names_the_user() {
    let site = site_in_memory();
    let app = init_service(app(site.clone())).await;
    let client = Client::logged_in(&site, "reader").await;
    let me = client.send(&app, TestRequest::get().uri("/api/me")).await;
    let outcome: Value = read_body_json(me).await;
    let permissions = ["accounts.read_letters"];
    assert_eq!(outcome, json!({ "id": "8", "username": "reader", "permissions": permissions }));
}

#[actix_web::test]
async fn a_post_adds_an_item_to_the_cart() {
    let site = site_in_memory();
    let app = init_service(app(site.clone())).await;
    let add = || TestRequest::post().uri("/cart/add");
    let refused = Client::new(&site).enforce_csrf_checks().send(&app, add()).await;
    assert_eq!(refused.status(), 403);
    assert!(text(refused).await.contains("<h1>This form is no longer valid</h1>"));

    let client = Client::new(&site);
    client.update_session(&json!({ "cart": 2 })).await;
    let answer = client.send(&app, add()).await;
    assert_eq!((answer.status().as_u16(), header(&answer, "location")), (303, "/cart/"));
    assert_eq!(client.session().await.to_json(), r#"{"cart":3}"#);
    assert_eq!(client.messages().await[0].text(), "Rust put one into your cart.");
}

/// Uses a real row; the logout deletes the row and the cookie.
#[actix_web::test]
async fn a_visitor_who_logs_out_has_no_session() {
    let site = site().await;
    let client = Client::logged_in(&site, "bob").await;
    let key = client.cookie("sessionid");
    let routes = routes(site, no_shutdown());
    let app = init_service(App::new().configure(routes)).await;
    let dashboard = || TestRequest::get().uri("/dashboard");
    assert_eq!(client.send(&app, dashboard()).await.status(), 200);

    let answer = client.send(&app, TestRequest::post().uri("/logout")).await;
    assert_eq!((answer.status().as_u16(), header(&answer, "location")), (303, "/"));
    let mut cookies = answer.headers().get_all("set-cookie").map(|cookie| cookie.to_str().unwrap());
    assert!(cookies.any(|cookie| cookie.starts_with("sessionid=\"\"; ")));
    assert_eq!(client.send(&app, dashboard()).await.status(), 302);
    let question = json!({ "cmd": "read_row", "key": key });
    let row = bed().await.oracle().await.unwrap().ask(question).await.unwrap();
    assert_eq!(row, Value::Null);
}

#[actix_web::test]
async fn every_other_path_goes_to_django() {
    let bed = bed().await;
    let app = App::new().configure(routes(site().await, no_shutdown()));
    let app = app.app_data(Data::new(Upstream::new(bed.site().await.unwrap().url())));
    let app = init_service(app.default_service(web::to(pass_on))).await;
    let key = bed.oracle().await.unwrap().login("ada").await.unwrap();
    let whoami = TestRequest::get().uri("/whoami/");
    let whoami = whoami.insert_header(("Cookie", format!("sessionid={key}"))).to_request();
    let outcome: Value = call_and_read_body_json(&app, whoami).await;
    assert_eq!(outcome["username"], "ada");
}
