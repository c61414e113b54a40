//! One cycle of loading: read the folder, keep what has not changed, compile the rest, make the table.

use std::collections::{BTreeSet, HashMap};
use std::path::Path;
use std::sync::Arc;

use gateway_model::{ApiDefinition, Finding, Identity, Proxy, Severity};

use crate::apis::compile::{self, Api, Services};
use crate::apis::edge::ApiEdge;
use crate::apis::listen_path::ListenPath;
use crate::apis::plan::{self, Planned};
use crate::apis::source::{self, Source, SourceError};
use crate::apis::table::Table;
use crate::certificates::Certificates;
use crate::config::Edge;
use crate::drivers::Stamps;

/// What a cycle came to.
pub(crate) struct Cycle {
    pub(crate) table: Table,
    pub(crate) findings: Vec<(Arc<str>, Finding)>,
    /// APIs whose new text does not load, and whose old version goes on.
    pub(crate) kept: usize,
}

impl Cycle {
    /// The files whose definitions are not served, not all of what they say, or not where they say.
    pub(crate) fn broken(&self) -> Vec<Arc<str>> {
        let parts = self.table.apis().iter().filter(|api| !api.is_whole()).map(|api| &api.file);
        let errors = self.findings.iter().filter(|(_, finding)| finding.severity == Severity::Error);
        parts.chain(errors.map(|(file, _)| file)).cloned().collect::<BTreeSet<_>>().into_iter().collect()
    }
}

/// Loads the folder. Definitions whose text is that of `previous` are taken over as they are, plugins and all.
///
/// # Errors
/// When the folder cannot be read; nothing is lost then.
pub(crate) async fn load(folder: &Path, services: &Services, previous: &Table) -> Result<Cycle, SourceError> {
    let sources = source::read(folder)?;
    let certificates = &services.ground.edge.certificates;
    certificates.refresh(sources.iter().filter_map(|source| source.text.as_deref().ok())).await;
    let known: HashMap<&str, &Arc<Api>> = previous.apis().iter().map(|api| (&*api.file, api)).collect();
    let mut findings: Vec<(Arc<str>, Finding)> = Vec::new();
    let mut kept = 0;
    let mut loading = Vec::new();
    for source in sources {
        let old = known.get(&*source.file).map(|api| Arc::clone(api));
        loading.push(match old {
            Some(api) if unchanged(&api, &source, certificates) => Loading::Done(api),
            old => {
                let (kept, file) = (old.clone(), Arc::clone(&source.file));
                Loading::New(kept, file, tokio::task::spawn_local(one(source, services.clone(), old)))
            }
        });
    }
    let mut loaded: Vec<(bool, Arc<Api>)> = Vec::new();
    for entry in loading {
        let (old, fresh) = match entry {
            Loading::Done(api) => {
                loaded.push((true, api));
                continue;
            }
            Loading::New(old, file, task) => (old, task.await.unwrap_or_else(|error| Fresh::failed(file, &error))),
        };
        let loads = fresh.api.as_ref().is_some_and(|api| api.serving.is_ok() && !loses(old.as_deref(), api));
        findings.extend(fresh.findings.into_iter().map(|finding| (Arc::clone(&fresh.file), finding)));
        let was_loaded = old.is_some();
        let is_usable = |old: &Arc<Api>| old.serving.as_ref().is_ok_and(|serving| serving.transport.is_complete());
        let usable = old.filter(|old| !loads && is_usable(old));
        kept += usize::from(usable.is_some());
        loaded.extend(usable.or(fresh.api).map(|api| (was_loaded, api)));
    }
    // Who was here keeps what it has; among the others the first file wins.
    loaded.sort_by_key(|(was_loaded, _)| !was_loaded);
    let apis = unique(loaded.into_iter().map(|(_, api)| api), &services.ground.edge, &mut findings);
    let (table, conflicts) = Table::new(apis, &services.ground.edge);
    for conflict in conflicts {
        let reason =
            format!("{} listens here already; this API is moved to `{}`", conflict.taken_by, conflict.moved_to);
        findings.push((Arc::clone(&conflict.api.file), error_at(&conflict.api.text, "proxy.listen_path", reason)));
    }
    Ok(Cycle { table, findings, kept })
}

/// Of APIs with one id, the first is served. The others keep their listen paths closed.
fn unique(apis: impl Iterator<Item = Arc<Api>>, edge: &Edge, findings: &mut Vec<(Arc<str>, Finding)>) -> Vec<Arc<Api>> {
    let mut ids: HashMap<String, Arc<str>> = HashMap::new();
    let mut unique = Vec::new();
    for api in apis {
        let id = &api.definition.api_id;
        let Some(other) = ids.get(id) else {
            ids.insert(id.clone(), Arc::clone(&api.file));
            unique.push(api);
            continue;
        };
        let reason = format!("`{id}` is the id of the API in {other} already");
        findings.push((Arc::clone(&api.file), error_at(&api.text, "api_id", reason.clone())));
        let origin = (Arc::clone(&api.file), Arc::clone(&api.text));
        let edge = ApiEdge::closed(&api.definition, edge);
        let closed = Api::broken(Arc::clone(&api.definition), Arc::clone(&api.listen), origin, edge, reason);
        unique.push(Arc::new(closed));
    }
    unique
}

enum Loading {
    Done(Arc<Api>),
    New(Option<Arc<Api>>, Arc<str>, tokio::task::JoinHandle<Fresh>),
}

/// What came of one file.
struct Fresh {
    file: Arc<str>,
    api: Option<Arc<Api>>,
    findings: Vec<Finding>,
}

impl Fresh {
    /// Loading this file ended in a panic.
    fn failed(file: Arc<str>, error: &tokio::task::JoinError) -> Self {
        Self { file, api: None, findings: vec![error_at("", "", format!("loading it failed: {error}"))] }
    }
}

/// Whether a definition that is what it was has lost a plugin, since that one's file is gone or broken. The old code is in
/// memory, and goes on.
fn loses(old: Option<&Api>, fresh: &Api) -> bool {
    old.is_some_and(|old| old.text == fresh.text && old.document == fresh.document && old.is_whole())
        && !fresh.is_whole()
}

fn unchanged(api: &Api, source: &Source, certificates: &Certificates) -> bool {
    api.serving.as_ref().is_ok_and(|serving| serving.transport.is_current(certificates))
        && source.text.as_ref().is_ok_and(|text| **text == *api.text)
        && source.document == api.document
        && api.edge.is_current(certificates)
        && api.stamps.are_current(&api.definition)
}

async fn one(source: Source, services: Services, previous: Option<Arc<Api>>) -> Fresh {
    let file = source.file;
    let text = match source.text {
        Ok(text) => text,
        Err(reason) => {
            let findings = vec![error_at("", "", reason)];
            return Fresh { file, api: None, findings };
        }
    };
    let Planned { definition, identity, plan, mut findings, .. } =
        plan::plan(&text, source.document.as_ref(), &services.ground);
    let stamps = definition.as_deref().map(Stamps::as_read).unwrap_or_default();
    let edge = &services.ground.edge;
    let origin = (Arc::clone(&file), Arc::clone(&text));
    let api = match (definition, plan) {
        (None, _) => identity.and_then(|known| closed(known, origin, edge)),
        (Some(definition), None) => broken(definition, origin, edge, "the definition has errors".to_owned()),
        (Some(definition), Some(plan)) => {
            match compile::compile(plan, origin.clone(), &services, previous.as_deref()).await {
                Ok(api) => Some(api),
                Err(error) => {
                    findings.push(error_at(&text, "custom_middleware", error.to_string()));
                    broken(definition, origin, edge, error.to_string())
                }
            }
        }
    };
    let api = api.map(|api| Arc::new(Api { document: source.document, stamps, ..api }));
    Fresh { file, api, findings }
}

fn broken(definition: Arc<ApiDefinition>, origin: (Arc<str>, Arc<str>), edge: &Edge, reason: String) -> Option<Api> {
    let listen = ListenPath::new(&definition.proxy.listen_path).ok()?;
    let edge = ApiEdge::closed(&definition, edge);
    Some(Api::broken(definition, Arc::new(listen), origin, edge, reason))
}

/// An API of which no more is known than where it would listen.
fn closed(known: Identity, origin: (Arc<str>, Arc<str>), edge: &Edge) -> Option<Api> {
    let proxy = Proxy { listen_path: known.listen_path, ..Proxy::default() };
    let domain = known.domain.unwrap_or_default();
    let definition = ApiDefinition { api_id: known.api_id, domain, proxy, ..ApiDefinition::default() };
    broken(Arc::new(definition), origin, edge, "the definition has errors".to_owned())
}

fn error_at(text: &str, path: &str, reason: String) -> Finding {
    let (path, position) = gateway_model::oas::place(text, path);
    Finding { severity: Severity::Error, path, position, reason }
}
