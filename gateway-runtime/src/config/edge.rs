//! The client's side of the configuration: hosts, TLS, client certificates. Source: Tyk, `config/config.go`,
//! `gateway/server.go`.

use std::path::PathBuf;
use std::sync::Arc;

use gateway_model::host_mistake;
use rustls::crypto::{CryptoProvider, ring};
use rustls::{CipherSuite, ProtocolVersion, SupportedCipherSuite, SupportedProtocolVersion};
use serde::Deserialize;

use super::outbound::Names;
use super::remark::Remarks;
use super::storage::read_secret;
use super::{Raw, RawServer};
use crate::apis::host::Host;
use crate::apis::listen_path::mistake;
use crate::certificates::Certificates;
use crate::storage::Secret;
use crate::tls::certificates::Pair;
use crate::tls::clients::Allowed;
use crate::tls::{Operators, TlsSettings};

#[derive(Debug, Default, Deserialize)]
#[cfg_attr(test, derive(serde::Serialize))]
#[serde(default, expecting = "an object")]
pub(super) struct RawCertificate {
    domain_name: String,
    cert_file: String,
    key_file: String,
}

#[derive(Debug, Default, Deserialize)]
#[cfg_attr(test, derive(serde::Serialize))]
#[serde(default, expecting = "an object")]
pub(super) struct RawSecurity {
    control_api_use_mutual_tls: bool,
    pub(super) allow_unsafe_dynamic_mtls_token: bool,
    /// Empty: the secret of the control API.
    private_certificate_encoding_secret: String,
    pub(super) certificates: RawCertificates,
    pub(super) pinned_public_keys: Names,
}

#[derive(Debug, Default, Deserialize)]
#[cfg_attr(test, derive(serde::Serialize))]
#[serde(default, expecting = "an object")]
pub(super) struct RawCertificates {
    apis: Vec<String>,
    control_api: Vec<String>,
    pub(super) upstream: Names,
}

/// The client's side of the gateway, as far as definitions meet it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Edge {
    /// `domain` of definitions is honoured.
    pub(crate) custom_domains: bool,
    /// The host of the APIs that have none of their own; `None` is any.
    pub(crate) hostname: Option<Arc<str>>,
    /// Client certificates that every API allows which asks for one, with the paths of their keys.
    pub(crate) clients: Arc<[(String, PathBuf)]>,
    /// Those in the store.
    pub(crate) certificates: Certificates,
    /// `None`: the gateway speaks plain HTTP.
    pub(crate) tls: Option<Arc<TlsSettings>>,
}

/// Certificates in the store, and what of the configuration may name them. Source: gateway.md §1.2.
pub(super) fn certificates(
    raw: &Raw,
    secret: &str,
    variables: &[(String, String)],
    remarks: &mut Remarks<'_>,
) -> Certificates {
    let RawSecurity { private_certificate_encoding_secret: own, certificates, .. } = &raw.security;
    let own = read_secret("security.private_certificate_encoding_secret", own, variables, remarks);
    let secret = if own.0.is_empty() { Secret(secret.to_owned()) } else { own };
    let lists = [&raw.http_server_options.ssl_certificates, &certificates.apis, &certificates.control_api];
    let names = lists.into_iter().flatten().chain(certificates.upstream.0.values());
    Certificates::new(secret, names.map(String::as_str))
}

pub(super) fn resolve(
    raw: &Raw,
    certificates: Certificates,
    operators: Option<&Arc<Operators>>,
    remarks: &mut Remarks<'_>,
) -> Edge {
    let server = &raw.http_server_options;
    let hostname = host_mistake(&raw.hostname).map_err(str::to_owned);
    if let Err(reason) = hostname.and_then(|()| Host::new(&raw.hostname).map_err(|error| mistake(&error))) {
        remarks.error("hostname", reason);
    }
    let file = |(at, file): (usize, &String)| (format!("security.certificates.apis[{at}]"), PathBuf::from(file));
    let clients: Arc<[(String, PathBuf)]> = raw.security.certificates.apis.iter().enumerate().map(file).collect();
    for (path, file) in clients.iter() {
        if let Err(error) = Allowed::read(file, &certificates)
            && !error.is_missing()
        {
            remarks.error(path, error.to_string());
        }
    }
    if server.ssl_insecure_skip_verify {
        let reason =
            "has no effect on a listener, here as in Tyk: whose certificates are shown to it is a matter of each API";
        remarks.warning("http_server_options.ssl_insecure_skip_verify", reason);
    }
    if !server.use_ssl {
        told_to_be_idle(server, remarks);
    }
    let tls = if server.use_ssl { tls(server, &certificates, operators.cloned(), remarks) } else { None };
    Edge {
        custom_domains: raw.enable_custom_domains,
        hostname: (!raw.hostname.is_empty()).then(|| raw.hostname.as_str().into()),
        clients,
        certificates,
        tls: tls.map(Arc::new),
    }
}

/// Who may call the control API, if not everybody who has the secret. A gateway that would let nobody in, or everybody,
/// does not start.
pub(super) fn operators(raw: &Raw, certificates: &Certificates, remarks: &mut Remarks<'_>) -> Option<Arc<Operators>> {
    const SWITCH: &str = "security.control_api_use_mutual_tls";
    let files = &raw.security.certificates.control_api;
    if !raw.security.control_api_use_mutual_tls {
        if !files.is_empty() {
            let reason = "has no effect: `security.control_api_use_mutual_tls` is false";
            remarks.warning("security.certificates.control_api", reason);
        }
        return None;
    }
    if !raw.http_server_options.use_ssl {
        let reason = "asks for client certificates, and the gateway has no TLS; set `http_server_options.use_ssl`";
        remarks.error(SWITCH, reason);
    }
    if files.is_empty() {
        let reason = "asks for client certificates, and none is allowed; name PEM files, or certificates in the store, in \
                      `security.certificates.control_api`";
        remarks.error(SWITCH, reason);
    }
    let named =
        |(at, file): (usize, &String)| (format!("security.certificates.control_api[{at}]"), PathBuf::from(file));
    let operators = Operators::new(files.iter().enumerate().map(named).collect(), raw.control_api_port != 0);
    for (path, error) in operators.read(certificates).iter().filter(|(_, error)| !error.is_missing()) {
        remarks.error(path, error.to_string());
    }
    Some(Arc::new(operators))
}

/// Whoever names certificates may think that TLS is on.
fn told_to_be_idle(server: &RawServer, remarks: &mut Remarks<'_>) {
    let set = [
        ("certificates", !server.certificates.is_empty()),
        ("ssl_certificates", !server.ssl_certificates.is_empty()),
        ("min_version", server.min_version != 0),
        ("max_version", server.max_version != 0),
        ("ssl_ciphers", !server.ssl_ciphers.is_empty()),
    ];
    for (key, _) in set.into_iter().filter(|(_, set)| *set) {
        let reason = "has no effect: clients are served without TLS; set `http_server_options.use_ssl`, or remove it";
        remarks.warning(&format!("http_server_options.{key}"), reason);
    }
}

/// `None` if there was an error.
fn tls(
    server: &RawServer,
    from: &Certificates,
    operators: Option<Arc<Operators>>,
    remarks: &mut Remarks<'_>,
) -> Option<TlsSettings> {
    let certificates = pairs(server);
    if certificates.is_empty() {
        let reason = "is set, and there is no certificate; name one with its key in `http_server_options.certificates`";
        remarks.error("http_server_options.use_ssl", reason);
    }
    for pair in &certificates {
        match pair.load(from) {
            Ok(identity) => {
                let warning = identity.ended.map(|ended| format!("{}: {ended}", pair.certificate.display()));
                warning.into_iter().for_each(|warning| remarks.warning(&pair.paths[0], warning));
            }
            Err((_, error)) if error.is_missing() => {}
            Err((path, error)) => remarks.error(path, error.to_string()),
        }
    }
    let versions = versions(server, remarks)?;
    let provider = provider(server, &versions, remarks)?;
    Some(TlsSettings {
        certificates,
        versions,
        provider: Arc::new(provider),
        http2: server.enable_http2,
        announce: !server.skip_client_ca_announcement,
        operators,
        server_name: (!server.server_name.is_empty()).then(|| server.server_name.clone()),
    })
}

/// The certificates with keys of their own, then the files with both.
fn pairs(server: &RawServer) -> Vec<Pair> {
    let apart = server.certificates.iter().enumerate().map(|(at, raw)| {
        let path = |key: &str| format!("http_server_options.certificates[{at}].{key}");
        Pair {
            certificate: PathBuf::from(&raw.cert_file),
            key: PathBuf::from(&raw.key_file),
            domain: (!raw.domain_name.is_empty()).then(|| raw.domain_name.clone()),
            paths: [path("cert_file"), path("key_file")],
        }
    });
    let joined = server.ssl_certificates.iter().enumerate().map(|(at, file)| {
        let path = format!("http_server_options.ssl_certificates[{at}]");
        Pair { certificate: file.into(), key: file.into(), domain: None, paths: [path.clone(), path] }
    });
    apart.chain(joined).collect()
}

/// TLS 1.2 to 1.3, by Go's numbers, which are those of the protocol. `None` if there was an error.
fn versions(server: &RawServer, remarks: &mut Remarks<'_>) -> Option<Vec<&'static SupportedProtocolVersion>> {
    const NUMBERS: &str = "771 (TLS 1.2) or 772 (TLS 1.3)";
    let (oldest, newest) = (u16::from(ProtocolVersion::TLSv1_2), u16::from(ProtocolVersion::TLSv1_3));
    let mut number = |key: &str, number: u16, default: u16| {
        let path = format!("http_server_options.{key}");
        match number {
            0 => Some(default),
            _ if (oldest..=newest).contains(&number) => Some(number),
            769 | 770 => {
                let name = if number == 769 { "1.0" } else { "1.1" };
                let reason =
                    format!("{number} is TLS {name}, which is broken and which rustls does not have; use {NUMBERS}");
                remarks.error(&path, reason);
                None
            }
            _ => {
                remarks.error(&path, format!("{number} is no version of TLS; use {NUMBERS}"));
                None
            }
        }
    };
    let (min, max) =
        (number("min_version", server.min_version, oldest), number("max_version", server.max_version, newest));
    let (min, max) = (min?, max?);
    if min > max {
        let reason = format!("{max} is older than `min_version` {min}; no client could connect");
        remarks.error("http_server_options.max_version", reason);
        return None;
    }
    let is_wanted = |known: &&&SupportedProtocolVersion| (min..=max).contains(&u16::from(known.version));
    Some(rustls::ALL_VERSIONS.iter().filter(is_wanted).copied().collect())
}

/// The cipher suites that are asked for. Those of TLS 1.3 are always there, as in Go. `None` if there was an error.
fn provider(
    server: &RawServer,
    versions: &[&'static SupportedProtocolVersion],
    remarks: &mut Remarks<'_>,
) -> Option<CryptoProvider> {
    let mut provider = ring::default_provider();
    if server.ssl_ciphers.is_empty() {
        return Some(provider);
    }
    let known: Vec<String> = provider.cipher_suites.iter().map(|suite| name(*suite)).collect();
    let mut wanted = Vec::new();
    for (at, asked) in server.ssl_ciphers.iter().enumerate() {
        // Go has an older name for two of them.
        let found = known.iter().find(|name| *name == asked || name.strip_suffix("_SHA256") == Some(asked));
        match found {
            Some(name) => wanted.push(name.clone()),
            None => {
                let path = format!("http_server_options.ssl_ciphers[{at}]");
                let reason = format!("`{asked}` is not offered; this gateway has {}", known.join(", "));
                remarks.warning(&path, reason);
            }
        }
    }
    let is_1_3 = |suite: &SupportedCipherSuite| suite.tls13().is_some();
    provider.cipher_suites.retain(|suite| is_1_3(suite) || wanted.contains(&name(*suite)));
    let usable = |version: &&SupportedProtocolVersion| provider.cipher_suites.iter().any(|s| s.version() == *version);
    if let Some(without) = versions.iter().find(|version| !usable(version)) {
        let all = ring::default_provider().cipher_suites;
        let fitting: Vec<String> = all.iter().filter(|s| s.version() == *without).map(|s| name(*s)).collect();
        let reason = format!(
            "none of them is for {:?}, which `min_version` allows; name one of {}, or set `min_version` to 772",
            without.version,
            fitting.join(", ")
        );
        remarks.error("http_server_options.ssl_ciphers", reason);
        return None;
    }
    Some(provider)
}

/// A cipher suite by the name that IANA and Go have for it.
fn name(suite: SupportedCipherSuite) -> String {
    let name = |suite: CipherSuite| suite.as_str().unwrap_or_default().replace("TLS13_", "TLS_");
    name(suite.suite())
}

#[cfg(test)]
mod tests;
