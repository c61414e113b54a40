//! The echo: what was asked, as JSON. Source: Tyk, `gateway/testutil.go`.

use http::Response;
use http::header::CONTENT_TYPE;
use serde_json::{Map, Value, json};

use crate::feed::{Payload, whole};
use crate::wire::Message;

/// `{"Method", "URI", "Path", "Url", "Body", "Headers", "Form"}`, with the first value of each header.
pub(super) fn response(request: &Message) -> Response<Payload> {
    let mut words = request.first.split(' ');
    let (method, uri) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let (path, query) = uri.split_once('?').unwrap_or((uri, ""));
    let mut headers = Map::new();
    for (name, value) in &request.headers {
        headers.entry(canonical(name)).or_insert_with(|| value.clone().into());
    }
    let is_form = request.header("content-type").starts_with("application/x-www-form-urlencoded");
    let form = if is_form { &request.body } else { query.as_bytes() };
    let mut fields = Map::new();
    for (name, value) in form_urlencoded::parse(form) {
        fields.entry(name).or_insert_with(|| Value::from(value));
    }
    let echo = json!({
        "Method": method,
        "URI": uri,
        "Path": path,
        "Url": uri,
        "Body": request.text(),
        "Headers": headers,
        "Form": fields,
    });
    let mut response = Response::new(whole(echo.to_string()));
    response.headers_mut().insert(CONTENT_TYPE, http::HeaderValue::from_static("application/json"));
    response
}

/// `x-a-b` as Go writes it: `X-A-B`.
fn canonical(name: &str) -> String {
    let mut first = true;
    let letter = |c: char| {
        let written = if first { c.to_ascii_uppercase() } else { c.to_ascii_lowercase() };
        first = c == '-';
        written
    };
    name.chars().map(letter).collect()
}
