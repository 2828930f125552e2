//! Random users and random sessions: the crate gives the answers of Django.

use actix_django_session::{
    AuthenticationBackend, DjangoSettings, DjangoSite, SessionAuthHash,
    signing::{Algorithm, SaltedHmac},
};
use futures_util::future::join_all;
use serde_json::{Value, json};
use testbed::{Django, Settings, With};

use crate::{
    app::TestApp,
    beds::{ALLOW_ALL, Bed, MODEL_BACKEND, Rng, new_key, seed},
    login_required::sessions::{
        Entry, odd_backend, odd_hash, odd_id, quoted, session_auth_hash, session_json,
    },
    probe::probe,
};

/// The number of sessions in each world.
const SESSIONS: usize = 120;
const PEOPLE: usize = 24;

const REMOTE: &str = "django.contrib.auth.backends.RemoteUserBackend";

const GRANTABLE: [&str; 6] = [
    "shop.add_item",
    "shop.change_item",
    "shop.weird.name",
    "blog.add_post",
    "auth.add_user",
    "Shop.add_item",
];

/// A site: its secrets, newest first, its backends and its user model.
pub(crate) struct World {
    secrets: Vec<Vec<u8>>,
    backends: Vec<String>,
    model: Model,
}

#[derive(Clone, Copy, PartialEq)]
enum Model {
    /// Any model, with the settings that the site exports.
    Exported,
    /// A model with its own session auth hash, made by these methods.
    Versioned(&'static [&'static str]),
    /// A model whose ids have another form in sessions than in the table.
    Ulid,
}

fn worlds() -> Vec<World> {
    const PUBLIC: &str = "get_session_auth_hash";
    const PRIVATE: &str = "_get_session_auth_hash";
    const MODEL: &[&str] = &[MODEL_BACKEND];
    let now = Settings::SECRET_KEY.as_bytes();
    let world = |secrets: &[&[u8]], backends: &[&str], model| World {
        model,
        ..World::new(
            secrets.iter().map(|secret| secret.to_vec()).collect(),
            backends.iter().map(ToString::to_string).collect(),
        )
    };
    let odd: [&[u8]; 3] = [b"\xff\xfe now", "d\u{e9}j\u{e0} vu".as_bytes(), b"\xff\xfe then"];
    vec![
        world(&[now], MODEL, Model::Exported),
        world(&odd, &[REMOTE, MODEL_BACKEND], Model::Exported),
        world(&["caf\u{e9}".as_bytes(), b"tea"], &[ALLOW_ALL, MODEL_BACKEND], Model::Exported),
        // No backend grants the permissions of Django's tables.
        world(&[now, b"old"], &["accounts.backends.NoPermissions"], Model::Exported),
        // One backend grants them, for logins by every backend, but it cannot find users.
        world(
            &[now],
            &[
                "accounts.backends.NoPermissions",
                "accounts.backends.Lenient",
                "accounts.backends.Rules",
            ],
            Model::Exported,
        ),
        world(&[now, b"old", b"older"], MODEL, Model::Versioned(&[PUBLIC])),
        world(&[now, b"old", b"older"], MODEL, Model::Versioned(&[PRIVATE])),
        world(&[now, b"old"], MODEL, Model::Versioned(&[PUBLIC, PRIVATE])),
        world(&[now, b"old"], MODEL, Model::Ulid),
    ]
}

impl World {
    pub(crate) fn new(secrets: Vec<Vec<u8>>, backends: Vec<String>) -> Self {
        Self { secrets, backends, model: Model::Exported }
    }

    fn of_django(&self) -> Settings {
        // A secret is text for Django if it is UTF-8, and bytes if not.
        let secret = |secret: &Vec<u8>| match std::str::from_utf8(secret) {
            Ok(text) => json!(text),
            Err(_) => json!({ "hex": hex(secret) }),
        };
        let settings = Settings::default()
            .set("SECRET_KEY", secret(&self.secrets[0]))
            .set("SECRET_KEY_FALLBACKS", self.secrets[1..].iter().map(secret).collect::<Value>())
            .authentication_backends(self.backends.iter().map(String::as_str));
        match self.model {
            Model::Exported => settings,
            Model::Ulid => settings.auth_user_model("ulids.UlidUser"),
            Model::Versioned(overrides) => {
                settings.auth_user_model("versioned.VersionedUser").set("HASH_OVERRIDES", overrides)
            }
        }
    }

    /// The settings that the site exported.
    pub(crate) fn of_crate(&self, exported: &str) -> DjangoSettings {
        let settings = DjangoSettings::from_json(exported, &self.secrets[0]).unwrap();
        settings.with(|s| {
            s.secret_key_fallbacks = self.secrets[1..].iter().map(Into::into).collect();
            // With more, each crowd of requests would open some that are closed after it.
            s.max_connections = 5;
        })
    }

    /// A site with the exported settings and the settings that Django cannot export.
    fn site(&self, bed: &Bed, exported: &str) -> DjangoSite {
        let settings = self.of_crate(exported);
        match self.model {
            // The export cannot describe the site's own code.
            Model::Exported if self.backends[0].starts_with("accounts.") => {
                bed.site_with(settings.with(|s| {
                    s.authentication_backends = self.backends.iter().map(powers).collect()
                }))
            }
            Model::Exported => bed.site_with(settings),
            Model::Ulid => bed.site_with(settings).parse_user_id(uuid_of_ulid),
            Model::Versioned(overrides) => {
                let mut hash = SessionAuthHash::default();
                hash.key_salt = "versioned.session_auth_hash".into();
                hash.algorithm = Algorithm::Sha512;
                for method in overrides {
                    match *method {
                        "get_session_auth_hash" => hash.overrides_get_session_auth_hash = true,
                        _ => hash.overrides_private_get_session_auth_hash = true,
                    }
                }
                let mut settings = settings;
                settings.user_model.columns = vec!["auth_version".into()];
                settings.user_model.session_auth_hash = Some(hash);
                bed.site_with(settings).session_auth_hash_message(|password, user| {
                    Ok(format!("{password}{}", user.get::<i32>("auth_version")?))
                })
            }
        }
    }

    /// A session auth hash, made by the site's method or by Django's default.
    fn hash(&self, secret: &[u8], person: &Person, rng: &mut Rng) -> String {
        match self.model {
            Model::Versioned(_) if rng.percent(70) => {
                let message = format!("{}{}", person.password, person.version);
                SaltedHmac::new("versioned.session_auth_hash", secret, Algorithm::Sha512)
                    .hexdigest(&message)
            }
            _ => session_auth_hash(secret, &person.password, Algorithm::Sha256),
        }
    }

    fn odd_id(&self, rng: &mut Rng, person: &Person) -> Entry {
        if self.model != Model::Ulid {
            return odd_id(rng, &person.pk);
        }
        let ids = [
            quoted(person.pk.to_lowercase()),
            quoted(uuid_of_ulid(&person.pk).unwrap()),
            quoted(format!(" {}", &person.pk[1..])),
            quoted("8ZZZZZZZZZZZZZZZZZZZZZZZZZ"),
            quoted("01M8AA5J8FXTY5GAFW115994UU"),
            quoted("01M8AA5J8FXTY5GAFW11599"),
            "\"\"".into(),
            "null".into(),
        ];
        Some(rng.choose(&ids).clone())
    }
}

/// The abilities of each backend of the test site.
fn powers(path: &String) -> AuthenticationBackend {
    let backend = AuthenticationBackend::new(path);
    match path.rsplit('.').next().unwrap() {
        "NoPermissions" => backend.with(|b| b.grants_permissions = Some(false)),
        "Lenient" => backend.with(|b| {
            b.grants_permissions = Some(true);
            b.admits_inactive = true;
        }),
        "Rules" => backend.with(|b| {
            b.grants_permissions = Some(true);
            b.reads_users = false;
        }),
        other => panic!("{other}"),
    }
}

/// Reads the forms that occur in these sessions as `ulid.parse` does: a ULID or a UUID.
fn uuid_of_ulid(id: &str) -> Option<String> {
    if matches!(id.len(), 32 | 36) {
        return Some(id.to_owned());
    }
    let digits =
        id.chars().map(|c| "0123456789ABCDEFGHJKMNPQRSTVWXYZ".find(c.to_ascii_uppercase()));
    let value = (id.len() == 26).then_some(0_u128)?;
    let value = digits.enumerate().try_fold(value, |value, (i, digit)| {
        digit.filter(|digit| i > 0 || *digit < 8).map(|digit| value << 5 | digit as u128)
    })?;
    Some(format!("{value:032x}"))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A user that this test created.
struct Person {
    /// The id in the form that sessions have.
    pk: String,
    version: usize,
    password: String,
    /// Earlier values of the password column.
    old_password: String,
}

async fn people(bed: &Bed, count: usize, rng: &mut Rng) -> Vec<Person> {
    let mut people = Vec::new();
    for number in 0..count {
        let name = format!("user-{number}");
        let password = |rng: &mut Rng| match rng.below(5) {
            0 => "!unusable".to_owned(),
            1 => String::new(),
            2 => format!("pbkdf2_sha256$1000$s\u{e4}lz$h\u{f6}sh{}=", rng.below(1000)),
            _ => format!("pbkdf2_sha256$1000$salt{}$hash=", rng.below(1_000_000)),
        };
        let old_password = password(rng);
        let password = if rng.percent(30) { password(rng) } else { old_password.clone() };
        let random_permissions = |rng: &mut Rng| -> Vec<&str> {
            GRANTABLE.into_iter().filter(|_| rng.percent(25)).collect()
        };
        let mut groups = serde_json::Map::new();
        for _ in 0..rng.below(3) {
            groups.insert(
                format!("group-{}-{}", number, rng.below(9)),
                json!(random_permissions(rng)),
            );
        }
        let version = rng.below(3);
        let status = if rng.percent(10) { "it's gone 100%" } else { "here" };
        let mut fields = json!({
            "password_column": password,
            // One model of the test site has a manager that hides deleted users.
            "status": status,
            "auth_version": version,
            "is_active": !rng.percent(30),
            "is_staff": rng.percent(50),
            "is_superuser": rng.percent(20),
            "groups": groups,
            "permissions": random_permissions(rng),
        });
        if !bed.has_permissions {
            fields.as_object_mut().unwrap().retain(|name, _| name == "password_column");
        }
        let pk = bed.user(&name, fields).await["pk"].as_str().unwrap().to_owned();
        people.push(Person { pk, version, password, old_password });
        if rng.percent(10) {
            bed.ask(json!({ "cmd": "delete_user", "username": name })).await;
        }
    }
    people
}

/// A session: the key that signed it, and its JSON.
fn random_session(world: &World, people: &[Person], rng: &mut Rng) -> (Vec<u8>, String) {
    let person = rng.choose(people);
    let other = rng.choose(people);
    let sha256 =
        |secret: &[u8], password: &str| session_auth_hash(secret, password, Algorithm::Sha256);
    let hash_secret = if rng.percent(75) { &world.secrets[0] } else { rng.choose(&world.secrets) };
    let right = world.hash(hash_secret, person, rng);

    let id: Entry =
        if rng.percent(75) { Some(quoted(&person.pk)) } else { world.odd_id(rng, person) };
    let backend: Entry = match rng.below(10) {
        0..8 => Some(quoted(rng.choose(&world.backends))),
        _ => odd_backend(rng, &[ALLOW_ALL, REMOTE]),
    };
    let wrong = [
        sha256(&world.secrets[0], &person.old_password),
        sha256(&world.secrets[0], &other.password),
        sha256(b"another secret", &person.password),
        sha256(b"", &person.password),
        session_auth_hash(&world.secrets[0], &person.password, Algorithm::Sha1),
        session_auth_hash(&world.secrets[0], &person.password, Algorithm::Sha512),
        world.hash(rng.choose(&world.secrets).as_slice(), other, &mut Rng(0)),
    ];
    let hash: Entry =
        if rng.percent(80) { Some(quoted(&right)) } else { odd_hash(rng, &right, &wrong) };

    let others = match rng.below(12) {
        0 => "\"cart\":[1,NaN,Infinity,1E400],\"\u{e4}\":\"\\ud800\"".to_owned(),
        1 => format!("\"big\":{}", "9".repeat(4300)),
        // If a key occurs twice, the last value counts (case 25).
        2 => format!("\"_auth_user_id\":{}", quoted(&other.pk)),
        3 => "\"_auth_user_hash\":\"\",\"otp_device_id\":\"x/1\"".to_owned(),
        4 => "\"_auth_user_\\u0069d\":\"1\"".to_owned(),
        _ => String::new(),
    };
    let secret = if rng.percent(80) {
        world.secrets[0].clone()
    } else {
        match rng.below(4) {
            0 => b"another secret".to_vec(),
            _ => rng.choose(&world.secrets).clone(),
        }
    };
    (secret, session_json(&others, &id, &backend, &hash))
}

#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) cases: usize,
    pub(crate) users: usize,
    pub(crate) inactive: usize,
    pub(crate) staff: usize,
    pub(crate) with_permissions: usize,
    pub(crate) anonymous: usize,
    pub(crate) wrong_hash: usize,
    pub(crate) fallback_hash: usize,
    pub(crate) server_errors: usize,
}

#[testbed::test]
async fn random_sessions_have_the_user_and_permissions_that_django_finds() {
    let mut rng = Rng(seed());
    let versions = Django::available().unwrap();
    // The total is the same for any number of Django versions.
    let sessions = SESSIONS / versions.len();
    let mut tally = Tally::default();
    for django in versions {
        for (number, world) in worlds().iter().enumerate() {
            let bed = Bed::without_users(django, &world.of_django()).await;
            let app = probe(world.site(&bed, &bed.export().await));
            let before = tally.users;
            compare(&bed, world, &app, (PEOPLE, sessions), &mut rng, &mut tally).await;
            // No request wrote to the session table.
            let count = bed.sql("SELECT count(*) FROM django_session").await;
            assert_eq!(count, json!([[sessions]]));
            println!("{django}, world {number}: {} users", tally.users - before);
            assert!(tally.users - before > sessions / 20);
        }
    }
    println!("{tally:?}");
    // Checks that the random cases covered each kind of result.
    assert!(tally.cases >= 1000, "{tally:?}");
    assert!(tally.users > 250 && tally.with_permissions > 100, "{tally:?}");
    assert!(tally.inactive > 5 && tally.staff > 100, "{tally:?}");
    assert!(tally.anonymous > 250 && tally.wrong_hash > 30, "{tally:?}");
    assert!(tally.fallback_hash > 20 && tally.server_errors > 20, "{tally:?}");
}

/// Creates random people and sessions, and compares both sides.
pub(crate) async fn compare(
    bed: &Bed,
    world: &World,
    app: &TestApp,
    (people_count, count): (usize, usize),
    rng: &mut Rng,
    tally: &mut Tally,
) {
    let people = people(bed, people_count, rng).await;
    let sessions: Vec<_> =
        (0..count).map(|_| (new_key(), random_session(world, &people, rng))).collect();
    let keys: Vec<String> = sessions.iter().map(|(key, _)| key.clone()).collect();
    let signed = sessions.iter().map(|(key, (secret, json_text))| {
        json!({ "cmd": "sign_row", "key": key, "obj_json": json_text, "secret_hex": hex(secret) })
    });
    for answer in bed.oracle.ask_all(signed.collect()).await.unwrap() {
        assert!(answer["session_data"].is_string(), "{answer}");
    }

    let verdicts = bed.verdicts(&keys).await;
    let cases: Vec<_> = sessions.iter().zip(&verdicts).collect();
    for some in cases.chunks(20) {
        join_all(some.iter().map(async |((key, (_, json_text)), verdict)| {
            let context = format!("{} on {json_text}: {verdict}", bed.django);
            agree(app, key, verdict, &context).await;
        }))
        .await;
    }
    verdicts.iter().for_each(|verdict| tally.count(verdict));
}

async fn agree(app: &TestApp, key: &str, verdict: &Value, context: &str) {
    // If Django answers with a 500, the crate finds no user: a documented difference.
    let mut expected = verdict["user"].clone();
    if let Some(uuid) = expected["id"].as_str().filter(|id| id.len() == 26).and_then(uuid_of_ulid) {
        // The id of the user is the primary key.
        let parts = [&uuid[..8], &uuid[8..12], &uuid[12..16], &uuid[16..20], &uuid[20..]];
        expected["id"] = json!(parts.join("-"));
    }
    let has = |index: usize| expected["has_perms"][index] == true;
    let answer = |allowed: bool| match expected.is_null() {
        true => 302,
        false if allowed => 200,
        false => 403,
    };
    assert_eq!(app.json("/who", key).await, expected, "{context}");
    assert_eq!(app.status("/user", key).await, answer(true), "{context}");
    assert_eq!(app.status("/perms", key).await, answer(has(0) && has(2)), "{context}");
    let is_staff = expected["is_active_staff"] == true;
    assert_eq!(app.status("/staff", key).await, answer(is_staff), "{context}");
}

impl Tally {
    fn count(&mut self, verdict: &Value) {
        let count = verdict["user"]["permissions"].as_array().map_or(0, Vec::len);
        self.cases += 1;
        self.users += usize::from(verdict["user"].is_object());
        self.inactive += usize::from(verdict["user"]["is_active"] == false);
        self.staff += usize::from(verdict["user"]["is_active_staff"] == true);
        self.with_permissions += usize::from(count > 0);
        self.anonymous += usize::from(verdict["user"].is_null() && verdict["row"] == "kept");
        self.wrong_hash += usize::from(verdict["row"] == "deleted");
        self.fallback_hash += usize::from(verdict["row"] == "cycled");
        self.server_errors += usize::from(verdict["error"].is_string());
    }
}
