//! Whoever issues tokens, and gateways that ask for them.

use std::sync::LazyLock;
use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use gateway_tests::{Answer, Conf, Definition, Gateway, Upstream, api, get};
use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384};
use ring::hmac;
use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, RSA_PKCS1_SHA256, RSA_PKCS1_SHA384,
    RSA_PKCS1_SHA512, RSA_PSS_SHA256, RSA_PSS_SHA384, RSA_PSS_SHA512, RsaKeyPair, RsaPublicKeyComponents,
};
use serde_json::{Value, json};
use tokio_rustls::rustls::pki_types::PrivatePkcs8KeyDer;
use tokio_rustls::rustls::pki_types::pem::PemObject;

/// A shared secret.
pub(super) const SECRET: &[u8] = b"a secret that nobody else knows";

/// Whoever has keys, and signs by them.
pub(super) struct Issuer {
    rsa: RsaKeyPair,
    p256: KeyPair,
    p384: KeyPair,
}

/// One for all tests: an RSA key is read from a file, since neither ring nor rcgen makes one.
pub(super) static ISSUER: LazyLock<Issuer> = LazyLock::new(|| {
    let rsa = PrivatePkcs8KeyDer::from_pem_slice(include_bytes!("rsa.pem")).expect("a key");
    let curve = |algorithm| KeyPair::generate_for(algorithm).expect("a key");
    Issuer {
        rsa: RsaKeyPair::from_pkcs8(rsa.secret_pkcs8_der()).expect("a key"),
        p256: curve(&PKCS_ECDSA_P256_SHA256),
        p384: curve(&PKCS_ECDSA_P384_SHA384),
    }
});

impl Issuer {
    /// What an API verifies by an algorithm: `jwt_signing_method`, and `jwt_source` before it is in base64.
    pub(super) fn source(&self, algorithm: &str) -> (&'static str, Vec<u8>) {
        match algorithm {
            "ES256" => ("ecdsa", self.p256.public_key_pem().into_bytes()),
            "ES384" => ("ecdsa", self.p384.public_key_pem().into_bytes()),
            rsa if rsa.starts_with("RS") || rsa.starts_with("PS") => ("rsa", include_bytes!("rsa.pub.pem").to_vec()),
            _ => ("hmac", SECRET.to_vec()),
        }
    }

    /// The public half of the key of an algorithm, as sets have it.
    pub(super) fn jwk(&self, algorithm: &str, kid: &str) -> Value {
        let url = |bytes: &[u8]| BASE64_URL_SAFE_NO_PAD.encode(bytes);
        let curve = |name: &str, pair: &KeyPair| {
            let point = &pair.public_key_raw()[1..];
            let (x, y) = point.split_at(point.len() / 2);
            json!({"kty": "EC", "kid": kid, "use": "sig", "crv": name, "x": url(x), "y": url(y)})
        };
        match algorithm {
            "ES256" => curve("P-256", &self.p256),
            "ES384" => curve("P-384", &self.p384),
            "HS256" => json!({"kty": "oct", "kid": kid, "k": url(SECRET)}),
            _ => {
                let numbers = RsaPublicKeyComponents::<Vec<u8>>::from(self.rsa.public());
                json!({"kty": "RSA", "kid": kid, "alg": algorithm, "n": url(&numbers.n), "e": url(&numbers.e)})
            }
        }
    }

    /// A token with these claims, signed by an algorithm.
    pub(super) fn token(&self, algorithm: &str, claims: &Value) -> String {
        self.sign(&json!({"alg": algorithm, "typ": "JWT"}), claims, SECRET)
    }

    /// A token whose header names a key.
    pub(super) fn named(&self, algorithm: &str, kid: &str, claims: &Value) -> String {
        self.sign(&json!({"alg": algorithm, "kid": kid}), claims, SECRET)
    }

    /// Any token, signed by what its header says, and by `secret` if that is an HMAC.
    pub(super) fn sign(&self, header: &Value, claims: &Value, secret: &[u8]) -> String {
        let [header, claims] = [header, claims].map(|part| (part, BASE64_URL_SAFE_NO_PAD.encode(part.to_string())));
        let text = format!("{}.{}", header.1, claims.1);
        let signature = self.signature(header.0["alg"].as_str().unwrap_or_default(), text.as_bytes(), secret);
        format!("{text}.{}", BASE64_URL_SAFE_NO_PAD.encode(signature))
    }

    fn signature(&self, algorithm: &str, text: &[u8], secret: &[u8]) -> Vec<u8> {
        let random = SystemRandom::new();
        let hmac = |hash| hmac::sign(&hmac::Key::new(hash, secret), text).as_ref().to_vec();
        let curve = |pair: &KeyPair, algorithm| {
            let pair = EcdsaKeyPair::from_pkcs8(algorithm, &pair.serialize_der(), &random).expect("a key");
            pair.sign(&random, text).expect("a signature").as_ref().to_vec()
        };
        let padding: &'static dyn ring::signature::RsaEncoding = match algorithm {
            "HS256" => return hmac(hmac::HMAC_SHA256),
            "HS384" => return hmac(hmac::HMAC_SHA384),
            "HS512" => return hmac(hmac::HMAC_SHA512),
            "ES256" => return curve(&self.p256, &ECDSA_P256_SHA256_FIXED_SIGNING),
            "ES384" => return curve(&self.p384, &ECDSA_P384_SHA384_FIXED_SIGNING),
            "RS256" => &RSA_PKCS1_SHA256,
            "RS384" => &RSA_PKCS1_SHA384,
            "RS512" => &RSA_PKCS1_SHA512,
            "PS256" => &RSA_PSS_SHA256,
            "PS384" => &RSA_PSS_SHA384,
            "PS512" => &RSA_PSS_SHA512,
            _ => return Vec::new(),
        };
        let mut signature = vec![0; self.rsa.public().modulus_len()];
        self.rsa.sign(padding, &random, text, &mut signature).expect("a signature");
        signature
    }
}

/// Seconds since 1970.
pub(super) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs()
}

/// An API on `/<id>/` whose tokens are verified by `source`, and have policy `basic` if they name none in `pol`.
pub(super) fn asking(id: &str, upstream: &Upstream, (method, source): (&str, Vec<u8>)) -> Definition {
    unverified(id, upstream).set("/jwt_signing_method", method).set("/jwt_source", BASE64_STANDARD.encode(source))
}

/// The same, without anything to verify by.
pub(super) fn unverified(id: &str, upstream: &Upstream) -> Definition {
    api(id, upstream.address)
        .set("/use_keyless", false)
        .set("/enable_jwt", true)
        .set("/jwt_signing_method", "hmac")
        .set("/jwt_policy_field_name", "pol")
        .set("/jwt_default_policies", json!(["basic"]))
}

/// A policy with rights on the APIs of these tests, and what else it says.
pub(super) fn policy(more: Value) -> Value {
    let rights = |id: &str| (id.to_owned(), json!({ "api_id": id }));
    let rights: serde_json::Map<_, _> = ["jwt", "rsa", "p256", "p384"].map(rights).into_iter().collect();
    let mut policy = json!({"org_id": "default", "access_rights": rights});
    policy.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
    policy
}

/// A configuration with policies: `basic`, and `more`.
pub(super) fn conf(more: Value) -> Conf {
    let conf = Conf::default();
    let mut policies = json!({"basic": policy(json!({}))});
    policies.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
    let file = conf.folder().join("policies.json");
    std::fs::write(&file, policies.to_string()).expect("a file in a folder of ours");
    conf.set("policies", json!({"policy_source": "file", "policy_record_name": file}))
}

/// A gateway with one API, `jwt`, that asks for tokens with [`SECRET`].
pub(super) async fn serving(upstream: &Upstream, policies: Value) -> Gateway {
    conf(policies).with(&asking("jwt", upstream, ISSUER.source("HS256"))).start().await
}

/// Asks an API with a token.
pub(super) async fn ask_at(gateway: &Gateway, id: &str, token: &str) -> Answer {
    gateway.ask(get(&format!("/{id}/get")).header("authorization", token)).await
}

/// Asks `jwt` with a token that says this.
pub(super) async fn ask(gateway: &Gateway, claims: Value) -> Answer {
    ask_at(gateway, "jwt", &ISSUER.token("HS256", &claims)).await
}
