//! The table of log lines in the chapter "In production" has each line that the code writes, and no other.

#![allow(clippy::unwrap_used)] // a test may

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use proc_macro2::{TokenStream, TokenTree};
use syn::{
    Expr, ExprLit, ExprPath, Lit, LitStr, Local, Macro, Pat,
    visit::{self, Visit},
};

const LEVELS: [&str; 5] = ["error", "warn", "info", "debug", "trace"];

/// A level and a message.
type Line = (String, String);

#[test]
fn the_table_has_every_log_line() {
    let (code, table) = (lines_of_the_code(), lines_of_the_table());
    let missing: Vec<_> = code.difference(&table).collect();
    let too_many: Vec<_> = table.difference(&code).collect();
    assert!(
        missing.is_empty() && too_many.is_empty(),
        "src/guide/production.rs, \"Log lines\":\nnot in the table: {missing:#?}\n\
         not in the code: {too_many:#?}"
    );
    assert!(code.len() > 15, "{code:#?}");
}

/// The log lines of a file. A message that is formatted at run time cannot be found: the test panics.
struct Written {
    file: PathBuf,
    /// The last `let` with a text.
    text: Option<(String, String)>,
    lines: BTreeSet<Line>,
}

impl<'ast> Visit<'ast> for Written {
    fn visit_local(&mut self, local: &'ast Local) {
        if let (Pat::Ident(name), Some(init)) = (&local.pat, &local.init)
            && let Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) = &*init.expr
        {
            self.text = Some((name.ident.to_string(), text.value()));
        }
        visit::visit_local(self, local);
    }

    fn visit_macro(&mut self, written: &'ast Macro) {
        let names: Vec<_> =
            written.path.segments.iter().map(|segment| segment.ident.to_string()).collect();
        match &*names.iter().map(String::as_str).collect::<Vec<_>>() {
            ["tracing", level] if LEVELS.contains(level) => {
                let message = self.message(written.tokens.clone());
                let message = message
                    .unwrap_or_else(|| panic!("{}: {}", self.file.display(), written.tokens));
                self.lines.insert(((*level).to_owned(), message));
            }
            ["tracing", span] => assert!(span.ends_with("_span"), "tracing::{span}!"),
            [level] => assert!(!LEVELS.contains(level), "{level}! without `tracing::`"),
            _ => {}
        }
    }
}

impl Written {
    /// The last argument: a text, or the name of one.
    fn message(&self, tokens: TokenStream) -> Option<String> {
        let tokens: Vec<_> = tokens.into_iter().collect();
        let is_comma =
            |token: &TokenTree| matches!(token, TokenTree::Punct(punct) if punct.as_char() == ',');
        let last = tokens.rsplit(is_comma).find(|argument| !argument.is_empty())?;
        let last: TokenStream = last.iter().cloned().collect();
        if let Ok(text) = syn::parse2::<LitStr>(last.clone()) {
            return Some(text.value()).filter(|text| !text.contains('{'));
        }
        let name = syn::parse2::<ExprPath>(last).ok()?.path.get_ident()?.to_string();
        self.text.as_ref().filter(|(other, _)| *other == name).map(|(_, text)| text.clone())
    }
}

fn lines_of_the_code() -> BTreeSet<Line> {
    let mut files = Vec::new();
    find(Path::new("src"), &mut files);
    files
        .into_iter()
        .filter(|file| !file.starts_with("src/guide"))
        .flat_map(|file| {
            let parsed = syn::parse_file(&fs::read_to_string(&file).unwrap()).unwrap();
            let mut written = Written { file, text: None, lines: BTreeSet::new() };
            written.visit_file(&parsed);
            written.lines
        })
        .collect()
}

fn find(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            find(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

/// A row `| level | `message` | when | fields |`.
fn lines_of_the_table() -> BTreeSet<Line> {
    let chapter = fs::read_to_string("src/guide/production.rs").unwrap();
    let (_, section) = chapter.split_once("//! ## Log lines").unwrap();
    let (section, _) = section.split_once("//! ## ").unwrap();
    section
        .lines()
        .filter_map(|line| line.strip_prefix("//! | "))
        .filter_map(|row| {
            let mut cells = row.split(" | ");
            let (level, message) = (cells.next()?, cells.next()?);
            // Double backticks around a message with backticks.
            let within = |quote: &str, end| message.strip_prefix(quote)?.strip_suffix(end);
            let message = within("`` ", " ``").or_else(|| within("`", "`"))?;
            Some((level.to_owned(), message.to_owned()))
        })
        .collect()
}
