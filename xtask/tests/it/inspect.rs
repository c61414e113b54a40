//! `cargo xtask inspect`, on programs that rustc made.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use flate2::Compression;
use flate2::write::ZlibEncoder;
use serde_json::Value;
use tempfile::TempDir;
use xtask::repository::Repository;
use xtask::toolchain::Toolchain;

use crate::standin::registration;

pub(crate) const BUILD: &str = r#"{"version":"0.1.0","commit":"0a1b2c","rustc":"rustc 1.95.0","target":"here","profile":"ship","lock":"sha256:00","plugins":[{"name":"add-foo","version":"0.1.0","source":"path","checksum":"sha256:11","license":"MIT"}]}"#;
const SBOM: &str = "{\n  \"bomFormat\": \"CycloneDX\"\n}\n";
/// A static program with the sections that the builder writes: what a gateway looks like from outside.
pub(crate) fn gateway(dir: &TempDir) -> PathBuf {
    let mut audit = ZlibEncoder::new(Vec::new(), Compression::fast());
    audit.write_all(br#"{"packages":[{"name":"a"},{"name":"b"}]}"#).expect("in memory");
    let audit = audit.finish().expect("in memory");
    let mut source = registration("add-foo") + "fn main() {}\n";
    let sections =
        [("BUILD", ".gw_build", BUILD.as_bytes()), ("SBOM", ".gw_sbom", SBOM.as_bytes()), ("AUDIT", ".dep-v0", &audit)];
    for (name, section, data) in sections {
        fs::write(dir.path().join(name), data).expect("written");
        source += &format!(
            "#[used]\n#[unsafe(link_section = \"{section}\")]\n\
             static {name}: [u8; {}] = *include_bytes!(\"{name}\");\n",
            data.len()
        );
    }
    let host = Toolchain::ask(Repository::of_xtask().root()).expect("rustc runs").host;
    rustc(dir, "gateway", &source, &["-C", "target-feature=+crt-static", "-C", "strip=symbols", "--target", &host])
}

/// Compiles a program with rustc alone.
pub(crate) fn rustc(dir: &TempDir, name: &str, source: &str, flags: &[&str]) -> PathBuf {
    let (file, binary) = (dir.path().join("main.rs"), dir.path().join(name));
    fs::write(&file, source).expect("written");
    let mut command = Command::new("rustc");
    command.args(["--edition", "2024", "-o"]).arg(&binary).arg(&file).args(flags).env_remove("RUSTFLAGS");
    assert!(command.status().expect("rustc runs").success());
    binary
}

fn inspect(file: &Path, flags: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_xtask")).arg("inspect").arg(file).args(flags).output().expect("xtask runs")
}

fn stdout(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout.clone()).expect("text")
}

#[test]
fn a_gateway_tells_what_it_was_built_from() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let gateway = gateway(&dir);
    let said = stdout(&inspect(&gateway, &[]));
    let first = said.lines().next().unwrap_or_default();
    assert!(first.starts_with("file      ") && first.ends_with(" MiB  static"), "{said}");
    let rest = "version   0.1.0\ncommit    0a1b2c\nrustc     rustc 1.95.0\ntarget    here\nprofile   ship\n\
                lock      sha256:00\npackages  2, by section .dep-v0\nsbom      31 bytes; print it with --sbom\n\
                plugins   1\n  add-foo 0.1.0  path  sha256:11  MIT  Name (post)\n";
    assert!(said.ends_with(rest), "{said}");
    assert_eq!(stdout(&inspect(&gateway, &["--sbom"])), SBOM);
    let json = stdout(&inspect(&gateway, &["--json"]));
    assert_eq!(json.lines().count(), 1, "{json}");
    let json: Value = serde_json::from_str(&json).expect("JSON");
    assert_eq!(json["build"], serde_json::from_str::<Value>(BUILD).expect("JSON"));
    assert_eq!(json["plugins"][0]["functions"][0]["name"], "Name");
}

#[test]
fn what_is_no_gateway_is_exit_code_1_and_a_sentence() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let write = |name: &str, data: &[u8]| {
        let path = dir.path().join(name);
        fs::write(&path, data).expect("written");
        path
    };
    // Not random, so that a failure comes again; no byte of it is what another one makes likely.
    let noise: Vec<u8> = (0_u32..4096).map(|n| (n.wrapping_mul(2_654_435_761) >> 13).to_le_bytes()[0]).collect();
    let noisy_elf = [b"\x7fELF\x02\x01\x01\0".as_slice(), &noise].concat();
    for (file, sentence) in [
        (write("empty", b""), "is no ELF executable: it is empty"),
        (write("text", b"hello\n"), "is no ELF executable: it is a text"),
        (write("noise", &noise), "is no ELF executable: it is something else"),
        (write("noisy", &noisy_elf), "is a damaged ELF file"),
        (write("mac", b"\xcf\xfa\xed\xfe\x07\0\0\x01"), "is no ELF executable: it is a program for macOS (Mach-O)"),
        (write("windows", b"MZ\x90\0"), "is no ELF executable: it is a program for Windows (PE)"),
        (dir.path().to_owned(), "is a folder"),
        (
            dir.path().join("absent"),
            "absent`\n  = name the file of a gateway, such as dist/gateway; `cargo xtask build` makes one",
        ),
        (
            PathBuf::from("/bin/sh"),
            "is no gateway that `cargo xtask build` built: it has neither section .gw_build nor",
        ),
    ] {
        for flags in [&[][..], &["--sbom"], &["--json"]] {
            let output = inspect(&file, flags);
            let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
            let (result, said) = (text(&output.stdout), text(&output.stderr));
            assert_eq!(output.status.code(), Some(1), "{said}");
            if flags.contains(&"--json") {
                let event: Value = serde_json::from_str(&result).expect("one event");
                assert_eq!((&event["event"], &event["exit_code"]), (&"error".into(), &1.into()), "{event}");
                assert!(event["text"].as_str().is_some_and(|text| text.contains(sentence)), "{event}");
                assert!(said.is_empty(), "{said}");
            } else {
                assert!(result.is_empty(), "{result}");
                assert!(said.starts_with("error: ") && said.contains(sentence), "{said}");
            }
        }
    }
}

#[test]
fn a_gateway_that_was_cut_off_is_refused_without_a_panic() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let whole = fs::read(gateway(&dir)).expect("there");
    let cut = dir.path().join("cut");
    for sixteenth in 0..16 {
        fs::write(&cut, &whole[..whole.len() * sixteenth / 16]).expect("written");
        let output = inspect(&cut, &[]);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{sixteenth}/16: {said}");
        assert!(said.contains("is a damaged ELF file") || sixteenth == 0, "{said}");
    }
}

#[test]
fn a_gateway_without_an_sbom_says_so() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let source = registration("add-foo") + "fn main() {}\n";
    let binary = rustc(&dir, "gateway", &source, &[]);
    let output = inspect(&binary, &["--sbom"]);
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("holds no SBOM (section .gw_sbom)\n  = build it again"), "{said}");
    let said = stdout(&inspect(&binary, &[]));
    assert!(said.contains("\nbuild     unknown: no section .gw_build"), "{said}");
    assert!(said.contains("\n  add-foo 0.1.0  source unknown  no checksum  Name (post)\n"), "{said}");
}
