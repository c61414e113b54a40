//! Certificates and keys in PEM files: read, and looked at as far as the gateway must know them.
//!
//! What a certificate says is asked of webpki, which will judge it in handshakes too. Names are those of the
//! subjectAltName extension: clients have not looked at others for years. RFC 9525 §6.3.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use ring::digest::{SHA256, digest};
use rustls::crypto::ring::default_provider;
use rustls::sign::CertifiedKey;
use rustls::{Error as TlsError, InconsistentKeys};
use rustls_pki_types::pem::{Error as PemError, PemObject};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, UnixTime};
use webpki::{EndEntityCert, Error as WebPkiError, KeyUsage};

/// A larger file holds no certificates, in bytes.
const FILE_BYTES: u64 = 1024 * 1024;
/// The beginning of the year 10000, in seconds: every certificate has ended by then.
const LATEST: u64 = 253_402_300_800;

/// What is wrong with a file.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CertificateError {
    #[error("is missing, or empty; name a PEM file that the gateway may read")]
    Unnamed,
    #[error("{}: {reason}; name a PEM file that the gateway may read", file.display())]
    Read { file: PathBuf, reason: String },
    #[error(
        "`{id}` is no file, but looks like the id of a certificate in a store, and this gateway has none; name the PEM \
         file instead"
    )]
    Store { id: String },
    #[error("{}: it has no certificate; it must have a `BEGIN CERTIFICATE` block, that of the server first", file.display())]
    NoCertificate { file: PathBuf },
    #[error("{}: it has no private key; put the certificate's key there as a `BEGIN PRIVATE KEY` block", file.display())]
    NoKey { file: PathBuf },
    #[error("{}: its private key is encrypted; write it without a password: `openssl pkey -in {} -out FILE`", file.display(), file.display())]
    EncryptedKey { file: PathBuf },
    #[error("{}: it is not PEM: {reason}; write the file anew", file.display())]
    Pem { file: PathBuf, reason: String },
    #[error("{}: certificate {number} in it cannot be used: {reason}; ask who issued it for another", file.display())]
    Certificate { file: PathBuf, number: usize, reason: String },
    #[error("{}: its private key cannot be used: {reason}; use an RSA, ECDSA (P-256, P-384, P-521) or Ed25519 key", file.display())]
    Key { file: PathBuf, reason: String },
    #[error("the key in {} does not belong to the certificate in {}; name the two files that were made together", key.display(), certificate.display())]
    Mismatch { certificate: PathBuf, key: PathBuf },
}

/// Where a server's certificate is: its chain, and its key, which may be in one file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pair {
    pub(crate) certificate: PathBuf,
    pub(crate) key: PathBuf,
    /// A name that it is for, whatever it says itself.
    pub(crate) domain: Option<String>,
    /// Where the configuration or definition names the certificate, and the key.
    pub(crate) paths: [String; 2],
}

/// A server's certificate and key.
#[derive(Debug)]
pub(crate) struct Identity {
    pub(crate) key: Arc<CertifiedKey>,
    /// Whom it is for, in lower case; `*.example.com` is for every name one label longer.
    pub(crate) names: Vec<String>,
    pub(crate) ended: Option<Ended>,
}

/// The time of a certificate is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ended(pub(crate) SystemTime);

impl std::fmt::Display for Ended {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let when = httpdate::HttpDate::from(self.0);
        write!(f, "the certificate expired on {when}; clients will refuse it: renew it")
    }
}

impl Pair {
    /// Reads both, and checks that they belong together.
    ///
    /// # Errors
    /// When one cannot be used, with the one of `paths` that names it.
    pub(crate) fn load(&self) -> Result<Identity, (&str, CertificateError)> {
        let [at_certificate, at_key] = &self.paths;
        let chain = certificates(&self.certificate).map_err(|error| (&**at_certificate, error))?;
        let key = private_key(&self.key).map_err(|error| (&**at_key, error))?;
        self.join(chain, key).map_err(|error| {
            let about_key = matches!(error, CertificateError::Key { .. } | CertificateError::Mismatch { .. });
            (if about_key { &**at_key } else { &**at_certificate }, error)
        })
    }

    fn join(
        &self,
        chain: Vec<CertificateDer<'static>>,
        key: PrivateKeyDer<'static>,
    ) -> Result<Identity, CertificateError> {
        let leaf = Facts::of(&chain[0]).map_err(|reason| self.refuse(reason))?;
        let certified = CertifiedKey::from_der(chain, key, &default_provider()).map_err(|error| match error {
            TlsError::InconsistentKeys(InconsistentKeys::KeyMismatch) => {
                CertificateError::Mismatch { certificate: self.certificate.clone(), key: self.key.clone() }
            }
            TlsError::InvalidCertificate(error) => self.refuse(error.to_string()),
            other => CertificateError::Key { file: self.key.clone(), reason: other.to_string() },
        })?;
        let mut names = leaf.names;
        names.extend(self.domain.as_ref().map(|domain| domain.to_ascii_lowercase()));
        let ended = leaf.not_after.filter(|end| *end < SystemTime::now()).map(Ended);
        Ok(Identity { key: Arc::new(certified), names, ended })
    }

    fn refuse(&self, reason: String) -> CertificateError {
        CertificateError::Certificate { file: self.certificate.clone(), number: 1, reason }
    }
}

/// A certificate with those between it and its root, and its key, from one file.
///
/// # Errors
/// When one of them cannot be used, or they do not belong together.
pub(crate) fn chain_and_key(
    file: &Path,
) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>), CertificateError> {
    let pair = Pair { certificate: file.to_owned(), key: file.to_owned(), domain: None, paths: Default::default() };
    let (chain, key) = (certificates(file)?, private_key(file)?);
    pair.join(chain.clone(), key.clone_key())?;
    Ok((chain, key))
}

/// What a certificate says of itself.
#[derive(Debug)]
pub(crate) struct Facts {
    pub(crate) names: Vec<String>,
    /// It may issue others.
    pub(crate) is_authority: bool,
    /// `None` if it says none that webpki can read.
    pub(crate) not_after: Option<SystemTime>,
}

impl Facts {
    /// # Errors
    /// When it is no X.509 certificate.
    pub(crate) fn of(certificate: &CertificateDer<'_>) -> Result<Self, String> {
        let parsed =
            EndEntityCert::try_from(certificate).map_err(|error| format!("it is no X.509 certificate ({error})"))?;
        let not_after = match judged(&parsed, LATEST) {
            Err(WebPkiError::CertExpired { not_after, .. }) => Some(not_after.as_secs()),
            _ => None,
        };
        // While it is valid, the next thing that webpki would find wrong is that it is an authority.
        let is_authority =
            matches!(judged(&parsed, not_after.unwrap_or_default()), Err(WebPkiError::CaUsedAsEndEntity));
        let names = parsed.valid_dns_names().map(str::to_ascii_lowercase).collect();
        let not_after = not_after.map(|end| SystemTime::UNIX_EPOCH + Duration::from_secs(end));
        Ok(Self { names, is_authority, not_after })
    }
}

/// What webpki says of a certificate at a time, to somebody who trusts nobody.
fn judged(certificate: &EndEntityCert<'_>, at: u64) -> Result<(), WebPkiError> {
    let at = UnixTime::since_unix_epoch(Duration::from_secs(at));
    certificate
        .verify_for_usage(webpki::ALL_VERIFICATION_ALGS, &[], &[], at, KeyUsage::client_auth(), None, None)
        .map(drop)
}

/// The certificates of a file, in its order; never none.
///
/// # Errors
/// When there is none, or one cannot be read.
pub(crate) fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, CertificateError> {
    let text = read(file)?;
    let list: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
    let list = list.map_err(|error| CertificateError::Pem { file: file.to_owned(), reason: told(&error) })?;
    if list.is_empty() { Err(CertificateError::NoCertificate { file: file.to_owned() }) } else { Ok(list) }
}

/// The first private key of a file: PKCS #8, PKCS #1 or SEC 1.
fn private_key(file: &Path) -> Result<PrivateKeyDer<'static>, CertificateError> {
    let text = read(file)?;
    PrivateKeyDer::from_pem_slice(&text).map_err(|error| match error {
        PemError::NoItemsFound if is_encrypted(&text) => CertificateError::EncryptedKey { file: file.to_owned() },
        PemError::NoItemsFound => CertificateError::NoKey { file: file.to_owned() },
        other => CertificateError::Pem { file: file.to_owned(), reason: told(&other) },
    })
}

fn is_encrypted(text: &[u8]) -> bool {
    const MARK: &[u8] = b"BEGIN ENCRYPTED PRIVATE KEY";
    text.windows(MARK.len()).any(|window| window == MARK)
}

/// The library's own words may quote lines of the file, which may be of a key.
fn told(error: &PemError) -> String {
    match error {
        PemError::MissingSectionEnd { .. } => "a block has a beginning and no end",
        PemError::IllegalSectionStart { .. } => "a block begins with a line that is none of PEM's",
        PemError::Base64Decode(_) => "a block is not base64",
        PemError::Io(_) => "it cannot be read",
        PemError::NoItemsFound => "it has no block",
        _ => "it is broken",
    }
    .to_owned()
}

/// What a file says now. A pipe or a device named like one would be read for ever.
pub(crate) fn read(file: &Path) -> Result<Vec<u8>, CertificateError> {
    let refuse = |reason: String| CertificateError::Read { file: file.to_owned(), reason };
    let metadata = std::fs::metadata(file).map_err(|error| missing(file, &error))?;
    if !metadata.is_file() {
        return Err(refuse("not a regular file".to_owned()));
    }
    if metadata.len() > FILE_BYTES {
        return Err(refuse(format!("larger than {FILE_BYTES} bytes")));
    }
    let mut text = Vec::new();
    let opened = File::open(file).and_then(|file| file.take(FILE_BYTES).read_to_end(&mut text));
    opened.map_err(|error| refuse(error.to_string()))?;
    Ok(text)
}

/// Tyk names certificates by their store's ids too: hexadecimal digits, after those of the organisation.
fn missing(file: &Path, error: &io::Error) -> CertificateError {
    let text = file.to_string_lossy();
    if text.is_empty() {
        return CertificateError::Unnamed;
    }
    let is_id =
        text.len() >= 64 && text.bytes().rev().take(64).all(|byte| byte.is_ascii_hexdigit()) && !text.contains('/');
    if is_id && error.kind() == io::ErrorKind::NotFound {
        return CertificateError::Store { id: text.into_owned() };
    }
    CertificateError::Read { file: file.to_owned(), reason: error.to_string() }
}

/// What is left of a file to know whether it is still the same; `None` if it cannot be read.
pub(crate) fn stamp(file: &Path) -> Option<[u8; 32]> {
    read(file).ok().map(|text| sha256(&text))
}

/// A digest.
pub(crate) fn sha256(bytes: &[u8]) -> [u8; 32] {
    let mut all = [0; 32];
    all.copy_from_slice(digest(&SHA256, bytes).as_ref());
    all
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::super::testing::{self, Folder};
    use super::*;

    fn pair(folder: &Folder, certificate: &str, key: &str) -> Pair {
        let paths = ["c".to_owned(), "k".to_owned()];
        Pair { certificate: folder.path(certificate), key: folder.path(key), domain: None, paths }
    }

    /// Why it is refused, and where.
    fn refused(pair: &Pair, folder: &Folder) -> String {
        let (at, error) = pair.load().expect_err("it is refused");
        format!("{at}: {error}").replace(&format!("{}/", folder.path("").display()), "").replace(&*folder.text(), "")
    }

    #[test]
    fn a_pair_is_read_with_its_names() {
        let folder = Folder::new();
        let made = testing::server(&["a.example.com", "*.B.example.com"]);
        folder.write("c.pem", &made.certificate);
        folder.write("k.pem", &made.key);
        folder.write("both.pem", &format!("{}{}", made.key, made.certificate));
        let mut named = pair(&folder, "c.pem", "k.pem");
        named.domain = Some("Own.example.com".to_owned());
        let identity = named.load().expect("a pair");
        assert_eq!(identity.names, ["a.example.com", "*.b.example.com", "own.example.com"]);
        assert_eq!(identity.ended, None);
        assert!(pair(&folder, "both.pem", "both.pem").load().is_ok());
    }

    #[test]
    fn every_mistake_names_its_file_and_what_to_do() {
        let folder = Folder::new();
        let (one, other) = (testing::server(&["a"]), testing::server(&["b"]));
        folder.write("c.pem", &one.certificate);
        folder.write("k.pem", &one.key);
        folder.write("other.pem", &other.key);
        folder.write("empty.pem", "");
        folder.write("cut.pem", &one.key[..60]);
        folder
            .write("locked.pem", "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n");
        folder.write("junk.pem", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
        for (certificate, key, expected) in [
            ("none.pem", "k.pem", "c: none.pem: No such file or directory (os error 2); name a PEM file"),
            ("c.pem", "none.pem", "k: none.pem: No such file or directory (os error 2); name a PEM file"),
            ("empty.pem", "k.pem", "c: empty.pem: it has no certificate; it must have"),
            ("k.pem", "k.pem", "c: k.pem: it has no certificate; it must have"),
            ("c.pem", "c.pem", "k: c.pem: it has no private key; put"),
            ("c.pem", "locked.pem", "k: locked.pem: its private key is encrypted; write it without a password"),
            ("c.pem", "cut.pem", "k: cut.pem: it is not PEM: a block has a beginning and no end; write"),
            ("junk.pem", "k.pem", "c: junk.pem: certificate 1 in it cannot be used: it is no X.509 certificate ("),
            ("c.pem", "other.pem", "k: the key in other.pem does not belong to the certificate in c.pem; name"),
            ("", "k.pem", "c: : not a regular file; name a PEM file"),
        ] {
            let told = refused(&pair(&folder, certificate, key), &folder);
            assert!(told.starts_with(expected), "{told}\n{expected}");
            assert!(!told.contains(&one.key[30..60]), "it shows a key: {told}");
        }
    }

    #[test]
    fn an_id_of_a_store_is_told_apart_from_a_file() {
        let id = format!("org{}", "0a".repeat(32));
        let told = certificates(Path::new(&id)).expect_err("no file").to_string();
        assert!(
            told.starts_with(&format!("`{id}` is no file, but looks like the id of a certificate in a store")),
            "{told}"
        );
        assert!(certificates(Path::new("certs/x.pem")).expect_err("no file").to_string().contains("No such file"));
    }

    #[test]
    fn what_is_over_and_who_may_issue_is_known() {
        let folder = Folder::new();
        let expired = testing::expired(&["old.example.com"]);
        folder.write("both.pem", &format!("{}{}", expired.key, expired.certificate));
        let identity = pair(&folder, "both.pem", "both.pem").load().expect("it is told, not refused");
        let told = identity.ended.expect("it is over").to_string();
        assert_eq!(told, "the certificate expired on Thu, 01 Jan 2015 00:00:00 GMT; clients will refuse it: renew it");
        let facts =
            |text: &str| Facts::of(&CertificateDer::from_pem_slice(text.as_bytes()).expect("PEM")).expect("facts");
        assert!(facts(&testing::authority("CA").certificate).is_authority);
        assert!(!facts(&expired.certificate).is_authority);
        assert!(facts(&testing::authority("CA").certificate).not_after.is_some_and(|end| end > SystemTime::now()));
    }

    #[test]
    fn every_form_of_a_key_is_read() {
        let folder = Folder::new();
        for (certificate, key) in testing::KEYS {
            folder.write("c.pem", certificate);
            folder.write("k.pem", key);
            pair(&folder, "c.pem", "k.pem").load().map(drop).unwrap_or_else(|(_, error)| panic!("{error}"));
        }
        let same = stamp(&folder.path("c.pem"));
        assert!(same.is_some() && same == stamp(&folder.path("c.pem")));
        fs::write(folder.path("c.pem"), "x").expect("written");
        assert_ne!(stamp(&folder.path("c.pem")), same);
    }
}
