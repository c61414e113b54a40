//! `opentelemetry`: where spans and metrics go, and which. Source: gateway.md §8.8.
//!
//! Traces are said at the section's root or in `opentelemetry.traces`, metrics in `opentelemetry.metrics`. Each is a whole:
//! what one does not say is not taken from another.

use std::path::{Path, PathBuf};
use std::time::Duration;

use gateway_sdk::{HeaderMap, HeaderName, HeaderValue};
use serde::Deserialize;

use super::LONGEST;
use super::outbound::Names;
use super::remark::Remarks;

/// The ports of gRPC and of HTTP.
const PORTS: (u16, u16) = (4317, 4318);

#[derive(Debug, Default, Deserialize)]
#[cfg_attr(test, derive(serde::Serialize))]
#[serde(default, expecting = "an object")]
pub(super) struct RawOpenTelemetry {
    enabled: bool,
    exporter: String,
    endpoint: String,
    headers: Names,
    connection_timeout: u64,
    resource_name: String,
    span_processor_type: String,
    context_propagation: String,
    sampling: RawSampling,
    tls: RawTls,
    traces: RawTraces,
    metrics: RawMetrics,
}

#[derive(Debug, Default, Deserialize)]
#[cfg_attr(test, derive(serde::Serialize))]
#[serde(default, expecting = "an object")]
struct RawTraces {
    enabled: bool,
    exporter: String,
    endpoint: String,
    headers: Names,
    connection_timeout: u64,
    resource_name: String,
    span_processor_type: String,
    context_propagation: String,
    sampling: RawSampling,
    tls: RawTls,
}

#[derive(Debug, Default, Deserialize)]
#[cfg_attr(test, derive(serde::Serialize))]
#[serde(default, expecting = "an object")]
struct RawMetrics {
    enabled: bool,
    exporter: String,
    endpoint: String,
    headers: Names,
    connection_timeout: u64,
    resource_name: String,
    export_interval: u64,
    temporality: String,
    tls: RawTls,
}

#[derive(Debug, Default, Deserialize)]
#[cfg_attr(test, derive(serde::Serialize))]
#[serde(default, expecting = "an object")]
struct RawSampling {
    #[serde(rename = "type")]
    kind: String,
    rate: f64,
    parent_based: bool,
}

#[derive(Debug, Default, Deserialize)]
#[cfg_attr(test, derive(serde::Serialize))]
#[serde(default, expecting = "an object")]
struct RawTls {
    enable: bool,
    insecure_skip_verify: bool,
    ca_file: String,
    min_version: String,
    max_version: String,
}

/// What is told to a collector.
#[derive(Debug, Clone, Default)]
pub(crate) struct OpenTelemetry {
    /// `None`: no spans.
    pub(crate) traces: Option<Traces>,
    /// `None`: no metrics.
    pub(crate) metrics: Option<Metrics>,
}

/// Which requests have spans, and where these go.
#[derive(Debug, Clone)]
pub(crate) struct Traces {
    pub(crate) collector: Collector,
    /// Each request's spans are sent at once, and not in batches.
    pub(crate) is_simple: bool,
    pub(crate) sampling: Sampling,
    /// Whoever calls has decided already, if it says so.
    pub(crate) parent_based: bool,
}

/// Where metrics go, and how often.
#[derive(Debug, Clone)]
pub(crate) struct Metrics {
    pub(crate) collector: Collector,
    pub(crate) every: Duration,
}

/// Which of the requests are traced.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Sampling {
    All,
    None,
    /// From 0 to 1.
    Ratio(f64),
}

/// Who is told, and how.
#[derive(Debug, Clone)]
pub(crate) struct Collector {
    pub(crate) is_grpc: bool,
    /// Scheme, host and port.
    pub(crate) origin: String,
    /// What comes before `/v1/traces`; empty for gRPC.
    pub(crate) base: String,
    pub(crate) headers: HeaderMap,
    /// For one message, from the connection to the end of its answer.
    pub(crate) timeout: Duration,
    /// `service.name`.
    pub(crate) service: String,
    pub(crate) tls: Option<Tls>,
}

/// How the collector is known.
#[derive(Debug, Clone)]
pub(crate) struct Tls {
    pub(crate) insecure: bool,
    pub(crate) issuers: Option<PathBuf>,
    pub(crate) lowest: Option<u16>,
    pub(crate) highest: Option<u16>,
}

/// What is said of a collector.
struct Said<'a> {
    /// The section.
    at: &'a str,
    exporter: &'a str,
    endpoint: &'a str,
    headers: &'a Names,
    timeout: u64,
    service: &'a str,
    tls: &'a RawTls,
}

pub(super) fn resolve(raw: &RawOpenTelemetry, remarks: &mut Remarks<'_>) -> OpenTelemetry {
    let wanted = raw.enabled || raw.traces.enabled || raw.metrics.enabled;
    if wanted && !cfg!(feature = "otlp") {
        let reason = "nothing is told: OpenTelemetry is not in this binary; build one that has it with `cargo xtask build \
                      --features otlp`";
        remarks.warning("opentelemetry", reason);
        return OpenTelemetry::default();
    }
    OpenTelemetry { traces: traces(raw, remarks), metrics: metrics(&raw.metrics, remarks) }
}

fn traces(raw: &RawOpenTelemetry, remarks: &mut Remarks<'_>) -> Option<Traces> {
    let inner = &raw.traces;
    let (said, processor, propagation, sampling) = if inner.enabled {
        let said = Said {
            at: "opentelemetry.traces",
            exporter: &inner.exporter,
            endpoint: &inner.endpoint,
            headers: &inner.headers,
            timeout: inner.connection_timeout,
            service: &inner.resource_name,
            tls: &inner.tls,
        };
        (said, &inner.span_processor_type, &inner.context_propagation, &inner.sampling)
    } else if raw.enabled {
        let said = Said {
            at: "opentelemetry",
            exporter: &raw.exporter,
            endpoint: &raw.endpoint,
            headers: &raw.headers,
            timeout: raw.connection_timeout,
            service: &raw.resource_name,
            tls: &raw.tls,
        };
        (said, &raw.span_processor_type, &raw.context_propagation, &raw.sampling)
    } else {
        return None;
    };
    let at = said.at;
    if !matches!(processor.as_str(), "" | "batch" | "simple") {
        remarks.error(&format!("{at}.span_processor_type"), format!("`{processor}` is not one of `batch`, `simple`"));
    }
    match propagation.as_str() {
        "" | "tracecontext" => {}
        other => remarks.error(
            &format!("{at}.context_propagation"),
            format!("`{other}` is not honoured by this gateway; write `tracecontext`, which all collectors know"),
        ),
    }
    let sampling_of = sampled(at, sampling, remarks);
    Some(Traces {
        collector: collector(&said, remarks),
        is_simple: processor == "simple",
        sampling: sampling_of,
        parent_based: sampling.parent_based,
    })
}

fn sampled(at: &str, raw: &RawSampling, remarks: &mut Remarks<'_>) -> Sampling {
    match raw.kind.as_str() {
        "" | "AlwaysOn" => Sampling::All,
        "AlwaysOff" => Sampling::None,
        "TraceIDRatioBased" => {
            if !(0.0..=1.0).contains(&raw.rate) {
                remarks.error(&format!("{at}.sampling.rate"), format!("`{}` is not between 0 and 1", raw.rate));
            }
            Sampling::Ratio(raw.rate)
        }
        other => {
            let reason = format!("`{other}` is not one of `AlwaysOn`, `AlwaysOff`, `TraceIDRatioBased`");
            remarks.error(&format!("{at}.sampling.type"), reason);
            Sampling::All
        }
    }
}

fn metrics(raw: &RawMetrics, remarks: &mut Remarks<'_>) -> Option<Metrics> {
    if !raw.enabled {
        return None;
    }
    let at = "opentelemetry.metrics";
    if !matches!(raw.temporality.as_str(), "" | "cumulative") {
        let reason = format!("`{}` is not honoured by this gateway; write `cumulative`", raw.temporality);
        remarks.error(&format!("{at}.temporality"), reason);
    }
    let said = Said {
        at,
        exporter: &raw.exporter,
        endpoint: &raw.endpoint,
        headers: &raw.headers,
        timeout: raw.connection_timeout,
        service: &raw.resource_name,
        tls: &raw.tls,
    };
    let every = Duration::from_secs(if raw.export_interval == 0 { 60 } else { raw.export_interval }).min(LONGEST);
    Some(Metrics { collector: collector(&said, remarks), every })
}

fn collector(said: &Said<'_>, remarks: &mut Remarks<'_>) -> Collector {
    let Said { at, exporter, endpoint, timeout, service, .. } = *said;
    if !matches!(exporter, "" | "grpc" | "http") {
        remarks.error(&format!("{at}.exporter"), format!("`{exporter}` is not one of `grpc`, `http`"));
    }
    let is_grpc = exporter != "http";
    let (written, is_tls) = match (endpoint.trim(), said.tls.enable) {
        (written, _) if written.starts_with("https://") => (&written[8..], true),
        (written, is_tls) => (written.strip_prefix("http://").unwrap_or(written), is_tls),
    };
    let (authority, base) = written.split_at(written.find('/').unwrap_or(written.len()));
    let origin = address(authority, if is_grpc { PORTS.0 } else { PORTS.1 }).unwrap_or_else(|| {
        remarks.error(
            &format!("{at}.endpoint"),
            format!("`{endpoint}` is not a host and a port, such as `localhost:4317`"),
        );
        String::new()
    });
    Collector {
        is_grpc,
        origin: format!("{}://{origin}", if is_tls { "https" } else { "http" }),
        base: if is_grpc { String::new() } else { base.trim_end_matches('/').to_owned() },
        headers: headers(at, said.headers, remarks),
        timeout: Duration::from_secs(if timeout == 0 { 1 } else { timeout }).min(LONGEST),
        service: if service.is_empty() { "tyk-gateway" } else { service }.to_owned(),
        tls: is_tls.then(|| tls(at, said.tls, remarks)),
    }
}

/// A host with its port; `None` if it is none.
fn address(written: &str, port: u16) -> Option<String> {
    if written.is_empty() {
        return Some(format!("localhost:{port}"));
    }
    let authority: gateway_sdk::http::uri::Authority = written.parse().ok()?;
    if authority.host().is_empty() || written.contains('@') {
        return None;
    }
    Some(if authority.port_u16().is_some() { written.to_owned() } else { format!("{written}:{port}") })
}

fn headers(at: &str, written: &Names, remarks: &mut Remarks<'_>) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in &written.0 {
        match (HeaderName::try_from(name), HeaderValue::try_from(value)) {
            (Ok(name), Ok(value)) => drop(headers.insert(name, value)),
            _ => remarks
                .error(&format!("{at}.headers.{name}"), "is no header: a name or a value has signs it may not have"),
        }
    }
    headers
}

fn tls(at: &str, raw: &RawTls, remarks: &mut Remarks<'_>) -> Tls {
    if raw.insecure_skip_verify {
        let reason = "anybody is taken for the collector: name its issuer with `ca_file` instead";
        remarks.warning(&format!("{at}.tls.insecure_skip_verify"), reason);
    }
    let mut version = |key: &str, written: &str| match written {
        "" => None,
        // Nothing below 1.2 is spoken.
        "1.0" | "1.1" | "1.2" => Some(771),
        "1.3" => Some(772),
        other => {
            let reason = format!("`{other}` is no version of TLS: write `1.2` or `1.3`");
            remarks.error(&format!("{at}.tls.{key}"), reason);
            None
        }
    };
    Tls {
        insecure: raw.insecure_skip_verify,
        lowest: version("min_version", &raw.min_version),
        highest: version("max_version", &raw.max_version),
        issuers: Some(Path::new(&raw.ca_file).to_owned()).filter(|file| !file.as_os_str().is_empty()),
    }
}

#[cfg(test)]
mod tests;
