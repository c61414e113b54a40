//! Sections and linkage of real binaries.

use std::path::PathBuf;
use std::process::Command;

use tempfile::TempDir;
use xtask::gateway::prove::{Linkage, inspect};

use crate::standin::registration;

/// Compiles a program with rustc alone.
fn program(dir: &TempDir, source: &str, flags: &[&str]) -> PathBuf {
    let (file, binary) = (dir.path().join("main.rs"), dir.path().join("main"));
    std::fs::write(&file, source).expect("written");
    let status = Command::new("rustc")
        .args(["--edition", "2024", "-o"])
        .arg(&binary)
        .arg(&file)
        .args(flags)
        .env_remove("RUSTFLAGS")
        .status();
    assert!(status.expect("rustc runs").success());
    binary
}

#[test]
fn a_static_binary_tells_its_plugins_even_when_stripped() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let source = format!("{}fn main() {{}}\n", registration("add-foo"));
    let binary = program(&dir, &source, &["-C", "target-feature=+crt-static", "-C", "strip=symbols"]);
    let proof = inspect(&binary).expect("readable");
    if cfg!(target_os = "linux") {
        assert_eq!(proof.linkage, Linkage::Static);
    }
    assert_eq!(proof.records.len(), 1);
    let record = &proof.records[0];
    assert_eq!((record.package.as_str(), record.version.as_str()), ("add-foo", "0.1.0"));
    assert_eq!((record.name.as_str(), record.hooks.as_slice()), ("Name", &["post".to_owned()][..]));
    assert_eq!(proof.size, binary.metadata().expect("there").len());
}

#[test]
fn a_binary_with_a_loader_is_dynamic() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let proof = inspect(&program(&dir, "fn main() {}\n", &[])).expect("readable");
    assert_eq!(proof.linkage, Linkage::Dynamic);
    assert!(proof.records.is_empty());
}

#[test]
fn a_file_that_is_no_binary_is_said_to_be_none() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let file = dir.path().join("gateway");
    std::fs::write(&file, "#!/bin/sh\n").expect("written");
    let error = inspect(&file).expect_err("refused").to_string();
    assert!(error.contains("is not an ELF file, so its plugins cannot be checked\n  = build for a Linux"), "{error}");
}
