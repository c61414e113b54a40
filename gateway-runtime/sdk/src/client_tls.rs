//! [`ClientTls`]: what is known of a client by its TLS connection.

use std::fmt::{self, Write};

/// The TLS connection of a client: the same for all requests on it.
#[derive(Clone, PartialEq, Eq)]
pub struct ClientTls {
    server_name: Option<String>,
    certificates: Vec<Vec<u8>>,
    digest: Option<[u8; 32]>,
}

impl ClientTls {
    /// For the runtime and for tests: `digest` is the SHA-256 of the first certificate.
    #[must_use]
    pub fn new(server_name: Option<&str>, certificates: Vec<Vec<u8>>, digest: Option<[u8; 32]>) -> Self {
        Self { server_name: server_name.map(str::to_owned), certificates, digest }
    }

    /// The name that the client asked for in its handshake (SNI). Its requests may be for other hosts.
    #[must_use]
    pub fn server_name(&self) -> Option<&str> {
        self.server_name.as_deref()
    }

    /// The certificates that the client showed, as DER: its own, then those that lead to its issuer. That it has the key
    /// of the first is proven; who issued that is not, unless the API uses `use_mutual_tls_auth`.
    #[must_use]
    pub fn certificates(&self) -> &[Vec<u8>] {
        &self.certificates
    }

    /// The SHA-256 of the client's own certificate, if it showed one.
    #[must_use]
    pub fn digest(&self) -> Option<&[u8; 32]> {
        self.digest.as_ref()
    }

    /// The same in hexadecimal digits, as Tyk names certificates; empty if the client showed none.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        let mut text = String::new();
        for byte in self.digest.iter().flatten() {
            // A text takes whatever is written.
            let _ = write!(text, "{byte:02x}");
        }
        text
    }
}

impl fmt::Debug for ClientTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let certificates = self.certificates.len();
        let mut shown = f.debug_struct("ClientTls");
        shown.field("server_name", &self.server_name).field("certificates", &certificates);
        shown.field("fingerprint", &self.fingerprint()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fingerprint_is_in_hexadecimal_digits() {
        let mut digest = [0; 32];
        digest[0] = 0xab;
        let client = ClientTls::new(Some("a"), vec![vec![1]], Some(digest));
        assert_eq!(client.fingerprint(), format!("ab{}", "00".repeat(31)));
        assert_eq!(ClientTls::new(None, Vec::new(), None).fingerprint(), "");
    }
}
