//! `cargo xtask build`: a gateway with the plugins that were named.

use std::path::PathBuf;
use std::process::ExitCode;

use crate::apis::{self, Candidate};
use crate::cli::{BuildArgs, Profile};
use crate::gateway::describe::{About, Described, describe};
use crate::gateway::graph::Graph;
use crate::gateway::place::Placed;
use crate::gateway::plan::{Kind, Plan, PlanError};
use crate::gateway::plugin::Plugin;
use crate::gateway::prove::{Linkage, Proof};
use crate::gateway::recording::{self, Recording};
use crate::gateway::resolve::Resolved;
use crate::gateway::stage::Stage;
use crate::gateway::turn::Turn;
use crate::gateway::verify::First;
use crate::gateway::{BuildError, advice, compile, generate, place, plan, prove, resolve, verify};
use crate::hash::sha256;
use crate::report::Report;
use crate::repository::{Repository, shown};
use crate::toolchain::commit;

/// Runs the command.
///
/// # Errors
/// When there is no new gateway; the previous output is then still there.
pub fn command(args: &BuildArgs, report: &Report) -> Result<ExitCode, BuildError> {
    let (placed, _) = build(&Repository::discover(), args, report)?;
    report.product("gateway", &placed.to_string(), &placed);
    Ok(ExitCode::SUCCESS)
}

/// The steps.
///
/// # Errors
/// Those of the steps.
pub fn build(repository: &Repository, args: &BuildArgs, report: &Report) -> Result<(Placed, Proof), BuildError> {
    let recorded = |plan: &mut Plan, graph: &Graph| {
        // What is recorded is recorded of static gateways.
        if plan.profile != Profile::Ship || plan.kind != Kind::Static {
            return Ok(());
        }
        plan.recording = Recording::find(plan, graph)?;
        if plan.recording == Recording::None {
            report.note(&format!(
                "nothing is recorded for {}, {}, and these versions and features of the server: it needs more instructions than \
                 it could\n  = `cargo xtask bench --record` writes {}; see README.md beside it",
                plan.target,
                plan.toolchain.version,
                shown(&recording::file(plan, graph)?)
            ));
        }
        Ok(())
    };
    build_as(repository, args, report, recorded)
}

/// As [`build`], of a plan that is changed when all versions are settled.
///
/// # Errors
/// As [`build`].
pub fn build_as(
    repository: &Repository,
    args: &BuildArgs,
    report: &Report,
    change: impl FnOnce(&mut Plan, &Graph) -> Result<(), BuildError>,
) -> Result<(Placed, Proof), BuildError> {
    let of = if args.verify { 8 } else { 7 };
    let (turn, mut plan, resolved) = settled(repository, args, report, of)?;
    change(&mut plan, &resolved.graph)?;
    plan::probe(&plan.output)?;
    let (stage, described) = report.step((4, of), "check", || prepare(&plan, &resolved, report), |_| String::new())?;
    let product = report.step(
        (5, of),
        "compile",
        || compile::compile(&plan, &stage, report),
        |product| format!("{} crates compiled", product.compiled),
    )?;
    let proof = report.step(
        (6, of),
        "prove",
        || prove::prove(&plan, &resolved.graph, &described, &product.path),
        |proof| format!("{} functions registered by {} plugins", proof.records.len(), plan.plugins.len()),
    )?;
    if plan.kind == Kind::Static && proof.linkage == Linkage::Dynamic && plan.target.contains("linux") {
        report.warn("the binary is dynamic: a dependency links a shared library, so it needs that library to run");
    }
    let place = || place::place(&plan, &product.path, &proof, &resolved.graph);
    let placed = report.step((7, of), "place", place, |_| String::new())?;
    if args.verify {
        let first = First::read(&product.path, &placed.path)?;
        // Others may build while this one is verified, which is done elsewhere.
        drop(turn);
        let again = || verify::verify(&plan, &resolved, &described, &first, report);
        report.step((8, of), "verify", again, |same| {
            format!("the same {} bytes again, sha256 {}", same.size, same.sha256)
        })?;
    }
    Ok((placed, proof))
}

/// The first three steps: what is asked for, with all versions settled. The turn is to be held while they are used.
///
/// # Errors
/// Those of the steps.
pub fn settled(
    repository: &Repository,
    args: &BuildArgs,
    report: &Report,
    of: usize,
) -> Result<(Turn, Plan, Resolved), BuildError> {
    settled_as(repository, args, report, of, |_| ())
}

/// As [`settled`], of a plan that is changed first.
///
/// # Errors
/// As [`settled`].
pub fn settled_as(
    repository: &Repository,
    args: &BuildArgs,
    report: &Report,
    of: usize,
    change: impl FnOnce(&mut Plan),
) -> Result<(Turn, Plan, Resolved), BuildError> {
    let mut plan = report.step(
        (1, of),
        "plan",
        || chosen(repository, args, report),
        |plan| format!("profile {}, target {}, plugins: {}", plan.profile.name(), plan.target, plan.plugin_list()),
    )?;
    if plan.plugins.is_empty() {
        report.note("no plugins were named, so the gateway has none; name some with --plugins a,./b");
    }
    for warning in &plan.warnings {
        report.warn(warning);
    }
    change(&mut plan);
    let turn = Turn::take(&repository.work_dir(), report)?;
    let made = report.step((2, of), "generate", || generate::generate(&plan), |made| shown(&made.dir))?;
    for warning in &made.stage.warnings {
        report.warn(warning);
    }
    let resolve = || resolve::settle(&mut plan);
    let resolved = report.step((3, of), "resolve", resolve, |graph| format!("{} packages", graph.packages))?;
    Ok((turn, plan, resolved))
}

/// The folders and files of this machine that a gateway is made from.
///
/// # Errors
/// When it is not known what is asked for.
pub fn folders(repository: &Repository, args: &BuildArgs) -> Result<Vec<PathBuf>, BuildError> {
    let plan = chosen(repository, args, &Report::silent())?;
    let core = plan.core.root();
    let mut folders = vec![core.join("Cargo.toml"), core.join("gateway-template/gateway")];
    folders.extend(generate::stage(&plan)?.crates.into_iter().map(|staged| staged.dir));
    folders.extend(plan.manifest.map(|file| file.path));
    Ok(folders)
}

/// What is asked for; with `--from-apis`, only what the definitions name.
fn chosen(repository: &Repository, args: &BuildArgs, report: &Report) -> Result<Plan, BuildError> {
    let mut plan = plan::plan(repository, args)?;
    let Some(dir) = &args.selection.from_apis else {
        return Ok(plan);
    };
    let names = apis::names(dir)?;
    let candidates = candidates(&mut plan, report)?;
    let chosen = apis::choose(&names, &candidates)?;
    let mut index = 0;
    plan.plugins.retain(|_| {
        index += 1;
        chosen.contains(&(index - 1))
    });
    Ok(plan)
}

/// The sources of each plugin. Those from elsewhere are fetched first, as part of a gateway with all of them.
fn candidates(plan: &mut Plan, report: &Report) -> Result<Vec<Candidate>, BuildError> {
    if plan.plugins.iter().all(|plugin| plugin.local().is_some()) {
        let local = |plugin: &Plugin| {
            plugin.local().map(|local| Candidate { package: plugin.package.clone(), dir: local.dir.clone() })
        };
        return Ok(plan.plugins.iter().filter_map(local).collect());
    }
    // This is not the gateway of the manifest: its lock file is not touched.
    let _turn = Turn::take(&plan.work_dir, report)?;
    let mut all = plan.clone();
    all.is_manifests = false;
    let resolved = resolve::settle(&mut all)?;
    Ok(sources(&all, &resolved.graph))
}

/// Where the sources of each plugin are, in the order of the plan.
fn sources(plan: &Plan, graph: &Graph) -> Vec<Candidate> {
    let source = |plugin: &Plugin| {
        let node = graph.plugins().iter().find(|node| node.package == plugin.package)?;
        Some(Candidate { package: node.package.clone(), dir: node.dir.clone() })
    };
    plan.plugins.iter().filter_map(source).collect()
}

/// What can be known before compiling: names in definitions, licences, compilers, and what the binary says of itself.
///
/// # Errors
/// When something stops the build.
pub fn prepare(plan: &Plan, resolved: &Resolved, report: &Report) -> Result<(Stage, Described), BuildError> {
    check_names(plan, resolved)?;
    let stage = generate::stage(plan)?;
    advice::advise(plan, &stage, resolved, report)?;
    let described = describe(&resolved.graph, &about(plan, resolved)?)?;
    generate::settle(plan, &resolved.graph, &described)?;
    Ok((stage, described))
}

/// The names in the definitions of `--apis` against the plugins.
///
/// # Errors
/// When a name fits none.
pub fn check_names(plan: &Plan, resolved: &Resolved) -> Result<usize, BuildError> {
    let Some(dir) = &plan.apis else {
        return Ok(0);
    };
    let names = apis::names(dir)?;
    // A crate there that cannot be read is nobody's question here.
    let bundled = || Candidate::all_in(&plan.repository.plugins()).unwrap_or_default();
    apis::check(&names, &sources(plan, &resolved.graph)).map_err(|unplaced| unplaced.knowing(&bundled()))?;
    Ok(names.len())
}

fn about(plan: &Plan, resolved: &Resolved) -> Result<About, BuildError> {
    let root = plan.core.root();
    let version = plan.core.version().ok_or_else(|| PlanError::NoCheckout(root.to_owned()))?;
    Ok(About {
        version,
        commit: commit(root),
        rustc: plan.toolchain.version.clone(),
        target: plan.target.clone(),
        profile: plan.profile.name().to_owned(),
        lock_sha256: sha256(resolved.lock.as_bytes()),
        checkout: root.to_owned(),
    })
}
