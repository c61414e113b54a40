//! What all APIs share of the way to their upstreams: `proxy_ssl_*` and what belongs to it.
//!
//! | key | effect |
//! |---|---|
//! | `proxy_ssl_ca_file` | certificates, PEM, that upstreams' may be issued by, beside those in the binary |
//! | variable `SSL_CERT_FILE` | certificates, PEM, in place of those in the binary |
//!
//! The first is a key of ours: Tyk has none. The second is what Go and OpenSSL understand.

use std::collections::BTreeMap;
use std::path::Path;

use gateway_model::{JsonPath, Severity, tls_version};
use serde::Deserialize;

use super::Raw;
use super::remark::Remarks;
use crate::certificates::Certificates;
use crate::tls::client::{Identity, Roots, Suite, TLS12, pins, roots};
use crate::upstream::transport::read_suites;

/// Names of upstreams, and what is for them.
#[derive(Debug, Default, Deserialize)]
#[serde(transparent)]
pub(super) struct Names(pub(super) BTreeMap<String, String>);

/// As one value: what is in it are no keys of ours.
#[cfg(test)]
impl serde::Serialize for Names {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0.len())
    }
}

/// How upstreams are reached, for every API.
#[derive(Debug, Clone)]
pub(crate) struct Outbound {
    /// HTTP/2 is offered to TLS upstreams.
    pub(crate) http2: bool,
    /// Any certificate is taken.
    pub(crate) insecure: bool,
    pub(crate) roots: Roots,
    /// An upstream's name must be the common name of its certificate.
    pub(crate) common_name: bool,
    /// The lowest and highest version, as TLS numbers them.
    pub(crate) lowest: Option<u16>,
    pub(crate) highest: Option<u16>,
    pub(crate) suites: Vec<Suite>,
    /// Files of certificates to show, by the upstream's name.
    pub(crate) certificates: BTreeMap<String, String>,
    /// Lists of public keys, by the upstream's name.
    pub(crate) pins: BTreeMap<String, String>,
    /// Where certificates are that are named by their ids.
    pub(crate) store: Certificates,
}

#[cfg(test)]
impl Default for Outbound {
    fn default() -> Self {
        Self {
            http2: false,
            insecure: false,
            roots: roots(None, None).expect("those in the binary"),
            common_name: false,
            lowest: None,
            highest: None,
            suites: Vec::new(),
            certificates: BTreeMap::new(),
            pins: BTreeMap::new(),
            store: Certificates::default(),
        }
    }
}

/// Reads the files that the keys name.
pub(super) fn resolve(raw: &Raw, store: Certificates, remarks: &mut Remarks<'_>) -> Outbound {
    let instead = std::env::var_os("SSL_CERT_FILE").filter(|file| !file.is_empty());
    let also = Some(Path::new(&raw.proxy_ssl_ca_file)).filter(|file| !file.as_os_str().is_empty());
    let own = roots(instead.as_deref().map(Path::new), None);
    let own = own.map_err(|error| remarks.on_variable(Severity::Error, "SSL_CERT_FILE", error.to_string())).err();
    let roots = roots(instead.as_deref().map(Path::new).filter(|_| own.is_none()), also).or_else(|error| {
        remarks.error("proxy_ssl_ca_file", error.to_string());
        roots(None, None)
    });
    if raw.proxy_ssl_insecure_skip_verify {
        let reason = "anybody is taken for any upstream: who is on the way can read and change everything; name the \
                      issuers with `proxy_ssl_ca_file` instead";
        remarks.warning("proxy_ssl_insecure_skip_verify", reason);
    }
    let mut version = |key: &str, value| {
        tls_version(value).unwrap_or_else(|reason| {
            remarks.error(key, reason);
            None
        })
    };
    let lowest = version("proxy_ssl_min_version", &raw.proxy_ssl_min_version);
    let highest = version("proxy_ssl_max_version", &raw.proxy_ssl_max_version);
    if let Some(highest) = highest.filter(|highest| *highest < TLS12.max(lowest.unwrap_or_default())) {
        let lowest = TLS12.max(lowest.unwrap_or_default());
        let reason =
            format!("{highest} leaves no version, as the lowest is {lowest}; write 771 (TLS 1.2) or 772 (TLS 1.3)");
        remarks.error("proxy_ssl_max_version", reason);
    }
    let suites = read_suites(&raw.proxy_ssl_ciphers, |index, severity, reason| {
        let path = format!("proxy_ssl_ciphers[{index}]");
        match severity {
            Severity::Error => remarks.error(&path, reason),
            Severity::Warning => remarks.warning(&path, reason),
        }
    });
    let (certificates, pinned) = (&raw.security.certificates.upstream.0, &raw.security.pinned_public_keys.0);
    let mut wrong = |key: JsonPath, name: &str, reason: String| remarks.error(&key.key(name).to_string(), reason);
    let named = |(_, value): &(&String, &String)| !value.is_empty();
    for (name, file) in certificates.iter().filter(named) {
        let key = JsonPath::default().key("security").key("certificates").key("upstream");
        if let Err(error) = Identity::read(file, &store)
            && error.severity().is_some()
        {
            wrong(key, name, error.to_string());
        }
    }
    for (name, list) in pinned.iter().filter(named) {
        let key = JsonPath::default().key("security").key("pinned_public_keys");
        pins(list, &store).map_or_else(|error| wrong(key, name, error.to_string()), drop);
    }
    Outbound {
        http2: raw.proxy_enable_http2,
        insecure: raw.proxy_ssl_insecure_skip_verify,
        roots: roots.expect("those in the binary are right"),
        common_name: raw.ssl_force_common_name_check,
        lowest,
        highest,
        suites,
        certificates: certificates.clone(),
        pins: pinned.clone(),
        store,
    }
}
