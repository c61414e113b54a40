//! A record as a line of JSON, by the names that tyk-pump gives it. Source: plugin-system.md §5.

use std::borrow::Cow;
use std::sync::LazyLock;
use std::time::SystemTime;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use gateway_sdk::analytics::{AnalyticsRecord, Geo, GraphQlStats, Latency, McpStats, Network};
use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Value, json};

/// Of most lines, in bytes.
const LENGTH: usize = 1536;

#[derive(Serialize)]
struct Line<'r> {
    method: &'r str,
    host: &'r str,
    path: &'r str,
    raw_path: &'r str,
    content_length: i64,
    user_agent: &'r str,
    day: i64,
    month: i64,
    year: i64,
    hour: i64,
    response_code: i64,
    api_key: &'r str,
    timestamp: String,
    api_version: &'r str,
    api_name: &'r str,
    api_id: &'r str,
    org_id: &'r str,
    oauth_id: &'r str,
    request_time: i64,
    raw_request: String,
    raw_response: String,
    ip_address: &'r str,
    geo: Cow<'static, RawValue>,
    network: Cow<'static, RawValue>,
    latency: LatencyLine,
    tags: &'r [String],
    alias: &'r str,
    track_path: bool,
    #[serde(rename = "expireAt")]
    expire_at: String,
    api_schema: &'r str,
    original_path: &'r str,
    listen_path: &'r str,
    graphql_stats: Cow<'static, RawValue>,
    mcp_stats: Cow<'static, RawValue>,
}

#[derive(Serialize)]
struct LatencyLine {
    total: i64,
    upstream: i64,
    gateway: i64,
}

/// What only a plugin fills in is written once, as it is when none does.
struct Rare<T>(LazyLock<Box<RawValue>>, fn(&T) -> Value);

impl<T: Default + PartialEq> Rare<T> {
    fn of(&'static self, value: &T) -> Cow<'static, RawValue> {
        if *value == T::default() { Cow::Borrowed(&self.0) } else { Cow::Owned(raw(&self.1(value))) }
    }
}

fn raw(value: &Value) -> Box<RawValue> {
    // What is a value is JSON.
    to_raw_value(value).unwrap_or_else(|_| RawValue::NULL.to_owned())
}

static GEO: Rare<Geo> = Rare(LazyLock::new(|| raw(&geo(&Geo::default()))), geo);
static NETWORK: Rare<Network> = Rare(LazyLock::new(|| raw(&network(&Network::default()))), network);
static GRAPHQL: Rare<GraphQlStats> = Rare(LazyLock::new(|| raw(&graphql(&GraphQlStats::default()))), graphql);
static MCP: Rare<McpStats> = Rare(LazyLock::new(|| raw(&mcp(&McpStats::default()))), mcp);

fn geo(geo: &Geo) -> Value {
    json!({
        "country": {"iso_code": geo.country_iso_code},
        "city": {"geoname_id": geo.city_geoname_id, "names": geo.city_names},
        "location": {"latitude": geo.latitude, "longitude": geo.longitude, "time_zone": geo.time_zone},
    })
}

fn network(network: &Network) -> Value {
    json!({
        "open_connections": network.open_connections,
        "closed_connection": network.closed_connection,
        "bytes_in": network.bytes_in,
        "bytes_out": network.bytes_out,
    })
}

fn graphql(graphql: &GraphQlStats) -> Value {
    json!({
        "Variables": graphql.variables,
        "RootFields": graphql.root_fields,
        "Types": graphql.types,
        "Errors": [],
        "OperationType": graphql.operation_type,
        "HasErrors": graphql.has_errors,
        "IsGraphQL": graphql.is_graphql,
    })
}

fn mcp(mcp: &McpStats) -> Value {
    json!({
        "is_mcp": mcp.is_mcp,
        "jsonrpc_method": mcp.jsonrpc_method,
        "primitive_type": mcp.primitive_type,
        "primitive_name": mcp.primitive_name,
    })
}

/// With its line feed.
pub(super) fn line(record: &AnalyticsRecord) -> Vec<u8> {
    let Latency { total, upstream, gateway } = record.latency;
    let line = Line {
        method: &record.method,
        host: &record.host,
        path: &record.path,
        raw_path: &record.raw_path,
        content_length: record.content_length,
        user_agent: &record.user_agent,
        day: record.day,
        month: record.month,
        year: record.year,
        hour: record.hour,
        response_code: record.response_code,
        api_key: &record.api_key,
        timestamp: moment(record.timestamp),
        api_version: &record.api_version,
        api_name: &record.api_name,
        api_id: &record.api_id,
        org_id: &record.org_id,
        oauth_id: &record.oauth_id,
        request_time: record.request_time,
        raw_request: BASE64_STANDARD.encode(&record.raw_request),
        raw_response: BASE64_STANDARD.encode(&record.raw_response),
        ip_address: &record.ip_address,
        geo: GEO.of(&record.geo),
        network: NETWORK.of(&record.network),
        latency: LatencyLine { total, upstream, gateway },
        tags: &record.tags,
        alias: &record.alias,
        track_path: record.track_path,
        expire_at: moment(record.expire_at),
        api_schema: &record.api_schema,
        original_path: &record.original_path,
        listen_path: &record.listen_path,
        graphql_stats: GRAPHQL.of(&record.graphql_stats),
        mcp_stats: MCP.of(&record.mcp_stats),
    };
    // Plain data, whose keys are texts, is always JSON.
    let mut text = Vec::with_capacity(LENGTH);
    let _ = serde_json::to_writer(&mut text, &line);
    text.push(b'\n');
    text
}

fn moment(time: SystemTime) -> String {
    humantime::format_rfc3339_nanos(time.max(SystemTime::UNIX_EPOCH)).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_plugin_has_filled_in_is_told() {
        let geo = Geo { country_iso_code: "DE".into(), ..Geo::default() };
        let line = line(&AnalyticsRecord { geo, ..AnalyticsRecord::default() });
        let value: Value = serde_json::from_slice(&line).expect("JSON");
        assert_eq!(value["geo"]["country"]["iso_code"], "DE");
        assert_eq!(value["network"], network(&Network::default()));
    }

    #[test]
    fn a_record_is_one_line_with_all_names() {
        let mut record = AnalyticsRecord { user_agent: "a\nb".into(), ..AnalyticsRecord::default() };
        record.raw_request = b"GET / HTTP/1.1\r\n\r\n".to_vec();
        let line = line(&record);
        assert_eq!(line.iter().filter(|byte| **byte == b'\n').count(), 1);
        let value: Value = serde_json::from_slice(&line).expect("JSON");
        let members = value.as_object().expect("an object");
        assert_eq!(members.len(), 34);
        assert_eq!(value["raw_request"], "R0VUIC8gSFRUUC8xLjENCg0K");
        assert_eq!(value["graphql_stats"]["Errors"], json!([]));
        assert_eq!(value["timestamp"], "1970-01-01T00:00:00.000000000Z");
    }
}
