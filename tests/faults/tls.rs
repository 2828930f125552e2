//! The connections to PostgreSQL are all encrypted: with a locked table too.

use std::{process::Stdio, sync::Arc, time::Instant};

use deadpool_postgres::{Config, Pool, PoolConfig, Runtime};
use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::{
    ClientConfig, RootCertStore, ServerConfig,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer},
};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, copy_bidirectional},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};
use tokio_postgres::config::Host;
use tokio_postgres_rustls::MakeRustlsConnect;
use tokio_rustls::TlsAcceptor;

use crate::{
    backends::Backends,
    beside_others,
    load::Load,
    locked::{IN_FLIGHT, MOST_WAITING, few_connections},
    scene::Scene,
    service::{APPLICATION_NAME, Service},
};

/// The first message of a client that wants TLS.
const SSL_REQUEST: [u8; 8] = [0, 0, 0, 8, 4, 210, 22, 47];

/// A TLS proxy in front of PostgreSQL, as many hosters have it. It refuses clients without TLS, even if
/// they only cancel a query.
struct TlsProxy {
    url: String,
    certificate: CertificateDer<'static>,
    pem: String,
    accepting: JoinHandle<()>,
}

impl TlsProxy {
    async fn before(database_url: &str) -> Self {
        let config: tokio_postgres::Config = database_url.parse().unwrap();
        let [Host::Tcp(host)] = config.get_hosts() else { panic!("no host in the address") };
        let server = (host.clone(), config.get_ports()[0]);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let url = database_url
            .replace(&format!("@{}:{}/", server.0, server.1), &format!("@localhost:{port}/"));
        assert_ne!(url, database_url);

        let CertifiedKey { cert, signing_key } =
            generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let key = PrivateKeyDer::try_from(signing_key.serialize_der()).unwrap();
        let tls = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![cert.der().clone()], key)
            .unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(tls));
        let accepting = tokio::spawn(async move {
            loop {
                let Ok((client, _)) = listener.accept().await else { return };
                let (acceptor, server) = (acceptor.clone(), server.clone());
                tokio::spawn(async move {
                    // When either side ends, both are closed.
                    let _ = relay(client, acceptor, server).await;
                });
            }
        });
        Self { url, certificate: cert.der().clone(), pem: cert.pem(), accepting }
    }

    /// A pool that trusts only this certificate.
    fn pool(&self, size: usize) -> Pool {
        let mut roots = RootCertStore::empty();
        roots.add(self.certificate.clone()).unwrap();
        let tls = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let config = Config {
            url: Some(self.url.clone()),
            ssl_mode: Some(deadpool_postgres::SslMode::Require),
            application_name: Some(APPLICATION_NAME.into()),
            pool: Some(PoolConfig::new(size)),
            ..Config::default()
        };
        config.create_pool(Some(Runtime::Tokio1), MakeRustlsConnect::new(tls)).unwrap()
    }
}

impl Drop for TlsProxy {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn relay(
    mut client: TcpStream,
    acceptor: TlsAcceptor,
    server: (String, u16),
) -> std::io::Result<()> {
    let mut first = [0; 8];
    client.read_exact(&mut first).await?;
    if first != SSL_REQUEST {
        return Ok(());
    }
    client.write_all(b"S").await?;
    let mut client = acceptor.accept(client).await?;
    let mut server = TcpStream::connect(server).await?;
    copy_bidirectional(&mut client, &mut server).await?;
    Ok(())
}

/// Without TLS, a query that waits for a lock can be cancelled on a connection of its own; with TLS that
/// is not available here. Each timeout would leave a backend behind, until the server has no connection
/// left.
#[tokio::test]
async fn a_locked_table_leaves_few_backends_behind_tls() {
    let _turn = beside_others().await;
    let scene = Scene::new().await;
    let proxy = TlsProxy::before(scene.database.url()).await;
    let service = Service::start(proxy.pool(4), few_connections());
    let load = Load::start(&service, &scene, IN_FLIGHT);
    load.serve(1_000).await;

    let most = Backends::of(&scene).await.most_while_locked(&scene, &load, IN_FLIGHT).await;
    load.recover(Instant::now()).await;
    load.stop("table locked, behind TLS").await;
    println!("locked, behind TLS: at most {most} backends waited");
    assert!(most <= MOST_WAITING, "{most} backends waited");
}

/// The example, run as a person runs it.
#[tokio::test]
async fn the_example_accepts_only_a_trusted_certificate() {
    let _turn = beside_others().await;
    let scene = Scene::new().await;
    let proxy = TlsProxy::before(scene.database.url()).await;
    let run = |certificate: &str| {
        let name = format!("tls-{}-{}.pem", std::process::id(), certificate.len());
        let path = std::env::temp_dir().join(name);
        std::fs::write(&path, certificate).unwrap();
        let mut command = tokio::process::Command::from(testbed::Example::command("tls").unwrap());
        command
            .env_clear()
            .env("DATABASE_URL", &proxy.url)
            .env("DATABASE_CA", &path)
            .env("DJANGO_SECRET_KEY", testbed::Settings::SECRET_KEY)
            .env("BIND", "127.0.0.1:0")
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        (command.spawn().unwrap(), path)
    };

    let (mut right, path) = run(&proxy.pem);
    let mut lines = BufReader::new(right.stdout.take().unwrap()).lines();
    let line = lines.next_line().await.unwrap().expect("the example has ended");
    let url = line.strip_prefix("listening on ").unwrap().to_owned();
    let cookie = scene.user().cookie().unwrap();
    let request = testbed::http_client()
        .build()
        .unwrap()
        .get(format!("{url}/account"))
        .header("Cookie", cookie);
    assert_eq!(request.send().await.unwrap().status(), 200);
    std::fs::remove_file(path).unwrap();

    let another = generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let (wrong, path) = run(&another.cert.pem());
    let ended = wrong.wait_with_output().await.unwrap();
    assert!(!ended.status.success());
    let output = String::from_utf8(ended.stderr).unwrap();
    assert!(output.contains("certificate"), "{output}");
    std::fs::remove_file(path).unwrap();
}
