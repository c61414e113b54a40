//! `server.authentication.securitySchemes`: ways of authentication that OpenAPI has schemes for. Which of them are on is
//! said by `security` of the document.

use serde_json::{Map, Value, json};

use super::authentication::{fill_sources, put_config, sources};
use super::form::Form::{FirstText, Items, Pairs, Seconds};
use super::rule::{self, Notes, Rule, get, is_on, is_zero, join, rule, same};
use crate::json_path::JsonPath;

/// Where the schemes of the extension are in `server.authentication`.
pub(super) const AT: &str = "securitySchemes";

/// A way of authentication: its scheme in OpenAPI, and its rules.
pub(super) struct Way {
    /// The name of the scheme where one is made.
    name: &'static str,
    /// `type`, `scheme`.
    component: (&'static str, &'static str),
    /// Its switch in the classic form, and its entry of `auth_configs`.
    switch: &'static str,
    entry: &'static str,
    /// Of the scheme and the whole definition.
    pub(super) rules: &'static [Rule],
    /// Of the scheme and the entry of `auth_configs`.
    pub(super) config: &'static [Rule],
}

/// Source: gateway.md §3.5, §4.2; Tyk, `apidef/oas/security.go`.
pub(super) const WAYS: [Way; 4] = [
    Way {
        name: "authToken",
        component: ("apiKey", ""),
        switch: "use_standard_auth",
        entry: "authToken",
        rules: &[same("enabled", "use_standard_auth")],
        config: TOKEN,
    },
    Way { name: "jwtAuth", component: ("http", "bearer"), switch: "enable_jwt", entry: "jwt", rules: JWT, config: &[] },
    Way {
        name: "basicAuth",
        component: ("http", "basic"),
        switch: "use_basic_auth",
        entry: "basic",
        rules: BASIC,
        config: &[],
    },
    Way {
        name: "oauth",
        component: ("oauth2", ""),
        switch: "use_oauth2",
        entry: "oauth",
        rules: &[
            same("enabled", "use_oauth2"),
            same("allowedAuthorizeTypes", "oauth_meta.allowed_authorize_types"),
            same("authLoginRedirect", "oauth_meta.auth_login_redirect"),
        ],
        config: &[],
    },
];

const TOKEN: &[Rule] = &[
    same("enableClientCertificate", "use_certificate"),
    same("signatureValidation.enabled", "validate_signature"),
    same("signatureValidation.algorithm", "signature.algorithm"),
    same("signatureValidation.header.name", "signature.header"),
    same("signatureValidation.query.enabled", "signature.use_param"),
    same("signatureValidation.query.name", "signature.param_name"),
    same("signatureValidation.secret", "signature.secret"),
    same("signatureValidation.allowedClockSkew", "signature.allowed_clock_skew"),
    same("signatureValidation.errorCode", "signature.error_code"),
    same("signatureValidation.errorMessage", "signature.error_message"),
];

const JWT: &[Rule] = &[
    same("enabled", "enable_jwt"),
    same("source", "jwt_source"),
    rule("jwksURIs", "jwt_jwks_uris", Items(&[same("url", "url"), rule("cacheTimeout", "cache_timeout", Seconds)])),
    same("signingMethod", "jwt_signing_method"),
    rule("subjectClaims", "jwt_identity_base_field", FirstText),
    same("identityBaseField", "jwt_identity_base_field"),
    same("skipKid", "jwt_skip_kid"),
    rule("basePolicyClaims", "jwt_policy_field_name", FirstText),
    same("policyFieldName", "jwt_policy_field_name"),
    same("clientBaseField", "jwt_client_base_field"),
    rule("scopes.claims", "scopes.jwt.scope_claim_name", FirstText),
    same("scopes.claimName", "scopes.jwt.scope_claim_name"),
    rule("scopes.scopeToPolicyMapping", "scopes.jwt.scope_to_policy", Pairs("scope", "policyId")),
    same("defaultPolicies", "jwt_default_policies"),
    same("issuedAtValidationSkew", "jwt_issued_at_validation_skew"),
    same("notBeforeValidationSkew", "jwt_not_before_validation_skew"),
    same("expiresAtValidationSkew", "jwt_expires_at_validation_skew"),
    same("idpClientIdMappingDisabled", "idp_client_id_mapping_disabled"),
];

const BASIC: &[Rule] = &[
    same("enabled", "use_basic_auth"),
    same("disableCaching", "basic_auth.disable_caching"),
    same("cacheTTL", "basic_auth.cache_ttl"),
    same("extractCredentialsFromBody.enabled", "basic_auth.extract_from_body"),
    same("extractCredentialsFromBody.userRegexp", "basic_auth.body_user_regexp"),
    same("extractCredentialsFromBody.passwordRegexp", "basic_auth.body_password_regexp"),
];

/// `security` of a document, and of the extension: the names of each requirement.
pub(super) fn requirements(document: &Value, authentication: &Value) -> Vec<Vec<String>> {
    let own = get(document, "security").and_then(Value::as_array).into_iter().flatten();
    let own = own.map(|group| group.as_object().into_iter().flatten().map(|(name, _)| name.clone()).collect());
    if !is_compliant(authentication) {
        return own.collect();
    }
    let more = get(authentication, "security").and_then(Value::as_array).into_iter().flatten();
    let names = |group: &Value| {
        let names = group.as_array().into_iter().flatten().filter_map(Value::as_str);
        names.map(str::to_owned).collect()
    };
    own.chain(more.map(names)).collect()
}

pub(super) fn is_compliant(authentication: &Value) -> bool {
    get(authentication, "securityProcessingMode").and_then(Value::as_str) == Some("compliant")
}

/// The schemes that the requirements ask for: those of the first, or of all where one of them is enough.
pub(super) fn extract(
    document: &Value,
    (authentication, at): (&Value, &JsonPath),
    (into, to): (&mut Value, &JsonPath),
    notes: &mut Notes,
) {
    let requirements = requirements(document, authentication);
    let is_compliant = is_compliant(authentication);
    let asked = requirements.iter().take(if is_compliant { usize::MAX } else { 1 }).flatten();
    let asked: Vec<&String> = asked.collect();
    let schemes = get(authentication, AT).and_then(Value::as_object);
    for (name, scheme) in schemes.into_iter().flatten().filter(|(_, scheme)| !scheme.is_null()) {
        let at = at.key(AT).key(name.as_str());
        if !asked.contains(&name) {
            if is_on(get(scheme, "enabled")) {
                let reason = "is not asked for: no requirement that counts in `security` of the document names it";
                notes.warning(at, reason.to_owned());
            }
            continue;
        }
        let component = component(document, name);
        match component.and_then(way) {
            Some(found) => found.extract(component.unwrap_or(&Value::Null), (scheme, &at), (&mut *into, to), notes),
            None if matches!(name.as_str(), "hmac" | "custom" | "oidc") => {}
            None => {
                let reason = "is of no type that is known: describe it under `components.securitySchemes` of the document \
                              (`apiKey`, `oauth2`, or `http` with `basic` or `bearer`)";
                notes.error(at, reason.to_owned());
            }
        }
    }
    if is_compliant && requirements.len() > 1 {
        notes.places.add(join(to, "security_requirements"), JsonPath::default().key("security"), false);
        rule::put(into, "security_requirements", json!(requirements));
    }
}

fn component<'d>(document: &'d Value, name: &str) -> Option<&'d Value> {
    get(document, "components.securitySchemes")?.as_object()?.get(name)
}

/// The way that a scheme of OpenAPI is.
pub(super) fn way(component: &Value) -> Option<&'static Way> {
    let text = |key| get(component, key).and_then(Value::as_str).unwrap_or_default();
    let is = |way: &&Way| {
        let (kind, scheme) = way.component;
        text("type") == kind && (scheme.is_empty() || text("scheme").eq_ignore_ascii_case(scheme))
    };
    WAYS.iter().find(is)
}

impl Way {
    fn extract(
        &self,
        component: &Value,
        from: (&Value, &JsonPath),
        (into, to): (&mut Value, &JsonPath),
        notes: &mut Notes,
    ) {
        rule::extract(self.rules, from, (&mut *into, to), notes);
        let mut config = Value::Object(Map::new());
        let to = &join(to, &format!("auth_configs.{}", self.entry));
        sources(from, (&mut config, to), notes);
        // A key is where its scheme says, and in places of ours beside it.
        let place = ["in", "name"].map(|key| get(component, key).and_then(Value::as_str).unwrap_or_default());
        match place {
            ["header", name] if self.entry == "authToken" => {
                rule::put(&mut config, "auth_header_name", name.into());
                rule::put(&mut config, "disable_header", false.into());
            }
            [of @ ("query" | "cookie"), name] if self.entry == "authToken" => {
                let [switch, member] =
                    if of == "query" { ["use_param", "param_name"] } else { ["use_cookie", "cookie_name"] };
                rule::put(&mut config, switch, true.into());
                rule::put(&mut config, member, name.into());
                if get(from.0, "header").is_none() {
                    rule::put(&mut config, "disable_header", true.into());
                }
            }
            _ => {}
        }
        rule::extract(self.config, from, (&mut config, to), notes);
        put_config(into, self.entry, config);
    }
}

/// Puts a scheme into the document for every way that a definition has switched on.
pub(super) fn fill(classic: &Value, document: &mut Value, authentication: &mut Value) {
    let mut group = Map::new();
    for way in WAYS.iter().filter(|way| is_on(get(classic, way.switch))) {
        let config = get(classic, &format!("auth_configs.{}", way.entry)).cloned().unwrap_or_else(|| {
            let older = get(classic, "auth").filter(|_| matches!(way.entry, "authToken" | "jwt"));
            older.cloned().unwrap_or_default()
        });
        let name = get(&config, "name").and_then(Value::as_str).filter(|name| !name.is_empty()).unwrap_or(way.name);
        let mut scheme = Value::Object(Map::new());
        rule::fill(way.rules, classic, &mut scheme);
        fill_scheme_sources(way, &config, &mut scheme);
        rule::fill(way.config, &config, &mut scheme);
        rule::object(rule::object(authentication).entry(AT).or_insert(Value::Null)).insert(name.to_owned(), scheme);
        let components = rule::object(rule::object(document).entry("components").or_insert(Value::Null));
        let schemes = rule::object(components.entry("securitySchemes").or_insert(Value::Null));
        schemes.insert(name.to_owned(), way.component(&config));
        group.insert(name.to_owned(), json!([]));
    }
    if !group.is_empty() {
        rule::put(document, "security", json!([group]));
    }
}

fn fill_scheme_sources(way: &Way, config: &Value, scheme: &mut Value) {
    let mut holder = json!({"scheme": scheme.take()});
    fill_sources(config, &mut holder, "scheme");
    *scheme = holder["scheme"].take();
    // What the scheme of OpenAPI says is not said twice.
    if way.entry == "authToken" {
        rule::remove(scheme, place(config).0);
    }
}

/// Where a key is: `header`, `query` or `cookie`, and its name there.
fn place(config: &Value) -> (&'static str, String) {
    let name = |key| get(config, key).and_then(Value::as_str).unwrap_or_default().to_owned();
    let or_header = |text: String| if text.is_empty() { "Authorization".to_owned() } else { text };
    if !is_on(get(config, "disable_header")) {
        ("header", or_header(name("auth_header_name")))
    } else if is_on(get(config, "use_param")) || !name("param_name").is_empty() {
        ("query", or_header(name("param_name")))
    } else {
        ("cookie", or_header(name("cookie_name")))
    }
}

impl Way {
    fn component(&self, config: &Value) -> Value {
        match self.component {
            ("apiKey", _) => {
                let (of, name) = place(config);
                json!({"type": "apiKey", "in": of, "name": name})
            }
            (kind, "bearer") => json!({"type": kind, "scheme": "bearer", "bearerFormat": "JWT"}),
            (kind, "") => json!({"type": kind, "flows": {}}),
            (kind, scheme) => json!({"type": kind, "scheme": scheme}),
        }
    }
}

/// What a scheme says of tokens that nothing here enforces, as its keys.
pub(super) const UNENFORCED: [&str; 5] =
    ["allowedIssuers", "allowedAudiences", "allowedSubjects", "jtiValidation", "customClaimValidation"];

/// Whether a scheme asks for something that nothing here enforces.
pub(super) fn asks(scheme: &Value, key: &str) -> bool {
    get(scheme, key).is_some_and(|value| match get(value, "enabled") {
        Some(enabled) => is_on(Some(enabled)),
        None => !is_zero(value),
    })
}
