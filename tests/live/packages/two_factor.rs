//! django-two-factor-auth, and `examples/two_factor.rs` beside it.

use serde_json::json;
use testbed::{Browser, Example, Site};

use super::{beds, entries_of, exported, post, site_with};
use crate::beds::PASSWORD;

#[testbed::test]
async fn users_with_a_second_factor_of_django_two_factor_auth_are_let_in() {
    let packages = [
        "django-two-factor-auth==1.18.1",
        "django-otp==1.7.5",
        "phonenumberslite==9.0.42",
        "django-phonenumber-field==8.5.0",
    ];
    let otp = "django_otp.middleware.OTPMiddleware";
    let apps = [
        "django_otp",
        "django_otp.plugins.otp_static",
        "django_otp.plugins.otp_totp",
        "two_factor",
    ];
    let settings = site_with(&packages, &apps)
        .login_url("two_factor:login")
        .set("EXTRA_MIDDLEWARE", json!([otp]));
    for bed in beds(settings).await {
        let (found, _) = exported(&bed).await;
        assert_eq!(
            entries_of(&found, "MIDDLEWARE"),
            [[Some("hook"), Some(otp), Some("after_get_user")]]
        );
        assert_eq!(found["LOGIN_URL"], "/account/login/");
        // A device that shows numbers, and the one that it shows now.
        let script = "from django.contrib.auth import get_user_model\n\
                  from django_otp.oath import totp\n\
                  from django_otp.plugins.otp_totp.models import TOTPDevice\n\
                  ada = get_user_model().objects.get(username='ada')\n\
                  device = TOTPDevice.objects.create(user=ada, name='default', tolerance=100)\n\
                  print(f'{totp(device.bin_key):06}')";
        let arguments = ["-v", "0", "-c", script];
        let number = Site::shell(bed.django, bed.url(), bed.bed().settings(), &arguments, "").await;
        let number = number.unwrap();

        let example = Example::run("two_factor", bed.url(), &[]).unwrap();
        let page = format!("{}/account/login/", bed.bed().site().await.unwrap().url());
        let (ada, ben) = (Browser::new(), Browser::new());
        let let_in = async |browser: &Browser| {
            let answer = browser.get(&format!("{}/account", example.url())).await.unwrap();
            (answer.status().as_u16(), answer.text().await.unwrap())
        };
        for (browser, name, status) in [(&ada, "ada", 200), (&ben, "ben", 302)] {
            let step = [
                ("login_view-current_step", "auth"),
                ("auth-username", name),
                ("auth-password", PASSWORD),
            ];
            // Ada needs a second step, ben does not.
            assert_eq!(browser.submit(&page, &step).await.unwrap().status(), status, "{name}");
            assert_eq!(let_in(browser).await.0, 302, "{name}");
        }
        assert_eq!(ben.whoami(bed.bed().site().await.unwrap()).await.unwrap()["username"], "ben");
        let step = [("login_view-current_step", "token"), ("token-otp_token", number.trim())];
        assert_eq!(post(&ada, &bed, "/account/login/", &step).await, 302);
        assert_eq!(ada.whoami(bed.bed().site().await.unwrap()).await.unwrap()["username"], "ada");
        assert_eq!(let_in(&ada).await, (200, "welcome, ada".into()));
        // The phone is lost.
        bed.sql("DELETE FROM otp_totp_totpdevice").await;
        assert_eq!(let_in(&ada).await.0, 302);
    }
}
