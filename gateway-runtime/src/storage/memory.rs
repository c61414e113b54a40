//! [`Memory`]: what is kept goes with the process.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::expiring::{Entry, Expiring, Moment, full};
use super::hub::Hub;
use super::tallies::Tallies;
use super::{Count, Counters, Engine, Keys, Life, Operation, Reply, Signal, Signals, Subscription, aside};

/// As `storage.type` names it.
pub(crate) const NAME: &str = "memory";

/// What keys may take, in bytes.
const KEYS: usize = 256 << 20;

/// The engine of tests, and of gateways that need to remember nothing.
pub(crate) struct Memory {
    keys: Arc<Expiring<Bytes>>,
    tallies: Tallies,
    hub: Hub,
}

impl Default for Memory {
    fn default() -> Self {
        Self::within(KEYS)
    }
}

impl Memory {
    /// One whose keys take `room` bytes at most.
    pub(crate) fn within(room: usize) -> Self {
        Self { keys: Arc::new(Expiring::new(room)), tallies: Tallies::new(NAME), hub: Hub::default() }
    }
}

impl Keys for Memory {
    fn get(&self, name: &str) -> Reply<Option<Bytes>> {
        self.keys.look(name, Moment::now(), |entry| entry.value.clone()).into()
    }

    fn set(&self, name: &str, value: Bytes, ttl: Option<Duration>) -> Reply<()> {
        let now = Moment::now();
        let put = self.keys.put(name, Entry { value, ends: now.after(ttl) }, now, false);
        Reply::Ready(put.map(drop).map_err(full(NAME, Operation::Write)))
    }

    fn replace(&self, name: &str, value: Bytes, ttl: Option<Duration>) -> Reply<bool> {
        let now = Moment::now();
        let put = self.keys.put(name, Entry { value, ends: now.after(ttl) }, now, true);
        Reply::Ready(put.map_err(full(NAME, Operation::Write)))
    }

    fn delete(&self, name: &str) -> Reply<bool> {
        self.keys.remove(name, Moment::now()).into()
    }

    fn exists(&self, name: &str) -> Reply<bool> {
        self.keys.look(name, Moment::now(), |_| ()).is_some().into()
    }

    fn life(&self, name: &str) -> Reply<Option<Life>> {
        let now = Moment::now();
        self.keys.look(name, now, |entry| entry.ends.life(now)).into()
    }

    fn list(&self, prefix: &str) -> Reply<Vec<String>> {
        let (keys, prefix) = (Arc::clone(&self.keys), prefix.to_owned());
        aside(NAME, Operation::List, move || Ok(keys.names(&prefix, Moment::now())))
    }
}

impl Counters for Memory {
    fn increment(&self, name: &str, by: i64, ttl: Option<Duration>) -> Reply<Count> {
        Reply::Ready(self.tallies.increment(name, by, ttl))
    }

    fn read(&self, name: &str) -> Reply<Option<Count>> {
        self.tallies.read(name).into()
    }

    fn put(&self, name: &str, value: i64, ttl: Option<Duration>) -> Reply<()> {
        Reply::Ready(self.tallies.put(name, value, ttl))
    }

    fn remove(&self, name: &str) -> Reply<bool> {
        self.tallies.remove(name).into()
    }

    fn record(&self, name: &str, within: Duration, most: usize) -> Reply<u64> {
        Reply::Ready(self.tallies.record(name, within, most))
    }

    fn peek(&self, name: &str, within: Duration) -> Reply<u64> {
        self.tallies.peek(name, within).into()
    }
}

impl Signals for Memory {
    fn publish(&self, message: &str) -> Reply<()> {
        self.hub.tell(Signal::Message(message.into()));
        ().into()
    }

    fn subscribe(&self) -> Subscription {
        self.hub.subscribe()
    }
}

impl Engine for Memory {
    fn name(&self) -> &'static str {
        NAME
    }

    fn is_shared(&self) -> bool {
        false
    }

    fn health(&self) -> Result<(), String> {
        Ok(())
    }

    fn sweep(&self) {
        self.keys.sweep(Moment::now());
        self.tallies.sweep();
    }

    fn give_away(&self) -> Reply<()> {
        ().into()
    }

    fn take_back(&self) -> Reply<()> {
        ().into()
    }

    fn close(&self) -> Reply<()> {
        ().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::conformance::{conformance, refused};
    use crate::storage::{Fault, Store};

    struct Bench {
        store: Store,
    }

    impl Bench {
        async fn open() -> Self {
            Self { store: Store::new(Memory::default()) }
        }
    }

    conformance!(Bench);

    #[tokio::test]
    async fn what_does_not_fit_is_refused_and_room_is_given_back() {
        let store = Store::new(Memory::default());
        let half = Bytes::from(vec![0; KEYS / 2]);
        store.keys().set("a", half.clone(), None).wait().await.expect("room");
        let error = refused(store.keys().set("b", half.clone(), None)).await;
        assert!(matches!(error.fault, Fault::Full), "{error}");
        store.keys().set("a", half.clone(), None).wait().await.expect("in place of itself");
        assert!(store.keys().delete("a").wait().await.expect("an answer"));
        store.keys().set("b", half, None).wait().await.expect("room");
    }

    #[tokio::test]
    async fn an_answer_is_there_at_once() {
        let store = Store::new(Memory::default());
        assert!(matches!(store.keys().get("a"), Reply::Ready(Ok(None))));
        assert!(matches!(store.counters().increment("a", 1, None), Reply::Ready(Ok(Count { value: 1, .. }))));
    }
}
