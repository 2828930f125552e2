//! The primary keys of the permissions that a middleware asks for.

use std::{
    collections::HashMap,
    sync::{Arc, PoisonError},
    time::Duration,
};

use tokio::{
    runtime::{Handle, Id},
    sync::Mutex,
    time::{Instant, timeout_at},
};
use tokio_postgres::{Error as PgError, Row, types::Type};

use super::{Database, statement::Statement};
use crate::{error::Unavailable, settings::PermissionTables};

/// How long the keys of a permission are remembered.
///
/// The name of a permission changes only by a migration, its users by a click. So names are read at most
/// once a second, and users' permissions with each visit. If a user seems to lack a permission, it is
/// looked up again by name.
const REMEMBERED: Duration = Duration::from_secs(1);

/// The query for the permissions of a middleware, by their names, and what each runtime has read.
pub(super) struct PermissionIds {
    statement: Arc<Statement>,
    known: std::sync::Mutex<Known>,
}

/// The permissions that were read, and when. The lock is held while they are read, so that only one caller
/// reads them. If the thread of a runtime is blocked meanwhile, only its own visitors wait.
type SharedRead = Arc<Mutex<Option<Read>>>;

type Read = (Arc<NamedPermissions>, Instant);

/// The permissions that each runtime has read, by their names.
type Known = HashMap<(Id, Arc<[String]>), SharedRead>;

/// The permissions that a middleware asks for.
pub(super) struct NamedPermissions {
    names: Arc<[String]>,
    /// The primary keys of each name: permissions of several models may have the same name.
    ids: Vec<Vec<i64>>,
}

/// The permissions of a middleware that a user has. Cheap to clone.
#[derive(Clone)]
pub(crate) struct HeldPermissions {
    requested: Arc<NamedPermissions>,
    held: Arc<[i64]>,
}

impl PermissionIds {
    pub(super) fn new(tables: &PermissionTables) -> Self {
        let (permission, content_type) = (tables.permission.quoted(), tables.content_type.quoted());
        let sql = |nonce: &str| {
            format!(
                "SELECT {nonce}, array_agg(a.number), array_agg(p.id::bigint) \
                 FROM unnest($1, $2, $3) a(number, label, codename) \
                 JOIN {content_type} c ON c.app_label::text = a.label \
                 JOIN {permission} p ON p.content_type_id = c.id AND p.codename::text = a.codename"
            )
        };
        let types = [Type::INT4_ARRAY, Type::TEXT_ARRAY, Type::TEXT_ARRAY];
        Self { statement: Statement::new(&types, sql), known: std::sync::Mutex::default() }
    }

    /// Looks up the permissions with these names, `app_label.codename`.
    pub(super) async fn named(
        &self,
        names: &Arc<[String]>,
        database: &Database,
        deadline: Instant,
    ) -> Result<Arc<NamedPermissions>, Arc<Unavailable>> {
        let runtime = Handle::try_current().map_err(|_| Unavailable::NoRuntime)?.id();
        let known = self.known_to(runtime, names);
        if let Some(named) = known.try_lock().ok().and_then(|known| still_known(&known)) {
            return Ok(named);
        }
        // In a box, because it is seldom read.
        Box::pin(self.read_once(&known, names, database, deadline)).await
    }

    async fn read_once(
        &self,
        known: &Mutex<Option<Read>>,
        names: &Arc<[String]>,
        database: &Database,
        deadline: Instant,
    ) -> Result<Arc<NamedPermissions>, Arc<Unavailable>> {
        let Ok(mut known) = timeout_at(deadline, known.lock()).await else {
            return Err(Unavailable::Timeout(database.settings().timeout).into());
        };
        if let Some(named) = still_known(&known) {
            return Ok(named);
        }
        let since = Instant::now();
        let named = Arc::new(self.read(names, database, deadline).await?);
        *known = Some((Arc::clone(&named), since));
        Ok(named)
    }

    fn known_to(&self, runtime: Id, names: &Arc<[String]>) -> SharedRead {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(of_runtime) = known.get(&(runtime, Arc::clone(names))) {
            return Arc::clone(of_runtime);
        }
        // Those of runtimes that have ended are forgotten.
        known.retain(|_, read| Arc::strong_count(read) > 1 || !is_old(read));
        Arc::clone(known.entry((runtime, Arc::clone(names))).or_default())
    }

    async fn read(
        &self,
        names: &Arc<[String]>,
        database: &Database,
        deadline: Instant,
    ) -> Result<NamedPermissions, Arc<Unavailable>> {
        // Django compares `app_label.codename` as a whole: any dot may be the separator.
        let (mut numbers, mut labels, mut codenames) = (Vec::new(), Vec::new(), Vec::new());
        for (number, name) in (0_i32..).zip(&**names) {
            for (dot, _) in name.match_indices('.') {
                numbers.push(number);
                labels.push(name[..dot].to_owned());
                codenames.push(name[dot + 1..].to_owned());
            }
        }
        let parameters =
            vec![Box::new(numbers) as _, Box::new(labels) as _, Box::new(codenames) as _];
        let rows = database.query(self.statement.with(parameters), deadline).await?;
        let row = rows.first().ok_or(Unavailable::WrongAnswer)?;
        Ok(NamedPermissions::of(names, row).map_err(Unavailable::from)?)
    }
}

/// What was read, unless that is too long ago.
fn still_known(read: &Option<Read>) -> Option<Arc<NamedPermissions>> {
    let (named, _) = read.as_ref().filter(|(_, since)| since.elapsed() < REMEMBERED)?;
    Some(Arc::clone(named))
}

/// Whether no caller has read it for a while.
fn is_old(read: &SharedRead) -> bool {
    let read = read.try_lock();
    read.is_ok_and(|read| still_known(&read).is_none())
}

impl NamedPermissions {
    fn of(names: &Arc<[String]>, row: &Row) -> Result<Self, PgError> {
        let numbers: Option<Vec<i32>> = row.try_get(1)?;
        let found: Option<Vec<i64>> = row.try_get(2)?;
        let mut ids = vec![Vec::new(); names.len()];
        for (number, id) in numbers.into_iter().flatten().zip(found.into_iter().flatten()) {
            let of_name = usize::try_from(number).ok().and_then(|number| ids.get_mut(number));
            of_name.into_iter().for_each(|ids| ids.push(id));
        }
        Ok(Self { names: Arc::clone(names), ids })
    }

    /// The primary keys of all names.
    pub(super) fn ids(&self) -> impl Iterator<Item = i64> + '_ {
        self.ids.iter().flatten().copied()
    }

    /// The permissions of a user who has those with these primary keys.
    pub(super) fn held(self: &Arc<Self>, held: Arc<[i64]>) -> HeldPermissions {
        HeldPermissions { requested: Arc::clone(self), held }
    }
}

impl HeldPermissions {
    /// Whether the user is known to have this permission. If not, the permission may be newer than the
    /// names that were read.
    pub(crate) fn has(&self, permission: &str) -> bool {
        let mut requested = self.requested.names.iter().zip(&self.requested.ids);
        let ids = requested.find(|(name, _)| *name == permission).map(|(_, ids)| ids);
        ids.is_some_and(|ids| ids.iter().any(|id| self.held.contains(id)))
    }
}
