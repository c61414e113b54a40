//! The versions of a definition that requests choose among.

use std::sync::Arc;

use gateway_model::{ApiDefinition, VersionData};

use super::{Ground, Plan, Planner};

impl Planner<'_> {
    /// Plans each version, if requests choose among them, as if it were the only one that there is.
    pub(super) fn with_versions(
        &mut self,
        plan: Plan,
        document: Option<&Result<Arc<str>, String>>,
        ground: &Ground,
    ) -> Plan {
        let api = self.definition;
        if !api.version_data.is_versioned() || api.definition.enabled {
            return plan;
        }
        let mut versions = Vec::new();
        for (key, version) in &api.version_data.versions {
            let only = [(key.clone(), version.clone())].into();
            let version_data = VersionData { versions: only, ..api.version_data.clone() };
            // The date of the API is for one without versions. Source: gateway.md §3.2.
            let alone = ApiDefinition { version_data, expiration: String::new(), ..(**api).clone() };
            let alone = Arc::new(alone);
            let version = Some(key.as_str());
            let mut planner = Planner { definition: &alone, version, found: Vec::new(), broken: false, ..*self };
            let planned = planner.plan(document, ground);
            self.broken |= planner.broken;
            // What is wrong with all of them is told once.
            let new = planner.found.into_iter().filter(|finding| !self.found.contains(finding));
            let new: Vec<_> = new.collect();
            self.found.extend(new);
            versions.extend(planned);
        }
        Plan { versions, ..plan }
    }
}
