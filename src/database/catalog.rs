//! PostgreSQL's catalogs: where tables are, what is in them, and this role's rights.

use std::{collections::BTreeSet, sync::Arc};

use tokio_postgres::{Error as PgError, Row, types::Type};

use super::{Database, statement::Statement};
use crate::{
    error::{Error, Unavailable},
    settings::{TableName, quote_name},
};

/// All tables with these names, in any schema.
pub(super) struct Catalog {
    pub(super) role: String,
    pub(super) database: String,
    /// In the order of `search_path`, even if the role may not use them.
    path: Vec<String>,
    tables: Vec<Table>,
}

pub(super) struct Table {
    pub(super) schema: String,
    name: String,
    pub(super) may_use_schema: bool,
    pub(super) may_insert: bool,
    pub(super) may_delete: bool,
    pub(super) columns: Vec<Column>,
}

pub(super) struct Column {
    pub(super) name: String,
    /// For a domain, its base type.
    pub(super) type_name: String,
    /// How many characters it takes at most, if limited.
    pub(super) max_length: Option<u32>,
    pub(super) is_readable: bool,
    pub(super) is_writable: bool,
    /// Whether a new row must set it.
    pub(super) is_required: bool,
}

impl Database {
    /// Reads the catalog entries of these tables.
    pub(super) async fn catalog(&self, tables: &[&TableName]) -> Result<Catalog, Error> {
        let names: BTreeSet<_> = tables.iter().map(|table| table.name().to_owned()).collect();
        let names: Vec<_> = names.into_iter().collect();
        let query = query().with(vec![Box::new(names)]);
        let rows = self.query(query, self.deadline()).await?;
        Ok(Catalog::of(&rows).map_err(Unavailable::from)?.ok_or(Unavailable::WrongAnswer)?)
    }
}

fn query() -> Arc<Statement> {
    Statement::new(&[Type::TEXT_ARRAY], |nonce| {
        format!(
            "SELECT {nonce}, current_user::text, current_database()::text, \
             current_setting('search_path'), n.nspname::text, c.relname::text, \
             has_schema_privilege(n.oid, 'USAGE'), \
             has_table_privilege(c.oid, 'INSERT'), has_table_privilege(c.oid, 'DELETE'), \
             a.attname::text, coalesce(base.typname, t.typname)::text, \
             has_column_privilege(c.oid, a.attnum, 'SELECT'), \
             has_column_privilege(c.oid, a.attnum, 'UPDATE'), \
             a.attnotnull AND NOT a.atthasdef AND a.attidentity = '', \
             CASE WHEN t.typname IN ('varchar', 'bpchar') THEN nullif(a.atttypmod, -1) - 4 END \
             FROM (SELECT) once LEFT JOIN (pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
             AND n.nspname !~ '^(pg_|information_schema$)' \
             JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped \
             JOIN pg_type t ON t.oid = a.atttypid LEFT JOIN pg_type base ON base.oid = t.typbasetype) \
             ON c.relname = ANY ($1::name[]) AND c.relkind IN ('r', 'p', 'v', 'm', 'f') \
             ORDER BY n.nspname, c.relname, a.attnum"
        )
    })
}

impl Catalog {
    fn of(rows: &[Row]) -> Result<Option<Self>, PgError> {
        let Some(first) = rows.first() else { return Ok(None) };
        let role: String = first.try_get(1)?;
        let path = schemas_of(first.try_get(3)?, &role);
        let mut this = Self { database: first.try_get(2)?, role, path, tables: Vec::new() };
        for row in rows {
            let Some(schema) = row.try_get::<_, Option<String>>(4)? else { continue };
            let name: String = row.try_get(5)?;
            let is_last = |table: &&mut Table| table.schema == schema && table.name == name;
            let column = Column::of(row)?;
            match this.tables.last_mut().filter(is_last) {
                Some(table) => table.columns.push(column),
                None => this.tables.push(Table {
                    schema,
                    name,
                    may_use_schema: row.try_get(6)?,
                    may_insert: row.try_get(7)?,
                    may_delete: row.try_get(8)?,
                    columns: vec![column],
                }),
            }
        }
        Ok(Some(this))
    }

    /// The table that a query with this name reads, once the role may use its schema. `Err`: the schemas
    /// that have a table of that name.
    pub(super) fn table(&self, name: &TableName) -> Result<&Table, Vec<&str>> {
        let named: Vec<_> = self.tables.iter().filter(|table| table.name == name.name()).collect();
        let is_in = |schema: &str| named.iter().copied().find(|table| table.schema == schema);
        let found: Vec<_> = match name.schema() {
            Some(schema) => is_in(schema).into_iter().collect(),
            None => self.path.iter().filter_map(|schema| is_in(schema)).collect(),
        };
        let usable = found.iter().find(|table| table.may_use_schema);
        match usable.or(found.first()) {
            Some(table) => Ok(table),
            None => Err(named.iter().map(|table| table.schema.as_str()).collect()),
        }
    }

    /// The schemas of the search path, for a message.
    pub(super) fn path(&self) -> String {
        self.path.join(", ")
    }

    /// A GRANT statement for this role.
    pub(super) fn grant(&self, right: &str, on: &str) -> String {
        format!("GRANT {right} ON {on} TO {};", quote_name(&self.role))
    }
}

impl Table {
    pub(super) fn quoted(&self) -> String {
        format!("{}.{}", quote_name(&self.schema), quote_name(&self.name))
    }

    pub(super) fn column(&self, name: &str) -> Option<&Column> {
        self.columns.iter().find(|column| column.name == name)
    }
}

impl Column {
    fn of(row: &Row) -> Result<Self, PgError> {
        Ok(Self {
            name: row.try_get(9)?,
            type_name: row.try_get(10)?,
            is_readable: row.try_get(11)?,
            is_writable: row.try_get(12)?,
            is_required: row.try_get(13)?,
            max_length: row
                .try_get::<_, Option<i32>>(14)?
                .and_then(|length| length.try_into().ok()),
        })
    }
}

/// The schemas in the text of `search_path`: `"$user", public`.
fn schemas_of(path: &str, role: &str) -> Vec<String> {
    let mut schemas = Vec::new();
    let mut rest = path.trim_start();
    while !rest.is_empty() {
        let (schema, after) = match rest.strip_prefix('"') {
            Some(quoted) => unquoted(quoted),
            None => {
                let end = rest.find(',').unwrap_or(rest.len());
                (rest[..end].trim().to_owned(), &rest[end..])
            }
        };
        schemas.push(if schema == "$user" { role.to_owned() } else { schema });
        rest = after.trim_start_matches([',', ' ']);
    }
    schemas
}

/// The text up to the closing quote, and the rest.
fn unquoted(text: &str) -> (String, &str) {
    let mut found = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('"') {
        found += before;
        match after.strip_prefix('"') {
            // Two quotes stand for one.
            Some(more) => {
                found.push('"');
                rest = more;
            }
            None => return (found, after),
        }
    }
    (found + rest, "")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_search_path_is_read_as_postgresql_writes_it() {
        let schemas = |path| schemas_of(path, "me").join("|");
        assert_eq!(schemas("\"$user\", public"), "me|public");
        assert_eq!(schemas("web,\"We.b, \"\"too\", x"), "web|We.b, \"too|x");
        assert_eq!(schemas(""), "");
        assert_eq!(schemas("\"unended"), "unended");
    }
}
