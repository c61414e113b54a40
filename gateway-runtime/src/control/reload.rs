//! `GET /tyk/reload[?block=true]`. Source: Tyk, `gateway/api.go`.

use gateway_sdk::Response;
use tokio::sync::oneshot;

use super::call::Call;
use super::refusal::Refusal;
use super::reply;

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
