//! cargo's own refusals, made by running cargo into them, in terms of plugins.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::process::Command;
use std::thread;

use xtask::gateway::explain::{AskedSource, Cause, explain};
use xtask::toolchain::cargo;

use crate::graph::World;

/// Resolves a gateway that cannot be resolved, and gives what cargo says.
fn refused(world: &World, dependencies: &str, args: &[&str]) -> String {
    refused_by(world, dependencies, args, "false")
}

/// The same, with the program `git` instead of cargo's own.
fn refused_through_git(world: &World, dependencies: &str) -> String {
    refused_by(world, dependencies, &[], "true")
}

fn refused_by(world: &World, dependencies: &str, args: &[&str], fetch_with_cli: &str) -> String {
    let runtime = r#"gateway-runtime = { path = "../gateway-runtime" }"#;
    world.here.package("gw", "gateway", "0.1.0", "[workspace]", &format!("{runtime}\n{dependencies}"));
    let answer =
        question(world, args).env("CARGO_NET_GIT_FETCH_WITH_CLI", fetch_with_cli).output().expect("cargo runs");
    assert!(!answer.status.success(), "cargo should refuse");
    String::from_utf8(answer.stderr).expect("text")
}

/// With a home of its own, so that nothing of this machine's cargo is used or touched.
fn question(world: &World, args: &[&str]) -> Command {
    let mut question = cargo(&world.here.path("gw"));
    question.args(["metadata", "--format-version", "1"]).args(args);
    question.env("CARGO_HOME", world.here.path("cargo-home")).env("CARGO_NET_RETRY", "0");
    // Nobody asks the user who runs the tests for a password.
    question.env("GIT_TERMINAL_PROMPT", "0").env("GIT_CONFIG_GLOBAL", "/dev/null").env_remove("SSH_AUTH_SOCK");
    for proxy in ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"] {
        question.env_remove(proxy);
    }
    question
}

fn asked(plugins: &[(&str, &str)]) -> Vec<AskedSource> {
    let one = |(package, item): &(&str, &str)| AskedSource {
        package: (*package).to_owned(),
        item: (*item).to_owned(),
        source: (*item).to_owned(),
    };
    plugins.iter().map(one).collect()
}

/// The explanation, without cargo's words, which are checked to be there.
fn check(world: &World, stderr: &str, plugins: &[(&str, &str)], expected: &str) -> Cause {
    let explained = explain(stderr, &asked(plugins)).unwrap_or_else(|| panic!("not understood:\n{stderr}"));
    let root = world.here.path("").display().to_string();
    let root = root.trim_end_matches('/');
    let text = explained.to_string().replace(root, "$ROOT");
    let (ours, cargos) = text.split_once("\n  cargo says:\n").expect("both");
    assert_eq!(ours, expected, "{stderr}");
    assert!(cargos.lines().all(|line| line.starts_with("    ")) && cargos.contains("    error: "), "{cargos}");
    explained.cause
}

fn by_path(names: &[&str]) -> String {
    names.iter().map(|name| format!("{name} = {{ path = \"../away/{name}\" }}\n")).collect()
}

#[test]
fn two_packages_for_one_native_library_name_both_plugins() {
    let world = World::new();
    for name in ["tls-one", "tls-two"] {
        let dir = world.published(name, "1.4.0", "links = \"tls\"", "");
        fs::write(dir.join("build.rs"), "fn main() {}").expect("written");
    }
    world.published("client", "2.0.0", "", "tls-two = \"1\"");
    world.plugin("a", "", "tls-one = \"1\"");
    world.plugin("b", "", "client = \"2\"");
    let stderr = refused(&world, &by_path(&["a", "b"]), &["--offline"]);
    let explained = explain(&stderr, &asked(&[("a", "./a"), ("b", "b")])).expect("understood");
    let Cause::Links { library, mut first, mut second } = explained.cause else {
        panic!("{explained}");
    };
    // cargo chooses which of the two comes first.
    if first.who.contains("`b`") {
        std::mem::swap(&mut first, &mut second);
    }
    assert_eq!(library, "tls");
    assert!(first.to_string().starts_with("plugin `a` (./a): a → tls-one"), "{first}");
    assert!(second.to_string().starts_with("plugin `b`: b → client → tls-two"), "{second}");
}

#[test]
fn versions_that_exclude_each_other_name_both_plugins() {
    let world = World::new();
    world.published("lib", "1.0.0", "", "");
    world.published("lib", "1.2.0", "", "");
    world.plugin("a", "", "lib = \"=1.0.0\"");
    world.plugin("b", "", "lib = \"=1.2.0\"");
    let stderr = refused(&world, &by_path(&["a", "b"]), &["--offline"]);
    check(
        &world,
        &stderr,
        &[("a", "a"), ("b", "./b")],
        "no version of lib suits both:\n  plugin `a`: a → lib, which takes `=1.0.0`\n  plugin `b` (./b): b → lib, which \
         takes `=1.2.0`\n  = let one of them take what the other takes too, or leave one out",
    );
}

#[test]
fn a_version_that_there_is_not_lists_those_that_there_are() {
    let world = World::new();
    world.published("lib", "1.0.0", "", "");
    world.published("lib", "1.2.0", "", "");
    let direct = refused(&world, "lib = \"3\"", &[]);
    check(
        &world,
        &direct,
        &[("lib", "lib@3")],
        "plugin `lib` (lib@3) finds no version of lib that fits `^3`; there are: 1.2.0, 1.0.0\n  by: lib\n  = ask for one \
         that there is, such as lib@1.2.0",
    );
    world.plugin("a", "", "lib = \"3\"");
    let deeper = refused(&world, &by_path(&["a"]), &["--offline"]);
    check(
        &world,
        &deeper,
        &[("a", "a")],
        "plugin `a` finds no version of lib that fits `^3`; there are: 1.2.0, 1.0.0\n  by: a → lib\n  = let its Cargo.toml \
         ask for one that there is, such as lib = \"1.2.0\"; or run once without --offline, which hides newer ones",
    );
}

#[test]
fn a_package_that_there_is_not_is_named_with_the_nearest() {
    let world = World::new();
    world.published("lib-x", "1.0.0", "", "");
    let place = "directory source `$ROOT/registry` (which is replacing registry `crates-io`)";
    check(
        &world,
        &refused(&world, "lib-y = \"1\"", &[]),
        &[("lib-y", "lib-y@1")],
        &format!(
            "plugin `lib-y` (lib-y@1) finds no package named `lib-y` in {place}\n  by: lib-y\n  = did you mean `lib-x`?"
        ),
    );
    world.plugin("a", "", "nothing-like-it = \"1\"");
    check(
        &world,
        &refused(&world, &by_path(&["a"]), &["--offline"]),
        &[("a", "a")],
        &format!(
            "plugin `a` finds no package named `nothing-like-it` in {place}\n  by: a → nothing-like-it\n  = run once \
             without --offline, or `cargo xtask fetch` with the same plugins; else check the name"
        ),
    );
}

#[test]
fn a_feature_that_there_is_not_names_who_asks_for_it() {
    let world = World::new();
    world.published("lib", "1.0.0", "", "");
    world.plugin("a", "", "lib = { version = \"1\", features = [\"nope\"] }");
    check(
        &world,
        &refused(&world, &by_path(&["a"]), &["--offline"]),
        &[("a", "a")],
        "plugin `a` finds no feature `nope` in lib\n  by: a → lib\n  = see [features] in the Cargo.toml of lib, and take one \
         of these out of the list",
    );
}

#[test]
fn a_tag_branch_or_revision_that_there_is_not_is_named_with_the_repository() {
    let world = World::new();
    world.here.package("repository", "a", "0.1.0", "", "");
    let url = world.git("repository", "v1");
    for (key, name, kind) in [("tag", "v9", "tag"), ("branch", "nope", "branch"), ("rev", "deadbeef", "revision")] {
        let line = format!("a = {{ git = \"{url}\", {key} = \"{name}\" }}");
        let item = format!("git+{url}#{name}");
        let shown = item.replace(&url, "file://$ROOT/repository");
        for stderr in [refused(&world, &line, &[]), refused_through_git(&world, &line)] {
            let cause = explain(&stderr, &asked(&[("a", &item)])).expect("understood").cause;
            let cause = cause.to_string().replace(&url, "file://$ROOT/repository");
            assert_eq!(
                cause,
                format!(
                    "plugin `a` ({shown}) finds no {kind} `{name}` in file://$ROOT/repository\n  by: a\n  = see what there is: \
                 git ls-remote file://$ROOT/repository"
                ),
                "{stderr}"
            );
        }
    }
}

#[test]
fn offline_a_tag_that_was_never_fetched_is_named() {
    let world = World::new();
    world.here.package("repository", "a", "0.1.0", "", "");
    let url = world.git("repository", "v1");
    let line = |tag: &str| format!("a = {{ git = \"{url}\", tag = \"{tag}\" }}");
    let runtime = r#"gateway-runtime = { path = "../gateway-runtime" }"#;
    world.here.package("gw", "gateway", "0.1.0", "[workspace]", &format!("{runtime}\n{}", line("v1")));
    assert!(question(&world, &[]).output().expect("cargo runs").status.success(), "now it is in the cache");
    check(
        &world,
        &refused(&world, &line("v2"), &["--offline"]),
        &[("a", "a")],
        "--offline: tag `v2` of a is not on this machine yet\n  by: a\n  = run once without --offline, or `cargo xtask \
         fetch` with the same plugins",
    );
}

#[test]
fn a_package_that_is_not_in_the_repository_is_named() {
    let world = World::new();
    world.here.package("repository", "a", "0.1.0", "", "");
    let url = world.git("repository", "v1");
    check(
        &world,
        &refused(&world, &format!("other = {{ git = \"{url}\" }}"), &[]),
        &[("other", "other")],
        "plugin `other` finds no package named `other` in Git repository file://$ROOT/repository\n  by: other\n  = check the \
         name",
    );
}

#[test]
fn a_repository_that_is_not_there_is_named_with_the_reason() {
    let world = World::new();
    let url = format!("file://{}", world.here.path("none").display());
    check(
        &world,
        &refused(&world, &format!("a = {{ git = \"{url}\" }}"), &[]),
        &[("a", "a")],
        "plugin `a` finds no answer from file://$ROOT/none: failed to resolve path '$ROOT/none': No such file or directory; \
         class=Os (2)\n  by: a\n  = check the address and the network; behind a proxy, set HTTPS_PROXY",
    );
}

/// Answers every request with one status, as a repository that keeps its doors shut.
pub(crate) fn server(status: &'static str) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("bound").port();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            let mut request = [0; 4096];
            let _ = stream.read(&mut request);
            let _ = write!(stream, "HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
        }
    });
    port
}

#[test]
fn a_repository_that_wants_credentials_is_named_and_no_token_is_printed() {
    let world = World::new();
    let port = server("401 Unauthorized\r\nWWW-Authenticate: Basic realm=\"x\"");
    let url = format!("http://user:hush-hush@127.0.0.1:{port}/x.git");
    let stderr = refused(&world, &format!("a = {{ git = \"{url}\" }}"), &[]);
    assert!(stderr.contains("hush-hush"), "cargo prints it: {stderr}");
    let explained = explain(&stderr, &asked(&[("a", &format!("git+{url}#v1"))])).expect("understood");
    let text = explained.to_string();
    assert!(!text.contains("hush-hush"), "{text}");
    let shown = format!("http://***@127.0.0.1:{port}/x.git");
    assert!(text.starts_with(&format!("plugin `a` (git+{shown}#v1) finds no access to {shown}: ")), "{text}");
    assert!(text.contains("CARGO_NET_GIT_FETCH_WITH_CLI=true"), "{text}");
}

#[test]
fn what_the_program_git_says_is_understood_too() {
    let world = World::new();
    let port = server("401 Unauthorized\r\nWWW-Authenticate: Basic realm=\"x\"");
    let url = format!("http://127.0.0.1:{port}/x.git");
    let stderr = refused_through_git(&world, &format!("a = {{ git = \"{url}\" }}"));
    let cause = explain(&stderr, &asked(&[("a", "a")])).expect("understood").cause;
    let expected =
        format!("plugin `a` finds no access to {url}: could not read Username for 'http://127.0.0.1:{port}'");
    assert!(cause.to_string().starts_with(&expected), "{cause}");

    let url = format!("file://{}", world.here.path("none").display());
    let stderr = refused_through_git(&world, &format!("a = {{ git = \"{url}\" }}"));
    let cause = explain(&stderr, &asked(&[("a", "a")])).expect("understood").cause;
    assert!(cause.to_string().contains("/none' does not appear to be a git repository\n  by: a\n"), "{cause}");
}

/// A registry whose index is there, and whose packages are not.
fn index_without_packages() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("bound").port();
    let entry = format!(
        "{{\"name\":\"far\",\"vers\":\"1.0.0\",\"deps\":[],\"cksum\":\"{}\",\"features\":{{}},\"yanked\":false}}\n",
        "0".repeat(64)
    );
    thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            let mut request = [0; 4096];
            let read = stream.read(&mut request).unwrap_or_default();
            let request = String::from_utf8_lossy(&request[..read]).into_owned();
            let (status, body) = match request.split(' ').nth(1) {
                Some("/config.json") => ("200 OK", format!("{{\"dl\":\"http://127.0.0.1:{port}/dl\"}}")),
                Some("/3/f/far") => ("200 OK", entry.clone()),
                _ => ("404 Not Found", String::new()),
            };
            let length = body.len();
            let _ = write!(stream, "HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}");
        }
    });
    port
}

#[test]
fn a_package_that_cannot_be_downloaded_is_named() {
    let world = World::new();
    let port = index_without_packages();
    world.here.write(
        ".cargo/config.toml",
        &format!(
            "[source.crates-io]\nreplace-with = \"far\"\n[source.far]\nregistry = \"sparse+http://127.0.0.1:{port}/\"\n"
        ),
    );
    let online = refused(&world, "far = \"1\"", &[]);
    let explained =
        explain(&online, &asked(&[("far", "far@1")])).unwrap_or_else(|| panic!("not understood:\n{online}"));
    let url = format!("http://127.0.0.1:{port}/dl/far/1.0.0/download");
    let expected =
        format!("plugin `far` (far@1) finds no answer from {url}: failed to get successful HTTP response from ");
    assert!(explained.to_string().starts_with(&expected), "{explained}");
    assert!(explained.to_string().contains("got 404\n  by: far\n  = "), "{explained}");
    check(
        &world,
        &refused(&world, "far = \"1\"", &["--offline"]),
        &[("far", "far@1")],
        "--offline: far 1.0.0 is not on this machine yet\n  by: far 1.0.0\n  = run once without --offline, or `cargo xtask \
         fetch` with the same plugins",
    );
}

#[test]
fn a_host_that_does_not_answer_is_named() {
    let world = World::new();
    // A port that was free a moment ago, and is closed again.
    let port = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a port").port();
    let stderr = refused(&world, &format!("a = {{ git = \"http://127.0.0.1:{port}/x\" }}"), &[]);
    let cause = explain(&stderr, &asked(&[("a", "a")])).expect("understood").cause;
    let expected = format!("plugin `a` finds no answer from http://127.0.0.1:{port}/x: failed to connect to 127.0.0.1");
    assert!(cause.to_string().starts_with(&expected), "{cause}");
}

#[test]
fn a_registry_that_does_not_answer_is_named() {
    let world = World::new();
    let port = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a port").port();
    world.here.write(
        ".cargo/config.toml",
        &format!(
            "[source.crates-io]\nreplace-with = \"far\"\n[source.far]\nregistry = \"sparse+http://127.0.0.1:{port}/\"\n"
        ),
    );
    world.plugin("a", "", "lib = \"1\"");
    let stderr = refused(&world, &by_path(&["a"]), &[]);
    let cause = explain(&stderr, &asked(&[("a", "./a")])).expect("understood").cause;
    let Cause::Unreachable { url, asker, .. } = &cause else {
        panic!("{cause}\n{stderr}");
    };
    assert_eq!(url, &format!("http://127.0.0.1:{port}/config.json"));
    assert_eq!(asker.to_string(), "plugin `a` (./a): a → lib");
}

#[test]
fn a_folder_that_is_gone_names_the_plugin_that_wants_it() {
    let world = World::new();
    world.plugin("a", "", "helper = { path = \"../helper\" }");
    check(
        &world,
        &refused(&world, &by_path(&["a"]), &["--offline"]),
        &[("a", "a")],
        "plugin `a` finds no crate in the folder $ROOT/away/helper\n  by: a → helper\n  = correct the path in the Cargo.toml \
         that names it",
    );
}

#[test]
fn offline_without_a_cache_says_what_to_fetch() {
    let world = World::new();
    world.here.package("repository", "a", "0.1.0", "", "");
    let url = world.git("repository", "v1");
    check(
        &world,
        &refused(&world, &format!("a = {{ git = \"{url}\" }}"), &["--offline"]),
        &[("a", "a")],
        "--offline: a is not on this machine yet\n  by: a\n  = run once without --offline, or `cargo xtask fetch` with the \
         same plugins",
    );
}

#[test]
fn a_lock_that_would_change_under_locked_is_named() {
    let world = World::new();
    world.plugin("a", "", "");
    check(
        &world,
        &refused(&world, &by_path(&["a"]), &["--locked", "--offline"]),
        &[("a", "./a")],
        "--locked: $ROOT/gw/Cargo.lock does not fit the plugins that are asked for (./a)\n  = build once without --locked, and \
         keep the lock file that is then written",
    );
}

#[test]
fn what_is_not_about_plugins_is_not_explained() {
    assert!(explain("error: no space left on device", &[]).is_none());
    let world = World::new();
    let stderr = refused(&world, "not toml", &[]);
    assert!(explain(&stderr, &asked(&[("a", "a")])).is_none(), "{stderr}");
}
