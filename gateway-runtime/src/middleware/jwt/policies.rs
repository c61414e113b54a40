//! Which policies a token has: those that it names, those of a key that it names, those of its scopes, or the default.
//!
//! What a token says is what its session has, no more: a policy that an earlier token of the same caller had is gone with
//! the next one. Source: Tyk, `gateway/mw_jwt.go`; gateway.md §5.15.

use std::collections::BTreeMap;

use gateway_model::{ApiDefinition, Session};
use serde_json::Value;

use super::claims::{found, value};
use super::refusal::JwtError;
use super::token::Claims;

/// What a definition says of it.
#[derive(Debug, Default)]
pub(super) struct PolicyRules {
    field: String,
    client_field: String,
    defaults: Vec<String>,
    scope_claim: String,
    scopes: BTreeMap<String, String>,
}

/// What a token names.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Named<'c> {
    Policy(&'c str),
    /// A key, whose first policy is meant.
    Client(&'c str),
    Nothing,
}

/// The policies that the session of a token has.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Wanted<'a> {
    pub(super) ids: Vec<&'a str>,
    /// Without this one nobody is let in.
    pub(super) base: Option<&'a str>,
    pub(super) by_scope: bool,
}

impl PolicyRules {
    pub(super) fn of(api: &ApiDefinition) -> Self {
        let (scope_claim, scopes) = api.jwt_scopes();
        Self {
            field: api.jwt_policy_field_name.clone(),
            client_field: api.jwt_client_base_field.clone(),
            defaults: api.jwt_default_policies.clone(),
            scope_claim: scope_claim.to_owned(),
            scopes: scopes.clone(),
        }
    }

    pub(super) fn named<'c>(&self, claims: &'c Claims) -> Named<'c> {
        let (field, is_policy) = match (self.field.as_str(), self.client_field.as_str()) {
            ("", client) => (client, false),
            (policy, _) => (policy, true),
        };
        match found(claims, field).filter(|text| !text.is_empty() && !field.is_empty()) {
            Some(id) if is_policy => Named::Policy(id),
            Some(key) => Named::Client(key),
            None => Named::Nothing,
        }
    }

    /// The policies of a token, `named` being the one that it names or that its client has. `exists`: its caller has a
    /// session already.
    ///
    /// # Errors
    /// When there are none.
    pub(super) fn wanted<'a>(
        &'a self,
        named: Option<&'a str>,
        claims: &Claims,
        exists: bool,
    ) -> Result<Wanted<'a>, JwtError> {
        let base = named.or(self.defaults.first().map(String::as_str));
        if !self.scopes.is_empty() {
            let claim = claims.get(&self.scope_claim).or_else(|| value(claims, &self.scope_claim));
            let scopes = scopes(claim);
            if !scopes.is_empty() {
                // Scopes are in place of the default.
                return self.of_scopes(named, base, &scopes);
            }
            if base.is_none() && exists {
                return Err(JwtError::NoScopeOrPolicy);
            }
        }
        let ids = match named {
            Some(id) => vec![id],
            None => distinct(self.defaults.iter().map(String::as_str)),
        };
        if ids.is_empty() { Err(JwtError::NoPolicyNamed) } else { Ok(Wanted { ids, base, by_scope: false }) }
    }

    fn of_scopes<'a>(
        &'a self,
        named: Option<&'a str>,
        base: Option<&'a str>,
        scopes: &[&str],
    ) -> Result<Wanted<'a>, JwtError> {
        let mapped = scopes.iter().filter_map(|scope| self.scopes.get(*scope)).map(String::as_str);
        let ids = distinct(named.into_iter().chain(mapped));
        if ids.is_empty() { Err(JwtError::NoScopePolicy) } else { Ok(Wanted { ids, base, by_scope: true }) }
    }
}

impl Wanted<'_> {
    /// Whether a session has these policies already.
    pub(super) fn are_of(&self, session: &Session) -> bool {
        session.policy_ids().eq(self.ids.iter().copied())
    }
}

fn distinct<'a>(ids: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let mut found = Vec::new();
    for id in ids {
        if !found.contains(&id) {
            found.push(id);
        }
    }
    found
}

/// The scopes of a claim: a text with spaces between them, or a list.
fn scopes(claim: Option<&Value>) -> Vec<&str> {
    fn collect<'c>(list: &'c [Value], into: &mut Vec<&'c str>) {
        for item in list {
            match item {
                Value::String(text) => into.push(text),
                Value::Array(list) => collect(list, into),
                _ => {}
            }
        }
    }
    match claim {
        Some(Value::String(text)) => text.split(' ').collect(),
        Some(Value::Array(list)) => {
            let mut found = Vec::new();
            collect(list, &mut found);
            found
        }
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn claims(value: Value) -> Claims {
        serde_json::from_value(value).expect("an object")
    }

    fn rules(defaults: &[&str], scopes: &[(&str, &str)]) -> PolicyRules {
        PolicyRules {
            defaults: defaults.iter().map(|id| (*id).to_owned()).collect(),
            scope_claim: "scope".into(),
            scopes: scopes.iter().map(|(scope, id)| ((*scope).to_owned(), (*id).to_owned())).collect(),
            ..PolicyRules::default()
        }
    }

    /// The ids, or the error.
    fn check(rules: &PolicyRules, named: Option<&str>, claims: Value, exists: bool) -> String {
        match rules.wanted(named, &self::claims(claims), exists) {
            Ok(wanted) => wanted.ids.join(" "),
            Err(error) => format!("{error:?}"),
        }
    }

    #[test]
    fn a_policy_is_named_by_its_claim_or_by_that_of_a_client() {
        let by = |field: &str, client: &str| PolicyRules {
            field: field.into(),
            client_field: client.into(),
            ..PolicyRules::default()
        };
        let claims = claims(json!({"pol": "gold", "azp": "key", "realm": {"pol": "nested"}, "none": ""}));
        assert_eq!(by("pol", "azp").named(&claims), Named::Policy("gold"));
        assert_eq!(by("", "azp").named(&claims), Named::Client("key"));
        assert_eq!(by("realm.pol", "").named(&claims), Named::Policy("nested"));
        assert_eq!(by("absent", "azp").named(&claims), Named::Nothing, "the client is no fallback");
        assert_eq!(by("none", "").named(&claims), Named::Nothing);
        assert_eq!(by("", "").named(&claims), Named::Nothing);
    }

    #[test]
    fn a_token_without_a_policy_has_all_of_the_default() {
        let rules = rules(&["a", "b", "a"], &[]);
        assert_eq!(check(&rules, None, json!({}), true), "a b");
        assert_eq!(check(&rules, Some("gold"), json!({}), true), "gold");
        assert_eq!(check(&self::rules(&[], &[]), None, json!({"scope": "x"}), true), "NoPolicyNamed");
    }

    #[test]
    fn scopes_come_on_top_of_a_named_policy_and_in_place_of_the_default() {
        let rules = rules(&["a"], &[("read", "r"), ("write", "w"), ("all", "r")]);
        let scope = |scope: &str| json!({ "scope": scope });
        assert_eq!(check(&rules, None, scope("read write"), false), "r w");
        assert_eq!(check(&rules, None, scope("write read all"), false), "w r");
        assert_eq!(check(&rules, Some("gold"), scope("read other"), false), "gold r");
        assert_eq!(check(&rules, Some("gold"), scope("other"), false), "gold");
        assert_eq!(check(&rules, None, scope("other"), false), "NoScopePolicy");
        assert_eq!(check(&rules, None, scope(""), false), "NoScopePolicy");
        assert_eq!(check(&rules, None, json!({"scope": ["read", ["write", 7]]}), false), "r w");
        assert_eq!(check(&rules, None, json!({"scope": 7}), false), "a");
        assert_eq!(check(&rules, None, json!({}), false), "a");
    }

    #[test]
    fn the_dots_of_a_scope_claim_are_part_of_its_name_before_they_lead_somewhere() {
        let of =
            |claim: &str| PolicyRules { scope_claim: claim.into(), ..rules(&[], &[("read", "r"), ("write", "w")]) };
        let claims = json!({"https://x.com/scope": "read", "realm": {"scope": "write"}});
        assert_eq!(check(&of("https://x.com/scope"), None, claims.clone(), false), "r");
        assert_eq!(check(&of("realm.scope"), None, claims, false), "w");
    }

    #[test]
    fn without_a_default_a_known_caller_is_told_that_the_token_has_neither() {
        let rules = rules(&[], &[("read", "r")]);
        assert_eq!(check(&rules, None, json!({}), true), "NoScopeOrPolicy");
        assert_eq!(check(&rules, None, json!({}), false), "NoPolicyNamed");
        assert_eq!(check(&rules, None, json!({"scope": "read"}), true), "r");
    }
}
