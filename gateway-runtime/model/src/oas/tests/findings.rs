//! What is wrong in a document is told at its place there.

use super::*;
use crate::api_definition::ApiDefinition;

const HEAD: &str =
    r#""openapi": "3.0.3", "info": {"title": "t", "version": "1"}, "paths": {"/a": {"get": {"operationId": "getA"}}},"#;
const MINIMAL: &str =
    r#""info": {"id": "a", "name": "a"}, "upstream": {"url": "http://up"}, "server": {"listenPath": {"value": "/a/"}}"#;

/// The findings in a document, as `severity line:column: path: reason`, and the definition.
fn findings(text: &str) -> (Vec<String>, Option<ApiDefinition>) {
    let reading = crate::read(text);
    let told = reading
        .findings
        .iter()
        .map(|finding| format!("{} {}", finding.severity, finding.at("").to_string().trim_start_matches(':')));
    (told.collect(), reading.definition)
}

/// A document with more members of the extension, on line 2.
fn with(members: &str) -> String {
    let comma = if members.is_empty() { "" } else { "," };
    format!("{{{HEAD} \"x-tyk-api-gateway\": {{{MINIMAL}{comma}\n{members}}}}}")
}

#[track_caller]
fn check(text: &str, expected: &[&str]) -> Option<ApiDefinition> {
    let (told, definition) = findings(text);
    assert_eq!(told, expected, "{text}");
    definition
}

#[test]
fn a_document_is_a_definition_with_itself_as_data() {
    let api = check(&with(""), &[]).unwrap();
    assert_eq!((api.api_id.as_str(), api.proxy.listen_path.as_str(), api.is_oas), ("a", "/a/", true));
    assert!(api.use_keyless && api.do_not_track, "gateway.md §12.23");
    assert_eq!(api.oas.unwrap().title(), "t");
}

#[test]
fn mistakes_are_told_where_they_are_in_the_document() {
    let e = "x-tyk-api-gateway";
    check(
        &with(
            r#""middleware": {"global": {"pluginConfig": {"driver": "goplugn"}, "prePlugins": [{"enabled": true, "functionName": 7}]}}"#,
        ),
        &[
            &format!(
                "error 2:54: {e}.middleware.global.pluginConfig.driver: unknown driver `goplugn`; did you mean `goplugin`?"
            ),
            &format!(
                "error 2:115: {e}.middleware.global.prePlugins[0].functionName: invalid type: integer `7`, expected a string"
            ),
        ],
    );
    check(
        &with(r#""middleware": {"operations": {"getB": {"block": {"enabled": true}}}}"#),
        &[&format!(
            "error 2:39: {e}.middleware.operations.getB: no operation under `paths` has the `operationId` `getB`, so this \
             belongs to no path; name one that is there, or take this away"
        )],
    );
    check(
        &with(
            r#""middleware": {"operations": {"getA": {"postPlugins": [{"enabled": true}], "enforceTimeout": {"enabled": true, "duration": "soon"}}}}"#,
        ),
        &[
            &format!("error 2:56: {e}.middleware.operations.getA.postPlugins[0]: is empty; say which plugin runs"),
            &format!(
                "error 2:124: {e}.middleware.operations.getA.enforceTimeout.duration: `soon` is no duration: write numbers \
                 with units, such as `500ms` or `1m30s`"
            ),
        ],
    );
}

#[test]
fn values_of_the_wrong_type_are_errors_at_every_depth() {
    for members in [
        r#""middleware": []"#,
        r#""middleware": {"global": 7}"#,
        r#""middleware": {"global": {"prePlugins": {}}}"#,
        r#""middleware": {"global": {"prePlugins": [7]}}"#,
        r#""middleware": {"operations": {"getA": 7}}"#,
        r#""middleware": {"operations": {"getA": {"block": true}}}"#,
        r#""middleware": {"operations": {"getA": {"postPlugins": {}}}}"#,
        r#""middleware": {"operations": {"getA": {"urlRewrite": {"enabled": true, "triggers": [{"rules": [{"in": "moon"}]}]}}}}"#,
        r#""errorOverrides": {"enabled": "yes"}"#,
    ] {
        let (told, definition) = findings(&with(members));
        assert!(definition.is_none() && told.iter().any(|told| told.starts_with("error 2:")), "{members}: {told:?}");
    }
    for (key, value) in [
        ("server", r#"{"listenPath": {"value": "/a/"}, "authentication": {"enabled": "yes"}}"#),
        ("server", r#"{"listenPath": {"value": "/a/"}, "authentication": []}"#),
        ("server", r#"{"listenPath": {"value": "/a/"}, "eventHandlers": [{"trigger": "X", "type": "pigeon"}]}"#),
        ("upstream", r#"{"url": "http://up", "tlsTransport": {"minVersion": "2"}}"#),
        (
            "upstream",
            r#"{"url": "http://up", "loadBalancing": {"enabled": true, "targets": [{"url": "a", "weight": 99999999999}]}}"#,
        ),
        (
            "upstream",
            r#"{"url": "http://up", "loadBalancing": {"enabled": true, "targets": [{"url": "a", "weight": 0}]}}"#,
        ),
        ("upstream", r#"{"url": "http://up", "rateLimit": {"enabled": true, "rate": 1, "per": "soon"}}"#),
    ] {
        let text = with(&format!("\"{key}\": {value}"));
        let (told, definition) = findings(&text);
        assert!(definition.is_none() && told.iter().any(|told| told.starts_with("error")), "{text}: {told:?}");
    }
}

#[test]
fn what_nothing_reads_is_warned_about_once() {
    let e = "x-tyk-api-gateway";
    let none = "not honoured by this gateway; the field has no effect";
    let api = check(
        &with(
            r#""middleware": {"global": {"prePlugns": [1], "prePlugins": [{"pluginId": "a"}, {"pluginId": "b"}], "cors2": {"enabled": false, "x": 1}}}"#,
        ),
        &[
            &format!("warning 2:40: {e}.middleware.global.prePlugns: {none}; did you mean `prePlugins`?"),
            &format!("warning 2:73: {e}.middleware.global.prePlugins[0].pluginId: {none}"),
        ],
    );
    assert!(api.unwrap().unhonoured_guards.is_empty());
}

#[test]
fn what_guards_access_on_paper_only_closes_the_api() {
    let scheme = r#""server": {"listenPath": {"value": "/a/"}, "authentication": {"enabled": true, "securitySchemes": {"jwt": {"enabled": true, "allowedIssuers": ["me"]}}}}"#;
    let (told, definition) = findings(&with(scheme));
    let guard = "x-tyk-api-gateway.server.authentication.securitySchemes.jwt.allowedIssuers";
    assert!(
        told.iter().any(|told| told.contains(guard) && told.contains("requests to this API are refused")),
        "{told:?}"
    );
    assert_eq!(definition.unwrap().unhonoured_guards, [guard]);
}

#[test]
fn a_document_that_is_none_is_told_as_one() {
    let (told, _) = findings(r#"{"openapi": "3.0.3", "info": {"title": "t", "version": "1"}, "paths": {}}"#);
    assert!(told.len() == 1 && told[0].contains("has no `x-tyk-api-gateway`"), "{told:?}");
    for (text, expected) in [
        (with("").replace("3.0.3", "2.0"), "error 1:13: openapi: `2.0` is not honoured: write a document of OpenAPI 3"),
        (with("").replace(r#""title": "t", "#, ""), "error 1:30: info: has no `title`, which OpenAPI asks for"),
        (
            with("").replace("\"/a\": {\"get\"", "\"a\": {\"get\""),
            "error 1:77: paths.a: does not begin with a slash, as a path does",
        ),
    ] {
        check(&text, &[expected]);
    }
    let twice = with("").replace(r#""/a": {"get""#, r#""/b": {"get": {"operationId": "getA"}}, "/a": {"get""#);
    let (told, definition) = findings(&twice);
    assert!(definition.is_none() && told[0].contains("`getA` is the `operationId` of"), "{told:?}");
}

#[test]
fn reading_never_panics_whatever_the_document() {
    let text = with(
        r#""errorOverrides": {"enabled": true, "value": {}}, "middleware": {"global": {"prePlugin": {"plugins": [{"enabled": true}]}, "trafficLogs": {"plugins": [{}]}},
            "operations": {"getA": {"postPlugins": [{"name": "a"}], "urlRewrite": {"triggers": [{"rules": [{"in": "query", "name": "q"}]}]}, "virtualEndpoint": {"body": "a"}}}}"#,
    );
    let tokens = ["null", "7", "-1.5e300", "\"\"", "[]", "{}", "[null]", "{\"a\":[{}]}", "\"ü€\"", "true"];
    let mut begin = 0;
    for length in text.split_inclusive(|c: char| "{}[]:,".contains(c)).map(str::len) {
        for token in tokens {
            let mutated = format!("{}{token}{}", &text[..begin], &text[begin + length - 1..]);
            let reading = crate::read(&mutated);
            if let Ok(document) = serde_json::from_str::<Value>(&mutated) {
                let mut renewed = document.clone();
                renew(&mut renewed);
                let made = classic(&document);
                let mut filled = document;
                fill(&made, &mut filled);
            }
            drop(reading);
        }
        begin += length;
    }
}

#[test]
fn a_definition_beside_a_document_counts_and_what_contradicts_it_is_told() {
    let text = with(r#""middleware": {"operations": {"getA": {"block": {"enabled": true}}}}"#);
    let document: Value = serde_json::from_str(&text).unwrap();
    let mut made = classic(&document);
    let read = |made: &Value| crate::read(&made.to_string()).definition.unwrap();
    let told = |made: &Value| {
        let told = twin(&read(made), &text).told;
        told.into_iter()
            .map(|(path, reason)| format!("{path} {}", &reason[..reason.find(' ').unwrap()]))
            .collect::<Vec<_>>()
    };
    assert_eq!(told(&made), [""; 0]);
    made["proxy"]["listen_path"] = "/b/".into();
    made["name"] = "b".into();
    assert_eq!(
        told(&made),
        ["name `x-tyk-api-gateway.info.name`", "proxy.listen_path `x-tyk-api-gateway.server.listenPath.value`"]
    );
    let api = read(&made);
    assert_eq!(twin(&api, &text).oas.unwrap().title(), "t");
    assert!(twin(&api, "{").told[0].1.contains("is no JSON"));
    assert!(twin(&api, "{}").told[0].1.contains("has no `openapi`"));
}
