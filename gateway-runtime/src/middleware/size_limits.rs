//! Refuses requests with a body that is too large, or of which nobody says how large it is. Source: Tyk,
//! `gateway/mw_request_size_limit.go`; gateway.md §5.11.

use gateway_sdk::exchange::Exchange;
use gateway_sdk::http::header::CONTENT_LENGTH;
use gateway_sdk::{Method, Request};

use super::{PlannedMiddleware, Ran, Step};
use crate::apis::paths::OnPaths;
use crate::apis::plan::Planning;
use crate::error::RequestError;

pub(super) const STEP: PlannedMiddleware = PlannedMiddleware { name: "size_limits", plan };

/// Requests whose bodies mean nothing.
const EXEMPT: [Method; 5] = [Method::GET, Method::HEAD, Method::DELETE, Method::OPTIONS, Method::TRACE];

/// All are in bytes.
struct SizeLimits {
    everywhere: Option<u64>,
    on_paths: Option<OnPaths<u64>>,
}

fn plan(planning: &mut Planning<'_, '_>) -> Option<Box<dyn Step>> {
    let version = planning.version().filter(|version| !version.global_size_limit_disabled);
    let everywhere =
        version.and_then(|version| u64::try_from(version.global_size_limit).ok()).filter(|limit| *limit > 0);
    let on_paths = planning.on_paths(
        "size_limits",
        |paths| &paths.size_limits,
        |planning, entry, place| {
            let limit = u64::try_from(entry.size_limit).ok();
            if limit.is_none() {
                let reason = format!("{} is not a number of bytes; write 0 or more", entry.size_limit);
                planning.refuse(&place.key("size_limit"), reason);
            }
            limit
        },
    );
    let is_asked = everywhere.is_some() || on_paths.is_some();
    is_asked.then(|| Box::new(SizeLimits { everywhere, on_paths }) as Box<dyn Step>)
}

impl Step for SizeLimits {
    fn run(&self, exchange: &mut Exchange) -> Result<Ran, RequestError> {
        let request = &exchange.request;
        if EXEMPT.contains(request.method()) {
            return Ok(Ran::On);
        }
        let on_path = self.on_paths.as_ref().and_then(|paths| paths.find(request));
        for limit_bytes in self.everywhere.iter().chain(on_path) {
            check(request, *limit_bytes)?;
        }
        Ok(Ran::On)
    }
}

/// What a client says counts, and what is known of its body, if that is more.
fn check(request: &Request, limit_bytes: u64) -> Result<(), RequestError> {
    let said = request.headers().get(CONTENT_LENGTH).ok_or(RequestError::LengthMissing)?;
    let said = said.to_str().ok().and_then(|said| said.parse::<u64>().ok()).ok_or(RequestError::LengthInvalid)?;
    let size_bytes = said.max(request.body().len().unwrap_or_default());
    if size_bytes > limit_bytes {
        return Err(RequestError::OverSize { size_bytes, limit_bytes });
    }
    Ok(())
}
