//! Many concurrent changes of one session.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use actix_django_session::{
    DjangoSession, DjangoSessionMiddleware, DjangoSessionMut, DjangoSettings, DjangoSite, Error,
    Expiry, SessionData, SessionKey,
};
use actix_web::{App, web};
use futures_util::future::{join, join_all};
use serde_json::{Value, json};
use testbed::{Django, Settings, With};

use crate::{
    app::TestApp,
    beds::{Bed, Rng, seed, settings},
    sessions::operations::{django, operate},
};

/// A service on two workers.
fn service(site: &DjangoSite) -> TestApp {
    let middleware = DjangoSessionMiddleware::optional(site.clone());
    TestApp::start(move || {
        App::new()
            .wrap(middleware.clone())
            .route("/append/{n}", web::get().to(append))
            .route("/insert/{key}", web::get().to(insert))
            .route("/cycle", web::get().to(cycle))
            .route("/read", web::get().to(async |_: DjangoSession| "read"))
            .route(
                "/flush",
                web::get().to(async |session: DjangoSessionMut| {
                    session.flush();
                    "flushed"
                }),
            )
    })
}

async fn append(session: DjangoSessionMut, n: web::Path<u32>) -> Result<&'static str, Error> {
    let n = *n;
    session.update("list", move |list: &mut Vec<u32>| list.push(n))?;
    Ok("appended")
}

async fn insert(session: DjangoSessionMut, key: web::Path<String>) -> Result<&'static str, Error> {
    // A visitor who is anonymous by now has no session to change.
    if session.get::<u32>("start")?.is_some() {
        session.insert(&key, &1)?;
    }
    Ok("inserted")
}

async fn cycle(session: DjangoSessionMut) -> Result<&'static str, Error> {
    if session.get::<u32>("start")?.is_some() {
        session.cycle_key();
    }
    Ok("cycled")
}

/// The timeout is long: a busy machine is slow with so many concurrent requests.
fn long_timeout() -> DjangoSettings {
    settings().with(|s| s.timeout = Duration::from_secs(60))
}

fn each_request_slides(settings: DjangoSettings) -> DjangoSettings {
    settings.with(|s| {
        s.session_save_every_request = true;
        s.session_save_interval = Some(Duration::ZERO);
    })
}

async fn start(site: &DjangoSite) -> SessionKey {
    let mut data = SessionData::new();
    data.insert("start", &1).unwrap();
    site.create(&data, Expiry::Default).await.unwrap().key().clone()
}

#[testbed::test]
async fn two_hundred_concurrent_appends_are_all_saved() {
    let bed = Bed::shared().await;
    let site = bed.site_with(long_timeout().with(|s| s.write_sessions = true));
    let app = service(&site);
    let key = start(&site).await;
    let paths: Vec<_> = (0..200).map(|n| format!("/append/{n}")).collect();
    let answers = join_all(paths.iter().map(|path| app.get(path, key.as_str()))).await;
    assert!(answers.iter().all(|answer| answer.status == 200), "{answers:?}");
    let mut list: Vec<u32> = site.load(&key).await.unwrap().get("list").unwrap().unwrap();
    list.sort_unstable();
    assert_eq!(list, (0..200).collect::<Vec<_>>());
}

#[testbed::test]
async fn no_change_here_is_lost_while_django_writes_too() {
    let bed = Bed::shared().await;
    let site = bed.site_with(settings().with(|s| s.write_sessions = true));
    let key = start(&site).await;
    let cookie = format!("sessionid={}", key.as_str());
    let mut overwritten = 0;
    for round in 0..200 {
        let (theirs, ours) = (format!("d{round}"), format!("r{round}"));
        let (theirs_op, ours_op) = (json!([["insert", theirs, 1]]), json!([["insert", ours, 1]]));
        let by_django = django(bed, Some(&cookie), &theirs_op, 200);
        let by_us = operate(&site, Some(&cookie), &ours_op, 200);
        // If the requests come one after the other, no change may be lost.
        let (answer, own) = match round % 4 {
            0 => {
                let answer = by_django.await;
                (answer, by_us.await)
            }
            1 => {
                let own = by_us.await;
                (by_django.await, own)
            }
            _ => join(by_django, by_us).await,
        };
        assert_eq!((answer.status, own.status), (200, 200));
        let session = site.load(&key).await.unwrap();
        assert_eq!(session.get(&theirs).unwrap(), Some(1), "Django saved it");
        let is_there = session.get(&ours).unwrap() == Some(1);
        assert!(is_there || round % 4 > 1, "round {round}");
        overwritten += u32::from(!is_there);
    }
    // Django overwrites changes that were saved after it read the session, its own changes too.
    println!("of 100 values, Django overwrote {overwritten}");
}

#[testbed::test]
async fn an_ended_session_stays_ended_under_concurrent_requests() {
    let bed = Bed::start(Django::default(), Settings::default()).await;
    let mut changing = long_timeout();
    changing.write_sessions = true;
    let site = bed.site_with(changing.clone());
    let app = service(&site);
    let sliding = service(&bed.site_with(each_request_slides(changing)));
    let (mut rng, ended) = (Rng(seed()), AtomicUsize::new(0));
    for round in 0..1000 {
        let key = start(&site).await;
        let cookie = key.as_str();
        let others: Vec<_> = (0..4)
            .map(|n| match rng.below(3) {
                0 => (&app, format!("/insert/k{n}")),
                1 => (&app, "/cycle".to_owned()),
                _ => (&sliding, "/read".to_owned()),
            })
            .collect();
        let others = join_all(others.iter().map(|(app, path)| app.get(path, cookie)));
        let by_django = rng.below(2) == 0;
        let end = async {
            if by_django {
                let deleted = bed.ask(json!({ "cmd": "delete_row", "key": cookie })).await;
                deleted["deleted"] == 1
            } else {
                site.delete(&key).await.unwrap()
            }
        };
        let (answers, was_there) = join(others, end).await;
        for answer in &answers {
            assert!(matches!(answer.status, 200 | 302 | 400), "round {round}: {answer:?}");
        }
        // All rows go, also that of a session which already had another key when it was ended.
        let rows = bed
            .sql("WITH gone AS (DELETE FROM django_session RETURNING 1) SELECT count(*) FROM gone")
            .await;
        if was_there {
            ended.fetch_add(1, Ordering::Relaxed);
            assert_eq!(rows[0][0], 0, "round {round}, by Django: {by_django}");
        }
    }
    assert!(ended.into_inner() > 300, "most sessions existed when they were ended");
}

#[testbed::test]
async fn two_services_slide_a_thousand_sessions_without_errors() {
    let bed = Bed::start(Django::default(), Settings::default()).await;
    let mut changing = long_timeout();
    changing.write_sessions = true;
    let site = bed.site_with(changing.clone());
    let keys = join_all((0..1000).map(|_| start(&site))).await;
    bed.sql("UPDATE django_session SET expire_date = now() + interval '1 hour'").await;
    let sliding = || service(&bed.site_with(each_request_slides(changing.clone()))).with_log();
    let services = [sliding(), sliding()];
    for _ in 0..2 {
        // The two services run at the same time.
        let here = keys.iter().map(|key| services[0].get("/read", key.as_str()));
        let there = keys.iter().rev().map(|key| services[1].get("/read", key.as_str()));
        let (here, there) = join(in_crowds(here), in_crowds(there)).await;
        assert!(here.iter().chain(&there).all(|answer| answer.status == 200));
    }
    for service in &services {
        let complaints = service.log().of_this_crate(&["ERROR", "WARN"]);
        assert!(complaints.is_empty(), "{complaints:?}");
    }
    let short =
        "SELECT count(*) FROM django_session WHERE expire_date < now() + interval '13 days'";
    assert_eq!(bed.sql(short).await[0][0], Value::from(0));
}

/// Runs all futures, a hundred at a time: every machine can open that many connections.
async fn in_crowds<F: Future>(futures: impl Iterator<Item = F>) -> Vec<F::Output> {
    let mut futures = futures.peekable();
    let mut outputs = Vec::new();
    while futures.peek().is_some() {
        outputs.extend(join_all(futures.by_ref().take(100)).await);
    }
    outputs
}
