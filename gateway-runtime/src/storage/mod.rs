//! Where the gateway keeps what must outlive a request: keys, counters, and what gateways tell each other.
//!
//! | to find | look in |
//! |---|---|
//! | what an engine can do | [`Keys`], [`Counters`], [`Signals`], here |
//! | what a call gives: an answer, or the promise of one | `reply.rs` |
//! | what gateways tell each other | `notice.rs` |
//! | what can go wrong, and what to do about it | `error.rs` |
//! | the engine that needs nothing set up | `file/mod.rs` |
//! | the engine that several gateways share | `redis/mod.rs`, with the feature `redis` |
//! | which engine it is, and how it comes to be | `settings.rs`, `open.rs` |
//! | an engine that forgets with its process | `memory.rs` |
//!
//! # Invariants
//! - A call never blocks its core for longer than a look-up takes. What needs longer (a write to a file, a server) is
//!   done by a thread of the engine, and the call gives [`Reply::Wait`].
//! - A write is under way when its call returns. Dropping the reply takes nothing back, and waits for nothing.
//! - Names are handed over whole (`apikey-…`, `quota-…`): no engine puts anything before or behind them. Source:
//!   gateway.md §7.7.
//! - A name belongs to one trait: what is a counter is not read as a key.
//! - Time to live is kept to a millisecond; less than one counts as one.

#[cfg(test)]
mod conformance;
mod error;
mod expiring;
mod file;
mod hub;
mod memory;
mod notice;
mod open;
#[cfg(feature = "redis")]
mod redis;
mod reply;
mod settings;
mod tallies;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

pub(crate) use error::{Fault, Operation, StoreError};
pub(crate) use hub::{Signal, Subscription};
pub(crate) use memory::Memory;
pub(crate) use notice::{Load, Notice, Notices, PublicKey};
pub(crate) use open::{NO_REDIS, OpenError, open};
pub(crate) use settings::{RedisSettings, RedisTls, Secret, Storage, Topology};

pub(crate) use reply::Reply;
use reply::aside;

/// Values under names, some of them for a time: sessions, certificates, leases.
pub(crate) trait Keys: Send + Sync {
    /// The value under `name`, if it has not expired.
    fn get(&self, name: &str) -> Reply<Option<Bytes>>;

    /// Puts a value under `name`, for `ttl` or for good; what was there, and its time, are gone.
    fn set(&self, name: &str, value: Bytes, ttl: Option<Duration>) -> Reply<()>;

    /// The same, and only if there is something under `name` already; says whether there was.
    ///
    /// Who writes back what was read a moment ago does not bring to life what somebody has deleted meanwhile.
    fn replace(&self, name: &str, value: Bytes, ttl: Option<Duration>) -> Reply<bool>;

    /// Removes the value; says whether there was one.
    fn delete(&self, name: &str) -> Reply<bool>;

    /// Whether there is a value under `name`.
    fn exists(&self, name: &str) -> Reply<bool>;

    /// How long there will be a value under `name`; `None` if there is none.
    fn life(&self, name: &str) -> Reply<Option<Life>>;

    /// The names that begin with `prefix`, whole, in no order. What comes or goes meanwhile may be among them or not.
    fn list(&self, prefix: &str) -> Reply<Vec<String>>;
}

/// How long something will be there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Life {
    Endless,
    For(Duration),
}

/// Numbers that many add to at the same time, and none of the additions is lost.
pub(crate) trait Counters: Send + Sync {
    /// Adds `by` to a counter and gives the sum.
    ///
    /// Without a counter, one begins at zero that lives for `ttl`. A counter that is there keeps its time, unless it has
    /// no end and `ttl` is given: then it too begins at zero. Without `ttl` a new one has no end, and one that is there
    /// goes on. That is what a quota does, in one step. Source: gateway.md §7.4.
    fn increment(&self, name: &str, by: i64, ttl: Option<Duration>) -> Reply<Count>;

    /// What a counter says; `None` if there is none.
    fn read(&self, name: &str) -> Reply<Option<Count>>;

    /// Sets a counter, for `ttl` or for good.
    fn put(&self, name: &str, value: i64, ttl: Option<Duration>) -> Reply<()>;

    /// Removes a counter or a log; says whether there was one.
    fn remove(&self, name: &str) -> Reply<bool>;

    /// Writes the present moment into a log, and says how many moments of the last `within` were there before it.
    ///
    /// Refused requests are written too, so that who hammers stays refused. Of the log the newest `most` moments are
    /// kept: more are never needed if `most` is the rate. Source: gateway.md §7.2, `enable_redis_rolling_limiter`.
    fn record(&self, name: &str, within: Duration, most: usize) -> Reply<u64>;

    /// How many moments of the last `within` a log has. Nothing is written.
    fn peek(&self, name: &str, within: Duration) -> Reply<u64>;
}

/// A counter at the moment it was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Count {
    pub(crate) value: i64,
    pub(crate) life: Life,
}

/// What the gateways on one store tell each other, on the channel `tyk.cluster.notifications`: that APIs, policies or keys
/// have changed. What a message says is not this layer's business. Source: gateway.md §9.
pub(crate) trait Signals: Send + Sync {
    /// Tells it to all who have subscribed, in whatever process, oneself among them.
    fn publish(&self, message: &str) -> Reply<()>;

    /// Hears what is told from here on.
    fn subscribe(&self) -> Subscription;
}

/// Lists that others empty.
pub(crate) trait Lists: Send + Sync {
    /// Puts values at the end of a list. One that has no end yet lives for `ttl`, if that is given.
    fn append(&self, name: &str, values: Vec<Vec<u8>>, ttl: Option<Duration>) -> Reply<()>;
}

/// One way to keep all that.
pub(crate) trait Engine: Keys + Counters + Signals {
    /// As `storage.type` names it.
    fn name(&self) -> &'static str;

    /// Its lists; an engine that nobody else reads has none.
    fn lists(&self) -> Option<&dyn Lists> {
        None
    }

    /// Whether several gateways may be on it at the same time.
    fn is_shared(&self) -> bool;

    /// Whether the engine answers, as `/hello` and `/ready` tell. An answer of a moment ago is enough.
    fn health(&self) -> Result<(), String>;

    /// Gives back the memory of what has expired. It is called now and then, in case nothing else is.
    fn sweep(&self);

    /// Another process of this gateway is to have what can be had by one only: it is written to the end and let go. What
    /// there is to read can be read on; there are no writes any more.
    fn give_away(&self) -> Reply<()>;

    /// The other process did not come to serve: all is as it was before.
    fn take_back(&self) -> Reply<()>;

    /// Finishes what has been begun, at the end of the process.
    fn close(&self) -> Reply<()>;
}

/// The engine that was configured; a copy for each core costs nothing.
#[derive(Clone)]
pub(crate) struct Store(Arc<dyn Engine>);

impl Store {
    pub(crate) fn new(engine: impl Engine + 'static) -> Self {
        Self(Arc::new(engine))
    }

    pub(crate) fn keys(&self) -> &dyn Keys {
        &*self.0
    }

    pub(crate) fn counters(&self) -> &dyn Counters {
        &*self.0
    }

    pub(crate) fn signals(&self) -> &dyn Signals {
        &*self.0
    }

    pub(crate) fn engine(&self) -> &dyn Engine {
        &*self.0
    }
}
