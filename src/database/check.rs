//! The checks of `check()`: whether the tables and columns exist, and whether this role may use them.

use std::time::SystemTime;

use tokio_postgres::types::Type;

use super::{
    Database,
    catalog::{Catalog, Column, Table},
    needs::{Need, NeedSet},
    statement::Statement,
};
use crate::{
    error::{Chain, Error, Unavailable},
    report::CheckReport,
    settings::{ManyToMany, SessionEngine, SiteSessions, TableName, UserModel, quote_name},
};

/// How often to yield to other tasks, so that those that drive closed connections end.
const GOODBYES: usize = 3;

/// How many of the newest live sessions are checked.
const SAMPLE: usize = 50;

/// The columns that the lookups read, and the types that they can read.
const SESSION_COLUMNS: [(&str, &[&str]); 3] = [
    ("session_key", &["varchar", "text", "bpchar"]),
    ("session_data", &["text", "varchar"]),
    ("expire_date", &["timestamptz"]),
];

/// Which tables are readable.
#[derive(Clone, Copy)]
pub(crate) struct Readable {
    pub(crate) sessions: bool,
    pub(crate) users: bool,
}

impl Database {
    /// Closes the idle connections of this runtime, which may end after `check()` and serve no request.
    pub(crate) async fn close_idle(&self) {
        self.pool.close_idle();
        for _ in 0..GOODBYES {
            tokio::task::yield_now().await;
        }
    }

    /// Reports everything that is wrong with the tables, their columns or this role's rights. Tables of
    /// users and permissions are checked only if something needs them.
    pub(crate) async fn check(&self, report: &mut CheckReport) -> Result<Readable, Error> {
        let settings = self.settings();
        let model = &settings.user_model;
        let has_sessions = settings.session_engine != SessionEngine::SignedCookies;
        let needs = self.needs_to_check(report);
        let permissions = model
            .permission_tables
            .as_ref()
            .filter(|_| needs.has(Need::Permissions) && settings.grants_permissions());
        self.check_capacity(self.most_connections(needs), report).await?;
        let mut names = vec![&settings.session_table, &model.table];
        names.extend(model.parents.iter().map(|parent| &parent.table));
        if let Some(tables) = permissions {
            names.extend([&tables.permission, &tables.content_type]);
            names.extend(tables.many_to_many().map(|table| &table.table));
        }
        let groups = model.permission_tables.as_ref().filter(|_| needs.has(Need::Groups));
        if let Some(tables) = groups {
            names.extend([&tables.group, &tables.user_groups.table]);
        }
        let catalog = self.catalog(&names).await?;
        let mut looks = Looks { catalog, report, is_sound: true };

        if has_sessions {
            looks.at_sessions(&settings.session_table, settings.write_sessions);
            if let Ok(table) = looks.catalog.table(&settings.session_table)
                && settings.write_sessions
                && looks.is_sound
            {
                self.check_references(&table.quoted(), looks.report).await?;
            }
            if let Some(site) = &settings.site {
                looks.at_sessions_of(&site.sessions, &settings.session_table);
            }
        }
        let sessions = std::mem::replace(&mut looks.is_sound, true);
        if !needs.has(Need::Users) {
            return Ok(Readable { sessions: sessions && has_sessions, users: false });
        }
        looks.at_users(model, settings.write_sessions, settings.upgrades_passwords());
        let mut users = looks.is_sound;
        if let Some(tables) = permissions {
            let field = "UserModel::permission_tables";
            for ManyToMany { table, from_column, to_column } in tables.many_to_many() {
                looks.at_columns("AUTH_USER_MODEL", field, table, &[from_column, to_column]);
            }
            let columns = ["id", "codename", "content_type_id"];
            looks.at_columns("AUTH_USER_MODEL", field, &tables.permission, &columns);
            looks.at_columns("AUTH_USER_MODEL", field, &tables.content_type, &["id", "app_label"]);
        }
        if let Some(tables) = groups {
            let field = "UserModel::permission_tables";
            let ManyToMany { table, from_column, to_column } = &tables.user_groups;
            looks.at_columns("AUTH_USER_MODEL", field, &tables.group, &["id", "name"]);
            looks.at_columns("AUTH_USER_MODEL", field, table, &[from_column, to_column]);
        }
        // Even if each column is right, the query may fail, by a condition for example.
        if looks.is_sound {
            users = self.try_users(permissions.is_some(), looks.report).await?;
        }
        Ok(Readable { sessions: sessions && has_sessions, users })
    }

    /// What is to be checked. Reports what is not.
    fn needs_to_check(&self, report: &mut CheckReport) -> NeedSet {
        let needed = self.shared.needs.all();
        let named = if self.settings().names_user_model() { Need::Users } else { Need::Sessions };
        let needs = needed.map_or_else(|| named.into(), |needed| needed.with(named));
        self.shared.needs.checked(needs);
        if let Some(left_out) = needs.complement() {
            match needed {
                None => report.warning(format!(
                    "no middleware was made yet: {left_out} were not looked at: call `check()` after \
                     the middlewares are made"
                )),
                Some(_) => report
                    .fact(format!("no middleware asks for {left_out}: they were not looked at")),
            }
        }
        needs
    }

    async fn try_users(
        &self,
        with_permissions: bool,
        report: &mut CheckReport,
    ) -> Result<bool, Error> {
        match self.try_user_queries(with_permissions, self.deadline()).await {
            Err(Error::Unavailable(error)) => match &*error {
                Unavailable::Query(refused) => {
                    report.problem(format!(
                        "AUTH_USER_MODEL: the tables of the user model cannot be read: {}: correct \
                         the `UserModel`, its `condition` perhaps",
                        Chain(refused)
                    ));
                    Ok(false)
                }
                _ => Err(Error::Unavailable(error)),
            },
            tried => tried.map(|()| true),
        }
    }

    /// The session data of the newest live sessions, and the time of the database.
    pub(crate) async fn newest_sessions(
        &self,
        now: SystemTime,
    ) -> Result<(Vec<String>, SystemTime), Error> {
        let table = self.settings().session_table.quoted();
        let query = Statement::new(&[Type::TIMESTAMPTZ], |nonce| {
            format!(
                "SELECT {nonce}, clock_timestamp(), session_data FROM (SELECT) once LEFT JOIN \
                 (SELECT session_data::text FROM {table} WHERE expire_date > $1 \
                 ORDER BY expire_date DESC LIMIT {SAMPLE}) newest ON TRUE"
            )
        });
        let query = query.with(vec![Box::new(now)]);
        let rows = self.query(query, self.deadline()).await?;
        let clock = rows.first().ok_or(Unavailable::WrongAnswer)?.try_get(1);
        let data = rows.iter().map(|row| row.try_get::<_, Option<String>>(2));
        let data = data.filter_map(Result::transpose).collect::<Result<_, _>>();
        Ok((data.map_err(Unavailable::from)?, clock.map_err(Unavailable::from)?))
    }
}

/// Checks tables, and reports what is wrong.
struct Looks<'a> {
    catalog: Catalog,
    report: &'a mut CheckReport,
    is_sound: bool,
}

impl Looks<'_> {
    fn at_sessions(&mut self, name: &TableName, writes: bool) {
        let (setting, field) = ("SESSION_ENGINE", "session_table");
        if !self.at_columns(setting, field, name, &SESSION_COLUMNS.map(|(column, _)| column)) {
            return;
        }
        let Self { catalog, report, is_sound } = self;
        let Ok(table) = catalog.table(name) else { return };
        let quoted = table.quoted();
        for (name, types) in SESSION_COLUMNS {
            let of_other_type = |column: &&Column| !types.contains(&column.type_name.as_str());
            if let Some(column) = table.column(name).filter(of_other_type) {
                *is_sound = false;
                report.problem(format!(
                    "{setting}: the column \"{name}\" of {quoted} is of type {}, not {}: correct \
                     `{field}`",
                    column.type_name, types[0]
                ));
            }
        }
        if !writes {
            return;
        }
        let updates = SESSION_COLUMNS
            .iter()
            .all(|(name, _)| table.column(name).is_some_and(|column| column.is_writable));
        let rights =
            [("INSERT", table.may_insert), ("UPDATE", updates), ("DELETE", table.may_delete)];
        let lacks: Vec<_> =
            rights.iter().filter(|(_, has)| !has).map(|(right, _)| *right).collect();
        if !lacks.is_empty() {
            report.problem(format!(
                "write_sessions: this role may not change sessions: {}",
                catalog.grant(&lacks.join(", "), &quoted)
            ));
        }
        let is_own = |name: &str| SESSION_COLUMNS.iter().any(|(own, _)| *own == name);
        for column in table.columns.iter().filter(|c| c.is_required && !is_own(&c.name)) {
            report.warning(format!(
                "write_sessions: a new session has nothing for the column \"{}\" of {quoted}, and \
                 cannot be made: ALTER TABLE {quoted} ALTER {} SET DEFAULT ..",
                column.name,
                quote_name(&column.name)
            ));
        }
    }

    /// Whether it is the table of that site, and migrated. Differences may still work.
    fn at_sessions_of(&mut self, sessions: &SiteSessions, name: &TableName) {
        let Ok(table) = self.catalog.table(name) else { return };
        let quoted = table.quoted();
        let here = table.column("session_key").and_then(|column| column.max_length);
        let mut differences = Vec::new();
        if let (Some(there), Some(here)) = (sessions.key_length, here)
            && there != here
        {
            differences
                .push(format!("takes session keys of {here} characters, and not of {there}"));
        }
        let lacking = sessions.further_columns.iter().filter(|name| table.column(name).is_none());
        differences.extend(lacking.map(|column| format!("has no column \"{column}\"")));
        for difference in differences {
            self.report.warning(format!(
                "SESSION_ENGINE: {quoted} {difference}, as the site's session class has: is it that \
                 site's database, and did `migrate` run?"
            ));
        }
    }

    fn at_users(&mut self, model: &UserModel, writes: bool, upgrades_passwords: bool) {
        let setting = "AUTH_USER_MODEL";
        let mut are_there = self.at_columns(setting, "UserModel::new", &model.table, &[]);
        for parent in &model.parents {
            let columns = [parent.primary_key.as_str()];
            are_there &= self.at_columns(setting, "UserModel::parents", &parent.table, &columns);
        }
        if !are_there {
            return;
        }
        let columns = [model.primary_key.as_str()];
        self.at_columns(setting, "UserModel::primary_key", &model.table, &columns);
        let parents = model.parents.iter().map(|parent| &parent.table);
        let names: Vec<_> = std::iter::once(&model.table).chain(parents).collect();
        let password = model.session_auth_hash.as_ref().map(|_| &model.password);
        let columns = [("username", Some(&model.username)), ("password", password)]
            .into_iter()
            .chain([
                ("is_active", model.is_active.as_ref()),
                ("is_staff", model.is_staff.as_ref()),
                ("is_superuser", model.is_superuser.as_ref()),
            ])
            .filter_map(|(field, column)| Some((field, column?)))
            .chain(model.parents.iter().map(|parent| ("parents", &parent.link)))
            .chain(model.columns.iter().map(|column| ("columns", column)));
        for (field, column) in columns {
            self.at_column_of_any(field, column, &names);
        }
        if writes {
            let passwords = Some(&model.password).filter(|_| upgrades_passwords);
            for column in model.last_login.iter().chain(passwords) {
                self.at_writing(column, &names);
            }
        }
    }

    /// Checks a column that any table of multi-table inheritance may have.
    fn at_column_of_any(&mut self, field: &str, column: &str, names: &[&TableName]) {
        let tables = names.iter().filter_map(|name| self.catalog.table(name).ok());
        let has = tables.clone().find_map(|table| Some((table, table.column(column)?)));
        let complaint = match has {
            None => format!(
                "AUTH_USER_MODEL: {} has no column \"{column}\": correct `UserModel::{field}`",
                tables.map(Table::quoted).collect::<Vec<_>>().join(", or ")
            ),
            Some((table, found)) if !found.is_readable => {
                not_readable("AUTH_USER_MODEL", table, &self.catalog)
            }
            Some(_) => return,
        };
        self.is_sound = false;
        self.report.problem(complaint);
    }

    /// Checks a column that a login changes.
    fn at_writing(&mut self, column: &str, names: &[&TableName]) {
        let tables = names.iter().filter_map(|name| self.catalog.table(name).ok());
        for table in tables {
            if table.column(column).is_some_and(|column| !column.is_writable) {
                let right = format!("UPDATE ({})", quote_name(column));
                self.report.warning(format!(
                    "write_sessions: this role may not write \"{column}\", which a login does: {}",
                    self.catalog.grant(&right, &table.quoted())
                ));
            }
        }
    }

    /// Whether the table exists with these columns.
    fn at_columns(
        &mut self,
        setting: &str,
        field: &str,
        name: &TableName,
        columns: &[&str],
    ) -> bool {
        let Self { catalog, report, is_sound } = self;
        let table = match catalog.table(name) {
            Ok(table) => table,
            Err(elsewhere) => {
                *is_sound = false;
                report.problem(missing(setting, field, name, &elsewhere, catalog));
                return false;
            }
        };
        if !table.may_use_schema {
            *is_sound = false;
            report.problem(format!(
                "this role may not use the schema \"{}\": {}",
                table.schema,
                catalog.grant("USAGE", &format!("SCHEMA {}", quote_name(&table.schema)))
            ));
        }
        for column in columns.iter().copied() {
            let complaint = match table.column(column) {
                None => format!(
                    "{setting}: {} has no column \"{column}\": correct `{field}`",
                    table.quoted()
                ),
                Some(found) if !found.is_readable => not_readable(setting, table, catalog),
                Some(_) => continue,
            };
            *is_sound = false;
            report.problem(complaint);
        }
        true
    }
}

fn not_readable(setting: &str, table: &Table, catalog: &Catalog) -> String {
    let quoted = table.quoted();
    format!("{setting}: this role may not read {quoted}: {}", catalog.grant("SELECT", &quoted))
}

fn missing(
    setting: &str,
    field: &str,
    name: &TableName,
    elsewhere: &[&str],
    catalog: &Catalog,
) -> String {
    let place = match name.schema() {
        Some(_) => String::new(),
        None => format!(" in the schemas of the search path ({})", catalog.path()),
    };
    let start = format!(
        "{setting}: the database \"{}\" has no table {}{place}",
        catalog.database,
        name.quoted()
    );
    match elsewhere {
        [] => format!("{start}: correct `{field}` or the database, or run Django's `migrate`"),
        [schema] => format!(
            "{start}, but one in the schema \"{schema}\": say so in `{field}`: (\"{schema}\", \"{}\")",
            name.name()
        ),
        schemas => format!("{start}, but in {}: say which in `{field}`", schemas.join(", ")),
    }
}
