//! Pages for everybody, and one for staff.

use actix_django_session::test::{self, TestUser};
use actix_web::{
    App,
    test::{TestRequest, call_and_read_body, call_service, init_service},
};
use serde_json::json;
use testbed::{Browser, Example};

use crate::handlers::{bed::bed, examples::mixed_pages::routes};

#[actix_web::test]
async fn everybody_reads_the_article_and_users_may_comment() {
    let app = init_service(App::new().configure(routes(test::site()))).await;
    let article = || TestRequest::get().uri("/").to_request();
    assert_eq!(call_and_read_body(&app, article()).await, "An article. Log in to comment.\n");
    let ada = article();
    test::user(&ada, TestUser::new(1, "ada"));
    assert_eq!(call_and_read_body(&app, ada).await, "An article. You may comment as ada.\n");
}

#[actix_web::test]
async fn a_cart_needs_a_session_and_no_user() {
    let app = init_service(App::new().configure(routes(test::site()))).await;
    let cart = || TestRequest::get().uri("/cart").to_request();
    assert_eq!(call_and_read_body(&app, cart()).await, "0 in the cart\n");
    let visitor = cart();
    test::with_session(&visitor, &json!({ "cart": 3 }));
    assert_eq!(call_and_read_body(&app, visitor).await, "3 in the cart\n");
}

#[actix_web::test]
async fn drafts_are_for_staff() {
    let app = init_service(App::new().configure(routes(test::site()))).await;
    let drafts = || TestRequest::get().uri("/drafts").to_request();
    assert_eq!(call_service(&app, drafts()).await.status(), 302);
    let ada = drafts();
    test::user(&ada, TestUser::new(1, "ada"));
    assert_eq!(call_service(&app, ada).await.status(), 403);
    let editor = drafts();
    test::user(&editor, TestUser::new(2, "bob").staff());
    assert_eq!(call_and_read_body(&app, editor).await, "Drafts, for bob\n");
}

#[actix_web::test]
async fn the_example_runs() {
    let bed = bed().await;
    let judge = bed.judge().await.unwrap();
    let example = Example::run("mixed_pages", bed.database_url(), &[]).unwrap();
    let get = async |path: &str, key: &str| {
        let request = Browser::new().client().get(format!("{}{path}", example.url()));
        let answer = request.header("Cookie", format!("sessionid={key}")).send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    };
    let ada = judge.login("ada").await.unwrap();
    let cart = json!({ "cmd": "login", "username": "bob", "data": { "cart": 2 } });
    let bob = judge.ask(cart).await.unwrap()["key"].as_str().unwrap().to_owned();
    assert_eq!(get("/", &ada).await.1, "An article. You may comment as ada.\n");
    assert_eq!(get("/", "nobodys-key").await, (200, "An article. Log in to comment.\n".into()));
    assert_eq!(get("/cart", &bob).await.1, "2 in the cart\n");
    assert_eq!(get("/drafts", &ada).await.0, 403);
    assert_eq!(get("/drafts", "nobodys-key").await.0, 302);
}
