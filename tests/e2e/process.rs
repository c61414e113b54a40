//! The process: how it starts, how it ends, and where it runs.

use std::net::TcpListener;
use std::process::Command;

use gateway_tests::gateway::{Process, SECRET};
use gateway_tests::root::inside;
use gateway_tests::{Client, Conf, Gateway, Upstream, api, binary, get, within_deadline};
use rustix::process::Signal;
use serde_json::json;

#[tokio::test]
async fn at_its_end_it_answers_what_it_has_begun_and_says_that_it_is_not_ready() {
    const REQUESTS: usize = 20;
    let upstream = Upstream::start();
    let hold = upstream.hold("/held");
    let conf = Conf::default().set("graceful_shutdown_delay_seconds", 2).with(&api("busy", upstream.address));
    let gateway = conf.start().await;
    let mut open = gateway.connect().await;
    assert_eq!(open.ask(get("/ready")).await.status, 200);
    let mut flying = tokio::task::JoinSet::new();
    for _ in 0..REQUESTS {
        let mut client = gateway.connect().await;
        flying.spawn(async move { client.ask(get("/busy/held")).await.status });
    }
    hold.arrived(REQUESTS).await;
    gateway.process.signal(Signal::TERM);
    gateway.log().message("draining").await;
    let ready = open.ask(get("/ready")).await;
    assert_eq!((ready.status, &ready.json()["message"]), (503, &json!("Gateway is shutting down")));
    hold.release(REQUESTS);
    assert_eq!(flying.join_all().await, [200; REQUESTS]);
    assert_eq!(gateway.process.exit().await.code(), Some(0));
    gateway.log().message("stopped").await;
}

#[tokio::test]
async fn while_it_drains_nobody_new_is_let_in_and_idle_connections_are_closed() {
    let upstream = Upstream::start();
    let hold = upstream.hold("/held");
    let gateway = Gateway::serving(&api("busy", upstream.address)).await;
    let mut idle = gateway.connect().await;
    assert_eq!(idle.ask(get("/busy/get")).await.status, 200);
    let mut client = gateway.connect().await;
    let held = tokio::spawn(async move { client.ask(get("/busy/held")).await });
    hold.arrived(1).await;
    gateway.process.signal(Signal::TERM);
    idle.closed().await;
    within_deadline("the end of listening", async {
        while Client::try_connect(gateway.address).await.is_ok() {
            tokio::task::yield_now().await;
        }
    })
    .await;
    hold.release(1);
    assert_eq!(held.await.expect("no panic").status, 200);
    assert_eq!(gateway.process.exit().await.code(), Some(0));
}

#[tokio::test]
async fn who_does_not_end_is_not_waited_for_forever() {
    let upstream = Upstream::start();
    let hold = upstream.hold("/held");
    let conf = Conf::default().set("graceful_shutdown_timeout_duration", 1).with(&api("busy", upstream.address));
    let gateway = conf.start().await;
    let mut client = gateway.connect().await;
    let held = tokio::spawn(async move { client.try_ask(get("/busy/held")).await.is_err() });
    hold.arrived(1).await;
    gateway.process.signal(Signal::TERM);
    gateway.log().message("requests were still running at the end of the drain").await;
    assert!(held.await.expect("no panic"));
    assert_eq!(gateway.process.exit().await.code(), Some(0));
}

#[tokio::test]
async fn a_second_signal_ends_it_at_once() {
    let upstream = Upstream::start();
    let hold = upstream.hold("/held");
    let gateway = Gateway::serving(&api("busy", upstream.address)).await;
    let mut client = gateway.connect().await;
    let held = tokio::spawn(async move { client.try_ask(get("/busy/held")).await.is_err() });
    hold.arrived(1).await;
    gateway.process.signal(Signal::TERM);
    gateway.log().message("draining").await;
    gateway.process.signal(Signal::INT);
    gateway.log().message("stopped at once").await;
    assert_eq!(gateway.process.exit().await.code(), Some(0));
    assert!(held.await.expect("no panic"));
}

async fn refuses_port(port: u16) {
    let process = Conf::default().spawn(&["--port", &port.to_string()]);
    assert_eq!(process.exit().await.code(), Some(1));
    let expected = format!(
        "cannot listen on 127.0.0.1:{port}: Address already in use (os error 98); choose another port with `--port` or \
         `listen_port`, or stop what is there"
    );
    assert_eq!(process.log.message("the gateway does not start").await.field("error"), expected);
}

#[tokio::test]
async fn a_port_that_is_taken_is_said_in_a_sentence() {
    let taken = TcpListener::bind(("127.0.0.1", 0)).expect("a port of the system's choice");
    refuses_port(taken.local_addr().expect("it is bound").port()).await;
}

#[tokio::test]
async fn a_second_gateway_on_one_port_is_refused_and_the_first_serves_on() {
    let upstream = Upstream::start();
    let gateway = Gateway::serving(&api("first", upstream.address)).await;
    refuses_port(gateway.address.port()).await;
    for _ in 0..8 {
        assert_eq!(gateway.get("/first/get").await.status, 200);
    }
}

#[tokio::test]
async fn it_serves_on_every_core_or_does_not_start() {
    // Enough for the sockets of a small machine, and not for what serves them.
    let process = Conf::default().spawn_by(&["--port", "0"], |gateway| {
        let mut command = Command::new("/bin/sh");
        command.env_clear().args(["-c", "ulimit -n 16; exec \"$0\" \"$@\""]);
        command
            .arg(gateway.get_program())
            .args(gateway.get_args())
            .current_dir(gateway.get_current_dir().expect("it has one"));
        command
    });
    assert_eq!(process.exit().await.code(), Some(1));
    let line = process.log.message("the gateway does not start").await;
    assert!(line.field("error").contains("Too many open files (os error 24)"), "{}", line.text);
}

#[tokio::test]
async fn a_wrong_configuration_does_not_start() {
    let conf = Conf::default().set("listen_address", "somewhere").set("log_format", "xml");
    let told = conf.command(&["--port", "0"]);
    assert_eq!(told.status.code(), Some(1));
    let text = String::from_utf8_lossy(&told.stderr).into_owned();
    assert!(text.contains("listen_address: `somewhere` is not an IP address\n"), "{text}");
    assert!(text.contains("log_format: `xml` is not one of `text`, `json`, `legacy`\n"), "{text}");
}

#[test]
fn the_binary_needs_no_interpreter_and_no_library() {
    for path in [binary::everything(), binary::examples()] {
        binary::assert_needs_nothing(path);
    }
}

#[tokio::test]
async fn it_serves_in_a_root_that_holds_only_itself_and_its_files() {
    let upstream = Upstream::start();
    let root = tempfile::tempdir().expect("a temporary folder");
    std::fs::copy(binary::examples(), root.path().join("gateway")).expect("room for a copy");
    std::fs::create_dir(root.path().join("apps")).expect("a folder in a folder of ours");
    let conf = json!({
        "listen_address": "127.0.0.1", "secret": SECRET, "app_path": "/apps", "log_format": "json",
    });
    std::fs::write(root.path().join("tyk.conf"), conf.to_string()).expect("a file in a folder of ours");
    let by_name = format!("http://localhost:{}/", upstream.address.port());
    let definitions =
        [api("by-address", upstream.address), api("by-name", upstream.address).set("/proxy/target_url", by_name)];
    for definition in definitions {
        let definition = definition.plugins("post", &["AddFooBarHeader"]);
        let file = root.path().join("apps").join(definition.file_name());
        std::fs::write(file, definition.to_string()).expect("a file in a folder of ours");
    }
    let process = Process::spawn(&mut inside(root.path(), "0:0", &["--conf", "/tyk.conf", "--port", "0"]));
    let address = process.log.message("listening").await.field("address").parse().expect("an address");
    for path in ["/by-address/get", "/by-name/get"] {
        let answer = Client::connect(address).await.ask(get(path)).await;
        assert_eq!((answer.status, &answer.json()["Headers"]["Foo"]), (200, &json!("Bar")), "{path}");
    }
    let mut files: Vec<_> =
        std::fs::read_dir(root.path()).expect("a folder of ours").flatten().map(|e| e.file_name()).collect();
    files.sort();
    assert_eq!(files, ["apps", "gateway", "tyk.conf", "tyk.redb"]);
}
