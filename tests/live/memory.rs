//! A site in memory gives the same answers as a site in PostgreSQL: random operations run on both.

use std::time::{Duration, SystemTime};

use actix_django_session::{
    DjangoSession, DjangoSessionMiddleware, DjangoSessionMut, DjangoSettings, DjangoSite,
    DjangoUser, Error, Expiry, Messages, OptionalDjangoUser, PasswordHasher, SessionData,
    SessionKey,
    test::{Client, TestSite, TestUser},
};
use actix_web::{
    App, HttpRequest, HttpResponse, HttpResponseBuilder,
    http::StatusCode,
    test::{TestRequest, init_service, read_body},
    web,
};
use serde_json::{Value, json};
use testbed::{Settings, With};

use crate::{
    beds::{Bed, PASSWORD, Rng, seed, settings},
    sessions::operations::done,
};

const USERS: [&str; 4] = ["ada", "grace", "idle", "root"];
const OTHERS: [&str; 4] = ["unknown", "Ada", "", "a\0b"];
const PERMISSIONS: [&str; 4] =
    ["auth.add_user", "auth.change_user", "auth.delete_user", "shop.no_such"];

/// The number of random sequences for each of the settings.
const SEQUENCES: usize = 60;

#[testbed::test]
async fn a_site_in_memory_gives_the_same_answers_as_a_site_in_postgresql() {
    let mut rng = Rng(seed());
    let bed = Bed::without_users(testbed::Django::default(), &Settings::default()).await;
    let ids = users(&bed).await;
    let hasher = PasswordHasher::Pbkdf2Sha256 { iterations: 1 };
    let encoded = hasher.encode(PASSWORD).unwrap();
    let settings = settings().with(|settings| {
        settings.write_sessions = true;
        settings.user_model.columns = vec!["last_login".into()];
        settings.password_hashers = Some(vec![hasher]);
    });
    for settings in [
        settings.clone(),
        settings.clone().with(|settings| settings.session_save_every_request = true),
        settings.clone().with(|settings| settings.csrf_use_sessions = true),
        settings.clone().with(|settings| {
            settings.session_data_max_age = Some(Duration::from_secs(3600));
            settings.session_expire_at_browser_close = true;
        }),
    ] {
        // Sessions that the test creates expire sooner, so that requests extend them.
        let sooner = settings.clone().with(|sooner| sooner.session_cookie_age = 30 * 3600);
        let in_postgresql = [bed.site_with(settings.clone()), bed.site_with(sooner.clone())];
        for number in 0..SEQUENCES {
            let start = format!(
                "DELETE FROM django_session; \
                 UPDATE auth_user SET password = '{encoded}', last_login = NULL"
            );
            bed.sql(&start).await;
            let memory = in_memory(&settings, &ids);
            let in_memory = [memory.clone().build(), memory.settings(sooner.clone()).build()];
            let steps: Vec<_> = (0..4 + rng.below(12)).map(|_| Step::random(&mut rng)).collect();
            let postgres = run(&in_postgresql, &steps).await;
            let memory = run(&in_memory, &steps).await;
            for (step, (postgres, memory)) in steps.iter().zip(postgres.iter().zip(&memory)) {
                assert_eq!(memory, postgres, "sequence {number}, {step:?} of {steps:#?}");
            }
        }
    }
}

/// Creates the users in the database; returns their ids.
async fn users(bed: &Bed) -> Vec<String> {
    let editors = json!({ "editors": ["auth.change_user"] });
    let mut ids = Vec::new();
    for (name, fields) in [
        ("ada", json!({ "permissions": ["auth.add_user"], "groups": editors })),
        ("grace", json!({ "is_staff": true, "groups": editors })),
        ("idle", json!({ "is_active": false, "permissions": ["auth.add_user"] })),
        ("root", json!({ "is_superuser": true })),
    ] {
        ids.push(bed.user(name, fields).await["pk"].as_str().unwrap().to_owned());
    }
    ids
}

/// Creates the same users in memory.
fn in_memory(settings: &DjangoSettings, ids: &[String]) -> TestSite {
    let site = TestSite::new(settings.clone()).group("editors", ["auth.change_user"]);
    let users = USERS.iter().zip(ids).map(|(name, id)| {
        let user = TestUser::new(id, *name).password(PASSWORD);
        match *name {
            "ada" => user.permissions(["auth.add_user"]).groups(["editors"]),
            "grace" => user.staff().groups(["editors"]),
            "idle" => user.inactive().permissions(["auth.add_user"]),
            _ => user.superuser().permissions(PERMISSIONS),
        }
    });
    users.fold(site, TestSite::user)
}

/// One operation on a site.
#[derive(Clone, Debug)]
enum Step {
    /// A visitor's request: the operations of the handler and the status of its response.
    Request {
        visitor: usize,
        ops: Vec<Value>,
        status: u16,
    },
    ForceLogin {
        visitor: usize,
        name: &'static str,
    },
    UpdateSession {
        visitor: usize,
        members: Value,
    },
    /// Another client changes the visitor's session.
    Delete {
        visitor: usize,
    },
    /// The same session is read at another time.
    LoadAt {
        visitor: usize,
        hours: u64,
    },
    Revalidate {
        visitor: usize,
        name: &'static str,
    },
    Create {
        seconds: i64,
    },
    ClearExpired,
    User {
        name: &'static str,
    },
    Authenticate {
        name: &'static str,
        password: &'static str,
    },
    SetPassword {
        name: &'static str,
        password: &'static str,
    },
    Check,
}

impl Step {
    fn random(rng: &mut Rng) -> Self {
        let visitor = rng.below(3);
        let anybody = |rng: &mut Rng| rng.pick(&[&USERS[..], &OTHERS[..]].concat());
        let name: &'static str = match rng.percent(80) {
            true => USERS[rng.below(4)],
            false => anybody(rng),
        };
        let password = ["lovelace", "lovelace", "another", ""][rng.below(4)];
        match rng.below(24) {
            0 => Self::ForceLogin { visitor, name: ["ada", "grace", "root"][rng.below(3)] },
            1 => Self::UpdateSession { visitor, members: json!({ "cart": [1], "x": "\u{e9}" }) },
            2 => Self::Delete { visitor },
            3 => Self::LoadAt { visitor, hours: [0, 1, 48, 24 * 15][rng.below(4)] },
            4 => Self::Revalidate { visitor, name },
            5 => Self::Create { seconds: [-10, 0, 3600][rng.below(3)] },
            6 => Self::ClearExpired,
            7 => Self::User { name },
            8 => Self::Authenticate { name, password },
            9 => Self::SetPassword { name, password: ["lovelace", "another"][rng.below(2)] },
            10 => Self::Check,
            _ => {
                let ops = (0..1 + rng.below(4)).map(|_| operation(rng)).collect();
                let status = [200, 200, 200, 200, 302, 404, 500][rng.below(7)];
                Self::Request { visitor, ops, status }
            }
        }
    }
}

fn operation(rng: &mut Rng) -> Value {
    let key = ["a", "cart", "theme"][rng.below(3)];
    let name = USERS[rng.below(4)];
    let value = ["x", "y"][rng.below(2)];
    let password = ["lovelace", "another"][rng.below(2)];
    let seconds = [-1, 0, 60][rng.below(3)];
    match rng.below(18) {
        0 => json!(["append", "list", rng.below(9)]),
        1 => json!(["clear"]),
        2 => json!(["cycle_key"]),
        3 => json!(["flush"]),
        4 => json!(["get", key]),
        5 => json!(["insert", key, value]),
        6 => json!(["login", "ada"]),
        7 => json!(["authenticate_login", name, password]),
        8 => json!(["logout"]),
        9 => json!(["remove", key]),
        10 => json!(["save"]),
        11 => json!(["set_expiry", seconds]),
        12 => json!(["user"]),
        13 => json!(["update_session_auth_hash", "ada"]),
        14 => json!(["message", format!("{} of them", rng.below(9))]),
        15 => json!(["messages"]),
        16 => json!(["permissions"]),
        _ => json!(["get_token"]),
    }
}

/// The handler of the only route.
async fn perform(
    req: HttpRequest,
    session: DjangoSessionMut,
    messages: Messages,
    plan: web::Json<(Vec<Value>, u16)>,
) -> Result<HttpResponse, Error> {
    use actix_web::FromRequest;
    let web::Json((ops, status)) = plan;
    let mut results = Vec::new();
    for op in &ops {
        results.push(match op[0].as_str().unwrap() {
            "message" => {
                messages.info(op[1].as_str().unwrap());
                Value::Null
            }
            "messages" => {
                let read = messages.read();
                read.iter().map(|message| Value::from(message.text())).collect()
            }
            "permissions" => {
                let user = OptionalDjangoUser::extract(&req).await.map_err(|_| Error::Anonymous)?;
                match user.0 {
                    Some(user) => of_user(&user).await?,
                    None => Value::Null,
                }
            }
            _ => done(&session, op, &req).await?,
        });
    }
    Ok(HttpResponseBuilder::new(StatusCode::from_u16(status).unwrap()).json(results))
}

/// Everything that the crate knows about a user.
async fn of_user(user: &DjangoUser) -> Result<Value, Error> {
    let mut has = Vec::new();
    for permission in PERMISSIONS {
        has.push(user.has_perm(permission).await?);
    }
    Ok(json!({
        "id": user.id(), "name": user.username(), "active": user.is_active(),
        "staff": user.is_staff(), "superuser": user.is_superuser(), "has": has,
        "groups": user.groups().await?,
        "has_logged_in": user.get::<Option<SystemTime>>("last_login")?.is_some(),
        "has_module_perms": user.has_module_perms("auth").await?,
        // A superuser has every permission that exists. Django's tables have more of them.
        "all": if user.is_superuser() { None } else { Some(user.permissions().await?) },
    }))
}

/// Runs the steps; returns the result of each.
async fn run([site, sooner]: &[DjangoSite; 2], steps: &[Step]) -> Vec<Value> {
    let middleware = DjangoSessionMiddleware::optional(site.clone());
    let app = App::new().app_data(web::Data::new(site.clone())).wrap(middleware);
    let app = init_service(app.default_service(web::to(perform))).await;
    let clients: [_; 3] = std::array::from_fn(|_| Client::new(sooner));
    let mut keys: Vec<String> = Vec::new();
    let mut story = Vec::new();
    for step in steps {
        let output = match step {
            Step::Request { visitor, ops, status } => {
                let request = TestRequest::post().set_json((ops, status));
                let answer = clients[*visitor].send(&app, request).await;
                let status = answer.status().as_u16();
                json!([status, String::from_utf8_lossy(&read_body(answer).await)])
            }
            Step::ForceLogin { visitor, name } => {
                clients[*visitor].force_login(name).await;
                Value::Null
            }
            Step::UpdateSession { visitor, members } => {
                clients[*visitor].update_session(members).await;
                Value::Null
            }
            Step::Delete { visitor } => match key(&clients[*visitor]) {
                Some(key) => outcome_json(site.delete(&key).await.map(Value::from)),
                None => Value::Null,
            },
            Step::LoadAt { visitor, hours } => match key(&clients[*visitor]) {
                Some(key) => {
                    let then = SystemTime::now() + Duration::from_secs(hours * 3600);
                    outcome_json(site.load_at(&key, then).await.map(|session| of_session(&session)))
                }
                None => Value::Null,
            },
            Step::Revalidate { visitor, name } => revalidate(site, &clients[*visitor], name).await,
            Step::Create { seconds } => {
                let data = SessionData::from_json(r#"{"made":true}"#).unwrap();
                let session = site.create(&data, Expiry::Seconds(*seconds)).await;
                outcome_json(session.map(|session| of_session(&session)))
            }
            Step::ClearExpired => outcome_json(site.clear_expired().await.map(Value::from)),
            Step::User { name } => match site.user_by_username(name).await {
                Ok(user) => {
                    let by_id = site.user(user.id()).await.unwrap();
                    json!([of_user(&user).await.unwrap(), of_user(&by_id).await.unwrap()])
                }
                Err(error) => outcome_json(Err(error)),
            },
            Step::Authenticate { name, password } => {
                let user = site.authenticate(name, password).await;
                outcome_json(user.map(|user| user.map(|user| user.username().to_owned()).into()))
            }
            Step::SetPassword { name, password } => match site.user_by_username(name).await {
                Ok(user) => {
                    let user = site.set_password(&user, password).await;
                    outcome_json(user.map(|user| user.username().into()))
                }
                Err(error) => outcome_json(Err(error)),
            },
            Step::Check => outcome_json(site.check().await.map(|_| Value::Null)),
        };
        // For each visitor: which known session key it has, and the data of that session.
        let mut visitors = Vec::new();
        for client in &clients {
            let key = client.cookie("sessionid").map(|key| {
                if !keys.contains(&key) {
                    keys.push(key.clone());
                }
                keys.iter().position(|other| *other == key)
            });
            let data = client.session().await;
            visitors.push(json!([
                key,
                without_secrets(&data.to_json()),
                client.messages().await.len()
            ]));
        }
        // Which known sessions are live, and will be after those that no request extends.
        let mut live = Vec::new();
        for key in &keys {
            let key = SessionKey::new(key).unwrap();
            for hours in [0, 48] {
                let then = SystemTime::now() + Duration::from_secs(hours * 3600);
                live.push(site.load_at(&key, then).await.is_ok());
            }
        }
        story.push(json!([output, visitors, live]));
    }
    story
}

fn key(client: &Client) -> Option<SessionKey> {
    SessionKey::new(client.cookie("sessionid")?)
}

async fn revalidate(site: &DjangoSite, client: &Client, name: &str) -> Value {
    let Some(key) = key(client) else { return Value::Null };
    let (session, user) = match (site.load(&key).await, site.user_by_username(name).await) {
        (Ok(session), Ok(user)) => (session, user),
        (session, user) => return json!([session.is_ok(), user.is_ok()]),
    };
    let found = site.get_user(&session).await.map(|user| user.username().into());
    let now = site.revalidate(&session, &user).await.map(|user| user.username().into());
    json!([outcome_json(found), outcome_json(now)])
}

fn of_session(session: &DjangoSession) -> Value {
    let life = session.expire_date().duration_since(SystemTime::now()).unwrap_or_default();
    // Both sites run within some minutes.
    json!([without_secrets(&session.data().unwrap().to_json()), (life.as_secs() + 900) / 1800])
}

fn outcome_json(outcome: Result<Value, Error>) -> Value {
    outcome.unwrap_or_else(|error| json!({ "error": error.to_string() }))
}

/// Removes hashes and secrets: their salts and values are random.
fn without_secrets(json: &str) -> Value {
    let mut data: Value = serde_json::from_str(json).unwrap();
    for key in ["_auth_user_hash", "_csrftoken"] {
        if let Some(secret) = data.get_mut(key) {
            *secret = secret.as_str().unwrap().len().into();
        }
    }
    data
}
