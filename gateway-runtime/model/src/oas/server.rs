//! `server`: where the API listens, and for whom. Authentication is in files of its own.

use super::rule::{Rule, off, same};

/// Of the extension and the whole definition. Source: gateway.md §4.2, §4.6.
pub(super) const RULES: &[Rule] = &[
    same("server.listenPath.value", "proxy.listen_path"),
    same("server.listenPath.strip", "proxy.strip_listen_path"),
    same("server.clientCertificates.enabled", "use_mutual_tls_auth"),
    same("server.clientCertificates.allowlist", "client_certificates"),
    off("server.gatewayTags.enabled", "tags_disabled"),
    same("server.gatewayTags.tags", "tags"),
    off("server.customDomain.enabled", "domain_disabled"),
    same("server.customDomain.name", "domain"),
    same("server.customDomain.certificates", "certificates"),
    same("server.detailedActivityLogs.enabled", "enable_detailed_recording"),
    same("server.detailedTracing.enabled", "detailed_tracing"),
    off("server.ipAccessControl.enabled", "ip_access_control_disabled"),
    same("server.ipAccessControl.allow", "allowed_ips"),
    same("server.ipAccessControl.block", "blacklisted_ips"),
    same("server.batchProcessing.enabled", "enable_batch_request_support"),
    same("server.protocol", "protocol"),
    same("server.port", "listen_port"),
];
