//! Tells events, one after another, on the control thread.

use std::sync::Arc;

use serde_json::Value;
use tokio::sync::mpsc;

use super::{Handler, Raised};
use crate::host::Outgoing;
use crate::later::Later;
use crate::session::key::obfuscated;

/// Tells whatever comes, until nobody can raise anything any more.
pub(crate) async fn deliver(mut events: mpsc::Receiver<Raised>, outgoing: Arc<Outgoing>, store: Later) {
    while let Some(raised) = events.recv().await {
        for handler in &*raised.handlers {
            match handler {
                Handler::Log { prefix } => log(prefix, &raised),
                Handler::WebHook(hook) => hook.tell(&raised, &outgoing, &store),
            }
        }
    }
}

/// Source: Tyk, `LogMessageEventHandler`; the key is shown as the log may show keys.
fn log(prefix: &str, raised: &Raised) {
    let text = |pointer: &str| raised.meta.pointer(pointer).and_then(Value::as_str).filter(|text| !text.is_empty());
    tracing::warn!(
        event = raised.kind.as_str(),
        prefix,
        told = text("/Message"),
        reason = text("/Reason"),
        api_id = text("/APIID"),
        path = text("/Path"),
        origin = text("/Origin"),
        key = text("/Key").map(obfuscated),
        host = text("/HostInfo/CheckURL"),
        "event"
    );
}
