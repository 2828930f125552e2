//! `next` after a log-in, beside Django.

mod differential;
mod vectors;
