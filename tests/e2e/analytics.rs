//! Analytics records, as they are found where they are kept. Source: gateway.md §8.1 to §8.4; plugin-system.md §5, §10.1.

mod plugins;
mod redis;

use std::path::Path;
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use gateway_tests::{Conf, Definition, Gateway, Upstream, api, get, post, within_deadline};
use rustix::process::Signal;
use serde_json::{Value, json};

/// A gateway that keeps records in its folder.
fn conf(section: Value) -> Conf {
    Conf::default().set("enable_analytics", true).set("analytics_config", section)
}

async fn serving(definition: &Definition) -> Gateway {
    conf(json!({})).with(definition).start().await
}

/// The records in a file, once there are so many.
async fn records_in(file: &Path, count: usize) -> Vec<Value> {
    let read = || {
        let text = std::fs::read_to_string(file).unwrap_or_default();
        let lines = text.lines().map(|line| serde_json::from_str(line).expect("a record is JSON"));
        lines.collect::<Vec<Value>>()
    };
    within_deadline(&format!("{count} records"), async {
        while read().len() < count {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await;
    let records = read();
    assert_eq!(records.len(), count, "{records:#?}");
    records
}

/// The records of a gateway, once there are so many.
async fn records(gateway: &Gateway, count: usize) -> Vec<Value> {
    records_in(&gateway.folder().join("analytics.jsonl"), count).await
}

/// A message that is kept whole.
fn raw(record: &Value, which: &str) -> String {
    let encoded = record[which].as_str().expect("a text");
    String::from_utf8(BASE64_STANDARD.decode(encoded).expect("base64")).expect("a text")
}

#[tokio::test]
async fn a_proxied_request_has_a_record_in_a_file_beside_the_gateway() {
    let upstream = Upstream::start();
    let definition = api("some", upstream.address)
        .set("/name", "Some API")
        .set("/tags", json!(["mine"]))
        .set("/tag_headers", json!(["X-Kind"]))
        .set("/expire_analytics_after", 60)
        .set("/proxy/target_url", format!("http://{}/base/", upstream.address));
    let gateway = serving(&definition).await;
    let request = post("/some/get?x=1", "12345").header("user-agent", "tests").header("x-kind", "a");
    assert_eq!(gateway.ask(request.header("x-real-ip", "10.1.2.3")).await.status, 200);
    let [record] = records(&gateway, 1).await.try_into().expect("one");
    let expected = json!({
        "method": "POST", "host": upstream.address.to_string(), "path": "/base/get", "raw_path": "/base/get",
        "original_path": "/some/get", "listen_path": "/some/", "content_length": 5, "user_agent": "tests",
        "response_code": 200, "api_key": "", "api_version": "Non Versioned", "api_name": "Some API", "api_id": "some",
        "org_id": "default", "oauth_id": "", "raw_request": "", "raw_response": "", "ip_address": "10.1.2.3",
        "alias": "", "track_path": false, "api_schema": "",
        "tags": ["x-kind-a", "mine", "key-", "org-default", "api-some"],
    });
    for (name, value) in expected.as_object().expect("an object") {
        assert_eq!(&record[name], value, "{name}: {record:#}");
    }
    let latency = &record["latency"];
    assert_eq!(record["request_time"], latency["total"]);
    let ms = |name: &str| latency[name].as_i64().expect("a number");
    assert_eq!(ms("total"), ms("upstream") + ms("gateway"));
    let timestamp = record["timestamp"].as_str().expect("a time");
    let date = format!(
        "{:04}-{:02}-{:02}T{:02}:",
        record["year"].as_i64().expect("a year"),
        record["month"].as_i64().expect("a month"),
        record["day"].as_i64().expect("a day"),
        record["hour"].as_i64().expect("an hour")
    );
    assert!(timestamp.starts_with(&date) && timestamp.ends_with('Z'), "{timestamp} {date}");
    assert!(record["expireAt"].as_str().expect("a time") > timestamp);
}

/// Errors have the path of the client, stripped where that is configured, and nobody upstream has taken any time.
#[tokio::test]
async fn an_error_of_the_gateway_has_a_record_with_the_path_of_the_client() {
    let upstream = Upstream::start();
    let keyed = api("keyed", upstream.address).set("/use_keyless", false);
    let whole = api("whole", upstream.address).set("/use_keyless", false).set("/proxy/strip_listen_path", false);
    let gone = api("gone", "127.0.0.1:1".parse().expect("an address"));
    let gateway = conf(json!({})).with(&keyed).with(&whole).with(&gone).start().await;
    for path in ["/keyed/a/b", "/whole/a/b", "/gone/a%20b"] {
        assert!(gateway.get(path).await.status >= 400, "{path}");
    }
    let told: Vec<_> = records(&gateway, 3)
        .await
        .into_iter()
        .map(|record| {
            let latency = record["latency"]["upstream"].clone();
            json!([record["original_path"], record["path"], record["response_code"], latency])
        })
        .collect();
    assert_eq!(
        told,
        [
            json!(["/keyed/a/b", "/a/b", 401, 0]),
            json!(["/whole/a/b", "/whole/a/b", 401, 0]),
            json!(["/gone/a b", "/a b", 500, 0]),
        ]
    );
}

#[tokio::test]
async fn nothing_else_has_a_record() {
    let upstream = Upstream::start();
    let tracked = api("tracked", upstream.address);
    let version = json!([
        {"path": "/secret", "method": "GET"}, {"path": "/off", "method": "GET", "disabled": true},
    ]);
    let lists = "/version_data/versions/Default/extended_paths";
    let tracked = tracked.set(lists, json!({"do_not_track_endpoints": version}));
    let keyed = api("keyed", upstream.address).set("/use_keyless", false);
    let untracked = api("untracked", upstream.address).set("/do_not_track", true);
    let conf = conf(json!({"ignored_ips": ["10.0.0.7"]})).with(&tracked).with(&keyed).with(&untracked);
    let gateway = conf.start().await;
    for path in ["/hello", "/none/get", "/untracked/get", "/tracked/secret", "/keyed/tyk/rate-limits/"] {
        gateway.get(path).await;
    }
    gateway.control("/tyk/apis").await;
    gateway.ask(get("/tracked/get").header("x-real-ip", "10.0.0.7")).await;
    gateway.ask(post("/tracked/secret", "")).await;
    gateway.get("/tracked/off").await;
    let paths: Vec<_> = records(&gateway, 2).await.into_iter().map(|record| record["original_path"].clone()).collect();
    assert_eq!(paths, ["/tracked/secret", "/tracked/off"]);
}

#[tokio::test]
async fn without_the_switch_there_is_nothing() {
    let upstream = Upstream::start();
    let conf = Conf::default().set("analytics_config", json!({"sink": "file"})).with(&api("some", upstream.address));
    let gateway = conf.start().await;
    gateway.get("/some/get").await;
    let file = gateway.folder().join("analytics.jsonl");
    assert_eq!(gateway.terminate().await.code(), Some(0));
    assert!(!file.exists());
}

#[tokio::test]
async fn a_tracked_endpoint_has_the_path_of_its_entry_and_others_are_made_normal() {
    let upstream = Upstream::start();
    let tracked = json!({"track_endpoints": [{"path": "/users/{id}", "method": "GET"}]});
    let definition = api("some", upstream.address).set("/version_data/versions/Default/extended_paths", tracked);
    let normal = json!({
        "enabled": true, "normalise_uuids": true, "normalise_ulids": true, "normalise_numbers": true,
        "custom_patterns": ["v[0-9]+x"],
    });
    let gateway = conf(json!({"normalise_urls": normal})).with(&definition).start().await;
    let paths = [
        ("/some/users/7", "/users/{id}", true),
        ("/some/things/7/8", "/things/{id}/{id}", false),
        ("/some/t/CA761232-ED42-11CE-BACD-00AA0057B223", "/t/{uuid}", false),
        ("/some/t/01G9HHNKWGBHCQX7VG3JKSZ055", "/t/{ulid}", false),
        ("/some/v3x/a", "/{var}/a", false),
    ];
    for (path, ..) in paths {
        gateway.get(path).await;
    }
    for (record, (path, expected, is_tracked)) in records(&gateway, 5).await.iter().zip(paths) {
        assert_eq!(record["original_path"], path);
        assert_eq!((&record["path"], &record["track_path"]), (&json!(expected), &json!(is_tracked)));
        assert_eq!(record["raw_path"].as_str(), path.strip_prefix("/some"));
    }
}

/// Source: gateway.md §8.4.
#[tokio::test]
async fn requests_and_responses_are_kept_whole_where_that_is_asked_for() {
    let upstream = Upstream::start();
    upstream.answer("/base/get", 201, &[("x-of-upstream", "yes")], "answered");
    upstream.answer("/base/events", 200, &[("content-type", "text/event-stream")], "data: x\n\n");
    let definition = api("some", upstream.address)
        .set("/enable_detailed_recording", true)
        .set("/proxy/target_url", format!("http://{}/base/", upstream.address));
    let gateway = serving(&definition.auth("MyPluginAuthCheck@goplugins")).await;
    let authorized = |request: gateway_tests::Ask| request.header("authorization", "abc");
    assert_eq!(gateway.ask(authorized(post("/some/get?x=1", "asked")).header("te", "gzip")).await.text(), "answered");
    gateway.get("/some/refused").await;
    gateway.ask(authorized(get("/some/events"))).await;
    gateway.ask(authorized(post("/some/rpc", "")).header("content-type", "application/grpc")).await;
    let [proxied, refused, events, grpc] = records(&gateway, 4).await.try_into().expect("four");
    let request = raw(&proxied, "raw_request");
    assert!(request.starts_with("POST /base/get?x=1 HTTP/1.1\r\n"), "{request}");
    assert!(request.ends_with("\r\n\r\nasked"), "{request}");
    for line in
        [format!("Host: {}", upstream.address), "X-Forwarded-For: 127.0.0.1".to_owned(), "Content-Length: 5".to_owned()]
    {
        assert!(request.contains(&format!("\r\n{line}\r\n")), "{line}: {request}");
    }
    assert!(!request.contains("\r\nTe:"), "{request}");
    let response = raw(&proxied, "raw_response");
    assert!(response.starts_with("HTTP/1.1 201 Created\r\n") && response.ends_with("\r\n\r\nanswered"), "{response}");
    assert!(response.contains("\r\nX-Of-Upstream: yes\r\n"), "{response}");
    assert!(raw(&refused, "raw_request").starts_with("GET /some/refused HTTP/1.1\r\n"));
    assert_eq!(refused["raw_response"], "", "what a plugin refused with is not kept");
    assert!(raw(&events, "raw_request").starts_with("GET /base/events HTTP/1.1\r\n"));
    assert_eq!(
        (&events["raw_response"], &grpc["raw_request"], &grpc["raw_response"]),
        (&json!(""), &json!(""), &json!(""))
    );
}

#[tokio::test]
async fn what_is_kept_of_a_body_is_bounded_and_the_client_gets_all_of_it() {
    let upstream = Upstream::start();
    let body = "x".repeat(1 << 20);
    let gateway = conf(json!({"enable_detailed_recording": true})).with(&api("some", upstream.address)).start().await;
    let answer = gateway.ask(post("/some/big", body.clone())).await;
    assert!(answer.text().contains(&body), "the upstream got all of it, and so did the client");
    let [record] = records(&gateway, 1).await.try_into().expect("one");
    for which in ["raw_request", "raw_response"] {
        let kept = raw(&record, which);
        let (_, kept) = kept.split_once("\r\n\r\n").expect("a head");
        assert_eq!(kept.len(), 64 * 1024, "{which}");
    }
}

/// Source: gateway.md §12.30.
#[tokio::test]
async fn a_key_is_in_the_record_or_its_hash_where_keys_are_hashed() {
    let upstream = Upstream::start();
    let definition = api("some", upstream.address).auth("MyPluginAuthCheck@goplugins");
    for (hashes, expected) in [(false, "abc"), (true, "b3dd93fa")] {
        let gateway = conf(json!({})).set("hash_keys", hashes).with(&definition).start().await;
        assert_eq!(gateway.ask(get("/some/get").header("authorization", "abc")).await.status, 200);
        let [record] = records(&gateway, 1).await.try_into().expect("one");
        assert_eq!((&record["api_key"], &record["alias"]), (&json!(expected), &json!("abc-session")));
        let tags = record["tags"].as_array().expect("a list");
        assert!(tags.contains(&json!(format!("key-{expected}"))), "{tags:?}");
    }
}

#[tokio::test]
async fn a_response_that_streams_has_its_record_at_its_end() {
    let upstream = Upstream::start();
    let feed = upstream.stream("/slow");
    let gateway = serving(&api("some", upstream.address)).await;
    let mut client = gateway.connect().await;
    let answer = client.open(get("/some/slow")).await.expect("a head");
    gateway.get("/some/get").await;
    let [first] = records(&gateway, 1).await.try_into().expect("one");
    assert_eq!(first["path"], "/get");
    feed.data("over");
    drop(feed);
    assert_eq!(gateway_tests::read(answer).await.expect("a body").text(), "over");
    let [_, second] = records(&gateway, 2).await.try_into().expect("two");
    assert_eq!(second["path"], "/slow");
    let (total, upstream) = (&second["latency"]["total"], &second["latency"]["upstream"]);
    assert!(total.as_i64() >= upstream.as_i64(), "{second:#}");
}

#[tokio::test]
async fn records_are_kept_when_the_gateway_ends() {
    let upstream = Upstream::start();
    let gateway = serving(&api("some", upstream.address)).await;
    for _ in 0..20 {
        gateway.get("/some/get").await;
    }
    gateway.process.signal(Signal::TERM);
    assert_eq!(gateway.process.exit().await.code(), Some(0));
    let text = std::fs::read_to_string(gateway.folder().join("analytics.jsonl")).expect("a file");
    assert_eq!(text.lines().count(), 20);
}

#[tokio::test]
async fn files_have_a_size_and_a_number() {
    let upstream = Upstream::start();
    let section = json!({"file_path": "records/a.jsonl", "file_max_bytes": 5_000, "file_max_count": 3});
    let conf = conf(section).with(&api("some", upstream.address));
    std::fs::create_dir(conf.folder().join("records")).expect("a folder in a folder of ours");
    let gateway = conf.start().await;
    let mut client = gateway.connect().await;
    for _ in 0..40 {
        client.ask(get("/some/get")).await;
    }
    let folder = gateway.folder().join("records");
    gateway.process.signal(Signal::TERM);
    assert_eq!(gateway.process.exit().await.code(), Some(0));
    let mut names: Vec<_> = std::fs::read_dir(&folder)
        .expect("a folder")
        .map(|entry| entry.expect("a file").file_name().into_string().expect("a name"))
        .collect();
    names.sort();
    assert_eq!(names, ["a.jsonl", "a.jsonl.1", "a.jsonl.2"]);
    for name in names {
        let text = std::fs::read_to_string(folder.join(name)).expect("a file");
        assert!(text.len() <= 5_000 && text.lines().all(|line| serde_json::from_str::<Value>(line).is_ok()));
    }
}

#[tokio::test]
async fn a_file_that_was_asked_for_and_cannot_be_written_stops_the_start() {
    let process = conf(json!({"file_path": "/none/a.jsonl"})).spawn(&["--port", "0"]);
    let sentence = "/none/a.jsonl: No such file or directory (os error 2); name a file that can be written in";
    process.log.wait(sentence, |line| line.text.contains(sentence)).await;
    assert_eq!(process.exit().await.code(), Some(1));
}

#[tokio::test]
async fn records_may_go_to_the_standard_output() {
    let upstream = Upstream::start();
    let conf = conf(json!({"sink": "stdout"})).with(&api("some", upstream.address));
    let process = conf.spawn_by(&["--port", "0"], |command| {
        let mut shell = std::process::Command::new("/bin/sh");
        shell.args(["-c", "exec \"$0\" \"$@\" > out.jsonl"]).arg(command.get_program()).args(command.get_args());
        shell.current_dir(conf.folder());
        shell
    });
    let address = process.log.message("listening").await.field("address").parse().expect("an address");
    gateway_tests::Client::connect(address).await.ask(get("/some/get")).await;
    let [record] = records_in(&conf.folder().join("out.jsonl"), 1).await.try_into().expect("one");
    assert_eq!(record["path"], "/get");
}

#[tokio::test]
async fn what_was_kept_is_counted() {
    let upstream = Upstream::start();
    let gateway = serving(&api("some", upstream.address)).await;
    gateway.get("/some/get").await;
    records(&gateway, 1).await;
    within_deadline("the count of records", async {
        while gateway.metric("gw_analytics_records_total").await < 1 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await;
    assert_eq!(gateway.metric("gw_analytics_dropped_total{reason=\"queue\"}").await, 0);
}
