//! What is written of collectors, and what is made of it.

use super::*;

fn resolved(text: &str) -> Result<OpenTelemetry, Vec<String>> {
    let mut remarks = Remarks::on(Some("tyk.conf"), text);
    let raw = serde_json::from_str(text).expect("an object");
    let resolved = resolve(&raw, &mut remarks);
    let short = |remark: crate::config::Remark| format!("{}: {}", remark.path, remark.reason);
    remarks.sorted_out().map(|_| resolved).map_err(|errors| errors.into_iter().map(short).collect())
}

/// Source: gateway.md §8.8.
#[test]
fn what_is_not_said_is_as_tyk_has_it() {
    assert!(resolved("{}").expect("nothing").traces.is_none());
    let traces = resolved(r#"{"enabled": true}"#).expect("defaults").traces.expect("traces");
    let Collector { is_grpc, origin, service, timeout, .. } = traces.collector;
    assert_eq!((is_grpc, &*origin, &*service), (true, "http://localhost:4317", "tyk-gateway"));
    assert_eq!((timeout, traces.is_simple, traces.sampling), (Duration::from_secs(1), false, Sampling::All));
    let metrics = resolved(r#"{"metrics": {"enabled": true}}"#).expect("defaults").metrics.expect("metrics");
    assert_eq!(metrics.every, Duration::from_secs(60));
}

#[test]
fn an_endpoint_may_have_a_scheme_and_a_path() {
    let of = |endpoint: &str| {
        let text = format!(r#"{{"traces": {{"enabled": true, "exporter": "http", "endpoint": "{endpoint}"}}}}"#);
        let collector = resolved(&text).expect("an endpoint").traces.expect("traces").collector;
        (collector.origin, collector.base)
    };
    let pair = |origin: &str, base: &str| (origin.to_owned(), base.to_owned());
    assert_eq!(of("collector:1"), pair("http://collector:1", ""));
    assert_eq!(of("https://collector/otlp/"), pair("https://collector:4318", "/otlp"));
    assert_eq!(of("http://[::1]:2/"), pair("http://[::1]:2", ""));
}

#[test]
fn what_cannot_be_done_is_told() {
    for (text, expected) in [
        (r#"{"enabled": true, "exporter": "udp"}"#, "opentelemetry.exporter: `udp`"),
        (r#"{"enabled": true, "endpoint": "a b"}"#, "opentelemetry.endpoint: `a b`"),
        (r#"{"enabled": true, "context_propagation": "b3"}"#, "opentelemetry.context_propagation: `b3`"),
        (r#"{"enabled": true, "span_processor_type": "x"}"#, "opentelemetry.span_processor_type: `x`"),
        (r#"{"enabled": true, "sampling": {"type": "x"}}"#, "opentelemetry.sampling.type: `x`"),
        (
            r#"{"traces": {"enabled": true, "sampling": {"type": "TraceIDRatioBased", "rate": 2}}}"#,
            "opentelemetry.traces.sampling.rate: `2`",
        ),
        (r#"{"enabled": true, "headers": {"a b": "c"}}"#, "opentelemetry.headers.a b: is no header"),
        (r#"{"metrics": {"enabled": true, "temporality": "delta"}}"#, "opentelemetry.metrics.temporality: `delta`"),
        (
            r#"{"enabled": true, "tls": {"enable": true, "min_version": "2"}}"#,
            "opentelemetry.tls.min_version: `2` is no version",
        ),
    ] {
        let told = resolved(text).expect_err(text);
        assert!(told.len() == 1 && told[0].starts_with(expected), "{told:?}");
    }
}
