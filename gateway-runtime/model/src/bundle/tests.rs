use super::*;

fn parsed(text: &str) -> Manifest {
    parse(text.as_bytes()).unwrap()
}

fn refused(text: &str) -> String {
    parse(text.as_bytes()).unwrap_err().to_string()
}

/// Source: plugin-system.md §7.1.
#[test]
fn a_manifest_says_files_plugins_and_how_they_are_signed() {
    let manifest = parsed(
        r#"{"file_list": ["a_v5.3.0_linux_amd64.so"], "checksum": "d41d", "signature": "c2ln", "unknown": [1],
 "custom_middleware": {"driver": "goplugin", "pre": [{"name": "A", "path": "a.so"}], "auth_check": {"name": "B"},
  "traffic_logs": {"name": "T", "path": "t.so", "disabled": true}, "id_extractor": {"extract_from": ""}}}"#,
    );
    assert_eq!(manifest.file_list, ["a_v5.3.0_linux_amd64.so"]);
    assert_eq!((manifest.checksum.as_str(), manifest.signature.as_str()), ("d41d", "c2ln"));
    let section = &manifest.custom_middleware;
    assert_eq!((section.driver.as_str(), section.pre[0].path.as_str()), ("goplugin", "a.so"));
    assert_eq!(section.auth_check.name, "B");
    assert_eq!((manifest.traffic_logs.name.as_str(), manifest.traffic_logs.disabled), ("T", true));
    assert_eq!(manifest.warnings, []);
}

/// Go reads `null` as nothing, and keys whatever their case.
#[test]
fn a_manifest_is_read_as_go_reads_it() {
    let manifest = parsed(r#"{"File_List": null, "CHECKSUM": "x", "custom_middleware": {"pre": null}}"#);
    assert_eq!(manifest, Manifest { checksum: "x".into(), ..Manifest::default() });
}

/// Source: plugin-system.md §7.1 (a driver at the top has no effect).
#[test]
fn a_driver_at_the_top_is_told_and_not_used() {
    let manifest = parsed("{\n \"driver\": \"goplugin\"\n}");
    assert_eq!(manifest.custom_middleware.driver, "");
    let told: Vec<String> = manifest.warnings.iter().map(|finding| finding.at(MANIFEST).to_string()).collect();
    assert_eq!(
        told,
        [r#"manifest.json:2:12: driver: has no effect here; write `"custom_middleware": {"driver": "goplugin", …}`"#]
    );
    let both = r#"{"driver": "x", "custom_middleware": {"driver": "goplugin"}}"#;
    assert_eq!(parsed(both).warnings, []);
}

#[test]
fn what_is_no_manifest_is_told_with_its_places() {
    assert_eq!(parse(b"\xff{}"), Err(ManifestError::Encoding));
    assert_eq!(refused("{"), "manifest.json:1:1: unexpected end of JSON input");
    assert_eq!(refused("[]"), "manifest.json:1:1: invalid type: sequence, expected an object");
    assert_eq!(
        refused("{\"file_list\": [7], \"custom_middleware\": {\"post\": 1, \"traffic_logs\": []}}"),
        "manifest.json:1:16: file_list[0]: invalid type: integer `7`, expected a string; \
         manifest.json:1:50: custom_middleware.post: invalid type: integer `1`, expected a sequence; \
         manifest.json:1:69: custom_middleware.traffic_logs: invalid type: sequence, expected an object"
    );
}

/// Source: plugin-system.md §10.4, internal/sanitize/path_test.go:9.
#[test]
fn a_listed_file_is_one_of_the_bundle() {
    for name in ["middleware.js", "lib/utils.js", "config.test.js", "./middleware.js"] {
        assert!(is_inside(name), "{name}");
        parsed(&serde_json::json!({"file_list": [name]}).to_string());
    }
    let bad = ["/test/path", "../../test/path", "invalid/../../test/path", "./../test", "", ".", "./", "a\0b", ".."];
    for name in bad {
        assert!(!is_inside(name), "{name}");
        assert!(refused(&serde_json::json!({"file_list": [name]}).to_string()).contains("file_list[0]: "), "{name}");
    }
}

/// Source: plugin-system.md §10.4, cli/bundler/bundler_test.go:78,220.
#[test]
fn a_bundle_is_of_use_if_something_runs() {
    let runs = |section: &str| parsed(&format!("{{\"custom_middleware\": {section}}}")).has_hooks();
    for section in [
        r#"{"pre": [{}]}"#,
        r#"{"post": [{"name": "a"}]}"#,
        r#"{"post_key_auth": [{"name": "a"}]}"#,
        r#"{"response": [{"name": "a"}]}"#,
        r#"{"auth_check": {"name": "a"}}"#,
        r#"{"traffic_logs": {"name": "a"}}"#,
    ] {
        assert!(runs(section), "{section}");
    }
    assert!(!runs("{}") && !runs(r#"{"driver": "goplugin", "pre": [], "auth_check": {"path": "a"}}"#));
}

/// Source: plugin-system.md §7.6; §10.4, multi_bundle_test.go:158-500 (early returns, names are trimmed).
#[test]
fn a_definition_names_one_bundle_or_several() {
    let of = |text: &str, is_off| {
        let api = ApiDefinition {
            custom_middleware_bundle: text.to_owned(),
            custom_middleware_bundle_disabled: is_off,
            ..ApiDefinition::default()
        };
        Bundles::of(&api)
    };
    for nothing in ["", " ", ",", " , ,"] {
        assert_eq!(of(nothing, false), None, "{nothing:?}");
    }
    assert_eq!(of("a.zip", true), None);
    assert_eq!(of("dir/a.zip", false), Some(Bundles::One("dir/a.zip".to_owned())));
    for (text, names) in [(" a.zip ,,b.zip", vec!["a.zip", "b.zip"]), ("a.zip,", vec!["a.zip"])] {
        let several = of(text, false).unwrap();
        assert_eq!(
            (several.text(), several.names()),
            (text, names.iter().map(ToString::to_string).collect::<Vec<_>>().as_slice())
        );
        assert!(matches!(several, Bundles::Several { .. }));
    }
}

/// Whatever the bytes are, nothing panics, and what is listed is within the bundle.
#[test]
fn whatever_is_read_is_refused_or_within_bounds() {
    let words = [
        "{",
        "}",
        "[",
        "]",
        ":",
        ",",
        "\"file_list\"",
        "\"custom_middleware\"",
        "\"traffic_logs\"",
        "\"pre\"",
        "\"driver\"",
        "\"../x\"",
        "\"a\"",
        "\"./b\"",
        "null",
        "7",
        "true",
        " ",
        "\n",
        "\"\\ud800\"",
        "é",
        "\u{0}",
    ];
    let mut seed = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = |bound: usize| {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        usize::try_from(seed % bound as u64).unwrap()
    };
    for _ in 0..20_000 {
        let length = next(24);
        let mut bytes: Vec<u8> = (0..length).flat_map(|_| words[next(words.len())].bytes()).collect();
        if next(4) == 0 && !bytes.is_empty() {
            let at = next(bytes.len());
            bytes[at] = u8::try_from(next(256)).unwrap();
        }
        if let Ok(manifest) = parse(&bytes) {
            assert!(manifest.file_list.iter().all(|name| is_inside(name)));
        }
    }
}
