//! What errors tell clients: `template_path`, `override_messages`, `error_overrides`. Source: gateway.md §5.11.

use std::collections::BTreeMap;
use std::path::Path;

use gateway_model::{ErrorOverrides, Severity};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::raw::Raw;
use super::remark::Remarks;
use crate::error::kinds::{IDS, IDS_ELSEWHERE};
use crate::error::overrides::Overrides;
use crate::error::text::Templates;
use crate::error::{Errors, Message, final_status};

#[derive(Debug, Default, Deserialize)]
#[serde(default, expecting = "an object")]
struct RawMessage {
    code: u16,
    message: String,
}

pub(super) fn resolve(raw: &Raw, remarks: &mut Remarks<'_>) -> Errors {
    let templates = templates(&raw.template_path, remarks);
    let written: ErrorOverrides = read("error_overrides", &raw.error_overrides, remarks);
    let overrides = Overrides::plan(&written, &templates, &mut |severity, path, reason| match severity {
        Severity::Error => remarks.error(&path.to_string(), reason),
        Severity::Warning => remarks.warning(&path.to_string(), reason),
    });
    let messages = messages(&read("override_messages", &raw.override_messages, remarks), remarks);
    Errors { templates, messages, overrides, hides_generator: raw.hide_generator_header }
}

/// What is written under a key, which may be nothing.
fn read<T: DeserializeOwned + Default>(key: &str, value: &Value, remarks: &mut Remarks<'_>) -> T {
    if value.is_null() {
        return T::default();
    }
    serde_path_to_error::deserialize(value).unwrap_or_else(|error| {
        let path = format!("{key}.{}", error.path());
        remarks.error(path.trim_end_matches('.'), super::in_plain_words(error.inner()));
        T::default()
    })
}

/// Nobody looks for templates where nobody has said where they are.
fn templates(folder: &str, remarks: &mut Remarks<'_>) -> Templates {
    if folder.is_empty() {
        return Templates::default();
    }
    Templates::read(Path::new(folder)).unwrap_or_else(|wrong| {
        for reason in wrong {
            remarks.error("template_path", reason);
        }
        Templates::default()
    })
}

fn messages(raw: &BTreeMap<String, RawMessage>, remarks: &mut Remarks<'_>) -> BTreeMap<&'static str, Message> {
    let mut messages = BTreeMap::new();
    for (id, RawMessage { code, message }) in raw {
        let path = format!("override_messages[\"{id}\"]");
        let Some(id) = IDS.into_iter().find(|known| known == id) else {
            let reason = if IDS_ELSEWHERE.contains(&id.as_str()) {
                "has no effect: this gateway has no such error".to_owned()
            } else {
                format!("has no effect: no error has this name; names are {}", IDS.join(", "))
            };
            remarks.warning(&path, reason);
            continue;
        };
        match final_status(*code) {
            Ok(status) => {
                let text = Some(message.clone()).filter(|text| !text.is_empty());
                messages.insert(id, Message { status, text });
            }
            Err(reason) => remarks.error(&path, reason),
        }
    }
    messages
}
