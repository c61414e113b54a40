//! Which crate a name chooses. The rules are those by which a running gateway finds a plugin, so that a name that is
//! placed here is found there.

use std::fmt;

use gateway_model::Hook;
use gateway_model::custom_middleware::HONOURED_DRIVERS;
use gateway_model::plugin_name::{same_crate, split, stem};
use thiserror::Error;

use super::candidate::Candidate;
use super::definitions::Named;
use super::offers::{Offer, OffersError, offers};
use crate::report::Failure;

/// How many near names a message lists, and how near they are (1 is equal): of ten letters, four may be others.
const NEAREST: usize = 3;
const NEAR: f64 = 0.6;

/// Which crates the names of definitions choose.
#[derive(Debug)]
pub struct Placing {
    /// Of the candidates, those that are needed, in their order.
    pub crates: Vec<usize>,
    /// The names that none of them can serve, if there are any.
    pub unplaced: Option<Unplaced>,
}

/// Names that no crate can serve. Displays as one line each, and a remedy.
#[derive(Debug, Error)]
pub struct Unplaced {
    /// The names, in the order of the definitions.
    pub names: Vec<UnplacedName>,
    /// Crates whose sources cannot be read; the plugins may be there.
    pub unreadable: Vec<OffersError>,
}

impl Failure for Unplaced {}

impl Unplaced {
    /// The same, where crates are known that were not asked for: one that serves a missing name is told.
    #[must_use]
    pub fn knowing(mut self, others: &[Candidate]) -> Self {
        // What cannot be read is not asked for either.
        let (shelf, _) = Shelf::of(others);
        for name in &mut self.names {
            if let Reason::UnknownName { .. } = name.reason
                && let Ok(index) = shelf.find(&name.named)
            {
                let folder = others[index].dir.file_name().unwrap_or_default().to_string_lossy().into_owned();
                name.reason = Reason::NotAsked { folder };
            }
        }
        self
    }
}

/// One name that no crate can serve. Displays as `file:line:column: field: reason`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnplacedName {
    /// What is asked for, and where.
    pub named: Named,
    /// Why nothing is found.
    pub reason: Reason,
}

/// Why a name is not placed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reason {
    /// No crate has the name; the nearest that do, each with its crate.
    UnknownName {
        /// `(name, package)`
        nearest: Vec<(String, String)>,
    },
    /// A crate that nobody has asked for would serve it.
    NotAsked {
        /// Its folder in `plugins/`.
        folder: String,
    },
    /// A crate has it, for other hooks.
    OtherHooks {
        /// The crate.
        package: String,
        /// What its plugin serves.
        serves: Vec<Hook>,
    },
    /// Several crates have it, and the path chooses none.
    Ambiguous {
        /// All of them.
        packages: Vec<String>,
    },
    /// The definition's driver is none that the gateway has.
    UnknownDriver,
}

/// The crates that the names need, and no others.
///
/// # Errors
/// When a name cannot be placed; all of them are told.
pub fn choose(named: &[Named], candidates: &[Candidate]) -> Result<Vec<usize>, Unplaced> {
    let Placing { crates, unplaced } = place(named, candidates);
    unplaced.map_or(Ok(crates), Err)
}

/// Checks the names against crates that were chosen before.
///
/// # Errors
/// When a name cannot be placed; all of them are told.
pub fn check(named: &[Named], candidates: &[Candidate]) -> Result<(), Unplaced> {
    choose(named, candidates).map(|_| ())
}

/// Finds the crate of every name, as far as there is one.
#[must_use]
pub fn place(named: &[Named], candidates: &[Candidate]) -> Placing {
    let (shelf, unreadable) = if named.is_empty() { Default::default() } else { Shelf::of(candidates) };
    let mut crates = Vec::new();
    let mut names = Vec::new();
    for named in named {
        match shelf.find(named) {
            Ok(index) => crates.push(index),
            Err(reason) => names.push(UnplacedName { named: named.clone(), reason }),
        }
    }
    crates.sort_unstable();
    crates.dedup();
    // A crate that nobody misses may be as broken as it likes.
    let unplaced = (!names.is_empty()).then_some(Unplaced { names, unreadable });
    Placing { crates, unplaced }
}

/// All that the candidates offer.
#[derive(Default)]
struct Shelf<'c>(Vec<Item<'c>>);

struct Item<'c> {
    index: usize,
    package: &'c str,
    offer: Offer,
}

impl<'c> Shelf<'c> {
    fn of(candidates: &'c [Candidate]) -> (Self, Vec<OffersError>) {
        let mut shelf = Vec::new();
        let mut unreadable = Vec::new();
        for (index, Candidate { package, dir }) in candidates.iter().enumerate() {
            match offers(dir) {
                Ok(offers) => shelf.extend(offers.into_iter().map(|offer| Item { index, package, offer })),
                Err(error) => unreadable.push(error),
            }
        }
        (Self(shelf), unreadable)
    }

    /// The candidate that serves a name.
    fn find(&self, wanted: &Named) -> Result<usize, Reason> {
        // A response hook's file tells its driver. Source: Tyk, `gateway/server.go`.
        let is_file = wanted.hook == Hook::Response && wanted.path.ends_with(".so");
        if !HONOURED_DRIVERS.contains(&wanted.driver.as_str()) && !is_file {
            return Err(Reason::UnknownDriver);
        }
        let (krate, name) = split(&wanted.name);
        let mut named: Vec<&Item<'_>> = self.0.iter().filter(|item| item.offer.name == name).collect();
        if let Some(krate) = krate {
            named.retain(|item| same_crate(item.package, krate));
        } else if named.len() > 1 {
            let stem = stem(&wanted.path);
            let by_file: Vec<_> = named.iter().copied().filter(|item| same_crate(item.package, stem)).collect();
            if !by_file.is_empty() {
                named = by_file;
            }
        }
        let serving: Vec<_> = named.iter().copied().filter(|item| item.offer.hooks.contains(&wanted.hook)).collect();
        match (serving.as_slice(), named.first()) {
            ([one], _) => Ok(one.index),
            ([], None) => Err(Reason::UnknownName { nearest: self.nearest(name) }),
            ([], Some(item)) => {
                Err(Reason::OtherHooks { package: item.package.to_owned(), serves: item.offer.hooks.clone() })
            }
            (several, _) => {
                Err(Reason::Ambiguous { packages: several.iter().map(|item| item.package.to_owned()).collect() })
            }
        }
    }

    fn nearest(&self, name: &str) -> Vec<(String, String)> {
        let lower = name.to_lowercase();
        let likeness =
            |item: &Item<'_>| strsim::normalized_damerau_levenshtein(&item.offer.name.to_lowercase(), &lower);
        let mut near: Vec<_> = self.0.iter().map(|item| (likeness(item), item)).collect();
        near.retain(|(likeness, _)| *likeness >= NEAR);
        near.sort_by(|a, b| b.0.total_cmp(&a.0));
        near.into_iter().take(NEAREST).map(|(_, item)| (item.offer.name.clone(), item.package.to_owned())).collect()
    }
}

impl UnplacedName {
    /// What is wrong, in the words of the running gateway.
    #[must_use]
    pub fn reason(&self) -> String {
        let Named { name, hook, driver, .. } = &self.named;
        match &self.reason {
            Reason::UnknownName { nearest } => {
                let near: Vec<_> = nearest.iter().map(|(name, package)| format!("`{name}` ({package})")).collect();
                let near = if near.is_empty() { String::new() } else { format!("; nearest: {}", near.join(", ")) };
                format!("no plugin `{name}` for hook `{hook}`{near}")
            }
            Reason::NotAsked { folder } => {
                format!("no plugin `{name}` for hook `{hook}`: it is in `{folder}`, which is not asked for")
            }
            Reason::OtherHooks { package, serves } => {
                let serves: Vec<_> = serves.iter().map(|hook| format!("`{hook}`")).collect();
                format!("plugin `{name}` of crate `{package}` serves {}, not `{hook}`", serves.join(", "))
            }
            Reason::Ambiguous { packages } => format!("plugin `{name}` is in several crates: {}", packages.join(", ")),
            Reason::UnknownDriver if driver.is_empty() => {
                format!("plugin `{name}` of hook `{hook}` has no driver, so the gateway does not look for it")
            }
            Reason::UnknownDriver => {
                format!("plugin `{name}` of hook `{hook}` has driver `{driver}`, which this gateway does not have")
            }
        }
    }

    /// What to do about it.
    fn remedy(&self) -> String {
        let hook = self.named.hook;
        match &self.reason {
            Reason::UnknownName { .. } => {
                "correct the name, or add the crate that has it: `--plugins ./FOLDER`".to_owned()
            }
            Reason::NotAsked { folder } => format!("add `{folder}` to --plugins, or to [plugins] of the manifest"),
            Reason::OtherHooks { .. } => {
                format!("add `{hook}` to the hooks of its `#[gw_plugin]`, or name it under a hook it serves")
            }
            Reason::Ambiguous { packages } => {
                let first = packages.first().map_or("crate", String::as_str);
                let name = &self.named.name;
                let name = split(name).1;
                format!("name one, such as `{first}::{name}`, or let its path end in its crate's name")
            }
            Reason::UnknownDriver => {
                let known: Vec<_> = HONOURED_DRIVERS.iter().map(|driver| format!("`{driver}`")).collect();
                format!("set the driver to one of {}", known.join(", "))
            }
        }
    }
}

impl fmt::Display for UnplacedName {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Named { file, line, column, field, .. } = &self.named;
        write!(out, "{}:{line}:{column}: {field}: {}", file.display(), self.reason())
    }
}

impl fmt::Display for Unplaced {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for name in &self.names {
            writeln!(out, "{name}")?;
        }
        for error in &self.unreadable {
            writeln!(out, "{error}")?;
        }
        let mut remedies: Vec<String> = Vec::new();
        for remedy in self.names.iter().map(UnplacedName::remedy) {
            if !remedies.contains(&remedy) {
                remedies.push(remedy);
            }
        }
        if !self.unreadable.is_empty() {
            remedies.push("mend the sources that cannot be read: the plugins may be there".to_owned());
        }
        write!(out, "  = {}", remedies.join("; "))
    }
}
