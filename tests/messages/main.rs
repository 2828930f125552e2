//! `django.contrib.messages`, beside a running Django: what three versions did to 498 requests, random
//! requests to both, and what is left to whom.

#![allow(clippy::unwrap_used)] // a test may

mod differential;
mod export;
mod extractor;
mod operations;
mod vectors;
