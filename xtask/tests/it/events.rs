//! `--json`, and what is never printed.

use std::collections::BTreeMap;
use std::fs;
use std::process::Command;

use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::explain::server;
use crate::graph::World;
use crate::ran::{PREVIOUS, Ran, assert_kept, offering, program, root, xtask};
use crate::standin::{SDK_BY_PATH, StandIn, registration};

/// The events of a run: one object per line of stdout, and nothing else anywhere.
fn events(ran: &Ran) -> Vec<Value> {
    let event = |line: &str| {
        let value: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        assert!(value["event"].is_string(), "{line}");
        value
    };
    assert_eq!(ran.stderr, "", "all of it is in the events");
    ran.stdout.lines().map(event).collect()
}

fn of_kind<'e>(events: &'e [Value], kind: &str) -> Vec<&'e Value> {
    events.iter().filter(|event| event["event"] == kind).collect()
}

fn texts(events: &[Value], kind: &str) -> Vec<String> {
    of_kind(events, kind).into_iter().map(|event| event["text"].as_str().expect("text").to_owned()).collect()
}

#[test]
fn a_build_is_told_in_events() {
    let here = StandIn::new();
    here.plugin("plugins/a", "a", SDK_BY_PATH);
    let ran = xtask(&here, &["build", "--plugins", "a", "--offline", "--json"]).succeeded();
    let events = events(&ran);
    let steps = ["plan", "generate", "resolve", "check", "compile", "prove", "place"];
    let (begun, ended) = (of_kind(&events, "begin"), of_kind(&events, "end"));
    for (index, step) in steps.iter().enumerate() {
        for event in [begun[index], ended[index]] {
            assert_eq!(
                (&event["step"], &event["number"], &event["of"]),
                (&(*step).into(), &(index + 1).into(), &7.into())
            );
        }
        assert!(ended[index]["seconds"].as_f64().is_some_and(|seconds| seconds >= 0.0), "{}", ended[index]);
        assert!(begun[index]["seconds"].is_null());
    }
    assert_eq!((begun.len(), ended.len()), (7, 7));
    assert!(ended[4]["outcome"].as_str().is_some_and(|outcome| outcome.ends_with(" crates compiled")), "{}", ended[4]);
    assert!(ended[4]["seconds"].as_f64() > Some(0.0));

    let gateway = events.last().expect("events");
    assert_eq!(gateway["event"], "gateway");
    let file = fs::read(here.path("dist/gateway")).expect("built");
    let sha256: String = Sha256::digest(&file).iter().map(|byte| format!("{byte:02x}")).collect();
    let expected: BTreeMap<&str, Value> = BTreeMap::from([
        ("event", "gateway".into()),
        ("path", here.path("dist/gateway").display().to_string().into()),
        ("size", file.len().into()),
        ("profile", "fast".into()),
        ("linkage", "static".into()),
        ("plugins", vec!["a 0.1.0"].into()),
        ("sha256", sha256.into()),
    ]);
    assert_eq!(*gateway, serde_json::to_value(expected).expect("JSON"));
}

#[test]
fn warnings_and_notes_are_events() {
    let here = StandIn::new();
    here.plugin("plugins/both", "both", &format!("{SDK_BY_PATH}\n[lib]\ncrate-type = [\"rlib\", \"cdylib\"]"));
    let events = events(&xtask(&here, &["fetch", "--plugins", "both", "--offline", "--json"]).succeeded());
    let warnings = texts(&events, "warning");
    assert!(warnings[0].starts_with("plugin `both` also asks for crate-type `cdylib`"), "{warnings:?}");
    assert_eq!(warnings.len(), 1);

    let events = self::events(&xtask(&here, &["fetch", "--offline", "--json"]).succeeded());
    let notes = texts(&events, "note");
    assert_eq!(notes, ["no plugins were named, so the gateway has none; name some with --plugins a,./b"]);
    assert_eq!(of_kind(&events, "result").len(), 1);
}

#[test]
fn errors_are_events_with_their_exit_codes() {
    let here = StandIn::new();
    here.plugin("plugins/broken", "broken", SDK_BY_PATH);
    here.write("plugins/broken/src/lib.rs", "pub fn broken() -> u8 { \"text\" }\n");
    here.write("dist/gateway", PREVIOUS);
    for (plugin, code, said) in [
        ("brokn", xtask::USAGE, "no plugin `brokn` in plugins\n  = nearest: broken\n"),
        ("./no/where", xtask::FAILED, "`./no/where` is not a crate: "),
        ("broken", xtask::FAILED, "plugin `broken` does not compile (plugins/broken)\n    error[E0308]: "),
    ] {
        let ran = xtask(&here, &["--json", "build", "--plugins", plugin, "--offline"]);
        assert_eq!(ran.code, Some(i32::from(code)), "{}", ran.stdout);
        let events = events(&ran);
        let error = events.last().expect("events");
        assert_eq!((&error["event"], &error["exit_code"]), (&"error".into(), &code.into()), "{error}");
        assert!(error["text"].as_str().is_some_and(|text| text.starts_with(said)), "{error}");
        assert_eq!((of_kind(&events, "error").len(), of_kind(&events, "gateway").len()), (1, 0));
        let last = |kind| of_kind(&events, kind).last().map(|event| event["step"].clone());
        assert_ne!(last("begin"), last("end"), "the step that failed has not ended");
    }
    assert_kept(&here);
}

#[test]
fn what_cargo_itself_complains_about_is_in_the_events() {
    let here = StandIn::new();
    here.plugin("plugins/a", "a", SDK_BY_PATH);
    here.write("plugins/a/build.rs", "fn main() { eprintln!(\"no such luck\"); std::process::exit(3) }");
    let ran = xtask(&here, &["build", "--plugins", "a", "--offline", "--json"]);
    assert_eq!(ran.code, Some(i32::from(xtask::FAILED)));
    let said = texts(&events(&ran), "note").join("\n");
    assert!(said.contains("no such luck"), "{said}");
}

#[test]
fn a_check_and_an_inspection_are_events_too() {
    let here = StandIn::new();
    offering(&here, "plugins/a", "a", SDK_BY_PATH, &[("A", &["post"])]);
    here.write("apps/a.json", &crate::apis::asks_for("post", "A", ""));
    let told = events(&xtask(&here, &["check", "--from-apis", "apps", "--offline", "--json"]).succeeded());
    assert_eq!(texts(&told, "result"), ["the definitions need: a 0.1.0"]);
    xtask(&here, &["build", "--plugins", "a", "--offline"]).succeeded();
    let told = events(&xtask(&here, &["inspect", "dist/gateway", "--json"]).succeeded());
    assert_eq!((told.len(), &told[0]["event"]), (1, &"inspect".into()), "{}", told[0]);
    assert_eq!(told[0]["plugins"][0]["name"], "a", "{}", told[0]);
}

const TOKEN: &str = "hush-hush";

/// Fails when the secret is anywhere in what was said.
fn assert_silent(ran: &Ran) {
    assert!(!ran.stdout.contains(TOKEN), "{}", ran.stdout);
    assert!(!ran.stderr.contains(TOKEN), "{}", ran.stderr);
}

#[test]
fn a_password_in_the_address_of_a_repository_that_refuses_is_not_printed() {
    let world = World::new();
    let here = &world.here;
    for status in ["401 Unauthorized\r\nWWW-Authenticate: Basic realm=\"x\"", "404 Not Found", "500 Oh"] {
        let port = server(status);
        let url = format!("http://user:{TOKEN}@127.0.0.1:{port}/x.git");
        here.write("gw.toml", &format!("[plugins]\nmine = {{ git = {url:?} }}\n"));
        let typed = format!("git+{url}#v1");
        let named = format!("mine=git+{url}#tag=v1");
        for args in [
            &["build", "--plugins", &typed][..],
            &["build", "--plugins", &named],
            &["build", "--manifest", "gw.toml"],
            &["fetch", "--manifest", "gw.toml"],
            &["update", "--manifest", "gw.toml"],
            &["build", "--plugins", &typed, "--offline"],
            &["build", "--manifest", "gw.toml", "--offline"],
            &["build", "--plugins", &format!("{typed},{typed}")],
        ] {
            for json in [&[][..], &["--json"]] {
                for cli in ["true", "false"] {
                    let mut command = program(here, &[args, json].concat());
                    let ran = Ran::of(command.env("CARGO_NET_GIT_FETCH_WITH_CLI", cli));
                    assert_eq!(ran.code, Some(i32::from(xtask::FAILED)), "{args:?}: {}", ran.stderr);
                    assert_silent(&ran);
                    let shown = format!("http://***@127.0.0.1:{port}/x.git");
                    assert!(ran.stdout.contains(&shown) || ran.stderr.contains(&shown), "{args:?}: {ran:?}");
                }
            }
        }
    }
}

#[test]
fn a_password_in_an_item_that_cannot_be_understood_is_not_printed() {
    let here = StandIn::new();
    for item in [format!("https://user:{TOKEN}@host.invalid/x"), format!("git+https://user:{TOKEN}@host.invalid/x#")] {
        for json in [&[][..], &["--json"]] {
            let ran = xtask(&here, &[&["build", "--plugins", &item], json].concat());
            assert_eq!(ran.code, Some(i32::from(xtask::USAGE)), "{}", ran.stderr);
            assert_silent(&ran);
        }
    }
}

/// A plugin that is fetched with a password from a host that there is not: git is told where it really is.
fn behind_a_password() -> (World, String) {
    let world = World::new();
    world.here.package("repository", "mine", "0.1.0", "", "gateway-sdk = \"0.1\"");
    world.here.write("repository/src/lib.rs", &format!("fn unused() {{}}\n{}", registration("mine")));
    let real = world.git("repository", "v1");
    let url = format!("https://user:{TOKEN}@host.invalid/x");
    let root = root(&world.here);
    let key = format!("url.{real}.insteadOf");
    let set = Command::new("git").args(["config", "--file", &format!("{root}/gitconfig"), &key, &url]).status();
    assert!(set.expect("git runs").success());
    (world, url)
}

fn with_git(world: &World, args: &[&str]) -> Ran {
    let mut command = program(&world.here, args);
    command.env("CARGO_NET_GIT_FETCH_WITH_CLI", "true").env("GIT_CONFIG_GLOBAL", world.here.path("gitconfig"));
    Ran::of(&mut command)
}

#[test]
fn a_password_in_the_address_of_a_plugin_is_not_in_the_gateway() {
    let (world, url) = behind_a_password();
    let here = &world.here;
    here.write("gw.toml", &format!("[plugins]\nmine = {{ git = {url:?}, tag = \"v1\" }}\n"));
    let build = ["build", "--manifest", "gw.toml"];
    for args in [&build[..], &[&build[..], &["--json"]].concat(), &["build", "--plugins", &format!("git+{url}#v1")]] {
        let ran = with_git(&world, args).succeeded();
        assert_silent(&ran);
        assert!(ran.stdout.contains("mine 0.1.0"), "{}", ran.stdout);
        for file in ["dist/gateway", "target/gw"] {
            assert!(here.path(file).exists());
        }
        let binary = fs::read(here.path("dist/gateway")).expect("built");
        let holds = binary.windows(TOKEN.len()).any(|window| window == TOKEN.as_bytes());
        assert!(!holds, "the binary does not know it");
    }
    let facts = xtask(here, &["inspect", "dist/gateway", "--json"]).succeeded();
    assert!(facts.stdout.contains("https://***@host.invalid/x"), "{}", facts.stdout);
    let sbom = xtask(here, &["inspect", "dist/gateway", "--sbom"]).succeeded();
    assert!(sbom.stdout.contains("host.invalid/x"), "{}", sbom.stdout);
    for said in [&facts, &sbom, &xtask(here, &["inspect", "dist/gateway"])] {
        assert_silent(said);
    }
}

#[test]
fn a_password_that_goes_into_a_lock_is_warned_about() {
    let (world, url) = behind_a_password();
    world.here.write("gw.toml", &format!("[plugins]\nmine = {{ git = {url:?}, tag = \"v1\" }}\n"));
    for _ in 0..2 {
        let ran = with_git(&world, &["fetch", "--manifest", "gw.toml"]).succeeded();
        assert_silent(&ran);
        let warnings = ran.warnings();
        assert_eq!(warnings.len(), 1, "{}", ran.stderr);
        assert_eq!(warnings[0], "the address of plugin `mine` holds credentials, which go into gw.lock");
        assert!(ran.stderr.contains("\n  = leave them out: git asks a credential helper, "));
    }
    let lock = fs::read_to_string(world.here.path("gw.lock")).expect("written");
    assert!(lock.contains(TOKEN), "cargo needs the address as it is: {lock}");

    // The user of ssh is no secret, and neither is an address without a user.
    let here = StandIn::new();
    here.plugin("plugins/a", "a", SDK_BY_PATH);
    let ran = xtask(&here, &["fetch", "--plugins", "a", "--offline"]).succeeded();
    assert_eq!(ran.warnings(), Vec::<&str>::new());
}

#[test]
fn a_secret_before_a_quote_leaves_the_event_what_it_is() {
    let here = StandIn::new();
    // cargo shows the line that it does not like.
    let dependency = "x = { git = \"https://h.invalid/x?token=SECRET1\", tag = 1 }";
    here.write("other/a/Cargo.toml", &format!("[package]\nname = \"a\"\n[dependencies]\n{dependency}\n"));
    let ran = xtask(&here, &["build", "--plugins", "./other/a", "--offline", "--json"]);
    let told = texts(&events(&ran), "error").concat();
    assert!(told.contains("git = \"https://h.invalid/x?token=***\", tag = 1"), "{told}");
    assert!(!ran.stdout.contains("SECRET1"), "{}", ran.stdout);
}

/// A stream whose reader has gone.
fn unread() -> std::io::PipeWriter {
    std::io::pipe().expect("a pipe").1
}

#[test]
fn that_nobody_reads_is_no_error() {
    let here = StandIn::new();
    for args in [&["schema"][..], &["doctor", "--offline"], &["doctor", "--offline", "--json"]] {
        let whole = xtask(&here, args);
        let mut command = program(&here, args);
        let ran = Ran::read(command.stdout(unread()).output().expect("it runs"));
        assert_eq!(ran.code, whole.code, "{args:?}: {}", ran.stderr);
        assert!(!ran.stderr.contains("panicked") && !ran.stderr.contains("pipe"), "{args:?}: {}", ran.stderr);
    }
    let mut command = program(&here, &["check", "--apis", "nowhere", "--offline"]);
    let ran = Ran::read(command.stderr(unread()).output().expect("it runs"));
    assert_eq!(ran.code, Some(i32::from(xtask::FAILED)));
}

#[test]
fn a_result_that_cannot_be_written_is_an_error() {
    let here = StandIn::new();
    let full = fs::File::options().write(true).open("/dev/full").expect("a device of Linux");
    let mut command = program(&here, &["schema"]);
    let ran = Ran::read(command.stdout(full).output().expect("it runs"));
    assert_eq!(ran.code, Some(i32::from(xtask::FAILED)));
    assert!(ran.stderr.starts_with("error: cannot write to stdout\n  caused by: "), "{}", ran.stderr);
}
