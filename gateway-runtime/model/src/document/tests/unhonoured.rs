//! Fields without effect, and those among them that guard access.

use super::{NO_EFFECT, REFUSED, Reading, check, read, with};

#[test]
fn a_field_without_effect_is_told_once_and_with_the_name_that_was_meant() {
    check(
        &with(
            r#""oauth_meta":["x"],"use_keyles":true,"graphql":{"enabled":true},
"custom_middleware":{"pre":[{"disabled":true,"nmae":"A"},{"disabled":true,"nmae":"B","colour":1}]},
"version_data":{"not_versioned":true,"versions":{"D":{"extended_paths":{"virtual":[{"path":"/"}]}}}},
"config_data":{"use_keyles":true}"#,
        ),
        &[
            &format!("warning 2:14: oauth_meta: {NO_EFFECT}"),
            &format!("warning 2:33: use_keyles: {NO_EFFECT}; did you mean `use_keyless`?"),
            &format!("warning 2:48: graphql: {NO_EFFECT}"),
            &format!("warning 3:53: custom_middleware.pre[0].nmae: {NO_EFFECT}; did you mean `name`?"),
            &format!("warning 3:95: custom_middleware.pre[1].colour: {NO_EFFECT}"),
            &format!("warning 4:83: version_data.versions.D.extended_paths.virtual: {NO_EFFECT}"),
        ],
    );
}

#[test]
fn a_field_that_asks_for_nothing_is_not_told() {
    check(
        &with(
            r#""tags":[],"session_lifetime":0,"CORS":{"enable":false,"max_age":24},"uptime_tests":{"a":[{"b":[""]}]},
            "analytics_plugin":{"plugin_path":"a"},"tags_disabled":true,"request_signing":{"disabled":true,"key_id":"k"},
            "cache_options":{"cache_timeout":60},"definition":{"location":"header","versions":{"a":"b"}}"#,
        ),
        &[],
    );
}

#[test]
fn guards_of_an_api_that_are_not_honoured_are_told_and_kept() {
    let ways_in = [
        ("use_oauth2", r#""use_oauth2":"true""#),
        ("use_openid", r#""use_openid":true"#),
        ("external_oauth.enabled", r#""external_oauth":{"enabled":true}"#),
    ];
    let told = |path: &str, text: &str| {
        let Reading { definition, findings, .. } = read(text);
        assert!(matches!(findings.as_slice(), [one] if one.path == path && one.reason == REFUSED), "{findings:?}");
        assert_eq!(definition.unwrap().unhonoured_guards, [path]);
    };
    for (path, members) in ways_in {
        told(path, &with(members));
        // The way in is not asked for, so nothing is missing.
        let keyless = read(&with(&format!("{members},\"use_keyless\":true")));
        assert!(keyless.definition.unwrap().unhonoured_guards.is_empty(), "{path}");
        assert!(keyless.findings.iter().all(|finding| finding.reason == NO_EFFECT), "{:?}", keyless.findings);
    }
}

#[test]
fn a_guard_is_found_under_any_of_the_names_that_go_takes_for_it() {
    for members in [r#""Use_OAuth2":true"#, r#""use_oauth2":false,"USE_oauth2":true"#] {
        assert_eq!(read(&with(members)).definition.unwrap().unhonoured_guards, ["use_oauth2"]);
    }
}
