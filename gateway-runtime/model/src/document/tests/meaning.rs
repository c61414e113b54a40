//! Mistakes of meaning.

use super::{check, with};
use crate::read;

#[test]
fn an_api_id_must_fit_in_a_segment_of_a_url() {
    for (id, c) in [
        ("a/b", "'/'"),
        ("a?b", "'?'"),
        ("#", "'#'"),
        ("a b", "' '"),
        ("a\\tb", "'\\t'"),
        ("\\u0000", "'\\0'"),
        ("{a}", "'{'"),
        ("a}", "'}'"),
        ("a%2Fb", "'%'"),
    ] {
        let text = with("").replacen("\"a\"", &format!("\"{id}\""), 1).replace(",\n", "");
        check(&text, &[&format!("error 1:11: api_id: contains {c}, which cannot be in a segment of a URL")]);
    }
}

#[test]
fn an_api_id_is_no_dot_segment() {
    for id in [".", ".."] {
        let text = with("\"id\":\"\"").replacen("\"a\"", &format!("\"{id}\""), 1);
        check(&text, &[&format!("error 1:11: api_id: is `{id}`, which cannot be a segment of a URL")]);
    }
    check(&with("\"id\":\"\"").replacen("\"a\"", "\"...\"", 1), &[]);
}

#[test]
fn an_expiry_is_a_day_and_a_minute() {
    let versions = |expires: &str| {
        format!(r#""version_data":{{"not_versioned":true,"versions":{{"v1":{{"expires":"{expires}"}}}}}}"#)
    };
    for never in ["", "-1", "2030-01-01 12:30"] {
        check(&with(&format!("\"expiration\":\"{never}\",{}", versions(never))), &[]);
    }
    let reason = "`never` is not of the form `2006-01-02 15:04`, in UTC; empty or `-1` is never";
    check(
        &with(&format!("\"expiration\":\"never\",\n{}", versions("never"))),
        &[
            &format!("error 2:14: expiration: {reason}"),
            &format!("error 3:66: version_data.versions.v1.expires: {reason}"),
        ],
    );
}

#[test]
fn one_version_of_a_versioned_api_is_served_to_everybody() {
    let reason = "is false, and there is one version: it is served to everybody, whatever version a request asks for, \
                  and without one; set it to true";
    let place = "version_data.not_versioned";
    check(&with(r#""version_data":{"versions":{"v1":{}}}"#), &[&format!("warning 2:16: {place}: {reason}")]);
    let written = with(r#""version_data":{"not_versioned":false,"versions":{"v1":{}}}"#);
    check(&written, &[&format!("warning 2:33: {place}: {reason}")]);
    check(&with(r#""version_data":{"not_versioned":true,"versions":{"v1":{}}}"#), &[]);
    check(&with(r#""version_data":{"versions":{}}"#), &[]);
}

#[test]
fn a_listen_path_has_balanced_braces() {
    let reason = "has unbalanced braces; a variable is `{name}` or `{name:regex}`";
    for path in ["/{a", "/a}", "/}{", "/{a:[0-9]{2}"] {
        let expected = format!("error 1:38: proxy.listen_path: {reason}");
        check(&with("\"id\":\"\"").replace("/a/", path), &[&expected]);
    }
    check(&with("\"id\":\"\"").replace("/a/", "/{a:[0-9]{2}}/"), &[]);
}

#[test]
fn a_target_is_a_scheme_and_a_host() {
    for target in
        ["up", "//up", "http:/up", "http://", "http:///a", "http://:80", "1p://up", "http://u@/", "http://u p"]
    {
        let text = with("\"id\":\"\"").replace("http://up", target);
        let reason = format!("`{target}` is not of the form `scheme://host[:port][/path]`");
        check(&text, &[&format!("error 1:57: proxy.target_url: {reason}")]);
    }
    for target in ["https://up:8/a?b", "h2c://[::1]:80", "tyk://self/x", "ws://u:p@up", "HTTP://up"] {
        check(&with("\"id\":\"\"").replace("http://up", target), &[]);
    }
}

#[test]
fn an_enabled_entry_says_which_plugin_runs() {
    check(
        &with(
            r#""custom_middleware":{"driver":"goplugin","pre":[{"path":"p.so"},{"disabled":true},{"name":"A"}],
"auth_check":{"path":"p.so"},"response":[{}]},
"version_data":{"not_versioned":true,"versions":{"a.b":{"use_extended_paths":true,"extended_paths":{"go_plugin":[
{"path":"/x"},{"disabled":true},{"func_name":"F"},{}]}}}}"#,
        ),
        &[
            "warning 2:49: custom_middleware.pre[0].name: is empty, so the entry is left out; say which plugin runs",
            "warning 3:14: custom_middleware.auth_check.name: is empty, so the entry is left out; say which plugin runs",
            "warning 3:42: custom_middleware.response[0].name: is empty, so the entry is left out; say which plugin runs",
            "error 5:1: version_data.versions[\"a.b\"].extended_paths.go_plugin[0].func_name: is empty; say which plugin runs",
            "error 5:33: version_data.versions[\"a.b\"].extended_paths.go_plugin[2].path: is empty; say which path the plugin is for",
            "error 5:51: version_data.versions[\"a.b\"].extended_paths.go_plugin[3].path: is empty; say which path the plugin is for",
            "error 5:51: version_data.versions[\"a.b\"].extended_paths.go_plugin[3].func_name: is empty; say which plugin runs",
        ],
    );
}

#[test]
fn extended_paths_that_are_not_used_are_told() {
    check(
        &with(r#""version_data":{"not_versioned":true,"versions":{"D":{"extended_paths":{"go_plugin":[{}]}}}}"#),
        &[
            "warning 2:85: version_data.versions.D.extended_paths.go_plugin: has no effect: `use_extended_paths` of this \
           version is false",
        ],
    );
}

#[test]
fn a_driver_is_one_that_runs_linked_plugins() {
    let driver = |driver: &str, name: &str| {
        with(&format!(
            r#""custom_middleware":{{"driver":"{driver}","pre":[{{"name":"{name}","disabled":{}}}]}}"#,
            name.is_empty()
        ))
    };
    check(&driver("goplugin", "A"), &[]);
    check(&driver("native", "A"), &[]);
    check(&driver("otto", ""), &[]);
    check(&driver("", ""), &[]);
    let at = "2:31: custom_middleware.driver:";
    let linked = "its plugins are not found; plugins are linked, with `\"driver\": \"goplugin\"`";
    check(&driver("otto", "A"), &[&format!("warning {at} driver `otto` is not honoured: {linked}")]);
    let set = "is empty, so its plugins are not found; set `\"driver\": \"goplugin\"`";
    check(&driver("", "A"), &[&format!("warning {at} {set}")]);
    check(&driver("goplugn", "A"), &[&format!("error {at} unknown driver `goplugn`; did you mean `goplugin`?")]);
    check(&driver("Native", ""), &[&format!("error {at} unknown driver `Native`; did you mean `native`?")]);
}

#[test]
fn a_plugin_that_guards_on_paper_only_is_told() {
    let auth = r#""custom_middleware":{"driver":"native","auth_check":{"name":"A"},"post_key_auth":[{"name":"B"}]}"#;
    check(
        &with(auth),
        &["warning 2:53: custom_middleware.auth_check: has no effect: set `\"custom_plugin_auth_enabled\": true`"],
    );
    check(
        &with(&format!("{auth},\"use_keyless\":true")),
        &[
            "warning 2:53: custom_middleware.auth_check: has no effect: `use_keyless` is true",
            "warning 2:82: custom_middleware.post_key_auth: has no effect: `use_keyless` is true",
        ],
    );
    check(&with(&format!("{auth},\"use_go_plugin_auth\":true")), &[]);
}

#[test]
fn an_analytics_plugin_of_an_api_that_is_not_tracked_is_told() {
    let plugin = r#""analytics_plugin":{"enable":true,"func_name":"A"}"#;
    check(&with(plugin), &[]);
    check(
        &with(&format!("{plugin},\"do_not_track\":true")),
        &["warning 2:20: analytics_plugin: has no effect: `do_not_track` is true"],
    );
}

#[test]
fn a_domain_is_a_host_or_a_pattern_of_one() {
    for domain in ["orders.example.com", "orders.example.com:8443", "{tenant}.example.com", "{t:[a-z/ ]{1,3}}.com", ""]
    {
        check(&with(&format!(r#""domain":"{domain}""#)), &[]);
    }
    let host = "domain: is not a host; write it as clients do in `Host`, such as `orders.example.com`, without scheme \
                and path";
    for domain in ["https://orders.example.com", "orders.example.com/x", "two hosts"] {
        check(&with(&format!(r#""domain":"{domain}""#)), &[&format!("error 2:10: {host}")]);
    }
    let braces = "domain: has unbalanced braces; a variable is `{name}` or `{name:regex}`";
    check(&with(r#""domain":"{a.example.com""#), &[&format!("error 2:10: {braces}")]);
    check(&with(r#""domain":"{a.example.com","domain_disabled":true"#), &[]);
}

#[test]
fn a_definition_that_is_wrong_keeps_its_own_domain_closed_and_no_other() {
    let domain = |members: &str| read(&with(&format!("{members},\"expiration\":\"x\""))).identity.unwrap().domain;
    assert_eq!(domain(r#""domain":"a.example.com""#).as_deref(), Some("a.example.com"));
    assert_eq!(domain(r#""domain":"a.example.com","domain_disabled":true"#), None);
}

#[test]
fn a_list_of_targets_is_one_of_hosts() {
    let proxy = |rest: &str| {
        format!(
            r#"{{"api_id":"a","use_keyless":true,"proxy":{{"listen_path":"/a/",{rest}}},"version_data":{{"not_versioned":true}}}}"#
        )
    };
    let told = |rest: &str, expected: &[&str]| {
        let found: Vec<_> = read(&proxy(rest)).findings.iter().map(|f| format!("{}: {}", f.path, f.reason)).collect();
        assert_eq!(found, expected, "{rest}");
    };
    told(r#""enable_load_balancing":true,"target_list":["http://a","b:81"]"#, &[]);
    told(r#""target_url":"http://a","target_list":[]"#, &[]);
    told(
        r#""target_url":"http://a","target_list":["/"]"#,
        &["proxy.target_list: has no effect: `enable_load_balancing` is false, so requests go to `target_url`"],
    );
    let form = "is not of the form `[scheme://]host[:port][/path]`";
    told(
        r#""enable_load_balancing":true,"target_list":["a","/x","b c"]"#,
        &[&format!("proxy.target_list[1]: `/x` {form}"), &format!("proxy.target_list[2]: `b c` {form}")],
    );
    told(
        r#""enable_load_balancing":true"#,
        &["proxy.target_list: is empty, and `enable_load_balancing` is true: name the targets, or set it to false to \
           use `target_url`"],
    );
}

#[test]
fn a_protocol_is_one_of_http() {
    for protocol in ["", "http", "https", "h2c"] {
        check(&with(&format!(r#""protocol":"{protocol}","listen_port":8080"#)), &[]);
    }
    check(
        &with(r#""protocol":"tcp","listen_port":70000"#),
        &[
            "error 2:12: protocol: `tcp` is not served: this gateway forwards HTTP, not raw connections; leave it out",
            "error 2:32: listen_port: `70000` is not a port: ports are up to 65535",
        ],
    );
    check(
        &with(r#""protocol":"ftp""#),
        &["error 2:12: protocol: unknown protocol `ftp`; protocols are `http`, `https`, `h2c`, or none"],
    );
}

#[test]
fn times_and_breakers_that_cannot_be_meant_are_told() {
    let text = with(
        r#""version_data":{"not_versioned":true,"versions":{"D":{"use_extended_paths":true,"global_enforce_timeout":"5",
"extended_paths":{"hard_timeouts":[{"path":"/","method":"GET","timeout":0},{"path":"","timeout":-1},
{"path":"/","method":"GET","duration":"1x"},{"disabled":true}],
"circuit_breakers":[{"path":"/","method":"GET","threshold_percent":50,"samples":-1},
{"path":"/","method":"get","threshold_percent":-0.5,"return_to_service_after":-1}]}}}}"#,
    );
    let found: Vec<_> = read(&text).findings.iter().map(|f| format!("{} {}", f.path, f.reason)).collect();
    let lists = "version_data.versions.D.extended_paths.";
    let found: Vec<_> = found.iter().map(|told| told.strip_prefix(lists).unwrap_or(told)).collect();
    assert_eq!(
        found,
        [
            "version_data.versions.D.global_enforce_timeout `5` is no duration: write numbers with units, such as \
             `500ms` or `1m30s`",
            "hard_timeouts[0].timeout is 0, so there is no bound; write seconds, or a `duration`",
            "hard_timeouts[1].method is empty, so no request is meant; say which method it is for",
            "hard_timeouts[1].path is empty; say which path it is for",
            "hard_timeouts[1].timeout `-1` is negative; write seconds",
            "hard_timeouts[2].duration `1x` is no duration: write numbers with units, such as `500ms` or `1m30s`",
            "circuit_breakers[0].return_to_service_after is 0, so the breaker closes as soon as it opens; write seconds",
            "circuit_breakers[0].threshold_percent `50` is never reached: it is a share from 0 to 1; write `0.5` for \
             one half",
            "circuit_breakers[0].samples `-1` is negative; write a number of answers",
            "circuit_breakers[1].method `get` is no method that clients send, so no request is meant; write `GET`",
            "circuit_breakers[1].threshold_percent `-0.5` is negative; write a share from 0 to 1",
            "circuit_breakers[1].return_to_service_after `-1` is negative; write seconds",
        ]
    );
}

#[test]
fn numbers_that_are_none_are_told_one_by_one() {
    let text = with(
        r#""listen_port":"80","version_data":{"not_versioned":true,"versions":{"D":{"use_extended_paths":true,
"extended_paths":{"circuit_breakers":[{"path":"/","method":"GET","threshold_percent":"1","samples":1.5,
"return_to_service_after":null}]}}}}"#,
    );
    let found: Vec<_> = read(&text).findings.iter().map(|f| f.reason.clone()).collect();
    assert_eq!(found.len(), 4, "{found:?}");
    assert_eq!(found[0], "invalid type: string \"80\", expected a whole number");
}

/// Source: gateway.md §3.3, §3.4.
#[test]
fn lists_in_the_form_that_does_not_count_are_told() {
    let version = |inside: &str| format!(r#""version_data":{{"not_versioned":true,"versions":{{"D":{{{inside}}}}}}}"#);
    let unused = "has no effect: `use_extended_paths` of this version is ";
    check(
        &with(&version(r#""use_extended_paths":true,"paths":{"white_list":["/"],"ignored":[]}"#)),
        &[&format!(
            "warning 2:103: version_data.versions.D.paths.white_list: {unused}true; move it to `extended_paths`"
        )],
    );
    check(
        &with(&version(
            r#""paths":{"white_list":["/"]},"extended_paths":{"black_list":[{"path":"/"}],"internal":[{"disabled":true}]}"#,
        )),
        &[&format!("warning 2:115: version_data.versions.D.extended_paths.black_list: {unused}false")],
    );
}

/// Source: gateway.md §3.4.
#[test]
fn an_action_that_is_none_and_a_method_that_no_client_sends_are_told() {
    let lists = r#""ignored":[{"path":"/a","method":"get","method_actions":{"GET":{"action":"dance"}}}],
"mock_response":[{"path":"","method":"GET"}]"#;
    check(
        &with(&format!(
            r#""version_data":{{"not_versioned":true,"versions":{{"D":{{"use_extended_paths":true,"extended_paths":{{{lists}}}}}}}}}"#
        )),
        &[
            "warning 2:132: version_data.versions.D.extended_paths.ignored[0].method: `get` is no method that clients \
             send, so no request is meant; write `GET`",
            "warning 2:172: version_data.versions.D.extended_paths.ignored[0].method_actions.GET.action: `dance` is no \
             action, so requests are refused; write `no_action` or `reply`",
            "error 3:26: version_data.versions.D.extended_paths.mock_response[0].path: is empty; say which path it is for",
        ],
    );
}

/// Source: plugin-system.md §7.3 (a bundle takes the place of the whole section).
#[test]
fn plugins_of_its_own_beside_a_bundle_are_told() {
    let own = r#""custom_middleware":{"driver":"grpc","pre":[{"name":"A"}]},"custom_middleware_bundle":"b.zip""#;
    check(
        &with(own),
        &["warning 2:21: custom_middleware: has no effect: its place is taken by what the manifest of \
           `custom_middleware_bundle` says; name these plugins there"],
    );
    let none = r#""custom_middleware":{"driver":"nonsense","pre":[]},"custom_middleware_bundle":"b.zip""#;
    check(&with(none), &[]);
}
