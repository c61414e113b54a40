//! [`Responses`]: where answers of upstreams are kept for the next who ask the same. Source: gateway.md §5.13, §7.7.
//!
//! Gateways on one store share them there. One that has its store to itself keeps them in memory, within a bound: they are
//! not worth a write to a file, and nothing is lost with them.

use std::time::Duration;

use bytes::Bytes;

use crate::later::Later;
use crate::storage::{Engine, Keys, Memory, Reply, StoreError};

/// What they may take in memory, in bytes.
const ROOM: usize = 64 << 20;

/// What stands before an API in the names of its responses.
const KEPT: &str = "cache-";

/// The answers of all APIs, each under a name of its own.
pub(crate) struct Responses {
    store: Later,
    own: Memory,
}

impl Responses {
    pub(crate) fn new(store: Later) -> Self {
        Self { store, own: Memory::within(ROOM) }
    }

    /// The name of what an API has under `rest`.
    pub(crate) fn name(api_id: &str, rest: &str) -> String {
        [KEPT, api_id, rest].concat()
    }

    /// What is kept under a name.
    pub(crate) fn get(&self, name: &str) -> Reply<Option<Bytes>> {
        self.keys().get(name)
    }

    /// Keeps an answer for a while.
    pub(crate) fn put(&self, name: &str, answer: Bytes, ttl: Duration) -> Reply<()> {
        self.keys().set(name, answer, Some(ttl))
    }

    /// Forgets the answers of an API. What another deletes meanwhile is gone too.
    ///
    /// # Errors
    /// When the store does not answer.
    pub(crate) async fn forget(&self, api_id: &str) -> Result<(), StoreError> {
        for name in self.keys().list(&Self::name(api_id, "")).wait().await? {
            self.keys().delete(&name).wait().await?;
        }
        Ok(())
    }

    /// Gives back the memory of what has expired.
    pub(crate) fn sweep(&self) {
        self.own.sweep();
    }

    fn keys(&self) -> &dyn Keys {
        let store = self.store.get();
        if store.engine().is_shared() { store.keys() } else { &self.own }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::Store;

    fn responses() -> Responses {
        Responses::new(Store::new(Memory::default()).into())
    }

    #[tokio::test]
    async fn what_is_kept_of_an_api_goes_and_nothing_else() {
        let responses = responses();
        for name in ["cache-a", "cache-a1", "cache-b", "cache-a\u{e4}"] {
            responses.put(name, Bytes::from_static(b"x"), Duration::from_secs(60)).wait().await.expect("there is room");
        }
        responses.forget("a").await.expect("an answer");
        assert_eq!(responses.keys().list("").wait().await.expect("an answer"), ["cache-b"]);
        responses.forget("none").await.expect("nothing to do");
    }

    #[tokio::test]
    async fn what_is_more_than_the_bound_is_refused() {
        let (responses, half) = (responses(), Bytes::from(vec![0; ROOM / 2]));
        let put = |name: &'static str| responses.put(name, half.clone(), Duration::from_secs(60)).wait();
        put("a").await.expect("there is room");
        assert!(put("b").await.is_err());
        assert!(responses.store.get().keys().list("").wait().await.expect("an answer").is_empty(), "not in the store");
    }
}
