//! The configuration as it is written.

use serde::Deserialize;
use serde_json::Value;

use super::access_log::RawAccessLogs;
use super::analytics::RawAnalytics;
use super::edge::{RawCertificate, RawSecurity};
use super::jwks::RawJwks;
use super::keys::RawCache;
use super::opentelemetry::RawOpenTelemetry;
use super::plugins::RawPlugins;
use super::policies::RawPolicies;
use super::storage::RawStorage;

/// The file, as written. Zero values mean "not set", as in Tyk. A key here is one of `HONOURED_KEYS`.
#[derive(Debug, Default, Deserialize)]
#[cfg_attr(test, derive(serde::Serialize))]
#[serde(default, expecting = "an object")]
pub(super) struct Raw {
    pub(super) listen_address: String,
    pub(super) listen_port: u16,
    pub(super) control_api_port: u16,
    pub(super) secret: String,
    pub(super) app_path: String,
    pub(super) log_level: String,
    pub(super) log_format: String,
    pub(super) proxy_default_timeout: f64,
    pub(super) proxy_close_connections: bool,
    pub(super) max_idle_connections: usize,
    pub(super) max_idle_connections_per_host: usize,
    pub(super) proxy_enable_http2: bool,
    pub(super) proxy_ssl_insecure_skip_verify: bool,
    pub(super) proxy_ssl_min_version: Value,
    pub(super) proxy_ssl_max_version: Value,
    pub(super) proxy_ssl_ciphers: Vec<String>,
    /// TLS is never renegotiated, whatever this says.
    pub(super) proxy_ssl_disable_renegotiation: bool,
    pub(super) proxy_ssl_ca_file: String,
    pub(super) ssl_force_common_name_check: bool,
    pub(super) max_conn_time: u64,
    pub(super) close_connections: bool,
    pub(super) hide_generator_header: bool,
    pub(super) ignore_endpoint_case: bool,
    pub(super) track_404_logs: bool,
    pub(super) version_header: String,
    pub(super) health_check_endpoint_name: String,
    pub(super) readiness_check_endpoint_name: String,
    pub(super) graceful_shutdown_timeout_duration: u64,
    pub(super) graceful_shutdown_delay_seconds: u64,
    pub(super) strict_plugins: bool,
    pub(super) plugins: RawPlugins,
    pub(super) access_logs: RawAccessLogs,
    pub(super) statsd_connection_string: String,
    pub(super) statsd_prefix: String,
    pub(super) opentelemetry: RawOpenTelemetry,
    pub(super) hostname: String,
    pub(super) enable_custom_domains: bool,
    pub(super) security: RawSecurity,
    pub(super) uptime_tests: RawUptime,
    pub(super) enable_analytics: bool,
    pub(super) analytics_config: RawAnalytics,
    pub(super) policies: RawPolicies,
    pub(super) storage: RawStorage,
    pub(super) event_handlers: Value,
    pub(super) template_path: String,
    pub(super) override_messages: Value,
    pub(super) error_overrides: Value,
    pub(super) node_secret: String,
    pub(super) allow_insecure_configs: bool,
    pub(super) public_key_path: String,
    pub(super) management_node: bool,
    pub(super) middleware_path: String,
    pub(super) enable_bundle_downloader: bool,
    pub(super) bundle_base_url: String,
    pub(super) bundle_insecure_skip_verify: bool,
    pub(super) skip_verify_existing_plugin_bundle: bool,
    pub(super) bundle_max_bytes: u64,
    pub(super) bundle_max_unpacked_bytes: u64,
    pub(super) bundle_max_files: u64,
    pub(super) bundle_timeout_ms: u64,
    pub(super) bundle_retry_ms: u64,
    pub(super) drl_notification_frequency: u64,
    pub(super) drl_threshold: f64,
    pub(super) http_server_options: RawServer,
    pub(super) hash_keys: bool,
    pub(super) hash_key_function: String,
    pub(super) hash_key_function_fallback: Vec<String>,
    pub(super) basic_auth_hash_key_function: String,
    pub(super) min_token_length: usize,
    pub(super) allow_master_keys: bool,
    pub(super) enable_hashed_keys_listing: bool,
    pub(super) disable_key_actions_by_username: bool,
    pub(super) enforce_org_quotas: bool,
    pub(super) suppress_default_org_store: bool,
    pub(super) force_global_session_lifetime: bool,
    pub(super) global_session_lifetime: i64,
    pub(super) session_lifetime_respects_key_expiration: bool,
    pub(super) local_session_cache: RawCache,
    pub(super) rate_limit_response_headers: String,
    pub(super) jwks: RawJwks,
    pub(super) jwt_ssl_insecure_skip_verify: bool,
    pub(super) enable_fixed_window_rate_limiter: bool,
    pub(super) enable_sentinel_rate_limiter: bool,
    pub(super) enable_redis_rolling_limiter: bool,
}

#[derive(Debug, Default, Deserialize)]
#[cfg_attr(test, derive(serde::Serialize))]
#[serde(default, expecting = "an object")]
pub(super) struct RawUptime {
    pub(super) disable: bool,
    pub(super) config: RawWatch,
}

#[derive(Debug, Default, Deserialize)]
#[cfg_attr(test, derive(serde::Serialize))]
#[serde(default, expecting = "an object")]
pub(super) struct RawWatch {
    pub(super) failure_trigger_sample_size: u16,
    pub(super) time_wait: u64,
    pub(super) checker_pool_size: usize,
}

#[derive(Debug, Default, Deserialize)]
#[cfg_attr(test, derive(serde::Serialize))]
#[serde(default, expecting = "an object")]
pub(super) struct RawServer {
    pub(super) read_timeout: u64,
    pub(super) write_timeout: u64,
    pub(super) canonical_header_names: bool,
    pub(super) max_connections: u64,
    pub(super) max_request_body_size: u64,
    pub(super) max_response_body_size: u64,
    pub(super) max_request_header_size: u64,
    pub(super) enable_websockets: bool,
    /// What comes is passed on at once, whatever this says.
    pub(super) flush_interval: u64,
    pub(super) skip_url_cleaning: bool,
    pub(super) enable_strict_routes: bool,
    pub(super) xff_depth: i64,
    pub(super) enable_path_prefix_matching: bool,
    pub(super) enable_path_suffix_matching: bool,
    pub(super) use_ssl: bool,
    pub(super) ssl_certificates: Vec<String>,
    pub(super) certificates: Vec<RawCertificate>,
    pub(super) server_name: String,
    pub(super) min_version: u16,
    pub(super) max_version: u16,
    pub(super) ssl_ciphers: Vec<String>,
    pub(super) ssl_insecure_skip_verify: bool,
    pub(super) skip_client_ca_announcement: bool,
    pub(super) enable_http2: bool,
}
