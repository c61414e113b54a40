//! [`RedisStore`]: everything in Redis, which several gateways may share.
//!
//! | to find | look in |
//! |---|---|
//! | what each call asks of Redis | here |
//! | how Redis is reached: one server, sentinels, a cluster | `link.rs` |
//! | the thread that speaks with it, and what happens when it is away | `driver.rs` |
//!
//! Names, kinds and lifetimes are Tyk's, so that gateways of both kinds and their tools can share a Redis: keys are
//! strings with a time to live, counters are strings, logs are sorted sets of nanoseconds, and signals go over the channel
//! `tyk.cluster.notifications`. Source: gateway.md §7.2, §7.4, §7.7, §9.
//!
//! # When Redis is slow, down, or back
//! - A call waits for `storage.timeout` at most, its turn included. While Redis is known to be down it fails at once.
//! - It is tried again every second; what only reads, or writes the same twice, is asked once more over a new connection.
//! - When it is back, subscribers hear [`Signal::Missed`](super::Signal): whatever is told by signals may have changed.

mod driver;
mod link;

use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use arc_swap::ArcSwapOption;
use bytes::Bytes;
use redis::{Cmd, FromRedisValue, RedisError, Value, cmd};
use tokio::sync::{Semaphore, TryAcquireError, mpsc, oneshot};

use super::hub::Hub;
use super::{
    Count, Counters, Engine, Fault, Keys, Life, Lists, Operation, RedisSettings, Reply, Signals, StoreError,
    Subscription,
};
pub(crate) use driver::StartError;
use driver::{Driver, Job, Work};

/// As `storage.type` names it.
pub(crate) const NAME: &str = "redis";

/// What gateways hear each other on. Source: gateway.md §7.7.
const CHANNEL: &str = "tyk.cluster.notifications";
/// Calls that wait for an answer, or for their turn.
const WAITING: usize = 16 * 1024;

/// Adds to a counter, which begins anew if it is to have an end and has none.
const INCREMENT: &str = "local ends = redis.call('PTTL', KEYS[1]) \
    local ttl = tonumber(ARGV[2]) \
    if ttl > 0 and ends < 0 then redis.call('SET', KEYS[1], '0', 'PX', ttl) ends = ttl end \
    return {redis.call('INCRBY', KEYS[1], ARGV[1]), ends}";
/// A counter and its time, of the same moment.
const READ: &str = "return {redis.call('GET', KEYS[1]), redis.call('PTTL', KEYS[1])}";
/// Adds to a list, which has an end from then on.
const APPEND: &str = "redis.call('RPUSH', KEYS[1], unpack(ARGV, 2)) \
    local ttl = tonumber(ARGV[1]) \
    if ttl > 0 and redis.call('PTTL', KEYS[1]) < 0 then redis.call('PEXPIRE', KEYS[1], ttl) end \
    return 0";
/// Counts what is younger than ARGV[1], then adds the moment ARGV[2] by the name ARGV[5], and keeps the newest ARGV[4].
const RECORD: &str = "redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', ARGV[1]) \
    local count = redis.call('ZCARD', KEYS[1]) \
    redis.call('ZADD', KEYS[1], ARGV[2], ARGV[5]) \
    local over = count + 1 - tonumber(ARGV[4]) \
    if over > 0 then redis.call('ZREMRANGEBYRANK', KEYS[1], 0, over - 1) end \
    redis.call('PEXPIRE', KEYS[1], ARGV[3]) \
    return count";

/// The engine of several gateways.
pub(crate) struct RedisStore {
    shared: Arc<Shared>,
    jobs: mpsc::UnboundedSender<Job>,
    /// The last moment that was recorded, in nanoseconds: no two of this process are the same.
    moment: AtomicU64,
    /// Tells moments of this process from those of others.
    node: u64,
}

/// What cores and the thread share.
struct Shared {
    hub: Hub,
    /// Why Redis does not answer.
    trouble: ArcSwapOption<String>,
    /// A permit for each call that may wait.
    waiting: Arc<Semaphore>,
}

impl RedisStore {
    /// Starts the thread that speaks with Redis, and waits until it is reached, for [`START_PATIENCE`] at most. A Redis that
    /// is down is no mistake: it is reached when it is back. Source: gateway.md §9.
    ///
    /// # Errors
    /// When it cannot be reached in the way that is configured, whatever it does.
    pub(crate) async fn start(settings: RedisSettings) -> Result<Self, StartError> {
        let waiting = Arc::new(Semaphore::new(WAITING));
        let shared = Arc::new(Shared { hub: Hub::default(), trouble: ArcSwapOption::empty(), waiting });
        let jobs = Driver::start(settings, Arc::clone(&shared)).await?;
        Ok(Self { shared, jobs, moment: AtomicU64::new(0), node: RandomState::new().hash_one(NAME) })
    }

    /// Asks Redis; `understand` is told the answer.
    fn ask<T: Send + 'static>(
        &self,
        operation: Operation,
        work: Work,
        understand: impl FnOnce(Value) -> Result<T, RedisError> + Send + 'static,
    ) -> Reply<T> {
        let permit = match Arc::clone(&self.shared.waiting).try_acquire_owned() {
            Ok(permit) => permit,
            Err(error) => {
                let fault = if error == TryAcquireError::Closed { Fault::Closed } else { Fault::Busy };
                return Reply::Ready(Err(StoreError { engine: NAME, operation, fault }));
            }
        };
        let (done, answer) = oneshot::channel();
        let closed = move || StoreError { engine: NAME, operation, fault: Fault::Closed };
        if self.jobs.send(Job::Ask { work, operation, done, permit }).is_err() {
            return Reply::Ready(Err(closed()));
        }
        Reply::Wait(Box::pin(async move {
            let value = answer.await.unwrap_or_else(|_| Err(closed()))?;
            understand(value).map_err(|error| failed(operation, error))
        }))
    }

    fn once<T: FromRedisValue + Send + 'static>(&self, operation: Operation, command: Cmd) -> Reply<T> {
        self.ask(operation, Work::Once(command), read)
    }

    fn again<T: FromRedisValue + Send + 'static>(&self, operation: Operation, command: Cmd) -> Reply<T> {
        self.ask(operation, Work::Repeatable(command), read)
    }

    /// The present moment, later than all before it.
    fn moment(&self) -> u64 {
        let now = now();
        let later = |last: u64| now.max(last.saturating_add(1));
        // The closure always gives a moment.
        self.moment.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |last| Some(later(last))).map_or(now, later)
    }
}

fn read<T: FromRedisValue>(value: Value) -> Result<T, RedisError> {
    Ok(redis::from_redis_value(value)?)
}

fn failed(operation: Operation, error: RedisError) -> StoreError {
    let fault = match &error {
        error if error.is_timeout() || error.is_io_error() => Fault::Unreachable(error.to_string()),
        error if error.code() == Some("WRONGTYPE") => Fault::OtherKind,
        error if error.detail().is_some_and(|detail| detail.contains("not an integer")) => Fault::OtherKind,
        _ => Fault::Failed(Arc::new(error)),
    };
    StoreError { engine: NAME, operation, fault }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX).clamp(1, LONGEST_MS)
}

/// Redis adds the present moment to it.
const LONGEST_MS: u64 = 1 << 52;

fn set(name: &str, value: &[u8], ttl: Option<Duration>) -> Cmd {
    let mut command = cmd("SET");
    command.arg(name).arg(value);
    if let Some(ttl) = ttl {
        command.arg("PX").arg(millis(ttl));
    }
    command
}

/// What `PTTL` says of a key that is there.
fn life(ms: i64) -> Life {
    u64::try_from(ms).map_or(Life::Endless, |ms| Life::For(Duration::from_millis(ms)))
}

impl Keys for RedisStore {
    fn get(&self, name: &str) -> Reply<Option<Bytes>> {
        let mut command = cmd("GET");
        command.arg(name);
        self.again::<Option<Vec<u8>>>(Operation::Read, command).map(|value| value.map(Bytes::from))
    }

    fn set(&self, name: &str, value: Bytes, ttl: Option<Duration>) -> Reply<()> {
        self.again(Operation::Write, set(name, &value, ttl))
    }

    fn replace(&self, name: &str, value: Bytes, ttl: Option<Duration>) -> Reply<bool> {
        let mut command = set(name, &value, ttl);
        command.arg("XX");
        self.again::<Option<String>>(Operation::Write, command).map(|done| done.is_some())
    }

    fn delete(&self, name: &str) -> Reply<bool> {
        let mut command = cmd("DEL");
        command.arg(name);
        self.again(Operation::Delete, command)
    }

    fn exists(&self, name: &str) -> Reply<bool> {
        let mut command = cmd("EXISTS");
        command.arg(name);
        self.again(Operation::Read, command)
    }

    fn life(&self, name: &str) -> Reply<Option<Life>> {
        let mut command = cmd("PTTL");
        command.arg(name);
        self.again::<i64>(Operation::Read, command).map(|ms| (ms != -2).then(|| life(ms)))
    }

    fn list(&self, prefix: &str) -> Reply<Vec<String>> {
        self.ask(Operation::List, Work::List(prefix.to_owned()), read)
    }
}

impl Counters for RedisStore {
    fn increment(&self, name: &str, by: i64, ttl: Option<Duration>) -> Reply<Count> {
        let mut command = cmd("EVAL");
        command.arg(INCREMENT).arg(1).arg(name).arg(by).arg(ttl.map_or(0, millis));
        self.once::<(i64, i64)>(Operation::Count, command).map(|(value, ms)| Count { value, life: life(ms) })
    }

    fn read(&self, name: &str) -> Reply<Option<Count>> {
        let mut command = cmd("EVAL");
        command.arg(READ).arg(1).arg(name);
        let count = |(value, ms): (Option<i64>, i64)| value.map(|value| Count { value, life: life(ms) });
        self.again::<(Option<i64>, i64)>(Operation::Count, command).map(count)
    }

    fn put(&self, name: &str, value: i64, ttl: Option<Duration>) -> Reply<()> {
        self.again(Operation::Count, set(name, value.to_string().as_bytes(), ttl))
    }

    fn remove(&self, name: &str) -> Reply<bool> {
        let mut command = cmd("DEL");
        command.arg(name);
        self.again(Operation::Count, command)
    }

    fn record(&self, name: &str, within: Duration, most: usize) -> Reply<u64> {
        let now = self.moment();
        let mut command = cmd("EVAL");
        command.arg(RECORD).arg(1).arg(name).arg(since(now, within)).arg(now).arg(millis(within)).arg(most.max(1));
        command.arg(format!("{now}-{:016x}", self.node));
        self.once(Operation::Count, command)
    }

    fn peek(&self, name: &str, within: Duration) -> Reply<u64> {
        let mut command = cmd("ZCOUNT");
        command.arg(name).arg(format!("({}", since(now(), within))).arg("+inf");
        self.again(Operation::Count, command)
    }
}

/// The present moment, in nanoseconds since 1970.
fn now() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(now.as_nanos()).unwrap_or(u64::MAX)
}

/// The moment after which something was within a time.
fn since(now: u64, within: Duration) -> u64 {
    now.saturating_sub(u64::try_from(within.as_nanos()).unwrap_or(u64::MAX))
}

impl Signals for RedisStore {
    fn publish(&self, message: &str) -> Reply<()> {
        let mut command = cmd("PUBLISH");
        command.arg(CHANNEL).arg(message);
        self.again::<i64>(Operation::Publish, command).map(drop)
    }

    fn subscribe(&self) -> Subscription {
        self.shared.hub.subscribe()
    }
}

impl Lists for RedisStore {
    fn append(&self, name: &str, values: Vec<Vec<u8>>, ttl: Option<Duration>) -> Reply<()> {
        let mut command = cmd("EVAL");
        command.arg(APPEND).arg(1).arg(name).arg(ttl.map_or(0, millis));
        for value in values {
            command.arg(value);
        }
        self.once::<i64>(Operation::Append, command).map(drop)
    }
}

impl Engine for RedisStore {
    fn name(&self) -> &'static str {
        NAME
    }

    fn lists(&self) -> Option<&dyn Lists> {
        Some(self)
    }

    fn is_shared(&self) -> bool {
        true
    }

    fn health(&self) -> Result<(), String> {
        let trouble = self.shared.trouble.load();
        trouble.as_ref().map_or(Ok(()), |trouble| Err(String::clone(trouble)))
    }

    fn sweep(&self) {}

    fn give_away(&self) -> Reply<()> {
        ().into()
    }

    fn take_back(&self) -> Reply<()> {
        ().into()
    }

    fn close(&self) -> Reply<()> {
        let (waiting, jobs) = (Arc::clone(&self.shared.waiting), self.jobs.clone());
        Reply::Wait(Box::pin(async move {
            // Each call has its answer within its time.
            drop(waiting.acquire_many(u32::try_from(WAITING).unwrap_or(u32::MAX)).await);
            waiting.close();
            // It may have ended.
            let _ = jobs.send(Job::Close);
            Ok(())
        }))
    }
}

#[cfg(test)]
mod tests;
