//! [`AnalyticsRecord`]: what is kept of a request once it is over.
//!
//! ```
//! use gateway_sdk::prelude::*;
//!
//! /// Marks every record, and keeps none of the health checks.
//! #[gw_plugin(hook = "analytics", name = "MarkRecords")]
//! fn mark(record: &mut AnalyticsRecord) -> Fate {
//!     record.tags.push("seen".to_owned());
//!     if record.path == "/health" { Fate::Drop } else { Fate::Keep }
//! }
//! # fn main() {}
//! ```

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

/// What is kept of one request. Source: plugin-system.md §5, tyk-pump's `analytics.AnalyticsRecord`.
///
/// A plugin of the hook `analytics` may change all of it. The names are those that a record has in JSON; how a sink
/// spells them is its own business.
#[derive(Debug, Clone, PartialEq)]
pub struct AnalyticsRecord {
    /// The request's method.
    pub method: String,
    /// The host of the upstream.
    pub host: String,
    /// The path: of the upstream's request, or of the client's where none was made; or that of an entry of
    /// `track_endpoints`.
    pub path: String,
    /// The same before `track_endpoints` and before it is made normal.
    pub raw_path: String,
    /// `Content-Length` of the request in bytes, -1 if it is not known.
    pub content_length: i64,
    /// `User-Agent` of the client.
    pub user_agent: String,
    /// Of `timestamp`, from 1 to 31, UTC.
    pub day: i64,
    /// Of `timestamp`, from 1 to 12, UTC.
    pub month: i64,
    /// Of `timestamp`, UTC.
    pub year: i64,
    /// Of `timestamp`, UTC.
    pub hour: i64,
    /// The status that the client got.
    pub response_code: i64,
    /// The key. Where keys are hashed, the hash is kept in its place; a plugin sees the key.
    pub api_key: String,
    /// When the request was over.
    pub timestamp: SystemTime,
    /// The version of the API, `Non Versioned` if it has none.
    pub api_version: String,
    /// The name of the API.
    pub api_name: String,
    /// The id of the API.
    pub api_id: String,
    /// The organisation that owns the API.
    pub org_id: String,
    /// The OAuth client of the key.
    pub oauth_id: String,
    /// How long the request took, in milliseconds.
    pub request_time: i64,
    /// The request as it went to the upstream, with detailed recording. Kept in base64; here it is plain.
    pub raw_request: Vec<u8>,
    /// The response as the client got it, with detailed recording. Kept in base64; here it is plain.
    pub raw_response: Vec<u8>,
    /// The client's address.
    pub ip_address: String,
    /// Where that is.
    pub geo: Geo,
    /// What went over the network.
    pub network: Network,
    /// How long the request took, and whose time it was.
    pub latency: Latency,
    /// Words to find the record by. `key-…`, `org-…` and `api-…` are added when it is kept.
    pub tags: Vec<String>,
    /// The alias of the key.
    pub alias: String,
    /// `path` is that of an entry of `track_endpoints`.
    pub track_path: bool,
    /// When the record is to be forgotten.
    pub expire_at: SystemTime,
    /// For GraphQL; not filled in by this gateway.
    pub api_schema: String,
    /// The path that the client asked for.
    pub original_path: String,
    /// Where the API listens.
    pub listen_path: String,
    /// For GraphQL; not filled in by this gateway.
    pub graphql_stats: GraphQlStats,
    /// For MCP; not filled in by this gateway.
    pub mcp_stats: McpStats,
}

impl Default for AnalyticsRecord {
    fn default() -> Self {
        let (text, epoch) = (String::new, SystemTime::UNIX_EPOCH);
        Self {
            method: text(),
            host: text(),
            path: text(),
            raw_path: text(),
            content_length: 0,
            user_agent: text(),
            day: 1,
            month: 1,
            year: 1970,
            hour: 0,
            response_code: 0,
            api_key: text(),
            timestamp: epoch,
            api_version: text(),
            api_name: text(),
            api_id: text(),
            org_id: text(),
            oauth_id: text(),
            request_time: 0,
            raw_request: Vec::new(),
            raw_response: Vec::new(),
            ip_address: text(),
            geo: Geo::default(),
            network: Network::default(),
            latency: Latency::default(),
            tags: Vec::new(),
            alias: text(),
            track_path: false,
            expire_at: epoch,
            api_schema: text(),
            original_path: text(),
            listen_path: text(),
            graphql_stats: GraphQlStats::default(),
            mcp_stats: McpStats::default(),
        }
    }
}

/// Where a client is. Not filled in by this gateway: a plugin may.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Geo {
    /// The country's ISO code.
    pub country_iso_code: String,
    /// GeoNames' number of the city.
    pub city_geoname_id: u32,
    /// The city's name, by language.
    pub city_names: BTreeMap<String, String>,
    /// In degrees.
    pub latitude: f64,
    /// In degrees.
    pub longitude: f64,
    /// As in `Europe/Berlin`.
    pub time_zone: String,
}

/// What went over the network. Not filled in by this gateway.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Network {
    /// Connections that were opened.
    pub open_connections: i64,
    /// Connections that were closed.
    pub closed_connection: i64,
    /// Bytes that came.
    pub bytes_in: i64,
    /// Bytes that went.
    pub bytes_out: i64,
}

/// How long a request took, in milliseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Latency {
    /// All of it, until the client had its answer.
    pub total: i64,
    /// Until the upstream had answered; 0 where it was not asked, or has not.
    pub upstream: i64,
    /// The rest.
    pub gateway: i64,
}

/// What is known of a GraphQL request.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GraphQlStats {
    /// Its variables.
    pub variables: String,
    /// The fields that it asks for.
    pub root_fields: Vec<String>,
    /// The fields of each type.
    pub types: BTreeMap<String, Vec<String>>,
    /// 0 unknown, 1 query, 2 mutation, 3 subscription.
    pub operation_type: i64,
    /// Whether there were errors.
    pub has_errors: bool,
    /// Whether it is one.
    pub is_graphql: bool,
}

/// What is known of an MCP request.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct McpStats {
    /// Whether it is one.
    pub is_mcp: bool,
    /// The method of JSON-RPC.
    pub jsonrpc_method: String,
    /// What it is about.
    pub primitive_type: String,
    /// The name of that.
    pub primitive_name: String,
}

/// What becomes of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It is kept.
    Keep,
    /// It is not, and counted as dropped by a plugin.
    Drop,
}

/// What is written down of a request while it is on its way. For the runtime.
#[derive(Debug)]
#[doc(hidden)]
pub struct Draft {
    /// As far as it is filled in.
    pub record: AnalyticsRecord,
    /// When the request began.
    pub begun: Instant,
    /// How long the upstream took for its answer.
    pub upstream: Duration,
    /// Who answered.
    pub answered: AnsweredBy,
    /// The path that was asked for when the request was sent; `None`: it was not.
    pub asked: Option<String>,
    /// The request as it goes to the upstream, with detailed recording.
    pub raw_request: Option<Transcript>,
}

/// Who answered a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[doc(hidden)]
pub enum AnsweredBy {
    /// The gateway, with an error.
    Gateway,
    /// A plugin, with an error.
    Plugin,
    /// A plugin, a cache or a mock, with what stands for the upstream's answer.
    Here,
    /// The upstream.
    Upstream,
}

/// A message as it passes, up to a bound. Clones are of the same.
#[derive(Debug, Clone)]
#[doc(hidden)]
pub struct Transcript {
    bytes: Arc<Mutex<Vec<u8>>>,
    most: usize,
}

impl Transcript {
    /// One that begins with `head`, and holds up to `most` bytes after it.
    #[must_use]
    pub fn new(head: Vec<u8>, most: usize) -> Self {
        let most = head.len().saturating_add(most);
        Self { bytes: Arc::new(Mutex::new(head)), most }
    }

    /// More has passed.
    pub fn add(&self, more: &[u8]) {
        let mut bytes = self.bytes.lock().unwrap_or_else(PoisonError::into_inner);
        let room = self.most.saturating_sub(bytes.len()).min(more.len());
        bytes.extend_from_slice(&more[..room]);
    }

    /// What has passed until now; nothing is left.
    #[must_use]
    pub fn take(&self) -> Vec<u8> {
        std::mem::take(&mut self.bytes.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_transcript_is_bounded_behind_its_head() {
        let transcript = Transcript::new(b"head".to_vec(), 3);
        transcript.add(b"bo");
        transcript.clone().add(b"dy");
        assert_eq!(transcript.take(), b"headbod");
        assert!(transcript.take().is_empty());
    }
}
