//! What a gateway of somebody's own needs besides its template.

use std::collections::hash_map::RandomState;
use std::fs;
use std::hash::{BuildHasher, Hasher};
use std::path::Path;

use super::NewError;
use crate::repository::Repository;
use crate::toolchain::{cargo, run};

/// The placeholders whose values only this checkout knows. The others are right as the template has them: no plugins, the
/// profiles of this repository, and flags that make the gateway static.
pub(super) fn values(repository: &Repository) -> toml::Table {
    let path = toml::Value::from(repository.runtime().display().to_string());
    toml::Table::from_iter([
        ("gateway_runtime".to_owned(), toml::Value::from(format!("{{ path = {path} }}"))),
        ("secret".to_owned(), toml::Value::from(secret())),
    ])
}

/// Nobody knows it: 128 bits of the seeds that the standard library takes from the system.
fn secret() -> String {
    let word = || RandomState::new().build_hasher().finish();
    format!("{:016x}{:016x}", word(), word())
}

/// Writes Cargo.lock: the versions that the repository was tested with, without those that the gateway does not use.
pub(super) fn lock(repository: &Repository, dir: &Path) -> Result<(), NewError> {
    let file = dir.join("Cargo.lock");
    fs::copy(repository.root().join("Cargo.lock"), &file).map_err(|source| NewError::Io { path: file, source })?;
    let output = run(cargo(dir).args(["update", "--workspace", "--offline", "--quiet"]))?;
    if output.status.success() {
        return Ok(());
    }
    Err(NewError::Lock { stderr: String::from_utf8_lossy(&output.stderr).into_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_gateways_have_two_secrets() {
        let (one, other) = (secret(), secret());
        assert_eq!(one.len(), 32);
        assert_ne!(one, other);
    }
}
