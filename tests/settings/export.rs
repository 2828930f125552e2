//! `export_settings.py` says what each site is, on every Django.

use std::{
    io::{Read, Write},
    process::{Command, Stdio},
};

use serde_json::Value;
use testbed::{Django, Postgres, Settings, Site};

use crate::sites::{DjangoSite, SCRIPT, export};

/// The members without those that say which Django it was.
fn parsed(text: &str) -> Value {
    let mut value: Value = serde_json::from_str(text).unwrap();
    value.as_object_mut().unwrap().remove("django_version").unwrap();
    value
}

#[tokio::test]
async fn every_site_says_what_it_is_on_every_django() {
    let database = Postgres::shared().await.unwrap().create_database().await.unwrap();
    for django in Django::available().unwrap() {
        for site in DjangoSite::all() {
            let text = export(django, database.url(), &site.settings).await;
            let exported = parsed(&text);
            for (pointer, expected) in &site.exports {
                let found = exported.pointer(pointer);
                assert_eq!(found, Some(expected), "{django}, {}: {pointer}", site.name);
            }
            let not_honoured: Vec<_> = exported["not_honoured"]
                .as_array()
                .unwrap()
                .iter()
                .map(|each| (each["setting"].as_str().unwrap(), each["level"].as_str().unwrap()))
                .collect();
            assert_eq!(not_honoured, site.not_honoured, "{django}, {}: {text}", site.name);
            for secret in [Settings::SECRET_KEY, "last year", "the year before"] {
                assert!(!text.contains(secret), "{django}, {}: {secret} in {text}", site.name);
            }
        }
    }
}

#[tokio::test]
async fn tables_in_a_schema_are_named_with_it() {
    let postgres = Postgres::shared().await.unwrap();
    let settings = Settings::default();
    for django in Django::available().unwrap() {
        let database = postgres.django_database(django, &settings).await.unwrap();
        let in_schema = format!("{}?options=-csearch_path%3Dweb", database.url());
        let move_tables = "from django.db import connection as c; c = c.cursor(); \
             c.execute('CREATE SCHEMA web'); \
             [c.execute(f'ALTER TABLE {t} SET SCHEMA web') for t in \
             ('django_session', 'auth_user', 'auth_user_groups', 'auth_permission')]";
        Site::shell(django, database.url(), &settings, &["-v", "0"], move_tables).await.unwrap();
        let exported = parsed(&export(django, &in_schema, &settings).await);
        for (pointer, table) in [
            ("/session/table", "django_session"),
            ("/user_model/table", "auth_user"),
            ("/user_model/permission_tables/user_groups/table", "auth_user_groups"),
            ("/user_model/permission_tables/permission", "auth_permission"),
        ] {
            let expected = serde_json::json!(["web", table]);
            assert_eq!(exported.pointer(pointer), Some(&expected), "{django}");
        }
    }
}

/// The line that the example prints. `cargo test` builds the examples beside the tests; with
/// `--test` it does not.
fn one_line() -> String {
    let said = Command::new(env!("CARGO"))
        .args(["run", "--quiet", "--example", "export_settings"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stderr));
    String::from_utf8(said.stdout).unwrap()
}

#[tokio::test]
async fn what_the_example_prints_does_the_same_piped_passed_or_typed() {
    let line = one_line();
    assert_eq!(line.lines().count(), 1);
    assert!(SCRIPT.is_ascii());
    let database = Postgres::shared().await.unwrap().create_database().await.unwrap();
    let settings = Settings::default();
    for django in Django::available().unwrap() {
        let expected = parsed(&export(django, database.url(), &settings).await);
        let piped = Site::shell(django, database.url(), &settings, &["-v", "0"], &line).await;
        assert_eq!(parsed(&piped.unwrap()), expected, "{django}");
        let arguments = ["-v", "0", "-c", &line];
        let passed = Site::shell(django, database.url(), &settings, &arguments, "").await;
        assert_eq!(parsed(&passed.unwrap()), expected, "{django}");
        // Newer shells greet: what they say comes before the line with the first brace.
        let greeted = Site::shell(django, database.url(), &settings, &[], &line).await.unwrap();
        let json = &greeted[greeted.find("\n{").unwrap()..];
        assert_eq!(parsed(json), expected, "{django}: {greeted}");
        let typed = typed(Site::manage(django, database.url(), &settings).await.unwrap(), &line);
        let json = &typed[typed.find("\n{").unwrap()..];
        assert_eq!(parsed(json), expected, "{django}: {typed}");
    }
}

/// What the shell prints that is given nothing until it asks.
fn typed(mut manage: Command, line: &str) -> String {
    let mut shell = manage
        .args(["shell", "-i", "python"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let (mut stdin, mut stdout) = (shell.stdin.take().unwrap(), shell.stdout.take().unwrap());
    let mut said = Vec::new();
    while !said.ends_with(b">>> ") {
        let mut byte = [0];
        stdout.read_exact(&mut byte).unwrap();
        said.extend(byte);
    }
    stdin.write_all(line.as_bytes()).unwrap();
    drop(stdin);
    stdout.read_to_end(&mut said).unwrap();
    assert!(shell.wait().unwrap().success());
    String::from_utf8(said).unwrap()
}
