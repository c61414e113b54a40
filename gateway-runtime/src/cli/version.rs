//! `gateway version` and `gateway sbom`: what is in this binary, and what it was built from.

use std::process::ExitCode;

use gateway_sdk::registry::{Plugin, plugins};

use super::{diagnose, print, print_json};
use crate::Build;
use crate::about::{About, AboutError, Source};

/// Prints what the binary is; with `modules`, also its plugins.
pub(super) fn print_version(build: &Build, modules: bool, json: bool) -> ExitCode {
    let mut known = match known(build) {
        Ok(known) => known,
        Err(error) => {
            diagnose(&error);
            return ExitCode::FAILURE;
        }
    };
    if !modules {
        known.plugins = None;
    }
    if json {
        print_json(&known);
    } else {
        print(&as_text(&known));
    }
    ExitCode::SUCCESS
}

/// Prints the list of everything that is in the binary, as the builder wrote it.
pub(super) fn print_sbom(build: &Build) -> ExitCode {
    match sbom(build) {
        Ok(sbom) => {
            print(sbom);
            ExitCode::SUCCESS
        }
        Err(error) => {
            diagnose(&error);
            ExitCode::FAILURE
        }
    }
}

/// The binary was built without the builder.
#[derive(Debug, thiserror::Error)]
#[error("this binary has no SBOM: build it with `cargo xtask build`, which writes one into every gateway")]
struct NoSbom;

fn sbom(build: &Build) -> Result<&'static str, NoSbom> {
    build.sbom.ok_or(NoSbom)
}

/// The first line of the log: which gateway it is that starts.
pub(super) fn log(build: &Build) {
    match known(build) {
        Ok(About { version, commit, plugins, .. }) => {
            tracing::info!(version, commit, plugins = plugins.map_or(0, |plugins| plugins.len()), "gateway");
        }
        Err(error) => tracing::warn!(%error, "gateway"),
    }
}

/// What the builder wrote down, or else what the binary itself knows.
fn known(build: &Build) -> Result<About, AboutError> {
    let mut known = build.about()?.unwrap_or_else(|| About {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        commit: None,
        rustc: None,
        target: None,
        profile: None,
        lock: None,
        plugins: None,
    });
    known.version.insert(0, 'v');
    known.plugins.get_or_insert_with(linked);
    Ok(known)
}

fn linked() -> Vec<Source> {
    let mut linked: Vec<&Plugin> = plugins().to_vec();
    linked.sort_by_key(|plugin| plugin.package);
    linked.dedup_by_key(|plugin| plugin.package);
    let source = |plugin: &Plugin| Source {
        name: plugin.package.name.to_owned(),
        version: plugin.package.version.to_owned(),
        source: None,
        checksum: None,
        license: plugin.about().map(|about| about.license.to_owned()).filter(|license| !license.is_empty()),
    };
    linked.into_iter().map(source).collect()
}

fn as_text(about: &About) -> String {
    let known = |value: &Option<String>| value.clone().unwrap_or_else(|| "unknown".to_owned());
    let About { version, commit, rustc, target, profile, .. } = about;
    let mut text = format!(
        "Release version: {version}\nCommit:          {}\nRust version:    {}\nTarget:          {}\nProfile:         {}\n",
        known(commit),
        known(rustc),
        known(target),
        known(profile),
    );
    for plugin in about.plugins.iter().flatten() {
        text.push_str(&format!("Plugin:          {plugin}\n"));
    }
    text
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const ABOUT: &str = r#"{"version":"0.1.0","commit":"0a1b","rustc":"rustc 1.95.0 (x)","target":"x86_64-unknown-linux-gnu",
        "profile":"ship","lock":"sha256:01","plugins":[
        {"name":"a","version":"0.1.0","source":"path+plugins/a","checksum":"sha256:02","license":"Apache-2.0"},
        {"name":"b","version":"1.2.0","source":"git+https://host/b?tag=v1#0c","checksum":"sha256:03","license":null}]}"#;

    fn about(text: &'static str) -> Result<About, AboutError> {
        known(&Build { about: Some(text), ..Build::default() })
    }

    #[test]
    fn what_the_builder_wrote_is_shown_line_by_line() {
        let expected = "Release version: v0.1.0\n\
                        Commit:          0a1b\n\
                        Rust version:    rustc 1.95.0 (x)\n\
                        Target:          x86_64-unknown-linux-gnu\n\
                        Profile:         ship\n\
                        Plugin:          a 0.1.0 path+plugins/a sha256:02\n\
                        Plugin:          b 1.2.0 git+https://host/b?tag=v1#0c sha256:03\n";
        assert_eq!(as_text(&about(ABOUT).expect("it is understood")), expected);
    }

    #[test]
    fn what_the_builder_wrote_is_shown_as_json() {
        let shown = serde_json::to_value(about(ABOUT).expect("it is understood")).expect("JSON");
        let expected = json!({
            "Version": "v0.1.0", "Commit": "0a1b", "Rust": "rustc 1.95.0 (x)", "Target": "x86_64-unknown-linux-gnu",
            "Profile": "ship", "Lock": "sha256:01", "Plugins": [
                {"Name": "a", "Version": "0.1.0", "Source": "path+plugins/a", "Checksum": "sha256:02",
                 "License": "Apache-2.0"},
                {"Name": "b", "Version": "1.2.0", "Source": "git+https://host/b?tag=v1#0c", "Checksum": "sha256:03",
                 "License": null},
            ],
        });
        assert_eq!(shown, expected);
    }

    #[test]
    fn a_binary_that_was_built_without_knows_its_version_only() {
        let shown = serde_json::to_value(known(&Build::default()).expect("nothing to understand")).expect("JSON");
        let expected = json!({
            "Version": concat!("v", env!("CARGO_PKG_VERSION")), "Commit": null, "Rust": null, "Target": null,
            "Profile": null, "Lock": null, "Plugins": [],
        });
        assert_eq!(shown, expected);
    }

    #[test]
    fn a_binary_without_an_sbom_says_how_to_get_one() {
        let told = sbom(&Build::default()).expect_err("there is none").to_string();
        let remedy = "build it with `cargo xtask build`, which writes one into every gateway";
        assert_eq!(told, format!("this binary has no SBOM: {remedy}"));
        assert_eq!(sbom(&Build { sbom: Some("{}"), ..Build::default() }).expect("written"), "{}");
    }

    #[test]
    fn what_cannot_be_read_is_an_error_and_not_a_guess() {
        let told = about(r#"{"version":"0.1.0","plugins":"a"}"#).expect_err("plugins are a list").to_string();
        assert!(told.starts_with("what this binary says of its own making cannot be read: invalid type: "), "{told}");
    }
}
