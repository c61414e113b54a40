//! `gw.toml`: which gateway, in a file that can be committed.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::{fs, io};

use schemars::JsonSchema;
use semver::{Version, VersionReq};
use serde::Deserialize;
use thiserror::Error;

use super::preflight::Policy;
use crate::cli::{GitReference, Profile};
use crate::image::ImageSettings;
use crate::repository::shown;

/// A gateway to build with `cargo xtask build --manifest gw.toml`. Paths are relative to the file.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(title = "gw.toml")]
pub struct Manifest {
    /// The server.
    #[serde(default)]
    pub gateway: Core,
    /// The plugins, by the names of their packages.
    #[serde(default)]
    pub plugins: BTreeMap<String, Entry>,
    /// How to build.
    #[serde(default)]
    pub build: Build,
    /// The container image that `cargo xtask image` writes.
    #[serde(default)]
    pub image: ImageSettings,
    /// Which licences may be linked.
    #[serde(default)]
    pub licenses: Policy,
}

/// The server.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Core {
    /// The release that this manifest is for, such as `0.1.0`: another one is refused.
    #[schemars(with = "Option<String>")]
    pub version: Option<Version>,
    /// A checkout of the gateway, if it is not the one whose `cargo xtask` is running.
    pub path: Option<PathBuf>,
    /// Features of `gateway-runtime` to switch on.
    #[serde(default)]
    pub features: Vec<String>,
    /// `false` leaves out what the server has by default.
    pub default_features: Option<bool>,
}

/// One plugin: a version, or a table with a source.
#[derive(Debug, Clone, JsonSchema)]
#[serde(untagged)]
pub enum Entry {
    /// `"1.2"`: of the registry.
    Version(#[schemars(with = "String")] VersionReq),
    /// `{ path = "../mine" }`
    Table(Table),
}

/// Where a plugin comes from: exactly one of `bundled`, `path`, `git` and `version`.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Table {
    /// A folder of the gateway's `plugins/`.
    pub bundled: Option<bool>,
    /// A folder with a crate.
    pub path: Option<PathBuf>,
    /// The address of a git repository.
    pub git: Option<String>,
    /// With `git`: a tag.
    pub tag: Option<String>,
    /// With `git`: a branch; it stays where it is until `cargo xtask update`.
    pub branch: Option<String>,
    /// With `git`: a commit.
    pub rev: Option<String>,
    /// Of the registry: which versions would do.
    #[schemars(with = "Option<String>")]
    pub version: Option<VersionReq>,
    /// With `version`: another registry than crates.io, by its name in cargo's configuration.
    pub registry: Option<String>,
    /// Features of the plugin to switch on.
    #[serde(default)]
    pub features: Vec<String>,
    /// `false` switches the plugin's default features off.
    pub default_features: Option<bool>,
}

/// How to build.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Build {
    /// `fast` or `ship`; the command line may say something else.
    pub profile: Option<Profile>,
    /// The target triple; without it, the machine's that builds.
    pub target: Option<String>,
    /// A folder of API definitions: each build checks the names in them against the plugins.
    pub apis: Option<PathBuf>,
    /// Where the binary goes; without it, `dist/gateway`.
    pub output: Option<PathBuf>,
}

/// Where the manifest says that a plugin is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// A folder of `plugins/`.
    Bundled,
    /// A folder, relative to the manifest.
    Path(PathBuf),
    /// A git repository.
    Git(String, GitReference),
    /// A registry: which versions, and which registry.
    Registry(VersionReq, Option<String>),
}

/// A manifest that has been read.
#[derive(Debug, Clone)]
pub struct ManifestFile {
    /// The file.
    pub path: PathBuf,
    /// Its content.
    pub manifest: Manifest,
}

/// Why a manifest cannot be used.
#[derive(Debug, Error)]
pub enum ManifestError {
    /// Not there, or not readable.
    #[error(
        "cannot read the manifest `{}`\n  = make one with `cargo xtask import --apis DIR`, or name another: --manifest FILE",
        shown(path)
    )]
    Read {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// Not TOML, an unknown key, a wrong type.
    #[error("{}:{line}:{column}: {message}\n  = `cargo xtask schema` prints what may be written", shown(path))]
    Content {
        /// The file.
        path: PathBuf,
        /// From 1.
        line: usize,
        /// From 1, in characters.
        column: usize,
        /// What is wrong there.
        message: String,
    },
    /// No source, or several.
    #[error(
        "{}: plugin `{plugin}` {why}\n  = write one of: {{ bundled = true }}, {{ path = \"../{plugin}\" }}, {{ git = \"https://…\", tag = \"v1\" }}, \"1.2\"",
        shown(path)
    )]
    Source {
        /// The file.
        path: PathBuf,
        /// The name of the plugin.
        plugin: String,
        /// What is wrong.
        why: &'static str,
    },
    /// For another release.
    #[error("{} is for gateway {wanted}, and this checkout is {ours} ({})\n  = run the `cargo xtask` of that release, name its checkout with `path` in [gateway], or write version = \"{ours}\"", shown(path), checkout.display())]
    Version {
        /// The file.
        path: PathBuf,
        /// As written.
        wanted: String,
        /// Of the checkout.
        ours: String,
        /// The checkout.
        checkout: PathBuf,
    },
}

fn content(path: &Path, text: &str, error: &toml::de::Error) -> ManifestError {
    let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
    let line = before.rsplit('\n').next().unwrap_or_default();
    ManifestError::Content {
        path: path.to_owned(),
        line: before.matches('\n').count() + 1,
        column: line.chars().count() + 1,
        message: error.message().trim_end().replace('\n', "; "),
    }
}

impl ManifestFile {
    /// Reads a manifest.
    ///
    /// # Errors
    /// When it cannot be read, has a key that nobody knows, or a plugin without a source.
    pub fn read(path: &Path) -> Result<Self, ManifestError> {
        let failed = |source| ManifestError::Read { path: path.to_owned(), source };
        let text = fs::read_to_string(path).map_err(failed)?;
        let path = std::path::absolute(path).map_err(failed)?;
        let manifest: Manifest = toml::from_str(&text).map_err(|error| content(&path, &text, &error))?;
        for (name, entry) in &manifest.plugins {
            entry.place().map_err(|why| ManifestError::Source { path: path.clone(), plugin: name.clone(), why })?;
        }
        Ok(Self { path, manifest })
    }

    /// A path in the manifest, from where the manifest is.
    #[must_use]
    pub fn relative(&self, path: &Path) -> PathBuf {
        self.path.parent().unwrap_or(Path::new(".")).join(path)
    }

    /// The file that keeps the versions: `gw.lock` beside `gw.toml`.
    #[must_use]
    pub fn lock(&self) -> PathBuf {
        self.path.with_extension("lock")
    }
}

impl Entry {
    /// Where the plugin is.
    ///
    /// # Errors
    /// When that is not said, or said twice.
    pub fn place(&self) -> Result<Place, &'static str> {
        let table = match self {
            Self::Version(requirement) => return Ok(Place::Registry(requirement.clone(), None)),
            Self::Table(table) => table,
        };
        let references = [&table.tag, &table.branch, &table.rev];
        let said = references.into_iter().flatten().count();
        if said > 1 {
            return Err("has more than one of `tag`, `branch` and `rev`");
        }
        if table.git.is_none() && said > 0 {
            return Err("has `tag`, `branch` or `rev` without `git`");
        }
        if table.version.is_none() && table.registry.is_some() {
            return Err("has `registry` without `version`");
        }
        match (table.bundled.unwrap_or(false), &table.path, &table.git, &table.version) {
            (true, None, None, None) => Ok(Place::Bundled),
            (false, Some(path), None, None) => Ok(Place::Path(path.clone())),
            (false, None, Some(url), None) => Ok(Place::Git(url.clone(), table.reference())),
            (false, None, None, Some(requirement)) => Ok(Place::Registry(requirement.clone(), table.registry.clone())),
            (false, None, None, None) => Err("has no source"),
            _ => Err("has more than one source"),
        }
    }

    /// Features to switch on, and whether the default ones are.
    #[must_use]
    pub fn features(&self) -> (Vec<String>, bool) {
        match self {
            Self::Version(_) => (Vec::new(), true),
            Self::Table(table) => (table.features.clone(), table.default_features.unwrap_or(true)),
        }
    }
}

impl Table {
    fn reference(&self) -> GitReference {
        match (&self.tag, &self.branch, &self.rev) {
            (Some(tag), _, _) => GitReference::Tag(tag.clone()),
            (_, Some(branch), _) => GitReference::Branch(branch.clone()),
            (_, _, Some(rev)) => GitReference::Rev(rev.clone()),
            _ => GitReference::Default,
        }
    }
}

/// By hand, as an untagged enum would not say which key is unknown.
impl<'de> Deserialize<'de> for Entry {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> serde::de::Visitor<'de> for Visitor {
            type Value = Entry;

            fn expecting(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                out.write_str("a version such as \"1.2\", or a table such as { path = \"../mine\" }")
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Entry, E> {
                let wrong = |error| E::custom(format!("`{text}` is no version requirement: {error}"));
                text.parse().map(Entry::Version).map_err(wrong)
            }

            fn visit_map<A: serde::de::MapAccess<'de>>(self, map: A) -> Result<Entry, A::Error> {
                Table::deserialize(serde::de::value::MapAccessDeserializer::new(map)).map(Entry::Table)
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

/// The JSON schema of `gw.toml`.
#[must_use]
pub fn schema() -> String {
    let schema = schemars::schema_for!(Manifest);
    serde_json::to_string_pretty(&schema).expect("a schema is JSON")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<ManifestFile, String> {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let path = dir.path().join("gw.toml");
        fs::write(&path, text).expect("written");
        let root = format!("{}/", dir.path().display());
        ManifestFile::read(&path).map_err(|error| error.to_string().replace(&root, ""))
    }

    fn place(entry: &str) -> Result<Place, String> {
        let file = read(&format!("[plugins]\nmine = {entry}\n"))?;
        Ok(file.manifest.plugins["mine"].place().expect("checked when it was read"))
    }

    #[test]
    fn a_plugin_has_one_source() {
        let version: VersionReq = "1.2".parse().expect("a requirement");
        let url = || "https://h/x".to_owned();
        assert_eq!(place("{ bundled = true }"), Ok(Place::Bundled));
        assert_eq!(place(r#"{ path = "../mine" }"#), Ok(Place::Path("../mine".into())));
        assert_eq!(place(r#""1.2""#), Ok(Place::Registry(version.clone(), None)));
        assert_eq!(place(r#"{ version = "1.2", registry = "own" }"#), Ok(Place::Registry(version, Some("own".into()))));
        assert_eq!(place(r#"{ git = "https://h/x" }"#), Ok(Place::Git(url(), GitReference::Default)));
        let tag = Place::Git(url(), GitReference::Tag("v1".into()));
        assert_eq!(place(r#"{ git = "https://h/x", tag = "v1" }"#), Ok(tag));
    }

    #[test]
    fn a_plugin_without_one_source_is_refused_by_name() {
        let refused = [
            ("{ }", "has no source"),
            ("{ bundled = false }", "has no source"),
            (r#"{ path = "a", git = "b" }"#, "has more than one source"),
            (r#"{ bundled = true, path = "a" }"#, "has more than one source"),
            (r#"{ git = "b", tag = "1", rev = "2" }"#, "has more than one of `tag`, `branch` and `rev`"),
            (r#"{ path = "b", tag = "1" }"#, "has `tag`, `branch` or `rev` without `git`"),
            (r#"{ path = "b", registry = "own" }"#, "has `registry` without `version`"),
        ];
        for (entry, why) in refused {
            let error = place(entry).expect_err("refused");
            assert!(error.starts_with(&format!("gw.toml: plugin `mine` {why}\n  = write one of: ")), "{error}");
        }
    }

    #[test]
    fn an_unknown_key_is_named_with_its_line() {
        for (text, key, place) in [
            ("[gateway]\nverison = \"0.1.0\"\n", "verison", "2:1"),
            ("[plugin]\n", "plugin", "1:2"),
            ("[plugins]\na = { bundled = true, feature = [] }\n", "feature", "2:23"),
            ("[image]\nports = 1\n", "ports", "2:1"),
            ("[licenses]\nforbid = []\n", "forbid", "2:1"),
        ] {
            let error = read(text).expect_err("refused");
            let expected = format!("gw.toml:{place}: unknown field `{key}`, expected ");
            assert!(error.starts_with(&expected), "{error}");
        }
    }

    #[test]
    fn a_manifest_that_is_not_there_says_how_to_make_one() {
        let error = ManifestFile::read(Path::new("/nowhere/gw.toml")).expect_err("absent").to_string();
        assert!(error.starts_with("cannot read the manifest `/nowhere/gw.toml`\n  = make one with "), "{error}");
    }

    #[test]
    fn the_schema_knows_the_keys_and_no_others() {
        let schema: serde_json::Value = serde_json::from_str(&schema()).expect("JSON");
        assert_eq!(schema["additionalProperties"], false);
        let keys: Vec<&String> = schema["properties"].as_object().expect("properties").keys().collect();
        assert_eq!(keys, ["build", "gateway", "image", "licenses", "plugins"]);
    }
}
