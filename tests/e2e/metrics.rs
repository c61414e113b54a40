//! What `/tyk/metrics` says, as a parser of Prometheus' text reads it: each family is told of, and each number is right.

use std::collections::BTreeSet;

use gateway_tests::{Conf, Gateway, Upstream, api, get};
use prometheus_parse::{LineInfo, Sample, SampleType, Scrape, Value};
use serde_json::json;

/// All of the families, and what they are.
const FAMILIES: [(&str, SampleType); 11] = [
    ("gw_analytics_dropped_total", SampleType::Counter),
    ("gw_analytics_records_total", SampleType::Counter),
    ("gw_clients_refused_total", SampleType::Counter),
    ("gw_connections_accepted_total", SampleType::Counter),
    ("gw_connections_open", SampleType::Gauge),
    ("gw_errors_total", SampleType::Counter),
    ("gw_events_dropped_total", SampleType::Counter),
    ("gw_plugin_calls_total", SampleType::Counter),
    ("gw_plugin_duration_seconds", SampleType::Histogram),
    ("gw_statsd_dropped_total", SampleType::Counter),
    ("gw_upstream_failures_total", SampleType::Counter),
];

async fn scrape(gateway: &Gateway) -> (String, Scrape) {
    let answer = gateway.control("/tyk/metrics").await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("content-type"), "text/plain; version=0.0.4; charset=utf-8");
    let text = answer.text().to_owned();
    let scrape = Scrape::parse(text.lines().map(|line| Ok(line.to_owned()))).expect("Prometheus reads it");
    (text, scrape)
}

fn find<'s>(scrape: &'s Scrape, metric: &str, labels: &[(&str, &str)]) -> Option<&'s Sample> {
    let is_it = |sample: &&Sample| {
        sample.metric == metric && labels.iter().all(|(label, value)| sample.labels.get(label) == Some(value))
    };
    scrape.samples.iter().find(is_it)
}

fn number(scrape: &Scrape, metric: &str, labels: &[(&str, &str)]) -> f64 {
    match find(scrape, metric, labels).map(|sample| &sample.value) {
        Some(Value::Counter(number) | Value::Gauge(number)) => *number,
        other => panic!("{metric} {labels:?}: {other:?}"),
    }
}

#[tokio::test]
async fn each_family_has_a_type_and_a_text_and_each_sample_a_family() {
    let upstream = Upstream::start();
    let definition = api("counted", upstream.address).plugins("pre", &["ActSync"]);
    let gateway = Conf::default().set("plugins", json!({"metrics": true})).with(&definition).start().await;
    assert_eq!(gateway.ask(get("/counted/").header("x-act", "panic")).await.status, 500);
    let (text, scrape) = scrape(&gateway).await;
    let (mut kinds, mut told) = (Vec::new(), BTreeSet::new());
    for line in text.lines().filter(|line| !line.contains("gw_otlp_")) {
        match LineInfo::parse(line) {
            LineInfo::Type { metric_name, metric_alias, sample_type } => {
                kinds.push((metric_alias.unwrap_or(metric_name), sample_type));
            }
            LineInfo::Doc { metric_name, doc } if !doc.is_empty() => drop(told.insert(metric_name)),
            _ => {}
        }
    }
    kinds.sort_by(|one, other| one.0.cmp(&other.0));
    let expected: Vec<(String, SampleType)> = FAMILIES.iter().map(|(name, kind)| ((*name).to_owned(), *kind)).collect();
    assert_eq!(kinds, expected, "each type is told, and once");
    assert_eq!(told, FAMILIES.iter().map(|(name, _)| *name).collect());
    for sample in scrape.samples.iter().filter(|sample| !sample.metric.starts_with("gw_otlp_")) {
        let kind = match sample.value {
            Value::Counter(_) => SampleType::Counter,
            Value::Gauge(_) => SampleType::Gauge,
            Value::Histogram(_) => SampleType::Histogram,
            // The sum and the count of a histogram stand alone for this parser.
            Value::Untyped(_) if sample.metric.starts_with("gw_plugin_duration_seconds_") => continue,
            _ => SampleType::Untyped,
        };
        assert!(FAMILIES.contains(&(&*sample.metric, kind)), "{sample:?}");
    }
}

#[tokio::test]
async fn numbers_are_those_of_the_requests_there_were() {
    let upstream = Upstream::start();
    let definition =
        api("counted", upstream.address).plugins("pre", &["ActSync"]).set("/proxy/listen_path", "/counted/");
    let gateway = Conf::default().set("plugins", json!({"metrics": true})).with(&definition).start().await;
    let (_, before) = scrape(&gateway).await;
    for (act, status) in [("go on", 200), ("go on", 200), ("go on", 200), ("refuse", 409), ("panic", 500)] {
        assert_eq!(gateway.ask(get("/counted/").header("x-act", act)).await.status, status, "{act}");
    }
    assert_eq!(gateway.get("/nobody/").await.status, 404);
    let (_, after) = scrape(&gateway).await;
    let grew = |metric: &str| number(&after, metric, &[]) - number(&before, metric, &[]);
    // Each request has a connection of its own, and so has the second look.
    assert_eq!(grew("gw_connections_accepted_total"), 7.0);
    let errors = |status: &str| number(&after, "gw_errors_total", &[("status", status)]);
    assert_eq!((errors("500"), errors("404")), (1.0, 1.0));
    let labels = [("plugin", "ActSync"), ("crate", "panics"), ("hook", "pre"), ("api", "counted")];
    for (outcome, count) in [("continue", 3.0), ("reject", 1.0), ("panic", 1.0)] {
        let labels = [&labels[..], &[("outcome", outcome)]].concat();
        assert_eq!(number(&after, "gw_plugin_calls_total", &labels), count, "{outcome}");
    }
    let timed = find(&after, "gw_plugin_duration_seconds", &labels).expect("it is timed");
    let Value::Histogram(buckets) = &timed.value else { panic!("{timed:?} is no histogram") };
    assert!(buckets.windows(2).all(|pair| pair[0].less_than < pair[1].less_than && pair[0].count <= pair[1].count));
    let last = buckets.last().expect("buckets");
    // How long a panic took is nobody's business.
    assert_eq!((last.less_than, last.count), (f64::INFINITY, 4.0));
    assert!(buckets.iter().any(|bucket| bucket.less_than == 0.001));
}
