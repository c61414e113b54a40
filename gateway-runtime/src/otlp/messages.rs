//! What a collector is told, as OTLP writes it. Source: gateway.md §8.8 for the names, OpenTelemetry's conventions for the
//! others.

use std::time::SystemTime;

use gateway_sdk::StatusCode;
use gateway_sdk::http::Version;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::{ExportTraceServiceRequest, ExportTraceServiceResponse};
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, ArrayValue, InstrumentationScope, KeyValue};
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::number_data_point::Value as Number;
use opentelemetry_proto::tonic::metrics::v1::{
    AggregationTemporality, Histogram, HistogramDataPoint, Metric, NumberDataPoint, ResourceMetrics, ScopeMetrics, Sum,
};
use opentelemetry_proto::tonic::resource::v1;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode as Outcome;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span, Status};
use prost::Message;

use super::trace::{self, Trace, What, nanos};
use crate::metrics::plugins::{self, Counted, Ended};

/// Who tells.
pub(super) struct Resource(v1::Resource);

impl Resource {
    pub(super) fn new(service: &str, node: &str) -> Self {
        let attributes = vec![text("service.name", service), text("tyk.gw.id", node)];
        Self(v1::Resource { attributes, ..v1::Resource::default() })
    }

    pub(super) fn traces(&self, traces: &[Box<Trace>]) -> ExportTraceServiceRequest {
        let spans = traces.iter().flat_map(|trace| spans(trace)).collect();
        let scope_spans = vec![ScopeSpans { scope: scope(), spans, ..ScopeSpans::default() }];
        let resource = Some(self.0.clone());
        let resource_spans = vec![ResourceSpans { resource, scope_spans, ..ResourceSpans::default() }];
        ExportTraceServiceRequest { resource_spans }
    }

    /// What plugins did, counted from `since` until now.
    pub(super) fn metrics(&self, since: SystemTime) -> ExportMetricsServiceRequest {
        let (since, now) = (nanos(since), nanos(SystemTime::now()));
        let counted = plugins::counted();
        let calls = counted.iter().flat_map(|counted| calls(counted, since, now)).collect();
        let times = counted.iter().filter_map(|counted| times(counted, since, now)).collect();
        let aggregation_temporality = AggregationTemporality::Cumulative.into();
        let calls = Data::Sum(Sum { data_points: calls, aggregation_temporality, is_monotonic: true });
        let times = Data::Histogram(Histogram { data_points: times, aggregation_temporality });
        let metric = |name: &str, description: &str, unit: &str, data: Data| Metric {
            name: name.to_owned(),
            description: description.to_owned(),
            unit: unit.to_owned(),
            data: Some(data),
            ..Metric::default()
        };
        let metrics = vec![
            metric("gw.plugin.calls", "Calls of plugins, by how they ended.", "{call}", calls),
            metric("gw.plugin.duration", "How long calls of plugins took.", "s", times),
        ];
        let scope_metrics = vec![ScopeMetrics { scope: scope(), metrics, ..ScopeMetrics::default() }];
        let resource = Some(self.0.clone());
        let resource_metrics = vec![ResourceMetrics { resource, scope_metrics, ..ResourceMetrics::default() }];
        ExportMetricsServiceRequest { resource_metrics }
    }
}

/// How many spans a collector has not taken, though it has heard them.
pub(super) fn rejected_spans(answer: &[u8]) -> usize {
    let answer = ExportTraceServiceResponse::decode(answer).unwrap_or_default();
    let rejected = answer.partial_success.map_or(0, |part| part.rejected_spans);
    usize::try_from(rejected).unwrap_or_default()
}

fn scope() -> Option<InstrumentationScope> {
    let (name, version) = (env!("CARGO_PKG_NAME").to_owned(), env!("CARGO_PKG_VERSION").to_owned());
    Some(InstrumentationScope { name, version, ..InstrumentationScope::default() })
}

fn attribute(key: &str, value: Value) -> KeyValue {
    KeyValue { key: key.to_owned(), value: Some(AnyValue { value: Some(value) }), ..KeyValue::default() }
}

fn text(key: &str, value: &str) -> KeyValue {
    attribute(key, Value::StringValue(value.to_owned()))
}

/// A request's own span, and those of its parts in their order.
fn spans(trace: &Trace) -> Vec<Span> {
    let own = trace.context;
    let whole = Span {
        trace_id: own.trace.to_vec(),
        span_id: own.span.to_vec(),
        parent_span_id: trace.parent.map(|parent| parent.to_vec()).unwrap_or_default(),
        name: trace.request.api.name.clone(),
        kind: SpanKind::Server.into(),
        start_time_unix_nano: trace.nanos(trace.began),
        end_time_unix_nano: trace.nanos(trace.began + trace.took),
        attributes: of_request(&trace.request),
        status: trace.request.status.filter(StatusCode::is_server_error).map(|status| failed(status.as_str())),
        ..Span::default()
    };
    let part = |span: &trace::Span| {
        let (name, kind, attributes, status) = part(&span.what);
        Span {
            trace_id: own.trace.to_vec(),
            span_id: span.id.to_vec(),
            parent_span_id: own.span.to_vec(),
            name,
            kind: kind.into(),
            start_time_unix_nano: trace.nanos(span.began),
            end_time_unix_nano: trace.nanos(span.began + span.took),
            attributes,
            status,
            ..Span::default()
        }
    };
    [whole].into_iter().chain(trace.spans.iter().map(part)).collect()
}

fn failed(message: &str) -> Status {
    Status { message: message.to_owned(), code: Outcome::Error.into() }
}

/// Source: gateway.md §8.8.
fn of_request(request: &trace::Request) -> Vec<KeyValue> {
    let trace::Request { method, path, version, agent, client, api, caller, status } = request;
    let tags = api.tags.iter().map(|tag| AnyValue { value: Some(Value::StringValue(tag.clone())) }).collect();
    let version = match *version {
        Version::HTTP_10 => "1.0",
        Version::HTTP_2 => "2",
        _ => "1.1",
    };
    let mut attributes = vec![
        text("http.request.method", method.as_str()),
        text("url.path", path),
        text("network.protocol.version", version),
        text("user_agent.original", agent),
        text("client.address", client),
        text("tyk.original_path", path),
        text("tyk.api.id", &api.id),
        text("tyk.api.name", &api.name),
        text("tyk.api.orgid", &api.organisation),
        text("tyk.api.path", &api.path),
        attribute("tyk.api.tags", Value::ArrayValue(ArrayValue { values: tags })),
    ];
    attributes
        .extend(status.map(|status| attribute("http.response.status_code", Value::IntValue(status.as_u16().into()))));
    if let Some(trace::Caller { key, alias, oauth }) = caller {
        let told = [("tyk.api.apikey", key), ("tyk.api.apikey.alias", alias), ("tyk.api.oauthid", oauth)];
        attributes.extend(told.into_iter().filter(|(_, value)| !value.is_empty()).map(|(key, value)| text(key, value)));
    }
    attributes
}

fn part(what: &What) -> (String, SpanKind, Vec<KeyValue>, Option<Status>) {
    match what {
        What::Plugin { plugin, hook, ended, api } => {
            let mut attributes = labels(plugin.name, plugin.package.name, hook.as_str(), api);
            attributes.push(text("outcome", ended.as_str()));
            let is_wrong = !matches!(ended, Ended::Continued | Ended::Responded);
            (plugin.name.to_owned(), SpanKind::Internal, attributes, is_wrong.then(|| failed(ended.as_str())))
        }
        What::Step { name, failed: why } => {
            ((*name).to_owned(), SpanKind::Internal, Vec::new(), why.as_deref().map(failed))
        }
        What::Upstream { method, host, path, answered } => {
            let mut attributes = vec![
                text("http.request.method", method.as_str()),
                text("server.address", host),
                text("url.path", path),
            ];
            let status = match answered {
                Err(error) => Some(failed(error)),
                Ok(status) => {
                    attributes.push(attribute("http.response.status_code", Value::IntValue(status.as_u16().into())));
                    (status.as_u16() >= 400).then(|| failed(status.as_str()))
                }
            };
            (format!("HTTP {method}"), SpanKind::Client, attributes, status)
        }
    }
}

fn labels(plugin: &str, krate: &str, hook: &str, api: &str) -> Vec<KeyValue> {
    vec![text("plugin", plugin), text("crate", krate), text("hook", hook), text("api", api)]
}

fn calls(counted: &Counted, since: u64, now: u64) -> Vec<NumberDataPoint> {
    let point = |(outcome, count): &(&str, u64)| {
        let mut attributes = labels(counted.plugin, counted.krate, counted.hook.as_str(), &counted.api);
        attributes.push(text("outcome", outcome));
        let value = Some(Number::AsInt(i64::try_from(*count).unwrap_or(i64::MAX)));
        NumberDataPoint {
            attributes,
            start_time_unix_nano: since,
            time_unix_nano: now,
            value,
            ..NumberDataPoint::default()
        }
    };
    counted.ended.iter().filter(|(_, count)| *count > 0).map(point).collect()
}

fn times(counted: &Counted, since: u64, now: u64) -> Option<HistogramDataPoint> {
    let count = counted.took.iter().sum();
    let point = || HistogramDataPoint {
        attributes: labels(counted.plugin, counted.krate, counted.hook.as_str(), &counted.api),
        start_time_unix_nano: since,
        time_unix_nano: now,
        count,
        sum: Some(counted.total.as_secs_f64()),
        bucket_counts: counted.took.clone(),
        explicit_bounds: plugins::bounds(),
        ..HistogramDataPoint::default()
    };
    (count > 0).then(point)
}
