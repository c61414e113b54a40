//! Who has built a bundle, and whether it is what he built. Source: plugin-system.md §7.7.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use gateway_tests::{Conf, Upstream};
use ring::rand::SystemRandom;
use ring::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
use serde_json::json;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;
use tokio_rustls::rustls::pki_types::pem::PemObject;

use super::{EMPTY, archive, fetching, folder_of, is_absent, section, with_bundle};

/// The key that bundles are signed with here, and another one.
const PRIVATE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/e2e/jwt/rsa.pem");
const PUBLIC: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/e2e/jwt/rsa.pub.pem");
const OTHER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../gateway-runtime/src/storage/notice/testdata/key.pub.pem");

fn sign(bytes: &[u8]) -> String {
    let der = PrivateKeyDer::from_pem_file(PRIVATE).expect("a key");
    let pair = match &der {
        PrivateKeyDer::Pkcs1(der) => RsaKeyPair::from_der(der.secret_pkcs1_der()),
        PrivateKeyDer::Pkcs8(der) => RsaKeyPair::from_pkcs8(der.secret_pkcs8_der()),
        _ => panic!("a key of RSA's"),
    };
    let pair = pair.expect("a key of RSA's");
    let mut signature = vec![0; pair.public().modulus_len()];
    pair.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), bytes, &mut signature).expect("signed");
    BASE64_STANDARD.encode(signature)
}

/// The manifest of a bundle without files, with this checksum and signature.
fn manifest(checksum: &str, signature: &str) -> String {
    let section = section("post", &["AddFooBarHeader"]);
    json!({"file_list": [], "custom_middleware": section, "checksum": checksum, "signature": signature}).to_string()
}

fn of(manifest: &str) -> Vec<u8> {
    archive(&[("manifest.json", manifest.as_bytes())])
}

async fn serves(conf: Conf, upstream: &Upstream) {
    let gateway = conf.with(&with_bundle("signed", upstream, "b.zip")).start().await;
    gateway.get("/signed/get").await;
    assert_eq!(upstream.last().header("foo"), "Bar", "{}", gateway.log());
}

async fn refuses(conf: Conf, upstream: &Upstream, reason: &str) {
    let gateway = conf.with(&with_bundle("signed", upstream, "b.zip")).start().await;
    is_absent(&gateway, "signed", reason).await;
}

/// Source: plugin-system.md §10.4, coprocess_bundle_test.go:152, :167; tests/coprocess/bundle_loading_test.go:16.
#[tokio::test]
async fn a_key_asks_for_a_signature_of_its_own() {
    let upstream = Upstream::start();
    let keyed = |key: &str| fetching(&upstream).set("public_key_path", key);
    let serve = |manifest: &str| upstream.answer("/bundles/b.zip", 200, &[], of(manifest));
    serve(&manifest(EMPTY, &sign(b"")));
    serves(keyed(PUBLIC), &upstream).await;
    serves(fetching(&upstream), &upstream).await;
    refuses(keyed(OTHER), &upstream, "Couldn't load bundle: crypto/rsa: verification error").await;
    serve(&manifest(EMPTY, ""));
    refuses(keyed(PUBLIC), &upstream, "Couldn't load bundle: Bundle isn't signed").await;
    serve(&manifest(EMPTY, &sign(b"something else")));
    refuses(keyed(PUBLIC), &upstream, "Couldn't load bundle: crypto/rsa: verification error").await;
    serve(&manifest("0", ""));
    refuses(fetching(&upstream), &upstream, "Couldn't load bundle: invalid checksum").await;
}

/// Source: plugin-system.md §10.4, coprocess_bundle_test.go:188, :235, :500 (partial).
#[tokio::test]
async fn what_is_on_disk_is_looked_at_again_if_it_is_signed() {
    let upstream = Upstream::start();
    let existing = |manifest: Option<&str>| {
        // It needs no downloader, but a base URL all the same.
        let conf = fetching(&upstream).set("enable_bundle_downloader", false).set("public_key_path", PUBLIC);
        let folder = folder_of(conf.folder(), "b.zip");
        std::fs::create_dir_all(&folder).expect("a folder in a folder of ours");
        if let Some(manifest) = manifest {
            std::fs::write(folder.join("manifest.json"), manifest).expect("written");
        }
        conf
    };
    let skipping = |conf: Conf| conf.set("skip_verify_existing_plugin_bundle", true);
    let wrong = manifest(EMPTY, &sign(b"something else"));
    refuses(existing(Some(&wrong)), &upstream, "Couldn't load bundle: crypto/rsa: verification error").await;
    serves(skipping(existing(Some(&wrong))), &upstream).await;
    refuses(existing(None), &upstream, "Couldn't load bundle: manifest.json: file does not exist").await;
    serves(existing(Some(&manifest(EMPTY, &sign(b"")))), &upstream).await;
    refuses(existing(Some(&manifest("0", &sign(b"")))), &upstream, "Couldn't load bundle: invalid checksum").await;
    // The row says `partial unsigned (key or not) → ok`, and so it is here. Whoever can write to the store can take a
    // signature away, as it covers no manifest: to refuse would win nothing. The log tells it at every load.
    let gateway = existing(Some(&manifest("0", ""))).with(&with_bundle("signed", &upstream, "b.zip")).start().await;
    gateway.get("/signed/get").await;
    assert_eq!(upstream.last().header("foo"), "Bar");
    gateway.log().wait("that it is unsigned", |line| line.field("finding").contains("nobody has signed it")).await;
    assert!(upstream.seen().iter().all(|seen| !seen.first().contains("/bundles/")), "nothing was fetched");
}
