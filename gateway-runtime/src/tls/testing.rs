//! Certificates for tests, made as they run.

use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, date_time_ymd,
};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;

/// Pairs whose keys are of the older forms: SEC 1 and PKCS #1.
pub(crate) const KEYS: [(&str, &str); 2] = [
    (include_str!("testdata/sec1.crt"), include_str!("testdata/sec1.key")),
    (include_str!("testdata/pkcs1.crt"), include_str!("testdata/pkcs1.key")),
];

/// A certificate and its key, as PEM.
pub(crate) struct Made {
    pub(crate) certificate: String,
    pub(crate) key: String,
}

impl Made {
    pub(crate) fn der(&self) -> CertificateDer<'static> {
        CertificateDer::from_pem_slice(self.certificate.as_bytes()).expect("PEM")
    }
}

/// One that nobody else signed.
pub(crate) fn server(names: &[&str]) -> Made {
    own(params(names))
}

/// The same, whose time is over.
pub(crate) fn expired(names: &[&str]) -> Made {
    let mut params = params(names);
    params.not_before = date_time_ymd(2014, 1, 1);
    params.not_after = date_time_ymd(2015, 1, 1);
    own(params)
}

/// One that issues others.
pub(crate) fn authority(name: &str) -> Made {
    own(authority_params(name))
}

/// A client's, of an authority.
pub(crate) fn client(name: &str, authority: &Made) -> Made {
    let key = KeyPair::generate().expect("a key");
    let mut params = params(&[]);
    params.distinguished_name.push(DnType::CommonName, name);
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    let issuer = Issuer::new(authority_params_of(authority), KeyPair::from_pem(&authority.key).expect("a key"));
    let certificate = params.signed_by(&key, &issuer).expect("a certificate");
    Made { certificate: certificate.pem(), key: key.serialize_pem() }
}

fn own(params: CertificateParams) -> Made {
    let key = KeyPair::generate().expect("a key");
    let certificate = params.self_signed(&key).expect("a certificate");
    Made { certificate: certificate.pem(), key: key.serialize_pem() }
}

fn params(names: &[&str]) -> CertificateParams {
    let names: Vec<String> = names.iter().map(ToString::to_string).collect();
    CertificateParams::new(names).expect("names")
}

fn authority_params(name: &str) -> CertificateParams {
    let mut params = params(&[]);
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params
}

/// Authorities in tests are all named alike: by their key they are told apart.
fn authority_params_of(_: &Made) -> CertificateParams {
    authority_params("CA")
}

/// A folder that goes with the test.
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new() -> Self {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let name = format!("gw-tls-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).expect("a folder");
        Self(path)
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        if name.is_empty() { self.0.clone() } else { self.0.join(name) }
    }

    pub(crate) fn text(&self) -> String {
        self.0.display().to_string()
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).expect("written");
    }

    pub(crate) fn written(&self, name: &str, text: &str) -> PathBuf {
        self.write(name, text);
        self.path(name)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // It is in a place that is cleaned anyway.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
