//! An API definition in Tyk's classic form: the fields that we honour.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::auth::{AuthConfig, BasicAuth, UNSAID};
use crate::cache::CacheOptions;
use crate::cors::Cors;
use crate::custom_middleware::{Hook, MiddlewareSection};
use crate::error_overrides::ErrorOverrides;
use crate::events::EventHandlers;
use crate::headers::ResponseProcessor;
use crate::jwt::{JwksUri, Scopes};
use crate::oas::OasDefinition;
use crate::proxy::Proxy;
use crate::uptime::UptimeTests;
use crate::version::{VersionData, VersionDefinition};

/// One API. Source: Tyk, `APIDefinition` in `apidef/api_definitions.go`.
///
/// Every field may be absent, and then has its zero value; [`read`](crate::read) says what must not be empty.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, expecting = "an object")]
pub struct ApiDefinition {
    /// Identity in Tyk's database.
    pub id: String,
    /// Identity of the API; unique in a gateway.
    pub api_id: String,
    /// The organisation that owns the API.
    pub org_id: String,
    /// A name for people.
    pub name: String,
    /// A name for URLs.
    pub slug: String,
    /// Kept but not enforced: an inactive API is served. Source: Tyk, `gateway/api_loader.go`.
    pub active: bool,
    /// When the API is switched off, as [`expiry`](crate::expiry::expiry) reads it.
    pub expiration: String,
    /// Nobody is asked who they are; `auth_check` and `post_key_auth` do not run.
    pub use_keyless: bool,
    /// Turns `auth_check` on.
    pub custom_plugin_auth_enabled: bool,
    /// An older name of `custom_plugin_auth_enabled`.
    pub use_go_plugin_auth: bool,
    /// An older name of `custom_plugin_auth_enabled`.
    pub enable_coprocess_auth: bool,
    /// Asks for the name and the password of a user.
    pub use_basic_auth: bool,
    /// How these are asked for.
    pub basic_auth: BasicAuth,
    /// Asks for signed requests.
    pub enable_signature_checking: bool,
    /// What they may be signed with; empty means any of [`SIGNATURES`](crate::SIGNATURES).
    pub hmac_allowed_algorithms: Vec<String>,
    /// How far the date of a signed request may be from the gateway's, in milliseconds; zero or less is any date.
    pub hmac_allowed_clock_skew: f64,
    /// Asks for a token, after `auth_check` where both are on.
    pub use_standard_auth: bool,
    /// Asks for a JSON web token.
    pub enable_jwt: bool,
    /// What its signature is: `hmac`, `rsa`, `ecdsa`; empty is `hmac`.
    pub jwt_signing_method: String,
    /// What signatures are verified by: a URL of a key set, or, in base64, one, or a secret, or a public key (PEM). Empty:
    /// each token is verified by the `jwt_data.secret` of the key that it names.
    pub jwt_source: String,
    /// Key sets, in place of `jwt_source`.
    pub jwt_jwks_uris: Vec<JwksUri>,
    /// The claim that says who is calling; `sub` is the one that is looked at otherwise. Dots lead into objects.
    pub jwt_identity_base_field: String,
    /// The claim that names a key, whose first policy is the token's, where no `jwt_policy_field_name` is set.
    pub jwt_client_base_field: String,
    /// The claim that names a policy. Dots lead into objects.
    pub jwt_policy_field_name: String,
    /// The policies of a token that names none.
    pub jwt_default_policies: Vec<String>,
    /// How far a token may be issued in the future, in seconds.
    pub jwt_issued_at_validation_skew: i64,
    /// How long a token may be expired, in seconds.
    pub jwt_expires_at_validation_skew: i64,
    /// How far a token may begin in the future, in seconds.
    pub jwt_not_before_validation_skew: i64,
    /// The header `kid` names no key, where there is no `jwt_source`: the claims do.
    pub jwt_skip_kid: bool,
    /// Which policies scopes stand for.
    pub scopes: Scopes,
    /// An older name of `scopes.jwt.scope_claim_name`.
    pub jwt_scope_claim_name: String,
    /// An older name of `scopes.jwt.scope_to_policy`.
    pub jwt_scope_to_policy_mapping: BTreeMap<String, String>,
    /// Kept: no client of an identity provider is looked for here.
    pub idp_client_id_mapping_disabled: bool,
    /// Whose session counts where several ways of authentication are on: `auth_token`, `custom_auth`,
    /// `basic_auth_user`, `hmac_key`, `jwt_claim`; empty is the last.
    pub base_identity_provided_by: String,
    /// It was made from the OpenAPI document `<file>-oas.json` beside its file.
    pub is_oas: bool,
    /// Groups of names of security schemes; with `securityProcessingMode` `compliant` in the OpenAPI document, one of
    /// several groups is enough. Source: gateway.md §3.5.
    pub security_requirements: Vec<Vec<String>>,
    /// Where the token is, in definitions that know one way of authentication only.
    pub auth: AuthConfig,
    /// Where the credential is, by way of authentication (`authToken`, `coprocess`, …).
    pub auth_configs: BTreeMap<String, AuthConfig>,
    /// Clients show a certificate that the API allows. Source: Tyk, `gateway/mw_certificate_check.go`.
    pub use_mutual_tls_auth: bool,
    /// The certificates that are allowed, or those of their issuers: PEM files, or ids of the store.
    pub client_certificates: Vec<String>,
    /// Takes the credential out of the request once it was looked at: the upstream does not see it.
    pub strip_auth_data: bool,
    /// How long sessions of its keys are stored, in seconds, where they say nothing themselves; zero is for good.
    pub session_lifetime: i64,
    /// No session is gone before its key expires.
    pub session_lifetime_respects_key_expiration: bool,
    /// To write a key does not let its quota begin anew.
    pub dont_set_quota_on_create: bool,
    /// No request is refused for its rate: not that of its key, and not that of the API.
    pub disable_rate_limit: bool,
    /// No request is refused for the quota of its key.
    pub disable_quota: bool,
    /// The rate of all requests to the API together.
    pub global_rate_limit: GlobalRateLimit,
    /// The host that requests are for, where custom domains are on; may contain `{name}` or `{name:regex}`. Empty: any.
    pub domain: String,
    /// The API is for any host, whatever `domain` says.
    pub domain_disabled: bool,
    /// Certificates for the domain, each with its key: PEM files, or ids of the store.
    pub certificates: Vec<String>,
    /// What clients speak: `http`, `https`, `h2c`, or nothing for what the gateway listens with. Members of
    /// `proxy.target_list` without a scheme get it as theirs, and with `h2c` plain upstreams are spoken to by HTTP/2.
    pub protocol: String,
    /// The port on which the API is served; 0 is the gateway's.
    pub listen_port: i64,
    /// Where the API listens, and what it forwards to.
    pub proxy: Proxy,
    /// How the hosts of its upstreams are watched.
    pub uptime_tests: UptimeTests,
    /// The certificate that the gateway shows to an upstream, by the upstream's name: `*`, `*.domain`, `host` or
    /// `host:port`. A value is a file with a certificate and its key, PEM, or an id of the store.
    pub upstream_certificates: BTreeMap<String, String>,
    /// Leaves `upstream_certificates` out.
    pub upstream_certificates_disabled: bool,
    /// The public keys that an upstream may have, by the upstream's name, as in `upstream_certificates`. A value is a
    /// list, joined by commas, of SHA-256 fingerprints in hexadecimal or of files with a public key, PEM.
    pub pinned_public_keys: BTreeMap<String, String>,
    /// Leaves `pinned_public_keys` out.
    pub certificate_pinning_disabled: bool,
    /// Which pages of other origins may read its answers.
    #[serde(rename = "CORS")]
    pub cors: Cors,
    /// How requests name a version, and which APIs are versions of this one.
    pub definition: VersionDefinition,
    /// Its versions.
    pub version_data: VersionData,
    /// Its plugins.
    pub custom_middleware: MiddlewareSection,
    /// Configuration for its plugins, in whatever shape they ask for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub config_data: Option<Map<String, Value>>,
    /// Kept but not enforced: linked plugins see `config_data` all the same. Source: Tyk, `ctx/ctx.go`.
    pub config_data_disabled: bool,
    /// Kept: a list that is not empty counts without it.
    pub enable_ip_whitelisting: bool,
    /// The addresses that clients may have, or networks of them; empty is any.
    pub allowed_ips: Vec<String>,
    /// Kept: a list that is not empty counts without it.
    pub enable_ip_blacklisting: bool,
    /// The addresses that clients may not have, or networks of them.
    pub blacklisted_ips: Vec<String>,
    /// Leaves out the lists whose `enable_…` is false.
    pub ip_access_control_disabled: bool,
    /// What is done to every response, beside what `version_data` says.
    pub response_processors: Vec<ResponseProcessor>,
    /// Lets texts of the definition name what is known of a request: `$tyk_context.…`.
    pub enable_context_vars: bool,
    /// Who is told of its events.
    pub event_handlers: EventHandlers,
    /// What is answered in place of errors, the gateway's and those of upstreams.
    pub error_overrides: ErrorOverrides,
    /// Leaves `error_overrides` out.
    pub error_overrides_disabled: bool,
    /// Which answers are kept for those who ask the same.
    pub cache_options: CacheOptions,
    /// Leaves the API out of the analytics.
    pub do_not_track: bool,
    /// Where requests are traced, each step is a span, and not each plugin alone.
    pub detailed_tracing: bool,
    /// Analytics records hold requests and responses whole.
    pub enable_detailed_recording: bool,
    /// How long analytics records are kept, in seconds, after they were made; zero or less is for good.
    pub expire_analytics_after: i64,
    /// Request headers that become tags of analytics records, `<name>-<value>`.
    pub tag_headers: Vec<String>,
    /// Tags of its analytics records.
    pub tags: Vec<String>,
    /// The plugin that sees each analytics record before it is kept.
    pub analytics_plugin: AnalyticsPlugin,
    /// Takes the API out of the routing; only other APIs reach it.
    pub internal: bool,
    /// Paths of fields that guard access and that we do not honour: requests to such an API are refused.
    #[serde(skip)]
    pub unhonoured_guards: Vec<String>,
    /// The OpenAPI document that it was made from, or that stands beside it.
    #[serde(skip)]
    pub oas: Option<Arc<OasDefinition>>,
}

/// The rate of an API as a whole. Source: Tyk, `GlobalRateLimit` in `apidef/api_definitions.go`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, expecting = "an object")]
pub struct GlobalRateLimit {
    /// Leaves it out.
    pub disabled: bool,
    /// Requests per [`per`](Self::per); zero or less means unlimited.
    pub rate: f64,
    /// The window of [`rate`](Self::rate), in seconds.
    pub per: f64,
}

/// The plugin of analytics records. Source: Tyk, `AnalyticsPluginConfig` in `apidef/api_definitions.go`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, expecting = "an object")]
pub struct AnalyticsPlugin {
    /// Whether it runs.
    pub enable: bool,
    /// Where Tyk finds the plugin's file; the stem chooses between linked plugins of one name.
    pub plugin_path: String,
    /// The plugin's name.
    pub func_name: String,
}

impl ApiDefinition {
    /// The files of all plugins that the definition names, as it writes them.
    pub fn plugin_paths(&self) -> Vec<&str> {
        let section = Hook::ALL.into_iter().flat_map(|hook| self.custom_middleware.entries(hook));
        let versions = self.version_data.versions.values();
        let on_paths = versions.flat_map(|version| &version.extended_paths.go_plugin);
        section
            .map(|entry| &*entry.path)
            .chain(on_paths.map(|entry| &*entry.plugin_path))
            .chain([&*self.analytics_plugin.plugin_path])
            .filter(|path| !path.is_empty())
            .collect()
    }

    /// Whether `auth_check` decides who the client is. Source: Tyk, `gateway/api_loader.go` (any of the three flags).
    pub fn custom_auth_enabled(&self) -> bool {
        self.custom_plugin_auth_enabled || self.use_go_plugin_auth || self.enable_coprocess_auth
    }

    /// The host that requests are for; `None` is any. Whether the gateway honours it is a matter of its configuration.
    pub fn custom_domain(&self) -> Option<&str> {
        (!self.domain_disabled && !self.domain.is_empty()).then_some(self.domain.as_str())
    }

    /// Whether a token is asked for: where the definition says so, or where nothing else tells who is calling. Source:
    /// Tyk, `gateway/api_loader.go`.
    pub fn asks_for_token(&self) -> bool {
        let plugin = self.custom_auth_enabled() && self.custom_middleware.auth_check.is_enabled();
        let is_told = [plugin, self.use_basic_auth, self.enable_signature_checking, self.enable_jwt].contains(&true);
        !self.use_keyless && (self.use_standard_auth || !is_told)
    }

    /// Where the credential of a way of authentication is, such as `basic` or `hmac`.
    pub fn source_of(&self, way: &str) -> &AuthConfig {
        self.auth_configs.get(way).unwrap_or(&UNSAID)
    }

    /// Where a token is: `auth_configs.authToken`, else `auth`. Source: Tyk, `gateway/middleware.go`.
    pub fn token_source(&self) -> &AuthConfig {
        self.auth_configs.get("authToken").unwrap_or(&self.auth)
    }

    /// Whether a client's certificate stands for its key: it must be asked for.
    pub fn identifies_by_certificate(&self) -> bool {
        !self.use_keyless && self.token_source().use_certificate
    }

    /// Every place where a credential may be: those in `auth_configs`, the usual one for ways of authentication that are in
    /// use and not there, and `auth` where it is in use or all there is.
    pub fn credential_sources(&self) -> impl Iterator<Item = &AuthConfig> {
        let older = self.auth_configs.is_empty() || self.auth != UNSAID;
        let used = [(self.use_basic_auth, "basic"), (self.enable_signature_checking, "hmac"), (self.enable_jwt, "jwt")];
        let unsaid = used.iter().any(|(is_used, way)| *is_used && !self.auth_configs.contains_key(*way));
        self.auth_configs.values().chain(unsaid.then_some(&UNSAID)).chain(older.then_some(&self.auth))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::custom_middleware::MiddlewareDefinition;

    fn header(name: &str) -> AuthConfig {
        AuthConfig { auth_header_name: name.to_owned(), ..AuthConfig::default() }
    }

    /// Source: plugin-system.md §10.2, gateway/mw_auth_or_wrapper_test.go:4358, apidef/migration_test.go:544.
    #[test]
    fn any_of_three_flags_turns_custom_auth_on() {
        let off = ApiDefinition::default();
        assert!(!off.custom_auth_enabled());
        assert!(ApiDefinition { custom_plugin_auth_enabled: true, ..off.clone() }.custom_auth_enabled());
        assert!(ApiDefinition { use_go_plugin_auth: true, ..off.clone() }.custom_auth_enabled());
        assert!(ApiDefinition { enable_coprocess_auth: true, ..off }.custom_auth_enabled());
    }

    #[test]
    fn the_newer_place_of_a_token_wins() {
        let mut api = ApiDefinition { auth: header("x-old"), ..ApiDefinition::default() };
        assert_eq!(api.token_source().header(), Some("x-old"));
        api.auth_configs.insert("authToken".to_owned(), header("x-new"));
        assert_eq!(api.token_source().header(), Some("x-new"));
    }

    #[test]
    fn a_credential_may_be_wherever_the_definition_says() {
        let headers = |api: &ApiDefinition| {
            api.credential_sources().map(|auth| auth.header().unwrap().to_owned()).collect::<Vec<_>>()
        };
        let mut api = ApiDefinition::default();
        assert_eq!(headers(&api), ["Authorization"]);
        api.auth_configs.insert("coprocess".to_owned(), header("x-a"));
        api.auth_configs.insert("jwt".to_owned(), header("x-b"));
        assert_eq!(headers(&api), ["x-a", "x-b"]);
        api.auth = header("x-old");
        assert_eq!(headers(&api), ["x-a", "x-b", "x-old"]);
        api.use_basic_auth = true;
        assert_eq!(headers(&api), ["x-a", "x-b", "Authorization", "x-old"]);
        api.auth_configs.insert("basic".to_owned(), header("x-c"));
        assert_eq!(headers(&api), ["x-c", "x-a", "x-b", "x-old"]);
    }

    #[test]
    fn a_token_is_asked_for_where_nothing_else_is_or_where_the_definition_says_so() {
        let auth_check = MiddlewareDefinition { name: "A".into(), ..MiddlewareDefinition::default() };
        let custom_middleware = MiddlewareSection { auth_check, ..MiddlewareSection::default() };
        let none = ApiDefinition::default();
        assert!(none.asks_for_token());
        assert!(!ApiDefinition { use_keyless: true, ..none.clone() }.asks_for_token());
        for other in [
            ApiDefinition { custom_plugin_auth_enabled: true, custom_middleware, ..none.clone() },
            ApiDefinition { use_basic_auth: true, ..none.clone() },
            ApiDefinition { enable_signature_checking: true, ..none.clone() },
            ApiDefinition { enable_jwt: true, ..none },
        ] {
            assert!(!other.asks_for_token());
            assert!(ApiDefinition { use_standard_auth: true, ..other }.asks_for_token());
        }
    }
}
