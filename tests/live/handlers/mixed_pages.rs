//! Pages for all visitors, and one for staff.

use actix_django_session::{
    DjangoSite,
    test::{self, Client, TestUser},
};
use actix_web::{
    App,
    test::{TestRequest, init_service},
};
use serde_json::json;
use testbed::{Browser, Example};

use crate::handlers::{answers::text, bed::bed, examples::mixed_pages::routes};

fn site() -> DjangoSite {
    test::site().user(TestUser::new(1, "ada")).user(TestUser::new(2, "bob").staff()).build()
}

#[actix_web::test]
async fn all_visitors_read_the_article_and_users_may_comment() {
    let site = site();
    let app = init_service(App::new().configure(routes(site.clone()))).await;
    let client = Client::new(&site);
    let article = async || text(client.send(&app, TestRequest::get()).await).await;
    assert_eq!(article().await, "An article. Log in to comment.\n");
    client.force_login("ada").await;
    assert_eq!(article().await, "An article. You may comment as ada.\n");
}

#[actix_web::test]
async fn a_cart_needs_a_session_but_no_user() {
    let site = site();
    let app = init_service(App::new().configure(routes(site.clone()))).await;
    let client = Client::new(&site);
    let cart = async || text(client.send(&app, TestRequest::get().uri("/cart")).await).await;
    assert_eq!(cart().await, "0 in the cart\n");
    client.update_session(&json!({ "cart": 3 })).await;
    assert_eq!(cart().await, "3 in the cart\n");
}

#[actix_web::test]
async fn only_staff_sees_drafts() {
    let site = site();
    let app = init_service(App::new().configure(routes(site.clone()))).await;
    let client = Client::new(&site);
    let drafts = || TestRequest::get().uri("/drafts");
    assert_eq!(client.send(&app, drafts()).await.status(), 302);
    client.force_login("ada").await;
    assert_eq!(client.send(&app, drafts()).await.status(), 403);
    client.force_login("bob").await;
    assert_eq!(text(client.send(&app, drafts()).await).await, "Drafts, for bob\n");
}

#[actix_web::test]
async fn the_example_runs() {
    let bed = bed().await;
    let oracle = bed.oracle().await.unwrap();
    let example = Example::run("mixed_pages", bed.database_url(), &[]).unwrap();
    let get = async |path: &str, key: &str| {
        let request = Browser::new().client().get(format!("{}{path}", example.url()));
        let answer = request.header("Cookie", format!("sessionid={key}")).send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    };
    let ada = oracle.login("ada").await.unwrap();
    let cart = json!({ "cmd": "login", "username": "bob", "data": { "cart": 2 } });
    let bob = oracle.ask(cart).await.unwrap()["key"].as_str().unwrap().to_owned();
    assert_eq!(get("/", &ada).await.1, "An article. You may comment as ada.\n");
    assert_eq!(get("/", "unknown-key").await, (200, "An article. Log in to comment.\n".into()));
    assert_eq!(get("/cart", &bob).await.1, "2 in the cart\n");
    assert_eq!(get("/drafts", &ada).await.0, 403);
    assert_eq!(get("/drafts", "unknown-key").await.0, 302);
}
