//! TLS toward upstreams: which servers are believed, what is shown to them, and what is said when they are not.
//!
//! A [`TlsClient`] is made when an API loads. APIs with the same settings share one, and with it their connections; two
//! with different settings never do.

mod files;
mod suites;
mod verify;

use std::collections::HashMap;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock, Mutex, PoisonError, Weak};

use rustls::client::Resumption;
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::ServerName;
use rustls::{AlertDescription, CertificateError, ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

pub(crate) use files::{FileError, Identity, Pin, pins, roots};
pub(crate) use suites::{Named, Suite, TLS12, TLS13, suite};
use verify::{Distrust, Verifier};

const H2: &[u8] = b"h2";
const HTTP1: &[u8] = b"http/1.1";

/// Everything that makes one TLS connection different from another to the same place.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Policy {
    /// `None` believes any certificate.
    pub(crate) roots: Option<Roots>,
    /// The server's name must be its certificate's common name.
    pub(crate) common_name: bool,
    /// Keys that are believed instead of the roots; empty for none.
    pub(crate) pins: Vec<Pin>,
    /// What the gateway shows of itself.
    pub(crate) identity: Option<Arc<Identity>>,
    /// Versions as TLS numbers them: 771 is 1.2, 772 is 1.3.
    pub(crate) versions: (u16, u16),
    /// Suites for TLS 1.2; empty for all.
    pub(crate) suites: Vec<Suite>,
    /// HTTP/2 is offered.
    pub(crate) http2: bool,
}

/// The certificates that others must be issued by. One set is like itself only: they are read once, at the start.
#[derive(Clone)]
pub(crate) struct Roots(pub(crate) Arc<RootCertStore>);

impl fmt::Debug for Roots {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Roots({})", self.0.len())
    }
}

impl PartialEq for Roots {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Roots {}

impl Hash for Roots {
    fn hash<H: Hasher>(&self, state: &mut H) {
        Arc::as_ptr(&self.0).hash(state);
    }
}

/// How TLS connections with one [`Policy`] are made.
pub(crate) struct TlsClient {
    /// Tells it from all others: a hash of this is cheap.
    id: u64,
    config: Arc<ClientConfig>,
    http2: bool,
}

impl fmt::Debug for TlsClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TlsClient({})", self.id)
    }
}

impl PartialEq for TlsClient {
    fn eq(&self, other: &Self) -> bool {
        self.id == other.id
    }
}

impl Eq for TlsClient {}

impl Hash for TlsClient {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.id.hash(state);
    }
}

/// A policy that TLS cannot follow.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PolicyError {
    #[error("the certificate and its key do not go together, or are of a kind that is not served: {0}")]
    Identity(rustls::Error),
    #[error("TLS cannot be spoken so: {0}")]
    Versions(rustls::Error),
}

/// Why a server is not spoken to.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TlsError {
    #[error("`{0}` is no name that a certificate can be for")]
    Name(String),
    #[error("its certificate has expired")]
    Expired,
    #[error("its certificate is not valid yet")]
    NotYet,
    #[error("nobody known has issued its certificate; add who did with `proxy_ssl_ca_file`")]
    UnknownIssuer,
    #[error("its certificate is for another name: {0}")]
    OtherName(CertificateError),
    #[error(transparent)]
    Distrusted(Distrust),
    #[error("its certificate is not accepted: {0}")]
    Certificate(CertificateError),
    #[error("it wants a certificate of the gateway, and `upstream_certificates` names none for it")]
    WantsCertificate,
    #[error("it ended the connection with the alert {0:?}")]
    Refused(AlertDescription),
    #[error("the handshake failed: {0}")]
    Protocol(rustls::Error),
    #[error("the connection broke in the handshake: {0}")]
    Io(io::Error),
}

impl TlsError {
    fn of(error: io::Error, shows_identity: bool) -> Self {
        match error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
            None => Self::Io(error),
            Some(error) => Self::of_tls(error, shows_identity),
        }
    }

    /// What an error of TLS means to who reads the log.
    pub(crate) fn of_tls(error: &rustls::Error, shows_identity: bool) -> Self {
        match error {
            rustls::Error::InvalidCertificate(error) => Self::of_certificate(error.clone()),
            rustls::Error::AlertReceived(AlertDescription::CertificateRequired) if !shows_identity => {
                Self::WantsCertificate
            }
            rustls::Error::AlertReceived(alert) => Self::Refused(*alert),
            error => Self::Protocol(error.clone()),
        }
    }

    fn of_certificate(error: CertificateError) -> Self {
        match error {
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => Self::Expired,
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => Self::NotYet,
            CertificateError::UnknownIssuer => Self::UnknownIssuer,
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                Self::OtherName(error)
            }
            CertificateError::Other(ref other) => match other.0.downcast_ref::<Distrust>() {
                Some(distrust) => Self::Distrusted(distrust.clone()),
                None => Self::Certificate(error),
            },
            error => Self::Certificate(error),
        }
    }
}

type Known = HashMap<Policy, Weak<TlsClient>>;

/// What APIs share. Used when APIs load, never by a request.
static KNOWN: LazyLock<Mutex<Known>> = LazyLock::new(Mutex::default);

impl TlsClient {
    /// The client for a policy: the one that others use already, or a new one.
    ///
    /// # Errors
    /// When TLS cannot follow the policy.
    pub(crate) fn of(policy: &Policy) -> Result<Arc<Self>, PolicyError> {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|_, client| client.strong_count() > 0);
        if let Some(client) = known.get(policy).and_then(Weak::upgrade) {
            return Ok(client);
        }
        let config = Arc::new(configure(policy)?);
        let id = NEXT.fetch_add(1, Ordering::Relaxed);
        let client = Arc::new(Self { id, config, http2: policy.http2 });
        known.insert(policy.clone(), Arc::downgrade(&client));
        Ok(client)
    }

    /// Whether a server may choose HTTP/2.
    pub(crate) fn offers_http2(&self) -> bool {
        self.http2
    }

    /// Speaks TLS on a connection; `host` is the server's name or address. `only_http1` offers no HTTP/2.
    ///
    /// # Errors
    /// When the handshake fails, with the reason in words.
    pub(crate) async fn connect(
        &self,
        host: &str,
        stream: TcpStream,
        only_http1: bool,
    ) -> Result<TlsStream<TcpStream>, TlsError> {
        let name = ServerName::try_from(host.to_owned()).map_err(|_| TlsError::Name(host.to_owned()))?;
        let connector = TlsConnector::from(Arc::clone(&self.config));
        let connected = if only_http1 && self.http2 {
            connector.with_alpn(vec![HTTP1.to_vec()]).connect(name, stream).await
        } else {
            connector.connect(name, stream).await
        };
        connected.map_err(|error| TlsError::of(error, self.shows_identity()))
    }

    /// Whether the gateway has a certificate for the servers of this.
    pub(crate) fn shows_identity(&self) -> bool {
        self.config.client_auth_cert_resolver.has_certs()
    }
}

/// Whether the server chose HTTP/2.
pub(crate) fn chose_http2(stream: &tokio_rustls::TlsStream<TcpStream>) -> bool {
    stream.get_ref().1.alpn_protocol() == Some(H2)
}

fn configure(policy: &Policy) -> Result<ClientConfig, PolicyError> {
    let provider = provider(&policy.suites);
    let versions = suites::versions(policy.versions);
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(&versions)
        .map_err(PolicyError::Versions)?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Verifier::new(provider, policy)));
    let mut config = match &policy.identity {
        None => builder.with_no_client_auth(),
        Some(identity) => builder
            .with_client_auth_cert(identity.chain.clone(), identity.key.clone_key())
            .map_err(PolicyError::Identity)?,
    };
    if policy.http2 {
        config.alpn_protocols = vec![H2.to_vec(), HTTP1.to_vec()];
    }
    config.resumption = Resumption::in_memory_sessions(64);
    Ok(config)
}

fn provider(wanted: &[Suite]) -> Arc<CryptoProvider> {
    let mut provider = ring::default_provider();
    if !wanted.is_empty() {
        provider.cipher_suites.retain(|suite| {
            let is_wanted = wanted.iter().any(|wanted| wanted.is(suite.suite()));
            suite.tls13().is_some() || is_wanted
        });
    }
    Arc::new(provider)
}
