use crate::handlers::bed::site;

// `cargo test --doc` runs the other blocks of the chapter.
chapter::code!("testing", "async fn ada_is_greeted");

#[testbed::test]
async fn the_example_test_with_a_real_row_passes() {
    ada_is_greeted(site().await).await;
}
