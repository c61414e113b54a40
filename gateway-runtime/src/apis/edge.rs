//! What an API asks of the client's side of the gateway: its host, certificates for that, and those of its clients.

use std::path::PathBuf;
use std::sync::Arc;

use gateway_model::{ApiDefinition, Severity};
use rustls::crypto::ring::default_provider;

use crate::apis::host::Host;
use crate::apis::listen_path::mistake;
use crate::certificates::Certificates;
use crate::config::Edge;
use crate::tls::certificates::{Identity, Pair, stamp};
use crate::tls::clients::Allowed;

/// The client's side of one API.
#[derive(Debug, Default)]
pub(crate) struct ApiEdge {
    /// The host that it is for, where domains are honoured; `None` is that of the gateway.
    pub(crate) domain: Option<Box<str>>,
    /// For handshakes on that domain.
    pub(crate) certificates: Vec<Arc<Identity>>,
    /// `None`: clients need no certificate.
    pub(crate) allowed: Option<Arc<Allowed>>,
    /// What it was made of beside the definition, to know whether that is still the same.
    files: Vec<(PathBuf, Option<[u8; 32]>)>,
}

const NO_TLS: &str =
    "has no effect: the gateway has no TLS; set `http_server_options.use_ssl` in its configuration, or remove it";

/// What was found, and where in the definition.
pub(crate) type Found = (Severity, String, String);

impl ApiEdge {
    /// As much as is known of an API that cannot be served: which requests are for it.
    pub(crate) fn closed(api: &ApiDefinition, edge: &Edge) -> Self {
        let domain = api.custom_domain().filter(|_| edge.custom_domains).map(Box::from);
        Self { domain, ..Self::default() }
    }

    /// Reads all files. An error means that the API cannot be served.
    pub(crate) fn of(api: &ApiDefinition, edge: &Edge) -> (Self, Vec<Found>) {
        let mut found = Vec::new();
        let mut this = Self::closed(api, edge);
        match (&this.domain, api.custom_domain()) {
            (Some(domain), _) => {
                if let Err(error) = Host::new(domain) {
                    found.push((Severity::Error, "domain".to_owned(), mistake(&error)));
                }
            }
            (None, Some(_)) => {
                let reason = "has no effect, and the API is served on every host: set `enable_custom_domains` in the \
                              gateway's configuration";
                found.push((Severity::Warning, "domain".to_owned(), reason.to_owned()));
            }
            (None, None) => {}
        }
        this.read_certificates(api, edge, &mut found);
        if api.use_mutual_tls_auth {
            this.read_clients(api, edge, &mut found);
        } else if !api.client_certificates.is_empty() {
            let reason = "has no effect, and clients need no certificate: `use_mutual_tls_auth` is false";
            found.push((Severity::Warning, "client_certificates".to_owned(), reason.to_owned()));
        }
        (this, found)
    }

    /// Whether all files are still what they were.
    pub(crate) fn is_current(&self, from: &Certificates) -> bool {
        self.files.iter().all(|(file, known)| known.is_some() && stamp(file, from) == *known)
    }

    /// A certificate that is not in the store yet breaks nothing: clients are shown another, which they refuse.
    fn read_certificates(&mut self, api: &ApiDefinition, edge: &Edge, found: &mut Vec<Found>) {
        if api.domain_disabled {
            return;
        }
        if edge.tls.is_none() {
            if !api.certificates.is_empty() {
                found.push((Severity::Warning, "certificates".to_owned(), NO_TLS.to_owned()));
            }
            return;
        }
        for (at, file) in api.certificates.iter().enumerate() {
            let path = format!("certificates[{at}]");
            let file = PathBuf::from(file);
            self.files.push((file.clone(), stamp(&file, &edge.certificates)));
            let (certificate, key) = (file.clone(), file.clone());
            let pair = Pair {
                certificate,
                key,
                domain: self.domain.as_deref().map(str::to_owned),
                paths: [path.clone(), path],
            };
            match pair.load(&edge.certificates) {
                Ok(identity) => {
                    let ended = identity.ended.map(|ended| format!("{}: {ended}", file.display()));
                    found.extend(ended.map(|ended| (Severity::Warning, pair.paths[0].clone(), ended)));
                    self.certificates.push(Arc::new(identity));
                }
                Err((path, error)) => {
                    found.extend(error.severity().map(|severity| (severity, path.to_owned(), error.to_string())));
                }
            }
        }
    }

    fn read_clients(&mut self, api: &ApiDefinition, edge: &Edge, found: &mut Vec<Found>) {
        let own = api.client_certificates.iter().enumerate();
        let own = own.map(|(at, file)| (format!("client_certificates[{at}]"), PathBuf::from(file)));
        let (mut list, mut is_awaited) = (Vec::new(), false);
        for (path, file) in own.chain(edge.clients.iter().cloned()) {
            self.files.push((file.clone(), stamp(&file, &edge.certificates)));
            match Allowed::read(&file, &edge.certificates) {
                Ok(certificates) => list.extend(certificates),
                Err(error) => {
                    is_awaited |= error.severity().is_none();
                    found.extend(error.severity().map(|severity| (severity, path, error.to_string())));
                }
            }
        }
        if edge.tls.is_none() {
            let reason = "asks for client certificates, and the gateway has no TLS: every request is refused; set \
                          `http_server_options.use_ssl` in its configuration";
            found.push((Severity::Warning, "use_mutual_tls_auth".to_owned(), reason.to_owned()));
        } else if list.is_empty() && !is_awaited && found.iter().all(|(severity, ..)| *severity != Severity::Error) {
            let reason = "asks for client certificates, and none is allowed: every request is refused; name PEM files in \
                          `client_certificates`";
            found.push((Severity::Warning, "use_mutual_tls_auth".to_owned(), reason.to_owned()));
        }
        self.allowed = Some(Arc::new(Allowed::new(list, &Arc::new(default_provider()))));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::certificates::{Looked, Stored};
    use crate::tls::testing::{self, Folder};

    fn told(api: &ApiDefinition, edge: &Edge) -> Vec<String> {
        let short = |(severity, path, reason): Found| {
            format!("{severity} {path}: {}", reason.split([';', ',']).next().unwrap_or_default())
        };
        ApiEdge::of(api, edge).1.into_iter().map(short).collect()
    }

    #[test]
    fn a_domain_without_custom_domains_is_told_to_have_no_effect() {
        let api = ApiDefinition { domain: "a.com".into(), ..ApiDefinition::default() };
        assert_eq!(told(&api, &Edge::default()), ["warning domain: has no effect"]);
        let edge = Edge { custom_domains: true, ..Edge::default() };
        assert!(told(&api, &edge).is_empty());
        assert_eq!(ApiEdge::of(&api, &edge).0.domain.as_deref(), Some("a.com"));
        assert_eq!(ApiEdge::of(&ApiDefinition { domain_disabled: true, ..api }, &edge).0.domain, None);
        let wrong = ApiDefinition { domain: "{a:[}.com".into(), ..ApiDefinition::default() };
        assert_eq!(told(&wrong, &edge), ["error domain: not a regular expression: unclosed character class"]);
    }

    #[test]
    fn what_clients_need_is_read_and_what_is_not_in_the_store_is_told() {
        let folder = Folder::new();
        let file = folder.written("ca.pem", &testing::authority("CA").certificate);
        let id = "ab".repeat(32);
        let list = |files: &[String]| ApiDefinition {
            use_mutual_tls_auth: true,
            client_certificates: files.to_vec(),
            ..ApiDefinition::default()
        };
        let plain = Edge::default();
        let no_tls = "warning use_mutual_tls_auth: asks for client certificates";
        assert_eq!(told(&list(&[file.display().to_string()]), &plain), [no_tls]);
        assert_eq!(told(&list(std::slice::from_ref(&id)), &plain), [no_tls], "the store was not asked");
        let asked = Edge { certificates: Certificates::with_loaded(&id, Looked::Missing), ..Edge::default() };
        let missing = format!("warning client_certificates[0]: `{id}` is no file");
        assert_eq!(told(&list(std::slice::from_ref(&id)), &asked), [missing, no_tls.to_owned()]);
        let off = ApiDefinition { use_mutual_tls_auth: false, ..list(&[id]) };
        assert_eq!(told(&off, &plain), ["warning client_certificates: has no effect"]);
        assert!(ApiEdge::of(&off, &plain).0.allowed.is_none());
    }

    #[test]
    fn certificates_without_tls_are_told_to_have_no_effect() {
        let api = ApiDefinition { certificates: vec!["/none.pem".to_owned()], ..ApiDefinition::default() };
        assert_eq!(told(&api, &Edge::default()), ["warning certificates: has no effect: the gateway has no TLS"]);
    }

    #[test]
    fn a_file_that_changes_makes_the_api_old() {
        let folder = Folder::new();
        let file = folder.written("ca.pem", &testing::authority("CA").certificate);
        let api = ApiDefinition {
            use_mutual_tls_auth: true,
            client_certificates: vec![file.display().to_string()],
            ..ApiDefinition::default()
        };
        let (edge, _) = ApiEdge::of(&api, &Edge::default());
        let none = Certificates::default();
        assert!(edge.is_current(&none));
        folder.write("ca.pem", &testing::authority("CA").certificate);
        assert!(!edge.is_current(&none));
    }

    #[test]
    fn what_comes_into_the_store_makes_the_api_old() {
        let id = "cd".repeat(32);
        let found = |made: &testing::Made| {
            Certificates::with_loaded(&id, Looked::Found(Arc::new(Stored::of_certificate(made.der()))))
        };
        let api = ApiDefinition {
            use_mutual_tls_auth: true,
            client_certificates: vec![id.clone()],
            ..ApiDefinition::default()
        };
        let (one, two) = (testing::authority("CA"), testing::authority("CA"));
        let (edge, _) = ApiEdge::of(&api, &Edge { certificates: found(&one), ..Edge::default() });
        assert!(edge.is_current(&found(&one)) && !edge.is_current(&found(&two)));
        let client = testing::client("ours", &one).der();
        assert_eq!(edge.allowed.as_ref().expect("a list").check(std::slice::from_ref(&client)), Ok(()));
        let missing = Certificates::with_loaded(&id, Looked::Missing);
        let (edge, _) = ApiEdge::of(&api, &Edge { certificates: missing.clone(), ..Edge::default() });
        assert!(!edge.is_current(&missing), "it is looked for again");
        assert!(edge.allowed.expect("a list").check(&[client]).is_err(), "nobody is let in");
    }
}
