//! A record in MessagePack, as Tyk writes it and tyk-pump reads it: a map with the names of Go's fields, in their order,
//! nothing left out. Source: gateway.md §8.2, §8.3.

use std::convert::Infallible;
use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use gateway_sdk::analytics::{AnalyticsRecord, Geo, GraphQlStats, Latency, McpStats, Network};
use rmp::encode::{
    ByteBuf, ValueWriteError, write_array_len, write_bool, write_f64, write_map_len, write_nil, write_sint, write_str,
};

/// What is written into memory cannot fail.
type Written = Result<(), ValueWriteError<Infallible>>;

/// The fields of a record, and `CollectionName`.
const FIELDS: u32 = 35;

/// The record.
pub(super) fn map(record: &AnalyticsRecord) -> Vec<u8> {
    let mut out = ByteBuf::new();
    // Nothing is lost: there is no error to be had.
    let _ = write(&mut out, record);
    out.into_vec()
}

fn write(out: &mut ByteBuf, record: &AnalyticsRecord) -> Written {
    write_map_len(out, FIELDS)?;
    text(out, "Method", &record.method)?;
    text(out, "Host", &record.host)?;
    text(out, "Path", &record.path)?;
    text(out, "RawPath", &record.raw_path)?;
    number(out, "ContentLength", record.content_length)?;
    text(out, "UserAgent", &record.user_agent)?;
    number(out, "Day", record.day)?;
    number(out, "Month", record.month)?;
    number(out, "Year", record.year)?;
    number(out, "Hour", record.hour)?;
    number(out, "ResponseCode", record.response_code)?;
    text(out, "APIKey", &record.api_key)?;
    moment(out, "TimeStamp", record.timestamp)?;
    text(out, "APIVersion", &record.api_version)?;
    text(out, "APIName", &record.api_name)?;
    text(out, "APIID", &record.api_id)?;
    text(out, "OrgID", &record.org_id)?;
    text(out, "OauthID", &record.oauth_id)?;
    number(out, "RequestTime", record.request_time)?;
    text(out, "RawRequest", &BASE64_STANDARD.encode(&record.raw_request))?;
    text(out, "RawResponse", &BASE64_STANDARD.encode(&record.raw_response))?;
    text(out, "IPAddress", &record.ip_address)?;
    geo(out, &record.geo)?;
    network(out, &record.network)?;
    latency(out, &record.latency)?;
    texts(out, "Tags", &record.tags)?;
    text(out, "Alias", &record.alias)?;
    flag(out, "TrackPath", record.track_path)?;
    moment(out, "ExpireAt", record.expire_at)?;
    text(out, "ApiSchema", &record.api_schema)?;
    text(out, "OriginalPath", &record.original_path)?;
    text(out, "ListenPath", &record.listen_path)?;
    graphql(out, &record.graphql_stats)?;
    mcp(out, &record.mcp_stats)?;
    text(out, "CollectionName", "")
}

fn text(out: &mut ByteBuf, name: &str, value: &str) -> Written {
    write_str(out, name)?;
    write_str(out, value)
}

fn number(out: &mut ByteBuf, name: &str, value: i64) -> Written {
    write_str(out, name)?;
    write_sint(out, value).map(drop)
}

fn degrees(out: &mut ByteBuf, name: &str, value: f64) -> Written {
    write_str(out, name)?;
    write_f64(out, value)
}

fn flag(out: &mut ByteBuf, name: &str, value: bool) -> Written {
    write_str(out, name)?;
    write_bool(out, value).map_err(ValueWriteError::InvalidMarkerWrite)
}

/// Seconds and nanoseconds.
fn moment(out: &mut ByteBuf, name: &str, time: SystemTime) -> Written {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    write_str(out, name)?;
    write_array_len(out, 2)?;
    write_sint(out, i64::try_from(since.as_secs()).unwrap_or(i64::MAX))?;
    write_sint(out, since.subsec_nanos().into()).map(drop)
}

/// A list that has nothing in it is none.
fn texts(out: &mut ByteBuf, name: &str, values: &[String]) -> Written {
    write_str(out, name)?;
    if values.is_empty() {
        return write_nil(out).map_err(ValueWriteError::InvalidMarkerWrite);
    }
    write_array_len(out, u32::try_from(values.len()).unwrap_or(u32::MAX))?;
    values.iter().try_for_each(|value| write_str(out, value))
}

/// A map of what is to be written by `value`; one that has nothing in it is none.
fn members<V>(
    out: &mut ByteBuf,
    name: &str,
    values: &std::collections::BTreeMap<String, V>,
    value: impl Fn(&mut ByteBuf, &str, &V) -> Written,
) -> Written {
    write_str(out, name)?;
    if values.is_empty() {
        return write_nil(out).map_err(ValueWriteError::InvalidMarkerWrite);
    }
    write_map_len(out, u32::try_from(values.len()).unwrap_or(u32::MAX))?;
    values.iter().try_for_each(|(name, of)| value(out, name, of))
}

fn object(out: &mut ByteBuf, name: &str, fields: u32) -> Written {
    write_str(out, name)?;
    write_map_len(out, fields).map(drop)
}

fn geo(out: &mut ByteBuf, geo: &Geo) -> Written {
    object(out, "Geo", 3)?;
    object(out, "Country", 1)?;
    text(out, "ISOCode", &geo.country_iso_code)?;
    object(out, "City", 2)?;
    number(out, "GeoNameID", geo.city_geoname_id.into())?;
    members(out, "Names", &geo.city_names, |out, language, name| text(out, language, name))?;
    object(out, "Location", 3)?;
    degrees(out, "Latitude", geo.latitude)?;
    degrees(out, "Longitude", geo.longitude)?;
    text(out, "TimeZone", &geo.time_zone)
}

fn network(out: &mut ByteBuf, network: &Network) -> Written {
    object(out, "Network", 4)?;
    number(out, "OpenConnections", network.open_connections)?;
    number(out, "ClosedConnection", network.closed_connection)?;
    number(out, "BytesIn", network.bytes_in)?;
    number(out, "BytesOut", network.bytes_out)
}

fn latency(out: &mut ByteBuf, latency: &Latency) -> Written {
    object(out, "Latency", 3)?;
    number(out, "Total", latency.total)?;
    number(out, "Upstream", latency.upstream)?;
    number(out, "Gateway", latency.gateway)
}

fn graphql(out: &mut ByteBuf, stats: &GraphQlStats) -> Written {
    object(out, "GraphQLStats", 7)?;
    text(out, "Variables", &stats.variables)?;
    texts(out, "RootFields", &stats.root_fields)?;
    members(out, "Types", &stats.types, |out, name, fields| texts(out, name, fields))?;
    texts(out, "Errors", &[])?;
    number(out, "OperationType", stats.operation_type)?;
    flag(out, "HasErrors", stats.has_errors)?;
    flag(out, "IsGraphQL", stats.is_graphql)
}

fn mcp(out: &mut ByteBuf, stats: &McpStats) -> Written {
    object(out, "MCPStats", 4)?;
    flag(out, "IsMCP", stats.is_mcp)?;
    text(out, "JSONRPCMethod", &stats.jsonrpc_method)?;
    text(out, "PrimitiveType", &stats.primitive_type)?;
    text(out, "PrimitiveName", &stats.primitive_name)
}
