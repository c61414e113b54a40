//! Reports of files that are as small as they can be, and of files that are meant to harm.

use std::fs;
use std::io::Write;

use flate2::Compression;
use flate2::write::ZlibEncoder;
use tempfile::{NamedTempFile, TempDir};

use super::*;
use crate::elf::sample::{self, Shape};

const BUILD: &[u8] = br#"{"version":"0.1.0","commit":"abc","rustc":"rustc 1.95.0","target":"x86_64-unknown-linux-musl",
    "profile":"ship","lock":"sha256:1234","later":true,"plugins":[
    {"name":"add-foo","version":"0.2.0","source":"path+plugins/add-foo","checksum":"sha256:5678","license":"MIT"},
    {"name":"lost","version":"1.0.0","source":"registry"}]}"#;
const RECORDS: &[u8] = br#"{"crate":"add-foo","version":"0.2.0","name":"AddFoo","hooks":["pre","post"]}
{"crate":"add-foo","version":"0.2.0","name":"Other","hooks":["response"]}
{"crate":"stranger","version":"3.0.0","name":"Stray","hooks":["post"]}
"#;
const SBOM: &[u8] = b"{\"bomFormat\":\"CycloneDX\",  \"specVersion\":\"1.5\"}\n";

fn zlib(text: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(text).expect("in memory");
    encoder.finish().expect("in memory")
}

fn audit() -> Vec<u8> {
    zlib(br#"{"packages":[{"name":"a"},{"name":"b"},{"name":"c"}]}"#)
}

/// A gateway with all sections, which are padded.
fn gateway(shape: Shape) -> Vec<u8> {
    let padded = |data: &[u8]| [data, &[0; 5]].concat();
    let (build, sbom, audit, records) = (padded(BUILD), padded(SBOM), padded(&audit()), padded(RECORDS));
    let sections: [(&str, &[u8]); 4] =
        [(BUILD_SECTION, &build), (SBOM_SECTION, &sbom), (AUDIT_SECTION, &audit), (prove::SECTION, &records)];
    sample::elf(shape, &sections)
}

fn file(data: &[u8]) -> NamedTempFile {
    let file = NamedTempFile::new().expect("a temporary file");
    fs::write(file.path(), data).expect("written");
    file
}

fn read(data: &[u8]) -> Result<Facts, InspectError> {
    let file = file(data);
    facts(&Elf::read(file.path())?)
}

/// The error and its cause, for a gateway with one section.
fn refused(section: &str, data: &[u8]) -> String {
    let elf = sample::elf(Shape::default(), &[(section, data)]);
    crate::report::chain(&read(&elf).expect_err("refused"))
}

#[test]
fn a_gateway_of_any_class_and_byte_order_tells_what_it_was_built_from() {
    for (wide, little) in [(true, true), (true, false), (false, true), (false, false)] {
        let facts = read(&gateway(Shape { wide, little, ..Shape::default() })).expect("a gateway");
        let said = facts.to_string();
        let said: Vec<&str> = said.lines().collect();
        let machine = if wide && little { "amd64" } else { "unknown" };
        assert!(said[0].starts_with("file      /") && said[0].ends_with("  0.0 MiB  static"), "{}", said[0]);
        assert_eq!(said[1], format!("machine   {machine}"));
        assert_eq!(
            said[2..],
            [
                "version   0.1.0",
                "commit    abc",
                "rustc     rustc 1.95.0",
                "target    x86_64-unknown-linux-musl",
                "profile   ship",
                "lock      sha256:1234",
                "packages  3, by section .dep-v0",
                "sbom      48 bytes; print it with --sbom",
                "plugins   3",
                "  add-foo 0.2.0  path+plugins/add-foo  sha256:5678  MIT  AddFoo (pre, post), Other (response)",
                "  lost 1.0.0  registry  no checksum  registers nothing",
                "  stranger 3.0.0  source unknown  no checksum  Stray (post)",
            ]
        );
        assert_eq!(facts.plugin_list(), "add-foo 0.2.0, lost 1.0.0, stranger 3.0.0");
    }
}

#[test]
fn sections_that_are_missing_are_said_to_be() {
    let said = read(&sample::elf(Shape::default(), &[(prove::SECTION, RECORDS)])).expect("readable").to_string();
    let said: Vec<&str> = said.lines().collect();
    assert_eq!(
        said[2..6],
        [
            "build     unknown: no section .gw_build, so not built by `cargo xtask build`",
            "packages  unknown: no section .dep-v0",
            "sbom      none: no section .gw_sbom",
            "plugins   2",
        ]
    );
}

#[test]
fn what_an_older_builder_did_not_write_is_unknown() {
    let facts = read(&sample::elf(Shape::default(), &[(BUILD_SECTION, br#"{"version":"0.1.0"}"#)])).expect("readable");
    let said = facts.to_string();
    assert!(said.contains("\nversion   0.1.0\ncommit    unknown\n"), "{said}");
}

#[test]
fn facts_are_json_too() {
    let facts = read(&gateway(Shape::default())).expect("a gateway");
    let json = serde_json::to_value(&facts).expect("JSON");
    assert_eq!(json["build"]["target"], "x86_64-unknown-linux-musl");
    assert_eq!(json["plugins"][0]["name"], "add-foo");
    assert_eq!(json["plugins"][0]["functions"][0]["hooks"][1], "post");
    assert_eq!(
        (&json["packages"], &json["linkage"], &json["architecture"]),
        (&3.into(), &"static".into(), &"amd64".into())
    );
}

#[test]
fn a_section_that_cannot_be_understood_is_named_with_the_reason() {
    // Without its end, so that whoever reads on until the end complains of something else.
    let bomb = zlib(&vec![b' '; usize::try_from(LARGEST_AUDIT).expect("small") * 2]);
    let bomb = &bomb[..bomb.len() - 10];
    for (section, data, reason) in [
        (BUILD_SECTION, b"{\"version\":".as_slice(), "it is not the JSON that it should be"),
        (BUILD_SECTION, b"[]x", "it is not the JSON that it should be"),
        (SBOM_SECTION, b"{", "it is not the JSON that it should be"),
        (SBOM_SECTION, b"\"\xff\"", "it is no text"),
        (AUDIT_SECTION, b"not zlib", "it is not compressed with zlib"),
        (AUDIT_SECTION, &audit()[..20], "it is not compressed with zlib"),
        (AUDIT_SECTION, &zlib(b"{}"), "it is not the JSON that it should be"),
        (AUDIT_SECTION, bomb, "decompressed it is larger than 16 MiB"),
    ] {
        let error = refused(section, data);
        assert!(error.starts_with(&format!("section {section} of `/")), "{error}");
        assert!(error.contains(&format!("\n  caused by: {reason}")), "{section}: {error}");
    }
}

#[test]
fn a_name_cannot_move_the_cursor() {
    let build = br#"{"version":"\u001b[2J\n0","plugins":[{"name":"a\r\u0007","version":"1"}]}"#;
    let said = read(&sample::elf(Shape::default(), &[(BUILD_SECTION, build)])).expect("readable").to_string();
    assert!(said.contains("\nversion   \\u{1b}[2J\\u{a}0\n"), "{said}");
    assert!(said.contains("\n  a\\u{d}\\u{7} 1  "), "{said}");
}

#[test]
fn a_file_that_was_cut_off_anywhere_is_refused() {
    let whole = gateway(Shape::default());
    for sixteenth in 0..16 {
        let cut = &whole[..whole.len() * sixteenth / 16];
        read(cut).expect_err("cut off");
    }
}

/// No assertion but this: none of them panics, and none takes long.
#[test]
fn a_file_with_any_byte_changed_is_read_or_refused() {
    let whole = gateway(Shape::default());
    let dir = TempDir::new().expect("a temporary folder");
    let path = dir.path().join("gateway");
    let mut refused = 0;
    for position in 0..whole.len() {
        let mut changed = whole.clone();
        changed[position] ^= 0xff;
        fs::write(&path, &changed).expect("written");
        let outcome = Elf::read(&path).map_err(InspectError::from).and_then(|elf| facts(&elf));
        refused += usize::from(outcome.map(|facts| facts.to_string()).is_err());
    }
    assert!(refused > 100, "most of them should be refused: {refused} of {}", whole.len());
}
