//! What is found in a document: every claim goes through [`check`].

mod credentials;
mod meaning;
mod rewrites;
mod shape;
mod unhonoured;

use super::*;
use crate::custom_middleware::Hook;
use crate::finding::Position;

/// The definition that plugin tutorials start from.
const KEYLESS: &str = r#"{"name":"Demo","slug":"demo","api_id":"demo","org_id":"default","use_keyless":true,"active":true,
 "definition":{"location":"header","key":"version"},
 "version_data":{"not_versioned":true,"versions":{"Default":{"name":"Default","use_extended_paths":true,"extended_paths":{}}}},
 "proxy":{"listen_path":"/demo/","target_url":"http://upstream:80/","strip_listen_path":true},
 "custom_middleware":{"pre":[],"post":[],"post_key_auth":[],"response":[],"driver":"goplugin"}}
"#;

/// A definition with a plugin on every hook. Source: Tyk, `goplugin/mw_go_plugin_test.go`.
const ALL_HOOKS: &str = r#"{"api_id":"plugin_api","org_id":"default","use_keyless":false,"custom_plugin_auth_enabled":true,
 "proxy":{"listen_path":"/goplugin","target_url":"http://up/","strip_listen_path":true},
 "version_data":{"not_versioned":true,"versions":{"Default":{"name":"Default","use_extended_paths":true,
   "extended_paths":{"go_plugin":[{"disabled":false,"path":"/foo","method":"GET","plugin_path":"./p.so","func_name":"Foo"}]}}}},
 "custom_middleware":{"driver":"goplugin",
   "pre":[{"name":"MyPluginPre","path":"./p.so"}],
   "auth_check":{"name":"MyPluginAuthCheck","path":"./p.so"},
   "post_key_auth":[{"name":"MyPluginPostKeyAuth","path":"./p.so"}],
   "post":[{"name":"MyPluginPost","path":"./p.so"}],
   "response":[{"name":"MyPluginResponse","path":"./p.so"}]},
 "config_data":{"my-context-data":"my-plugin-config"},
 "analytics_plugin":{"enable":true,"plugin_path":"./p.so","func_name":"MyAnalyticsPluginAddTag"}}
"#;

const NO_EFFECT: &str = "not honoured by this gateway; the field has no effect";
const REFUSED: &str = "not honoured by this gateway, and it guards access: requests to this API are refused";

/// `text` yields exactly these findings, each as `severity line:column: path: reason`.
fn check(text: &str, expected: &[&str]) -> Option<ApiDefinition> {
    let Reading { definition, identity, findings, .. } = read(text);
    let told =
        |finding: &Finding| format!("{} {}", finding.severity, finding.at("").to_string().trim_start_matches(':'));
    assert_eq!(findings.iter().map(told).collect::<Vec<_>>(), expected, "in {text}");
    let refused = findings.iter().any(|finding| finding.severity == Severity::Error);
    assert_eq!(definition.is_none(), refused, "a definition comes with no error, and only then: {text}");
    assert!(refused || identity.is_some(), "a definition is for somebody: {text}");
    definition
}

/// A definition without mistakes on line 1, and `members` on line 2.
fn with(members: &str) -> String {
    let proxy = r#""proxy":{"listen_path":"/a/","target_url":"http://up"}"#;
    format!("{{\"api_id\":\"a\",{proxy},\n{members}}}")
}

#[test]
fn the_tutorials_definition_is_without_findings() {
    let api = check(KEYLESS, &[]).unwrap();
    assert_eq!((api.api_id.as_str(), api.use_keyless), ("demo", true));
    assert_eq!(api.proxy.target_url, "http://upstream:80/");
    assert!(api.version_data.versions["Default"].use_extended_paths);
    assert_eq!(api.config_data, None);
}

#[test]
fn a_definition_with_every_hook_is_read_as_it_stands() {
    let api = check(ALL_HOOKS, &[]).unwrap();
    for hook in Hook::ALL {
        let entries = api.custom_middleware.entries(hook).iter().filter(|entry| entry.is_enabled()).count();
        assert_eq!(entries, usize::from(![Hook::Endpoint, Hook::Analytics].contains(&hook)), "{hook}");
    }
    assert_eq!(api.version_data.versions["Default"].extended_paths.go_plugin[0].func_name, "Foo");
    assert_eq!(api.config_data.unwrap()["my-context-data"], "my-plugin-config");
    assert_eq!(api.analytics_plugin.func_name, "MyAnalyticsPluginAddTag");
    assert!(api.unhonoured_guards.is_empty());
}

#[test]
fn mistakes_of_shape_of_meaning_and_fields_without_effect_come_together() {
    check(
        r#"{"org_id": [],
 "use_oauth2": true,
 "proxy": {"listen_path": "a b", "target": 1}}"#,
        &[
            "error 1:1: api_id: is empty; every API needs one of its own",
            "error 1:12: org_id: invalid type: sequence, expected a string",
            &format!("warning 2:16: use_oauth2: {REFUSED}"),
            "error 3:11: proxy.target_url: is empty; say where requests go, such as `http://orders:80/`",
            "error 3:27: proxy.listen_path: contains whitespace; no request can match it",
            &format!("warning 3:44: proxy.target: {NO_EFFECT}"),
        ],
    );
}

/// Whom the text is for, as `api_id listen_path`.
fn identity(text: &str) -> Option<String> {
    read(text).identity.map(|Identity { api_id, listen_path, .. }| format!("{api_id} {listen_path}"))
}

#[test]
fn a_definition_that_is_wrong_elsewhere_keeps_its_place() {
    let wrong = with(r#""active":1,"custom_middleware":[],"expiration":"soon""#);
    assert_eq!(read(&wrong).definition, None);
    assert_eq!(identity(&wrong).as_deref(), Some("a /a/"));
    assert_eq!(identity(KEYLESS).as_deref(), Some("demo /demo/"));
    assert_eq!(identity(r#"{"Proxy":{"LISTEN_PATH":"/b/{id}"}}"#).as_deref(), Some(" /b/{id}"));
    assert_eq!(identity(r#"{"api_id":"..","proxy":{"listen_path":"/b/"}}"#).as_deref(), Some(" /b/"));
    assert_eq!(identity(r#"{"api_id":7,"proxy":{"listen_path":"/b/"}}"#).as_deref(), Some(" /b/"));
}

#[test]
fn what_has_no_well_formed_listen_path_has_no_place() {
    for text in ["", "{", "[]", "null", "{}", r#"{"api_id":"a"}"#, r#"{"proxy":"/a/"}"#] {
        assert_eq!(identity(text), None, "{text}");
    }
    for path in ["", " ", "/a b", "/{a"] {
        assert_eq!(identity(&with("\"id\":\"\"").replace("/a/", path)), None, "{path}");
    }
}

#[test]
fn reading_never_panics_whatever_the_text() {
    let tokens = ["null", "7", "-1.5e300", "\"\"", "[]", "{}", "[null]", "{\"a\":[{}]}", "\"ü€\"", "}", "", "\u{feff}"];
    for text in [KEYLESS, ALL_HOOKS] {
        for end in (0..text.len()).filter(|end| text.is_char_boundary(*end)) {
            assert_eq!(read(&text[..end]).definition.is_some(), text[end..].trim().is_empty(), "up to {end}");
        }
        let mut begin = 0;
        for length in text.split_inclusive(|c: char| "{}[]:,".contains(c)).map(str::len) {
            for token in tokens {
                // The token replaces what stands between two marks, and then the mark too.
                for end in [begin + length - 1, begin + length] {
                    let mutated = format!("{}{token}{}", &text[..begin], &text[end..]);
                    let Reading { definition, findings, .. } = read(&mutated);
                    let refused = findings.iter().any(|finding| finding.severity == Severity::Error);
                    assert_eq!(definition.is_none(), refused, "{mutated}");
                    let lines: Vec<&str> = mutated.split('\n').collect();
                    for Finding { position: Position { line, column }, path, .. } in findings {
                        assert!(column >= 1 && column <= lines[line - 1].chars().count() + 1, "{path} in {mutated}");
                        assert_eq!(path.parse::<JsonPath>().unwrap().to_string(), path);
                    }
                }
            }
            begin += length;
        }
    }
}
