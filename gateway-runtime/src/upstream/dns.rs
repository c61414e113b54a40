//! From a host name to addresses, without the C library: a static binary in an empty root has none of its files.

use std::cell::OnceCell;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use hickory_resolver::TokioResolver;
use hickory_resolver::config::ResolverConfig;
use hickory_resolver::net::NetError;
use hickory_resolver::net::runtime::TokioRuntimeProvider;

thread_local! {
    /// One resolver, and one cache, for each core.
    static RESOLVER: OnceCell<TokioResolver> = const { OnceCell::new() };
}

/// The addresses of a host, in the order to try them.
///
/// # Errors
/// When no name server knows the name, or none can be asked.
pub(crate) async fn resolve(host: &str, port: u16) -> Result<Vec<SocketAddr>, NetError> {
    let at = |address: IpAddr| SocketAddr::new(address, port);
    if let Ok(address) = host.parse::<IpAddr>() {
        return Ok(vec![at(address)]);
    }
    if is_localhost(host) {
        return Ok(vec![at(Ipv4Addr::LOCALHOST.into()), at(Ipv6Addr::LOCALHOST.into())]);
    }
    let found = resolver()?.lookup_ip(host).await?;
    Ok(found.iter().map(at).collect())
}

/// RFC 6761: these names never leave the machine.
fn is_localhost(host: &str) -> bool {
    let host = host.trim_end_matches('.');
    host.eq_ignore_ascii_case("localhost") || host.to_ascii_lowercase().ends_with(".localhost")
}

fn resolver() -> Result<TokioResolver, NetError> {
    RESOLVER.with(|cell| {
        if let Some(resolver) = cell.get() {
            return Ok(resolver.clone());
        }
        let resolver = match TokioResolver::builder_tokio() {
            Ok(builder) => builder.build()?,
            Err(error) => {
                // Without /etc/resolv.conf there is nobody to ask: addresses and `localhost` still work, and a name is
                // told to be unknown instead of stopping the gateway.
                tracing::warn!(%error, "no name servers: host names of upstreams cannot be looked up");
                let nobody = ResolverConfig::from_parts(None, vec![], vec![]);
                TokioResolver::builder_with_config(nobody, TokioRuntimeProvider::default()).build()?
            }
        };
        Ok(cell.get_or_init(|| resolver).clone())
    })
}
