//! Mistakes of syntax and of shape, and what is none though serde thinks so.

use super::{NO_EFFECT, Reading, Severity, check, read, with};

#[test]
fn every_mistake_of_shape_is_reported_in_one_run() {
    check(
        r#"{ "api_id": 7,
  "active": "yes",
  "proxy": {"listen_path": ["/a/"], "target_url": "http://up"},
  "custom_middleware": { "driver": "native",
    "pre": [{"name": 1}, "x", {"name": "A", "disabled": 0}, ["B"]],
    "auth_check": [],
    "post": {"name": "C"}
  },
  "auth_configs": {"authToken": {"auth_header_name": 1.5}},
  "version_data": {"not_versioned": true, "versions": {"v1.0": {"extended_paths": {"go_plugin": [{"path": {}, "disabled": true}]}}}},
  "config_data": "x" }"#,
        &[
            "error 1:13: api_id: invalid type: integer `7`, expected a string",
            "error 2:13: active: invalid type: string \"yes\", expected a boolean",
            "error 3:28: proxy.listen_path: invalid type: sequence, expected a string",
            "error 5:22: custom_middleware.pre[0].name: invalid type: integer `1`, expected a string",
            "error 5:26: custom_middleware.pre[1]: invalid type: string \"x\", expected an object",
            "error 5:57: custom_middleware.pre[2].disabled: invalid type: integer `0`, expected a boolean",
            "error 5:61: custom_middleware.pre[3]: invalid type: sequence, expected an object",
            "error 6:19: custom_middleware.auth_check: invalid type: sequence, expected an object",
            "error 7:13: custom_middleware.post: invalid type: map, expected a sequence",
            "error 9:54: auth_configs.authToken.auth_header_name: invalid type: floating point `1.5`, expected a string",
            "error 10:107: version_data.versions[\"v1.0\"].extended_paths.go_plugin[0].path: invalid type: map, expected a string",
            "error 11:18: config_data: invalid type: string \"x\", expected a map",
        ],
    );
}

#[test]
fn a_mistake_of_syntax_is_told_with_its_place() {
    check("{\"a\": x}", &["error 1:7: expected value"]);
    check("{\n \"ü\": \"€\", \"b\" 1}", &["error 2:16: expected `:`"]);
    check("", &["error 1:1: EOF while parsing a value"]);
    check("{\"a\": [1,\n", &["error 2:1: EOF while parsing a value"]);
    check("{} x", &["error 1:4: trailing characters"]);
}

#[test]
fn what_is_no_object_is_no_definition() {
    check("[]", &["error 1:1: invalid type: sequence, expected an object"]);
    check("\n 7", &["error 2:2: invalid type: integer `7`, expected an object"]);
    let empty = [
        "error 1:1: api_id: is empty; every API needs one of its own",
        "error 1:1: proxy.listen_path: is empty; say where the API listens, such as `/orders/`",
        "error 1:1: proxy.target_url: is empty; say where requests go, such as `http://orders:80/`",
    ];
    check("{}", &empty);
    check("null", &empty);
}

#[test]
fn columns_count_characters() {
    check(
        &with("\"name\":\"äöü€𝄞\",\"active\":1"),
        &["error 2:25: active: invalid type: integer `1`, expected a boolean"],
    );
}

#[test]
fn null_is_absent_except_in_config_data() {
    let api = check(
        &with(
            r#""name":null,"active":null,"auth":null,"tags":null,"version_data":{"versions":null},
            "custom_middleware":{"pre":null,"post":[null,{"name":"A"}],"auth_check":null,"driver":"native"},
            "config_data":{"a":null,"b":[null,{"c":null}]}"#,
        ),
        &["warning 3:53: custom_middleware.post[0].name: is empty, so the entry is left out; say which plugin runs"],
    )
    .unwrap();
    assert_eq!(api.custom_middleware.post[1].name, "A");
    assert_eq!(serde_json::to_string(&api.config_data).unwrap(), r#"{"a":null,"b":[null,{"c":null}]}"#);
    assert_eq!(check(&with(r#""config_data":null"#), &[]).unwrap().config_data, None);
}

#[test]
fn a_key_matches_whatever_its_case_as_in_go() {
    let api = check(
        &with(r#""Use_Keyless":true,"CONFIG_DATA":{"Key":1},"Custom_Middleware":{"Driver":"pearl"}"#),
        &["error 2:74: custom_middleware.driver: unknown driver `pearl`; drivers are `goplugin`, `native`, `otto`, \
           `javascript`, `python`, `lua`, `grpc`"],
    );
    assert_eq!(api, None);
    let api = check(
        &with(r#""Use_Keyless":true,"ORG_ID":"x","org_id":"y""#),
        &[&format!("warning 2:29: ORG_ID: {NO_EFFECT}; did you mean `org_id`?")],
    );
    assert_eq!(api.map(|api| (api.use_keyless, api.org_id)), Some((true, "y".to_owned())));
}

#[test]
fn what_serde_json_keeps_for_itself_is_an_ordinary_mistake() {
    let raw = r#"{"$serde_json::private::RawValue":"{}"}"#;
    for text in [raw.to_owned(), with(&format!("\"config_data\":{{\"a\":{raw}}}")), with(&format!("\"auth\":{raw}"))] {
        let Reading { definition, findings, .. } = read(&text);
        assert_eq!(definition.is_none(), findings.iter().any(|finding| finding.severity == Severity::Error));
    }
}
