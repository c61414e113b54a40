//! `DELETE /tyk/cache/{api_id}`: the stored responses of an API go. Source: gateway.md §2.9, §7.7.

use gateway_sdk::Response;

use super::call::Call;
use super::refusal::Refusal;
use super::reply;
use crate::storage::{Keys, StoreError};

/// What stands before an API in the names of its stored responses.
const STORED: &str = "cache-";

pub(super) async fn invalidate(call: Call<'_>) -> Result<Response, Refusal> {
    let api_id = call.argument();
    clear(call.gateway.store.keys(), api_id).await.map_err(|error| {
        tracing::error!(api_id, %error, "stored responses of an API stay");
        Refusal::Cache
    })?;
    Ok(reply::ok("cache invalidated"))
}

/// Deletes all that is stored under the names of an API. What another deletes meanwhile is gone too.
async fn clear(keys: &dyn Keys, api_id: &str) -> Result<(), StoreError> {
    for name in keys.list(&format!("{STORED}{api_id}")).wait().await? {
        keys.delete(&name).wait().await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::storage::{Memory, Store};

    #[tokio::test]
    async fn what_is_stored_for_an_api_goes_and_nothing_else() {
        let store = Store::new(Memory::default());
        let all = ["apikey-a", "cache-a", "cache-a1", "cache-b", "cache-a\u{e4}"];
        for name in all {
            store.keys().set(name, Bytes::from_static(b"x"), None).wait().await.expect("there is room");
        }
        clear(store.keys(), "a").await.expect("an answer");
        let mut left = store.keys().list("").wait().await.expect("an answer");
        left.sort();
        assert_eq!(left, ["apikey-a", "cache-b"]);
        clear(store.keys(), "none").await.expect("nothing to do");
    }
}
