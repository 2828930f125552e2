//! PgBouncer in transaction mode: each query may use another server connection.

use std::{
    env,
    fs::{self, Permissions},
    net::TcpListener,
    os::unix::{fs::PermissionsExt, process::CommandExt},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use actix_django_session::DjangoSite;
use actix_web::{
    App,
    test::{TestRequest, call_service, init_service},
    web,
};
use futures_util::future::join_all;
use testbed::{Log, not_tested};
use tokio_postgres::{Config, NoTls, config::Host};

use crate::{
    beside_others,
    load::Load,
    scene::Scene,
    service::{Service, patient, pool, routes},
    until,
};

#[tokio::test]
async fn everything_works_through_pgbouncer_with_its_setting() {
    let _turn = beside_others().await;
    let scene = Scene::new().await;
    let Some(bouncer) = PgBouncer::start(scene.database.url()).await else { return };
    let mut settings = patient();
    settings.prepared_statements = false;
    let site = DjangoSite::new(pool(&bouncer.url, 2), settings.clone()).unwrap();
    site.check().await.unwrap();
    let service = Service::start(pool(&bouncer.url, 8), settings);
    let load = Load::start(&service, &scene, 200);
    load.serve(5_000).await;
    // The server's connections end, PgBouncer's go on or not: no request fails.
    for _ in 0..3 {
        scene.database.terminate_backends().await.unwrap();
        load.serve(500).await;
    }
    let counts = load.stop("PgBouncer in transaction mode").await;
    assert_eq!(counts.unavailable(), 0);
}

/// Prepared statements of all these sites would share their names on PgBouncer's few connections.
#[testbed::test]
async fn without_it_the_answers_are_right_and_the_log_names_the_setting() {
    let _turn = beside_others().await;
    let scene = Scene::new().await;
    let Some(bouncer) = PgBouncer::start(scene.database.url()).await else { return };
    let log = Log::of_this_thread();
    // Each site has connections of its own.
    let app = init_service(App::new().configure(|app| {
        for number in 0..8 {
            let site = DjangoSite::new(pool(&bouncer.url, 1), patient()).unwrap();
            app.service(web::scope(&format!("/{number}")).configure(routes(site)));
        }
    }))
    .await;
    let cookie = scene.user().cookie().unwrap();
    for _ in 0..5 {
        let answers = (0..80).map(|number| {
            let route = format!("/{}/login_required", number % 8);
            let request = TestRequest::with_uri(&route).insert_header(("cookie", &*cookie));
            call_service(&app, request.to_request())
        });
        for answer in join_all(answers).await {
            assert_eq!(answer.status(), 200);
        }
    }
    let warnings = log.of_this_crate(&["WARN"]);
    // Once for each site.
    assert_eq!(warnings.len(), 8, "{warnings:#?}");
    for warning in warnings {
        assert!(warning.contains("DjangoSettings::prepared_statements"), "{warning}");
    }
}

/// PgBouncer on a free port, in front of one database.
struct PgBouncer {
    url: String,
    folder: PathBuf,
    child: Child,
}

impl PgBouncer {
    /// `None` if it is not installed: the one program that `cargo test` cannot provide. That is printed,
    /// and fails where `REQUIRE_PGBOUNCER` is set, as in `.ci/run`.
    async fn start(database_url: &str) -> Option<Self> {
        let Some(program) = find("pgbouncer") else {
            let missing = "PgBouncer is not installed (Debian, Ubuntu: apt install pgbouncer)";
            assert!(env::var_os("REQUIRE_PGBOUNCER").is_none(), "{missing}");
            not_tested(missing);
            return None;
        };
        let database: Config = database_url.parse().unwrap();
        let [Host::Tcp(host)] = database.get_hosts() else { panic!("no host in the address") };
        let free = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = free.local_addr().unwrap().port();
        let name = database.get_dbname().unwrap();
        let folder = env::temp_dir().join(format!("pgbouncer-{}-{port}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        fs::set_permissions(&folder, Permissions::from_mode(0o755)).unwrap();
        let ini = folder.join("pgbouncer.ini");
        // Few connections for many clients, so that none keeps its own.
        let text = format!(
            "[databases]\n{name} = host={host} port={} user={} password={}\n\
             [pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\n\
             auth_type = any\npool_mode = transaction\ndefault_pool_size = 4\n\
             server_round_robin = 1\nserver_login_retry = 1\n",
            database.get_ports()[0],
            database.get_user().unwrap(),
            std::str::from_utf8(database.get_password().unwrap_or_default()).unwrap(),
        );
        fs::write(&ini, text).unwrap();
        drop(free);
        let mut child = command(&program).arg(&ini).spawn().unwrap();
        let url = format!("postgres://anybody@127.0.0.1:{port}/{name}");
        until("PgBouncer answers", async || {
            assert!(child.try_wait().unwrap().is_none(), "PgBouncer has ended");
            tokio_postgres::connect(&url, NoTls).await.is_ok()
        })
        .await;
        Some(Self { url, folder, child })
    }
}

impl Drop for PgBouncer {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
        drop(fs::remove_dir_all(&self.folder));
    }
}

/// It refuses to run as root. It ends when this process ends.
fn command(program: &Path) -> Command {
    let mut command = Command::new(find("setpriv").expect("setpriv, of util-linux, is installed"));
    command.args(["--pdeathsig", "KILL"]).arg(program).stdin(Stdio::null());
    if env::var_os("TESTBED_LOG").is_none() {
        command.stdout(Stdio::null()).stderr(Stdio::null());
    }
    if fs::metadata("/proc/self").is_ok_and(|own| std::os::unix::fs::MetadataExt::uid(&own) == 0) {
        let passwd = fs::read_to_string("/etc/passwd").unwrap();
        let nobody = passwd.lines().find(|line| line.starts_with("nobody:")).unwrap();
        let mut ids = nobody.split(':').skip(2).map(|id| id.parse::<u32>().unwrap());
        command.uid(ids.next().unwrap()).gid(ids.next().unwrap());
    }
    command
}

fn find(program: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let folders = env::split_paths(&path).chain(["/usr/sbin".into(), "/usr/local/sbin".into()]);
    let mut found = folders.map(|folder| folder.join(program)).filter(|path| path.is_file());
    found.next()
}
