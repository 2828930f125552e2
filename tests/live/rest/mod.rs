//! Endpoints as the Django REST framework has them, beside a running one.

mod bed;
mod crowd;
mod differential;
mod hooks;
mod no_tokens;
mod random;
mod vectors;
