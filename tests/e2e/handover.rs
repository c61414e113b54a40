//! Sockets that outlive the process: inherited, shared, handed from one gateway to the next; and what the process tells
//! of itself.

use std::collections::BTreeMap;
use std::net::{SocketAddr, UdpSocket};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::time::Duration;

use gateway_tests::definition::Definition;
use gateway_tests::log::Log;
use gateway_tests::manager::{Manager, Service, States};
use gateway_tests::upstream::Nobody;
use gateway_tests::{Client, Conf, Gateway, Upstream, api, binary, get, within_deadline};
use rustix::process::{Pid, Signal};
use serde_json::json;
use tempfile::TempDir;
use tokio::sync::watch;
use tokio::task::JoinSet;

/// How often one gateway takes over from another.
const HANDOVERS: usize = 4;
/// Clients of each kind.
const CLIENTS: usize = 4;
/// How often a client asks: 200 times a second.
const PACE: Duration = Duration::from_millis(5);
/// How many answers each gateway gives before the next one comes.
const ANSWERS: usize = 100;

/// A gateway whose answers tell its number, ready to serve.
async fn serving(manager: &Manager, upstream: &Upstream, number: usize) -> Service {
    let definition = api("mine", upstream.address).plugins("pre", &["Strict"]);
    let conf = Conf::default().with(&definition.config("Strict", json!({"per_minute": number})));
    let service = manager.start(&conf, &[]);
    service.states.says("READY=1").await;
    service
}

/// What clients were answered, by the number of the gateway, and how they failed.
#[derive(Debug, Clone, Default)]
struct Tally {
    answers: BTreeMap<String, usize>,
    failures: Vec<String>,
}

impl Tally {
    fn answers(&self, number: usize) -> usize {
        self.answers.get(&number.to_string()).copied().unwrap_or_default()
    }
}

/// Takes note of what becomes of a request; gives whether the connection may be used again.
async fn ask(who: &str, client: &mut Client, tally: &watch::Sender<Tally>) -> bool {
    match client.try_ask(get("/mine/get")).await {
        Ok(answer) if answer.status == 200 => {
            let number = answer.header("x-per-minute").to_owned();
            tally.send_modify(|tally| *tally.answers.entry(number).or_default() += 1);
            answer.header("connection") != "close"
        }
        Ok(answer) => {
            let failure = format!("{who}: {} {}", answer.status, answer.text());
            tally.send_modify(|tally| tally.failures.push(failure));
            false
        }
        Err(error) => {
            tally.send_modify(|tally| tally.failures.push(format!("{who}: {error:?}")));
            false
        }
    }
}

/// Waits until this gateway has given so many answers.
async fn reaches(tally: &watch::Sender<Tally>, number: usize, answers: usize) {
    let mut noted = tally.subscribe();
    let reached = noted.wait_for(|tally| tally.answers(number) >= answers);
    let what = format!("{answers} answers of gateway {number}");
    drop(within_deadline(&what, reached).await.expect("the clients ask on"));
}

/// Asks until told to stop. A kept connection is trusted until an answer says that it was the last on it.
async fn client(to: SocketAddr, keeps: bool, tally: watch::Sender<Tally>, stop: watch::Receiver<bool>) {
    let who = if keeps { "a client that keeps its connection" } else { "a client that connects anew" };
    let mut pace = tokio::time::interval(PACE);
    let mut kept = None;
    while !*stop.borrow() {
        pace.tick().await;
        let mut client = match kept.take() {
            Some(client) => client,
            None => match Client::try_connect(to).await {
                Ok(client) => client,
                Err(error) => {
                    tally.send_modify(|tally| tally.failures.push(format!("{who}: {error}")));
                    continue;
                }
            },
        };
        if ask(who, &mut client, &tally).await && keeps {
            kept = Some(client);
        }
    }
}

#[tokio::test]
async fn one_gateway_takes_over_from_another_and_no_request_fails() {
    let upstream = Upstream::start();
    let (manager, addresses) = Manager::listening(1);
    let mut current = serving(&manager, &upstream, 0).await;
    let tally = watch::Sender::new(Tally::default());
    let (stop, stopped) = watch::channel(false);
    let mut clients = JoinSet::new();
    for n in 0..2 * CLIENTS {
        clients.spawn(client(addresses[0], n % 2 == 0, tally.clone(), stopped.clone()));
    }
    reaches(&tally, 0, ANSWERS).await;
    for number in 1..=HANDOVERS {
        let next = serving(&manager, &upstream, number).await;
        current.process.signal(Signal::TERM);
        current.states.says("STOPPING=1").await;
        assert_eq!(current.process.exit().await.code(), Some(0));
        let late = current.process.log.all(|line| line.message().starts_with("requests were still running"));
        assert!(late.is_empty(), "{late:?}");
        let before = tally.borrow().answers(number);
        reaches(&tally, number, before + ANSWERS).await;
        current = next;
    }
    stop.send_replace(true);
    clients.join_all().await;
    let Tally { answers, failures } = &*tally.borrow();
    assert!(failures.is_empty(), "{} failed: {failures:#?}; answered were {answers:?}", failures.len());
    assert_eq!(answers.len(), HANDOVERS + 1, "{answers:?}");
}

/// A gateway that runs from a file of its own, which can be replaced.
struct Replaceable {
    file: PathBuf,
    gateway: Gateway,
    definition: Definition,
    _folder: TempDir,
}

impl Replaceable {
    async fn serving(upstream: &Upstream) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let file = folder.path().join("gateway");
        std::fs::copy(binary::everything(), &file).expect("a copy of the binary");
        let definition = api("mine", upstream.address).plugins("pre", &["Strict"]);
        let gateway =
            Conf::of(&file).with(&definition.clone().config("Strict", json!({"per_minute": 0}))).start().await;
        Self { file, gateway, definition, _folder: folder }
    }

    /// Puts another program in its place, as an installer does.
    fn replace(&self, program: &Path) {
        let next = self.file.with_extension("next");
        std::fs::copy(program, &next).expect("a copy of a program");
        std::fs::rename(next, &self.file).expect("a file of ours");
    }

    /// What the next one will serve.
    fn number(&self, number: usize) {
        self.gateway.write(&self.definition.clone().config("Strict", json!({"per_minute": number})));
    }
}

/// A process that is nobody's child here.
struct Stranger(Pid);

impl Stranger {
    /// The successor that the log tells of.
    async fn nth(log: &Log, times: usize) -> Self {
        let line = log.message_times("another gateway serves", times).await;
        let pid = line.json["process"].as_i64().and_then(|pid| Pid::from_raw(pid.try_into().ok()?));
        Self(pid.expect("a process id"))
    }

    fn signal(&self, signal: Signal) {
        rustix::process::kill_process(self.0, signal).expect("a running process");
    }

    /// Waits for its end.
    async fn ends(&self) {
        within_deadline("the end of a successor", async {
            while rustix::process::test_kill_process(self.0).is_ok() {
                tokio::task::yield_now().await;
            }
        })
        .await;
    }
}

impl Drop for Stranger {
    fn drop(&mut self) {
        let _ = rustix::process::kill_process(self.0, Signal::KILL);
    }
}

#[tokio::test]
async fn a_gateway_starts_its_successor_and_no_request_fails() {
    let upstream = Upstream::start();
    let first = Replaceable::serving(&upstream).await;
    let log = first.gateway.log();
    let tally = watch::Sender::new(Tally::default());
    let (stop, stopped) = watch::channel(false);
    let mut clients = JoinSet::new();
    for n in 0..2 * CLIENTS {
        clients.spawn(client(first.gateway.address, n % 2 == 0, tally.clone(), stopped.clone()));
    }
    reaches(&tally, 0, ANSWERS).await;
    first.replace(binary::everything());
    first.number(1);
    first.gateway.process.signal(Signal::USR2);
    let second = Stranger::nth(log, 1).await;
    let runs = std::fs::read_link(format!("/proc/{}/exe", second.0.as_raw_nonzero())).expect("a running process");
    assert_eq!(runs, first.file, "the new file, not the one that was replaced");
    assert_eq!(first.gateway.process.exit().await.code(), Some(0));
    reaches(&tally, 1, ANSWERS).await;
    // A successor has successors.
    first.number(2);
    second.signal(Signal::USR2);
    let third = Stranger::nth(log, 2).await;
    second.ends().await;
    reaches(&tally, 2, ANSWERS).await;
    stop.send_replace(true);
    clients.join_all().await;
    let Tally { answers, failures } = &*tally.borrow();
    assert!(failures.is_empty(), "{} failed: {failures:#?}; answered were {answers:?}", failures.len());
    let late = log.all(|line| line.message().starts_with("requests were still running"));
    assert!(late.is_empty(), "{late:?}");
    third.signal(Signal::TERM);
    third.ends().await;
}

#[tokio::test]
async fn a_successor_that_does_not_serve_changes_nothing() {
    let upstream = Upstream::start();
    let current = Replaceable::serving(&upstream).await;
    let refused = "nobody takes over: this gateway serves on";
    let folder = tempfile::tempdir().expect("a temporary folder");
    let text = folder.path().join("text");
    std::fs::write(&text, "no program").expect("a file of ours");
    current.replace(&text);
    current.gateway.process.signal(Signal::USR2);
    let line = current.gateway.log().message_times(refused, 1).await;
    assert!(line.field("error").contains("cannot be started: Permission denied"), "{line:?}");
    // One that starts, and does not like what it reads.
    current.replace(binary::everything());
    std::fs::write(current.gateway.folder().join("tyk.conf"), "{").expect("a file of ours");
    current.gateway.process.signal(Signal::USR2);
    let line = current.gateway.log().message_times(refused, 2).await;
    assert!(line.field("error").starts_with("the new gateway has ended before it served (exit status: 1)"), "{line:?}");
    let mut client = current.gateway.connect().await;
    let answer = client.ask(get("/mine/get")).await;
    assert_eq!((answer.status, answer.header("x-per-minute"), answer.header("connection")), (200, "0", ""));
}

#[tokio::test]
async fn a_successor_that_cannot_serve_what_is_served_does_not_take_over() {
    let upstream = Upstream::start();
    let current = Replaceable::serving(&upstream).await;
    let refused = "nobody takes over: this gateway serves on";
    let lost =
        |file: &Path| format!("the new gateway cannot serve {}, which this one serves; its own log", file.display());
    let file = current.gateway.apps().join(current.definition.file_name());
    let mut client = current.gateway.connect().await;
    // Reloads keep the old version, which a successor has not.
    current.gateway.write_file(&current.definition.file_name(), "{");
    current.gateway.reload().await;
    current.gateway.process.signal(Signal::USR2);
    let line = current.gateway.log().message_times(refused, 1).await;
    assert!(line.field("error").starts_with(&lost(&file)), "{line:?}");
    assert_eq!(client.ask(get("/mine/get")).await.header("x-per-minute"), "0");
    // The definition is right, and its plugin is not in the new program.
    current.number(1);
    current.replace(binary::examples());
    current.gateway.process.signal(Signal::USR2);
    let line = current.gateway.log().message_times(refused, 2).await;
    assert!(line.field("error").starts_with(&lost(&file)), "{line:?}");
    let answer = client.ask(get("/mine/get")).await;
    assert_eq!((answer.status, answer.header("x-per-minute"), answer.header("connection")), (200, "0", ""));
    // Mended, it takes over.
    current.replace(binary::everything());
    current.gateway.process.signal(Signal::USR2);
    let successor = Stranger::nth(current.gateway.log(), 1).await;
    assert_eq!(current.gateway.process.exit().await.code(), Some(0));
    assert_eq!(current.gateway.get("/mine/get").await.header("x-per-minute"), "1");
    successor.signal(Signal::TERM);
    successor.ends().await;
}

#[tokio::test]
async fn what_is_not_served_anyway_holds_no_successor_up() {
    let upstream = Upstream::start();
    let current = Replaceable::serving(&upstream).await;
    current.gateway.write_file("broken.json", "{");
    current.gateway.write(&api("missing", upstream.address).plugins("pre", &["NobodyHasIt"]));
    current.gateway.reload().await;
    current.gateway.write_file("new.json", "{");
    current.number(1);
    current.gateway.process.signal(Signal::USR2);
    let successor = Stranger::nth(current.gateway.log(), 1).await;
    assert_eq!(current.gateway.process.exit().await.code(), Some(0));
    assert_eq!(current.gateway.get("/mine/get").await.header("x-per-minute"), "1");
    assert_eq!(current.gateway.get("/missing/get").await.status, 500);
    successor.signal(Signal::TERM);
    successor.ends().await;
}

#[tokio::test]
async fn every_inherited_socket_is_served_and_the_configured_address_is_not() {
    // More than any machine has cores would be many; one core serves several all the same.
    let sockets = std::thread::available_parallelism().map_or(1, usize::from) + 1;
    let upstream = Upstream::start();
    let (manager, addresses) = Manager::listening(sockets);
    let nobody = Nobody::default();
    let unused = nobody.address.port().to_string();
    let conf = Conf::default().with(&api("mine", upstream.address));
    let service = manager.start(&conf, &["--port", &unused]);
    service.states.says("READY=1").await;
    for address in &addresses {
        assert_eq!(Client::connect(*address).await.ask(get("/mine/get")).await.status, 200);
    }
    let shown: Vec<_> = addresses.iter().map(ToString::to_string).collect();
    let log = &service.process.log;
    let line = log.message("inherited sockets: `listen_address` and `listen_port` are not used").await;
    assert_eq!((line.field("addresses"), &line.json["sockets"]), (&*shown.join(", "), &json!(sockets)));
    assert_eq!(log.message("listening").await.field("address"), shown.join(", "));
    let line = log.message("`--port` has no effect on inherited sockets").await;
    assert_eq!((line.field("level"), line.json["port"].to_string()), ("WARN", unused));
    assert!(Client::try_connect(nobody.address).await.is_err(), "nothing was bound");
}

#[tokio::test]
async fn sockets_that_are_for_another_process_are_left_alone() {
    let (manager, addresses) = Manager::listening(1);
    let process = Conf::default().spawn_by(&["--port", "0"], |gateway| {
        let mut command = std::process::Command::new(gateway.get_program());
        command
            .env_clear()
            .args(gateway.get_args())
            .current_dir(gateway.get_current_dir().expect("it has one"))
            .env("LISTEN_FDS", "1")
            .env("LISTEN_PID", "1");
        command
    });
    let bound: SocketAddr = process.log.message("listening").await.field("address").parse().expect("an address");
    assert_ne!(bound, addresses[0]);
    assert_eq!(Client::connect(bound).await.ask(get("/hello")).await.status, 200);
    drop(manager);
}

#[tokio::test]
async fn a_descriptor_that_is_no_listening_socket_is_said_in_a_sentence() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let deaf = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).expect("a socket");
    deaf.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).expect("a port of the system's choice");
    let udp = UdpSocket::bind(("127.0.0.1", 0)).expect("a port of the system's choice");
    let local = UnixListener::bind(folder.path().join("local")).expect("a socket in a folder of ours");
    let file = std::fs::File::open(folder.path()).expect("a folder of ours");
    let cases: [(std::os::fd::OwnedFd, &str); 4] = [
        (deaf.into(), "it does not listen"),
        (udp.into(), "fd 4 is not a valid tcp socket"),
        (local.into(), "fd 4 is not a valid tcp socket"),
        (file.into(), "fd 4 is not a socket"),
    ];
    for (descriptor, reason) in cases {
        let (manager, _) = Manager::listening(1);
        let service = manager.with(descriptor).start(&Conf::default(), &[]);
        assert_eq!(service.process.exit().await.code(), Some(1));
        let expected = format!(
            "socket 2 of the 2 that `LISTEN_FDS` announces is not one to listen on: {reason}; pass listening TCP sockets \
             only, or unset `LISTEN_FDS` to use `listen_address` and `listen_port`"
        );
        let line = service.process.log.message("the gateway does not start").await;
        assert_eq!(line.field("error"), expected);
    }
}

#[tokio::test]
async fn the_manager_is_told_of_reloads_and_of_the_end() {
    let (manager, _) = Manager::listening(1);
    let service = manager.start(&Conf::default(), &[]);
    service.states.says("READY=1").await;
    service.process.signal(Signal::HUP);
    let reloading = service.states.next().await;
    let [state, time] = &reloading[..] else { panic!("{reloading:?}") };
    assert_eq!(state, "RELOADING=1");
    let time = time.strip_prefix("MONOTONIC_USEC=").and_then(|time| time.parse::<u64>().ok());
    assert!(time.is_some_and(|time| time > 0), "{reloading:?}");
    service.states.says("READY=1").await;
    service.process.signal(Signal::TERM);
    service.states.says("STOPPING=1").await;
    assert_eq!(service.process.exit().await.code(), Some(0));
}

/// Serves, reloads and ends, whatever becomes of the messages that it sends there.
async fn lives_with(states: &States) {
    let upstream = Upstream::start();
    let conf = Conf::default().with(&api("mine", upstream.address));
    let process = conf.spawn_by(&["--port", "0", "--debug"], |gateway| {
        let mut command = std::process::Command::new(gateway.get_program());
        command
            .env_clear()
            .args(gateway.get_args())
            .current_dir(gateway.get_current_dir().expect("it has one"))
            .env("NOTIFY_SOCKET", states.path());
        command
    });
    let address = process.log.message("listening").await.field("address").parse().expect("an address");
    let mut client = Client::connect(address).await;
    assert_eq!(client.ask(get("/mine/get")).await.status, 200);
    process.signal(Signal::HUP);
    process.log.message("reloaded").await;
    let told = |line: &gateway_tests::log::Line| line.message().starts_with("`NOTIFY_SOCKET` ");
    assert_eq!(process.log.wait("a line on the socket", told).await.field("level"), "DEBUG");
    process.signal(Signal::TERM);
    assert_eq!(process.exit().await.code(), Some(0));
    process.log.message("stopped").await;
}

#[tokio::test]
async fn a_manager_that_does_not_read_holds_nothing_up() {
    let states = States::default();
    states.fill();
    lives_with(&states).await;
}

#[tokio::test]
async fn a_manager_that_is_gone_holds_nothing_up() {
    let states = States::default();
    std::fs::remove_file(states.path()).expect("a socket of ours");
    lives_with(&states).await;
}
