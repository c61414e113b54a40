//! Where bundles are: `{middleware_path}/bundles/{md5 of what the definition says}`. Source: plugin-system.md §7.3, §7.6.

use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use gateway_model::bundle::Bundles;
use md5::{Digest, Md5};
use ring::digest::{SHA256, digest};

/// Of the folders.
pub(super) const MODE: u32 = 0o700;

/// Where one bundle is.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Place {
    /// As it is fetched.
    pub(super) name: String,
    /// Of several: its folder within that of all.
    pub(super) within: Option<String>,
    pub(super) folder: PathBuf,
}

/// The folder of all that a definition names.
pub(super) fn root(store: &Path, wanted: &Bundles) -> PathBuf {
    store.join(hex(&Md5::digest(wanted.text())))
}

/// The folders of the single ones.
///
/// # Errors
/// With two names that would have the same folder.
pub(super) fn places(store: &Path, wanted: &Bundles) -> Result<Vec<Place>, (String, String)> {
    let root = root(store, wanted);
    let Bundles::Several { names, .. } = wanted else {
        let name = wanted.text().to_owned();
        return Ok(vec![Place { name, within: None, folder: root }]);
    };
    let mut places: Vec<Place> = Vec::new();
    for name in names {
        let within = folder_name(name);
        let same = |other: &&Place| other.within.as_ref() == Some(&within) && other.name != *name;
        if let Some(other) = places.iter().find(same) {
            return Err((other.name.clone(), name.clone()));
        }
        places.push(Place { name: name.clone(), folder: root.join(&within), within: Some(within) });
    }
    Ok(places)
}

/// A name without its extension, as one part of a path.
fn folder_name(name: &str) -> String {
    let last = name.rfind('/').map_or(0, |slash| slash + 1);
    let end = name[last..].rfind('.').map_or(name.len(), |dot| last + dot);
    let plain = name[..end].replace(['/', '\\'], "__");
    match plain.as_str() {
        // These would be other folders than one of its own.
        "" | "." | ".." => format!("bundle_{}", hex(&digest(&SHA256, name.as_bytes()).as_ref()[..6])),
        _ => plain,
    }
}

/// Makes a folder, which may be there, with those that it is in.
pub(super) fn make(folder: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(MODE).create(folder)
}

/// In hexadecimal digits.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn several(names: &[&str]) -> Bundles {
        let text = names.join(",");
        Bundles::Several { text, names: names.iter().map(ToString::to_string).collect() }
    }

    /// Source: plugin-system.md §10.4, coprocess_bundle_test.go:85 (the folder is named for the MD5 of the name).
    #[test]
    fn one_bundle_has_the_folder_of_its_name() {
        let found = places(Path::new("s"), &Bundles::One("grpc-bundle.zip".to_owned())).expect("one");
        // By `printf grpc-bundle.zip | md5sum`.
        let folders: Vec<_> = found.iter().map(|place| place.folder.as_path()).collect();
        assert_eq!(folders, [Path::new("s/85a23a444a65f4d36f786e28d116cf60")]);
    }

    /// Source: plugin-system.md §7.6; §10.4, multi_bundle_test.go:158-500 (subdir naming).
    #[test]
    fn each_of_several_has_a_folder_in_that_of_all() {
        let cases = [
            ("a.zip", "a"),
            ("dir/a.tar.zip", "dir__a.tar"),
            ("dir.v1/a", "dir.v1__a"),
            ("w\\x.zip", "w__x"),
            (".zip", "bundle_679e0f3cda39"),
        ];
        for (name, folder) in cases {
            assert_eq!(folder_name(name), folder, "{name}");
        }
        for name in ["..zip", "...zip"] {
            assert!(folder_name(name).starts_with("bundle_"), "{name}");
        }
        let wanted = several(&["a.zip", "dir/b.zip", "a.zip"]);
        let all = root(Path::new("s"), &wanted);
        let found = places(Path::new("s"), &wanted).expect("three");
        assert_eq!(
            found.iter().map(|place| place.folder.clone()).collect::<Vec<_>>(),
            [all.join("a"), all.join("dir__b"), all.join("a")]
        );
        let twice = places(Path::new("s"), &several(&["a.zip", "a.tar"]));
        assert_eq!(twice, Err(("a.zip".to_owned(), "a.tar".to_owned())));
    }
}
