//! Mistakes in rewrites.

use super::with;
use crate::read;

fn told(version: &str) -> Vec<String> {
    let text = with(&format!(r#""version_data":{{"not_versioned":true,"versions":{{"D":{{{version}}}}}}}"#));
    let lists = "version_data.versions.D.extended_paths.";
    let told = |path: &str, reason: &str| format!("{} {reason}", path.strip_prefix(lists).unwrap_or(path));
    read(&text).findings.iter().map(|found| told(&found.path, &found.reason)).collect()
}

#[test]
fn rewrites_that_refuse_or_take_everything_are_told() {
    let paths = r#""use_extended_paths":true,"extended_paths":{
"method_transforms":[{"path":"/","method":"GET","to_method":"post"},{"path":"","method":"GET","to_method":"TRACE"}],
"url_rewrites":[{"path":"/","method":"GET","match_pattern":"a","triggers":[{"on":"any"}]},
{"path":"/","method":"","match_pattern":"","triggers":[{"on":"all"},{"on":"one"}]},{"disabled":true}]}"#;
    assert_eq!(
        told(paths),
        [
            "method_transforms[1].path is empty; say which path it is for",
            "method_transforms[1].to_method `TRACE` is no method that requests may be given, so they are refused with 405; \
             write `GET`, `POST`, `PUT`, `PATCH`, `DELETE`, `OPTIONS`",
            "url_rewrites[1].method is empty, so no request is meant; say which method it is for",
            "url_rewrites[1].match_pattern is empty, so every URL matches; write what of the URL has to be there, such as \
             `/users/(.*)`",
            "url_rewrites[1].triggers[1].on `one` is taken for `all`; write `all` or `any`",
        ]
    );
    let unused = paths.replace("\"use_extended_paths\":true,", "");
    let no_effect = "has no effect: `use_extended_paths` of this version is false";
    assert_eq!(told(&unused), [format!("method_transforms {no_effect}"), format!("url_rewrites {no_effect}")]);
}
