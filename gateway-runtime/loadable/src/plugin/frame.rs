//! [`Frame`]: the memory of a call, which is used again by the next one on the same thread.

use std::cell::RefCell;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use gateway_model::ApiDefinition;
use gateway_sdk::caller::Caller;
use gateway_sdk::exchange::{BoxFuture, Exchange};
use gateway_sdk::host::{FetchError, Host, Level, LogRecord, Store, StoreError};
use gateway_sdk::{Bytes, Ctx, Request, Response, Uri};

use super::headers::Memory;

/// So many wait on each thread; more calls at once than that are rare.
const MOST: usize = 16;

/// An exchange, and where the heads of its messages are.
pub(super) struct Frame {
    pub(super) exchange: Exchange,
    pub(super) memory: Memory,
}

thread_local! {
    #[expect(clippy::vec_box, reason = "a frame is large, and is taken out without being copied")]
    static FREE: RefCell<Vec<Box<Frame>>> = const { RefCell::new(Vec::new()) };
}

impl Frame {
    /// An empty one.
    pub(super) fn take() -> Box<Self> {
        // A thread that ends has none any more.
        let free = FREE.try_with(|free| free.borrow_mut().pop()).ok().flatten();
        free.unwrap_or_else(|| Box::new(Self { exchange: empty(), memory: Memory::default() }))
    }

    /// Gives it back, empty. `had_ctx`: its context was that of a call.
    pub(super) fn release(mut self: Box<Self>, had_ctx: bool) {
        let Exchange { request, response, caller, ctx, draft, .. } = &mut self.exchange;
        let (head, body, upstream) = request.parts_mut();
        head.headers.clear();
        head.uri = Uri::default();
        head.extensions.clear();
        *body = gateway_sdk::Body::empty();
        *upstream = None;
        *response = None;
        *caller = Caller::default();
        *draft = None;
        if had_ctx {
            *ctx = nobodys();
        }
        let _ = FREE.try_with(|free| {
            let mut free = free.borrow_mut();
            if free.len() < MOST {
                free.push(self);
            }
        });
    }
}

fn empty() -> Exchange {
    let request: Request = http::Request::new(()).into();
    let response: Option<Response> = None;
    Exchange { request, response, caller: Caller::default(), ctx: nobodys(), draft: None, journal: None }
}

/// The context of a function that takes none.
fn nobodys() -> Ctx {
    static NOBODY: LazyLock<(Arc<Nobody>, Arc<ApiDefinition>)> = LazyLock::new(Default::default);
    let (host, api) = &*NOBODY;
    Ctx::new(Arc::clone(host) as Arc<dyn Host>, Arc::clone(api), None)
}

/// Who is asked where nobody can ask.
#[derive(Default)]
struct Nobody;

impl Host for Nobody {
    fn logs(&self, _level: Level) -> bool {
        false
    }

    fn log(&self, _record: &LogRecord<'_>) {}

    fn fetch(&self, _request: Request, timeout: Duration) -> BoxFuture<'static, Result<Response, FetchError>> {
        Box::pin(std::future::ready(Err(FetchError::Timeout(timeout))))
    }

    fn store(&self) -> &dyn Store {
        self
    }
}

impl Store for Nobody {
    fn get<'a>(&'a self, _key: &'a str) -> BoxFuture<'a, Result<Option<Bytes>, StoreError>> {
        Box::pin(std::future::ready(Ok(None)))
    }

    fn set<'a>(
        &'a self,
        _key: &'a str,
        _value: Bytes,
        _ttl: Option<Duration>,
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(std::future::ready(Err(StoreError::Full)))
    }

    fn increment<'a>(
        &'a self,
        _key: &'a str,
        _by: i64,
        _ttl: Option<Duration>,
    ) -> BoxFuture<'a, Result<i64, StoreError>> {
        Box::pin(std::future::ready(Err(StoreError::Full)))
    }

    fn delete<'a>(&'a self, _key: &'a str) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(std::future::ready(Ok(())))
    }
}
