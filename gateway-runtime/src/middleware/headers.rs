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
use gateway_sdk::exchange::Exchange;
use gateway_sdk::http::header::{CONTENT_LENGTH, TRANSFER_ENCODING};
use gateway_sdk::{HeaderMap, HeaderName, HeaderValue};

use crate::apis::plan::Planning;
use crate::variables::{Form, Variable, fill, substitute};

/// What is taken off a message, and then put on it.
#[derive(Debug, Default)]
struct HeaderChange {
    remove: Vec<HeaderName>,
    /// In place of what is there under the name.
    set: Vec<(HeaderName, Text)>,
}

/// The value of a header.
#[derive(Debug)]
enum Text {
    Fixed(HeaderValue),
    /// With variables: `$tyk_context.…`, `$tyk_meta.…`.
    Filled(Box<str>),
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

    /// Takes off first. `headers` are those of the request or of the response.
    fn apply(&self, exchange: &mut Exchange, headers: fn(&mut Exchange) -> Option<&mut HeaderMap>) {
        if let Some(headers) = headers(exchange) {
            for name in &self.remove {
                headers.remove(name);
            }
        }
        for (name, text) in &self.set {
            let value = text.of(exchange);
            let Some(headers) = headers(exchange) else { return };
            match value {
                Some(value) => _ = headers.insert(name.clone(), value),
                // What the client says must not stand in its place.
                None => _ = headers.remove(name),
            }
        }
    }

    fn removes(&self, name: &HeaderName) -> bool {
        self.remove.contains(name)
    }
}

impl Text {
    /// `None`: a header cannot have the value, such as one of two lines.
    fn of(&self, exchange: &Exchange) -> Option<HeaderValue> {
        match self {
            Self::Fixed(value) => Some(value.clone()),
            Self::Filled(text) => {
                HeaderValue::from_bytes(substitute(text, exchange, Form::Plain).trim().as_bytes()).ok()
            }
        }
    }
}

/// Whether there are variables in a text. `$1` is none: nothing was matched here.
fn has_variables(text: &str) -> bool {
    let mut has = false;
    fill(text, |variable| {
        has |= !matches!(variable, Variable::Group(_));
        None
    });
    has
}

fn header(planning: &mut Planning<'_, '_>, place: &JsonPath, name: &str, value: &str) -> Option<(HeaderName, Text)> {
    let Ok(parsed) = name.trim().parse::<HeaderName>() else {
        planning.refuse(place, format!("`{name}` is no name that a header can have"));
        return None;
    };
    if parsed == CONTENT_LENGTH || parsed == TRANSFER_ENCODING {
        planning.warn(place, "has no effect: the gateway says itself where a message ends".to_owned());
        return None;
    }
    match HeaderValue::from_bytes(value.trim().as_bytes()) {
        Ok(_) if has_variables(value) => Some((parsed, Text::Filled(value.into()))),
        Ok(fixed) => Some((parsed, Text::Fixed(fixed))),
        Err(_) => {
            planning
                .refuse(place, format!("a header cannot have the value {value:?}: leave line ends and the like out"));
            None
        }
    }
}
