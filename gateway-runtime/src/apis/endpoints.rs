//! Per-path plugins: the entries of `extended_paths.go_plugin`; the first that matches path and method runs.
//!
//! Source: Tyk, `gateway/model_urlspec.go`, `gateway/mw_go_plugin.go`.

use gateway_model::Hook;
use gateway_sdk::Request;

use crate::apis::listen_path::ListenPath;
use crate::apis::matcher::Matcher;
use crate::chain::PluginCall;
use crate::error::RequestError;

/// The per-path plugins of an API.
pub(crate) struct Endpoints {
    pub(crate) matcher: Matcher<1>,
    /// What each entry of the matcher calls. `Err`: the plugin's name, which nothing in this binary has.
    pub(crate) calls: Vec<Result<PluginCall, String>>,
}

impl Endpoints {
    /// The first endpoint that the request is for.
    pub(crate) fn find(&self, request: &Request, listen: &ListenPath) -> Option<Result<&PluginCall, RequestError>> {
        let [found] = self.matcher.find(request.method().as_str(), request.path(), listen);
        let call = self.calls.get(found?)?;
        Some(call.as_ref().map_err(|name| RequestError::UnresolvedPlugin { name: name.clone(), hook: Hook::Endpoint }))
    }
}
