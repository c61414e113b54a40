//! Answers operations of an OpenAPI document in the upstream's place: by what is written there, or by an example of the
//! document. It comes after authentication, limits and transforms, and the answer meets the response's chain. Source:
//! Tyk, `gateway/mw_mock_response.go`; gateway.md §4.5, §5.3.

mod examples;

use bytes::Bytes;
use gateway_model::JsonPath;
use gateway_model::oas::{MockHeader, OasMock, Operation};
use gateway_sdk::exchange::Exchange;
use gateway_sdk::http::header::CONTENT_TYPE;
use gateway_sdk::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode};
use serde_json::Value;

use super::lists::{Reply, TEXT};
use super::operations::{Asked, Operations};
use super::{PlannedMiddleware, Ran, Step};
use crate::apis::plan::Planning;
use crate::error::RequestError;
use examples::Examples;

pub(super) use examples::by_media_type;

pub(super) const STEP: PlannedMiddleware = PlannedMiddleware { name: "mock_response", plan };

/// What the extension says of it.
const KEY: &str = "mockResponse";

struct Mocks(Operations<Mock>);

/// The answer to one operation.
enum Mock {
    Fixed(Reply),
    Example(Examples),
}

fn plan(planning: &mut Planning<'_, '_>) -> Option<Box<dyn Step>> {
    let operations = Operations::plan(planning, KEY, mock)?;
    Some(Box::new(Mocks(operations)))
}

fn mock(planning: &mut Planning<'_, '_>, operation: &Operation<'_>, written: &Value, at: &JsonPath) -> Option<Mock> {
    let (mock, wrong, idle) = OasMock::read(written, at);
    for (place, reason) in &idle {
        planning.warn_in_document(place, reason);
    }
    for (place, reason) in &wrong {
        planning.refuse_in_document(place, reason);
    }
    if !wrong.is_empty() {
        return None;
    }
    if mock.from_examples.enabled {
        return Examples::plan(planning, operation, &mock.from_examples, at).map(Mock::Example);
    }
    fixed(planning, &mock, at).map(Mock::Fixed)
}

fn fixed(
    planning: &mut Planning<'_, '_>,
    OasMock { code, body, headers, .. }: &OasMock,
    at: &JsonPath,
) -> Option<Reply> {
    let Some(status) = status(*code) else {
        let reason = format!("`{code}` is not a status that an answer can have; write one from 200 to 599");
        planning.refuse_in_document(&at.key("code"), &reason);
        return None;
    };
    let mut written = HeaderMap::new();
    for (index, header) in headers.iter().enumerate() {
        match self::header(header) {
            Some((name, value)) => _ = written.insert(name, value),
            None => {
                let MockHeader { name, value } = header;
                let reason =
                    format!("`{name}: {value}` is not a header: a name is a word without spaces, a value is one line");
                planning.refuse_in_document(&at.key("headers").index(index), &reason);
            }
        }
    }
    if !body.is_empty() && !written.contains_key(CONTENT_TYPE) {
        written.insert(CONTENT_TYPE, TEXT);
    }
    Some(Reply { status, headers: written, body: Bytes::copy_from_slice(body.as_bytes()) })
}

fn header(MockHeader { name, value }: &MockHeader) -> Option<(HeaderName, HeaderValue)> {
    Some((HeaderName::try_from(name).ok()?, HeaderValue::try_from(value).ok()?))
}

/// A status that an answer can have; 0 is 200.
fn status(code: i64) -> Option<StatusCode> {
    let code = if code == 0 { 200 } else { code };
    u16::try_from(code).ok().filter(|code| (200..=599).contains(code)).and_then(|code| StatusCode::from_u16(code).ok())
}

impl Mock {
    fn answer(&self, request: &Request) -> Result<Box<Response>, RequestError> {
        match self {
            Self::Fixed(reply) => Ok(reply.response()),
            Self::Example(examples) => examples.answer(request),
        }
    }
}

impl Step for Mocks {
    fn run(&self, exchange: &mut Exchange) -> Result<Ran, RequestError> {
        match self.0.find(&exchange.request) {
            Asked::This(mock, _) => mock.answer(&exchange.request).map(Ran::InPlace),
            Asked::Nothing | Asked::NoneOf(_) | Asked::Unknown(_) => Ok(Ran::On),
        }
    }
}
