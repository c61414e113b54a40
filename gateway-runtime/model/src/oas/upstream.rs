//! `upstream`: where requests go, and how.

use serde_json::Value;

use super::form::Form::{Items, Joined, Pairs, Seconds, Tls, Weights};
use super::rule::{self, Notes, Rule, get, is_on, off, rule, same};
use crate::json_path::JsonPath;

/// Of the extension and the whole definition. Source: gateway.md §4.2, §4.6.
pub(super) const RULES: &[Rule] = &[
    same("upstream.url", "proxy.target_url"),
    same("upstream.serviceDiscovery.enabled", "proxy.service_discovery.use_discovery_service"),
    same("upstream.serviceDiscovery.queryEndpoint", "proxy.service_discovery.query_endpoint"),
    same("upstream.serviceDiscovery.dataPath", "proxy.service_discovery.data_path"),
    same("upstream.serviceDiscovery.useNestedQuery", "proxy.service_discovery.use_nested_query"),
    same("upstream.serviceDiscovery.parentDataPath", "proxy.service_discovery.parent_data_path"),
    same("upstream.serviceDiscovery.portDataPath", "proxy.service_discovery.port_data_path"),
    same("upstream.serviceDiscovery.useTargetList", "proxy.service_discovery.use_target_list"),
    off("upstream.serviceDiscovery.cache.enabled", "proxy.service_discovery.cache_disabled"),
    same("upstream.serviceDiscovery.cache.timeout", "proxy.service_discovery.cache_timeout"),
    same("upstream.serviceDiscovery.targetPath", "proxy.service_discovery.target_path"),
    same("upstream.serviceDiscovery.endpointReturnsList", "proxy.service_discovery.endpoint_returns_list"),
    off("upstream.uptimeTests.enabled", "uptime_tests.disabled"),
    rule("upstream.uptimeTests.tests", "uptime_tests.check_list", Items(TEST)),
    rule("upstream.uptimeTests.hostDownRetestPeriod", "uptime_tests.config.recheck_wait", Seconds),
    rule("upstream.uptimeTests.logRetentionPeriod", "uptime_tests.config.expire_utime_after", Seconds),
    off("upstream.mutualTLS.enabled", "upstream_certificates_disabled"),
    rule("upstream.mutualTLS.domainToCertificateMapping", "upstream_certificates", Pairs("domain", "certificate")),
    off("upstream.certificatePinning.enabled", "certificate_pinning_disabled"),
    rule("upstream.certificatePinning.domainToPublicKeysMapping", "pinned_public_keys", Joined("domain", "publicKeys")),
    off("upstream.rateLimit.enabled", "global_rate_limit.disabled"),
    same("upstream.rateLimit.rate", "global_rate_limit.rate"),
    rule("upstream.rateLimit.per", "global_rate_limit.per", Seconds),
    same("upstream.loadBalancing.enabled", "proxy.enable_load_balancing"),
    same("upstream.loadBalancing.skipUnavailableHosts", "proxy.check_host_against_uptime_tests"),
    rule("upstream.loadBalancing.targets", "proxy.target_list", Weights),
    same("upstream.preserveHostHeader.enabled", "proxy.preserve_host_header"),
    same("upstream.preserveTrailingSlash.enabled", "proxy.disable_strip_slash"),
    same("upstream.tlsTransport.insecureSkipVerify", "proxy.transport.ssl_insecure_skip_verify"),
    same("upstream.tlsTransport.ciphers", "proxy.transport.ssl_ciphers"),
    rule("upstream.tlsTransport.minVersion", "proxy.transport.ssl_min_version", Tls),
    rule("upstream.tlsTransport.maxVersion", "proxy.transport.ssl_max_version", Tls),
    same("upstream.tlsTransport.forceCommonNameCheck", "proxy.transport.ssl_force_common_name_check"),
    same("upstream.authentication.requestSigning.enabled", "request_signing.is_enabled"),
    same("upstream.authentication.requestSigning.secret", "request_signing.secret"),
    same("upstream.authentication.requestSigning.keyId", "request_signing.key_id"),
    same("upstream.authentication.requestSigning.algorithm", "request_signing.algorithm"),
    same("upstream.authentication.requestSigning.headers", "request_signing.header_list"),
    same("upstream.authentication.requestSigning.certificateId", "request_signing.certificate_id"),
    same("upstream.authentication.requestSigning.signatureHeader", "request_signing.signature_header"),
];

/// Of `upstream` and the one version.
pub(super) const VERSION: &[Rule] = &[
    off("upstream.enforceTimeout.enabled", "global_enforce_timeout_disabled"),
    same("upstream.enforceTimeout.duration", "global_enforce_timeout"),
];

/// The proxy on the way counts where it is enabled, and its classic form has no switch.
pub(super) const PROXY: &[Rule] = &[same("upstream.proxy.url", "proxy.transport.proxy_url")];

/// `upstream.proxy.enabled`, which no rule writes.
pub(super) const PROXY_SWITCH: &str = "upstream.proxy.enabled";

const TEST: &[Rule] = &[
    same("url", "url"),
    same("timeout", "timeout"),
    same("method", "method"),
    same("headers", "headers"),
    same("body", "body"),
    same("commands", "commands"),
    same("protocol", "protocol"),
    same("enableProxyProtocol", "enable_proxy_protocol"),
];

pub(super) fn extract(from: (&Value, &JsonPath), into: (&mut Value, &JsonPath), notes: &mut Notes) {
    let is_used = is_on(get(from.0, PROXY_SWITCH));
    let (into, to) = into;
    rule::extract(RULES, from, (into, to), notes);
    if is_used {
        rule::extract(PROXY, from, (into, to), notes);
    }
}

pub(super) fn fill(classic: &Value, into: &mut Value) {
    rule::fill(RULES, classic, into);
    rule::fill(PROXY, classic, into);
    if get(into, "upstream.proxy.url").is_some() {
        rule::put(into, PROXY_SWITCH, Value::Bool(true));
    }
}
