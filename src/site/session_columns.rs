//! Further columns of the session table, which a site's own session class fills.

use std::sync::Arc;

use serde::Serialize;

use super::{DjangoSite, RequestParts};
use crate::{error::Error, session::SessionData};

/// # Hook: columns of the session table
impl DjangoSite {
    /// Sets a hook that fills these columns of a session's row, in the statement that writes the row: for a
    /// session class with its own `create_model_instance`. The hook gets the session's data and the request
    /// that writes it. Its result serializes to a JSON object with a member for each column; a column
    /// without a member becomes `NULL`.
    ///
    /// ```
    /// # use actix_django_session::DjangoSite;
    /// # fn f(site: DjangoSite) -> DjangoSite {
    /// // def create_model_instance(self, data):
    /// //     obj = super().create_model_instance(data)
    /// //     obj.account_id = data.get("_auth_user_id")
    /// //     return obj
    /// site.session_columns(["account_id"], |data, _request| {
    ///     Ok(serde_json::json!({ "account_id": data.user_id() }))
    /// })
    /// # }
    /// ```
    ///
    /// - The request is `None` if [`create`](Self::create) is called outside of a request, as in a nightly
    ///   job.
    /// - PostgreSQL parses each value for the type of its column: a time is text, and `"now"` is the time
    ///   of the statement.
    /// - Every change of the session writes all these columns. Extending an unchanged session
    ///   (`SESSION_SAVE_EVERY_REQUEST`) writes none. Columns that are not named keep their value, and get
    ///   their `DEFAULT` in a new row.
    /// - If the hook returns an error, the session is not written, and the call that writes it returns the
    ///   error.
    ///
    /// The guide shows this hook for
    /// [django-user-sessions and django-qsessions](crate::guide::who_may).
    ///
    /// Default: no column.
    #[must_use]
    pub fn session_columns<I, F, R>(mut self, columns: I, of_data: F) -> Self
    where
        I: IntoIterator,
        I::Item: Into<String>,
        F: Fn(&SessionData, Option<&RequestParts>) -> Result<R, Error> + Send + Sync + 'static,
        R: Serialize,
    {
        let columns: Vec<String> = columns.into_iter().map(Into::into).collect();
        let of_data = move |data: &SessionData, request: Option<&RequestParts>| {
            let json = serde_json::to_string(&of_data(data, request)?).map_err(|_| {
                Error::ImproperlyConfigured(
                    "the result of the `DjangoSite::session_columns` hook has no JSON form".into(),
                )
            })?;
            Ok(json)
        };
        let database = self.database().with_session_columns(&columns);
        self = self.on(database);
        self.hooks_mut().session_columns = Some(Arc::new(of_data));
        self
    }

    /// What goes into the further columns of a session with this data, as JSON.
    pub(super) fn further_columns(&self, data: &SessionData) -> Result<Option<String>, Error> {
        let of_data = self.hooks().session_columns.as_ref();
        of_data.map(|of_data| of_data(data, RequestParts::current().as_deref())).transpose()
    }
}
