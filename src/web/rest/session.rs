//! `SessionAuthentication`: the user whom Django's session names.

use std::rc::Rc;

use actix_web::dev::ServiceRequest;

use super::{
    auth::{RestAuth, RestScheme},
    authenticate::{IncomingSession, Recognised, Request},
    permission::Rest,
};
use crate::{
    database::Budget,
    error::{Error, NotLoggedIn},
    web::{
        csrf_check::{self, Wanted},
        request_session::RequestSession,
    },
};

impl Request<'_> {
    /// The session, looked up together with its user.
    async fn session(&self, rest: &Rest, budget: &Budget) -> Result<Rc<RequestSession>, Error> {
        let session = match &self.incoming {
            IncomingSession::Known(session) => Rc::clone(session),
            IncomingSession::Unknown(key) => {
                let permissions = rest.permissions.clone().into();
                let visitor = self.site.visitor(key, &permissions, budget).await?;
                RequestSession::of_visitor(self.site, visitor)
            }
        };
        let writes = self.site.require_writing().is_ok();
        self.stores.set(writes && session.keep(self.site));
        self.csrf.read(&session);
        self.looked_at.replace(Some(Rc::clone(&session)));
        Ok(session)
    }

    /// `SessionAuthentication.authenticate`: accepts an active user whose request passes the CSRF check. An
    /// anonymous or inactive visitor is not refused: the next class is tried.
    pub(super) async fn by_session(
        &self,
        rest: &Rest,
        req: &mut ServiceRequest,
        budget: &Budget,
    ) -> Result<Recognised, Error> {
        let session = self.session(rest, budget).await?;
        let user = match session.user(self.site).await {
            Ok(user) if !user.is_active() => {
                let inactive = Error::from(NotLoggedIn::Inactive);
                session.set_user(self.site, Err(inactive.clone()));
                Err(inactive)
            }
            Err(error) if !error.wants_login() => return Err(error),
            user => user,
        };
        let auth = match &user {
            Ok(_) => RestAuth::by(RestScheme::Session),
            Err(_) => RestAuth::default(),
        };
        if user.is_ok() && !self.csrf.was_checked_by(self.site) {
            csrf_check::check(req, Wanted::of(req), self.csrf_check, self.csrf, self.site).await?;
        }
        Ok(Recognised { session, auth, user })
    }
}
