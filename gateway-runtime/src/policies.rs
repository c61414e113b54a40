//! Policies: where they come from. They are loaded before the APIs, all of them or none. Source: gateway.md §6.3.

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use gateway_model::{Finding, PoliciesReading, Policy, PolicyReading, Severity, locate, read_policies, read_policy};

use crate::apis::source::{self, Source};

/// What `policies` of the configuration says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) enum PolicySource {
    /// There are none.
    #[default]
    Nowhere,
    /// `policy_path`: a folder, with a policy in each of its `*.json` files. The control API writes there.
    Folder(PathBuf),
    /// `policy_record_name`: a file of policies by id.
    File(PathBuf),
    /// A Dashboard would have them. There are none.
    Service,
}

/// The policies, by id.
pub(crate) type Policies = BTreeMap<String, Policy>;

/// What came of loading them.
pub(crate) struct Loaded {
    pub(crate) policies: Policies,
    /// Warnings, with their files.
    pub(crate) findings: Vec<(Arc<str>, Finding)>,
}

/// Policies cannot be used as they are. One that is missing would be no part less: a key may name several, and is given
/// what the others allow.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PoliciesError {
    #[error("`policies.{key}` {}: {error}; make it, or set the key to where the policies are", path.display())]
    Read { key: &'static str, path: PathBuf, error: io::Error },
    /// With everything that is told of the files.
    #[error("{wrong} of the policies' files cannot be used")]
    Wrong { wrong: usize, findings: Vec<(Arc<str>, Finding)> },
}

/// Reads the policies.
///
/// # Errors
/// When the folder or the file cannot be read, or anything in it is wrong.
pub(crate) fn load(source: &PolicySource) -> Result<Loaded, PoliciesError> {
    match source {
        PolicySource::Nowhere | PolicySource::Service => Ok(Loaded { policies: Policies::new(), findings: Vec::new() }),
        PolicySource::Folder(folder) => {
            let fail = |error| PoliciesError::Read { key: "policy_path", path: folder.clone(), error };
            let files = source::list(folder, |name| name.ends_with(".json")).map_err(fail)?;
            of_folder(files)
        }
        PolicySource::File(file) => {
            let fail = |error| PoliciesError::Read { key: "policy_record_name", path: file.clone(), error };
            let text = std::fs::read_to_string(file).map_err(fail)?;
            let PoliciesReading { policies, findings } = read_policies(&text);
            let file: Arc<str> = file.display().to_string().into();
            let findings = findings.into_iter().map(|finding| (Arc::clone(&file), finding)).collect();
            match policies {
                Some(policies) => Ok(Loaded { policies, findings }),
                None => Err(PoliciesError::Wrong { wrong: 1, findings }),
            }
        }
    }
}

fn of_folder(files: Vec<Source>) -> Result<Loaded, PoliciesError> {
    let mut findings = Vec::new();
    let mut policies = Policies::new();
    let mut owners: BTreeMap<String, Arc<str>> = BTreeMap::new();
    let mut wrong = 0;
    for Source { file, text, .. } in files {
        let read = text.map(|text| (read_policy(&text), text));
        let (policy, told) = match read {
            Ok((PolicyReading { policy: Some(policy), findings }, text)) => match owners.get(&policy.id) {
                Some(owner) => (
                    None,
                    vec![error_at(&text, "id", format!("`{}` is the id of the policy in {owner} already", policy.id))],
                ),
                None => (Some(policy), findings),
            },
            Ok((PolicyReading { policy: None, findings }, _)) => (None, findings),
            Err(reason) => (None, vec![error_at("", "", reason)]),
        };
        findings.extend(told.into_iter().map(|finding| (Arc::clone(&file), finding)));
        match policy {
            Some(policy) => {
                owners.insert(policy.id.clone(), file);
                policies.insert(policy.id.clone(), policy);
            }
            None => wrong += 1,
        }
    }
    if wrong > 0 { Err(PoliciesError::Wrong { wrong, findings }) } else { Ok(Loaded { policies, findings }) }
}

fn error_at(text: &str, path: &str, reason: String) -> Finding {
    Finding { severity: Severity::Error, path: path.to_owned(), position: locate(text, path), reason }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn loaded(files: &[(&str, &str)]) -> Result<Vec<String>, Vec<String>> {
        let folder = tempfile::tempdir().expect("a folder");
        for (name, text) in files {
            std::fs::write(folder.path().join(name), text).expect("written");
        }
        match load(&PolicySource::Folder(folder.path().to_owned())) {
            Ok(loaded) => Ok(loaded.policies.into_keys().collect()),
            Err(PoliciesError::Wrong { findings, .. }) => {
                let shown = |(file, finding): (Arc<str>, Finding)| {
                    finding.at(file.rsplit('/').next().unwrap_or("")).to_string()
                };
                Err(findings
                    .into_iter()
                    .map(shown)
                    .map(|line| line.replace(&folder.path().display().to_string(), ""))
                    .collect())
            }
            Err(error) => panic!("{error}"),
        }
    }

    #[test]
    fn every_file_of_the_folder_is_a_policy() {
        let files = [
            ("1.json", r#"{"id": "gold"}"#),
            ("x-oas.json", r#"{"id": "x-oas"}"#),
            (".gw-1.tmp", "{"),
            ("README.md", ""),
        ];
        assert_eq!(loaded(&files), Ok(vec!["gold".to_owned(), "x-oas".to_owned()]));
        assert_eq!(loaded(&[]), Ok(Vec::new()));
    }

    #[test]
    fn one_that_cannot_be_used_refuses_all() {
        let told = loaded(&[("1.json", r#"{"id": "a"}"#), ("2.json", r#"{"id": "a"}"#), ("3.json", "{")]);
        let told = told.expect_err("refused");
        assert_eq!(told.len(), 2, "{told:?}");
        assert_eq!(told[0], "2.json:1:8: id: `a` is the id of the policy in /1.json already");
        assert!(told[1].starts_with("3.json:1:"), "{told:?}");
    }

    #[test]
    fn a_file_of_policies_names_them_by_its_keys() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("policies.json");
        let source = PolicySource::File(file.clone());
        assert!(matches!(load(&source), Err(PoliciesError::Read { key: "policy_record_name", .. })));
        std::fs::write(&file, r#"{"gold": {"rate": 5, "per": 1}}"#).expect("written");
        assert_eq!(
            load(&source).ok().map(|loaded| loaded.policies.into_keys().collect()),
            Some(vec!["gold".to_owned()])
        );
        std::fs::write(&file, "[]").expect("written");
        assert!(matches!(load(&source), Err(PoliciesError::Wrong { .. })));
    }
}
