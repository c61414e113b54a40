//! Mistakes in what a version says of bodies: templates and schemas.

use super::Check;
use crate::json_path::JsonPath;
use crate::on_path::OnPath;
use crate::version::Version;

impl Check<'_> {
    /// `at` is the place of the version.
    pub(super) fn bodies(&mut self, at: &JsonPath, version: &Version) {
        let paths = &version.extended_paths;
        self.body_list(at, version, "validate_json", &paths.validate_json);
        self.body_list(at, version, "transform", &paths.transform);
        self.body_list(at, version, "transform_response", &paths.transform_response);
    }

    fn body_list<E: OnPath>(&mut self, at: &JsonPath, version: &Version, list: &str, entries: &[E]) {
        let at = at.key("extended_paths").key(list);
        let enabled: Vec<_> = entries.iter().enumerate().filter(|(_, entry)| !entry.is_disabled()).collect();
        if !version.use_extended_paths && !enabled.is_empty() {
            self.warning(at, "has no effect: `use_extended_paths` of this version is false");
            return;
        }
        for (index, entry) in enabled {
            self.endpoint(&at.index(index), entry.path(), entry.method().unwrap_or_default());
        }
    }
}
