//! Bodies that are made anew by a template: of requests before they go upstream (`request.rs`), of the upstream's answers
//! (`response.rs`).
//!
//! What a template is given is the body as it is read here, and beside it `_tyk_meta`, the `meta_data` of who is calling,
//! and `_tyk_context`, the context variables that it names.
//! Source: gateway.md §5.9; Tyk, `gateway/mw_transform.go`, `gateway/res_handler_transform.go`.

#[cfg(feature = "templates")]
mod encoding;
mod request;
mod response;

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use gateway_model::{BodyTemplate, JsonPath};
use gateway_sdk::exchange::Exchange;
use serde_json::{Map, Value};

use crate::apis::plan::Planning;
use crate::template::{CompileError, RenderError, Template};
use crate::variables::context;

pub(super) const REQUEST: super::PlannedMiddleware = request::STEP;
pub(super) const RESPONSE: super::PlannedMiddleware = response::STEP;

/// What is made of a body.
#[cfg_attr(not(feature = "templates"), allow(dead_code, reason = "nothing has a template here"))]
struct Transform {
    template: Template,
    is_xml: bool,
    takes_session: bool,
}

/// Looks an entry up; what is wrong with it is told.
fn entry(planning: &mut Planning<'_, '_>, written: &BodyTemplate, place: &JsonPath) -> Option<Arc<Transform>> {
    let data = &written.template_data;
    let place = place.key("template_data");
    let mut refuse = |field, reason| planning.refuse(&place.key(field), reason);
    let is_xml = match data.input_type.as_str() {
        "" | "json" => Some(false),
        "xml" => Some(true),
        other => {
            refuse("input_type", format!("`{other}` is not one of `json`, `xml`"));
            None
        }
    };
    let template = text(data.template_mode.as_str(), &data.template_source)
        .map_err(|(field, reason)| refuse(field, reason))
        .and_then(|text| {
            let compiled = Template::compile(&text);
            compiled
                .map_err(|error| refuse("template_source", told(&data.template_source, &data.template_mode, &error)))
        });
    let (is_xml, template) = (is_xml?, template.ok()?);
    Some(Arc::new(Transform { template, is_xml, takes_session: data.enable_session }))
}

/// The text of a template, or what is wrong with which field.
fn text(mode: &str, source: &str) -> Result<String, (&'static str, String)> {
    let wrong = |reason: String| ("template_source", reason);
    match mode {
        "file" => std::fs::read_to_string(source).map_err(|error| wrong(format!("`{source}` cannot be read: {error}"))),
        "blob" => {
            let bytes = STANDARD.decode(source.trim()).map_err(|error| wrong(format!("it is not base64: {error}")))?;
            String::from_utf8(bytes).map_err(|error| wrong(format!("it is not UTF-8: {error}")))
        }
        other => Err(("template_mode", format!("`{other}` is not one of `file`, `blob`"))),
    }
}

/// A mistake in a file is told by the file's own place.
fn told(source: &str, mode: &str, error: &CompileError) -> String {
    match error {
        CompileError::At { line, column, reason } if mode == "file" => format!("{source}:{line}:{column}: {reason}"),
        other => other.to_string(),
    }
}

impl Transform {
    /// What the template is given besides the body.
    fn beside(&self, exchange: &Exchange) -> Map<String, Value> {
        let mut beside = Map::new();
        if exchange.ctx.api().enable_context_vars {
            let value = |name: &String| Some((name.clone(), context(exchange, name)?.into()));
            let known: Map<String, Value> = self.template.context().iter().filter_map(value).collect();
            beside.insert("_tyk_context".to_owned(), Value::Object(known));
        }
        if self.takes_session {
            match exchange.caller.session() {
                Some(session) => {
                    beside.insert("_tyk_meta".to_owned(), Value::Object(session.meta_data.clone()));
                }
                None => {
                    let api_id = &exchange.ctx.api().api_id;
                    tracing::error!(api_id, "a template asks for the session, and nobody has said who is calling");
                }
            }
        }
        beside
    }

    /// Reads a body.
    ///
    /// # Errors
    /// When it is not what it should be.
    #[cfg(feature = "templates")]
    fn read(&self, body: &[u8]) -> Result<Map<String, Value>, String> {
        if self.is_xml {
            let text =
                if body.is_empty() { "<_/>" } else { std::str::from_utf8(body).map_err(|error| error.to_string())? };
            return crate::xml::read(text).map_err(|error| error.to_string());
        }
        let body: &[u8] = if body.is_empty() { b"{}" } else { body };
        let json = serde_json::from_slice(body).map_err(|error| error.to_string())?;
        Ok(match crate::template::as_go_reads(json) {
            Value::Object(members) => members,
            array @ Value::Array(_) => Map::from_iter([("array".to_owned(), array)]),
            _ => Map::new(),
        })
    }

    /// Nothing has a template here.
    #[cfg(not(feature = "templates"))]
    fn read(&self, _body: &[u8]) -> Result<Map<String, Value>, String> {
        Ok(Map::new())
    }

    fn render(&self, mut data: Map<String, Value>, beside: Map<String, Value>) -> Result<String, RenderError> {
        data.extend(beside);
        self.template.render(&Value::Object(data))
    }
}
