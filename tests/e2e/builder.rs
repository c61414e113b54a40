//! The builder from outside: real gateways, from plugins of everywhere, by the library of `cargo xtask`.
//!
//! ```text
//! builder/scene.rs   plugins in a folder, in a git repository and in plugins/, and a gw.toml that wants all three
//! builder/said.rs    what a binary says of its own making, asked and read
//! builder/apis.rs    plugins chosen by definitions
//! builder/image.rs   the image of a gateway, as skopeo, umoci and the kernel take it
//! ```

mod apis;
mod image;
mod said;
mod scene;

use std::fs;
use std::path::Path;
use std::time::Instant;

use gateway_tests::{Conf, Upstream, binary};
use serde_json::json;
use xtask::build::{build, prepare, settled};
use xtask::cli::Profile;
use xtask::gateway::compile::{Product, compile};
use xtask::gateway::prove::Linkage;
use xtask::report::Report;
use xtask::repository::Repository;

use self::scene::Scene;

/// One test, as a gateway costs a minute: from three places to one binary, which says so, serves with all three, and is
/// built again to the same bytes.
#[tokio::test]
async fn plugins_from_three_places_become_one_gateway_again_and_again() {
    let repository = Repository::of_xtask();
    let scene = Scene::new(&repository);
    let ships = binary::profile() == Profile::Ship;
    let mut args = scene.args();
    // From copies at other places, with another home.
    args.verify = ships;
    let (placed, proof) = build(&repository, &args, &Report::silent()).unwrap_or_else(|error| scene::failed(&error));
    assert_eq!(proof.linkage, Linkage::Static);
    binary::assert_needs_nothing(&placed.path);
    assert_eq!(placed.plugins, ["add-foo-bar-header 0.1.0", "mine 0.1.0", "theirs 0.1.0"]);

    said::names_the_three_sources(&placed.path, &scene);
    serves_with_all_three(&placed.path, &scene, "mine").await;

    let lock = fs::read(scene.lock()).expect("the build keeps its versions");
    // What ships has been built at another place already.
    let scene = if ships { scene } else { scene.moved() };
    let mut args = scene.args();
    (args.selection.locked, args.selection.offline) = (true, true);
    args.output = Some(binary::work_dir().join("again/gateway"));
    let (again, _) = build(&repository, &args, &Report::silent()).unwrap_or_else(|error| scene::failed(&error));
    assert!(fs::read(scene.lock()).expect("it was there before") == lock, "the lock stays as it is");
    assert_eq!((&again.size, &again.sha256), (&placed.size, &placed.sha256), "the same lock gives the same binary");
    if !ships {
        an_edited_plugin_is_compiled_alone(&repository, &scene).await;
    }
}

/// The plugin from the repository and the one of the folder change the request, the one from git the response.
async fn serves_with_all_three(gateway: &Path, scene: &Scene, expected: &str) {
    let upstream = Upstream::start();
    let gateway = Conf::of(gateway).with(&scene.definition(&upstream)).start().await;
    let answer = gateway.get("/three/get").await;
    assert_eq!((answer.status, answer.header("x-plugin")), (200, "theirs"), "{}", gateway.log());
    let headers = &answer.json()["Headers"];
    assert_eq!((&headers["Foo"], &headers["X-Plugin"]), (&json!("Bar"), &json!(expected)));
}

/// Two files at other places, and which byte differs if one does.
fn same_bytes(one: &Path, other: &Path) {
    let [first, second] = [one, other].map(|path| fs::read(path).expect("it was built"));
    let differs = first.iter().zip(&second).position(|(one, other)| one != other);
    let (one, other) = (one.display(), other.display());
    assert!(
        first == second,
        "{one} ({} bytes) and {other} ({}): byte {differs:?}; the commit is part of a gateway: was one made meanwhile?",
        first.len(),
        second.len()
    );
}

/// Nothing to do, then one edit: the plugin and the crate that names it are compiled, and nothing else.
async fn an_edited_plugin_is_compiled_alone(repository: &Repository, scene: &Scene) {
    assert_eq!(compiled(repository, scene).compiled, 0, "all of it is there");
    scene.edit("HeaderValue::from_static(\"mine\")", "HeaderValue::from_static(\"edited\")");
    let began = Instant::now();
    let product = compiled(repository, scene);
    tell(&format!("an edited plugin was in a new gateway after {:.1} s", began.elapsed().as_secs_f64()));
    assert_eq!(product.compiled, 2, "the plugin, and the crate that names it");
    serves_with_all_three(&product.path, scene, "edited").await;
}

/// The steps of a build up to the binary, which stays where cargo puts it.
fn compiled(repository: &Repository, scene: &Scene) -> Product {
    let report = Report::silent();
    let settled = settled(repository, &scene.args(), &report, 7);
    let (_turn, plan, resolved) = settled.unwrap_or_else(|error| scene::failed(&error));
    let (stage, _) = prepare(&plan, &resolved, &report).unwrap_or_else(|error| scene::failed(&error));
    compile(&plan, &stage, &report).unwrap_or_else(|error| scene::failed(&error))
}

#[expect(clippy::print_stderr, reason = "a time is worth knowing, and nothing to fail for")]
fn tell(text: &str) {
    eprintln!("{text}");
}
