//! [`Driver`]: the thread that speaks with Redis, and what it does when Redis is away.
//!
//! It has a runtime of its own: a connection belongs to the runtime that made it, and cores come and go with theirs. All
//! calls go over one connection, as they come; signals have another one.

use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use redis::{Cmd, RedisError, Value, cmd};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot, watch};
use tokio::time::{Instant, sleep, timeout, timeout_at};

use super::link::{Ear, Link, Maker, is_lost};
use super::{NAME, RedisSettings, Shared, failed};
use crate::storage::{Fault, Operation, Signal, StoreError};

/// How long a start waits for Redis. Source: gateway.md §9.
pub(crate) const START_PATIENCE: Duration = Duration::from_secs(1);
/// How often Redis is asked whether it is there, and tried when it is not. Source: gateway.md §9.
const PROBE: Duration = Duration::from_secs(1);
/// Between the loss of a connection and the first attempt at another.
const FIRST_PAUSE: Duration = Duration::from_millis(20);

/// A list takes many steps, each of which may take as long as another call; all together may take so many times as long.
const LIST_TIMES: u32 = 12;

/// Why there is no engine, whatever Redis does.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StartError {
    #[error("`storage` does not say how Redis is reached: {0}; see its certificates and keys")]
    Settings(RedisError),
    #[error("the system gives no thread for Redis: {0}")]
    System(#[from] io::Error),
}

pub(super) enum Job {
    Ask {
        work: Work,
        operation: Operation,
        done: oneshot::Sender<Result<Value, StoreError>>,
        /// Given back when there is an answer.
        permit: OwnedSemaphorePermit,
    },
    Close,
}

pub(super) enum Work {
    /// If it is not known whether it was done, it is not done again.
    Once(Cmd),
    Repeatable(Cmd),
    /// The names with a prefix.
    List(String),
}

/// Whether Redis is there.
#[derive(Clone)]
enum State {
    /// A connection is about to be made: it is worth to wait for it.
    Connecting,
    /// The last attempt failed.
    Down(Arc<str>),
    /// A connection, and which one it is.
    Up(Link, u64),
}

pub(super) struct Driver {
    settings: RedisSettings,
    shared: Arc<Shared>,
    state: watch::Sender<State>,
    /// A turn for each call that waits for its answer.
    turns: Semaphore,
}

impl Driver {
    /// Starts the thread, and waits for Redis, within bounds.
    pub(super) async fn start(
        settings: RedisSettings,
        shared: Arc<Shared>,
    ) -> Result<mpsc::UnboundedSender<Job>, StartError> {
        let maker = Maker::new(&settings).map_err(StartError::Settings)?;
        let nodes = settings.nodes.iter().map(|(host, port)| format!("{host}:{port}")).collect::<Vec<_>>().join(", ");
        let (jobs, waiting) = mpsc::unbounded_channel();
        let (state, mut seen) = watch::channel(State::Connecting);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let turns = Semaphore::new(settings.at_once);
        std::thread::Builder::new().name("redis".to_owned()).spawn(move || {
            let driver = Rc::new(Self { settings, shared, state, turns });
            let tasks = tokio::task::LocalSet::new();
            tasks.block_on(&runtime, driver.run(maker, waiting));
        })?;
        let bound_ms = u64::try_from(START_PATIENCE.as_millis()).unwrap_or(u64::MAX);
        tracing::info!(nodes, bound_ms, "waiting for Redis");
        let reached = timeout(START_PATIENCE, seen.wait_for(|state| matches!(state, State::Up(..)))).await;
        if reached.is_err() {
            tracing::warn!(nodes, "Redis does not answer: the gateway starts without it, and goes on trying");
        }
        Ok(jobs)
    }

    /// Does what is asked, until the end.
    async fn run(self: Rc<Self>, maker: Maker, mut jobs: mpsc::UnboundedReceiver<Job>) {
        let connecting = tokio::task::spawn_local(Rc::clone(&self).keep_up(maker));
        while let Some(Job::Ask { work, operation, done, permit }) = jobs.recv().await {
            let driver = Rc::clone(&self);
            tokio::task::spawn_local(async move {
                // Who asked may not wait for it.
                let _ = done.send(driver.answer(work, operation).await);
                drop(permit);
            });
        }
        connecting.abort();
    }

    /// Keeps a connection, or tries to have one.
    async fn keep_up(self: Rc<Self>, mut maker: Maker) {
        // Whatever was told before a connection was not heard, unless it is the first and there at once.
        let mut was_away = false;
        for number in 0_u64.. {
            let reason = match timeout(self.settings.timeout, maker.connect(&self.settings)).await {
                Ok(Ok((link, signals))) => {
                    tracing::info!("connected to Redis");
                    self.shared.trouble.store(None);
                    self.state.send_replace(State::Up(link.clone(), number));
                    if was_away {
                        self.shared.hub.tell(Signal::Missed);
                    }
                    let reason = self.until_lost(link, signals).await;
                    tracing::warn!(reason, "the connection to Redis is lost");
                    was_away = true;
                    self.shared.trouble.store(Some(Arc::new(reason)));
                    self.state.send_replace(State::Connecting);
                    sleep(FIRST_PAUSE).await;
                    continue;
                }
                Ok(Err(error)) => error.to_string(),
                Err(_) => format!("no answer within {:?}", self.settings.timeout),
            };
            let is_known = matches!(&*self.state.borrow(), State::Down(known) if **known == *reason);
            if !is_known {
                tracing::error!(error = reason, "Redis is not reached");
            }
            was_away = true;
            self.state.send_replace(State::Down(reason.as_str().into()));
            self.shared.trouble.store(Some(Arc::new(reason)));
            sleep(PROBE).await;
        }
    }

    /// Passes on signals for as long as the connection lives; says why it does not any more.
    async fn until_lost(&self, mut link: Link, (mut pinging, mut signals): Ear) -> String {
        let heard = async {
            while let Some(message) = signals.next().await {
                match message.get_payload::<String>() {
                    Ok(text) => self.shared.hub.tell(Signal::Message(text.into())),
                    Err(error) => tracing::warn!(%error, "a signal that is no text"),
                }
            }
            "Redis has closed it".to_owned()
        };
        let within = self.settings.timeout;
        let ping = cmd("PING");
        let probed = probe(within, async || link.run(&ping).await);
        // Each may die on its own, and say nothing: somebody between here and Redis forgets a connection that is still.
        let ear_probed = probe(within, async || pinging.ping::<Value>().await);
        let mut state = self.state.subscribe();
        let found_broken = async {
            // The state is there for as long as this is.
            drop(state.wait_for(|state| !matches!(state, State::Up(..))).await);
            "a command found it broken".to_owned()
        };
        tokio::select! {
            reason = heard => reason,
            reason = probed => reason,
            reason = ear_probed => format!("signals are not heard: {reason}"),
            reason = found_broken => reason,
        }
    }

    /// The answer to one call, within its time.
    async fn answer(&self, work: Work, operation: Operation) -> Result<Value, StoreError> {
        let wrong = |fault| StoreError { engine: NAME, operation, fault };
        let late = || wrong(Fault::Timeout(self.settings.timeout));
        let begun = Instant::now();
        let mut until = begun + self.settings.timeout;
        let _turn = timeout_at(until, self.turns.acquire()).await.map_err(|_| late())?;
        if matches!(work, Work::List(_)) {
            // The connection itself waits no longer than that for each step.
            until = begun + self.settings.timeout * LIST_TIMES;
        }
        let mut again = matches!(work, Work::Repeatable(_) | Work::List(_));
        loop {
            let (mut link, number) = timeout_at(until, self.link()).await.map_err(|_| late())?.map_err(&wrong)?;
            let answer = match &work {
                Work::Once(command) | Work::Repeatable(command) => timeout_at(until, link.run(command)).await,
                Work::List(prefix) => {
                    timeout_at(until, async {
                        let names = link.list(prefix).await?;
                        Ok(Value::Array(names.into_iter().map(|name| Value::BulkString(name.into_bytes())).collect()))
                    })
                    .await
                }
            };
            match answer.map_err(|_| late())? {
                Ok(value) => return Ok(value),
                Err(error) if error.is_timeout() => return Err(late()),
                Err(error) if is_lost(&error) => {
                    // Who comes later finds no broken connection.
                    self.state.send_if_modified(|state| {
                        let is_current = matches!(state, State::Up(_, current) if *current == number);
                        if is_current {
                            *state = State::Connecting;
                        }
                        is_current
                    });
                    if !std::mem::take(&mut again) {
                        return Err(failed(operation, error));
                    }
                }
                Err(error) => return Err(failed(operation, error)),
            }
        }
    }

    /// The connection, once there is one; an error at once if Redis is down.
    async fn link(&self) -> Result<(Link, u64), Fault> {
        let mut state = self.state.subscribe();
        let known = state.wait_for(|state| !matches!(state, State::Connecting)).await;
        match known.as_deref() {
            Ok(State::Up(link, number)) => Ok((link.clone(), *number)),
            Ok(State::Down(reason)) => Err(Fault::Unreachable(reason.to_string())),
            Ok(State::Connecting) | Err(_) => Err(Fault::Closed),
        }
    }
}

/// Asks again and again whether Redis answers; says why it does not any more.
async fn probe(within: Duration, mut ask: impl AsyncFnMut() -> Result<Value, RedisError>) -> String {
    loop {
        sleep(PROBE).await;
        match timeout(within, ask()).await {
            Ok(Ok(_)) => {}
            Ok(Err(error)) => return error.to_string(),
            Err(_) => return format!("no answer within {within:?}"),
        }
    }
}
