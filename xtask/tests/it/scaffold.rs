//! `cargo xtask new`: what it makes passes its own tests, for every hook, inside the repository and outside.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use clap::ValueEnum;
use xtask::build::build;
use xtask::cli::{Hook, NewArgs};
use xtask::gateway::generate::{generate, values};
use xtask::gateway::plan::plan;
use xtask::new::{NewError, new, scaffold};
use xtask::report::{Failure, Report};
use xtask::repository::Repository;
use xtask::toolchain::cargo;

use crate::cli::free_port;
use crate::standin::{self, SDK_BY_PATH, StandIn, second_checkout};

fn args(name: &str, hook: Hook, path: Option<&Path>) -> NewArgs {
    NewArgs { name: name.to_owned(), hook, path: path.map(Path::to_owned) }
}

/// A name with both separators: the crate, the function and the README each write it in their own way.
fn name(hook: Hook) -> String {
    format!("my-{}", hook.name())
}

/// Tests and lints packages, and checks how they are formatted, with what earlier calls have compiled.
fn check(dir: &Path, packages: &[String]) {
    let target = Repository::of_xtask().work_dir().join("scaffolded");
    let cargo_with = |command: &str| {
        let mut cargo = cargo(dir);
        cargo.args([command, "--quiet"]).args(packages.iter().flat_map(|package| ["-p", package]));
        cargo.env("CARGO_TARGET_DIR", &target).env("CARGO_PROFILE_DEV_DEBUG", "0");
        cargo
    };
    let passes = |cargo: &mut Command| {
        let output = cargo.output().expect("cargo runs");
        let said = String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{cargo:?} in {}:\n{said}", dir.display());
        said
    };
    let said = passes(&mut cargo_with("test"));
    assert!(said.matches("test result: ok").count() >= packages.len(), "nothing was tested:\n{said}");
    passes(cargo_with("fmt").arg("--check"));
    passes(cargo_with("clippy").args(["--all-targets", "--no-deps", "--", "-D", "warnings"]));
}

#[test]
fn a_plugin_for_every_hook_passes_its_tests_outside_the_repository() {
    let repository = Repository::of_xtask();
    let parent = tempfile::tempdir().expect("a temporary folder");
    for hook in Hook::value_variants() {
        let made = new(&repository, &args(&name(*hook), *hook, Some(parent.path())), &Report::silent()).expect("made");
        assert!(!made.inside);
        for file in ["Cargo.toml", "src/lib.rs", "README.md", "api.json", ".gitignore"] {
            assert!(made.dir.join(file).is_file(), "{file} of {}", made.dir.display());
        }
        names_the_plugin(&made.dir, *hook);
        // The versions that are there already: the test needs no network.
        fs::copy(repository.root().join("Cargo.lock"), made.dir.join("Cargo.lock")).expect("copied");
        check(&made.dir, &[made.name]);
    }
    definitions_load(parent.path());
}

/// A gateway with all of them takes the definitions as they are; token-auth knows the callers for `post_key_auth`.
fn definitions_load(parent: &Path) {
    let crates: Vec<PathBuf> = Hook::value_variants().iter().map(|hook| parent.join(name(*hook))).collect();
    let items = crates.iter().map(|dir| dir.display().to_string()).chain(["token-auth".to_owned()]);
    let items: Vec<String> = items.collect();
    let mut args = standin::args(&items.iter().map(String::as_str).collect::<Vec<_>>());
    args.output = Some(parent.join("gateway"));
    let repository = Repository::of_xtask();
    build(&repository, &args, &Report::silent()).expect("built");
    for dir in &crates {
        let apis = parent.join("apis");
        fs::create_dir_all(&apis).expect("made");
        fs::copy(dir.join("api.json"), apis.join("api.json")).expect("copied");
        let mut gateway = Command::new(parent.join("gateway"));
        let output = gateway.args(["check", "--apis"]).arg(&apis).current_dir(parent).output().expect("it runs");
        let said = String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() && said.contains("0 errors, 0 warnings"), "{}:\n{said}", dir.display());
    }
    caller_is_named(parent);
    let generated = plan(&repository, &args).expect("planned").dir();
    fs::remove_dir_all(generated).expect("it names folders that are about to go");
}

/// The sample for `post_key_auth` works by itself: whoever sends the token that its definition lists has a name.
fn caller_is_named(parent: &Path) {
    let name = name(Hook::PostKeyAuth);
    let upstream = tiny_http::Server::http("127.0.0.1:0").expect("a free port");
    let definition = fs::read_to_string(parent.join(&name).join("api.json")).expect("there");
    let target = format!("http://{}/", upstream.server_addr());
    let definition = definition.replace("http://httpbin.org/", &target);
    assert!(definition.contains(&target), "{definition}");
    fs::write(parent.join("apis/api.json"), definition).expect("written");
    let port = free_port();
    let conf = format!(
        r#"{{"listen_address": "127.0.0.1", "listen_port": {port}, "secret": "of a test", "app_path": {:?}}}"#,
        parent.join("apis").display().to_string()
    );
    fs::write(parent.join("tyk.conf"), conf).expect("written");
    let mut gateway = Command::new(parent.join("gateway"));
    let mut gateway = gateway.arg("--conf").arg(parent.join("tyk.conf")).current_dir(parent).spawn().expect("it runs");

    let callers = std::thread::spawn(move || {
        let request = upstream.recv_timeout(Duration::from_secs(20)).expect("no error")?;
        let named = |header: &&tiny_http::Header| header.field.equiv("x-caller");
        let callers: Vec<String> = request.headers().iter().filter(named).map(|name| name.value.to_string()).collect();
        request.respond(tiny_http::Response::from_string("")).expect("answered");
        Some(callers)
    });
    let get = |token| {
        let url = format!("http://127.0.0.1:{port}/{name}/get");
        minreq::get(url).with_header("authorization", token).with_timeout(10).send().map(|answer| answer.status_code)
    };
    let deadline = Instant::now() + Duration::from_secs(10);
    while get("xyz").is_err() && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(20));
    }
    let answers = ["xyz", "abc"].map(get);
    gateway.kill().and_then(|()| gateway.wait()).expect("stopped");
    assert_eq!(answers.map(Result::ok), [Some(403), Some(200)]);
    assert_eq!(callers.join().expect("no panic"), Some(vec!["alice".to_owned()]));
}

#[test]
fn a_plugin_for_every_hook_passes_its_tests_inside_the_repository() {
    let here = second_checkout("0.1.0");
    let repository = here.repository();
    for hook in Hook::value_variants() {
        let made = new(&repository, &args(&name(*hook), *hook, None), &Report::silent()).expect("made");
        assert!(made.inside);
        assert!(!made.dir.join(".gitignore").exists(), "the repository has one");
        assert_eq!(fs::read_dir(repository.work_dir()).expect("there").count(), 0, "it was moved from there");
        let manifest = fs::read_to_string(made.dir.join("Cargo.toml")).expect("there");
        assert!(manifest.contains("gateway-sdk.workspace = true"), "{manifest}");
        assert!(!manifest.contains("[workspace]") && !manifest.contains("path"), "{manifest}");
    }
    check(repository.root(), &Hook::value_variants().iter().copied().map(name).collect::<Vec<_>>());
}

/// The definition is JSON, and uses the function in the hook.
fn names_the_plugin(dir: &Path, hook: Hook) {
    let text = fs::read_to_string(dir.join("api.json")).expect("there");
    let definition: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    let middleware = &definition["custom_middleware"];
    let name = match hook {
        Hook::AuthCheck => &middleware["auth_check"]["name"],
        Hook::Endpoint => {
            &definition["version_data"]["versions"]["Default"]["extended_paths"]["go_plugin"][0]["func_name"]
        }
        other => &middleware[other.name()][0]["name"],
    };
    let source = fs::read_to_string(dir.join("src/lib.rs")).expect("there");
    let attribute = format!("#[gw_plugin(hook = \"{}\", name = {name})]", hook.name());
    assert!(source.contains(&attribute), "{attribute} in\n{source}");
}

#[test]
fn a_folder_that_exists_is_refused_before_anything_is_written() {
    let parent = tempfile::tempdir().expect("a temporary folder");
    fs::create_dir(parent.path().join("mine")).expect("made");
    let error = new(&Repository::of_xtask(), &args("mine", Hook::Post, Some(parent.path())), &Report::silent());
    assert!(matches!(error, Err(NewError::Exists(_))), "{error:?}");
    assert_eq!(fs::read_dir(parent.path().join("mine")).expect("there").count(), 0);
}

#[test]
fn a_template_that_cannot_be_rendered_leaves_nothing_behind() {
    let here = second_checkout("0.1.0");
    here.write("gateway-template/plugin/README.md", "{% no such tag %}");
    let parent = here.path("parent");
    let error = new(&here.repository(), &args("mine", Hook::Post, Some(&parent)), &Report::silent());
    let error = error.expect_err("refused").to_string();
    assert!(error.starts_with("the template cannot be rendered; cargo-generate says:\n    "), "{error}");
    assert!(error.contains("README.md") && !error.contains("Destination"), "{error}");
    assert!(!parent.exists());

    let before = here.entries("plugins");
    new(&here.repository(), &args("mine", Hook::Post, None), &Report::silent()).expect_err("refused");
    assert_eq!(here.entries("plugins"), before);
    assert!(here.entries("target/gw").is_empty());
}

/// Where cargo finds members, there is never a folder without Cargo.toml: the crate is rendered elsewhere, and moved.
#[test]
fn a_crate_that_is_half_rendered_is_not_among_the_plugins() {
    let here = second_checkout("0.1.0");
    let made = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let watch = scope.spawn(|| {
            while !made.load(Ordering::Relaxed) {
                for name in here.entries("plugins") {
                    let manifest = here.path("plugins").join(&name).join("Cargo.toml");
                    assert!(manifest.is_file(), "{} is not there", manifest.display());
                }
                std::thread::sleep(Duration::from_micros(100));
            }
        });
        let result = new(&here.repository(), &args("mine", Hook::Post, None), &Report::silent());
        made.store(true, Ordering::Relaxed);
        result.expect("made");
        watch.join().expect("no panic");
    });
    assert_eq!(here.entries("plugins"), ["mine", "nothing"]);
}

#[test]
fn a_name_that_is_taken_in_the_repository_is_refused_there() {
    let here = second_checkout("0.1.0");
    here.package("plugins/my-plugin", "my-plugin", "0.1.0", "", "");
    let check = |name: &str, expected: &str| {
        let error = new(&here.repository(), &args(name, Hook::Post, None), &Report::silent()).expect_err("refused");
        assert_eq!(error.to_string().replace(&here.path("").display().to_string(), ""), expected);
        assert_eq!(error.exit_code(), xtask::USAGE);
        assert_eq!(here.entries("plugins"), ["my-plugin", "nothing"]);
    };
    check(
        "my_plugin",
        "`my_plugin` and `plugins/my-plugin` have one name in Rust, and no gateway could have both\n  = choose another \
         name",
    );
    for (name, package) in [("serde", "serde"), ("serde-json", "serde_json"), ("token-auth", "token-auth")] {
        let expected = format!(
            "`{name}` cannot be the name of a plugin of this repository: Cargo.lock has a package `{package}`, and \
             cargo could not tell the two apart\n  = choose another name"
        );
        check(name, &expected);
    }
    let outside = tempfile::tempdir().expect("a temporary folder");
    let made = new(&here.repository(), &args("my_plugin", Hook::Post, Some(outside.path())), &Report::silent());
    assert!(!made.expect("nobody there has the name").inside);
}

/// So that a gateway that somebody began with `cargo generate` and one that the builder wrote differ in nothing.
#[test]
fn the_builder_and_cargo_generate_render_the_same_gateway() {
    let here = StandIn::new();
    here.plugin("plugins/add-foo", "add-foo", SDK_BY_PATH);
    here.plugin("plugins/other", "other", SDK_BY_PATH);
    let plan = plan(&here.repository(), &standin::args(&["add-foo", "other"])).expect("planned");
    let ours = generate(&plan).expect("generated").dir;

    let mut scaffold = Command::new(scaffold(&Report::silent()).expect("built"));
    scaffold.arg(Repository::of_xtask().templates()).arg("gateway").arg(here.path("")).arg("gateway");
    let known = values(&plan).expect("known").into_iter();
    let known = known.map(|(name, value)| (name.to_owned(), toml::Value::from(value)));
    let file = toml::Table::from_iter([("values".to_owned(), toml::Value::Table(known.collect()))]);
    here.write("values.toml", &file.to_string());
    scaffold.env("CARGO_GENERATE_TEMPLATE_VALUES_FILE", here.path("values.toml"));
    let output = scaffold.env("USER", "gw").output().expect("it runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));

    // cargo-generate runs rustfmt.
    let read = |file: PathBuf| {
        let text = fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        text.replace([' ', '\n', ','], "")
    };
    for file in ["Cargo.toml", "src/main.rs", "src/plugins.rs", ".cargo/config.toml"] {
        assert_eq!(read(ours.join(file)), read(here.path("gateway").join(file)), "{file}");
    }
}
