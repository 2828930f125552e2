//! Where the tables of a site are: in PostgreSQL, or in the memory of a test.

use std::{collections::BTreeSet, sync::Arc, time::SystemTime};

use tokio::time::Instant;

use crate::{
    database::{
        Budget, Database, Need, PrimaryKey, PrimaryKeyValue, Readable, SessionRow, UserRow,
        VisitRows, Written,
    },
    error::Error,
    memory::Memory,
    observe::Observer,
    report::CheckReport,
    session::{DecodedText, SessionKey},
    settings::{DjangoSettings, TokenAuthentication},
};

/// The place of a site's tables. Cheap to clone.
#[derive(Clone)]
pub(crate) enum Backend {
    Postgres(Arc<Database>),
    /// It answers at once and never fails.
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

    /// The time that the request of this task may still wait for reads.
    pub(crate) fn read_budget(&self) -> Budget {
        Budget::reading(self.settings().timeout)
    }

    /// The time that the request of this task may still wait for writes.
    pub(crate) fn write_budget(&self) -> Budget {
        Budget::writing(self.settings().timeout)
    }

    /// A full `timeout`, independent of the request of this task.
    pub(crate) fn fresh_budget(&self) -> Budget {
        Budget::fresh(self.settings().timeout)
    }

    /// The moment one full `timeout` from now.
    pub(crate) fn deadline(&self) -> Instant {
        self.fresh_budget().wait().deadline()
    }

    pub(crate) fn observer(&self) -> &Observer {
        match self {
            Self::Postgres(database) => database.observer(),
            Self::Memory(memory) => memory.observer(),
        }
    }

    /// This backend with another observer of its events.
    pub(crate) fn observed_by(self, observer: Observer) -> Self {
        match self {
            Self::Postgres(database) => {
                Self::Postgres(Arc::unwrap_or_clone(database).observed_by(observer).into())
            }
            Self::Memory(memory) => Self::Memory(memory.observed_by(observer)),
        }
    }

    /// Whether both are clones of the same backend.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Postgres(one), Self::Postgres(other)) => one.is_same(other),
            (Self::Memory(one), Self::Memory(other)) => one.is_same(other),
            _ => false,
        }
    }

    /// Whether both have the same tables, and the same rights there.
    pub(crate) fn is_beside(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Postgres(one), Self::Postgres(other)) => one.is_beside(other),
            (Self::Memory(one), Self::Memory(other)) => one.is_beside(other),
            _ => false,
        }
    }

    // Start-up.

    /// Records what a middleware needs, for [`Backend::check`].
    pub(crate) fn need(&self, need: Need) {
        if let Self::Postgres(database) = self {
            database.need(need);
        }
    }

    /// Records that a middleware uses the REST framework, for [`Backend::check`].
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

    /// Records that a hook replaces this authentication class.
    pub(crate) fn know_authenticator(&self, path: &str) {
        if let Self::Postgres(database) = self {
            database.know_authenticator(path);
        }
    }

    /// Whether a hook replaces this authentication class. In memory always, because nothing is checked.
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

    /// Adds to the report everything that is wrong with the tables, their columns or the role's rights. Tables
    /// in memory have no faults.
    pub(crate) async fn check(&self, report: &mut CheckReport) -> Result<Readable, Error> {
        match self {
            Self::Postgres(database) => database.check(report).await,
            Self::Memory(memory) => Ok(Readable { sessions: memory.has_sessions(), users: true }),
        }
    }

    /// The session data of the newest live sessions, and the time of the database.
    pub(crate) async fn newest_sessions(
        &self,
        now: SystemTime,
    ) -> Result<(Vec<String>, SystemTime), Error> {
        match self {
            Self::Postgres(database) => database.newest_sessions(now).await,
            Self::Memory(memory) => Ok((memory.live_sessions(now), now)),
        }
    }

    /// Looks up a token that does not exist. Returns the error of the database, if there is one.
    pub(crate) async fn try_tokens(
        &self,
        class: &TokenAuthentication,
    ) -> Result<Option<String>, Error> {
        match self {
            Self::Postgres(database) => database.try_tokens(class).await,
            Self::Memory(_) => Ok(None),
        }
    }

    /// Closes idle connections: the caller may be the only task that this runtime ever runs.
    pub(crate) async fn close_idle(&self) {
        if let Self::Postgres(database) = self {
            database.close_idle().await;
        }
    }

    // Sessions.

    /// This backend with further columns of the session table, which are filled from JSON objects. Memory
    /// does not store them.
    pub(crate) fn with_session_columns(&self, columns: &[String]) -> Self {
        match self {
            Self::Postgres(database) => {
                Self::Postgres(database.with_session_columns(columns).into())
            }
            Self::Memory(_) => self.clone(),
        }
    }

    /// Reads the row with this session key, even if it has expired.
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

    /// Inserts a row. If the key exists already, nothing happens.
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

    /// Replaces the data of a row, and its key if another one is given. Does nothing if the row has no longer the
    /// data that was read.
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

    /// Deletes a row. Returns whether it existed.
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

    /// Moves the end of a session, if it is unchanged. Returns whether it was moved.
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

    /// Deletes the rows that ended before this moment. Returns their number.
    pub(crate) async fn clear_expired(&self, now: SystemTime) -> Result<u64, Error> {
        match self {
            Self::Postgres(database) => database.clear_expired(now).await,
            Self::Memory(memory) => Ok(memory.clear_expired(now)),
        }
    }

    // Users.

    /// The type of the primary key of the user model, which parses ids.
    pub(crate) async fn primary_key(&self, deadline: Instant) -> Result<PrimaryKey, Error> {
        match self {
            Self::Postgres(database) => database.primary_key(deadline).await,
            Self::Memory(memory) => Ok(memory.primary_key()),
        }
    }

    /// Reads the row of the user with this primary key.
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

    /// Finds the user with this username, and the primary key.
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

    /// Finds the user of this token, and the primary key. In memory all classes share a table.
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

    /// Finds the only user whose column has the value of this JSON, and the primary key.
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

    /// Reads a session, whose data is known from the last time, a user, and which of these permissions the
    /// user has, in one statement. `None` if the session or the user was not found: to be sure, look them up
    /// one by one.
    pub(crate) async fn visit(
        &self,
        (session, known): (&SessionKey, &Arc<DecodedText>),
        user: PrimaryKeyValue,
        permissions: &Arc<[String]>,
        deadline: Instant,
    ) -> Result<Option<VisitRows>, Error> {
        match self {
            Self::Postgres(database) => {
                database.visit((session, known), user, permissions, deadline).await
            }
            Self::Memory(memory) => Ok(memory.visit(session, &user)),
        }
    }

    /// Reads the permissions of a user and of the user's groups, `app_label.codename`.
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

    /// Reads all permissions, which a superuser has.
    pub(crate) async fn all_permissions(
        &self,
        deadline: Instant,
    ) -> Result<BTreeSet<String>, Error> {
        match self {
            Self::Postgres(database) => database.all_permissions(deadline).await,
            Self::Memory(memory) => Ok(memory.all_permissions()),
        }
    }

    /// Reads the names of a user's groups.
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

    /// Replaces the encoding of a password. Returns whether the row still had the old one.
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

    /// Writes the time of a login. Returns whether the user exists.
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
