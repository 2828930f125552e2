//! `DATA_UPLOAD_MAX_*`, for the code that reads forms.

use super::DjangoSettings;

/// The limits of a form; `None` is no limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct UploadLimits {
    /// In bytes, without files.
    pub(crate) memory_size: Option<usize>,
    pub(crate) number_fields: Option<usize>,
    pub(crate) number_files: Option<usize>,
    /// Whether a form that is not multipart can be in another charset than UTF-8.
    pub(crate) reads_charsets: bool,
}

impl DjangoSettings {
    pub(crate) fn upload_limits(&self) -> UploadLimits {
        // Django 5.0 was the first to refuse other charsets.
        let is_old = |site: &super::ExportedSite| site.django_version.starts_with("4.");
        UploadLimits {
            memory_size: self.data_upload_max_memory_size,
            number_fields: self.data_upload_max_number_fields,
            number_files: self.data_upload_max_number_files,
            reads_charsets: self.site.as_ref().is_some_and(is_old),
        }
    }
}
