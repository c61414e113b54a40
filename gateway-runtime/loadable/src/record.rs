//! An analytics record as JSON, by the names that tyk-pump gives it; what only this gateway knows keeps its own names.
//! Source: plugin-system.md §5.

use std::time::SystemTime;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use gateway_sdk::analytics::{AnalyticsRecord, Geo, GraphQlStats, Latency, McpStats, Network};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The record as JSON.
///
/// # Errors
/// When a time is before 1970.
pub(crate) fn written(record: &AnalyticsRecord) -> serde_json::Result<Vec<u8>> {
    #[derive(Serialize)]
    struct Written<'r>(#[serde(with = "Record")] &'r AnalyticsRecord);
    serde_json::to_vec(&Written(record))
}

/// The record that JSON is. What is missing is as in a record that nothing is known of.
///
/// # Errors
/// When it is not one.
pub(crate) fn read(json: &[u8]) -> serde_json::Result<AnalyticsRecord> {
    #[derive(Deserialize)]
    struct Read(#[serde(with = "Record")] AnalyticsRecord);
    serde_json::from_slice(json).map(|Read(record)| record)
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "AnalyticsRecord", default = "AnalyticsRecord::default")]
struct Record {
    method: String,
    host: String,
    path: String,
    raw_path: String,
    content_length: i64,
    user_agent: String,
    day: i64,
    month: i64,
    year: i64,
    hour: i64,
    response_code: i64,
    api_key: String,
    #[serde(with = "time")]
    timestamp: SystemTime,
    api_version: String,
    api_name: String,
    api_id: String,
    org_id: String,
    oauth_id: String,
    request_time: i64,
    #[serde(with = "base64_text")]
    raw_request: Vec<u8>,
    #[serde(with = "base64_text")]
    raw_response: Vec<u8>,
    ip_address: String,
    #[serde(with = "GeoJson")]
    geo: Geo,
    #[serde(with = "NetworkJson")]
    network: Network,
    #[serde(with = "LatencyJson")]
    latency: Latency,
    tags: Vec<String>,
    alias: String,
    track_path: bool,
    #[serde(rename = "expireAt", with = "time")]
    expire_at: SystemTime,
    api_schema: String,
    original_path: String,
    listen_path: String,
    #[serde(with = "GraphQlJson")]
    graphql_stats: GraphQlStats,
    #[serde(with = "McpJson")]
    mcp_stats: McpStats,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "Geo", default = "Geo::default")]
struct GeoJson {
    country_iso_code: String,
    city_geoname_id: u32,
    city_names: std::collections::BTreeMap<String, String>,
    latitude: f64,
    longitude: f64,
    time_zone: String,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "Network", default = "Network::default")]
struct NetworkJson {
    open_connections: i64,
    closed_connection: i64,
    bytes_in: i64,
    bytes_out: i64,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "Latency", default = "Latency::default")]
struct LatencyJson {
    total: i64,
    upstream: i64,
    gateway: i64,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "GraphQlStats", default = "GraphQlStats::default")]
struct GraphQlJson {
    variables: String,
    root_fields: Vec<String>,
    types: std::collections::BTreeMap<String, Vec<String>>,
    operation_type: i64,
    has_errors: bool,
    is_graphql: bool,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "McpStats", default = "McpStats::default")]
struct McpJson {
    is_mcp: bool,
    jsonrpc_method: String,
    primitive_type: String,
    primitive_name: String,
}

/// RFC 3339.
mod time {
    use super::*;

    pub(super) fn serialize<S: Serializer>(time: &SystemTime, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(&humantime::format_rfc3339_nanos((*time).max(SystemTime::UNIX_EPOCH)))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<SystemTime, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(from)?;
        humantime::parse_rfc3339_weak(&text).map_err(D::Error::custom)
    }
}

mod base64_text {
    use super::*;

    pub(super) fn serialize<S: Serializer>(bytes: &[u8], to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&BASE64_STANDARD.encode(bytes))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<u8>, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(from)?;
        BASE64_STANDARD.decode(&*text).map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_record_is_the_same_after_it_was_written_and_read() {
        let record = AnalyticsRecord {
            method: "GET".into(),
            raw_request: vec![0, 1, 255],
            timestamp: SystemTime::UNIX_EPOCH + Duration::from_nanos(1_700_000_000_123_456_789),
            tags: vec!["a".into()],
            geo: Geo { latitude: 1.5, city_names: [("en".into(), "Berlin".into())].into(), ..Geo::default() },
            latency: Latency { total: 3, upstream: 2, gateway: 1 },
            ..AnalyticsRecord::default()
        };
        let json = written(&record).expect("it can be written");
        assert_eq!(read(&json).expect("it can be read"), record);
        assert_eq!(read(b"{}").expect("nothing is known"), AnalyticsRecord::default());
        assert!(read(b"{\"raw_request\":\"?\"}").is_err());
    }
}
