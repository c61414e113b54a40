//! `cargo xtask image`, as skopeo reads it for registries and Docker's archives. A real gateway is served out of its
//! unpacked image by the tests in `tests/e2e`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;
use tempfile::TempDir;

use crate::inspect::{gateway, rustc};
use crate::ran::{has_compiled, refused};
use crate::standin::{SDK_BY_PATH, StandIn};

/// Runs a program that has to succeed.
fn run(command: &mut Command) -> String {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command.output().unwrap_or_else(|error| panic!("{program}: {error}; run .ci/install-image-tools"));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{command:?}: {said}");
    String::from_utf8(output.stdout).expect("text")
}

fn skopeo(args: &[&str]) -> String {
    // Which signatures a machine asks for is not the question here.
    run(Command::new("skopeo").arg("--insecure-policy").args(args))
}

fn xtask(args: &[&str], binary: &Path, output: &Path) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
    command.arg("image").args(args).arg("--binary").arg(binary).arg("--output").arg(output);
    command.env_remove("SOURCE_DATE_EPOCH").output().expect("xtask runs")
}

/// An image of a program that looks like a gateway; path, and result line.
fn image(dir: &TempDir, name: &str) -> (PathBuf, String) {
    let output = dir.path().join(name);
    let written = xtask(&[], &gateway(dir), &output);
    assert!(written.status.success(), "{}", String::from_utf8_lossy(&written.stderr));
    (output, String::from_utf8(written.stdout).expect("text"))
}

#[test]
fn skopeo_reads_the_image_and_copies_it_into_other_forms() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let (path, line) = image(&dir, "image.tar");
    let path = path.display();
    let inspected: Value = serde_json::from_str(&skopeo(&["inspect", &format!("oci-archive:{path}")])).expect("JSON");
    let digest = inspected["Digest"].as_str().expect("a digest");
    assert!(line.contains(&format!("  {digest}  gateway:0.1.0  linux/")), "{line}");
    assert_eq!(inspected["Labels"]["gw.plugins"], "add-foo 0.1.0");
    assert_eq!(inspected["Labels"]["org.opencontainers.image.version"], "0.1.0");
    assert_eq!(inspected["Labels"]["org.opencontainers.image.revision"], "0a1b2c");
    let config = skopeo(&["inspect", "--config", &format!("oci-archive:{path}:0.1.0")]);
    let config: Value = serde_json::from_str(&config).expect("JSON");
    assert_eq!(config["config"]["User"], "65532:65532");
    assert_eq!(config["config"]["Entrypoint"][0], "/gateway");
    let docker = dir.path().join("docker.tar").display().to_string();
    skopeo(&["copy", &format!("oci-archive:{path}"), &format!("docker-archive:{docker}:gateway:0.1.0")]);
    let layers = |image: &str| {
        let config: Value = serde_json::from_str(&skopeo(&["inspect", "--config", image])).expect("JSON");
        config["rootfs"]["diff_ids"].clone()
    };
    assert_eq!(layers(&format!("docker-archive:{docker}")), config["rootfs"]["diff_ids"]);
    // Without a copy: what a `docker load` without OCI layouts reads, by its own name.
    assert_eq!(layers(&format!("docker-archive:{path}:gateway:0.1.0")), config["rootfs"]["diff_ids"]);
}

#[test]
fn two_images_of_one_binary_are_one_file() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let binary = gateway(&dir);
    let (one, other) = (dir.path().join("one.tar"), dir.path().join("elsewhere/other.tar"));
    let (first, second) = (xtask(&[], &binary, &one), xtask(&[], &binary, &other));
    assert!(first.status.success() && second.status.success());
    assert_eq!(fs::read(&one).expect("there"), fs::read(&other).expect("there"));
    let digest = |output: &Output| {
        let line = String::from_utf8_lossy(&output.stdout).into_owned();
        line.split("  ").nth(2).map(str::to_owned).expect("a digest")
    };
    assert_eq!(digest(&first), digest(&second));
    assert!(digest(&first).starts_with("sha256:"), "{}", digest(&first));
}

#[test]
fn a_binary_that_could_not_run_in_the_image_is_refused_and_the_previous_image_stays() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let output = dir.path().join("image.tar");
    fs::write(&output, "previous").expect("written");
    let dynamic = rustc(&dir, "dynamic", "fn main() {}\n", &[]);
    let text = dir.path().join("text");
    fs::write(&text, "hello\n").expect("written");
    for (args, binary, code, sentence) in [
        (&[][..], &dynamic, 1, "needs a loader and shared libraries, and the image has none\n  = build a static one"),
        (&[], &text, 1, "is no ELF executable: it is a text\n  = "),
        (&["--tag", "Upper"], &dynamic, 2, "`Upper` is no name of an image: `Upper` has upper-case letters"),
    ] {
        let refused = xtask(args, binary, &output);
        let said = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert_eq!(refused.status.code(), Some(code), "{said}");
        assert!(said.starts_with("error: ") && said.contains(sentence), "{said}");
        assert!(refused.stdout.is_empty());
        assert_eq!(fs::read_to_string(&output).expect("there"), "previous");
    }
}

#[test]
fn what_a_binary_has_settled_cannot_be_asked_for_again() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let (binary, output) = (gateway(&dir), dir.path().join("image.tar"));
    for args in [
        &["--apis", "apps"][..],
        &["--from-apis", "apps"],
        &["--plugins", "a"],
        &["--replace", "a=."],
        &["--profile", "fast"],
        &["--target", "x86_64-unknown-linux-musl"],
        &["--locked"],
        &["--offline"],
    ] {
        let refused = xtask(args, &binary, &output);
        let said = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert_eq!(refused.status.code(), Some(2), "{args:?}: {said}");
        assert!(said.contains("cannot be used with") && said.contains(args[0]), "{said}");
    }
    assert!(!output.exists());

    let manifest = dir.path().join("gw.toml");
    let text = "[plugins]\nnone = { path = \"nowhere\" }\n[image]\nname = \"team/mine\"\nport = 9000\n";
    fs::write(&manifest, text).expect("written");
    let written = xtask(&["--manifest", &manifest.display().to_string()], &binary, &output);
    let said = String::from_utf8_lossy(&written.stderr).into_owned();
    assert_eq!(written.status.code(), Some(0), "{said}");
    assert!(said.contains("docker run -p 9000:9000 "), "{said}");
    assert!(String::from_utf8_lossy(&written.stdout).contains("  team/mine:0.1.0  linux/"));
}

#[test]
fn an_output_that_cannot_be_is_told_before_anything_is_built() {
    let here = StandIn::new();
    here.plugin("plugins/a", "a", SDK_BY_PATH);
    here.write("file", "");
    let text = refused(&here, 1, &["image", "--plugins", "a", "--offline", "--output", "file/image.tar"]);
    assert_eq!(text.lines().next(), Some("error: cannot write to the folder `file`"), "{text}");
    assert!(!has_compiled(&here));
}

#[test]
fn without_a_binary_one_is_built_as_it_ships_and_put_in() {
    let here = StandIn::new();
    here.plugin("plugins/a", "a", SDK_BY_PATH);
    let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
    command.args(["image", "--plugins", "a", "--offline", "--tag", "mine:1"]).current_dir(here.path(""));
    let output = command.env("SOURCE_DATE_EPOCH", "1767225600").output().expect("xtask runs");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert!(said.contains("profile ship"), "{said}");
    assert!(
        said.contains("docker load -i dist/gateway.tar\n") && said.contains("skopeo copy oci-archive:dist/"),
        "{said}"
    );
    let line = String::from_utf8(output.stdout).expect("text");
    assert!(line.starts_with("dist/gateway.tar  ") && line.contains("  mine:1  linux/"), "{line}");
    assert_eq!(line.lines().count(), 1, "{line}");
    let image = format!("oci-archive:{}", here.path("dist/gateway.tar").display());
    let inspected: Value = serde_json::from_str(&skopeo(&["inspect", &image])).expect("JSON");
    assert_eq!(inspected["Labels"]["gw.plugins"], "a 0.1.0");
    assert_eq!(inspected["Created"], "2026-01-01T00:00:00Z");
    let left = here.entries("target/gw").into_iter().filter(|name| name.starts_with("image-")).count();
    assert_eq!(left, 0, "the binary on the way is gone");
}
