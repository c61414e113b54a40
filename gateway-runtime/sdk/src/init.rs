//! The life of a plugin with state: [`InitEnv`], [`InitError`], and what the runtime drives.

use std::error::Error;
use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use gateway_model::ApiDefinition;

use crate::config::ConfigError;
use crate::context::Services;
use crate::exchange::{BoxFuture, Instance};
use crate::host::Host;
use crate::registry::Plugin;

/// Where a plugin's `init` runs: the API's definition, the log, the HTTP client and the store of [`Services`].
#[derive(Debug)]
pub struct InitEnv(Services);

impl Deref for InitEnv {
    type Target = Services;

    fn deref(&self) -> &Services {
        &self.0
    }
}

/// Why a plugin cannot start. Any error converts into it with `?`.
#[derive(Debug)]
pub struct InitError(Box<dyn Error + Send + Sync>);

impl InitError {
    /// An error that says `reason`.
    pub fn new(reason: impl fmt::Display) -> Self {
        Self(reason.to_string().into())
    }
}

impl fmt::Display for InitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut cause = self.0.source();
        self.0.fmt(f)?;
        while let Some(error) = cause {
            write!(f, ": {error}")?;
            cause = error.source();
        }
        Ok(())
    }
}

impl<E: Into<Box<dyn Error + Send + Sync>>> From<E> for InitError {
    fn from(error: E) -> Self {
        Self(error.into())
    }
}

/// What `init` may return: `Self`, or `Result<Self, E>` with any error.
#[diagnostic::on_unimplemented(
    message = "`init` cannot return `{Self}`",
    label = "is not the plugin",
    note = "return `Self`, or `Result<Self, E>`, where `E` is `InitError` or any error"
)]
pub trait IntoInit<P> {
    #[doc(hidden)]
    fn into_init(self) -> Result<P, InitError>;
}

#[diagnostic::do_not_recommend]
impl<P> IntoInit<P> for P {
    fn into_init(self) -> Result<P, InitError> {
        Ok(self)
    }
}

#[diagnostic::do_not_recommend]
impl<P, E: Into<InitError>> IntoInit<P> for Result<P, E> {
    fn into_init(self) -> Result<P, InitError> {
        self.map_err(Into::into)
    }
}

/// A plugin whose configuration was parsed, and that can be started.
pub struct Prepared(Box<Start>);

type Start = dyn FnOnce(InitEnv) -> BoxFuture<'static, Result<Instance, InitError>> + Send;

impl Prepared {
    /// A plugin that starts by running `start`.
    pub fn new<F, R>(start: F) -> Self
    where
        F: FnOnce(InitEnv) -> R + Send + 'static,
        R: Future<Output = Result<Instance, InitError>> + Send + 'static,
    {
        Self(Box::new(move |env| Box::pin(start(env))))
    }
}

impl fmt::Debug for Prepared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Prepared")
    }
}

impl Plugin {
    /// Parses this plugin's configuration in `api`. Nothing of the plugin's own code runs but its `Deserialize`.
    ///
    /// # Errors
    /// When the configuration is not what the plugin expects.
    pub fn prepare(&'static self, api: &ApiDefinition) -> Result<Prepared, ConfigError> {
        (self.prepare)(self, api)
    }

    /// Runs this plugin's `init` for `api`.
    ///
    /// # Errors
    /// What `init` returned.
    pub async fn start(
        &'static self,
        prepared: Prepared,
        api: Arc<ApiDefinition>,
        host: Arc<dyn Host>,
    ) -> Result<Instance, InitError> {
        (prepared.0)(InitEnv(Services::new(host, api, Some(self)))).await
    }
}
