//! Pages that need a permission.

use actix_django_session::{
    DjangoSite,
    test::{self, Client, TestUser},
};
use actix_web::{
    App,
    test::{TestRequest, init_service},
};

use crate::handlers::{
    answers::{header, text},
    examples::permissions_and_pages::routes,
};

/// Ada may sell by her group; bob may not.
fn site() -> DjangoSite {
    test::site()
        .user(TestUser::new(1, "<ada>").groups(["sellers"]))
        .group("sellers", ["shop.add_item"])
        .user(TestUser::new(2, "bob").permissions(["shop.view_item"]))
        .build()
}

#[actix_web::test]
async fn only_sellers_see_the_button() {
    let site = site();
    let app = init_service(App::new().configure(routes(site.clone()))).await;
    for (user, button) in [("<ada>", "<a href=\"/items/add\">Add an item</a>"), ("bob", "")] {
        let client = Client::logged_in(&site, user).await;
        let page = text(client.send(&app, TestRequest::get().uri("/items")).await).await;
        assert_eq!(page, format!("<!doctype html><h1>Items</h1>{button}"));
    }
}

#[actix_web::test]
async fn only_sellers_add_items() {
    let site = site();
    let app = init_service(App::new().configure(routes(site.clone()))).await;
    let client = Client::new(&site);
    let add = || TestRequest::get().uri("/items/add");

    let answer = client.send(&app, add()).await;
    assert_eq!(answer.status(), 302);
    assert_eq!(header(&answer, "location"), "/accounts/login/?next=/items/add");

    client.force_login("bob").await;
    let answer = client.send(&app, add()).await;
    assert_eq!(answer.status(), 403);
    let page = text(answer).await;
    assert!(page.starts_with("<!doctype html><h1>You may not do that</h1>"), "{page}");

    client.force_login("<ada>").await;
    let page = text(client.send(&app, add()).await).await;
    assert_eq!(page, "<!doctype html><h1>A new item of &lt;ada></h1>");
}
