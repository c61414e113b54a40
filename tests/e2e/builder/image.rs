//! The image of a gateway, as tools read it that others wrote: skopeo for registries, umoci for runtimes, and the kernel.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use gateway_tests::gateway::{Process, SECRET};
use gateway_tests::root::{inside, may_change_root};
use gateway_tests::{Client, Upstream, api, binary, get};
use rustix::process::Signal;
use serde_json::{Value, json};
use xtask::cli::{ImageArgs, Selection};
use xtask::image::{ImageSettings, Written, image};
use xtask::report::Report;
use xtask::repository::Repository;

use super::scene;

/// Whom the image runs its gateway as.
const USER: &str = "65532:65532";

fn written(output: PathBuf) -> Written {
    let (binary, output) = (Some(binary::examples().to_owned()), Some(output));
    let args = ImageArgs { selection: Selection::default(), binary, output, tag: Some("gateway:mine".to_owned()) };
    let written = image(&Repository::of_xtask(), &args, &ImageSettings::default(), &Report::silent());
    written.unwrap_or_else(|error| scene::failed(&error))
}

/// Runs a program that has to succeed.
fn run(command: &mut Command) -> String {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command.output().unwrap_or_else(|error| panic!("{program}: {error}; run .ci/install-image-tools"));
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text")
}

/// Which signatures a machine asks for is not the question here.
fn skopeo(arguments: &[&str]) -> String {
    run(Command::new("skopeo").arg("--insecure-policy").args(arguments))
}

/// Unpacks an image as a runtime would, and gives its root.
fn unpacked(folder: &Path, image: &Path) -> PathBuf {
    let layout = format!("{}:mine", folder.join("layout").display());
    skopeo(&["copy", "--quiet", &format!("oci-archive:{}", image.display()), &format!("oci:{layout}")]);
    let mut umoci = Command::new("umoci");
    umoci.arg("unpack");
    if !may_change_root() {
        umoci.arg("--rootless");
    }
    run(umoci.args(["--image", &layout]).arg(folder.join("bundle")));
    folder.join("bundle/rootfs")
}

#[test]
fn two_images_of_one_gateway_are_one_file_with_one_digest() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let [one, other] = ["one.tar", "elsewhere/other.tar"].map(|name| written(folder.path().join(name)));
    assert_eq!(one.digest, other.digest);
    super::same_bytes(&one.path, &other.path);
    let inspected = skopeo(&["inspect", &format!("oci-archive:{}", one.path.display())]);
    let inspected: Value = serde_json::from_str(&inspected).expect("JSON");
    assert_eq!(inspected["Digest"], json!(one.digest));
    let version = env!("CARGO_PKG_VERSION");
    assert_eq!(inspected["Labels"]["org.opencontainers.image.version"], version);
    let mut plugins = binary::EXAMPLES.map(|name| format!("{name} {version}"));
    plugins.sort_unstable();
    assert_eq!(inspected["Labels"]["gw.plugins"], plugins.join(", "));
}

#[tokio::test]
async fn a_gateway_serves_out_of_its_unpacked_image_and_ends_when_it_is_told_to() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let root = unpacked(folder.path(), &written(folder.path().join("image.tar")).path);
    assert_eq!(entries(&root), ["etc", "gateway", "opt", "tmp"]);
    assert_eq!(fs::read_to_string(root.join("etc/passwd")).expect("there").lines().count(), 2);
    let mode = fs::metadata(root.join("tmp")).expect("there").permissions().mode();
    assert_eq!(mode & 0o7777, 0o1777, "its user may write there");

    let upstream = Upstream::start();
    let home = root.join("opt/tyk-gateway");
    let definition = api("mine", upstream.address).plugins("post", &["AddFooBarHeader"]);
    let conf = json!({
        "listen_address": "127.0.0.1", "secret": SECRET, "app_path": "/opt/tyk-gateway/apps", "log_format": "json",
    });
    fs::write(home.join("tyk.conf"), conf.to_string()).expect("a file in a folder of ours");
    fs::write(home.join("apps/mine.json"), definition.to_string()).expect("a file in a folder of ours");
    let command =
        |arguments: &[&str]| inside(&root, USER, &[&["--conf", "/opt/tyk-gateway/tyk.conf"], arguments].concat());
    let process = Process::spawn(&mut command(&["--port", "0"]));
    let listening = process.log.message("listening").await;
    let address: std::net::SocketAddr = listening.field("address").parse().expect("an address");
    let answer = Client::connect(address).await.ask(get("/mine/get")).await;
    assert_eq!((answer.status, &answer.json()["Headers"]["Foo"]), (200, &json!("Bar")), "{}", process.log);
    let health = run(&mut command(&["health", "--port", &address.port().to_string()]));
    assert_eq!(health, format!("healthy: http://{address}/hello\n"));
    process.signal(Signal::TERM);
    assert!(process.exit().await.success(), "the stop signal of the image ends it in peace");
}

fn entries(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).expect("a folder of ours").flatten();
    let mut names: Vec<String> = entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}
