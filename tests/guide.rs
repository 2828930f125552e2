//! Code of the guide and of the README is there to be copied: what a handler needs has to be with it.

#![allow(clippy::unwrap_used)] // a test may

use std::fs;

/// Without its `app_data`, a `web::Data` compiles, and answers each request with a 500.
#[test]
fn what_a_handler_takes_is_registered_beside_it() {
    let chapters = fs::read_dir("src/guide").unwrap().map(|entry| entry.unwrap().path());
    let mut blocks = 0;
    for file in chapters.chain(["README.md".into()]) {
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
