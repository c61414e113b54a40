//! What may be typed after `cargo xtask`.

use std::path::PathBuf;
use std::str::FromStr;

use clap::{Args, Parser, Subcommand, ValueEnum};
use thiserror::Error;

/// The commands of this repository.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
pub struct Cli {
    /// The command.
    #[command(subcommand)]
    pub command: Command,
}

/// One file of this crate each.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Build a gateway with the plugins that you name.
    Build(BuildArgs),
    /// Build a gateway and serve sample definitions, with an echo upstream on loopback.
    Run(RunArgs),
    /// Make a plugin crate.
    New(NewArgs),
}

/// `cargo xtask build`.
#[derive(Debug, Clone, Default, Args)]
pub struct BuildArgs {
    /// Plugins, separated by commas: folders of `plugins/`, or paths (`./mine`, `/src/mine`).
    #[arg(long, value_name = "A,./B", value_delimiter = ',')]
    pub plugins: Vec<PluginArg>,
    /// `fast` relinks in about a second; `ship` is the file that goes out.
    #[arg(long, value_enum, default_value_t)]
    pub profile: Profile,
    /// The target triple; without it, this machine's.
    #[arg(long, value_name = "TRIPLE")]
    pub target: Option<String>,
    /// Refuse versions of dependencies that the lock file does not hold.
    #[arg(long)]
    pub locked: bool,
    /// Do not use the network.
    #[arg(long)]
    pub offline: bool,
    /// Where the binary goes; without it, `dist/gateway` (for `run`: `target/gw/run/PORT/gateway`).
    #[arg(long, value_name = "FILE")]
    pub output: Option<PathBuf>,
}

/// `cargo xtask run`.
#[derive(Debug, Clone, Args)]
pub struct RunArgs {
    /// Without `--plugins`: every folder of `plugins/`.
    #[command(flatten)]
    pub build: BuildArgs,
    /// The port to serve on.
    #[arg(long, default_value_t = 8080, value_parser = clap::value_parser!(u16).range(1..))]
    pub port: u16,
    /// Try the samples, print the answers, and stop.
    #[arg(long)]
    pub once: bool,
}

/// `cargo xtask new`.
#[derive(Debug, Clone, Args)]
pub struct NewArgs {
    /// The name of the crate.
    pub name: String,
    /// Where the plugin attaches.
    #[arg(long, value_enum, default_value_t)]
    pub hook: Hook,
    /// The folder to put it into; without it, `plugins/` of this repository.
    #[arg(long, value_name = "DIR")]
    pub path: Option<PathBuf>,
}

/// How much the compiler is asked to do.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
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
        }
    }
}

/// One item of `--plugins`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PluginArg {
    /// A folder of `plugins/`.
    Folder(String),
    /// A path, relative to the current directory.
    Path(PathBuf),
}

/// Why an item of `--plugins` cannot be understood.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum PluginArgError {
    /// `a,,b`
    #[error("a name is empty; write `--plugins a,b`")]
    Empty,
    /// `git+https://…`
    #[error("plugins from git are not supported yet; clone it and use a path, such as `./{}`", last_segment(.0))]
    Git(String),
    /// `name@1.2`
    #[error("plugins from a registry are not supported yet; use a path, such as `./{}`", .0.split('@').next().unwrap_or_default())]
    Registry(String),
}

impl FromStr for PluginArg {
    type Err = PluginArgError;

    fn from_str(item: &str) -> Result<Self, Self::Err> {
        let item = item.trim();
        let is_path = item.starts_with('.') || item.contains('/');
        if item.is_empty() {
            Err(PluginArgError::Empty)
        } else if item.starts_with("git+") || item.contains("://") {
            Err(PluginArgError::Git(item.to_owned()))
        } else if is_path {
            Ok(Self::Path(PathBuf::from(item)))
        } else if item.contains('@') {
            Err(PluginArgError::Registry(item.to_owned()))
        } else {
            Ok(Self::Folder(item.to_owned()))
        }
    }
}

fn last_segment(url: &str) -> &str {
    let path = url.split(['#', '?']).next().unwrap_or_default().trim_end_matches('/');
    path.rsplit('/').next().unwrap_or_default().trim_end_matches(".git")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(item: &str) -> Result<PluginArg, String> {
        item.parse().map_err(|error: PluginArgError| error.to_string())
    }

    #[test]
    fn an_item_without_a_separator_is_a_folder_of_plugins() {
        assert_eq!(parse("add-foo"), Ok(PluginArg::Folder("add-foo".into())));
        assert_eq!(parse(" add-foo "), Ok(PluginArg::Folder("add-foo".into())));
    }

    #[test]
    fn an_item_with_a_separator_or_a_leading_dot_is_a_path() {
        for item in ["./dir", ".", "..", "/abs/dir", "a/b", "./with@sign"] {
            assert_eq!(parse(item), Ok(PluginArg::Path(item.into())));
        }
    }

    #[test]
    fn other_sources_are_refused_with_what_to_use_instead() {
        assert_eq!(
            parse("git+https://example.com/x/mine.git#v1"),
            Err("plugins from git are not supported yet; clone it and use a path, such as `./mine`".into())
        );
        assert_eq!(
            parse("mine@1.2"),
            Err("plugins from a registry are not supported yet; use a path, such as `./mine`".into())
        );
        assert_eq!(parse(""), Err("a name is empty; write `--plugins a,b`".into()));
    }

    #[test]
    fn a_plugin_that_cannot_be_understood_is_a_usage_error() {
        let error = Cli::try_parse_from(["cargo xtask", "build", "--plugins", "a,mine@1.2"]).expect_err("refused");
        assert_eq!(error.exit_code(), i32::from(crate::USAGE));
        assert!(error.to_string().contains("not supported yet; use a path"), "{error}");
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
        assert!(text.contains("pre, auth_check, post_key_auth, post, response, endpoint"), "{text}");
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
