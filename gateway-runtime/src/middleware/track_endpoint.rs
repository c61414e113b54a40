//! What single paths say of analytics: no record, or one with the path of the entry. Source: Tyk,
//! `gateway/mw_track_endpoints.go`.

use gateway_sdk::exchange::Exchange;

use super::{PlannedMiddleware, Ran, Step};
use crate::apis::paths::OnPaths;
use crate::apis::plan::Planning;
use crate::error::RequestError;

pub(super) const STEP: PlannedMiddleware = PlannedMiddleware { name: "track_endpoint", plan };

struct TrackEndpoint {
    /// With the paths of the entries.
    tracked: Option<OnPaths<String>>,
    untracked: Option<OnPaths<()>>,
}

fn plan(planning: &mut Planning<'_, '_>) -> Option<Box<dyn Step>> {
    let tracked =
        planning.on_paths("track_endpoints", |paths| &paths.track_endpoints, |_, entry, _| Some(entry.path.clone()));
    let untracked =
        planning.on_paths("do_not_track_endpoints", |paths| &paths.do_not_track_endpoints, |_, _, _| Some(()));
    let is_asked = planning.ground().has_analytics && !planning.api().do_not_track;
    let step = is_asked && (tracked.is_some() || untracked.is_some());
    step.then(|| Box::new(TrackEndpoint { tracked, untracked }) as Box<dyn Step>)
}

impl Step for TrackEndpoint {
    fn run(&self, exchange: &mut Exchange) -> Result<Ran, RequestError> {
        let Some(draft) = &mut exchange.draft else { return Ok(Ran::On) };
        if self.untracked.as_ref().is_some_and(|paths| paths.find(&exchange.request).is_some()) {
            exchange.draft = None;
        } else if let Some(path) = self.tracked.as_ref().and_then(|paths| paths.find(&exchange.request)) {
            draft.record.path.clone_from(path);
            draft.record.track_path = true;
        }
        Ok(Ran::On)
    }
}
