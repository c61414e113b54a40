//! Definitions and policies: they are loaded when the process starts, and again when it is told to; what is wrong is told.

use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;

use gateway_model::{Finding, Severity};

use super::StartError;
use crate::apis::compile::Services;
use crate::apis::load::{self, Cycle};
use crate::apis::table::Table;
use crate::certificates::is_named_in;
use crate::config::Config;
use crate::gateway::Gateway;
use crate::handover::Predecessor;
use crate::keyring::Rulebook;
use crate::policies::{self, Loaded, Policies, PoliciesError};

pub(super) async fn first_load(
    config: &Config,
    services: &Services,
    predecessor: Option<&Predecessor>,
) -> Result<Table, StartError> {
    match load::load(&config.app_path, services, &Table::default()).await {
        Ok(cycle) => {
            report(&cycle);
            let missing = unresolved(&cycle);
            if missing > 0 && config.strict_plugins {
                return Err(StartError::Unresolved(missing));
            }
            if let Some(predecessor) = predecessor {
                predecessor.allows(&cycle.broken()).await;
            }
            Ok(cycle.table)
        }
        // Nobody has said where the definitions are: an empty gateway is what there is.
        Err(error) if !config.app_path_is_set && predecessor.is_none() => {
            tracing::warn!(%error, "no API definitions");
            Ok(Table::default())
        }
        Err(error) => Err(error.into()),
    }
}

/// Definitions may name certificates in the store, which was not open when they were read: those are read again.
pub(super) async fn take_up(config: &Config, services: &Services, table: Table) -> Result<Table, StartError> {
    let certificates = &config.edge.certificates;
    let concerned = table.apis().iter().filter(|api| certificates.are_named() || is_named_in(&api.text));
    let concerned: HashSet<Arc<str>> = concerned.map(|api| Arc::clone(&api.file)).collect();
    certificates.refresh(table.apis().iter().map(|api| &*api.text)).await;
    if let Some(operators) = config.operators.as_ref().filter(|_| certificates.are_named()) {
        operators.reload(certificates);
    }
    if concerned.is_empty() {
        return Ok(table);
    }
    let mut cycle = load::load(&config.app_path, services, &table).await?;
    // All others were told of a moment ago.
    cycle.findings.retain(|(file, _)| concerned.contains(file));
    report(&cycle);
    Ok(cycle.table)
}

pub(super) fn rulebook(policies: Policies, table: &Table) -> Rulebook {
    Rulebook::new(Arc::new(policies), table.apis().iter().map(|api| &*api.definition))
}

/// The policies, whose mistakes are told.
pub(super) fn load_policies(config: &Config) -> Result<Policies, PoliciesError> {
    let loaded = policies::load(&config.policies);
    if let Ok(Loaded { findings, .. }) | Err(PoliciesError::Wrong { findings, .. }) = &loaded {
        tell(findings, "policy");
    }
    loaded.map(|loaded| loaded.policies)
}

/// One cycle; when it cannot be made, everything stays as it is.
pub(super) async fn reload(gateway: &Arc<Gateway>, services: &Services) {
    let started = std::time::Instant::now();
    let config = &gateway.config;
    let policies = match load_policies(config) {
        Ok(policies) => policies,
        Err(error) => return tracing::error!(%error, "reload refused: everything stays as it is"),
    };
    let previous = gateway.table.load_full();
    match load::load(&config.app_path, services, &previous).await {
        Ok(cycle) => {
            report(&cycle);
            let missing = unresolved(&cycle);
            if missing > 0 && config.strict_plugins {
                tracing::error!(missing, "reload refused: plugins are not in this binary, and `strict_plugins` is set");
                return;
            }
            let (apis, kept) = (cycle.table.apis().len(), cycle.kept);
            if let Some(operators) = &config.operators {
                operators.reload(&config.edge.certificates);
            }
            if let Some(tls) = &gateway.tls {
                tls.reload(&cycle.table);
            }
            gateway.keyring.adopt(rulebook(policies, &cycle.table));
            gateway.table.store(Arc::new(cycle.table));
            let elapsed_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
            tracing::info!(apis, kept, elapsed_ms, "reloaded");
        }
        Err(error) => tracing::error!(%error, "reload refused: everything stays as it is"),
    }
}

/// Whether all is served that the definition in a file of this name says, whatever folder it was in.
pub(super) fn is_served(gateway: &Gateway, file: &str) -> bool {
    let name = |file| Path::new(file).file_name();
    gateway.table.load().apis().iter().any(|api| api.is_whole() && name(&*api.file) == name(file))
}

fn unresolved(cycle: &Cycle) -> usize {
    cycle.table.apis().iter().map(|api| api.unresolved.len()).sum()
}

fn report(cycle: &Cycle) {
    tell(&cycle.findings, "API definition");
}

fn tell(findings: &[(Arc<str>, Finding)], what: &str) {
    for (file, finding) in findings {
        match finding.severity {
            Severity::Error => tracing::error!(finding = %finding.at(file), "{what}"),
            Severity::Warning => tracing::warn!(finding = %finding.at(file), "{what}"),
        }
    }
}
