//! How many connections the database has left, and whether that is enough.

use std::{fmt, num::NonZero, sync::Arc, thread::available_parallelism};

use tokio_postgres::{Row, types::Type};

use super::{
    Database,
    needs::{Need, NeedSet},
    statement::Statement,
};
use crate::{
    error::{Error, Unavailable},
    report::CheckReport,
};

impl Database {
    /// How many connections this service uses when all its workers are busy. By default, actix starts one
    /// worker for each processor.
    pub(super) fn most_connections(&self, needs: NeedSet) -> usize {
        let settings = self.settings();
        let each = 1
            + usize::from(needs.has(Need::Users))
            + usize::from(needs.has(Need::Permissions))
            + usize::from(settings.write_sessions)
            + usize::from(settings.write_sessions && settings.session_save_every_request);
        let all = each * available_parallelism().map_or(1, NonZero::get);
        all.min(settings.max_connections)
    }

    /// Reports how many connections are left, and warns if they are fewer than `at_most`.
    pub(super) async fn check_capacity(
        &self,
        at_most: usize,
        report: &mut CheckReport,
    ) -> Result<(), Error> {
        let rows = self.query(query().with(Vec::new()), self.deadline()).await?;
        let row = rows.first().ok_or(Unavailable::WrongAnswer)?;
        let limits = Limit::of(row).map_err(Unavailable::from)?;
        report.fact(Limit::facts(&limits));
        for limit in &limits {
            if let Some(warning) = limit.warning(at_most) {
                report.warning(warning);
            }
        }
        Ok(())
    }
}

/// A limit on connections, and how many are in use.
#[derive(Clone, Copy)]
struct Limit {
    giver: Giver,
    most: i64,
    used: i64,
}

#[derive(Clone, Copy)]
enum Giver {
    /// `max_connections`, without reserved connections.
    Server,
    /// `CONNECTION LIMIT` of the role.
    Role,
    /// `CONNECTION LIMIT` of the database.
    Database,
}

impl Limit {
    /// The limits that are set.
    fn of(row: &Row) -> Result<Vec<Self>, tokio_postgres::Error> {
        let mut limits = Vec::new();
        let givers = [(Giver::Server, 1), (Giver::Role, 3), (Giver::Database, 5)];
        for (giver, column) in givers {
            if let Some(most) = row.try_get::<_, Option<i64>>(column)? {
                limits.push(Self { giver, most, used: row.try_get(column + 1)? });
            }
        }
        Ok(limits)
    }

    fn left(self) -> usize {
        usize::try_from(self.most - self.used).unwrap_or_default()
    }

    fn facts(limits: &[Self]) -> String {
        let each = limits
            .iter()
            .map(|limit| format!("{} has {} of {} left", limit.giver, limit.left(), limit.most));
        format!("connections: {}", each.collect::<Vec<_>>().join(", "))
    }

    fn warning(self, at_most: usize) -> Option<String> {
        let (left, Self { giver, most, used }) = (self.left(), self);
        (left < at_most).then(|| {
            let raise = match giver {
                Giver::Server => "its `max_connections`",
                Giver::Role => "its CONNECTION LIMIT by ALTER ROLE",
                Giver::Database => "its CONNECTION LIMIT by ALTER DATABASE",
            };
            format!(
                "this service may use {at_most} connections, and {giver} has {left} left: {used} of \
                 {most} are in use: raise {raise}"
            )
        })
    }
}

impl fmt::Display for Giver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Server => "the server",
            Self::Role => "the role",
            Self::Database => "the database",
        })
    }
}

/// The three limits, each with the number of connections that count against it. For a superuser only the
/// limit of the server applies, reserved connections included. A role without `pg_read_all_stats` does not
/// see the type of another role's process, but sees its user; background processes have no user.
/// PostgreSQL before 16 has no reserve for roles that are not superusers.
fn query() -> Arc<Statement> {
    let reserved = "CASE WHEN r.rolsuper THEN 0 ELSE \
        current_setting('superuser_reserved_connections')::bigint + \
        coalesce(current_setting('reserved_connections', true)::bigint, 0) END";
    Statement::new(&[] as &[Type], |nonce| {
        format!(
            "SELECT {nonce}, current_setting('max_connections')::bigint - ({reserved}), u.all_used, \
             CASE WHEN NOT r.rolsuper AND r.rolconnlimit >= 0 THEN r.rolconnlimit::bigint END, \
             u.by_role, \
             CASE WHEN NOT r.rolsuper AND d.datconnlimit >= 0 THEN d.datconnlimit::bigint END, \
             u.by_database \
             FROM pg_roles r, pg_database d, (SELECT count(*) AS all_used, \
             count(*) FILTER (WHERE usename = session_user) AS by_role, \
             count(*) FILTER (WHERE datname = current_database()) AS by_database \
             FROM pg_stat_activity WHERE usesysid IS NOT NULL AND datid IS NOT NULL \
             AND pid <> pg_backend_pid() AND leader_pid IS NULL \
             AND coalesce(backend_type, 'client backend') = 'client backend') u \
             WHERE r.rolname = session_user AND d.datname = current_database()"
        )
    })
}
