//! What happens, and who is told of it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Who is told of which event. Source: Tyk, `EventHandlerMetaConfig` in `apidef/api_definitions.go`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, expecting = "an object")]
pub struct EventHandlers {
    /// By the names of events, such as `AuthFailure`.
    pub events: BTreeMap<String, Vec<EventHandler>>,
}

/// One who is told. Source: Tyk, `EventHandlerTriggerConfig` in `apidef/api_definitions.go`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, expecting = "an object")]
pub struct EventHandler {
    /// `eh_log_handler` or `eh_web_hook_handler`.
    pub handler_name: String,
    /// How it is told.
    pub handler_meta: HandlerMeta,
}

/// How a handler is told: `prefix` is the log's, all else a webhook's. Source: gateway.md §8.9.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, expecting = "an object")]
pub struct HandlerMeta {
    /// What the line in the log says of whose it is.
    pub prefix: String,
    /// Leaves the handler out.
    pub disabled: bool,
    /// Identity in Tyk's database.
    pub id: String,
    /// A name for people.
    pub name: String,
    /// `GET`, `PUT`, `POST`, `DELETE` or `PATCH`; anything else is `GET`.
    pub method: String,
    /// The URL, with scheme and host.
    pub target_path: String,
    /// A file with the template of the body.
    pub template_path: String,
    /// Headers of the request.
    pub header_map: BTreeMap<String, String>,
    /// For how many seconds the same request is not made again; zero or less is not at all.
    pub event_timeout: i64,
}
