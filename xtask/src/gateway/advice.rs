//! What is told about plugins before they are compiled: preflight, asked once for each set of versions.
//!
//! Warnings are repeated by each build; notes are for whoever has just changed something.

use std::fs;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::generate::{generate, write_if_changed};
use super::graph::Graph;
use super::plan::Plan;
use super::plugin::Plugin;
use super::preflight::{self, Policy, Problem};
use super::resolve::{ResolveError, Resolved, ask};
use super::stage::Stage;
use super::{generate::GenerateError, lock};
use crate::hash::sha256;
use crate::report::Report;

/// Why nothing is compiled.
#[derive(Debug, Error)]
pub enum AdviceError {
    /// The gateway cannot be, or must not be.
    #[error("{}", problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
    Problems {
        /// All of them.
        problems: Vec<Problem>,
    },
    /// The gateway without plugins cannot be looked at.
    #[error(transparent)]
    Generate(#[from] GenerateError),
    /// The gateway without plugins cannot be looked at.
    #[error(transparent)]
    Resolve(#[from] Box<ResolveError>),
}

/// What was told last time, and about what.
#[derive(Default, Serialize, Deserialize)]
struct Told {
    about: String,
    warnings: Vec<String>,
}

/// Tells what is to be known, and refuses what cannot be.
///
/// # Errors
/// When there are problems.
pub fn advise(plan: &Plan, stage: &Stage, resolved: &Resolved, report: &Report) -> Result<(), AdviceError> {
    let file = plan.dir().join("told.json");
    let policy = plan.manifest.as_ref().map(|file| file.manifest.licenses.clone()).unwrap_or_default();
    let about = subject(plan, stage, resolved, &policy);
    let before: Told =
        fs::read_to_string(&file).ok().and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default();
    if before.about == about {
        before.warnings.iter().for_each(|warning| report.warn(warning));
        return Ok(());
    }
    let core = if plan.plugins.is_empty() { None } else { Some(without_plugins(plan, &resolved.lock)?) };
    let found = preflight::check(&resolved.graph, core.as_ref(), &policy, &plan.toolchain.release);
    found.warnings.iter().for_each(|warning| report.warn(warning));
    found.notes.iter().for_each(|note| report.note(note));
    if !found.problems.is_empty() {
        return Err(AdviceError::Problems { problems: found.problems });
    }
    let told = serde_json::to_string(&Told { about, warnings: found.warnings }).unwrap_or_default();
    write_if_changed(&file, &told)?;
    Ok(())
}

/// What the advice depends upon.
fn subject(plan: &Plan, stage: &Stage, resolved: &Resolved, policy: &Policy) -> String {
    let (rustc, features) = (&plan.toolchain.version, &plan.core_features);
    let plugins: Vec<String> = plan.plugins.iter().map(Plugin::identity).collect();
    let manifests = stage.manifests_hash();
    sha256(format!("{}\0{policy:?}\0{rustc}\0{features:?}\0{plugins:?}\0{manifests}", resolved.lock).as_bytes())
}

/// What cargo says about a gateway that has no plugins, in the same versions.
fn without_plugins(plan: &Plan, lock: &str) -> Result<Graph, AdviceError> {
    let mut core = plan.clone();
    core.plugins.clear();
    core.is_manifests = false;
    core.locked = false;
    // A folder of its own: the gateway without plugins that somebody builds keeps its versions.
    core.work_dir = plan.work_dir.join("core");
    generate(&core)?;
    write_if_changed(&lock::of(&core), lock)?;
    let graph = ask(&core).and_then(|metadata| Ok(Graph::new(metadata, lock, &[])?));
    Ok(graph.map_err(Box::new)?)
}
