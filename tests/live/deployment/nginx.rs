//! A real nginx with a configuration of `docs/deployment/`. It listens on a Unix socket, so it needs no port.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use testbed::{not_tested, until};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::UnixStream,
};

use crate::{app::Answer, beds::new_key};

/// A running nginx. It ends when this value is dropped.
pub(super) struct Nginx {
    folder: PathBuf,
    child: Child,
}

impl Nginx {
    /// Starts nginx with the file after these replacements; a server is given by its URL. Returns `None`
    /// and prints a line if nginx is not installed; if `REQUIRE_NGINX` is set, as in `.ci/run`, it panics.
    pub(super) async fn start(file: &str, changes: &[(&str, &str)]) -> Option<Self> {
        let Some(program) = program() else {
            let missing = "nginx is not installed (Debian, Ubuntu: apt install nginx-light)";
            assert!(env::var_os("REQUIRE_NGINX").is_none(), "{missing}");
            not_tested(missing);
            return None;
        };
        let folder = env::temp_dir().join(format!("nginx-{}", new_key()));
        fs::create_dir_all(&folder).unwrap();
        let here = folder.display();
        let mut conf = fs::read_to_string(format!("docs/deployment/{file}")).unwrap();
        for (from, to) in changes {
            assert!(conf.contains(from), "{from}");
            conf = conf.replace(from, to.strip_prefix("http://").unwrap_or(to));
        }
        let conf = conf
            .replace("listen 443 ssl;", &format!("listen unix:{here}/socket;"))
            .replace("/var/log/nginx", &here.to_string());
        let conf: String = conf
            .lines()
            .filter(|line| !line.contains("ssl_certificate"))
            .flat_map(|line| [line, "\n"])
            .collect();
        let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
            .map(|name| format!("{name}_temp_path {here}/{name};\n"))
            .concat();
        // One process, run by the user who runs the tests.
        let conf = format!(
            "daemon off;\nmaster_process off;\npid {here}/pid;\nerror_log {here}/error.log;\nevents {{}}\n\
             http {{\naccess_log off;\n{temporary}{conf}}}\n"
        );
        let path = folder.join("nginx.conf");
        fs::write(&path, conf).unwrap();
        // The process ends with the thread that started it, which is the thread of the test.
        let mut child = Command::new("setpriv")
            .args(["--pdeathsig", "KILL"])
            .arg(program)
            .arg("-c")
            .arg(&path)
            .args(["-e", "stderr"])
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        until("nginx answers", async || {
            assert!(child.try_wait().unwrap().is_none(), "nginx has ended");
            UnixStream::connect(folder.join("socket")).await.is_ok()
        })
        .await;
        Some(Self { folder, child })
    }

    pub(super) async fn connect(&self) -> UnixStream {
        UnixStream::connect(self.folder.join("socket")).await.unwrap()
    }

    pub(super) async fn send(&self, method: &str, path: &str, headers: &str) -> Answer {
        let mut stream = self.connect().await;
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: www.example.com\r\nConnection: close\r\n\
             Content-Length: 0\r\n{headers}\r\n"
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.unwrap();
        Answer::parse(&answer)
    }

    /// The path of the log file with this name.
    pub(super) fn log(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
        drop(fs::remove_dir_all(&self.folder));
    }
}

fn program() -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let folders = env::split_paths(&path).chain(["/usr/sbin".into(), "/usr/local/sbin".into()]);
    folders.map(|folder: PathBuf| folder.join("nginx")).find(|path: &PathBuf| Path::is_file(path))
}
