//! `SessionKey` (R7, R8).

use actix_django_session::SessionKey;
use proptest::prelude::*;

use super::cases;

proptest! {
    #![proptest_config(cases(512))]

    #[test]
    fn a_key_is_any_text_of_eight_code_points_or_more(text in "[a-zé漢😀\0 ]{0,12}|\\PC{6,10}") {
        let is_key = text.chars().count() >= 8 && !text.contains('\0');
        let key = SessionKey::new(text.as_str());
        prop_assert_eq!(key.as_ref().map(SessionKey::as_str), is_key.then_some(text.as_str()));
        if let Some(key) = key {
            prop_assert_eq!(format!("{key:?}"), "SessionKey(..)");
        }
    }

    #[test]
    fn a_new_key_is_one_that_django_could_have_made(_ in 0..1) {
        let key = SessionKey::generate();
        prop_assert_eq!(key.as_str().len(), 32);
        prop_assert!(key.as_str().chars().all(|c| matches!(c, 'a'..='z' | '0'..='9')));
        prop_assert!(SessionKey::new(key.as_str()).is_some());
    }
}
