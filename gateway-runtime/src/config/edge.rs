//! The client's side of the configuration: hosts, TLS, client certificates. Source: Tyk, `config/config.go`,
//! `gateway/server.go`.

use std::path::{Path, PathBuf};
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
    operators: Option<&Arc<Allowed>>,
    remarks: &mut Remarks<'_>,
) -> Edge {
    let server = &raw.http_server_options;
    let apart = raw.control_api_port != 0;
    let operators = operators.map(|allowed| Operators { allowed: Arc::clone(allowed), apart });
    let hostname = host_mistake(&raw.hostname).map_err(str::to_owned);
    if let Err(reason) = hostname.and_then(|()| Host::new(&raw.hostname).map_err(|error| mistake(&error))) {
        remarks.error("hostname", reason);
    }
    let file = |(at, file): (usize, &String)| (format!("security.certificates.apis[{at}]"), PathBuf::from(file));
    let clients: Arc<[(String, PathBuf)]> = raw.security.certificates.apis.iter().enumerate().map(file).collect();
    for (path, file) in clients.iter() {
        if let Err(error) = Allowed::read(file) {
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
    Edge {
        custom_domains: raw.enable_custom_domains,
        hostname: (!raw.hostname.is_empty()).then(|| raw.hostname.as_str().into()),
        clients,
        certificates,
        tls: if server.use_ssl { tls(server, operators, remarks).map(Arc::new) } else { None },
    }
}

/// Who may call the control API, if not everybody who has the secret. A gateway that would let nobody in, or everybody,
/// does not start.
pub(super) fn operators(raw: &Raw, remarks: &mut Remarks<'_>) -> Option<Arc<Allowed>> {
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
        let reason = "asks for client certificates, and none is allowed; name PEM files in \
                      `security.certificates.control_api`";
        remarks.error(SWITCH, reason);
    }
    let mut list = Vec::new();
    for (at, file) in files.iter().enumerate() {
        match Allowed::read(Path::new(file)) {
            Ok(certificates) => list.extend(certificates),
            Err(error) => remarks.error(&format!("security.certificates.control_api[{at}]"), error.to_string()),
        }
    }
    Some(Arc::new(Allowed::new(list, &Arc::new(ring::default_provider()))))
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
fn tls(server: &RawServer, operators: Option<Operators>, remarks: &mut Remarks<'_>) -> Option<TlsSettings> {
    let certificates = pairs(server);
    if certificates.is_empty() {
        let reason = "is set, and there is no certificate; name one with its key in `http_server_options.certificates`";
        remarks.error("http_server_options.use_ssl", reason);
    }
    for pair in &certificates {
        match pair.load() {
            Ok(identity) => {
                let warning = identity.ended.map(|ended| format!("{}: {ended}", pair.certificate.display()));
                warning.into_iter().for_each(|warning| remarks.warning(&pair.paths[0], warning));
            }
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
mod tests {
    use super::super::{parse, tests::told};
    use super::*;
    use crate::tls::testing::{self, Folder};

    /// The configuration with these members of `http_server_options`, and a certificate that is right.
    fn read(members: &str) -> Result<(Edge, Vec<String>), Vec<String>> {
        let folder = Folder::new();
        let made = testing::server(&["a.example.com"]);
        let file = folder.written("both.pem", &format!("{}{}", made.key, made.certificate));
        let text = format!(
            "{{\"secret\":\"s\",\n\"http_server_options\":{{\"use_ssl\":true,\"ssl_certificates\":[\"{}\"],\n{members}}}}}",
            file.display()
        );
        let parsed = parse(Some("tyk.conf"), &text, []);
        parsed.map(|(config, warnings)| (config.edge, told(&warnings))).map_err(|errors| told(&errors))
    }

    fn settings(members: &str) -> (Arc<TlsSettings>, Vec<String>) {
        let (edge, warnings) = read(members).expect("it is right");
        (edge.tls.expect("TLS is on"), warnings)
    }

    #[test]
    fn versions_are_gos_numbers_and_those_that_rustls_lacks_are_refused_with_the_reason() {
        let known = |members: &str| {
            let versions = settings(members).0.versions.iter().map(|v| format!("{:?}", v.version)).collect::<Vec<_>>();
            versions.join(" ")
        };
        assert_eq!(known(r#""min_version":0"#), "TLSv1_3 TLSv1_2");
        assert_eq!(known(r#""min_version":772"#), "TLSv1_3");
        assert_eq!(known(r#""min_version":771,"max_version":771"#), "TLSv1_2");
        for (members, expected) in [
            (
                r#""min_version":769"#,
                "tyk.conf:3:15: http_server_options.min_version: 769 is TLS 1.0, which is broken and which rustls does \
                 not have; use 771 (TLS 1.2) or 772 (TLS 1.3)",
            ),
            (
                r#""max_version":12"#,
                "tyk.conf:3:15: http_server_options.max_version: 12 is no version of TLS; use 771 (TLS 1.2) or 772 (TLS \
                 1.3)",
            ),
            (
                r#""min_version":772,"max_version":771"#,
                "tyk.conf:3:33: http_server_options.max_version: 771 is older than `min_version` 772; no client could \
                 connect",
            ),
        ] {
            assert_eq!(read(members).map(drop).expect_err("it is wrong"), [expected]);
        }
    }

    #[test]
    fn ciphers_are_chosen_by_gos_names_and_unknown_ones_are_told() {
        let (tls, warnings) = settings(
            r#""ssl_ciphers":["TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305","TLS_RSA_WITH_AES_128_CBC_SHA","TLS_AES_128_GCM_SHA256"]"#,
        );
        let names: Vec<String> = tls.provider.cipher_suites.iter().map(|suite| name(*suite)).collect();
        let expected = [
            "TLS_AES_256_GCM_SHA384",
            "TLS_AES_128_GCM_SHA256",
            "TLS_CHACHA20_POLY1305_SHA256",
            "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256",
        ];
        assert_eq!(names, expected);
        let told = "tyk.conf:3:55: http_server_options.ssl_ciphers[1]: `TLS_RSA_WITH_AES_128_CBC_SHA` is not offered; \
                    this gateway has TLS_AES_256_GCM_SHA384, ";
        assert!(matches!(&warnings[..], [one] if one.starts_with(told)), "{warnings:?}");
    }

    #[test]
    fn a_list_of_ciphers_that_leaves_a_version_without_any_is_refused() {
        let told = read(r#""ssl_ciphers":["NULL"]"#).map(drop).expect_err("it is wrong");
        assert!(told[0].contains("for TLSv1_2, which `min_version` allows; name one of TLS_ECDHE_"), "{told:?}");
        assert!(read(r#""ssl_ciphers":["NULL"],"min_version":772"#).is_ok());
    }

    #[test]
    fn a_certificate_that_cannot_be_used_is_told_with_its_place() {
        let refused = read(r#""certificates":[{"domain_name":"x","cert_file":"/none.crt","key_file":"/none.key"}]"#);
        let expected = "tyk.conf:3:48: http_server_options.certificates[0].cert_file: /none.crt: No such file or \
                        directory (os error 2); name a PEM file that the gateway may read";
        assert_eq!(refused.map(drop).expect_err("it is wrong"), [expected]);
        let variable = ("TYK_GW_HTTPSERVEROPTIONS_SSLCERTIFICATES".into(), "/none.pem".into());
        let text = r#"{"secret":"s","http_server_options":{"use_ssl":true}}"#;
        let told = told(&parse(Some("tyk.conf"), text, [variable]).expect_err("it is wrong"));
        assert!(told[0].starts_with("TYK_GW_HTTPSERVEROPTIONS_SSLCERTIFICATES: [0]: /none.pem: No such"), "{told:?}");
    }

    #[test]
    fn tls_without_a_certificate_is_refused_and_without_tls_none_is_looked_at() {
        let text = r#"{"secret":"s","http_server_options":{"use_ssl":true}}"#;
        let told = told(&parse(Some("tyk.conf"), text, []).expect_err("it is wrong"));
        assert!(told[0].starts_with("tyk.conf:1:48: http_server_options.use_ssl: is set, and there is no certificate"));
        let text = r#"{"secret":"s","http_server_options":{"ssl_certificates":["/none.pem"],"certificates":[]}}"#;
        let (_, warnings) = parse(Some("tyk.conf"), text, []).expect("it is not looked at");
        let warnings = super::super::tests::told(&warnings);
        let place =
            "tyk.conf:1:57: http_server_options.ssl_certificates: has no effect: clients are served without TLS";
        assert!(matches!(&warnings[..], [one] if one.starts_with(place)), "{warnings:?}");
    }

    #[test]
    fn a_hostname_is_a_host_or_a_pattern_of_one() {
        let told = |hostname: &str| {
            let text = format!(r#"{{"secret":"s","hostname":"{hostname}"}}"#);
            parse(Some("tyk.conf"), &text, []).map(drop).map_err(|errors| told(&errors))
        };
        assert_eq!(told("{tenant}.example.com"), Ok(()));
        let wrong = told("{a:[}.com").expect_err("wrong");
        assert_eq!(wrong, ["tyk.conf:1:26: hostname: not a regular expression: unclosed character class"]);
        assert!(told("https://a.com/").expect_err("wrong")[0].contains("hostname: is not a host; write it as"));
    }

    #[test]
    fn a_certificate_without_its_files_names_is_told_what_is_missing() {
        let refused = read(r#""certificates":[{"cert":"/a.pem"}]"#).map(drop).expect_err("it is wrong");
        let expected = "http_server_options.certificates[0].cert_file: is missing, or empty; name a PEM file that the \
                        gateway may read";
        assert!(refused[0].ends_with(expected), "{refused:?}");
    }

    #[test]
    fn the_clients_of_every_api_are_files_that_can_be_read() {
        let text = r#"{"secret":"s","security":{"certificates":{"apis":["/none.pem"]}}}"#;
        let told = told(&parse(Some("tyk.conf"), text, []).expect_err("it is wrong"));
        assert!(
            told[0].starts_with("tyk.conf:1:51: security.certificates.apis[0]: /none.pem: No such file"),
            "{told:?}"
        );
    }
}
