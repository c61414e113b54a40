//! What the placeholders of gateway-template/gateway stand for.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::fs;
use std::path::Path;

use super::generate::{GenerateError, read};
use super::graph::{Graph, PluginNode};
use super::plan::{Kind, Plan};
use super::plugin::{Origin, Plugin, Source, use_line};
use super::stage::Stage;
use crate::cli::{GitReference, Profile};
use crate::repository::Repository;

/// A crate that says nothing of itself.
const NOTHING: &str = r#"
/// Version, commit, compiler and plugins, as JSON.
pub fn build() -> Option<&'static str> {
    None
}

/// All packages, as a CycloneDX document.
pub fn sbom() -> Option<&'static str> {
    None
}
"#;

/// A crate that says what it was built from; the sections can be read without running it.
pub(super) const ABOUT: &str = r#"
/// Version, commit, compiler and plugins, as JSON.
pub fn build() -> Option<&'static str> {
    std::str::from_utf8(&BUILD).ok()
}

/// All packages, as a CycloneDX document.
pub fn sbom() -> Option<&'static str> {
    std::str::from_utf8(&SBOM).ok()
}

#[used]
#[unsafe(link_section = ".gw_build")]
static BUILD: [u8; include_bytes!("../about/build.json").len()] = *include_bytes!("../about/build.json");

#[used]
#[unsafe(link_section = ".gw_sbom")]
static SBOM: [u8; include_bytes!("../about/sbom.json").len()] = *include_bytes!("../about/sbom.json");

/// The format of cargo-auditable.
#[used]
#[unsafe(link_section = ".dep-v0")]
static AUDIT: [u8; include_bytes!("../about/dep-v0").len()] = *include_bytes!("../about/dep-v0");
"#;

/// What each placeholder of the template stands for, while versions are not settled.
///
/// # Errors
/// When the root manifest has no profiles.
pub fn unsettled(plan: &Plan, stage: &Stage) -> Result<BTreeMap<&'static str, String>, GenerateError> {
    let folder = |dir: &Path| stage.folder(dir).unwrap_or_default().to_owned();
    let core = plan.core.clone();
    let place = move |dir: &Path| folder(&fs::canonicalize(dir).unwrap_or_else(|_| dir.to_owned()));
    let (features, defaults) = &plan.core_features;
    let runtime = format!("{{ path = {}{} }}", quoted(&place(&core.runtime())), switches(features, *defaults));
    let loadable = format!("{{ path = {}, features = [\"plugin\"] }}", quoted(&place(&plan.core.loadable())));
    let name = if plan.kind == Kind::Loadable { "loadable" } else { "gateway" };
    Ok(BTreeMap::from([
        ("project-name", name.to_owned()),
        // The staged crates are no members: two of them may have one name.
        ("workspace", "exclude = [\"crates\"]".to_owned()),
        ("gateway_runtime", runtime),
        ("gateway_loadable", loadable),
        ("plugin_dependencies", dependencies(plan, &place)),
        ("plugin_uses", uses(plan)),
        ("plugin_expected", String::new()),
        ("about", NOTHING.trim_end().to_owned()),
        ("patches", patches(plan, &place)),
        ("profiles", profiles_of(plan)?),
        ("cargo_config", cargo_config(plan)),
    ]))
}

/// As a project of its own: with the paths of this machine, and without what the builder adds for itself.
///
/// # Errors
/// When the root manifest has no profiles.
pub fn own_project(plan: &Plan, graph: &Graph, name: &str) -> Result<BTreeMap<&'static str, String>, GenerateError> {
    let place = |dir: &Path| dir.display().to_string();
    let (features, defaults) = &plan.core_features;
    let runtime = format!("{{ path = {}{} }}", quoted(&place(&plan.core.runtime())), switches(features, *defaults));
    Ok(BTreeMap::from([
        ("project-name", name.to_owned()),
        ("workspace", String::new()),
        ("gateway_runtime", runtime),
        ("plugin_dependencies", dependencies(plan, &place)),
        ("plugin_uses", uses(plan)),
        ("plugin_expected", expected(graph.plugins())),
        ("about", NOTHING.trim_end().to_owned()),
        ("patches", patches(plan, &place)),
        ("profiles", profiles(&plan.core, None)?),
        ("cargo_config", static_flags(&plan.target)),
    ]))
}

/// The key is the crate's name in Rust and `package` its name in cargo: so `use ::key as _` is right even where the
/// library has a name of its own.
fn dependencies(plan: &Plan, place: &dyn Fn(&Path) -> String) -> String {
    plan.plugins.iter().map(|plugin| dependency(plugin, place)).collect::<Vec<_>>().join("\n")
}

/// The line of one plugin in `[dependencies]`.
pub(super) fn dependency(plugin: &Plugin, place: &dyn Fn(&Path) -> String) -> String {
    let (key, package) = (plugin.ident(), quoted(&plugin.package));
    let source = match &plugin.source {
        Source::Path(local) => format!("path = {}", quoted(&place(&local.dir))),
        Source::Git { url, reference } => format!("git = {}{}", quoted(url), git_reference(reference)),
        Source::Registry { requirement, registry } => {
            let registry = registry.as_ref().map(|name| format!(", registry = {}", quoted(name)));
            format!("version = {}{}", quoted(&requirement.to_string()), registry.unwrap_or_default())
        }
    };
    let switches = switches(&plugin.features, plugin.default_features);
    format!("{key} = {{ package = {package}, {source}{switches} }}")
}

fn git_reference(reference: &GitReference) -> String {
    match reference {
        GitReference::Default => String::new(),
        GitReference::Tag(tag) => format!(", tag = {}", quoted(tag)),
        GitReference::Branch(branch) => format!(", branch = {}", quoted(branch)),
        // A plan has found out what was left open.
        GitReference::Rev(rev) | GitReference::Any(rev) => format!(", rev = {}", quoted(rev)),
    }
}

fn switches(features: &[String], defaults: bool) -> String {
    let list: Vec<String> = features.iter().map(|feature| quoted(feature)).collect();
    let features = if list.is_empty() { String::new() } else { format!(", features = [{}]", list.join(", ")) };
    if defaults { features } else { format!("{features}, default-features = false") }
}

/// A row for each plugin.
pub(super) fn expected(plugins: &[PluginNode]) -> String {
    let mut rows = String::new();
    for plugin in plugins {
        let _ = write!(rows, "\n    ({:?}, {:?}),", plugin.package, plugin.version.to_string());
    }
    if rows.is_empty() { rows } else { format!("{rows}\n") }
}

pub(super) fn uses(plan: &Plan) -> String {
    let lines: Vec<String> = plan.plugins.iter().map(|plugin| use_line(&plugin.package)).collect();
    lines.join("\n")
}

/// A plugin that takes one of our crates from a registry or a repository gets this checkout's. For plugins by path it
/// is known who does; of the others it is assumed that they take gateway-sdk from the registry.
fn patches(plan: &Plan, place: &dyn Fn(&Path) -> String) -> String {
    let mut wanted: BTreeMap<String, BTreeSet<&str>> = BTreeMap::new();
    for plugin in &plan.plugins {
        match plugin.local() {
            Some(local) => {
                for ours in &local.ours {
                    let source = match &ours.from {
                        Origin::Registry => "crates-io".to_owned(),
                        Origin::Git(url) => quoted(url),
                        Origin::Path(_) | Origin::Other(_) => continue,
                    };
                    wanted.entry(source).or_default().insert(&ours.package);
                }
            }
            None if plan.patches_registry => {
                wanted.entry("crates-io".to_owned()).or_default().insert("gateway-sdk");
            }
            None => {}
        }
    }
    for (url, packages) in &plan.patched {
        wanted.entry(quoted(url)).or_default().extend(packages.iter().map(String::as_str));
    }
    let mut text = String::new();
    for (source, packages) in wanted {
        let _ = writeln!(text, "[patch.{source}]");
        for package in packages {
            if let Some(dir) = plan.core.published(package) {
                let _ = writeln!(text, "{package} = {{ path = {} }}", quoted(&place(&dir)));
            }
        }
    }
    text.trim_end().to_owned()
}

/// Those of the root manifest: cargo takes profiles from the root of a workspace only, and this crate is one.
///
/// # Errors
/// When the root manifest cannot be read, or lacks the profile that is needed.
pub fn profiles(core: &Repository, needed: Option<Profile>) -> Result<String, GenerateError> {
    let file = core.root().join("Cargo.toml");
    let manifest: toml::Table = toml::from_str(&read(&file)?)
        .map_err(|source| GenerateError::Profiles { file: file.clone(), source: Box::new(source) })?;
    let profiles = manifest.get("profile").and_then(toml::Value::as_table).cloned().unwrap_or_default();
    if let Some(needed) = needed.filter(|needed| !profiles.contains_key(needed.name())) {
        return Err(GenerateError::NoProfile { file, name: needed.name() });
    }
    // `dev` and what derives from it are for working on the repository.
    let ours = profiles.into_iter().filter(|(name, _)| name != "dev" && name != "test");
    let ours: toml::Table = ours.collect();
    let table = toml::Table::from_iter([("profile".to_owned(), toml::Value::Table(ours))]);
    Ok(table.to_string().trim_end().to_owned())
}

/// The profiles for what is made.
fn profiles_of(plan: &Plan) -> Result<String, GenerateError> {
    let text = profiles(&plan.core, Some(plan.profile))?;
    if plan.kind != Kind::Loadable {
        return Ok(text);
    }
    // What is small there is small for the sake of a whole gateway, and most of it is not in a plugin.
    let mut table: toml::Table = text.parse().unwrap_or_default();
    for (_, profile) in table.get_mut("profile").and_then(toml::Value::as_table_mut).into_iter().flatten() {
        profile.as_table_mut().map(|profile| profile.remove("package"));
    }
    Ok(table.to_string().trim_end().to_owned())
}

/// What `.cargo/config.toml` of the generated crate says. Its flags are for whoever runs cargo there by hand: the
/// builder passes its own, see [`flags`].
fn cargo_config(plan: &Plan) -> String {
    let mut text = match plan.kind {
        Kind::Static => static_flags(&plan.target),
        Kind::Dynamic | Kind::Loadable => {
            format!("# What is linked for {} takes the C library of its system.", plan.target)
        }
    };
    if let Some(cross) = plan.toolchain.cross(&plan.target) {
        let heading = if text.contains("[target") { String::new() } else { format!("\n[target.{}]", plan.target) };
        let _ = write!(text, "{heading}\nlinker = {}", quoted(&cross.linker));
    }
    text
}

/// Half a megabyte of relocations becomes a few kilobytes. The C library that is linked has to apply them at start.
const PACKED_RELOCATIONS: &str = "-Clink-arg=-Wl,-z,pack-relative-relocs";

/// What unwinding needs is a quarter smaller where each function has a frame, for 2 % more instructions; and profilers see who
/// called whom.
const FRAME_POINTERS: &str = "-Cforce-frame-pointers=yes";

/// The first glibc that knows packed relocations.
const KNOWS_PACKED: (u32, u32) = (2, 36);

/// Flags for the compiler. Always with a target, so that they do not reach build scripts and macros.
#[must_use]
pub fn flags(plan: &Plan) -> Vec<String> {
    let mut flags = Vec::new();
    if plan.target.contains("-linux-gnu") {
        let linked = (plan.kind == Kind::Static).then_some("-Ctarget-feature=+crt-static");
        flags.extend(linked.into_iter().chain(["--cfg=getrandom_backend=\"linux_getrandom\""]).map(str::to_owned));
    }
    if plan.profile == Profile::Ship && plan.kind == Kind::Static {
        flags.extend(plan.recording.flags());
        flags.push(FRAME_POINTERS.to_owned());
        if plan.toolchain.glibc(&plan.target).is_some_and(|version| version >= KNOWS_PACKED) {
            flags.push(PACKED_RELOCATIONS.to_owned());
        }
    }
    flags.extend(remapped(plan).into_iter().map(|(from, to)| format!("--remap-path-prefix={from}={to}")));
    flags
}

/// The profile as options for cargo, `profile.ship.lto="fat"` for example: what somebody has configured for their own
/// work must not change a gateway.
///
/// # Errors
/// When the root manifest cannot be read.
pub fn pinned_profile(plan: &Plan) -> Result<Vec<String>, GenerateError> {
    let profiles: toml::Table = profiles_of(plan)?.parse().unwrap_or_default();
    let name = plan.profile.name();
    let mut options = Vec::new();
    if let Some(profile) = profiles.get("profile").and_then(|all| all.get(name)) {
        pin(&format!("profile.{name}"), profile, &mut options);
    }
    Ok(options)
}

/// A value as options, one for each member of its tables: cargo takes no table as one.
fn pin(key: &str, value: &toml::Value, options: &mut Vec<String>) {
    match value {
        toml::Value::Table(members) => {
            members.iter().for_each(|(name, member)| pin(&format!("{key}.{name}"), member, options));
        }
        value => options.push(format!("{key}={value}")),
    }
}

/// Places of this machine, and what the binary says instead. Of two that fit, the last one counts.
fn remapped(plan: &Plan) -> Vec<(String, &'static str)> {
    vec![
        (plan.cargo_home.display().to_string(), "/cargo"),
        (plan.toolchain.sysroot.join("lib/rustlib/src/rust").display().to_string(), "/rust"),
        (plan.work_dir.display().to_string(), "/gateway"),
    ]
}

/// The flags that make a gateway static.
fn static_flags(target: &str) -> String {
    if target.contains("-linux-gnu") {
        format!(
            "# Static, although it is glibc; and random numbers without a lookup that a static glibc cannot do.\n\
             [target.{target}]\n\
             rustflags = [\"-C\", \"target-feature=+crt-static\", \"--cfg\", \"getrandom_backend=\\\"linux_getrandom\\\"\"]"
        )
    } else {
        format!("# The target {target} needs no flags to be static.")
    }
}

/// A TOML string.
fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn glibc_is_linked_statically_and_musl_needs_no_flags() {
        let gnu = static_flags("x86_64-unknown-linux-gnu");
        assert!(gnu.contains("[target.x86_64-unknown-linux-gnu]\nrustflags = [\"-C\", \"target-feature=+crt-static\""));
        assert!(gnu.contains(r#""getrandom_backend=\"linux_getrandom\"""#), "{gnu}");
        assert!(!static_flags("x86_64-unknown-linux-musl").contains("rustflags"));
    }

    /// cargo refuses a table as the value of an option.
    #[test]
    fn a_profile_is_pinned_member_by_member() {
        let profile = "lto = \"fat\"\n[package.a]\nopt-level = \"s\"\n".parse().map(toml::Value::Table);
        let mut options = Vec::new();
        pin("profile.ship", &profile.expect("valid"), &mut options);
        assert_eq!(options, ["profile.ship.lto=\"fat\"", "profile.ship.package.a.opt-level=\"s\""]);
    }

    #[test]
    fn paths_are_quoted_for_toml() {
        let parsed: toml::Table = toml::from_str(&format!("a = {}", quoted("/a \"b\"\\c"))).expect("valid");
        assert_eq!(parsed.get("a").and_then(toml::Value::as_str), Some("/a \"b\"\\c"));
    }
}
