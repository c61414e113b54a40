//! Headers of requests: first those of the version, then those of the path. Source: gateway.md §5.9.

use gateway_model::ApiDefinition;
use gateway_sdk::HeaderName;
use gateway_sdk::exchange::Exchange;

use super::super::{PlannedMiddleware, Ran, Step};
use super::{HeaderChange, Written};
use crate::apis::paths::OnPaths;
use crate::apis::plan::Planning;
use crate::error::RequestError;

pub(in crate::middleware) const STEP: PlannedMiddleware = PlannedMiddleware { name: "transform_headers", plan };

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// The upstream is not told the client's address: a definition that takes `X-Forwarded-For` off means the gateway's too.
/// Source: gateway.md §5.8.
#[derive(Clone)]
pub(crate) struct HiddenClient;

struct TransformHeaders {
    everywhere: Option<HeaderChange>,
    on_paths: Option<OnPaths<HeaderChange>>,
}

fn plan(planning: &mut Planning<'_, '_>) -> Option<Box<dyn Step>> {
    let version = planning.version().filter(|version| !version.global_headers_disabled);
    let everywhere = version.and_then(|version| {
        let remove = (planning.of_version("global_headers_remove"), &*version.global_headers_remove);
        let set = (planning.of_version("global_headers"), &version.global_headers);
        HeaderChange::plan(planning, &Written { remove, set })
    });
    let on_paths = planning.on_paths(
        "transform_headers",
        |paths| &paths.transform_headers,
        |planning, entry, place| {
            let remove = (place.key("delete_headers"), &*entry.delete_headers);
            let set = (place.key("add_headers"), &entry.add_headers);
            // One that asks for nothing is the first that matches all the same.
            Some(HeaderChange::plan(planning, &Written { remove, set }).unwrap_or_default())
        },
    );
    let is_asked = everywhere.is_some() || on_paths.is_some();
    is_asked.then(|| Box::new(TransformHeaders { everywhere, on_paths }) as Box<dyn Step>)
}

/// Whether any request may get a [`HiddenClient`].
pub(crate) fn may_hide_client(api: &ApiDefinition) -> bool {
    let names = api.version_data.versions.values().flat_map(|version| {
        let on_paths = version.extended_paths.transform_headers.iter().flat_map(|entry| &entry.delete_headers);
        version.global_headers_remove.iter().chain(on_paths)
    });
    names.map(|name| name.trim()).any(|name| name.eq_ignore_ascii_case(FORWARDED_FOR.as_str()))
}

impl Step for TransformHeaders {
    fn run(&self, exchange: &mut Exchange) -> Result<Ran, RequestError> {
        let request = &mut exchange.request;
        // What the version takes off has no part in which path it is.
        let on_path = self.on_paths.as_ref().and_then(|paths| paths.find(request));
        for change in self.everywhere.iter().chain(on_path) {
            change.apply(request.headers_mut());
            if change.removes(&FORWARDED_FOR) {
                request.extensions_mut().insert(HiddenClient);
            }
        }
        Ok(Ran::On)
    }
}
