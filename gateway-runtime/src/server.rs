//! The life of the process: load, listen, reload, drain.

mod cycle;
mod signals;
mod workers;

use std::net::SocketAddr;
use std::ops::ControlFlow;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use gateway_sdk::exchange::BoxFuture;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::runtime::{Builder, LocalOptions, LocalRuntime};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinSet;

use crate::analytics::{self, Analytics, Worker};
use crate::apis::compile::Services;
use crate::apis::plan::Ground;
use crate::apis::source::SourceError;
use crate::bundles::Library;
use crate::chain::PluginRules;
use crate::config::{Config, Outbound};
use crate::events;
use crate::gateway::{Gateway, Phase};
use crate::handover::Handover;
use crate::hearing;
use crate::host::{GatewayHost, Outgoing};
use crate::keyring::Keyring;
use crate::later::Later;
use crate::limiter::Limiter;
use crate::memory;
use crate::middleware::jwt::sets::KeySets;
use crate::notify;
use crate::policies::PoliciesError;
use crate::responses::Responses;
use crate::session::key::NoRandomness;
use crate::session::nodes::Nodes;
use crate::sockets::{SocketError, Sockets};
use crate::statsd::StatsD;
use crate::storage::{self, Load};
use crate::telling;
use crate::tls::{Tls, TlsError};
use crate::upstream::transport::Transport;
use crate::upstream::{Rules, health, pool};
use cycle::{first_load, is_served, load_policies, reload, rulebook, take_up};
use signals::{Signals, Told};

/// How long a plugin's `shutdown` may take.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(10);

/// How long the store may take to finish.
const STORE_TIMEOUT: Duration = Duration::from_secs(10);

/// Why the gateway does not start.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StartError {
    #[error(transparent)]
    Socket(#[from] SocketError),
    #[error(transparent)]
    Source(#[from] SourceError),
    #[error(transparent)]
    Policies(#[from] PoliciesError),
    #[error("plugins are not in this binary ({0}), and `strict_plugins` is set")]
    Unresolved(usize),
    #[error(transparent)]
    Tls(#[from] TlsError),
    #[error(transparent)]
    Store(#[from] storage::OpenError),
    #[error(transparent)]
    Analytics(#[from] analytics::StartError),
    #[error(transparent)]
    Randomness(#[from] NoRandomness),
    #[error("the system refuses: {0}")]
    System(#[from] std::io::Error),
    #[error("upstreams cannot be reached as `tyk.conf` says: {0}")]
    Outbound(String),
    #[cfg(feature = "otlp")]
    #[error("the collector cannot be reached as `opentelemetry` in `tyk.conf` says: {0}")]
    Telemetry(String),
    #[error("a core ended before it served")]
    Worker,
}

/// Serves until the process is told to end. `port` is what the command line asked for; it is in the configuration too.
///
/// # Errors
/// When it cannot start.
pub(crate) fn run(config: Config, port: Option<u16>) -> Result<ExitCode, StartError> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    raise_open_files();
    let sockets = Sockets::new(config.listen, config.control_port, cores)?;
    if sockets.inherited {
        let (addresses, count) = (shown(&sockets), sockets.count());
        tracing::info!(
            addresses,
            sockets = count,
            "inherited sockets: `listen_address` and `listen_port` are not used"
        );
        if let Some(port) = port {
            tracing::warn!(port, "`--port` has no effect on inherited sockets");
        }
    }
    runtime()?.block_on(life(config, sockets, cores))
}

/// The soft limit protects programs that use `select`: a gateway needs what the hard one allows.
fn raise_open_files() {
    let limit = getrlimit(Resource::Nofile);
    if limit.current != limit.maximum
        && let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit })
    {
        tracing::warn!(%error, "the limit on open files stays as it is");
    }
}

/// One core's runtime.
pub(crate) fn runtime() -> std::io::Result<LocalRuntime> {
    Builder::new_current_thread().enable_all().build_local(LocalOptions::default())
}

fn shown(sockets: &Sockets) -> String {
    let addresses: Vec<_> = sockets.addresses.iter().map(ToString::to_string).collect();
    addresses.join(", ")
}

/// What there is for definitions.
fn ground(config: &Config, sockets: &Sockets, events: events::Queue) -> Ground {
    let ports = sockets.addresses.iter().map(SocketAddr::port).collect();
    let outbound = Arc::clone(&config.outbound);
    let (paths, trust) = (config.paths, config.trust);
    let (edge, has_control) = (config.edge.clone(), config.control_port.is_none());
    Ground {
        paths,
        trust,
        ports,
        has_control,
        edge,
        outbound,
        bundles: Arc::clone(&config.bundles),
        rate_headers: config.rate_headers,
        marks: Arc::default(),
        has_analytics: config.analytics.is_some(),
        max_response_body: config.max_response_body,
        events,
        errors: Arc::clone(&config.errors),
        version_header: config.version_header.clone(),
    }
}

/// What definitions are read against, and what plugins need to start.
fn services(
    config: &Config,
    sockets: &Sockets,
    myself: &Load,
    store: &Later,
    events: events::Queue,
    retired: mpsc::UnboundedSender<BoxFuture<'static, ()>>,
    reload: &mpsc::UnboundedSender<oneshot::Sender<()>>,
) -> Result<(Services, Option<Worker>), StartError> {
    let outgoing = |outbound: &Outbound| {
        let transport = Transport::plain(outbound).map_err(StartError::Outbound)?;
        Ok::<_, StartError>(Outgoing::new(Rules::of(config), transport))
    };
    let outbound = &*config.outbound;
    let to_issuers = Outbound { insecure: outbound.insecure || config.key_sets.insecure, ..outbound.clone() };
    let (analytics, worker) = config.analytics.as_deref().cloned().map(Analytics::new).unzip();
    let services = Services {
        analytics,
        host: Arc::new(GatewayHost::new(outgoing(outbound)?)),
        keyring: Arc::new(Keyring::new(store.clone(), config.keys.clone())),
        limiter: Arc::new(Limiter::new(config.rates, nodes(config, myself), store.clone())),
        responses: Arc::new(Responses::new(store.clone())),
        rate_headers: config.rate_headers,
        key_sets: Arc::new(KeySets::new(outgoing(&to_issuers)?, config.key_sets.lifetime)),
        ground: ground(config, sockets, events),
        bundles: bundles(config, reload)?,
        plugins: PluginRules::new(&config.plugins, &config.telemetry),
        statsd: config.statsd.clone().map(StatsD::start),
        #[cfg(feature = "otlp")]
        telemetry: Arc::new(crate::otlp::Telling::start(config, &myself.name()).map_err(StartError::Telemetry)?),
        retired,
    };
    Ok((services, worker))
}

/// Fetches plugin bundles.
#[cfg(feature = "bundles")]
fn bundles(config: &Config, reload: &mpsc::UnboundedSender<oneshot::Sender<()>>) -> Result<Arc<Library>, StartError> {
    let outbound = &*config.outbound;
    let outbound = Outbound { insecure: outbound.insecure || config.bundles.insecure, ..outbound.clone() };
    let transport = Transport::plain(&outbound).map_err(StartError::Outbound)?;
    let outgoing = Outgoing::new(Rules::of(config), transport);
    Ok(Arc::new(Library::new(Arc::clone(&config.bundles), outgoing, reload.clone())))
}

/// There are none.
#[cfg(not(feature = "bundles"))]
fn bundles(_: &Config, _: &mpsc::UnboundedSender<oneshot::Sender<()>>) -> Result<Arc<Library>, StartError> {
    Ok(Arc::default())
}

async fn life(config: Config, mut sockets: Sockets, cores: usize) -> Result<ExitCode, StartError> {
    let mut signals = Signals::new()?;
    let (reload, mut reloads) = mpsc::unbounded_channel();
    let (retired, mut retiring) = mpsc::unbounded_channel();
    let store = Later::default();
    let myself = telling::myself()?;
    let (events, raised) = events::queue();
    let (services, worker) = services(&config, &sockets, &myself, &store, events, retired, &reload)?;
    tell_events(&config, raised, &store)?;
    let policies = load_policies(&config)?;
    let table = tokio::select! {
        table = first_load(&config, &services, sockets.predecessor.as_ref()) => table?,
        () = signals.end() => return Ok(ExitCode::SUCCESS),
    };
    let address = shown(&sockets);
    let opened = tokio::select! {
        opened = storage::open(&config.storage, sockets.predecessor.as_ref()) => opened?,
        () = signals.end() => return Ok(ExitCode::SUCCESS),
    };
    config.edge.certificates.open(opened.clone());
    store.open(opened);
    worker.map(|worker| worker.start(config.keys.rules.clone(), store)).transpose()?;
    let table = take_up(&config, &services, table).await?;
    let new = |settings| Tls::new(settings, &config.edge.certificates, &table);
    let tls = config.edge.tls.as_ref().map(new).transpose()?;
    services.keyring.adopt(rulebook(policies, &table));
    let gateway = Arc::new(Gateway::new(config, table, &services, tls, reload));

    let (stop, stopped) = watch::channel(false);
    let predecessor = sockets.predecessor.take();
    let inherited = sockets.inherited;
    let shares = sockets.listen(cores)?;
    let handover = Handover::new(&shares)?;
    speak(&gateway, &services.limiter, myself);
    let workers = workers::start(&gateway, shares, inherited, &stopped).await?;
    gateway.enter(Phase::Serving);
    tell_listening(&gateway, &address, workers.len());
    notify::ready().await;
    if let Some(predecessor) = predecessor {
        predecessor.relieve();
    }
    watch_hosts(&gateway);

    let mut ending = JoinSet::new();
    let relieved = loop {
        match supervise(&gateway, &services, &mut signals, &mut reloads, &mut retiring, &mut ending).await {
            Leave::Told => break false,
            Leave::Asked => {
                if let ControlFlow::Break(relieved) = hand_over(&gateway, &handover, &mut signals).await {
                    break relieved;
                }
            }
        }
    };

    // Its copies of the sockets would keep them open when nobody is let in any more.
    drop(handover);
    gateway.enter(Phase::Draining);
    tracing::info!("draining");
    let drain = async {
        // Whoever sends clients here need not notice that another one answers them.
        if !relieved {
            notify::stopping().await;
            tokio::time::sleep(gateway.config.shutdown_delay).await;
        }
        gateway.enter(Phase::Closing);
        // Every worker may have failed already.
        let _ = stop.send(true);
        workers::join(workers).await;
        tell_the_rest(&services).await;
        // What plugins hold is released once no request can call them.
        gateway.table.store(Arc::default());
        drop(services);
        while let Ok(shutdown) = retiring.try_recv() {
            ending.spawn_local(finish(shutdown));
        }
        while ending.join_next().await.is_some() {}
        close(&gateway).await;
    };
    tokio::select! {
        () = drain => tracing::info!("stopped"),
        _ = signals.end() => tracing::warn!("stopped at once"),
    }
    Ok(ExitCode::SUCCESS)
}

/// Waits until all is kept and told that there is of requests; there are no more.
async fn tell_the_rest(services: &Services) {
    if let Some(analytics) = &services.analytics {
        analytics.close().await;
    }
    #[cfg(feature = "otlp")]
    services.telemetry.close().await;
}

fn tell_listening(gateway: &Gateway, address: &str, cores: usize) {
    let (apis, control_port) = (gateway.table.load().apis().len(), gateway.config.control_port);
    tracing::info!(address, control_port, apis, cores, "listening");
}

/// Tells whatever events there are, beside the cores that serve.
fn tell_events(config: &Config, raised: mpsc::Receiver<events::Raised>, store: &Later) -> Result<(), StartError> {
    let transport = Transport::plain(&config.outbound).map_err(StartError::Outbound)?;
    let outgoing = Arc::new(Outgoing::new(Rules::of(config), transport));
    tokio::task::spawn_local(events::deliver(raised, outgoing, store.clone()));
    Ok(())
}

/// Those that this gateway counts rates with.
fn nodes(config: &Config, myself: &Load) -> Nodes {
    if config.cluster.is_silent { Nodes::alone() } else { Nodes::of(myself.name()) }
}

/// Hears what others on the store tell, and tells them that this gateway is there.
fn speak(gateway: &Arc<Gateway>, limiter: &Arc<Limiter>, myself: Load) {
    tokio::task::spawn_local(hearing::hear(Arc::clone(gateway), Arc::clone(limiter)));
    let telling::Settings { every, is_silent } = gateway.config.cluster;
    if gateway.store.engine().is_shared() && !is_silent {
        tokio::task::spawn_local(telling::tell(Arc::clone(gateway), Arc::clone(limiter), myself, every));
    }
}

/// Lets another gateway take over. Breaks with whether it did when this one is to end; this one serves on if nobody does.
async fn hand_over(gateway: &Arc<Gateway>, handover: &Handover, signals: &mut Signals) -> ControlFlow<bool> {
    tracing::info!("another gateway is to take over");
    let taken = tokio::select! {
        taken = handover.run(|file| is_served(gateway, file), async || give_away(gateway).await) => taken,
        () = signals.end() => return ControlFlow::Break(false),
    };
    match taken {
        Ok(process) => {
            tracing::info!(process, "another gateway serves");
            notify::succeeded_by(process).await;
            ControlFlow::Break(true)
        }
        Err(error) => {
            tracing::error!(%error, "nobody takes over: this gateway serves on");
            take_back(gateway).await;
            ControlFlow::Continue(())
        }
    }
}

/// The gateway that takes over is to have the store.
async fn give_away(gateway: &Gateway) {
    if let Err(error) = gateway.store.engine().give_away().wait().await {
        tracing::error!(%error, "the store is not let go");
    }
}

async fn take_back(gateway: &Gateway) {
    if let Err(error) = gateway.store.engine().take_back().wait().await {
        tracing::error!(%error, "the store is not there again; it is tried on");
    }
}

/// What was counted is kept.
async fn close(gateway: &Gateway) {
    match tokio::time::timeout(STORE_TIMEOUT, gateway.store.engine().close().wait()).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::error!(%error, "the store is not finished"),
        Err(_) => tracing::error!(timeout_s = STORE_TIMEOUT.as_secs(), "the store took too long to finish"),
    }
}

/// Asks how the hosts are that the definitions of the moment name.
fn watch_hosts(gateway: &Arc<Gateway>) {
    let watch = gateway.config.uptime;
    if watch.disabled {
        return;
    }
    let gateway = Arc::clone(gateway);
    let checks = move || {
        let table = gateway.table.load();
        table.apis().iter().filter_map(|api| api.serving.as_ref().ok()).flat_map(|api| api.checks.clone()).collect()
    };
    tokio::task::spawn_local(health::watch(watch, checks));
}

/// Why the gateway is not supervised any more.
enum Leave {
    /// It was told to end.
    Told,
    /// Another gateway is to take over.
    Asked,
}

/// Reloads and retires plugins until the process is told to end, or another gateway is asked for.
async fn supervise(
    gateway: &Arc<Gateway>,
    services: &Services,
    signals: &mut Signals,
    reloads: &mut mpsc::UnboundedReceiver<oneshot::Sender<()>>,
    retiring: &mut mpsc::UnboundedReceiver<BoxFuture<'static, ()>>,
    ending: &mut JoinSet<()>,
) -> Leave {
    let mut sweep = tokio::time::interval(pool::SWEEP_INTERVAL);
    loop {
        let mut waiting = Vec::new();
        tokio::select! {
            signal = signals.next() => match signal {
                Told::End => return Leave::Told,
                Told::HandOver => return Leave::Asked,
                Told::Reload => {}
            },
            Some(shutdown) = retiring.recv() => {
                ending.spawn_local(finish(shutdown));
                continue;
            }
            Some(_) = ending.join_next() => continue,
            _ = sweep.tick() => {
                // Plugins' `init` made connections on this thread.
                pool::sweep();
                pool::rest();
                memory::settle(true);
                gateway.keyring.sweep();
                services.limiter.sweep();
                gateway.store.engine().sweep();
                gateway.responses.sweep();
                continue;
            }
            Some(done) = reloads.recv() => waiting.push(done),
        }
        // Everybody who asked by now is served by one cycle.
        while let Ok(done) = reloads.try_recv() {
            waiting.push(done);
        }
        tokio::select! {
            () = signals.end() => return Leave::Told,
            () = async {
                notify::reloading().await;
                reload(gateway, services).await;
                notify::ready().await;
            } => {}
        }
        for done in waiting {
            // Who asked may not wait for it.
            let _ = done.send(());
        }
    }
}

/// Runs a plugin's `shutdown`: it can neither hold nor break the process.
async fn finish(shutdown: BoxFuture<'static, ()>) {
    let task = tokio::spawn(shutdown);
    let abort = task.abort_handle();
    match tokio::time::timeout(SHUTDOWN_TIMEOUT, task).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::error!(%error, "a plugin's `shutdown` failed"),
        Err(_) => {
            abort.abort();
            tracing::error!(timeout_s = SHUTDOWN_TIMEOUT.as_secs(), "a plugin's `shutdown` took too long");
        }
    }
}
