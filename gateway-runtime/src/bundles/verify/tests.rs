//! Source: plugin-system.md §10.4, coprocess_bundle_test.go:500 (the table of what is verified), :152, :167.

use super::*;
use crate::bundles::testing::{EMPTY, key, md5, settings, sign};

const FILES: [(&str, &str); 2] = [("file1.txt", "file1 content"), ("file2.txt", "file2 content")];

/// A bundle on disk with two files: what is wrong with it, by its list, checksum and signature.
fn verified(
    list: &[&str],
    (checksum, signature): (&str, &str),
    depth: Depth,
    set: impl Fn(&mut Settings),
) -> Result<(), String> {
    let folder = tempfile::tempdir().expect("a folder");
    for (name, content) in FILES {
        std::fs::write(folder.path().join(name), content).expect("written");
    }
    let mut settings = settings(folder.path());
    set(&mut settings);
    let manifest = Manifest {
        file_list: list.iter().map(ToString::to_string).collect(),
        checksum: checksum.to_owned(),
        signature: signature.to_owned(),
        ..Manifest::default()
    };
    verify(folder.path(), &manifest, depth, &settings).map_err(|error| error.to_string())
}

fn with_key(settings: &mut Settings) {
    settings.key = Some(key());
}

fn without(_: &mut Settings) {}

const BOTH: [&str; 2] = ["file1.txt", "file2.txt"];
const OF_BOTH: &str = "1510d0e71b31de1c78fd9e823a7c6de9";

#[test]
fn a_checksum_is_of_the_files_one_after_another() {
    assert_eq!(md5(b"file1 contentfile2 content"), OF_BOTH);
    assert_eq!(verified(&BOTH, (OF_BOTH, ""), Depth::Deep, without), Ok(()));
    assert_eq!(verified(&[], (EMPTY, ""), Depth::Deep, without), Ok(()));
    let other_order = verified(&["file2.txt", "file1.txt"], (OF_BOTH, ""), Depth::Deep, without).expect_err("refused");
    assert!(other_order.starts_with("invalid checksum: "), "{other_order}");
    for wrong in ["", "nonsense", EMPTY] {
        let told = verified(&BOTH, (wrong, ""), Depth::Deep, without).expect_err("refused");
        assert!(told.starts_with("invalid checksum: ") && told.contains(OF_BOTH), "{told}");
    }
}

#[test]
fn a_file_that_is_listed_is_there_and_is_a_file() {
    let told = verified(&["file3.txt"], (EMPTY, ""), Depth::Deep, without).expect_err("refused");
    assert!(told.contains("file3.txt: No such file or directory"), "{told}");
    let told = verified(&["."], (EMPTY, ""), Depth::Deep, without).expect_err("refused");
    assert!(told.contains("not a regular file"), "{told}");
    let told = verified(&BOTH, (OF_BOTH, ""), Depth::Deep, |settings| settings.limits.unpacked_bytes = 20);
    assert!(told.expect_err("refused").starts_with("its files have more than 20 bytes"));
}

#[test]
fn what_has_just_come_is_signed_where_there_is_a_key() {
    let right = sign(b"file1 contentfile2 content");
    assert_eq!(verified(&BOTH, (OF_BOTH, &right), Depth::Deep, with_key), Ok(()));
    let told = verified(&BOTH, (OF_BOTH, ""), Depth::Deep, with_key).expect_err("refused");
    assert!(told.starts_with("Bundle isn't signed"), "{told}");
    for other in [sign(b"something else"), "QUFBQQ==".to_owned()] {
        let told = verified(&BOTH, (OF_BOTH, &other), Depth::Deep, with_key).expect_err("refused");
        assert!(told.starts_with("crypto/rsa: verification error"), "{told}");
    }
    let told = verified(&BOTH, (OF_BOTH, "not base64!"), Depth::Deep, with_key).expect_err("refused");
    assert!(told.contains("is not base64"), "{told}");
    // The checksum counts beside the signature.
    assert!(
        verified(&BOTH, (EMPTY, &right), Depth::Deep, with_key).expect_err("refused").starts_with("invalid checksum")
    );
    // Nobody says whose signature it would be.
    assert_eq!(verified(&BOTH, (OF_BOTH, "whatever"), Depth::Deep, without), Ok(()));
}

#[test]
fn what_was_there_is_looked_at_again_if_it_is_signed() {
    let right = sign(b"file1 contentfile2 content");
    assert_eq!(verified(&BOTH, (OF_BOTH, &right), Depth::Partial, with_key), Ok(()));
    let told = verified(&BOTH, (OF_BOTH, &sign(b"x")), Depth::Partial, with_key).expect_err("refused");
    assert!(told.starts_with("crypto/rsa: verification error"), "{told}");
    let told = verified(&BOTH, (EMPTY, &right), Depth::Partial, without).expect_err("refused");
    assert!(told.starts_with("invalid checksum: "), "{told}");
    // Whoever can write to the store can take the signature away: an unsigned bundle is not looked at, key or not.
    for set in [without, with_key] {
        assert_eq!(verified(&BOTH, (EMPTY, ""), Depth::Partial, set), Ok(()));
    }
    let skips = |settings: &mut Settings| (settings.key, settings.trusts_existing) = (Some(key()), true);
    assert_eq!(verified(&BOTH, (EMPTY, "nonsense"), Depth::Partial, skips), Ok(()));
    assert!(verified(&BOTH, (EMPTY, "nonsense"), Depth::Deep, skips).is_err(), "it is of what was there");
}
