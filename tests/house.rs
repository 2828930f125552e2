//! The house of .github/CONTRIBUTING.md: a file imports only from storeys below its own, and no two files
//! name each other. Read from the `use` lines of `src/`.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

/// From the top down; those in one line may not name each other either.
const STOREYS: &[&[&str]] = &[
    &["lib", "fuzzing"],
    &["web"],
    &["auth"],
    &["csrf"],
    &["database"],
    &["session"],
    &["settings"],
    &["observe"],
    &["error"],
    &["report"],
    &["crypto", "signing"],
];

/// Stands for ` as `, while white space is taken out.
const RENAMED: &str = "\0";

/// What no storey may name: chapters that show everything.
const OUTSIDE: &[&str] = &["guide"];

#[test]
fn no_arrow_runs_up() {
    let mut wrong = Vec::new();
    for file in source_files() {
        let own = file.storey();
        for path in file.imports() {
            let other = &path[0];
            if other != own && height(other) >= height(own) {
                wrong.push(format!("{} names crate::{}", file.name(), path.join("::")));
            }
        }
    }
    assert!(wrong.is_empty(), "arrows that run up:\n{}", wrong.join("\n"));
}

#[test]
fn no_two_files_name_each_other() {
    let files = source_files();
    let house = House::of(&files);
    let mut arrows: BTreeMap<&[String], BTreeSet<Vec<String>>> = BTreeMap::new();
    for file in &files {
        let named = file.imports().into_iter().filter_map(|path| house.file_of(path));
        // A `mod.rs` gathers what is below it: it is no room of its own.
        let others = named.filter(|other| !file.module.starts_with(other));
        arrows.insert(&file.module, others.collect());
    }
    for (from, named) in &arrows {
        for to in named {
            let back = arrows.get(&**to).is_some_and(|named| named.contains(*from));
            assert!(!back, "{} and {} name each other", from.join("::"), to.join("::"));
        }
    }
}

/// Which file a path leads to.
struct House {
    modules: BTreeSet<Vec<String>>,
    /// What a `mod.rs` passes on: `auth::DjangoUser` is `auth::user::DjangoUser`.
    passed_on: BTreeMap<Vec<String>, Vec<String>>,
}

impl House {
    fn of(files: &[SourceFile]) -> Self {
        let modules: BTreeSet<_> = files.iter().map(|file| file.module.clone()).collect();
        let mut passed_on = BTreeMap::new();
        for file in files.iter().filter(|file| file.is_folder()) {
            for path in file.exports() {
                let inside = [&file.module[..], &path].concat();
                if let Some(name) = path.last() {
                    passed_on
                        .insert([&file.module[..], std::slice::from_ref(name)].concat(), inside);
                }
            }
        }
        Self { modules, passed_on }
    }

    fn file_of(&self, mut path: Vec<String>) -> Option<Vec<String>> {
        for end in 1..=path.len() {
            if let Some(inside) = self.passed_on.get(&path[..end])
                && *inside != path
            {
                path = [&inside[..], &path[end..]].concat();
                return self.file_of(path);
            }
        }
        // What follows the longest part that is a file is in that file.
        (1..=path.len()).rev().map(|end| path[..end].to_vec()).find(|p| self.modules.contains(p))
    }
}

struct SourceFile {
    path: PathBuf,
    /// `["web", "middleware"]` for `src/web/middleware.rs`, `["web"]` for `src/web/mod.rs`.
    module: Vec<String>,
    text: String,
}

impl SourceFile {
    fn name(&self) -> String {
        format!("{}.rs", self.module.join("/"))
    }

    fn storey(&self) -> &str {
        &self.module[0]
    }

    fn is_folder(&self) -> bool {
        self.path.ends_with("mod.rs")
    }

    /// The paths, from the root of the crate, that the `use` lines outside of tests name.
    fn imports(&self) -> Vec<Vec<String>> {
        let kinds = ["\nuse ", "\npub use ", "\npub(crate) use ", "\npub(super) use "];
        let paths = kinds.iter().flat_map(|kind| self.paths_after(kind));
        paths.filter_map(|path| self.resolved(&path)).collect()
    }

    /// What a `mod.rs` passes on, as it names it.
    fn exports(&self) -> Vec<Vec<String>> {
        let kinds = ["\npub use ", "\npub(crate) use ", "\npub(super) use "];
        kinds.iter().flat_map(|kind| self.paths_after(kind)).collect()
    }

    fn paths_after(&self, kind: &str) -> Vec<Vec<String>> {
        let code = self.text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default();
        let mut paths = Vec::new();
        for statement in code.split(kind).skip(1) {
            let tree: String = statement
                .split(';')
                .next()
                .unwrap_or_default()
                .replace(" as ", RENAMED)
                .split_whitespace()
                .collect();
            spread(&tree, &mut Vec::new(), &mut paths);
        }
        paths
    }

    fn resolved(&self, path: &[String]) -> Option<Vec<String>> {
        let mut at = self.module.clone();
        if !self.is_folder() {
            at.pop();
        }
        let rest = match path[0].as_str() {
            "crate" => {
                at.clear();
                &path[1..]
            }
            "super" => {
                let ups = path.iter().take_while(|part| *part == "super").count();
                // Out of a file, the first one leads into its folder.
                at.truncate(at.len() + usize::from(!self.is_folder()) - ups);
                &path[ups..]
            }
            _ => return None,
        };
        let path = [&at[..], rest].concat();
        (!path.is_empty()).then_some(path)
    }
}

/// `a::{b,c::d}` is `a::b` and `a::c::d`.
fn spread(tree: &str, before: &mut Vec<String>, paths: &mut Vec<Vec<String>>) {
    let Some((head, group)) = tree.split_once('{') else {
        let parts =
            tree.split("::").map(|part| part.split(RENAMED).next().unwrap_or(part).to_owned());
        paths.push(before.iter().cloned().chain(parts).collect());
        return;
    };
    let depth_before = before.len();
    before
        .extend(head.trim_end_matches("::").split("::").filter(|p| !p.is_empty()).map(Into::into));
    let group = &group[..group.rfind('}').expect("a group ends")];
    let (mut depth, mut start) = (0, 0);
    for (i, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                spread(&group[start..i], before, paths);
                start = i + 1;
            }
            _ => {}
        }
    }
    if start < group.len() {
        spread(&group[start..], before, paths);
    }
    before.truncate(depth_before);
}

fn height(storey: &str) -> usize {
    let from_top = STOREYS.iter().position(|names| names.contains(&storey));
    STOREYS.len() - from_top.unwrap_or_else(|| panic!("{storey} is in no storey: tests/house.rs"))
}

fn source_files() -> Vec<SourceFile> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    let mut folders = vec![root.clone()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("the sources can be read") {
            let path = entry.expect("the sources can be read").path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let inside =
                path.strip_prefix(&root).expect("the sources can be read").with_extension("");
            let mut module: Vec<String> = inside
                .iter()
                .map(|part| part.to_str().expect("the sources can be read").to_owned())
                .collect();
            if module.len() > 1 && module.last().is_some_and(|last| last == "mod") {
                module.pop();
            }
            if path.extension().is_some_and(|ending| ending == "rs")
                && !OUTSIDE.contains(&module[0].as_str())
            {
                let text = fs::read_to_string(&path).expect("the sources can be read");
                files.push(SourceFile { path, module, text });
            }
        }
    }
    assert!(files.len() > 30, "the sources are there");
    files
}
