//! Headers of responses: first those of the path, then those of the version, then those of `header_injector`. Source:
//! gateway.md §5.9.

use gateway_model::JsonPath;
use gateway_sdk::exchange::Exchange;

use super::super::{PlannedMiddleware, Ran, Step};
use super::cleanup;
use super::{HeaderChange, Written};
use crate::apis::paths::OnPaths;
use crate::apis::plan::Planning;
use crate::error::RequestError;

pub(in crate::middleware) const STEP: PlannedMiddleware =
    PlannedMiddleware { name: "transform_response_headers", plan };

/// The processor that changes headers.
const INJECTOR: &str = "header_injector";
/// Those that stand for plugins, which run without being listed.
const PLUGINS: [&str; 2] = ["custom_mw_res_hook", "goplugin_res_hook"];

struct TransformHeaders {
    on_paths: Option<OnPaths<HeaderChange>>,
    /// In their order.
    everywhere: Vec<HeaderChange>,
}

fn plan(planning: &mut Planning<'_, '_>) -> Option<Box<dyn Step>> {
    let on_paths = planning.on_paths(
        "transform_response_headers",
        |paths| &paths.transform_response_headers,
        |planning, entry, place| {
            let remove = (place.key("delete_headers"), &*entry.delete_headers);
            let set = (place.key("add_headers"), &entry.add_headers);
            // One that asks for nothing is the first that matches all the same.
            Some(HeaderChange::plan(planning, &Written { remove, set }).unwrap_or_default())
        },
    );
    tell_unknown(planning);
    let everywhere = everywhere(planning);
    let is_asked = on_paths.is_some() || !everywhere.is_empty();
    is_asked.then(|| Box::new(TransformHeaders { on_paths, everywhere }) as Box<dyn Step>)
}

/// What every response meets.
fn everywhere(planning: &mut Planning<'_, '_>) -> Vec<HeaderChange> {
    let (api, version) = (planning.api(), planning.version());
    if version.is_some_and(|version| version.global_response_headers_disabled) {
        return Vec::new();
    }
    let of_version = version.map(|version| Written {
        remove: (planning.of_version("global_response_headers_remove"), &version.global_response_headers_remove),
        set: (planning.of_version("global_response_headers"), &version.global_response_headers),
    });
    let injectors = api.response_processors.iter().enumerate().filter(|(_, processor)| processor.name == INJECTOR);
    let of_injectors = injectors.map(|(index, processor)| {
        let (place, options) = (options(index), &processor.options);
        Written {
            remove: (place.key("remove_headers"), &options.remove_headers),
            set: (place.key("add_headers"), &options.add_headers),
        }
    });
    of_version.into_iter().chain(of_injectors).filter_map(|written| HeaderChange::plan(planning, &written)).collect()
}

/// Where the options of a processor are.
pub(super) fn options(index: usize) -> JsonPath {
    JsonPath::default().key("response_processors").index(index).key("options")
}

fn tell_unknown(planning: &mut Planning<'_, '_>) {
    for (index, processor) in planning.api().response_processors.iter().enumerate() {
        let name = processor.name.as_str();
        if [INJECTOR, cleanup::PROCESSOR].contains(&name) || PLUGINS.contains(&name) {
            continue;
        }
        let place = JsonPath::default().key("response_processors").index(index).key("name");
        let known = format!("`{INJECTOR}` and `{}` are known", cleanup::PROCESSOR);
        planning.warn(&place, format!("has no effect: no processor has the name `{name}`; {known}"));
    }
}

impl Step for TransformHeaders {
    fn run(&self, exchange: &mut Exchange) -> Result<Ran, RequestError> {
        let Exchange { request, response, .. } = exchange;
        if let Some(response) = response {
            let on_path = self.on_paths.as_ref().and_then(|paths| paths.find(request));
            for change in on_path.into_iter().chain(&self.everywhere) {
                change.apply(response.headers_mut());
            }
        }
        Ok(Ran::On)
    }
}
