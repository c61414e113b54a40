//! The gateway's configuration: Tyk's file (`tyk.conf`, JSON) and variables (`TYK_GW_*`), as far as we honour them.
//!
//! Raw (what was written) → [`Config`] (what it means). A key that is not honoured is warned about once, with its
//! path; a wrong one stops the start with its position. Source: Tyk, `config/config.go`.

use std::ffi::OsString;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use gateway_model::configuration::{Unhonoured, unhonoured};
use gateway_model::{Position, Severity, Version};
use gateway_sdk::HeaderName;
use serde_json::Value;

mod access_log;
mod analytics;
mod bounds;
mod edge;
mod env;
mod errors;
mod events;
mod jwks;
mod keys;
#[cfg_attr(not(feature = "otlp"), allow(dead_code, reason = "it is told that nothing is told"))]
mod opentelemetry;
mod outbound;
mod plugins;
mod policies;
mod raw;
mod remark;
mod secret;
mod statsd;
mod storage;

use crate::access_log::AccessLog;
use crate::analytics::Settings as AnalyticsSettings;
use crate::error::Errors;
use crate::events::Planned;
use crate::gateway::Entrance;
use crate::keyring::Settings;
use crate::limiter;
use crate::policies::PolicySource;
use crate::storage::{Notices, Storage};
use crate::telling;
use crate::tls::Operators;
pub(crate) use edge::Edge;
pub(crate) use jwks::KeySetRules;
pub(crate) use keys::RateHeaders;
pub(crate) use opentelemetry::OpenTelemetry;
#[cfg(feature = "otlp")]
pub(crate) use opentelemetry::{Collector, Metrics, Sampling};
pub(crate) use outbound::Outbound;
pub(crate) use plugins::{FileSettings, PluginSettings};
use raw::{Raw, RawUptime, RawWatch};
use remark::Remarks;
pub(crate) use remark::{Place, Remark};

/// Tyk's own default secret: known to everybody.
const DEFAULT_SECRET: &str = "352d20ee67be67f6340b4c0605b044b7";
const DEFAULT_PORT: u16 = 8080;
/// A longer time is cut: sums of moments and times must not overflow.
pub(crate) const LONGEST: Duration = Duration::from_secs(10 * 365 * 24 * 60 * 60);
/// Where the file is looked for without `--conf`.
const CANDIDATES: [&str; 2] = ["tyk.conf", "/etc/tyk/tyk.conf"];

/// What the gateway does.
#[derive(Debug, Clone)]
pub(crate) struct Config {
    /// Where to listen; port 0 lets the system choose.
    pub(crate) listen: SocketAddr,
    /// The port of the gateway's own paths, if they have one to themselves.
    pub(crate) control_port: Option<u16>,
    /// The clients that may call the control API; `None`: whoever has the secret.
    pub(crate) operators: Option<Arc<Operators>>,
    /// What `X-Tyk-Authorization` must carry.
    pub(crate) secret: String,
    /// The folder of API definitions.
    pub(crate) app_path: PathBuf,
    /// Whether somebody wrote `app_path`: a missing folder is then a mistake.
    pub(crate) app_path_is_set: bool,
    pub(crate) log_level: tracing::Level,
    pub(crate) log_format: LogFormat,
    /// Bound on connecting to an upstream, and on waiting for the head of its response.
    pub(crate) upstream_timeout: Duration,
    /// Whether upstream connections are used once.
    pub(crate) upstream_close: bool,
    /// Idle upstream connections kept for each host, per core.
    pub(crate) max_idle_per_host: usize,
    /// An upstream connection is not used for longer than this; `None` is no bound.
    pub(crate) upstream_age: Option<Duration>,
    /// How upstreams are reached.
    pub(crate) outbound: Arc<Outbound>,
    /// Clients may ask for another protocol, such as WebSocket.
    pub(crate) upgrades: bool,
    /// Bound on the arrival of a request's head, and on a pause in its body.
    pub(crate) read_timeout: Duration,
    /// Whether HTTP/1 header names are written as `X-Api-Key`, for those who look for them in that way only. Otherwise
    /// they are written as HTTP/2 writes them, `x-api-key`, which costs less.
    pub(crate) canonical_header_names: bool,
    /// Bound on a pause of a client in taking its answer.
    pub(crate) write_timeout: Duration,
    /// Clients that are connected at the same time.
    pub(crate) max_connections: usize,
    /// Of a request's head, in bytes.
    pub(crate) max_request_header: usize,
    /// In bytes; `None` is no bound.
    pub(crate) max_request_body: Option<u64>,
    /// Of an answer that a template makes anew, in bytes; `None` is the gateway's own bound.
    pub(crate) max_response_body: Option<usize>,
    /// Whether client connections are used once.
    pub(crate) close_connections: bool,
    /// What errors tell clients.
    pub(crate) errors: Arc<Errors>,
    pub(crate) track_404_logs: bool,
    /// Tells the client the version that it got where it named none.
    pub(crate) version_header: Option<HeaderName>,
    pub(crate) trust: Trust,
    pub(crate) paths: PathRules,
    /// Path of the health endpoint, `/hello`.
    pub(crate) hello_path: String,
    /// Path of the readiness endpoint, `/ready`.
    pub(crate) ready_path: String,
    pub(crate) shutdown_delay: Duration,
    pub(crate) shutdown_timeout: Duration,
    /// Start and reload refuse when a plugin is unresolved.
    pub(crate) strict_plugins: bool,
    /// What holds for all plugins.
    pub(crate) plugins: PluginSettings,
    /// What holds for files of plugins.
    pub(crate) plugin_files: FileSettings,
    /// `None`: requests have no lines in the log.
    pub(crate) access_log: Option<Arc<AccessLog>>,
    /// Where steps are told to, if the gateway is instrumented.
    pub(crate) statsd: Option<crate::statsd::Settings>,
    /// What a collector is told.
    pub(crate) telemetry: OpenTelemetry,
    /// Hosts, TLS and client certificates.
    pub(crate) edge: Edge,
    pub(crate) uptime: Watch,
    /// What is said of keys.
    pub(crate) keys: Settings,
    /// Where policies are.
    pub(crate) policies: PolicySource,
    pub(crate) rate_headers: RateHeaders,
    /// How public keys are fetched.
    pub(crate) key_sets: KeySetRules,
    /// How rates are counted.
    pub(crate) rates: limiter::Settings,
    /// Who is told of the gateway's own events.
    pub(crate) events: Arc<Planned>,
    /// How gateways that count together know of each other.
    pub(crate) cluster: telling::Settings,
    /// Where keys, counters and signals are kept.
    pub(crate) storage: Storage,
    /// How gateways on one store know each other.
    pub(crate) notices: Notices,
    /// How requests are written down; `None`: they are not.
    pub(crate) analytics: Option<Arc<AnalyticsSettings>>,
}

/// How hosts are watched.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Watch {
    pub(crate) disabled: bool,
    /// So many failures make a host down.
    pub(crate) samples: u32,
    /// Between the checks of one host.
    pub(crate) wait: Duration,
    /// Checks at the same time.
    pub(crate) pool: usize,
}

/// Who is believed about a client.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Trust {
    /// Which entry of `X-Forwarded-For` is the client's address: 0 is the first, n the n-th from the right.
    pub(crate) xff_depth: i64,
}

/// How paths are matched.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct PathRules {
    /// An endpoint's pattern begins where the listen path ends.
    pub(crate) anchor_start: bool,
    /// An endpoint's pattern must reach to the end of the path.
    pub(crate) anchor_end: bool,
    /// Endpoints match without regard to case.
    pub(crate) ignore_case: bool,
    /// `/app` does not serve `/apple`.
    pub(crate) strict_routes: bool,
    /// `//` and `/../` are served as they came, without a redirect.
    pub(crate) keep_unclean: bool,
}

impl Config {
    /// What is served at a port of the gateway's.
    pub(crate) fn entrance(&self, port: u16) -> Entrance {
        match self.control_port {
            None => Entrance::Both,
            Some(own) if own == port => Entrance::Control,
            Some(_) => Entrance::Apis,
        }
    }
}

impl PathRules {
    /// The rules for the paths of a version, which may ask for less than the gateway does.
    pub(crate) fn of(self, version: &Version) -> Self {
        Self { ignore_case: self.ignore_case || version.ignore_endpoint_case, ..self }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LogFormat {
    Text,
    Json,
}

/// The configuration, and what there is to say about it.
#[derive(Debug)]
pub(crate) struct Loaded {
    pub(crate) config: Config,
    pub(crate) file: Option<PathBuf>,
    pub(crate) warnings: Vec<Remark>,
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum ConfigError {
    #[error("{}: {source}; name the configuration with `--conf FILE`, or leave it out for the defaults", file.display())]
    Read { file: PathBuf, source: std::io::Error },
    /// One line each.
    #[error("{}", lines(.0))]
    Wrong(Vec<Remark>),
}

fn lines(remarks: &[Remark]) -> String {
    remarks.iter().map(Remark::to_string).collect::<Vec<_>>().join("\n")
}

/// Reads the file and the environment.
///
/// # Errors
/// When `--conf` names a file that cannot be read, or a value is wrong.
pub(crate) fn load(
    conf: Option<&Path>,
    variables: impl IntoIterator<Item = (OsString, OsString)>,
) -> Result<Loaded, ConfigError> {
    let found = CANDIDATES.map(Path::new).into_iter().find(|path| path.exists());
    let file = conf.or(found).map(Path::to_owned);
    let text = match &file {
        None => "{}".to_owned(),
        Some(file) => {
            std::fs::read_to_string(file).map_err(|source| ConfigError::Read { file: file.clone(), source })?
        }
    };
    let shown = file.as_ref().map(|file| file.display().to_string());
    let (config, warnings) = parse(shown.as_deref(), &text, variables).map_err(ConfigError::Wrong)?;
    Ok(Loaded { config, file, warnings })
}

fn parse(
    file: Option<&str>,
    text: &str,
    variables: impl IntoIterator<Item = (OsString, OsString)>,
) -> Result<(Config, Vec<Remark>), Vec<Remark>> {
    let mut remarks = Remarks::on(file, text);
    let variables = env::ours(variables, &mut remarks);
    let raw = read(text, &variables, &mut remarks);
    let config = raw.map(|raw| resolve(&raw, &variables, &mut remarks));
    let warnings = remarks.sorted_out()?;
    Ok((config.expect("nothing is read only if there was an error"), warnings))
}

/// What was written, in the file and then in the variables; `None` if there was an error.
fn read(text: &str, variables: &[(String, String)], remarks: &mut Remarks<'_>) -> Option<Raw> {
    let mut value: Value = serde_json::from_str(text)
        .map_err(|error| {
            let reason = error.to_string();
            let position = Position { line: error.line(), column: error.column().max(1) };
            remarks.at_position(position, reason.split(" at line ").next().unwrap_or_default().to_owned());
        })
        .ok()?;
    // serde takes an array for an object whose members it lists, and variables would go into neither.
    let no_object = |path: &&str| !matches!(at(&value, path), Some(Value::Object(_)) | None);
    let sections = [
        "",
        "access_logs",
        "http_server_options",
        "plugins",
        "policies",
        "security",
        "security.certificates",
        "storage",
        "uptime_tests",
        "uptime_tests.config",
        "analytics_config",
        "analytics_config.normalise_urls",
        "local_session_cache",
        "jwks",
        "jwks.cache",
    ];
    if let Some(path) = sections.iter().find(|path| no_object(path)) {
        remarks.error(path, "expected an object");
        return None;
    }
    env::apply(&mut value, variables, remarks);
    for Unhonoured { severity, path, reason } in unhonoured(&value) {
        match severity {
            Severity::Error => remarks.error(&path.to_string(), reason),
            Severity::Warning => remarks.warning(&path.to_string(), reason),
        }
    }
    serde_path_to_error::deserialize(&value)
        .map_err(|error| remarks.error(&error.path().to_string(), in_plain_words(error.inner())))
        .ok()
}

fn version_header(raw: &Raw, remarks: &mut Remarks<'_>) -> Option<HeaderName> {
    let name = raw.version_header.as_str();
    let header = HeaderName::try_from(name).ok();
    if header.is_none() && !name.is_empty() {
        remarks.error("version_header", format!("`{name}` is no name of a header, such as `x-version`"));
    }
    header
}

fn resolve(raw: &Raw, variables: &[(String, String)], remarks: &mut Remarks<'_>) -> Config {
    let or = |text: &str, default: &str| if text.is_empty() { default } else { text }.to_owned();
    let seconds = |n: u64, default: u64| Duration::from_secs(if n == 0 { default } else { n }).min(LONGEST);
    let server = &raw.http_server_options;
    let idle = [raw.max_idle_connections_per_host, raw.max_idle_connections];
    let secret = secret(raw, variables, remarks);
    let certificates = edge::certificates(raw, &secret, variables, remarks);
    let rate_headers = keys::rate_headers(raw, remarks);
    let operators = edge::operators(raw, &certificates, remarks);
    let storage = storage::resolve(&raw.storage, variables, remarks);
    Config {
        analytics: analytics::resolve(raw, &storage, remarks),
        listen: listen(raw, remarks),
        control_port: Some(raw.control_api_port).filter(|port| *port != 0),
        operators: operators.clone(),
        secret,
        app_path: or(&raw.app_path, "apps/").into(),
        app_path_is_set: !raw.app_path.is_empty(),
        log_level: log_level(raw, remarks),
        log_format: log_format(raw, remarks),
        upstream_timeout: upstream_timeout(raw, remarks),
        upstream_close: raw.proxy_close_connections,
        max_idle_per_host: idle.into_iter().filter(|n| *n > 0).min().unwrap_or(256),
        upstream_age: Some(seconds(raw.max_conn_time, 0)).filter(|age| !age.is_zero()),
        outbound: Arc::new(outbound::resolve(raw, certificates.clone(), remarks)),
        upgrades: server.enable_websockets,
        read_timeout: seconds(server.read_timeout, 120),
        write_timeout: seconds(server.write_timeout, 120),
        canonical_header_names: server.canonical_header_names,
        max_connections: bounds::connections(server.max_connections, remarks),
        max_request_header: bounds::request_header(server.max_request_header_size, remarks),
        max_request_body: Some(server.max_request_body_size).filter(|bytes| *bytes > 0),
        max_response_body: usize::try_from(server.max_response_body_size).ok().filter(|bytes| *bytes > 0),
        close_connections: raw.close_connections,
        errors: Arc::new(errors::resolve(raw, remarks)),
        track_404_logs: raw.track_404_logs,
        version_header: version_header(raw, remarks),
        trust: Trust { xff_depth: server.xff_depth },
        paths: PathRules {
            anchor_start: server.enable_path_prefix_matching,
            anchor_end: server.enable_path_suffix_matching,
            ignore_case: raw.ignore_endpoint_case,
            strict_routes: server.enable_strict_routes,
            keep_unclean: server.skip_url_cleaning,
        },
        hello_path: format!("/{}", or(&raw.health_check_endpoint_name, "hello")),
        ready_path: format!("/{}", or(&raw.readiness_check_endpoint_name, "ready")),
        shutdown_delay: seconds(raw.graceful_shutdown_delay_seconds, 0),
        shutdown_timeout: seconds(raw.graceful_shutdown_timeout_duration, 30),
        strict_plugins: raw.strict_plugins,
        plugins: plugins::resolve(&raw.plugins, remarks),
        plugin_files: plugins::resolve_files(&raw.plugins, remarks),
        access_log: access_log::resolve(raw, remarks),
        statsd: statsd::resolve(raw, remarks),
        telemetry: opentelemetry::resolve(&raw.opentelemetry, remarks),
        edge: edge::resolve(raw, certificates, operators.as_ref(), remarks),
        uptime: watch(&raw.uptime_tests),
        policies: policies::resolve(&raw.policies, remarks),
        keys: keys::settings(raw, remarks),
        rate_headers,
        key_sets: jwks::settings(raw, remarks),
        rates: keys::rates(raw, rate_headers, remarks),
        cluster: keys::cluster(raw, remarks),
        events: events::resolve(&raw.event_handlers, remarks),
        storage,
        notices: storage::notices(raw, variables, remarks),
    }
}

fn watch(raw: &RawUptime) -> Watch {
    let or = |n: usize, default: usize| if n == 0 { default } else { n };
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let RawWatch { failure_trigger_sample_size: samples, time_wait, checker_pool_size } = raw.config;
    Watch {
        disabled: raw.disable,
        samples: if samples == 0 { 3 } else { samples.into() },
        wait: Duration::from_secs(if time_wait == 0 { 10 } else { time_wait }).min(LONGEST),
        // A semaphore has a bound of its own.
        pool: or(checker_pool_size, cores).min(1024),
    }
}

fn listen(raw: &Raw, remarks: &mut Remarks<'_>) -> SocketAddr {
    let address: IpAddr = match raw.listen_address.as_str() {
        "" => Ipv6Addr::UNSPECIFIED.into(),
        "localhost" => Ipv4Addr::LOCALHOST.into(),
        text => text.parse().unwrap_or_else(|_| {
            remarks.error("listen_address", format!("`{text}` is not an IP address"));
            Ipv4Addr::LOCALHOST.into()
        }),
    };
    SocketAddr::new(address, if raw.listen_port == 0 { DEFAULT_PORT } else { raw.listen_port })
}

fn secret(raw: &Raw, variables: &[(String, String)], remarks: &mut Remarks<'_>) -> String {
    let variable = |name: &str| variables.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone());
    let secret = secret::resolve(&raw.secret, variable).unwrap_or_else(|error| {
        remarks.error("secret", error.to_string());
        String::new()
    });
    if !secret.is_empty() && secret != DEFAULT_SECRET {
        return secret;
    }
    remarks.warning("secret", "is the published default: set one of your own, or anybody may use `/tyk/`");
    DEFAULT_SECRET.to_owned()
}

fn log_level(raw: &Raw, remarks: &mut Remarks<'_>) -> tracing::Level {
    match raw.log_level.to_ascii_lowercase().as_str() {
        "" | "info" => tracing::Level::INFO,
        "debug" => tracing::Level::DEBUG,
        "warn" | "warning" => tracing::Level::WARN,
        "error" => tracing::Level::ERROR,
        other => {
            remarks.error("log_level", format!("`{other}` is not one of `debug`, `info`, `warn`, `error`"));
            tracing::Level::INFO
        }
    }
}

fn log_format(raw: &Raw, remarks: &mut Remarks<'_>) -> LogFormat {
    match raw.log_format.as_str() {
        "" | "text" | "legacy" => LogFormat::Text,
        "json" => LogFormat::Json,
        other => {
            remarks.error("log_format", format!("`{other}` is not one of `text`, `json`, `legacy`"));
            LogFormat::Text
        }
    }
}

fn upstream_timeout(raw: &Raw, remarks: &mut Remarks<'_>) -> Duration {
    const DEFAULT: Duration = Duration::from_secs(30);
    match raw.proxy_default_timeout {
        0.0 => DEFAULT,
        seconds => Duration::try_from_secs_f64(seconds.min(LONGEST.as_secs_f64())).unwrap_or_else(|error| {
            remarks.error("proxy_default_timeout", error.to_string());
            DEFAULT
        }),
    }
}

/// serde names Rust's types; who writes a configuration knows numbers.
fn in_plain_words(error: &serde_json::Error) -> String {
    let told = error.to_string();
    let words = [
        ("u16", "a whole number up to 65535"),
        ("u32", "a whole number, 0 or more"),
        ("u64", "a whole number, 0 or more"),
        ("usize", "a whole number, 0 or more"),
        ("f64", "a number"),
        ("a boolean", "`true` or `false`"),
        ("a sequence", "a list"),
        ("a map", "an object"),
    ];
    let known = words.iter().find_map(|(ty, words)| Some((told.strip_suffix(ty)?, words)));
    known.map_or_else(|| told.clone(), |(start, words)| format!("{start}{words}"))
}

/// The value at a path of members joined by dots.
fn at<'a>(value: &'a Value, path: &str) -> Option<&'a Value> {
    if path.is_empty() {
        return Some(value);
    }
    value.pointer(&format!("/{}", path.replace('.', "/")))
}

#[cfg(test)]
mod tests;
