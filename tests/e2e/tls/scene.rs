//! Authorities, the certificates that they issue, and clients that speak TLS.

use std::io;
use std::path::Path;
use std::sync::Arc;

use gateway_tests::{Answer, Ask, Client, Conf, Gateway, within_deadline};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, date_time_ymd,
};
use serde_json::json;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::crypto::ring::default_provider;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio_rustls::rustls::{ALL_VERSIONS, ClientConfig, RootCertStore, SupportedProtocolVersion};

/// A certificate and its key, as PEM.
#[derive(Clone)]
pub(crate) struct Made {
    pub(crate) certificate: String,
    pub(crate) key: String,
}

impl Made {
    pub(crate) fn der(&self) -> CertificateDer<'static> {
        CertificateDer::from_pem_slice(self.certificate.as_bytes()).expect("PEM")
    }

    /// Writes both files, and gives the entry of `http_server_options.certificates` for them.
    pub(crate) fn entry(&self, folder: &Path, name: &str) -> serde_json::Value {
        let (cert, key) = (folder.join(format!("{name}.crt")), folder.join(format!("{name}.key")));
        std::fs::write(&cert, &self.certificate).expect("written");
        std::fs::write(&key, &self.key).expect("written");
        json!({"domain_name": "", "cert_file": cert, "key_file": key})
    }

    /// Writes a file with both, and gives its path.
    pub(crate) fn joined(&self, folder: &Path, name: &str) -> String {
        let file = folder.join(format!("{name}.pem"));
        std::fs::write(&file, format!("{}{}", self.certificate, self.key)).expect("written");
        file.display().to_string()
    }

    /// Writes the certificate alone, and gives its path.
    pub(crate) fn public(&self, folder: &Path, name: &str) -> String {
        let file = folder.join(format!("{name}.crt"));
        std::fs::write(&file, &self.certificate).expect("written");
        file.display().to_string()
    }
}

/// Who issues certificates.
pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pub(crate) made: Made,
}

impl Authority {
    pub(crate) fn new(name: &str) -> Self {
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::new(Vec::new()).expect("no names");
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let certificate = params.self_signed(&key).expect("a certificate").pem();
        let made = Made { certificate, key: key.serialize_pem() };
        Self { issuer: Issuer::new(params, key), made }
    }

    pub(crate) fn server(&self, names: &[&str]) -> Made {
        let mut params =
            CertificateParams::new(names.iter().map(ToString::to_string).collect::<Vec<_>>()).expect("names");
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        self.issue(&params)
    }

    pub(crate) fn client(&self, name: &str) -> Made {
        self.issue(&client_params(name))
    }

    pub(crate) fn expired_client(&self, name: &str) -> Made {
        let mut params = client_params(name);
        params.not_before = date_time_ymd(2014, 1, 1);
        params.not_after = date_time_ymd(2015, 1, 1);
        self.issue(&params)
    }

    fn issue(&self, params: &CertificateParams) -> Made {
        let key = KeyPair::generate().expect("a key");
        let certificate = params.signed_by(&key, &self.issuer).expect("a certificate").pem();
        Made { certificate, key: key.serialize_pem() }
    }
}

fn client_params(name: &str) -> CertificateParams {
    let mut params = CertificateParams::new(Vec::new()).expect("no names");
    params.distinguished_name.push(DnType::CommonName, name);
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    params
}

/// A client about to connect.
pub(crate) struct Caller {
    roots: RootCertStore,
    identity: Option<Made>,
    versions: Vec<&'static SupportedProtocolVersion>,
    alpn: Vec<Vec<u8>>,
}

impl Caller {
    /// One that trusts this authority.
    pub(crate) fn trusting(authority: &Authority) -> Self {
        let mut roots = RootCertStore::empty();
        roots.add(authority.made.der()).expect("an authority");
        Self { roots, identity: None, versions: ALL_VERSIONS.to_vec(), alpn: Vec::new() }
    }

    pub(crate) fn showing(mut self, identity: &Made) -> Self {
        self.identity = Some(identity.clone());
        self
    }

    pub(crate) fn by(mut self, version: &'static SupportedProtocolVersion) -> Self {
        self.versions = vec![version];
        self
    }

    pub(crate) fn offering(mut self, alpn: &[&str]) -> Self {
        self.alpn = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
        self
    }

    fn config(&self) -> ClientConfig {
        let builder = ClientConfig::builder_with_provider(Arc::new(default_provider()));
        let builder = builder.with_protocol_versions(&self.versions).expect("versions");
        let builder = builder.with_root_certificates(self.roots.clone());
        let mut config = match &self.identity {
            None => builder.with_no_client_auth(),
            Some(made) => {
                let key = PrivateKeyDer::from_pem_slice(made.key.as_bytes()).expect("PEM");
                builder.with_client_auth_cert(vec![made.der()], key).expect("a pair")
            }
        };
        config.alpn_protocols.clone_from(&self.alpn);
        config
    }

    /// Does the handshake, for a name.
    pub(crate) async fn try_connect(&self, gateway: &Gateway, name: &str) -> io::Result<TlsStream<TcpStream>> {
        let name = ServerName::try_from(name.to_owned()).expect("a name");
        within_deadline("a handshake", async {
            let stream = TcpStream::connect(gateway.address).await?;
            TlsConnector::from(Arc::new(self.config())).connect(name, stream).await
        })
        .await
    }

    pub(crate) async fn connect(&self, gateway: &Gateway, name: &str) -> TlsStream<TcpStream> {
        self.try_connect(gateway, name).await.unwrap_or_else(|error| panic!("no handshake for {name}: {error}"))
    }

    /// A client that keeps its connection.
    pub(crate) async fn client(&self, gateway: &Gateway, name: &str) -> Client {
        self.try_client(gateway, name).await.expect("a handshake")
    }

    pub(crate) async fn try_client(&self, gateway: &Gateway, name: &str) -> io::Result<Client> {
        let stream = self.try_connect(gateway, name).await?;
        let local = stream.get_ref().0.local_addr()?;
        Client::over(stream, local).await
    }

    /// Asks on a connection of its own; `None` if it was not let in.
    pub(crate) async fn ask(&self, gateway: &Gateway, name: &str, ask: Ask) -> Option<Answer> {
        // With TLS 1.3 a client learns that it was refused when it reads.
        self.try_client(gateway, name).await.ok()?.try_ask(ask).await.ok()
    }

    /// Which certificate it is shown for a name.
    pub(crate) async fn shown(&self, gateway: &Gateway, name: &str) -> CertificateDer<'static> {
        let stream = self.connect(gateway, name).await;
        let certificates = stream.get_ref().1.peer_certificates().expect("a server shows its own");
        certificates[0].clone().into_owned()
    }
}

/// A gateway with TLS by these certificates.
pub(crate) fn conf(certificates: &[&Made]) -> Conf {
    let conf = Conf::default().server("use_ssl", true);
    let folder = conf.folder().to_owned();
    let entry = |(at, made): (usize, &&Made)| made.entry(&folder, &format!("server{at}"));
    let entries: Vec<_> = certificates.iter().enumerate().map(entry).collect();
    conf.server("certificates", entries)
}
