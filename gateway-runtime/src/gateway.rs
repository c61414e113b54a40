//! [`Gateway`]: what every core shares. Read-only but for the table, which is swapped whole, and what the keys hold.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use arc_swap::ArcSwap;
use gateway_sdk::host::Host;
use tokio::sync::{Mutex, mpsc, oneshot};

use crate::apis::compile::Services;
use crate::apis::plan::Ground;
use crate::apis::table::Table;
use crate::config::Config;
use crate::events::Handlers;
use crate::keyring::Keyring;
use crate::middleware::jwt::sets::KeySets;
use crate::responses::Responses;
use crate::storage::Store;
use crate::tls::Tls;
use crate::upstream::Rules;

/// The process.
pub(crate) struct Gateway {
    pub(crate) config: Config,
    pub(crate) rules: Rules,
    pub(crate) table: ArcSwap<Table>,
    /// Keys, and policies.
    pub(crate) keyring: Arc<Keyring>,
    /// Public keys that tokens are verified by.
    pub(crate) key_sets: Arc<KeySets>,
    pub(crate) host: Arc<dyn Host>,
    /// Who is told of what happens to keys.
    pub(crate) events: Option<Arc<Handlers>>,
    /// What definitions are examined with, before they are written.
    pub(crate) ground: Ground,
    /// Is held while files are changed by the control API.
    pub(crate) changing: Mutex<()>,
    /// Keys, counters and signals.
    pub(crate) store: Store,
    /// Answers that are kept.
    pub(crate) responses: Arc<Responses>,
    /// `None`: clients speak plain HTTP.
    pub(crate) tls: Option<Tls>,
    /// Asks for a reload; the answer comes when the cycle is over.
    pub(crate) reload: mpsc::UnboundedSender<oneshot::Sender<()>>,
    /// How requests are traced; `None`: they are not.
    #[cfg(feature = "otlp")]
    pub(crate) traces: Option<Arc<crate::otlp::Traces>>,
    /// Something is noted of each request, for the log or for spans.
    pub(crate) keeps_journals: bool,
    phase: AtomicU8,
}

/// What is served at a socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Entrance {
    /// APIs, and before them the gateway's own paths.
    Both,
    /// APIs alone: the gateway's own paths have a port to themselves.
    Apis,
    /// The gateway's own paths alone.
    Control,
}

/// Where the process is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Phase {
    Starting,
    Serving,
    /// Whoever sends clients here is given time to notice; they are served as before.
    Draining,
    /// Nobody is let in any more, and every answer is its connection's last.
    Closing,
}

impl Gateway {
    pub(crate) fn new(
        config: Config,
        table: Table,
        services: &Services,
        tls: Option<Tls>,
        reload: mpsc::UnboundedSender<oneshot::Sender<()>>,
    ) -> Self {
        let rules = Rules::of(&config);
        let Services { host, keyring, key_sets, responses, ground, .. } = services.clone();
        let store = keyring.store().clone();
        let events = Handlers::new(&config.events, &ground.events);
        let keeps_journals = config.access_log.is_some() || config.telemetry.traces.is_some();
        let phase = AtomicU8::new(Phase::Starting as u8);
        Self {
            config,
            rules,
            table: ArcSwap::from_pointee(table),
            host,
            keyring,
            key_sets,
            store,
            events,
            responses,
            ground,
            changing: Mutex::new(()),
            tls,
            reload,
            #[cfg(feature = "otlp")]
            traces: services.telemetry.traces.clone(),
            keeps_journals,
            phase,
        }
    }

    pub(crate) fn phase(&self) -> Phase {
        match self.phase.load(Ordering::Relaxed) {
            0 => Phase::Starting,
            1 => Phase::Serving,
            2 => Phase::Draining,
            _ => Phase::Closing,
        }
    }

    pub(crate) fn enter(&self, phase: Phase) {
        self.phase.store(phase as u8, Ordering::Relaxed);
    }
}
