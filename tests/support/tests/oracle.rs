//! The oracle answers as Django would.

use serde_json::json;
use testbed::{Browser, Django, Result, Settings, TestBed};

#[tokio::test]
async fn every_django_judges_a_request_as_its_site_does() -> Result<()> {
    for django in Django::available()? {
        let bed = TestBed::start(django).await?;
        let oracle = bed.oracle().await?;
        oracle.set_user("ada", "lovelace").await?;
        let browser = Browser::new();
        browser.login(bed.site().await?, "ada", "lovelace").await?;
        let seen = browser.whoami(bed.site().await?).await?;

        let cookie = browser.cookies(bed.site().await?.url()).unwrap_or_default();
        let visit = oracle.visit(cookie.as_bytes()).await?;
        assert_eq!(visit["status"], 200);
        assert_eq!(visit["verdict"], seen, "{django}");
        assert_eq!(visit["vary"], "Cookie");
    }
    Ok(())
}

#[tokio::test]
async fn a_judged_request_leaves_no_trace_at_any_time() -> Result<()> {
    let bed = TestBed::start(Django::V5_2).await?;
    let oracle = bed.oracle().await?;
    oracle.set_user("ada", "lovelace").await?;
    let key = oracle.login("ada").await?;
    let ends =
        oracle.ask(json!({ "cmd": "get_row", "key": key })).await?["row"]["expire_date"].take();
    let cookie = format!("sessionid={key}");

    let late = oracle.ask(json!({ "cmd": "visit", "cookie": cookie, "now": ends })).await?;
    assert_eq!(late["verdict"]["is_authenticated"], false);
    assert_eq!(late["session_cookie"], "deleted");

    // A wrong hash makes Django delete the row: here that is undone.
    oracle.set_user("ada", "byron").await?;
    for _ in 0..2 {
        let visit = oracle.visit(cookie.as_bytes()).await?;
        assert_eq!(visit["verdict"]["is_authenticated"], false);
        assert_eq!(visit["rows"], -1);
    }
    Ok(())
}

#[tokio::test]
async fn the_oracle_continues_after_an_exception() -> Result<()> {
    let bed = TestBed::start(Django::V5_2).await?;
    let oracle = bed.oracle().await?;

    let error = oracle.ask(json!({ "cmd": "sql", "statement": "SELECT 1/0" })).await.map(drop);
    assert!(matches!(error, Err(error) if error.class() == Some("DataError")));
    let answers = oracle
        .ask_all(vec![
            json!({ "cmd": "no_such_command" }),
            json!({ "cmd": "sql", "statement": "SELECT 1" }),
            json!({ "cmd": "redirect", "path": "/%C3%A9", "query": "x=1" }),
            json!({ "cmd": "parse_cookie", "cookie": "sessionid=a; sessionid=\"\\142\"" }),
        ])
        .await?;
    assert_eq!(answers[0]["error"], "KeyError");
    assert_eq!(answers[1]["rows"], json!([[1]]));
    assert_eq!(answers[2]["location"], "/accounts/login/?next=/%25C3%25A9%3Fx%3D1");
    assert_eq!(answers[3]["cookies"]["sessionid"], "b");
    Ok(())
}

#[tokio::test]
async fn every_random_session_can_be_used_for_a_request() -> Result<()> {
    let bed = TestBed::start(Django::V5_2).await?;
    let oracle = bed.oracle().await?;
    oracle.set_user("ada", "lovelace").await?;

    let made = oracle.ask(json!({ "cmd": "make_sessions", "seed": 1, "count": 300 })).await?;
    let made = made["sessions"].as_array().cloned().unwrap_or_default();
    assert_eq!(made.len(), 300);
    let visits = made
        .iter()
        .filter_map(|session| session["key"].as_str())
        .map(|key| format!("sessionid={key}").bytes().map(char::from).collect::<String>())
        .map(|cookie| json!({ "cmd": "visit", "cookie": cookie }))
        .collect();
    let answers = oracle.ask_all(visits).await?;
    assert!(answers.iter().all(|answer| answer["status"].is_u64()), "{answers:?}");
    let known =
        answers.iter().filter(|answer| answer["verdict"]["is_authenticated"] == true).count();
    assert!((30..200).contains(&known), "{known} are logged in");
    Ok(())
}

#[tokio::test]
async fn every_user_model_can_log_in() -> Result<()> {
    let models = [
        "bigint.BigUser",
        "bigint.Child",
        "uuids.UuidUser",
        "texts.TextUser",
        "renamed.RenamedUser",
        "bare.BareUser",
        "onetoone.Account",
        "versioned.VersionedUser",
    ];
    for model in models {
        let settings = Settings::default().auth_user_model(model).user("ada", "lovelace");
        let bed = TestBed::with_settings(Django::V5_2, settings).await?;
        let browser = Browser::new();
        browser.login(bed.site().await?, "ada", "lovelace").await?;
        let seen = browser.whoami(bed.site().await?).await?;
        assert_eq!(seen["username"], "ada", "{model}");

        let user = bed.oracle().await?.ask(json!({ "cmd": "get_user", "username": "ada" })).await?;
        assert_eq!(user["pk"], seen["user_id"], "{model}");
    }
    Ok(())
}
