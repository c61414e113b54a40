//! What the version of a definition says on single paths, and the built-in steps that are made of it.

use std::sync::Arc;
use std::time::Duration;

use gateway_model::{
    ApiDefinition, ExtendedPaths, Hook, JsonPath, OasDefinition, OlderPaths, OnPath, Severity, Version, duration,
};

use super::{Ground, Planner};
use crate::apis::listen_path::{ListenPath, mistake};
use crate::apis::paths::{OnPaths, Planned};
use crate::apis::pattern::Pattern;
use crate::apis::policies::PlannedPolicy;
use crate::config::PathRules;
use crate::drivers::{self, Resolved, Unresolved, Wanted};
use crate::middleware::version_check::default_version;
use crate::middleware::{ORDER, RESPONSE, Row, Steps};
use crate::session::limits::{EndpointLimit, Rate, endpoint_hash};

/// What a built-in step is planned from: the definition, the version that is served, and where mistakes are told.
pub(crate) struct Planning<'p, 'a> {
    planner: &'p mut Planner<'a>,
    api: &'a ApiDefinition,
    ground: &'p Ground,
    /// With its key; `None` where the definition has none, or does not say which.
    version: Option<(&'a str, &'a Version)>,
    rules: PathRules,
    /// `None`: it is none, and the API cannot be served.
    listen: Option<Arc<ListenPath>>,
}

/// The place of a field of a version.
fn of_version(key: &str, field: &str) -> JsonPath {
    JsonPath::default().key("version_data").key("versions").key(key).key(field)
}

/// Where the version that is served sends its requests, if it has a say in it; with its place.
pub(super) fn override_target(api: &ApiDefinition) -> Option<(String, &str)> {
    let (key, version) = default_version(&api.version_data).ok().flatten()?;
    let url = version.override_target.as_str();
    (!url.is_empty()).then(|| (of_version(key, "override_target").to_string(), url))
}

impl<'a> Planner<'a> {
    pub(super) fn version<'p>(&'p mut self, ground: &'p Ground, listen: Option<&Arc<ListenPath>>) -> Planning<'p, 'a> {
        let api: &'a ApiDefinition = self.definition;
        let version = default_version(&api.version_data).ok().flatten();
        let rules = version.map_or(ground.paths, |(_, version)| ground.paths.of(version));
        Planning { planner: self, api, ground, version, rules, listen: listen.map(Arc::clone) }
    }
}

impl<'a> Planning<'_, 'a> {
    /// The definition.
    pub(crate) fn api(&self) -> &'a ApiDefinition {
        self.api
    }

    /// What the gateway has for definitions.
    pub(crate) fn ground(&self) -> &Ground {
        self.ground
    }

    /// The version that is served.
    pub(crate) fn version(&self) -> Option<&'a Version> {
        self.version.map(|(_, version)| version)
    }

    /// The OpenAPI document that the API was made from.
    pub(crate) fn document(&self) -> Option<&'a OasDefinition> {
        self.api.oas.as_deref()
    }

    /// How paths of the version are matched.
    pub(crate) fn rules(&self) -> PathRules {
        self.rules
    }

    /// The key of the version, where requests choose among several.
    pub(crate) fn chosen(&self) -> Option<&'a str> {
        self.planner.version
    }

    /// Where the API listens; `None` where that is no listen path, and the API cannot be served.
    pub(crate) fn listen(&self) -> Option<&Arc<ListenPath>> {
        self.listen.as_ref()
    }

    /// The place of a field of the version that is served.
    pub(crate) fn of_version(&self, field: &str) -> JsonPath {
        of_version(self.version.map_or("", |(key, _)| key), field)
    }

    /// The API cannot be served.
    pub(crate) fn refuse(&mut self, place: &JsonPath, reason: String) {
        self.planner.refuse(&place.to_string(), reason);
    }

    /// The API is served, but not as somebody may think who reads its definition.
    pub(crate) fn warn(&mut self, place: &JsonPath, reason: String) {
        self.planner.find(Severity::Warning, &place.to_string(), reason);
    }

    /// The API cannot be served, because of what is at this place of its OpenAPI document.
    pub(crate) fn refuse_in_document(&mut self, place: &JsonPath, reason: &str) {
        self.planner.find_in_document(Severity::Error, place, reason);
    }

    /// It is served, but not as somebody may think who reads this place of its OpenAPI document.
    pub(crate) fn warn_in_document(&mut self, place: &JsonPath, reason: &str) {
        self.planner.find_in_document(Severity::Warning, place, reason);
    }

    /// The entries of a list of `extended_paths` that count, each with what it asks for: `what` is given the entry and
    /// its place, and may leave it out. A path that is no pattern is refused.
    pub(crate) fn planned<E: OnPath + 'a, T>(
        &mut self,
        list: &str,
        entries: impl FnOnce(&'a ExtendedPaths) -> &'a [E],
        mut what: impl FnMut(&mut Self, &'a E, &JsonPath) -> Option<T>,
    ) -> Vec<Planned<T>> {
        let Some((_, version)) = self.version.filter(|(_, version)| version.use_extended_paths) else {
            return Vec::new();
        };
        let list = self.of_version("extended_paths").key(list);
        let mut planned = Vec::new();
        for (index, entry) in entries(&version.extended_paths).iter().enumerate() {
            let place = list.index(index);
            if entry.is_disabled() {
                continue;
            }
            let Some(what) = what(self, entry, &place) else { continue };
            let rules = PathRules { ignore_case: self.rules.ignore_case || entry.ignores_case(), ..self.rules };
            match Pattern::new(entry.path(), rules) {
                Ok(pattern) => planned.push(Planned { pattern, method: entry.method().map(ToOwned::to_owned), what }),
                Err(error) => self.refuse(&place.key("path"), mistake(&error)),
            }
        }
        planned
    }

    /// The same, ready to be asked; `None` where nothing is asked for.
    pub(crate) fn on_paths<E: OnPath + 'a, T>(
        &mut self,
        list: &str,
        entries: impl FnOnce(&'a ExtendedPaths) -> &'a [E],
        what: impl FnMut(&mut Self, &'a E, &JsonPath) -> Option<T>,
    ) -> Option<OnPaths<T>> {
        let planned = self.planned(list, entries, what);
        OnPaths::new(planned, self.listen()?)
    }

    /// The patterns of a list in the older form, which has paths alone.
    pub(crate) fn older(&mut self, list: &str, paths: impl FnOnce(&'a OlderPaths) -> &'a [String]) -> Vec<Pattern> {
        let Some((_, version)) = self.version.filter(|(_, version)| !version.use_extended_paths) else {
            return Vec::new();
        };
        let list = self.of_version("paths").key(list);
        let mut patterns = Vec::new();
        for (index, path) in paths(&version.paths).iter().enumerate() {
            match Pattern::new(path, self.rules) {
                Ok(pattern) => patterns.push(pattern),
                Err(error) => self.refuse(&list.index(index), mistake(&error)),
            }
        }
        patterns
    }

    /// The built-in steps that are made of the definition alone, by their names.
    pub(super) fn steps(&mut self) -> Steps {
        let mut steps = Steps::default();
        for row in ORDER.iter().chain(RESPONSE) {
            if let Row::Planned(kind) = row
                && let Some(step) = (kind.plan)(self)
            {
                steps.insert(kind.name, step.into());
            }
        }
        steps
    }

    /// What single paths ask of the way upstream, and the time of an answer to all others.
    pub(super) fn policies(&mut self) -> (Vec<Planned<PlannedPolicy>>, Option<Duration>) {
        let global = self.version().filter(|version| !version.global_enforce_timeout_disabled);
        // What is no duration was refused when the definition was read.
        let global = global.and_then(|version| duration(&version.global_enforce_timeout).ok());
        let mut planned = self.planned(
            "hard_timeouts",
            |paths| &paths.hard_timeouts,
            |_, entry, _| entry.limit().ok().flatten().map(PlannedPolicy::Timeout),
        );
        planned.extend(self.planned(
            "circuit_breakers",
            |paths| &paths.circuit_breakers,
            |_, entry, _| Some(PlannedPolicy::Breaker(entry.clone())),
        ));
        (planned, global.filter(|time| !time.is_zero()))
    }

    /// The rates of single paths; those that limit nothing were told when the definition was read.
    pub(super) fn rates(&mut self) -> Option<Arc<OnPaths<EndpointLimit>>> {
        let rates = self.on_paths(
            "rate_limit",
            |paths| &paths.rate_limit,
            |_, entry, _| {
                let rate = Rate { requests: entry.rate, per_s: entry.per };
                let hash = || endpoint_hash(&entry.method, &entry.path);
                (rate.is_limited() && rate.per_s > 0.0).then(|| EndpointLimit { rate, hash: hash() })
            },
        );
        rates.map(Arc::new)
    }

    /// Per-path plugins; the first that matches runs. Source: Tyk, `gateway/mw_go_plugin.go`.
    pub(super) fn endpoints(&mut self) -> Vec<Planned<Result<Resolved, Unresolved>>> {
        self.planned(
            "go_plugin",
            |paths| &paths.go_plugin,
            |planning, entry, place| {
                let (name, path) = (&entry.func_name, &entry.plugin_path);
                let found = drivers::resolve(&Wanted { driver: "goplugin", name, path, hook: Hook::Endpoint });
                let report =
                    |missing: &Unresolved| planning.planner.report(&place.key("func_name").to_string(), missing);
                Some(found.inspect_err(report))
            },
        )
    }
}
