//! One word for one thing: words that the code and its documents do not use, because Django, actix or
//! databases have another word for the same thing.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// Where to look.
const PLACES: &[&str] =
    &["src", "docs", "examples", "benches", ".github", "README.md", "CHANGELOG.md", "Cargo.toml"];
const ENDINGS: &[&str] = &["rs", "md", "py", "txt", "toml", "yml", "html", "svg", "sql", "conf"];

/// What is not said, and what is said in its place.
const WORDS: &[(&str, &str)] = &[
    ("session id", "session key"),
    ("sid", "session key"),
    ("payload", "session data"),
    ("payloads", "session data"),
    ("blob", "session data"),
    ("blobs", "session data"),
    ("ttl", "expire_date, lifetime"),
    ("expires at", "expire_date"),
    ("seal", "sign, encode"),
    ("seals", "sign, encode"),
    ("sealed", "signed, encoded"),
    ("gate", "middleware"),
    ("gates", "middlewares"),
    ("gated", "behind a middleware"),
    ("stranger", "anonymous visitor"),
    ("strangers", "anonymous visitors"),
    ("nobody", "no user, no visitor"),
    ("guest", "anonymous visitor"),
    ("guests", "anonymous visitors"),
    ("fetch", "load, read"),
    ("fetches", "loads, reads"),
    ("fetched", "loaded, read"),
    ("persist", "save"),
    ("persists", "saves"),
    ("persisted", "saved"),
    ("purge", "clear_expired, delete"),
    ("purged", "deleted"),
    ("sign in", "log in"),
    ("signing in", "logging in"),
    ("xsrf", "CSRF"),
    ("lane", "connection, pool, batcher"),
    ("lanes", "connections, pools, batchers"),
    ("attendant", "batcher"),
    ("flies", "is in flight"),
    ("fly", "in flight"),
    ("tempo", "latency"),
    ("patience", "budget, deadline, timeout"),
    ("manner", "way"),
    ("sociable", "batched"),
    ("proof", "nonce"),
    ("proofs", "nonces"),
    ("anew", "again, new"),
    ("whoever", "a noun"),
    ("whomever", "a noun"),
    ("doomed", "to be deleted"),
];

/// The exceptions: a word, the beginning of a path, a part of the line, and why the word is right there.
const RIGHT: &[(&str, &str, &str, &str)] = &[
    ("payload", "", "Payload", "a type of actix-web"),
    ("payload", "", "_payload(", "a method of actix-web"),
    ("payload", "", "PAYLOAD_TOO_LARGE", "a constant of actix-web"),
    ("fetch", "", "fetch_", "a method of an atomic, or of Django"),
    ("fetch", "", "fetch(", "a function of JavaScript"),
    ("fetch", "docs/django-semantics.md", "Sec-Fetch-Site", "a header"),
    ("payload", "examples/workbench/fields.rs", "payload", "actix-web's name of the argument"),
    ("purge", "docs/rest-semantics.md", "PURGE", "a method of HTTP"),
];

#[test]
fn one_word_for_one_thing() {
    let mut wrong = Vec::new();
    let mut used = vec![false; RIGHT.len()];
    for file in files() {
        let text = fs::read_to_string(root().join(&file)).expect("the documents are UTF-8");
        let name = file.to_str().expect("the names are UTF-8").replace('\\', "/");
        for (number, line) in text.lines().enumerate() {
            let words = words_of(line);
            if says_is_none(line) {
                wrong.push(format!("{name}:{}: \"is none\" (is not a ..)", number + 1));
            }
            for (word, better) in WORDS {
                if !says(&words, word) {
                    continue;
                }
                let right = RIGHT.iter().position(|(of, path, part, _)| {
                    of == word && name.starts_with(path) && line.contains(part)
                });
                match right {
                    Some(index) => used[index] = true,
                    None => {
                        let place = format!("{name}:{}", number + 1);
                        wrong.push(format!("{place}: \"{word}\" ({better}): {}", line.trim()));
                    }
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{} of these words:\n{}", wrong.len(), wrong.join("\n"));
    for (exception, used) in RIGHT.iter().zip(used) {
        assert!(used, "no line needs this exception any more: {exception:?}");
    }
}

/// The words of a line in lower case: `setPayload`, `set_payload` and "Set payload" are two words each.
fn words_of(line: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut last = ' ';
    for letter in line.chars() {
        let begins = letter.is_uppercase() && last.is_lowercase() || !letter.is_alphabetic();
        if begins && words.last().is_some_and(|word| !word.is_empty()) {
            words.push(String::new());
        }
        if letter.is_alphabetic()
            && let Some(word) = words.last_mut()
        {
            word.extend(letter.to_lowercase());
        }
        last = letter;
    }
    words
}

fn says(words: &[String], word: &str) -> bool {
    let word: Vec<_> = word.split(' ').collect();
    words.windows(word.len()).any(|said| said == word)
}

/// "Takes paths, and that is none". `is_none()` and Python's `is None` are code, and "if there is none" is
/// plain English.
fn says_is_none(line: &str) -> bool {
    let words: Vec<_> =
        line.split(|letter: char| !letter.is_alphanumeric() && letter != '_').collect();
    let places = words.windows(2).enumerate().filter(|(_, said)| *said == ["is", "none"]);
    places.map(|(place, _)| place).any(|place| place == 0 || words[place - 1] != "there")
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The files to look at, as paths from the root.
fn files() -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut rest: Vec<PathBuf> = PLACES.iter().map(PathBuf::from).collect();
    while let Some(path) = rest.pop() {
        if root().join(&path).is_dir() {
            let entries = fs::read_dir(root().join(&path)).expect("the folder can be read");
            rest.extend(entries.map(|entry| path.join(entry.expect("it can be read").file_name())));
        } else if path.extension().is_some_and(|end| ENDINGS.iter().any(|known| end == *known)) {
            files.push(path);
        }
    }
    assert!(files.len() > 200, "the documents are there");
    files
}

#[test]
fn a_word_is_found_in_names_and_at_every_place_of_a_line() {
    for line in ["Gate", "the gate", "open_gate()", "openGate", "GATE_OPEN", "`gate`."] {
        assert!(says(&words_of(line), "gate"), "{line}");
    }
    for line in ["navigate", "aggregate", "delegate", "gateway"] {
        assert!(!says(&words_of(line), "gate"), "{line}");
    }
    assert!(says(&words_of("the session-id of"), "session id"));
    assert!(says_is_none("takes paths, and that is none"));
    for line in ["an error if there is none", "if value is None:", "found.is_none()"] {
        assert!(!says_is_none(line), "{line}");
    }
}
