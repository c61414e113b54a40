//! What each built-in step costs where a definition uses it, and that it costs nothing where none does.

use std::collections::BTreeMap;
use std::fs;
use std::process::Command;
use std::sync::LazyLock;

use serde::Deserialize;
use serde_json::{Value, json};

use super::budgets::Row;
use super::counts::{Counter, per_request, sum};
use super::error::BenchError;
use super::gateway::{Conf, Gateway};
use super::load::Load;
use super::outcome::{Figure, Outcome};
use super::subject::Subject;
use super::value::{self, Unit};
use crate::report::Report;
use crate::toolchain::run;

/// In the order in which they run.
static STEPS: LazyLock<Vec<Step>> = LazyLock::new(|| {
    serde_json::from_str(include_str!("../../bench/steps.json")).expect("steps.json is a list of steps")
});

/// As many as there are, of nothing.
static NOTHING: LazyLock<Vec<Step>> = LazyLock::new(|| STEPS.iter().map(|_| Step::default()).collect());

/// A step, as an API and a gateway ask for it.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Step {
    name: &'static str,
    /// What is set in the definition, by its place.
    definition: BTreeMap<&'static str, Value>,
    /// An OpenAPI document in place of the definition; who and where it is, is the definition's.
    document: Option<Value>,
    /// What is set in `tyk.conf`.
    configuration: BTreeMap<&'static str, Value>,
    /// Bytes of a JSON object that is posted; 0: `GET`.
    post: usize,
}

impl Step {
    /// Sets what it needs.
    pub(super) fn put_in_definition(&self, api: &mut Value) {
        api["version_data"]["versions"]["Default"]["use_extended_paths"] = true.into();
        put(&self.definition, api);
        if let Some(document) = &self.document {
            let mut document = document.clone();
            let extension = &mut document["x-tyk-api-gateway"];
            let state = json!({ "active": true });
            extension["info"] = json!({ "id": api["api_id"], "name": api["name"], "orgId": "default", "state": state });
            extension["upstream"] = json!({ "url": api["proxy"]["target_url"] });
            extension["server"] = json!({ "listenPath": { "value": api["proxy"]["listen_path"], "strip": true } });
            *api = document;
        }
    }

    /// Sets what it needs.
    pub(super) fn put_in_configuration(&self, conf: &mut Value) {
        put(&self.configuration, conf);
    }
}

fn put(settings: &BTreeMap<&str, Value>, whole: &mut Value) {
    for (place, value) in settings {
        let here = place.split('/').fold(&mut *whole, |at, key| &mut at[key]);
        here.clone_from(value);
    }
}

/// Counts what each step adds, and what all of them add to an API beside theirs.
///
/// # Errors
/// When the gateway does not run under the tool.
pub(super) fn measure(
    load: &Load,
    gateway: &Gateway,
    plain: f64,
    outcome: &mut Outcome,
    report: &Report,
) -> Result<(), BenchError> {
    let count = |subject: &Subject, post: usize| -> Result<f64, BenchError> {
        report.note(&format!("counting instructions of {} …", subject.name));
        Ok(sum(&per_request(load, subject, Counter::Callgrind, post)?))
    };
    let mut plain_post = None;
    for step in &*STEPS {
        let conf = Conf { step: Some(step), ..Conf::PLAIN };
        if let Some(reason) = refused(load, gateway, step.name, &conf)? {
            outcome.notes.push(format!("{}: not measured: {reason}", step.name));
            continue;
        }
        let base = match (step.post, plain_post) {
            (0, _) => plain,
            (_, Some(base)) => base,
            (post, None) => *plain_post.insert(count(&gateway.plain(), post)?),
        };
        let adds = count(&gateway.with(step.name, conf), step.post)? - base;
        outcome.figures.extend(value::Value::of([adds]).map(|value| Figure {
            name: step.name,
            what: "adds",
            unit: Unit::Instructions,
            value,
        }));
    }
    let beside = |name, beside: &'static [Step]| count(&gateway.with(name, Conf { beside, ..Conf::PLAIN }), 0);
    let adds = beside("gateway beside all steps", &STEPS)? - beside("gateway beside nothing", &NOTHING)?;
    outcome.put_one(Row::Unused, adds);
    Ok(())
}

/// Why a gateway does not take what it is to be measured with: it may lack a feature.
fn refused(load: &Load, gateway: &Gateway, name: &str, conf: &Conf) -> Result<Option<String>, BenchError> {
    let dir = load.place.dir.join(name);
    fs::create_dir_all(&dir).map_err(BenchError::io("make", &dir))?;
    let conf = conf.write(&dir, 1, load.place.upstream)?;
    let output = run(Command::new(&gateway.binary).arg("--conf").arg(&conf).args(["check", "--json"]))?;
    let findings: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
    let reason = &findings["findings"][0]["reason"];
    Ok((!output.status.success()).then(|| reason.as_str().unwrap_or("`gateway check` refuses it").to_owned()))
}
