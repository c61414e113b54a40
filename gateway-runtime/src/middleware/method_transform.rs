//! Chooses another method for the upstream; [`dispatch`](super::dispatch) gives it to the request.
//!
//! Source: gateway.md §3.4; Tyk, `gateway/mw_method_transform.go`.

use gateway_model::METHODS_TO;
use gateway_sdk::Method;
use gateway_sdk::exchange::Exchange;

use super::{PlannedMiddleware, Ran, Step};
use crate::apis::paths::OnPaths;
use crate::apis::plan::Planning;
use crate::error::RequestError;

pub(super) const STEP: PlannedMiddleware = PlannedMiddleware { name: "method_transform", plan };

/// The method that a request gets in the end.
#[derive(Clone)]
pub(super) struct MethodTo(pub(super) Method);

/// `None` for what is no method that requests may be given.
struct MethodTransform(OnPaths<Option<Method>>);

fn plan(planning: &mut Planning<'_, '_>) -> Option<Box<dyn Step>> {
    let paths = planning.on_paths(
        "method_transforms",
        |paths| &paths.method_transforms,
        |_, entry, _| {
            let to = entry.to_method.to_ascii_uppercase();
            Some(METHODS_TO.contains(&&*to).then(|| to.parse().ok()).flatten())
        },
    )?;
    Some(Box::new(MethodTransform(paths)))
}

impl Step for MethodTransform {
    fn run(&self, exchange: &mut Exchange) -> Result<Ran, RequestError> {
        match self.0.find(&exchange.request) {
            None => Ok(Ran::On),
            Some(None) => Err(RequestError::MethodRefused),
            Some(Some(method)) => {
                let to = MethodTo(method.clone());
                exchange.request.extensions_mut().insert(to);
                Ok(Ran::On)
            }
        }
    }
}
