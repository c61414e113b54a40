//! The names of plugins in an OpenAPI document with `x-tyk-api-gateway`.
//!
//! Each place is read as Tyk converts it to the classic form, and what never runs is not asked for, as there. Source:
//! Tyk, `apidef/oas/middleware.go`, `apidef/oas/authentication.go`.

use std::cell::RefCell;

use gateway_model::{Hook, JsonPath};
use serde_json::Value;

use super::classic::PER_PATH_DRIVER;
use super::definitions::Found;

/// Tyk's part of the document.
pub(super) const EXTENSION: &str = "x-tyk-api-gateway";

/// The lists of `middleware.global`, and the older container (with a member `plugins`) of each.
const LISTS: [(Hook, &str, &str); 4] = [
    (Hook::Pre, "prePlugins", "prePlugin"),
    (Hook::PostKeyAuth, "postAuthenticationPlugins", "postAuthenticationPlugin"),
    (Hook::Post, "postPlugins", "postPlugin"),
    (Hook::Response, "responsePlugins", "responsePlugin"),
];

/// Where something is, and what is wrong with it.
pub(super) type Mistake = (JsonPath, String);

/// Whether a document is for us.
pub(super) fn is_oas(document: &Value) -> bool {
    document.get(EXTENSION).is_some()
}

/// The names in a document, and its mistakes of shape.
pub(super) fn names(document: &Value) -> (Vec<Found>, Vec<Mistake>) {
    let mistakes = RefCell::default();
    let root = Node { value: Some(document), at: JsonPath::default(), mistakes: &mistakes }.get(EXTENSION);
    let found = from_extension(&root);
    let mut mistakes: Vec<Mistake> = mistakes.into_inner();
    mistakes.sort();
    mistakes.dedup();
    (found, mistakes)
}

fn from_extension(root: &Node<'_>) -> Vec<Found> {
    let authentication = root.get("server").get("authentication");
    let has_authentication = authentication.get("enabled").flag();
    let global = root.get("middleware").get("global");
    let driver = global.get("pluginConfig").get("driver").text();

    let mut found = Vec::new();
    let custom = authentication.get("custom");
    let config = custom.get("config");
    let check = config.plugin(Hook::AuthCheck, driver);
    if has_authentication && custom.get("enabled").flag() {
        found.extend(check);
    }
    for (hook, list, container) in LISTS {
        let newer = global.get(list).items();
        let items = if newer.is_empty() { global.get(container).get("plugins").items() } else { newer };
        let plugins: Vec<Found> = items.iter().filter_map(|item| item.plugin(hook, driver)).collect();
        if hook != Hook::PostKeyAuth || has_authentication {
            found.extend(plugins);
        }
    }
    let logs = global.get("trafficLogs");
    let first = logs.get("plugins").items().into_iter().next();
    let plugin = first.and_then(|item| item.plugin(Hook::Analytics, PER_PATH_DRIVER));
    if logs.get("enabled").flag() {
        found.extend(plugin);
    }
    for operation in root.get("middleware").get("operations").members() {
        // Of several, Tyk runs the first.
        let first = operation.get("postPlugins").items().into_iter().next();
        found.extend(first.and_then(|item| item.plugin(Hook::Endpoint, PER_PATH_DRIVER)));
    }
    found
}

/// A value that may be there, and where it would be.
struct Node<'d> {
    value: Option<&'d Value>,
    at: JsonPath,
    mistakes: &'d RefCell<Vec<Mistake>>,
}

impl<'d> Node<'d> {
    /// The plugin that an item names, unless it is switched off.
    fn plugin(&self, hook: Hook, driver: &str) -> Option<Found> {
        let name = self.get("functionName");
        // The key of endpoint plugins before there was `functionName`.
        let named = if name.text().is_empty() && hook == Hook::Endpoint { self.get("name") } else { name };
        let path = self.get("path").text();
        let is_on = self.get("enabled").flag() && !named.text().is_empty();
        is_on.then(|| Found {
            hook,
            name: named.text().to_owned(),
            path: path.to_owned(),
            driver: driver.to_owned(),
            at: named.at.clone(),
        })
    }

    /// A member, whatever its case where none is exact. Source: Go, `encoding/json`.
    fn get(&self, key: &str) -> Self {
        let object = self.expect("an object", Value::as_object);
        let folded = |(name, _): &(&String, &Value)| name.eq_ignore_ascii_case(key);
        let value = object.and_then(|object| object.get(key).or_else(|| object.iter().find(folded).map(|(_, v)| v)));
        self.child(value, self.at.key(key))
    }

    fn members(&self) -> Vec<Self> {
        let members = self.expect("an object", Value::as_object).into_iter().flatten();
        members.map(|(key, value)| self.child(Some(value), self.at.key(key))).collect()
    }

    fn items(&self) -> Vec<Self> {
        let items = self.expect("a list", Value::as_array).into_iter().flatten().enumerate();
        items.map(|(index, value)| self.child(Some(value), self.at.index(index))).collect()
    }

    fn text(&self) -> &'d str {
        self.expect("a text", Value::as_str).unwrap_or_default()
    }

    fn flag(&self) -> bool {
        self.expect("`true` or `false`", Value::as_bool).unwrap_or_default()
    }

    fn child(&self, value: Option<&'d Value>, at: JsonPath) -> Self {
        Self { value, at, mistakes: self.mistakes }
    }

    /// What is not there, or `null`, is nothing; what is of another type is a mistake.
    fn expect<T>(&self, expected: &str, pick: impl FnOnce(&'d Value) -> Option<T>) -> Option<T> {
        let value = self.value.filter(|value| !value.is_null())?;
        let picked = pick(value);
        if picked.is_none() {
            self.mistakes.borrow_mut().push((self.at.clone(), format!("expected {expected}")));
        }
        picked
    }
}
