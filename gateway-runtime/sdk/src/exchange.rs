//! [`Exchange`]: one request and all that its plugins may touch. The runtime owns it; plugins see its parts.

use std::any::Any;
use std::fmt;
use std::pin::Pin;

use crate::analytics::Draft;
use crate::caller::Caller;
use crate::context::Ctx;
use crate::flow::Reject;
use crate::message::{Request, Response};

/// A boxed future, as the runtime awaits it.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// One request on its way through the chain.
#[derive(Debug)]
pub struct Exchange {
    /// The request. In the response hook, its head alone, and only for plugins that take it.
    pub request: Request,
    /// The upstream's response; there is one in the response hook only.
    pub response: Option<Response>,
    /// Who is calling, once a plugin or a built-in step has said so.
    pub caller: Caller,
    /// What else a plugin may ask for; the API's definition among it.
    pub ctx: Ctx,
    /// What is written down of the request, if anything is. In the hook `analytics` it is complete.
    pub draft: Option<Box<Draft>>,
    /// What the runtime notes of it for its log and its traces, if there are any.
    pub journal: Option<Box<dyn Any + Send + Sync>>,
}

/// What a plugin's call came to.
#[derive(Debug)]
pub enum Outcome {
    /// Go on.
    Continue,
    /// Answer with this.
    Respond(Box<Response>),
    /// Refuse with this.
    Reject(Reject),
    /// The plugin takes `&Session`, and nobody has set one.
    MissingSession,
    /// The analytics record is not to be kept.
    Discard,
}

/// A hook's function with its arguments taken from an [`Exchange`].
#[derive(Clone, Copy)]
pub enum Call {
    /// `fn`
    Sync(fn(&Instance, &mut Exchange) -> Outcome),
    /// `async fn`
    Async(for<'a> fn(&'a Instance, &'a mut Exchange) -> BoxFuture<'a, Outcome>),
}

impl fmt::Debug for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Sync(_) => "Sync",
            Self::Async(_) => "Async",
        })
    }
}

/// How an instance is released: the future that a plugin's `shutdown` returns.
pub type Shutdown = fn(Box<dyn Any + Send + Sync>) -> BoxFuture<'static, ()>;

/// A plugin as one API uses it: its state and its parsed configuration.
pub struct Instance {
    data: Box<dyn Any + Send + Sync>,
    shutdown: Option<Shutdown>,
}

impl Instance {
    /// An instance that holds `data`.
    #[must_use]
    pub fn new(data: impl Any + Send + Sync, shutdown: Option<Shutdown>) -> Self {
        Self { data: Box::new(data), shutdown }
    }

    /// The data.
    ///
    /// # Panics
    /// When the instance was made by another plugin; the runtime pairs them.
    #[must_use]
    #[inline]
    pub fn data<T: Any>(&self) -> &T {
        self.data.downcast_ref().expect("an instance is called by the plugin that made it")
    }

    /// Releases the plugin: runs its `shutdown`, if it has one, and drops its data. All of it happens in the future,
    /// since it is the plugin's code.
    #[must_use]
    pub fn shutdown(self) -> BoxFuture<'static, ()> {
        let Self { data, shutdown } = self;
        match shutdown {
            Some(shutdown) => shutdown(data),
            None => Box::pin(async move { drop(data) }),
        }
    }
}

impl fmt::Debug for Instance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Instance").field("shutdown", &self.shutdown.is_some()).finish()
    }
}
