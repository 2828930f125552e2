//! A cart in the session; most tests need no database.

use actix_django_session::test::{self, Client};
use actix_web::{
    App,
    test::{TestRequest, init_service, read_body},
};
use serde_json::{Value, json};
use testbed::{Browser, Example};

use crate::handlers::{
    bed::{bed, site},
    examples::cart::routes,
};

#[actix_web::test]
async fn an_item_is_added_to_the_items_in_the_cart() {
    let site = test::site().build();
    let app = init_service(App::new().configure(routes(site.clone()))).await;
    let client = Client::new(&site);
    client.update_session(&json!({ "cart": [1, 2] })).await;
    for (item, message) in [(7, "3 in the cart\n"), (8, "4 in the cart\n")] {
        let add = TestRequest::post().uri("/cart").set_form([("item", item)]);
        assert_eq!(read_body(client.send(&app, add).await).await, message);
    }
    assert_eq!(client.session().await.to_json(), r#"{"cart":[1,2,7,8]}"#);
}

#[actix_web::test]
async fn a_cart_can_be_emptied_once() {
    let site = test::site().build();
    let app = init_service(App::new().configure(routes(site.clone()))).await;
    let client = Client::new(&site);
    client.update_session(&json!({ "cart": [1], "a": 1 })).await;
    for message in ["emptied\n", "it was empty\n"] {
        let empty = TestRequest::delete().uri("/cart");
        assert_eq!(read_body(client.send(&app, empty).await).await, message);
        assert_eq!(client.session().await.to_json(), r#"{"a":1}"#);
    }
}

#[actix_web::test]
async fn another_site_cannot_add_to_the_cart() {
    let site = test::site().build();
    let app = init_service(App::new().configure(routes(site.clone()))).await;
    let client = Client::new(&site).enforce_csrf_checks();
    let add = TestRequest::post().uri("/cart").set_form([("item", 7)]);
    assert_eq!(client.send(&app, add).await.status(), 403);
    assert!(client.session().await.is_empty());
}

/// Uses a real row.
#[actix_web::test]
async fn django_sees_the_items_in_the_cart() {
    let site = site().await;
    let client = Client::logged_in(&site, "ada").await;
    let app = init_service(App::new().configure(routes(site))).await;
    for item in [7, 8] {
        let add = TestRequest::post().uri("/cart").set_form([("item", item)]);
        assert_eq!(client.send(&app, add).await.status(), 200);
    }
    let oracle = bed().await.oracle().await.unwrap();
    let question = json!({ "cmd": "read_row", "key": client.cookie("sessionid") });
    let row = oracle.ask(question).await.unwrap();
    let data: Value = serde_json::from_str(row["json"].as_str().unwrap()).unwrap();
    assert_eq!((&data["cart"], &data["_auth_user_id"]), (&json!([7, 8]), &json!("1")));
}

#[actix_web::test]
async fn the_example_runs() {
    let example = Example::run("cart", bed().await.database_url(), &[]).unwrap();
    let forged = Browser::new().client().post(format!("{}/cart", example.url()));
    assert_eq!(forged.body("item=7").send().await.unwrap().status(), 403);
    // A browser sends the `Origin` or `Referer` of the page.
    let token = "a".repeat(32);
    let meant = Browser::new().client().post(format!("{}/cart", example.url()));
    let meant = meant
        .header("Origin", example.url())
        .header("Cookie", format!("csrftoken={token}"))
        .header("X-CSRFToken", token)
        .header("Content-Type", "application/x-www-form-urlencoded");
    let answer = meant.body("item=7").send().await.unwrap();
    assert_eq!(answer.text().await.unwrap(), "1 in the cart\n");
}
