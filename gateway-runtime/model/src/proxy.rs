//! Where an API listens, and what it forwards to.

use serde::{Deserialize, Serialize};

use crate::transport::Transport;

/// The route of an API. Source: Tyk, `ProxyConfig` in `apidef/api_definitions.go`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, expecting = "an object")]
pub struct Proxy {
    /// The path under which requests belong to this API; may contain `{name}` or `{name:regex}`.
    pub listen_path: String,
    /// The upstream, as `scheme://host[:port][/path]`; schemes are `http`, `https`, `h2c`, `ws` and `wss`. Or an API of
    /// this gateway, as `tyk://<its id or name>`.
    pub target_url: String,
    /// Cuts the listen path off before the request is forwarded.
    pub strip_listen_path: bool,
    /// Forwards the client's `Host` instead of the upstream's.
    pub preserve_host_header: bool,
    /// Keeps the trailing slash of the target when nothing follows the listen path.
    pub disable_strip_slash: bool,
    /// Sends requests to the members of `target_list` in turn, and none to `target_url`.
    pub enable_load_balancing: bool,
    /// The upstreams, as `[scheme://]host[:port][/path]`; one that is named twice gets twice as many requests.
    pub target_list: Vec<String>,
    /// Leaves out the members of `target_list` that the API's `uptime_tests` found to be down.
    pub check_host_against_uptime_tests: bool,
    /// How requests travel to the upstream.
    pub transport: Transport,
}

impl Proxy {
    /// The API that `target_url` names, if it names one.
    pub fn target_api(&self) -> Option<&str> {
        let rest = self.target_url.strip_prefix("tyk://")?;
        rest.split(['/', '?', '#']).next()
    }

    /// The members of `target_list`, each with a scheme: its own, else the API's protocol, else `http`. Source: Tyk,
    /// `gateway/reverse_proxy.go`.
    pub fn targets(&self, protocol: &str) -> impl Iterator<Item = String> {
        let scheme = if protocol.trim().is_empty() { "http" } else { protocol.trim() };
        self.target_list.iter().map(move |target| match target.trim() {
            target if target.contains("://") => target.to_owned(),
            target => format!("{scheme}://{target}"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_without_a_scheme_has_the_protocol_of_the_api() {
        let list = ["http://a", "b:81/x", " c "].map(str::to_owned).to_vec();
        let proxy = Proxy { target_list: list, ..Proxy::default() };
        let targets = |protocol| proxy.targets(protocol).collect::<Vec<_>>();
        assert_eq!(targets(""), ["http://a", "http://b:81/x", "http://c"]);
        assert_eq!(targets("h2c"), ["http://a", "h2c://b:81/x", "h2c://c"]);
    }
}
