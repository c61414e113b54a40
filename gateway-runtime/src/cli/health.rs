//! `gateway health`: whether the gateway of this machine answers. For images without a shell, whose health command can
//! be nothing but the gateway itself.

mod tls;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use gateway_sdk::http::uri::InvalidUri;
use gateway_sdk::{Body, BodyError, Request, StatusCode, Uri};
use serde::Deserialize;

use super::{diagnose, print};
use crate::clock::Exact;
use crate::config::{self, Config, ConfigError, Loaded};
use crate::server;
use crate::upstream::balance::Aim;
use crate::upstream::target::{Target, TargetError};
use crate::upstream::transport::Transport;
use crate::upstream::{self, Forward, ForwardError, Rules};
use tls::TlsFailure;

/// How long the answer may take, from the connection to its last byte.
const TIMEOUT: Duration = Duration::from_secs(2);
/// A longer answer is not a gateway's.
const LIMIT_BYTES: usize = 64 * 1024;

/// There is nobody who could be asked, or no healthy answer.
#[derive(Debug, thiserror::Error)]
enum Unhealthy {
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error("port 0 does not tell where the gateway listens; name its port with `--port`")]
    Port,
    #[error("`{url}` is not a URL: {error}")]
    Url { url: String, error: InvalidUri },
    #[error("the system refuses: {0}")]
    System(#[from] std::io::Error),
    #[error("{url}: {wrong}")]
    Answer { url: Uri, wrong: Wrong },
}

/// What is wrong with an answer.
#[derive(Debug, thiserror::Error)]
enum Wrong {
    #[error("{0}")]
    Outbound(String),
    #[error(transparent)]
    Target(#[from] TargetError),
    #[error(transparent)]
    Exchange(#[from] ForwardError),
    #[error(transparent)]
    Tls(TlsFailure),
    #[error("the answer broke off: {0}")]
    Body(#[from] BodyError),
    #[error("no answer within {TIMEOUT:?}")]
    Timeout,
    #[error("the answer is {0}")]
    Status(StatusCode),
    #[error("the answer is not a gateway's; is this the port of another server?")]
    Foreign,
}

/// Asks the gateway that runs by this configuration; exit code 1 if it is not well.
pub(super) fn run(conf: Option<&Path>, port: Option<u16>) -> ExitCode {
    match examine(conf, port) {
        Ok(url) => {
            print(&format!("healthy: {url}\n"));
            ExitCode::SUCCESS
        }
        Err(reason) => {
            diagnose(&format_args!("not healthy: {reason}"));
            ExitCode::FAILURE
        }
    }
}

fn examine(conf: Option<&Path>, port: Option<u16>) -> Result<Uri, Box<Unhealthy>> {
    let Loaded { config, .. } = config::load(conf, std::env::vars_os()).map_err(Unhealthy::from)?;
    let mut address = config.listen;
    address.set_port(config.control_port.or(port).unwrap_or(address.port()));
    let address = reachable(address)?;
    let url = url(address, &config)?;
    let answered = server::runtime().map_err(Unhealthy::from)?.block_on(async {
        let ask = async {
            match &config.edge.tls {
                None => ask(&url, &config).await,
                Some(settings) => ask_by_tls(address, &url, settings.server_name.as_deref()).await,
            }
        };
        let answered = tokio::time::timeout(TIMEOUT, ask).await;
        answered.unwrap_or(Err(Wrong::Timeout))
    });
    match answered {
        Ok(()) => Ok(url),
        Err(wrong) => Err(Unhealthy::Answer { url, wrong }.into()),
    }
}

/// Where a gateway that listens there is asked from its own machine.
fn reachable(mut address: SocketAddr) -> Result<SocketAddr, Box<Unhealthy>> {
    if address.port() == 0 {
        return Err(Unhealthy::Port.into());
    }
    if address.ip().is_unspecified() {
        // A socket for all IPv6 addresses is one for all IPv4 addresses too, and not every machine has IPv6.
        address.set_ip(Ipv4Addr::LOCALHOST.into());
    }
    Ok(address)
}

fn url(address: SocketAddr, config: &Config) -> Result<Uri, Box<Unhealthy>> {
    let scheme = if config.edge.tls.is_some() { "https" } else { "http" };
    let url = format!("{scheme}://{address}{}", config.hello_path);
    url.parse().map_err(|error| Unhealthy::Url { url, error }.into())
}

async fn ask_by_tls(address: SocketAddr, url: &Uri, name: Option<&str>) -> Result<(), Wrong> {
    match tls::ask(address, url, name).await {
        Ok((status, body)) => judge(status, &body),
        // Who asks for that does handshakes, and whoever has none is answered nothing else.
        Err(TlsFailure::CertificateRequired) => Ok(()),
        Err(error) => Err(Wrong::Tls(error)),
    }
}

async fn ask(url: &Uri, config: &Config) -> Result<(), Wrong> {
    let transport = Transport::plain(&config.outbound).map_err(Wrong::Outbound)?;
    let target = Target::of(url, &transport)?.without_path();
    // The limit for all of it is above: this one is never reached.
    let rules = Rules::once(2 * TIMEOUT);
    let aim = Aim::One(&target);
    let how =
        Forward { aim, transport: &transport, enforced: None, strip: None, keep_host: false, client: None, rules };
    let mut request = Request::from(hyper::Request::new(Body::empty()));
    request.set_uri(url.clone());
    let mut response = upstream::forward(&mut request, how, Exact::default()).await?;
    let status = response.status();
    if status != StatusCode::OK {
        return Err(Wrong::Status(status));
    }
    let body = response.body_mut().bytes(LIMIT_BYTES).await?;
    judge(status, &body)
}

fn judge(status: StatusCode, body: &[u8]) -> Result<(), Wrong> {
    if status != StatusCode::OK {
        return Err(Wrong::Status(status));
    }
    let passes = serde_json::from_slice::<Hello>(body).is_ok_and(|hello| hello.status == "pass");
    if passes { Ok(()) } else { Err(Wrong::Foreign) }
}

/// What every gateway answers, Tyk's too.
#[derive(Deserialize)]
struct Hello {
    status: String,
}
