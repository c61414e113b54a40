//! What is signed, what is read, and what is dropped.

use std::path::Path;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use ring::rand::SystemRandom;
use ring::signature::{RSA_PKCS1_SHA256, RsaKeyPair};

use super::*;

fn with(secret: &str) -> Notices {
    Notices { secret: Secret(secret.to_owned()), ..Notices::default() }
}

#[test]
fn what_is_signed_is_read_by_who_has_the_secret() {
    let notices = [
        Notice::Reload,
        Notice::Keys(vec!["a\"b".to_owned()]),
        Notice::Responses("api".to_owned()),
        Notice::Load(Load { id: "solo-1".to_owned(), load_per_sec: 7, ..Load::default() }),
        Notice::Other("NoticeConfigUpdated".to_owned()),
    ];
    for notice in notices {
        let text = with("s").sign(&notice);
        assert_eq!(with("s").read(&text).expect("signed"), notice);
        assert!(matches!(with("t").read(&text), Err(NoticeError::Signature(_))), "{text}");
    }
}

#[test]
fn a_notice_is_signed_as_the_reference_signs() {
    // The hash of `GroupReload` and `secret`, by sha256sum.
    let signature = "80ba4884c9e2400ec350d5b8663b70ffb0865d49be152aad9c73cf600ab9340b";
    let expected = format!(r#"{{"command":"GroupReload","payload":"","signature":"{signature}","algorithm":5}}"#);
    assert_eq!(with("secret").sign(&Notice::Reload), expected);
}

#[test]
fn every_command_of_a_reload_is_one() {
    for command in ["ApiAdded", "ApiUpdated", "ApiRemoved", "PolicyChanged", "GroupReload"] {
        let text = with("s").sign(&Notice::Other(command.to_owned()));
        assert_eq!(with("s").read(&text).expect("signed"), Notice::Reload);
    }
}

#[test]
fn what_is_not_signed_is_dropped_unless_that_is_allowed() {
    let lax = Notices { allow_unsigned: true, ..with("s") };
    for text in [
        r#"{"command":"GroupReload"}"#,
        r#"{"command":"GroupReload","payload":"","signature":"","algorithm":5}"#,
        r#"{"command":"GroupReload","payload":"","signature":"00","algorithm":0}"#,
    ] {
        assert!(matches!(with("s").read(text), Err(NoticeError::Signature(command)) if command == "GroupReload"));
        assert_eq!(lax.read(text).expect("allowed"), Notice::Reload);
    }
    for text in ["", "x", "[]", "{}", r#"{"command":7}"#] {
        assert!(matches!(lax.read(text), Err(NoticeError::Form(_))), "{text}");
    }
}

#[test]
fn a_load_is_told_as_the_reference_tells_it() {
    let payload = r#"{"HostName":"h","ID":"solo-1","LoadPerSec":7,"Percentage":0.5,"TagHash":"eu"}"#;
    let load = Load {
        host_name: "h".to_owned(),
        id: "solo-1".to_owned(),
        load_per_sec: 7,
        percentage: 0.5,
        tag_hash: "eu".to_owned(),
    };
    let wire: serde_json::Value = serde_json::from_str(&with("s").sign(&Notice::Load(load.clone()))).expect("JSON");
    assert_eq!((&wire["command"], &wire["payload"]), (&LOAD.into(), &payload.into()));
    // As Go writes it.
    let theirs = serde_json::json!({
        "command": LOAD,
        "payload": r#"{"HostName":"h","ID":"solo-1","LoadPerSec":7,"Percentage":0.5,"TagHash":"eu"}"#,
    });
    let lax = Notices { allow_unsigned: true, ..with("s") };
    assert_eq!(lax.read(&theirs.to_string()).expect("allowed"), Notice::Load(load));
    let broken = serde_json::json!({"command": LOAD, "payload": "7"}).to_string();
    assert!(matches!(lax.read(&broken), Err(NoticeError::Payload(LOAD, _))));
}

#[test]
fn keys_are_found_in_a_payload_whatever_is_in_them() {
    for (payload, expected) in [
        ("", &[][..]),
        ("a", &["a"]),
        ("a, b,", &["a", "b", "a, b,"]),
        ("a:hashed,b", &["a:hashed", "b", "a", "a:hashed,b"]),
    ] {
        assert_eq!(ids(payload), expected, "{payload}");
    }
}

#[test]
fn what_the_private_key_has_signed_is_read_by_who_has_the_public_one() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/storage/notice/testdata");
    let key = std::fs::read(folder.join("key.der")).expect("a file of ours");
    let key = RsaKeyPair::from_der(&key).expect("a key of RSA's");
    let public = PublicKey::read(&folder.join("key.pub.pem")).expect("a public key");
    let signed = |payload: &str| {
        let mut signature = vec![0; key.public().modulus_len()];
        key.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), payload.as_bytes(), &mut signature).expect("signed");
        BASE64_STANDARD.encode(signature)
    };
    let wire = |payload: &str, signature: &str, algorithm: u64| {
        serde_json::json!({"command": KEYS, "payload": payload, "signature": signature, "algorithm": algorithm})
            .to_string()
    };
    let right = wire("a", &signed("a"), 0);
    let has_key = Notices { key: Some(public), ..with("s") };
    assert_eq!(has_key.read(&right).expect("signed"), Notice::Keys(vec!["a".to_owned()]));
    assert!(matches!(with("s").read(&right), Err(NoticeError::Signature(_))), "without the key");
    for wrong in [wire("b", &signed("a"), 0), wire("a", &signed("a"), 5), wire("a", "!", 0), wire("a", "", 0)] {
        assert!(matches!(has_key.read(&wrong), Err(NoticeError::Signature(_))), "{wrong}");
    }
    // Notices that are signed with the secret are read as before.
    assert_eq!(has_key.read(&with("s").sign(&Notice::Reload)).expect("signed"), Notice::Reload);
}

#[test]
fn a_file_that_is_no_public_key_of_rsas_is_told() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("key.pem");
    let told = || PublicKey::read(&file).expect_err("refused").to_string();
    assert!(told().contains("key.pem: No such file"), "{}", told());
    std::fs::write(&file, "nothing").expect("written");
    assert!(
        told().contains("it has no `PUBLIC KEY` and no `RSA PUBLIC KEY`; write it by `openssl rsa -pubout`"),
        "{}",
        told()
    );
    let curve = "-----BEGIN PUBLIC KEY-----\n\
        MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\n-----END PUBLIC KEY-----\n";
    std::fs::write(&file, curve).expect("written");
    assert!(told().contains("it is no key of RSA's"), "{}", told());
}
