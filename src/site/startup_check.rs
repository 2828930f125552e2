//! `DjangoSite::check`: finds at start-up what requests would fail on, and tries live sessions.

use std::{
    collections::BTreeMap,
    fmt,
    sync::Arc,
    time::{Duration, SystemTime},
};

use futures_util::future::try_join_all;

use super::DjangoSite;
use crate::{
    auth::{BACKEND, DjangoUser},
    database::Readable,
    error::Error,
    observe::Observer,
    report::CheckReport,
    session::{SessionData, SessionSigner, USER_ID},
    settings::{
        AuthenticationClass, DjangoSettings, Level, PasswordHasher, RestAuthentication,
        SessionEngine,
    },
    signing::{self, KeyUsed},
};

/// How far this machine's clock may differ from the database's. Both decide when a session ends.
const CLOCK_TOLERANCE: Duration = Duration::from_secs(60);

/// # Start-up: the check
impl DjangoSite {
    /// Checks the settings against the database and its live sessions. Call it at start-up, after you have
    /// built the middlewares, so that you see a mistake before visitors do. It reports everything at once:
    ///
    /// | looks at | reports |
    /// |---|---|
    /// | tables | whether they exist with the columns that are read, and whether this role may read them. User tables count if the settings name a user model or a middleware needs users; permission and group tables count if a middleware needs them |
    /// | writing, with [`write_sessions`](DjangoSettings::write_sessions) | whether this role may change sessions, and whether foreign keys let sessions be deleted |
    /// | connections | how many the server, the role and the database have left; a warning if one worker per processor could need more |
    /// | what was not checked | a warning if no middleware was built yet. If a later one needs more, the log says so |
    /// | the newest live sessions | how many can be decoded and with which key, which backends they name, how many of their users exist, and how many session auth hashes match |
    /// | settings from [`from_json`](DjangoSettings::from_json) | what the site does that this crate does not |
    ///
    /// ```no_run
    /// # async fn f(site: actix_django_session::DjangoSite) -> Result<(), actix_django_session::Error> {
    /// println!("{}", site.check().await?);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// If all sessions fail a step, that is an error; if some do, it is a warning in the report. An empty
    /// session table is fine. The check changes nothing and leaves no connection open.
    ///
    /// # Errors
    /// - [`Error::CheckFailed`] with the report, if it has a problem. Each problem names the setting at
    ///   fault and the remedy; missing rights are `GRANT` statements to paste.
    /// - [`Error::Unavailable`] if the database does not answer.
    pub async fn check(&self) -> Result<CheckReport, Error> {
        // The check must not count as visits.
        let database = self.database().clone().observed_by(Observer::default());
        let checked = self.on(database.clone()).checked().await;
        database.close_idle().await;
        let report = checked?;
        for warning in report.warnings() {
            tracing::warn!(%warning, "a setting may be wrong");
        }
        match report.problems() {
            [] => Ok(report),
            _ => Err(Error::CheckFailed(Arc::new(report))),
        }
    }

    async fn checked(&self) -> Result<CheckReport, Error> {
        let mut report = CheckReport::default();
        self.check_settings(&mut report);
        let readable = self.database().check(&mut report).await?;
        if let Some(site) = &self.settings().site {
            report.fact(format!("settings exported from Django {}", site.django_version));
        }
        let shared = self.shared(readable).await?;
        report.fact(shared.to_string());
        self.check_rest_framework(readable, &mut report).await?;
        if readable.sessions {
            self.check_sessions(readable, &mut report).await?;
        }
        shared.log();
        Ok(report)
    }

    /// Checks what needs no database.
    fn check_settings(&self, report: &mut CheckReport) {
        let settings = self.settings();
        if settings.write_sessions
            && let Err(error) = self.require_writing()
        {
            report.problem(error.to_string());
        }
        if settings.session_save_every_request && !settings.write_sessions {
            report.warning(
                "SESSION_SAVE_EVERY_REQUEST: without `write_sessions` this service extends no session, \
                 so visitors who stay on its pages are logged out when the session ends"
                    .into(),
            );
        }
        let backends = &settings.authentication_backends;
        for backend in backends.iter().filter(|backend| backend.grants_permissions.is_none()) {
            report.warning(format!(
                "AUTHENTICATION_BACKENDS: it is unknown whether {} grants permissions, so it grants \
                 none here: set `AuthenticationBackend::grants_permissions`",
                backend.path
            ));
        }
        if !backends.iter().any(|backend| backend.reads_users) {
            report.problem(
                "AUTHENTICATION_BACKENDS: no backend reads users as ModelBackend does, so no visitor \
                 is logged in here: set `AuthenticationBackend::reads_users` of the one that does"
                    .into(),
            );
        }
        let preferred = settings.hashers().first().map_or("", PasswordHasher::algorithm);
        if self.checks_passwords() && self.lacks_hasher(preferred) {
            report.warning(format!(
                "PASSWORD_HASHERS: passwords of this site are encoded by {preferred}, which needs the \
                 feature `hashers` of this crate: without it, no user can log in here"
            ));
        }
        for each in settings.not_honoured() {
            match each.level {
                Level::Hook | Level::Unsafe if self.has_hook(each.hook.as_deref()) => {}
                Level::Hook | Level::Unsafe => report.warning(each.to_string()),
                Level::Note => report.note(each.to_string()),
            }
        }
    }

    async fn shared(&self, readable: Readable) -> Result<Shared, Error> {
        let settings = self.settings();
        let session_table = match settings.session_engine {
            SessionEngine::SignedCookies => "the cookie itself".into(),
            SessionEngine::Db | SessionEngine::CachedDb => settings.session_table.quoted(),
        };
        let primary_key = match readable.users {
            true => self.database().primary_key(self.database().deadline()).await?.kind(),
            false => "not looked at",
        };
        Ok(Shared {
            session_table,
            user_table: settings.user_model.table.quoted(),
            primary_key,
            keys: 1 + settings.secret_key_fallbacks.len(),
            backends: settings.authentication_backends.len(),
            cookie_name: settings.session_cookie_name.clone(),
        })
    }

    async fn check_sessions(
        &self,
        readable: Readable,
        report: &mut CheckReport,
    ) -> Result<(), Error> {
        let now = SystemTime::now();
        let (sessions, clock) = match self.database().newest_sessions(now).await {
            Ok(newest) => newest,
            // Visitors' lookups use the primary key, and may be fast all the same.
            Err(Error::Unavailable(error)) if error.is_too_slow() => {
                report.warning(
                    "SESSION_ENGINE: the newest sessions cannot be found in time: create the index \
                     on `expire_date` that Django's table has"
                        .into(),
                );
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        let distance = clock.duration_since(now).unwrap_or_else(|before| before.duration());
        if distance > CLOCK_TOLERANCE {
            report.warning(format!(
                "the clock of this machine is {} seconds off the database's, so sessions end too early \
                 or too late: synchronize the clocks",
                distance.as_secs()
            ));
        }
        if sessions.is_empty() {
            report.fact("no live sessions to check".into());
            return Ok(());
        }
        let opened = self.opened(&sessions, report);
        let named: Vec<_> = opened.iter().filter(|data| data.get_json(USER_ID).is_some()).collect();
        let listed = self.listed(&named, report);
        if !readable.users || listed.is_empty() {
            return Ok(());
        }
        let found = self.found(&listed, report).await?;
        self.check_hashes(&found, report)
    }

    /// The data of the sessions that one of the keys signed.
    fn opened(&self, sessions: &[String], report: &mut CheckReport) -> Vec<SessionData> {
        let signer = SessionSigner::clone(self.signer()).observed_by(Observer::default());
        let mut opened = Vec::new();
        let (mut by_fallbacks, mut by_none, mut unreadable) = (0, 0, 0);
        for session_data in sessions {
            match SessionData::decode(session_data, &signer) {
                Ok(data) => {
                    by_fallbacks +=
                        usize::from(signer.key_used(session_data) == Ok(KeyUsed::Fallback));
                    opened.push(data);
                }
                Err(_) => match signer.key_used(session_data) {
                    Err(signing::Error::BadSignature(_)) => by_none += 1,
                    _ => unreadable += 1,
                },
            }
        }
        let count = sessions.len();
        report.fact(format!(
            "of the {count} newest live sessions, {} open under SECRET_KEY, {by_fallbacks} under \
             SECRET_KEY_FALLBACKS",
            opened.len() - by_fallbacks
        ));
        report.of_sessions(by_none, count, || {
            format!(
                "are opened by no key: {}",
                self.why_no_key_opens(sessions).unwrap_or(
                    "is this Django's SECRET_KEY, with all of SECRET_KEY_FALLBACKS? A session class \
                     by another name has another `session_key_salt`"
                )
            )
        });
        report.of_sessions(unreadable, count, || {
            "are rightly signed and no JSON: SESSION_SERIALIZER has to be Django's JSONSerializer"
                .into()
        });
        opened
    }

    /// Tries the usual mistakes.
    fn why_no_key_opens(&self, sessions: &[String]) -> Option<&'static str> {
        let settings = DjangoSettings { site: None, ..self.settings().clone() };
        let key = settings.secret_key.as_bytes().trim_ascii();
        let unquoted = match key {
            [b'\'', inner @ .., b'\''] | [b'"', inner @ .., b'"'] => inner,
            _ => key,
        };
        let with_key = |key: &[u8]| DjangoSettings { secret_key: key.into(), ..settings.clone() };
        let salt = DjangoSettings::new("").session_key_salt;
        [
            (with_key(key), "SECRET_KEY has white space or a line break at its end"),
            (with_key(unquoted), "SECRET_KEY is in quotes"),
            (
                DjangoSettings { session_key_salt: salt, ..settings.clone() },
                "`session_key_salt` is not the site's: Django's default opens them",
            ),
        ]
        .into_iter()
        .find_map(|(settings, why)| {
            let signer = SessionSigner::new(&settings).ok()?;
            sessions.iter().any(|session| signer.key_used(session).is_ok()).then_some(why)
        })
    }

    /// The sessions with a backend that reads users.
    fn listed<'a>(
        &self,
        sessions: &[&'a SessionData],
        report: &mut CheckReport,
    ) -> Vec<&'a SessionData> {
        let backends = &self.settings().authentication_backends;
        let path = |data: &SessionData| data.get::<String>(BACKEND).ok().flatten();
        let is_listed = |path: &str| backends.iter().any(|b| b.path == path && b.reads_users);
        let mut others: BTreeMap<String, usize> = BTreeMap::new();
        let mut listed = Vec::new();
        for data in sessions {
            match path(data) {
                Some(path) if is_listed(&path) => listed.push(*data),
                path => *others.entry(path.unwrap_or("none".into())).or_default() += 1,
            }
        }
        let others = others.iter().map(|(path, count)| format!("{path} ({count})"));
        let others = others.collect::<Vec<_>>().join(", ");
        report.of_sessions(sessions.len() - listed.len(), sessions.len(), || {
            format!(
                "that name a user came in by a backend that is not among the \
                 AUTHENTICATION_BACKENDS here, or does not read users: {others}"
            )
        });
        listed
    }

    /// The users of these sessions.
    async fn found<'a>(
        &self,
        sessions: &[&'a SessionData],
        report: &mut CheckReport,
    ) -> Result<Vec<(&'a SessionData, DjangoUser)>, Error> {
        let mut keys = Vec::new();
        for data in sessions {
            let Some(id) = data.get_json(USER_ID) else { continue };
            let key = self.parse_primary_key(id, self.database().deadline()).await?;
            keys.extend(key.map(|key| (*data, key)));
        }
        let (count, column) = (sessions.len(), &self.settings().user_model.primary_key);
        report.of_sessions(count - keys.len(), count, || {
            format!(
                "that name a user have an id that cannot be a \"{column}\" of {}: is this \
                 AUTH_USER_MODEL's table? A field that writes its ids in its own way needs \
                 `DjangoSite::parse_user_id`",
                self.settings().user_model.table.quoted()
            )
        });
        let budget = self.database().read_budget();
        let rows =
            try_join_all(keys.iter().map(async |(_, key)| {
                self.database().user_row(key, budget.wait().deadline()).await
            }));
        let users = rows.await?;
        let wait = budget.wait();
        let users = users.into_iter().zip(&keys);
        let found: Vec<_> = users
            .filter_map(|(row, (data, key))| {
                Some((*data, self.user_in(row?, None, key.clone(), &wait)))
            })
            .collect();
        report.of_sessions(keys.len() - found.len(), keys.len(), || {
            format!(
                "that name a user name one who is not found in {}: is this AUTH_USER_MODEL's table, \
                 and its `condition` the one of the default manager? Or were they deleted?",
                self.settings().user_model.table.quoted()
            )
        });
        report.fact(format!("{count} of them name a user, {} of whom are found", found.len()));
        Ok(found)
    }

    fn check_hashes(
        &self,
        found: &[(&SessionData, DjangoUser)],
        report: &mut CheckReport,
    ) -> Result<(), Error> {
        let mut wrong = 0;
        for (data, user) in found {
            wrong += usize::from(self.key_of_session_auth_hash(data, user)?.is_none());
        }
        report.of_sessions(wrong, found.len(), || {
            "whose user is found have another session auth hash: `UserModel::password` or \
             `UserModel::session_auth_hash` is not the site's, or SECRET_KEY_FALLBACKS lacks a key; or \
             the passwords were changed since"
                .into()
        });
        if self.checks_passwords() {
            self.check_encodings(found, report);
        }
        let active = found.iter().filter(|(_, user)| user.is_active()).count();
        report.fact(format!(
            "{active} of them are active; {} session auth hashes match",
            found.len() - wrong
        ));
        Ok(())
    }

    /// Whether this service has to do with passwords: it logs users in, or reads them from `Authorization`.
    fn checks_passwords(&self) -> bool {
        let classes = &self.settings().rest_framework.default_authentication_classes;
        let is_basic = |class: &RestAuthentication| class.class == AuthenticationClass::Basic;
        self.settings().write_sessions
            || self.database().uses_rest_framework() && classes.iter().any(is_basic)
    }

    /// Whether the passwords of these users can be checked. The first hasher was looked at before.
    fn check_encodings(&self, found: &[(&SessionData, DjangoUser)], report: &mut CheckReport) {
        let preferred = self.settings().hashers().first().map_or("", PasswordHasher::algorithm);
        let mut lacking: BTreeMap<&str, usize> = BTreeMap::new();
        for (_, user) in found {
            let algorithm = user.password().split('$').next().unwrap_or_default();
            if algorithm != preferred && self.lacks_hasher(algorithm) {
                *lacking.entry(algorithm).or_default() += 1;
            }
        }
        for (algorithm, count) in lacking {
            report.warning(format!(
                "PASSWORD_HASHERS: {count} of {} live sessions belong to users whose password is encoded \
                 by {algorithm}, which needs the feature `hashers` of this crate: without it, these users \
                 cannot log in here",
                found.len()
            ));
        }
    }
}

/// Facts for an operator to compare with the site.
struct Shared {
    session_table: String,
    user_table: String,
    primary_key: &'static str,
    keys: usize,
    backends: usize,
    cookie_name: String,
}

impl Shared {
    fn log(&self) {
        let Self { session_table, user_table, primary_key, keys, backends, cookie_name } = self;
        tracing::info!(
            session_table,
            user_table,
            primary_key,
            keys,
            backends,
            cookie_name,
            "settings checked against the database"
        );
    }
}

impl fmt::Display for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { session_table, user_table, primary_key, keys, backends, cookie_name } = self;
        write!(
            f,
            "sessions in {session_table}, cookie \"{cookie_name}\", keys: {keys}; users in \
             {user_table}, primary key: {primary_key}, backends: {backends}"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        auth::HASH,
        memory::{Tables, User},
        session::Expiry,
    };

    /// What is said of the hashers at start-up: of pbkdf2, and of argon2 without the feature `hashers`.
    #[tokio::test]
    async fn the_feature_hashers_is_said_to_be_missing_only_where_users_log_in() {
        let lacks_feature = !cfg!(feature = "hashers");
        let pbkdf2 = serde_json::json!({ "algorithm": "pbkdf2_sha256", "costs": { "iterations": 1 }, "overrides": [] });
        let argon2 = serde_json::json!({
            "algorithm": "argon2", "overrides": [],
            "costs": { "time_cost": 2, "memory_cost": 102_400, "parallelism": 8 },
        });
        let both = [&pbkdf2, &argon2];
        for (hashers, encoded, write_sessions, said) in [
            (both, "pbkdf2_sha256$1$salt$hash", true, None),
            (both, "argon2$argon2id$..", true, Some("1 of 1 live sessions")),
            (both, "argon2$argon2id$..", false, None),
            ([&argon2, &pbkdf2], "pbkdf2_sha256$1$salt$hash", true, Some("no user can log in")),
            ([&argon2, &pbkdf2], "argon2$argon2id$..", true, Some("no user can log in")),
            ([&argon2, &pbkdf2], "argon2$argon2id$..", false, None),
        ] {
            let mut exported: serde_json::Value =
                serde_json::from_str(include_str!("../settings/from_json/example.json")).unwrap();
            exported["PASSWORD_HASHERS"] = hashers.into_iter().cloned().collect();
            let exported = DjangoSettings::from_json(&exported.to_string(), "the key").unwrap();
            let settings = DjangoSettings {
                password_hashers: exported.password_hashers,
                site: exported.site,
                write_sessions: true,
                ..DjangoSettings::new("the key")
            };
            let tables = Tables::default();
            tables.put_user(User {
                id: "7".into(),
                password: encoded.into(),
                is_active: true,
                ..User::default()
            });
            let site = DjangoSite::in_memory(tables.clone(), settings.clone()).unwrap();
            let user = site.user(7).await.unwrap();
            let mut data = SessionData::new();
            let hash = site.session_auth_hash(&user).unwrap().unwrap();
            let backend = "django.contrib.auth.backends.ModelBackend".to_owned();
            for (key, value) in [(USER_ID, "7".into()), (BACKEND, backend), (HASH, hash)] {
                data.insert(key, &value).unwrap();
            }
            site.create(&data, Expiry::Seconds(60)).await.unwrap();

            let settings = DjangoSettings { write_sessions, ..settings };
            let report = DjangoSite::in_memory(tables, settings).unwrap().check().await.unwrap();
            let warnings = report.warnings().iter();
            let of_hashers: Vec<_> =
                warnings.filter(|said| said.starts_with("PASSWORD_HASHERS")).collect();
            let context = format!("{encoded} {write_sessions} {report}");
            assert_eq!(of_hashers.len(), usize::from(lacks_feature && said.is_some()), "{context}");
            for each in of_hashers {
                assert!(each.contains(said.unwrap()) && each.contains("argon2"), "{context}");
                assert!(each.contains("feature `hashers`"), "{context}");
            }
        }
    }
}
