//! One worker, or one handler, is in a state that must not affect others: tested through a running server.

use std::{
    pin::pin,
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
        mpsc,
    },
    thread,
    time::Duration,
};

use actix_django_session::{DjangoSessionMiddleware, DjangoSite, DjangoUser, SessionKey};
use actix_web::web::{self, Data, ServiceConfig};
use tokio::{runtime::Builder, sync::Semaphore, time::timeout};

use crate::{
    TEST_TIMEOUT, beside_others,
    load::Connection,
    scene::{ROUTES, Scene, Visitor},
    service::{Service, pool, routes, settings},
    until,
};

/// Far longer than an answer takes: a caller that waits that long was stopped.
const TIMEOUT: Duration = Duration::from_secs(20);

fn site(scene: &Scene) -> DjangoSite {
    let mut settings = settings();
    settings.timeout = TIMEOUT;
    DjangoSite::new(pool(scene.database.url(), 4), settings).unwrap()
}

fn service(
    scene: &Scene,
    routes: impl Fn(&mut ServiceConfig) + Clone + Send + Sync + 'static,
) -> Service {
    Service::with(pool(scene.database.url(), 4), routes)
}

/// All visitors on one connection get the right answer.
async fn serve(connection: &mut Connection, visitors: &[Visitor]) {
    for visitor in visitors {
        for route in ROUTES {
            let cookie = visitor.cookie();
            let answer = timeout(TEST_TIMEOUT, connection.get(route, cookie.as_deref())).await;
            let answer = answer.expect("no visitor is stopped").unwrap();
            assert_eq!((answer.status, answer.body), visitor.right_answer(route), "{route}");
        }
    }
}

async fn worker() -> String {
    format!("{:?}", thread::current().id())
}

/// A connection to each of the two workers: a keep-alive connection stays with its worker.
async fn connection_to_each(service: &Service) -> [Connection; 2] {
    let mut found: Vec<(String, Connection)> = Vec::new();
    while found.len() < 2 {
        let mut connection = Connection::open(service.address).await.unwrap();
        let worker = connection.get("/worker", None).await.unwrap().body;
        if found.iter().all(|(other, _)| *other != worker) {
            found.push((worker, connection));
        }
    }
    [found.remove(0).1, found.remove(0).1]
}

/// The signals between a handler and its test.
struct Middleware {
    is_there: AtomicBool,
    may_go: Mutex<mpsc::Receiver<()>>,
}

async fn block(middleware: Data<Middleware>) -> &'static str {
    middleware.is_there.store(true, SeqCst);
    middleware.may_go.lock().unwrap().recv().unwrap();
    "done"
}

/// Like a template that takes long, or a password that is hashed in the handler.
#[tokio::test]
async fn a_blocked_worker_does_not_stop_the_visitors_of_another() {
    let _turn = beside_others().await;
    let scene = Scene::new().await;
    let routes = routes(site(&scene));
    let (sender, may_go) = mpsc::channel();
    let middleware =
        Data::new(Middleware { is_there: AtomicBool::default(), may_go: may_go.into() });
    let of_handler = middleware.clone();
    let service = service(&scene, move |app| {
        app.app_data(of_handler.clone())
            .route("/worker", web::get().to(worker))
            .route("/block", web::get().to(block))
            .configure(&routes);
    });
    // Dropped before the service, which waits for its workers: a failed test ends, too.
    let go = sender;
    let [mut one, mut other] = connection_to_each(&service).await;
    // This worker has asked first: its thread drives the connections that are made then.
    serve(&mut one, &scene.visitors).await;
    one.send("/block", None).await.unwrap();
    until("the worker is blocked", async || middleware.is_there.load(SeqCst)).await;
    serve(&mut other, &scene.visitors).await;
    go.send(()).unwrap();
    assert_eq!(one.answer().await.unwrap().body, "done");
    serve(&mut one, &scene.visitors).await;
}

/// What a handler in `select!` shares with its test.
struct Heartbeat {
    paused: AtomicUsize,
    goes_on: Semaphore,
}

/// Asks for a permission, and does something else while that takes long: nothing polls the lookup then.
async fn report(user: DjangoUser, heartbeat: Data<Heartbeat>) -> String {
    let mut may = pin!(user.has_perm("shop.ada"));
    loop {
        tokio::select! {
            biased;
            may = &mut may => return format!("{:?}", may.ok()),
            () = std::future::ready(()) => {
                heartbeat.paused.fetch_add(1, SeqCst);
                heartbeat.goes_on.acquire().await.unwrap().forget();
            }
        }
    }
}

#[tokio::test]
async fn handlers_that_pause_a_lookup_in_select_stop_no_other() {
    let _turn = beside_others().await;
    let scene = Scene::new().await;
    let site = site(&scene);
    let middleware = DjangoSessionMiddleware::login_required(site.clone());
    let routes = routes(site);
    let heartbeat =
        Data::new(Heartbeat { paused: AtomicUsize::default(), goes_on: Semaphore::new(0) });
    let of_handler = heartbeat.clone();
    let service = service(&scene, move |app| {
        app.app_data(of_handler.clone())
            .route("/worker", web::get().to(worker))
            .service(web::resource("/report").wrap(middleware.clone()).to(report))
            .configure(&routes);
    });
    let cookie = scene.user().cookie();
    // On both workers, before a permission was read there.
    let mut paused = connection_to_each(&service).await;
    for connection in &mut paused {
        connection.send("/report", cookie.as_deref()).await.unwrap();
    }
    until("both pause", async || heartbeat.paused.load(SeqCst) == 2).await;
    for mut connection in connection_to_each(&service).await {
        serve(&mut connection, &scene.visitors).await;
    }
    heartbeat.goes_on.add_permits(1_000);
    for mut connection in paused {
        assert_eq!(connection.answer().await.unwrap().body, "Some(true)");
    }
}

/// A job looks a user up now and then, on a thread that sleeps in between. The first visitors of a server
/// that is started meanwhile do not depend on it.
#[tokio::test]
async fn what_a_sleeping_runtime_has_loaded_does_not_stop_the_first_visitors() {
    let _turn = beside_others().await;
    let scene = Scene::new().await;
    let site = site(&scene);
    let (wake, sleeps) = mpsc::channel::<()>();
    let (ready, is_ready) = mpsc::channel();
    let job = {
        let (site, key) = (site.clone(), scene.user().key.clone().unwrap());
        thread::spawn(move || {
            let runtime = Builder::new_current_thread().enable_all().build().unwrap();
            let key = SessionKey::new(key).unwrap();
            let session = runtime.block_on(site.load(&key)).unwrap();
            let user = runtime.block_on(site.get_user(&session)).unwrap();
            runtime.block_on(user.permissions()).unwrap();
            ready.send(()).unwrap();
            sleeps.recv().unwrap();
            runtime.block_on(site.load(&key)).unwrap();
        })
    };
    is_ready.recv().unwrap();
    let service = service(&scene, routes(site));
    let visits = (0..50).map(async |_| {
        let mut connection = Connection::open(service.address).await.unwrap();
        serve(&mut connection, &scene.visitors).await;
    });
    futures_util::future::join_all(visits).await;
    wake.send(()).unwrap();
    job.join().unwrap();
}
