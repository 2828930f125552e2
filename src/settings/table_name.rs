//! The names of tables, with and without a schema.

/// The name of a table, with its schema if that is not on the `search_path`.
///
/// Convert it from `"table"`, `"schema.table"` or `("schema", "table")`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableName {
    schema: Option<String>,
    table: String,
}

impl TableName {
    /// A schema and a table with exactly these names, dots included.
    pub(super) fn exactly(schema: Option<String>, table: String) -> Self {
        Self { schema, table }
    }

    pub(super) fn is_valid(&self) -> bool {
        is_valid_name(&self.table) && self.schema.as_deref().is_none_or(is_valid_name)
    }

    pub(crate) fn schema(&self) -> Option<&str> {
        self.schema.as_deref()
    }

    /// The table's name without its schema.
    pub(crate) fn name(&self) -> &str {
        &self.table
    }

    /// Another table in the same schema.
    pub(super) fn sibling(&self, table: &str) -> Self {
        Self { schema: self.schema.clone(), table: table.into() }
    }

    /// The name for SQL, quoted.
    pub(crate) fn quoted(&self) -> String {
        match &self.schema {
            Some(schema) => format!("{}.{}", quote_name(schema), quote_name(&self.table)),
            None => quote_name(&self.table),
        }
    }
}

impl From<&str> for TableName {
    fn from(name: &str) -> Self {
        match name.split_once('.') {
            Some(names) => names.into(),
            None => Self { schema: None, table: name.into() },
        }
    }
}

impl From<String> for TableName {
    fn from(name: String) -> Self {
        name.as_str().into()
    }
}

impl From<(&str, &str)> for TableName {
    fn from((schema, table): (&str, &str)) -> Self {
        Self { schema: Some(schema.into()), table: table.into() }
    }
}

pub(super) fn is_valid_name(name: &str) -> bool {
    !name.is_empty() && !name.contains('\0')
}

/// Quotes an identifier for SQL: in double quotes, with inner ones doubled.
pub(crate) fn quote_name(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_quoted_so_that_no_table_can_smuggle_sql() {
        assert_eq!(TableName::from("django_session").quoted(), r#""django_session""#);
        assert_eq!(TableName::from("web.sessions").quoted(), r#""web"."sessions""#);
        assert_eq!(TableName::from(("a.b", r#"x"; --"#)).quoted(), r#""a.b"."x""; --""#);
    }
}
