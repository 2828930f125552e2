//! The Rust side of the demo, and what it passes on.

use std::collections::BTreeMap;

use actix_django_session::test::{self, TestUser};
use actix_web::{
    App,
    dev::Service,
    test::{TestRequest, call_and_read_body_json, call_service, init_service},
    web::{self, Data},
};
use serde_json::{Value, json};

use crate::handlers::{
    answers::{header, text},
    bed::{bed, site},
    examples::demo::{
        pages,
        proxy::{Upstream, pass_on},
        routes::routes,
    },
};

fn ada() -> TestUser {
    TestUser::new(7, "ada")
}

#[actix_web::test]
async fn home_tells_strangers_that_they_are_none() {
    let app = init_service(App::new().configure(routes(test::site()))).await;
    let page = text(call_service(&app, TestRequest::get().uri("/").to_request()).await).await;
    assert!(page.contains("<dt>You are</dt><dd>not logged in</dd>"), "{page}");
    assert!(page.contains("<dt>Your session</dt><dd>you have none</dd>"), "{page}");
    assert!(page.contains("<h1>Home</h1>") && page.contains("/accounts/login/?next=/"), "{page}");
}

#[actix_web::test]
async fn home_tells_users_what_is_in_their_session() {
    let app = init_service(App::new().configure(routes(test::site()))).await;
    let home = TestRequest::get().uri("/").to_request();
    test::user(&home, ada().session_data("cart", &3).session_data("language", "de"));
    let page = text(call_service(&app, home).await).await;
    assert!(page.contains("<h1>Willkommen</h1>"), "{page}");
    assert!(page.contains("<dt>You are</dt><dd>ada</dd>"), "{page}");
    assert!(page.contains("<dt>In your cart</dt><dd>3</dd>"), "{page}");
    assert!(page.contains("<button>Log out</button>"), "{page}");
}

/// The badge has the time since the request came in.
#[actix_web::test]
async fn a_page_says_how_long_it_took() {
    let app = App::new().configure(routes(test::site())).wrap_fn(|req, service| {
        pages::begin(&req);
        service.call(req)
    });
    let app = init_service(app).await;
    let page = text(call_service(&app, TestRequest::get().uri("/").to_request()).await).await;
    let took = page.split_once("Rust made this page in ").unwrap().1.split_once(" ms<").unwrap().0;
    assert!(took.parse::<f64>().is_ok(), "{took}");
}

#[actix_web::test]
async fn a_note_is_on_the_dashboard_of_its_user_alone() {
    let app = init_service(App::new().configure(routes(test::site()))).await;
    let note = TestRequest::post().uri("/notes").set_form([("text", "<tea>")]).to_request();
    test::user(&note, ada());
    test::csrf(&note);
    let answer = call_service(&app, note).await;
    assert_eq!((answer.status().as_u16(), header(&answer, "location")), (303, "/dashboard"));

    for (user, notes) in [(ada(), true), (TestUser::new(8, "bob"), false)] {
        let dashboard = TestRequest::get().uri("/dashboard").to_request();
        let name = test::user(&dashboard, user).username().to_owned();
        let page = text(call_service(&app, dashboard).await).await;
        assert!(page.contains(&format!("<h1>Hello, {name}</h1>")), "{page}");
        assert_eq!(page.contains("<li>&lt;tea&gt;</li>"), notes, "{page}");
    }
}

#[actix_web::test]
async fn strangers_have_no_dashboard_and_no_notes() {
    let app = init_service(App::new().configure(routes(test::site()))).await;
    let answer = call_service(&app, TestRequest::get().uri("/dashboard").to_request()).await;
    assert_eq!(answer.status(), 302);
    assert_eq!(header(&answer, "location"), "/accounts/login/?next=/dashboard");
    let note = TestRequest::post().uri("/notes").set_form([("text", "tea")]).to_request();
    test::csrf(&note);
    assert_eq!(call_service(&app, note).await.status(), 302);
}

#[actix_web::test]
async fn the_api_answers_401_in_place_of_the_login_page() {
    let app = init_service(App::new().configure(routes(test::site()))).await;
    let me = || TestRequest::get().uri("/api/me").to_request();
    assert_eq!(call_service(&app, me()).await.status(), 401);
    let request = me();
    test::user(&request, ada());
    let told: BTreeMap<String, String> = call_and_read_body_json(&app, request).await;
    let of = |name: &str| told[name].as_str();
    assert_eq!((of("id"), of("username"), of("from")), ("7", "ada", "Rust"));
    assert!(of("session_ends").ends_with(" UTC"), "{told:?}");
}

#[actix_web::test]
async fn one_more_is_in_the_cart() {
    let app = init_service(App::new().configure(routes(test::site()))).await;
    let add = TestRequest::post().uri("/cart/add").to_request();
    test::session(&add, &json!({ "cart": 2 }));
    test::csrf(&add);
    let answer = call_service(&app, add).await;
    assert_eq!((answer.status().as_u16(), header(&answer, "location")), (303, "/"));
    assert_eq!(test::session_data(answer.request()).as_json(), r#"{"cart":3}"#);
}

#[actix_web::test]
async fn a_language_is_one_of_three() {
    let app = init_service(App::new().configure(routes(test::site()))).await;
    for (language, data) in [("fr", r#"{"language":"fr"}"#), ("tlh", "{}")] {
        let choose = TestRequest::post().uri("/language").set_form([("language", language)]);
        let choose = choose.to_request();
        test::no_session(&choose);
        test::csrf(&choose);
        let answer = call_service(&app, choose).await;
        assert_eq!(answer.status(), 303);
        assert_eq!(test::session_data(answer.request()).as_json(), data);
    }
}

/// On a real row, which is gone afterwards, as is the cookie.
#[actix_web::test]
async fn whoever_logs_out_has_no_session() {
    let site = site().await;
    let cookie = test::session_row(&site, "bob").await;
    let app = init_service(App::new().configure(routes(site))).await;
    let with_cookie = |request: TestRequest| request.insert_header(("Cookie", &*cookie));
    let dashboard = || with_cookie(TestRequest::get().uri("/dashboard")).to_request();
    assert_eq!(call_service(&app, dashboard()).await.status(), 200);

    let log_out = with_cookie(TestRequest::post().uri("/logout")).to_request();
    test::csrf(&log_out);
    let answer = call_service(&app, log_out).await;
    assert_eq!((answer.status().as_u16(), header(&answer, "location")), (303, "/"));
    assert!(header(&answer, "set-cookie").starts_with("sessionid=\"\"; "));
    assert_eq!(call_service(&app, dashboard()).await.status(), 302);
    let question = json!({ "cmd": "read_row", "key": cookie.strip_prefix("sessionid=") });
    let row = bed().await.judge().await.unwrap().ask(question).await.unwrap();
    assert_eq!(row, Value::Null);
}

#[actix_web::test]
async fn every_other_path_is_djangos() {
    let bed = bed().await;
    let app = App::new().configure(routes(site().await));
    let app = app.app_data(Data::new(Upstream::new(bed.site().url())));
    let app = init_service(app.default_service(web::to(pass_on))).await;
    let key = bed.judge().await.unwrap().login("ada").await.unwrap();
    let whoami = TestRequest::get().uri("/whoami/");
    let whoami = whoami.insert_header(("Cookie", format!("sessionid={key}"))).to_request();
    let told: Value = call_and_read_body_json(&app, whoami).await;
    assert_eq!(told["username"], "ada");
}
