//! Which names are in a folder of definitions, and where.

use std::fs;
use std::path::Path;

use tempfile::TempDir;
use xtask::apis::{self, ApisError, Named};

/// A folder with these files.
pub(crate) fn folder(files: &[(&str, &str)]) -> TempDir {
    let dir = tempfile::tempdir().expect("a temporary folder");
    for (name, text) in files {
        let file = dir.path().join(name);
        fs::create_dir_all(file.parent().expect("a folder")).expect("made");
        fs::write(file, text).expect("written");
    }
    dir
}

/// `file:line field: hook name [path] (driver)`; the column must be that of the name.
fn line(dir: &Path, named: &Named) -> String {
    let Named { hook, name, path, driver, file, line, column, field } = named;
    let text = fs::read_to_string(file).expect("a definition");
    let there: String = text.lines().nth(line - 1).expect("a line").chars().skip(column - 1).collect();
    assert!(there.starts_with(&format!("\"{name}\"")), "{field}: `{there}`");
    let file = file.strip_prefix(dir).expect("in the folder").display();
    format!("{file}:{line} {field}: {hook} {name} [{path}] ({driver})")
}

fn names(files: &[(&str, &str)]) -> Vec<String> {
    let dir = folder(files);
    let names = apis::names(dir.path()).expect("definitions without a mistake");
    names.iter().map(|named| line(dir.path(), named)).collect()
}

fn mistakes(files: &[(&str, &str)]) -> Vec<String> {
    let dir = folder(files);
    match apis::names(dir.path()) {
        Err(error @ ApisError::Wrong(_)) => {
            error.to_string().lines().map(|line| line.replace(&format!("{}/", dir.path().display()), "")).collect()
        }
        other => panic!("no mistake of a file: {other:?}"),
    }
}

/// A classic definition with more members.
pub(crate) fn classic(more: &str) -> String {
    format!(r#"{{"api_id":"a","proxy":{{"listen_path":"/a/","target_url":"http://up/"}}{more}}}"#)
}

/// One that asks for a plugin after another line.
pub(crate) fn asks_for(hook: &str, name: &str, path: &str) -> String {
    classic(&format!(
        ",\n\"custom_middleware\":{{\"driver\":\"goplugin\",\"{hook}\":[{{\"name\":\"{name}\",\"path\":\"{path}\"}}]}}"
    ))
}

#[test]
fn every_hook_of_a_classic_definition_is_listed_with_its_place() {
    let text = classic(
        r#",
"use_go_plugin_auth": true,
"custom_middleware": {"driver": "goplugin",
  "pre": [{"name": "A", "path": "./a.so"},
          {"name": "B", "path": ""}],
  "auth_check": {"name": "C", "path": "c.so"},
  "post_key_auth": [{"path": "d.so", "name": "D"}],
  "post": [{"name": "E"}],
  "response": [{"name": "F"}]}"#,
    );
    assert_eq!(
        names(&[("a.json", &text)]),
        [
            "a.json:4 custom_middleware.pre[0].name: pre A [./a.so] (goplugin)",
            "a.json:5 custom_middleware.pre[1].name: pre B [] (goplugin)",
            "a.json:6 custom_middleware.auth_check.name: auth_check C [c.so] (goplugin)",
            "a.json:7 custom_middleware.post_key_auth[0].name: post_key_auth D [d.so] (goplugin)",
            "a.json:8 custom_middleware.post[0].name: post E [] (goplugin)",
            "a.json:9 custom_middleware.response[0].name: response F [] (goplugin)",
        ]
    );
}

#[test]
fn the_plugin_of_analytics_records_is_listed_in_both_forms() {
    let plugin = r#""analytics_plugin": {"enable": true, "func_name": "A", "plugin_path": "a.so"}"#;
    let expected = "a.json:2 analytics_plugin.func_name: analytics A [a.so] (goplugin)";
    assert_eq!(names(&[("a.json", &classic(&format!(",\n{plugin}")))]), [expected]);
    let off = plugin.replace("true", "false");
    for idle in [format!(",\n{off}"), format!(",\n{plugin}, \"do_not_track\": true")] {
        assert!(names(&[("a.json", &classic(&idle))]).is_empty(), "{idle}");
    }
    let logs = |is_on: bool| {
        document(&format!(
            r#"{{"middleware":{{"global":{{"trafficLogs":{{"enabled":{is_on},"plugins":[
{{"enabled":true,"functionName":"A","path":"a.so"}},{{"enabled":true,"functionName":"B"}}]}}}}}}}}"#
        ))
    };
    let listed = names(&[("a-oas.json", &logs(true))]);
    assert!(listed.len() == 1 && listed[0].ends_with("functionName: analytics A [a.so] (goplugin)"), "{listed:?}");
    assert!(names(&[("a-oas.json", &logs(false))]).is_empty());
}

#[test]
fn what_never_runs_is_not_asked_for() {
    let section = r#","custom_middleware":{"driver":"goplugin","auth_check":{"name":"C"},"post_key_auth":[{"name":"D"}],
        "pre":[{"name":"A","disabled":true},{"name":""}]}"#;
    assert!(
        names(&[("a.json", &classic(&format!(r#","use_keyless":true,"use_go_plugin_auth":true{section}"#)))])
            .is_empty()
    );
    let one = names(&[("a.json", &classic(section))]);
    assert_eq!(one.len(), 1, "{one:?}");
    assert!(one[0].contains("post_key_auth D"), "{one:?}");
}

#[test]
fn per_path_plugins_of_every_version_are_listed() {
    let version = |name: &str, is_used: bool, entries: &str| {
        format!(r#""{name}":{{"use_extended_paths":{is_used},"extended_paths":{{"go_plugin":[{entries}]}}}}"#)
    };
    let text = classic(&format!(
        ",\n\"version_data\":{{\"not_versioned\":true,\"versions\":{{\n{},\n{},\n{}}}}}",
        version("Default", true, r#"{"path":"/x","method":"GET","plugin_path":"p.so","func_name":"A"}"#),
        version("v1.0", true, r#"{"path":"/x","func_name":"B"},{"path":"/y","func_name":"C","disabled":true}"#),
        version("v2", false, r#"{"path":"/x","func_name":"D"}"#),
    ));
    assert_eq!(
        names(&[("a.json", &text)]),
        [
            "a.json:3 version_data.versions.Default.extended_paths.go_plugin[0].func_name: endpoint A [p.so] (goplugin)",
            "a.json:4 version_data.versions[\"v1.0\"].extended_paths.go_plugin[0].func_name: endpoint B [] (goplugin)",
        ]
    );
}

#[test]
fn a_driver_that_is_not_ours_is_listed_as_it_is() {
    let text = classic(r#","custom_middleware":{"driver":"python","pre":[{"name":"A"}]}"#);
    assert!(names(&[("a.json", &text)])[0].ends_with("pre A [] (python)"));
}

fn document(extension: &str) -> String {
    format!("{{\"openapi\":\"3.0.3\",\n\"x-tyk-api-gateway\":{extension}}}")
}

#[test]
fn the_plugins_of_an_openapi_document_are_listed_with_their_places() {
    let item = |name: &str| format!(r#"{{"enabled":true,"functionName":"{name}","path":"p.so"}}"#);
    let text = document(&format!(
        r#"{{
"server":{{"authentication":{{"enabled":true,"custom":{{"enabled":true,"config":{}}}}}}},
"middleware":{{"global":{{"pluginConfig":{{"driver":"goplugin"}},
"prePlugins":[{}],
"postAuthenticationPlugins":[{}],
"postPlugins":[{},{}],
"responsePlugins":[{}]}},
"operations":{{"getx":{{"postPlugins":[{},{}]}}}}}}}}"#,
        item("C"),
        item("A"),
        item("D"),
        item("E"),
        item("E2"),
        item("F"),
        item("G"),
        item("dropped"),
    ));
    assert_eq!(
        names(&[("a-oas.json", &text)]),
        [
            "a-oas.json:3 x-tyk-api-gateway.server.authentication.custom.config.functionName: auth_check C [p.so] (goplugin)",
            "a-oas.json:5 x-tyk-api-gateway.middleware.global.prePlugins[0].functionName: pre A [p.so] (goplugin)",
            "a-oas.json:6 x-tyk-api-gateway.middleware.global.postAuthenticationPlugins[0].functionName: post_key_auth D [p.so] (goplugin)",
            "a-oas.json:7 x-tyk-api-gateway.middleware.global.postPlugins[0].functionName: post E [p.so] (goplugin)",
            "a-oas.json:7 x-tyk-api-gateway.middleware.global.postPlugins[1].functionName: post E2 [p.so] (goplugin)",
            "a-oas.json:8 x-tyk-api-gateway.middleware.global.responsePlugins[0].functionName: response F [p.so] (goplugin)",
            "a-oas.json:9 x-tyk-api-gateway.middleware.operations.getx.postPlugins[0].functionName: endpoint G [p.so] (goplugin)",
        ]
    );
}

#[test]
fn the_older_containers_of_an_openapi_document_are_read_where_there_is_no_list() {
    let item = |name: &str| format!(r#"{{"enabled":true,"functionName":"{name}"}}"#);
    let text = document(&format!(
        r#"{{"middleware":{{"global":{{"pluginConfig":{{"driver":"goplugin"}},
"prePlugin":{{"plugins":[{}]}},"postPlugin":{{"plugins":[{}]}},"postPlugins":[{}],"responsePlugin":{{"plugins":[{}]}}}},
"operations":{{"x":{{"postPlugins":[{{"enabled":true,"name":"Old"}}]}},
"y":{{"postPlugins":[{{"enabled":true,"name":"Old","functionName":"New"}}]}}}}}}}}"#,
        item("A"),
        item("lost"),
        item("B"),
        item("C"),
    ));
    let found = names(&[("a.json", &text)]);
    let short: Vec<_> =
        found.iter().map(|line| line.split_once("x-tyk-api-gateway.middleware.").expect("its path").1).collect();
    assert_eq!(
        short,
        [
            "global.prePlugin.plugins[0].functionName: pre A [] (goplugin)",
            "global.postPlugins[0].functionName: post B [] (goplugin)",
            "global.responsePlugin.plugins[0].functionName: response C [] (goplugin)",
            "operations.x.postPlugins[0].name: endpoint Old [] (goplugin)",
            "operations.y.postPlugins[0].functionName: endpoint New [] (goplugin)",
        ]
    );
}

#[test]
fn what_an_openapi_document_switches_off_is_not_asked_for() {
    let item = r#"{"enabled":true,"functionName":"A"}"#;
    let global = format!(
        r#""middleware":{{"global":{{"pluginConfig":{{"driver":"goplugin"}},"postAuthenticationPlugins":[{item}],
           "prePlugins":[{{"functionName":"B"}},{{"enabled":false,"functionName":"C"}},{{"enabled":true,"functionName":""}}]}}}}"#
    );
    let auth = |all: bool, custom: bool, config: bool| {
        format!(
            r#"{{"server":{{"authentication":{{"enabled":{all},"custom":{{"enabled":{custom},
               "config":{{"enabled":{config},"functionName":"Auth"}}}}}}}},{global}}}"#
        )
    };
    let hooks = |extension: String| -> Vec<String> {
        let found = names(&[("a.json", &document(&extension))]);
        found.iter().filter_map(|line| line.split(": ").nth(1).map(str::to_owned)).collect()
    };
    let [a, check] = ["post_key_auth A [] (goplugin)", "auth_check Auth [] (goplugin)"];
    assert_eq!(hooks(format!("{{{global}}}")), [""; 0]);
    assert_eq!(hooks(auth(false, true, true)), [""; 0]);
    assert_eq!(hooks(auth(true, false, true)), [a]);
    assert_eq!(hooks(auth(true, true, false)), [a]);
    assert_eq!(hooks(auth(true, true, true)), [check, a]);
}

#[test]
fn files_are_those_that_the_gateway_takes_and_documents_with_the_extension() {
    let text = asks_for("pre", "A", "");
    let found = names(&[
        ("b.json", &text),
        ("a.json", &text),
        (".hidden.json", "{"),
        ("readme.txt", "{"),
        ("folder.json/x.json", "{"),
        ("plain-oas.json", r#"{"openapi":"3.0.3"}"#),
    ]);
    let files: Vec<_> = found.iter().filter_map(|line| line.split(' ').next()).collect();
    assert_eq!(files, ["a.json:2", "b.json:2"]);
}

#[test]
fn all_mistakes_of_all_files_are_told_at_once() {
    let lines = mistakes(&[
        ("a.json", "{\n\"api_id\": }"),
        ("b.json", r#"{"api_id":7,"proxy":{"listen_path":"/b/","target_url":"http://up/"}}"#),
        (
            "c-oas.json",
            "{\"x-tyk-api-gateway\":\n{\"middleware\":{\"global\":{\"prePlugins\":{},\"postPlugins\":[{\"functionName\":1}]}}}}",
        ),
        ("d.json", &asks_for("pre", "Fine", "")),
    ]);
    assert_eq!(
        lines,
        [
            "a.json:2:11: expected value",
            "b.json:1:11: api_id: invalid type: integer `7`, expected a string",
            "c-oas.json:2:39: x-tyk-api-gateway.middleware.global.prePlugins: expected a list",
            "c-oas.json:2:73: x-tyk-api-gateway.middleware.global.postPlugins[0].functionName: expected a text",
            "  = the gateway would refuse these definitions: mend them first",
        ]
    );
}

#[test]
fn a_file_that_cannot_be_read_is_a_mistake_and_a_missing_folder_is_one_of_its_own() {
    let dir = folder(&[]);
    fs::write(dir.path().join("a.json"), b"\xff").expect("written");
    std::os::unix::fs::symlink("/dev/zero", dir.path().join("b.json")).expect("linked");
    let error = apis::names(dir.path()).expect_err("not text").to_string();
    assert!(error.contains("a.json:1:1: stream did not contain valid UTF-8\n"), "{error}");
    assert!(error.contains("b.json:1:1: not a regular file\n"), "{error}");
    let error = apis::names(&dir.path().join("nowhere")).expect_err("no folder").to_string();
    assert!(
        error.contains("cannot read the API definitions in `") && error.contains("\n  = name the folder"),
        "{error}"
    );
}

#[test]
fn a_document_is_a_definition_beside_its_classic_form_and_alone() {
    let text = document(r#"{"middleware":{}}"#);
    let remarks = |files: &[(&str, &str)]| {
        let dir = folder(files);
        let survey = apis::survey(dir.path()).expect("a folder");
        survey.remarks.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    assert_eq!(remarks(&[("a.json", &classic("")), ("a-oas.json", &text)]), [""; 0]);
    assert_eq!(remarks(&[("a-oas.json", &text)]), [""; 0]);
}

/// Source: plugin-system.md §7.3 (a bundle takes the place of the definition's own plugins).
#[test]
fn what_comes_from_a_bundle_is_not_known_and_that_is_told() {
    let own = r#","custom_middleware":{"driver":"goplugin","pre":[{"name":"Own","path":"own.so"}]}"#;
    let bundled = format!(r#"{own},"custom_middleware_bundle":"b.zip""#);
    let dir = folder(&[("a.json", &classic(&bundled))]);
    let survey = apis::survey(dir.path()).expect("a folder");
    assert_eq!(survey.names, []);
    let told = survey.remarks.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
    assert!(told.contains("custom_middleware_bundle: its plugins are those of `b.zip`"), "{told}");
    let off = format!(r#"{bundled},"custom_middleware_bundle_disabled":true"#);
    assert_eq!(names(&[("a.json", &classic(&off))]).len(), 1);
}
