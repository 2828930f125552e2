//! Endpoints as in the Django REST framework, compared with a running one.

pub(crate) mod bed;
mod crowd;
mod differential;
mod hooks;
mod no_tokens;
mod random;
mod vectors;
