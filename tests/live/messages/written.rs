//! What six versions of Django wrote for messages, into the session and the cookie: the kind `messages`
//! of `tests/vectors-writes.jsonl`.

use actix_django_session::{DjangoSite, SessionData};
use serde_json::{Value, json};

use super::{
    operations::{request, settings, signer},
    vectors::{bed, dateless},
};
use crate::beds::pool;

#[testbed::test]
async fn messages_are_written_as_django_writes_them() {
    let bed = bed().await;
    let oracle = bed.oracle().await.unwrap();
    let ask = async |question: Value| oracle.ask(question).await.unwrap();
    let pool = pool(bed.database_url());
    let mut compared = 0;
    for line in include_str!("../../vectors-writes.jsonl").lines() {
        let vector: Value = serde_json::from_str(line).unwrap();
        if vector["kind"] != "messages" {
            continue;
        }
        let is_in_session = vector["settings"]["MESSAGE_STORAGE"].is_string();
        let storage = settings(if is_in_session { "session" } else { "fallback" });
        let site = DjangoSite::new(pool.clone(), storage).unwrap();
        ask(json!({ "cmd": "sql", "statement": "DELETE FROM django_session" })).await;
        for row in vector["rows"].as_array().unwrap() {
            let (key, data) = (&row["session_key"], &row["session_data"]);
            ask(json!({ "cmd": "put_row", "key": key, "session_data": data })).await;
        }
        let ops: Vec<_> = vector["ops"].as_array().unwrap().iter().map(as_here).collect();
        let outcome = request(&site, &ops, 200, vector["cookie"].as_str()).await;

        let expect = &vector["expect"];
        let case = format!("{} {}: {outcome:?}", vector["id"], vector["note"]);
        assert_eq!(outcome.status, expect["status"], "{case}");
        let cookies = expect["set_cookie"].as_array().unwrap().iter();
        let cookies: Vec<_> = cookies.map(|cookie| cookie.as_str().unwrap()).collect();
        let without_value = |cookie: &&str| {
            let (name, rest) = cookie.split_once('=').unwrap();
            format!("{name}=;{}", dateless(rest.split_once(';').unwrap().1))
        };
        let ours: Vec<_> = outcome.set_cookie.iter().map(|cookie| dateless(cookie)).collect();
        assert_eq!(ours, cookies.iter().map(without_value).collect::<Vec<_>>(), "{case}");
        let kept = cookies.iter().find_map(|cookie| cookie.strip_prefix("messages="));
        let in_cookie = |value: &str| signer().unsign_json(value, None).unwrap();
        let kept = kept.map(|cookie| in_cookie(cookie.split(';').next().unwrap()));
        assert_eq!(outcome.cookie.as_deref().map(in_cookie), kept, "{case}");

        let read = outcome.results.iter().filter_map(Value::as_array).flatten();
        let read = read.map(|each| json!([each["level"], each["text"], each["extra_tags"]]));
        let expected = expect["results"].as_array().into_iter().flatten();
        let expected = expected.filter_map(Value::as_array).flatten().cloned();
        assert_eq!(read.collect::<Vec<_>>(), expected.collect::<Vec<_>>(), "{case}");

        let statement = "SELECT session_data FROM django_session";
        let rows = ask(json!({ "cmd": "sql", "statement": statement })).await;
        let rows = rows["rows"].as_array().unwrap().iter().map(|row| {
            let data = SessionData::decode(row[0].as_str().unwrap(), site.signer()).unwrap();
            data.to_json().into_owned()
        });
        let expected = expect["rows"].as_array().unwrap().iter();
        let expected = expected.map(|row| row["data_json"].as_str().unwrap().to_owned());
        assert_eq!(rows.collect::<Vec<_>>(), expected.collect::<Vec<_>>(), "{case}");
        compared += 1;
    }
    assert_eq!(compared, 9);
}

fn as_here(op: &Value) -> Value {
    match op[0].as_str().unwrap() {
        "message" => json!(["add", op[1], op[2], op[3]]),
        "safe_message" => json!(["add_safe", op[1], op[2], op[3]]),
        "read_messages" => json!(["read"]),
        other => panic!("{other}"),
    }
}
