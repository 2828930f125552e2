//! Session engines other than the database.

use actix_django_session::{DjangoSettings, DjangoSite, SessionEngine};
use serde_json::{Value, json};
use testbed::{Django, Settings, With};

use crate::{
    beds::{Bed, nowhere, pool, settings},
    sessions::operations::{ODD_COOKIES, Outcome, django, leave_alone, operate},
};

fn signed_cookies() -> DjangoSettings {
    settings().with(|s| {
        s.session_engine = SessionEngine::SignedCookies;
        s.write_sessions = true;
    })
}

/// The cookie of a response, as a browser sends it, and its attributes without the time.
fn cookie(outcome: &Outcome) -> (String, String) {
    let [text] = &outcome.set_cookie[..] else { panic!("{outcome:?}") };
    let (cookie, attributes) = text.split_once("; ").unwrap();
    let attributes = attributes.split("; ").filter(|part| !part.starts_with("expires="));
    (cookie.to_owned(), attributes.collect::<Vec<_>>().join("; "))
}

#[testbed::test]
async fn a_session_in_a_cookie_needs_no_database() {
    let engine = "django.contrib.sessions.backends.signed_cookies";
    for version in Django::available().unwrap() {
        let settings = Settings::default().set("SESSION_ENGINE", engine);
        let bed = Bed::start(version, settings).await;
        let site = DjangoSite::new(pool(&nowhere()), signed_cookies()).unwrap();

        let made = operate(&site, None, &json!([["insert", "é", [1]]]), 200).await;
        let (rusts, attributes) = cookie(&made);
        let seen =
            django(&bed, Some(&rusts), &json!([["get", "é"], ["insert", "b", 2]]), 200).await;
        assert_eq!(seen.results, json!([[1], null]), "{version}");
        let (djangos, django_attributes) = cookie(&seen);
        assert_eq!(attributes, django_attributes, "{version}");

        let ops = json!([["get", "b"], ["append", "é", 2], ["set_expiry", 3600]]);
        let seen = operate(&site, Some(&djangos), &ops, 404).await;
        assert_eq!(seen.results[0], 2, "{version}");
        let (rusts, attributes) = cookie(&seen);
        assert!(attributes.contains("Max-Age=3600"), "{attributes}");
        let seen = django(&bed, Some(&rusts), &json!([["get", "é"], ["get", "b"]]), 200).await;
        assert_eq!(seen.results, json!([[1, 2], 2]), "{version}");

        for ops in
            [json!([["flush"]]), json!([["clear"]]), json!([["remove", "é"], ["remove", "b"]])]
        {
            let ours = operate(&site, Some(&rusts), &ops, 200).await;
            let theirs = django(&bed, Some(&rusts), &ops, 200).await;
            assert_eq!(cookie(&ours).1, cookie(&theirs).1, "{version}: {ops}");
        }
        let failed = operate(&site, Some(&rusts), &json!([["insert", "c", 1]]), 500).await;
        assert_eq!((failed.status, failed.set_cookie), (500, vec![]));
        for cookie in ODD_COOKIES {
            let [ours, theirs] = leave_alone(&bed, &site, cookie, 200).await;
            assert_eq!(ours, theirs, "{version}: {cookie}");
        }
    }
}

#[testbed::test]
async fn a_cookie_that_we_did_not_sign_is_no_session() {
    let site = DjangoSite::new(pool(&nowhere()), signed_cookies()).unwrap();
    let made = operate(&site, None, &json!([["insert", "a", 1]]), 200).await;
    let (sound, _) = cookie(&made);
    let get = json!([["get", "a"]]);
    assert_eq!(operate(&site, Some(&sound), &get, 200).await.results, json!([1]));
    let mut other_site = settings();
    other_site.session_key_salt = "x".into();
    let row = DjangoSite::new(pool(&nowhere()), other_site).unwrap();
    let row =
        actix_django_session::SessionData::from_json(r#"{"a":1}"#).unwrap().encode(row.signer());
    let mut short_lived = signed_cookies();
    short_lived.session_cookie_age = 0;
    let short_lived = DjangoSite::new(pool(&nowhere()), short_lived).unwrap();
    for (site, cookie) in [
        (&site, sound.replace("eyJ", "eyK")),
        (&site, format!("sessionid={row}")),
        (&site, "sessionid=".to_owned()),
        (&short_lived, sound.clone()),
    ] {
        let seen = operate(site, Some(&cookie), &get, 200).await;
        assert_eq!(seen.results, json!([Value::Null]), "{cookie}");
        // Django would set an empty cookie, which has the same effect.
        assert!(seen.set_cookie[0].contains("Max-Age=0"), "{seen:?}");
    }
}

#[testbed::test]
async fn without_the_hook_a_cached_session_is_not_written() {
    let bed = Bed::shared().await;
    let mut beside_a_cache = settings();
    beside_a_cache.session_engine = SessionEngine::CachedDb;
    beside_a_cache.write_sessions = true;
    let site = bed.site_with(beside_a_cache);
    let refused = site.check().await.unwrap_err().to_string();
    assert!(refused.contains("on_session_change"), "{refused}");
    let key = bed.session(r#"{"a":1}"#).await;
    let cookie = format!("sessionid={key}");
    let seen = operate(&site, Some(&cookie), &json!([["insert", "a", 2]]), 200).await;
    assert_eq!((seen.status, seen.set_cookie), (500, vec![]));
    let row = bed.ask(json!({ "cmd": "read_row", "key": key })).await;
    assert_eq!(row["json"], r#"{"a": 1}"#);
}

#[testbed::test]
async fn a_read_only_service_names_the_setting_that_permits_writes() {
    let bed = Bed::shared().await;
    let site = bed.site();
    let seen = operate(&site, None, &json!([["insert", "a", 1]]), 200).await;
    assert_eq!((seen.status, seen.set_cookie), (500, vec![]));
    let data = actix_django_session::SessionData::new();
    let refused = site.create(&data, actix_django_session::Expiry::Default).await.unwrap_err();
    assert!(refused.to_string().contains("write_sessions"), "{refused}");
}
