//! Mistakes in how URLs and methods are rewritten. Expressions are checked by those who run them.

use super::Check;
use crate::json_path::JsonPath;
use crate::rewrite::{METHODS_TO, MethodTransform, UrlRewrite};
use crate::version::Version;

impl Check<'_> {
    /// What a version rewrites.
    pub(super) fn rewrites(&mut self, at: &JsonPath, version: &Version) {
        let paths = &version.extended_paths;
        let lists = at.key("extended_paths");
        let methods: Vec<_> = paths.method_transforms.iter().enumerate().filter(|(_, entry)| !entry.disabled).collect();
        let urls: Vec<_> = paths.url_rewrites.iter().enumerate().filter(|(_, entry)| !entry.disabled).collect();
        if !version.use_extended_paths {
            let used = [("method_transforms", !methods.is_empty()), ("url_rewrites", !urls.is_empty())];
            for (list, _) in used.into_iter().filter(|(_, used)| *used) {
                self.warning(lists.key(list), "has no effect: `use_extended_paths` of this version is false");
            }
            return;
        }
        for (index, entry) in methods {
            let at = lists.key("method_transforms").index(index);
            self.endpoint(&at, &entry.path, &entry.method);
            self.method_transform(&at, entry);
        }
        for (index, entry) in urls {
            let at = lists.key("url_rewrites").index(index);
            self.endpoint(&at, &entry.path, &entry.method);
            self.url_rewrite(&at, entry);
        }
    }

    fn method_transform(&mut self, at: &JsonPath, entry: &MethodTransform) {
        if !METHODS_TO.iter().any(|method| method.eq_ignore_ascii_case(&entry.to_method)) {
            let reason = format!(
                "`{}` is no method that requests may be given, so they are refused with 405; write `{}`",
                entry.to_method,
                METHODS_TO.join("`, `")
            );
            self.warning(at.key("to_method"), reason);
        }
    }

    fn url_rewrite(&mut self, at: &JsonPath, entry: &UrlRewrite) {
        if entry.match_pattern.is_empty() {
            let reason = "is empty, so every URL matches; write what of the URL has to be there, such as `/users/(.*)`";
            self.warning(at.key("match_pattern"), reason);
        }
        for (index, trigger) in entry.triggers.iter().enumerate() {
            if !matches!(trigger.on.as_str(), "any" | "all") {
                let reason = format!("`{}` is taken for `all`; write `all` or `any`", trigger.on);
                self.warning(at.key("triggers").index(index).key("on"), reason);
            }
        }
    }
}
