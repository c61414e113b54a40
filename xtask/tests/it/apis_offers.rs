//! The plugins of a crate, read in its sources: as the macro would register them.

use std::fs;
use std::path::Path;

use tempfile::TempDir;
use xtask::apis;
use xtask::repository::Repository;

use crate::apis::folder;

const MANIFEST: &str = "[package]\nname = \"p\"\n";

fn crate_of(files: &[(&str, &str)]) -> TempDir {
    let mut files = files.to_vec();
    if !files.iter().any(|(name, _)| *name == "Cargo.toml") {
        files.push(("Cargo.toml", MANIFEST));
    }
    folder(&files)
}

/// `Name: hook hook`
fn read(dir: &Path) -> Vec<String> {
    let offers = apis::offers(dir).expect("sources that compile");
    let line = |offer: &apis::Offer| {
        let hooks: Vec<_> = offer.hooks.iter().map(ToString::to_string).collect();
        format!("{}: {}", offer.name, hooks.join(" "))
    };
    offers.iter().map(line).collect()
}

fn offers(files: &[(&str, &str)]) -> Vec<String> {
    read(crate_of(files).path())
}

fn refused(files: &[(&str, &str)]) -> Vec<String> {
    let dir = crate_of(files);
    let error = apis::offers(dir.path()).expect_err("sources that do not compile").to_string();
    error.lines().map(|line| line.replace(&format!("{}/", dir.path().display()), "")).collect()
}

#[test]
fn functions_and_blocks_are_read_with_their_names_and_hooks() {
    let text = r##"
        #[gw_plugin(hook = "post")]
        fn by_its_own_name() {}
        #[gateway_sdk::gw_plugin(name = r#"Named"#, crate = sdk::again, hook = ["pre", "endpoint"],)]
        async fn named() {}
        #[gw_plugin(hook = "response")]
        fn r#type() {}
        #[gw_plugin(name = "Block")]
        impl super::Block {
            async fn init() -> Self { Self }
            #[hook("pre", "post")]
            fn first(&self) {}
            #[doc = "x"]
            #[hook("auth_check")]
            fn second(&self) {}
        }
        fn not_ours() { #[gw_plugin(hook = "pre")] fn inside() {} }
    "##;
    assert_eq!(
        offers(&[("src/lib.rs", text)]),
        ["by_its_own_name: post", "Named: pre endpoint", "type: response", "Block: pre post auth_check", "inside: pre"]
    );
}

#[test]
fn modules_are_followed_into_their_files() {
    let plugin = |name: &str| format!("#[gw_plugin(hook = \"pre\")] fn {name}() {{}}");
    let lib =
        "mod a; mod b; mod inline { mod deep; #[path = \"odd.rs\"] mod other; } #[path = \"../far/x.rs\"] mod far;";
    assert_eq!(
        offers(&[
            ("src/lib.rs", lib),
            ("src/a.rs", &format!("mod inner; {}", plugin("in_a"))),
            ("src/a/inner.rs", &plugin("in_a_inner")),
            ("src/b/mod.rs", &format!("mod inner; {}", plugin("in_b"))),
            ("src/b/inner.rs", &format!("#[path = \"sideways.rs\"] mod s; {}", plugin("in_b_inner"))),
            ("src/b/sideways.rs", &plugin("sideways")),
            ("src/inline/deep.rs", &plugin("deep")),
            ("src/inline/odd.rs", &plugin("odd")),
            ("far/x.rs", &format!("mod near; {}", plugin("far"))),
            ("far/near.rs", &plugin("near")),
            ("src/not_a_module.rs", &plugin("never")),
        ]),
        [
            "in_a_inner: pre",
            "in_a: pre",
            "sideways: pre",
            "in_b_inner: pre",
            "in_b: pre",
            "deep: pre",
            "odd: pre",
            "near: pre",
            "far: pre"
        ]
    );
}

#[test]
fn the_library_is_where_the_manifest_says() {
    let manifest = format!("{MANIFEST}[lib]\npath = \"code/root.rs\"\n");
    let plugin = "#[gw_plugin(hook = \"pre\")] fn a() {}";
    assert_eq!(offers(&[("Cargo.toml", &manifest), ("code/root.rs", plugin), ("src/lib.rs", "not rust")]), ["a: pre"]);
}

#[test]
fn tests_are_left_out_and_what_may_be_built_is_not() {
    let text = r#"
        #[cfg(test)] mod tests;
        #[cfg(all(test, feature = "x"))] #[gw_plugin(hook = "pre")] fn in_tests() {}
        #[test] fn a_test() { #[gw_plugin(hook = "pre")] fn within() {} }
        #[cfg(not(any(feature = "x", not(test))))] #[gw_plugin(hook = "pre")] fn still_in_tests() {}
        #[cfg(not(test))] #[gw_plugin(hook = "pre")] fn built() {}
        #[cfg(feature = "x")] #[gw_plugin(hook = "pre")] fn perhaps() {}
        #[cfg(any(test, feature = "x"))] #[gw_plugin(hook = "pre")] fn perhaps_too() {}
        #[cfg(windows)] mod elsewhere;
        #[cfg_attr(all(), path = "x.rs")] mod unseen;
        macro_rules! m { () => { #[gw_plugin(hook = "pre")] fn hidden() {} } }
    "#;
    assert_eq!(offers(&[("src/lib.rs", text)]), ["built: pre", "perhaps: pre", "perhaps_too: pre"]);
}

#[test]
fn sources_that_do_not_compile_are_told_with_their_places_all_at_once() {
    assert_eq!(
        refused(&[
            ("src/lib.rs", "mod a;\nmod b;\n  mod gone;"),
            ("src/a.rs", "fn ä() { let x = ; }"),
            ("src/b.rs", "fn b() {")
        ]),
        [
            "src/a.rs:1:18: expected an expression",
            "src/b.rs:1:8: not Rust: a bracket, a text or a comment has no end here, or no beginning",
            "src/lib.rs:3:7: there is no file for module `gone`: `src/gone.rs`, `src/gone/mod.rs`",
        ]
    );
    let dir = crate_of(&[("Cargo.toml", "[package\n"), ("src/lib.rs", "")]);
    assert!(apis::offers(dir.path()).expect_err("no TOML").to_string().contains("Cargo.toml` cannot be read: "));
    let dir = crate_of(&[("src/main.rs", "")]);
    assert!(apis::offers(dir.path()).expect_err("no library").to_string().contains("cannot read `"));
}

#[test]
fn files_that_name_each_other_end() {
    let text = "#[path = \"lib.rs\"] mod again; #[gw_plugin(hook = \"pre\")] fn a() {}";
    assert_eq!(offers(&[("src/lib.rs", text)]), ["a: pre"]);
}

/// What the macro says of each mistake of an attribute is pinned in its own tests: the same is said here, at the same
/// place.
#[test]
fn an_attribute_that_the_macro_refuses_is_refused_in_its_words() {
    let ui = Repository::of_xtask().root().join("plugin-macros/tests/ui");
    let cases = [
        "block_hook_twice",
        "block_hook_unknown",
        "block_hook_without_name",
        "block_with_hook_key",
        "block_without_hook",
        "block_without_name",
        "hook_missing",
        "hook_named_twice",
        "hook_unknown",
        "hook_without_key",
        "hook_without_quotes",
        "key_unknown",
        "name_with_space",
        "on_trait_impl",
    ];
    for case in cases {
        let source = fs::read_to_string(ui.join(format!("{case}.rs"))).expect("a case of the macro");
        let told = fs::read_to_string(ui.join(format!("{case}.stderr"))).expect("what the macro says");
        let mut told = told.lines();
        let message = told.next().and_then(|line| line.strip_prefix("error: ")).expect("an error");
        let place = told.next().and_then(|line| line.split_once(".rs:")).expect("a place").1;
        assert_eq!(refused(&[("src/lib.rs", &source)]), [format!("src/lib.rs:{place}: {message}")], "{case}");
    }
}

/// Every attribute in the sources, found by another way: as text.
fn attributes(dir: &Path, found: &mut usize) {
    for entry in fs::read_dir(dir).expect("a folder") {
        let path = entry.expect("readable").path();
        if path.is_dir() {
            attributes(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&path).expect("text");
            *found += text.lines().filter(|line| line.trim_start().starts_with("#[gw_plugin")).count();
        }
    }
}

#[test]
fn no_plugin_of_this_repository_is_missed() {
    let root = Repository::of_xtask().root().to_owned();
    let mut crates = 0;
    for folder in ["plugins", "tests/plugins"] {
        for entry in fs::read_dir(root.join(folder)).expect("in the checkout") {
            let dir = entry.expect("readable").path();
            if !dir.join("Cargo.toml").is_file() {
                continue;
            }
            let mut written = 0;
            attributes(&dir.join("src"), &mut written);
            assert_eq!(apis::offers(&dir).expect("they compile").len(), written, "{}", dir.display());
            assert!(written > 0, "{}", dir.display());
            crates += 1;
        }
    }
    assert!(crates >= 11, "{crates}");
    let read = |dir: &str| read(&root.join(dir));
    assert_eq!(read("plugins/hit-counter"), ["MyProcessRequest: pre post_key_auth post endpoint"]);
    assert_eq!(read("plugins/token-auth"), ["MyPluginAuthCheck: auth_check"]);
    assert_eq!(read("plugins/response-rewrite"), ["MyPluginResponse: response", "MyResponsePlugin: response"]);
    assert!(read("tests/plugins/probe").contains(&"Life: pre post endpoint".to_owned()));
}
