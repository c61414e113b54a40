//! The store that needs nothing set up: what was acknowledged outlives the process, however it ends.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use gateway_tests::gateway::{SECRET, SECRET_HEADER};
use gateway_tests::{Client, Conf, Definition, Gateway, Upstream, api, ask, feed, get, within_deadline};
use http::Method;
use rustix::process::Signal;
use serde_json::{Value, json};
use tokio::sync::Notify;
use tokio::task::JoinSet;

/// An API that asks for a token.
fn keyed(upstream: &Upstream) -> Definition {
    api("keyed", upstream.address).set("/use_keyless", false)
}

/// A gateway whose keys are in this file.
fn on(file: &Path) -> Conf {
    Conf::default().set("storage", json!({"path": file}))
}

fn session(more: Value) -> String {
    let mut session = json!({"org_id": "default", "access_rights": {"keyed": {"api_id": "keyed"}}});
    session.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
    session.to_string()
}

fn folder() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("keys.redb");
    (folder, file)
}

#[tokio::test]
async fn keys_and_quotas_survive_a_restart() {
    let (upstream, (_folder, file)) = (Upstream::start(), folder());
    let gateway = on(&file).with(&keyed(&upstream)).start().await;
    let limited = session(json!({"alias": "ada", "quota_max": 5, "quota_renewal_rate": 3600}));
    let written = gateway.operate(Method::POST, "/tyk/keys/mine", limited).await;
    assert_eq!(written.status, 200, "{}", written.text());
    let asked = async |gateway: &Gateway| gateway.ask(get("/keyed/get").header("authorization", "mine")).await;
    assert_eq!(asked(&gateway).await.header("x-ratelimit-remaining"), "4");
    let before = gateway.control("/tyk/keys/defaultmine").await.json();
    assert_eq!((&before["alias"], &before["quota_remaining"]), (&json!("ada"), &json!(4)), "{before}");
    assert_eq!(gateway.terminate().await.code(), Some(0));

    let gateway = on(&file).with(&keyed(&upstream)).start().await;
    assert_eq!(gateway.control("/tyk/keys/defaultmine").await.json(), before);
    let answer = asked(&gateway).await;
    assert_eq!((answer.status, answer.header("x-ratelimit-remaining")), (200, "3"));
}

/// What the gateway has said it has done.
#[derive(Default)]
struct Acknowledged {
    written: BTreeSet<String>,
    deleted: BTreeSet<String>,
}

/// Writes keys until the gateway is gone, and deletes every fifth again; tells when there are more than a thousand.
async fn writes(mut client: Client, number: usize, done: Arc<Mutex<Acknowledged>>, enough: Arc<Notify>) {
    for at in 0.. {
        let key = format!("default-{number}-{at}");
        let path = format!("/tyk/keys/{key}");
        let call = |method| ask(method, &path).header(SECRET_HEADER, SECRET);
        let write = call(Method::POST).body(feed::whole(session(json!({"alias": key}))));
        let Ok(written) = client.try_ask(write).await else { return };
        assert_eq!(written.status, 200, "{}", written.text());
        let total = {
            let mut done = done.lock().unwrap_or_else(PoisonError::into_inner);
            done.written.insert(key.clone());
            done.written.len()
        };
        if total == 1_100 {
            enough.notify_one();
        }
        if at % 5 == 0 {
            // From here on it may be gone, whether we hear of it or not.
            done.lock().unwrap_or_else(PoisonError::into_inner).written.remove(&key);
            let Ok(deleted) = client.try_ask(call(Method::DELETE)).await else { return };
            assert_eq!(deleted.status, 200, "{}", deleted.text());
            done.lock().unwrap_or_else(PoisonError::into_inner).deleted.insert(key);
        }
    }
}

#[tokio::test]
async fn a_kill_loses_none_of_the_writes_that_were_acknowledged() {
    let (upstream, (_folder, file)) = (Upstream::start(), folder());
    let gateway = on(&file).with(&keyed(&upstream)).start().await;
    let (done, enough): (Arc<Mutex<Acknowledged>>, Arc<Notify>) = (Arc::default(), Arc::default());
    let mut clients = JoinSet::new();
    for number in 0..32 {
        clients.spawn(writes(gateway.connect().await, number, Arc::clone(&done), Arc::clone(&enough)));
    }
    within_deadline("a thousand writes", enough.notified()).await;
    gateway.process.signal(Signal::KILL);
    gateway.process.exit().await;
    clients.join_all().await;
    let Acknowledged { written, deleted } = std::mem::take(&mut *done.lock().unwrap_or_else(PoisonError::into_inner));
    assert!(written.len() >= 1_000 && !deleted.is_empty(), "{} {}", written.len(), deleted.len());

    let gateway = on(&file).with(&keyed(&upstream)).start().await;
    let listed = gateway.control("/tyk/keys").await.json();
    let listed = listed["keys"].as_array().expect("a list").iter().filter_map(Value::as_str);
    let there: BTreeSet<String> = listed.map(str::to_owned).collect();
    assert_eq!(written.difference(&there).collect::<Vec<_>>(), Vec::<&String>::new(), "lost");
    assert_eq!(deleted.intersection(&there).collect::<Vec<_>>(), Vec::<&String>::new(), "come back");
    let mut client = gateway.connect().await;
    for key in written.iter().step_by(50) {
        assert_eq!(client.ask(get("/keyed/get").header("authorization", key)).await.status, 200, "{key}");
    }
}

#[tokio::test]
async fn a_corrupt_file_is_refused_at_the_start_with_what_to_do_and_is_not_written() {
    let (upstream, (_folder, file)) = (Upstream::start(), folder());
    let gateway = on(&file).with(&keyed(&upstream)).start().await;
    for number in 0..20 {
        let written = gateway.operate(Method::POST, &format!("/tyk/keys/key-{number}"), session(json!({}))).await;
        assert_eq!(written.status, 200, "{}", written.text());
    }
    assert_eq!(gateway.terminate().await.code(), Some(0));
    let sound = fs::read(&file).expect("a file");
    let half = sound.len() / 2;
    let flipped = |at: std::ops::Range<usize>| {
        let mut damaged = sound.clone();
        damaged[at].iter_mut().for_each(|byte| *byte ^= 0xff);
        damaged
    };
    // What says where everything is, what is there, and the end that a full disk has not taken.
    for damaged in [flipped(16..512), flipped(4_096..sound.len()), sound[..half].to_vec(), sound[..100].to_vec()] {
        fs::write(&file, &damaged).expect("written");
        let process = on(&file).spawn(&["--port", "0"]);
        let what = format!("{}: the file is damaged (", file.display());
        let line = process.log.wait("a refusal", |line| line.text.contains(&what)).await;
        for next in ["it is left as it is", "put a copy of it in its place", "move it away to begin with an empty one"]
        {
            assert!(line.text.contains(next), "{}", line.text);
        }
        assert_eq!(process.exit().await.code(), Some(1));
        assert!(fs::read(&file).expect("a file") == damaged, "the file has changed");
    }
    fs::write(&file, &sound).expect("written");
    let gateway = on(&file).with(&keyed(&upstream)).start().await;
    assert_eq!(gateway.get("/hello").await.json()["status"], "pass");
}

#[tokio::test]
async fn a_start_that_has_no_room_for_the_file_leaves_nothing_in_the_way_of_the_next() {
    let (upstream, (folder, file)) = (Upstream::start(), folder());
    // A file may have 4 KiB or 8: that is a disk on which there is hardly any room.
    let process = on(&file).spawn_by(&["--port", "0"], |gateway| {
        let mut command = std::process::Command::new("/bin/sh");
        command.env_clear().args(["-c", "trap '' XFSZ; ulimit -f 8; exec \"$0\" \"$@\""]);
        command.arg(gateway.get_program()).args(gateway.get_args());
        command.current_dir(gateway.get_current_dir().expect("it has one"));
        command
    });
    let what = format!("{}: the file cannot be opened (", file.display());
    process.log.wait("a refusal", |line| line.text.contains(&what)).await;
    assert_eq!(process.exit().await.code(), Some(1));
    assert_eq!(fs::read_dir(folder.path()).expect("a folder").count(), 0);
    let gateway = on(&file).with(&keyed(&upstream)).start().await;
    let written = gateway.operate(Method::POST, "/tyk/keys/key", session(json!({}))).await;
    assert_eq!(written.status, 200, "{}", written.text());
}
