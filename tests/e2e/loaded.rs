//! Plugins of files: which file a path stands for, and what becomes of one that changes. Source: plugin-system.md §6.

use std::path::{Path, PathBuf};
use std::process::Command;

use gateway_tests::{Conf, Definition, Gateway, Upstream, api, binary, foreign, get};

/// The version in Tyk's file names is the gateway's.
const VERSION: &str = env!("CARGO_PKG_VERSION");

fn compile(folder: &Path, file: &str, version: &str) -> PathBuf {
    let path = folder.join(file);
    foreign::compile("version.c", &[&format!("VERSION=\"{version}\"")], &path);
    path
}

fn at(path: &Path) -> Definition {
    api("v", Upstream::start().address).plugins("pre", &[&format!("Version@{}", path.with_extension("").display())])
}

async fn version(gateway: &Gateway) -> String {
    gateway.get("/v/").await.text()
}

/// Source: plugin-system.md §6.1: the file of the gateway's version comes first, with and without `v`, and then the path
/// itself.
#[tokio::test]
async fn files_of_several_gateways_lie_side_by_side() {
    let conf = Conf::of(binary::dynamic());
    let folder = conf.folder().to_owned();
    let exact = compile(&folder, "p.so", "exact");
    compile(&folder, "p_v9.9.9_linux_amd64.so", "of another gateway");
    let gateway = conf.with(&at(&exact)).start().await;
    assert_eq!(version(&gateway).await, "exact");
    for (file, says) in [("p_{V}_linux_amd64.so", "without v"), ("p_v{V}_linux_amd64.so", "with v")] {
        compile(&folder, &file.replace("{V}", VERSION), says);
        gateway.reload().await;
        assert_eq!(version(&gateway).await, says);
    }
}

#[tokio::test]
async fn a_file_that_changes_is_taken_at_the_next_reload_and_the_old_code_ends_what_it_began() {
    let conf = Conf::of(binary::dynamic());
    let folder = conf.folder().to_owned();
    let path = compile(&folder, "p.so", "1");
    let gateway = conf.with(&at(&path)).start().await;
    let fifo = folder.join("hold");
    assert!(Command::new("mkfifo").arg(&fifo).status().expect("there is mkfifo").success());
    let mut held = gateway.connect().await;
    let hold = fifo.display().to_string();
    let asking = tokio::spawn(async move { held.ask(get("/v/").header("x-hold", &hold)).await });
    // Whoever opens it to write waits for the plugin to open it.
    let opened = tokio::task::spawn_blocking(move || std::fs::OpenOptions::new().write(true).open(fifo));
    let mut writer = opened.await.expect("no panic").expect("the plugin reads it");

    compile(&folder, "p.so", "2");
    assert_eq!(version(&gateway).await, "1", "nothing changes without a reload");
    gateway.reload().await;
    assert_eq!(version(&gateway).await, "2");
    std::io::Write::write_all(&mut writer, b"!").expect("somebody reads");
    assert_eq!(asking.await.expect("no panic").text(), "1");

    // The same content is the same code, wherever it is.
    std::fs::copy(&path, folder.join("copy.so")).expect("a file in a folder of ours");
    gateway.write(&at(&folder.join("copy.so")));
    gateway.reload().await;
    assert_eq!(version(&gateway).await, "2");
    let metrics = gateway.control("/tyk/metrics").await.text();
    assert!(metrics.contains("gw_plugin_files 2\n"), "{metrics}");
}

#[tokio::test]
async fn a_file_that_comes_later_is_found_by_the_next_reload() {
    let conf = Conf::of(binary::dynamic());
    let folder = conf.folder().to_owned();
    let path = folder.join("p.so");
    let gateway = conf.with(&at(&path)).start().await;
    assert_eq!(gateway.get("/v/").await.status, 500);
    let line = gateway.log().message("API definition").await;
    let said = line.field("finding");
    assert!(said.contains("or put its file at") && said.contains("cargo xtask build-so"), "{said}");
    compile(&folder, "p.so", "1");
    gateway.reload().await;
    assert_eq!(version(&gateway).await, "1");
    // One that is gone again, or broken, is in memory: the API goes on as it was.
    for (round, text) in [None, Some("this is no plugin")].into_iter().enumerate() {
        std::fs::remove_file(&path).ok();
        if let Some(text) = text {
            std::fs::write(&path, text).expect("a file in a folder of ours");
        }
        gateway.reload().await;
        gateway.log().message_times("API definition", 2 + round).await;
        assert_eq!(version(&gateway).await, "1");
    }
}
