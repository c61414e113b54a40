//! Plugins from everywhere: folders, git repositories and registries.

use std::fs;

use crate::sources::checkout::{Checkout, PUBLISHED_SDK, registered, write, write_plugin};

pub(crate) mod checkout;

#[test]
fn plugins_from_everywhere_are_linked_into_one_gateway() {
    let here = Checkout::new();
    here.bundled("a-bundled");
    let by_path = here.plugin("elsewhere", "b-path", "0.2.0");
    let git = |name: &str| here.git_plugin(name);
    let (tag, branch, long) = (git("c-tag"), git("d-branch"), git("e-long"));
    let (short, said, head) = (git("f-short"), git("g-said"), git("h-head"));
    let several = here.git("git/several");
    for name in ["i-one", "i-two"] {
        write_plugin(&several.dir.join(name), name, "0.4.0", PUBLISHED_SDK);
    }
    several.commit();
    for version in ["1.2.0", "1.3.0", "2.0.0"] {
        here.published("j-published", version);
    }
    let items = [
        "a-bundled".to_owned(),
        by_path.display().to_string(),
        format!("git+{}#v1", tag.url()),
        format!("git+{}#side", branch.url()),
        format!("git+{}#{}", long.url(), long.run(&["rev-parse", "v1"])),
        format!("git+{}#{}", short.url(), short.run(&["rev-parse", "--short=8", "side"])),
        format!("git+{}#tag=v1", said.url()),
        format!("git+{}", head.url()),
        format!("i-two=git+{}", several.url()),
        "j-published@1.2".to_owned(),
    ];
    let linked = here.built(&["--plugins", &items.join(",")]);
    assert_eq!(
        linked,
        "a-bundled 0.1.0, b-path 0.2.0, c-tag 1.0.0, d-branch 2.0.0, e-long 1.0.0, f-short 2.0.0, g-said 1.0.0, \
         h-head 3.0.0, i-two 0.4.0, j-published 1.3.0"
    );
    // Each of them has left its record: they are in the binary, and not only in Cargo.toml.
    assert_eq!(registered(&here.path("dist/gateway")).len(), items.len());
}

#[test]
fn a_build_begins_in_any_folder_and_paths_are_relative_to_that() {
    let here = Checkout::new();
    here.bundled("a");
    let deep = here.path("gateway-runtime/src");
    let said = here.xtask_in(&deep, &["build", "--plugins", "../../plugins/a"]).succeeded();
    assert!(said.stdout.starts_with("$ROOT/dist/gateway  "), "{}", said.stdout);
    assert_eq!(registered(&here.path("dist/gateway")), ["a::Name"]);
}

#[test]
fn a_plugin_whose_sdk_is_in_another_repository_gets_ours() {
    let here = Checkout::new();
    let gateway = here.git("git/gateway");
    // Its SDK would not even compile.
    write_sdk(&gateway.dir.join("sdk"), "0.1.0", "compile_error!(\"not ours\");");
    gateway.commit();
    let plugin = here.git("git/plugin");
    write_plugin(&plugin.dir, "mine", "0.1.0", &format!("gateway-sdk = {{ git = \"{}\" }}", gateway.url()));
    plugin.commit();
    let item = format!("git+{}", plugin.url());
    let said = here.xtask(&["build", "--plugins", &item]).succeeded();
    assert!(!said.stderr.contains("warning"), "{}", said.stderr);
    assert_eq!(registered(&here.path("dist/gateway")), ["mine::Name"]);

    // That is found out again without the repositories.
    for git in [gateway, plugin] {
        fs::rename(&git.dir, git.dir.with_extension("gone")).expect("moved away");
    }
    assert_eq!(here.built(&["--offline", "--plugins", &item]), "mine 0.1.0");
}

#[test]
fn a_plugin_that_brings_another_sdk_by_path_in_its_repository_is_refused() {
    let here = Checkout::new();
    let git = here.git("git/mine");
    write_sdk(&git.dir.join("sdk"), "0.0.9", "");
    write_plugin(&git.dir, "mine", "0.1.0", "gateway-sdk = { path = \"sdk\", version = \"0.0.9\" }");
    git.commit();
    let message = here.xtask(&["build", "--plugins", &format!("mine=git+{}", git.url())]).refused(xtask::FAILED);
    let ours = "a gateway holds one gateway-sdk, and these would be two:\n  the gateway has gateway-sdk 0.1.0 \
                ($ROOT/gateway-runtime/sdk)\n";
    assert!(message.starts_with(ours), "{message}");
    assert!(message.contains("mine"), "{message}");
    assert!(!here.path("dist/gateway").exists());
}

#[test]
fn a_repository_with_several_plugins_asks_for_a_name() {
    let here = Checkout::new();
    let git = here.git("git/several");
    for name in ["one", "two"] {
        write_plugin(&git.dir.join(name), name, "0.1.0", PUBLISHED_SDK);
    }
    write(&git.dir.join("tool/Cargo.toml"), "[package]\nname = \"tool\"\nversion = \"0.1.0\"\n");
    git.commit();
    let message = here.xtask(&["build", "--plugins", &format!("git+{}", git.url())]).refused(xtask::FAILED);
    let url = "git+file://$AWAY/git/several";
    assert_eq!(
        message,
        format!("plugin `{url}`: the repository has several plugins: one, two\n  = say which: `one={url}`")
    );
}

#[test]
fn a_reference_that_does_not_exist_names_the_nearest() {
    let here = Checkout::new();
    let git = here.git_plugin("mine");
    write(&here.path("dist/gateway"), "previous");
    for (reference, nearest) in [("v2", "v1"), ("tag=side", "side"), ("branch=sid", "side")] {
        let item = format!("git+{}#{reference}", git.url());
        let message = here.xtask(&["build", "--plugins", &item]).refused(xtask::FAILED);
        let wanted = reference.rsplit('=').next().unwrap_or(reference);
        let known = format!("` has no tag, branch or revision `{wanted}`");
        assert!(message.starts_with(&format!("plugin `git+file://$AWAY/git/mine#{reference}")), "{message}");
        assert!(message.contains(known.trim_start_matches('`')) && message.contains(nearest), "{message}");
    }
    assert_eq!(fs::read_to_string(here.path("dist/gateway")).expect("there"), "previous");
}

#[test]
fn a_revision_that_does_not_exist_is_told_in_terms_of_the_plugin() {
    let here = Checkout::new();
    let git = here.git_plugin("mine");
    for name in ["", "mine="] {
        let item = format!("{name}git+{}#rev=0123456789abcdef0123456789abcdef01234567", git.url());
        let message = here.xtask(&["build", "--plugins", &item]).refused(xtask::FAILED);
        assert!(message.contains("plugin `") && message.contains("0123456789abcdef"), "{message}");
    }
}

#[test]
fn a_repository_without_a_plugin_says_so() {
    let here = Checkout::new();
    let git = here.git("git/empty");
    write(&git.dir.join("Cargo.toml"), "[package]\nname = \"tool\"\nversion = \"0.1.0\"\n");
    git.commit();
    let message = here.xtask(&["build", "--plugins", &format!("git+{}", git.url())]).refused(xtask::FAILED);
    assert!(message.contains("no crate in the repository depends on gateway-sdk"), "{message}");
}

#[test]
fn an_address_keeps_its_password_to_itself() {
    let here = Checkout::new();
    let said = here.xtask(&["build", "--plugins", "git+https://me:hunter2@localhost:1/x#v1"]);
    assert!(!format!("{said:?}").contains("hunter2"), "{said:?}");
    let message = said.refused(xtask::FAILED);
    assert!(
        message.starts_with("plugin `git+https://***@localhost:1/x#v1`: the repository cannot be read"),
        "{message}"
    );
}

#[test]
fn what_git_has_told_needs_not_be_asked_again() {
    let here = Checkout::new();
    let git = here.git_plugin("mine");
    let item = format!("git+{}#v1", git.url());
    let message = here.xtask(&["build", "--offline", "--plugins", &item]).refused(xtask::FAILED);
    assert!(message.contains("is not known yet\n  = build once without --offline"), "{message}");
    here.built(&["--plugins", &item]);
    fs::rename(&git.dir, here.away("gone")).expect("moved");
    assert_eq!(here.built(&["--offline", "--plugins", &item]), "mine 1.0.0");
}

/// Another checkout's SDK.
fn write_sdk(dir: &std::path::Path, version: &str, code: &str) {
    let package = format!("[package]\nname = \"gateway-sdk\"\nversion = \"{version}\"\nedition = \"2024\"\n");
    write(&dir.join("Cargo.toml"), &format!("{package}links = \"gw_sdk\"\n"));
    write(&dir.join("build.rs"), "fn main() {}");
    write(&dir.join("src/lib.rs"), code);
}
