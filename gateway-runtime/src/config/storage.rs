//! `storage`: where keys, counters and signals are kept. Source: Tyk, `config/config.go`, `StorageOptionsConf`.
//!
//! | `type` | where |
//! |---|---|
//! | none, `redb` | in a file of this gateway's, `path`: a key of ours |
//! | `redis` | in Redis, which several gateways may share |
//! | `memory` | in this process; all is gone when it ends |

use std::path::Path;
use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;

use super::outbound::Names;
use super::remark::Remarks;
use super::{LONGEST, Raw, secret};
use crate::storage::{NO_REDIS, Notices, PublicKey, RedisSettings, RedisTls, Secret, Storage, Topology};

const REDIS_PORT: u16 = 6379;
const TIMEOUT: u64 = 5;
/// As many connections as Tyk has at most.
const AT_ONCE: usize = 500;

#[derive(Debug, Default, Deserialize)]
#[cfg_attr(test, derive(serde::Serialize))]
#[serde(default, expecting = "an object")]
pub(super) struct RawStorage {
    #[serde(rename = "type")]
    engine: String,
    path: String,
    host: String,
    port: u16,
    hosts: Names,
    addrs: Vec<String>,
    master_name: String,
    sentinel_password: String,
    username: String,
    password: String,
    database: u32,
    /// Commands share a connection: none is ever idle, whatever this says.
    optimisation_max_idle: usize,
    optimisation_max_active: usize,
    timeout: u64,
    enable_cluster: bool,
    use_ssl: bool,
    ssl_insecure_skip_verify: bool,
    ca_file: String,
    cert_file: String,
    key_file: String,
    tls_min_version: Value,
    tls_max_version: Value,
}

pub(super) fn resolve(raw: &RawStorage, variables: &[(String, String)], remarks: &mut Remarks<'_>) -> Storage {
    match raw.engine.as_str() {
        "redis" => redis(raw, variables, remarks),
        "" | "redb" => {
            told_to_be_idle(raw, remarks);
            match raw.path.as_str() {
                "" => Storage::default(),
                path => Storage::File { path: path.into(), is_set: true },
            }
        }
        "memory" => {
            told_to_be_idle(raw, remarks);
            Storage::Memory
        }
        other => {
            let reason = format!(
                "`{other}` is no store of this gateway's: write `redis`, or `redb` for a file (`storage.path`), or \
                 `memory` to keep nothing"
            );
            remarks.error("storage.type", reason);
            Storage::Memory
        }
    }
}

/// `node_secret`, `allow_insecure_configs` and `public_key_path`.
pub(super) fn notices(raw: &Raw, variables: &[(String, String)], remarks: &mut Remarks<'_>) -> Notices {
    let file = Some(Path::new(&raw.public_key_path)).filter(|file| !file.as_os_str().is_empty());
    let key = file.map(PublicKey::read).transpose().unwrap_or_else(|error| {
        remarks.error("public_key_path", error.to_string());
        None
    });
    Notices {
        secret: read_secret("node_secret", &raw.node_secret, variables, remarks),
        allow_unsigned: raw.allow_insecure_configs,
        key,
    }
}

/// A secret, or what it stands for.
pub(super) fn read_secret(
    key: &str,
    written: &str,
    variables: &[(String, String)],
    remarks: &mut Remarks<'_>,
) -> Secret {
    let variable = |name: &str| variables.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone());
    Secret(secret::resolve(written, variable).unwrap_or_else(|error| {
        remarks.error(key, error.to_string());
        String::new()
    }))
}

/// Whoever names a server wants its keys.
fn told_to_be_idle(raw: &RawStorage, remarks: &mut Remarks<'_>) {
    let set = [("host", !raw.host.is_empty()), ("hosts", !raw.hosts.0.is_empty()), ("addrs", !raw.addrs.is_empty())];
    for (key, _) in set.into_iter().filter(|(_, is_set)| *is_set) {
        let reason = "names a server, and `storage.type` does not say `redis`: set it, or remove this key";
        remarks.error(&format!("storage.{key}"), reason);
    }
}

fn redis(raw: &RawStorage, variables: &[(String, String)], remarks: &mut Remarks<'_>) -> Storage {
    if cfg!(not(feature = "redis")) {
        remarks.error("storage.type", NO_REDIS);
    }
    if !raw.path.is_empty() {
        remarks.warning("storage.path", "has no effect: keys are in Redis, as `storage.type` says");
    }
    let password = read_secret("storage.password", &raw.password, variables, remarks);
    let sentinel_password = read_secret("storage.sentinel_password", &raw.sentinel_password, variables, remarks);
    let nodes = nodes(raw, remarks);
    let topology = match (raw.master_name.as_str(), raw.enable_cluster) {
        ("", false) => Topology::Single,
        ("", true) => Topology::Cluster,
        (master, false) => Topology::Sentinel { master: master.to_owned(), password: sentinel_password },
        (_, true) => {
            let reason = "is of sentinels, and `storage.enable_cluster` of a cluster: write one of them";
            remarks.error("storage.master_name", reason);
            Topology::Cluster
        }
    };
    if matches!(topology, Topology::Single) && nodes.len() > 1 {
        let reason = "only the first is used: set `storage.enable_cluster` if they are a cluster, or \
                      `storage.master_name` if they are sentinels";
        remarks.warning(if raw.addrs.is_empty() { "storage.hosts" } else { "storage.addrs" }, reason);
    }
    if matches!(topology, Topology::Cluster) && raw.database != 0 {
        remarks.error("storage.database", "a cluster has the database 0 only: remove it");
    }
    let timeout = if raw.timeout == 0 { TIMEOUT } else { raw.timeout };
    Storage::Redis(Box::new(RedisSettings {
        nodes,
        topology,
        username: raw.username.clone(),
        password,
        database: raw.database.into(),
        tls: if raw.use_ssl { tls(raw, remarks) } else { None },
        timeout: Duration::from_secs(timeout).min(LONGEST),
        at_once: if raw.optimisation_max_active == 0 { AT_ONCE } else { raw.optimisation_max_active.min(1 << 20) },
    }))
}

/// `addrs`, else `hosts`, else `host` and `port`.
fn nodes(raw: &RawStorage, remarks: &mut Remarks<'_>) -> Vec<(String, u16)> {
    let mut port = |path: &str, text: &str| {
        text.parse().unwrap_or_else(|_| {
            remarks.error(path, format!("`{text}` is no port: write a number up to 65535"));
            REDIS_PORT
        })
    };
    if !raw.addrs.is_empty() {
        let node = |(at, text): (usize, &String)| match text.rsplit_once(':') {
            // An address of IPv6 has more colons, and brackets where a port follows.
            Some((host, number)) if !host.contains(':') || host.ends_with(']') => {
                (unbracketed(host), port(&format!("storage.addrs[{at}]"), number))
            }
            _ => (unbracketed(text), REDIS_PORT),
        };
        return raw.addrs.iter().enumerate().map(node).collect();
    }
    if !raw.hosts.0.is_empty() {
        let node =
            |(host, number): (&String, &String)| (unbracketed(host), port(&format!("storage.hosts.{host}"), number));
        return raw.hosts.0.iter().map(node).collect();
    }
    let host = if raw.host.is_empty() { "localhost".to_owned() } else { unbracketed(&raw.host) };
    vec![(host, if raw.port == 0 { REDIS_PORT } else { raw.port })]
}

fn unbracketed(host: &str) -> String {
    host.trim_start_matches('[').trim_end_matches(']').to_owned()
}

/// `None` if there was an error.
fn tls(raw: &RawStorage, remarks: &mut Remarks<'_>) -> Option<RedisTls> {
    versions(raw, remarks);
    if raw.ssl_insecure_skip_verify {
        let reason = "anybody is taken for Redis: who is on the way can read and change every key; name the issuer with \
                      `storage.ca_file` instead";
        remarks.warning("storage.ssl_insecure_skip_verify", reason);
    }
    let mut read = |key: &str, path: &str| {
        let read = std::fs::read(path);
        read.map_err(|error| remarks.error(&format!("storage.{key}"), format!("{path}: {error}"))).ok()
    };
    let roots = if raw.ca_file.is_empty() { None } else { Some(read("ca_file", &raw.ca_file)?) };
    let identity = match (raw.cert_file.as_str(), raw.key_file.as_str()) {
        ("", "") => None,
        (certificate, key) if !certificate.is_empty() && !key.is_empty() => {
            Some((read("cert_file", certificate)?, read("key_file", key)?))
        }
        (certificate, _) => {
            let (there, missing) =
                if certificate.is_empty() { ("key_file", "cert_file") } else { ("cert_file", "key_file") };
            let reason = format!("is of no use without `storage.{missing}`: write both, or none");
            remarks.error(&format!("storage.{there}"), reason);
            return None;
        }
    };
    Some(RedisTls { insecure: raw.ssl_insecure_skip_verify, roots, identity })
}

/// The client speaks TLS 1.2 and 1.3, and cannot be told to speak one of them only.
fn versions(raw: &RawStorage, remarks: &mut Remarks<'_>) {
    let text = |value: &Value| match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    };
    let (lowest, highest) = (text(&raw.tls_min_version), text(&raw.tls_max_version));
    match lowest.as_str() {
        "" | "1.0" | "1.1" | "1.2" => {}
        "1.3" => {
            let reason = "TLS 1.2 cannot be switched off here: switch it off in Redis (`tls-protocols`), and write 1.2";
            remarks.error("storage.tls_min_version", reason);
        }
        other => remarks.error("storage.tls_min_version", format!("`{other}` is no version of TLS: write 1.2")),
    }
    match highest.as_str() {
        "" | "1.3" => {}
        "1.2" => remarks.warning("storage.tls_max_version", "has no effect: TLS 1.3 is spoken with a Redis that can"),
        "1.0" | "1.1" => {
            let reason = format!("TLS {highest} is broken, and rustls does not have it: write 1.2 or 1.3");
            remarks.error("storage.tls_max_version", reason);
        }
        other => remarks.error("storage.tls_max_version", format!("`{other}` is no version of TLS: write 1.2 or 1.3")),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::tests::{config, mistakes};
    use super::*;

    fn storage(section: &str) -> Storage {
        config(&format!(r#"{{"secret": "s", "storage": {section}}}"#), &[]).storage
    }

    fn redis(section: &str) -> RedisSettings {
        match storage(section) {
            Storage::Redis(settings) => *settings,
            other => panic!("{other:?}"),
        }
    }

    fn wrong(section: &str) -> Vec<String> {
        mistakes(&format!(r#"{{"secret": "s", "storage": {section}}}"#), &[])
    }

    #[test]
    fn without_a_section_keys_are_in_a_file_here() {
        for section in ["{}", r#"{"type": ""}"#, r#"{"type": "redb"}"#] {
            let Storage::File { path, is_set: false } = storage(section) else { panic!("{section}") };
            assert_eq!(path, Path::new("tyk.redb"));
        }
        let Storage::File { path, is_set: true } = storage(r#"{"path": "/var/x"}"#) else { panic!("a file") };
        assert_eq!(path, Path::new("/var/x"));
        assert!(matches!(storage(r#"{"type": "memory"}"#), Storage::Memory));
    }

    #[test]
    fn an_unknown_store_is_refused_with_those_there_are() {
        let told = wrong(r#"{"type": "mysql"}"#);
        assert!(told[0].contains("storage.type: `mysql` is no store") && told[0].contains("`redis`"), "{told:?}");
    }

    #[test]
    fn a_server_without_a_type_is_a_mistake() {
        for section in [r#"{"host": "h"}"#, r#"{"type": "memory", "addrs": ["h:1"]}"#, r#"{"hosts": {"h": "1"}}"#] {
            let told = wrong(section);
            assert!(told[0].contains("`storage.type` does not say `redis`"), "{told:?}");
        }
    }

    #[test]
    fn nodes_are_addrs_or_hosts_or_a_host() {
        for (section, expected) in [
            (r#"{"type": "redis"}"#, vec![("localhost", 6379)]),
            (r#"{"type": "redis", "host": "h", "port": 7}"#, vec![("h", 7)]),
            (r#"{"type": "redis", "host": "h", "hosts": {"a": "1"}}"#, vec![("a", 1)]),
            (
                r#"{"type": "redis", "host": "h", "enable_cluster": true, "addrs": ["a:1", "b", "[::1]:2", "::1"]}"#,
                vec![("a", 1), ("b", 6379), ("::1", 2), ("::1", 6379)],
            ),
        ] {
            let nodes = redis(section).nodes;
            assert_eq!(nodes.iter().map(|(host, port)| (host.as_str(), *port)).collect::<Vec<_>>(), expected);
        }
        assert!(wrong(r#"{"type": "redis", "addrs": ["a:x"]}"#)[0].contains("storage.addrs[0]: `x` is no port"));
    }

    #[test]
    fn topologies_exclude_each_other() {
        let sentinel = redis(r#"{"type": "redis", "master_name": "m", "sentinel_password": "p"}"#);
        assert!(matches!(sentinel.topology, Topology::Sentinel { master, .. } if master == "m"));
        assert!(matches!(redis(r#"{"type": "redis", "enable_cluster": true}"#).topology, Topology::Cluster));
        let told = wrong(r#"{"type": "redis", "enable_cluster": true, "master_name": "m", "database": 1}"#);
        assert_eq!(told.len(), 2, "{told:?}");
    }

    #[test]
    fn a_password_may_be_in_a_variable_and_is_never_shown() {
        let file = r#"{"secret": "s", "storage": {"type": "redis", "password": "env://redis"}}"#;
        let variables = [("TYK_SECRET_REDIS", "hidden")];
        let Storage::Redis(settings) = config(file, &variables).storage else { panic!("redis") };
        assert_eq!(settings.password.0, "hidden");
        assert!(!format!("{settings:?}").contains("hidden"));
    }

    #[test]
    fn bounds_are_those_of_the_reference_unless_written() {
        let settings = redis(r#"{"type": "redis"}"#);
        assert_eq!((settings.timeout, settings.at_once), (Duration::from_secs(5), 500));
        let settings = redis(r#"{"type": "redis", "timeout": 1, "optimisation_max_active": 7}"#);
        assert_eq!((settings.timeout, settings.at_once), (Duration::from_secs(1), 7));
    }

    #[test]
    fn tls_is_refused_where_it_would_be_another_than_asked_for() {
        let section = |more: &str| format!(r#"{{"type": "redis", "use_ssl": true{more}}}"#);
        assert!(redis(&section("")).tls.is_some_and(|tls| !tls.insecure));
        for (more, expected) in [
            (r#", "tls_min_version": "1.3""#, "cannot be switched off"),
            (r#", "tls_max_version": "1.1""#, "is broken"),
            (r#", "cert_file": "c""#, "without `storage.key_file`"),
            (r#", "ca_file": "/none""#, "/none: No such file"),
        ] {
            let told = wrong(&section(more));
            assert!(told[0].contains(expected), "{told:?}");
        }
    }
}
