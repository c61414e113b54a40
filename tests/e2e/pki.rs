//! Certificates for a test, made as it runs.

use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, PublicKeyData,
    date_time_ymd,
};
use tokio_rustls::rustls::crypto::ring::default_provider;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{
    DEFAULT_VERSIONS, RootCertStore, ServerConfig, SupportedCipherSuite, SupportedProtocolVersion,
};

/// Who issues certificates.
pub(crate) struct Authority {
    params: CertificateParams,
    key: KeyPair,
    /// Its own certificate, PEM.
    pub(crate) pem: String,
}

/// A certificate and its key.
pub(crate) struct Certified {
    pub(crate) certificate: String,
    pub(crate) key: KeyPair,
    /// Those between it and its root, PEM.
    pub(crate) chain: String,
}

/// A certificate about to be issued.
pub(crate) struct Wish(CertificateParams);

/// A certificate for these names, the first of which is the common name too.
pub(crate) fn wish(names: &[&str]) -> Wish {
    let names: Vec<String> = names.iter().map(ToString::to_string).collect();
    let mut params = CertificateParams::new(names.clone()).expect("names");
    if let Some(name) = names.first() {
        params.distinguished_name.push(DnType::CommonName, name);
    }
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
    Wish(params)
}

impl Wish {
    pub(crate) fn expired(mut self) -> Self {
        self.0.not_before = date_time_ymd(2001, 1, 1);
        self.0.not_after = date_time_ymd(2002, 1, 1);
        self
    }

    pub(crate) fn common_name(mut self, name: &str) -> Self {
        self.0.distinguished_name.push(DnType::CommonName, name);
        self
    }

    /// Signed by itself.
    pub(crate) fn alone(self) -> Certified {
        let key = KeyPair::generate().expect("a key");
        let certificate = self.0.self_signed(&key).expect("a certificate").pem();
        Certified { certificate, key, chain: String::new() }
    }
}

impl Authority {
    pub(crate) fn new(name: &str) -> Self {
        let mut params = CertificateParams::new(Vec::new()).expect("no names");
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key");
        let pem = params.self_signed(&key).expect("a certificate").pem();
        Self { params, key, pem }
    }

    pub(crate) fn issue(&self, wish: Wish) -> Certified {
        let key = KeyPair::generate().expect("a key");
        let issuer = Issuer::from_params(&self.params, &self.key);
        let certificate = wish.0.signed_by(&key, &issuer).expect("a certificate").pem();
        Certified { certificate, key, chain: String::new() }
    }

    /// The public key as files have it.
    pub(crate) fn public_key(&self) -> String {
        self.key.public_key_pem()
    }
}

impl Certified {
    /// The certificate, its chain and the key in one text.
    pub(crate) fn pem(&self) -> String {
        [self.certificate.as_str(), &self.chain, &self.key.serialize_pem()].concat()
    }

    /// SHA-256 of the public key, in hexadecimal.
    pub(crate) fn pin(&self) -> String {
        let provider = default_provider();
        let suites = provider.cipher_suites.iter().filter_map(SupportedCipherSuite::tls13);
        let mut hashes = suites.map(|suite| suite.common.hash_provider);
        let sha256 = hashes.find(|hash| hash.output_len() == 32).expect("a suite with SHA-256");
        let hash = sha256.hash(&self.key.subject_public_key_info());
        hash.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// A server with this certificate.
    pub(crate) fn server(&self) -> Server<'_> {
        Server { certified: self, clients: None, versions: DEFAULT_VERSIONS, alpn: &[] }
    }
}

/// A server's side of TLS about to be made.
pub(crate) struct Server<'a> {
    certified: &'a Certified,
    clients: Option<&'a Authority>,
    versions: &'static [&'static SupportedProtocolVersion],
    alpn: &'a [&'a str],
}

impl<'a> Server<'a> {
    /// Clients must have a certificate of this authority.
    pub(crate) fn clients_of(self, authority: &'a Authority) -> Self {
        Self { clients: Some(authority), ..self }
    }

    pub(crate) fn versions(self, versions: &'static [&'static SupportedProtocolVersion]) -> Self {
        Self { versions, ..self }
    }

    pub(crate) fn alpn(self, alpn: &'a [&'a str]) -> Self {
        Self { alpn, ..self }
    }

    pub(crate) fn config(self) -> Arc<ServerConfig> {
        let pem = self.certified.pem();
        let chain =
            CertificateDer::pem_slice_iter(pem.as_bytes()).collect::<Result<Vec<_>, _>>().expect("certificates");
        let key = PrivateKeyDer::from_pem_slice(pem.as_bytes()).expect("a key");
        let provider = Arc::new(default_provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider));
        let builder = builder.with_protocol_versions(self.versions).expect("versions");
        let builder = match self.clients {
            None => builder.with_no_client_auth(),
            Some(authority) => {
                let mut roots = RootCertStore::empty();
                roots.add(CertificateDer::from_pem_slice(authority.pem.as_bytes()).expect("a root")).expect("a root");
                let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
                builder.with_client_cert_verifier(verifier.build().expect("a verifier"))
            }
        };
        let mut config = builder.with_single_cert(chain, key).expect("a certificate and its key");
        config.alpn_protocols = self.alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
        Arc::new(config)
    }
}
