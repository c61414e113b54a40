//! cargo's refusals, in terms of plugins.
//!
//! cargo says which *package* is wrong; the user has named *plugins*. Each cause says which plugin it is about and what
//! to do, and cargo's own words follow.

mod words;

use std::fmt;

use thiserror::Error;

use self::words::{Chain, Words};
use crate::redact::redact;
use crate::report::indented;

/// A plugin as it was asked for.
#[derive(Debug, Clone)]
pub struct AskedSource {
    /// The name of the package.
    pub package: String,
    /// As typed, or as written in the manifest.
    pub item: String,
    /// Where it was to come from: a folder, the URL of a repository, a registry.
    pub source: String,
}

/// A refusal, understood.
#[derive(Debug, Error)]
#[error("{cause}\n  cargo says:\n{}", indented(cargo))]
pub struct Explained {
    /// What is wrong.
    pub cause: Cause,
    /// cargo's words, without credentials.
    pub cargo: String,
}

/// Who asks for a package: a plugin, or the gateway itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asker {
    /// ``plugin `a` `` or `the gateway`.
    pub who: String,
    /// `a → b → package`
    pub way: String,
}

/// What cargo refuses.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Cause {
    /// Two packages link one native library.
    #[error(
        "two packages link the native library `{library}`, and a gateway holds one:\n  {first}\n  {second}\n  = {}",
        links_remedy(library)
    )]
    Links {
        /// The value of `links`.
        library: String,
        /// The package that was chosen first.
        first: Asker,
        /// The one that does not fit beside it.
        second: Asker,
    },
    /// Two requirements, and no version for both.
    #[error(
        "no version of {package} suits both:\n  {first}, which takes `{chosen}`\n  {second}, which takes `{wanted}`\n  = let one of \
        them take what the other takes too, or leave one out"
    )]
    Versions {
        /// What both need.
        package: String,
        /// What the first one takes.
        chosen: String,
        /// What the second one takes.
        wanted: String,
        /// Who asked first.
        first: Asker,
        /// Who then could not be satisfied.
        second: Asker,
    },
    /// There are versions, and none fits.
    #[error("{} no version of {package} that fits `{wanted}`; there are: {available}\n  by: {}\n  = {}", asker.finds(), asker.way, version_remedy(package, available, *direct, *offline))]
    NoVersion {
        /// What was looked for.
        package: String,
        /// Which versions.
        wanted: String,
        /// As cargo lists them.
        available: String,
        /// Who looked.
        asker: Asker,
        /// Whether it is the plugin itself.
        direct: bool,
        /// Whether `--offline` hides others.
        offline: bool,
    },
    /// There is no such package.
    #[error("{} no package named `{package}` in {place}\n  by: {}\n  = {}", asker.finds(), asker.way, package_remedy(nearest.as_ref(), *offline))]
    NoPackage {
        /// What was looked for.
        package: String,
        /// Where, as cargo says.
        place: String,
        /// A name that there is.
        nearest: Option<String>,
        /// Who looked.
        asker: Asker,
        /// Whether `--offline` hides others.
        offline: bool,
    },
    /// A feature that a package does not have.
    #[error("{} no feature `{feature}` in {package}\n  by: {}\n  = see [features] in the Cargo.toml of {package}, and take one of \
        these out of the list", asker.finds(), asker.way)]
    NoFeature {
        /// The package.
        package: String,
        /// The feature.
        feature: String,
        /// Who asks for it.
        asker: Asker,
    },
    /// A revision, tag or branch that is not in the repository.
    #[error("{} no {kind} `{name}` in {url}\n  by: {}\n  = see what there is: git ls-remote {url}", asker.finds(), asker.way)]
    NoReference {
        /// `tag`, `branch` or `revision`.
        kind: &'static str,
        /// Its name.
        name: String,
        /// The repository.
        url: String,
        /// Who asks for it.
        asker: Asker,
    },
    /// A repository or registry that wants to know who is asking.
    #[error("{} no access to {url}: {reason}\n  by: {}\n  = try `git ls-remote {url}`; where that works, set \
        CARGO_NET_GIT_FETCH_WITH_CLI=true", asker.finds(), asker.way)]
    Access {
        /// Of the repository.
        url: String,
        /// cargo's last line.
        reason: String,
        /// Who asks for it.
        asker: Asker,
    },
    /// A repository or registry that does not answer.
    #[error("{} no answer from {url}: {reason}\n  by: {}\n  = check the address and the network; behind a proxy, set \
        HTTPS_PROXY", asker.finds(), asker.way)]
    Unreachable {
        /// Of the repository.
        url: String,
        /// cargo's last line.
        reason: String,
        /// Who asks for it.
        asker: Asker,
    },
    /// A folder that is not there.
    #[error("{} no crate in the folder {folder}\n  by: {}\n  = correct the path in the Cargo.toml that names it", asker.finds(), asker.way)]
    NoFolder {
        /// The folder.
        folder: String,
        /// Who asks for it.
        asker: Asker,
    },
    /// `--offline`, and something was never downloaded.
    #[error("--offline: {package} is not on this machine yet\n  by: {}\n  = run once without --offline, or `cargo xtask fetch` with the \
        same plugins", asker.way)]
    Offline {
        /// What is missing.
        package: String,
        /// Who asks for it.
        asker: Asker,
    },
    /// `--locked`, and the lock would change.
    #[error(
        "--locked: {lock} does not fit the plugins that are asked for ({plugins})\n  = build once without --locked, and keep the \
        lock file that is then written"
    )]
    Locked {
        /// The lock file.
        lock: String,
        /// As typed.
        plugins: String,
    },
}

/// What cargo's refusal means for those who asked for plugins. `None` when it is about something else.
#[must_use]
pub fn explain(stderr: &str, asked: &[AskedSource]) -> Option<Explained> {
    let cargo = redact(stderr);
    let words = Words::new(&cargo);
    let cause = locked(&words, asked)
        .or_else(|| links(&words, asked))
        .or_else(|| feature(&words, asked))
        .or_else(|| versions(&words, asked))
        .or_else(|| no_version(&words, asked))
        .or_else(|| no_package(&words, asked))
        .or_else(|| download(&words, asked))
        .or_else(|| source(&words, asked))?;
    Some(Explained { cause, cargo })
}

fn locked(words: &Words<'_>, asked: &[AskedSource]) -> Option<Cause> {
    let line = words.line_with("because --locked was passed")?;
    let lock = line.split("the lock file ").nth(1)?.split(" because").next()?.to_owned();
    let items: Vec<String> = asked.iter().map(|one| redact(&one.item)).collect();
    let plugins = if items.is_empty() { "none".to_owned() } else { items.join(", ") };
    Some(Cause::Locked { lock, plugins })
}

fn links(words: &Words<'_>, asked: &[AskedSource]) -> Option<Cause> {
    let at = words.position("links to the native library `")?;
    let parts = words.quoted(at);
    let (second, library) = (parts.first()?, parts.get(1)?);
    let first = words.quoted(at + 1).first()?.replacen(" v", " ", 1);
    let first = first.split(" (").next().unwrap_or(&first).to_owned();
    Some(Cause::Links {
        library: (*library).to_owned(),
        first: asker(&first, &words.chain(at + 2), asked),
        second: asker(second, &words.chain(words.position("failed to select a version for `")? + 1), asked),
    })
}

fn feature(words: &Words<'_>, asked: &[AskedSource]) -> Option<Cause> {
    let at = words.position("with feature `")?;
    let parts = words.quoted(at);
    let (package, feature) = (*parts.get(1)?, *parts.get(2)?);
    let chain = words.chain(words.position("failed to select a version for `")? + 1);
    Some(Cause::NoFeature {
        package: package.to_owned(),
        feature: feature.to_owned(),
        asker: asker(package, &chain, asked),
    })
}

fn versions(words: &Words<'_>, asked: &[AskedSource]) -> Option<Cause> {
    let at = words.position("previously selected package `")?;
    let begin = words.position("failed to select a version for `")?;
    let package = (*words.quoted(begin).first()?).to_owned();
    let wanted = words.quoted(words.position("versions that meet the requirements `")?).first()?.to_string();
    let chosen = words.quoted(at).first()?.split(" v").nth(1)?.split(' ').next()?.to_owned();
    let chosen = words.requirement(at + 1).unwrap_or(chosen);
    Some(Cause::Versions {
        first: asker(&package, &words.chain(at + 1), asked),
        second: asker(&package, &words.chain(begin + 1), asked),
        package,
        chosen,
        wanted,
    })
}

fn no_version(words: &Words<'_>, asked: &[AskedSource]) -> Option<Cause> {
    let at = words.position("failed to select a version for the requirement `")?;
    let (package, wanted) = words.quoted(at).first()?.split_once(" = ")?;
    let available = words.after("candidate versions found which didn't match: ")?.to_owned();
    let chain = words.chain(words.position("required by package `")?);
    Some(Cause::NoVersion {
        package: package.to_owned(),
        wanted: wanted.trim_matches('"').to_owned(),
        available,
        direct: asked.iter().any(|one| one.package == package),
        asker: asker(package, &chain, asked),
        offline: words.is_offline(),
    })
}

fn no_package(words: &Words<'_>, asked: &[AskedSource]) -> Option<Cause> {
    let named = words.position("no matching package named `").and_then(|at| words.quoted(at).first().copied());
    let searched = words.after("searched package name: ").map(|name| name.trim_matches('`'));
    let package = named.or(searched)?;
    let chain = words.chain(words.position("required by package `")?);
    Some(Cause::NoPackage {
        package: package.to_owned(),
        place: words.after("location searched: ").unwrap_or("the registry").to_owned(),
        nearest: words.after("perhaps you meant:").map(|name| name.trim().to_owned()),
        asker: asker(package, &chain, asked),
        offline: words.is_offline(),
    })
}

/// A version that is in the index, and whose file was never fetched, or cannot be.
fn download(words: &Words<'_>, asked: &[AskedSource]) -> Option<Cause> {
    if let Some(url) = words.quoted_after("error: failed to download from `") {
        let plugin = asked.iter().find(|one| url.split('/').any(|part| part == one.package));
        let package = plugin.map_or(url, |plugin| &plugin.package);
        let asker = asker(package, &Chain::default(), asked);
        let (url, reason) = (url.to_owned(), words.last_reason()?.to_owned());
        return Some(if words.wants_credentials() {
            Cause::Access { url, reason, asker }
        } else {
            Cause::Unreachable { url, reason, asker }
        });
    }
    let package = words.quoted_after("failed to download `")?.replacen(" v", " ", 1);
    let asker = asker(&package, &Chain::default(), asked);
    words.is_offline().then_some(Cause::Offline { package, asker })
}

/// A repository, registry or folder that cannot be had.
fn source(words: &Words<'_>, asked: &[AskedSource]) -> Option<Cause> {
    let at = words.position("failed to get `")?;
    let package = (*words.quoted(at).first()?).to_owned();
    let url = words.after("unable to update ").or_else(|| words.quoted_after("failed to download from `"));
    let url = url.unwrap_or("the registry").trim_matches('`').to_owned();
    let repository = url.split(['?', '#']).next().unwrap_or(&url).to_owned();
    let by_url = asked.iter().find(|one| one.package == package).or_else(|| {
        asked.iter().find(|one| redact(&one.source).contains(&repository) && words.chain(at).names.len() < 2)
    });
    let asker = match by_url {
        Some(plugin) => Asker { who: named(plugin), way: plugin.package.clone() },
        None => asker(&package, &words.chain(at), asked),
    };
    if words.is_offline() {
        let missing = words.missing_reference().map(|(kind, name)| format!("{kind} `{name}` of {package}"));
        return Some(Cause::Offline { package: missing.unwrap_or(package), asker });
    }
    if let Some((kind, name)) = words.missing_reference() {
        return Some(Cause::NoReference { kind, name: name.to_owned(), url: repository, asker });
    }
    let reason = words.last_reason()?.to_owned();
    if words.wants_credentials() {
        return Some(Cause::Access { url: repository, reason, asker });
    }
    if repository.starts_with('/') && words.line_with("failed to read `").is_some() {
        return Some(Cause::NoFolder { folder: repository, asker });
    }
    Some(Cause::Unreachable { url: repository, reason, asker })
}

/// Who is behind a chain of dependents that ends at the generated crate.
fn asker(package: &str, chain: &Chain, asked: &[AskedSource]) -> Asker {
    let name = package.split(' ').next().unwrap_or(package);
    // The one nearest to the generated crate: a plugin may depend on another one.
    let owner = chain
        .names
        .iter()
        .rev()
        .chain([&name.to_owned()])
        .find_map(|one| asked.iter().find(|plugin| plugin.package == *one));
    let mut way: Vec<&str> = chain.names.iter().rev().map(String::as_str).filter(|one| *one != "gateway").collect();
    way.push(package);
    Asker { who: owner.map_or_else(|| "the gateway".to_owned(), named), way: way.join(" → ") }
}

/// ``plugin `a` (git+https://host/a#v1)``
fn named(plugin: &AskedSource) -> String {
    let item = redact(&plugin.item);
    if item == plugin.package { format!("plugin `{item}`") } else { format!("plugin `{}` ({item})", plugin.package) }
}

impl Asker {
    /// ``plugin `a` finds``
    fn finds(&self) -> String {
        format!("{} finds", self.who)
    }
}

impl fmt::Display for Asker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.who, self.way)
    }
}

fn links_remedy(library: &str) -> &'static str {
    if library == "gw_sdk" {
        "let all of them use the gateway-sdk of this gateway"
    } else {
        "leave one of them out, or take releases that use the same package for it"
    }
}

fn version_remedy(package: &str, available: &str, direct: bool, offline: bool) -> String {
    let newest = available.split(',').next().unwrap_or(available).trim();
    let one = if direct {
        format!("ask for one that there is, such as {package}@{newest}")
    } else {
        format!("let its Cargo.toml ask for one that there is, such as {package} = \"{newest}\"")
    };
    if offline { format!("{one}; or run once without --offline, which hides newer ones") } else { one }
}

fn package_remedy(nearest: Option<&String>, offline: bool) -> String {
    match (nearest, offline) {
        (Some(nearest), false) => format!("did you mean `{nearest}`?"),
        (Some(nearest), true) => format!("did you mean `{nearest}`? Else run once without --offline"),
        (None, false) => "check the name".to_owned(),
        (None, true) => {
            "run once without --offline, or `cargo xtask fetch` with the same plugins; else check the name".to_owned()
        }
    }
}
