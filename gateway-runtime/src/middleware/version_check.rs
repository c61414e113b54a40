//! Chooses who serves a request: the API that it came to, or another one that is a version of it.
//!
//! Source: gateway.md §3.3, §5.4; Tyk, `gateway/mw_version_check.go`.

mod named;

use std::collections::HashMap;
use std::sync::Arc;

use gateway_model::{ApiDefinition, Version, VersionData};
use gateway_sdk::exchange::Exchange;

use super::{PlannedMiddleware, Ran, Step};
use crate::apis::plan::Planning;
use crate::chain::Elsewhere;
use crate::error::RequestError;
use named::Named;

pub(super) const STEP: PlannedMiddleware = PlannedMiddleware { name: "version_check", plan };

/// The keys that are the default among several.
const DEFAULTS: [&str; 3] = ["Default", "default", ""];

/// The name of the API itself among its versions.
const SELF: &str = "self";

/// Why no version of an API, or no path of one, serves a request.
#[derive(Debug, Clone, Copy, thiserror::Error)]
pub(crate) enum VersionError {
    #[error("more than one version may be the default one: of `Default`, `default` and the empty name, keep one")]
    Ambiguous,
    #[error("more than one version, and none named `Default`")]
    NoDefault,
    #[error("the request names no version, and there is no default one")]
    Missing,
    #[error("the request is for a version that is not there")]
    Unknown,
    #[error("the request is for a version that is not among those of the API")]
    UnknownHere,
    #[error("the request went through {most} APIs, which hand it on to each other: see their versions")]
    TooManyApis { most: u32 },
    #[error("the API is past its `expiration`")]
    ApiExpired,
    #[error("the version of the API is past its `expires`")]
    Expired,
    #[error("the path is not one that the API serves, or it is internal")]
    Forbidden,
}

/// The one version, or of several the default one; with its key.
pub(crate) fn default_version(data: &VersionData) -> Result<Option<(&str, &Version)>, VersionError> {
    if data.versions.len() < 2 {
        return Ok(data.versions.iter().next().map(|(key, version)| (key.as_str(), version)));
    }
    let mut defaults = DEFAULTS.iter().filter_map(|key| data.versions.get_key_value(*key));
    match (defaults.next(), defaults.next()) {
        (Some((key, version)), None) => Ok(Some((key, version))),
        (Some(_), Some(_)) => Err(VersionError::Ambiguous),
        (None, _) => Err(VersionError::NoDefault),
    }
}

fn plan(planning: &mut Planning<'_, '_>) -> Option<Box<dyn Step>> {
    let api = planning.api();
    let own = default_version(&api.version_data).map(|_| ()).err();
    if api.definition.enabled {
        let step = Apis { named: Named::plan(planning)?, own, ..Apis::of(api) };
        return Some(Box::new(step));
    }
    if api.version_data.is_versioned() {
        return Some(Box::new(Versions { named: Named::plan(planning)?, ..Versions::of(api) }));
    }
    own.map(|unclear| Box::new(Refuse(unclear)) as Box<dyn Step>)
}

struct Refuse(VersionError);

impl Step for Refuse {
    fn run(&self, _exchange: &mut Exchange) -> Result<Ran, RequestError> {
        Err(self.0.into())
    }
}

/// Versions that are APIs of their own.
struct Apis {
    named: Named,
    /// Their ids, by the names of the versions.
    ids: HashMap<String, Arc<str>>,
    /// What the API itself is called among them.
    name: String,
    /// The version of a request that names none; empty: there is none.
    default: String,
    /// It is that of a request too that names one which is not there.
    falls_back: bool,
    /// Why the API itself cannot be it.
    own: Option<VersionError>,
}

impl Apis {
    fn of(api: &ApiDefinition) -> Self {
        let definition = &api.definition;
        Self {
            named: Named::default(),
            ids: definition.versions.iter().map(|(name, id)| (name.clone(), id.as_str().into())).collect(),
            name: definition.name.clone(),
            default: definition.default.clone(),
            falls_back: definition.fallback_to_default,
            own: None,
        }
    }

    /// Who serves a version; `None`: nobody.
    fn find(&self, version: &str) -> Option<Result<Ran, RequestError>> {
        if version == SELF || version == self.name {
            return Some(self.own.map_or(Ok(Ran::On), |unclear| Err(unclear.into())));
        }
        self.ids.get(version).map(|id| Ok(Ran::Elsewhere(Elsewhere::Api(Arc::clone(id)))))
    }
}

impl Step for Apis {
    fn run(&self, exchange: &mut Exchange) -> Result<Ran, RequestError> {
        let asked = self.named.take(&mut exchange.request).unwrap_or_default();
        let version = if asked.is_empty() { &self.default } else { &asked };
        if version.is_empty() {
            return Err(VersionError::Missing.into());
        }
        let fallback = || if self.falls_back && !self.default.is_empty() { self.find(&self.default) } else { None };
        self.find(version).or_else(fallback).unwrap_or(Err(VersionError::Unknown.into()))
    }
}

/// Versions within the definition.
struct Versions {
    named: Named,
    /// Their places, by their keys.
    places: HashMap<String, usize>,
    /// The version of a request that names none; empty: there is none.
    default: String,
    /// It is that of a request too that names one which is not there.
    falls_back: bool,
}

impl Versions {
    fn of(api: &ApiDefinition) -> Self {
        let data = &api.version_data;
        Self {
            named: Named::default(),
            places: data.versions.keys().enumerate().map(|(at, key)| (key.clone(), at)).collect(),
            default: data.default_version.clone(),
            falls_back: api.definition.fallback_to_default,
        }
    }
}

impl Step for Versions {
    fn run(&self, exchange: &mut Exchange) -> Result<Ran, RequestError> {
        let asked = self.named.take(&mut exchange.request).unwrap_or_default();
        let is_default = asked.is_empty();
        let version = if is_default { &self.default } else { &asked };
        if version.is_empty() {
            return Err(VersionError::Missing.into());
        }
        let fallback = || self.places.get(&self.default).filter(|_| self.falls_back);
        let at = *self.places.get(version).or_else(fallback).ok_or(VersionError::UnknownHere)?;
        Ok(Ran::Elsewhere(Elsewhere::Version { at, is_default }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn data(keys: &[&str]) -> VersionData {
        let versions = keys.iter().map(|key| ((*key).to_owned(), Version::default())).collect();
        VersionData { not_versioned: true, versions, ..VersionData::default() }
    }

    /// Source: gateway.md §5.4.
    #[test]
    fn of_several_versions_one_alone_may_be_the_default() {
        let key = |keys: &[&str]| {
            let data = data(keys);
            default_version(&data).map(|found| found.map(|(key, _)| key.to_owned())).map_err(|error| error.to_string())
        };
        assert_eq!(key(&[]), Ok(None));
        assert_eq!(key(&["v1"]), Ok(Some("v1".to_owned())));
        for default in DEFAULTS {
            assert_eq!(key(&["v1", default]), Ok(Some(default.to_owned())));
        }
        assert_eq!(key(&["v1", "v2"]), Err(VersionError::NoDefault.to_string()));
        assert_eq!(key(&["v1", "", "Default"]), Err(VersionError::Ambiguous.to_string()));
    }
}
