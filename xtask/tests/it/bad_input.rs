//! What is wrong with what was asked for, through the program: one message with a remedy, exit code 1 or 2, and the
//! previous output as it was.

use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use crate::graph::World;
use crate::ran::{PREVIOUS, Ran, alone, assert_kept, has_compiled, program, refused, root, xtask};
use crate::standin::{SDK_BY_PATH, StandIn, registration};

const USAGE: u8 = xtask::USAGE;
const FAILED: u8 = xtask::FAILED;

fn two_plugins() -> StandIn {
    let here = StandIn::new();
    here.plugin("plugins/add-foo", "add-foo", SDK_BY_PATH);
    here.plugin("plugins/other", "other", SDK_BY_PATH);
    here
}

fn manifest(here: &StandIn, text: &str) {
    here.write("gw.toml", text);
}

const BUILD_MANIFEST: &[&str] = &["build", "--manifest", "gw.toml", "--offline"];

#[test]
fn an_unknown_plugin_folder() {
    let here = two_plugins();
    assert_eq!(
        refused(&here, USAGE, &["build", "--plugins", "othr"]),
        "error: no plugin `othr` in plugins\n  = nearest: other\n  = there are: add-foo, other\n  = a crate elsewhere is \
         named by its path: `--plugins ./othr`"
    );
    manifest(&here, "[plugins]\nothr = { bundled = true }\n");
    let text = refused(&here, USAGE, BUILD_MANIFEST);
    assert!(text.starts_with("error: no plugin `othr` in plugins\n  = nearest: other\n"), "{text}");
    assert!(!has_compiled(&here));
}

#[test]
fn a_path_without_a_manifest() {
    let here = two_plugins();
    here.write("else/where/README.md", "");
    let said = |item: &str, dir: &str| {
        format!(
            "error: `{item}` is not a crate: there is no {dir}/Cargo.toml\n  = make one with `cargo xtask new NAME`"
        )
    };
    let text = refused(&here, FAILED, &["build", "--plugins", "other,./else/where"]);
    assert_eq!(text, said("./else/where", "./else/where"));
    let text = refused(&here, FAILED, &["build", "--plugins", "./no/where"]);
    assert_eq!(text, said("./no/where", "./no/where"));
    manifest(&here, "[plugins]\nmine = { path = \"else/where\" }\n");
    assert_eq!(refused(&here, FAILED, BUILD_MANIFEST), said("mine` of `gw.toml", "else/where"));
}

#[test]
fn a_crate_in_which_nothing_registers() {
    let here = two_plugins();
    here.write("plugins/other/src/lib.rs", "pub fn not_a_plugin() {}");
    assert_eq!(
        refused(&here, FAILED, &["build", "--plugins", "add-foo,other", "--offline"]),
        "error: plugin `other` was asked for but is not in the binary: it is linked, and nothing in it registers\n  = \
         does it have a function marked #[gw_plugin]? look into $ROOT/plugins/other/src"
    );
}

/// A plugin in a git repository, with the tag `v1` on the branch `main`.
fn repository() -> (World, String) {
    let world = World::new();
    world.here.package("repository", "mine", "0.1.0", "", "gateway-sdk = \"0.1\"");
    world.here.write("repository/src/lib.rs", &registration("mine"));
    let url = world.git("repository", "v1");
    (world, url)
}

#[test]
fn a_reference_that_is_not_in_the_repository() {
    let (World { here }, url) = repository();
    let shown = url.replace(&root(&here), "$ROOT");
    for reference in ["v9", "tag=v9", "branch=v9"] {
        let text = refused(&here, FAILED, &["build", "--plugins", &format!("git+{url}#{reference}")]);
        let expected = format!(
            "error: plugin `git+{shown}#{reference}`: the repository has no tag, branch or revision `v9`\n  = nearest: "
        );
        assert!(text.starts_with(&expected) && text.ends_with("v1"), "{text}");
    }
    // One that looks like a revision, so that only the repository itself can tell.
    let absent = "0123456789abcdef0123456789abcdef01234567";
    for reference in [absent.to_owned(), format!("rev={absent}"), "rev=0123456".to_owned()] {
        let text = refused(&here, FAILED, &["build", "--plugins", &format!("git+{url}#{reference}")]);
        let expected =
            format!("error: plugin `git+{shown}#{reference}`: the repository has no tag, branch or revision `");
        let remedy = format!("\n  = see what there is: git ls-remote {shown}");
        assert!(text.starts_with(&expected) && text.ends_with(&remedy), "{text}");
    }
    assert!(!has_compiled(&here));
    // Those that are there are found.
    for reference in ["v1", "main", "tag=v1", "branch=main"] {
        let ran = xtask(&here, &["fetch", "--plugins", &format!("git+{url}#{reference}")]);
        assert_eq!(ran.code, Some(0), "{reference}: {}", ran.stderr);
    }
}

#[test]
fn a_reference_of_a_manifest_that_is_not_in_the_repository() {
    let (World { here }, url) = repository();
    let shown = url.replace(&root(&here), "$ROOT");
    let absent = "0123456789abcdef0123456789abcdef01234567";
    for (key, name, kind) in [("tag", "v9", "tag"), ("branch", "v9", "branch"), ("rev", absent, "revision")] {
        manifest(&here, &format!("[plugins]\nmine = {{ git = {url:?}, {key} = {name:?} }}\n"));
        let expected = format!(
            "error: plugin `mine` finds no {kind} `{name}` in {shown}\n  by: mine\n  = see what there is: git ls-remote \
             {shown}\n  cargo says:\n"
        );
        let text = refused(&here, FAILED, &["build", "--manifest", "gw.toml"]);
        assert!(text.starts_with(&expected), "{text}");
        assert!(!here.path("gw.lock").exists(), "nothing is settled");
    }
}

#[test]
fn a_manifest_with_an_unknown_key() {
    let here = two_plugins();
    for (text, at, key) in [
        ("[gateway]\nversion = \"0.1.0\"\nverison = \"2\"\n", "3:1", "verison"),
        ("[plugins]\nother = { bundled = true, feature = [] }\n", "2:27", "feature"),
        ("[plugin]\n", "1:2", "plugin"),
    ] {
        manifest(&here, text);
        let said = refused(&here, USAGE, BUILD_MANIFEST);
        assert!(said.starts_with(&format!("error: gw.toml:{at}: unknown field `{key}`, expected ")), "{said}");
        assert!(said.ends_with("\n  = `cargo xtask schema` prints what may be written"), "{said}");
    }
}

#[test]
fn a_manifest_that_is_none() {
    let here = two_plugins();
    manifest(&here, "[plugins]\nother = { bundled = true\n");
    let said = refused(&here, USAGE, BUILD_MANIFEST);
    assert!(said.starts_with("error: gw.toml:2:25: unclosed inline table"), "{said}");
    assert!(said.ends_with("\n  = `cargo xtask schema` prints what may be written"), "{said}");

    let said = refused(&here, USAGE, &["build", "--manifest", "no.toml"]);
    assert!(
        said.starts_with("error: cannot read the manifest `no.toml`\n  = make one with `cargo xtask import"),
        "{said}"
    );

    manifest(&here, "[plugins]\nother = { }\n");
    let said = refused(&here, USAGE, BUILD_MANIFEST);
    assert!(said.starts_with("error: gw.toml: plugin `other` has no source\n  = write one of: "), "{said}");
}

#[test]
fn a_lock_that_does_not_match() {
    let here = two_plugins();
    manifest(&here, "[plugins]\nadd-foo = { bundled = true }\n");
    let locked = [BUILD_MANIFEST, &["--locked"]].concat();
    assert_eq!(
        refused(&here, FAILED, &locked),
        "error: --locked: there is no gw.lock\n  = run `cargo xtask fetch --manifest gw.toml` once, and commit the file"
    );
    xtask(&here, &["fetch", "--manifest", "gw.toml", "--offline"]).succeeded();
    let lock = fs::read_to_string(here.path("gw.lock")).expect("written");
    manifest(&here, "[plugins]\nother = { bundled = true }\n");
    assert_eq!(
        refused(&here, FAILED, &locked),
        "error: --locked: gw.lock does not fit what is asked for:\n  it lacks other 0.1.0\n  nothing needs add-foo \
         0.1.0\n  = build once without --locked, look at the difference, and commit it"
    );
    assert_eq!(fs::read_to_string(here.path("gw.lock")).expect("there"), lock, "it is not touched");

    here.write("gw.lock", "neither = \"closed\nnor right");
    let said = refused(&here, FAILED, BUILD_MANIFEST);
    assert!(said.starts_with("error: cannot understand `gw.lock`\n  = remove it, and it is made again\n"), "{said}");
    assert!(!has_compiled(&here));
}

#[test]
fn a_plugin_that_does_not_compile() {
    let here = two_plugins();
    here.write("plugins/other/src/lib.rs", "pub fn broken() -> u8 { \"text\" }\n");
    let said = refused(&here, FAILED, &["build", "--plugins", "add-foo,other", "--offline"]);
    assert!(said.starts_with("error: plugin `other` does not compile (plugins/other)\n    error[E0308]: "), "{said}");
    assert!(
        said.contains("--> plugins/other/src/lib.rs:1:25\n"),
        "the compiler's position is that of the file: {said}"
    );
    assert!(!said.contains("crates/other"), "where it is staged is nobody's business: {said}");
    assert!(said.ends_with("\n  = mend what the compiler names, and build again"), "{said}");
}

/// Where a crate is staged begins with `crates/`; real folders are called so too.
#[test]
fn a_plugin_in_a_folder_named_like_the_staged_ones_does_not_compile() {
    let here = two_plugins();
    here.plugin("more/crates/outer", "outer", "gateway-sdk = { path = \"../../../gateway-runtime/sdk\" }\n[workspace]");
    let sdk = "gateway-sdk = { path = \"../../../../gateway-runtime/sdk\" }\n[workspace]";
    here.plugin("more/crates/outer/inner", "inner", sdk);
    here.write("more/crates/outer/inner/src/lib.rs", "pub fn broken() -> u8 { \"text\" }\n");
    let plugins = "./more/crates/outer,./more/crates/outer/inner";
    let said = refused(&here, FAILED, &["build", "--plugins", plugins, "--offline"]);
    assert!(said.contains("--> more/crates/outer/inner/src/lib.rs:1:25\n"), "{said}");
}

#[test]
fn an_output_that_is_a_folder() {
    let here = two_plugins();
    let text = refused(&here, USAGE, &["build", "--output", "plugins/other"]);
    assert_eq!(
        text,
        "error: `$ROOT/plugins/other` is a folder\n  = name a file: `--output $ROOT/plugins/other/gateway`"
    );
    manifest(&here, "[build]\noutput = \"plugins\"\n");
    let text = refused(&here, USAGE, BUILD_MANIFEST);
    assert!(text.starts_with("error: `$ROOT/plugins` is a folder\n"), "{text}");
}

#[test]
fn an_output_below_a_file() {
    let here = two_plugins();
    here.write("file", "of somebody");
    let text = refused(&here, FAILED, &["build", "--plugins", "other", "--output", "file/gateway", "--offline"]);
    assert!(text.starts_with("error: cannot write to the folder `file`\n  = choose another: --output FILE"), "{text}");
    assert_eq!(fs::read_to_string(here.path("file")).expect("there"), "of somebody");
    assert!(!has_compiled(&here));
}

#[test]
fn a_target_that_is_unknown_or_not_installed() {
    let here = two_plugins();
    let build = |target| refused(&here, FAILED, &["build", "--plugins", "other", "--target", target, "--offline"]);
    assert_eq!(
        build("x86_64-moon-gnu"),
        "error: rustc does not know the target `x86_64-moon-gnu`\n  = see `rustc --print target-list`"
    );
    let said = "error: the standard library for `sparc64-unknown-linux-gnu` is not installed\n  = run `rustup target add \
                sparc64-unknown-linux-gnu`";
    assert_eq!(build("sparc64-unknown-linux-gnu"), said);
    manifest(&here, "[build]\ntarget = \"sparc64-unknown-linux-gnu\"\n");
    assert_eq!(refused(&here, FAILED, BUILD_MANIFEST), said);
    assert!(!has_compiled(&here));
}

#[test]
fn a_build_waits_for_another_one_and_says_so() {
    let here = two_plugins();
    here.write("target/gw/lock", "");
    let other = File::options().write(true).open(here.path("target/gw/lock")).expect("there");
    other.lock().expect("nobody has it");
    let mut child = program(&here, &["build", "--plugins", "other", "--offline"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it runs");
    let stderr = BufReader::new(child.stderr.take().expect("piped"));
    let (tell, told) = mpsc::channel();
    thread::spawn(move || stderr.lines().map_while(Result::ok).try_for_each(|line| tell.send(line)));
    let next = || told.recv_timeout(Duration::from_secs(60)).expect("it says something");
    assert!(next().starts_with("[1/7] plan … "), "what is wrong with the words is told at once");
    let first = next();
    assert_eq!(first, "waiting for another build of a gateway …", "before anything is written");
    assert_eq!(child.try_wait().expect("our child"), None, "it waits");
    assert!(!here.path("dist/gateway").exists());
    other.unlock().expect("it was ours");
    let mut last = first;
    while !last.starts_with("[7/7] place") {
        last = told.recv_timeout(Duration::from_secs(300)).unwrap_or_else(|error| panic!("{error} after: {last}"));
    }
    assert!(child.wait().expect("our child").success(), "it goes on");
    assert!(here.path("dist/gateway").is_file());
}

/// Runs the program where `folder` is a file system of its own, which a line of shell prepares as `$FOLDER`. Afterwards
/// the folder's content is copied to `seen`.
fn on_own_disk(here: &StandIn, folder: &str, options: &str, prepare: &str, args: &[&str]) -> Ran {
    fs::create_dir_all(here.path(folder)).expect("made");
    let script = format!(
        "set -e\nmount -t tmpfs -o {options} none \"$FOLDER\"\n{prepare}\ncode=0\n\"$@\" || code=$?\ncp -r \"$FOLDER\" \
         \"$SEEN\"\nexit $code\n"
    );
    let mut command = Command::new("unshare");
    alone(&mut command, here);
    // Without root, a name space in which one is root.
    let namespace: &[&str] =
        if Command::new("unshare").args(["-m", "true"]).output().is_ok_and(|tried| tried.status.success()) {
            &["-m"]
        } else {
            &["-r", "-m"]
        };
    command.args(namespace).args(["sh", "-c", &script, "sh", env!("CARGO_BIN_EXE_xtask")]).args(args);
    let _ = fs::remove_dir_all(here.path("seen"));
    let ran = Ran::of(command.env("FOLDER", here.path(folder)).env("SEEN", here.path("seen")));
    assert!(here.path("seen").is_dir(), "this test needs mount namespaces (util-linux `unshare -m`): {}", ran.stderr);
    ran
}

const WITH_PREVIOUS: &str = "printf %s \"$PREVIOUS\" > \"$FOLDER/gateway\"";

fn prepare(more: &str) -> String {
    format!("PREVIOUS='{PREVIOUS}'\n{WITH_PREVIOUS}\n{more}")
}

fn assert_seen_as_before(here: &StandIn) {
    assert_eq!(fs::read_to_string(here.path("seen/gateway")).expect("there"), PREVIOUS);
    assert_eq!(here.entries("seen"), ["gateway"], "nothing is left beside it");
}

const BUILD_OTHER: &[&str] = &["build", "--plugins", "other", "--offline"];

#[test]
fn no_space_for_the_output() {
    let here = two_plugins();
    let ran = on_own_disk(&here, "dist", "size=64k", &prepare(""), BUILD_OTHER);
    assert_eq!(ran.code, Some(i32::from(FAILED)), "{}", ran.stderr);
    assert_eq!(ran.stdout, "");
    let text = ran.error();
    assert!(text.starts_with("error: no space is left for `dist/gateway`, which needs "), "{text}");
    let remedy = "; the previous file is still there\n  = make room, or choose another disk: --output FILE";
    assert!(text.ends_with(remedy), "{text}");
    assert_seen_as_before(&here);
}

#[test]
fn no_space_for_the_work() {
    let here = two_plugins();
    here.write("dist/gateway", PREVIOUS);
    for size in ["size=8k", "size=48k", "size=160k", "size=600k"] {
        let ran = on_own_disk(&here, "target/gw", size, "", BUILD_OTHER);
        assert_eq!(ran.code, Some(i32::from(FAILED)), "{}", ran.stderr);
        let text = ran.error();
        assert!(text.to_lowercase().contains("no space "), "{size}: {text}");
        assert!(text.contains("\n  = make room on th"), "{size}: {text}");
        assert_kept(&here);
    }
}

#[test]
fn an_output_folder_that_is_read_only() {
    let here = two_plugins();
    let read_only = prepare("mount -o remount,ro \"$FOLDER\"");
    let ran = on_own_disk(&here, "dist", "size=64k", &read_only, BUILD_OTHER);
    assert_eq!(ran.code, Some(i32::from(FAILED)), "{}", ran.stderr);
    assert_eq!(ran.stdout, "");
    let said = "error: cannot write to the folder `dist`\n  = choose another: --output FILE\n  caused by: Read-only file \
                system";
    assert!(ran.error().starts_with(said), "{}", ran.error());
    assert_seen_as_before(&here);
    assert!(!has_compiled(&here), "it is known before");
}
