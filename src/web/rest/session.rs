//! `SessionAuthentication`: whoever Django's session names.

use std::rc::Rc;

use actix_web::dev::ServiceRequest;

use super::{
    auth::{RestAuth, RestScheme},
    authenticate::{Brought, Recognised, Request},
    permission::Rest,
};
use crate::{
    database::Budget,
    error::{Error, NotLoggedIn},
    web::{
        csrf::{self, Wanted},
        request_session::{Loaded, RequestSession},
    },
};

impl Request<'_> {
    /// The session, looked up together with its user.
    async fn session(&self, rest: &Rest, budget: &Budget) -> Result<Rc<RequestSession>, Error> {
        let session = match &self.brought {
            Brought::Known(session) => Rc::clone(session),
            Brought::Unknown(key) => {
                let permissions = rest.permissions.clone().into();
                let (session, user) = self.site.load_with_user(key, &permissions, budget).await?;
                let session = RequestSession::new(Loaded::from(session));
                session.with_user(self.site, user)
            }
        };
        let writes = self.site.require_writing().is_ok();
        self.stores.set(writes && session.keep(self.site));
        self.csrf.read(&session);
        self.looked_at.replace(Some(Rc::clone(&session)));
        Ok(session)
    }

    /// `SessionAuthentication.authenticate`: an active user, whose request was meant. Anybody else is not
    /// refused, and the next class is asked.
    pub(super) async fn by_session(
        &self,
        rest: &Rest,
        req: &mut ServiceRequest,
        checks_csrf: bool,
        budget: &Budget,
    ) -> Result<Recognised, Error> {
        let session = self.session(rest, budget).await?;
        let site = Some(self.site).filter(|_| !self.is_of_test);
        let user = match session.user(site).await {
            Ok(user) if !user.is_active() => {
                let inactive = Error::from(NotLoggedIn::Inactive);
                session.set_user(site, Err(inactive.clone()));
                Err(inactive)
            }
            Err(error) if !error.wants_login() => return Err(error),
            user => user,
        };
        let auth = match &user {
            Ok(_) => RestAuth::by(RestScheme::Session),
            Err(_) => RestAuth::default(),
        };
        if user.is_ok() && checks_csrf && !self.csrf.was_checked_by(self.site) {
            csrf::check(req, Wanted::of(req), self.csrf_check, self.csrf, self.site).await?;
        }
        Ok(Recognised { session, auth, user })
    }
}
