//! What is on disk: bundles are put there whole or not at all, and read from there. Source: plugin-system.md §7.3.
//!
//! # Invariants
//! - The folder of a bundle comes into being by a rename: whoever sees it sees all of it, and it was verified.
//! - One process of all that share the store unpacks at a time. What it finds half unpacked is of one that has died.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use gateway_model::bundle::{Bundles, MANIFEST, Manifest, parse};
use ring::digest::{Context, SHA256};
use tempfile::Builder;

use super::merge::{self, Part};
use super::place::{self, MODE, Place, make};
use super::unpack::unpack;
use super::verify::{Depth, verify};
use super::{Act, Bundle, BundleError, Reason, Settings};

/// How the names of folders begin that are being unpacked to.
const UNPACKING: &str = ".unpack-";
/// Is locked by who unpacks.
const LOCK: &str = ".lock";
/// A larger manifest is none, in bytes.
const MANIFEST_BYTES: u64 = 4 * 1024 * 1024;

/// Unpacks and verifies a bundle, and gives it its place. Another gateway on the same store may have been faster.
///
/// # Errors
/// When it is no bundle, or not one that is believed, or there is no room; nothing of it is left then.
pub(super) fn put(zip: File, place: &Place, settings: &Settings) -> Result<(), BundleError> {
    let failed = |act, reason| BundleError::failed(act, place, reason);
    let (store, parent) = (&settings.store, place.folder.parent().unwrap_or(&settings.store));
    let io = |folder: &Path, error| Reason::Io { path: folder.to_owned(), error };
    let lock = make(store).and_then(|()| lock(store)).map_err(|error| failed(Act::Create, io(store, error)))?;
    make(parent).map_err(|error| failed(Act::Create, io(parent, error)))?;
    if place.folder.exists() {
        return Ok(());
    }
    sweep(store);
    let unpacked = Builder::new().prefix(UNPACKING).permissions(Permissions::from_mode(MODE)).tempdir_in(store);
    let unpacked = unpacked.map_err(|error| failed(Act::Create, io(store, error)))?;
    unpack(zip, unpacked.path(), &settings.limits).map_err(|error| failed(Act::Save, error.into()))?;
    let manifest = manifest(unpacked.path()).map_err(|reason| {
        // Nobody can look into a folder that is about to go.
        let is_missing = matches!(reason, Reason::NoManifest(_));
        failed(Act::Load, if is_missing { Reason::NoManifest(place.folder.clone()) } else { reason })
    })?;
    let manifest = manifest.0;
    verify(unpacked.path(), &manifest, Depth::Deep, settings).map_err(|error| failed(Act::Load, error.into()))?;
    fs::rename(unpacked.path(), &place.folder).map_err(|error| failed(Act::Save, io(&place.folder, error)))?;
    // It is elsewhere now: there is nothing to remove.
    let _ = unpacked.keep();
    drop(lock);
    Ok(())
}

/// Held for as long as the file is open.
fn lock(store: &Path) -> io::Result<File> {
    let file = OpenOptions::new().create(true).truncate(false).write(true).open(store.join(LOCK))?;
    file.lock()?;
    Ok(file)
}

/// Removes what processes left that have died while they unpacked. Whoever calls this has the lock.
fn sweep(store: &Path) {
    let entries = fs::read_dir(store).into_iter().flatten().flatten();
    for entry in entries.filter(|entry| entry.file_name().to_string_lossy().starts_with(UNPACKING)) {
        if let Err(error) = fs::remove_dir_all(entry.path()) {
            tracing::warn!(folder = %entry.path().display(), %error, "what is left of a bundle cannot be removed");
        }
    }
}

/// What is on disk of the bundles of a definition; `has_come` says which were put there just now.
///
/// # Errors
/// When one is not there, or not to be used, or does not go with the others.
pub(super) fn take(
    wanted: &Bundles,
    places: &[Place],
    has_come: &[bool],
    settings: &Settings,
) -> Result<Bundle, BundleError> {
    let (mut parts, mut warnings) = (Vec::new(), Vec::new());
    let mut mark = Context::new(&SHA256);
    for (at, place) in places.iter().enumerate() {
        let failed = |reason| BundleError::failed(Act::Load, place, reason);
        let (manifest, text) = manifest(&place.folder).map_err(failed)?;
        if !has_come.get(at).is_some_and(|come| *come) {
            tracing::info!(bundle = place.name, "Loading existing bundle");
            verify(&place.folder, &manifest, Depth::Partial, settings).map_err(|error| failed(error.into()))?;
            warnings.extend(unsigned(place, &manifest, settings));
        }
        warnings.extend(uncovered(place, &manifest, settings));
        let told = manifest.warnings.iter().map(|finding| finding.at(MANIFEST).to_string());
        warnings.extend(told.map(|told| format!("bundle `{}`, {told}", place.name)));
        mark.update(&text);
        mark.update(place.folder.as_os_str().as_encoded_bytes());
        parts.push(Part { name: place.name.clone(), within: place.within.clone(), manifest });
    }
    let folder = place::root(&settings.store, wanted);
    let merged = merge::merge(&folder, parts);
    let merged = merged.map_err(|(name, error)| BundleError::merge(wanted, name, error))?;
    let mark = mark.finish().as_ref().to_vec();
    Ok(Bundle {
        text: wanted.text().to_owned(),
        folder,
        section: merged.section,
        analytics: merged.analytics,
        warnings,
        mark,
    })
}

/// What was there before there was a key is used, and told. Source: plugin-system.md §7.7, §10.4.
fn unsigned(place: &Place, manifest: &Manifest, settings: &Settings) -> Option<String> {
    let is_trusted = !manifest.signature.is_empty() || settings.key.is_none() || settings.trusts_existing;
    (!is_trusted).then(|| {
        let (name, folder) = (&place.name, place.folder.display());
        format!(
            "bundle `{name}` was unpacked before, and nobody has signed it: it is used as it is, though `public_key_path` \
             is set; remove {folder}, and it is fetched again, and refused without a signature"
        )
    })
}

/// A signature is of the files that are listed, and of no others. Source: plugin-system.md §7.7, §12.26.
fn uncovered(place: &Place, manifest: &Manifest, settings: &Settings) -> Option<String> {
    settings.key.as_ref()?;
    let listed: Vec<PathBuf> = manifest.file_list.iter().map(|name| place.folder.join(name)).collect();
    let is_listed = |path: &Path| listed.iter().any(|listed| listed.components().eq(path.components()));
    let (mut folders, mut found) = (vec![place.folder.clone()], Vec::new());
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            let path = entry.path();
            match entry.file_type() {
                Ok(kind) if kind.is_dir() => folders.push(path),
                _ if path != place.folder.join(MANIFEST) && !is_listed(&path) => found.push(path),
                _ => {}
            }
        }
    }
    let first = found.iter().min()?.strip_prefix(&place.folder).ok()?.display();
    let (name, count) = (&place.name, found.len());
    Some(format!(
        "bundle `{name}` has files that are not in its `file_list` ({count}; the first is `{first}`): no checksum and no \
         signature is of them; list them, and build it again"
    ))
}

fn manifest(folder: &Path) -> Result<(Manifest, Vec<u8>), Reason> {
    let path = folder.join(MANIFEST);
    let io = |error| Reason::Io { path: path.clone(), error };
    let metadata = match fs::metadata(&path) {
        Ok(metadata) if metadata.is_file() => metadata,
        Ok(_) => return Err(io(io::Error::other("not a regular file"))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(Reason::NoManifest(folder.to_owned())),
        Err(error) => return Err(io(error)),
    };
    if metadata.len() > MANIFEST_BYTES {
        return Err(io(io::Error::other(format!("larger than {MANIFEST_BYTES} bytes"))));
    }
    let mut text = Vec::new();
    File::open(&path).and_then(|file| file.take(MANIFEST_BYTES).read_to_end(&mut text)).map_err(io)?;
    let manifest = parse(&text).map_err(Reason::Manifest)?;
    Ok((manifest, text))
}

#[cfg(test)]
mod tests;
