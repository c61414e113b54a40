//! `gateway version`.

use std::process::ExitCode;

use gateway_sdk::registry::{Package, plugins};
use serde::Serialize;

use super::{print, print_json};
use crate::Build;

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Version {
    version: &'static str,
    commit: Option<&'static str>,
    rust: Option<&'static str>,
    target: Option<&'static str>,
    profile: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    plugins: Option<Vec<String>>,
}

pub(super) fn print_version(build: &Build, modules: bool, json: bool) -> ExitCode {
    let mut packages: Vec<Package> = plugins().iter().map(|plugin| plugin.package).collect();
    packages.dedup();
    let shown = || packages.iter().map(|package| format!("{} {}", package.name, package.version)).collect();
    let version = Version {
        version: concat!("v", env!("CARGO_PKG_VERSION")),
        commit: build.commit,
        rust: build.rustc,
        target: build.target,
        profile: build.profile,
        plugins: modules.then(shown),
    };
    if json {
        print_json(&version);
        return ExitCode::SUCCESS;
    }
    let unknown = "unknown";
    let mut text = format!(
        "Release version: {}\nCommit:          {}\nRust version:    {}\nTarget:          {}\nProfile:         {}\n",
        version.version,
        version.commit.unwrap_or(unknown),
        version.rust.unwrap_or(unknown),
        version.target.unwrap_or(unknown),
        version.profile.unwrap_or(unknown),
    );
    for plugin in version.plugins.into_iter().flatten() {
        text.push_str(&format!("Plugin:          {plugin}\n"));
    }
    print(&text);
    ExitCode::SUCCESS
}
