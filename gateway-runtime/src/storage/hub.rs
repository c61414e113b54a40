//! How a signal comes to all who wait for it in this process.

use std::sync::Arc;

use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;

/// Signals that wait for one who is slow to hear them; who is slower still hears [`Signal::Missed`].
const WAITING: usize = 1024;

/// What a subscriber hears.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Signal {
    /// A message, as it was published.
    Message(Arc<str>),
    /// Messages may have been lost, as when a server was away: whatever they tell may have changed.
    Missed,
}

/// The ear of one subscriber.
pub(crate) struct Subscription(broadcast::Receiver<Signal>);

impl Subscription {
    /// The next signal; `None` when the engine has ended.
    pub(crate) async fn next(&mut self) -> Option<Signal> {
        match self.0.recv().await {
            Ok(signal) => Some(signal),
            Err(RecvError::Lagged(_)) => Some(Signal::Missed),
            Err(RecvError::Closed) => None,
        }
    }
}

/// All subscribers of one process.
pub(super) struct Hub(broadcast::Sender<Signal>);

impl Default for Hub {
    fn default() -> Self {
        Self(broadcast::Sender::new(WAITING))
    }
}

impl Hub {
    pub(super) fn tell(&self, signal: Signal) {
        // Nobody needs to listen.
        let _ = self.0.send(signal);
    }

    pub(super) fn subscribe(&self) -> Subscription {
        Subscription(self.0.subscribe())
    }
}
