//! A PostgreSQL of its own, and in it a Django site with many users, all of them logged in.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use actix_django_session::{DjangoSettings, SessionData, SessionKey, SessionSigner};
use testbed::{Postgres, Settings, TestDatabase};
use tokio_postgres::NoTls;

use super::{DJANGO, Result, SECRET_KEY, options::Options, sessions};

/// The database and who is in it.
pub(crate) struct Site {
    pub(crate) sessions: Vec<Session>,
    /// Those of the same users that are changed, for which others are not asked.
    pub(crate) changing: Vec<Session>,
    pub(crate) postgres_version: String,
    /// The process that all others of PostgreSQL descend from; not known for a foreign server.
    pub(crate) postmaster: Option<u32>,
    database: TestDatabase,
    _postgres: Postgres,
}

/// A row of `django_session`.
pub(crate) struct Session {
    pub(crate) key: String,
    pub(crate) user_id: usize,
    /// Of the user, in `authtoken_token`.
    pub(crate) token: String,
    /// `expire_date` in seconds since 1970; every session has another.
    pub(crate) ends: u64,
}

impl Site {
    pub(crate) async fn start(options: &Options) -> Result<Self> {
        eprintln!("starting PostgreSQL with {} sessions", options.sessions);
        let postgres = Postgres::start().await?;
        let database = postgres.django_database(DJANGO, &Settings::default()).await?;
        let (client, connection) = tokio_postgres::connect(database.url(), NoTls).await?;
        let connection = actix_web::rt::spawn(connection);
        let (sessions, changing) = fill(&client, options.sessions).await?;
        let version: String = client.query_one("SHOW server_version", &[]).await?.get(0);
        drop(client);
        connection.await??;
        Ok(Self {
            sessions,
            changing,
            postgres_version: version,
            postmaster: if postgres.is_own() { postgres.pid().await? } else { None },
            database,
            _postgres: postgres,
        })
    }

    pub(crate) fn database_url(&self) -> &str {
        self.database.url()
    }
}

/// What everybody may do, by a group.
pub(crate) const PERMISSION: &str = "auth.view_user";

const GROUP: &str = "\
    WITH g AS (INSERT INTO auth_group (name) VALUES ('readers') RETURNING id), \
    p AS (INSERT INTO auth_group_permissions (group_id, permission_id) \
          SELECT g.id, p.id FROM g, auth_permission p WHERE codename LIKE 'view_%') \
    INSERT INTO auth_user_groups (user_id, group_id) SELECT u.id, g.id FROM auth_user u, g";

/// As `rest_framework.authtoken` makes it, which is not installed there.
const TOKENS: &str = "\
    CREATE TABLE authtoken_token (key varchar(40) PRIMARY KEY, created timestamptz NOT NULL, \
    user_id integer NOT NULL UNIQUE REFERENCES auth_user (id) DEFERRABLE INITIALLY DEFERRED)";

/// Two sessions for each user: one to be read, one to be changed.
async fn fill(
    client: &tokio_postgres::Client,
    count: usize,
) -> Result<(Vec<Session>, Vec<Session>)> {
    let signer = SessionSigner::new(&DjangoSettings::new(SECRET_KEY))?;
    let hash = sessions::session_auth_hash_maker();
    let first_end = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs() + 14 * 24 * 3600;
    let (mut read, mut changing) = (Vec::with_capacity(count), Vec::with_capacity(count));
    let (mut ids, mut passwords, mut names) = (Vec::new(), Vec::new(), Vec::new());
    let (mut keys, mut texts, mut all_ends) = (Vec::new(), Vec::new(), Vec::new());
    let mut tokens = Vec::new();
    for user_id in 1..=count {
        let salt = hash.hexdigest(format!("salt {user_id}"));
        let password = format!("pbkdf2_sha256$1000000${}${}", &salt[..22], &salt[20..]);
        let json = sessions::typical(user_id, &hash.hexdigest(&password));
        ids.push(i32::try_from(user_id)?);
        names.push(format!("user{user_id}"));
        passwords.push(password);
        let token = hash.hexdigest(format!("token {user_id}"))[..40].to_owned();
        tokens.push(token.clone());
        for made in [&mut read, &mut changing] {
            let key = SessionKey::generate().as_str().to_owned();
            let ends = first_end + user_id as u64;
            let session = Session { key, user_id, token: token.clone(), ends };
            keys.push(session.key.clone());
            texts.push(SessionData::from_json(&json)?.encode(&signer));
            all_ends.push(UNIX_EPOCH + Duration::from_secs(session.ends));
            made.push(session);
        }
    }
    client
        .execute(
            "INSERT INTO auth_user (id, password, username, first_name, last_name, email, \
             is_superuser, is_staff, is_active, date_joined) \
             SELECT id, password, name, '', '', name || '@example.org', false, false, true, now() \
             FROM unnest($1::int[], $2::text[], $3::text[]) AS made (id, password, name)",
            &[&ids, &passwords, &names],
        )
        .await?;
    client
        .execute(
            "INSERT INTO django_session (session_key, session_data, expire_date) \
             SELECT * FROM unnest($1::text[], $2::text[], $3::timestamptz[])",
            &[&keys, &texts, &all_ends],
        )
        .await?;
    client.batch_execute(TOKENS).await?;
    client
        .execute(
            "INSERT INTO authtoken_token (key, created, user_id) \
             SELECT key, now(), id FROM unnest($1::text[], $2::int[]) AS made (key, id)",
            &[&tokens, &ids],
        )
        .await?;
    client.execute(GROUP, &[]).await?;
    // So that neither autovacuum nor a checkpoint comes in the middle of a measurement.
    client.batch_execute("VACUUM (FREEZE, ANALYZE)").await?;
    client.batch_execute("CHECKPOINT").await?;
    Ok((read, changing))
}
