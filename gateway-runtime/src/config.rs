//! The gateway's configuration: Tyk's file (`tyk.conf`, JSON) and variables (`TYK_GW_*`), as far as we honour them.
//!
//! Raw (what was written) → [`Config`] (what it means). A key that is not honoured is warned about once, with its
//! path; a wrong one stops the start with its position. Source: Tyk, `config/config.go`.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use gateway_model::locate;
use serde::Deserialize;
use serde_json::Value;

mod env;

/// Tyk's own default secret: known to everybody.
const DEFAULT_SECRET: &str = "352d20ee67be67f6340b4c0605b044b7";
const DEFAULT_PORT: u16 = 8080;
/// Where the file is looked for without `--conf`.
const CANDIDATES: [&str; 2] = ["tyk.conf", "/etc/tyk/tyk.conf"];

/// The file, as written. Zero values mean "not set", as in Tyk.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Raw {
    listen_address: String,
    listen_port: u16,
    secret: String,
    app_path: String,
    log_level: String,
    log_format: String,
    proxy_default_timeout: f64,
    proxy_close_connections: bool,
    max_idle_connections: usize,
    max_idle_connections_per_host: usize,
    close_connections: bool,
    hide_generator_header: bool,
    ignore_endpoint_case: bool,
    track_404_logs: bool,
    health_check_endpoint_name: String,
    readiness_check_endpoint_name: String,
    graceful_shutdown_timeout_duration: u64,
    graceful_shutdown_delay_seconds: u64,
    strict_plugins: bool,
    http_server_options: RawServer,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct RawServer {
    read_timeout: u64,
    max_request_body_size: u64,
    skip_url_cleaning: bool,
    enable_strict_routes: bool,
    enable_path_prefix_matching: bool,
    enable_path_suffix_matching: bool,
}

/// What the gateway does.
#[derive(Debug, Clone)]
pub(crate) struct Config {
    /// Where to listen; port 0 lets the system choose.
    pub(crate) listen: SocketAddr,
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
    /// Bound on the arrival of a request's head.
    pub(crate) head_timeout: Duration,
    /// In bytes; `None` is no bound.
    pub(crate) max_request_body: Option<u64>,
    /// Whether client connections are used once.
    pub(crate) close_connections: bool,
    pub(crate) hide_generator_header: bool,
    pub(crate) track_404_logs: bool,
    pub(crate) paths: PathRules,
    /// Path of the health endpoint, `/hello`.
    pub(crate) hello_path: String,
    /// Path of the readiness endpoint, `/ready`.
    pub(crate) ready_path: String,
    pub(crate) shutdown_delay: Duration,
    pub(crate) shutdown_timeout: Duration,
    /// Start and reload refuse when a plugin is unresolved.
    pub(crate) strict_plugins: bool,
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
    pub(crate) warnings: Vec<String>,
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum ConfigError {
    #[error("{}: {source}", file.display())]
    Read { file: PathBuf, source: std::io::Error },
    /// `file:line:column: path: reason`, one line each.
    #[error("{}", .0.join("\n"))]
    Wrong(Vec<String>),
}

/// Reads the file and the environment.
///
/// # Errors
/// When `--conf` names a file that cannot be read, or a value is wrong.
pub(crate) fn load(
    conf: Option<&Path>,
    variables: impl IntoIterator<Item = (String, String)>,
) -> Result<Loaded, ConfigError> {
    let found = CANDIDATES.map(Path::new).into_iter().find(|path| path.exists());
    let file = conf.or(found).map(Path::to_owned);
    let text = match &file {
        None => "{}".to_owned(),
        Some(file) => {
            std::fs::read_to_string(file).map_err(|source| ConfigError::Read { file: file.clone(), source })?
        }
    };
    let shown = file.as_ref().map_or_else(|| "environment".to_owned(), |file| file.display().to_string());
    let (config, warnings) = parse(&shown, &text, variables).map_err(ConfigError::Wrong)?;
    Ok(Loaded { config, file, warnings })
}

fn parse(
    file: &str,
    text: &str,
    variables: impl IntoIterator<Item = (String, String)>,
) -> Result<(Config, Vec<String>), Vec<String>> {
    let mut value: Value = serde_json::from_str(text).map_err(|error| {
        let reason = error.to_string();
        let reason = reason.split(" at line ").next().unwrap_or_default();
        vec![format!("{file}:{}:{}: {reason}", error.line(), error.column())]
    })?;
    let mut warnings = Vec::new();
    let mut mistakes = Vec::new();
    env::apply(&mut value, variables, &mut warnings, &mut mistakes);
    let mut ignored = Vec::new();
    let unknown = |path: serde_ignored::Path<'_>| ignored.push(path.to_string());
    let mut track = serde_path_to_error::Track::new();
    let tracked = serde_path_to_error::Deserializer::new(&value, &mut track);
    let raw: Raw = match serde_ignored::deserialize(tracked, unknown) {
        Ok(raw) => raw,
        Err(error) => {
            let path = track.path().to_string();
            mistakes.push(format!("{file}:{}: {path}: {error}", locate(text, &path)));
            return Err(mistakes);
        }
    };
    for path in ignored {
        if !is_zero(at(&value, &path)) {
            warnings.push(format!(
                "{file}:{}: {path}: not honoured by this gateway; the key has no effect",
                locate(text, &path)
            ));
        }
    }
    let config = resolve(&raw, |path, reason| {
        mistakes.push(format!("{file}:{}: {path}: {reason}", locate(text, path)));
    });
    if config.secret == DEFAULT_SECRET {
        warnings.push("`secret` is the published default: set one of your own, or anybody may use `/tyk/`".into());
    }
    if mistakes.is_empty() { Ok((config, warnings)) } else { Err(mistakes) }
}

fn resolve(raw: &Raw, mut mistake: impl FnMut(&str, String)) -> Config {
    let or = |text: &str, default: &str| if text.is_empty() { default } else { text }.to_owned();
    let seconds = |n: u64, default: u64| Duration::from_secs(if n == 0 { default } else { n });
    let address: IpAddr = match raw.listen_address.as_str() {
        "" => Ipv6Addr::UNSPECIFIED.into(),
        "localhost" => Ipv4Addr::LOCALHOST.into(),
        text => text.parse().unwrap_or_else(|_| {
            mistake("listen_address", format!("`{text}` is not an IP address"));
            Ipv4Addr::LOCALHOST.into()
        }),
    };
    let port = if raw.listen_port == 0 { DEFAULT_PORT } else { raw.listen_port };
    let log_level = match raw.log_level.to_ascii_lowercase().as_str() {
        "" | "info" => tracing::Level::INFO,
        "debug" => tracing::Level::DEBUG,
        "warn" | "warning" => tracing::Level::WARN,
        "error" => tracing::Level::ERROR,
        other => {
            mistake("log_level", format!("`{other}` is not one of `debug`, `info`, `warn`, `error`"));
            tracing::Level::INFO
        }
    };
    let log_format = match raw.log_format.as_str() {
        "" | "text" | "legacy" => LogFormat::Text,
        "json" => LogFormat::Json,
        other => {
            mistake("log_format", format!("`{other}` is not one of `text`, `json`, `legacy`"));
            LogFormat::Text
        }
    };
    let upstream_timeout = match raw.proxy_default_timeout {
        0.0 => Duration::from_secs(30),
        seconds => Duration::try_from_secs_f64(seconds).unwrap_or_else(|error| {
            mistake("proxy_default_timeout", error.to_string());
            Duration::from_secs(30)
        }),
    };
    let server = &raw.http_server_options;
    let idle = [raw.max_idle_connections_per_host, raw.max_idle_connections];
    Config {
        listen: SocketAddr::new(address, port),
        secret: or(&raw.secret, DEFAULT_SECRET),
        app_path: or(&raw.app_path, "apps/").into(),
        app_path_is_set: !raw.app_path.is_empty(),
        log_level,
        log_format,
        upstream_timeout,
        upstream_close: raw.proxy_close_connections,
        max_idle_per_host: idle.into_iter().filter(|n| *n > 0).min().unwrap_or(256),
        head_timeout: seconds(server.read_timeout, 120),
        max_request_body: Some(server.max_request_body_size).filter(|bytes| *bytes > 0),
        close_connections: raw.close_connections,
        hide_generator_header: raw.hide_generator_header,
        track_404_logs: raw.track_404_logs,
        paths: PathRules {
            anchor_start: server.enable_path_prefix_matching,
            anchor_end: server.enable_path_suffix_matching,
            ignore_case: raw.ignore_endpoint_case,
            strict_routes: server.enable_strict_routes,
            keep_unclean: server.skip_url_cleaning,
        },
        hello_path: format!("/{}", or(&raw.health_check_endpoint_name, "hello")),
        ready_path: format!("/{}", or(&raw.readiness_check_endpoint_name, "ready")),
        shutdown_delay: Duration::from_secs(raw.graceful_shutdown_delay_seconds),
        shutdown_timeout: seconds(raw.graceful_shutdown_timeout_duration, 30),
        strict_plugins: raw.strict_plugins,
    }
}

/// The value at a path as serde_ignored prints it: members and indices joined by dots.
fn at<'a>(value: &'a Value, path: &str) -> &'a Value {
    let pointer = format!("/{}", path.replace('.', "/"));
    value.pointer(&pointer).unwrap_or(&Value::Null)
}

/// A file carries every key, most of them switched off: those need no warning.
fn is_zero(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(set) => !set,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.iter().all(is_zero),
        Value::Object(members) => members.values().all(is_zero),
    }
}

#[cfg(test)]
mod tests;
