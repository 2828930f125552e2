//! The site's own way to the database.
//!
//! The application's pool names the database; from its manager the site makes connections of its
//! own, used by nothing else, so that no state that the application leaves on its connections reaches
//! a lookup. Each runtime that asks has its own [`Lane`]s, one for each kind of question: visitors put
//! their questions in and wait, and the lane's task asks for all of them at once.

mod asked;
mod attendant;
mod batch;
mod clock;
mod greeting;
mod held;
mod lane;
mod link;
mod lookup;
mod own;
mod patience;
mod query;
mod runtimes;
mod server;
mod silence;
mod tempo;
#[cfg(test)]
mod test_server;

pub(crate) use lane::Lane;
pub(crate) use lookup::{Lookup, Manner, is_no_such_value};
pub(crate) use own::OwnConnection;
pub(crate) use patience::{Patience, Wait};
pub(crate) use query::{MANY_KEYS, ONE_KEY, Parameter, Query, Question};
pub(crate) use runtimes::Runtimes;
pub(crate) use server::Server;
