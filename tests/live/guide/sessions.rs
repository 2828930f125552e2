use actix_django_session::{DjangoSessionMiddleware, test::Client};
use actix_web::{
    App,
    test::{TestRequest, init_service},
};
use serde_json::{Value, json};

use crate::handlers::{
    answers::text,
    bed::{bed, site},
};

chapter::code!("sessions", "async fn add");

#[testbed::test]
async fn django_reads_the_values_that_a_handler_sets() {
    let site = site().await;
    let client = Client::logged_in(&site, "bob").await;
    let everyone = DjangoSessionMiddleware::optional(site);
    let routes = web::scope("")
        .wrap(everyone)
        .route("/cart/{item}", web::post().to(add))
        .route("/theme/{theme}", web::post().to(choose));
    let app = init_service(App::new().service(routes)).await;
    for (uri, message) in
        [("/cart/7", r#"["7"]"#), ("/cart/8", r#"["7", "8"]"#), ("/theme/dark", "chosen")]
    {
        let answer = client.send(&app, TestRequest::post().uri(uri)).await;
        assert_eq!(text(answer).await, message);
    }
    let cookie = format!("sessionid={}", client.cookie("sessionid").unwrap());
    let question = json!({ "cmd": "read_session", "cookie": cookie });
    let read = bed().await.oracle().await.unwrap().ask(question).await.unwrap();
    let data: Value = serde_json::from_str(read["json"].as_str().unwrap()).unwrap();
    assert_eq!((&data["cart"], &data["theme"]), (&json!(["7", "8"]), &json!("dark")));
    assert_eq!(data["_session_expiry"], 0);
}
