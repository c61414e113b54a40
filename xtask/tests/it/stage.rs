//! Crates that are staged beside the generated one: what they inherit, what they name by path, and what changes in them.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::sources::checkout::{Checkout, PUBLISHED_SDK, registered, registering, write, write_plugin};

/// A crate without anything but a constant.
fn library(dir: &Path, name: &str, version: &str, dependencies: &str, code: &str) {
    write_plugin(dir, name, version, dependencies);
    write(&dir.join("src/lib.rs"), code);
}

/// What one plugin has registered in a new gateway.
fn built(here: &Checkout, dirs: &[&Path]) -> Vec<String> {
    let items: Vec<String> = dirs.iter().map(|dir| dir.display().to_string()).collect();
    here.built(&["--plugins", &items.join(",")]);
    registered(&here.path("dist/gateway"))
}

#[test]
fn what_a_plugin_inherits_from_its_own_workspace_is_filled_in() {
    let here = Checkout::new();
    here.world.published("lib", "1.0.0", "[features]\nextra = []\nmore = []", "");
    let lib = here.path("registry/lib-1.0.0/src/lib.rs");
    write(&lib, "pub const BOTH: bool = cfg!(all(feature = \"extra\", feature = \"more\"));");
    here.write(
        "space/Cargo.toml",
        "[workspace]\nmembers = [\"mine\"]\n\
         [workspace.package]\nversion = \"4.5.6\"\nedition = \"2024\"\nrust-version = \"1.85\"\nlicense = \"MIT\"\n\
         [workspace.dependencies]\ngateway-sdk = \"0.1\"\nlib = { version = \"1\", features = [\"extra\"] }\n\
         beside = { path = \"beside\" }\n\
         [workspace.lints.rust]\nunused_variables = \"deny\"\n",
    );
    let mine = here.away("space/mine");
    write(
        &mine.join("Cargo.toml"),
        "[package]\nname = \"mine\"\nversion.workspace = true\nedition.workspace = true\nrust-version.workspace = true\n\
         license = { workspace = true }\n[dependencies]\ngateway-sdk.workspace = true\nbeside = { workspace = true }\n\
         lib = { workspace = true, features = [\"more\"] }\n[lints]\nworkspace = true\n",
    );
    // A path of the workspace is relative to the workspace. Let chains: there are none before edition 2024.
    library(&here.away("space/beside"), "beside", "0.1.0", "", "pub const HERE: Option<u8> = Some(7);");
    let code = format!(
        "const _: () = assert!(lib::BOTH);\npub fn here() -> bool {{ if let Some(seven) = beside::HERE && seven == 7 {{ true }} \
         else {{ false }} }}\n{}",
        registering("\"Name\"")
    );
    write(&mine.join("src/lib.rs"), &code);
    assert_eq!(here.built(&["--plugins", &mine.display().to_string()]), "mine 4.5.6");

    // Its own lints count, too.
    write(&mine.join("src/lib.rs"), &format!("pub fn f() {{ let unused = 1; }}\n{code}"));
    let message = here.xtask(&["build", "--plugins", &mine.display().to_string()]).refused(xtask::FAILED);
    assert!(message.starts_with("plugin `mine` does not compile ($AWAY/space/mine)\n"), "{message}");
    assert!(message.contains("unused variable: `unused`"), "{message}");
    assert!(message.contains("$AWAY/space/mine/src/lib.rs:1:"), "the file is named where it is: {message}");
}

#[test]
fn what_is_not_in_the_workspace_is_named() {
    let here = Checkout::new();
    here.write("space/Cargo.toml", "[workspace]\nmembers = [\"mine\"]\n");
    let dir = here.away("space/mine");
    write_plugin(&dir, "mine", "0.1.0", &format!("{PUBLISHED_SDK}\nlib.workspace = true"));
    let message = here.xtask(&["build", "--plugins", &dir.display().to_string()]).refused(xtask::FAILED);
    assert!(message.contains("lib") && message.contains("workspace"), "{message}");
}

#[test]
fn relative_path_dependencies_are_followed_as_far_as_they_go() {
    let here = Checkout::new();
    let mine = here.plugin("a/mine", "mine", "0.1.0");
    write_plugin(&mine, "mine", "0.1.0", &format!("{PUBLISHED_SDK}\nnear = {{ path = \"../../b/near\" }}"));
    library(
        &here.away("b/near"),
        "near",
        "0.1.0",
        "far = { path = \"../c/d/far\" }",
        "pub const SUM: u8 = far::VALUE + 1;",
    );
    library(&here.away("b/c/d/far"), "far", "0.1.0", "", "pub const VALUE: u8 = 41;");
    let code = registering("\"Name\"");
    write(&mine.join("src/lib.rs"), &format!("const _: () = assert!(near::SUM == 42);\n{code}"));
    assert_eq!(built(&here, &[&mine]), ["mine::Name"]);

    // What is edited at the far end is compiled.
    write(&here.away("b/c/d/far/src/lib.rs"), "pub const VALUE: u8 = 1;");
    let message = here.xtask(&["build", "--plugins", &mine.display().to_string()]).refused(xtask::FAILED);
    assert!(message.starts_with("plugin `mine` does not compile"), "{message}");

    fs::remove_dir_all(here.away("b/c/d/far")).expect("removed");
    let message = here.xtask(&["build", "--plugins", &mine.display().to_string()]).refused(xtask::FAILED);
    assert!(message.contains("far/Cargo.toml`, on which `near` depends by path"), "{message}");
}

#[test]
fn two_crates_of_one_name_are_two_crates() {
    let here = Checkout::new();
    let mut dirs = Vec::new();
    for (name, version, value) in [("one", "0.1.0", 1), ("two", "0.2.0", 2)] {
        let dir = here.away(&format!("{name}/plugin"));
        write_plugin(&dir, name, "0.1.0", &format!("{PUBLISHED_SDK}\nutil = {{ path = \"../util\" }}"));
        let code = registering("\"Name\"");
        write(&dir.join("src/lib.rs"), &format!("const _: () = assert!(util::VALUE == {value});\n{code}"));
        let value = format!("pub const VALUE: u8 = {value};");
        library(&here.away(&format!("{name}/util")), "util", version, "", &value);
        dirs.push(dir);
    }
    assert_eq!(built(&here, &[&dirs[0], &dirs[1]]), ["one::Name", "two::Name"]);

    // Unless they are also of one version: then no lock file can hold both.
    library(&here.away("two/util"), "util", "0.1.0", "", "");
    let items = format!("{},{}", dirs[0].display(), dirs[1].display());
    let message = here.xtask(&["build", "--plugins", &items]).refused(xtask::FAILED);
    assert_eq!(
        message,
        "two crates are `util 0.1.0`, and cargo cannot tell them apart: $AWAY/one/util and $AWAY/two/util\n  = give one of \
         them another version or name"
    );
}

#[test]
fn a_library_may_be_anywhere_and_read_what_is_beside_its_manifest() {
    let here = Checkout::new();
    let within = here.plugin("within", "within", "0.1.0");
    let outside = here.plugin("outside", "outside", "0.1.0");
    for (dir, path) in [(&within, "code/entry.rs"), (&outside, "../shared-code/entry.rs")] {
        let manifest = fs::read_to_string(dir.join("Cargo.toml")).expect("there");
        write(&dir.join("Cargo.toml"), &format!("{manifest}[lib]\npath = \"{path}\"\n"));
        fs::remove_dir_all(dir.join("src")).expect("removed");
        write(&dir.join("README.md"), "Read me");
    }
    write(&within.join("code/entry.rs"), &registering("include_str!(\"../README.md\")"));
    here.write("shared-code/entry.rs", "mod deeper;");
    here.write("shared-code/deeper.rs", &registering("\"Outside\""));
    assert_eq!(built(&here, &[&within, &outside]), ["outside::Outside", "within::Read me"]);
    write(&within.join("README.md"), "Read me again");
    assert_eq!(built(&here, &[&within]), ["within::Read me again"]);
}

#[test]
fn a_build_script_runs_and_finds_its_files() {
    let here = Checkout::new();
    let dir = here.plugin("mine", "mine", "0.1.0");
    let manifest = fs::read_to_string(dir.join("Cargo.toml")).expect("there");
    write(&dir.join("Cargo.toml"), &format!("{manifest}[build-dependencies]\nhelp = {{ path = \"../help\" }}\n"));
    library(&here.away("help"), "help", "0.1.0", "", "pub const PREFIX: &str = \"said \";");
    write(&dir.join("data/name.txt"), "by data");
    let script = "fn main() {\n    let text = std::fs::read_to_string(\"data/name.txt\").unwrap();\n    \
                  println!(\"cargo::rerun-if-changed=data\");\n    \
                  println!(\"cargo::rustc-env=GENERATED={}{text}\", help::PREFIX);\n}\n";
    write(&dir.join("build.rs"), script);
    write(&dir.join("src/lib.rs"), &registering("env!(\"GENERATED\")"));
    assert_eq!(built(&here, &[&dir]), ["mine::said by data"]);
    write(&dir.join("data/name.txt"), "by other data");
    assert_eq!(built(&here, &[&dir]), ["mine::said by other data"]);
}

#[test]
fn what_only_tests_and_examples_need_does_not_matter() {
    let here = Checkout::new();
    let dir = here.plugin("mine", "mine", "0.1.0");
    let manifest = fs::read_to_string(dir.join("Cargo.toml")).expect("there");
    let more = "[dev-dependencies]\nno-such-crate-of-anybody = \"9\"\nnowhere = { path = \"../nowhere\" }\n\
                [[test]]\nname = \"slow\"\npath = \"elsewhere/slow.rs\"\n";
    write(&dir.join("elsewhere/slow.rs"), "");
    write(&dir.join("Cargo.toml"), &(manifest + more));
    assert_eq!(built(&here, &[&dir]), ["mine::Name"]);
}

#[test]
fn dependencies_of_the_target_are_followed() {
    let here = Checkout::new();
    let dir = here.plugin("mine", "mine", "0.1.0");
    let manifest = fs::read_to_string(dir.join("Cargo.toml")).expect("there");
    let more = "[target.'cfg(unix)'.dependencies]\nnear = { path = \"../near\" }\n\
                [target.'cfg(windows)'.dependencies]\nother = { path = \"../other\" }\n";
    write(&dir.join("Cargo.toml"), &(manifest + more));
    library(&here.away("near"), "near", "0.1.0", "", "pub const VALUE: u8 = 3;");
    library(&here.away("other"), "other", "0.1.0", "", "compile_error!(\"not here\");");
    let code = registering("\"Name\"");
    write(&dir.join("src/lib.rs"), &format!("const _: () = assert!(near::VALUE == 3);\n{code}"));
    assert_eq!(built(&here, &[&dir]), ["mine::Name"]);
}

#[test]
fn a_file_that_is_deleted_is_gone_from_the_stage() {
    let here = Checkout::new();
    let dir = here.plugin("mine", "mine", "0.1.0");
    let code = |name: &str| format!("const _: &str = include_str!(\"../{name}\");\n{}", registering("\"Name\""));
    write(&dir.join("notes.txt"), "");
    write(&dir.join("src/lib.rs"), &code("notes.txt"));
    built(&here, &[&dir]);
    fs::remove_file(dir.join("notes.txt")).expect("removed");
    let message = here.xtask(&["build", "--plugins", &dir.display().to_string()]).refused(xtask::FAILED);
    assert!(message.starts_with("plugin `mine` does not compile"), "{message}");
    assert!(staged(&here, "mine").iter().all(|name| name != "notes.txt"), "{:?}", staged(&here, "mine"));
}

#[test]
fn a_crate_that_is_not_needed_any_more_is_gone_from_the_stage() {
    let here = Checkout::new();
    let dir = here.away("mine");
    write_plugin(&dir, "mine", "0.1.0", &format!("{PUBLISHED_SDK}\nnear = {{ path = \"../near\" }}"));
    library(&here.away("near"), "near", "0.1.0", "", "");
    built(&here, &[&dir]);
    assert!(!staged(&here, "near").is_empty());
    write_plugin(&dir, "mine", "0.1.0", PUBLISHED_SDK);
    built(&here, &[&dir]);
    assert!(staged(&here, "near").is_empty());
}

/// What is in the folder of a staged crate, in the only gateway that there is.
fn staged(here: &Checkout, package: &str) -> Vec<String> {
    let mut gateways = here.world.here.entries("target/gw").into_iter().filter(|name| name.len() == 12);
    let folder = format!("target/gw/{}/crates/{package}", gateways.next_back().expect("built"));
    if here.path(&folder).is_dir() { here.world.here.entries(&folder) } else { Vec::new() }
}

/// To cargo, a crate whose files are older than what was compiled is fresh: in one target folder, the same name and
/// version in the same place is the same crate.
#[test]
fn the_same_plugin_from_another_folder_is_compiled_anew_although_its_files_are_older() {
    let here = Checkout::new();
    let dirs = ["old", "new"].map(|folder| {
        let dir = here.plugin(folder, "mine", "0.1.0");
        write(&dir.join("src/lib.rs"), &registering(&format!("{folder:?}")));
        dir
    });
    for file in ["Cargo.toml", "src/lib.rs", "src", "."] {
        let old =
            Command::new("touch").args(["-d", "2001-02-03"]).arg(dirs[0].join(file)).status().expect("touch runs");
        assert!(old.success());
    }
    assert_eq!(built(&here, &[&dirs[1]]), ["mine::new"]);
    assert_eq!(built(&here, &[&dirs[0]]), ["mine::old"]);
    assert_eq!(built(&here, &[&dirs[1]]), ["mine::new"]);
    assert_eq!(built(&here, &[&dirs[0]]), ["mine::old"]);
}

/// The same of what a plugin depends upon, and of a build script, which is compiled for this machine.
#[test]
fn so_is_what_it_depends_upon() {
    let here = Checkout::new();
    let dirs = ["old", "new"].map(|folder| {
        let dir = here.away(&format!("{folder}/mine"));
        write_plugin(
            &dir,
            "mine",
            "0.1.0",
            &format!("{PUBLISHED_SDK}\n[build-dependencies]\nhelp = {{ path = \"../help\" }}"),
        );
        write(&dir.join("build.rs"), "fn main() { println!(\"cargo::rustc-env=NAME={}\", help::NAME); }");
        write(&dir.join("src/lib.rs"), &registering("env!(\"NAME\")"));
        library(
            &here.away(&format!("{folder}/help")),
            "help",
            "0.1.0",
            "",
            &format!("pub const NAME: &str = {folder:?};"),
        );
        dir
    });
    for file in ["mine/Cargo.toml", "mine/build.rs", "mine/src/lib.rs", "help/Cargo.toml", "help/src/lib.rs"] {
        let file = here.away("old").join(file);
        assert!(Command::new("touch").args(["-d", "2001-02-03"]).arg(file).status().expect("touch runs").success());
    }
    assert_eq!(built(&here, &[&dirs[1]]), ["mine::new"]);
    assert_eq!(built(&here, &[&dirs[0]]), ["mine::old"]);
}
