//! The rates of single paths of an API: the entries of `extended_paths.rate_limit`. Source: gateway.md §3.4, §7.1.

use std::sync::Arc;

use gateway_sdk::Request;

use crate::apis::listen_path::ListenPath;
use crate::apis::matcher::{Entry, Matcher};
use crate::apis::pattern::Pattern;
use crate::session::limits::{EndpointLimit, Rate, endpoint_hash};

/// An entry that was looked up.
pub(crate) struct PlannedRate {
    pub(crate) pattern: Pattern,
    pub(crate) method: String,
    /// As it is configured: its counter is named after that.
    pub(crate) path: String,
    pub(crate) rate: Rate,
}

/// The rates of an API's paths.
pub(crate) struct EndpointRates {
    matcher: Matcher<1>,
    rates: Vec<EndpointLimit>,
}

impl EndpointRates {
    /// `None` where there are none.
    pub(crate) fn new(planned: Vec<PlannedRate>) -> Option<Arc<Self>> {
        let (mut entries, mut rates) = (Vec::new(), Vec::new());
        for PlannedRate { pattern, method, path, rate } in planned {
            rates.push(EndpointLimit { rate, hash: endpoint_hash(&method, &path) });
            entries.push(Entry { pattern, method, kind: 0 });
        }
        (!rates.is_empty()).then(|| Arc::new(Self { matcher: Matcher::new(entries), rates }))
    }

    /// The first that a request is for, and its place among all.
    pub(crate) fn find(&self, request: &Request, listen: &ListenPath) -> Option<(usize, &EndpointLimit)> {
        let [found] = self.matcher.find(request.method().as_str(), request.path(), listen);
        let at = found?;
        self.rates.get(at).map(|rate| (at, rate))
    }

    /// All of them, in their order.
    pub(crate) fn all(&self) -> &[EndpointLimit] {
        &self.rates
    }
}
