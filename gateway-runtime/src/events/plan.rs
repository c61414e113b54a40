//! Who is told of events, as a definition or the configuration says it. What cannot be told is warned about, and left out.

use std::sync::Arc;

use gateway_model::{EventHandler, EventHandlers, JsonPath};

use super::webhook::WebHook;
use super::{Handler, Kind, NEVER};

/// Who is told of what.
pub(crate) type Planned = Vec<(Kind, Arc<[Handler]>)>;

/// Whose handlers they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Of {
    Api,
    Gateway,
}

/// What `written`, which stands at `event_handlers`, comes to. `warn` is told of what is left out.
pub(crate) fn plan(written: &EventHandlers, of: Of, warn: &mut dyn FnMut(JsonPath, String)) -> Planned {
    let place = JsonPath::default().key("event_handlers").key("events");
    let mut planned = Planned::new();
    for (name, handlers) in &written.events {
        if handlers.is_empty() {
            continue;
        }
        let at = place.key(name);
        let kind = match kind(name, of) {
            Ok(kind) => kind,
            Err(reason) => {
                warn(at, reason);
                continue;
            }
        };
        let mut told = Vec::new();
        for (index, handler) in handlers.iter().enumerate() {
            told.extend(one(handler, &at.index(index), warn));
        }
        if !told.is_empty() {
            planned.push((kind, told.into()));
        }
    }
    planned
}

/// # Errors
/// Why nobody is ever told of it here.
fn kind(name: &str, of: Of) -> Result<Kind, String> {
    match Kind::named(name) {
        Some(kind) if kind.is_of_gateway() && of == Of::Api => Err(format!(
            "`{name}` is of a key, and no API's: it is raised for `event_handlers` of the gateway's configuration alone"
        )),
        Some(kind) if !kind.is_of_gateway() && of == Of::Gateway => {
            Err(format!("`{name}` is an API's: it is raised for `event_handlers` of definitions alone"))
        }
        Some(kind) => Ok(kind),
        None if NEVER.contains(&name) => Err(format!("`{name}` is never raised by this gateway")),
        None => {
            let names: Vec<&str> = Kind::ALL.iter().map(|kind| kind.as_str()).collect();
            Err(format!("there is no event `{name}`; there are {}", names.join(", ")))
        }
    }
}

fn one(handler: &EventHandler, at: &JsonPath, warn: &mut dyn FnMut(JsonPath, String)) -> Option<Handler> {
    let meta = &handler.handler_meta;
    match handler.handler_name.as_str() {
        _ if meta.disabled => None,
        "eh_log_handler" => Some(Handler::Log { prefix: meta.prefix.clone() }),
        "eh_web_hook_handler" => {
            let at = at.key("handler_meta");
            WebHook::of(meta, &mut |field, reason| warn(at.key(field), reason)).map(Arc::new).map(Handler::WebHook)
        }
        other => {
            let reason = format!(
                "`{other}` is not honoured by this gateway, and nobody is told; there are `eh_log_handler` and \
                 `eh_web_hook_handler`"
            );
            warn(at.key("handler_name"), reason);
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn told(of: Of, events: serde_json::Value) -> (usize, Vec<String>) {
        let written = serde_json::from_value(json!({"events": events})).expect("handlers");
        let mut warnings = Vec::new();
        let planned = plan(&written, of, &mut |at, reason| warnings.push(format!("{at}: {reason}")));
        (planned.iter().map(|(_, handlers)| handlers.len()).sum(), warnings)
    }

    #[test]
    fn what_cannot_be_told_is_warned_about_and_left_out() {
        let hook = |meta| json!([{"handler_name": "eh_web_hook_handler", "handler_meta": meta}]);
        for (of, events, told_of) in [
            (
                Of::Api,
                json!({"AuthFailur": [{}]}),
                "AuthFailur: there is no event `AuthFailur`; there are QuotaExceeded, ",
            ),
            (Of::Api, json!({"TriggerExceeded": [{}]}), "is never raised"),
            (Of::Api, json!({"TokenCreated": [{}]}), "gateway's configuration alone"),
            (Of::Gateway, json!({"HostUp": [{}]}), "definitions alone"),
            (
                Of::Api,
                json!({"HostUp": [{"handler_name": "eh_dynamic_handler"}]}),
                "HostUp[0].handler_name: `eh_dynamic",
            ),
            (Of::Api, json!({"HostUp": hook(json!({"target_path": "/x"}))}), "HostUp[0].handler_meta.target_path: "),
            (
                Of::Api,
                json!({"HostUp": hook(json!({"target_path": "http://h/", "header_map": {"a b": "c"}}))}),
                "HostUp[0].handler_meta.header_map: `a b`: ",
            ),
        ] {
            let (count, warnings) = told(of, events.clone());
            assert_eq!(count, 0, "{events}");
            assert!(warnings.len() == 1 && warnings[0].contains(told_of), "{events}: {warnings:?}");
        }
    }

    #[test]
    fn what_is_right_is_planned_without_a_word() {
        let events = json!({
            "AuthFailure": [
                {"handler_name": "eh_log_handler", "handler_meta": {"prefix": "a"}},
                {"handler_name": "eh_web_hook_handler", "handler_meta": {"method": "POST", "target_path": "http://h/x"}},
                {"handler_name": "eh_web_hook_handler", "handler_meta": {"disabled": true}},
            ],
            "KeyExpired": [],
        });
        assert_eq!(told(Of::Api, events), (2, Vec::new()));
    }
}
