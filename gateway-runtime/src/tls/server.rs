//! What handshakes are done with: certificates by name, and whether clients must show one of theirs. Made at load and at
//! every reload, and swapped whole: a connection that is there keeps what it was made with.
//!
//! Source: Tyk, `gateway/cert.go`.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arc_swap::ArcSwap;
use rustc_hash::FxHashMap;
use rustls::ServerConfig;
use rustls::server::{ClientHello, ResolvesServerCert, ServerSessionMemoryCache};
use rustls::sign::CertifiedKey;

use super::TlsSettings;
use super::certificates::{Identity, Pair};
use super::clients::{Allowed, Asked};
use crate::apis::compile::Api;
use crate::apis::host::{Host, Hosts, key, normal, without_port};
use crate::apis::table::Table;
use crate::certificates::Certificates;
use crate::gateway::Entrance;

/// Sessions that may be resumed: for domains that ask for no certificate, and for each that does.
const SESSIONS: usize = 4096;
const SESSIONS_WITH_CLIENTS: usize = 256;
/// What a listener speaks, as ALPN names it.
pub(super) const HTTP_2: &[u8] = b"h2";
const HTTP_1: &[u8] = b"http/1.1";

/// The TLS side of the listeners.
#[derive(Debug)]
pub(crate) struct Tls {
    settings: Arc<TlsSettings>,
    certificates: Certificates,
    current: ArcSwap<Current>,
    /// Handshakes that came to nothing.
    pub(super) failures: AtomicU64,
}

/// What was loaded last.
#[derive(Debug)]
struct Current {
    /// In the order of the settings; `None` is not in the store yet.
    own: Vec<Option<Arc<Identity>>>,
    /// For names without an API of their own, and clients that tell none.
    fallback: Arc<ServerConfig>,
    /// For the port of the control API.
    control: Arc<ServerConfig>,
    domains: Hosts<Arc<ServerConfig>>,
}

/// There is nothing to do handshakes with.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TlsError {
    #[error("{0}")]
    Certificate(String),
    #[error(
        "`http_server_options.use_ssl` is set, and there is no certificate; name a file in \
         `http_server_options.certificates`, or add what `ssl_certificates` names to the store by a gateway that serves"
    )]
    NoCertificate,
    #[error("TLS cannot be set up with these versions and ciphers: {0}")]
    Setup(#[from] rustls::Error),
}

impl Tls {
    /// Reads the certificates of the settings.
    ///
    /// # Errors
    /// When one cannot be used.
    pub(crate) fn new(
        settings: &Arc<TlsSettings>,
        certificates: &Certificates,
        table: &Table,
    ) -> Result<Self, TlsError> {
        let load = |pair: &Pair| match pair.load(certificates) {
            Ok(identity) => Ok(Some(Arc::new(identity))),
            Err((path, error)) if error.is_of_store() => {
                tracing::warn!(path, %error, "certificate");
                Ok(None)
            }
            Err((path, error)) => Err(TlsError::Certificate(format!("{path}: {error}"))),
        };
        let own: Result<Vec<_>, _> = settings.certificates.iter().map(load).collect();
        let own = own?;
        let current = Current::new(settings, own, table)?;
        Ok(Self {
            settings: Arc::clone(settings),
            certificates: certificates.clone(),
            current: ArcSwap::from_pointee(current),
            failures: AtomicU64::new(0),
        })
    }

    /// Reads the files again, for a new table of APIs. What cannot be read stays as it was, and is told in the log.
    pub(crate) fn reload(&self, table: &Table) {
        let old = self.current.load();
        let mut own = Vec::new();
        for (pair, old) in self.settings.certificates.iter().zip(&old.own) {
            own.push(match pair.load(&self.certificates) {
                Ok(identity) if old.as_ref().is_some_and(|old| *identity.key.cert == *old.key.cert) => old.clone(),
                Ok(identity) => {
                    let (file, names) = (pair.certificate.display(), identity.names.join(", "));
                    tracing::info!(%file, names, "certificate");
                    if let Some(ended) = identity.ended {
                        tracing::warn!(%file, reason = %ended, "certificate");
                    }
                    Some(Arc::new(identity))
                }
                Err((path, error)) if old.is_none() => {
                    tracing::warn!(path, %error, "certificate");
                    None
                }
                Err((path, error)) => {
                    tracing::error!(path, %error, "the certificate that was read before stays in use");
                    old.clone()
                }
            });
        }
        match Current::new(&self.settings, own, table) {
            Ok(current) => self.current.store(Arc::new(current)),
            Err(error) => tracing::error!(%error, "TLS stays as it was"),
        }
    }

    /// What to do a handshake with, for the name that the client asks for.
    pub(super) fn config(&self, name: Option<&str>, entrance: Entrance) -> Arc<ServerConfig> {
        let current = self.current.load();
        if entrance == Entrance::Control {
            return Arc::clone(&current.control);
        }
        let mut found = None;
        if let Some(name) = name.filter(|_| !current.domains.is_empty()) {
            current.domains.each(name, |config| {
                found.get_or_insert(config);
            });
        }
        Arc::clone(found.unwrap_or(&current.fallback))
    }

    /// Counts a failed handshake, and gives how many there were.
    pub(super) fn failed(&self) -> u64 {
        self.failures.fetch_add(1, Ordering::Relaxed) + 1
    }
}

impl Current {
    fn new(settings: &TlsSettings, own: Vec<Option<Arc<Identity>>>, table: &Table) -> Result<Self, TlsError> {
        let names = Arc::new(Names::new(&own, table)?);
        // A handshake is for a name, on whatever port.
        let name = |api: &Api| api.edge.domain.as_deref().map(|domain| without_port(&key(domain)).to_owned());
        let mut domains: BTreeMap<Option<String>, Vec<&Api>> = BTreeMap::new();
        for api in table.apis().iter().filter(|api| !api.definition.internal) {
            domains.entry(name(api)).or_default().push(api);
        }
        let mut configs = Configs { settings, names, open: None, optional: None };
        let fallback = configs.of(&domains.remove(&None).unwrap_or_default())?;
        let control = if settings.operators.is_some() { configs.optional()? } else { configs.open()? };
        let mut hosts = Hosts::default();
        for (domain, apis) in domains {
            // A domain that is none is told when its API loads, and no request can be for it.
            if let Some(Ok(host)) = domain.as_deref().map(Host::new) {
                hosts.insert(host, configs.of(&apis)?);
            }
        }
        Ok(Self { own, fallback, control, domains: hosts })
    }
}

/// What handshakes are done with for each domain. Those that ask for no list of their own share one: there may be
/// thousands of domains, and each config keeps sessions.
struct Configs<'a> {
    settings: &'a TlsSettings,
    names: Arc<Names>,
    open: Option<Arc<ServerConfig>>,
    optional: Option<Arc<ServerConfig>>,
}

impl Configs<'_> {
    /// For the APIs of one domain: where all of them want client certificates, none comes in without; where some do, or
    /// where a certificate stands for a key, clients are asked for one, and each API looks at it.
    fn of(&mut self, apis: &[&Api]) -> Result<Arc<ServerConfig>, rustls::Error> {
        let asking: Vec<_> = apis.iter().filter(|api| api.definition.use_mutual_tls_auth).collect();
        // Operators come in wherever APIs are, unless they have a port to themselves.
        let operators = self.settings.operators.as_ref().filter(|operators| !operators.apart);
        if asking.is_empty() {
            let is_asked = operators.is_some() || apis.iter().any(|api| api.definition.identifies_by_certificate());
            return if is_asked { self.optional() } else { self.open() };
        }
        // One whose list did not load lets nobody in; its own error is what its clients should see.
        let lists: Option<Vec<Arc<Allowed>>> = asking.iter().map(|api| api.edge.allowed.clone()).collect();
        if let Some(lists) = lists.filter(|_| asking.len() == apis.len()) {
            let lists = lists.into_iter().chain(operators.map(|operators| operators.allowed())).collect();
            return self.make(Some(Asked::required(lists, self.settings.announce, &self.settings.provider)));
        }
        self.optional()
    }

    /// Clients are asked for no certificate.
    fn open(&mut self) -> Result<Arc<ServerConfig>, rustls::Error> {
        let open = self.open.take().map_or_else(|| self.make(None), Ok)?;
        Ok(Arc::clone(self.open.insert(open)))
    }

    /// Clients are asked for one, and need none.
    fn optional(&mut self) -> Result<Arc<ServerConfig>, rustls::Error> {
        let asked = || Asked::optional(&self.settings.provider);
        let optional = self.optional.take().map_or_else(|| self.make(Some(asked())), Ok)?;
        Ok(Arc::clone(self.optional.insert(optional)))
    }

    fn make(&self, asked: Option<Asked>) -> Result<Arc<ServerConfig>, rustls::Error> {
        let Self { settings, names, .. } = self;
        let sessions = if asked.is_some() { SESSIONS_WITH_CLIENTS } else { SESSIONS };
        let builder = ServerConfig::builder_with_provider(Arc::clone(&settings.provider));
        let builder = builder.with_protocol_versions(&settings.versions)?;
        let builder = match asked {
            None => builder.with_no_client_auth(),
            Some(asked) => builder.with_client_cert_verifier(Arc::new(asked)),
        };
        let mut config = builder.with_cert_resolver(Arc::clone(names) as Arc<dyn ResolvesServerCert>);
        let spoken: &[&[u8]] = if settings.http2 { &[HTTP_2, HTTP_1] } else { &[HTTP_1] };
        config.alpn_protocols = spoken.iter().map(|name| name.to_vec()).collect();
        config.session_storage = ServerSessionMemoryCache::new(sessions);
        Ok(Arc::new(config))
    }
}

/// Certificates by the name that a client asks for.
#[derive(Debug)]
struct Names {
    exact: FxHashMap<Box<str>, Arc<CertifiedKey>>,
    /// Under what follows the `*`, such as `.example.com`.
    wild: FxHashMap<Box<str>, Arc<CertifiedKey>>,
    fallback: Arc<CertifiedKey>,
}

impl Names {
    /// The certificates of the settings, then those of the APIs. Where two have one name the first is taken, and the
    /// first of all is for those who ask for no name that is known.
    fn new(own: &[Option<Arc<Identity>>], table: &Table) -> Result<Self, TlsError> {
        let apis = table.apis().iter().flat_map(|api| &api.edge.certificates);
        let all: Vec<&Arc<Identity>> = own.iter().flatten().chain(apis).collect();
        let first = all.first().ok_or(TlsError::NoCertificate)?;
        let mut names =
            Self { exact: FxHashMap::default(), wild: FxHashMap::default(), fallback: Arc::clone(&first.key) };
        for identity in all {
            for name in &identity.names {
                let (map, name) = match name.strip_prefix('*') {
                    Some(rest) => (&mut names.wild, rest),
                    None => (&mut names.exact, name.as_str()),
                };
                map.entry(name.into()).or_insert_with(|| Arc::clone(&identity.key));
            }
        }
        Ok(names)
    }

    fn find(&self, name: &str) -> Option<&Arc<CertifiedKey>> {
        let name = normal(name);
        let rest = name.find('.').map(|at| &name[at..]);
        self.exact.get(&*name).or_else(|| self.wild.get(rest?))
    }
}

impl ResolvesServerCert for Names {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(hello.server_name().and_then(|name| self.find(name)).unwrap_or(&self.fallback)))
    }
}
