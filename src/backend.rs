//! What holds a site's tables: PostgreSQL, or the memory of a test.

use std::{collections::BTreeSet, sync::Arc, time::SystemTime};

use tokio::time::Instant;

use crate::{
    database::{
        Budget, Database, Need, PrimaryKey, PrimaryKeyValue, Readable, SessionRow, UserRow, Visit,
        Written,
    },
    error::Error,
    memory::Memory,
    observe::Observer,
    report::CheckReport,
    session::SessionKey,
    settings::{DjangoSettings, TokenAuthentication},
};

/// What holds a site's tables. Cheap to clone.
#[derive(Clone)]
pub(crate) enum Backend {
    Postgres(Database),
    /// Answers at once, and never fails.
    Memory(Memory),
}

type FoundUser = Option<(PrimaryKeyValue, Arc<UserRow>)>;

impl Backend {
    pub(crate) fn settings(&self) -> &DjangoSettings {
        match self {
            Self::Postgres(database) => database.settings(),
            Self::Memory(memory) => memory.settings(),
        }
    }

    /// How long the request of this task may still wait for what it reads.
    pub(crate) fn read_budget(&self) -> Budget {
        Budget::reading(self.settings().timeout)
    }

    /// How long the request of this task may still wait for what it writes.
    pub(crate) fn write_budget(&self) -> Budget {
        Budget::writing(self.settings().timeout)
    }

    /// A whole `timeout`, whatever the request of this task has waited for.
    pub(crate) fn fresh_budget(&self) -> Budget {
        Budget::fresh(self.settings().timeout)
    }

    /// The end of a whole `timeout` that begins now.
    pub(crate) fn deadline(&self) -> Instant {
        self.fresh_budget().wait().deadline()
    }

    pub(crate) fn observer(&self) -> &Observer {
        match self {
            Self::Postgres(database) => database.observer(),
            Self::Memory(memory) => memory.observer(),
        }
    }

    /// This backend, with its events reported to that observer.
    pub(crate) fn observed_by(self, observer: Observer) -> Self {
        match self {
            Self::Postgres(database) => Self::Postgres(database.observed_by(observer)),
            Self::Memory(memory) => Self::Memory(memory.observed_by(observer)),
        }
    }

    /// Whether both are clones of one.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Postgres(one), Self::Postgres(other)) => one.is_same(other),
            (Self::Memory(one), Self::Memory(other)) => one.is_same(other),
            _ => false,
        }
    }

    /// Whether both have the same tables, and may do the same there.
    pub(crate) fn is_beside(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Postgres(one), Self::Postgres(other)) => one.is_beside(other),
            (Self::Memory(one), Self::Memory(other)) => one.is_beside(other),
            _ => false,
        }
    }

    // Start-up.

    /// Remembers what a middleware needs, for [`Backend::check`].
    pub(crate) fn need(&self, need: Need) {
        if let Self::Postgres(database) = self {
            database.need(need);
        }
    }

    /// Remembers that the REST framework's tokens matter, likewise.
    pub(crate) fn use_rest_framework(&self) {
        if let Self::Postgres(database) = self {
            database.use_rest_framework();
        }
    }

    pub(crate) fn uses_rest_framework(&self) -> bool {
        match self {
            Self::Postgres(database) => database.uses_rest_framework(),
            Self::Memory(_) => false,
        }
    }

    /// Remembers that a hook does what this authentication class does.
    pub(crate) fn know_authenticator(&self, path: &str) {
        if let Self::Postgres(database) = self {
            database.know_authenticator(path);
        }
    }

    /// Whether a hook does what this authentication class does. In memory always, because nothing is checked.
    pub(crate) fn knows_authenticator(&self, path: &str) -> bool {
        match self {
            Self::Postgres(database) => database.knows_authenticator(path),
            Self::Memory(_) => true,
        }
    }

    pub(crate) async fn ping(&self) -> Result<(), Error> {
        match self {
            Self::Postgres(database) => database.ping().await,
            Self::Memory(_) => Ok(()),
        }
    }

    /// Reports everything that is wrong with the tables, their columns or the role's rights. In memory nothing
    /// is wrong.
    pub(crate) async fn check(&self, report: &mut CheckReport) -> Result<Readable, Error> {
        match self {
            Self::Postgres(database) => database.check(report).await,
            Self::Memory(memory) => Ok(Readable { sessions: memory.has_sessions(), users: true }),
        }
    }

    /// The session data of the newest live sessions, and what time it is there.
    pub(crate) async fn newest_sessions(
        &self,
        now: SystemTime,
    ) -> Result<(Vec<String>, SystemTime), Error> {
        match self {
            Self::Postgres(database) => database.newest_sessions(now).await,
            Self::Memory(memory) => Ok((memory.live_sessions(now), now)),
        }
    }

    /// Looks up a token that does not exist, and returns the error of the database, if there is one.
    pub(crate) async fn try_tokens(
        &self,
        class: &TokenAuthentication,
    ) -> Result<Option<String>, Error> {
        match self {
            Self::Postgres(database) => database.try_tokens(class).await,
            Self::Memory(_) => Ok(None),
        }
    }

    /// Closes idle connections, because this runtime may run nothing else from now on.
    pub(crate) async fn close_idle(&self) {
        if let Self::Postgres(database) = self {
            database.close_idle().await;
        }
    }

    // Sessions.

    /// This backend, with further columns in the session table that are filled from JSON objects. In
    /// memory they are not kept.
    pub(crate) fn with_session_columns(&self, columns: &[String]) -> Self {
        match self {
            Self::Postgres(database) => Self::Postgres(database.with_session_columns(columns)),
            Self::Memory(_) => self.clone(),
        }
    }

    /// The row with this session key, expired ones too.
    pub(crate) async fn session_row(
        &self,
        key: &SessionKey,
        deadline: Instant,
    ) -> Result<Option<SessionRow>, Error> {
        match self {
            Self::Postgres(database) => database.session_row(key, deadline).await,
            Self::Memory(memory) => Ok(memory.session_row(key)),
        }
    }

    /// Makes a row. The key may be taken; then nothing happens.
    pub(crate) async fn insert_session(
        &self,
        key: &SessionKey,
        (session_data, columns): (&str, Option<String>),
        expire_date: SystemTime,
        deadline: Instant,
    ) -> Result<Written, Error> {
        match self {
            Self::Postgres(database) => {
                database.insert_session(key, (session_data, columns), expire_date, deadline).await
            }
            Self::Memory(memory) => Ok(memory.insert_session(key, session_data, expire_date)),
        }
    }

    /// Stores other data in a row, under another key or the same, if it still holds what was read.
    pub(crate) async fn update_session(
        &self,
        read: (&SessionKey, &str),
        new: (&SessionKey, &str, SystemTime),
        columns: Option<String>,
        deadline: Instant,
    ) -> Result<Written, Error> {
        match self {
            Self::Postgres(database) => database.update_session(read, new, columns, deadline).await,
            Self::Memory(memory) => Ok(memory.update_session(read, new)),
        }
    }

    /// Deletes a row and returns whether it was there.
    pub(crate) async fn delete_session(
        &self,
        key: &SessionKey,
        deadline: Instant,
    ) -> Result<bool, Error> {
        match self {
            Self::Postgres(database) => database.delete_session(key, deadline).await,
            Self::Memory(memory) => Ok(memory.delete_session(key)),
        }
    }

    /// Moves the end of a session, if it still ends when it did and returns whether it was moved.
    pub(crate) async fn slide_session(
        &self,
        key: &SessionKey,
        was: SystemTime,
        end: SystemTime,
        deadline: Instant,
    ) -> Result<bool, Error> {
        match self {
            Self::Postgres(database) => database.slide_session(key, was, end, deadline).await,
            Self::Memory(memory) => Ok(memory.slide_session(key, was, end)),
        }
    }

    /// Deletes the rows that ended before this moment and returns how many.
    pub(crate) async fn clear_expired(&self, now: SystemTime) -> Result<u64, Error> {
        match self {
            Self::Postgres(database) => database.clear_expired(now).await,
            Self::Memory(memory) => Ok(memory.clear_expired(now)),
        }
    }

    // Users.

    /// How ids are read for the primary key of the user model.
    pub(crate) async fn primary_key(&self, deadline: Instant) -> Result<PrimaryKey, Error> {
        match self {
            Self::Postgres(database) => database.primary_key(deadline).await,
            Self::Memory(memory) => Ok(memory.primary_key()),
        }
    }

    /// The row of the user with this key.
    pub(crate) async fn user_row(
        &self,
        key: &PrimaryKeyValue,
        deadline: Instant,
    ) -> Result<Option<Arc<UserRow>>, Error> {
        match self {
            Self::Postgres(database) => database.user_row(key, deadline).await,
            Self::Memory(memory) => Ok(memory.user_row(key)),
        }
    }

    /// The user with this username, and the primary key.
    pub(crate) async fn user_row_by_username(
        &self,
        username: &str,
        deadline: Instant,
    ) -> Result<FoundUser, Error> {
        match self {
            Self::Postgres(database) => database.user_row_by_username(username, deadline).await,
            Self::Memory(memory) => memory.user_row_by_username(username),
        }
    }

    /// The user whom this token stands for, and the primary key. In memory all classes have one table.
    pub(crate) async fn user_row_by_token(
        &self,
        class: &TokenAuthentication,
        token: &str,
        deadline: Instant,
    ) -> Result<FoundUser, Error> {
        match self {
            Self::Postgres(database) => database.user_row_by_token(class, token, deadline).await,
            Self::Memory(memory) => Ok(memory.user_row_by_token(token)),
        }
    }

    /// The only user whose column has the value of this JSON, and the primary key.
    pub(crate) async fn user_row_by_column(
        &self,
        column: &str,
        json: &str,
        deadline: Instant,
    ) -> Result<FoundUser, Error> {
        match self {
            Self::Postgres(database) => database.user_row_by_column(column, json, deadline).await,
            Self::Memory(memory) => Ok(memory.user_row_by_column(column, json)),
        }
    }

    /// A session, a user and those of these permissions that the user has, all of one moment.
    pub(crate) async fn visit(
        &self,
        session: &SessionKey,
        user: PrimaryKeyValue,
        permissions: &Arc<[String]>,
        deadline: Instant,
    ) -> Result<Visit, Error> {
        match self {
            Self::Postgres(database) => database.visit(session, user, permissions, deadline).await,
            Self::Memory(memory) => Ok(memory.visit(session, &user)),
        }
    }

    /// The permissions of a user and of the user's groups, `app_label.codename`.
    pub(crate) async fn permissions_of(
        &self,
        key: &PrimaryKeyValue,
        deadline: Instant,
    ) -> Result<BTreeSet<String>, Error> {
        match self {
            Self::Postgres(database) => database.permissions_of(key, deadline).await,
            Self::Memory(memory) => Ok(memory.permissions_of(key)),
        }
    }

    /// Every permission there is, which is what a superuser has.
    pub(crate) async fn all_permissions(
        &self,
        deadline: Instant,
    ) -> Result<BTreeSet<String>, Error> {
        match self {
            Self::Postgres(database) => database.all_permissions(deadline).await,
            Self::Memory(memory) => Ok(memory.all_permissions()),
        }
    }

    /// The names of the groups of a user.
    pub(crate) async fn groups_of(
        &self,
        key: &PrimaryKeyValue,
        deadline: Instant,
    ) -> Result<BTreeSet<String>, Error> {
        match self {
            Self::Postgres(database) => database.groups_of(key, deadline).await,
            Self::Memory(memory) => Ok(memory.groups_of(key)),
        }
    }

    /// Replaces this encoding of the password by another one; returns whether it was still there.
    pub(crate) async fn replace_password(
        &self,
        key: &PrimaryKeyValue,
        old: &str,
        new: &str,
        deadline: Instant,
    ) -> Result<bool, Error> {
        match self {
            Self::Postgres(database) => database.replace_password(key, old, new, deadline).await,
            Self::Memory(memory) => Ok(memory.replace_password(key, old, new)),
        }
    }

    /// Writes the time of a login; returns whether the user is there.
    pub(crate) async fn update_last_login(
        &self,
        key: &PrimaryKeyValue,
        now: SystemTime,
        deadline: Instant,
    ) -> Result<bool, Error> {
        match self {
            Self::Postgres(database) => database.update_last_login(key, now, deadline).await,
            Self::Memory(memory) => Ok(memory.update_last_login(key, now)),
        }
    }
}
