//! `cargo xtask bench`: what can be told without a gateway. What it measures is checked by CI, which runs it.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use xtask::repository::Repository;

use crate::standin::StandIn;

fn bench(here: &StandIn, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
    command.arg("bench").args(args).current_dir(here.path(""));
    command
}

fn run(here: &StandIn, args: &[&str]) -> Output {
    bench(here, args).output().expect("xtask runs")
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// A program that says which plugins it has, as a gateway would, and does something else when it is to serve.
fn gateway(here: &StandIn, serve: &str) -> String {
    let script = format!("#!/bin/sh\nif [ \"$1\" = plugins ]; then echo '[]'; exit 0; fi\n{serve}\n");
    here.write("gateway", &script);
    let path = here.path("gateway");
    fs::set_permissions(&path, Permissions::from_mode(0o755)).expect("made executable");
    path.display().to_string()
}

#[test]
fn what_cannot_be_measured_is_a_usage_error() {
    let here = StandIn::new();
    for args in [&["--peers", "apache"][..], &["--counts", "--quick"], &["--rounds"]] {
        let output = run(&here, args);
        assert_eq!(output.status.code(), Some(2), "{args:?}: {}", stderr(&output));
    }
    let output = run(&here, &["--peers", "apache"]);
    assert!(stderr(&output).contains("nginx, nginx-lua, haproxy, pingora, hyper, none"), "{}", stderr(&output));
}

#[test]
fn a_file_that_is_no_gateway_is_told_before_anything_is_measured() {
    let here = StandIn::new();
    here.write("text", "");
    for file in ["nowhere", "text", "/bin/true"] {
        let output = run(&here, &["--quick", "--peers", "none", "--gateway", file]);
        assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
        let told = stderr(&output);
        assert!(told.contains(&format!("error: `{file}` cannot be asked for its plugins")), "{told}");
        assert!(told.contains("= name the file that `cargo xtask build --profile ship` has made"), "{told}");
    }
}

#[test]
fn a_gateway_that_ends_is_told_with_its_words() {
    let here = StandIn::new();
    let binary = gateway(&here, "echo 'no such luck' >&2; exit 3");
    let output = run(&here, &["--quick", "--peers", "none", "--gateway", &binary]);
    assert_eq!(output.status.code(), Some(1));
    let told = stderr(&output);
    assert!(
        told.contains("error: gateway ended before it served (exit status: 3); it said:\n    no such luck"),
        "{told}"
    );
    let log = "target/gw/bench/run/gateway/log";
    assert!(told.contains(&format!("= all of it: {log};")), "{told}");
    assert_eq!(fs::read_to_string(here.path(log)).expect("a log"), "no such luck\n");
}

#[test]
fn whoever_ends_the_bench_ends_all_that_it_has_started() {
    let here = StandIn::new();
    let binary =
        gateway(&here, "trap '' TERM; sleep 600 & echo $! >\"$0.child\"; echo $$ >\"$0.pid\"; wait; sleep 600");
    let mut command = bench(&here, &["--quick", "--peers", "none", "--gateway", &binary]);
    let mut child = command.stderr(Stdio::null()).spawn().expect("xtask runs");
    // The load generator may have to be built first.
    let deadline = Instant::now() + Duration::from_secs(300);
    let number = |file: &Path| fs::read_to_string(file).ok()?.trim().parse::<u32>().ok();
    let started = loop {
        if let Some(started) = number(&here.path("gateway.pid")) {
            break started;
        }
        let ended = child.try_wait().expect("a child");
        assert!(ended.is_none() && Instant::now() < deadline, "it starts no gateway: {ended:?}");
        std::thread::sleep(Duration::from_millis(20));
    };
    let all = [started, number(&here.path("gateway.child")).expect("written before")];
    kill_process(Pid::from_child(&child), Signal::TERM).expect("it runs");
    assert_eq!(child.wait().expect("it ends").code(), Some(128 + 15));
    let deadline = Instant::now() + Duration::from_secs(20);
    while all.iter().any(|process| lives(*process)) {
        assert!(Instant::now() < deadline, "{all:?} are left");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn lives(process: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with('Z'))
}

#[test]
fn the_script_installs_what_it_knows_and_says_what_to_do_where_it_cannot() {
    let here = StandIn::new();
    here.write("bin/readme", "");
    let script = Repository::of_xtask().root().join("xtask/bench/install-peers");
    let run = |tool: &str| {
        let mut command = Command::new("/bin/bash");
        command.arg(&script).arg(tool).env("PATH", here.path("bin")).output().expect("bash runs")
    };
    let unknown = run("apache");
    assert_eq!(unknown.status.code(), Some(2));
    assert!(stderr(&unknown).contains("error: apache: not known here; there are valgrind"), "{}", stderr(&unknown));
    let missing = run("strace");
    assert_eq!(missing.status.code(), Some(1));
    let told = "error: strace: not installed, and there is no apt-get here; install by other means\n";
    assert_eq!(stderr(&missing), told);
    gateway(&here, "");
    fs::rename(here.path("gateway"), here.path("bin/strace")).expect("renamed");
    let there = run("strace");
    assert_eq!(there.status.code(), Some(0), "{}", stderr(&there));
    assert_eq!(there.stdout, b"strace: installed\n");
}
