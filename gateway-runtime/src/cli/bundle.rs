//! `gateway bundle build`. Source: plugin-system.md §7.8.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use super::diagnose;

/// Where a bundle is written that nobody names.
#[cfg(feature = "bundles")]
const OUTPUT: &str = "bundle.zip";

#[derive(Debug, Args)]
pub(super) struct Build {
    /// What is in the bundle.
    #[arg(short, long, value_name = "FILE", default_value = "manifest.json")]
    manifest: PathBuf,
    /// The bundle; by default `bundle.zip`.
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// The private key (RSA, PEM) that it is signed with.
    #[arg(short, long, value_name = "FILE")]
    key: Option<PathBuf>,
    /// Without a key, do not ask whether that is meant.
    #[arg(short = 'y', long)]
    skip_signing: bool,
}

#[cfg(not(feature = "bundles"))]
pub(super) fn build(order: &Build) -> ExitCode {
    let Build { manifest, output, key, skip_signing } = order;
    let _: (&PathBuf, &Option<PathBuf>, &Option<PathBuf>, &bool) = (manifest, output, key, skip_signing);
    diagnose(&crate::bundles::NO_BUNDLES);
    ExitCode::FAILURE
}

/// Files are those of the current folder.
#[cfg(feature = "bundles")]
pub(super) fn build(order: &Build) -> ExitCode {
    match make(order) {
        Ok(()) => ExitCode::SUCCESS,
        Err(reason) => {
            diagnose(&reason);
            ExitCode::FAILURE
        }
    }
}

#[cfg(feature = "bundles")]
fn make(order: &Build) -> Result<(), String> {
    use std::path::Path;

    use crate::bundles::build::{BuildError, Plan, write};

    let Build { manifest, output, key, skip_signing } = order;
    let told = |error: BuildError| error.to_string();
    let folder = std::env::current_dir().map_err(|error| format!("the current folder: {error}"))?;
    diagnose(&format_args!("Building bundle using '{}'", manifest.display()));
    let plan = Plan::read(manifest, &folder).map_err(told)?;
    let output = output.as_deref().unwrap_or_else(|| {
        diagnose(&format_args!("warning: Using default bundle path '{OUTPUT}'"));
        Path::new(OUTPUT)
    });
    match key {
        Some(key) => diagnose(&format_args!("Signing bundle with key '{}'", key.display())),
        None if *skip_signing => diagnose(&"warning: The bundle will be unsigned"),
        None if is_confirmed() => {}
        None => return Err("Aborting".to_owned()),
    }
    let bytes = plan.archive(key.as_deref()).map_err(told)?;
    write(output, &bytes).map_err(told)?;
    super::print(&format!("Wrote '{}' ({} bytes)\n", output.display(), bytes.len()));
    Ok(())
}

#[cfg(feature = "bundles")]
fn is_confirmed() -> bool {
    diagnose(&"The bundle will be unsigned, type \"y\" or \"yes\" to confirm:");
    let mut answer = String::new();
    std::io::stdin().read_line(&mut answer).is_ok_and(|_| answer.starts_with('y'))
}
