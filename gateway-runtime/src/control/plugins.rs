//! `GET /tyk/plugins`: what is linked or loaded, who uses it, and what definitions name that is not there.

use gateway_model::Hook;
use gateway_sdk::registry::{Plugin, plugins};
use gateway_sdk::{Response, StatusCode};
use serde::Serialize;

use super::call::Call;
use super::reply;
use crate::cli::plugins::{Linked, linked};

#[derive(Serialize)]
struct Report<'a> {
    plugins: Vec<Used<'a>>,
    unresolved: Vec<Missing<'a>>,
}

#[derive(Serialize)]
struct Used<'a> {
    #[serde(flatten)]
    plugin: Linked,
    apis: Vec<Use<'a>>,
}

#[derive(Serialize)]
struct Use<'a> {
    api_id: &'a str,
    hook: Hook,
}

#[derive(Serialize)]
struct Missing<'a> {
    api_id: &'a str,
    file: &'a str,
    hook: Hook,
    name: &'a str,
    reason: String,
}

pub(super) fn list(call: &Call<'_>) -> Response {
    let table = call.gateway.table.load();
    let uses = || table.apis().iter().flat_map(|api| api.uses.iter().map(move |used| (api, used)));
    // Of those that were loaded, the ones that are in use: others are memory, and nothing more.
    let mut all: Vec<&'static Plugin> = plugins().to_vec();
    for (_, (plugin, _)) in uses().filter(|(_, (plugin, _))| plugin.loaded.is_some()) {
        if !all.iter().any(|other| std::ptr::eq(*other, *plugin)) {
            all.push(plugin);
        }
    }
    let used = all.iter().map(|plugin| Used {
        plugin: linked(plugin),
        apis: uses()
            .filter(|(_, (other, _))| std::ptr::eq(*other, *plugin))
            .map(|(api, (_, hook))| Use { api_id: &api.definition.api_id, hook: *hook })
            .collect(),
    });
    let missing = table.apis().iter().flat_map(|api| {
        api.unresolved.iter().map(|missing| Missing {
            api_id: &api.definition.api_id,
            file: &api.file,
            hook: missing.hook,
            name: &missing.name,
            reason: missing.to_string(),
        })
    });
    reply::json(StatusCode::OK, &Report { plugins: used.collect(), unresolved: missing.collect() })
}
