//! `GET /tyk/reload[?block=true]`, `GET /tyk/reload/group`. Source: gateway.md §2.3; Tyk, `gateway/api.go`.

use gateway_sdk::{Response, StatusCode};
use tokio::sync::oneshot;

use super::{Call, status};
use crate::storage::Notice;

/// Asks for a cycle; with `block=true`, answers when it is over.
pub(super) async fn reload(call: Call<'_>) -> Response {
    let (done, over) = oneshot::channel();
    if call.gateway.reload.send(done).is_err() {
        return status(StatusCode::SERVICE_UNAVAILABLE, "error", "Gateway is shutting down");
    }
    let blocks = call.query.is_some_and(|query| query.split('&').any(|pair| pair == "block=true"));
    if blocks {
        // It cannot be dropped without an answer but by the end of the process.
        let _ = over.await;
    }
    status(StatusCode::OK, "ok", "")
}

/// Asks every gateway on the store for a cycle, this one among them.
pub(super) async fn group(call: Call<'_>) -> Response {
    let notice = call.gateway.config.notices.sign(&Notice::Reload);
    match call.gateway.store.signals().publish(&notice).wait().await {
        Ok(()) => status(StatusCode::OK, "ok", ""),
        Err(error) => {
            tracing::error!(%error, "the group is not told to reload");
            status(StatusCode::INTERNAL_SERVER_ERROR, "error", &format!("The group is not told to reload: {error}"))
        }
    }
}
