chapter::code!("go_gin", "SessionData::decode");

#[test]
fn session_data_is_changed_by_hand() {
    main().unwrap();
}
