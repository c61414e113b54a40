//! The store: what files and servers it takes, and what a gateway does without.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use gateway_tests::gateway::Process;
use gateway_tests::redis::Redis;
use gateway_tests::{Conf, Gateway, Upstream, api, binary, within_deadline};
use rustix::process::Signal;
use serde_json::{Value, json};

/// Waits until a gateway that does not start has said this, and has ended.
async fn refuses(process: &Process, sentence: &str) {
    process.log.wait(sentence, |line| line.text.contains(sentence)).await;
    assert_eq!(process.exit().await.code(), Some(1));
}

/// What `/hello` says of the store.
async fn health(gateway: &Gateway) -> Value {
    gateway.get("/hello").await.json()
}

async fn until_health(gateway: &Gateway, status: &str) {
    let what = format!("the health `{status}`");
    within_deadline(&what, async {
        while health(gateway).await["status"] != status {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await;
}

#[tokio::test]
async fn without_a_word_of_it_keys_are_in_a_file_beside_the_gateway() {
    let gateway = Conf::default().start().await;
    let file = gateway.folder().join("tyk.redb");
    assert!(fs::metadata(&file).expect("a file").len() > 0);
    let health = health(&gateway).await;
    assert_eq!((&health["status"], &health["details"]["redb"]["status"]), (&json!("pass"), &json!("pass")), "{health}");
    assert_eq!(health["details"]["redb"]["componentType"], "datastore");
    let time = health["details"]["redb"]["time"].as_str().expect("a time");
    assert!(time.len() >= 20 && time.ends_with('Z') && time.contains('T'), "{time}");
    assert_eq!(gateway.terminate().await.code(), Some(0));
}

#[tokio::test]
async fn a_file_that_is_none_of_the_gateways_stops_the_start_and_stays_as_it_is() {
    for (text, sentence) in
        [("not a store", "is not a file of a gateway's"), ("redb\u{1a}\n", "is not a file of a gateway's")]
    {
        let conf = Conf::default();
        let file = conf.folder().join("keys");
        fs::write(&file, text).expect("written");
        let conf = conf.set("storage", json!({"path": file}));
        let process = conf.spawn(&["--port", "0"]);
        refuses(&process, &format!("{}: this {sentence}", file.display())).await;
        assert_eq!(fs::read_to_string(&file).expect("a file"), text);
    }
}

#[tokio::test]
async fn a_damaged_file_stops_the_start_and_stays_as_it_is() {
    let gateway = Conf::default().start().await;
    let file = gateway.folder().join("tyk.redb");
    gateway.process.signal(Signal::TERM);
    gateway.process.exit().await;
    let sound = fs::read(&file).expect("a file");
    let damaged = &sound[..sound.len() / 2];
    let conf = Conf::default();
    let path = conf.folder().join("tyk.redb");
    fs::write(&path, damaged).expect("written");
    let process = conf.spawn(&["--port", "0"]);
    refuses(&process, "tyk.redb: the file is damaged (").await;
    assert!(fs::read(&path).expect("a file") == damaged, "the file has changed");
}

#[tokio::test]
async fn a_file_that_another_gateway_has_open_stops_the_start() {
    let gateway = Conf::default().start().await;
    let file = gateway.folder().join("tyk.redb");
    let process = Conf::default().set("storage", json!({"path": file})).spawn(&["--port", "0"]);
    refuses(&process, "another process has this file open").await;
    assert_eq!(health(&gateway).await["status"], "pass");
}

#[tokio::test]
async fn a_gateway_that_may_write_nowhere_serves_and_says_what_it_forgets() {
    let conf = Conf::default();
    // Not even root can make a file there.
    let process = conf.spawn_by(&["--port", "0"], |command| {
        let mut changed = std::process::Command::new(command.get_program());
        changed.args(command.get_args()).env_clear().current_dir("/sys");
        changed
    });
    process.log.message("listening").await;
    let line =
        process.log.wait("a warning", |line| line.message().starts_with("keys and counters are kept in mem")).await;
    assert!(line.field("error").contains("tyk.redb: the file cannot be opened"), "{}", line.text);
    let asked = Conf::default().set("storage", json!({"path": "/sys/tyk.redb"}));
    refuses(&asked.spawn(&["--port", "0"]), "/sys/tyk.redb: the file cannot be opened").await;
}

#[tokio::test]
async fn redis_without_redis_in_the_binary_is_told_how_to_build_one() {
    let process = Conf::of(binary::examples()).set("storage", json!({"type": "redis"})).spawn(&["--port", "0"]);
    refuses(&process, "storage.type: `redis` is not in this binary").await;
    let told = process.log.wait("a way", |line| line.text.contains("`cargo xtask build --features redis`")).await;
    drop(told);
    let process = Conf::default().set("storage", json!({"type": "mongo"})).spawn(&["--port", "0"]);
    refuses(&process, "storage.type: `mongo` is no store of this gateway's").await;
}

#[tokio::test]
async fn a_gateway_serves_without_its_redis_and_finds_it() {
    let upstream = Upstream::start();
    let mut redis = Redis::stopped();
    let conf = Conf::default().set("storage", json!({"type": "redis", "host": "127.0.0.1", "port": redis.port}));
    let gateway = conf.with(&api("open", upstream.address)).start().await;
    let waited = gateway.log().message("waiting for Redis").await;
    assert_eq!(waited.field("nodes"), format!("127.0.0.1:{}", redis.port));
    gateway.log().message("Redis does not answer: the gateway starts without it, and goes on trying").await;
    let told = health(&gateway).await;
    assert_eq!((&told["status"], &told["details"]["redis"]["status"]), (&json!("fail"), &json!("fail")), "{told}");
    assert!(told["details"]["redis"]["output"].as_str().is_some_and(|output| !output.is_empty()), "{told}");
    let ready = gateway.get("/ready").await;
    assert_eq!((ready.status, ready.json()["message"].clone()), (503, json!("Redis connection not available")));
    assert_eq!(gateway.get("/open/get").await.status, 200);

    assert!(redis.run());
    until_health(&gateway, "pass").await;
    assert_eq!(gateway.get("/ready").await.status, 200);
    redis.stop();
    until_health(&gateway, "fail").await;
    assert_eq!(gateway.get("/open/get").await.status, 200);
    assert_eq!(gateway.terminate().await.code(), Some(0));
}

/// A gateway on a Redis.
fn on(redis: &Redis) -> Conf {
    Conf::default().set("storage", json!({"type": "redis", "addrs": [format!("127.0.0.1:{}", redis.port)]}))
}

#[tokio::test]
async fn a_reload_of_the_group_reloads_every_gateway_that_has_its_secret() {
    let redis = Redis::start();
    let with = |secret: &str| on(&redis).set("node_secret", secret).start();
    let (one, other, stranger) = (with("ours").await, with("ours").await, with("theirs").await);
    assert_eq!(one.control("/tyk/reload/group").await.text(), "{\"status\":\"ok\",\"message\":\"\"}\n");
    for gateway in [&one, &other] {
        gateway.log().message("reloaded").await;
    }
    let dropped = "`GroupReload` is not signed";
    let dropped = stranger.log().wait(dropped, |line| line.field("error").contains(dropped)).await;
    assert_eq!(dropped.message(), "a notice is dropped");
    assert!(stranger.log().all(|line| line.message() == "reloaded").is_empty());
}

#[tokio::test]
async fn a_gateway_reloads_when_its_redis_is_back() {
    let mut redis = Redis::start();
    let gateway = on(&redis).start().await;
    redis.stop();
    until_health(&gateway, "fail").await;
    let refused = gateway.control("/tyk/reload/group").await;
    assert_eq!(refused.status, 503, "{}", refused.text());
    assert!(redis.run());
    gateway.log().message("reloaded").await;
}

#[tokio::test]
async fn a_successor_has_the_file_of_the_gateway_before_it() {
    let gateway = Conf::default().start().await;
    let file: PathBuf = gateway.folder().join("tyk.redb");
    gateway.process.signal(Signal::USR2);
    let taken = gateway.log().message("another gateway serves").await;
    assert_eq!(gateway.process.exit().await.code(), Some(0));
    let successor = taken.json["process"].as_u64().and_then(|pid| i32::try_from(pid).ok()).expect("its number");
    // It has the file open, and so nobody else can.
    let process = Conf::default().set("storage", json!({"path": file})).spawn(&["--port", "0"]);
    refuses(&process, "another process has this file open").await;
    let successor = rustix::process::Pid::from_raw(successor).expect("no zero");
    rustix::process::kill_process(successor, Signal::TERM).expect("it runs");
}
