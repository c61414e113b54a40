//! The gateways under test. Each is built once per run, by the same steps as `cargo xtask build`.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use object::elf::{DT_NEEDED, FileHeader64, PT_INTERP};
use object::read::elf::{Dyn, FileHeader, ProgramHeader};
use xtask::cli::{BuildArgs, PluginArg, Profile, Selection};
use xtask::report::{Report, chain};
use xtask::repository::Repository;

/// The plugins of the first example in the README.
pub const EXAMPLES: [&str; 6] =
    ["add-foo-bar-header", "send-current-time", "token-auth", "hit-counter", "response-rewrite", "per-path"];

/// A gateway with every plugin of `plugins/`, with the fixtures of `tests/plugins/`, and with all parts of the server.
#[must_use]
pub fn everything() -> &'static Path {
    static BUILT: Built = OnceLock::new();
    once(&BUILT, || {
        let repository = Repository::of_xtask();
        let folders = repository.plugin_folders().expect("plugins/ can be read").into_iter().map(PluginArg::Folder);
        let fixtures = ["measured", "panics", "probe"]
            .map(|name| PluginArg::Path(repository.root().join("tests/plugins").join(name)));
        build("everything", folders.chain(fixtures).collect(), &["bundles", "otlp", "redis", "templates", "validate"])
    })
}

/// A gateway with [`EXAMPLES`] and nothing else.
#[must_use]
pub fn examples() -> &'static Path {
    static BUILT: Built = OnceLock::new();
    once(&BUILT, || {
        let plugins = EXAMPLES.map(|name| PluginArg::Folder(name.to_owned()));
        build("examples", plugins.into(), &[])
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
///
/// # Panics
/// When it says something else.
#[must_use]
pub fn profile() -> Profile {
    match std::env::var("GW_TEST_PROFILE").as_deref() {
        Ok("ship") => Profile::Ship,
        Ok("fast") | Err(_) => Profile::Fast,
        Ok(other) => panic!("GW_TEST_PROFILE is `fast` or `ship`, not `{other}`"),
    }
}

/// Where the tests of this profile keep what they make.
#[must_use]
pub fn work_dir() -> PathBuf {
    Repository::of_xtask().work_dir().join("tests").join(profile().name())
}

fn build(name: &str, plugins: Vec<PluginArg>, features: &[&str]) -> Result<PathBuf, String> {
    let repository = Repository::of_xtask();
    let output = work_dir().join(name).join("gateway");
    let features = features.iter().map(ToString::to_string).collect();
    let selection = Selection { plugins, features, profile: Some(profile()), ..Selection::default() };
    let args = BuildArgs { selection, output: Some(output.clone()), ..BuildArgs::default() };
    match xtask::build::build(&repository, &args, &Report::silent()) {
        Ok(_) => Ok(output),
        Err(error) => Err(format!("the gateway `{name}` does not build: {}", chain(&error))),
    }
}

/// Asserts that a binary names neither an interpreter nor a library.
///
/// # Panics
/// When it does, or is no ELF file of 64 bits.
pub fn assert_needs_nothing(path: &Path) {
    let data = std::fs::read(path).expect("it was built");
    let header = FileHeader64::<object::Endianness>::parse(&*data).expect("an ELF file of 64 bits");
    let endian = header.endian().expect("an order of bytes");
    for segment in header.program_headers(endian, &*data).expect("segments") {
        assert_ne!(segment.p_type(endian), PT_INTERP, "{}", path.display());
        let dynamic = segment.dynamic(endian, &*data).expect("a dynamic section");
        let mut entries = dynamic.unwrap_or_default().iter();
        assert!(!entries.any(|entry| entry.d_tag(endian) == DT_NEEDED), "{}", path.display());
    }
}
