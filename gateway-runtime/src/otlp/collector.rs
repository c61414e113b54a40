//! How a collector is told: a message by one `POST`, over HTTP or as a call of gRPC, which is the same with five bytes before it
//! and its outcome in a trailer. Source: OpenTelemetry, OTLP 1.x.

use std::time::Duration;

use bytes::Bytes;
use gateway_model::ApiDefinition;
use gateway_sdk::http::Request as Head;
use gateway_sdk::http::header::{CONTENT_TYPE, TE};
use gateway_sdk::{Body, HeaderMap, HeaderValue, Request, Uri};
use http_body::Body as _;
use prost::Message;

use crate::config::{self, Config, Outbound};
use crate::host::Outgoing;
use crate::telemetry::one_line;
use crate::tls::client::roots;
use crate::upstream::Rules;
use crate::upstream::transport::Transport;

/// Of an answer, in bytes: it says that all is well, or why not.
const ANSWER_BYTES: usize = 64 * 1024;

/// One who is told one kind of messages.
pub(super) struct Collector {
    outgoing: Outgoing,
    uri: Uri,
    headers: HeaderMap,
    timeout: Duration,
    is_grpc: bool,
    /// Of what, for the log.
    signal: &'static str,
    /// It was said that it does not hear.
    is_deaf: bool,
}

impl Collector {
    /// `signal` is `trace` or `metrics`.
    ///
    /// # Errors
    /// When it cannot be reached as the configuration says.
    pub(super) fn new(settings: &config::Collector, signal: &'static str, config: &Config) -> Result<Self, String> {
        let config::Collector { is_grpc, origin, base, headers, timeout, tls, .. } = settings;
        let mut outbound = Outbound { http2: *is_grpc, ..(*config.outbound).clone() };
        if let Some(tls) = tls {
            outbound.insecure = tls.insecure;
            (outbound.lowest, outbound.highest) = (tls.lowest, tls.highest);
            if let Some(file) = &tls.issuers {
                outbound.roots = roots(None, Some(file)).map_err(|error| error.to_string())?;
            }
        }
        let protocol = if *is_grpc && tls.is_none() { "h2c" } else { "" };
        let api = ApiDefinition { protocol: protocol.to_owned(), ..ApiDefinition::default() };
        let mut told = Vec::new();
        let transport = Transport::of(&api, &outbound, &mut told);
        let transport = transport.ok_or_else(|| {
            told.into_iter().map(|(_, path, reason)| format!("{path}: {reason}")).collect::<Vec<_>>().join("; ")
        })?;
        let path = match (is_grpc, signal) {
            (false, "trace") => format!("{base}/v1/traces"),
            (false, _) => format!("{base}/v1/metrics"),
            (true, "trace") => "/opentelemetry.proto.collector.trace.v1.TraceService/Export".to_owned(),
            (true, _) => "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export".to_owned(),
        };
        let uri = format!("{origin}{path}").parse().map_err(|error| format!("`{origin}{path}` is no URL: {error}"))?;
        let mut headers = headers.clone();
        let media_type = if *is_grpc { "application/grpc" } else { "application/x-protobuf" };
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
        if *is_grpc {
            headers.insert(TE, HeaderValue::from_static("trailers"));
        }
        let outgoing = Outgoing::new(Rules::of(config), transport);
        Ok(Self { outgoing, uri, headers, timeout: *timeout, is_grpc: *is_grpc, signal, is_deaf: false })
    }

    /// Tells it a message, and gives its answer. That it does not hear is said once, until it does.
    pub(super) async fn send(&mut self, message: &impl Message) -> Result<Bytes, ()> {
        let sent = tokio::time::timeout(self.timeout, self.post(message)).await;
        let reason = match sent {
            Ok(Ok(answer)) => {
                if std::mem::take(&mut self.is_deaf) {
                    tracing::info!(collector = %self.uri, signal = self.signal, "the collector hears again");
                }
                return Ok(answer);
            }
            Ok(Err(reason)) => one_line(reason),
            Err(_) => format!("no answer within {} s (`connection_timeout`)", self.timeout.as_secs()),
        };
        if !std::mem::replace(&mut self.is_deaf, true) {
            let (collector, signal) = (&self.uri, self.signal);
            tracing::warn!(%collector, signal, reason, "the collector does not hear: see `opentelemetry` in `tyk.conf`");
        }
        Err(())
    }

    async fn post(&self, message: &impl Message) -> Result<Bytes, String> {
        let mut head = Head::post(self.uri.clone()).body(()).map_err(|error| error.to_string())?.into_parts().0;
        head.headers = self.headers.clone();
        let request = Request::from_parts(head, Body::from(self.written(message)));
        let response = self.outgoing.fetch(request, self.timeout).await.map_err(|error| chain(&error))?;
        let (head, mut body) = response.into_parts();
        let mut answer = Vec::new();
        let mut outcome = head.headers.get("grpc-status").cloned();
        let mut told = head.headers.get("grpc-message").cloned();
        while let Some(frame) = std::future::poll_fn(|cx| std::pin::Pin::new(&mut body).poll_frame(cx)).await {
            let frame = frame.map_err(|error| error.to_string())?;
            match frame.into_data() {
                Ok(data) if answer.len() + data.len() <= ANSWER_BYTES => answer.extend_from_slice(&data),
                Ok(_) => return Err("its answer has no end".to_owned()),
                Err(frame) => {
                    let trailers = frame.trailers_ref();
                    outcome = trailers.and_then(|trailers| trailers.get("grpc-status").cloned()).or(outcome);
                    told = trailers.and_then(|trailers| trailers.get("grpc-message").cloned()).or(told);
                }
            }
        }
        if !head.status.is_success() {
            return Err(format!("it answers with status {}", head.status.as_u16()));
        }
        if !self.is_grpc {
            return Ok(answer.into());
        }
        match outcome {
            // The message begins behind the same five bytes.
            Some(outcome) if outcome == "0" => Ok(answer.split_off(answer.len().min(5)).into()),
            Some(outcome) => {
                let text = |value: HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
                Err(format!("gRPC status {}: {}", text(outcome), told.map(text).unwrap_or_default()))
            }
            None => Err("its answer is none of gRPC's: is `exporter` to be `http`?".to_owned()),
        }
    }

    fn written(&self, message: &impl Message) -> Bytes {
        let plain = message.encode_to_vec();
        if !self.is_grpc {
            return plain.into();
        }
        let length = u32::try_from(plain.len()).unwrap_or(u32::MAX);
        // It is not compressed.
        [&[0][..], &length.to_be_bytes(), &plain].concat().into()
    }
}

/// An error, and what it comes from.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        let more = error.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        source = error.source();
    }
    text
}
