//! Which hosts are down: each is asked now and then, as the definitions' `uptime_tests` say.
//!
//! One task on the control thread asks; balancers read its marks. A host goes down after so many failures, and comes
//! back after as many successes. Its mark outlives a reload.
//! Source: Tyk, `gateway/host_checker.go`, `gateway/host_checker_manager.go`.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use gateway_model::{ApiDefinition, HostCheck};
use gateway_sdk::http::header::{CONNECTION, HeaderName, InvalidHeaderName};
use gateway_sdk::{Body, HeaderValue, Method, Request, StatusCode, Uri};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::balance::Aim;
use super::target::{Origin, Target, TargetError};
use super::transport::Transport;
use super::{Forward, Rules, dns, forward};
use crate::clock::Exact;
use crate::config::Watch;
use crate::events::Handlers;

/// How long a check may take that does not say so itself.
const TIMEOUT: Duration = Duration::from_millis(500);

/// The mark of every host that a balancer or a check is about.
#[derive(Default)]
pub(crate) struct Marks(Mutex<HashMap<String, Arc<AtomicBool>>>);

impl Marks {
    /// The mark of a host: whether it is down.
    pub(crate) fn of(&self, origin: &Origin) -> Arc<AtomicBool> {
        let mut marks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // What nobody holds any more is of hosts that are no longer named.
        marks.retain(|_, mark| Arc::strong_count(mark) > 1);
        Arc::clone(marks.entry(origin.to_string()).or_default())
    }
}

/// A check that was understood.
pub(crate) struct Check {
    api: Arc<ApiDefinition>,
    entry: HostCheck,
    ask: Ask,
    transport: Arc<Transport>,
    limit: Duration,
    origin: Arc<Origin>,
    down: Arc<AtomicBool>,
    /// Who is told when it goes down, or comes back.
    events: Option<Arc<Handlers>>,
}

enum Ask {
    Http { target: Box<Target>, uri: Uri, method: Method, headers: Vec<(HeaderName, HeaderValue)> },
    Tcp,
}

/// A check that cannot be made.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CheckError {
    #[error("{0}")]
    Url(#[from] TargetError),
    #[error("{0}")]
    Field(String),
    #[error(
        "`tls` checks are not made by this gateway: the host counts as up; check it by an `https` URL, or by `tcp`"
    )]
    Tls,
}

impl Check {
    /// # Errors
    /// When a part of it is not what it should be; with the name of that part.
    pub(crate) fn new(
        api: &Arc<ApiDefinition>,
        entry: &HostCheck,
        marks: &Marks,
        transport: &Arc<Transport>,
    ) -> Result<Self, (&'static str, CheckError)> {
        let field = |name: &'static str, error: &dyn std::fmt::Display| (name, CheckError::Field(error.to_string()));
        match &*entry.protocol {
            "tls" => return Err(("protocol", CheckError::Tls)),
            "" | "http" | "https" | "tcp" => {}
            other => return Err(field("protocol", &format_args!("`{other}` is not one of `http`, `https`, `tcp`"))),
        }
        if entry.url.is_empty() {
            return Err(field("url", &"is empty; say what is asked, such as `http://orders:80/health`"));
        }
        if let Some(command) = entry.commands.iter().find(|command| !matches!(&*command.name, "send" | "expect")) {
            return Err(field("commands", &format_args!("`{}` is neither `send` nor `expect`", command.name)));
        }
        let limit = entry.limit().map_err(|error| field("timeout", &error))?.unwrap_or(TIMEOUT);
        let url = match entry.url.strip_prefix("tcp://") {
            Some(rest) if entry.is_tcp() => format!("http://{rest}"),
            _ if entry.url.contains("://") => entry.url.clone(),
            _ => format!("http://{}", entry.url),
        };
        let uri: Uri = url.parse().map_err(|error| field("url", &error))?;
        let target = Target::of(&uri, transport).map_err(|error| ("url", error.into()))?;
        let origin = Arc::clone(&target.origin);
        let ask = if entry.is_tcp() {
            Ask::Tcp
        } else {
            let method = if entry.method.is_empty() { "GET" } else { &entry.method };
            let method = method.parse().map_err(|error| field("method", &format_args!("`{method}`: {error}")))?;
            let mut headers = Vec::new();
            for (name, value) in &entry.headers {
                let wrong = |error: &dyn std::fmt::Display| field("headers", &format_args!("`{name}`: {error}"));
                let value = HeaderValue::from_str(value).map_err(|error| wrong(&error))?;
                headers.push((name.parse().map_err(|error: InvalidHeaderName| wrong(&error))?, value));
            }
            Ask::Http { target: target.without_path().into(), uri, method, headers }
        };
        let down = marks.of(&origin);
        let transport = Arc::clone(transport);
        Ok(Self { api: Arc::clone(api), entry: entry.clone(), ask, transport, limit, origin, down, events: None })
    }

    /// The same, and these are told of what it finds.
    pub(crate) fn telling(self, events: Option<&Arc<Handlers>>) -> Self {
        Self { events: events.cloned(), ..self }
    }

    /// # Errors
    /// Why the host is not well.
    async fn make(&self) -> Result<(), String> {
        let made = async {
            match &self.ask {
                Ask::Tcp => self.talk().await,
                Ask::Http { target, uri, method, headers } => {
                    let mut request = hyper::Request::new(Body::from(self.entry.body.clone()));
                    *request.method_mut() = method.clone();
                    request.headers_mut().extend(headers.iter().cloned());
                    request.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
                    let mut request = Request::from(request);
                    // The URI's own path is the whole path.
                    request.set_uri(uri.clone());
                    let rules = Rules::once(2 * self.limit);
                    let (aim, transport) = (Aim::One(target), &*self.transport);
                    let how =
                        Forward { aim, transport, enforced: None, strip: None, keep_host: true, client: None, rules };
                    match forward(&mut request, how, Exact::default()).await {
                        Ok(response) if response.status() == StatusCode::OK => Ok(()),
                        Ok(response) => Err(format!("status {}", response.status().as_u16())),
                        Err(error) => Err(error.to_string()),
                    }
                }
            }
        };
        tokio::time::timeout(self.limit, made)
            .await
            .unwrap_or_else(|_| Err(format!("no answer within {:?}", self.limit)))
    }

    /// Connects, and says and hears what the commands say.
    async fn talk(&self) -> Result<(), String> {
        let told = |error: &dyn std::fmt::Display| error.to_string();
        let addresses = dns::resolve(&self.origin.host, self.origin.port).await.map_err(|error| told(&error))?;
        let mut stream = TcpStream::connect(&*addresses).await.map_err(|error| told(&error))?;
        for command in &self.entry.commands {
            let expected = command.message.as_bytes();
            if command.name == "send" {
                stream.write_all(expected).await.map_err(|error| told(&error))?;
                continue;
            }
            let mut heard = vec![0; expected.len()];
            stream.read_exact(&mut heard).await.map_err(|error| told(&error))?;
            if heard != expected {
                let heard = String::from_utf8_lossy(&heard).into_owned();
                return Err(format!("heard {heard:?} instead of {:?}", command.message));
            }
        }
        Ok(())
    }
}

/// How a host has done.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Sample {
    failures: u32,
    down: bool,
}

impl Sample {
    /// Takes note of a check; `Some` when the host has gone down (`true`) or come back.
    fn note(&mut self, well: bool, samples: u32) -> Option<bool> {
        match (well, self.down) {
            // What went well before does not make up for a failure. Source: Tyk, `HostReporter`.
            (true, false) => None,
            (true, true) => {
                self.failures = self.failures.saturating_sub(1);
                (self.failures == 0).then(|| {
                    self.down = false;
                    false
                })
            }
            (false, down) => {
                self.failures = (self.failures + 1).min(samples);
                self.down = self.failures >= samples;
                (self.down && !down).then_some(true)
            }
        }
    }
}

/// Makes the checks, again and again; `checks` gives those of the APIs that are loaded at the moment.
pub(crate) async fn watch(how: Watch, checks: impl Fn() -> Vec<Arc<Check>>) {
    let mut samples: HashMap<String, (Sample, Arc<AtomicBool>)> = HashMap::new();
    let pool = Arc::new(Semaphore::new(how.pool));
    loop {
        let mut making = JoinSet::new();
        // Several APIs may want one thing to be known.
        let mut named = HashSet::new();
        for check in checks().into_iter().filter(|check| named.insert(check.entry.url.clone())) {
            let pool = Arc::clone(&pool);
            making.spawn_local(async move {
                let permit = pool.acquire_owned().await;
                let made = check.make().await;
                drop(permit);
                (check, made)
            });
        }
        let mut seen = HashMap::new();
        while let Some(made) = making.join_next().await {
            let Ok((check, made)) = made else { continue };
            let key = check.entry.url.clone();
            let known = samples.remove(&key);
            let (mut sample, mark) = known.unwrap_or_else(|| (Sample::default(), Arc::clone(&check.down)));
            if let Some(down) = sample.note(made.is_ok(), how.samples) {
                mark.store(down, Ordering::Relaxed);
                told(&check, down, made.err());
            }
            seen.insert(key, (sample, mark));
        }
        // Whom nobody watches any more counts as up.
        for (_, mark) in samples.into_values() {
            mark.store(false, Ordering::Relaxed);
        }
        samples = seen;
        tokio::time::sleep(how.wait).await;
    }
}

fn told(check: &Check, down: bool, reason: Option<String>) {
    let (api_id, url, reason) = (&check.api.api_id, &check.entry.url, reason.unwrap_or_default());
    if let Some(events) = &check.events {
        events.host(api_id, url, &reason, down);
    }
    if down {
        tracing::warn!(api_id, url, reason, event = "HostDown", "a host is down: balancers leave it out");
    } else {
        tracing::info!(api_id, url, event = "HostUp", "a host is up again");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Outbound;

    fn noted(samples: u32, checks: &[bool]) -> Vec<Option<bool>> {
        let mut sample = Sample::default();
        checks.iter().map(|well| sample.note(*well, samples)).collect()
    }

    #[test]
    fn so_many_failures_make_a_host_down_whatever_is_between_them() {
        assert_eq!(noted(3, &[false, false, true, true, false]), [None, None, None, None, Some(true)]);
        assert_eq!(noted(1, &[false, false]), [Some(true), None]);
    }

    #[test]
    fn it_is_up_after_as_many_successes() {
        let checks = [false, false, false, true, false, true, true];
        assert_eq!(noted(2, &checks), [None, Some(true), None, None, None, None, Some(false)]);
    }

    #[test]
    fn balancers_and_checks_of_one_host_share_its_mark() {
        let marks = Marks::default();
        let origin = |port: u16| Target::plain(&format!("http://up:{port}/")).origin;
        let first = marks.of(&origin(1));
        first.store(true, Ordering::Relaxed);
        assert!(marks.of(&origin(1)).load(Ordering::Relaxed));
        assert!(!marks.of(&origin(2)).load(Ordering::Relaxed));
        drop(first);
        assert!(!marks.of(&origin(1)).load(Ordering::Relaxed), "forgotten with the last who named it");
    }

    fn check(entry: HostCheck) -> Result<Check, (&'static str, String)> {
        let api = Arc::new(ApiDefinition::default());
        let transport = Arc::new(Transport::plain(&Outbound::default()).expect("a transport"));
        Check::new(&api, &entry, &Marks::default(), &transport).map_err(|(field, error)| (field, error.to_string()))
    }

    #[test]
    fn what_cannot_be_asked_is_told() {
        let entry = |url: &str| HostCheck { url: url.to_owned(), ..HostCheck::default() };
        let field = |entry: HostCheck| check(entry).err().map(|(field, _)| field);
        assert_eq!(field(entry("http://up/health")), None);
        assert_eq!(field(entry("up:81")), None);
        assert_eq!(field(entry("gopher://up")), Some("url"));
        assert_eq!(field(HostCheck { method: "G T".to_owned(), ..entry("up") }), Some("method"));
        assert_eq!(field(HostCheck { timeout: "1".into(), ..entry("up") }), Some("timeout"));
        let tcp = HostCheck { protocol: "tcp".to_owned(), ..entry("tcp://up:90") };
        assert_eq!(check(tcp).expect("a check").origin.to_string(), "up:90");
    }
}
