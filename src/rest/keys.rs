//! The key that verifies the signature of a JWT, for one algorithm.

use ring::{
    hmac,
    signature::{
        ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ED25519, RSA_PKCS1_2048_8192_SHA256,
        RSA_PKCS1_2048_8192_SHA384, RSA_PKCS1_2048_8192_SHA512, RSA_PSS_2048_8192_SHA256,
        RSA_PSS_2048_8192_SHA384, RSA_PSS_2048_8192_SHA512, UnparsedPublicKey,
        VerificationAlgorithm,
    },
};
use spki::{ObjectIdentifier, SubjectPublicKeyInfoRef, der::Decode};

const RSA: &str = "1.2.840.113549.1.1.1";
const ELLIPTIC: &str = "1.2.840.10045.2.1";
const P256: &str = "1.2.840.10045.3.1.7";
const P384: &str = "1.3.132.0.34";
const ED_25519: &str = "1.3.101.112";

/// A key for one algorithm. The algorithm that a token names is compared with this algorithm and
/// never selects one. So a public key is never used as an HMAC secret.
pub(super) enum VerifyingKey {
    Secret(hmac::Key),
    Public(UnparsedPublicKey<Vec<u8>>),
}

impl VerifyingKey {
    /// Creates the key for `ALGORITHM`: from the secret for HMAC, from the public key for the
    /// others.
    ///
    /// The error names the setting that is wrong.
    pub(super) fn new(algorithm: &str, secret: &[u8], public: &str) -> Result<Self, String> {
        let hmac = |algorithm| secret_key(algorithm, secret);
        match algorithm {
            "HS256" => hmac(hmac::HMAC_SHA256),
            "HS384" => hmac(hmac::HMAC_SHA384),
            "HS512" => hmac(hmac::HMAC_SHA512),
            "RS256" => public_key(&RSA_PKCS1_2048_8192_SHA256, public, RSA, None),
            "RS384" => public_key(&RSA_PKCS1_2048_8192_SHA384, public, RSA, None),
            "RS512" => public_key(&RSA_PKCS1_2048_8192_SHA512, public, RSA, None),
            "PS256" => public_key(&RSA_PSS_2048_8192_SHA256, public, RSA, None),
            "PS384" => public_key(&RSA_PSS_2048_8192_SHA384, public, RSA, None),
            "PS512" => public_key(&RSA_PSS_2048_8192_SHA512, public, RSA, None),
            "ES256" => public_key(&ECDSA_P256_SHA256_FIXED, public, ELLIPTIC, Some(P256)),
            "ES384" => public_key(&ECDSA_P384_SHA384_FIXED, public, ELLIPTIC, Some(P384)),
            "EdDSA" => public_key(&ED25519, public, ED_25519, None),
            other => Err(format!("ALGORITHM {other:?} is not supported")),
        }
    }

    pub(super) fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        match self {
            Self::Secret(key) => hmac::verify(key, message, signature).is_ok(),
            Self::Public(key) => key.verify(message, signature).is_ok(),
        }
    }
}

fn secret_key(algorithm: hmac::Algorithm, secret: &[u8]) -> Result<VerifyingKey, String> {
    if secret.is_empty() {
        // Anyone can sign with an empty secret (rule X11).
        return Err("SIGNING_KEY is empty".into());
    }
    if memchr::memmem::find(secret, b"-----BEGIN ").is_some() {
        return Err("SIGNING_KEY is a key in PEM: give the secret for HMAC".into());
    }
    Ok(VerifyingKey::Secret(hmac::Key::new(algorithm, secret)))
}

fn public_key(
    algorithm: &'static dyn VerificationAlgorithm,
    pem: &str,
    kind: &str,
    curve: Option<&str>,
) -> Result<VerifyingKey, String> {
    let der =
        unarmored(pem).ok_or("VERIFYING_KEY is not a public key in PEM (BEGIN PUBLIC KEY)")?;
    let info = SubjectPublicKeyInfoRef::from_der(&der);
    let info = info.map_err(|_| "VERIFYING_KEY cannot be read")?;
    let has = |id: ObjectIdentifier, name: &str| id == ObjectIdentifier::new_unwrap(name);
    let its_curve = info.algorithm.parameters_oid().ok();
    let fits = has(info.algorithm.oid, kind)
        && curve.is_none_or(|curve| its_curve.is_some_and(|its| has(its, curve)));
    if !fits {
        return Err("VERIFYING_KEY is a key for another ALGORITHM".into());
    }
    let key = info.subject_public_key.raw_bytes().to_vec();
    if kind == RSA && rsa_bits(&key) < 2048 {
        return Err("VERIFYING_KEY has fewer than 2048 bits".into());
    }
    Ok(VerifyingKey::Public(UnparsedPublicKey::new(algorithm, key)))
}

/// The approximate length of the modulus, which is most of the key.
fn rsa_bits(key: &[u8]) -> usize {
    // Subtracts two headers, and a public exponent of at least three bytes with its header.
    key.len().saturating_sub(13) * 8
}

/// The bytes inside the PEM armour.
fn unarmored(pem: &str) -> Option<Vec<u8>> {
    use base64::{Engine as _, engine::general_purpose::STANDARD};
    let (_, rest) = pem.split_once("-----BEGIN PUBLIC KEY-----")?;
    let (text, _) = rest.split_once("-----END PUBLIC KEY-----")?;
    let text: String = text.split_ascii_whitespace().collect();
    STANDARD.decode(text).ok()
}

#[cfg(test)]
mod tests {
    use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384, PKCS_ED25519};

    use super::*;

    fn fault(algorithm: &str, secret: &[u8], public: &str) -> String {
        VerifyingKey::new(algorithm, secret, public).err().unwrap_or_default()
    }

    #[test]
    fn a_key_fits_its_algorithm_or_is_refused() {
        let pem = |algorithm| KeyPair::generate_for(algorithm).unwrap().public_key_pem();
        let (p256, p384) = (pem(&PKCS_ECDSA_P256_SHA256), pem(&PKCS_ECDSA_P384_SHA384));
        let ed = pem(&PKCS_ED25519);
        for (algorithm, key) in [("ES256", &p256), ("ES384", &p384), ("EdDSA", &ed)] {
            assert_eq!(fault(algorithm, b"", key), "");
        }
        for (algorithm, key) in
            [("ES256", &p384), ("ES384", &p256), ("RS256", &p256), ("PS512", &ed), ("EdDSA", &p256)]
        {
            assert!(fault(algorithm, b"s", key).contains("another ALGORITHM"), "{algorithm}");
        }
        assert!(fault("ES256", b"s", "").contains("not a public key"));
        assert!(
            fault("ES256", b"s", &p256.replace("PUBLIC", "PRIVATE")).contains("not a public key")
        );
    }

    #[test]
    fn a_public_key_or_an_empty_text_is_not_a_secret() {
        let pem = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap().public_key_pem();
        assert!(fault("HS256", pem.as_bytes(), "").contains("PEM"));
        assert!(fault("HS256", b"", &pem).contains("empty"));
        assert_eq!(fault("HS256", b"k", ""), "");
    }

    #[test]
    fn no_other_algorithm_is_known() {
        for name in ["none", "None", "", "hs256", "HS256 ", "ES512", "ES256K", "HS1"] {
            assert!(fault(name, b"secret", "").contains("not supported"), "{name}");
        }
    }
}
