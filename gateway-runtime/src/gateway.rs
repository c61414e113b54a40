//! [`Gateway`]: what every core shares. Read-only but for the table, which is swapped whole.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use arc_swap::ArcSwap;
use gateway_sdk::host::Host;
use tokio::sync::{mpsc, oneshot};

use crate::apis::table::Table;
use crate::config::Config;
use crate::storage::Store;
use crate::tls::Tls;
use crate::upstream::Rules;

/// The process.
pub(crate) struct Gateway {
    pub(crate) config: Config,
    pub(crate) rules: Rules,
    pub(crate) table: ArcSwap<Table>,
    pub(crate) host: Arc<dyn Host>,
    /// Keys, counters and signals.
    pub(crate) store: Store,
    /// `None`: clients speak plain HTTP.
    pub(crate) tls: Option<Tls>,
    /// Asks for a reload; the answer comes when the cycle is over.
    pub(crate) reload: mpsc::UnboundedSender<oneshot::Sender<()>>,
    phase: AtomicU8,
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
        host: Arc<dyn Host>,
        store: Store,
        tls: Option<Tls>,
        reload: mpsc::UnboundedSender<oneshot::Sender<()>>,
    ) -> Self {
        let rules = Rules::of(&config);
        let phase = AtomicU8::new(Phase::Starting as u8);
        Self { config, rules, table: ArcSwap::from_pointee(table), host, store, tls, reload, phase }
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
