//! The export script prints the same however it reaches the shell.

use std::{
    io::{Read, Write},
    process::{Command, Stdio},
};

use serde_json::Value;
use testbed::{Django, Example, Postgres, Settings, Site};

/// The script as it is in the package.
pub(super) const SCRIPT: &str = include_str!("../../../src/settings/export_settings.py");

/// The members without the version of Django.
fn parsed(text: &str) -> Value {
    let mut value: Value = serde_json::from_str(text).unwrap();
    value.as_object_mut().unwrap().remove("django_version").unwrap();
    value
}

/// The line that the example prints.
fn one_line() -> String {
    let message = Example::command("export_settings").unwrap().output().unwrap();
    assert!(message.status.success(), "{}", String::from_utf8_lossy(&message.stderr));
    String::from_utf8(message.stdout).unwrap()
}

#[testbed::test]
async fn the_example_prints_a_script_that_works_piped_passed_or_typed() {
    let line = one_line();
    assert_eq!(line.lines().count(), 1);
    assert!(SCRIPT.is_ascii());
    let database = Postgres::shared().await.unwrap().create_database().await.unwrap();
    let settings = Settings::default();
    for django in Django::available().unwrap() {
        let exported = Site::export_settings(django, database.url(), &settings).await.unwrap();
        let expected = parsed(&exported);
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
    let mut message = Vec::new();
    while !message.ends_with(b">>> ") {
        let mut byte = [0];
        stdout.read_exact(&mut byte).unwrap();
        message.extend(byte);
    }
    stdin.write_all(line.as_bytes()).unwrap();
    drop(stdin);
    stdout.read_to_end(&mut message).unwrap();
    assert!(shell.wait().unwrap().success());
    String::from_utf8(message).unwrap()
}
