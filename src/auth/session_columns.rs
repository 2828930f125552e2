//! Further columns of a session's row: what a site's own session class keeps beside the data.

use std::sync::Arc;

use serde::Serialize;

use super::{DjangoSite, RequestParts};
use crate::{error::Error, session::SessionData};

impl DjangoSite {
    /// Fills these columns of a session's row, in the statement that writes the row: for a session
    /// class with a `create_model_instance` of its own. The code is given the data of the session and
    /// the request that writes it. What it answers serializes to an object whose members are the
    /// columns; a column that is no member becomes `NULL`.
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
    /// There is no request where [`create`](Self::create) is called outside of one: in a job that runs
    /// at night, for example. The guide has what
    /// [django-user-sessions and django-qsessions](crate::guide::who_may) keep.
    ///
    /// PostgreSQL reads each value for its column's type: a time as text, and `"now"` is the time of
    /// the statement. All these columns are written with every change of the session; those that are
    /// not named stay as they are, and have their `DEFAULT` in a new row. A moved end of a session that
    /// was not changed writes none.
    ///
    /// An error of the code is an error of what wrote the session, and nothing is written.
    ///
    /// Defaults to none.
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
                    "what fills the session columns has no JSON form".into(),
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
