//! What is typed, and the exit code.

use std::process::{Command, Output};

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
    for step in
        ["[1/6] plan …", "[2/6] generate …", "[3/6] resolve …", "[4/6] compile …", "[5/6] prove …", "[6/6] place …"]
    {
        assert!(steps.contains(step), "{steps}");
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
        &["build", "--plugins", "a@1.2"][..],
        &["build", "--plugins", "git+https://example.com/a"],
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
