//! One version of everything that plugins and gateway share, or a sentence that says why not.

use std::fs;
use std::path::{Path, PathBuf};

use thiserror::Error;

use super::compile::NO_SPACE;
use super::explain::{AskedSource, Explained, explain};
use super::foreign::{self, Foreign};
use super::generate::{GenerateError, generate};
use super::graph::{Asked, Graph, GraphError};
use super::lock::{self, LockError};
use super::plan::Plan;
use super::plugin::Source;
use crate::metadata::{self, Metadata};
use crate::redact::redact;
use crate::report::indented;
use crate::toolchain::{ToolchainError, cargo, run};

/// What cargo says when two packages carry `links = "gw_sdk"`.
const TWO_SDKS: &str = "links to the native library `gw_sdk`";

/// Why the versions do not fit each other.
#[derive(Debug, Error)]
pub enum ResolveError {
    /// Two copies of gateway-sdk, which cargo refuses.
    #[error(
        "a gateway holds one gateway-sdk, and these would be two:\n  the gateway has {ours}\n  {}\n  = {}\n  cargo says:\n{}",
        brought(foreign),
        one_sdk(foreign, sdk),
        indented(cargo)
    )]
    TwoSdks {
        /// Ours: version and place.
        ours: String,
        /// Ours: its folder.
        sdk: PathBuf,
        /// Who brings others, as far as that is known.
        foreign: Vec<Foreign>,
        /// cargo's words.
        cargo: String,
    },
    /// cargo cannot find what the plugins ask for.
    #[error("the dependencies of this gateway cannot be resolved{}\n  cargo says:\n{}", hint(*offline, stderr), indented(stderr))]
    Cargo {
        /// `--offline` was asked for.
        offline: bool,
        /// cargo's words.
        stderr: String,
    },
    /// cargo's answer is not what it used to be.
    #[error("cannot understand what `cargo metadata` says about the generated crate")]
    Metadata(#[from] serde_json::Error),
    /// cargo does not run.
    #[error(transparent)]
    Toolchain(#[from] ToolchainError),
    /// The lock file.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// cargo's refusal, in terms of plugins.
    #[error(transparent)]
    Explained(#[from] Box<Explained>),
    /// cargo's answer is not about a gateway.
    #[error(transparent)]
    Graph(#[from] GraphError),
    /// The crate cannot be written again.
    #[error(transparent)]
    Generate(#[from] GenerateError),
}

/// What came of it.
#[derive(Debug)]
pub struct Resolved {
    /// What is linked.
    pub graph: Graph,
    /// The lock file.
    pub lock: String,
    /// How many packages are in the graph.
    pub packages: usize,
}

/// Writes the crate and settles its versions; again, if cargo's answer shows that it needs other patches.
///
/// # Errors
/// As [`resolve`].
pub fn settle(plan: &mut Plan) -> Result<Resolved, ResolveError> {
    loop {
        generate(plan)?;
        match resolve(plan) {
            Err(ResolveError::TwoSdks { foreign, .. }) if patch(plan, &foreign) => {}
            Ok(_) if plan.patches_registry && fs::read_to_string(lock::of(plan)).is_ok_and(|lock| unused(&lock)) => {
                plan.patches_registry = false;
            }
            outcome => return outcome,
        }
    }
}

/// Notes what is to be replaced by ours. False: nothing new.
fn patch(plan: &mut Plan, foreign: &[Foreign]) -> bool {
    let mut new = false;
    for (foreign, url) in foreign.iter().filter_map(|foreign| Some((foreign, foreign.repository()?))) {
        let patched = plan.patched.entry(url.to_owned()).or_default();
        for package in &foreign.wanted {
            new |= patched.insert(package.clone());
        }
    }
    new
}

/// Whether the lock says that a patch of gateway-sdk is of no use.
fn unused(lock: &str) -> bool {
    lock.split("[[patch.unused]]").skip(1).any(|entry| entry.trim_start().starts_with("name = \"gateway-sdk\""))
}

/// Settles the versions in the generated crate's Cargo.lock.
///
/// # Errors
/// When there are none that fit, when there would be two gateway-sdk, or when `--locked` forbids them.
pub fn resolve(plan: &Plan) -> Result<Resolved, ResolveError> {
    let before = lock::restore(plan)?;
    let metadata = match ask(plan) {
        Ok(metadata) => metadata,
        Err(error) => {
            // cargo may have begun to write.
            let _ = fs::write(lock::of(plan), before);
            return Err(error);
        }
    };
    let lock = lock::keep(plan, &before)?;
    let asked: Vec<Asked> = plan
        .plugins
        .iter()
        .map(|plugin| Asked { package: plugin.package.clone(), dir: plugin.local().map(|local| local.dir.clone()) })
        .collect();
    let packages = metadata.packages.len();
    Ok(Resolved { graph: Graph::new(metadata, &lock, &asked)?, lock, packages })
}

/// cargo's answer about the generated crate.
///
/// # Errors
/// When it refuses.
pub fn ask(plan: &Plan) -> Result<Metadata, ResolveError> {
    let mut question = cargo(&plan.dir());
    question.args(["metadata", "--format-version", "1", "--filter-platform", &plan.target]);
    if plan.offline {
        question.arg("--offline");
    }
    let answer = run(&mut question)?;
    if !answer.status.success() {
        return Err(refused(plan, &without_waiting(&String::from_utf8_lossy(&answer.stderr))));
    }
    Ok(serde_json::from_slice(&answer.stdout)?)
}

/// That cargo had to wait for another cargo is no part of what it has to say.
fn without_waiting(stderr: &str) -> String {
    stderr
        .split_inclusive('\n')
        .filter(|line| !line.trim_start().starts_with("Blocking waiting for file lock"))
        .collect()
}

/// cargo's refusal, in terms of plugins where that is possible.
fn refused(plan: &Plan, stderr: &str) -> ResolveError {
    if stderr.contains(TWO_SDKS) {
        let sdk = plan.core.published("gateway-sdk").unwrap_or_default();
        let foreign = foreign::all(plan);
        return ResolveError::TwoSdks { ours: sdk_at(&sdk), sdk, foreign, cargo: redact(stderr) };
    }
    let asked: Vec<AskedSource> = plan
        .plugins
        .iter()
        .map(|plugin| AskedSource {
            package: plugin.package.clone(),
            item: plugin.item.clone(),
            source: match &plugin.source {
                Source::Path(local) => local.dir.display().to_string(),
                Source::Git { url, .. } => url.clone(),
                Source::Registry { requirement, .. } => requirement.to_string(),
            },
        })
        .collect();
    match explain(stderr, &asked) {
        Some(explained) => Box::new(explained).into(),
        None => ResolveError::Cargo { offline: plan.offline, stderr: redact(stderr) },
    }
}

fn brought(foreign: &[Foreign]) -> String {
    match foreign {
        [] => "a dependency of one of the plugins brings another".to_owned(),
        _ => foreign.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n  "),
    }
}

fn one_sdk(foreign: &[Foreign], sdk: &Path) -> String {
    match foreign {
        [] => format!(
            "the crate that cargo names below has to use the gateway's: gateway-sdk = {{ path = \"{}\" }}",
            sdk.display()
        ),
        _ => {
            "let its Cargo.toml ask for the gateway's version, which is then taken from the gateway; or build with the \
              release that it wants: --replace gateway=DIR"
                .to_owned()
        }
    }
}

/// `gateway-sdk 0.1.0 (folder)`
fn sdk_at(dir: &Path) -> String {
    match metadata::package_at(dir) {
        Some(package) => format!("gateway-sdk {} ({})", package.version, dir.display()),
        None => format!("gateway-sdk ({})", dir.display()),
    }
}

fn hint(offline: bool, stderr: &str) -> &'static str {
    if stderr.contains(NO_SPACE) {
        "\n  = make room on the disk"
    } else if offline {
        "\n  = --offline: build once without it, so that cargo can fetch"
    } else {
        ""
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn that_cargo_waited_is_not_repeated() {
        let stderr = "    Blocking waiting for file lock on package cache\nerror: no matching package\n  named `x`\n";
        assert_eq!(without_waiting(stderr), "error: no matching package\n  named `x`\n");
    }

    #[test]
    fn a_patch_that_nobody_needs_is_seen_in_the_lock() {
        assert!(unused("[[patch.unused]]\nname = \"gateway-sdk\"\nversion = \"0.1.0\"\n"));
        assert!(!unused("[[package]]\nname = \"gateway-sdk\"\n"));
    }
}
