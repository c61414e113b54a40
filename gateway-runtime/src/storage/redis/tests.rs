//! Redis as it is: one server, a cluster, sentinels, TLS; and what happens when it is slow, down, and back.

use redis::Commands as _;

use super::driver::START_PATIENCE;
use super::*;
use crate::storage::conformance::{HOUR, conformance, refused, until};
use crate::storage::{RedisTls, Secret, Signal, Store, Topology};
use server::{Server, password, settings};

mod server;

/// One server.
struct Bench {
    store: Store,
    _server: Server,
}

impl Bench {
    async fn open() -> Self {
        let server = Server::start(&[]);
        Self { store: connected(settings(&[&server])).await, _server: server }
    }
}

conformance!(Bench);

async fn connected(settings: RedisSettings) -> Store {
    let store = Store::new(RedisStore::start(settings).await.expect("a store"));
    until("a connection", async || store.engine().health().is_ok() && store.keys().get("").wait().await.is_ok()).await;
    store
}

mod cluster {
    use super::*;

    /// Two masters, with half of the slots each.
    struct Bench {
        store: Store,
        _servers: [Server; 2],
    }

    impl Bench {
        async fn open() -> Self {
            let servers = server::cluster().await;
            let settings = RedisSettings { topology: Topology::Cluster, ..settings(&[&servers[1]]) };
            Self { store: connected(settings).await, _servers: servers }
        }
    }

    conformance!(Bench);
}

mod sentinel {
    use super::*;

    /// A server, and a sentinel that knows it.
    struct Bench {
        store: Store,
        _servers: [Server; 2],
    }

    impl Bench {
        async fn open() -> Self {
            let server = Server::start(&[]);
            let sentinel = Server::sentinel(&server);
            let topology = Topology::Sentinel { master: "mine".to_owned(), password: Secret::default() };
            let settings = RedisSettings { topology, ..settings(&[&sentinel]) };
            Self { store: connected(settings).await, _servers: [server, sentinel] }
        }
    }

    conformance!(Bench);
}

#[tokio::test]
async fn what_is_stored_is_what_other_tools_know() {
    let server = Server::start(&[]);
    let store = connected(settings(&[&server])).await;
    store.keys().set("apikey-a", "{}".into(), Some(HOUR)).wait().await.expect("written");
    store.counters().increment("quota-a", 3, Some(HOUR)).wait().await.expect("counted");
    store.counters().record("rate-limit-a", HOUR, 5).wait().await.expect("recorded");
    let mut raw = server.connection();
    let kind = |raw: &mut redis::Connection, name: &str| raw.key_type::<_, String>(name).expect("a kind");
    assert_eq!(kind(&mut raw, "apikey-a"), "string");
    assert_eq!(kind(&mut raw, "quota-a"), "string");
    assert_eq!(kind(&mut raw, "rate-limit-a"), "zset");
    assert_eq!(raw.get::<_, String>("quota-a").expect("a counter"), "3");
    for name in ["apikey-a", "quota-a", "rate-limit-a"] {
        let left: u64 = raw.pttl(name).expect("a time");
        assert!(left > 0 && Duration::from_millis(left) <= HOUR, "{name}: {left}");
    }
    let scores: Vec<(String, f64)> = raw.zrange_withscores("rate-limit-a", 0, -1).expect("a log");
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs_f64();
    assert!(scores.len() == 1 && (now - scores[0].1 / 1e9).abs() < 60.0, "{scores:?}");

    // And the other way round.
    () = raw.set_ex("quota-b", 7, 3600).expect("written");
    assert_eq!(store.counters().increment("quota-b", 1, Some(HOUR)).wait().await.expect("counted").value, 8);
    let mut ear = store.signals().subscribe();
    () = raw.publish("tyk.cluster.notifications", "theirs").expect("told");
    assert_eq!(ear.next().await, Some(Signal::Message("theirs".into())));
}

#[tokio::test]
async fn two_gateways_count_together_and_hear_each_other() {
    let server = Server::start(&[]);
    let (one, other) = (connected(settings(&[&server])).await, connected(settings(&[&server])).await);
    let mut tasks = tokio::task::JoinSet::new();
    for n in 0..200 {
        let store = if n % 2 == 0 { one.clone() } else { other.clone() };
        tasks.spawn(async move {
            let count = store.counters().increment("quota-a", 1, Some(HOUR)).wait().await.expect("counted");
            let before = store.counters().record("rate-limit-a", HOUR, 1_000).wait().await.expect("recorded");
            (count.value, before)
        });
    }
    let (mut counts, mut logs): (Vec<_>, Vec<_>) = tasks.join_all().await.into_iter().unzip();
    counts.sort_unstable();
    logs.sort_unstable();
    assert_eq!(counts, (1..=200).collect::<Vec<_>>());
    assert_eq!(logs, (0..200).collect::<Vec<_>>());
    let mut ear = other.signals().subscribe();
    one.signals().publish("mine").wait().await.expect("told");
    assert_eq!(ear.next().await, Some(Signal::Message("mine".into())));
}

#[tokio::test]
async fn a_server_that_is_down_is_told_at_once_and_found_again() {
    let mut server = Server::start(&[]);
    let store = connected(settings(&[&server])).await;
    let mut ear = store.signals().subscribe();
    server.stop();
    until("the loss of the server", async || store.engine().health().is_err()).await;
    until("a refusal without a wait", async || {
        let begun = std::time::Instant::now();
        let error = refused(store.keys().get("apikey-a")).await;
        matches!(error.fault, Fault::Unreachable(_)) && begun.elapsed() < Duration::from_millis(100)
    })
    .await;
    let error = refused(store.counters().increment("quota-a", 1, None)).await;
    assert!(error.to_string().starts_with("storage `redis` cannot count: it is not reachable ("), "{error}");
    server.start_again();
    until("the server's return", async || store.engine().health().is_ok()).await;
    assert_eq!(ear.next().await, Some(Signal::Missed));
    store.keys().set("apikey-a", "x".into(), None).wait().await.expect("written");
    store.signals().publish("back").wait().await.expect("told");
    assert_eq!(ear.next().await, Some(Signal::Message("back".into())));
}

#[tokio::test]
async fn a_server_that_is_slow_is_waited_for_within_bounds() {
    let server = Server::start(&[]);
    let within = RedisSettings { timeout: Duration::from_millis(500), ..settings(&[&server]) };
    let store = connected(within).await;
    server.freeze();
    let errors = [refused(store.keys().get("a")).await, refused(store.counters().increment("a", 1, None)).await];
    for error in errors {
        assert!(matches!(error.fault, Fault::Timeout(_) | Fault::Unreachable(_)), "{error}");
    }
    until("the loss of the server", async || store.engine().health().is_err()).await;
    server.thaw();
    until("the server's return", async || store.keys().set("a", "x".into(), None).wait().await.is_ok()).await;
}

#[tokio::test]
async fn more_calls_than_turns_are_all_answered() {
    let server = Server::start(&[]);
    let store = connected(RedisSettings { at_once: 2, ..settings(&[&server]) }).await;
    let replies: Vec<_> = (0..500).map(|_| store.counters().increment("quota-a", 1, None)).collect();
    for reply in replies {
        reply.wait().await.expect("counted");
    }
    assert_eq!(store.counters().read("quota-a").wait().await.expect("an answer").map(|count| count.value), Some(500));
}

#[tokio::test]
async fn a_gateway_starts_without_its_server_and_finds_it_later() {
    let mut server = Server::start(&[]);
    server.stop();
    let begun = std::time::Instant::now();
    let store = Store::new(RedisStore::start(settings(&[&server])).await.expect("a store"));
    assert!(begun.elapsed() < START_PATIENCE * 5, "{:?}", begun.elapsed());
    let mut ear = store.signals().subscribe();
    let error = refused(store.keys().get("apikey-a")).await;
    assert!(matches!(error.fault, Fault::Unreachable(_)), "{error}");
    server.start_again();
    until("the server", async || store.keys().get("apikey-a").wait().await.is_ok()).await;
    assert_eq!(ear.next().await, Some(Signal::Missed));
}

#[tokio::test]
async fn a_password_is_shown_and_a_wrong_one_is_told_without_it() {
    let server = Server::start(&["--requirepass", password()]);
    let right = RedisSettings { password: Secret(password().to_owned()), ..settings(&[&server]) };
    let store = connected(RedisSettings { database: 3, ..right }).await;
    store.keys().set("a", "x".into(), None).wait().await.expect("written");
    let wrong = RedisSettings { password: Secret("guessed".to_owned()), ..settings(&[&server]) };
    let store = Store::new(RedisStore::start(wrong).await.expect("a store"));
    let trouble = store.engine().health().expect_err("it is not let in");
    assert!(!trouble.contains("guessed"), "{trouble}");
}

#[tokio::test]
async fn what_is_of_another_kind_is_told() {
    let server = Server::start(&[]);
    let store = connected(settings(&[&server])).await;
    let mut raw = server.connection();
    () = raw.rpush("a", "x").expect("written");
    () = raw.set("b", "x").expect("written");
    for error in [refused(store.keys().get("a")).await, refused(store.counters().increment("b", 1, None)).await] {
        assert!(matches!(error.fault, Fault::OtherKind), "{error}");
    }
}

#[tokio::test]
async fn tls_is_spoken_with_who_has_the_right_certificate() {
    let (server, roots) = Server::with_tls();
    let tls = |roots, insecure| Some(RedisTls { insecure, roots, identity: None });
    let with = |tls| RedisSettings { tls, ..settings(&[&server]) };
    let store = connected(with(tls(Some(roots), false))).await;
    store.keys().set("a", "x".into(), None).wait().await.expect("written");
    connected(with(tls(None, true))).await;
    let store = Store::new(RedisStore::start(with(tls(None, false))).await.expect("a store"));
    assert!(store.engine().health().is_err(), "nobody known has issued it");
    let broken = RedisStore::start(with(tls(Some(b"no certificate".to_vec()), false))).await;
    assert!(broken.is_err() || broken.is_ok_and(|store| store.health().is_err()));
}

#[tokio::test]
async fn another_server_is_found_when_sentinels_name_it() {
    let mut first = Server::start(&[]);
    let second = Server::start(&["--replicaof", "127.0.0.1", &first.port.to_string()]);
    let sentinel = Server::sentinel(&first);
    let topology = Topology::Sentinel { master: "mine".to_owned(), password: Secret::default() };
    let store = connected(RedisSettings { topology, ..settings(&[&sentinel]) }).await;
    sentinel.knows_a_replica().await;
    store.keys().set("apikey-a", "x".into(), None).wait().await.expect("written");
    until("a copy", async || second.connection().get::<_, Option<String>>("apikey-a").is_ok_and(|copy| copy.is_some()))
        .await;
    first.stop();
    until("another master", async || store.keys().set("apikey-b", "y".into(), None).wait().await.is_ok()).await;
    assert_eq!(store.keys().get("apikey-a").wait().await.expect("an answer").as_deref(), Some(&b"x"[..]));
    assert_eq!(second.connection().get::<_, String>("apikey-b").expect("written there"), "y");
}

#[tokio::test]
async fn what_is_closed_is_refused_and_what_was_asked_is_done() {
    let server = Server::start(&[]);
    let store = connected(settings(&[&server])).await;
    drop(store.keys().set("a", "x".into(), None));
    store.engine().close().wait().await.expect("closed");
    assert_eq!(server.connection().get::<_, String>("a").expect("written"), "x");
    let error = refused(store.keys().get("a")).await;
    assert!(matches!(error.fault, Fault::Closed), "{error}");
}

#[test]
fn a_pattern_matches_its_prefix_as_it_is() {
    for (prefix, pattern) in [("", "*"), ("apikey-", "apikey-*"), ("a*[b]?\\^", "a\\*\\[b\\]\\?\\\\\\^*")] {
        assert_eq!(link::pattern(prefix), pattern);
    }
}
