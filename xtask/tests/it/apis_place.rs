//! Which crates the names of definitions choose.

use std::fs;

use gateway_model::Hook;
use tempfile::TempDir;
use xtask::apis::{self, Candidate, Named, Unplaced};
use xtask::repository::Repository;

use crate::apis::{asks_for, classic, folder};

/// Crates with these plugins: `(package, [(name, hooks)])`.
fn crates(of: &[(&str, &[(&str, &str)])]) -> (TempDir, Vec<Candidate>) {
    let dir = folder(&[]);
    let mut candidates = Vec::new();
    for (package, plugins) in of {
        let home = dir.path().join(package);
        let sources = plugins.iter().enumerate().map(|(index, (name, hooks))| {
            format!("#[gw_plugin(hook = [{hooks}], name = \"{name}\")]\nfn f{index}() {{}}\n")
        });
        fs::create_dir_all(home.join("src")).expect("made");
        fs::write(home.join("Cargo.toml"), format!("[package]\nname = \"{package}\"\n")).expect("written");
        fs::write(home.join("src/lib.rs"), sources.collect::<String>()).expect("written");
        candidates.push(Candidate::at(&home).expect("readable").expect("a crate"));
    }
    (dir, candidates)
}

fn named(name: &str, path: &str, hook: Hook) -> Named {
    let [name, path, driver] = [name, path, "goplugin"].map(str::to_owned);
    let field = format!("custom_middleware.{hook}[0].name");
    Named { hook, name, path, driver, file: "apps/a.json".into(), line: 6, column: 17, field }
}

const BOTH: &str = "\"pre\", \"post\"";
const PRE: &str = "\"pre\"";

fn three() -> (TempDir, Vec<Candidate>) {
    crates(&[
        ("add-foo-bar-header", &[("AddFooBarHeader", BOTH)]),
        ("go_plugins", &[("Check", PRE), ("Other", PRE)]),
        ("token-auth", &[("Check", PRE)]),
    ])
}

fn refused(wanted: &[Named]) -> String {
    let (_dir, candidates) = three();
    let told = apis::choose(wanted, &candidates).expect_err("nothing serves it").to_string();
    let checked = apis::check(wanted, &candidates).expect_err("nothing serves it").to_string();
    assert_eq!(told, checked);
    told
}

#[test]
fn the_rules_are_those_of_the_gateway() {
    let (_dir, candidates) = three();
    let chosen = |name: &str, path: &str| apis::choose(&[named(name, path, Hook::Pre)], &candidates).ok();
    assert_eq!(chosen("AddFooBarHeader", ""), Some(vec![0]));
    assert_eq!(chosen("AddFooBarHeader", "/opt/tyk/whatever.so"), Some(vec![0]));
    assert_eq!(chosen("Check", "/opt/token-auth.so"), Some(vec![2]));
    assert_eq!(chosen("Check", "./token_auth.so"), Some(vec![2]));
    assert_eq!(chosen("Check", "middleware/go-plugins_v5.3.0_linux_amd64.so"), Some(vec![1]));
    assert_eq!(chosen("Check", "go_plugins_5.3.0_linux_amd64.so"), Some(vec![1]));
    assert_eq!(chosen("Check", "plugin.so"), None);
    assert_eq!(chosen("token_auth::Check", "go-plugins.so"), Some(vec![2]));
    assert_eq!(chosen("add-foo-bar-header::Check", "token-auth.so"), None);
    assert_eq!(chosen("check", "token-auth.so"), None);
}

#[test]
fn exactly_the_crates_that_are_needed_are_chosen() {
    let (_dir, candidates) = three();
    let wanted = [
        named("Check", "token-auth.so", Hook::Pre),
        named("AddFooBarHeader", "", Hook::Post),
        named("AddFooBarHeader", "", Hook::Pre),
    ];
    assert_eq!(apis::choose(&wanted, &candidates).expect("placed"), [0, 2]);
    assert_eq!(apis::choose(&[], &candidates).expect("nothing is asked for"), [0; 0]);
    apis::check(&wanted, &candidates).expect("all are there");
}

#[test]
fn a_misspelt_name_tells_its_place_and_the_nearest() {
    assert_eq!(
        refused(&[named("AddFooBarHeadr", "add-foo-bar-header.so", Hook::Post)]),
        "apps/a.json:6:17: custom_middleware.post[0].name: no plugin `AddFooBarHeadr` for hook `post`; nearest: \
         `AddFooBarHeader` (add-foo-bar-header)\n  = correct the name, or add the crate that has it: `--plugins ./FOLDER`"
    );
    let far = refused(&[named("Zzz", "", Hook::Post)]);
    assert!(far.contains("no plugin `Zzz` for hook `post`\n"), "{far}");
}

#[test]
fn a_name_that_only_begins_alike_is_not_near() {
    let (_dir, candidates) = crates(&[("token-auth", &[("MyPluginAuthCheck", PRE), ("AddFooBarHeader", PRE)])]);
    let told = |name: &str| {
        apis::check(&[named(name, "", Hook::Pre)], &candidates).expect_err("nothing serves it").names.remove(0).reason()
    };
    assert_eq!(told("MyPluginPerPathFoo"), "no plugin `MyPluginPerPathFoo` for hook `pre`");
    for near in ["MyPluginAuthChekc", "mypluginauthcheck", "PluginAuthCheck"] {
        let expected = format!("no plugin `{near}` for hook `pre`; nearest: `MyPluginAuthCheck` (token-auth)");
        assert_eq!(told(near), expected);
    }
    assert!(told("AddHeader").ends_with("; nearest: `AddFooBarHeader` (token-auth)"), "{}", told("AddHeader"));
}

#[test]
fn every_name_that_cannot_be_placed_is_told_at_once() {
    let python = Named { driver: "python".to_owned(), ..named("Check", "token-auth.so", Hook::Pre) };
    let none = Named { driver: String::new(), ..python.clone() };
    let text = refused(&[
        named("AddFooBarHeader", "", Hook::Response),
        named("Check", "plugin.so", Hook::Pre),
        named("Other", "", Hook::Pre),
        python,
        none,
        named("Zzz", "", Hook::Pre),
    ]);
    let at = |hook: &str| format!("apps/a.json:6:17: custom_middleware.{hook}[0].name: ");
    assert_eq!(
        text.lines().collect::<Vec<_>>(),
        [
            format!("{}plugin `AddFooBarHeader` of crate `add-foo-bar-header` serves `pre`, `post`, not `response`", at("response")),
            format!("{}plugin `Check` is in several crates: go_plugins, token-auth", at("pre")),
            format!("{}plugin `Check` of hook `pre` has driver `python`, which this gateway does not have", at("pre")),
            format!("{}plugin `Check` of hook `pre` has no driver, so the gateway does not look for it", at("pre")),
            format!("{}no plugin `Zzz` for hook `pre`", at("pre")),
            "  = add `response` to the hooks of its `#[gw_plugin]`, or name it under a hook it serves; name one, such as \
             `go_plugins::Check`, or let its path end in its crate's name; set the driver to one of `goplugin`, \
             `native`; correct the name, or add the crate that has it: `--plugins ./FOLDER`"
                .to_owned(),
        ]
    );
}

#[test]
fn a_response_hook_with_a_file_needs_no_driver() {
    let (_dir, candidates) = crates(&[("r", &[("R", "\"response\"")])]);
    let wanted = |path: &str| Named { driver: String::new(), ..named("R", path, Hook::Response) };
    assert_eq!(apis::choose(&[wanted("r.so")], &candidates).expect("placed"), [0]);
    apis::choose(&[wanted("r")], &candidates).expect_err("no driver");
}

#[test]
fn a_crate_that_cannot_be_read_is_told_where_a_name_is_missing_and_only_there() {
    let (dir, candidates) = three();
    fs::write(dir.path().join("go_plugins/src/lib.rs"), "\nfn f( {}").expect("written");
    let placed = apis::choose(&[named("AddFooBarHeader", "", Hook::Pre)], &candidates);
    assert_eq!(placed.expect("nothing is missing"), [0]);
    let Unplaced { names, unreadable } =
        apis::choose(&[named("Other", "", Hook::Pre)], &candidates).expect_err("it is in the broken crate");
    assert_eq!((names.len(), unreadable.len()), (1, 1));
    let text = Unplaced { names, unreadable }.to_string();
    assert!(text.contains("go_plugins/src/lib.rs:2:5: not Rust: "), "{text}");
    assert!(text.ends_with("; mend the sources that cannot be read: the plugins may be there"), "{text}");
}

#[test]
fn the_published_examples_choose_exactly_their_own_crates() {
    let repository = Repository::of_xtask();
    let candidates = Candidate::all_in(&repository.plugins()).expect("readable");
    assert!(candidates.len() >= 9, "{candidates:?}");
    for candidate in &candidates {
        let text = fs::read_to_string(candidate.dir.join("api.json")).expect("every plugin has an example");
        let dir = folder(&[("api.json", &text)]);
        let named = apis::names(dir.path()).expect("a right definition");
        let chosen = apis::choose(&named, &candidates).expect("its plugins are here");
        let chosen: Vec<&str> = chosen.iter().map(|index| candidates[*index].package.as_str()).collect();
        // The sample of session metadata authenticates with a token.
        let expected = match candidate.package.as_str() {
            "session-metadata" => vec!["session-metadata", "token-auth"],
            own => vec![own],
        };
        assert_eq!(chosen, expected);
        apis::check(&named, &candidates).expect("its plugins are here");
    }
}

#[test]
fn a_definition_finds_its_crate_from_file_to_crate() {
    let (_dir, candidates) = three();
    let apps =
        folder(&[("a.json", &asks_for("pre", "Check", "token_auth_v5.3.0_linux_amd64.so")), ("b.json", &classic(""))]);
    let named = apis::names(apps.path()).expect("right definitions");
    assert_eq!(apis::choose(&named, &candidates).expect("placed"), [2]);
}

#[test]
fn crates_are_found_in_a_folder_or_around() {
    let (dir, candidates) = three();
    assert_eq!(Candidate::all_in(dir.path()).expect("readable"), candidates);
    assert_eq!(Candidate::at_or_in(dir.path()).expect("several"), candidates);
    assert_eq!(Candidate::at_or_in(&candidates[1].dir).expect("one"), candidates[1..2]);
    let error = Candidate::at_or_in(&dir.path().join("nowhere")).expect_err("nothing there").to_string();
    assert!(error.starts_with("there is no crate in `"), "{error}");
    fs::write(dir.path().join("token-auth/Cargo.toml"), "[").expect("written");
    let error = Candidate::at_or_in(dir.path()).expect_err("no TOML").to_string();
    assert!(error.contains("token-auth/Cargo.toml` cannot be read"), "{error}");
}
