//! A memory of tokens whose signature was verified.

use std::sync::Arc;

use quick_cache::{Weighter, sync::Cache};
use ring::hmac;

use super::claims::Claims;
use crate::crypto::random_bytes;

/// How many bytes of verified tokens are remembered: about ten thousand tokens of usual size.
pub(super) const REMEMBERED_BYTES: u64 = 8 << 20;
const REMEMBERED_TOKENS: usize = 16_384;

/// A larger token is verified each time.
pub(super) const LONGEST_REMEMBERED: usize = 8 << 10;

/// Tokens whose signature was verified, by a digest of their exact bytes. It saves only verifying
/// and parsing. Times, types and the user are checked each time, so an entry is never stale.
///
/// The digest is an HMAC-SHA-256 with a random key of this process: to find another text with the
/// digest of a valid token, an attacker would have to forge HMACs. The digest stands for the token,
/// so that the memory contains no credentials and each entry has a fixed size.
pub(super) struct Verified {
    key: hmac::Key,
    tokens: Cache<TokenFingerprint, Remembered, ByBytes>,
}

pub(super) type TokenFingerprint = [u8; 32];

#[derive(Clone)]
struct Remembered {
    claims: Arc<Claims>,
    bytes: usize,
}

#[derive(Clone)]
struct ByBytes;

impl Weighter<TokenFingerprint, Remembered> for ByBytes {
    fn weight(&self, _: &TokenFingerprint, remembered: &Remembered) -> u64 {
        remembered.bytes as u64
    }
}

impl Verified {
    pub(super) fn new() -> Self {
        Self {
            key: hmac::Key::new(hmac::HMAC_SHA256, &random_bytes::<32>()),
            tokens: Cache::with_weighter(REMEMBERED_TOKENS, REMEMBERED_BYTES, ByBytes),
        }
    }

    pub(super) fn digest(&self, token: &[u8]) -> TokenFingerprint {
        let mut digest = [0; 32];
        digest.copy_from_slice(hmac::sign(&self.key, token).as_ref());
        digest
    }

    pub(super) fn get(&self, digest: &TokenFingerprint) -> Option<Arc<Claims>> {
        self.tokens.get(digest).map(|remembered| remembered.claims)
    }

    pub(super) fn remember(&self, digest: TokenFingerprint, claims: &Arc<Claims>, length: usize) {
        if length <= LONGEST_REMEMBERED {
            // The text of the claims, an index of at most the same size, and their containers.
            let bytes = 2 * claims.to_json().len() + 16 * claims.len() + 200;
            self.tokens.insert(digest, Remembered { claims: Arc::clone(claims), bytes });
        }
    }

    pub(super) fn forget(&self, digest: &TokenFingerprint) {
        self.tokens.remove(digest);
    }

    /// The number of entries, and their size in bytes.
    #[cfg(test)]
    pub(super) fn size(&self) -> (usize, u64) {
        (self.tokens.len(), self.tokens.weight())
    }
}
