//! Chooses the version of an API that is not versioned. Source: Tyk, `gateway/mw_version_check.go`.

use gateway_model::{Version, VersionData};
use gateway_sdk::exchange::Exchange;

use super::{Building, Middleware, Ran, Step};
use crate::error::RequestError;

pub(super) const STEP: Middleware = Middleware { name: "version_check", build };

/// The key that is the default among several.
const DEFAULT: &str = "Default";

/// Several versions, and nothing says which is meant.
pub(crate) struct Ambiguous;

/// The one version, or of several the one under the key `Default`; with its key.
pub(crate) fn default_version(data: &VersionData) -> Result<Option<(&str, &Version)>, Ambiguous> {
    let mut versions = data.versions.iter().map(|(key, version)| (key.as_str(), version));
    match (versions.next(), data.versions.len()) {
        (first, 0 | 1) => Ok(first),
        _ => data.versions.get_key_value(DEFAULT).map(|(key, version)| Some((key.as_str(), version))).ok_or(Ambiguous),
    }
}

struct Refuse;

fn build(Building { api, .. }: &Building<'_>) -> Option<Box<dyn Step>> {
    default_version(&api.version_data).is_err().then(|| Box::new(Refuse) as Box<dyn Step>)
}

impl Step for Refuse {
    fn run(&self, _exchange: &mut Exchange) -> Result<Ran, RequestError> {
        Err(RequestError::AmbiguousVersion)
    }
}
