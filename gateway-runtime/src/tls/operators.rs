//! Who may call the control API by a certificate. Source: gateway.md §2.1.

use std::path::PathBuf;
use std::sync::Arc;

use arc_swap::ArcSwap;
use rustls::crypto::ring::default_provider;
use rustls_pki_types::CertificateDer;

use super::certificates::CertificateError;
use super::clients::Allowed;
use crate::certificates::Certificates;

/// Clients that are asked for a certificate before they may call the control API.
#[derive(Debug)]
pub(crate) struct Operators {
    /// Files or ids, after the paths of their keys.
    named: Vec<(String, PathBuf)>,
    allowed: ArcSwap<Allowed>,
    /// They come to a port of their own: nobody else need be asked.
    pub(crate) apart: bool,
}

/// What is wrong, and where.
type Mistake<'n> = (&'n str, CertificateError);

impl Operators {
    /// Nobody, until [`read`](Self::read) has found somebody.
    pub(crate) fn new(named: Vec<(String, PathBuf)>, apart: bool) -> Self {
        Self { named, allowed: ArcSwap::from_pointee(allowed(Vec::new())), apart }
    }

    /// Who is allowed now.
    pub(crate) fn allowed(&self) -> Arc<Allowed> {
        self.allowed.load_full()
    }

    /// Reads what is named. What is not in the store yet allows nobody; with any other mistake everything stays as it was.
    pub(crate) fn read(&self, from: &Certificates) -> Vec<Mistake<'_>> {
        let (mut list, mut mistakes): (Vec<CertificateDer<'static>>, Vec<Mistake<'_>>) = Default::default();
        for (path, file) in &self.named {
            match Allowed::read(file, from) {
                Ok(certificates) => list.extend(certificates),
                Err(error) => mistakes.push((path.as_str(), error)),
            }
        }
        if mistakes.iter().all(|(_, error)| error.is_missing()) {
            self.allowed.store(Arc::new(allowed(list)));
        }
        mistakes
    }

    /// The same, and tells in the log what is wrong.
    pub(crate) fn reload(&self, from: &Certificates) {
        for (path, error) in self.read(from) {
            if error.is_missing() {
                tracing::warn!(path, %error, "a client of the control API is not let in");
            } else {
                tracing::error!(path, %error, "the clients of the control API stay as they were");
            }
        }
    }
}

fn allowed(list: Vec<CertificateDer<'static>>) -> Allowed {
    Allowed::new(list, &Arc::new(default_provider()))
}

#[cfg(test)]
mod tests {
    use super::super::testing::{self, Folder};
    use super::*;
    use crate::certificates::{Looked, Stored};

    #[test]
    fn what_is_in_the_store_is_taken_up_and_a_mistake_changes_nothing() {
        let folder = Folder::new();
        let (one, two) = (testing::server(&["one"]), testing::server(&["two"]));
        let (file, id) = (folder.written("one.pem", &one.certificate), "0a".repeat(32));
        let named = |name: PathBuf| ("security.certificates.control_api[0]".to_owned(), name);
        let operators = Operators::new(vec![named(file), named(id.clone().into())], false);
        let lets_in = |made: &testing::Made| operators.allowed().check(&[made.der()]).is_ok();
        let missing = Certificates::with_loaded(&id, Looked::Missing);
        assert_eq!(operators.read(&missing).len(), 1);
        assert!(lets_in(&one) && !lets_in(&two));
        let stored = Stored::of_certificate(two.der());
        let found = Certificates::with_loaded(&id, Looked::Found(Arc::new(stored)));
        assert!(operators.read(&found).is_empty() && lets_in(&one) && lets_in(&two));
        folder.write("one.pem", "junk");
        assert_eq!(operators.read(&missing).len(), 2);
        assert!(lets_in(&one) && lets_in(&two), "all stays as it was");
    }
}
