//! The bodies of the gateway's errors. Source: gateway.md §5.11.

use gateway_sdk::http::header::{CONTENT_TYPE, HeaderName};
use gateway_sdk::{HeaderMap, HeaderValue, Response, StatusCode};

use super::Errors;
use super::text::Text;

/// The format of an error: that of the request.
#[derive(Debug, Clone)]
pub(crate) enum Format {
    Json,
    /// As the client calls it.
    Xml(HeaderValue),
}

impl Format {
    /// `request` are the client's headers.
    pub(crate) fn of(request: &HeaderMap) -> Self {
        let is_xml = |value: &&HeaderValue| {
            let media_type = value.as_bytes().split(|byte| *byte == b';').next().unwrap_or_default();
            [&b"application/xml"[..], b"text/xml", b"application/soap+xml"].contains(&media_type.trim_ascii())
        };
        request.get(CONTENT_TYPE).filter(is_xml).map_or(Self::Json, |value| Self::Xml(value.clone()))
    }

    pub(super) fn extension(&self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Xml(_) => "xml",
        }
    }

    /// A message, as it stands in a text of this format.
    pub(super) fn escaped(&self, message: &str) -> String {
        match self {
            Self::Json => {
                let quoted = serde_json::Value::from(message).to_string();
                quoted[1..quoted.len() - 1].to_owned()
            }
            Self::Xml(_) => escape(message),
        }
    }

    fn default(&self, message: &str) -> String {
        match self {
            Self::Json => format!("{{\n    \"error\": {}\n}}", serde_json::Value::from(message)),
            Self::Xml(_) => {
                format!("<?xml version = \"1.0\" encoding = \"UTF-8\"?>\n<error>{}</error>\n", escape(message))
            }
        }
    }

    fn media_type(self) -> HeaderValue {
        match self {
            Self::Json => HeaderValue::from_static("application/json"),
            Self::Xml(media_type) => media_type,
        }
    }
}

/// The gateway's error body with `message`, on a response that may have headers already. `request` are the client's.
pub(crate) fn body(errors: &Errors, request: &HeaderMap, head: Response, message: &str) -> Response {
    let format = Format::of(request);
    match errors.templates.of(head.status(), format.clone()) {
        Some((text, format)) => of_text(errors, head, format, text, message),
        None => {
            let text = format.default(message);
            dressed(errors, head, format, text)
        }
    }
}

/// The same, with a text of somebody else's.
pub(super) fn of_text(errors: &Errors, head: Response, format: Format, text: &Text, message: &str) -> Response {
    let rendered = text.render(&format.escaped(message), head.status()).unwrap_or_else(|reason| {
        tracing::error!(status = head.status().as_u16(), reason, "the template of an error failed: the error has none");
        format.default(message)
    });
    dressed(errors, head, format, rendered)
}

fn dressed(errors: &Errors, head: Response, format: Format, text: String) -> Response {
    let mut response = head.with_header(CONTENT_TYPE, format.media_type()).with_body(text);
    if !errors.hides_generator {
        let name = HeaderName::from_static("x-generator");
        response.headers_mut().insert(name, HeaderValue::from_static("tyk.io"));
    }
    response
}

/// A text without the template.
pub(crate) fn plain(status: StatusCode, text: &'static str) -> Response {
    Response::new(status)
        .with_header(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"))
        .with_header(HeaderName::from_static("x-content-type-options"), HeaderValue::from_static("nosniff"))
        .with_body(text)
}

fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&#34;"),
            '\'' => escaped.push_str("&#39;"),
            other => escaped.push(other),
        }
    }
    escaped
}
