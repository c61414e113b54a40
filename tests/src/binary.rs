//! The gateways under test. Each is built once per run, by the same steps as `cargo xtask build`.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use xtask::cli::{BuildArgs, PluginArg, Profile};
use xtask::report::Report;
use xtask::repository::Repository;

/// The plugins of the first example in the README.
pub const EXAMPLES: [&str; 6] =
    ["add-foo-bar-header", "send-current-time", "token-auth", "hit-counter", "response-rewrite", "per-path"];

/// A gateway with every plugin of `plugins/`, and with the fixtures of `tests/plugins/`.
#[must_use]
pub fn everything() -> &'static Path {
    static BUILT: Built = OnceLock::new();
    once(&BUILT, || {
        let repository = Repository::of_xtask();
        let folders = repository.plugin_folders().expect("plugins/ can be read").into_iter().map(PluginArg::Folder);
        let fixtures =
            ["panics", "probe"].map(|name| PluginArg::Path(repository.root().join("tests/plugins").join(name)));
        build("everything", folders.chain(fixtures).collect(), profile())
    })
}

/// A gateway with [`EXAMPLES`] and nothing else.
#[must_use]
pub fn examples() -> &'static Path {
    static BUILT: Built = OnceLock::new();
    once(&BUILT, || {
        let plugins = EXAMPLES.map(|name| PluginArg::Folder(name.to_owned()));
        build("examples", plugins.into(), profile())
    })
}

/// A gateway, or why there is none.
type Built = OnceLock<Result<PathBuf, String>>;

/// Builds at the first call. A build that fails is not tried again: the first test tells why, the others that it did.
fn once(built: &'static Built, build: impl FnOnce() -> Result<PathBuf, String>) -> &'static Path {
    let mut tells = false;
    let built = built.get_or_init(|| {
        tells = true;
        build()
    });
    match built {
        Ok(path) => path,
        Err(reason) if tells => panic!("{reason}"),
        Err(reason) => panic!("{} …", reason.lines().next().unwrap_or_default()),
    }
}

/// `fast`, unless `GW_TEST_PROFILE` says `ship`.
fn profile() -> Profile {
    match std::env::var("GW_TEST_PROFILE").as_deref() {
        Ok("ship") => Profile::Ship,
        Ok("fast") | Err(_) => Profile::Fast,
        Ok(other) => panic!("GW_TEST_PROFILE is `fast` or `ship`, not `{other}`"),
    }
}

fn build(name: &str, plugins: Vec<PluginArg>, profile: Profile) -> Result<PathBuf, String> {
    let repository = Repository::of_xtask();
    let output = repository.work_dir().join("tests").join(profile.name()).join(name).join("gateway");
    let args = BuildArgs { plugins, profile, output: Some(output.clone()), ..BuildArgs::default() };
    match xtask::build::build(&repository, &args, &Report::silent()) {
        Ok(_) => Ok(output),
        Err(error) => Err(format!("the gateway `{name}` does not build: {}", with_causes(&error))),
    }
}

fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(&format!(": {error}"));
        cause = error.source();
    }
    text
}
