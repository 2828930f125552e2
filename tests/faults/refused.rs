//! The database refuses: a wrong table, a missing privilege, a wrong password. Visitors get a 503, and the
//! log says once why.

use std::time::Duration;

use actix_django_session::{DjangoSettings, DjangoSite};
use actix_web::{
    App,
    test::{TestRequest, call_service, init_service, read_body},
};
use deadpool_postgres::Pool;
use futures_util::future::join_all;
use testbed::{Log, Postgres, Proxy, With, unused_address};

use crate::{
    beside_others,
    scene::Scene,
    service::{pool, routes, settings},
};

/// The tables that the crate reads, and nothing else.
const TABLES: &str = "django_session, auth_user, auth_permission, auth_user_user_permissions, \
                      auth_group_permissions, auth_user_groups, django_content_type";

/// Long enough to find out what is wrong.
const TIMEOUT: Duration = Duration::from_secs(20);

#[testbed::test]
async fn what_the_database_refuses_is_a_503_and_one_line_in_the_log() {
    let _turn = beside_others().await;
    let scene = Scene::new().await;
    let url = scene.database.url();
    let role = Role::create(&scene, "").await;
    let database = scene.database.name();
    let unused_address = format!("postgres://someone:secret@{}/{database}", unused_address());
    is_refused(&scene, "no server listens", &pool(&unused_address, 4), settings(), "refused").await;
    let no_such_database = url.replace(database, "no_such_database");
    let admin = scene.client().await;
    // A client that wants to write is sent to a replica.
    let read_only = format!("{url}?target_session_attrs=read-write");

    let mut wrong_table = settings();
    wrong_table.session_table = "no_such_table".into();
    for (case, url, settings, cause) in [
        ("wrong table", url, wrong_table, r#"relation "no_such_table" does not exist"#),
        ("no privilege", &role.url, settings(), "permission denied for table django_session"),
        ("wrong password", &role.wrong_password(), settings(), "password authentication failed"),
        ("no database", &no_such_database, settings(), "\"no_such_database\" does not exist"),
    ] {
        is_refused_once(&scene, case, url, settings, cause).await;
    }

    let database =
        format!("ALTER DATABASE {} SET default_transaction_read_only", scene.database.name());
    admin.batch_execute(&format!("{database} = on")).await.unwrap();
    let (case, cause) = ("replica, asked to write", "does not allow writes");
    is_refused_once(&scene, case, &read_only, settings(), cause).await;
    // A client that only reads is served by a replica.
    let site = DjangoSite::new(pool(url, 4), settings()).unwrap();
    let app = init_service(App::new().configure(routes(site))).await;
    let (sent, wrong) = ask_all(&scene, async |request| {
        let answer = call_service(&app, request.to_request()).await;
        let status = answer.status().as_u16();
        (status, String::from_utf8(read_body(answer).await.to_vec()).unwrap())
    })
    .await;
    println!("read replica: {sent} sent, {} right, {} wrong", sent - wrong.len(), wrong.len());
    assert!(wrong.is_empty(), "{wrong:?}");
}

/// All 300 find it out together, not one after the other.
async fn is_refused_once(
    scene: &Scene,
    case: &str,
    url: &str,
    settings: DjangoSettings,
    cause: &str,
) {
    let proxy = Proxy::before(url).await;
    is_refused(scene, case, &pool(proxy.url(), 4), settings, cause).await;
    let (connections, messages) = (proxy.accepted(), proxy.messages().len());
    println!("{case}: {connections} connections, {messages} messages");
    assert!(connections < 50 && messages < 300, "{case}: {connections}, {messages}");
}

async fn is_refused(scene: &Scene, case: &str, pool: &Pool, settings: DjangoSettings, cause: &str) {
    let log = Log::of_this_thread();
    let site = DjangoSite::new(pool.clone(), settings.with(|s| s.timeout = TIMEOUT)).unwrap();
    let app = init_service(App::new().configure(routes(site))).await;
    let start = std::time::Instant::now();
    let cookie = scene.user().cookie().unwrap();
    let answers = (0..300).map(|number| {
        let route = ["/optional", "/required", "/login_required"][number % 3];
        let request = TestRequest::with_uri(route).insert_header(("cookie", &*cookie));
        call_service(&app, request.to_request())
    });
    let answers = join_all(answers).await;
    let seconds = start.elapsed().as_secs();
    for answer in answers {
        assert_eq!(answer.status(), 503, "{case}");
        assert_eq!(answer.headers().get("retry-after").unwrap(), "1", "{case}");
        assert!(read_body(answer).await.is_empty(), "{case}");
    }
    let errors = log.of_this_crate(&["ERROR"]);
    println!(
        "{case}: 300 sent, 300 answered 503, 0 wrong, 0 lost, in {:?}; {}",
        start.elapsed(),
        errors[0]
    );
    assert!(errors.len() as u64 <= 1 + seconds, "{case}: {errors:#?}");
    assert!(errors.iter().all(|line| line.contains(cause)), "{case}: {errors:#?}");
    let key = scene.user().key.as_ref().unwrap();
    assert!(!log.lines().iter().any(|line| line.text.contains(key)), "{case}");
}

/// The handler reads permissions, long after the middleware: it responds with a 503, and the log says why.
#[testbed::test]
async fn a_refused_query_of_a_handler_is_logged_too() {
    let _turn = beside_others().await;
    let scene = Scene::new().await;
    let tables = "django_session, auth_user";
    let role = Role::create(&scene, &format!("GRANT SELECT ON {tables} TO")).await;
    let log = Log::of_this_thread();
    let site = DjangoSite::new(pool(&role.url, 4), settings()).unwrap();
    let app = init_service(App::new().configure(routes(site))).await;
    let request = TestRequest::with_uri("/login_required");
    let request = request.insert_header(("cookie", scene.user().cookie().unwrap()));
    let answer = call_service(&app, request.to_request()).await;
    assert_eq!(answer.status(), 503);
    assert_eq!(answer.headers().get("retry-after").unwrap(), "1");
    let errors = log.of_this_crate(&["ERROR"]);
    assert_eq!(errors.len(), 1, "{errors:#?}");
    assert!(errors[0].contains("permission denied for table auth_"), "{errors:#?}");
}

#[testbed::test]
async fn the_right_to_select_is_all_it_needs() {
    let _turn = beside_others().await;
    let scene = Scene::new().await;
    let role = Role::create(&scene, &format!("GRANT SELECT ON {TABLES} TO")).await;
    let site = DjangoSite::new(pool(&role.url, 4), settings()).unwrap();
    let app = init_service(App::new().configure(routes(site.clone()))).await;
    site.check().await.unwrap();
    let (sent, wrong) = ask_all(&scene, async |request| {
        let answer = call_service(&app, request.to_request()).await;
        let status = answer.status().as_u16();
        (status, String::from_utf8(read_body(answer).await.to_vec()).unwrap())
    })
    .await;
    println!("only SELECT: {sent} sent, {} right, {} wrong", sent - wrong.len(), wrong.len());
    assert!(wrong.is_empty(), "{wrong:?}");
}

/// A client that guesses keys learns nothing: not whether a row exists, nor what is wrong with it.
#[testbed::test]
async fn unknown_expired_and_corrupt_look_the_same() {
    let _turn = beside_others().await;
    let scene = Scene::new().await;
    let admin = scene.client().await;
    for (key, data) in
        [("corrupt-session", "x:y:z"), ("corrupt-session-2", ""), ("corrupt-session-3", "e30")]
    {
        let sql = "INSERT INTO django_session VALUES ($1, $2, now() + interval '1 day')";
        admin.execute(sql, &[&key, &data]).await.unwrap();
    }
    let other_secret = DjangoSettings::new("another secret");
    let foreign = actix_django_session::SessionSigner::new(&other_secret).unwrap();
    let foreign = actix_django_session::SessionData::new().encode(&foreign);
    let sql = "INSERT INTO django_session VALUES ('foreign-session', $1, now() + interval '1 day')";
    admin.execute(sql, &[&foreign]).await.unwrap();
    let site = DjangoSite::new(pool(scene.database.url(), 4), settings()).unwrap();
    let app = init_service(App::new().configure(routes(site))).await;
    for route in ["/required", "/login_required"] {
        let mut looks = Vec::new();
        for key in [
            "an-unknown-key",
            "expired-session",
            "corrupt-session",
            "corrupt-session-2",
            "corrupt-session-3",
            "foreign-session",
            "anonymous-with-a-cart-1",
            "short",
            "",
        ] {
            let cookie = format!("sessionid={key}");
            let request = TestRequest::with_uri(route).insert_header(("cookie", cookie));
            let answer = call_service(&app, request.to_request()).await;
            assert_eq!(answer.status(), 302, "{key}");
            let head = format!("{:?} {:?}", answer.status(), answer.headers());
            looks.push((head, read_body(answer).await));
        }
        looks.dedup();
        assert_eq!(looks.len(), 1, "{looks:#?}");
    }
}

/// Sends all requests of all visitors at once. Returns how many, and the wrong answers.
async fn ask_all(
    scene: &Scene,
    ask: impl AsyncFn(TestRequest) -> (u16, String),
) -> (usize, Vec<String>) {
    let mut requests = Vec::new();
    for visitor in scene.visitors.iter().cycle().take(100) {
        for route in crate::scene::ROUTES {
            requests.push((visitor, route));
        }
    }
    let ask = &ask;
    let answers = requests.iter().map(|(visitor, route)| async move {
        let mut request = TestRequest::with_uri(route);
        if let Some(cookie) = visitor.cookie() {
            request = request.insert_header(("cookie", cookie));
        }
        let found = ask(request).await;
        (found != visitor.right_answer(route)).then(|| format!("{route} {visitor:?}: {found:?}"))
    });
    let wrong = join_all(answers).await.into_iter().flatten().collect();
    (requests.len(), wrong)
}

/// A role of its own on the server that the tests share.
struct Role {
    url: String,
}

impl Role {
    async fn create(scene: &Scene, grant: &str) -> Self {
        let postgres = Postgres::shared().await.unwrap();
        assert!(postgres.is_own(), "roles are made on a server of our own: unset DATABASE_URL");
        let admin = scene.client().await;
        let name = format!("role_of_{}", scene.database.name());
        let role = format!("CREATE ROLE {name} LOGIN PASSWORD 'secret'");
        admin.batch_execute(&role).await.unwrap();
        if !grant.is_empty() {
            admin.batch_execute(&format!("{grant} {name}")).await.unwrap();
        }
        let (_, place) = scene.database.url().split_once('@').unwrap();
        Self { url: format!("postgres://{name}:secret@{place}") }
    }

    fn wrong_password(&self) -> String {
        self.url.replace(":secret@", ":wrong@")
    }
}
