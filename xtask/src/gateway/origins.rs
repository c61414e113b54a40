//! What the compiled code was made from.
//!
//! All generated crates share one target folder, and a crate has the same place in each of them. cargo looks at times
//! only: to it, `mine 0.1.0` is `mine 0.1.0` from another folder too, and a file that was put back is no news. Here the
//! contents are compared; what was compiled from others is forgotten.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::{fs, io};

use super::plan::Plan;
use super::stage::Stage;
use crate::hash::{sha256, tree};

/// The generated crate.
const ROOT: &str = "gateway";

/// Forgets what was compiled from other sources. The caller has the turn.
///
/// # Errors
/// With the file that could not be used.
pub(super) fn check(plan: &Plan, stage: &Stage) -> Result<(), (PathBuf, io::Error)> {
    let sources = sources(plan, stage)?;
    let target = plan.target_dir();
    let compiled = target.join(&plan.target).join(plan.profile.name());
    // Macros and build scripts are compiled for this machine, in a folder without the target's name.
    for folder in [compiled, target.join(plan.profile.name())] {
        let file = folder.join("origins.json");
        let text = fs::read_to_string(&file).unwrap_or_default();
        // A file that cannot be understood says nothing about what is there: then all of it is forgotten.
        let mut origins: BTreeMap<String, String> = serde_json::from_str(&text).unwrap_or_default();
        let mut changed = false;
        for Source { place, package, hash } in &sources {
            if origins.get(place) != Some(hash) {
                forget(&folder.join(".fingerprint"), package).map_err(|error| (folder.clone(), error))?;
                origins.insert(place.clone(), hash.clone());
                changed = true;
            }
        }
        if changed {
            let write = || {
                fs::create_dir_all(&folder)?;
                fs::write(&file, serde_json::to_string_pretty(&origins)?)
            };
            write().map_err(|error| (file.clone(), error))?;
        }
    }
    Ok(())
}

/// A crate, and what is there now.
struct Source {
    /// Where it is staged.
    place: String,
    package: String,
    hash: String,
}

fn sources(plan: &Plan, stage: &Stage) -> Result<Vec<Source>, (PathBuf, io::Error)> {
    let mut sources = Vec::new();
    for staged in &stage.crates {
        let (place, package) = (staged.folder.clone(), staged.package.clone());
        sources.push(Source { place, package, hash: staged.content_hash()? });
    }
    let own = [tree(&plan.dir().join("src"))?, tree(&plan.dir().join("about"))?];
    let hash = sha256(own.concat().as_bytes());
    sources.push(Source { place: String::new(), package: ROOT.to_owned(), hash });
    Ok(sources)
}

/// `name-0123456789abcdef`, for any hash.
fn forget(fingerprints: &Path, package: &str) -> io::Result<()> {
    let entries = match fs::read_dir(fingerprints) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    };
    for entry in entries {
        let entry = entry?;
        let name = entry.file_name();
        if name.to_string_lossy().rsplit_once('-').is_some_and(|(crate_name, _)| crate_name == package) {
            fs::remove_dir_all(entry.path())?;
        }
    }
    Ok(())
}
