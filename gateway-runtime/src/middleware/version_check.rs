//! Chooses who serves a request: the API that it came to, or another one that is a version of it.
//!
//! Source: gateway.md §3.3, §5.4; Tyk, `gateway/mw_version_check.go`.

mod named;

use std::collections::HashMap;
use std::sync::Arc;

use gateway_model::{ApiDefinition, JsonPath, Version, VersionData};
use gateway_sdk::exchange::Exchange;
use gateway_sdk::{HeaderName, HeaderValue};

use super::{PlannedMiddleware, Ran, Step};
use crate::apis::plan::Planning;
use crate::chain::{Chosen, Elsewhere, Journey};
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
        let telling = Telling::of(planning);
        let step = Apis { named: Named::plan(planning)?, own, telling, ..Apis::of(api) };
        return Some(Box::new(step));
    }
    if api.version_data.is_versioned() {
        return Versions::plan(planning).map(|step| Box::new(step) as Box<dyn Step>);
    }
    own.map(|unclear| Box::new(Refuse(unclear)) as Box<dyn Step>)
}

struct Refuse(VersionError);

impl Step for Refuse {
    fn run(&self, _exchange: &mut Exchange) -> Result<Ran, RequestError> {
        Err(self.0.into())
    }
}

/// Tells a client that has named no version which one it got. Source: gateway.md §1.2 (`version_header`), §5.4.
#[derive(Default)]
struct Telling(Option<HeaderName>);

impl Telling {
    fn of(planning: &Planning<'_, '_>) -> Self {
        Self(planning.ground().version_header.clone())
    }

    fn tell(&self, exchange: &mut Exchange, version: &str) {
        if let Some(header) = &self.0
            && let Ok(version) = HeaderValue::try_from(version)
        {
            exchange.ctx.set_response_header(header.clone(), version);
        }
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
    telling: Telling,
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
            telling: Telling::default(),
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
        if asked.is_empty() {
            let name = if version == SELF { &self.name } else { version };
            self.telling.tell(exchange, name);
        }
        let fallback = || if self.falls_back && !self.default.is_empty() { self.find(&self.default) } else { None };
        self.find(version).or_else(fallback).unwrap_or(Err(VersionError::Unknown.into()))
    }
}

/// Versions within the definition.
struct Versions {
    named: Named,
    api_id: Arc<str>,
    /// By their names.
    places: HashMap<Arc<str>, usize>,
    /// The version of a request that names none; empty: there is none.
    default: String,
    telling: Telling,
}

impl Versions {
    /// A version whose key and `name` differ serves nobody: it is asked for by the one, and its paths are looked up by
    /// the other. Source: gateway.md §3.1, §12.4.
    fn plan(planning: &mut Planning<'_, '_>) -> Option<Self> {
        let api = planning.api();
        let mut places = HashMap::new();
        for (at, (key, version)) in api.version_data.versions.iter().enumerate() {
            if version.name == *key {
                places.insert(key.as_str().into(), at);
                continue;
            }
            let place = JsonPath::default().key("version_data").key("versions").key(key).key("name");
            let reason = format!(
                "is `{}`, and the key of the version is `{key}`: requests for it are refused; make the two the same",
                version.name
            );
            planning.warn(&place, reason);
        }
        let (api_id, default) = (api.api_id.as_str().into(), api.version_data.default_version.clone());
        Some(Self { named: Named::plan(planning)?, api_id, places, default, telling: Telling::of(planning) })
    }
}

impl Step for Versions {
    fn run(&self, exchange: &mut Exchange) -> Result<Ran, RequestError> {
        let request = &mut exchange.request;
        // What named the version may have been taken out of it the first time.
        if Journey::of(request).is_self
            && let Some(chosen) = Chosen::of(request).filter(|chosen| chosen.api_id == self.api_id)
        {
            return Ok(Ran::Elsewhere(Elsewhere::Version(chosen.clone())));
        }
        let asked = self.named.take(request).unwrap_or_default();
        let version = if asked.is_empty() { &self.default } else { &asked };
        if version.is_empty() {
            return Err(VersionError::Missing.into());
        }
        let (name, at) = self.places.get_key_value(version.as_str()).ok_or(VersionError::UnknownHere)?;
        if asked.is_empty() {
            self.telling.tell(exchange, name);
        }
        let (api_id, name) = (Arc::clone(&self.api_id), Arc::clone(name));
        Ok(Ran::Elsewhere(Elsewhere::Version(Chosen { api_id, at: *at, name })))
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
