//! Groups of ways of authentication, of which one is enough.
//!
//! Groups are tried in their order, and within one every way must pass. The first that passes says who is calling; if
//! none does, the last one says why. What a group did that failed is taken back, but for the bodies that its plugins
//! replaced; the sessions that its plugins set are saved once all of it has passed: a saved one would be a key.
//! Source: Tyk, `gateway/mw_auth_or_wrapper.go`; gateway.md §4.2; plugin-system.md §4.10.

use std::sync::Arc;

use gateway_model::{AuthMethod, Hook, Scheme};
use gateway_sdk::caller::Caller;
use gateway_sdk::exchange::{BoxFuture, Exchange};
use gateway_sdk::http::Request as Head;
use gateway_sdk::http::header::{CONTENT_ENCODING, CONTENT_LENGTH, TRANSFER_ENCODING};
use gateway_sdk::{Body, HeaderMap, Method, Request, Uri};

use super::{PluginCall, Stop, log_refusal};
use crate::caller::Unsaved;
use crate::error::RequestError;
use crate::keyring::Keyring;
use crate::middleware::{Ran, Step};

/// The name that refusals are logged with.
const NAME: &str = "any_of";

/// One way of authentication.
pub(crate) enum Way {
    BuiltIn(Box<dyn Step>),
    Plugin(PluginCall),
    /// The definition names a plugin that is not there.
    Unresolved {
        name: String,
        hook: Hook,
    },
}

/// The groups of one API.
pub(crate) struct AnyOf {
    ways: Vec<(AuthMethod, Way)>,
    groups: Vec<Vec<Member>>,
    /// A way among them may change the request, or say something in its answer.
    leaves_traces: bool,
}

/// One scheme of a group.
enum Member {
    /// The place among the ways.
    Way(usize),
    /// No way of the API stands for it: the name of the scheme.
    Missing(String),
}

impl AnyOf {
    pub(crate) fn new(ways: Vec<(AuthMethod, Way)>, groups: &[Vec<Scheme>]) -> Self {
        let member = |scheme: &Scheme| {
            let place = |method: &AuthMethod| ways.iter().position(|(other, _)| other == method);
            scheme.method.as_ref().and_then(place).map_or_else(|| Member::Missing(scheme.name.clone()), Member::Way)
        };
        let groups = groups.iter().map(|group| group.iter().map(member).collect()).collect();
        let leaves = |(method, way): &(AuthMethod, Way)| matches!(way, Way::Plugin(_)) || *method == AuthMethod::Basic;
        let leaves_traces = ways.iter().any(leaves);
        Self { ways, groups, leaves_traces }
    }

    /// Tries the groups.
    pub(super) fn run<'a>(
        &'a self,
        exchange: &'a mut Exchange,
        keyring: &'a Arc<Keyring>,
    ) -> BoxFuture<'a, Result<(), Stop>> {
        Box::pin(async move {
            let mut last = Stop::Error(RequestError::CredentialMissing);
            let before = self.leaves_traces.then(|| Before::of(exchange));
            for (at, group) in self.groups.iter().enumerate() {
                if at > 0 {
                    take_back(exchange, before.as_ref());
                }
                match self.group(group, exchange, keyring).await {
                    Ok(()) => return Ok(()),
                    // What a late plugin left of the request is not known, so no other group may let it in.
                    Err(Stop::Error(
                        error @ (RequestError::PluginTimedOut { .. } | RequestError::PluginsBusy { .. }),
                    )) => {
                        exchange.caller = Caller::default();
                        return Err(error.into());
                    }
                    Err(stop) => last = stop,
                }
            }
            exchange.caller = Caller::default();
            if let Stop::Error(error) = &last {
                log_refusal(exchange, NAME, error);
            }
            Err(last)
        })
    }

    async fn group(&self, group: &[Member], exchange: &mut Exchange, keyring: &Arc<Keyring>) -> Result<(), Stop> {
        let mut unsaved = Vec::new();
        for member in group {
            match member {
                Member::Way(at) => unsaved.extend(self.ways[*at].1.run(exchange, keyring).await?),
                Member::Missing(scheme) => return Err(RequestError::SchemeMissing(scheme.clone()).into()),
            }
        }
        for session in unsaved {
            if let Some(save) = session.save(keyring) {
                save.await;
            }
        }
        Ok(())
    }
}

impl Way {
    /// Whether it lets the request in; and a session to be saved if the whole group does.
    async fn run(&self, exchange: &mut Exchange, keyring: &Arc<Keyring>) -> Result<Option<Unsaved>, Stop> {
        match self {
            Self::BuiltIn(step) => {
                let mut ran = step.run(exchange)?;
                while let Ran::Wait(answer) = ran {
                    ran = answer.await(exchange)?;
                }
                match ran {
                    Ran::On | Ran::Wait(_) => Ok(None),
                    Ran::Answer(response) => Err(Stop::Reply(response)),
                    Ran::Elsewhere(to) => Err(Stop::Elsewhere(to)),
                }
            }
            Self::Plugin(call) => {
                let (came, unsaved) = call.call(exchange, keyring).await;
                came.map(|()| unsaved)
            }
            Self::Unresolved { name, hook } => {
                Err(RequestError::UnresolvedPlugin { name: name.clone(), hook: *hook }.into())
            }
        }
    }
}

/// What a group did that failed. What the last one did is part of its answer.
fn take_back(exchange: &mut Exchange, before: Option<&Before>) {
    exchange.caller = Caller::default();
    if let Some(before) = before {
        before.restore(exchange);
    }
}

/// A request before anybody has said who is calling.
struct Before {
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    upstream: Option<Uri>,
    response_headers: HeaderMap,
}

impl Before {
    fn of(exchange: &mut Exchange) -> Self {
        let request = &exchange.request;
        Self {
            method: request.method().clone(),
            uri: request.uri().clone(),
            headers: request.headers().clone(),
            upstream: request.upstream().cloned(),
            response_headers: exchange.ctx.asked_mut().response_headers.clone(),
        }
    }

    fn restore(&self, exchange: &mut Exchange) {
        exchange.ctx.asked_mut().response_headers.clone_from(&self.response_headers);
        let nothing = Request::from_parts(Head::new(()).into_parts().0, Body::empty());
        let (mut head, body) = std::mem::replace(&mut exchange.request, nothing).into_parts();
        head.method.clone_from(&self.method);
        head.uri.clone_from(&self.uri);
        let now = std::mem::replace(&mut head.headers, self.headers.clone());
        // The body is as it is now, and so is what describes it.
        for name in [CONTENT_LENGTH, TRANSFER_ENCODING, CONTENT_ENCODING] {
            match now.get(&name) {
                Some(value) => _ = head.headers.insert(name, value.clone()),
                None => _ = head.headers.remove(name),
            }
        }
        exchange.request = Request::from_parts(head, body);
        if let Some(upstream) = &self.upstream {
            exchange.request.set_upstream(upstream.clone());
        }
    }
}
