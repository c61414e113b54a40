//! Which plugin a name and a path choose, and what is said when none.

use gateway_sdk::config::ConfigError;
use gateway_sdk::exchange::{Call, Outcome};
use gateway_sdk::registry::{Access, Guard, HookEntry, Lapse, Package, Takes};

use super::*;

const fn plugin(krate: &'static str, name: &'static str, hooks: &'static [HookEntry]) -> Plugin {
    Plugin {
        name,
        package: Package { name: krate, version: "0.1.0" },
        module: "",
        doc: "",
        hooks,
        record: b"",
        config: &[],
        loaded: None,
        prepare: |_, _| Err(ConfigError { path: String::new(), reason: String::new() }),
    }
}

const fn entry(hook: Hook) -> HookEntry {
    let guard = Guard { timeout: None, blocking: false, on_panic: Lapse::Fail, on_timeout: Lapse::Fail };
    let nothing = Access::Nothing;
    let takes = Takes { request: nothing, response: nothing, session: nothing, record: nothing, ctx: nothing };
    HookEntry { hook, function: "f", call: Call::Sync(|_, _| Outcome::Continue), takes, guard }
}

static PRE: [HookEntry; 1] = [entry(Hook::Pre)];
static BOTH: [HookEntry; 2] = [entry(Hook::Pre), entry(Hook::Post)];
static ADD: Plugin = plugin("add-header", "AddFooBarHeader", &BOTH);
static AUTH_A: Plugin = plugin("token-auth", "Check", &PRE);
static AUTH_B: Plugin = plugin("go_plugins", "Check", &PRE);
static LINKED: [&Plugin; 3] = [&ADD, &AUTH_B, &AUTH_A];

fn wanted<'a>(name: &'a str, path: &'a str, hook: Hook) -> Wanted<'a> {
    Wanted { driver: "goplugin", name, path, hook }
}

fn found(name: &str, path: &str) -> Option<&'static str> {
    choose(&LINKED, &wanted(name, path, Hook::Pre), BINARY).ok().map(|found| found.plugin.package.name)
}

fn refused(name: &str, path: &str, hook: Hook) -> String {
    choose(&LINKED, &wanted(name, path, hook), BINARY).expect_err("nothing serves it").to_string()
}

#[test]
fn a_name_that_one_crate_has_needs_no_path() {
    assert_eq!(found("AddFooBarHeader", ""), Some("add-header"));
    assert_eq!(found("AddFooBarHeader", "/opt/tyk/whatever.so"), Some("add-header"));
}

#[test]
fn the_file_name_chooses_between_crates_with_the_same_name() {
    assert_eq!(found("Check", "/opt/token-auth.so"), Some("token-auth"));
    assert_eq!(found("Check", "./token_auth.so"), Some("token-auth"));
    assert_eq!(found("Check", "middleware/go-plugins_v5.3.0_linux_amd64.so"), Some("go_plugins"));
    assert_eq!(found("Check", "go_plugins_5.3.0_linux_amd64.so"), Some("go_plugins"));
    assert_eq!(found("Check", "plugin.so"), None);
}

#[test]
fn a_name_may_carry_its_crate() {
    assert_eq!(found("token_auth::Check", "plugin.so"), Some("token-auth"));
    assert_eq!(found("add-header::Check", "plugin.so"), None);
}

#[test]
fn an_ambiguous_name_lists_the_crates() {
    assert_eq!(
        refused("Check", "plugin.so", Hook::Pre),
        "plugin `Check` is in several crates: go_plugins, token-auth; name one, such as `go_plugins::Check`, or let \
         `path` end in its crate's name"
    );
}

#[test]
fn an_unknown_name_tells_the_nearest_and_the_command_that_adds_it() {
    assert_eq!(
        refused("AddFooBarHeadr", "/x/my-headers.so", Hook::Post),
        "no plugin `AddFooBarHeadr` for hook `post` in this binary; nearest: `AddFooBarHeader` (add-header 0.1.0); add it \
         with `cargo xtask build --plugins add-header,go_plugins,token-auth,my-headers`, or see what is linked: \
         `gateway plugins list`"
    );
    assert!(refused("Zzz", "<path>/a b.so", Hook::Post).contains("token-auth,<crate>`"));
    assert_eq!(
        refused("Zzz", "token-auth.so", Hook::Post),
        "no plugin `Zzz` for hook `post` in this binary; see what is linked: `gateway plugins list`"
    );
}

#[test]
fn a_plugin_without_the_hook_tells_which_it_serves() {
    assert_eq!(
        refused("AddFooBarHeader", "", Hook::Response),
        "plugin `AddFooBarHeader` of crate `add-header` serves `pre`, `post`, not `response`; add `response` to the \
         `hook` key of its `#[gw_plugin]`, or name it under a hook it serves"
    );
}
