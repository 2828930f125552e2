//! The test bed does what the other tests rely on.

use testbed::{Browser, Django, Result, Settings, TestBed};

#[tokio::test]
async fn whoever_logs_in_through_the_form_is_known_to_django() -> Result<()> {
    let bed =
        TestBed::with_settings(Django::V5_2, Settings::default().user("ada", "lovelace")).await?;
    let browser = Browser::new();

    assert_eq!(browser.whoami(bed.site()).await?["is_authenticated"], false);
    assert!(browser.login(bed.site(), "ada", "wrong").await.is_err());
    browser.login(bed.site(), "ada", "lovelace").await?;
    let known = browser.whoami(bed.site()).await?;
    assert_eq!(known["username"], "ada");
    assert_eq!(known["is_authenticated"], true);
    browser.logout(bed.site()).await?;
    assert_eq!(browser.whoami(bed.site()).await?["is_authenticated"], false);
    Ok(())
}
