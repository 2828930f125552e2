//! `django.contrib.messages`, beside a running Django: what three versions did to 498 requests, random
//! requests to both, and what is left to whom.

mod differential;
mod export;
mod extractor;
mod nested;
mod operations;
mod vectors;
mod written;
