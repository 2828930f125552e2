//! A cart in the session: most of it without a database, where nothing is stored.

use actix_django_session::test;
use actix_web::{
    App,
    test::{TestRequest, call_service, init_service, read_body},
};
use serde_json::{Value, json};
use testbed::{Browser, Example};

use crate::handlers::{
    bed::{bed, site},
    examples::cart::routes,
};

#[actix_web::test]
async fn an_item_is_put_beside_those_that_are_there() {
    let app = init_service(App::new().configure(routes(test::site()))).await;
    let add = TestRequest::post().uri("/cart").set_form([("item", 7)]).to_request();
    test::with_session(&add, &json!({ "cart": [1, 2] }));
    test::csrf(&add);
    let answer = call_service(&app, add).await;
    let data = test::session_of(answer.request());
    assert_eq!(data.to_json(), r#"{"cart":[1,2,7]}"#);
    assert_eq!(read_body(answer).await, "3 in the cart\n");
}

#[actix_web::test]
async fn a_cart_is_emptied_once() {
    let app = init_service(App::new().configure(routes(test::site()))).await;
    for (data, said) in [(json!({ "cart": [1] }), "emptied\n"), (json!({}), "it was empty\n")] {
        let empty = TestRequest::delete().uri("/cart").to_request();
        test::with_session(&empty, &data);
        test::csrf(&empty);
        let answer = call_service(&app, empty).await;
        assert_eq!(test::session_of(answer.request()).to_json(), "{}");
        assert_eq!(read_body(answer).await, said);
    }
}

#[actix_web::test]
async fn another_site_puts_nothing_into_the_cart() {
    let app = init_service(App::new().configure(routes(test::site()))).await;
    let add = TestRequest::post().uri("/cart").set_form([("item", 7)]).to_request();
    test::with_session(&add, &json!({}));
    assert_eq!(call_service(&app, add).await.status(), 403);
}

/// On a real row.
#[actix_web::test]
async fn django_has_what_was_put_in() {
    let site = site().await;
    let cookie = test::create_session(&site, "ada").await;
    let app = init_service(App::new().configure(routes(site))).await;
    for item in [7, 8] {
        let add = TestRequest::post().uri("/cart").set_form([("item", item)]);
        let add = add.insert_header(("Cookie", &*cookie)).to_request();
        test::csrf(&add);
        assert_eq!(call_service(&app, add).await.status(), 200);
    }
    let judge = bed().await.judge().await.unwrap();
    let question = json!({ "cmd": "read_row", "key": cookie.strip_prefix("sessionid=") });
    let row = judge.ask(question).await.unwrap();
    let data: Value = serde_json::from_str(row["json"].as_str().unwrap()).unwrap();
    assert_eq!((&data["cart"], &data["_auth_user_id"]), (&json!([7, 8]), &json!("1")));
}

#[actix_web::test]
async fn the_example_runs() {
    let example = Example::run("cart", bed().await.database_url(), &[]).unwrap();
    let forged = Browser::new().client().post(format!("{}/cart", example.url()));
    assert_eq!(forged.body("item=7").send().await.unwrap().status(), 403);
    // As a browser sends it, which says where it was.
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
