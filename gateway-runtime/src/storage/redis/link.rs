//! [`Link`]: a connection to Redis, to one server or to a cluster.

use redis::aio::{MultiplexedConnection, PubSubSink, PubSubStream};
use redis::cluster::{ClusterClient, ClusterClientBuilder};
use redis::cluster_async::ClusterConnection;
use redis::cluster_routing::{MultipleNodeRoutingInfo, RoutingInfo, SingleNodeRoutingInfo};
use redis::io::tcp::TcpSettings;
use redis::sentinel::{SentinelClient, SentinelClientBuilder, SentinelServerType};
use redis::{
    AsyncConnectionConfig, Client, ClientTlsConfig, Cmd, ConnectionAddr, ConnectionInfo, ErrorKind, IntoConnectionInfo,
    RedisConnectionInfo, RedisError, ServerErrorKind, TlsCertificates, TlsMode, Value, cmd,
};

use super::{CHANNEL, RedisSettings};
use crate::storage::{RedisTls, Topology};

/// Names that one step of a list looks at: about.
const STEP: usize = 1_000;

/// What a step gives: where the next one begins, zero at the end, and names.
type Step = (u64, Vec<Vec<u8>>);

/// A connection for signals: what asks whether it lives, and what is heard.
pub(super) type Ear = (PubSubSink, PubSubStream);

/// A connection, over which many ask at the same time.
#[derive(Clone)]
pub(super) enum Link {
    One(MultiplexedConnection),
    Cluster(ClusterConnection),
}

/// Who can make connections.
pub(super) enum Maker {
    One(Box<Client>),
    /// The sentinels are asked who the server is.
    Sentinel(Box<SentinelClient>),
    Cluster {
        cluster: Box<ClusterClient>,
        /// Signals come from any member.
        members: Vec<Client>,
    },
}

impl Maker {
    /// # Errors
    /// When certificates or keys cannot be read.
    pub(super) fn new(settings: &RedisSettings) -> Result<Self, RedisError> {
        let certificates = settings.tls.as_ref().map(certificates);
        let addresses = settings.nodes.iter().map(|(host, port)| address(host, *port, settings.tls.as_ref()));
        let client = |address: ConnectionAddr| {
            let about = about(address, settings)?;
            match &certificates {
                Some(certificates) => Client::build_with_tls(about, certificates.clone()),
                None => Client::open(about),
            }
        };
        match &settings.topology {
            Topology::Single => {
                let first = addresses.take(1).next();
                let none = || RedisError::from((ErrorKind::InvalidClientConfig, "no server is named"));
                client(first.ok_or_else(none)?).map(|client| Self::One(Box::new(client)))
            }
            Topology::Cluster => {
                let addresses: Vec<_> = addresses.collect();
                let cluster = Box::new(cluster(settings, addresses.clone(), certificates.clone())?);
                let members = addresses.into_iter().map(client).collect::<Result<_, _>>()?;
                Ok(Self::Cluster { cluster, members })
            }
            Topology::Sentinel { master, password } => {
                let mut builder = SentinelClientBuilder::new(addresses, master, SentinelServerType::Master)?
                    .set_client_to_redis_tcp_settings(at_once())
                    .set_client_to_redis_db(settings.database);
                if !settings.username.is_empty() {
                    builder = builder.set_client_to_redis_username(&settings.username);
                }
                if !settings.password.0.is_empty() {
                    builder = builder.set_client_to_redis_password(&settings.password.0);
                }
                if !password.0.is_empty() {
                    builder = builder.set_client_to_sentinel_password(&password.0);
                }
                if let Some((tls, certificates)) = settings.tls.as_ref().zip(certificates) {
                    let mode = mode(tls);
                    builder = builder
                        .set_client_to_redis_tls_mode(mode)
                        .set_client_to_sentinel_tls_mode(mode)
                        .set_client_to_redis_certificates(certificates.clone())
                        .set_client_to_sentinel_certificates(certificates);
                }
                Ok(Self::Sentinel(Box::new(builder.build()?)))
            }
        }
    }

    /// Connects, for commands and for signals.
    pub(super) async fn connect(&mut self, settings: &RedisSettings) -> Result<(Link, Ear), RedisError> {
        let client = match self {
            Self::One(client) => Client::clone(client),
            Self::Sentinel(sentinel) => sentinel.async_get_client().await?,
            Self::Cluster { cluster, members } => {
                let link = Link::Cluster(cluster.get_async_connection().await?);
                return Ok((answering(link).await?, signals_of_any(members).await?));
            }
        };
        let within = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(settings.timeout))
            .set_response_timeout(Some(settings.timeout));
        let link = client.get_multiplexed_async_connection_with_config(&within).await?;
        Ok((answering(Link::One(link)).await?, signals(&client).await?))
    }
}

async fn signals_of_any(members: &[Client]) -> Result<Ear, RedisError> {
    let mut last = RedisError::from((ErrorKind::InvalidClientConfig, "no member of the cluster is named"));
    for member in members {
        match signals(member).await {
            Ok(signals) => return Ok(signals),
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// A connection to a server that has read its data: one that is loading them lets clients in, and answers nothing.
async fn answering(mut link: Link) -> Result<Link, RedisError> {
    link.run(&cmd("PING")).await?;
    Ok(link)
}

async fn signals(client: &Client) -> Result<Ear, RedisError> {
    let mut signals = client.get_async_pubsub().await?;
    signals.subscribe(CHANNEL).await?;
    Ok(signals.split())
}

fn address(host: &str, port: u16, tls: Option<&RedisTls>) -> ConnectionAddr {
    match tls {
        None => ConnectionAddr::Tcp(host.to_owned(), port),
        Some(tls) => ConnectionAddr::TcpTls { host: host.to_owned(), port, insecure: tls.insecure, tls_params: None },
    }
}

fn certificates(tls: &RedisTls) -> TlsCertificates {
    let identity = |(client_cert, client_key)| ClientTlsConfig { client_cert, client_key };
    TlsCertificates { client_tls: tls.identity.clone().map(identity), root_cert: tls.roots.clone() }
}

fn mode(tls: &RedisTls) -> TlsMode {
    if tls.insecure { TlsMode::Insecure } else { TlsMode::Secure }
}

/// A command goes at once, and does not wait for the answer to the one before.
fn at_once() -> TcpSettings {
    TcpSettings::default().set_nodelay(true)
}

fn about(address: ConnectionAddr, settings: &RedisSettings) -> Result<ConnectionInfo, RedisError> {
    Ok(address.into_connection_info()?.set_redis_settings(credentials(settings)).set_tcp_settings(at_once()))
}

fn credentials(settings: &RedisSettings) -> RedisConnectionInfo {
    let mut credentials = RedisConnectionInfo::default().set_db(settings.database);
    if !settings.username.is_empty() {
        credentials = credentials.set_username(&settings.username);
    }
    if !settings.password.0.is_empty() {
        credentials = credentials.set_password(&settings.password.0);
    }
    credentials
}

fn cluster(
    settings: &RedisSettings,
    addresses: Vec<ConnectionAddr>,
    certificates: Option<TlsCertificates>,
) -> Result<ClusterClient, RedisError> {
    let about = addresses.into_iter().map(|address| about(address, settings)).collect::<Result<Vec<_>, _>>()?;
    let mut builder: ClusterClientBuilder = ClusterClient::builder(about)
        .tcp_settings(at_once())
        .connection_timeout(settings.timeout)
        .response_timeout(settings.timeout)
        .overall_response_timeout(Some(settings.timeout));
    if let Some((tls, certificates)) = settings.tls.as_ref().zip(certificates) {
        builder = builder.tls(mode(tls)).certs(certificates);
    }
    builder.build()
}

impl Link {
    /// Sends a command, and gives its answer.
    pub(super) async fn run(&mut self, command: &Cmd) -> Result<Value, RedisError> {
        match self {
            Self::One(link) => command.query_async(link).await,
            Self::Cluster(link) => command.query_async(link).await,
        }
    }

    /// The names that begin with `prefix`, in steps that let others through.
    pub(super) async fn list(&mut self, prefix: &str) -> Result<Vec<String>, RedisError> {
        let mut names = match self {
            Self::One(link) => {
                let mut names = Vec::new();
                let mut cursor = 0;
                loop {
                    let (next, some): Step = step(cursor, prefix).query_async(link).await?;
                    names.extend(some);
                    cursor = next;
                    if cursor == 0 {
                        break names;
                    }
                }
            }
            Self::Cluster(link) => list_cluster(link, prefix).await?,
        };
        // A name may come twice while Redis grows. What is no text was not written by a gateway.
        names.sort_unstable();
        names.dedup();
        Ok(names.into_iter().filter_map(|name| String::from_utf8(name).ok()).collect())
    }
}

fn step(cursor: u64, prefix: &str) -> Cmd {
    let mut command = cmd("SCAN");
    command.arg(cursor).arg("MATCH").arg(pattern(prefix)).arg("COUNT").arg(STEP);
    command
}

/// What matches names that begin with a text, whatever is in it.
pub(super) fn pattern(prefix: &str) -> String {
    let mut pattern = String::with_capacity(prefix.len() + 1);
    for letter in prefix.chars() {
        if matches!(letter, '*' | '?' | '[' | ']' | '\\' | '^') {
            pattern.push('\\');
        }
        pattern.push(letter);
    }
    pattern.push('*');
    pattern
}

/// Every master has names of its own.
async fn list_cluster(link: &mut ClusterConnection, prefix: &str) -> Result<Vec<Vec<u8>>, RedisError> {
    let everywhere = RoutingInfo::MultiNode((MultipleNodeRoutingInfo::AllMasters, None));
    let first = link.route_command(step(0, prefix), everywhere).await?;
    let by_node: Vec<(String, Step)> = redis::from_redis_value(first)?;
    let mut names = Vec::new();
    for (node, (mut cursor, some)) in by_node {
        names.extend(some);
        let unknown = || RedisError::from((ErrorKind::Parse, "a member of the cluster has no address", node.clone()));
        let (host, port) = node.rsplit_once(':').ok_or_else(unknown)?;
        let port: u16 = port.parse().map_err(|_| unknown())?;
        while cursor != 0 {
            let there = SingleNodeRoutingInfo::ByAddress { host: host.to_owned(), port };
            let answer = link.route_command(step(cursor, prefix), RoutingInfo::SingleNode(there)).await?;
            let (next, some): Step = redis::from_redis_value(answer)?;
            names.extend(some);
            cursor = next;
        }
    }
    Ok(names)
}

/// Whether an error means that another connection is needed: this one is broken, or leads to a server that is not the
/// master any more.
pub(super) fn is_lost(error: &RedisError) -> bool {
    let of_the_server = matches!(
        error.kind(),
        ErrorKind::Server(ServerErrorKind::ReadOnly | ServerErrorKind::MasterDown | ServerErrorKind::ClusterDown)
            | ErrorKind::ClusterConnectionNotFound
    );
    of_the_server || (error.is_io_error() && !error.is_timeout()) || error.is_unrecoverable_error()
}
