//! What cargo would take for fresh, and what would be linked unasked: a gateway is made of what is there now, and of that
//! alone.

use std::fs::{self, FileTimes};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, SystemTime};

use crate::ran::{refused, xtask};
use crate::standin::{SDK_BY_PATH, StandIn, registration};

/// What the gateway at `path` says of itself.
fn about(here: &StandIn, path: &str) -> serde_json::Value {
    let said = Command::new(here.path(path)).output().expect("it runs").stdout;
    let said = String::from_utf8(said).expect("text");
    let (_, about) = said.split_once('\n').expect("two lines");
    serde_json::from_str(about).expect("JSON")
}

/// Gives a file other content, as a backup that is moved back would: it is older than all that was compiled.
fn put_back(file: &Path, content: &str) {
    fs::write(file, content).expect("written");
    let old = SystemTime::now() - Duration::from_secs(86_400);
    let file = fs::File::options().write(true).open(file).expect("there");
    file.set_times(FileTimes::new().set_modified(old)).expect("aged");
}

#[test]
fn a_file_that_is_put_back_is_compiled_although_it_is_older() {
    let here = StandIn::new();
    let dir = here.plugin("plugins/a", "a", SDK_BY_PATH);
    xtask(&here, &["build", "--plugins", "a", "--offline"]).succeeded();
    let before = about(&here, "dist/gateway")["plugins"][0]["checksum"].clone();
    let marked = format!("{}#[used]\nstatic MARK: [u8; 12] = *b\"the-old-file\";\n", registration("a"));
    put_back(&dir.join("src/lib.rs"), &marked);
    xtask(&here, &["build", "--plugins", "a", "--offline"]).succeeded();
    assert_ne!(about(&here, "dist/gateway")["plugins"][0]["checksum"], before);
    let binary = fs::read(here.path("dist/gateway")).expect("there");
    assert!(binary.windows(12).any(|window| window == b"the-old-file"), "the checksum is that of what is linked");
}

/// The generated crates of two manifests are one crate to cargo, if they have the same plugins.
#[test]
fn gateways_with_the_same_plugins_are_told_apart() {
    let here = StandIn::new();
    for name in ["one", "two"] {
        here.plugin(&format!("plugins/{name}"), "a", SDK_BY_PATH);
        here.write(&format!("{name}/gw.toml"), &format!("[plugins]\na = {{ path = \"../plugins/{name}\" }}\n"));
    }
    // cargo cannot have two members of one name.
    here.write("Cargo.toml", &fs::read_to_string(here.path("Cargo.toml")).expect("there").replace("\"plugins/*\"", ""));
    for name in ["one", "two", "one"] {
        let dir = here.path(&format!("plugins/{name}"));
        let manifest = fs::read_to_string(dir.join("Cargo.toml")).expect("there");
        if !manifest.contains("[workspace]") {
            fs::write(dir.join("Cargo.toml"), format!("{manifest}[workspace]\n")).expect("written");
        }
        xtask(&here, &["build", "--manifest", &format!("{name}/gw.toml"), "--offline"]).succeeded();
        let about = about(&here, &format!("{name}/dist/gateway"));
        assert_eq!(about["plugins"][0]["source"], format!("path+plugins/{name}"));
    }
}

#[test]
fn a_licence_that_a_neighbour_changes_is_seen() {
    let here = StandIn::new();
    here.package("plugins/lib", "lib", "0.1.0", "license = \"MIT\"", "");
    here.plugin("plugins/a", "a", &format!("{SDK_BY_PATH}\nlib = {{ path = \"../lib\" }}"));
    here.write("gw.toml", "[plugins]\na = { bundled = true }\n[licenses]\ndeny = [\"AGPL-3.0-only\"]\n");
    let build = ["build", "--manifest", "gw.toml", "--offline"];
    xtask(&here, &build).succeeded();
    here.package("plugins/lib", "lib", "0.1.0", "license = \"AGPL-3.0-only\"", "");
    let text = refused(&here, xtask::FAILED, &build);
    assert!(text.contains("AGPL-3.0-only") && text.contains("lib 0.1.0"), "{text}");
}

/// What somebody has configured for their own work.
#[test]
fn flags_and_profiles_of_the_users_configuration_do_not_change_a_gateway() {
    let here = StandIn::new();
    here.plugin("plugins/a", "a", SDK_BY_PATH);
    let build = ["build", "--plugins", "a", "--offline"];
    xtask(&here, &build).succeeded();
    let before = fs::read(here.path("dist/gateway")).expect("there");
    here.write(
        "target/gw/.cargo/config.toml",
        "[target.x86_64-unknown-linux-gnu]\nrustflags = [\"-Cdebuginfo=2\"]\n[profile.fast]\nopt-level = 3\n",
    );
    xtask(&here, &build).succeeded();
    assert!(fs::read(here.path("dist/gateway")).expect("there") == before, "the same bytes");
}

#[test]
fn a_plugin_that_another_one_brings_along_is_refused() {
    let here = StandIn::new();
    here.plugin("plugins/quiet", "quiet", SDK_BY_PATH);
    let dir = here.plugin("plugins/a", "a", &format!("{SDK_BY_PATH}\nquiet = {{ path = \"../quiet\" }}"));
    fs::write(dir.join("src/lib.rs"), format!("use quiet as _;\n{}", registration("a"))).expect("written");
    let text = refused(&here, xtask::FAILED, &["build", "--plugins", "a", "--offline"]);
    assert!(text.starts_with("error: crate `quiet` registers `Name`, and was not asked for\n"), "{text}");
    xtask(&here, &["build", "--plugins", "a,quiet", "--offline"]).succeeded();
}

#[test]
fn a_patch_of_a_plugin_is_said_to_be_without_effect() {
    let here = StandIn::new();
    let patch = "[patch.crates-io]\nx = { path = \"../x\" }\n[workspace]";
    here.plugin("other/a", "a", &format!("gateway-sdk = {{ path = \"../../gateway-runtime/sdk\" }}\n{patch}"));
    here.package("other/x", "x", "0.1.0", "[workspace]", "");
    let ran = xtask(&here, &["build", "--plugins", "./other/a", "--offline"]).succeeded();
    assert!(ran.warnings().iter().any(|warning| warning.starts_with("[patch] of `a` has no effect")), "{ran:?}");
}
