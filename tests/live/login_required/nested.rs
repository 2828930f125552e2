//! Nested middlewares of two sites: a request must pass each of them, and extractors have the user of the
//! innermost one. Code around a middleware sees the user that it found.

use std::sync::{Arc, Mutex};

use actix_django_session::{
    DjangoSessionMiddleware, DjangoSite, Event, OptionalDjangoSession, OptionalDjangoUser,
};
use actix_web::{
    Error, FromRequest,
    body::MessageBody,
    dev::{ServiceRequest, ServiceResponse},
    middleware::{Next, from_fn},
    web::{self, ServiceConfig},
};
use futures_util::future::join_all;
use serde_json::json;
use testbed::With;

use crate::{
    app::TestApp,
    beds::{Bed, settings},
    probe::page,
};

#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    Optional,
    Required,
    Login,
    Staff,
    Permission,
}

const KINDS: [Kind; 5] =
    [Kind::Optional, Kind::Required, Kind::Login, Kind::Staff, Kind::Permission];

fn middleware(kind: Kind, site: &DjangoSite) -> DjangoSessionMiddleware {
    let site = site.clone();
    match kind {
        Kind::Optional => DjangoSessionMiddleware::optional(site),
        Kind::Required => DjangoSessionMiddleware::required(site),
        Kind::Login => DjangoSessionMiddleware::login_required(site),
        Kind::Staff => DjangoSessionMiddleware::optional(site).staff_required(),
        Kind::Permission => {
            DjangoSessionMiddleware::required(site).permission_required("shop.add_item")
        }
    }
}

/// The middlewares of each kind and site, at the index `kind + 5 * site`.
fn middlewares(sites: &[DjangoSite; 2]) -> Vec<DjangoSessionMiddleware> {
    sites.iter().flat_map(|site| KINDS.map(|kind| middleware(kind, site))).collect()
}

async fn user_and_session(
    OptionalDjangoUser(user): OptionalDjangoUser,
    OptionalDjangoSession(session): OptionalDjangoSession,
) -> String {
    format!(
        "{} {}",
        user.map_or("anonymous".into(), |u| u.username().to_owned()),
        session.is_some()
    )
}

/// Adds a route for each chain of middlewares, with their indexes in the path: `/0/7/3`.
fn chains(config: &mut ServiceConfig, middlewares: &[DjangoSessionMiddleware], depth: usize) {
    for (i, middleware) in middlewares.iter().enumerate() {
        let inner = |config: &mut ServiceConfig| {
            if depth > 1 {
                chains(config, middlewares, depth - 1);
            }
            config.route("", web::get().to(user_and_session));
        };
        config.service(web::scope(&format!("/{i}")).wrap(middleware.clone()).configure(inner));
    }
}

/// A visitor as each site sees it: whether it has a live session, and the user's name.
struct Visitor {
    key: String,
    has_session: bool,
    users: [Option<&'static str>; 2],
}

impl Visitor {
    /// The response of these middlewares, the outermost first.
    fn expected(&self, chain: &[usize]) -> (u16, String) {
        for middleware in chain {
            let user = self.users[middleware / 5];
            let kind = KINDS[middleware % 5];
            let comes_in = match kind {
                Kind::Optional => true,
                Kind::Required => self.has_session,
                _ => user.is_some(),
            };
            let may = match kind {
                Kind::Staff => user == Some("staff"),
                Kind::Permission => matches!(user, Some("seller" | "root")),
                _ => true,
            };
            if !comes_in || !may {
                return (if comes_in { 403 } else { 302 }, String::new());
            }
        }
        let user = self.users[chain[chain.len() - 1] / 5].unwrap_or("anonymous");
        (200, format!("{user} {}", self.has_session))
    }
}

#[testbed::test]
async fn every_chain_of_middlewares_admits_what_all_of_them_admit() {
    let bed = Bed::new().await;
    let mut visitors = vec![];
    for (name, fields, at_other_site) in [
        ("plain", json!({}), Some("plain")),
        ("seller", json!({ "permissions": ["shop.add_item"] }), Some("staff")),
        ("staff", json!({ "is_staff": true }), Some("seller")),
        ("root", json!({ "is_superuser": true }), None),
    ] {
        let mut all = json!({ "password": "x" });
        all.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        bed.user(name, all).await;
        let key = bed.login(name).await;
        visitors.push(Visitor { key, has_session: true, users: [Some(name), at_other_site] });
    }
    let cart = bed.session("{\"cart\":1}").await;
    visitors.push(Visitor { key: cart, has_session: true, users: [None, None] });
    visitors.push(Visitor { key: "unknown-key".into(), has_session: false, users: [None, None] });

    // At the other site, the same session keys belong to other users.
    // With more connections, each crowd of requests would open some that are closed after it.
    let new_site = || bed.site_with(settings().with(|s| s.max_connections = 5));
    let other = new_site().after_get_user(|_, user, site| async move {
        match user.username() {
            "seller" => site.user_by_username("staff").await.map(Some),
            "staff" => site.user_by_username("seller").await.map(Some),
            "root" => Ok(None),
            _ => Ok(Some(user)),
        }
    });
    let middlewares = middlewares(&[new_site(), other]);
    let app = TestApp::with_routes(move |config| chains(config, &middlewares, 3));
    let mut all: Vec<Vec<usize>> = vec![];
    for a in 0..10 {
        all.push(vec![a]);
        for b in 0..10 {
            all.push(vec![a, b]);
            all.extend((0..10).map(|c| vec![a, b, c]));
        }
    }
    let cases: Vec<_> =
        all.iter().flat_map(|chain| visitors.iter().map(move |v| (chain, v))).collect();
    assert!(cases.len() > 6_000);
    let mut admitted = 0;
    for some in cases.chunks(60) {
        let answers = join_all(some.iter().map(async |(chain, visitor)| {
            let path: String = chain.iter().map(|middleware| format!("/{middleware}")).collect();
            let answer = app.get(&path, &visitor.key).await;
            let outcome = (answer.status, answer.text());
            assert_eq!(outcome, visitor.expected(chain), "{path}, {:?}", visitor.users);
            outcome.0
        }));
        admitted += answers.await.into_iter().filter(|status| *status == 200).count();
    }
    println!("{} answers, {admitted} admitted", cases.len());
    assert!(admitted > 1_000 && admitted < cases.len() - 1_000);
}

/// The access log's line of each request.
type AccessLog = web::Data<Mutex<Vec<String>>>;

async fn access_log(
    log: AccessLog,
    req: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    let response = next.call(req).await?;
    let user = OptionalDjangoUser::extract(response.request()).await;
    let session = OptionalDjangoSession::extract(response.request()).await;
    let user = user.map(|user| user.0.map(|user| user.username().to_owned()));
    let line = format!(
        "{} {:?} {:?}",
        response.status().as_u16(),
        user.map_err(drop),
        session.map(|session| session.0.is_some()).map_err(drop)
    );
    log.lock().unwrap().push(line);
    Ok(response)
}

#[testbed::test]
async fn an_access_log_around_a_middleware_sees_the_users_that_it_refused() {
    let bed = Bed::new().await;
    bed.user("ada", json!({ "password": "x" })).await;
    let key = bed.login("ada").await;
    let cart = bed.session("{\"cart\":1}").await;
    let log: AccessLog = web::Data::new(Mutex::default());
    let rejected = Arc::new(Mutex::new(0));
    let count = Arc::clone(&rejected);
    let site = bed.site().on_event(move |event| {
        *count.lock().unwrap() += usize::from(matches!(event, Event::Rejected { .. }));
    });
    let app = {
        let log = log.clone();
        TestApp::with_routes(move |config| {
            let login = DjangoSessionMiddleware::login_required(site.clone());
            let staff = login.clone().staff_required();
            config.app_data(log.clone()).service(
                web::scope("")
                    .wrap(from_fn(access_log))
                    .service(web::resource("/user").wrap(login).to(page))
                    .service(web::resource("/staff").wrap(staff).to(page)),
            );
        })
    };
    for (path, key, line) in [
        ("/user", &key, "200 Ok(Some(\"ada\")) Ok(true)"),
        ("/staff", &key, "403 Ok(Some(\"ada\")) Ok(true)"),
        ("/user", &cart, "302 Ok(None) Ok(true)"),
        ("/user", &"unknown-key".to_owned(), "302 Ok(None) Ok(false)"),
        ("/user", &"short".to_owned(), "302 Ok(None) Ok(false)"),
    ] {
        app.get(path, key).await;
        assert_eq!(log.lock().unwrap().pop().unwrap(), line, "{path}");
    }
    // Each lookup is counted once, whichever middleware makes it.
    assert_eq!(*rejected.lock().unwrap(), 4);
}
