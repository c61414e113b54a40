//! `cargo xtask build`: a gateway with the plugins that were named.

use std::process::ExitCode;

use crate::cli::BuildArgs;
use crate::gateway::place::Placed;
use crate::gateway::prove::{Linkage, Proof};
use crate::gateway::{BuildError, compile, generate, place, plan, prove, resolve};
use crate::report::Report;
use crate::repository::{Repository, shown};

/// Runs the command.
///
/// # Errors
/// When there is no new gateway; the previous output is then still there.
pub fn command(args: &BuildArgs, report: &Report) -> Result<ExitCode, BuildError> {
    let (placed, _) = build(&Repository::discover(), args, report)?;
    report.result(&placed.to_string());
    Ok(ExitCode::SUCCESS)
}

/// The six steps.
///
/// # Errors
/// Those of the steps.
pub fn build(repository: &Repository, args: &BuildArgs, report: &Report) -> Result<(Placed, Proof), BuildError> {
    let plan = report.step(
        (1, 6),
        "plan",
        || plan::plan(repository, args),
        |plan| format!("profile {}, target {}, plugins: {}", plan.profile.name(), plan.target, plan.plugin_list()),
    )?;
    if plan.plugins.is_empty() {
        report.note("no plugins were named, so the gateway has none; name some with --plugins a,./b");
    }
    for warning in &plan.warnings {
        report.warn(warning);
    }
    report.step((2, 6), "generate", || generate::generate(&plan), |made| shown(&made.dir))?;
    report.step((3, 6), "resolve", || resolve::resolve(&plan), |graph| format!("{} packages", graph.packages))?;
    let product = report.step(
        (4, 6),
        "compile",
        || compile::compile(&plan, report),
        |product| format!("{} crates compiled", product.compiled),
    )?;
    let proof = report.step(
        (5, 6),
        "prove",
        || prove::prove(&plan, &product.path),
        |proof| format!("{} functions registered by {} plugins", proof.records.len(), plan.plugins.len()),
    )?;
    if proof.linkage == Linkage::Dynamic && plan.target.contains("linux") {
        report.warn("the binary is dynamic: a dependency links a shared library, so it needs that library to run");
    }
    let placed = report.step((6, 6), "place", || place::place(&plan, &product.path, &proof), |_| String::new())?;
    Ok((placed, proof))
}
