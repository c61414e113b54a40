//! Gives a request the method and the URL that earlier steps have chosen for it. It is the last step: plugins and
//! built-ins before it see what the client sent.
//!
//! Source: gateway.md §5.3 (step 14), §12.14; Tyk, `gateway/api_loader.go`.

use gateway_sdk::exchange::Exchange;
use gateway_sdk::http::uri::PathAndQuery;
use gateway_sdk::{Method, Request, Uri};

use super::method_transform::MethodTo;
use super::url_rewrite::rewritten::{Place, Rewritten};
use super::{PlannedMiddleware, Ran, Step};
use crate::apis::plan::Planning;
use crate::error::RequestError;

pub(super) const STEP: PlannedMiddleware = PlannedMiddleware { name: "dispatch", plan };

struct Dispatch {
    /// That of `target_url`, which goes to other upstreams too.
    query: Option<Box<str>>,
}

/// The request as the client sent it.
#[derive(Clone)]
struct AsSent {
    method: Method,
    uri: Uri,
}

fn plan(planning: &mut Planning<'_, '_>) -> Option<Box<dyn Step>> {
    let paths = planning.version().filter(|version| version.use_extended_paths).map(|version| &version.extended_paths);
    let is_asked = paths.is_some_and(|paths| {
        paths.url_rewrites.iter().any(|entry| !entry.disabled)
            || paths.method_transforms.iter().any(|entry| !entry.disabled)
    });
    is_asked.then(|| {
        let target = planning.api().proxy.target_url.split_once('?');
        let query = target.map(|(_, query)| query).filter(|query| !query.is_empty());
        Box::new(Dispatch { query: query.map(Box::from) }) as Box<dyn Step>
    })
}

impl Step for Dispatch {
    fn run(&self, exchange: &mut Exchange) -> Result<Ran, RequestError> {
        let request = &mut exchange.request;
        let method = request.extensions_mut().remove::<MethodTo>();
        let rewritten = request.extensions_mut().remove::<Rewritten>();
        if method.is_none() && rewritten.is_none() {
            return Ok(Ran::On);
        }
        let sent = AsSent { method: request.method().clone(), uri: request.uri().clone() };
        request.extensions_mut().insert(sent);
        if let Some(MethodTo(method)) = method {
            request.set_method(method);
        }
        match rewritten {
            None => {}
            Some(Rewritten { place: Place::Here, rest }) => request.set_uri(rest.into()),
            Some(Rewritten { place: Place::Upstream(upstream), rest }) => {
                request.set_upstream(upstream);
                request.set_uri(self.with_query(rest).into());
            }
        }
        Ok(Ran::On)
    }
}

impl Dispatch {
    /// A path and a query, with the target's query before its own.
    fn with_query(&self, rest: PathAndQuery) -> PathAndQuery {
        let Some(query) = &self.query else { return rest };
        let own = rest.query().filter(|own| !own.is_empty()).map_or_else(String::new, |own| format!("&{own}"));
        format!("{}?{query}{own}", rest.path()).parse().unwrap_or(rest)
    }
}

/// What is known of a request goes on with its head, and so does what the client sent: the steps for the response look
/// for that.
pub(crate) fn hand_over(forwarded: &mut Request, head: &mut Request) {
    std::mem::swap(head.extensions_mut(), forwarded.extensions_mut());
    if let Some(AsSent { method, uri }) = head.extensions_mut().remove() {
        head.set_method(method);
        head.set_uri(uri);
    }
}
