//! The tables of users, groups, permissions and tokens.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::SystemTime,
};

use tokio_postgres::types::Type;

use super::{Memory, Tables, lock};
use crate::{
    database::{ColumnValue, PrimaryKey, PrimaryKeyValue, UserRow, UserTexts, VisitRows},
    error::Error,
    observe::Event,
    session::SessionKey,
    settings::UserModel,
};

/// A user, with what the tables between users, groups and permissions hold.
#[derive(Clone, Debug, Default)]
pub(crate) struct User {
    pub(crate) id: String,
    pub(crate) username: String,
    /// The encoded password.
    pub(crate) password: String,
    pub(crate) is_active: bool,
    pub(crate) is_staff: bool,
    pub(crate) is_superuser: bool,
    pub(crate) last_login: Option<SystemTime>,
    pub(crate) permissions: BTreeSet<String>,
    pub(crate) groups: BTreeSet<String>,
    pub(crate) columns: BTreeMap<String, ColumnValue>,
}

/// A user's primary key and row.
type KeyAndRow = (PrimaryKeyValue, Arc<UserRow>);

#[derive(Default)]
pub(super) struct UserTables {
    users: Vec<User>,
    /// Groups and their permissions.
    groups: BTreeMap<String, BTreeSet<String>>,
    /// Tokens and the ids of their users.
    tokens: BTreeMap<String, String>,
}

impl Tables {
    /// Adds a user, and replaces one with the same id.
    pub(crate) fn put_user(&self, user: User) {
        let users = &mut lock(&self.users).users;
        users.retain(|other| other.id != user.id);
        users.push(user);
    }

    pub(crate) fn put_group(&self, name: String, permissions: BTreeSet<String>) {
        lock(&self.users).groups.insert(name, permissions);
    }

    pub(crate) fn put_token(&self, token: String, user_id: String) {
        lock(&self.users).tokens.insert(token, user_id);
    }

    /// The further columns that users have.
    pub(crate) fn columns(&self) -> BTreeSet<String> {
        let tables = lock(&self.users);
        tables.users.iter().flat_map(|user| user.columns.keys().cloned()).collect()
    }
}

impl Memory {
    /// How ids are read: as integers if all are, otherwise as UUIDs, otherwise as text.
    pub(crate) fn primary_key(&self) -> PrimaryKey {
        self.users().primary_key()
    }

    /// The row of the user with this key.
    pub(crate) fn user_row(&self, key: &PrimaryKeyValue) -> Option<Arc<UserRow>> {
        self.observer.event(Event::UserLookup);
        let tables = self.users();
        tables.found(self.model(), tables.user(key)).map(|(_, row)| row)
    }

    /// The user with this username, and the primary key.
    pub(crate) fn user_row_by_username(&self, username: &str) -> Result<Option<KeyAndRow>, Error> {
        self.observer.event(Event::UserLookup);
        let (tables, model) = (self.users(), self.model());
        let mut named = tables.users.iter().filter(|user| match model.username_iexact {
            true => user.username.to_uppercase() == username.to_uppercase(),
            false => user.username == username,
        });
        let user = named.next();
        if named.next().is_some() {
            return Err(Error::ImproperlyConfigured("several users have one username".into()));
        }
        Ok(tables.found(model, user))
    }

    /// The user whom this token stands for, and the primary key.
    pub(crate) fn user_row_by_token(&self, token: &str) -> Option<KeyAndRow> {
        self.observer.event(Event::UserLookup);
        let tables = self.users();
        let id = tables.tokens.get(token)?;
        tables.found(self.model(), tables.users.iter().find(|user| user.id == *id))
    }

    /// The only user whose column has the value of this JSON, and the primary key.
    pub(crate) fn user_row_by_column(&self, column: &str, json: &str) -> Option<KeyAndRow> {
        self.observer.event(Event::UserLookup);
        let (tables, model) = (self.users(), self.model());
        let kind = tables.primary_key();
        let mut having = tables.users.iter().filter(|user| {
            if column == model.primary_key {
                kind.parse(json) == kind.parse_text(&user.id)
            } else if column == model.username {
                let name = PrimaryKeyValue::Text(user.username.clone());
                PrimaryKey::Text.parse(json) == Some(name)
            } else {
                user.columns.get(column).is_some_and(|value| value.is_json(json))
            }
        });
        let user = having.next();
        if having.next().is_some() {
            return None;
        }
        tables.found(model, user)
    }

    /// The row with this session key, and that of the user with this primary key. Permissions are looked up
    /// later, when they are needed.
    pub(crate) fn visit(&self, session: &SessionKey, user: &PrimaryKeyValue) -> Option<VisitRows> {
        let (session, user) = (self.session_row(session)?, self.user_row(user)?);
        Some(VisitRows { session, user, held: None })
    }

    /// The permissions of a user and of the user's groups.
    pub(crate) fn permissions_of(&self, key: &PrimaryKeyValue) -> BTreeSet<String> {
        let tables = self.users();
        let user = tables.user(key).filter(|_| self.model().permission_tables.is_some());
        user.map(|user| tables.permissions_of(user)).unwrap_or_default()
    }

    /// Every permission that a user or a group has.
    pub(crate) fn all_permissions(&self) -> BTreeSet<String> {
        if self.model().permission_tables.is_none() {
            return BTreeSet::new();
        }
        let tables = self.users();
        let of_users = tables.users.iter().flat_map(|user| &user.permissions);
        of_users.chain(tables.groups.values().flatten()).cloned().collect()
    }

    /// The names of the groups of a user.
    pub(crate) fn groups_of(&self, key: &PrimaryKeyValue) -> BTreeSet<String> {
        let tables = self.users();
        let user = tables.user(key).filter(|_| self.model().permission_tables.is_some());
        user.map(|user| user.groups.clone()).unwrap_or_default()
    }

    /// Replaces this encoding of the password by another one; returns whether it was still there.
    pub(crate) fn replace_password(&self, key: &PrimaryKeyValue, old: &str, new: &str) -> bool {
        let mut tables = self.users();
        let user = tables.user_mut(key).filter(|user| user.password == old);
        user.map(|user| user.password = new.to_owned()).is_some()
    }

    /// Writes the time of a login; returns whether the user is there.
    pub(crate) fn update_last_login(&self, key: &PrimaryKeyValue, now: SystemTime) -> bool {
        if self.model().last_login.is_none() {
            return true;
        }
        self.users().user_mut(key).map(|user| user.last_login = Some(now)).is_some()
    }

    fn model(&self) -> &UserModel {
        &self.settings.user_model
    }
}

impl UserTables {
    fn primary_key(&self) -> PrimaryKey {
        let are =
            |kind: &PrimaryKey| self.users.iter().all(|user| kind.parse_text(&user.id).is_some());
        [PrimaryKey::Integer, PrimaryKey::Uuid].into_iter().find(are).unwrap_or(PrimaryKey::Text)
    }

    fn position(&self, key: &PrimaryKeyValue) -> Option<usize> {
        let kind = self.primary_key();
        self.users.iter().position(|user| kind.parse_text(&user.id).as_ref() == Some(key))
    }

    fn user(&self, key: &PrimaryKeyValue) -> Option<&User> {
        self.position(key).map(|index| &self.users[index])
    }

    fn user_mut(&mut self, key: &PrimaryKeyValue) -> Option<&mut User> {
        self.position(key).map(|index| &mut self.users[index])
    }

    fn permissions_of(&self, user: &User) -> BTreeSet<String> {
        let of_groups = user.groups.iter().filter_map(|group| self.groups.get(group)).flatten();
        user.permissions.iter().chain(of_groups).cloned().collect()
    }

    /// The key and the row of a user, as far as this model asks for it.
    fn found(&self, model: &UserModel, user: Option<&User>) -> Option<KeyAndRow> {
        let user = user?;
        let key = self.primary_key().parse_text(&user.id)?;
        let columns = model.columns.iter().map(|name| self.column(model, user, name)).collect();
        let password = model.session_auth_hash.as_ref().map(|_| &*user.password);
        let row = UserRow {
            texts: UserTexts::new(&key, &user.username, password),
            is_active: model.is_active.is_none() || user.is_active,
            is_staff: model.is_staff.is_some() && user.is_staff,
            is_superuser: model.is_superuser.is_some() && user.is_superuser,
            columns,
        };
        Some((key, Arc::new(row)))
    }

    /// The value of a further column; NULL, of the type that others have there, if the user has none.
    fn column(&self, model: &UserModel, user: &User, name: &str) -> ColumnValue {
        let given = user.columns.get(name).cloned();
        let is_last_login = model.last_login.as_deref() == Some(name);
        let last_login = || ColumnValue::new(Type::TIMESTAMPTZ, &user.last_login);
        given.or_else(|| is_last_login.then(last_login)?).unwrap_or_else(|| {
            let others = self.users.iter().find_map(|other| other.columns.get(name));
            ColumnValue::null(others)
        })
    }
}
