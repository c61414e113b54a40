//! The gateway under test: its binary, its configuration, its definitions.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{fs, path};

use serde::Deserialize;
use serde_json::{Value, json};

use super::error::BenchError;
use super::steps::Step;
use super::subject::{Kind, Subject};
use super::tools::fresh;
use crate::build;
use crate::cli::{BuildArgs, PluginArg, Profile, Selection};
use crate::gateway::recording::{self, Recording};
use crate::report::Report;
use crate::repository::Repository;
use crate::toolchain::run;

/// A test crate with [`EMPTY`] and [`HEADER`].
const PLUGINS: &str = "tests/plugins/measured";
/// The plugin that does nothing.
pub(super) const EMPTY: &str = "BenchEmpty";
/// The plugin that sets `X-Bench`.
pub(super) const HEADER: &str = "BenchHeader";

/// The number of the API that is asked: one in the middle, so that it has the same path however many there are.
const ASKED: usize = 2_500;
/// The most APIs there are.
pub(super) const MANY: usize = 5_000;

/// `tyk.conf` and its definitions.
#[derive(Debug, Clone)]
pub(super) struct Conf {
    /// How many APIs there are.
    pub(super) apis: usize,
    /// What runs in the `post` hook of the API that is asked.
    pub(super) plugin: Option<&'static str>,
    /// The API that is asked wants [`KEY`], which has a rate and a quota.
    pub(super) keys: bool,
    /// On which side there is TLS.
    pub(super) tls: Tls,
    /// What the API that is asked uses.
    pub(super) step: Option<&'static Step>,
    /// Each has an API of its own, which is not asked.
    pub(super) beside: &'static [Step],
}

/// Where a gateway speaks TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tls {
    Nowhere,
    /// With its clients, who may choose HTTP/2.
    Clients,
    /// With its upstream, which is another gateway of the bench.
    Upstream {
        /// It asks for HTTP/2.
        http2: bool,
    },
}

/// What TLS with clients is spoken with. Whoever asks takes it for what it is.
const CERTIFICATE: (&str, &str) = (
    include_str!("../../../gateway-runtime/src/tls/testdata/sec1.crt"),
    include_str!("../../../gateway-runtime/src/tls/testdata/sec1.key"),
);

/// The key of the bench, as its clients show it.
pub(super) const KEY: &str = "defaultbench";

/// Opens the control API of the gateway under test, on loopback and for minutes.
pub(super) const SECRET: &str = "of the bench";

impl Conf {
    /// One API, and no plugin.
    pub(super) const PLAIN: Self =
        Self { apis: 1, plugin: None, keys: false, tls: Tls::Nowhere, step: None, beside: &[] };

    /// Of the API that is asked, without the slash that ends it.
    pub(super) fn prefix(&self) -> String {
        format!("/bench-{:04}", self.asked())
    }

    /// What is stored under [`KEY`]: limits that are counted and never reached.
    pub(super) fn session(&self) -> Value {
        let api = format!("bench-{:04}", self.asked());
        json!({
            "org_id": "default",
            "rate": 1_000_000_000, "per": 60,
            "quota_max": 1_000_000_000, "quota_renewal_rate": 3_600,
            "access_rights": { &api: { "api_id": &api, "versions": ["Default"] } },
        })
    }

    fn asked(&self) -> usize {
        if self.apis > 1 { self.apis.min(MANY) / 2 } else { ASKED }
    }

    /// Writes it into a folder, and says where the configuration is.
    ///
    /// # Errors
    /// When the disk says no.
    pub(super) fn write(&self, dir: &Path, port: u16, upstream: SocketAddr) -> Result<PathBuf, BenchError> {
        let apps = path::absolute(dir.join("apps")).map_err(BenchError::io("find", dir))?;
        fresh(&apps)?;
        self.write_definitions(&apps, upstream, 0)?;
        let conf = dir.join("tyk.conf");
        let mut text = json!({
            "listen_address": "127.0.0.1",
            "listen_port": port,
            "secret": SECRET,
            "app_path": apps,
            "log_level": "warn",
            // Idle clients need no connection to the upstream: there may be more of them than it has room for by default.
            "http_server_options": { "max_connections": 12_000 },
        });
        if self.keys {
            // To a file, counters are written once a second, however many requests there were: while valgrind counts, which
            // is slow, that would be most of what it counts. In the process they are counted in the same way.
            text["storage"] = json!({ "type": "memory" });
        }
        match self.tls {
            Tls::Nowhere => {}
            Tls::Clients => {
                let put = |name: &str, content: &str| {
                    let file = dir.join(name);
                    fs::write(&file, content)
                        .and_then(|()| path::absolute(&file))
                        .map_err(BenchError::io("write", &file))
                };
                let (certificate, key) = (put("certificate.pem", CERTIFICATE.0)?, put("key.pem", CERTIFICATE.1)?);
                let options = &mut text["http_server_options"];
                options["use_ssl"] = true.into();
                options["enable_http2"] = true.into();
                options["certificates"] = json!([{ "domain_name": "*", "cert_file": certificate, "key_file": key }]);
            }
            Tls::Upstream { http2 } => {
                text["proxy_ssl_insecure_skip_verify"] = true.into();
                text["proxy_enable_http2"] = http2.into();
            }
        }
        if let Some(step) = self.step {
            step.put_in_configuration(&mut text);
        }
        fs::write(&conf, format!("{text:#}\n")).map_err(BenchError::io("write", &conf))?;
        path::absolute(&conf).map_err(BenchError::io("find", &conf))
    }

    /// Writes the definitions, so that no two generations are the same.
    ///
    /// # Errors
    /// When the disk says no.
    pub(super) fn write_definitions(
        &self,
        apps: &Path,
        upstream: SocketAddr,
        generation: u32,
    ) -> Result<(), BenchError> {
        let numbers = if self.apis == 1 { ASKED..=ASKED } else { 1..=self.apis };
        for number in numbers {
            let mut api = definition(number, upstream, generation);
            if let Tls::Upstream { .. } = self.tls {
                api["proxy"]["target_url"] = format!("https://{upstream}{}/", self.prefix()).into();
            }
            if let Some(plugin) = self.plugin.filter(|_| number == self.asked()) {
                api["custom_middleware"]["post"] = json!([{ "name": plugin, "path": "measured.so" }]);
            }
            if self.keys && number == self.asked() {
                api["use_keyless"] = false.into();
            }
            if let Some(step) = self.step.filter(|_| number == self.asked()) {
                step.put_in_definition(&mut api);
            }
            write_definition(apps, number, &api)?;
        }
        for (number, step) in self.beside.iter().enumerate() {
            let mut api = definition(number, upstream, generation);
            step.put_in_definition(&mut api);
            write_definition(apps, number, &api)?;
        }
        Ok(())
    }
}

fn write_definition(apps: &Path, number: usize, api: &Value) -> Result<(), BenchError> {
    let file = apps.join(format!("{number:04}.json"));
    fs::write(&file, api.to_string()).map_err(BenchError::io("write", &file))
}

fn definition(number: usize, upstream: SocketAddr, generation: u32) -> Value {
    json!({
        "name": format!("Bench {number}, generation {generation}"),
        "api_id": format!("bench-{number:04}"),
        "org_id": "default",
        "active": true,
        "use_keyless": true,
        "version_data": {
            "not_versioned": true,
            "versions": { "Default": { "name": "Default" } },
        },
        "proxy": {
            "listen_path": format!("/bench-{number:04}/"),
            "target_url": format!("http://{upstream}/"),
            "strip_listen_path": true,
        },
        "custom_middleware": { "driver": "goplugin" },
    })
}

/// A gateway to be measured.
#[derive(Debug, Clone)]
pub(super) struct Gateway {
    pub(super) binary: PathBuf,
    /// It has the plugins of the bench.
    pub(super) has_plugins: bool,
}

impl Gateway {
    /// Builds the file that goes out, with the plugins of the bench and no others.
    ///
    /// # Errors
    /// As `cargo xtask build`.
    pub(super) fn build(repository: &Repository, report: &Report) -> Result<Self, BenchError> {
        let (placed, _) = build::build(repository, &Self::arguments(repository, "gateway"), report)?;
        Ok(Self { binary: placed.path, has_plugins: true })
    }

    /// The same gateway, which counts what it runs through, into a folder. Gives the file for what is recorded, too.
    ///
    /// # Errors
    /// As [`Gateway::build`].
    pub(super) fn that_counts(
        repository: &Repository,
        folder: &Path,
        report: &Report,
    ) -> Result<(Self, PathBuf), BenchError> {
        let mut file = PathBuf::new();
        let args = Self::arguments(repository, "gateway-that-counts");
        let (placed, _) = build::build_as(repository, &args, report, |plan, graph| {
            file = recording::file(plan, graph)?;
            plan.recording = Recording::Make(folder.to_owned());
            Ok(())
        })?;
        Ok((Self { binary: placed.path, has_plugins: true }, file))
    }

    fn arguments(repository: &Repository, name: &str) -> BuildArgs {
        let output = Some(repository.work_dir().join("bench").join(name));
        let plugins = vec![PluginArg::Path(repository.root().join(PLUGINS))];
        let selection = Selection { plugins, profile: Some(Profile::Ship), ..Selection::default() };
        BuildArgs { selection, output, verify: false }
    }

    /// Takes one that exists.
    ///
    /// # Errors
    /// When it cannot be asked what it has.
    pub(super) fn at(binary: &Path) -> Result<Self, BenchError> {
        #[derive(Deserialize)]
        struct Linked {
            name: String,
        }
        let missing = || BenchError::NoGateway { path: binary.to_owned() };
        let binary = fs::canonicalize(binary).map_err(|_| missing())?;
        let output = run(Command::new(&binary).args(["plugins", "list", "--json"])).map_err(|_| missing())?;
        let linked: Vec<Linked> = serde_json::from_slice(&output.stdout).map_err(|_| missing())?;
        let has = |name| linked.iter().any(|plugin| plugin.name == name);
        Ok(Self { binary, has_plugins: has(EMPTY) && has(HEADER) })
    }

    /// It with one API.
    pub(super) fn plain(&self) -> Subject {
        self.with("gateway", Conf::PLAIN)
    }

    /// It with an API whose plugin sets the header.
    pub(super) fn header(&self) -> Subject {
        self.with("gateway+plugin", Conf { plugin: Some(HEADER), ..Conf::PLAIN })
    }

    /// It with other definitions, under another name.
    pub(super) fn with(&self, name: &'static str, conf: Conf) -> Subject {
        let sets_header = conf.plugin == Some(HEADER);
        Subject { name, kind: Kind::Gateway { binary: self.binary.clone(), conf }, sets_header }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_path_is_asked_with_one_api_and_with_many() {
        let many = Conf { apis: MANY, ..Conf::PLAIN };
        assert_eq!((Conf::PLAIN.prefix(), many.prefix()), ("/bench-2500".to_owned(), "/bench-2500".to_owned()));
        let dir = tempfile::tempdir().expect("a temporary folder");
        let upstream = "127.0.0.1:9".parse().expect("an address");
        many.write(dir.path(), 1, upstream).expect("written");
        assert_eq!(fs::read_dir(dir.path().join("apps")).expect("there").count(), MANY);
        Conf::PLAIN.write(dir.path(), 1, upstream).expect("written over it");
        let left: Vec<_> = fs::read_dir(dir.path().join("apps")).expect("there").flatten().collect();
        assert_eq!(left.len(), 1);
        let text = fs::read(left[0].path()).expect("a file");
        let api: gateway_model::ApiDefinition = serde_json::from_slice(&text).expect("a definition");
        assert_eq!(api.proxy.listen_path, "/bench-2500/");
    }
}
