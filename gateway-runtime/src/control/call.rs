//! What a route is called with.

use std::sync::Arc;

use gateway_sdk::http::request;
use gateway_sdk::{Body, BodyError};

use super::refusal::Refusal;
use crate::gateway::Gateway;
use crate::serve::body::Stalled;

/// The most that a route takes, in bytes: no definition that is larger is loaded either.
pub(super) const LARGEST_BODY: usize = 16 * 1024 * 1024;

/// A call of a route.
pub(super) struct Call<'a> {
    pub(super) gateway: &'a Arc<Gateway>,
    head: &'a request::Parts,
    /// What stands for the variable segments of the route, in their order.
    arguments: Vec<String>,
    body: Body,
}

impl<'a> Call<'a> {
    pub(super) fn new(gateway: &'a Arc<Gateway>, head: &'a request::Parts, arguments: Vec<String>, body: Body) -> Self {
        Self { gateway, head, arguments, body }
    }

    /// What stands for the first variable segment; empty if the route has none.
    pub(super) fn argument(&self) -> &str {
        self.arguments.first().map_or("", String::as_str)
    }

    /// A parameter of the query, the first of its name. Source: Go, `net/url`.
    pub(super) fn query(&self, name: &str) -> Option<String> {
        let mut pairs = form_urlencoded::parse(self.head.uri.query().unwrap_or_default().as_bytes());
        pairs.find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
    }

    /// Reads the body.
    ///
    /// # Errors
    /// When it is too large (one that says so is not read at all), comes too slowly, breaks off, or is no text.
    pub(super) async fn text(&mut self) -> Result<String, Refusal> {
        let limit = self
            .gateway
            .config
            .max_request_body
            .map_or(LARGEST_BODY, |most| usize::try_from(most).unwrap_or(LARGEST_BODY).min(LARGEST_BODY));
        let body = self.body.bytes(limit).await?;
        String::from_utf8(body.into()).map_err(|_| Refusal::Malformed)
    }
}

impl From<BodyError> for Refusal {
    fn from(error: BodyError) -> Self {
        match error {
            BodyError::TooLarge { limit_bytes } => Self::TooLarge { limit_bytes },
            error if Stalled::is(&error) => Self::TooSlow,
            _ => Self::Malformed,
        }
    }
}
