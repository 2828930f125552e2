//! How large a form may be.

use actix_web::web::FormConfig;

use crate::site::DjangoSite;

/// # Start-up: the size of forms
impl DjangoSite {
    /// Returns a configuration that lets [`web::Form`](actix_web::web::Form) accept forms as large as Django
    /// does: `DATA_UPLOAD_MAX_MEMORY_SIZE` bytes, 2.5 MiB by default. With actix's own limit of 16 KiB, a
    /// larger form gets a 413.
    ///
    /// ```
    /// # use actix_django_session::DjangoSite;
    /// use actix_web::web::ServiceConfig;
    ///
    /// fn routes(site: DjangoSite) -> impl Fn(&mut ServiceConfig) + Clone {
    ///     let forms = site.form_config();
    ///     move |app| {
    ///         app.app_data(forms.clone());
    ///     }
    /// }
    /// ```
    ///
    /// If the site has no limit (`DATA_UPLOAD_MAX_MEMORY_SIZE = None`), neither has the result: then set one
    /// with [`limit`](FormConfig::limit).
    #[doc(alias = "DATA_UPLOAD_MAX_MEMORY_SIZE")]
    #[must_use]
    pub fn form_config(&self) -> FormConfig {
        let limit = self.settings().data_upload_max_memory_size;
        FormConfig::default().limit(limit.unwrap_or(usize::MAX))
    }
}

#[cfg(test)]
mod tests {
    use actix_web::{
        App,
        test::{TestRequest, call_service, init_service},
        web::{self, Form},
    };

    use super::*;
    use crate::{DjangoSettings, web::test::TestSite};

    async fn status(config: FormConfig, length: usize) -> u16 {
        async fn handler(form: Form<Vec<(String, String)>>) -> String {
            form.len().to_string()
        }
        let app = App::new().app_data(config).route("/", web::post().to(handler));
        let app = init_service(app).await;
        let text = "x".repeat(length - "text=".len());
        let request = TestRequest::post().set_form([("text", text)]).to_request();
        call_service(&app, request).await.status().as_u16()
    }

    #[actix_web::test]
    async fn a_form_is_as_large_as_django_takes_it() {
        let site = TestSite::new(DjangoSettings::new("k")).build();
        assert_eq!(status(FormConfig::default(), 20_000).await, 413);
        assert_eq!(status(site.form_config(), 20_000).await, 200);
        assert_eq!(status(site.form_config(), 2_621_440).await, 200);
        assert_eq!(status(site.form_config(), 2_621_441).await, 413);
        let mut unlimited = DjangoSettings::new("k");
        unlimited.data_upload_max_memory_size = None;
        let site = TestSite::new(unlimited).build();
        assert_eq!(status(site.form_config(), 2_621_441).await, 200);
    }
}
