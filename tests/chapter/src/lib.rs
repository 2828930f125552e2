//! Code of the guide's chapters, as it stands there, for the tests.

use std::{env, fs, path::Path};

use proc_macro::{TokenStream, TokenTree};

/// The items of the first code block of `src/guide/CHAPTER.rs` that has this text in it, hidden lines
/// included: `code!("live", "async fn events")`.
///
/// # Panics
/// When there is no such chapter or no such block: the compiler says so.
#[proc_macro]
pub fn code(input: TokenStream) -> TokenStream {
    let words: Vec<_> = input.into_iter().filter_map(literal).collect();
    let [chapter, text] = &words[..] else { panic!("code!(\"CHAPTER\", \"TEXT OF THE BLOCK\")") };
    let root = env::var("CARGO_MANIFEST_DIR").expect("cargo sets it");
    let file = Path::new(&root).join(format!("src/guide/{chapter}.rs"));
    let source = fs::read_to_string(&file).unwrap_or_else(|error| panic!("{file:?}: {error}"));
    let block = blocks(&source).into_iter().find(|block| block.contains(text));
    let block = block.unwrap_or_else(|| panic!("no code in {file:?} has {text:?}"));
    // So that the compiler looks again when the chapter changes.
    let watched = format!("const _: &str = include_str!({file:?});");
    format!("{watched}\n{block}").parse().expect("a block of Rust")
}

fn literal(tree: TokenTree) -> Option<String> {
    match tree {
        TokenTree::Literal(text) => Some(text.to_string().trim_matches('"').to_owned()),
        _ => None,
    }
}

/// The blocks of Rust in the documentation of a module.
fn blocks(source: &str) -> Vec<String> {
    let mut blocks = Vec::new();
    let mut open: Option<String> = None;
    for line in source.lines().filter_map(|line| line.strip_prefix("//!")) {
        let line = line.strip_prefix(' ').unwrap_or(line);
        match (&mut open, line.strip_prefix("```")) {
            (None, Some("" | "no_run")) => open = Some(String::new()),
            // Of another language: up to its end, none of it is Rust.
            (None, Some(_)) => open = Some("~".into()),
            (Some(_), Some(_)) => {
                blocks.extend(open.take().filter(|block| !block.starts_with('~')))
            }
            (Some(block), None) => {
                let shown = line.trim_start().strip_prefix("# ").unwrap_or(line);
                *block += if shown == "#" { "" } else { shown };
                block.push('\n');
            }
            (None, None) => {}
        }
    }
    blocks
}
