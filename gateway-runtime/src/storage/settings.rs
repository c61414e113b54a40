//! Which engine, and how it is reached: the section `storage` of the configuration, resolved.

use std::path::PathBuf;
use std::time::Duration;

/// The engine that is asked for.
#[derive(Debug, Clone)]
pub(crate) enum Storage {
    Memory,
    File {
        path: PathBuf,
        /// Whether somebody asked for it: a file that cannot be made is then a mistake.
        is_set: bool,
    },
    Redis(Box<RedisSettings>),
}

impl Default for Storage {
    /// What there is without a section.
    fn default() -> Self {
        Self::File { path: "tyk.redb".into(), is_set: false }
    }
}

/// How Redis is reached.
#[derive(Debug, Clone)]
#[cfg_attr(not(feature = "redis"), expect(dead_code, reason = "read by the engine, which is not in this binary"))]
pub(crate) struct RedisSettings {
    /// Hosts and ports; at least one.
    pub(crate) nodes: Vec<(String, u16)>,
    pub(crate) topology: Topology,
    /// Empty for none.
    pub(crate) username: String,
    /// Empty for none.
    pub(crate) password: Secret,
    pub(crate) database: i64,
    /// `None`: without TLS.
    pub(crate) tls: Option<RedisTls>,
    /// Bound on connecting, and on waiting for the answer to a command.
    pub(crate) timeout: Duration,
    /// Commands that wait for their answers at the same time; others wait for their turn.
    pub(crate) at_once: usize,
}

/// What the nodes are.
#[derive(Debug, Clone)]
#[cfg_attr(not(feature = "redis"), expect(dead_code, reason = "read by the engine, which is not in this binary"))]
pub(crate) enum Topology {
    /// The first is the server.
    Single,
    /// Members of a cluster, which know the others.
    Cluster,
    /// Sentinels, which know the server of that name.
    Sentinel { master: String, password: Secret },
}

/// How TLS is spoken with Redis.
#[derive(Debug, Clone)]
#[cfg_attr(not(feature = "redis"), expect(dead_code, reason = "read by the engine, which is not in this binary"))]
pub(crate) struct RedisTls {
    /// Any certificate is taken.
    pub(crate) insecure: bool,
    /// Certificates that the server's may be issued by; `None` for those in the binary.
    pub(crate) roots: Option<Vec<u8>>,
    /// A certificate to show, and its key. All of them PEM.
    pub(crate) identity: Option<(Vec<u8>, Vec<u8>)>,
}

/// What is not to be seen in a log.
#[derive(Clone, Default)]
pub(crate) struct Secret(pub(crate) String);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if self.0.is_empty() { "none" } else { "set" })
    }
}
