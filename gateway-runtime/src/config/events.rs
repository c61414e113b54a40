//! Who is told of the events of the gateway. Source: gateway.md §1.2, §8.9.

use std::sync::Arc;

use gateway_model::EventHandlers;
use serde_json::Value;

use super::remark::Remarks;
use crate::events::{self, Of, Planned};

pub(super) fn resolve(raw: &Value, remarks: &mut Remarks<'_>) -> Arc<Planned> {
    if raw.is_null() {
        return Arc::default();
    }
    let written: EventHandlers = match serde_path_to_error::deserialize(raw) {
        Ok(written) => written,
        Err(error) => {
            let path = format!("event_handlers.{}", error.path());
            remarks.error(path.trim_end_matches('.'), super::in_plain_words(error.inner()));
            return Arc::default();
        }
    };
    let mut warn = |path: gateway_model::JsonPath, reason| remarks.warning(&path.to_string(), reason);
    Arc::new(events::plan(&written, Of::Gateway, &mut warn))
}

#[cfg(test)]
mod tests {
    use super::super::tests::{config, mistakes};

    #[test]
    fn the_gateways_own_events_are_those_of_keys() {
        let file = r#"{"event_handlers": {"events": {"TokenCreated": [
            {"handler_name": "eh_log_handler", "handler_meta": {"prefix": "keys"}}]}}}"#;
        assert_eq!(config(file, &[]).events.len(), 1);
        assert_eq!(config("{}", &[]).events.len(), 0);
        let told = mistakes(r#"{"event_handlers": {"events": {"TokenCreated": [{"handler_name": 7}]}}}"#, &[]);
        assert!(told[0].contains("event_handlers.events.TokenCreated[0].handler_name: "), "{told:?}");
    }
}
