//! Mistakes in what is decided on single paths before anybody is asked who they are.

use super::Check;
use crate::json_path::JsonPath;
use crate::lists::{ListedPath, MethodAction};
use crate::version::Version;

impl Check<'_> {
    pub(super) fn version_lists(&mut self, at: &JsonPath, version: &Version) {
        let (paths, older) = (&version.extended_paths, &version.paths);
        let listed =
            [("ignored", &paths.ignored), ("black_list", &paths.black_list), ("white_list", &paths.white_list)];
        let lists = at.key("extended_paths");
        if version.use_extended_paths {
            let older =
                [("ignored", &older.ignored), ("black_list", &older.black_list), ("white_list", &older.white_list)];
            for (list, _) in older.into_iter().filter(|(_, paths)| !paths.is_empty()) {
                let reason = "has no effect: `use_extended_paths` of this version is true; move it to `extended_paths`";
                self.warning(at.key("paths").key(list), reason);
            }
        } else {
            let mocks = ("mock_response", paths.mock_response.iter().any(|entry| !entry.disabled));
            let internal = ("internal", paths.internal.iter().any(|entry| !entry.disabled));
            let others = listed.map(|(list, entries)| (list, entries.iter().any(|entry| !entry.disabled)));
            for (list, _) in [mocks, internal].into_iter().chain(others).filter(|(_, used)| *used) {
                self.warning(lists.key(list), "has no effect: `use_extended_paths` of this version is false");
            }
            return;
        }
        for (index, entry) in paths.mock_response.iter().enumerate().filter(|(_, entry)| !entry.disabled) {
            self.endpoint(&lists.key("mock_response").index(index), &entry.path, &entry.method);
        }
        for (index, entry) in paths.internal.iter().enumerate().filter(|(_, entry)| !entry.disabled) {
            self.endpoint(&lists.key("internal").index(index), &entry.path, &entry.method);
        }
        for (list, entries) in listed {
            for (index, entry) in entries.iter().enumerate().filter(|(_, entry)| !entry.disabled) {
                self.listed(&lists.key(list).index(index), entry);
            }
        }
    }

    fn listed(&mut self, at: &JsonPath, entry: &ListedPath) {
        if !entry.method.is_empty() {
            self.method(at, &entry.method);
        }
        for (method, MethodAction { action, .. }) in &entry.method_actions {
            if ![MethodAction::NONE, MethodAction::REPLY].contains(&action.as_str()) {
                let reason = format!("`{action}` is no action, so requests are refused; write `no_action` or `reply`");
                self.warning(at.key("method_actions").key(method).key("action"), reason);
            }
        }
    }
}
