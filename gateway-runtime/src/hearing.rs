//! What this gateway does about what others tell it by the store. Source: gateway.md §9; Tyk, `gateway/redis_signals.go`.

use std::sync::Arc;

use tokio::sync::oneshot;

use crate::gateway::Gateway;
use crate::storage::{Notice, Signal, Subscription};

/// Hears signals until the store ends. What is told from the call on is heard, before the future is polled too.
pub(crate) fn hear(gateway: Arc<Gateway>) -> impl Future<Output = ()> {
    let signals = gateway.store.signals().subscribe();
    heed(gateway, signals)
}

async fn heed(gateway: Arc<Gateway>, mut signals: Subscription) {
    while let Some(signal) = signals.next().await {
        match signal {
            Signal::Message(text) => match gateway.config.notices.read(&text) {
                Ok(Notice::Reload) => reload(&gateway),
                Ok(Notice::Keys(ids)) => ids.iter().for_each(|id| gateway.keyring.forget(id)),
                Ok(Notice::Other(command)) => tracing::debug!(command, "a notice that changes nothing here"),
                Err(error) => tracing::warn!(%error, "a notice is dropped"),
            },
            Signal::Missed => {
                tracing::info!("what others have told may have been missed: reloading");
                reload(&gateway);
            }
        }
    }
}

/// Asks for a cycle, and does not wait for it. Those who ask meanwhile share it.
fn reload(gateway: &Gateway) {
    let (done, _) = oneshot::channel();
    // Nobody reloads a gateway that is ending.
    let _ = gateway.reload.send(done);
}
