//! `next` after a login, compared with Django.

mod differential;
mod vectors;
