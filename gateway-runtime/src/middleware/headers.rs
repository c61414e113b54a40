//! Headers that a definition takes off messages and puts on them. Source: Tyk, `gateway/mw_transform_headers.go`,
//! `gateway/res_handler_header_injector.go`, `gateway/res_handler_header_transform.go`; gateway.md §5.9.
//!
//! | to find | look in |
//! |---|---|
//! | what of requests | `request.rs` |
//! | what of responses | `response.rs` |
//! | upstream addresses in responses | `cleanup.rs` |

pub(super) mod cleanup;
pub(crate) mod request;
pub(super) mod response;

use std::collections::BTreeMap;

use gateway_model::JsonPath;
use gateway_sdk::http::header::{CONTENT_LENGTH, TRANSFER_ENCODING};
use gateway_sdk::{HeaderMap, HeaderName, HeaderValue};

use crate::apis::plan::Planning;

/// What is taken off a message, and then put on it.
#[derive(Debug, Default)]
struct HeaderChange {
    remove: Vec<HeaderName>,
    /// In place of what is there under the name.
    set: Vec<(HeaderName, HeaderValue)>,
}

/// The same as it is written in a definition: each list with its place.
struct Written<'w> {
    remove: (JsonPath, &'w [String]),
    set: (JsonPath, &'w BTreeMap<String, String>),
}

impl HeaderChange {
    /// `None` where nothing is asked for, or its mistakes are told.
    fn plan(planning: &mut Planning<'_, '_>, written: &Written<'_>) -> Option<Self> {
        let (mut remove, mut set) = (Vec::new(), Vec::new());
        let (place, names) = &written.remove;
        for (index, name) in names.iter().enumerate() {
            match name.trim().parse() {
                Ok(name) => remove.push(name),
                Err(_) if name.trim().is_empty() => {}
                Err(_) => planning.warn(&place.index(index), format!("`{name}` is no name that a header can have")),
            }
        }
        let (place, headers) = &written.set;
        for (name, value) in *headers {
            set.extend(header(planning, &place.key(name.as_str()), name, value));
        }
        (!remove.is_empty() || !set.is_empty()).then_some(Self { remove, set })
    }

    /// Takes off first.
    fn apply(&self, headers: &mut HeaderMap) {
        for name in &self.remove {
            headers.remove(name);
        }
        for (name, value) in &self.set {
            headers.insert(name.clone(), value.clone());
        }
    }

    fn removes(&self, name: &HeaderName) -> bool {
        self.remove.contains(name)
    }
}

fn header(
    planning: &mut Planning<'_, '_>,
    place: &JsonPath,
    name: &str,
    value: &str,
) -> Option<(HeaderName, HeaderValue)> {
    let Ok(parsed) = name.trim().parse::<HeaderName>() else {
        planning.refuse(place, format!("`{name}` is no name that a header can have"));
        return None;
    };
    if parsed == CONTENT_LENGTH || parsed == TRANSFER_ENCODING {
        planning.warn(place, "has no effect: the gateway says itself where a message ends".to_owned());
        return None;
    }
    match HeaderValue::from_bytes(value.trim().as_bytes()) {
        Ok(value) => Some((parsed, value)),
        Err(_) => {
            planning
                .refuse(place, format!("a header cannot have the value {value:?}: leave line ends and the like out"));
            None
        }
    }
}
