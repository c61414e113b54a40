use std::fs;

use super::super::testing::{self, Folder};
use super::*;

fn pair(folder: &Folder, certificate: &str, key: &str) -> Pair {
    let paths = ["c".to_owned(), "k".to_owned()];
    Pair { certificate: folder.path(certificate), key: folder.path(key), domain: None, paths }
}

/// Why it is refused, and where.
fn refused(pair: &Pair, folder: &Folder) -> String {
    let (at, error) = pair.load(&Certificates::default()).expect_err("it is refused");
    format!("{at}: {error}").replace(&format!("{}/", folder.path("").display()), "").replace(&*folder.text(), "")
}

#[test]
fn a_pair_is_read_with_its_names() {
    let folder = Folder::new();
    let made = testing::server(&["a.example.com", "*.B.example.com"]);
    folder.write("c.pem", &made.certificate);
    folder.write("k.pem", &made.key);
    folder.write("both.pem", &format!("{}{}", made.key, made.certificate));
    let mut named = pair(&folder, "c.pem", "k.pem");
    named.domain = Some("Own.example.com".to_owned());
    let identity = named.load(&Certificates::default()).expect("a pair");
    assert_eq!(identity.names, ["a.example.com", "*.b.example.com", "own.example.com"]);
    assert_eq!(identity.ended, None);
    assert!(pair(&folder, "both.pem", "both.pem").load(&Certificates::default()).is_ok());
}

#[test]
fn every_mistake_names_its_file_and_what_to_do() {
    let folder = Folder::new();
    let (one, other) = (testing::server(&["a"]), testing::server(&["b"]));
    folder.write("c.pem", &one.certificate);
    folder.write("k.pem", &one.key);
    folder.write("other.pem", &other.key);
    folder.write("empty.pem", "");
    folder.write("cut.pem", &one.key[..60]);
    folder.write("locked.pem", "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n");
    folder.write("junk.pem", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
    for (certificate, key, expected) in [
        ("none.pem", "k.pem", "c: none.pem: No such file or directory (os error 2); name a PEM file"),
        ("c.pem", "none.pem", "k: none.pem: No such file or directory (os error 2); name a PEM file"),
        ("empty.pem", "k.pem", "c: empty.pem: it has no certificate; it must have"),
        ("k.pem", "k.pem", "c: k.pem: it has no certificate; it must have"),
        ("c.pem", "c.pem", "k: c.pem: it has no private key; put"),
        ("c.pem", "locked.pem", "k: locked.pem: its private key is encrypted; write it without a password"),
        ("c.pem", "cut.pem", "k: cut.pem: it is not PEM: a block has a beginning and no end; write"),
        ("junk.pem", "k.pem", "c: junk.pem: certificate 1 in it cannot be used: it is no X.509 certificate ("),
        ("c.pem", "other.pem", "k: the key in other.pem does not belong to the certificate in c.pem; name"),
        ("", "k.pem", "c: : not a regular file; name a PEM file"),
    ] {
        let told = refused(&pair(&folder, certificate, key), &folder);
        assert!(told.starts_with(expected), "{told}\n{expected}");
        assert!(!told.contains(&one.key[30..60]), "it shows a key: {told}");
    }
}

#[test]
fn an_id_is_looked_for_in_the_store_and_told_if_it_is_not_there() {
    let id = format!("org{}", "0a".repeat(32));
    let name = Path::new(&id);
    let error = |from: &Certificates| certificates(name, from).expect_err("it is not there");
    assert_eq!(error(&Certificates::default()).severity(), None, "the store was not asked");
    let missing = error(&Certificates::with_loaded(&id, Looked::Missing));
    assert_eq!(missing.severity(), Some(Severity::Warning));
    let told = format!("`{id}` is no file, and no certificate in the store has that id; add it with `POST /tyk/certs`");
    assert!(missing.to_string().starts_with(&told), "{missing}");
    let made = testing::server(&["a.example.com"]);
    let stored = Stored::of_certificate(made.der());
    let from = Certificates::with_loaded(&id, Looked::Found(Arc::new(stored)));
    assert_eq!(certificates(name, &from).expect("found"), [made.der()]);
    assert!(matches!(private_key(name, &from), Err(CertificateError::NoKey { .. })));
    assert!(stamp(name, &from).is_some() && stamp(name, &Certificates::default()).is_none());
    let file = certificates(Path::new("certs/x.pem"), &from).expect_err("no file");
    assert!(file.to_string().contains("No such file") && file.severity() == Some(Severity::Error));
}

#[test]
fn what_is_over_and_who_may_issue_is_known() {
    let folder = Folder::new();
    let expired = testing::expired(&["old.example.com"]);
    folder.write("both.pem", &format!("{}{}", expired.key, expired.certificate));
    let identity =
        pair(&folder, "both.pem", "both.pem").load(&Certificates::default()).expect("it is told, not refused");
    let told = identity.ended.expect("it is over").to_string();
    assert_eq!(told, "the certificate expired on Thu, 01 Jan 2015 00:00:00 GMT; clients will refuse it: renew it");
    let facts = |text: &str| Facts::of(&CertificateDer::from_pem_slice(text.as_bytes()).expect("PEM")).expect("facts");
    assert!(facts(&testing::authority("CA").certificate).is_authority);
    assert!(!facts(&expired.certificate).is_authority);
    assert!(facts(&testing::authority("CA").certificate).not_after.is_some_and(|end| end > SystemTime::now()));
}

#[test]
fn every_form_of_a_key_is_read() {
    let folder = Folder::new();
    for (certificate, key) in testing::KEYS {
        folder.write("c.pem", certificate);
        folder.write("k.pem", key);
        pair(&folder, "c.pem", "k.pem")
            .load(&Certificates::default())
            .map(drop)
            .unwrap_or_else(|(_, error)| panic!("{error}"));
    }
    let same = stamp(&folder.path("c.pem"), &Certificates::default());
    assert!(same.is_some() && same == stamp(&folder.path("c.pem"), &Certificates::default()));
    fs::write(folder.path("c.pem"), "x").expect("written");
    assert_ne!(stamp(&folder.path("c.pem"), &Certificates::default()), same);
}
