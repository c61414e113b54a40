//! What may be typed after `cargo xtask`.

mod items;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use schemars::JsonSchema;
use serde::Deserialize;

use self::items::PluginParser;
pub use self::items::{GitReference, PluginArg, PluginArgError, Replacement};

/// The commands of this repository.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
pub struct Cli {
    /// The command.
    #[command(subcommand)]
    pub command: Command,
    /// Print events as JSON, one per line, on stdout; nothing else is printed there. What is wrong with the command line
    /// itself is told as text, on stderr.
    #[arg(long, global = true)]
    pub json: bool,
}

/// One file of this crate each.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Build a gateway with the plugins that you name.
    Build(BuildArgs),
    /// Build plugins as files that a gateway built with `--dynamic` loads.
    ///
    /// Each is named {plugin}_v{version}_{os}_{arch}.so, with the version of the gateway: files for several lie side by side.
    BuildSo(BuildSoArgs),
    /// Build a gateway and serve it on loopback: sample definitions with an echo upstream, or yours.
    ///
    /// Definitions that `--apis`, `--from-apis`, or `apis` in [build] of the manifest name are served instead of the samples.
    Run(RunArgs),
    /// As `run`; then watch sources and definitions, rebuild or reload what changes, and hand the listener over.
    ///
    /// Definitions that `--apis`, `--from-apis`, or `apis` in [build] of the manifest name are served instead of the samples.
    Dev(DevArgs),
    /// Make a crate from a template: a plugin, or with `--gateway` a gateway of your own.
    New(NewArgs),
    /// Check the names in API definitions against plugins, without compiling.
    Check(Selection),
    /// Build a gateway and write it as a container image (OCI), without a container engine.
    Image(ImageArgs),
    /// What a gateway was built from, read out of the file: also of another machine's.
    Inspect(InspectArgs),
    /// Write a `gw.toml` from a folder of API definitions and a `tyk.conf`.
    Import(ImportArgs),
    /// Download all that a build needs; `build --locked --offline` works then.
    Fetch(Selection),
    /// Move plugins to the newest versions that are asked for, and print old → new.
    Update(UpdateArgs),
    /// Write the generated crate as an ordinary project of your own.
    Eject(EjectArgs),
    /// Measure what a gateway costs, beside its budgets and other proxies; it takes about 15 minutes.
    ///
    /// Counts (instructions, system calls, packages, bytes) are the same on every machine; times are samples, told as median
    /// (lowest to highest), and compared with peers within interleaved rounds. On a machine with other work, believe the counts.
    /// Missing peers and tools are installed by xtask/bench/install-peers, from Debian's packages. Everything is on loopback.
    Bench(BenchArgs),
    /// Look for what is missing on this machine, and name the remedy.
    Doctor(DoctorArgs),
    /// Print the JSON schema of `gw.toml`, for editors.
    Schema,
}

/// Which gateway: what builds, checks and images have in common.
#[derive(Debug, Clone, Default, Args)]
pub struct Selection {
    /// Plugins, separated by commas: folders of `plugins/`, paths (`./mine`), `git+URL#TAG`, or `name@VERSION`.
    #[arg(long, value_name = "A,./B,git+URL#TAG,C@1.2", value_delimiter = ',', value_parser = PluginParser)]
    pub plugins: Vec<PluginArg>,
    /// The manifest that names plugins, profile and image; `--plugins` adds to it.
    #[arg(long, value_name = "gw.toml")]
    pub manifest: Option<PathBuf>,
    /// Choose the plugins that the API definitions in this folder name, out of `plugins/` and of those named here.
    #[arg(long, value_name = "DIR")]
    pub from_apis: Option<PathBuf>,
    /// Check the names in the API definitions of this folder against the plugins, before compiling.
    #[arg(long, value_name = "DIR", conflicts_with = "from_apis")]
    pub apis: Option<PathBuf>,
    /// Take a plugin from a folder instead, or with `gateway=DIR` the gateway from another checkout.
    #[arg(long, value_name = "NAME=DIR")]
    pub replace: Vec<Replacement>,
    /// Features of the server to switch on besides those of the manifest, separated by commas: `redis`.
    #[arg(long, value_name = "A,B", value_delimiter = ',')]
    pub features: Vec<String>,
    /// `fast` relinks in about a second; `ship` is the file that goes out. Without it: as the manifest says, or `fast`.
    #[arg(long, value_enum)]
    pub profile: Option<Profile>,
    /// A gateway that also loads plugins from files (`build-so`). It needs the C library of its system; without this it
    /// needs nothing.
    #[arg(long)]
    pub dynamic: bool,
    /// What is made is not a gateway, but a file that one loads.
    #[arg(skip)]
    pub loadable: bool,
    /// The target triple; without it, as the manifest says, or this machine's.
    #[arg(long, value_name = "TRIPLE")]
    pub target: Option<String>,
    /// Refuse versions of dependencies that the lock file does not hold.
    #[arg(long)]
    pub locked: bool,
    /// Do not use the network.
    #[arg(long)]
    pub offline: bool,
}

/// `cargo xtask build`.
#[derive(Debug, Clone, Default, Args)]
pub struct BuildArgs {
    /// Which gateway.
    #[command(flatten)]
    pub selection: Selection,
    /// Where the binary goes; without it, as the manifest says, or `dist/gateway`. `run` and `dev` put theirs into
    /// `target/gw/run/PORT/` and `target/gw/dev/PORT/`.
    #[arg(long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Build it again from copies at other places, with another `$HOME`, and compare the bytes.
    #[arg(long)]
    pub verify: bool,
}

/// `cargo xtask build-so`.
#[derive(Debug, Clone, Default, Args)]
pub struct BuildSoArgs {
    /// The plugins, each to a file: folders of `plugins/`, paths (`./mine`), `git+URL#TAG`, or `name@VERSION`.
    #[arg(
        short = 'p',
        long = "plugin",
        value_name = "A,./B,git+URL#TAG,C@1.2",
        value_delimiter = ',',
        required = true,
        value_parser = PluginParser
    )]
    pub plugins: Vec<PluginArg>,
    /// Take a plugin from a folder instead, or with `gateway=DIR` what it is built for from another checkout.
    #[arg(long, value_name = "NAME=DIR")]
    pub replace: Vec<Replacement>,
    /// `fast`, or `ship` for the file that goes out. Without it: `fast`.
    #[arg(long, value_enum)]
    pub profile: Option<Profile>,
    /// The target triple of the gateway; without it, this machine's.
    #[arg(long, value_name = "TRIPLE")]
    pub target: Option<String>,
    /// Refuse versions of dependencies that the lock file does not hold.
    #[arg(long)]
    pub locked: bool,
    /// Do not use the network.
    #[arg(long)]
    pub offline: bool,
    /// The folder that the files go to; without it, `dist/`.
    #[arg(long, value_name = "DIR")]
    pub output: Option<PathBuf>,
}

/// `cargo xtask run`.
#[derive(Debug, Clone, Args)]
pub struct RunArgs {
    /// Without plugins: every folder of `plugins/`.
    #[command(flatten)]
    pub build: BuildArgs,
    /// The port to serve on.
    #[arg(long, default_value_t = 8080, value_parser = clap::value_parser!(u16).range(1..))]
    pub port: u16,
    /// Try the samples, print the answers, and stop; with definitions of yours, stop as soon as they are served.
    #[arg(long)]
    pub once: bool,
}

/// `cargo xtask dev`.
#[derive(Debug, Clone, Args)]
pub struct DevArgs {
    /// Without plugins: every folder of `plugins/`.
    #[command(flatten)]
    pub build: BuildArgs,
    /// The port to serve on.
    #[arg(long, default_value_t = 8080, value_parser = clap::value_parser!(u16).range(1..))]
    pub port: u16,
}

/// `cargo xtask new`.
#[derive(Debug, Clone, Args)]
pub struct NewArgs {
    /// The name of the crate.
    pub name: String,
    /// Where the plugin attaches.
    #[arg(long, value_enum, default_value_t, conflicts_with = "gateway")]
    pub hook: Hook,
    /// A gateway of your own, in place of a plugin.
    #[arg(long)]
    pub gateway: bool,
    /// The folder to put it into; without it, `plugins/` of this repository, and for a gateway the current folder.
    #[arg(long, value_name = "DIR")]
    pub path: Option<PathBuf>,
}

/// `cargo xtask image`.
#[derive(Debug, Clone, Args)]
pub struct ImageArgs {
    /// Which gateway; without a profile, `ship`.
    #[command(flatten)]
    pub selection: Selection,
    /// Put this binary into the image, and build nothing; of `--manifest`, only what it says of the image is used.
    #[arg(
        long,
        value_name = "FILE",
        conflicts_with_all = ["plugins", "from_apis", "apis", "replace", "features", "profile", "target", "locked", "offline"]
    )]
    pub binary: Option<PathBuf>,
    /// Where the archive goes; without it, `dist/gateway.tar`.
    #[arg(long, value_name = "FILE.tar")]
    pub output: Option<PathBuf>,
    /// The name of the image; without it, as the manifest says, or `gateway:VERSION`.
    #[arg(long, value_name = "NAME[:TAG]")]
    pub tag: Option<String>,
}

/// `cargo xtask inspect`.
#[derive(Debug, Clone, Args)]
pub struct InspectArgs {
    /// A gateway, of any target.
    pub file: PathBuf,
    /// Print the CycloneDX SBOM.
    #[arg(long)]
    pub sbom: bool,
}

/// `cargo xtask import`.
#[derive(Debug, Clone, Args)]
pub struct ImportArgs {
    /// The folder of API definitions.
    #[arg(long, value_name = "DIR")]
    pub apis: PathBuf,
    /// The configuration of the gateway that serves them today.
    #[arg(long, value_name = "tyk.conf")]
    pub conf: Option<PathBuf>,
    /// Folders of plugin crates to look into, besides `plugins/`.
    #[arg(long, value_name = "./A,./B", value_delimiter = ',', value_parser = PluginParser)]
    pub plugins: Vec<PluginArg>,
    /// Where the manifest goes; an existing file is not overwritten.
    #[arg(long, value_name = "FILE", default_value = "gw.toml")]
    pub output: PathBuf,
}

/// `cargo xtask update`.
#[derive(Debug, Clone, Args)]
pub struct UpdateArgs {
    /// Only these plugins; without it, all of them.
    pub names: Vec<String>,
    /// Which gateway.
    #[command(flatten)]
    pub selection: Selection,
    /// Also move what plugins and gateway depend upon.
    #[arg(long)]
    pub all: bool,
}

/// `cargo xtask eject`.
#[derive(Debug, Clone, Args)]
pub struct EjectArgs {
    /// The folder to write the project to; it must not exist, or be empty.
    pub dir: PathBuf,
    /// Which gateway.
    #[command(flatten)]
    pub selection: Selection,
}

/// `cargo xtask bench`.
#[derive(Debug, Clone, Default, Args)]
pub struct BenchArgs {
    /// Only instructions and system calls per request, by valgrind and strace, and what else can be counted: a few minutes.
    #[arg(long)]
    pub counts: bool,
    /// Only times, in short rounds, to see that everything works: a minute after all is built.
    #[arg(long, conflicts_with = "counts")]
    pub quick: bool,
    /// Only whether the gateway keeps its memory and descriptors under mixed load with reloads, for so many minutes.
    #[arg(long, value_name = "MINUTES", conflicts_with_all = ["counts", "quick", "peers"], num_args = 0..=1,
        require_equals = true, default_missing_value = "5", value_parser = clap::value_parser!(u32).range(1..=1440))]
    pub soak: Option<u32>,
    /// Only what a gateway runs through under load, as the compiler counts it, for the compiler: writes xtask/recorded/.
    #[arg(long, conflicts_with_all = ["counts", "quick", "soak", "peers", "check", "gateway"])]
    pub record: bool,
    /// Exit code 1 when a count is over its budget. Times decide nothing.
    #[arg(long)]
    pub check: bool,
    /// Who is measured beside the gateway; without it, all of them.
    #[arg(long, value_enum, value_name = "A,B", value_delimiter = ',')]
    pub peers: Vec<Peer>,
    /// Measure this binary, and build none.
    #[arg(long, value_name = "BIN")]
    pub gateway: Option<PathBuf>,
}

impl BenchArgs {
    /// Who is measured beside the gateway; nobody in a soak, or where something is recorded.
    #[must_use]
    pub fn peers(&self) -> Vec<Peer> {
        if self.soak.is_some() || self.record {
            return Vec::new();
        }
        let all = || Peer::value_variants().to_vec();
        let mut peers = if self.peers.is_empty() { all() } else { self.peers.clone() };
        peers.retain(|peer| *peer != Peer::None);
        peers
    }
}

/// Another proxy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Peer {
    /// Debian's nginx.
    Nginx,
    /// The same with a header set by Lua.
    NginxLua,
    /// Debian's HAProxy.
    Haproxy,
    /// The smallest proxy made of pingora.
    Pingora,
    /// The smallest proxy made of hyper.
    Hyper,
    /// Nobody.
    None,
}

/// `cargo xtask doctor`.
#[derive(Debug, Clone, Default, Args)]
pub struct DoctorArgs {
    /// Also look for what this target needs.
    #[arg(long, value_name = "TRIPLE")]
    pub target: Option<String>,
    /// Do not use the network.
    #[arg(long)]
    pub offline: bool,
}

/// How much the compiler is asked to do.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Profile {
    /// No link-time optimization, incremental.
    #[default]
    Fast,
    /// Link-time optimization over everything, stripped.
    Ship,
}

impl Profile {
    /// The name of the profile in Cargo.toml, and of its folder.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Fast => "fast",
            Self::Ship => "ship",
        }
    }
}

/// Where a new plugin attaches.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "snake_case")]
pub enum Hook {
    /// Before everything else.
    Pre,
    /// Decides who the caller is.
    AuthCheck,
    /// When it is known who the caller is.
    PostKeyAuth,
    /// Last, just before the upstream.
    #[default]
    Post,
    /// On the way back.
    Response,
    /// On one path of an API.
    Endpoint,
    /// On what is kept of a request, once that is over.
    Analytics,
}

impl Hook {
    /// As it is written in `#[gw_plugin(hook = "…")]`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Pre => "pre",
            Self::AuthCheck => "auth_check",
            Self::PostKeyAuth => "post_key_auth",
            Self::Post => "post",
            Self::Response => "response",
            Self::Endpoint => "endpoint",
            Self::Analytics => "analytics",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plugin_that_cannot_be_understood_is_a_usage_error() {
        let error = Cli::try_parse_from(["cargo xtask", "build", "--plugins", "a,mine@one"]).expect_err("refused");
        assert_eq!(error.exit_code(), i32::from(crate::USAGE));
        assert!(error.to_string().contains("write `mine@1.2`"), "{error}");
    }

    #[test]
    fn the_port_is_one_that_can_be_asked() {
        let run = |port| Cli::try_parse_from(["cargo xtask", "run", "--port", port]);
        for port in ["0", "65536"] {
            let error = run(port).expect_err("refused");
            assert_eq!(error.exit_code(), i32::from(crate::USAGE));
            assert!(error.to_string().contains(&format!("{port} is not in 1..=65535")), "{error}");
        }
        for port in ["1", "65535"] {
            run(port).expect("accepted");
        }
    }

    #[test]
    fn an_unknown_hook_is_refused_with_the_list() {
        let error = Cli::try_parse_from(["cargo xtask", "new", "mine", "--hook", "pots"]).expect_err("refused");
        assert_eq!(error.exit_code(), i32::from(crate::USAGE));
        let text = error.to_string();
        assert!(text.contains("pre, auth_check, post_key_auth, post, response, endpoint, analytics"), "{text}");
    }

    #[test]
    fn the_names_of_hooks_and_profiles_are_those_that_can_be_typed() {
        for hook in Hook::value_variants() {
            assert_eq!(hook.to_possible_value().map(|value| value.get_name().to_owned()), Some(hook.name().to_owned()));
        }
        for profile in Profile::value_variants() {
            let typed = profile.to_possible_value().map(|value| value.get_name().to_owned());
            assert_eq!(typed, Some(profile.name().to_owned()));
        }
    }
}
