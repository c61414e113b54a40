//! `cargo xtask dev` with real gateways: what is saved is served, and nobody sees a failure.

mod client;
mod scene;

use std::net::TcpListener;
use std::time::Instant;

use rustix::process::{Signal, kill_process};

use client::{Connection, Load, get};
use scene::Scene;

#[test]
fn clients_see_new_answers_and_no_failure_across_edits() {
    let mut scene = Scene::new();
    let load = Load::start(scene.port, "/mine/get");
    load.both_see("one");
    for (answer, by_rename) in [("two", false), ("three", true), ("four", false)] {
        let saved = Instant::now();
        let quoted = format!("{answer:?}");
        let edit = if by_rename { Scene::edit_by_rename } else { Scene::edit };
        edit(&scene, &quoted);
        load.both_see(answer);
        tell(&format!("saved → both clients have `{answer}`: {:.2} s", saved.elapsed().as_secs_f64()));
        tell(&scene.until("saved → serving: "));
    }
    // Those before are gone once their clients are.
    scene.until_only(4);
    for outcome in load.stop() {
        tell(&format!("{} answers", outcome.answers));
        assert_eq!(outcome.failures, [""; 0]);
        assert!(outcome.bodies.iter().eq(["four", "one", "three", "two"]), "{outcome:?}");
    }
    scene.signal(Signal::INT);
    let (status, said) = scene.end();
    assert_eq!(status.code(), Some(0), "{said:?}");
}

#[test]
fn a_broken_edit_leaves_the_old_answer_and_the_next_good_one_heals() {
    let mut scene = Scene::new();
    scene.edit("no_such_thing");
    scene.until("error: plugin `my-plugin` does not compile");
    let message = scene.until("cannot find value");
    assert!(message.contains("no_such_thing"), "{message}");
    scene.until("goes on serving; waiting for changes");
    assert_eq!(get(scene.port, "/mine/get"), (200, "one".to_owned()));

    scene.edit("\"healed\"");
    scene.until("saved → serving: ");
    // Until then the one before may still answer whom it has accepted.
    scene.until_only(2);
    assert_eq!(get(scene.port, "/mine/get"), (200, "healed".to_owned()));

    // Saved without a change.
    scene.edit("\"healed\"");
    scene.until("nothing new");
    assert_eq!(get(scene.port, "/mine/get"), (200, "healed".to_owned()));

    // A gateway that dies is not started again and again, but with the next build.
    kill_process(scene.gateway(2).expect("it runs"), Signal::KILL).expect("it runs");
    scene.until("gateway-2 has ended by itself (signal: 9 (SIGKILL))");
    scene.edit("\"healed\"");
    scene.until("saved → serving: ");
    assert_eq!(get(scene.port, "/mine/get"), (200, "healed".to_owned()));

    scene.signal(Signal::TERM);
    let (status, said) = scene.end();
    assert_eq!(status.code(), Some(0), "{said:?}");
}

#[test]
fn a_definition_is_reloaded_without_a_build_and_a_second_signal_does_not_wait() {
    let mut scene = Scene::new();
    assert_eq!(get(scene.port, "/slow/get").0, 404);
    scene.said();
    let upstream = TcpListener::bind("127.0.0.1:0").expect("a free port");
    scene.define("slow", upstream.local_addr().expect("bound").port());
    tell(&scene.until("saved → reloaded: "));
    let said = scene.said();
    assert!(!said.iter().any(|line| line.contains("compile")), "{said:?}");

    // An answer that does not come keeps the gateway from ending.
    let mut client = Connection::open(scene.port).expect("served");
    client.send("/slow/get", "close").expect("sent");
    let _waiting = upstream.accept().expect("passed on");
    scene.signal(Signal::INT);
    scene.until("stopping …");
    assert!(scene.gateway(1).is_some(), "it waits for its last request");
    scene.signal(Signal::INT);
    let (status, said) = scene.end();
    assert_eq!(status.code(), Some(130), "{said:?}");
}

#[test]
fn a_build_that_takes_long_is_not_waited_for() {
    let mut scene = Scene::new();
    let gate = scene.edit_to_a_long_build();
    scene.signal(Signal::TERM);
    assert_eq!(scene.status().code(), Some(0));
    // Only now may the compiler end.
    drop(gate);
    scene.end();
}

#[expect(
    clippy::print_stdout,
    reason = "times are for people to read: a test that asserts them fails on a busy machine"
)]
fn tell(line: &str) {
    println!("{line}");
}
