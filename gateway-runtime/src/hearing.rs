//! What this gateway does about what others tell it by the store. Source: gateway.md §9; Tyk, `gateway/redis_signals.go`.

use std::sync::Arc;
use std::time::Instant;

use tokio::sync::oneshot;

use crate::gateway::Gateway;
use crate::limiter::Limiter;
use crate::storage::{Load, Notice, Signal, Subscription};
use crate::telling;

/// Hears signals until the store ends. What is told from the call on is heard, before the future is polled too.
pub(crate) fn hear(gateway: Arc<Gateway>, limiter: Arc<Limiter>) -> impl Future<Output = ()> {
    let signals = gateway.store.signals().subscribe();
    heed(gateway, limiter, signals)
}

async fn heed(gateway: Arc<Gateway>, limiter: Arc<Limiter>, mut signals: Subscription) {
    // What a gateway of others' tells every other second is told once.
    let mut is_told = false;
    while let Some(signal) = signals.next().await {
        match signal {
            Signal::Message(text) => match gateway.config.notices.read(&text) {
                Ok(Notice::Reload) => reload(&gateway),
                Ok(Notice::Keys(ids)) => ids.iter().for_each(|id| gateway.keyring.forget(id)),
                Ok(Notice::Responses(api_id)) => {
                    if let Err(error) = gateway.responses.forget(&api_id).await {
                        tracing::warn!(api_id, %error, "kept responses of an API stay");
                    }
                }
                // Gateways with tags serve other APIs than this one, which has none.
                Ok(Notice::Load(load)) if load.tag_hash.is_empty() => hear_of(&limiter, &load),
                Ok(Notice::Load(load)) => tracing::debug!(tags = load.tag_hash, "a gateway of other APIs"),
                Ok(Notice::Other(command)) => tracing::debug!(command, "a notice that changes nothing here"),
                Err(error) if error.is_of_load() && std::mem::replace(&mut is_told, true) => {
                    tracing::debug!(%error, "a notice is dropped");
                }
                Err(error) => tracing::warn!(%error, "a notice is dropped"),
            },
            Signal::Missed => {
                tracing::info!("what others have told may have been missed: reloading");
                reload(&gateway);
            }
        }
    }
}

/// A gateway is there.
fn hear_of(limiter: &Limiter, load: &Load) {
    telling::known(limiter.nodes.hear(&load.name(), Instant::now()));
}

/// Asks for a cycle, and does not wait for it. Those who ask meanwhile share it.
fn reload(gateway: &Gateway) {
    let (done, _) = oneshot::channel();
    // Nobody reloads a gateway that is ending.
    let _ = gateway.reload.send(done);
}
