//! Records in Redis, as tyk-pump finds them. Source: gateway.md §7.7, §8.2, §8.3.

use std::time::Duration;

use gateway_tests::redis::Redis;
use gateway_tests::{Conf, Upstream, api, get, within_deadline};
use rmpv::Value;
use serde_json::json;

use super::conf;

const LIST: &str = "analytics-tyk-system-analytics";

/// The fields of a record, in their order.
const FIELDS: [&str; 35] = [
    "Method",
    "Host",
    "Path",
    "RawPath",
    "ContentLength",
    "UserAgent",
    "Day",
    "Month",
    "Year",
    "Hour",
    "ResponseCode",
    "APIKey",
    "TimeStamp",
    "APIVersion",
    "APIName",
    "APIID",
    "OrgID",
    "OauthID",
    "RequestTime",
    "RawRequest",
    "RawResponse",
    "IPAddress",
    "Geo",
    "Network",
    "Latency",
    "Tags",
    "Alias",
    "TrackPath",
    "ExpireAt",
    "ApiSchema",
    "OriginalPath",
    "ListenPath",
    "GraphQLStats",
    "MCPStats",
    "CollectionName",
];

fn on(redis: &Redis, section: serde_json::Value) -> Conf {
    let storage = json!({"type": "redis", "addrs": [format!("127.0.0.1:{}", redis.port)], "timeout": 1});
    conf(section).set("storage", storage)
}

async fn lists(redis: &Redis, count: usize) -> Vec<String> {
    let found = || redis.names().into_iter().filter(|name| name.starts_with(LIST)).collect::<Vec<_>>();
    within_deadline(&format!("{count} lists"), async {
        while found().len() < count {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await;
    found()
}

fn decoded(mut bytes: &[u8]) -> Vec<(Value, Value)> {
    let value = rmpv::decode::read_value(&mut bytes).expect("MessagePack");
    assert!(bytes.is_empty(), "there is one value");
    let Value::Map(fields) = value else { panic!("a map: {value}") };
    fields
}

fn field<'f>(fields: &'f [(Value, Value)], name: &str) -> &'f Value {
    let found = fields.iter().find(|(known, _)| known.as_str() == Some(name));
    &found.unwrap_or_else(|| panic!("no {name} in {fields:?}")).1
}

#[tokio::test]
async fn a_record_is_a_map_of_gos_names_in_their_order() {
    let (redis, upstream) = (Redis::start(), Upstream::start());
    let definition = api("some", upstream.address).set("/enable_detailed_recording", true);
    let gateway = on(&redis, json!({})).with(&definition).start().await;
    gateway.ask(get("/some/get").header("user-agent", "tests")).await;
    assert_eq!(lists(&redis, 1).await, [LIST]);
    let [record] = redis.list(LIST).try_into().expect("one");
    let fields = decoded(&record);
    let names: Vec<_> = fields.iter().map(|(name, _)| name.as_str().expect("a text")).collect();
    assert_eq!(names, FIELDS);
    for (name, value) in [("Method", "GET"), ("Path", "/get"), ("OriginalPath", "/some/get"), ("CollectionName", "")] {
        assert_eq!(field(&fields, name).as_str(), Some(value), "{name}");
    }
    let Value::Array(moment) = field(&fields, "TimeStamp") else { panic!("an array") };
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970").as_secs();
    assert_eq!(moment.len(), 2);
    assert!(
        moment[0].as_u64().is_some_and(|seconds| seconds.abs_diff(now) < 60)
            && moment[1].as_u64() < Some(1_000_000_000)
    );
    let Value::Array(tags) = field(&fields, "Tags") else { panic!("an array") };
    assert_eq!(tags.iter().filter_map(Value::as_str).collect::<Vec<_>>(), ["key-", "org-default", "api-some"]);
    let members = |value: &Value| {
        let Value::Map(members) = value else { panic!("a map: {value}") };
        members.iter().map(|(name, _)| name.as_str().expect("a text").to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(members(field(&fields, "Latency")), ["Total", "Upstream", "Gateway"]);
    assert_eq!(members(field(&fields, "Geo")), ["Country", "City", "Location"]);
    assert!(field(&fields, "RawRequest").as_str().is_some_and(|raw| raw.starts_with("R0VUIC9nZXQgSFRUUC8xLjEN")));
    assert_eq!(
        field(&fields, "Month").as_u64(),
        Some(field(&fields, "Month").as_u64().unwrap_or_default().clamp(1, 12))
    );
    assert!((1..=60).contains(&redis.ttl(LIST)), "a list has an end");
}

#[tokio::test]
async fn records_may_be_in_ten_lists_for_good() {
    let (redis, upstream) = (Redis::start(), Upstream::start());
    let section = json!({"enable_multiple_analytics_keys": true, "storage_expiration_time": -1});
    let gateway = on(&redis, section).with(&api("some", upstream.address)).start().await;
    gateway.get("/some/get").await;
    let [list] = lists(&redis, 1).await.try_into().expect("one");
    let digit = list.strip_prefix(LIST).and_then(|rest| rest.strip_prefix('_')).expect("a suffix");
    assert!(digit.parse::<u8>().is_ok_and(|digit| digit < 10), "{list}");
    assert_eq!(redis.ttl(&list), -1);
}

#[tokio::test]
async fn while_redis_is_away_records_are_lost_and_counted_and_requests_go_on() {
    let (mut redis, upstream) = (Redis::start(), Upstream::start());
    let gateway = on(&redis, json!({})).with(&api("some", upstream.address)).start().await;
    redis.stop();
    assert_eq!(gateway.get("/some/get").await.status, 200);
    gateway.log().message("analytics records are lost, until this works again").await;
    assert_eq!(gateway.metric("gw_analytics_dropped_total{reason=\"sink\"}").await, 1);
    assert!(redis.run());
    within_deadline("the next record", async {
        while redis.names().is_empty() {
            gateway.get("/some/get").await;
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    })
    .await;
    gateway.log().message("analytics records are kept again").await;
}
