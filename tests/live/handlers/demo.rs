//! The Rust side of the demo, and what it passes on.

use actix_django_session::test::{self, TestUser};
use actix_web::{
    App,
    body::MessageBody,
    dev::{Service, ServiceFactory, ServiceRequest, ServiceResponse},
    test::{TestRequest, call_and_read_body_json, call_service, init_service},
    web::{self, Data},
};
use serde_json::{Value, json};

use crate::{
    beds::pool,
    handlers::{
        answers::{header, text},
        bed::{bed, site},
        examples::demo::{
            html,
            proxy::{Upstream, pass_on},
            routes::routes,
        },
        websocket::no_shutdown,
    },
};

/// The demo without a database.
fn app() -> App<
    impl ServiceFactory<
        ServiceRequest,
        Config = (),
        Response = ServiceResponse<impl MessageBody>,
        Error = actix_web::Error,
        InitError = (),
    >,
> {
    // Nothing asks it: it opens its first connection then.
    let nowhere = pool("postgres://127.0.0.1:1/none");
    App::new().configure(routes(test::site(), nowhere, no_shutdown())).wrap_fn(|req, service| {
        html::begin(&req);
        service.call(req)
    })
}

fn ada() -> TestUser {
    TestUser::new(7, "ada")
}

#[actix_web::test]
async fn home_tells_who_is_there() {
    let app = init_service(app()).await;
    let page = text(call_service(&app, TestRequest::get().uri("/").to_request()).await).await;
    assert!(page.contains("<dt>You are</dt><dd>not logged in</dd>"), "{page}");
    assert!(page.contains("<dt>Your session</dt><dd>you have none</dd>"), "{page}");
    assert!(page.contains("href=\"/login/\">Log in</a>"), "{page}");

    let home = TestRequest::get().uri("/").to_request();
    test::user(&home, ada().session_data("cart", &3));
    let page = text(call_service(&app, home).await).await;
    assert!(page.contains("<dt>You are</dt><dd>ada</dd>"), "{page}");
    assert!(page.contains("<dt>In your cart</dt><dd>3</dd>"), "{page}");
    assert!(page.contains("<button>Log out</button>"), "{page}");
}

/// The badge has the time since the request came in.
#[actix_web::test]
async fn a_page_says_how_long_it_took() {
    let app = init_service(app()).await;
    let page = text(call_service(&app, TestRequest::get().uri("/").to_request()).await).await;
    let took = page.split_once("Rust</span> made this page in ").unwrap().1;
    let took = took.split_once(" ms<").unwrap().0;
    assert!(took.parse::<f64>().is_ok(), "{took}");
}

#[actix_web::test]
async fn anonymous_visitors_are_sent_to_the_login_page() {
    let app = init_service(app()).await;
    for path in ["/dashboard", "/letters", "/live", "/compare", "/password/"] {
        let answer = call_service(&app, TestRequest::get().uri(path).to_request()).await;
        assert_eq!(answer.status(), 302);
        assert_eq!(header(&answer, "location"), format!("/accounts/login/?next={path}"));
    }
    for path in ["/api/me", "/live/socket"] {
        let answer = call_service(&app, TestRequest::get().uri(path).to_request()).await;
        assert_eq!(answer.status(), 401);
    }
}

#[actix_web::test]
async fn letters_are_for_those_who_may_read_them() {
    let app = init_service(app()).await;
    for (user, status, title) in [
        (ada(), 403, "You may not read these letters"),
        (ada().permissions(["accounts.read_letters"]), 200, "Letters"),
    ] {
        let letters = TestRequest::get().uri("/letters").to_request();
        test::user(&letters, user);
        let answer = call_service(&app, letters).await;
        assert_eq!(answer.status(), status);
        let page = text(answer).await;
        assert!(page.contains(&format!("<h1>{title}</h1>")), "{page}");
    }
}

#[actix_web::test]
async fn the_api_tells_who_is_there() {
    let app = init_service(app()).await;
    let me = TestRequest::get().uri("/api/me").to_request();
    test::user(&me, ada().permissions(["accounts.read_letters"]));
    let told: Value = call_and_read_body_json(&app, me).await;
    let permissions = ["accounts.read_letters"];
    assert_eq!(told, json!({ "id": "7", "username": "ada", "permissions": permissions }));
}

#[actix_web::test]
async fn one_more_is_in_the_cart() {
    let app = init_service(app()).await;
    let add = || {
        let add = TestRequest::post().uri("/cart/add").to_request();
        test::with_session(&add, &json!({ "cart": 2 }));
        add
    };
    let refused = call_service(&app, add()).await;
    assert_eq!(refused.status(), 403);
    assert!(text(refused).await.contains("<h1>This form is no longer valid</h1>"));

    let add = add();
    test::csrf(&add);
    let answer = call_service(&app, add).await;
    assert_eq!((answer.status().as_u16(), header(&answer, "location")), (303, "/cart/"));
    assert_eq!(test::session_of(answer.request()).to_json(), r#"{"cart":3}"#);
    let messages = test::messages(answer.request());
    assert_eq!(messages[0].text(), "Rust put one into your cart.");
}

/// On a real row, which is gone afterwards, as is the cookie.
#[actix_web::test]
async fn a_visitor_who_logs_out_has_no_session() {
    let site = site().await;
    let cookie = test::create_session(&site, "bob").await;
    let routes = routes(site, pool(bed().await.database_url()), no_shutdown());
    let app = init_service(App::new().configure(routes)).await;
    let with_cookie = |request: TestRequest| request.insert_header(("Cookie", &*cookie));
    let dashboard = || with_cookie(TestRequest::get().uri("/dashboard")).to_request();
    assert_eq!(call_service(&app, dashboard()).await.status(), 200);

    let log_out = with_cookie(TestRequest::post().uri("/logout")).to_request();
    test::csrf(&log_out);
    let answer = call_service(&app, log_out).await;
    assert_eq!((answer.status().as_u16(), header(&answer, "location")), (303, "/"));
    let mut cookies = answer.headers().get_all("set-cookie").map(|cookie| cookie.to_str().unwrap());
    assert!(cookies.any(|cookie| cookie.starts_with("sessionid=\"\"; ")));
    assert_eq!(call_service(&app, dashboard()).await.status(), 302);
    let question = json!({ "cmd": "read_row", "key": cookie.strip_prefix("sessionid=") });
    let row = bed().await.judge().await.unwrap().ask(question).await.unwrap();
    assert_eq!(row, Value::Null);
}

#[actix_web::test]
async fn every_other_path_is_djangos() {
    let bed = bed().await;
    let app = App::new().configure(routes(site().await, pool(bed.database_url()), no_shutdown()));
    let app = app.app_data(Data::new(Upstream::new(bed.site().await.unwrap().url())));
    let app = init_service(app.default_service(web::to(pass_on))).await;
    let key = bed.judge().await.unwrap().login("ada").await.unwrap();
    let whoami = TestRequest::get().uri("/whoami/");
    let whoami = whoami.insert_header(("Cookie", format!("sessionid={key}"))).to_request();
    let told: Value = call_and_read_body_json(&app, whoami).await;
    assert_eq!(told["username"], "ada");
}
