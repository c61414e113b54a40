//! [`Worker`]: the thread that makes records of what requests have noted, shows them to plugins, and keeps them.
//!
//! What it has is kept when it is much, when nothing more came for [`IDLE`], after [`LONGEST`], and at the end. Source:
//! gateway.md §8.3.

use std::sync::{Arc, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use gateway_model::{ApiDefinition, Session};
use gateway_sdk::analytics::{AnalyticsRecord, AnsweredBy};
use gateway_sdk::caller::Caller;
use gateway_sdk::context::Ctx;
use gateway_sdk::exchange::{Exchange, Outcome};
use gateway_sdk::{Body, Request, Uri, http};
use serde_json::Value;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep_until, timeout};
use x509_cert::der::DateTime;

use super::sink::{Sink, SinkError};
use super::{Analytics, Item, Over, Tracking};
use crate::error::RequestError;
use crate::later::Later;
use crate::metrics::{self, RecordDropped};
use crate::session::key::KeyRules;
use crate::upstream::pool;

/// Without another record for so long, those that there are are kept.
const IDLE: Duration = Duration::from_millis(200);
/// No record waits longer than this.
const LONGEST: Duration = Duration::from_secs(1);
/// So many records are kept at once.
const MOST: usize = 500;
/// Requests wake nobody while this thread sleeps: after each look into the queue it does, for so long.
const PAUSE: Duration = Duration::from_millis(10);
/// How long a plugin may take for a record.
const PLUGIN_TIMEOUT: Duration = Duration::from_secs(5);
/// What has no end is forgotten after so long. Source: gateway.md §8.2.
const FOR_GOOD: u64 = 100 * 365 * 24 * 60 * 60;

/// Records cannot be kept in the way that is configured.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StartError {
    #[error(transparent)]
    Sink(#[from] SinkError),
    #[error("the system refuses a thread for analytics: {0}")]
    System(#[from] std::io::Error),
}

/// Who empties the queue, before it begins.
pub(crate) struct Worker {
    analytics: Arc<Analytics>,
    items: mpsc::Receiver<Item>,
}

impl Worker {
    pub(super) fn new(analytics: Arc<Analytics>, items: mpsc::Receiver<Item>) -> Self {
        Self { analytics, items }
    }

    /// Begins, on a thread of its own.
    ///
    /// # Errors
    /// When there is no such thread, or the file that was asked for cannot be written.
    pub(crate) fn start(self, rules: KeyRules, store: Later) -> Result<(), StartError> {
        let Self { analytics, mut items } = self;
        let mut keeper = Keeper {
            sink: Sink::open(&analytics.settings.sink, store)?,
            analytics: Arc::clone(&analytics),
            rules,
            records: Vec::new(),
            is_failing: false,
        };
        let (done, ended) = oneshot::channel();
        std::thread::Builder::new().name("analytics".to_owned()).spawn(move || {
            match crate::server::runtime() {
                Ok(runtime) => runtime.block_on(keeper.work(&mut items)),
                Err(error) => tracing::error!(%error, "the system refuses: analytics records are not kept"),
            }
            // Nobody may wait for it.
            let _ = done.send(());
        })?;
        *analytics.worker.lock().unwrap_or_else(PoisonError::into_inner) = Some(ended);
        Ok(())
    }
}

struct Keeper {
    analytics: Arc<Analytics>,
    sink: Sink,
    /// By what keys are known in records.
    rules: KeyRules,
    /// What is to be kept, as the sink writes it.
    records: Vec<Vec<u8>>,
    /// It was told that the sink takes nothing.
    is_failing: bool,
}

impl Keeper {
    async fn work(&mut self, items: &mut mpsc::Receiver<Item>) {
        let mut batch = Vec::with_capacity(MOST);
        let mut sweep = tokio::time::interval(pool::SWEEP_INTERVAL);
        let mut oldest = Instant::now();
        let mut newest = oldest;
        loop {
            tokio::select! {
                taken = items.recv_many(&mut batch, MOST) => {
                    newest = Instant::now();
                    if self.records.is_empty() {
                        oldest = newest;
                    }
                    let mut is_over = taken == 0;
                    for item in batch.drain(..) {
                        match item {
                            Item::Over(over) => self.take(*over).await,
                            Item::Close => is_over = true,
                        }
                        if self.records.len() >= MOST {
                            self.keep().await;
                        }
                    }
                    if is_over {
                        return self.keep().await;
                    }
                    if taken < MOST {
                        tokio::time::sleep(PAUSE).await;
                    }
                }
                () = sleep_until((newest + IDLE).min(oldest + LONGEST)), if !self.records.is_empty() => self.keep().await,
                _ = sweep.tick() => {
                    // Plugins make connections on this thread.
                    pool::sweep();
                    pool::rest();
                }
            }
            if !self.records.is_empty() && oldest.elapsed() >= LONGEST {
                self.keep().await;
            }
        }
    }

    /// Makes a record, and leaves it to be kept.
    async fn take(&mut self, over: Over) {
        self.analytics.release(&over);
        let Over { mut draft, session, tracking, .. } = over;
        complete(&mut draft.record, draft.answered, session.as_deref(), &tracking.definition);
        self.analytics.settings.normal.apply(&mut draft.record.path);
        let record = match show(draft, &tracking).await {
            Ok(record) => record,
            Err(why) => return metrics::record_dropped(why),
        };
        self.records.push(self.sink.encode(&stored(record, &self.rules)));
    }

    async fn keep(&mut self) {
        if self.records.is_empty() {
            return;
        }
        let records = std::mem::take(&mut self.records);
        let count = records.len();
        match self.sink.write(records).await {
            Ok(()) => {
                metrics::records_kept(count);
                if std::mem::take(&mut self.is_failing) {
                    tracing::info!("analytics records are kept again");
                }
            }
            Err(error) => {
                (0..count).for_each(|_| metrics::record_dropped(RecordDropped::Sink));
                if !std::mem::replace(&mut self.is_failing, true) {
                    tracing::error!(%error, "analytics records are lost, until this works again");
                }
            }
        }
    }
}

/// Fills in what is known without the request.
fn complete(record: &mut AnalyticsRecord, answered: AnsweredBy, session: Option<&Session>, definition: &ApiDefinition) {
    record.timestamp = SystemTime::now();
    let since = record.timestamp.duration_since(UNIX_EPOCH).unwrap_or_default();
    if let Ok(date) = DateTime::from_unix_duration(since) {
        (record.year, record.month) = (date.year().into(), date.month().into());
        (record.day, record.hour) = (date.day().into(), date.hour().into());
    }
    let lifetime = u64::try_from(definition.expire_analytics_after).ok().filter(|seconds| *seconds > 0);
    let lifetime = Duration::from_secs(lifetime.unwrap_or(FOR_GOOD).min(FOR_GOOD));
    record.expire_at = record.timestamp.checked_add(lifetime).unwrap_or(record.timestamp);
    if !record.track_path {
        record.path.clone_from(&record.raw_path);
    }
    if record.host.is_empty() {
        let target = definition.proxy.target_url.parse::<Uri>().ok();
        record.host = target.and_then(|uri| Some(uri.authority()?.to_string())).unwrap_or_default();
    }
    if record.api_version.is_empty() {
        record.api_version = "Non Versioned".to_owned();
    }
    record.api_name.clone_from(&definition.name);
    record.api_id.clone_from(&definition.api_id);
    record.org_id.clone_from(&definition.org_id);
    record.listen_path.clone_from(&definition.proxy.listen_path);
    // Those of headers were noted; what is of the session comes before them, what is of the API behind.
    let of_headers = std::mem::take(&mut record.tags);
    if let Some(session) = session {
        record.api_key.clone_from(&session.key_id);
        record.alias.clone_from(&session.alias);
        record.oauth_id.clone_from(&session.oauth_client_id);
        record.tags = of_session(session);
    }
    record.tags.extend(of_headers);
    record.tags.extend(definition.tags.iter().cloned());
    if answered == AnsweredBy::Cache {
        record.tags.push("cached-response".to_owned());
    }
    if answered == AnsweredBy::Plugin {
        // What it wrote is nobody else's. Source: plugin-system.md §4.4.
        record.raw_response = Vec::new();
    }
}

fn of_session(session: &Session) -> Vec<String> {
    let one = [session.apply_policy_id.clone()];
    let policies = if session.apply_policies.is_empty() { &one[..] } else { &session.apply_policies };
    let policies = policies.iter().filter(|id| !id.is_empty()).map(|id| format!("pol-{id}"));
    let developer = session.meta_data.get("tyk_developer_id").and_then(Value::as_str);
    policies.chain(developer.map(|id| format!("dev-{id}"))).chain(session.tags.iter().cloned()).collect()
}

/// Shows a record to the API's plugin, if it has one.
///
/// # Errors
/// When it is not to be kept, and why.
async fn show(
    draft: Box<gateway_sdk::analytics::Draft>,
    tracking: &Tracking,
) -> Result<AnalyticsRecord, RecordDropped> {
    let plugin = match &tracking.plugin {
        None => return Ok(draft.record),
        // It was told when the API was loaded.
        Some(Err(_)) => return Err(RecordDropped::PluginFailed),
        Some(Ok(plugin)) => plugin,
    };
    let (head, ()) = http::Request::new(()).into_parts();
    let ctx = Ctx::new(Arc::clone(&tracking.host), Arc::clone(&tracking.definition), None);
    let request = Request::from_parts(head, Body::empty());
    let (caller, draft) = (Caller::default(), Some(draft));
    let mut exchange = Exchange { request, response: None, caller, ctx, draft, journal: None };
    let shown = timeout(PLUGIN_TIMEOUT, plugin.show(&mut exchange)).await;
    let (api_id, plugin) = (&tracking.definition.api_id, plugin.name());
    let failed = |reason: String| {
        tracing::error!(api_id, plugin, hook = "analytics", reason, "an analytics record is not kept");
        Err(RecordDropped::PluginFailed)
    };
    match shown {
        Ok(Ok(Outcome::Continue)) => match exchange.draft {
            Some(draft) => Ok(draft.record),
            None => Err(RecordDropped::PluginFailed),
        },
        Ok(Ok(Outcome::Reject(reject))) => failed(reject.reason().unwrap_or("it says so").to_owned()),
        Ok(Ok(_)) => Err(RecordDropped::Plugin),
        Ok(Err(error)) => failed(told(&error)),
        Err(_) => failed(format!("the plugin took longer than {} s", PLUGIN_TIMEOUT.as_secs())),
    }
}

fn told(error: &RequestError) -> String {
    error.to_string()
}

/// A record as it is kept. Source: plugin-system.md §5, of Tyk's worker.
fn stored(mut record: AnalyticsRecord, rules: &KeyRules) -> AnalyticsRecord {
    record.api_key = rules.stored_id(&record.api_key).into_owned();
    let AnalyticsRecord { api_key, org_id, api_id, .. } = &record;
    let tags = [format!("key-{api_key}"), format!("org-{org_id}"), format!("api-{api_id}")];
    record.tags.extend(tags);
    for path in [&mut record.path, &mut record.raw_path] {
        if !path.starts_with('/') {
            path.insert(0, '/');
        }
    }
    record
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_has_its_tags_in_order_and_its_key_as_keys_are_stored() {
        let mut definition = ApiDefinition { api_id: "a".into(), org_id: "o".into(), ..ApiDefinition::default() };
        definition.tags = vec!["mine".into()];
        definition.proxy.target_url = "http://up:81/base".into();
        let meta = [("tyk_developer_id".to_owned(), Value::from("d"))];
        let session = Session {
            apply_policies: vec!["p".into()],
            tags: vec!["theirs".into()],
            meta_data: meta.into_iter().collect(),
            ..Session::new().with_key_id("secret").with_alias("ada")
        };
        let mut record = AnalyticsRecord { tags: vec!["x-a-1".into()], raw_path: "x".into(), ..Default::default() };
        complete(&mut record, AnsweredBy::Upstream, Some(&session), &definition);
        assert_eq!((&*record.host, &*record.api_version, &*record.alias), ("up:81", "Non Versioned", "ada"));
        let hashed = KeyRules { hash_keys: true, ..KeyRules::default() };
        let record = stored(record, &hashed);
        let hash = hashed.stored_id("secret").into_owned();
        let expected = ["pol-p", "dev-d", "theirs", "x-a-1", "mine", &format!("key-{hash}"), "org-o", "api-a"];
        assert_eq!(record.tags, expected);
        assert_eq!((&*record.path, record.api_key == hash), ("/x", true));
    }

    #[test]
    fn what_has_no_end_is_there_for_a_hundred_years() {
        let mut record = AnalyticsRecord::default();
        complete(&mut record, AnsweredBy::Gateway, None, &ApiDefinition::default());
        let life = record.expire_at.duration_since(record.timestamp).expect("it is later");
        assert_eq!(life, Duration::from_secs(FOR_GOOD));
        let short = ApiDefinition { expire_analytics_after: 60, ..ApiDefinition::default() };
        complete(&mut record, AnsweredBy::Gateway, None, &short);
        let life = record.expire_at.duration_since(record.timestamp).expect("it is later");
        assert_eq!(life, Duration::from_secs(60));
    }
}
