//! Middlewares of several site handles around one route: on one table they behave as one.

use std::{
    collections::BTreeSet,
    sync::Arc,
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use actix_django_session::{DjangoSettings, DjangoSite, SessionEngine, SessionKey};
use serde_json::{Value, json};
use testbed::{Django, Settings, With};

use crate::{
    beds::{Bed, pool, settings},
    sessions::operations::{Layers, Outcome, Served, operate_behind, operate_in, service_behind},
};

/// How a second handle differs from the first one.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    Same,
    /// A clone with its own hook.
    Hook,
    /// A separate site with its own pool.
    Apart,
    /// A separate site that may not write.
    Reads,
}

fn handle(kind: Kind, site: &DjangoSite, url: &str) -> DjangoSite {
    let apart = |settings| DjangoSite::new(pool(url), settings).unwrap();
    match kind {
        Kind::Same => site.clone(),
        Kind::Hook => site.clone().after_get_user(|_, user, _| async move { Ok(Some(user)) }),
        Kind::Apart => apart(site.settings().clone()),
        Kind::Reads => apart(site.settings().clone().with(|s| s.write_sessions = false)),
    }
}

/// Every nesting, the outermost first. The handle of the handler may write.
fn nestings(site: &DjangoSite, url: &str) -> Vec<(String, Layers)> {
    use Kind::{Apart, Hook, Reads, Same};
    let mut all = Vec::new();
    for kinds in [
        [Same, Same, Hook],
        [Hook, Same, Same],
        [Same, Hook, Apart],
        [Apart, Same, Apart],
        [Same, Apart, Same],
        [Reads, Same, Hook],
        [Reads, Reads, Apart],
        [Same, Reads, Apart],
    ] {
        let sites = kinds.map(|kind| handle(kind, site, url)).to_vec();
        for (csrf_if_logged_in, looks, between) in
            [(false, false, 0), (true, true, 0), (true, false, 1), (false, true, 2)]
        {
            let between = if kinds[0] == Reads { 0 } else { between };
            let layers = Layers { sites: sites.clone(), csrf_if_logged_in, looks, between };
            all.push((format!("{kinds:?} {csrf_if_logged_in} {looks} {between}"), layers));
        }
    }
    all
}

/// The response to a visitor, and what the next request finds.
async fn result_of(
    app: &Served,
    layers: &Layers,
    cookie: Option<&str>,
    ops: &Value,
    status: u16,
) -> Value {
    let came = operate_in(app, layers, cookie, ops, status).await;
    let next = set(&came).map_or_else(|| cookie.map(str::to_owned), |(cookie, _)| cookie);
    let next_ops = json!([["get", "a"], ["get", "cart"], ["user"]]);
    let mut alone = layers.clone();
    alone.between = 0;
    let seen = operate_in(app, &alone, next.as_deref(), &next_ops, 200).await;
    let old = operate_in(app, &alone, cookie, &next_ops, 200).await;
    let answered = set(&came).map(|(cookie, rest)| (cookie.is_some(), rest));
    json!([came.status, came.results, answered, seen.results, old.results])
}

/// The session cookie that a response sets (`None` if it deletes the cookie), and its attributes.
fn set(outcome: &Outcome) -> Option<(Option<String>, String)> {
    let sessions: Vec<_> =
        outcome.set_cookie.iter().filter(|one| one.starts_with("sessionid=")).collect();
    assert!(sessions.len() <= 1, "{sessions:?}");
    let (cookie, rest) = sessions.first()?.split_once("; ")?;
    let rest = rest.split("; ").filter(|part| !part.starts_with("expires="));
    let cookie = (cookie != "sessionid=\"\"").then(|| cookie.to_owned());
    Some((cookie, rest.collect::<Vec<_>>().join("; ")))
}

/// The visitor's cookie, with a new session for each case.
async fn visitor(
    kind: &str,
    bed: &Bed,
    engine: SessionEngine,
    reference: &Served,
    layers: &Layers,
) -> Option<String> {
    let ops = match kind {
        "none" => return None,
        "stale" => return Some(format!("sessionid={}", SessionKey::generate().as_str())),
        "anonymous" => json!([["insert", "cart", [1]]]),
        _ => json!([["insert", "cart", [1]], ["login", "ada"]]),
    };
    if engine == SessionEngine::Db && kind == "ada" {
        return Some(format!("sessionid={}", bed.login("ada").await));
    }
    set(&operate_in(reference, layers, None, &ops, 200).await)?.0
}

#[testbed::test]
async fn several_handles_on_one_table_behave_as_one() {
    let bed = Bed::start(Django::default(), Settings::default()).await;
    let url = bed.bed().database_url();
    let mut seen = BTreeSet::new();
    for engine in [SessionEngine::Db, SessionEngine::SignedCookies] {
        for every in [None, Some(Duration::ZERO), Some(Duration::from_secs(3600))] {
            let mut settings: DjangoSettings = settings().with(|s| {
                s.session_engine = engine;
                s.write_sessions = true;
            });
            if let Some(every) = every {
                settings.session_save_every_request = true;
                settings.session_save_interval = Some(every);
            }
            let site = bed.site_with(settings);
            let one = Layers { sites: vec![site.clone(); 3], ..Layers::default() };
            let reference = service_behind(&one).await;
            let mut services = Vec::new();
            for (name, layers) in nestings(&site, url) {
                let service = service_behind(&layers).await;
                services.push((name, layers, service));
            }
            for (kind, ops, status) in [
                ("none", json!([]), 200),
                ("none", json!([["login", "ada"], ["insert", "a", 1]]), 200),
                ("none", json!([["insert", "a", 1], ["flush"]]), 200),
                ("stale", json!([]), 200),
                ("stale", json!([["login", "ada"]]), 200),
                ("stale", json!([["user"], ["login", "ada"]]), 302),
                ("anonymous", json!([["insert", "a", 1], ["login", "ada"]]), 200),
                ("anonymous", json!([["get", "a"]]), 200),
                ("anonymous", json!([["login", "ada"], ["logout"]]), 200),
                ("anonymous", json!([["insert", "a", 1], ["save"]]), 500),
                ("ada", json!([["user"], ["logout"]]), 200),
                ("ada", json!([["logout"], ["login", "grace"], ["user"]]), 200),
                ("ada", json!([["flush"], ["user"]]), 200),
                ("ada", json!([["flush"], ["user"]]), 500),
                ("ada", json!([["cycle_key"], ["insert", "a", 1], ["user"]]), 200),
                ("ada", json!([["insert", "a", 1], ["user"]]), 404),
            ] {
                let cookie = visitor(kind, &bed, engine, &reference, &one).await;
                let expected = result_of(&reference, &one, cookie.as_deref(), &ops, status).await;
                seen.insert(expected.to_string());
                for (name, layers, service) in &services {
                    let cookie = visitor(kind, &bed, engine, &reference, &one).await;
                    // The handler has read the session: then Django deletes a cookie without a session.
                    if kind == "stale" && layers.looks && ops == json!([]) {
                        continue;
                    }
                    let came = result_of(service, layers, cookie.as_deref(), &ops, status).await;
                    assert_eq!(came, expected, "{engine:?} {every:?} {kind} {ops} {status} {name}");
                }
            }
        }
    }
    assert!(seen.len() > 20, "stories that differ: {}", seen.len());
}

/// Each handle finds the user on its own, although both share the session.
#[testbed::test]
async fn a_hook_runs_even_if_another_handle_admitted_the_visitor() {
    let bed = Bed::shared().await;
    let site = bed.site_with(settings().with(|s| s.write_sessions = true));
    let calls = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&calls);
    let strict = site.clone().after_get_user(move |session, user, _| {
        count.fetch_add(1, Ordering::Relaxed);
        let is_verified = session.get::<bool>("verified").ok().flatten() == Some(true);
        async move { Ok(is_verified.then_some(user)) }
    });
    for sites in [[&site, &site, &strict], [&site, &strict, &strict]] {
        let sites = sites.map(Clone::clone).to_vec();
        for (looks, between, ops, user) in [
            (true, 0, json!([["user"]]), Value::Null),
            // A login by another handle does not replace the hook of this one.
            (true, 1, json!([["login", "ada"], ["user"]]), Value::Null),
            (
                true,
                2,
                json!([["insert", "verified", true], ["login", "ada"], ["user"]]),
                json!("ada"),
            ),
        ] {
            let before = calls.load(Ordering::Relaxed);
            let cookie = format!("sessionid={}", bed.login("ada").await);
            let layers = Layers { sites: sites.clone(), looks, between, ..Layers::default() };
            let came = operate_behind(&layers, Some(&cookie), &ops, 200).await;
            assert_eq!(came.results[ops.as_array().unwrap().len() - 1], user, "{ops}");
            assert!(calls.load(Ordering::Relaxed) > before, "{ops}");
        }
    }
}

/// Each handle has its own session, and an outer middleware does not delete the cookie of an inner one.
#[testbed::test]
async fn handles_of_two_tables_or_cookies_have_two_sessions() {
    let bed = Bed::start(Django::default(), Settings::default()).await;
    bed.sql("CREATE TABLE other_session (LIKE django_session INCLUDING ALL)").await;
    let sliding = || {
        let mut sliding = settings();
        sliding.write_sessions = true;
        sliding.session_save_every_request = true;
        sliding.with(|s| s.session_save_interval = Some(Duration::ZERO))
    };
    let site = bed.site_with(sliding());
    let other_cookie = bed.site_with(sliding().with(|s| s.session_cookie_name = "other".into()));
    let other_table = bed.site_with(sliding().with(|s| s.session_table = "other_session".into()));
    let names = |outcome: &Outcome| -> Vec<String> {
        let names = outcome.set_cookie.iter().map(|one| one.split('=').next().unwrap().to_owned());
        names.filter(|name| name != "csrftoken").collect()
    };
    let table_of = async |key: &str| {
        let mut found = Vec::new();
        for table in ["django_session", "other_session"] {
            let rows =
                bed.sql(&format!("SELECT count(*) FROM {table} WHERE session_key = '{key}'")).await;
            found.extend((rows == json!([[1]])).then_some(table));
        }
        found
    };

    // The operation on the outer session runs between the middlewares, the one on the inner session in the
    // handler.
    let key = bed.session(r#"{"cart":1}"#).await;
    let cookie = format!("sessionid={key}");
    let ops = json!([["insert", "a", 1], ["login", "ada"], ["get", "a"], ["user"]]);
    let sites = vec![site.clone(), site.clone(), other_cookie.clone()];
    let layers = Layers { sites, between: 1, ..Layers::default() };
    let came = operate_behind(&layers, Some(&cookie), &ops, 200).await;
    assert_eq!(came.results, json!([null, null, null, "ada"]));
    assert_eq!(names(&came), ["other", "sessionid"]);
    let row = bed.ask(json!({ "cmd": "read_row", "key": key })).await;
    assert_eq!(row["json"], r#"{"cart": 1, "a": 1}"#);

    for (ops, expected) in [
        (json!([["insert", "a", 1], ["login", "ada"], ["user"]]), Some("other_session")),
        // The inner one finds no session and deletes the cookie; the row of the outer one stays.
        (json!([["insert", "a", 1], ["get", "a"], ["get", "a"]]), None),
    ] {
        let key = bed.session(r#"{"cart":1}"#).await;
        let cookie = format!("sessionid={key}");
        let sites = vec![site.clone(), site.clone(), other_table.clone()];
        let layers = Layers { sites, between: 1, ..Layers::default() };
        let came = operate_behind(&layers, Some(&cookie), &ops, 200).await;
        assert_eq!(names(&came), ["sessionid"], "{came:?}");
        let (sent, _) = set(&came).unwrap();
        let sent = sent.map(|cookie| cookie.split_once('=').unwrap().1.to_owned());
        let table = match &sent {
            Some(key) => table_of(key).await.pop(),
            None => None,
        };
        assert_eq!(table, expected, "{ops}");
        assert_eq!(table_of(&key).await, ["django_session"]);
    }
}
