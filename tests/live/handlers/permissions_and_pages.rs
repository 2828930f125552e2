//! Pages that need a permission.

use actix_django_session::test::{self, TestUser};
use actix_web::{
    App,
    test::{TestRequest, call_and_read_body, call_service, init_service, read_body},
};

use crate::handlers::{answers::header, examples::permissions_and_pages::routes};

fn seller() -> TestUser {
    TestUser::new(1, "<ada>").permissions(["shop.add_item"])
}

#[actix_web::test]
async fn only_sellers_see_the_button() {
    let app = init_service(App::new().configure(routes(test::site()))).await;
    for (user, button) in [
        (seller(), "<a href=\"/items/add\">Add an item</a>"),
        (TestUser::new(2, "bob").permissions(["shop.view_item"]), ""),
    ] {
        let items = TestRequest::get().uri("/items").to_request();
        test::user(&items, user);
        let page = call_and_read_body(&app, items).await;
        assert_eq!(page, format!("<!doctype html><h1>Items</h1>{button}"));
    }
}

#[actix_web::test]
async fn only_sellers_add_items() {
    let app = init_service(App::new().configure(routes(test::site()))).await;
    let add = || TestRequest::get().uri("/items/add").to_request();

    let answer = call_service(&app, add()).await;
    assert_eq!(answer.status(), 302);
    assert_eq!(header(&answer, "location"), "/accounts/login/?next=/items/add");

    let bob = add();
    test::user(&bob, TestUser::new(2, "bob"));
    let answer = call_service(&app, bob).await;
    assert_eq!(answer.status(), 403);
    let page = read_body(answer).await;
    assert!(page.starts_with(b"<!doctype html><h1>You may not do that</h1>"), "{page:?}");

    let ada = add();
    test::user(&ada, seller());
    let page = call_and_read_body(&app, ada).await;
    assert_eq!(page, "<!doctype html><h1>A new item of &lt;ada></h1>");
}
