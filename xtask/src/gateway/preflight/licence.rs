//! Licences: what a linked plugin says reaches the whole binary.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use spdx::{Expression, LicenseReq, ParseMode};

use super::{Preflight, Problem, all_named, users};
use crate::gateway::graph::{Brought, Graph, Member};
use crate::metadata::Package;

/// Whoever passes such a binary on must pass on the source of all of it.
const STRONG: &[&str] = &["GPL-", "AGPL-", "SSPL-", "OSL-", "EUPL-", "RPL-", "QPL-", "Sleepycat"];

/// Additions that say: linking alone does not count.
const LINKING: &[&str] = &["Classpath-exception", "GCC-exception", "inking-exception", "linking", "LLVM-exception"];

/// Which licences may be in the binary.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Policy {
    /// SPDX names of the licences that may be in the binary, such as `MIT`. Empty: all that `deny` does not name. A
    /// package that says `A OR B` is let in when one of the two is; your own plugins by path need no licence.
    pub allow: Vec<String>,
    /// SPDX names of the licences that must not be in the binary. `GPL-3.0` stands for `-only` and `-or-later`. An entry
    /// of `allow` that names the exception too (`GPL-2.0-only WITH Classpath-exception-2.0`) is stronger.
    pub deny: Vec<String>,
}

impl Policy {
    fn is_empty(&self) -> bool {
        self.allow.is_empty() && self.deny.is_empty()
    }

    fn permits(&self, required: &LicenseReq) -> bool {
        let exactly = |entry: &String| *entry == required.to_string();
        if required.addition.is_some() && self.allow.iter().any(exactly) {
            return true;
        }
        !self.deny.iter().any(|entry| names(entry, required))
            && (self.allow.is_empty() || self.allow.iter().any(|entry| names(entry, required)))
    }

    fn unknown(&self) -> impl Iterator<Item = Problem> {
        let all = self.allow.iter().map(|entry| ("allow", entry)).chain(self.deny.iter().map(|entry| ("deny", entry)));
        all.filter(|(_, entry)| !is_known(entry)).map(|(list, entry)| Problem::UnknownLicence {
            list,
            entry: entry.clone(),
            meant: spdx::imprecise_license_id(entry).map(|(id, _)| id.name.to_owned()),
        })
    }
}

/// Whether an entry of a policy names what a package requires.
fn names(entry: &str, required: &LicenseReq) -> bool {
    let (licence, exception) = entry.split_once(" WITH ").map_or((entry, None), |(a, b)| (a, Some(b)));
    if exception.is_some() && *entry != required.to_string() {
        return false;
    }
    let name = required.license.to_string();
    let name = name.trim_end_matches('+');
    let family = name.strip_suffix("-only").or_else(|| name.strip_suffix("-or-later"));
    name == licence || family == Some(licence)
}

fn is_known(entry: &str) -> bool {
    let (licence, exception) = entry.split_once(" WITH ").map_or((entry, None), |(a, b)| (a, Some(b)));
    let licence = licence.starts_with("LicenseRef-") || spdx::license_id(licence).is_some_and(|id| id.name == licence);
    licence && exception.is_none_or(|exception| spdx::exception_id(exception).is_some())
}

/// What a package says, read.
enum Said {
    /// An expression, and its usual spelling.
    Licence(Box<Expression>, String),
    /// A file.
    File,
    Nothing,
    /// Not SPDX: why not.
    Unreadable(String),
}

impl Said {
    fn by(package: &Package) -> Self {
        match &package.license {
            None if package.license_file.is_some() => Self::File,
            None => Self::Nothing,
            Some(text) => match read(text) {
                Ok((expression, text)) => Self::Licence(Box::new(expression), text),
                Err(error) => Self::Unreadable(error.reason.to_string()),
            },
        }
    }

    fn summary(&self) -> String {
        match self {
            Self::Licence(_, text) => text.clone(),
            Self::File => "in a file".to_owned(),
            Self::Nothing => "none".to_owned(),
            Self::Unreadable(_) => "not SPDX".to_owned(),
        }
    }
}

/// Reads an expression as crates.io does: `MIT/Apache-2.0` is an old way to write OR.
fn read(text: &str) -> Result<(Expression, String), spdx::ParseError> {
    let usual = Expression::canonicalize(text)?.unwrap_or_else(|| text.to_owned());
    Ok((Expression::parse_mode(&usual, ParseMode::LAX)?, usual))
}

/// The usual spelling of a licence, if it is one.
#[must_use]
pub fn spdx_expression(text: &str) -> Option<String> {
    read(text).ok().map(|(_, usual)| usual)
}

/// Licences that the policy refuses; without a policy, those that will surprise.
pub(super) fn check(graph: &Graph, policy: &Policy, found: &mut Preflight) {
    found.problems.extend(policy.unknown());
    let mut without: Vec<String> = Vec::new();
    for member in graph.members().iter().filter(|member| member.package.id != graph.root().package.id) {
        let said = Said::by(&member.package);
        *found.licences.entry(said.summary()).or_default() += 1;
        let brought = graph.who_brings(&member.package.id);
        if policy.is_empty() {
            surprises(graph, member, &said, &brought, found);
        } else {
            found.problems.extend(refused(graph, member, &said, &brought, policy));
        }
        // What is not published needs none, and the crates of this machine are the reader's own.
        let is_own = member.package.source.is_none();
        let mut aside = |what: &str| without.extend((!is_own).then(|| format!("{}{what}", member.package.label())));
        match &said {
            Said::Nothing => aside(""),
            Said::File => aside(" (in a file)"),
            Said::Unreadable(reason) => found.warnings.push(unreadable(graph, member, &brought, reason)),
            Said::Licence(..) => {}
        }
    }
    if !without.is_empty() {
        found.notes.push(format!("these packages name no licence: {}", without.join(", ")));
    }
}

fn unreadable(graph: &Graph, member: &Member, brought: &Brought, reason: &str) -> String {
    let by = if brought.core { "the gateway".to_owned() } else { all_named(graph, &brought.plugins) };
    let said = member.package.license.as_deref().unwrap_or_default();
    format!(
        "the licence `{said}` of {} ({by}) cannot be read: {reason}\n  = a licence is an SPDX expression such as \
         `MIT OR Apache-2.0`",
        member.package.label()
    )
}

fn refused(graph: &Graph, member: &Member, said: &Said, brought: &Brought, policy: &Policy) -> Option<Problem> {
    let own = member.package.source.is_none();
    let (rule, permit) = match said {
        Said::Licence(expression, _) if expression.evaluate(|required| policy.permits(required)) => return None,
        Said::Licence(expression, text) => {
            let denied = expression.requirements().any(|one| policy.deny.iter().any(|entry| names(entry, &one.req)));
            if denied {
                ("licenses.deny names", "take its licence off `licenses.deny`".to_owned())
            } else {
                ("licenses.allow does not name", format!("add `{text}` to `licenses.allow`"))
            }
        }
        // What names no licence cannot be shown to have an allowed one; what is in this checkout is the user's own.
        Said::Nothing | Said::File if own || policy.allow.is_empty() => return None,
        Said::Unreadable(_) if policy.allow.is_empty() => return None,
        Said::Nothing | Said::File | Said::Unreadable(_) => {
            ("licenses.allow cannot name", "ask its author to name it in Cargo.toml, as an SPDX expression".to_owned())
        }
    };
    Some(Problem::Licence {
        package: member.package.name.clone(),
        version: member.package.version.clone(),
        licence: member.package.license.clone().unwrap_or_else(|| said.summary()),
        rule,
        permit,
        core: brought.core,
        users: users(graph, &member.package.id, &brought.plugins),
    })
}

/// Copyleft that comes with a plugin.
fn surprises(graph: &Graph, member: &Member, said: &Said, brought: &Brought, found: &mut Preflight) {
    let Said::Licence(expression, text) = said else {
        return;
    };
    if brought.core || member.build_only {
        return;
    }
    let ways: String = brought
        .plugins
        .iter()
        .filter_map(|plugin| graph.path(plugin, &member.package.id))
        .map(|way| format!("\n  by: {way}"))
        .collect();
    let by = all_named(graph, &brought.plugins);
    let label = member.package.label();
    if !expression.evaluate(|required| !is_strong(required)) {
        found.warnings.push(format!(
            "{by} links {label}, whose licence is {text}: it reaches the whole gateway when you pass the binary on{ways}\n  \
             = do without it, or name what you accept in [licenses] of gw.toml"
        ));
    } else if !expression.evaluate(|required| !is_lesser(required)) {
        found.notes.push(format!(
            "{by} links {label}, whose licence is {text}: who gets the binary must be able to link it again with \
             another {}{ways}",
            member.package.name
        ));
    }
}

fn is_strong(required: &LicenseReq) -> bool {
    let name = required.license.to_string();
    let mild = required.addition.as_ref().map(ToString::to_string).unwrap_or_default();
    STRONG.iter().any(|strong| name.starts_with(strong)) && !LINKING.iter().any(|linking| mild.contains(linking))
}

fn is_lesser(required: &LicenseReq) -> bool {
    required.license.to_string().starts_with("LGPL-") && required.addition.is_none()
}
