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
    /// The gateway's own OAuth 2.0 server.
    OAuth,
    /// An OAuth 2.0 server elsewhere.
    ExternalOAuth,
    /// A user's name and password.
    Basic,
    /// A signature of the request.
    Signature,
    /// A JSON web token.
    Jwt,
    /// OpenID Connect.
    OpenId,
    /// A plugin, `auth_check`.
    Custom,
    /// A token, the key itself.
    Token,
}

/// A scheme that a group asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scheme {
    /// As the document names it.
    pub name: String,
    /// What it may mean; the first of these that the API has is meant.
    pub methods: Vec<AuthMethod>,
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
    oidc: Switch,
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
    let scheme = |name: &String| Scheme { name: name.clone(), methods: document.methods(name) };
    // A group without schemes would let everybody in, and nobody has a session then.
    let groups = api.security_requirements.iter().filter(|group| !group.is_empty());
    Ok(Some(groups.map(|group| group.iter().map(scheme).collect()).collect()))
}

/// Whether the document beside a definition has to be looked at.
pub fn asks_for_alternatives(api: &ApiDefinition) -> bool {
    api.is_oas && !api.use_keyless && api.security_requirements.len() > 1
}

impl Document {
    /// What a scheme may mean. Source: Tyk, `getMiddlewareForScheme`.
    fn methods(&self, name: &str) -> Vec<AuthMethod> {
        let component = self.components.security_schemes.get(name);
        let component = component.and_then(|value| Component::deserialize(value).ok()).unwrap_or_default();
        match (&*component.r#type, &*component.scheme, &*component.bearer_format) {
            ("http", "bearer", "JWT") => return vec![AuthMethod::Jwt],
            ("http", "basic", _) => return vec![AuthMethod::Basic],
            ("apiKey", ..) => return vec![AuthMethod::Token],
            ("oauth2", ..) => return vec![AuthMethod::ExternalOAuth, AuthMethod::OAuth],
            _ => {}
        }
        let tyk = &self.extension.server.authentication;
        if tyk.security_schemes.get(name).is_some_and(|scheme| !scheme.is_null()) {
            return vec![AuthMethod::Signature, AuthMethod::OpenId, AuthMethod::Custom];
        }
        match name {
            "hmac" if tyk.hmac.enabled => vec![AuthMethod::Signature],
            "oidc" if tyk.oidc.enabled => vec![AuthMethod::OpenId],
            "custom" if tyk.custom.enabled => vec![AuthMethod::Custom],
            _ => Vec::new(),
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
        use AuthMethod::{Basic, Custom, ExternalOAuth, Jwt, OAuth, OpenId, Signature, Token};
        for (name, expected) in [
            ("token", &[Token][..]),
            ("jwt", &[Jwt]),
            ("basic", &[Basic]),
            ("oauth", &[ExternalOAuth, OAuth]),
            ("mine", &[Signature, OpenId, Custom]),
            ("bearer", &[Signature, OpenId, Custom]),
            ("custom", &[Custom]),
            ("hmac", &[]),
            ("odd", &[]),
            ("unknown", &[]),
        ] {
            let groups = alternatives(&api(&[&[name], &["token"]]), &document("compliant")).unwrap().unwrap();
            assert_eq!(groups[0][0], Scheme { name: name.to_owned(), methods: expected.to_vec() });
        }
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
