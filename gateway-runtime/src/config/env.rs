//! `TYK_GW_*`: variables that override the file.
//!
//! Their names come from Tyk's Go fields, which is the JSON key without underscores but for the exceptions in
//! [`VARIABLES`]. Source: Tyk, `config/config.go`.

use std::ffi::OsString;

use gateway_model::Severity;
use serde_json::{Map, Value};

use super::remark::Remarks;

/// Suffix after `TYK_GW_`, path in the file, and how the text is read.
pub(super) const VARIABLES: &[(&str, &[&str], Kind)] = &[
    ("LISTENADDRESS", &["listen_address"], Kind::Text),
    ("LISTENPORT", &["listen_port"], Kind::Integer),
    ("SECRET", &["secret"], Kind::Text),
    ("CONTROLAPIPORT", &["control_api_port"], Kind::Integer),
    ("SECURITY_CONTROLAPIUSEMUTUALTLS", &["security", "control_api_use_mutual_tls"], Kind::Flag),
    ("SECURITY_ALLOWUNSAFEDYNAMICMTLSTOKEN", &["security", "allow_unsafe_dynamic_mtls_token"], Kind::Flag),
    ("SECURITY_PRIVATECERTIFICATEENCODINGSECRET", &["security", "private_certificate_encoding_secret"], Kind::Text),
    ("APPPATH", &["app_path"], Kind::Text),
    ("LOGLEVEL", &["log_level"], Kind::Text),
    ("LOGFORMAT", &["log_format"], Kind::Text),
    ("PROXYDEFAULTTIMEOUT", &["proxy_default_timeout"], Kind::Number),
    ("PROXYCLOSECONNECTIONS", &["proxy_close_connections"], Kind::Flag),
    ("MAXIDLECONNS", &["max_idle_connections"], Kind::Integer),
    ("MAXIDLECONNSPERHOST", &["max_idle_connections_per_host"], Kind::Integer),
    ("PROXYENABLEHTTP2", &["proxy_enable_http2"], Kind::Flag),
    ("PROXYSSLINSECURESKIPVERIFY", &["proxy_ssl_insecure_skip_verify"], Kind::Flag),
    ("PROXYSSLMINVERSION", &["proxy_ssl_min_version"], Kind::Integer),
    ("PROXYSSLMAXVERSION", &["proxy_ssl_max_version"], Kind::Integer),
    ("JWKS_CACHE_TIMEOUT", &["jwks", "cache", "timeout"], Kind::Integer),
    ("JWTSSLINSECURESKIPVERIFY", &["jwt_ssl_insecure_skip_verify"], Kind::Flag),
    ("PROXYSSLCIPHERSUITES", &["proxy_ssl_ciphers"], Kind::List),
    ("PROXYSSLDISABLERENEGOTIATION", &["proxy_ssl_disable_renegotiation"], Kind::Flag),
    ("PROXYSSLCAFILE", &["proxy_ssl_ca_file"], Kind::Text),
    ("SSLFORCECOMMONNAMECHECK", &["ssl_force_common_name_check"], Kind::Flag),
    ("MAXCONNTIME", &["max_conn_time"], Kind::Integer),
    ("SECURITY_CERTIFICATES_UPSTREAM", &["security", "certificates", "upstream"], Kind::Map),
    ("SECURITY_PINNEDPUBLICKEYS", &["security", "pinned_public_keys"], Kind::Map),
    ("CLOSECONNECTIONS", &["close_connections"], Kind::Flag),
    ("HIDEGENERATORHEADER", &["hide_generator_header"], Kind::Flag),
    ("IGNOREENDPOINTCASE", &["ignore_endpoint_case"], Kind::Flag),
    ("TRACK404LOGS", &["track_404_logs"], Kind::Flag),
    ("VERSIONHEADER", &["version_header"], Kind::Text),
    ("HEALTHCHECKENDPOINTNAME", &["health_check_endpoint_name"], Kind::Text),
    ("READINESSCHECKENDPOINTNAME", &["readiness_check_endpoint_name"], Kind::Text),
    ("GRACEFULSHUTDOWNTIMEOUTDURATION", &["graceful_shutdown_timeout_duration"], Kind::Integer),
    ("GRACEFULSHUTDOWNDELAYSECONDS", &["graceful_shutdown_delay_seconds"], Kind::Integer),
    ("STRICTPLUGINS", &["strict_plugins"], Kind::Flag),
    ("ACCESSLOGS_ENABLED", &["access_logs", "enabled"], Kind::Flag),
    ("ACCESSLOGS_TEMPLATE", &["access_logs", "template"], Kind::List),
    ("STATSDCONNECTIONSTRING", &["statsd_connection_string"], Kind::Text),
    ("STATSDPREFIX", &["statsd_prefix"], Kind::Text),
    ("OPENTELEMETRY_ENABLED", &["opentelemetry", "enabled"], Kind::Flag),
    ("OPENTELEMETRY_EXPORTER", &["opentelemetry", "exporter"], Kind::Text),
    ("OPENTELEMETRY_HEADERS", &["opentelemetry", "headers"], Kind::Map),
    ("OPENTELEMETRY_ENDPOINT", &["opentelemetry", "endpoint"], Kind::Text),
    ("OPENTELEMETRY_CONNECTIONTIMEOUT", &["opentelemetry", "connection_timeout"], Kind::Integer),
    ("OPENTELEMETRY_RESOURCENAME", &["opentelemetry", "resource_name"], Kind::Text),
    ("OPENTELEMETRY_SPANPROCESSORTYPE", &["opentelemetry", "span_processor_type"], Kind::Text),
    ("OPENTELEMETRY_CONTEXTPROPAGATION", &["opentelemetry", "context_propagation"], Kind::Text),
    ("OPENTELEMETRY_SAMPLING_TYPE", &["opentelemetry", "sampling", "type"], Kind::Text),
    ("OPENTELEMETRY_SAMPLING_RATE", &["opentelemetry", "sampling", "rate"], Kind::Number),
    ("OPENTELEMETRY_SAMPLING_PARENTBASED", &["opentelemetry", "sampling", "parent_based"], Kind::Flag),
    ("OPENTELEMETRY_TLS_ENABLE", &["opentelemetry", "tls", "enable"], Kind::Flag),
    ("OPENTELEMETRY_TLS_INSECURESKIPVERIFY", &["opentelemetry", "tls", "insecure_skip_verify"], Kind::Flag),
    ("OPENTELEMETRY_TLS_CAFILE", &["opentelemetry", "tls", "ca_file"], Kind::Text),
    ("OPENTELEMETRY_TLS_MINVERSION", &["opentelemetry", "tls", "min_version"], Kind::Text),
    ("OPENTELEMETRY_TLS_MAXVERSION", &["opentelemetry", "tls", "max_version"], Kind::Text),
    ("OPENTELEMETRY_TRACES_ENABLED", &["opentelemetry", "traces", "enabled"], Kind::Flag),
    ("OPENTELEMETRY_TRACES_EXPORTER", &["opentelemetry", "traces", "exporter"], Kind::Text),
    ("OPENTELEMETRY_TRACES_HEADERS", &["opentelemetry", "traces", "headers"], Kind::Map),
    ("OPENTELEMETRY_TRACES_ENDPOINT", &["opentelemetry", "traces", "endpoint"], Kind::Text),
    ("OPENTELEMETRY_TRACES_CONNECTIONTIMEOUT", &["opentelemetry", "traces", "connection_timeout"], Kind::Integer),
    ("OPENTELEMETRY_TRACES_RESOURCENAME", &["opentelemetry", "traces", "resource_name"], Kind::Text),
    ("OPENTELEMETRY_TRACES_SPANPROCESSORTYPE", &["opentelemetry", "traces", "span_processor_type"], Kind::Text),
    ("OPENTELEMETRY_TRACES_CONTEXTPROPAGATION", &["opentelemetry", "traces", "context_propagation"], Kind::Text),
    ("OPENTELEMETRY_TRACES_SAMPLING_TYPE", &["opentelemetry", "traces", "sampling", "type"], Kind::Text),
    ("OPENTELEMETRY_TRACES_SAMPLING_RATE", &["opentelemetry", "traces", "sampling", "rate"], Kind::Number),
    ("OPENTELEMETRY_TRACES_SAMPLING_PARENTBASED", &["opentelemetry", "traces", "sampling", "parent_based"], Kind::Flag),
    ("OPENTELEMETRY_TRACES_TLS_ENABLE", &["opentelemetry", "traces", "tls", "enable"], Kind::Flag),
    (
        "OPENTELEMETRY_TRACES_TLS_INSECURESKIPVERIFY",
        &["opentelemetry", "traces", "tls", "insecure_skip_verify"],
        Kind::Flag,
    ),
    ("OPENTELEMETRY_TRACES_TLS_CAFILE", &["opentelemetry", "traces", "tls", "ca_file"], Kind::Text),
    ("OPENTELEMETRY_TRACES_TLS_MINVERSION", &["opentelemetry", "traces", "tls", "min_version"], Kind::Text),
    ("OPENTELEMETRY_TRACES_TLS_MAXVERSION", &["opentelemetry", "traces", "tls", "max_version"], Kind::Text),
    ("OPENTELEMETRY_METRICS_ENABLED", &["opentelemetry", "metrics", "enabled"], Kind::Flag),
    ("OPENTELEMETRY_METRICS_EXPORTER", &["opentelemetry", "metrics", "exporter"], Kind::Text),
    ("OPENTELEMETRY_METRICS_HEADERS", &["opentelemetry", "metrics", "headers"], Kind::Map),
    ("OPENTELEMETRY_METRICS_ENDPOINT", &["opentelemetry", "metrics", "endpoint"], Kind::Text),
    ("OPENTELEMETRY_METRICS_CONNECTIONTIMEOUT", &["opentelemetry", "metrics", "connection_timeout"], Kind::Integer),
    ("OPENTELEMETRY_METRICS_RESOURCENAME", &["opentelemetry", "metrics", "resource_name"], Kind::Text),
    ("OPENTELEMETRY_METRICS_EXPORTINTERVAL", &["opentelemetry", "metrics", "export_interval"], Kind::Integer),
    ("OPENTELEMETRY_METRICS_TEMPORALITY", &["opentelemetry", "metrics", "temporality"], Kind::Text),
    ("OPENTELEMETRY_METRICS_TLS_ENABLE", &["opentelemetry", "metrics", "tls", "enable"], Kind::Flag),
    (
        "OPENTELEMETRY_METRICS_TLS_INSECURESKIPVERIFY",
        &["opentelemetry", "metrics", "tls", "insecure_skip_verify"],
        Kind::Flag,
    ),
    ("OPENTELEMETRY_METRICS_TLS_CAFILE", &["opentelemetry", "metrics", "tls", "ca_file"], Kind::Text),
    ("OPENTELEMETRY_METRICS_TLS_MINVERSION", &["opentelemetry", "metrics", "tls", "min_version"], Kind::Text),
    ("OPENTELEMETRY_METRICS_TLS_MAXVERSION", &["opentelemetry", "metrics", "tls", "max_version"], Kind::Text),
    ("PLUGINS_TIMEOUTMS", &["plugins", "timeout_ms"], Kind::Integer),
    ("PLUGINS_THREADS", &["plugins", "threads"], Kind::Integer),
    ("PLUGINS_METRICS", &["plugins", "metrics"], Kind::Flag),
    ("PLUGINS_FOLDER", &["plugins", "folder"], Kind::Text),
    ("PLUGINS_MAXFILEBYTES", &["plugins", "max_file_bytes"], Kind::Integer),
    ("PLUGINS_PINNED", &["plugins", "pinned"], Kind::Map),
    ("HOSTNAME", &["hostname"], Kind::Text),
    ("ENABLECUSTOMDOMAINS", &["enable_custom_domains"], Kind::Flag),
    ("SECURITY_CERTIFICATES_CONTROLAPI", &["security", "certificates", "control_api"], Kind::List),
    ("SECURITY_CERTIFICATES_API", &["security", "certificates", "apis"], Kind::List),
    ("HTTPSERVEROPTIONS_USESSL", &["http_server_options", "use_ssl"], Kind::Flag),
    ("HTTPSERVEROPTIONS_SSLCERTIFICATES", &["http_server_options", "ssl_certificates"], Kind::List),
    ("HTTPSERVEROPTIONS_CERTIFICATES", &["http_server_options", "certificates"], Kind::Json),
    ("HTTPSERVEROPTIONS_SERVERNAME", &["http_server_options", "server_name"], Kind::Text),
    ("HTTPSERVEROPTIONS_MINVERSION", &["http_server_options", "min_version"], Kind::Integer),
    ("HTTPSERVEROPTIONS_MAXVERSION", &["http_server_options", "max_version"], Kind::Integer),
    ("HTTPSERVEROPTIONS_CIPHERS", &["http_server_options", "ssl_ciphers"], Kind::List),
    ("HTTPSERVEROPTIONS_SSLINSECURESKIPVERIFY", &["http_server_options", "ssl_insecure_skip_verify"], Kind::Flag),
    ("HTTPSERVEROPTIONS_SKIPCLIENTCAANNOUNCEMENT", &["http_server_options", "skip_client_ca_announcement"], Kind::Flag),
    ("HTTPSERVEROPTIONS_ENABLEHTTP2", &["http_server_options", "enable_http2"], Kind::Flag),
    ("POLICIES_POLICYSOURCE", &["policies", "policy_source"], Kind::Text),
    ("POLICIES_POLICYRECORDNAME", &["policies", "policy_record_name"], Kind::Text),
    ("POLICIES_POLICYPATH", &["policies", "policy_path"], Kind::Text),
    ("HASHKEYS", &["hash_keys"], Kind::Flag),
    ("HASHKEYFUNCTION", &["hash_key_function"], Kind::Text),
    ("HASHKEYFUNCTIONFALLBACK", &["hash_key_function_fallback"], Kind::List),
    ("BASICAUTHHASHKEYFUNCTION", &["basic_auth_hash_key_function"], Kind::Text),
    ("MINTOKENLENGTH", &["min_token_length"], Kind::Integer),
    ("ALLOWMASTERKEYS", &["allow_master_keys"], Kind::Flag),
    ("ENABLEHASHEDKEYSLISTING", &["enable_hashed_keys_listing"], Kind::Flag),
    ("DISABLEKEYACTIONSBYUSERNAME", &["disable_key_actions_by_username"], Kind::Flag),
    ("ENFORCEORGQUOTAS", &["enforce_org_quotas"], Kind::Flag),
    ("SUPPRESSDEFAULTORGSTORE", &["suppress_default_org_store"], Kind::Flag),
    ("FORCEGLOBALSESSIONLIFETIME", &["force_global_session_lifetime"], Kind::Flag),
    ("GLOBALSESSIONLIFETIME", &["global_session_lifetime"], Kind::Integer),
    ("SESSIONLIFETIMERESPECTSKEYEXPIRATION", &["session_lifetime_respects_key_expiration"], Kind::Flag),
    (
        "LOCALSESSIONCACHE_DISABLECACHESESSIONSTATE",
        &["local_session_cache", "disable_cached_session_state"],
        Kind::Flag,
    ),
    ("ENABLEFIXEDWINDOWRATELIMITER", &["enable_fixed_window_rate_limiter"], Kind::Flag),
    ("ENABLESENTINELRATELIMITER", &["enable_sentinel_rate_limiter"], Kind::Flag),
    ("ENABLEREDISROLLINGLIMITER", &["enable_redis_rolling_limiter"], Kind::Flag),
    ("RATELIMITRESPONSEHEADERS", &["rate_limit_response_headers"], Kind::Text),
    ("UPTIMETESTS_DISABLE", &["uptime_tests", "disable"], Kind::Flag),
    (
        "UPTIMETESTS_CONFIG_FAILURETRIGGERSAMPLESIZE",
        &["uptime_tests", "config", "failure_trigger_sample_size"],
        Kind::Integer,
    ),
    ("UPTIMETESTS_CONFIG_TIMEWAIT", &["uptime_tests", "config", "time_wait"], Kind::Integer),
    ("UPTIMETESTS_CONFIG_CHECKERPOOLSIZE", &["uptime_tests", "config", "checker_pool_size"], Kind::Integer),
    ("ENABLEANALYTICS", &["enable_analytics"], Kind::Flag),
    ("ANALYTICSCONFIG_IGNOREDIPS", &["analytics_config", "ignored_ips"], Kind::List),
    ("ANALYTICSCONFIG_ENABLEDETAILEDRECORDING", &["analytics_config", "enable_detailed_recording"], Kind::Flag),
    ("ANALYTICSCONFIG_NORMALISEURLS_ENABLED", &["analytics_config", "normalise_urls", "enabled"], Kind::Flag),
    (
        "ANALYTICSCONFIG_NORMALISEURLS_NORMALISEUUIDS",
        &["analytics_config", "normalise_urls", "normalise_uuids"],
        Kind::Flag,
    ),
    (
        "ANALYTICSCONFIG_NORMALISEURLS_NORMALISEULIDS",
        &["analytics_config", "normalise_urls", "normalise_ulids"],
        Kind::Flag,
    ),
    (
        "ANALYTICSCONFIG_NORMALISEURLS_NORMALISENUMBERS",
        &["analytics_config", "normalise_urls", "normalise_numbers"],
        Kind::Flag,
    ),
    ("ANALYTICSCONFIG_NORMALISEURLS_CUSTOM", &["analytics_config", "normalise_urls", "custom_patterns"], Kind::List),
    ("ANALYTICSCONFIG_RECORDSBUFFERSIZE", &["analytics_config", "records_buffer_size"], Kind::Integer),
    ("ANALYTICSCONFIG_STORAGEEXPIRATIONTIME", &["analytics_config", "storage_expiration_time"], Kind::Signed),
    (
        "ANALYTICSCONFIG_ENABLEMULTIPLEANALYTICSKEYS",
        &["analytics_config", "enable_multiple_analytics_keys"],
        Kind::Flag,
    ),
    ("ANALYTICSCONFIG_SERIALIZERTYPE", &["analytics_config", "serializer_type"], Kind::Text),
    ("ANALYTICSCONFIG_SINK", &["analytics_config", "sink"], Kind::Text),
    ("ANALYTICSCONFIG_FILEPATH", &["analytics_config", "file_path"], Kind::Text),
    ("ANALYTICSCONFIG_FILEMAXBYTES", &["analytics_config", "file_max_bytes"], Kind::Integer),
    ("ANALYTICSCONFIG_FILEMAXCOUNT", &["analytics_config", "file_max_count"], Kind::Integer),
    ("TEMPLATEPATH", &["template_path"], Kind::Text),
    ("OVERRIDEMESSAGES", &["override_messages"], Kind::Object),
    ("ERROROVERRIDES", &["error_overrides"], Kind::Object),
    ("EVENTHANDLERS", &["event_handlers"], Kind::Object),
    ("NODESECRET", &["node_secret"], Kind::Text),
    ("ALLOWINSECURECONFIGS", &["allow_insecure_configs"], Kind::Flag),
    ("PUBLICKEYPATH", &["public_key_path"], Kind::Text),
    ("MANAGEMENTNODE", &["management_node"], Kind::Flag),
    ("DRLNOTIFICATIONFREQUENCY", &["drl_notification_frequency"], Kind::Integer),
    ("DRLTHRESHOLD", &["drl_threshold"], Kind::Number),
    ("STORAGE_TYPE", &["storage", "type"], Kind::Text),
    ("STORAGE_PATH", &["storage", "path"], Kind::Text),
    ("STORAGE_HOST", &["storage", "host"], Kind::Text),
    ("STORAGE_PORT", &["storage", "port"], Kind::Integer),
    ("STORAGE_HOSTS", &["storage", "hosts"], Kind::Map),
    ("STORAGE_ADDRS", &["storage", "addrs"], Kind::List),
    ("STORAGE_MASTERNAME", &["storage", "master_name"], Kind::Text),
    ("STORAGE_SENTINELPASSWORD", &["storage", "sentinel_password"], Kind::Text),
    ("STORAGE_USERNAME", &["storage", "username"], Kind::Text),
    ("STORAGE_PASSWORD", &["storage", "password"], Kind::Text),
    ("STORAGE_DATABASE", &["storage", "database"], Kind::Integer),
    ("STORAGE_MAXIDLE", &["storage", "optimisation_max_idle"], Kind::Integer),
    ("STORAGE_MAXACTIVE", &["storage", "optimisation_max_active"], Kind::Integer),
    ("STORAGE_TIMEOUT", &["storage", "timeout"], Kind::Integer),
    ("STORAGE_ENABLECLUSTER", &["storage", "enable_cluster"], Kind::Flag),
    ("STORAGE_USESSL", &["storage", "use_ssl"], Kind::Flag),
    ("STORAGE_SSLINSECURESKIPVERIFY", &["storage", "ssl_insecure_skip_verify"], Kind::Flag),
    ("STORAGE_CAFILE", &["storage", "ca_file"], Kind::Text),
    ("STORAGE_CERTFILE", &["storage", "cert_file"], Kind::Text),
    ("STORAGE_KEYFILE", &["storage", "key_file"], Kind::Text),
    ("STORAGE_TLSMINVERSION", &["storage", "tls_min_version"], Kind::Text),
    ("STORAGE_TLSMAXVERSION", &["storage", "tls_max_version"], Kind::Text),
    ("HTTPSERVEROPTIONS_READTIMEOUT", &["http_server_options", "read_timeout"], Kind::Integer),
    ("HTTPSERVEROPTIONS_WRITETIMEOUT", &["http_server_options", "write_timeout"], Kind::Integer),
    ("HTTPSERVEROPTIONS_CANONICALHEADERNAMES", &["http_server_options", "canonical_header_names"], Kind::Flag),
    ("HTTPSERVEROPTIONS_MAXREQUESTBODYSIZE", &["http_server_options", "max_request_body_size"], Kind::Integer),
    ("HTTPSERVEROPTIONS_MAXRESPONSEBODYSIZE", &["http_server_options", "max_response_body_size"], Kind::Integer),
    ("HTTPSERVEROPTIONS_MAXCONNECTIONS", &["http_server_options", "max_connections"], Kind::Integer),
    ("HTTPSERVEROPTIONS_MAXREQUESTHEADERSIZE", &["http_server_options", "max_request_header_size"], Kind::Integer),
    ("HTTPSERVEROPTIONS_ENABLEWEBSOCKETS", &["http_server_options", "enable_websockets"], Kind::Flag),
    ("HTTPSERVEROPTIONS_FLUSHINTERVAL", &["http_server_options", "flush_interval"], Kind::Integer),
    ("HTTPSERVEROPTIONS_SKIPURLCLEANING", &["http_server_options", "skip_url_cleaning"], Kind::Flag),
    ("HTTPSERVEROPTIONS_XFFDEPTH", &["http_server_options", "xff_depth"], Kind::Integer),
    ("HTTPSERVEROPTIONS_ENABLESTRICTROUTES", &["http_server_options", "enable_strict_routes"], Kind::Flag),
    ("HTTPSERVEROPTIONS_ENABLEPATHPREFIXMATCHING", &["http_server_options", "enable_path_prefix_matching"], Kind::Flag),
    ("HTTPSERVEROPTIONS_ENABLEPATHSUFFIXMATCHING", &["http_server_options", "enable_path_suffix_matching"], Kind::Flag),
];

const PREFIX: &str = "TYK_GW_";
/// Names of their own, which win over the prefixed ones.
const LOG_VARIABLES: [(&str, &str); 2] = [("TYK_LOGLEVEL", "LOGLEVEL"), ("TYK_LOGFORMAT", "LOGFORMAT")];

#[derive(Clone, Copy)]
pub(super) enum Kind {
    Text,
    Integer,
    /// One that may be below zero.
    Signed,
    Number,
    Flag,
    /// Texts, joined by commas.
    List,
    /// `name:text`, joined by commas. Source: `kelseyhightower/envconfig`, which Tyk reads variables by.
    Map,
    /// An array.
    Json,
    /// An object.
    Object,
}

/// The variables that may be ours: those whose name begins with `TYK_`, in the order in which they apply.
pub(super) fn ours(
    variables: impl IntoIterator<Item = (OsString, OsString)>,
    remarks: &mut Remarks<'_>,
) -> Vec<(String, String)> {
    let mut ours = Vec::new();
    for (name, value) in variables {
        let name = name.to_string_lossy();
        if name.starts_with("TYK_") {
            match value.into_string() {
                Ok(value) => ours.push((name.into_owned(), value)),
                Err(_) => remarks.on_variable(Severity::Error, &name, "is not UTF-8"),
            }
        }
    }
    // The logger's own names come last, and so win.
    ours.sort_by_key(|(name, _)| (!name.starts_with(PREFIX), name.clone()));
    ours
}

/// Puts the variables into the file's JSON.
pub(super) fn apply(file: &mut Value, variables: &[(String, String)], remarks: &mut Remarks<'_>) {
    for (name, text) in variables {
        let own = LOG_VARIABLES.iter().find(|(own, _)| own == name).map(|(_, suffix)| *suffix);
        let Some(suffix) = name.strip_prefix(PREFIX).or(own) else { continue };
        let Some((_, path, kind)) = VARIABLES.iter().find(|(known, ..)| *known == suffix) else {
            remarks.on_variable(Severity::Warning, name, "not honoured by this gateway; the variable has no effect");
            continue;
        };
        match kind.read(text) {
            Some(value) => {
                set(file, path, value);
                remarks.overridden(path.join("."), name);
            }
            None => {
                remarks.on_variable(Severity::Error, name, format!("`{text}` is not {}", kind.expected()));
            }
        }
    }
}

impl Kind {
    fn read(self, text: &str) -> Option<Value> {
        match self {
            Self::Text => Some(text.into()),
            Self::Integer => text.parse::<u64>().ok().map(Value::from),
            Self::Signed => text.parse::<i64>().ok().map(Value::from),
            Self::Number => text.parse::<f64>().ok().filter(|number| number.is_finite()).map(Value::from),
            Self::Flag => match text {
                "1" | "t" | "T" | "true" | "TRUE" | "True" => Some(true.into()),
                "0" | "f" | "F" | "false" | "FALSE" | "False" => Some(false.into()),
                _ => None,
            },
            Self::List => Some(items(text).collect()),
            Self::Map => {
                let pairs = items(text).map(|item| item.split_once(':'));
                pairs.map(|pair| pair.map(|(name, value)| (name, Value::from(value)))).collect()
            }
            Self::Json => serde_json::from_str(text).ok().filter(Value::is_array),
            Self::Object => serde_json::from_str(text).ok().filter(Value::is_object),
        }
    }

    fn expected(self) -> &'static str {
        match self {
            Self::Text => "a text",
            Self::Integer | Self::Signed => "a whole number",
            Self::Number => "a number",
            Self::Flag => "`true` or `false`",
            Self::List => "a list of texts joined by commas",
            Self::Map => "a list of `name:text` joined by commas",
            Self::Json => "a JSON array",
            Self::Object => "a JSON object",
        }
    }
}

fn items(text: &str) -> impl Iterator<Item = &str> {
    text.split(',').map(str::trim).filter(|item| !item.is_empty())
}

fn set(file: &mut Value, path: &[&str], value: Value) {
    let Some((last, outer)) = path.split_last() else { return };
    let mut place = file;
    for key in outer {
        place = object(place).entry(*key).or_insert_with(|| Value::Object(Map::new()));
    }
    object(place).insert((*last).to_owned(), value);
}

/// The members of a value, which becomes an object if it is none.
fn object(value: &mut Value) -> &mut Map<String, Value> {
    if !value.is_object() {
        *value = Value::Object(Map::new());
    }
    value.as_object_mut().expect("made an object above")
}
