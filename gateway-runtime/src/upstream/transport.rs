//! How the requests of one API travel: over TLS or not, by which protocol, through which proxy.
//!
//! Decided when the API loads: all that a name can ask for is made then, and a request only looks it up.
//! Source: Tyk, `gateway/reverse_proxy.go`, `gateway/api_loader.go`, `gateway/cert.go`.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use gateway_model::{ApiDefinition, JsonPath, Severity, tls_version};
use gateway_sdk::{HeaderValue, Uri};

use crate::certificates::{Certificates, Looked};
use crate::config::Outbound;
use crate::tls::client::{FileError, Identity, Named, Pin, Policy, Suite, TLS12, TLS13, TlsClient, pins, suite};

/// A remark about a field: severity, path, reason.
pub(crate) type Told = (Severity, String, String);

/// How an API reaches upstreams.
#[derive(Debug)]
pub(crate) struct Transport {
    /// Plain upstreams are spoken to by HTTP/2.
    pub(super) h2c: bool,
    pub(super) proxy: Option<Arc<ForwardProxy>>,
    identities: Names,
    pins: Names,
    /// One for each identity and pin, and for neither.
    clients: Vec<Arc<TlsClient>>,
    files: Vec<(PathBuf, Option<Stamp>)>,
}

/// A proxy between the gateway and upstreams: `proxy.transport.proxy_url`.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(crate) struct ForwardProxy {
    pub(super) host: String,
    pub(super) port: u16,
    /// `Proxy-Authorization`, of the credentials in the URL.
    pub(super) authorization: Option<HeaderValue>,
}

/// What is left of what was read, to know whether it is the same still.
#[derive(Debug, PartialEq, Eq)]
enum Stamp {
    File(SystemTime, u64),
    Stored([u8; 32]),
}

impl Transport {
    /// What a definition asks for, on top of what the gateway does for all.
    ///
    /// # Errors
    /// What cannot be done, with the field that asks for it. Warnings go into `told` in any case.
    pub(crate) fn of(api: &ApiDefinition, outbound: &Outbound, told: &mut Vec<Told>) -> Option<Self> {
        let mut reader = Reader { told, store: &outbound.store, broken: false, files: Vec::new() };
        // Others were refused when the definition was read.
        let h2c = api.protocol.trim() == "h2c";
        let proxy = reader.proxy(&api.proxy.transport.proxy_url);
        let own = |map, off: bool| if off { None } else { Some(map) };
        let certificates = own(&api.upstream_certificates, api.upstream_certificates_disabled);
        let keys = own(&api.pinned_public_keys, api.certificate_pinning_disabled);
        let (identities, shown) =
            Names::read(&outbound.certificates, certificates, |name, file| reader.identity(name, file));
        let (pins, pinned) = Names::read(&outbound.pins, keys, |name, list| reader.pins(name, list));
        let base = reader.policy(api, outbound);
        let mut clients = Vec::new();
        for identity in [None].into_iter().chain(shown.into_iter().map(Some)) {
            for pins in [None].into_iter().chain(pinned.iter().map(Some)) {
                let pins = pins.cloned().unwrap_or_default();
                let policy = Policy { identity: identity.clone(), pins, ..base.clone() };
                match TlsClient::of(&policy) {
                    Ok(client) => clients.push(client),
                    Err(error) => reader.error("upstream_certificates".to_owned(), error.to_string()),
                }
            }
        }
        let Reader { broken, files, .. } = reader;
        (!broken).then_some(Self { h2c, proxy, identities, pins, clients, files })
    }

    /// What the gateway does where no definition says anything.
    ///
    /// # Errors
    /// What is wrong in the configuration.
    pub(crate) fn plain(outbound: &Outbound) -> Result<Self, String> {
        let mut told = Vec::new();
        let transport = Self::of(&ApiDefinition::default(), outbound, &mut told);
        let reason = || told.into_iter().map(|(_, path, reason)| format!("{path}: {reason}")).collect::<Vec<_>>();
        transport.ok_or_else(|| reason().join("; "))
    }

    /// How TLS is spoken with a server.
    pub(super) fn tls(&self, host: &str, port: u16) -> &Arc<TlsClient> {
        let row = self.identities.find(host, port).map_or(0, |at| at + 1);
        let column = self.pins.find(host, port).map_or(0, |at| at + 1);
        &self.clients[row * (self.pins.count + 1) + column]
    }

    /// Whether the files that were read are the same still: a renewed certificate is a new one.
    pub(crate) fn is_current(&self, store: &Certificates) -> bool {
        self.files.iter().all(|(file, stamp)| stamp_of(file, store) == *stamp)
    }
}

fn stamp_of(file: &Path, store: &Certificates) -> Option<Stamp> {
    if let Some(Looked::Found(stored)) = file.to_str().and_then(|id| store.loaded(id)) {
        return Some(Stamp::Stored(stored.digest));
    }
    let metadata = std::fs::metadata(file).ok()?;
    Some(Stamp::File(metadata.modified().ok()?, metadata.len()))
}

/// Which of several things is for a server, by its name. The definition's come after the gateway's, and win.
#[derive(Debug, Default)]
struct Names {
    maps: [HashMap<String, usize>; 2],
    count: usize,
}

impl Names {
    /// Reads both maps; what cannot be read has no place in either.
    fn read<T>(
        global: &BTreeMap<String, String>,
        own: Option<&BTreeMap<String, String>>,
        mut read: impl FnMut(&str, &str) -> Option<T>,
    ) -> (Self, Vec<T>) {
        let mut names = Self::default();
        let mut found = Vec::new();
        let empty = BTreeMap::new();
        for (map, written) in names.maps.iter_mut().zip([global, own.unwrap_or(&empty)]) {
            for (name, value) in written.iter().filter(|(_, value)| !value.is_empty()) {
                if let Some(value) = read(name, value) {
                    map.insert(name.to_ascii_lowercase(), found.len());
                    found.push(value);
                }
            }
        }
        names.count = found.len();
        (names, found)
    }

    fn find(&self, host: &str, port: u16) -> Option<usize> {
        if self.count == 0 {
            return None;
        }
        let host = host.to_ascii_lowercase();
        let wildcard = host.split_once('.').map(|(_, domain)| format!("*.{domain}")).unwrap_or_default();
        let exact = format!("{host}:{port}");
        let in_map = |map: &HashMap<String, usize>| {
            [&exact, &host, &wildcard, "*"].into_iter().find_map(|name: &str| map.get(name).copied())
        };
        self.maps.iter().rev().find_map(in_map)
    }
}

/// Reads fields, and remembers what is wrong with them.
struct Reader<'a> {
    told: &'a mut Vec<Told>,
    store: &'a Certificates,
    broken: bool,
    files: Vec<(PathBuf, Option<Stamp>)>,
}

impl Reader<'_> {
    fn error(&mut self, path: String, reason: String) {
        self.broken = true;
        self.told.push((Severity::Error, path, reason));
    }

    /// No upstream is called without what it is to be shown, or pinned by: whoever answered would be believed. Nothing is
    /// said before the store was asked.
    fn tell(&mut self, path: String, error: &FileError) {
        if error.severity().is_some() {
            self.error(path, error.to_string());
        }
    }

    fn warn(&mut self, path: &str, reason: &str) {
        self.told.push((Severity::Warning, path.to_owned(), reason.to_owned()));
    }

    fn proxy(&mut self, url: &str) -> Option<Arc<ForwardProxy>> {
        if url.is_empty() {
            return None;
        }
        let proxy = ForwardProxy::parse(url).map(Arc::new);
        proxy.map_err(|reason| self.error("proxy.transport.proxy_url".to_owned(), reason)).ok()
    }

    fn identity(&mut self, name: &str, file: &str) -> Option<Arc<Identity>> {
        self.remember(file);
        let read = Identity::read(file, self.store).map(Arc::new);
        read.map_err(|error| self.tell(at("upstream_certificates", name), &error)).ok()
    }

    fn pins(&mut self, name: &str, list: &str) -> Option<Vec<Pin>> {
        list.split(',').map(str::trim).for_each(|file| self.remember(file));
        pins(list, self.store).map_err(|error| self.tell(at("pinned_public_keys", name), &error)).ok()
    }

    fn remember(&mut self, file: &str) {
        let file = PathBuf::from(file);
        let stamp = stamp_of(&file, self.store);
        self.files.push((file, stamp));
    }

    fn policy(&mut self, api: &ApiDefinition, outbound: &Outbound) -> Policy {
        const INSECURE: &str = "anybody is taken for the upstream: who is on the way can read and change everything; \
                                name the issuer with `proxy_ssl_ca_file`, or pin the key";
        let transport = &api.proxy.transport;
        if transport.ssl_insecure_skip_verify {
            self.warn("proxy.transport.ssl_insecure_skip_verify", INSECURE);
        }
        let insecure = outbound.insecure || transport.ssl_insecure_skip_verify;
        let lowest = self.version("ssl_min_version", &transport.ssl_min_version).or(outbound.lowest).unwrap_or(TLS12);
        // Whatever is asked for as the highest is 1.2. Source: Tyk, `gateway/api_loader.go`.
        let highest = self.version("ssl_max_version", &transport.ssl_max_version).map(|_| TLS12.max(lowest));
        let own = self.suites(&transport.ssl_ciphers);
        Policy {
            roots: (!insecure).then(|| outbound.roots.clone()),
            common_name: outbound.common_name || transport.ssl_force_common_name_check,
            pins: Vec::new(),
            identity: None,
            versions: (lowest, highest.or(outbound.highest).unwrap_or(TLS13)),
            suites: if own.is_empty() { outbound.suites.clone() } else { own },
            http2: outbound.http2,
        }
    }

    fn version(&mut self, field: &str, value: &serde_json::Value) -> Option<u16> {
        tls_version(value).unwrap_or_else(|reason| {
            self.error(format!("proxy.transport.{field}"), reason);
            None
        })
    }

    fn suites(&mut self, names: &[String]) -> Vec<Suite> {
        let mut remarks = Vec::new();
        let suites = read_suites(names, |index, severity, reason| remarks.push((index, severity, reason)));
        for (index, severity, reason) in remarks {
            self.broken |= severity == Severity::Error;
            self.told.push((severity, format!("proxy.transport.ssl_ciphers[{index}]"), reason));
        }
        suites
    }
}

/// Cipher suites by their names; what is wrong with one is told with its place.
pub(crate) fn read_suites(names: &[String], mut tell: impl FnMut(usize, Severity, String)) -> Vec<Suite> {
    let mut suites = Vec::new();
    let mut lost = 0;
    for (index, name) in names.iter().enumerate() {
        match suite(name) {
            Named::Suite(suite) => suites.push(suite),
            Named::Always => {}
            Named::Weak => {
                lost += 1;
                tell(index, Severity::Warning, format!("`{name}` is too weak to be offered, and left out"));
            }
            Named::Unknown => {
                let example = "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256";
                tell(
                    index,
                    Severity::Error,
                    format!("no cipher suite is named `{name}`; names are such as `{example}`"),
                );
            }
        }
    }
    if lost > 0 && suites.is_empty() {
        let reason = "none of the cipher suites can be offered; add one with `ECDHE` and `GCM` or `CHACHA20`";
        tell(0, Severity::Error, reason.to_owned());
    }
    suites
}

fn at(field: &str, name: &str) -> String {
    JsonPath::default().key(field).key(name).to_string()
}

impl ForwardProxy {
    fn parse(url: &str) -> Result<Self, String> {
        let uri: Uri = url.parse().map_err(|error| format!("not a URL: {error}"))?;
        match uri.scheme_str() {
            Some("http") => {}
            Some(other) => return Err(format!("`{other}` proxies are not served; write `http://host:port`")),
            None => return Err("no scheme: write `http://host:port`".to_owned()),
        }
        let authority = uri.authority().filter(|authority| !authority.host().is_empty());
        let authority = authority.ok_or("no host: write `http://host:port`")?;
        let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_owned();
        let authorization = match authority.as_str().rsplit_once('@') {
            None => None,
            Some((credentials, _)) => Some(basic(credentials)?),
        };
        Ok(Self { host, port: authority.port_u16().unwrap_or(80), authorization })
    }
}

/// `Basic` authentication, as RFC 7617 writes it.
fn basic(credentials: &str) -> Result<HeaderValue, String> {
    let plain: Vec<u8> = percent_encoding::percent_decode_str(credentials).collect();
    let mut value =
        HeaderValue::try_from(format!("Basic {}", BASE64_STANDARD.encode(plain))).map_err(|error| error.to_string())?;
    value.set_sensitive(true);
    Ok(value)
}
