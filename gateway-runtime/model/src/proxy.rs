//! Where an API listens, and what it forwards to.

use serde::{Deserialize, Serialize};

use crate::transport::Transport;

/// The route of an API. Source: Tyk, `ProxyConfig` in `apidef/api_definitions.go`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, expecting = "an object")]
pub struct Proxy {
    /// The path under which requests belong to this API; may contain `{name}` or `{name:regex}`.
    pub listen_path: String,
    /// The upstream, as `scheme://host[:port][/path]`; schemes are `http`, `https`, `h2c`, `ws` and `wss`.
    pub target_url: String,
    /// Cuts the listen path off before the request is forwarded.
    pub strip_listen_path: bool,
    /// Forwards the client's `Host` instead of the upstream's.
    pub preserve_host_header: bool,
    /// Keeps the trailing slash of the target when nothing follows the listen path.
    pub disable_strip_slash: bool,
    /// How requests travel to the upstream.
    pub transport: Transport,
}
