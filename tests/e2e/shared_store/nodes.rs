//! Two gateways count a rate between them. Source: gateway.md §7.2.

use super::*;

/// Waits until a gateway has said so often that there are so many.
async fn knows(gateway: &Gateway, nodes: u64, times: usize) {
    let enough = |gateway: &Gateway| {
        let says = |line: &gateway_tests::log::Line| {
            line.message() == "gateways that count rates together" && line.json["nodes"] == nodes
        };
        gateway.log().all(says).len() >= times
    };
    within_deadline(&format!("{nodes} gateways"), async {
        while !enough(gateway) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
}

/// How many of so many requests pass.
async fn passed(gateway: &Gateway, key: &str, requests: usize) -> usize {
    let mut client = gateway.connect().await;
    let mut passed = 0;
    for _ in 0..requests {
        let answer = client.ask(with_key(key)).await;
        assert!(matches!(answer.status, 200 | 429), "{}", answer.text());
        passed += usize::from(answer.status == 200);
    }
    passed
}

#[tokio::test]
async fn each_of_two_gateways_lets_its_part_of_a_high_rate_pass_and_one_that_is_left_all_of_it() {
    let Pair { one, other, redis: _redis, upstream: _upstream } = Pair::start().await;
    for key in ["before", "after"] {
        write(&one, key, &session(json!({"rate": 330, "per": 30}))).await;
    }
    for gateway in [&one, &other] {
        knows(gateway, 2, 1).await;
    }
    // Eleven in a second are more than five for each.
    assert_eq!((passed(&one, "before", 200).await, passed(&other, "before", 200).await), (165, 165));
    let ended = Instant::now();
    assert_eq!(other.terminate().await.code(), Some(0));
    knows(&one, 1, 1).await;
    assert!(ended.elapsed() < Duration::from_secs(10), "{:?}", ended.elapsed());
    assert_eq!(passed(&one, "after", 400).await, 330);
}

#[tokio::test]
async fn two_gateways_count_a_low_rate_in_the_store() {
    let pair = Pair::start().await;
    write(&pair.one, "mine", &session(json!({"rate": 10, "per": 600}))).await;
    for gateway in pair.both() {
        knows(gateway, 2, 1).await;
    }
    let mut sum = 0;
    for gateway in pair.both() {
        sum += passed(gateway, "mine", 8).await;
    }
    assert_eq!(sum, 10);
}

/// Source: gateway.md §12.30.
#[tokio::test]
async fn with_hashed_keys_all_names_in_redis_carry_the_hash() {
    let hashed = |conf: Conf| conf.set("hash_keys", true);
    let pair = Pair::with(Redis::start(), hashed, hashed).await;
    for gateway in pair.both() {
        knows(gateway, 2, 1).await;
    }
    let limits = session(json!({"rate": 5, "per": 600, "quota_max": 5, "quota_renewal_rate": 600}));
    let written = pair.one.operate(Method::POST, "/tyk/keys/mine", limits.to_string()).await.json();
    let hash = written["key_hash"].as_str().expect("a hash");
    assert_eq!(passed(&pair.one, "mine", 2).await, 2);
    let expected = ["apikey-", "quota-", "rate-limit-"].map(|prefix| format!("{prefix}{hash}"));
    assert_eq!(pair.redis.names(), expected.into());
}

/// A gateway that only manages others is no part of them, and they are none of its.
#[tokio::test]
async fn a_management_node_counts_for_itself_and_is_not_counted() {
    let redis = Redis::start();
    let pair = Pair::with(redis, |conf| conf.set("management_node", true), |conf| conf).await;
    write(&pair.one, "mine", &session(json!({"rate": 10, "per": 600}))).await;
    let third = on(&pair.redis).set("app_path", pair.one.apps().display().to_string()).start().await;
    for gateway in [&pair.other, &third] {
        knows(gateway, 2, 1).await;
    }
    assert_eq!(passed(&pair.one, "mine", 12).await, 10);
    assert_eq!(passed(&pair.other, "mine", 12).await, 10, "these two count apart from it");
    assert_eq!(passed(&third, "mine", 1).await, 0);
    let says = |line: &gateway_tests::log::Line| line.message() == "gateways that count rates together";
    assert!(pair.one.log().all(says).is_empty(), "{}", pair.one.log());
}
