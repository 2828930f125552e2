//! The endpoint of the chapter "Move one endpoint", taken from the chapter.

use std::{env, fs};

use reqwest::redirect::Policy;
use serde_json::{Value, json};
use testbed::{Django, Example, Settings};

use crate::beds::{Bed, new_key};

#[testbed::test]
async fn the_moved_endpoint_runs() {
    let bed = Bed::start(Django::default(), Settings::default()).await;
    bed.sql("CREATE TABLE shop_order (id serial PRIMARY KEY, customer_id int, total int)").await;
    bed.sql("INSERT INTO shop_order (customer_id, total) VALUES (1, 10), (2, 20), (1, 30)").await;
    bed.user("ada", json!({ "permissions": ["shop.view_order"] })).await;
    let (ada, grace) = (bed.login("ada").await, bed.login("grace").await);
    let file = env::temp_dir().join(format!("{}.json", new_key()));
    fs::write(&file, bed.export().await).unwrap();
    let example =
        Example::run("orders", bed.url(), &[("DJANGO_SETTINGS", file.to_str().unwrap())]).unwrap();
    fs::remove_file(file).unwrap();

    let client = testbed::http_client().redirect(Policy::none()).build().unwrap();
    let ask = async |method: &str, key: &str| {
        let url = format!("{}/api/orders/", example.url());
        let request = client.request(method.parse().unwrap(), url);
        let answer = request.header("Cookie", format!("sessionid={key}")).send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    };
    let (status, body) = ask("GET", &ada).await;
    assert_eq!(status, 200);
    let outcome: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(outcome, json!({ "orders": [{ "id": 3, "total": 30 }, { "id": 1, "total": 10 }] }));
    assert_eq!(ask("HEAD", &ada).await, (200, String::new()));
    assert_eq!(ask("GET", &grace).await.0, 403);
    assert_eq!(ask("GET", "unknown-key").await.0, 302);
}
