//! `info` and `errorOverrides`: who the API is.

use super::form::Form::Pairs;
use super::rule::{Rule, off, rule, same};

/// Of the extension and the whole definition. Source: gateway.md §4.2, §4.6.
pub(super) const RULES: &[Rule] = &[
    same("info.id", "api_id"),
    same("info.dbId", "id"),
    same("info.orgId", "org_id"),
    same("info.name", "name"),
    same("info.expiration", "expiration"),
    same("info.state.active", "active"),
    same("info.state.internal", "internal"),
    off("errorOverrides.enabled", "error_overrides_disabled"),
    same("errorOverrides.value", "error_overrides"),
];

/// The versions of an API, which are APIs of their own; of the same two.
pub(super) const VERSIONING: &[Rule] = &[
    same("info.versioning.enabled", "definition.enabled"),
    same("info.versioning.name", "definition.name"),
    same("info.versioning.default", "definition.default"),
    same("info.versioning.location", "definition.location"),
    same("info.versioning.key", "definition.key"),
    rule("info.versioning.versions", "definition.versions", Pairs("name", "id")),
    same("info.versioning.stripVersioningData", "definition.strip_versioning_data"),
    same("info.versioning.urlVersioningPattern", "definition.url_versioning_pattern"),
    same("info.versioning.fallbackToDefault", "definition.fallback_to_default"),
];
