//! `SessionData` is an ordered map, and keeps each unchanged entry byte for byte.

use std::borrow::Cow;

use actix_django_session::{DjangoSettings, SessionData, SessionSigner, signing::to_json};
use proptest::{collection::vec, prelude::*, sample::Index};
use serde_json::Value;

use super::{
    cases,
    json::{dictionary_text, soup, value},
    model::Model,
    reference::ascii_json,
};

#[derive(Clone, Debug)]
enum Change {
    Insert(String, String),
    Replace(Index, String),
    Remove(String),
    Take(Index),
}

fn change() -> impl Strategy<Value = Change> {
    let key = || prop_oneof![Just("a".to_owned()), Just("é".to_owned()), "[a-c\"\\\\é😀]{0,3}"];
    prop_oneof![
        (key(), any::<String>()).prop_map(|(key, value)| Change::Insert(key, value)),
        (any::<Index>(), any::<String>()).prop_map(|(at, value)| Change::Replace(at, value)),
        key().prop_map(Change::Remove),
        any::<Index>().prop_map(Change::Take),
    ]
}

fn signer() -> SessionSigner {
    SessionSigner::new(&DjangoSettings::new("secret")).unwrap()
}

proptest! {
    #![proptest_config(cases(256))]

    #[test]
    fn changes_are_those_of_an_ordered_map(text in dictionary_text(), changes in vec(change(), 0..8)) {
        // A dictionary with an integer of 4,301 digits is not valid.
        let Some(mut model) = Model::new(&text) else {
            prop_assert!(text.contains("77777"));
            return Ok(());
        };
        let signer = signer();
        for change in changes {
            match change {
                Change::Insert(key, value) => model.insert(&key, &value),
                Change::Remove(key) => model.remove(&key),
                Change::Replace(at, value) => {
                    if let Some(key) = model.key(at.index(100)) {
                        model.insert(&key, &value);
                    }
                }
                Change::Take(at) => {
                    if let Some(key) = model.key(at.index(100)) {
                        model.remove(&key);
                    }
                }
            }
            let read = SessionData::decode(&model.data.encode(&signer), &signer).unwrap();
            prop_assert_eq!(read.to_json(), model.data.to_json());
        }
    }

    #[test]
    fn what_was_not_changed_is_written_as_it_was(text in dictionary_text()) {
        let signer = signer();
        if let Ok(data) = SessionData::from_json(&text) {
            let read = SessionData::decode(&data.encode(&signer), &signer).unwrap();
            prop_assert_eq!(read.to_json(), ascii_json(&text));
        }
    }

    #[test]
    fn text_that_is_not_a_dictionary_is_an_error(text in soup()) {
        Model::new(&text);
        Model::new(&format!("{{\"k\":{text}}}"));
    }

    #[test]
    fn an_object_is_its_json(object in value()) {
        match SessionData::from_object(&object) {
            Ok(data) => {
                prop_assert_eq!(data.to_json(), to_json(&object).unwrap());
                for (key, value) in object.as_object().unwrap() {
                    prop_assert_eq!(&data.get::<Value>(key).unwrap().unwrap(), value);
                }
                prop_assert_eq!(data.len(), object.as_object().unwrap().len());
            }
            Err(_) => prop_assert!(!object.is_object()),
        }
    }

    #[test]
    fn a_user_id_is_the_text_or_the_integer(text in any::<String>(), number in any::<i128>()) {
        let mut data = SessionData::new();
        data.insert("_auth_user_id", &text).unwrap();
        let expected = (!text.is_empty()).then_some(text);
        prop_assert_eq!(data.user_id().map(Cow::into_owned), expected);
        data.insert("_auth_user_id", &number).unwrap();
        prop_assert_eq!(data.user_id(), Some(number.to_string().into()));
    }
}
