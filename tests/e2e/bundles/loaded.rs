//! A bundle that carries plugins of its own, for a gateway that loads them. Source: plugin-system.md §6.1, §6.3.

use gateway_tests::{Conf, Upstream, api, binary, foreign};
use serde_json::json;

use super::{archive, folder_of};

/// The version in Tyk's file names is the gateway's.
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The path in a manifest is one within the bundle, even if it looks absolute, and the file of the gateway's version comes
/// first.
#[tokio::test]
async fn a_bundle_brings_the_code_of_its_plugins() {
    let upstream = Upstream::start();
    let made = tempfile::tempdir().expect("a temporary folder");
    let code = |version: &str| {
        let file = made.path().join(format!("{version}.so"));
        foreign::compile("version.c", &[&format!("VERSION=\"{version}\"")], &file);
        std::fs::read(file).expect("it was compiled")
    };
    let of_version = format!("lib/p_v{VERSION}_linux_amd64.so");
    let section = json!({"driver": "goplugin", "pre": [{"name": "Version", "path": "/lib/p.so"}]});
    let manifest = json!({"file_list": [], "custom_middleware": section, "checksum": super::EMPTY});
    let bundle = archive(&[
        ("manifest.json", manifest.to_string().as_bytes()),
        ("lib/p.so", &code("exact")),
        (&of_version, &code("versioned")),
    ]);
    upstream.answer("/bundles/b.zip", 200, &[], bundle);
    let conf = Conf::of(binary::dynamic());
    let middleware = conf.folder().join("middleware").to_str().expect("a path").to_owned();
    let conf = conf
        .set("enable_bundle_downloader", true)
        .set("bundle_base_url", format!("http://{}/bundles/", upstream.address))
        .set("middleware_path", middleware)
        .with(&api("v", upstream.address).set("/custom_middleware_bundle", "b.zip"));
    let gateway = conf.start().await;
    assert_eq!(gateway.get("/v/").await.text(), "versioned", "{}", gateway.log());
    let folder = folder_of(gateway.folder(), "b.zip");
    std::fs::remove_file(folder.join(&of_version)).expect("a file in a folder of ours");
    gateway.reload().await;
    assert_eq!(gateway.get("/v/").await.text(), "exact");
}
