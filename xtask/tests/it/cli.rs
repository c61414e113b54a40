//! What is typed, and the exit code.

use std::io::{BufRead, BufReader};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use crate::apis::classic;
use crate::standin::{SDK_BY_PATH, StandIn};

fn xtask(here: &StandIn, args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
    command.args(args).current_dir(here.path("plugins")).output().expect("xtask runs")
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn a_build_prints_one_line_to_stdout_and_its_steps_to_stderr() {
    let here = StandIn::new();
    here.plugin("plugins/a", "a", SDK_BY_PATH);
    let output = xtask(&here, &["build", "--plugins", "a", "--offline", "--output", "../out/gw"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let line = String::from_utf8(output.stdout).expect("text");
    assert_eq!(line.lines().count(), 1, "{line}");
    assert!(line.contains("  fast  static  plugins: a 0.1.0"), "{line}");
    assert!(here.path("out/gw").is_file());
    let steps = String::from_utf8_lossy(&output.stderr).into_owned();
    for step in [
        "1/7] plan …",
        "2/7] generate …",
        "3/7] resolve …",
        "4/7] check …",
        "5/7] compile …",
        "6/7] prove …",
        "7/7] place …",
    ] {
        assert!(steps.contains(&format!("[{step}")), "{steps}");
    }
}

#[test]
fn flags_of_the_environment_are_put_aside_and_that_is_said() {
    let here = StandIn::new();
    here.plugin("plugins/a", "a", SDK_BY_PATH);
    let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
    command.args(["build", "--plugins", "a", "--offline"]).current_dir(here.path(""));
    let output = command.env("RUSTFLAGS", "--no-such-flag").output().expect("xtask runs");
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let said = "warning: RUSTFLAGS of the environment is not used";
    assert_eq!(stderr(&output).matches(said).count(), 1, "{}", stderr(&output));
}

#[test]
fn what_cannot_be_understood_is_exit_code_2() {
    let here = StandIn::new();
    here.write("plugins/readme.txt", "");
    for args in [
        &["build", "--plugins", "a@one"][..],
        &["build", "--plugins", "https://example.com/a"],
        &["build", "--manifest", "nowhere.toml"],
        &["build", "--replace", "a"],
        &["build", "--plugins", "nowhere"],
        &["build", "--profile", "faster"],
        &["run", "--port", "0"],
        &["new", "Upper"],
        &["new", "mine", "--hook", "pots"],
        &["frobnicate"],
    ] {
        let output = xtask(&here, args);
        assert_eq!(output.status.code(), Some(2), "{args:?}: {}", stderr(&output));
        assert!(output.stdout.is_empty());
        assert!(stderr(&output).starts_with("error: ") || stderr(&output).contains("\nerror: "), "{args:?}");
    }
}

#[test]
fn a_gateway_that_cannot_be_made_is_exit_code_1() {
    let here = StandIn::new();
    here.package("plugins/lib", "lib-only", "0.1.0", "", "");
    let output = xtask(&here, &["build", "--plugins", "lib"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("error: crate `lib-only` does not depend on gateway-sdk"), "{}", stderr(&output));
}

#[test]
fn a_gateway_that_ends_at_once_is_not_waited_for() {
    let here = StandIn::new();
    here.plugin("plugins/a", "a", SDK_BY_PATH);
    let port = free_port();
    let output = xtask(&here, &["run", "--offline", "--port", &port]);
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    assert!(
        stderr(&output).contains("error: the gateway ended before it served (exit status: 0)"),
        "{}",
        stderr(&output)
    );
    let built = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(built.contains("plugins: a 0.1.0"), "every folder of plugins/ is in: {built}");
    let run = here.path("target/gw/run").join(&port);
    assert!(run.join("gateway").is_file() && run.join("apps/demo.json").is_file());
}

/// The definitions that a configuration names.
fn app_path(here: &StandIn, conf: &str) -> Option<String> {
    let text = std::fs::read_to_string(here.path(conf)).ok()?;
    // It may be half written just now.
    let conf: serde_json::Value = serde_json::from_str(&text).ok()?;
    conf["app_path"].as_str().map(str::to_owned)
}

const WITH_APIS: &str = "[plugins]\na = { bundled = true }\n[build]\napis = \"apps\"\n";

/// A checkout with a manifest that names definitions.
fn with_definitions() -> StandIn {
    let here = StandIn::new();
    here.plugin("plugins/a", "a", SDK_BY_PATH);
    here.write("gw.toml", WITH_APIS);
    here.write("apps/one.json", &classic(""));
    here
}

#[test]
fn definitions_that_are_named_are_served_instead_of_the_samples() {
    let here = with_definitions();
    for args in [&["--manifest", "../gw.toml"][..], &["--apis", "../apps"], &["--from-apis", "../apps"]] {
        let port = free_port();
        let output = xtask(&here, &[&["run", "--offline", "--port", &port], args].concat());
        assert!(stderr(&output).contains("error: the gateway ended before it served"), "{}", stderr(&output));
        let run = format!("target/gw/run/{port}");
        let served = app_path(&here, &format!("{run}/tyk.conf")).expect("written");
        assert_eq!(std::fs::canonicalize(served).expect("there"), here.path("apps"), "{args:?}");
        assert!(!here.path(&format!("{run}/apps")).exists(), "{args:?}");
    }
}

#[test]
fn definitions_of_the_manifest_are_served_and_watched_by_dev() {
    let here = with_definitions();
    let port = free_port();
    let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
    command.args(["dev", "--offline", "--manifest", "gw.toml", "--port", &port]).current_dir(here.path(""));
    let mut dev = command.stderr(Stdio::piped()).stdout(Stdio::null()).spawn().expect("xtask runs");
    let (sender, said) = std::sync::mpsc::channel();
    let lines = BufReader::new(dev.stderr.take().expect("piped")).lines();
    std::thread::spawn(move || lines.map_while(Result::ok).try_for_each(|line| sender.send(line)));
    let until = |words: &str| loop {
        match said.recv_timeout(Duration::from_secs(120)) {
            Ok(line) if line.contains(words) => break true,
            Ok(_) => {}
            Err(_) => break false,
        }
    };
    let waits = until("waiting for changes");
    let served = app_path(&here, &format!("target/gw/dev/{port}/tyk.conf"));
    here.write("apps/two.json", &classic(""));
    let seen = until("changed: apps/two.json");
    kill_process(Pid::from_child(&dev), Signal::INT).expect("it runs");
    dev.wait().expect("it ends");
    assert!(waits && seen, "{waits} {seen}");
    let served = std::fs::canonicalize(served.expect("written")).expect("there");
    assert_eq!(served, here.path("apps"));
}

/// A gateway that reloads would lose its definitions.
#[test]
fn a_run_leaves_the_folder_of_another_port_alone() {
    let here = StandIn::new();
    here.plugin("plugins/a", "a", SDK_BY_PATH);
    here.write("target/gw/run/1/apps/demo.json", "of a live run");
    let output = xtask(&here, &["run", "--offline", "--port", &free_port()]);
    assert!(stderr(&output).contains("error: the gateway ended before it served"), "{}", stderr(&output));
    let theirs = std::fs::read_to_string(here.path("target/gw/run/1/apps/demo.json")).expect("there");
    assert_eq!(theirs, "of a live run");
}

pub(crate) fn free_port() -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("bound").port().to_string()
}
