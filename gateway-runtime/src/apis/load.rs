//! One cycle of loading: read the folder, keep what has not changed, compile the rest, make the table.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use gateway_model::{Finding, Severity, locate};

use crate::apis::compile::{self, Api, Services};
use crate::apis::listen_path::ListenPath;
use crate::apis::plan::{self, Planned};
use crate::apis::source::{self, Source, SourceError};
use crate::apis::table::Table;
use crate::config::PathRules;

/// What a cycle came to.
pub(crate) struct Cycle {
    pub(crate) table: Table,
    pub(crate) findings: Vec<(Arc<str>, Finding)>,
    /// APIs whose new text does not load, and whose old version goes on.
    pub(crate) kept: usize,
}

/// Loads the folder. Definitions whose text is that of `previous` are taken over as they are, plugins and all.
///
/// # Errors
/// When the folder cannot be read; nothing is lost then.
pub(crate) async fn load(
    folder: &Path,
    rules: PathRules,
    services: &Services,
    previous: &Table,
) -> Result<Cycle, SourceError> {
    let sources = source::read(folder)?;
    let known: HashMap<&str, &Arc<Api>> = previous.apis().iter().map(|api| (&*api.file, api)).collect();
    let mut findings: Vec<(Arc<str>, Finding)> = Vec::new();
    let mut kept = 0;
    let mut loading = Vec::new();
    for source in sources {
        let old = known.get(&*source.file).map(|api| Arc::clone(api));
        loading.push(match old {
            Some(api) if unchanged(&api, &source) => Loading::Done(api),
            old => Loading::New(old, tokio::task::spawn_local(one(source, rules, services.clone()))),
        });
    }
    let mut apis: Vec<Arc<Api>> = Vec::new();
    let mut ids: HashMap<String, Arc<str>> = HashMap::new();
    for entry in loading {
        let (file, api) = match entry {
            Loading::Done(api) => (Arc::clone(&api.file), Some(api)),
            Loading::New(old, task) => {
                let Ok(fresh) = task.await else { continue };
                let loads = fresh.api.as_ref().is_some_and(|api| api.serving.is_ok());
                findings.extend(fresh.findings.into_iter().map(|finding| (Arc::clone(&fresh.file), finding)));
                let usable = old.filter(|old| !loads && old.serving.is_ok());
                kept += usize::from(usable.is_some());
                (fresh.file, usable.or(fresh.api))
            }
        };
        let Some(api) = api else { continue };
        if let Some(other) = ids.get(&api.definition.api_id) {
            let reason = format!("`{}` is the id of the API in {other} already", api.definition.api_id);
            findings.push((file, error_at(&api.text, "api_id", reason)));
            continue;
        }
        ids.insert(api.definition.api_id.clone(), file);
        apis.push(api);
    }
    let (table, conflicts) = Table::new(apis);
    for conflict in conflicts {
        let reason =
            format!("{} listens here already; this API is moved to `{}`", conflict.taken_by, conflict.moved_to);
        findings.push((Arc::clone(&conflict.api.file), error_at(&conflict.api.text, "proxy.listen_path", reason)));
    }
    Ok(Cycle { table, findings, kept })
}

enum Loading {
    Done(Arc<Api>),
    New(Option<Arc<Api>>, tokio::task::JoinHandle<Fresh>),
}

/// What came of one file.
struct Fresh {
    file: Arc<str>,
    api: Option<Arc<Api>>,
    findings: Vec<Finding>,
}

fn unchanged(api: &Api, source: &Source) -> bool {
    api.serving.is_ok() && source.text.as_ref().is_ok_and(|text| **text == *api.text)
}

async fn one(source: Source, rules: PathRules, services: Services) -> Fresh {
    let file = source.file;
    let text = match source.text {
        Ok(text) => text,
        Err(reason) => {
            let findings = vec![error_at("", "", reason)];
            return Fresh { file, api: None, findings };
        }
    };
    let Planned { definition, plan, mut findings } = plan::plan(&text, rules);
    let origin = (Arc::clone(&file), Arc::clone(&text));
    let api = match (definition, plan) {
        (None, _) => None,
        (Some(definition), None) => broken(definition, origin, "the definition has errors".to_owned()),
        (Some(definition), Some(plan)) => match compile::compile(plan, origin.clone(), &services).await {
            Ok(api) => Some(api),
            Err(error) => {
                findings.push(error_at(&text, "custom_middleware", error.to_string()));
                broken(definition, origin, error.to_string())
            }
        },
    };
    Fresh { file, api: api.map(Arc::new), findings }
}

fn broken(definition: Arc<gateway_model::ApiDefinition>, origin: (Arc<str>, Arc<str>), reason: String) -> Option<Api> {
    let listen = ListenPath::new(&definition.proxy.listen_path).ok()?;
    Some(Api::broken(definition, listen, origin, reason))
}

fn error_at(text: &str, path: &str, reason: String) -> Finding {
    let position = locate(text, path);
    Finding { severity: Severity::Error, path: path.to_owned(), position, reason }
}
