//! `GET /tyk/reload[?block=true]`, `GET /tyk/reload/group`. Source: gateway.md §2.3; Tyk, `gateway/api.go`.

use gateway_sdk::Response;
use tokio::sync::oneshot;

use super::call::Call;
use super::refusal::Refusal;
use super::reply;
use crate::storage::Notice;

/// Asks for a cycle; with `block=true`, answers when it is over.
pub(super) async fn reload(call: Call<'_>) -> Result<Response, Refusal> {
    let (done, over) = oneshot::channel();
    call.gateway.reload.send(done).map_err(|_| Refusal::Ending)?;
    if call.query("block").as_deref() == Some("true") {
        // It cannot be dropped without an answer but by the end of the process.
        let _ = over.await;
    }
    Ok(reply::ok(""))
}

/// Asks every gateway on the store for a cycle, this one among them.
pub(super) async fn group(call: Call<'_>) -> Result<Response, Refusal> {
    let notice = call.gateway.config.notices.sign(&Notice::Reload);
    let told = call.gateway.store.signals().publish(&notice).wait().await;
    told.map(|()| reply::ok("")).map_err(|error| {
        tracing::error!(%error, "the group is not told to reload");
        Refusal::Untold
    })
}
