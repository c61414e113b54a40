//! `cargo xtask new`: a crate from gateway-template: a plugin, or a gateway of somebody's own.
//!
//! ```text
//! name.rs      which names a crate can have
//! place.rs     where it goes, and what cargo would make of it there
//! render.rs    cargo-generate, which fills in the template
//! gateway.rs   what a gateway needs besides
//! error.rs     what is refused, and what can go wrong
//! ```

mod error;
mod gateway;
mod name;
mod place;
mod render;

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::{env, fs};

pub use error::NewError;
pub use name::BadName;
pub(crate) use name::is_reserved;
pub use render::scaffold;

use crate::cli::{Hook, NewArgs};
use crate::report::Report;
use crate::repository::{Repository, shown};

/// Runs the command.
///
/// # Errors
/// When nothing could be made. Then nothing is left behind.
pub fn command(args: &NewArgs, report: &Report) -> Result<ExitCode, NewError> {
    let repository = Repository::discover();
    let made = new(&repository, args, report)?;
    for line in next_steps(&made) {
        report.result(&line);
    }
    Ok(ExitCode::SUCCESS)
}

/// What a crate is made from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Template {
    /// gateway-template/plugin, for one hook.
    Plugin(Hook),
    /// gateway-template/gateway.
    Gateway,
}

impl Template {
    /// Its folder in gateway-template.
    fn folder(self) -> &'static str {
        match self {
            Self::Plugin(_) => "plugin",
            Self::Gateway => "gateway",
        }
    }
}

/// A new crate.
#[derive(Debug)]
pub struct Made {
    /// Its name.
    pub name: String,
    /// What it is.
    pub template: Template,
    /// Its folder.
    pub dir: PathBuf,
    /// It is a member of this repository's workspace.
    pub inside: bool,
}

/// Makes the crate.
///
/// # Errors
/// As [`command`].
pub fn new(repository: &Repository, args: &NewArgs, report: &Report) -> Result<Made, NewError> {
    name::check(&args.name, args.gateway)?;
    let template = if args.gateway { Template::Gateway } else { Template::Plugin(args.hook) };
    let parent = args.path.clone().unwrap_or_else(|| match template {
        Template::Plugin(_) => repository.plugins(),
        Template::Gateway => env::current_dir().unwrap_or_default(),
    });
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |source| NewError::Io { path, source }
    };
    let parent = std::path::absolute(&parent).map_err(failed(&parent))?;
    let dir = parent.join(&args.name);
    if dir.exists() {
        return Err(NewError::Exists(dir));
    }
    let parent_existed = parent.exists();
    fs::create_dir_all(&parent).map_err(failed(&parent))?;
    let canonical = fs::canonicalize(&parent).map_err(failed(&parent))?;
    let inside = !args.gateway && fs::canonicalize(repository.plugins()).is_ok_and(|plugins| plugins == canonical);
    let made = check_place(repository, &canonical, &args.name, inside).and_then(|()| {
        let stage = place::stage(repository, &canonical, &args.name, inside);
        let made = make(repository, &stage, &args.name, template, inside, report)
            .and_then(|rendered| fs::rename(&rendered, &dir).map_err(failed(&dir)));
        // Best effort: the error that is told is the first one.
        let _ = fs::remove_dir_all(&stage);
        made
    });
    if let Err(error) = made {
        if !parent_existed {
            let _ = fs::remove_dir(&parent);
        }
        return Err(error);
    }
    Ok(Made { name: args.name.clone(), template, dir, inside })
}

fn check_place(repository: &Repository, parent: &Path, name: &str, inside: bool) -> Result<(), NewError> {
    if inside { place::check_neighbours(repository, name) } else { place::check_outside(repository, parent, name) }
}

/// Makes all of the crate in a folder that nobody looks into, and says where.
fn make(
    repository: &Repository,
    stage: &Path,
    name: &str,
    template: Template,
    inside: bool,
    report: &Report,
) -> Result<PathBuf, NewError> {
    let scaffold = scaffold(report)?;
    fs::create_dir_all(stage).map_err(|source| NewError::Io { path: stage.to_owned(), source })?;
    let mut values = match template {
        Template::Plugin(hook) => plugin_values(repository, hook, inside),
        Template::Gateway => gateway::values(repository),
    };
    values.insert("checkout".to_owned(), repository.root().display().to_string().into());
    values.insert("repository_url".to_owned(), origin(repository).unwrap_or_default().into());
    render::render(&scaffold, &repository.templates(), template.folder(), stage, name, values)?;
    let rendered = stage.join(name);
    if template == Template::Gateway {
        gateway::lock(repository, &rendered)?;
    }
    Ok(rendered)
}

fn plugin_values(repository: &Repository, hook: Hook, inside: bool) -> toml::Table {
    let sdk = repository.published("gateway-sdk").unwrap_or_default();
    toml::Table::from_iter([
        ("hook".to_owned(), hook.name().into()),
        ("in_workspace".to_owned(), inside.into()),
        ("sdk_path".to_owned(), sdk.display().to_string().into()),
    ])
}

/// Where CI can clone this repository from, if that can be said aloud: an address without a name or a password in it.
fn origin(repository: &Repository) -> Option<String> {
    let mut git = Command::new("git");
    let output = git.args(["remote", "get-url", "origin"]).current_dir(repository.root()).output().ok()?;
    let url = String::from_utf8(output.stdout).ok()?.trim().to_owned();
    public_address(&url).then_some(url)
}

fn public_address(url: &str) -> bool {
    let rest = url.strip_prefix("https://");
    rest.is_some_and(|rest| !rest.contains(['@', '"', '\\', '?', '#']) && !rest.contains(char::is_whitespace))
}

fn next_steps(made: &Made) -> Vec<String> {
    let (dir, name) = (shown(&made.dir), &made.name);
    let Template::Plugin(hook) = made.template else {
        return vec![
            format!("made {dir}; next:"),
            format!("  cd {dir}"),
            "  cargo run -- check".to_owned(),
            "  cargo run".to_owned(),
            "  curl http://127.0.0.1:8080/httpbin/get".to_owned(),
        ];
    };
    let (test, plugin) = if made.inside {
        (format!("cargo test -p {name}"), name.clone())
    } else {
        let path = if dir.contains('/') { dir.clone() } else { format!("./{dir}") };
        (format!("cargo test --manifest-path {dir}/Cargo.toml"), path)
    };
    // The caller has to be known by then, and token-auth is whom the definition asks.
    let others = if hook == Hook::PostKeyAuth { "token-auth," } else { "" };
    vec![
        format!("made {dir}; next:"),
        format!("  {test}"),
        format!("  cargo xtask build --plugins {others}{plugin}"),
        format!("  serve {dir}/api.json: a definition that uses it"),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_to_do_next_can_be_typed() {
        let made = |dir: &str, inside| Made {
            name: "mine".into(),
            template: Template::Plugin(Hook::Post),
            dir: dir.into(),
            inside,
        };
        assert_eq!(
            next_steps(&made("/src/mine", false))[1..3],
            ["  cargo test --manifest-path /src/mine/Cargo.toml", "  cargo xtask build --plugins /src/mine"]
        );
        assert_eq!(
            next_steps(&made("/gw/plugins/mine", true))[1..3],
            ["  cargo test -p mine", "  cargo xtask build --plugins mine"]
        );
        let after_auth = Made { template: Template::Plugin(Hook::PostKeyAuth), ..made("/gw/plugins/mine", true) };
        assert_eq!(next_steps(&after_auth)[2], "  cargo xtask build --plugins token-auth,mine");
        let gateway = Made { template: Template::Gateway, ..made("/src/mine", false) };
        assert_eq!(next_steps(&gateway)[1..3], ["  cd /src/mine", "  cargo run -- check"]);
    }

    #[test]
    fn an_address_with_a_password_is_not_written_into_a_project() {
        assert!(public_address("https://example.com/x/gw.git"));
        for url in ["https://user:secret@example.com/gw", "git@example.com:x/gw", "/src/gw", "", "https://h/?token=x"] {
            assert!(!public_address(url), "{url}");
        }
    }
}
