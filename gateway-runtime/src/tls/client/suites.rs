//! Versions and cipher suites, by the numbers and names that definitions give them.
//!
//! Source: Go, `crypto/tls`; Tyk, `gateway/cert.go`.

use rustls::version::{TLS12 as V12, TLS13 as V13};
use rustls::{CipherSuite, SupportedProtocolVersion};

/// TLS 1.2, as TLS numbers it.
pub(crate) const TLS12: u16 = 771;
/// TLS 1.3, as TLS numbers it.
pub(crate) const TLS13: u16 = 772;

/// A cipher suite of TLS 1.2.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Suite(u16);

impl Suite {
    pub(super) fn is(self, suite: CipherSuite) -> bool {
        self.0 == u16::from(suite)
    }
}

/// What the name of a cipher suite means here.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Named {
    Suite(Suite),
    /// TLS 1.3 has all of its suites, always.
    Always,
    /// Known to Tyk, and too weak to be served here.
    Weak,
    Unknown,
}

/// Suites by Go's names. Those of ChaCha20 have two there.
const SUITES: [(&str, CipherSuite); 8] = [
    ("TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256", CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256),
    ("TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384", CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384),
    ("TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305", CipherSuite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256),
    ("TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256", CipherSuite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256),
    ("TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256),
    ("TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384", CipherSuite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384),
    ("TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305", CipherSuite::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256),
    ("TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256", CipherSuite::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256),
];
const OF_TLS13: [&str; 3] = ["TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256"];
/// Without forward secrecy, or with a cipher that is broken or was used in a way that was.
const WEAK: [&str; 14] = [
    "TLS_RSA_WITH_RC4_128_SHA",
    "TLS_RSA_WITH_3DES_EDE_CBC_SHA",
    "TLS_RSA_WITH_AES_128_CBC_SHA",
    "TLS_RSA_WITH_AES_256_CBC_SHA",
    "TLS_RSA_WITH_AES_128_CBC_SHA256",
    "TLS_RSA_WITH_AES_128_GCM_SHA256",
    "TLS_RSA_WITH_AES_256_GCM_SHA384",
    "TLS_ECDHE_ECDSA_WITH_RC4_128_SHA",
    "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA",
    "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA",
    "TLS_ECDHE_RSA_WITH_RC4_128_SHA",
    "TLS_ECDHE_RSA_WITH_3DES_EDE_CBC_SHA",
    "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA",
    "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA",
];

/// The cipher suite of this name.
pub(crate) fn suite(name: &str) -> Named {
    let weak = || WEAK.contains(&name) || name.ends_with("_CBC_SHA256");
    match SUITES.iter().find(|(known, _)| *known == name) {
        Some((_, suite)) => Named::Suite(Suite(u16::from(*suite))),
        None if OF_TLS13.contains(&name) => Named::Always,
        None if name.starts_with("TLS_") && weak() => Named::Weak,
        None => Named::Unknown,
    }
}

/// The versions in a range; never none.
pub(super) fn versions((lowest, highest): (u16, u16)) -> Vec<&'static SupportedProtocolVersion> {
    let within = |number: u16| lowest.max(TLS12) <= number && number <= highest.max(lowest).max(TLS12);
    [(TLS13, &V13), (TLS12, &V12)]
        .into_iter()
        .filter(|(number, _)| within(*number))
        .map(|(_, version)| version)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_go() {
        let gcm = CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256;
        assert_eq!(suite("TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"), Named::Suite(Suite(u16::from(gcm))));
        assert_eq!(suite("TLS_AES_128_GCM_SHA256"), Named::Always);
        assert_eq!(suite("TLS_RSA_WITH_AES_128_CBC_SHA"), Named::Weak);
        assert_eq!(suite("TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256"), Named::Weak);
        assert_eq!(suite("ECDHE-RSA-AES128-GCM-SHA256"), Named::Unknown);
    }

    #[test]
    fn a_range_of_versions_always_has_one() {
        assert_eq!(versions((TLS12, TLS13)), [&V13, &V12]);
        assert_eq!(versions((769, TLS12)), [&V12]);
        assert_eq!(versions((TLS13, TLS13)), [&V13]);
        assert_eq!(versions((TLS13, TLS12)), [&V13]);
    }
}
