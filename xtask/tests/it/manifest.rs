//! `gw.toml`, as `cargo xtask build --manifest` takes it, and its schema.

use std::fs;

use serde_json::Value;
use xtask::toolchain::Toolchain;

use crate::sources::checkout::{Checkout, registered, registering, says, write};

#[test]
fn each_kind_of_entry_is_a_plugin() {
    let here = Checkout::new();
    here.bundled("a");
    here.plugin("project/mine/b", "b", "0.2.0");
    let git = here.git_plugin("c");
    for version in ["1.2.0", "1.9.0", "2.0.0"] {
        here.published("d", version);
        here.published("e", version);
    }
    let (url, rev) = (git.url(), git.run(&["rev-parse", "side"]));
    for (reference, version) in
        [("tag = \"v1\"", "1.0.0"), ("branch = \"main\"", "3.0.0"), (&*format!("rev = \"{rev}\""), "2.0.0")]
    {
        let manifest = here.manifest(&format!(
            "[plugins]\na = {{ bundled = true }}\nb = {{ path = \"mine/b\" }}\nc = {{ git = \"{url}\", {reference} }}\n\
             d = \"1.2\"\ne = {{ version = \"=1.2.0\" }}\n"
        ));
        let said = here.xtask(&["build", "--manifest", &manifest]).succeeded();
        let linked = format!("plugins: a 0.1.0, b 0.2.0, c {version}, d 1.9.0, e 1.2.0\n");
        assert!(said.stdout.ends_with(&linked), "{}", said.stdout);
        // Without another word the binary is beside the manifest.
        assert!(said.stdout.starts_with("$AWAY/project/dist/gateway  "), "{}", said.stdout);
        fs::remove_file(here.away("project/gw.lock")).expect("it was written");
    }
    assert_eq!(registered(&here.away("project/dist/gateway")).len(), 5);
}

#[test]
fn features_and_default_features_of_a_plugin_take_effect() {
    let here = Checkout::new();
    let dir = here.plugin("mine", "mine", "0.1.0");
    let manifest = fs::read_to_string(dir.join("Cargo.toml")).expect("there");
    write(&dir.join("Cargo.toml"), &format!("{manifest}[features]\ndefault = [\"usual\"]\nusual = []\nmore = []\n"));
    let one = |features: &str, name: &str| {
        format!("#[cfg({features})]\nmod {name} {{\n{}\n}}\n", registering(&format!("{name:?}")))
    };
    let code = format!(
        "{}{}{}",
        one("feature = \"usual\"", "usual"),
        one("feature = \"more\"", "more"),
        one("not(feature = \"usual\")", "bare")
    );
    write(&dir.join("src/lib.rs"), &code);
    for (entry, expected) in [
        ("", vec!["mine::usual"]),
        (", features = [\"more\"]", vec!["mine::more", "mine::usual"]),
        (", default-features = false", vec!["mine::bare"]),
        (", default-features = false, features = [\"more\"]", vec!["mine::bare", "mine::more"]),
    ] {
        let manifest = here.manifest(&format!("[plugins]\nmine = {{ path = \"../mine\"{entry} }}\n"));
        here.built(&["--manifest", &manifest]);
        assert_eq!(registered(&here.away("project/dist/gateway")), expected, "{entry}");
    }
}

#[test]
fn features_of_the_server_take_effect() {
    let here = Checkout::new();
    let file = here.path("gateway-runtime/Cargo.toml");
    let manifest = fs::read_to_string(&file).expect("there");
    write(&file, &format!("{manifest}\n[features]\ndefault = [\"usual\"]\nusual = []\nloud = []\n"));
    let file = here.path("gateway-runtime/src/lib.rs");
    let code = fs::read_to_string(&file).expect("there");
    let said = "println!(\"loud {} usual {}\", cfg!(feature = \"loud\"), cfg!(feature = \"usual\"));";
    write(&file, &code.replace("ExitCode::SUCCESS", &format!("{said} ExitCode::SUCCESS")));
    for (features, expected) in [
        ("", "loud false usual true"),
        ("features = [\"loud\"]\n", "loud true usual true"),
        ("features = [\"loud\"]\ndefault-features = false\n", "loud true usual false"),
    ] {
        let manifest = here.manifest(&format!("[gateway]\n{features}"));
        here.built(&["--manifest", &manifest]);
        let said = says(&here.away("project/dist/gateway"));
        assert!(said.contains(expected), "{said}");
    }
}

#[test]
fn a_manifest_for_another_release_is_refused() {
    let here = Checkout::new();
    let manifest = here.manifest("[gateway]\nversion = \"0.2.0\"\n");
    let message = here.xtask(&["build", "--manifest", &manifest]).refused(xtask::USAGE);
    assert_eq!(
        message,
        "$AWAY/project/gw.toml is for gateway 0.2.0, and this checkout is 0.1.0 ($ROOT)\n  = run the `cargo xtask` of that \
         release, name its checkout with `path` in [gateway], or write version = \"0.1.0\""
    );
    let manifest = here.manifest("[gateway]\nversion = \"0.1.0\"\n");
    assert_eq!(here.built(&["--manifest", &manifest]), "none");
}

#[test]
fn the_server_of_another_checkout_is_linked() {
    let (here, other) = (Checkout::new(), Checkout::new());
    other.is_release("0.2.0");
    here.plugin("mine", "mine", "0.1.0");
    write(&here.away("mine/Cargo.toml"), &published_for("0.2"));
    let path = other.path("").display().to_string();
    let manifest = here.manifest(&format!(
        "[gateway]\nversion = \"0.2.0\"\npath = {path:?}\n[plugins]\nmine = {{ path = \"../mine\" }}\n"
    ));
    assert_eq!(here.built(&["--manifest", &manifest]), "mine 0.1.0");
    let about = says(&here.away("project/dist/gateway"));
    assert!(about.contains("\"version\":\"0.2.0\"") || about.contains("\"version\": \"0.2.0\""), "{about}");
}

fn published_for(release: &str) -> String {
    format!(
        "[package]\nname = \"mine\"\nversion = \"0.1.0\"\nedition = \"2024\"\n[dependencies]\ngateway-sdk = \"{release}\"\n"
    )
}

#[test]
fn how_to_build_is_written_in_the_manifest_and_the_command_line_may_say_something_else() {
    let here = Checkout::new();
    let host = Toolchain::ask(&here.path("")).expect("rustc").host;
    let manifest =
        here.manifest(&format!("[build]\nprofile = \"ship\"\ntarget = \"{host}\"\noutput = \"../out/mine\"\n"));
    let said = here.xtask(&["build", "--manifest", &manifest]).succeeded();
    assert!(said.stderr.contains(&format!("profile ship, target {host}, ")), "{}", said.stderr);
    assert!(said.stdout.starts_with("$AWAY/project/../out/mine  "), "{}", said.stdout);
    assert!(here.away("out/mine").is_file());
    assert!(said.stdout.contains("  ship  static  "), "{}", said.stdout);

    let file = here.away("typed").display().to_string();
    let said = here.xtask(&["build", "--manifest", &manifest, "--profile", "fast", "--output", &file]).succeeded();
    assert!(said.stdout.starts_with("$AWAY/typed  ") && said.stdout.contains("  fast  "), "{}", said.stdout);

    let manifest = here.manifest("[build]\ntarget = \"x86_64-moon-gnu\"\n");
    let message = here.xtask(&["build", "--manifest", &manifest]).refused(xtask::FAILED);
    assert!(message.starts_with("rustc does not know the target `x86_64-moon-gnu`"), "{message}");
}

#[test]
fn plugins_that_are_typed_are_added_to_those_of_the_manifest() {
    let here = Checkout::new();
    here.bundled("a");
    here.bundled("b");
    let manifest = here.manifest("[plugins]\na = { bundled = true }\n");
    assert_eq!(here.built(&["--manifest", &manifest, "--plugins", "b"]), "a 0.1.0, b 0.1.0");
}

#[test]
fn one_crate_twice_is_refused() {
    let here = Checkout::new();
    here.bundled("a");
    let manifest = here.manifest("[plugins]\na = { bundled = true }\n");
    let message = here.xtask(&["build", "--manifest", &manifest, "--plugins", "a"]).refused(xtask::USAGE);
    assert_eq!(message, "`a` names the same plugin as `a` of `$AWAY/project/gw.toml`\n  = name it once");

    // From two places it is not the same crate, and has the same name.
    let other = here.plugin("a", "a", "0.1.0").display().to_string();
    let message = here.xtask(&["build", "--manifest", &manifest, "--plugins", &other]).refused(xtask::FAILED);
    assert_eq!(
        message,
        "two plugins are named `a`: $ROOT/plugins/a and $AWAY/a\n  = rename the package of one of them"
            .replace("$ROOT/", "")
    );
}

#[test]
fn a_plugin_that_goes_by_another_name_is_refused() {
    let here = Checkout::new();
    here.plugin("mine", "mine", "0.1.0");
    let manifest = here.manifest("[plugins]\nyours = { path = \"../mine\" }\n");
    let message = here.xtask(&["build", "--manifest", &manifest]).refused(xtask::FAILED);
    assert!(message.starts_with("$AWAY/project/gw.toml: plugin `yours` is the crate `mine` ("), "{message}");
    assert!(message.ends_with("\n  = write its name: mine = { … }"), "{message}");
    let git = here.git_plugin("theirs");
    let manifest = here.manifest(&format!("[plugins]\nother = {{ git = \"{}\" }}\n", git.url()));
    let message = here.xtask(&["build", "--manifest", &manifest]).refused(xtask::FAILED);
    assert!(message.starts_with("plugin `other` "), "{message}");
}

#[test]
fn a_manifest_that_cannot_be_understood_leaves_the_previous_output() {
    let here = Checkout::new();
    here.write("project/dist/gateway", "previous");
    let manifest = here.manifest("[plugins]\na = { bundeld = true }\n");
    let message = here.xtask(&["build", "--manifest", &manifest]).refused(xtask::USAGE);
    assert!(message.starts_with("$AWAY/project/gw.toml:2:7: unknown field `bundeld`, expected "), "{message}");
    let absent = here.away("project/absent.toml").display().to_string();
    let message = here.xtask(&["build", "--manifest", &absent]).refused(xtask::USAGE);
    assert!(message.starts_with("cannot read the manifest `$AWAY/project/absent.toml`"), "{message}");
    assert_eq!(fs::read_to_string(here.away("project/dist/gateway")).expect("there"), "previous");
}

/// What an editor needs of it: which keys there are at a place, and what may be their values.
#[test]
fn the_schema_knows_every_key_of_the_examples() {
    let here = Checkout::new();
    let schema = here.xtask(&["schema"]).succeeded().stdout;
    let schema: Value = serde_json::from_str(&schema).expect("JSON");
    assert_eq!(schema["title"], "gw.toml");
    let examples = [
        "[gateway]\nversion = \"0.1.0\"\npath = \"..\"\nfeatures = [\"x\"]\ndefault-features = false\n",
        "[plugins]\na = { bundled = true }\nb = { path = \"mine/b\" }\nc = { git = \"https://h/x\", tag = \"v1\" }\n\
         d = \"1.2\"\ne = { version = \"=1.2.0\", registry = \"own\", features = [\"x\"], default-features = false }\n\
         f = { git = \"u\", branch = \"b\" }\ng = { git = \"u\", rev = \"0a1b\" }\n",
        "[build]\nprofile = \"ship\"\ntarget = \"t\"\noutput = \"o\"\napis = \"a\"\n",
    ];
    for example in examples {
        let example: toml::Table = toml::from_str(example).expect("TOML");
        let example = serde_json::to_value(example).expect("JSON");
        assert!(accepts(&schema, &schema, &example), "{example}");
    }
    let refused = [
        "[plugin]\n",
        "[gateway]\nverison = \"0.1.0\"\n",
        "[plugins]\na = { bundeld = true }\n",
        "[plugins]\na = 1\n",
        "[build]\nprofile = \"slow\"\n",
    ];
    for example in refused {
        let example: toml::Table = toml::from_str(example).expect("TOML");
        assert!(!accepts(&schema, &schema, &serde_json::to_value(example).expect("JSON")));
    }
}

/// As much of JSON Schema as the schema uses.
fn accepts(root: &Value, schema: &Value, value: &Value) -> bool {
    if let Some(pointer) = schema["$ref"].as_str() {
        let target = root.pointer(pointer.trim_start_matches('#')).expect("the reference leads somewhere");
        return accepts(root, target, value);
    }
    for (key, all) in [("anyOf", false), ("oneOf", false), ("allOf", true)] {
        if let Some(schemas) = schema[key].as_array() {
            let mut each = schemas.iter().map(|schema| accepts(root, schema, value));
            if !(if all { each.all(|yes| yes) } else { each.any(|yes| yes) }) {
                return false;
            }
        }
    }
    if schema.get("const").is_some_and(|only| only != value) {
        return false;
    }
    if schema["enum"].as_array().is_some_and(|values| !values.contains(value)) {
        return false;
    }
    let types: Vec<&str> = match &schema["type"] {
        Value::String(one) => vec![one],
        Value::Array(types) => types.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    };
    let is = |name: &&str| match *name {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "null" => value.is_null(),
        "integer" | "number" => value.is_number(),
        other => panic!("no such type in JSON Schema: {other}"),
    };
    if !types.is_empty() && !types.iter().any(is) {
        return false;
    }
    let keys = value.as_object().into_iter().flatten().all(|(key, value)| {
        match (schema["properties"].get(key), schema.get("additionalProperties")) {
            (Some(property), _) => accepts(root, property, value),
            (None, Some(Value::Bool(allowed))) => *allowed,
            (None, Some(property)) => accepts(root, property, value),
            (None, None) => true,
        }
    });
    keys && value.as_array().into_iter().flatten().all(|item| accepts(root, &schema["items"], item))
}
