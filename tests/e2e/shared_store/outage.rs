//! Redis goes and comes back while clients ask.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use super::*;

/// Clients of both gateways that ask one thing until they are told to stop.
struct Load {
    asked: Arc<AtomicUsize>,
    clients: JoinSet<BTreeMap<u16, usize>>,
}

impl Load {
    /// Two clients of each gateway. A key is shown if there is one.
    async fn start(pair: &Pair, stop: &Arc<AtomicBool>, path: &'static str, key: Option<&'static str>) -> Self {
        let asked: Arc<AtomicUsize> = Arc::default();
        let mut clients = JoinSet::new();
        for gateway in pair.both().into_iter().chain(pair.both()) {
            let mut client = gateway.connect().await;
            let (stop, asked) = (Arc::clone(stop), Arc::clone(&asked));
            clients.spawn(async move {
                let mut statuses = BTreeMap::new();
                while !stop.load(Ordering::Relaxed) {
                    let ask = get(path);
                    let ask = match key {
                        Some(key) => ask.header("authorization", key),
                        None => ask,
                    };
                    *statuses.entry(client.ask(ask).await.status).or_default() += 1;
                    asked.fetch_add(1, Ordering::Relaxed);
                }
                statuses
            });
        }
        Self { asked, clients }
    }

    /// Waits until so many more have been answered.
    async fn goes_on(&self) {
        let enough = self.asked.load(Ordering::Relaxed) + 100;
        within_deadline("a hundred answers", async {
            while self.asked.load(Ordering::Relaxed) < enough {
                tokio::task::yield_now().await;
            }
        })
        .await;
    }

    /// How many answers there were of each status.
    async fn end(self) -> BTreeMap<u16, usize> {
        self.clients.join_all().await.into_iter().flatten().fold(BTreeMap::new(), |mut sum, (status, count)| {
            *sum.entry(status).or_default() += count;
            sum
        })
    }
}

async fn until_health(gateway: &Gateway, status: &str) {
    let mut client = gateway.connect().await;
    within_deadline(&format!("the health `{status}`"), async {
        loop {
            let told = client.ask(get("/hello")).await;
            assert_eq!(told.status, 200);
            let told = told.json();
            assert_eq!(told["status"], told["details"]["redis"]["status"], "{told}");
            if told["status"] == status {
                break;
            }
            tokio::task::yield_now().await;
        }
    })
    .await;
}

/// Those whose session is kept are served as if nothing had happened; a quota that cannot be counted is used up. Source:
/// gateway.md §7.4, §9.
#[tokio::test]
async fn redis_goes_and_comes_under_load_and_nobody_is_told_of_a_fault_of_the_gateway() {
    let mut pair = Pair::with(Redis::keeping(), |conf| conf, |conf| conf).await;
    write(&pair.one, "kept", &session(json!({}))).await;
    write(&pair.one, "counted", &session(json!({"quota_max": 1_000_000, "quota_renewal_rate": 3600}))).await;
    let stop: Arc<AtomicBool> = Arc::default();
    let open = Load::start(&pair, &stop, "/open/get", None).await;
    let kept = Load::start(&pair, &stop, "/keyed/get", Some("kept")).await;
    let counted = Load::start(&pair, &stop, "/keyed/get", Some("counted")).await;
    for outage in 1..=2 {
        for load in [&open, &kept, &counted] {
            load.goes_on().await;
        }
        pair.redis.stop();
        for gateway in pair.both() {
            until_health(gateway, "fail").await;
        }
        for load in [&open, &kept, &counted] {
            load.goes_on().await;
        }
        assert!(pair.redis.run());
        for gateway in pair.both() {
            until_health(gateway, "pass").await;
            gateway.log().message_times("reloaded", outage).await;
        }
    }
    for load in [&open, &kept, &counted] {
        load.goes_on().await;
    }
    for gateway in pair.both() {
        assert_eq!(gateway.ask(with_key("counted")).await.status, 200, "it is counted again");
        // Who asks for a key that nobody has asked for is let in again, too.
        assert_eq!(gateway.get("/ready").await.status, 200);
    }
    stop.store(true, Ordering::Relaxed);
    let (open, kept, counted) = (open.end().await, kept.end().await, counted.end().await);
    assert_eq!(open.keys().collect::<Vec<_>>(), [&200], "{open:?}");
    assert_eq!(kept.keys().collect::<Vec<_>>(), [&200], "{kept:?}");
    assert_eq!(counted.keys().collect::<Vec<_>>(), [&200, &403], "{counted:?}");
    for gateway in pair.both() {
        assert!(gateway.log().all(|line| line.text.contains("panicked")).is_empty(), "{}", gateway.log());
    }
}

/// Nobody is kept from starting, and who starts says what it waits for, and for how long.
#[tokio::test]
async fn a_gateway_that_starts_while_redis_is_down_waits_for_a_second_and_serves_then() {
    let (mut redis, upstream) = (Redis::stopped(), Upstream::start());
    let begun = Instant::now();
    let gateway = on(&redis).with(&api("open", upstream.address)).with(&keyed(&upstream)).start().await;
    assert!(begun.elapsed() >= Duration::from_secs(1), "{:?}", begun.elapsed());
    let waited = gateway.log().message("waiting for Redis").await;
    assert_eq!(waited.field("nodes"), format!("127.0.0.1:{}", redis.port));
    assert_eq!(waited.json["bound_ms"], 1_000, "{}", waited.text);
    gateway.log().message("Redis does not answer: the gateway starts without it, and goes on trying").await;
    assert_eq!(gateway.get("/open/get").await.status, 200);
    gateway.ask(with_key("mine")).await.is_error(403, DISALLOWED);
    let refused = gateway.control("/tyk/reload/group").await;
    refused.is_refusal(503, "Other gateways are not told: the store does not answer");
    let refused = gateway.operate(Method::POST, "/tyk/keys/mine", session(json!({})).to_string()).await;
    refused.is_refusal(503, "The store of keys does not answer");

    assert!(redis.run());
    until_health(&gateway, "pass").await;
    write(&gateway, "mine", &session(json!({}))).await;
    assert_eq!(gateway.ask(with_key("mine")).await.status, 200);
}
