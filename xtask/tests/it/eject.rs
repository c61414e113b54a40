//! `cargo xtask eject`: a project that needs no builder any more.

use std::fs;

use xtask::toolchain::Toolchain;

use crate::sources::checkout::{Checkout, registered, says, write};

/// All files below a folder of the checkout, sorted.
fn files(here: &Checkout, folder: &str) -> Vec<String> {
    let mut found = Vec::new();
    for name in here.world.here.entries(folder) {
        let path = format!("{folder}/{name}");
        if here.path(&path).is_dir() { found.extend(files(here, &path)) } else { found.push(path) }
    }
    found
}

#[test]
fn an_ejected_gateway_is_built_by_cargo_alone() {
    let here = Checkout::new();
    let git = here.git_plugin("moving");
    here.published("published", "1.2.0");
    here.bundled("a");
    let mine = here.plugin("mine", "mine", "0.1.0").display().to_string();
    let plugins = format!("a,{mine},git+{}#v1,published@1", git.url());
    let host = Toolchain::ask(&here.path("")).expect("rustc").host;
    // The name of a package has its place in the lock file: before the others, among them, and after them.
    for folder in ["own", "aaa", "zzz"] {
        let said = here.xtask(&["eject", folder, "--plugins", &plugins, "--target", &host]).succeeded();
        let command = format!("cargo build --locked --profile fast --target {host}");
        assert_eq!(said.stdout, format!("{folder} is a project of its own; build it there with\n  {command}\n"));
        let wanted = [".cargo/config.toml", ".gitignore", "Cargo.lock", "Cargo.toml", "src/about.rs", "src/main.rs"];
        let expected: Vec<String> =
            wanted.iter().chain(&["src/plugins.rs"]).map(|file| format!("{folder}/{file}")).collect();
        assert_eq!(files(&here, folder), expected);

        let args = ["build", "--locked", "--offline", "--profile", "fast", "--target", &host];
        here.cargo_in(&here.path(folder), &args).succeeded();
        let binary = here.path(&format!("{folder}/target/{host}/fast/{folder}"));
        assert_eq!(registered(&binary), ["a::Name", "mine::Name", "moving::Name", "published::Name"]);
        assert!(
            says(&binary)
                .starts_with(r#"[("a", "0.1.0"), ("mine", "0.1.0"), ("moving", "1.0.0"), ("published", "1.2.0")]"#)
        );
    }
}

#[test]
fn a_folder_with_something_in_it_is_left_alone() {
    let here = Checkout::new();
    here.bundled("a");
    write(&here.path("own/notes.txt"), "mine");
    let message = here.xtask(&["eject", "own", "--plugins", "a"]).refused(xtask::USAGE);
    assert_eq!(message, "`own` exists, and is not empty\n  = name another folder, or empty it first");
    assert_eq!(files(&here, "own"), ["own/notes.txt"]);
}

#[test]
fn an_empty_folder_will_do() {
    let here = Checkout::new();
    here.bundled("a");
    fs::create_dir(here.path("own")).expect("made");
    here.xtask(&["eject", "own", "--plugins", "a"]).succeeded();
    assert!(here.path("own/Cargo.lock").is_file());
}

#[test]
fn nothing_is_left_behind_when_it_fails() {
    let here = Checkout::new();
    here.bundled("a");
    here.xtask(&["eject", "own", "--plugins", "b"]).refused(xtask::USAGE);
    assert!(!here.path("own").exists());

    // After the first files are written: the template is broken in the middle.
    here.built(&["--plugins", "a"]);
    write(&here.path("gateway-template/gateway/src/about.rs"), "{{nmae}}");
    let message = here.xtask(&["eject", "own", "--plugins", "a"]).refused(xtask::FAILED);
    assert!(message.contains("unknown placeholder `nmae`"), "{message}");
    assert!(!here.path("own").exists());

    fs::create_dir(here.path("own")).expect("made");
    here.xtask(&["eject", "own", "--plugins", "a"]).refused(xtask::FAILED);
    assert_eq!(here.world.here.entries("own"), Vec::<String>::new(), "an empty folder is empty again");
}

#[test]
fn a_project_may_lie_in_a_folder_that_is_named_like_a_plugin() {
    let here = Checkout::new();
    here.bundled("a");
    let host = Toolchain::ask(&here.path("")).expect("rustc").host;
    let said = here.xtask(&["eject", "own/a", "--plugins", "a", "--target", &host]).succeeded();
    assert!(said.stderr.contains("package `gateway-a`"), "{}", said.stderr);
    let args = ["build", "--locked", "--offline", "--profile", "fast", "--target", &host];
    here.cargo_in(&here.path("own/a"), &args).succeeded();
    assert_eq!(registered(&here.path(&format!("own/a/target/{host}/fast/gateway-a"))), ["a::Name"]);
}

#[test]
fn a_file_is_no_folder_for_a_project() {
    let here = Checkout::new();
    here.bundled("a");
    write(&here.path("gw.toml"), "[plugins]\na = { bundled = true }\n");
    for dir in ["gw.toml", "gw.toml/own"] {
        let message = here.xtask(&["eject", dir, "--plugins", "a"]).refused(xtask::USAGE);
        assert_eq!(message, "`gw.toml` is a file\n  = name a folder, which must not exist, or be empty");
    }
    assert!(!here.path("target/gw").exists(), "it is judged first");
}

#[test]
fn a_project_that_cargo_does_not_accept_is_removed_again() {
    let here = Checkout::new();
    here.bundled("a");
    let template = here.path("gateway-template/gateway/Cargo.toml");
    let text = fs::read_to_string(&template).expect("there");
    // Right for the generated crate alone, which is called so.
    write(&template, &text.replace("publish = false", "publish = false\ndefault-run = \"gateway\""));
    let message = here.xtask(&["eject", "own", "--plugins", "a"]).refused(xtask::FAILED);
    assert!(message.starts_with("cargo does not accept the project, so it is removed again; it says:\n"), "{message}");
    assert!(message.contains("default-run target `gateway` not found"), "{message}");
    assert!(!here.path("own").exists());
}
