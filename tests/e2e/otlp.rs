//! Spans and metrics, as a collector hears them. What it hears is read by OpenTelemetry's own messages. Source: gateway.md §8.8.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use gateway_tests::{Conf, Definition, Upstream, api, binary, get, within_deadline};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::{ExportTraceServiceRequest, ExportTraceServiceResponse};
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::number_data_point::Value as Number;
use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use prost::Message;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

/// A message, and the value of a header that it came with.
type Heard<M> = UnboundedReceiver<(M, String)>;

/// A collector that hears messages on a path, by HTTP.
fn collector<M: Message + Default + 'static>(path: &str) -> (Upstream, Heard<M>) {
    let (server, (heard, hears)) = (Upstream::start(), unbounded_channel());
    server.on(path, move |request| {
        let heard = heard.clone();
        async move {
            let (head, body) = request.into_parts();
            assert_eq!(head.headers["content-type"], "application/x-protobuf");
            let token = head.headers.get("x-token").map(|value| value.to_str().expect("text").to_owned());
            let body = body.collect().await.expect("a whole body").to_bytes();
            let _ = heard.send((M::decode(body).expect("a message"), token.unwrap_or_default()));
            Ok(http::Response::new(gateway_tests::feed::whole("")))
        }
    });
    (server, hears)
}

fn telemetry(server: SocketAddr, exporter: &str) -> serde_json::Value {
    json!({
        "enabled": true, "exporter": exporter, "endpoint": server.to_string(), "span_processor_type": "simple",
        "headers": {"x-token": "secret"}, "resource_name": "edge", "context_propagation": "tracecontext",
    })
}

async fn next<M>(heard: &mut Heard<M>) -> M {
    let (message, token) = within_deadline("a message", heard.recv()).await.expect("the collector lives");
    assert_eq!(token, "secret");
    message
}

fn spans(message: ExportTraceServiceRequest) -> Vec<Span> {
    let resources = message.resource_spans;
    assert_eq!(text(&resources[0].resource.as_ref().expect("a resource").attributes, "service.name"), "edge");
    resources.into_iter().flat_map(|resource| resource.scope_spans).flat_map(|scope| scope.spans).collect()
}

/// An attribute as text; empty if there is none.
fn text(attributes: &[KeyValue], key: &str) -> String {
    let found = attributes.iter().find(|attribute| attribute.key == key).and_then(|it| it.value.clone()?.value);
    match found {
        Some(Value::StringValue(text)) => text,
        Some(Value::IntValue(number)) => number.to_string(),
        None => String::new(),
        Some(other) => panic!("{other:?}"),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn definition(upstream: &Upstream) -> Definition {
    api("told", upstream.address)
        .set("/name", "Told")
        .plugins("pre", &["OrderA"])
        .plugins("post", &["ActAfterAwait", "OrderB"])
        .plugins("response", &["ResponseA"])
}

#[tokio::test]
async fn a_request_is_a_span_and_its_plugins_are_spans_in_their_order() {
    let upstream = Upstream::start();
    let (server, mut heard) = collector::<ExportTraceServiceRequest>("/v1/traces");
    let conf = Conf::default().set("opentelemetry", telemetry(server.address, "http"));
    let gateway = conf.with(&definition(&upstream)).start().await;
    let answer = gateway.ask(get("/told/x").header("traceparent", PARENT)).await;
    assert_eq!((answer.status, answer.header("x-tyk-trace-id")), (200, &PARENT[3..35]));
    let spans = spans(next(&mut heard).await);
    let names: Vec<&str> = spans.iter().map(|span| &*span.name).collect();
    assert_eq!(names, ["Told", "OrderA", "ActAfterAwait", "OrderB", "HTTP GET", "ResponseA"]);

    let (whole, parts) = spans.split_first().expect("spans");
    assert_eq!((hex(&whole.parent_span_id), whole.kind()), (PARENT[36..52].to_owned(), SpanKind::Server));
    let told = ["tyk.api.id", "tyk.api.name", "http.request.method", "url.path", "http.response.status_code"];
    assert_eq!(told.map(|key| text(&whole.attributes, key)), ["told", "Told", "GET", "/told/x", "200"]);
    for span in parts {
        assert_eq!((hex(&span.trace_id), &span.parent_span_id), (PARENT[3..35].to_owned(), &whole.span_id));
        assert!(
            span.start_time_unix_nano >= whole.start_time_unix_nano
                && span.end_time_unix_nano <= whole.end_time_unix_nano
        );
    }
    assert!(parts.windows(2).all(|pair| pair[0].end_time_unix_nano <= pair[1].start_time_unix_nano));
    let told = ["plugin", "crate", "hook", "api", "outcome"].map(|key| text(&parts[1].attributes, key));
    assert_eq!(told, ["ActAfterAwait", "panics", "post", "told", "continue"]);
    // The upstream is told that it is called by the span of that call.
    let sent = upstream.last().header("traceparent").to_owned();
    assert_eq!(sent, format!("{}-{}-01", &PARENT[..35], hex(&parts[3].span_id)));
}

#[tokio::test]
async fn a_span_says_how_its_plugin_ended() {
    let upstream = Upstream::start();
    let (server, mut heard) = collector::<ExportTraceServiceRequest>("/v1/traces");
    let conf = Conf::default().set("opentelemetry", json!({"traces": telemetry(server.address, "http")}));
    let definition = api("told", upstream.address).plugins("pre", &["ActSync", "LateAsync"]);
    let gateway = conf.with(&definition).start().await;
    for (act, status, ended) in [
        ("go on", 200, vec!["continue", "continue", ""]),
        ("answer", 201, vec!["respond"]),
        ("refuse", 409, vec!["reject"]),
        ("panic", 500, vec!["panic"]),
        ("overrun", 504, vec!["continue", "timeout"]),
    ] {
        assert_eq!(gateway.ask(get("/told/").header("x-act", act)).await.status, status, "{act}");
        let spans = spans(next(&mut heard).await);
        let told: Vec<String> = spans[1..].iter().map(|span| text(&span.attributes, "outcome")).collect();
        assert_eq!(told, ended, "{act}");
        let wrong = spans[1..].iter().filter(|span| span.status.is_some()).count();
        assert_eq!(wrong, usize::from(!matches!(act, "go on" | "answer")), "{act}");
    }
}

/// Source: gateway.md §5.3, §8.8.
#[tokio::test]
async fn with_detailed_tracing_built_in_steps_are_spans_too() {
    let upstream = Upstream::start();
    let (server, mut heard) = collector::<ExportTraceServiceRequest>("/v1/traces");
    let conf = Conf::default().set("opentelemetry", telemetry(server.address, "http"));
    let definition = definition(&upstream).set("/detailed_tracing", true).set("/blacklisted_ips", json!(["127.0.0.1"]));
    let gateway = conf.with(&definition).start().await;
    assert_eq!(gateway.get("/told/x").await.status, 403);
    let spans = spans(next(&mut heard).await);
    let last = spans.last().expect("spans");
    assert_eq!((&*last.name, spans[0].parent_span_id.len()), ("IPBlackListMiddleware", 0));
    let status = last.status.as_ref().expect("it has refused");
    assert_eq!(status.code, 2);
    assert!(status.message.ends_with("is not an address that the API lets in"), "{}", status.message);
    assert!(spans.iter().any(|span| span.name == "OrderA"));
}

#[tokio::test]
async fn a_caller_or_the_configuration_decides_what_is_traced() {
    let upstream = Upstream::start();
    let (server, mut heard) = collector::<ExportTraceServiceRequest>("/v1/traces");
    let mut section = telemetry(server.address, "http");
    section["sampling"] = json!({"type": "AlwaysOff", "parent_based": true});
    let gateway = Conf::default().set("opentelemetry", section).with(&definition(&upstream)).start().await;
    assert_eq!(gateway.get("/told/x").await.status, 200);
    let sent = upstream.last().header("traceparent").to_owned();
    assert!(sent.ends_with("-00"), "{sent}");
    assert_eq!(gateway.ask(get("/told/y").header("traceparent", PARENT)).await.status, 200);
    let spans = spans(next(&mut heard).await);
    assert_eq!(text(&spans[0].attributes, "url.path"), "/told/y", "the first was not told");
}

#[tokio::test]
async fn a_collector_may_speak_grpc() {
    let upstream = Upstream::start();
    let (address, mut heard) = grpc().await;
    let conf = Conf::default().set("opentelemetry", telemetry(address, "grpc"));
    let gateway = conf.with(&definition(&upstream)).start().await;
    for _ in 0..2 {
        assert_eq!(gateway.get("/told/x").await.status, 200);
        assert_eq!(spans(next(&mut heard).await)[1].name, "OrderA");
    }
}

async fn grpc() -> (SocketAddr, Heard<ExportTraceServiceRequest>) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port of the system's choice");
    let address = listener.local_addr().expect("it is bound");
    let (heard, hears) = unbounded_channel();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let heard = heard.clone();
            let service = service_fn(move |request| export(request, heard.clone()));
            let builder = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
            tokio::spawn(builder.serve_connection(TokioIo::new(stream), service));
        }
    });
    (address, hears)
}

async fn export(
    request: http::Request<Incoming>,
    heard: UnboundedSender<(ExportTraceServiceRequest, String)>,
) -> Result<http::Response<tonic::body::Body>, std::convert::Infallible> {
    assert_eq!(request.uri().path(), "/opentelemetry.proto.collector.trace.v1.TraceService/Export");
    let codec = tonic_prost::ProstCodec::<ExportTraceServiceResponse, ExportTraceServiceRequest>::default();
    let hear = move |request: tonic::Request<ExportTraceServiceRequest>| {
        let token = request.metadata().get("x-token").map(|value| value.to_str().expect("text").to_owned());
        let _ = heard.send((request.into_inner(), token.unwrap_or_default()));
        async { Ok(tonic::Response::new(ExportTraceServiceResponse::default())) }
    };
    Ok(tonic::server::Grpc::new(codec).unary(tower::service_fn(hear), request).await)
}

#[tokio::test]
async fn calls_of_plugins_are_counted_and_timed() {
    let upstream = Upstream::start();
    let (server, mut heard) = collector::<ExportMetricsServiceRequest>("/v1/metrics");
    let section = json!({"metrics": {
        "enabled": true, "exporter": "http", "endpoint": server.address.to_string(), "export_interval": 1,
        "headers": {"x-token": "secret"},
    }});
    let conf = Conf::default().set("opentelemetry", section);
    let gateway = conf.with(&api("told", upstream.address).plugins("pre", &["ActSync"])).start().await;
    for (act, status) in [("go on", 200), ("go on", 200), ("refuse", 409), ("panic", 500)] {
        assert_eq!(gateway.ask(get("/told/").header("x-act", act)).await.status, status, "{act}");
    }
    loop {
        let message = next(&mut heard).await;
        let metrics = message.resource_metrics.into_iter().flat_map(|it| it.scope_metrics).flat_map(|it| it.metrics);
        let data: BTreeMap<String, Data> = metrics.filter_map(|metric| Some((metric.name, metric.data?))).collect();
        let (Some(Data::Sum(calls)), Some(Data::Histogram(times))) =
            (data.get("gw.plugin.calls"), data.get("gw.plugin.duration"))
        else {
            panic!("{data:?}");
        };
        let count = |point: &opentelemetry_proto::tonic::metrics::v1::NumberDataPoint| match point.value {
            Some(Number::AsInt(count)) => count,
            other => panic!("{other:?} is no count"),
        };
        // The first may have been told before the last request.
        if calls.data_points.iter().map(count).sum::<i64>() < 4 {
            continue;
        }
        let told: BTreeMap<String, i64> =
            calls.data_points.iter().map(|point| (text(&point.attributes, "outcome"), count(point))).collect();
        let expected = [("continue", 2), ("panic", 1), ("reject", 1)].map(|(name, count)| (name.to_owned(), count));
        assert_eq!(told, BTreeMap::from(expected));
        assert!(calls.is_monotonic);
        let [time] = &*times.data_points else { panic!("{times:?}") };
        let labels = ["plugin", "crate", "hook", "api"].map(|key| text(&time.attributes, key));
        assert_eq!(labels, ["ActSync", "panics", "pre", "told"]);
        // How long a panic took is nobody's business.
        assert_eq!((time.count, time.bucket_counts.iter().sum::<u64>()), (3, 3));
        assert_eq!(time.bucket_counts.len(), time.explicit_bounds.len() + 1);
        break;
    }
}

#[tokio::test]
async fn a_collector_that_does_not_hear_harms_no_request() {
    let upstream = Upstream::start();
    let server = Upstream::start();
    server.ignore("/v1/traces");
    let conf = Conf::default().set("opentelemetry", telemetry(server.address, "http"));
    let gateway = conf.with(&definition(&upstream)).start().await;
    let mut client = gateway.connect().await;
    for _ in 0..20 {
        assert_eq!(client.ask(get("/told/x")).await.status, 200);
    }
    let line = gateway.log().message("the collector does not hear: see `opentelemetry` in `tyk.conf`").await;
    assert_eq!((line.field("signal"), line.json["level"].as_str()), ("trace", Some("WARN")));
    within_deadline("dropped spans", async { while gateway.metric("gw_otlp_spans_dropped_total").await < 6 {} }).await;
}

#[tokio::test]
async fn without_it_nothing_is_told_and_nothing_is_changed() {
    let upstream = Upstream::start();
    let gateway = Conf::default().with(&definition(&upstream)).start().await;
    let answer = gateway.ask(get("/told/x").header("traceparent", "as it came")).await;
    assert_eq!((answer.status, answer.header("x-tyk-trace-id")), (200, ""));
    assert_eq!(upstream.last().header("traceparent"), "as it came");
}

#[tokio::test]
async fn a_gateway_without_it_says_how_to_build_one_that_has_it() {
    let upstream = Upstream::start();
    let conf = Conf::of(binary::examples()).set("opentelemetry", json!({"enabled": true}));
    let gateway = conf.with(&api("told", upstream.address)).start().await;
    let told = "`cargo xtask build --features otlp`";
    gateway.log().wait("how it is built", |line| line.field("finding").contains(told)).await;
    assert_eq!(gateway.get("/told/x").await.status, 200);
}
