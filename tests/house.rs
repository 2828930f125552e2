//! The layering of .github/CONTRIBUTING.md: a file names only items of storeys below its own, and no two
//! files name each other; no two types share a name. This reads each path in `src/`: of a `use` at any depth, in code, and in macros.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use proc_macro2::{TokenStream, TokenTree};
use syn::{
    Attribute, ImplItem, Item, ItemEnum, ItemMod, ItemStruct, ItemTrait, ItemType, ItemUse, Macro,
    UseTree, Visibility,
    ext::IdentExt,
    visit::{self, Visit},
};

/// From top to bottom. Folders in one row may not name each other either.
const STOREYS: &[&[&str]] = &[
    &["lib", "fuzzing"],
    &["web"],
    &["site"],
    &["auth"],
    &["csrf", "rest"],
    &["backend"],
    &["memory"],
    &["database"],
    &["session", "messages"],
    &["settings"],
    &["observe"],
    &["error"],
    &["report"],
    &["crypto", "room", "signing", "url"],
];

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

/// `signing::Error` mirrors the exceptions of `django.core.signing`, and its module is usable alone.
const SHARED_NAMES: &[&str] = &["Error"];

#[test]
fn no_two_types_share_a_name() {
    let mut places: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for file in source_files() {
        for name in &file.types {
            places.entry(name.clone()).or_default().push(file.name());
        }
    }
    places.retain(|name, files| files.len() > 1 && !SHARED_NAMES.contains(&&**name));
    assert!(places.is_empty(), "types with one name: {places:#?}");
}

#[test]
fn no_two_files_name_each_other() {
    let files = source_files();
    let house = House::of(&files);
    let mut arrows: BTreeMap<&[String], BTreeSet<Vec<String>>> = BTreeMap::new();
    for file in &files {
        let named = file.imports().iter().filter_map(|path| house.file_of(path.clone()));
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

/// Finds the file that a path leads to.
struct House {
    modules: BTreeSet<Vec<String>>,
    /// The re-exports of each `mod.rs`: `auth::DjangoUser` is `auth::user::DjangoUser`.
    passed_on: BTreeMap<Vec<String>, Vec<String>>,
}

impl House {
    fn of(files: &[SourceFile]) -> Self {
        let modules: BTreeSet<_> = files.iter().map(|file| file.module.clone()).collect();
        let mut passed_on = BTreeMap::new();
        for file in files.iter().filter(|file| file.is_folder()) {
            for path in &file.exports {
                let inside = [&file.module[..], path].concat();
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
        // The rest after the longest part that is a file is an item of that file.
        (1..=path.len()).rev().map(|end| path[..end].to_vec()).find(|p| self.modules.contains(p))
    }
}

struct SourceFile {
    path: PathBuf,
    /// `["web", "middleware"]` for `src/web/middleware.rs`, `["web"]` for `src/web/mod.rs`.
    module: Vec<String>,
    named: Vec<Vec<String>>,
    /// Its re-exports, under the names they get.
    exports: Vec<Vec<String>>,
    /// The types that it defines outside of functions and impls.
    types: Vec<String>,
}

impl SourceFile {
    fn of(path: PathBuf, module: Vec<String>, text: &str) -> Self {
        // The crate root has no name in a path.
        let inside = if module == ["lib"] { Vec::new() } else { module.clone() };
        let mut reader =
            Reader { module: inside, named: Vec::new(), exports: Vec::new(), types: Vec::new() };
        let file = syn::parse_file(text).expect("the sources are Rust");
        reader.visit_file(&file);
        Self { path, module, named: reader.named, exports: reader.exports, types: reader.types }
    }

    fn name(&self) -> String {
        format!("{}.rs", self.module.join("/"))
    }

    fn storey(&self) -> &str {
        &self.module[0]
    }

    fn is_folder(&self) -> bool {
        self.path.ends_with("mod.rs")
    }

    /// The paths from the crate root that it names outside of tests.
    fn imports(&self) -> &[Vec<String>] {
        &self.named
    }
}

/// Collects the paths outside of tests.
struct Reader {
    /// The current module: that of the file or one inside it.
    module: Vec<String>,
    named: Vec<Vec<String>>,
    exports: Vec<Vec<String>>,
    types: Vec<String>,
}

impl Reader {
    /// Adds a path as written, if it begins at a known place.
    fn name(&mut self, path: &[String]) {
        let ups = path.iter().take_while(|part| *part == "super").count();
        let (from, rest) = match path[0].as_str() {
            "crate" => (&[][..], &path[1..]),
            "self" => (&self.module[..], &path[1..]),
            "super" => (&self.module[..self.module.len() - ups], &path[ups..]),
            _ => return,
        };
        let whole = [from, rest].concat();
        // The root as a whole, as in `use crate as root`, belongs to no storey.
        self.named.push(if whole.is_empty() { path.to_vec() } else { whole });
    }

    /// `crate::a::b` and the like among tokens, which may be those of any macro.
    fn name_all(&mut self, tokens: TokenStream) {
        let mut path: Vec<String> = Vec::new();
        let mut colons = 0;
        for tree in tokens {
            match &tree {
                TokenTree::Punct(punct) if punct.as_char() == ':' && !path.is_empty() => {
                    colons += 1;
                    continue;
                }
                TokenTree::Ident(ident) if path.is_empty() || colons == 2 => {
                    path.push(ident.to_string());
                    colons = 0;
                    continue;
                }
                _ => {}
            }
            if path.len() > 1 {
                self.name(&path);
            }
            (path, colons) = (Vec::new(), 0);
            match tree {
                TokenTree::Group(group) => self.name_all(group.stream()),
                TokenTree::Ident(ident) => path.push(ident.to_string()),
                _ => {}
            }
        }
        if path.len() > 1 {
            self.name(&path);
        }
    }
}

impl Visit<'_> for Reader {
    fn visit_item(&mut self, item: &Item) {
        let attributes = match item {
            Item::Fn(item) => &item.attrs,
            Item::Impl(item) => &item.attrs,
            Item::Mod(item) => &item.attrs,
            Item::Use(item) => &item.attrs,
            _ => return visit::visit_item(self, item),
        };
        if !is_for_tests(attributes) {
            visit::visit_item(self, item);
        }
    }

    fn visit_impl_item(&mut self, item: &ImplItem) {
        if !matches!(item, ImplItem::Fn(item) if is_for_tests(&item.attrs)) {
            visit::visit_impl_item(self, item);
        }
    }

    fn visit_item_enum(&mut self, item: &ItemEnum) {
        self.types.push(item.ident.to_string());
        visit::visit_item_enum(self, item);
    }

    fn visit_item_struct(&mut self, item: &ItemStruct) {
        self.types.push(item.ident.to_string());
        visit::visit_item_struct(self, item);
    }

    fn visit_item_trait(&mut self, item: &ItemTrait) {
        self.types.push(item.ident.to_string());
        visit::visit_item_trait(self, item);
    }

    fn visit_item_type(&mut self, item: &ItemType) {
        self.types.push(item.ident.to_string());
        visit::visit_item_type(self, item);
    }

    fn visit_item_mod(&mut self, item: &ItemMod) {
        self.module.push(item.ident.to_string());
        visit::visit_item_mod(self, item);
        self.module.pop();
    }

    fn visit_item_use(&mut self, item: &ItemUse) {
        let mut paths = Vec::new();
        spread(&item.tree, &mut Vec::new(), &mut paths);
        for path in &paths {
            self.name(path);
        }
        if !matches!(item.vis, Visibility::Inherited) {
            self.exports.extend(paths);
        }
    }

    fn visit_path(&mut self, path: &syn::Path) {
        let parts: Vec<String> = path.segments.iter().map(|part| part.ident.to_string()).collect();
        if parts.len() > 1 {
            self.name(&parts);
        }
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, mac: &Macro) {
        visit::visit_macro(self, mac);
        self.name_all(mac.tokens.clone());
    }
}

fn is_for_tests(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        attribute.path().is_ident("cfg")
            && attribute.parse_args::<syn::Path>().is_ok_and(|path| path.is_ident("test"))
    })
}

/// `a::{b, c::d}` is `a::b` and `a::c::d`.
fn spread(tree: &UseTree, before: &mut Vec<String>, paths: &mut Vec<Vec<String>>) {
    match tree {
        UseTree::Path(path) => {
            before.push(path.ident.unraw().to_string());
            spread(&path.tree, before, paths);
            before.pop();
        }
        UseTree::Name(name) => paths.push([&before[..], &[name.ident.to_string()]].concat()),
        UseTree::Rename(rename) => paths.push([&before[..], &[rename.ident.to_string()]].concat()),
        UseTree::Glob(_) => paths.push(before.clone()),
        UseTree::Group(group) => {
            group.items.iter().for_each(|tree| spread(tree, before, paths));
        }
    }
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
                files.push(SourceFile::of(path, module, &text));
            }
        }
    }
    assert!(files.len() > 30, "the sources are there");
    files
}
