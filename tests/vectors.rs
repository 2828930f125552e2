//! Every line of the vectors next to this file is read by a test, or is of a kind that is left out. What
//! a test reads of a kind and leaves out of it after all, it counts itself, by the reason.

#![allow(clippy::unwrap_used)] // a test may

use std::{collections::BTreeMap, fs, path::Path};

/// What becomes of a kind.
enum Fate {
    /// These tests read it: the file, and the name of the function.
    Read(&'static [(&'static str, &'static str)]),
    LeftOut(&'static str),
}

use Fate::{LeftOut, Read};

const SIGNING: &str = "tests/signing_vectors.rs";
const SESSION: &str = "src/session/vectors.rs";
const CSRF: (&str, &str) = ("src/web/csrf_vectors/mod.rs", "a_middleware_answers_as_django_does");
const HOST: (&str, &str) =
    ("src/web/host.rs", "origins_and_referers_are_judged_as_django_judges_them");
const REQUEST: (&str, &str) =
    ("tests/live/sessions/vectors.rs", "one_request_behaves_as_in_six_versions_of_django");
const LOGIN: (&str, &str) =
    ("tests/live/login/vectors.rs", "sessions_change_as_they_did_in_django");
const AUTHENTICATE: (&str, &str) = (
    "tests/live/login/vectors.rs",
    "authenticate_finds_the_same_users_with_as_many_hashings_as_django",
);
const SIGNED_COOKIE: (&str, &str) = (
    "tests/live/sessions/signed_cookie_vectors.rs",
    "a_session_in_a_cookie_changes_as_it_did_in_django",
);
const HASHERS: &str = "src/auth/hashers/tests.rs";
const SESSION_COOKIE: &str = "src/web/session_cookie.rs";

/// Kinds, how many lines there are of each, and what becomes of them.
type Kinds = &'static [(&'static str, usize, Fate)];

const FILES: [(&str, Kinds); 3] = [
    (
        "vectors.jsonl",
        &[
            ("signer", 46, Read(&[(SIGNING, "values_are_signed_as_django_signs_them")])),
            (
                "timestamp_signer",
                5,
                Read(&[(SIGNING, "timestamps_are_signed_as_django_signs_them")]),
            ),
            ("b62", 10, Read(&[(SIGNING, "base_62_goes_both_ways")])),
            ("dumps", 55, Read(&[(SIGNING, "objects_are_signed_as_django_signs_them")])),
            ("max_age", 10, Read(&[(SIGNING, "age_is_judged_as_django_judges_it")])),
            ("loads", 31, Read(&[(SIGNING, "objects_are_read_as_django_reads_them")])),
            (
                "session",
                36,
                Read(&[
                    (SIGNING, "session_data_is_signed_as_django_signs_it"),
                    (
                        "tests/live/recognise/vectors.rs",
                        "every_session_that_django_saved_is_read_and_written_back",
                    ),
                ]),
            ),
            ("auth", 16, Read(&[(SIGNING, "the_session_auth_hash_is_djangos")])),
            ("salted_hmac", 5, Read(&[(SIGNING, "salted_hmac_is_djangos")])),
        ],
    ),
    (
        "vectors-csrf.jsonl",
        &[
            (
                "cookie",
                51,
                Read(&[("src/web/cookie_header.rs", "cookies_are_read_as_six_versions_read_them")]),
            ),
            (
                "domain",
                36,
                Read(&[("src/csrf/domain.rs", "domains_are_compared_as_django_compares_them")]),
            ),
            ("failure", 8, Read(&[CSRF])),
            (
                "form",
                128,
                Read(&[CSRF, ("src/csrf/form/mod.rs", "the_field_is_found_where_django_finds_it")]),
            ),
            (
                "format",
                38,
                Read(&[("src/csrf/token.rs", "the_format_is_checked_as_django_checks_it")]),
            ),
            (
                "header_name",
                12,
                Read(&[("src/csrf/check.rs", "header_names_are_written_as_django_writes_them")]),
            ),
            ("host", 78, Read(&[("src/web/host.rs", "hosts_are_djangos")])),
            ("mask", 20, Read(&[("src/csrf/token.rs", "masks_are_the_same_as_in_django")])),
            ("match", 42, Read(&[("src/csrf/check.rs", "tokens_match_as_in_django")])),
            ("origin", 136, Read(&[CSRF, HOST])),
            ("referer", 120, Read(&[CSRF, HOST])),
            ("request", 332, Read(&[CSRF])),
            ("session", 69, Read(&[CSRF])),
            (
                "set_cookie",
                49,
                Read(&[
                    CSRF,
                    ("src/web/set_cookie.rs", "cookies_are_written_as_django_writes_them"),
                ]),
            ),
            ("unmask", 20, Read(&[("src/csrf/token.rs", "masks_are_the_same_as_in_django")])),
        ],
    ),
    (
        "vectors-writes.jsonl",
        &[
            ("async", 24, Read(&[REQUEST, LOGIN, AUTHENTICATE])),
            ("authenticate", 38, Read(&[LOGIN, AUTHENTICATE])),
            (
                "cache",
                6,
                LeftOut("SESSION_ENGINE cache: there is no row, and the settings refuse it"),
            ),
            ("cached_db", 26, Read(&[REQUEST])),
            ("clear_expired", 2, Read(&[REQUEST])),
            ("csrf_session", 5, Read(&[REQUEST])),
            (
                "defaults",
                6,
                Read(&[
                    (SESSION, "what_is_not_set_is_as_in_django"),
                    (HASHERS, "the_hashers_that_are_not_set_are_djangos"),
                ]),
            ),
            (
                "delete_cookie",
                23,
                Read(&[(SESSION_COOKIE, "the_cookie_is_deleted_as_django_deletes_it")]),
            ),
            ("expiry", 64, Read(&[(SESSION, "sessions_end_when_django_ends_them")])),
            (
                "file",
                10,
                LeftOut("SESSION_ENGINE file: there is no row, and the settings refuse it"),
            ),
            (
                "flags",
                46,
                Read(&[(SESSION, "a_session_is_modified_and_empty_when_django_says_so")]),
            ),
            (
                "flow",
                22,
                Read(&[("tests/live/login/vectors.rs", "a_form_does_what_djangos_views_do")]),
            ),
            ("hash", 12, Read(&[(SIGNING, "the_session_auth_hash_of_any_column_is_djangos")])),
            ("hash_upgrade", 25, Read(&[LOGIN])),
            ("http_date", 10, Read(&[(SESSION_COOKIE, "dates_are_written_as_django_writes_them")])),
            (
                "interleaving",
                31,
                Read(&[(
                    "tests/live/sessions/interleaving_vectors.rs",
                    "concurrent_requests_behave_as_in_django",
                )]),
            ),
            ("login", 40, Read(&[LOGIN])),
            ("logout", 17, Read(&[LOGIN])),
            (
                "messages",
                9,
                Read(&[(
                    "tests/live/messages/written.rs",
                    "messages_are_written_as_django_writes_them",
                )]),
            ),
            (
                "password",
                78,
                Read(&[(HASHERS, "passwords_are_checked_as_django_checks_them_and_at_its_price")]),
            ),
            (
                "password_encode",
                12,
                Read(&[(HASHERS, "passwords_are_encoded_as_django_encodes_them")]),
            ),
            ("redis", 12, Read(&[REQUEST])),
            ("request", 55, Read(&[REQUEST])),
            ("save", 42, Read(&[REQUEST])),
            ("set_cookie", 27, Read(&[(SESSION_COOKIE, "the_cookie_is_set_as_django_sets_it")])),
            ("set_expiry", 13, Read(&[(SESSION, "an_expiry_is_stored_as_django_stores_it")])),
            ("signed_cookie", 23, Read(&[SIGNED_COOKIE])),
            ("signed_cookie_load", 5, Read(&[SIGNED_COOKIE])),
            ("sliding", 30, Read(&[REQUEST])),
            ("store", 45, Read(&[REQUEST])),
        ],
    ),
];

#[test]
fn every_line_is_read_or_left_out_for_a_reason() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    let (mut read, mut left_out) = (0, 0);
    for (file, kinds) in FILES {
        let mut lines = BTreeMap::<String, usize>::new();
        for line in fs::read_to_string(folder.join(file)).unwrap().lines() {
            let vector: serde_json::Value = serde_json::from_str(line).unwrap();
            *lines.entry(vector["kind"].as_str().unwrap().to_owned()).or_default() += 1;
        }
        let expected = kinds.iter().map(|(kind, count, _)| ((*kind).to_owned(), *count));
        assert_eq!(lines, expected.collect(), "{file}");
        for (kind, count, fate) in kinds {
            match fate {
                Read(tests) => {
                    tests.iter().for_each(|test| assert_reads(test, kind));
                    read += count;
                }
                LeftOut(reason) => {
                    assert!(!reason.is_empty(), "{kind}");
                    left_out += count;
                }
            }
        }
    }
    assert_eq!((read, left_out), (2_095, 16));
}

/// Every file of vectors is here, or next to the one test that reads it.
#[test]
fn no_file_is_forgotten() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    let mut found: Vec<String> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.ends_with(".jsonl"))
        .collect();
    found.sort();
    let mut expected = FILES.map(|(file, _)| file.to_owned());
    expected.sort();
    assert_eq!(found, expected);
}

/// There is a test with this name, in a file that names the kind.
fn assert_reads((file, test): &(&str, &str), kind: &str) {
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(file)).unwrap();
    let (_, body) = text.split_once(&format!("fn {test}()")).unwrap_or_else(|| panic!("no {test}"));
    assert!(!body.is_empty() && text.contains(&format!("\"{kind}\"")), "{test} reads no {kind}");
}
