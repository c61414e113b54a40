//! The configuration and the definitions that `cargo xtask run` serves.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::{fs, io, path};

use serde_json::{Value, json};

use crate::gateway::prove::Record;

/// One definition, and a request that shows what its plugin does.
struct Sample {
    /// Its file, its listen path and its id.
    name: &'static str,
    /// The function that it needs, and where. The definition is left out when the gateway does not have it.
    plugin: Option<(&'static str, &'static str)>,
    /// Of several crates with such a function, this one.
    package: &'static str,
    /// Path below the listen path, and a header.
    request: (&'static str, Option<(&'static str, &'static str)>),
}

const SAMPLES: &[Sample] = &[
    Sample {
        name: "demo",
        plugin: Some(("AddFooBarHeader", "post")),
        package: "add-foo-bar-header",
        request: ("get", None),
    },
    Sample {
        name: "time",
        plugin: Some(("SendCurrentTime", "pre")),
        package: "send-current-time",
        request: ("get?get_time=1", None),
    },
    Sample {
        name: "auth",
        plugin: Some(("MyPluginAuthCheck", "auth_check")),
        package: "token-auth",
        request: ("get", Some(("Authorization", "abc"))),
    },
];

/// For a gateway that has none of the plugins above.
const PLAIN: Sample = Sample { name: "demo", plugin: None, package: "", request: ("get", None) };

/// What was written.
pub(crate) struct Written {
    /// The configuration file.
    pub(crate) conf: PathBuf,
    /// The folder of definitions that it names.
    pub(crate) apps: PathBuf,
    /// Worth trying.
    pub(crate) requests: Vec<Request>,
}

/// A request to the gateway.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Request {
    pub(crate) url: String,
    pub(crate) header: Option<(&'static str, &'static str)>,
}

impl Request {
    /// As one would type it.
    pub(crate) fn curl(&self) -> String {
        let header = self.header.map(|(name, value)| format!("-H '{name}: {value}' ")).unwrap_or_default();
        let quote = if self.url.contains('?') { "'" } else { "" };
        format!("curl {header}{quote}{}{quote}", self.url)
    }
}

/// Where a gateway keeps keys.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Keys {
    /// In a file beside its configuration.
    Beside,
    /// In memory: the next gateway begins before this one ends, and a file is one gateway's.
    Nowhere,
}

/// Writes `tyk.conf` and `apps/*.json` into a folder.
pub(crate) fn write(
    dir: &Path,
    port: u16,
    keys: Keys,
    upstream: SocketAddr,
    records: &[Record],
) -> io::Result<Written> {
    let apps = dir.join("apps");
    if apps.exists() {
        // Definitions of the last run on this port, whose upstream is gone.
        fs::remove_dir_all(&apps)?;
    }
    fs::create_dir_all(&apps)?;
    let mut samples: Vec<&Sample> = SAMPLES.iter().filter(|sample| linked(sample, records).is_some()).collect();
    if !samples.iter().any(|sample| sample.name == PLAIN.name) {
        samples.insert(0, &PLAIN);
    }
    let mut requests = Vec::new();
    for sample in samples {
        let definition = definition(sample, upstream, linked(sample, records));
        fs::write(apps.join(format!("{}.json", sample.name)), format!("{definition:#}\n"))?;
        let (path, header) = sample.request;
        requests.push(Request { url: format!("http://127.0.0.1:{port}/{}/{path}", sample.name), header });
    }
    write_configuration(dir, port, keys, &apps).map(|written| Written { requests, ..written })
}

/// Writes `tyk.conf` into a folder, for definitions elsewhere.
pub(crate) fn write_configuration(dir: &Path, port: u16, keys: Keys, apps: &Path) -> io::Result<Written> {
    let conf = dir.join("tyk.conf");
    // The gateway may be started in another folder than ours.
    let apps = path::absolute(apps)?;
    let storage = match keys {
        Keys::Beside => json!({ "path": path::absolute(dir.join("tyk.redb"))? }),
        Keys::Nowhere => json!({ "type": "memory" }),
    };
    fs::write(&conf, format!("{:#}\n", configuration(port, &apps, &storage)))?;
    Ok(Written { conf, apps, requests: Vec::new() })
}

/// The record of the plugin that a sample needs.
fn linked<'a>(sample: &Sample, records: &'a [Record]) -> Option<&'a Record> {
    let (name, hook) = sample.plugin?;
    let serves = |record: &&Record| record.name == name && record.hooks.iter().any(|served| served == hook);
    let mut found = records.iter().filter(serves);
    found.clone().find(|record| record.package == sample.package).or_else(|| found.next())
}

fn configuration(port: u16, apps: &Path, storage: &Value) -> Value {
    json!({
        "listen_address": "127.0.0.1",
        "listen_port": port,
        "secret": secret(),
        "app_path": apps,
        "storage": storage,
    })
}

/// Another one in each run: a secret that is written in a program is none. The keys of the standard library's hash maps
/// are random, and good enough for a control API on loopback.
fn secret() -> String {
    let word = || RandomState::new().build_hasher().finish();
    format!("{:016x}{:016x}", word(), word())
}

fn definition(sample: &Sample, upstream: SocketAddr, plugin: Option<&Record>) -> Value {
    let name = sample.name;
    let hook = sample.plugin.map(|(_, hook)| hook);
    let is_auth = hook == Some("auth_check");
    let mut definition = json!({
        "name": name,
        "api_id": name,
        "org_id": "default",
        "active": true,
        "use_keyless": !is_auth,
        "version_data": {
            "not_versioned": true,
            "versions": { "Default": { "name": "Default" } },
        },
        "proxy": {
            "listen_path": format!("/{name}/"),
            "target_url": format!("http://{upstream}/"),
            "strip_listen_path": true,
        },
    });
    if is_auth {
        definition["use_go_plugin_auth"] = json!(true);
    }
    if let (Some(plugin), Some(hook)) = (plugin, hook) {
        // The name decides; where several crates have it, the stem of the path does.
        let entry = json!({ "name": plugin.name, "path": format!("{}.so", plugin.package) });
        let entries = if is_auth { entry } else { json!([entry]) };
        definition["custom_middleware"] = json!({ "driver": "goplugin", hook: entries });
    }
    definition
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(name: &str, hook: &str) -> Record {
        Record { package: name.to_lowercase(), version: "0.1.0".into(), name: name.into(), hooks: vec![hook.into()] }
    }

    fn check(records: &[Record], expected: &[&str]) {
        let dir = tempfile::tempdir().expect("temp dir");
        let upstream = "127.0.0.1:9".parse().expect("address");
        let written = write(dir.path(), 8080, Keys::Beside, upstream, records).expect("written");
        let lines: Vec<String> = written.requests.iter().map(Request::curl).collect();
        assert_eq!(lines, expected);
        let conf = fs::read(&written.conf).expect("there");
        let conf: Value = serde_json::from_slice(&conf).expect("JSON");
        assert_eq!(conf["listen_port"], 8080);
        assert_eq!(conf["secret"].as_str().map(str::len), Some(32));
        assert_eq!(fs::read_dir(dir.path().join("apps")).expect("there").count(), expected.len());
    }

    #[test]
    fn a_sample_is_served_when_its_plugin_is_linked() {
        let all = [
            record("AddFooBarHeader", "post"),
            record("SendCurrentTime", "pre"),
            record("MyPluginAuthCheck", "auth_check"),
        ];
        check(
            &all,
            &[
                "curl http://127.0.0.1:8080/demo/get",
                "curl 'http://127.0.0.1:8080/time/get?get_time=1'",
                "curl -H 'Authorization: abc' http://127.0.0.1:8080/auth/get",
            ],
        );
        check(&all[..1], &["curl http://127.0.0.1:8080/demo/get"]);
    }

    #[test]
    fn a_gateway_without_plugins_still_has_something_to_show() {
        check(&[], &["curl http://127.0.0.1:8080/demo/get"]);
    }

    #[test]
    fn of_two_crates_with_the_function_the_published_one_is_shown() {
        let mut records = [record("MyPluginAuthCheck", "auth_check"), record("MyPluginAuthCheck", "auth_check")];
        records[1].package = "token-auth".into();
        assert_eq!(linked(&SAMPLES[2], &records).map(|record| record.package.as_str()), Some("token-auth"));
        assert!(linked(&SAMPLES[2], &records[..1]).is_some());
    }

    #[test]
    fn the_auth_sample_asks_for_its_plugin_and_for_no_key() {
        let upstream = "127.0.0.1:9".parse().expect("address");
        let plugin = record("MyPluginAuthCheck", "auth_check");
        let definition = definition(&SAMPLES[2], upstream, Some(&plugin));
        assert_eq!(definition["use_keyless"], false);
        assert_eq!(definition["use_go_plugin_auth"], true);
        assert_eq!(definition["custom_middleware"]["auth_check"]["name"], "MyPluginAuthCheck");
    }
}
