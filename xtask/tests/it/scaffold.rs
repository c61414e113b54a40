//! `cargo xtask new`: what it makes passes its own CI, for every hook, inside the repository and outside.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use clap::ValueEnum;
use xtask::build::build;
use xtask::cli::{Hook, NewArgs};
use xtask::gateway::generate::generate;
use xtask::gateway::plan::plan;
use xtask::gateway::prove::{Linkage, inspect};
use xtask::gateway::values::unsettled;
use xtask::new::{NewError, new, scaffold};
use xtask::report::{Failure, Report};
use xtask::repository::Repository;
use xtask::toolchain::cargo;

use crate::cli::free_port;
use crate::ran::{Ran, program};
use crate::standin::{self, SDK_BY_PATH, StandIn, second_checkout};

fn args(name: &str, hook: Hook, path: Option<&Path>) -> NewArgs {
    NewArgs { gateway: false, name: name.to_owned(), hook, path: path.map(Path::to_owned) }
}

/// A name with both separators: the crate, the function and the README each write it in their own way.
fn name(hook: Hook) -> String {
    format!("my-{}", hook.name())
}

/// cargo in a new crate, with what earlier calls have compiled.
fn cargo_in(dir: &Path) -> Command {
    let mut cargo = cargo(dir);
    let target = Repository::of_xtask().work_dir().join("scaffolded");
    cargo.env("CARGO_TARGET_DIR", target).env("CARGO_PROFILE_DEV_DEBUG", "0");
    cargo
}

fn passes(cargo: &mut Command) -> String {
    let output = cargo.output().expect("cargo runs");
    let said = String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{cargo:?} in {:?}:\n{said}", cargo.get_current_dir());
    said
}

/// What its CI says, word by word: what cargo is asked, and what was printed.
fn run_ci(dir: &Path) -> Vec<(String, String)> {
    let ci = fs::read_to_string(dir.join(".github/workflows/ci.yml")).expect("there");
    let commands = ci.lines().filter_map(|line| line.strip_prefix("      - run: cargo "));
    commands.map(|args| (args.to_owned(), passes(cargo_in(dir).args(args.split(' '))))).collect()
}

#[test]
fn a_plugin_for_every_hook_passes_its_ci_outside_the_repository() {
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
        let ran = run_ci(&made.dir);
        let asked: Vec<&str> = ran.iter().map(|(args, _)| args.as_str()).collect();
        assert_eq!(asked, ["fmt --check", "clippy --all-targets -- -D warnings", "test"]);
        assert!(tests_in(&ran[2].1) > 0, "nothing was tested:\n{}", ran[2].1);
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
fn a_plugin_for_every_hook_passes_the_checks_inside_the_repository() {
    let here = second_checkout("0.1.0");
    let repository = here.repository();
    for hook in Hook::value_variants() {
        let made = new(&repository, &args(&name(*hook), *hook, None), &Report::silent()).expect("made");
        assert!(made.inside);
        for file in [".gitignore", ".github"] {
            assert!(!made.dir.join(file).exists(), "the repository has one of its own");
        }
        assert_eq!(fs::read_dir(repository.work_dir()).expect("there").count(), 0, "it was moved from there");
        let manifest = fs::read_to_string(made.dir.join("Cargo.toml")).expect("there");
        assert!(manifest.contains("gateway-sdk.workspace = true"), "{manifest}");
        assert!(!manifest.contains("[workspace]") && !manifest.contains("path"), "{manifest}");
    }
    let packages: Vec<String> = Hook::value_variants().iter().copied().map(name).collect();
    let cargo_with = |command: &str| {
        let mut cargo = cargo_in(repository.root());
        cargo.args([command, "--quiet"]).args(packages.iter().flat_map(|package| ["-p", package]));
        cargo
    };
    let said = passes(&mut cargo_with("test"));
    assert!(tests_in(&said) >= packages.len(), "nothing was tested:\n{said}");
    passes(cargo_with("fmt").arg("--check"));
    passes(cargo_with("clippy").args(["--all-targets", "--no-deps", "--", "-D", "warnings"]));
}

/// How many tests have passed, by the words of `cargo test`.
fn tests_in(said: &str) -> usize {
    let results = said.lines().filter_map(|line| line.strip_prefix("test result: ok. ")?.split_once(" passed"));
    results.filter_map(|(passed, _)| passed.parse::<usize>().ok()).sum()
}

/// By the command, in the folder where it is typed; then a plugin is added as its README says.
#[test]
fn a_gateway_passes_its_ci_outside_the_repository() {
    let parent = tempfile::tempdir().expect("a temporary folder");
    let mut xtask = Command::new(env!("CARGO_BIN_EXE_xtask"));
    let output = xtask.args(["new", "my-gateway", "--gateway"]).current_dir(parent.path()).output().expect("it runs");
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.starts_with("made my-gateway; next:\n  cd my-gateway\n"), "{said}");
    let dir = parent.path().join("my-gateway");
    for file in ["README.md", ".gitignore", "Cargo.lock"] {
        assert!(dir.join(file).is_file(), "{file}");
    }
    let ran = run_ci(&dir);
    let asked: Vec<&str> = ran.iter().map(|(args, _)| args.as_str()).collect();
    let lint = "clippy --locked --all-targets -- -D warnings";
    assert_eq!(asked, ["fmt --check", lint, "build --locked", "run --locked -- plugins list", "run --locked -- check"]);
    assert!(ran[3].1.contains("no plugins are linked"), "{}", ran[3].1);
    assert!(ran[4].1.contains("1 definition, 0 errors, 0 warnings"), "{}", ran[4].1);
    let built = passes(cargo_in(&dir).args(["build", "--message-format", "json"]));
    let binary = built.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    let binary = binary.filter_map(|said| Some(said.get("executable")?.as_str()?.to_owned())).next_back();
    let proof = inspect(Path::new(&binary.expect("a binary"))).expect("readable");
    assert_eq!(proof.linkage, Linkage::Static);

    let made = new(&Repository::of_xtask(), &args("my-plugin", Hook::Post, Some(parent.path())), &Report::silent());
    made.expect("made");
    let replace = |file: &str, old: &str, new: &str| {
        let text = fs::read_to_string(dir.join(file)).expect("there");
        assert!(text.contains(old), "{old} in {file}:\n{text}");
        fs::write(dir.join(file), text.replacen(old, new, 1)).expect("written");
    };
    let said = fs::read_to_string(dir.join("README.md")).expect("there");
    let [dependency, line, row] = [
        r#"my_plugin = { package = "my-plugin", path = "../my-plugin" }"#,
        "use ::my_plugin as _;",
        r#"("my-plugin", "0.1.0")"#,
    ];
    assert!([dependency, line, row].iter().all(|line| said.contains(&format!("`{line}`"))), "{said}");
    replace("Cargo.toml", "[dependencies]\n", &format!("[dependencies]\n{dependency}\n"));
    replace("src/plugins.rs", "/// Package", &format!("{line}\n\n/// Package"));
    replace("src/plugins.rs", "= &[]", &format!("= &[{row}]"));
    let listed = passes(cargo_in(&dir).args(["run", "--offline", "--quiet", "--", "plugins", "list"]));
    assert!(listed.contains("MyPlugin") && listed.contains("my-plugin 0.1.0"), "{listed}");
}

#[test]
fn a_gateway_is_built_inside_the_repository_as_well() {
    let here = second_checkout("0.1.0");
    here.copy("gateway-runtime");
    here.member("gateway-runtime");
    let mut args = args("my-gateway", Hook::Post, Some(&here.path("")));
    args.gateway = true;
    let made = new(&here.repository(), &args, &Report::silent()).expect("made");
    let manifest = fs::read_to_string(made.dir.join("Cargo.toml")).expect("there");
    assert!(manifest.contains(&here.path("gateway-runtime").display().to_string()), "{manifest}");
    let list = passes(cargo_in(&made.dir).args(["run", "--locked", "--quiet", "--", "plugins", "list"]));
    assert!(list.contains("no plugins are linked"), "{list}");
    let check = passes(cargo_in(&made.dir).args(["run", "--locked", "--quiet", "--", "check"]));
    assert!(check.contains("1 definition, 0 errors, 0 warnings"), "{check}");
    // The workspace around it is what it was.
    passes(cargo(&here.path("")).args(["metadata", "--offline", "--no-deps", "--format-version", "1"]));
}

/// Cargo would find a second workspace there, and stop at it from then on.
#[test]
fn a_project_of_its_own_is_refused_among_the_members_of_the_workspace() {
    let here = second_checkout("0.1.0");
    let check = |gateway: bool, folder: &str, member: &str| {
        let before = here.entries("");
        let mut args = args("mine", Hook::Post, Some(&here.path(folder)));
        args.gateway = gateway;
        let error = new(&here.repository(), &args, &Report::silent()).expect_err("refused");
        let (root, said) = (format!("{}/", here.path("").display()), error.to_string());
        let expected = format!(
            "`{folder}/mine` would be in `{member}`, which belongs to the workspace of this repository, and cargo takes \
             nothing else there\n  = choose another folder: --path DIR"
        );
        assert_eq!(said.replace(&root.replace("//", "/"), ""), expected);
        assert_eq!(error.exit_code(), xtask::USAGE);
        assert_eq!(here.entries(""), before);
    };
    check(true, "plugins", "plugins/*");
    check(true, "plugin-macros/src", "plugin-macros");
    check(false, "plugins/nothing", "plugins/*");
    assert_eq!(here.entries("plugins"), ["nothing"]);
    assert!(!here.path("plugin-macros/src/mine").exists());
}

/// The template says them once more, so that `cargo generate` without values makes a gateway that can be shipped.
#[test]
fn the_profiles_of_the_template_are_those_of_the_repository() {
    let root = Repository::of_xtask().root().to_owned();
    let table = |text: &str| -> toml::Table { toml::from_str(text).expect("TOML") };
    let read = |file: &str| table(&fs::read_to_string(root.join(file)).expect("there"));
    let template = read("gateway-template/gateway/cargo-generate.toml");
    let default = template["placeholders"]["profiles"]["default"].as_str().expect("text");
    let manifest = read("Cargo.toml");
    for name in ["fast", "ship"] {
        assert_eq!(table(default)["profile"][name], manifest["profile"][name], "{name}");
    }
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
        Hook::Analytics => &definition["analytics_plugin"]["func_name"],
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

/// It is told in one line that it is built, and cargo's own words come only when it cannot be.
#[test]
fn the_renderer_is_built_quietly() {
    use std::os::unix::fs::PermissionsExt;
    let here = StandIn::new();
    here.write("cargo", "#!/bin/sh\necho \"asked for: $*\" >&2\nexit 1\n");
    fs::set_permissions(here.path("cargo"), fs::Permissions::from_mode(0o755)).expect("ours");
    let mut command = program(&here, &["new", "mine", "--path", "away"]);
    let ran = Ran::of(command.env("CARGO", here.path("cargo")));
    assert_eq!(ran.code, Some(i32::from(xtask::FAILED)), "{}", ran.stderr);
    let expected = "error: the template renderer (xtask/scaffold) cannot be built; cargo says:\n    asked for: build \
                    --locked --quiet --manifest-path xtask/scaffold/Cargo.toml ";
    assert!(ran.error().starts_with(expected), "{}", ran.stderr);
    assert_eq!(ran.stderr.matches("asked for").count(), 1, "{}", ran.stderr);
    assert!(!here.path("away/mine").exists());
}

/// So that a gateway that somebody began with `cargo generate` and one that the builder wrote differ in nothing.
#[test]
fn the_builder_and_cargo_generate_render_the_same_gateway() {
    let here = StandIn::new();
    here.plugin("plugins/add-foo", "add-foo", SDK_BY_PATH);
    here.plugin("plugins/other", "other", SDK_BY_PATH);
    let plan = plan(&here.repository(), &standin::args(&["add-foo", "other"])).expect("planned");
    let generated = generate(&plan).expect("generated");
    let ours = generated.dir;

    let mut scaffold = Command::new(scaffold(&Report::silent()).expect("built"));
    scaffold.arg(Repository::of_xtask().templates()).arg("gateway").arg(here.path("")).arg("gateway");
    let known = unsettled(&plan, &generated.stage).expect("known").into_iter();
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
    for file in ["Cargo.toml", "src/main.rs", "src/plugins.rs", "src/about.rs", ".cargo/config.toml"] {
        assert_eq!(read(ours.join(file)), read(here.path("gateway").join(file)), "{file}");
    }
}
