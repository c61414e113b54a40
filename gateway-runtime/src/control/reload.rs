//! `GET /tyk/reload[?block=true]`. Source: Tyk, `gateway/api.go`.

use gateway_sdk::{Response, StatusCode};
use tokio::sync::oneshot;

use super::{Call, status};

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
