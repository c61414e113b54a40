//! Masks members of JSON bodies in analytics records, and keeps no records of some paths.

#![forbid(unsafe_code)]

use gateway_sdk::prelude::*;
use serde::Deserialize;
use serde_json::Value;

/// What takes the place of a masked value.
const MASK: &str = "****";

/// `config_data.MaskRecords` of the API, read once, when the API loads.
#[derive(Debug, Deserialize)]
struct Settings {
    /// The members to mask, wherever they are in a body.
    members: Vec<String>,
    /// Paths below the listen path whose records are not kept.
    #[serde(default)]
    ignored: Vec<String>,
}

/// Masks what is named in the request and in the response that a record holds. A body that is no JSON, or that was cut,
/// is not kept: there may be anything in it.
#[gw_plugin(hook = "analytics", name = "MaskRecords")]
fn mask_records(record: &mut AnalyticsRecord, settings: &Config<Settings>) -> Fate {
    if settings.ignored.contains(&record.path) {
        return Fate::Drop;
    }
    for message in [&mut record.raw_request, &mut record.raw_response] {
        mask_message(message, &settings.members);
    }
    Fate::Keep
}

fn mask_message(message: &mut Vec<u8>, members: &[String]) {
    let Some(end) = message.windows(4).position(|bytes| bytes == b"\r\n\r\n") else { return };
    let body = message.split_off(end + 4);
    if let Ok(mut value) = serde_json::from_slice::<Value>(&body) {
        mask(&mut value, members);
        message.extend_from_slice(value.to_string().as_bytes());
    }
}

fn mask(value: &mut Value, members: &[String]) {
    match value {
        Value::Object(object) => {
            for (name, value) in object {
                if members.contains(name) { *value = MASK.into() } else { mask(value, members) }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| mask(item, members)),
        _ => {}
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test that unwraps fails where it should")]
mod tests {
    use gateway_sdk::testing::{self, Input};
    use gateway_sdk::{AnalyticsRecord, ApiDefinition, Hook};
    use serde_json::json;

    fn kept(record: AnalyticsRecord) -> Option<AnalyticsRecord> {
        let config = json!({"MaskRecords": {"members": ["password"], "ignored": ["/health"]}});
        testing::plugin("MaskRecords").config(config).start().call(Hook::Analytics, Input::record(record)).record
    }

    fn masked(body: &str) -> String {
        let raw_request = format!("POST / HTTP/1.1\r\nHost: a\r\n\r\n{body}").into_bytes();
        let record = kept(AnalyticsRecord { raw_request, ..AnalyticsRecord::default() }).unwrap();
        let message = String::from_utf8(record.raw_request).unwrap();
        message.strip_prefix("POST / HTTP/1.1\r\nHost: a\r\n\r\n").unwrap().to_owned()
    }

    #[test]
    fn members_are_masked_wherever_they_are() {
        let body = r#"{"password":"p","users":[{"name":"a","password":{"old":"o"}}]}"#;
        assert_eq!(masked(body), r#"{"password":"****","users":[{"name":"a","password":"****"}]}"#);
        assert_eq!(masked("[1]"), "[1]");
    }

    #[test]
    fn what_cannot_be_read_is_not_kept() {
        assert_eq!(masked(r#"{"password":"p","#), "");
        assert_eq!(masked("password=p"), "");
    }

    #[test]
    fn records_without_messages_stay_and_ignored_paths_have_none() {
        let record = |path: &str| AnalyticsRecord { path: path.to_owned(), ..AnalyticsRecord::default() };
        assert_eq!(kept(record("/x")), Some(record("/x")));
        assert_eq!(kept(record("/health")), None);
    }

    #[test]
    fn the_definition_to_paste_names_this_plugin() {
        let api: ApiDefinition = serde_json::from_str(include_str!("../api.json")).unwrap();
        assert!(api.analytics_plugin.enable && api.enable_detailed_recording);
        let plugin = testing::plugin(&api.analytics_plugin.func_name).api(api).start();
        assert!(plugin.call(Hook::Analytics, Input::record(AnalyticsRecord::default())).record.is_some());
    }
}
