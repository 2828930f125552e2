//! Code of the guide and of the README is there to be copied: what a handler needs has to be with it, and it
//! has to answer.

#![allow(clippy::unwrap_used)] // a test may

use std::{fs, path::PathBuf};

use base64::{Engine, prelude::BASE64_STANDARD};

fn chapters() -> impl Iterator<Item = PathBuf> {
    fs::read_dir("src/guide").unwrap().map(|entry| entry.unwrap().path())
}

/// Without its `app_data`, a `web::Data` compiles, and answers each request with a 500.
#[test]
fn what_a_handler_takes_is_registered_beside_it() {
    let mut blocks = 0;
    for file in chapters().chain(["README.md".into()]) {
        let text = fs::read_to_string(&file).unwrap();
        // Every second part is code.
        for code in text.split("```").skip(1).step_by(2) {
            blocks += 1;
            let takes = code.contains("web::Data<") || code.contains(": Data<");
            assert!(!takes || code.contains("app_data("), "{}:\n{code}", file.display());
        }
    }
    assert!(blocks > 30, "{blocks}");
}

/// `tests/live/guide` has a module for each chapter, which runs a block of it or the example that it shows.
#[test]
fn code_of_each_chapter_answers_in_a_test() {
    let modules = fs::read_to_string("tests/live/guide/mod.rs").unwrap();
    let mut found = 0;
    for file in chapters().filter(|file| !file.ends_with("mod.rs")) {
        let name = file.file_stem().unwrap().to_str().unwrap();
        assert!(modules.contains(&format!("\nmod {name};")), "no test of the chapter {name}");
        let test = fs::read_to_string(format!("tests/live/guide/{name}.rs")).unwrap();
        let copied = test.contains(&format!("chapter::code!(\"{name}\", "));
        let chapter = fs::read_to_string(&file).unwrap();
        let asserts = test.contains("assert") || chapter.contains("assert");
        assert!(test.contains("test]\n") && asserts, "{name}: nothing is asserted");
        let mut shown = chapter.split("include_str!(\"../../examples/").skip(1);
        let runs = shown.any(|rest| {
            let example = rest.split_once(".rs\"").unwrap().0;
            test.contains(&format!("Example::run(\"{example}\""))
        });
        assert!(copied || runs, "{name}: no code of the chapter is run");
        found += 1;
    }
    assert!(found >= 15, "{found}");
}

/// A copied `main` writes a log.
#[test]
fn what_runs_a_server_has_a_subscriber() {
    let mut mains: Vec<_> = chapters().chain(["README.md".into()]).collect();
    for example in fs::read_dir("examples").unwrap() {
        let path = example.unwrap().path();
        mains.push(if path.is_dir() { path.join("main.rs") } else { path });
    }
    let mut servers = 0;
    for file in mains {
        let text = fs::read_to_string(&file).unwrap();
        let Some((_, main)) = text.split_once("#[actix_web::main]") else { continue };
        if !main.contains("HttpServer::new(") {
            continue;
        }
        servers += 1;
        let subscriber = main.find("tracing_subscriber::");
        let server = main.find("HttpServer::new(");
        assert!(subscriber.is_some() && subscriber < server, "{} logs nothing", file.display());
    }
    assert!(servers > 20, "{servers}");
}

/// `cargo test` links one program of them. One that is missing there is run by no test, and one without the feature is
/// linked twice.
#[test]
fn each_example_but_the_demo_is_part_of_one_program() {
    let [program, manifest] =
        ["examples/all/main.rs", "Cargo.toml"].map(|file| fs::read_to_string(file).unwrap());
    let mut found = 0;
    for example in fs::read_dir("examples").unwrap() {
        let path = example.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap();
        if ["all", "demo"].contains(&name) {
            continue;
        }
        let file = if path.is_dir() { format!("{name}/main.rs") } else { format!("{name}.rs") };
        let module = format!("\n    \"../{file}\" {name},\n");
        assert!(program.contains(&module), "examples/all/main.rs has no {name}");
        let target =
            format!("\n    {{ name = \"{name}\", required-features = [\"examples\"] }},\n");
        assert!(
            manifest.contains(&target),
            "Cargo.toml does not say that {name} needs the feature"
        );
        found += 1;
    }
    assert!(found > 20, "{found}");
}

/// Cargo only warns of a profile for a package that is not there, and a login takes seconds without it.
#[test]
fn the_profile_for_hashing_names_packages_that_are_there() {
    let chapter = fs::read_to_string("src/guide/log_in.rs").unwrap();
    let (_, block) = chapter.split_once("//! [profile.dev.package]\n").unwrap();
    let (lock, ours) =
        ["Cargo.lock", "Cargo.toml"].map(|file| fs::read_to_string(file).unwrap()).into();
    let names = block.lines().map_while(|line| line.trim_start_matches("//! ").split_once(" = {"));
    let names: Vec<_> = names.map(|(name, _)| name).collect();
    assert!(names.contains(&"ring") && names.len() > 5, "{names:?}");
    for name in names {
        assert!(lock.contains(&format!("\nname = \"{name}\"\n")), "{name} is not a dependency");
        assert!(ours.contains(&format!("\n{name} = {{ opt-level = 3 }}")), "{name} is slow here");
    }
}

/// A page of the documentation has no files beside it, so the diagram of the README is in its link there.
#[test]
fn the_documentation_has_the_diagram_of_the_readme() {
    let svg = BASE64_STANDARD.encode(fs::read("docs/request.svg").unwrap());
    let link = format!("[request]: data:image/svg+xml;base64,{svg}\n");
    let is = fs::read_to_string("docs/request.md").unwrap();
    assert!(is == link, "docs/request.md has to be this:\n{link}");
}

/// What the README shows is there, and none of it needs more than it says.
#[test]
fn the_readme_has_its_pictures_and_is_short() {
    let readme = fs::read_to_string("README.md").unwrap();
    let words = readme.split(['"', ' ', '\n', '(', ')']);
    let pictures: Vec<_> =
        words.filter(|word| word.ends_with(".png") || word.ends_with(".svg")).collect();
    assert_eq!(pictures, ["docs/demo-dark.png", "docs/demo-light.png", "docs/request.svg"]);
    for picture in pictures {
        assert!(fs::metadata(picture).unwrap().len() < 64 * 1024, "{picture}");
    }
    assert!(readme.lines().count() <= 150);
}
