//! The versions of a gateway: `gw.lock`, `--locked`, `update`, `fetch`, and what `--replace` puts in their place.

use std::fs;

use crate::sources::checkout::{Checkout, Git, says, write, write_plugin};

/// A project with a plugin of each kind that can move, and one that cannot.
fn project(here: &Checkout) -> (String, Git) {
    let git = here.git_plugin("moving");
    here.plugin("mine", "mine", "0.1.0");
    here.published("published", "1.2.0");
    let manifest = here.manifest(&format!(
        "[plugins]\nmine = {{ path = \"../mine\" }}\nmoving = {{ git = \"{}\", branch = \"main\" }}\npublished = \"1.2\"\n",
        git.url()
    ));
    (manifest, git)
}

/// The twelve letters of a commit that people see.
fn short(commit: &str) -> &str {
    &commit[..12]
}

#[test]
fn the_lock_is_written_once_and_then_stays_as_it_is() {
    let here = Checkout::new();
    let (manifest, git) = project(&here);
    here.built(&["--manifest", &manifest]);
    let lock = here.lock();
    for name in ["mine", "moving", "published", "gateway-sdk"] {
        assert!(lock.contains(&format!("name = \"{name}\"\n")), "{lock}");
    }
    assert!(lock.contains(&git.run(&["rev-parse", "HEAD"])), "{lock}");
    let binary = fs::read(here.away("project/dist/gateway")).expect("built");
    here.built(&["--manifest", &manifest]);
    assert_eq!(here.lock(), lock);
    assert_eq!(fs::read(here.away("project/dist/gateway")).expect("built"), binary);
}

#[test]
fn locked_without_a_lock_is_refused() {
    let here = Checkout::new();
    let (manifest, _) = project(&here);
    let message = here.xtask(&["build", "--locked", "--manifest", &manifest]).refused(xtask::FAILED);
    assert_eq!(
        message,
        "--locked: there is no $AWAY/project/gw.lock\n  = run `cargo xtask fetch --manifest $AWAY/project/gw.toml` once, and \
         commit the file"
    );
    assert!(!here.away("project/gw.lock").exists());
}

#[test]
fn locked_refuses_a_lock_that_lacks_something_and_one_that_has_too_much() {
    let here = Checkout::new();
    let (manifest, _) = project(&here);
    here.built(&["--manifest", &manifest]);
    here.write("project/dist/gateway", "previous");
    let full = here.lock();
    let refused = |lock: &str, expected: &str| {
        here.write("project/gw.lock", lock);
        let message = here.xtask(&["build", "--locked", "--manifest", &manifest]).refused(xtask::FAILED);
        assert_eq!(
            message,
            format!(
                "--locked: $AWAY/project/gw.lock does not fit what is asked for:\n  {expected}\n  = build once without \
                 --locked, look at the difference, and commit it"
            )
        );
        assert_eq!(here.lock(), lock, "the lock is as it was");
        assert_eq!(fs::read_to_string(here.away("project/dist/gateway")).expect("there"), "previous");
    };
    let entries: Vec<&str> = full.split("\n[[package]]\n").collect();
    let without: Vec<&str> =
        entries.iter().filter(|entry| !entry.starts_with("name = \"published\"")).copied().collect();
    let lacks = without.join("\n[[package]]\n").replace(" \"published\",\n", "");
    refused(&lacks, "it lacks published 1.2.0");
    refused(&format!("{full}\n[[package]]\nname = \"zzz\"\nversion = \"1.0.0\"\n"), "nothing needs zzz 1.0.0");

    here.write("project/gw.lock", &full);
    assert_eq!(here.built(&["--locked", "--manifest", &manifest]), "mine 0.1.0, moving 3.0.0, published 1.2.0");
    assert_eq!(here.lock(), full);
}

#[test]
fn a_lock_that_is_none_is_named() {
    let here = Checkout::new();
    let (manifest, _) = project(&here);
    here.write("project/gw.lock", "<<<<<<< HEAD\n");
    let message = here.xtask(&["build", "--manifest", &manifest]).refused(xtask::FAILED);
    assert!(message.contains("`$AWAY/project/gw.lock`"), "{message}");
    assert!(message.contains("\n  = remove it, and it is made again"), "{message}");
    assert_eq!(here.lock(), "<<<<<<< HEAD\n");
}

#[test]
fn nothing_moves_until_update_which_says_what_has_moved() {
    let here = Checkout::new();
    let (manifest, git) = project(&here);
    here.built(&["--manifest", &manifest]);
    let old = git.run(&["rev-parse", "HEAD"]);
    let new = git.release("moving", "3.1.0");
    here.published("published", "1.4.0");
    here.published("published", "2.0.0");
    let before = here.lock();
    assert_eq!(here.built(&["--manifest", &manifest]), "mine 0.1.0, moving 3.0.0, published 1.2.0");
    assert_eq!(here.lock(), before);

    let said = here.xtask(&["update", "--manifest", &manifest]).succeeded();
    assert_eq!(
        said.stdout,
        format!(
            "moving 3.0.0 ({}) → 3.1.0 ({})\npublished 1.2.0 → 1.4.0\nmine stays: 0.1.0, from its folder\n",
            short(&old),
            short(&new)
        )
    );
    assert!(here.lock().contains(&new), "the lock has moved");
    assert_eq!(here.built(&["--locked", "--manifest", &manifest]), "mine 0.1.0, moving 3.1.0, published 1.4.0");

    let said = here.xtask(&["update", "--manifest", &manifest]).succeeded();
    assert_eq!(
        said.stdout,
        "mine stays: 0.1.0, from its folder\nmoving stays: it is the newest of branch=main\npublished stays: it is the \
         newest of `^1.2`\n"
    );
}

#[test]
fn update_of_one_plugin_leaves_the_others() {
    let here = Checkout::new();
    let (manifest, git) = project(&here);
    here.built(&["--manifest", &manifest]);
    git.release("moving", "3.1.0");
    here.published("published", "1.4.0");
    let said = here.xtask(&["update", "published", "--manifest", &manifest]).succeeded();
    assert!(said.stdout.starts_with("published 1.2.0 → 1.4.0\n"), "{}", said.stdout);
    assert_eq!(here.built(&["--manifest", &manifest]), "mine 0.1.0, moving 3.0.0, published 1.4.0");
    // What was not asked about has not been looked at: it may well not be the newest.
    assert!(!said.stdout.contains("moving stays: it is the newest"), "{}", said.stdout);

    let lock = here.lock();
    let message = here.xtask(&["update", "publishd", "--manifest", &manifest]).refused(xtask::USAGE);
    assert_eq!(message, "no plugin `publishd` is asked for; there are: mine, moving, published");
    assert_eq!(here.lock(), lock);
}

#[test]
fn what_has_moved_is_an_event_each() {
    let here = Checkout::new();
    let (manifest, _) = project(&here);
    here.built(&["--manifest", &manifest]);
    here.published("published", "1.4.0");
    let said = here.xtask(&["--json", "update", "--manifest", &manifest]).succeeded();
    let events = said.stdout.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).expect("JSON"));
    let moved: Vec<_> = events.filter(|event| event.to_string().contains("\"1.4.0\"")).collect();
    assert_eq!(moved.len(), 1, "{}", said.stdout);
    assert!(moved[0].to_string().contains("\"published\"") && moved[0].to_string().contains("\"1.2.0\""));
}

#[test]
fn what_was_fetched_is_built_without_the_repository_and_the_network() {
    let here = Checkout::new();
    let (manifest, git) = project(&here);
    let said = here.xtask(&["fetch", "--manifest", &manifest]).succeeded();
    assert!(said.stdout.ends_with(" packages are here, in the versions of $AWAY/project/gw.lock\n"), "{}", said.stdout);
    let lock = here.lock();
    fs::rename(&git.dir, here.away("gone")).expect("moved away");
    let args = ["build", "--locked", "--offline", "--manifest", &manifest];
    let said = here.without_network(&args).succeeded();
    assert!(said.stdout.ends_with("plugins: mine 0.1.0, moving 3.0.0, published 1.2.0\n"), "{}", said.stdout);
    assert_eq!(here.lock(), lock);

    // Another checkout of the same project, whose cargo has nothing yet.
    fs::rename(here.path("cargo-home"), here.path("other-home")).expect("moved away");
    fs::remove_dir_all(here.path("target")).expect("removed");
    let message = here.without_network(&args).refused(xtask::FAILED);
    assert!(message.contains("moving"), "{message}");
    fs::remove_dir_all(here.path("cargo-home")).expect("cargo made a new one");
    fs::rename(here.path("other-home"), here.path("cargo-home")).expect("back again");
    here.without_network(&args).succeeded();
    assert_eq!(here.lock(), lock);
}

#[test]
fn a_plugin_is_replaced_by_a_folder() {
    let here = Checkout::new();
    let (manifest, _) = project(&here);
    here.plugin("edited", "published", "9.0.0");
    let replace = format!("published={}", here.away("edited").display());
    let build = |replace: &str| here.xtask(&["build", "--manifest", &manifest, "--replace", replace]);
    let said = build(&replace).succeeded();
    assert!(said.stdout.ends_with("plugins: mine 0.1.0, moving 3.0.0, published 9.0.0\n"), "{}", said.stdout);

    let message = build(&replace.replace("published=", "publishd=")).refused(xtask::USAGE);
    assert_eq!(
        message,
        "--replace publishd: no plugin of that name is asked for; there are: mine, moving, published\n  = or `gateway`, for \
         the server itself"
    );
    let message = build(&replace.replace("published=", "moving=")).refused(xtask::FAILED);
    assert_eq!(
        message,
        "--replace moving: the crate in $AWAY/edited is `published`\n  = name a folder whose package is `moving`"
    );
    let message = build(&format!("published={}", here.away("nowhere").display())).refused(xtask::FAILED);
    assert!(message.starts_with("`$AWAY/nowhere` is not a crate: there is no "), "{message}");
}

/// A plugin of this machine can be replaced as well as one from elsewhere.
#[test]
fn the_server_is_replaced_by_another_checkout() {
    let (here, other) = (Checkout::new(), Checkout::new());
    other.is_release("0.1.7");
    here.plugin("mine", "mine", "0.1.0");
    here.bundled("a");
    write_plugin(&here.away("copy"), "a", "0.5.0", "gateway-sdk = \"0.1\"");
    let (mine, copy) = (here.away("mine").display().to_string(), here.away("copy").display().to_string());
    let replace = format!("gateway={}", other.path("").display());
    let plugins = format!("a,{mine}");
    let linked = here.built(&["--plugins", &plugins, "--replace", &replace, "--replace", &format!("a={copy}")]);
    assert_eq!(linked, "a 0.5.0, mine 0.1.0");
    let about = says(&here.path("dist/gateway"));
    assert!(about.contains("0.1.7"), "{about}");
    assert!(!says_without(&here, &plugins).contains("0.1.7"));

    // A bundled plugin names the SDK of its own checkout, and gets the one of the other.
    assert_eq!(here.built(&["--plugins", "a", "--replace", &replace]), "a 0.1.0");

    write(&here.away("empty/README.md"), "");
    let message = here
        .xtask(&["build", "--replace", &format!("gateway={}", here.away("empty").display())])
        .refused(xtask::FAILED);
    assert_eq!(
        message,
        "`$AWAY/empty` is no checkout of the gateway: there is no gateway-runtime/Cargo.toml\n  = name the root of one"
    );
}

fn says_without(here: &Checkout, plugins: &str) -> String {
    here.built(&["--plugins", plugins]);
    says(&here.path("dist/gateway"))
}

#[test]
fn what_cannot_be_updated_is_told_before_anything_is_written() {
    let here = Checkout::new();
    here.bundled("a");
    let manifest = here.manifest("[plugins]\na = { bundled = true }\n");
    let message = here.xtask(&["update", "bogus", "--manifest", &manifest]).refused(xtask::USAGE);
    assert_eq!(message, "no plugin `bogus` is asked for; there are: a");
    let message = here.xtask(&["update", "bogus"]).refused(xtask::USAGE);
    assert_eq!(message, "no plugin `bogus` is asked for; there are none\n  = name some with --plugins, or a manifest");
    let nothing = "nothing to update: no plugins are asked for; name some with --plugins, or a manifest\n";
    assert_eq!(here.xtask(&["update"]).succeeded().stdout, nothing);
    assert!(!here.away("project/gw.lock").exists() && !here.path("target/gw").exists());
    let said = here.xtask(&["update", "--all"]).succeeded();
    assert_eq!(said.stdout, "nothing to update: all of it is the newest that fits\n");
}
