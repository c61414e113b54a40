//! What is unpacked, and what is refused.

use std::io::{Cursor, Write};
use std::os::unix::fs::PermissionsExt;

use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use super::*;
use crate::bundles::testing::{below, zip};

const LIMITS: Limits = Limits { bytes: 1 << 20, unpacked_bytes: 1000, files: 10 };

/// What is below the folder afterwards; or why not.
fn unpacked(bytes: &[u8]) -> Result<Vec<String>, String> {
    let folder = tempfile::tempdir().expect("a folder");
    unpack(Cursor::new(bytes), folder.path(), &LIMITS).map_err(|error| error.to_string())?;
    Ok(below(folder.path()))
}

fn refused(bytes: &[u8]) -> String {
    unpacked(bytes).expect_err("refused")
}

#[test]
fn files_and_folders_are_made_and_what_is_between_them_too() {
    let folder = tempfile::tempdir().expect("a folder");
    let bytes = zip(&[("a/b/c.js", b"c"), ("empty/", b""), ("./d.js", b"dd"), ("a/e.js", b"")]);
    unpack(Cursor::new(bytes), folder.path(), &LIMITS).expect("unpacked");
    assert_eq!(below(folder.path()), ["a/", "a/b/", "a/b/c.js", "a/e.js", "d.js", "empty/"]);
    assert_eq!(std::fs::read(folder.path().join("a/b/c.js")).expect("a file"), b"c");
    for made in ["a", "a/b", "empty"] {
        assert_eq!(std::fs::metadata(folder.path().join(made)).expect("a folder").permissions().mode() & 0o777, 0o700);
    }
}

/// Source: plugin-system.md §10.4, internal/sanitize/path_test.go:9.
#[test]
fn a_path_stays_within_the_folder() {
    for name in ["middleware.js", "lib/utils.js", "config.test.js", "./middleware.js"] {
        assert!(unpacked(&zip(&[(name, b"x")])).is_ok(), "{name}");
    }
    for name in ["/test/path", "../../test/path", "invalid/../../test/path", "./../test", "a/../b", "..", "a\0b"] {
        let told = refused(&zip(&[(name, b"x")]));
        assert!(told.starts_with(&format!("invalid file path in archive: {name}")), "{told}");
    }
}

#[test]
fn links_and_devices_are_refused() {
    let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
    archive.add_symlink("link", "/etc/passwd", SimpleFileOptions::default()).expect("an entry");
    let told = refused(&archive.finish().expect("memory").into_inner());
    assert!(told.starts_with("`link` is a link or a device"), "{told}");
    // The kind of a pipe, in the upper half of the attributes.
    let mut bytes = zip(&[("pipe", b"")]);
    let at = bytes.windows(4).position(|four| four == b"PK\x01\x02").expect("a directory") + 38;
    bytes[at..at + 4].copy_from_slice(&(0o010_644_u32 << 16).to_le_bytes());
    assert!(refused(&bytes).starts_with("`pipe` is a link or a device"), "{}", refused(&bytes));
}

#[test]
fn a_name_is_there_once_whatever_it_looks_like() {
    for names in [["a", "./a"], ["a/b", "a//b"]] {
        let told = refused(&zip(&[(names[0], b""), (names[1], b"")]));
        assert!(told.contains("is in the archive twice"), "{told}");
    }
    // The same name twice is what no writer makes: the second is renamed behind its back.
    let mut bytes = zip(&[("aa", b"1"), ("ab", b"2")]);
    for at in 0..bytes.len() - 2 {
        if &bytes[at..at + 2] == b"ab" {
            bytes[at + 1] = b'a';
        }
    }
    assert!(refused(&bytes).contains("is in the archive twice"), "{}", refused(&bytes));
    assert!(refused(&zip(&[("a", b""), ("a/b", b"")])).starts_with("`a/b`: "));
}

#[test]
fn a_name_is_text() {
    let mut bytes = zip(&[("aa", b"1")]);
    for at in 0..bytes.len() - 2 {
        if &bytes[at..at + 2] == b"aa" {
            bytes[at + 1] = 0xff;
        }
    }
    assert!(refused(&bytes).starts_with("a name in the archive is not UTF-8: a"), "{}", refused(&bytes));
}

#[test]
fn there_is_a_bound_on_what_comes_out() {
    assert!(unpacked(&zip(&[("a", &[0; 600]), ("b", &[0; 400])])).is_ok());
    let told = refused(&zip(&[("a", &[0; 600]), ("b", &[0; 401])]));
    assert!(told.starts_with("more than 1000 bytes when unpacked"), "{told}");
    // A mebibyte of zeros is a kilobyte of archive.
    let bomb = zip(&[("a", &vec![0; 1 << 20])]);
    assert!(bomb.len() < 4096);
    let folder = tempfile::tempdir().expect("a folder");
    let error = unpack(Cursor::new(bomb), folder.path(), &LIMITS).expect_err("refused");
    assert!(matches!(error, UnpackError::Bytes(1000)), "{error}");
    assert_eq!(std::fs::metadata(folder.path().join("a")).expect("a file").len(), 1001, "no more is written");
}

#[test]
fn there_is_a_bound_on_the_number_of_entries() {
    let names: Vec<String> = (0..11).map(|n| format!("f{n}")).collect();
    let files: Vec<(&str, &[u8])> = names.iter().map(|name| (name.as_str(), &b""[..])).collect();
    assert!(unpacked(&zip(&files[..10])).is_ok());
    assert!(refused(&zip(&files)).starts_with("more than 10 entries"));
}

/// One entry may lead through as many folders as its name has parts.
#[test]
fn folders_that_are_made_for_others_are_bounded_too() {
    let deep = |folders: usize| format!("{}f", "d/".repeat(folders));
    assert!(unpacked(&zip(&[(&deep(10), b""), (&deep(9), b"")])).is_ok());
    assert!(refused(&zip(&[(&deep(11), b"")])).starts_with("more than 10 entries, or folders for them"));
    let folder = format!("{}/", deep(10));
    assert!(refused(&zip(&[(&folder, b"")])).starts_with("more than 10 entries"), "the last one is a folder too");
}

/// A directory that is larger than that of any bundle is not read to its end.
#[test]
fn a_directory_without_end_is_not_kept() {
    let names: Vec<String> = (0..30_000).map(|n| format!("{n:0100}")).collect();
    let files: Vec<(&str, &[u8])> = names.iter().map(|name| (name.as_str(), &b""[..])).collect();
    assert!(refused(&zip(&files)).starts_with("more than 10 entries"));
}

#[test]
fn what_is_no_archive_or_half_of_one_is_told() {
    let whole = zip(&[("manifest.json", b"{}"), ("a", &[7; 500])]);
    for bytes in [&b""[..], b"no zip at all", &whole[..whole.len() / 2], &whole[..whole.len() - 3]] {
        assert!(refused(bytes).starts_with("not a zip file that can be read: "), "{}", refused(bytes));
    }
    let mut broken = Vec::new();
    let mut archive = ZipWriter::new(Cursor::new(&mut broken));
    let stored = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
    archive.start_file("a", stored).expect("an entry");
    archive.write_all(b"content").expect("memory");
    archive.finish().expect("memory");
    let at = broken.windows(7).position(|seven| seven == b"content").expect("it is stored");
    broken[at] = b'C';
    assert!(refused(&broken).starts_with("`a`: "), "{}", refused(&broken));
}

/// Whatever the bytes are, nothing is written outside of the folder, and nothing panics.
#[test]
fn whatever_is_unpacked_stays_within_the_folder() {
    let whole = zip(&[("manifest.json", b"{\"file_list\": []}"), ("lib/", b""), ("lib/a.js", &[65; 300]), ("b", b"b")]);
    let outer = tempfile::tempdir().expect("a folder");
    let mut seed = 0x2545_f491_4f6c_dd1d_u64;
    let mut next = |bound: usize| {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        usize::try_from(seed % bound as u64).expect("it is below a usize")
    };
    for round in 0..3000 {
        let mut bytes = whole.clone();
        for _ in 0..=next(4) {
            let at = next(bytes.len());
            bytes[at] = [0, b'.', b'/', 0xff, u8::try_from(next(256)).expect("a byte")][next(5)];
        }
        if next(8) == 0 {
            bytes.truncate(next(bytes.len()));
        }
        let folder = outer.path().join("inner");
        std::fs::create_dir(&folder).expect("made");
        let _ = unpack(Cursor::new(bytes), &folder, &LIMITS);
        let written: u64 = below(&folder)
            .iter()
            .filter_map(|name| folder.join(name).metadata().ok())
            .filter(std::fs::Metadata::is_file)
            .map(|it| it.len())
            .sum();
        assert!(written <= LIMITS.unpacked_bytes + 1, "round {round}");
        std::fs::remove_dir_all(&folder).expect("removed");
        assert_eq!(below(outer.path()), Vec::<String>::new(), "round {round}");
    }
}
