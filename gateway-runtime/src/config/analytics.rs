//! `enable_analytics` and `analytics_config`. Source: Tyk, `config/config.go`, `AnalyticsConfigConfig`.
//!
//! Keys of our own say where records go: `sink` (`redis`, `file`, `stdout`), `file_path`, `file_max_bytes`,
//! `file_max_count`.

use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;

use super::remark::Remarks;
use super::{LONGEST, Raw};
use crate::analytics::{FileSettings, Normal, Settings, SinkSettings};
use crate::storage::Storage;

/// Records that wait, if there is no other word; and at least.
const CAPACITY: usize = 8 * 1024;
const LEAST_CAPACITY: usize = 1_000;
const MOST_CAPACITY: usize = 1 << 20;
/// How long a list lives, in seconds.
const TTL: i64 = 60;
const FILE: &str = "analytics.jsonl";
const FILE_BYTES: u64 = 64 * 1024 * 1024;
const FILES: usize = 8;

#[derive(Debug, Default, Deserialize)]
#[cfg_attr(test, derive(serde::Serialize))]
#[serde(default, expecting = "an object")]
pub(super) struct RawAnalytics {
    ignored_ips: Vec<String>,
    enable_detailed_recording: bool,
    normalise_urls: RawNormal,
    records_buffer_size: usize,
    storage_expiration_time: i64,
    enable_multiple_analytics_keys: bool,
    serializer_type: String,
    sink: String,
    file_path: String,
    file_max_bytes: u64,
    file_max_count: usize,
}

#[derive(Debug, Default, Deserialize)]
#[cfg_attr(test, derive(serde::Serialize))]
#[serde(default, expecting = "an object")]
struct RawNormal {
    enabled: bool,
    normalise_uuids: bool,
    normalise_ulids: bool,
    normalise_numbers: bool,
    custom_patterns: Vec<String>,
}

/// `None`: there are none.
pub(super) fn resolve(raw: &Raw, storage: &Storage, remarks: &mut Remarks<'_>) -> Option<Arc<Settings>> {
    let section = &raw.analytics_config;
    let mut ignored = Vec::new();
    for (at, text) in section.ignored_ips.iter().enumerate() {
        match text.trim().parse::<std::net::IpAddr>() {
            Ok(address) => ignored.push(address.to_canonical()),
            Err(_) => {
                let reason = format!("`{text}` is no address; write it as `192.0.2.7` or `2001:db8::7`");
                remarks.error(&format!("analytics_config.ignored_ips[{at}]"), reason);
            }
        }
    }
    let settings = Settings {
        ignored,
        xff_depth: raw.http_server_options.xff_depth,
        detailed: section.enable_detailed_recording,
        normal: normal(&section.normalise_urls, remarks),
        capacity: match section.records_buffer_size {
            0 => CAPACITY,
            records => records.clamp(LEAST_CAPACITY, MOST_CAPACITY),
        },
        sink: sink(section, storage, remarks),
    };
    raw.enable_analytics.then(|| Arc::new(settings))
}

fn normal(raw: &RawNormal, remarks: &mut Remarks<'_>) -> Normal {
    let which = (raw.normalise_uuids, raw.normalise_ulids, raw.normalise_numbers);
    let read = Normal::new(which, &raw.custom_patterns).map_err(|(at, error)| {
        let reason = crate::apis::listen_path::mistake(&error);
        remarks.error(&format!("analytics_config.normalise_urls.custom_patterns[{at}]"), reason);
    });
    read.ok().filter(|_| raw.enabled).unwrap_or_default()
}

fn sink(raw: &RawAnalytics, storage: &Storage, remarks: &mut Remarks<'_>) -> SinkSettings {
    if !matches!(raw.serializer_type.as_str(), "" | "msgpack") {
        let reason = format!("`{}` is not written by this gateway: write `msgpack`", raw.serializer_type);
        remarks.error("analytics_config.serializer_type", reason);
    }
    let is_redis = matches!(storage, Storage::Redis(_));
    let redis = || SinkSettings::Redis {
        several: raw.enable_multiple_analytics_keys,
        ttl: match raw.storage_expiration_time {
            0 => Some(Duration::from_secs(TTL.unsigned_abs())),
            seconds => u64::try_from(seconds).ok().map(|seconds| Duration::from_secs(seconds).min(LONGEST)),
        },
    };
    match raw.sink.as_str() {
        "" if is_redis && raw.file_path.is_empty() => redis(),
        "redis" if is_redis => redis(),
        "redis" => {
            let reason = "`storage.type` does not say `redis`: set it, or write `file` or `stdout` here";
            remarks.error("analytics_config.sink", reason);
            SinkSettings::Stdout
        }
        "" | "file" => file(raw),
        "stdout" => SinkSettings::Stdout,
        other => {
            let reason = format!("`{other}` is not one of `redis`, `file`, `stdout`");
            remarks.error("analytics_config.sink", reason);
            SinkSettings::Stdout
        }
    }
}

fn file(raw: &RawAnalytics) -> SinkSettings {
    SinkSettings::File(FileSettings {
        path: if raw.file_path.is_empty() { FILE.into() } else { raw.file_path.clone().into() },
        is_set: !raw.file_path.is_empty() || raw.sink == "file",
        max_bytes: if raw.file_max_bytes == 0 { FILE_BYTES } else { raw.file_max_bytes },
        max_files: if raw.file_max_count == 0 { FILES } else { raw.file_max_count.min(1_000) },
    })
}

#[cfg(test)]
mod tests {
    use super::super::tests::{config, mistakes};
    use super::*;

    fn conf(more: &str) -> String {
        format!(r#"{{"secret": "s", "enable_analytics": true, {more}}}"#)
    }

    fn settings(more: &str) -> Arc<Settings> {
        config(&conf(more), &[]).analytics.expect("it is enabled")
    }

    #[test]
    fn there_are_none_unless_they_are_enabled() {
        assert!(config(r#"{"secret": "s", "analytics_config": {"sink": "stdout"}}"#, &[]).analytics.is_none());
    }

    #[test]
    fn records_go_where_the_store_is_unless_it_is_said() {
        let file = |settings: &Settings| matches!(&settings.sink, SinkSettings::File(_));
        assert!(file(&settings(r#""storage": {}"#)));
        let redis = r#""storage": {"type": "redis"}"#;
        let sixty = Some(Duration::from_secs(60));
        assert_eq!(settings(redis).sink, SinkSettings::Redis { several: false, ttl: sixty });
        let for_good = format!(
            r#"{redis}, "analytics_config": {{"storage_expiration_time": -1, "enable_multiple_analytics_keys": true}}"#
        );
        assert_eq!(settings(&for_good).sink, SinkSettings::Redis { several: true, ttl: None });
        assert!(file(&settings(&format!(r#"{redis}, "analytics_config": {{"file_path": "/x"}}"#))));
        assert_eq!(settings(r#""analytics_config": {"sink": "stdout"}"#).sink, SinkSettings::Stdout);
        let variables = [("TYK_GW_ENABLEANALYTICS", "true"), ("TYK_GW_ANALYTICSCONFIG_STORAGEEXPIRATIONTIME", "-1")];
        let config = config(r#"{"secret": "s", "storage": {"type": "redis"}}"#, &variables);
        let SinkSettings::Redis { ttl: None, .. } = config.analytics.expect("enabled").sink else { panic!("for good") };
    }

    #[test]
    fn mistakes_are_told_with_their_places() {
        for (section, expected) in [
            (r#"{"sink": "mongo"}"#, "analytics_config.sink: `mongo` is not one of"),
            (r#"{"sink": "redis"}"#, "analytics_config.sink: `storage.type` does not say `redis`"),
            (r#"{"serializer_type": "protobuf"}"#, "analytics_config.serializer_type: `protobuf` is not written"),
            (r#"{"ignored_ips": ["x"]}"#, "analytics_config.ignored_ips[0]: `x` is no address"),
            (
                r#"{"normalise_urls": {"custom_patterns": ["("]}}"#,
                "analytics_config.normalise_urls.custom_patterns[0]: not a regular expression",
            ),
        ] {
            let told = mistakes(&conf(&format!(r#""analytics_config": {section}"#)), &[]);
            assert!(told.len() == 1 && told[0].contains(expected), "{told:?}");
        }
    }
}
