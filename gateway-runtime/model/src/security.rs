//! What the OpenAPI document beside a definition says of authentication: which of its schemes are enough.
//!
//! Source: Tyk, `gateway/mw_auth_or_wrapper.go`; gateway.md §4.1, §4.2.

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::api_definition::ApiDefinition;

/// The value of `securityProcessingMode` with which one group of schemes is enough.
const COMPLIANT: &str = "compliant";

/// A way of authentication.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuthMethod {
    /// A user's name and password.
    Basic,
    /// A signature of the request.
    Signature,
    /// A JSON web token.
    Jwt,
    /// A plugin, `auth_check`.
    Custom,
    /// A token, the key itself.
    Token,
}

impl AuthMethod {
    /// Whether a definition switches it on.
    fn is_of(self, api: &ApiDefinition) -> bool {
        match self {
            Self::Basic => api.use_basic_auth,
            Self::Signature => api.enable_signature_checking,
            Self::Jwt => api.enable_jwt,
            Self::Custom => api.custom_auth_enabled(),
            Self::Token => api.asks_for_token(),
        }
    }
}

/// A scheme that a group asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scheme {
    /// As the document names it.
    pub name: String,
    /// What it means. `None`: nothing that the API has switched on, or what another scheme of its group means.
    pub method: Option<AuthMethod>,
}

/// The parts of the document that count here.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Document {
    components: Components,
    #[serde(rename = "x-tyk-api-gateway")]
    extension: Extension,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Components {
    security_schemes: Map<String, Value>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Extension {
    server: Server,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Server {
    authentication: Authentication,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Authentication {
    security_processing_mode: String,
    security_schemes: Map<String, Value>,
    hmac: Switch,
    custom: Switch,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Switch {
    enabled: bool,
}

/// A scheme of OpenAPI. Source: OpenAPI 3.0.3, "Security Scheme Object".
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Component {
    r#type: String,
    scheme: String,
    bearer_format: String,
}

/// The groups of schemes of which one is enough, in their order; `None`: all ways of authentication that the definition
/// switches on are asked for.
///
/// # Errors
/// When the document is none.
pub fn alternatives(api: &ApiDefinition, document: &str) -> Result<Option<Vec<Vec<Scheme>>>, serde_json::Error> {
    if !asks_for_alternatives(api) {
        return Ok(None);
    }
    let document: Document = serde_json::from_str(document)?;
    if document.extension.server.authentication.security_processing_mode != COMPLIANT {
        return Ok(None);
    }
    // A group without schemes would let everybody in, and nobody has a session then.
    let groups = api.security_requirements.iter().filter(|group| !group.is_empty());
    Ok(Some(groups.map(|group| document.group(api, group)).collect()))
}

/// Whether the document beside a definition has to be looked at.
pub fn asks_for_alternatives(api: &ApiDefinition) -> bool {
    api.is_oas && !api.use_keyless && api.security_requirements.len() > 1
}

impl Document {
    /// A group. One way stands for one scheme of it: two that are asked for are two that must pass.
    fn group(&self, api: &ApiDefinition, names: &[String]) -> Vec<Scheme> {
        let mut group: Vec<Scheme> = Vec::with_capacity(names.len());
        for name in names {
            let is_new = |method: &AuthMethod| group.iter().all(|other| other.method != Some(*method));
            let method = self.method(api, name).filter(is_new);
            group.push(Scheme { name: name.clone(), method });
        }
        group
    }

    /// What a scheme means. Source: Tyk, `getMiddlewareForScheme`, which takes any of the ways for what only the extension
    /// names; here one way never stands in for another.
    fn method(&self, api: &ApiDefinition, name: &str) -> Option<AuthMethod> {
        let has = |method: &AuthMethod| method.is_of(api);
        let component = self.components.security_schemes.get(name);
        let component = component.and_then(|value| Component::deserialize(value).ok()).unwrap_or_default();
        match (&*component.r#type, &*component.scheme, &*component.bearer_format) {
            ("http", "bearer", "JWT") => return Some(AuthMethod::Jwt).filter(has),
            ("http", "bearer", "") if api.enable_jwt => return Some(AuthMethod::Jwt),
            ("http", "basic", _) => return Some(AuthMethod::Basic).filter(has),
            ("apiKey", ..) => return Some(AuthMethod::Token).filter(has),
            // This gateway has neither.
            ("oauth2" | "openIdConnect", ..) => return None,
            _ => {}
        }
        let tyk = &self.extension.server.authentication;
        let is_listed = tyk.security_schemes.get(name).is_some_and(|scheme| !scheme.is_null());
        match name {
            "hmac" => Some(AuthMethod::Signature).filter(|method| (is_listed || tyk.hmac.enabled) && has(method)),
            "custom" => Some(AuthMethod::Custom).filter(|method| (is_listed || tyk.custom.enabled) && has(method)),
            "oidc" => None,
            _ => {
                let mut ways = [AuthMethod::Signature, AuthMethod::Custom].into_iter().filter(has);
                ways.next().filter(|_| is_listed && ways.next().is_none())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn api(groups: &[&[&str]]) -> ApiDefinition {
        let group = |group: &&[&str]| group.iter().map(|name| (*name).to_owned()).collect();
        let security_requirements = groups.iter().map(group).collect();
        ApiDefinition { is_oas: true, security_requirements, ..ApiDefinition::default() }
    }

    fn document(mode: &str) -> String {
        let schemes = json!({
            "token": {"type": "apiKey", "in": "header", "name": "x-key"},
            "jwt": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"},
            "bearer": {"type": "http", "scheme": "bearer"},
            "basic": {"type": "http", "scheme": "basic"},
            "oauth": {"type": "oauth2", "flows": {}},
            "odd": 7,
        });
        let authentication = json!({
            "securityProcessingMode": mode, "securitySchemes": {"mine": {"enabled": true}, "bearer": {}},
            "custom": {"enabled": true}, "hmac": {"enabled": false},
        });
        json!({
            "openapi": "3.0.3", "components": {"securitySchemes": schemes},
            "x-tyk-api-gateway": {"server": {"authentication": authentication}},
        })
        .to_string()
    }

    #[test]
    fn schemes_mean_what_their_types_and_names_say() {
        use AuthMethod::{Basic, Custom, Jwt, Signature, Token};
        let methods = |api: &ApiDefinition, names: &[&str]| {
            let security_requirements = vec![names.iter().map(|name| (*name).to_owned()).collect(), vec!["x".into()]];
            let api = ApiDefinition { security_requirements, ..api.clone() };
            let groups = alternatives(&api, &document("compliant")).unwrap().unwrap();
            groups[0].iter().map(|scheme| scheme.method).collect::<Vec<_>>()
        };
        let none = api(&[]);
        let custom = ApiDefinition { custom_plugin_auth_enabled: true, ..none.clone() };
        let signed = ApiDefinition { enable_signature_checking: true, ..none.clone() };
        let both = ApiDefinition { enable_signature_checking: true, ..custom.clone() };
        let all = ApiDefinition { enable_jwt: true, use_basic_auth: true, use_standard_auth: true, ..both.clone() };
        for (api, name, expected) in [
            (&all, "token", Some(Token)),
            (&all, "jwt", Some(Jwt)),
            (&all, "bearer", Some(Jwt)),
            (&all, "basic", Some(Basic)),
            (&all, "oauth", None),
            (&all, "mine", None),
            (&both, "mine", None),
            (&custom, "mine", Some(Custom)),
            (&signed, "mine", Some(Signature)),
            (&signed, "bearer", Some(Signature)),
            (&all, "custom", Some(Custom)),
            (&signed, "custom", None),
            (&all, "hmac", None),
            (&all, "oidc", None),
            (&all, "odd", None),
            (&all, "unknown", None),
            (&signed, "jwt", None),
            (&signed, "basic", None),
        ] {
            assert_eq!(methods(api, &[name]), [expected], "{name}");
        }
        assert_eq!(methods(&all, &["token", "jwt", "bearer"]), [Some(Token), Some(Jwt), None], "one is not two");
        assert_eq!(methods(&custom, &["custom", "mine"]), [Some(Custom), None]);
    }

    #[test]
    fn one_group_is_enough_only_where_all_of_it_says_so() {
        let two = api(&[&["token"], &["custom"]]);
        assert_eq!(alternatives(&two, &document("legacy")).unwrap(), None);
        assert_eq!(alternatives(&two, &document("")).unwrap(), None);
        assert_eq!(alternatives(&two, "{}").unwrap(), None);
        assert!(alternatives(&two, "[").is_err());
        assert!(alternatives(&two, r#"{"components": 7}"#).is_err());
        for api in [
            api(&[&["token", "custom"]]),
            api(&[]),
            ApiDefinition { is_oas: false, ..two.clone() },
            ApiDefinition { use_keyless: true, ..two.clone() },
        ] {
            assert_eq!(alternatives(&api, &document("compliant")).unwrap(), None);
            assert_eq!(alternatives(&api, "[").unwrap(), None, "nobody looks");
        }
        let groups = alternatives(&api(&[&["token", "custom"], &[]]), &document("compliant")).unwrap().unwrap();
        assert_eq!(groups.iter().map(Vec::len).collect::<Vec<_>>(), [2], "an empty group is none");
    }
}
