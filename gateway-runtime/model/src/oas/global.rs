//! `middleware.global`: what happens to every request.

use super::form::Form::{First, Items, Pairs, Seconds};
use super::rule::{Rule, not, off, rule, same};

/// Of the extension and the whole definition. Source: gateway.md §4.3, plugin-system.md §2.3.
pub(super) const RULES: &[Rule] = &[
    same("middleware.global.pluginConfig.driver", "custom_middleware.driver"),
    off("middleware.global.pluginConfig.bundle.enabled", "custom_middleware_bundle_disabled"),
    same("middleware.global.pluginConfig.bundle.path", "custom_middleware_bundle"),
    off("middleware.global.pluginConfig.data.enabled", "config_data_disabled"),
    same("middleware.global.pluginConfig.data.value", "config_data"),
    rule("middleware.global.prePlugins", "custom_middleware.pre", Items(PLUGIN))
        .or("middleware.global.prePlugin.plugins"),
    rule("middleware.global.postAuthenticationPlugins", "custom_middleware.post_key_auth", Items(PLUGIN))
        .or("middleware.global.postAuthenticationPlugin.plugins"),
    rule("middleware.global.postPlugins", "custom_middleware.post", Items(PLUGIN))
        .or("middleware.global.postPlugin.plugins"),
    rule("middleware.global.responsePlugins", "custom_middleware.response", Items(PLUGIN))
        .or("middleware.global.responsePlugin.plugins"),
    same("middleware.global.cors.enabled", "CORS.enable"),
    same("middleware.global.cors.maxAge", "CORS.max_age"),
    same("middleware.global.cors.allowCredentials", "CORS.allow_credentials"),
    same("middleware.global.cors.exposedHeaders", "CORS.exposed_headers"),
    same("middleware.global.cors.allowedHeaders", "CORS.allowed_headers"),
    same("middleware.global.cors.optionsPassthrough", "CORS.options_passthrough"),
    same("middleware.global.cors.debug", "CORS.debug"),
    same("middleware.global.cors.allowedOrigins", "CORS.allowed_origins"),
    same("middleware.global.cors.allowedMethods", "CORS.allowed_methods"),
    same("middleware.global.cache.enabled", "cache_options.enable_cache"),
    same("middleware.global.cache.timeout", "cache_options.cache_timeout"),
    same("middleware.global.cache.cacheAllSafeRequests", "cache_options.cache_all_safe_requests"),
    same("middleware.global.cache.cacheResponseCodes", "cache_options.cache_response_codes"),
    same("middleware.global.cache.cacheByHeaders", "cache_options.cache_by_headers"),
    same("middleware.global.cache.enableUpstreamCacheControl", "cache_options.enable_upstream_cache_control"),
    same("middleware.global.cache.controlTTLHeaderName", "cache_options.cache_control_ttl_header"),
    same("middleware.global.contextVariables.enabled", "enable_context_vars"),
    not("middleware.global.trafficLogs.enabled", "do_not_track"),
    same("middleware.global.trafficLogs.tagHeaders", "tag_headers"),
    rule("middleware.global.trafficLogs.customRetentionPeriod", "expire_analytics_after", Seconds),
    rule("middleware.global.trafficLogs.plugins", "analytics_plugin", First(ANALYTICS)),
    same("middleware.global.skipRateLimit", "disable_rate_limit"),
    same("middleware.global.skipQuota", "disable_quota"),
    same("middleware.global.skipQuotaReset", "dont_set_quota_on_create"),
];

/// Of the extension and the one version.
pub(super) const VERSION: &[Rule] = &[
    off("middleware.global.transformRequestHeaders.enabled", "global_headers_disabled"),
    same("middleware.global.transformRequestHeaders.remove", "global_headers_remove"),
    rule("middleware.global.transformRequestHeaders.add", "global_headers", Pairs("name", "value")),
    off("middleware.global.transformResponseHeaders.enabled", "global_response_headers_disabled"),
    same("middleware.global.transformResponseHeaders.remove", "global_response_headers_remove"),
    rule("middleware.global.transformResponseHeaders.add", "global_response_headers", Pairs("name", "value")),
    off("middleware.global.requestSizeLimit.enabled", "global_size_limit_disabled"),
    same("middleware.global.requestSizeLimit.value", "global_size_limit"),
    same("middleware.global.ignoreCase.enabled", "ignore_endpoint_case"),
];

/// An item of a list of plugins.
const PLUGIN: &[Rule] = &[
    not("enabled", "disabled"),
    same("functionName", "name"),
    same("path", "path"),
    same("code", "code"),
    same("rawBodyOnly", "raw_body_only"),
    same("requireSession", "require_session"),
];

const ANALYTICS: &[Rule] = &[same("enabled", "enable"), same("functionName", "func_name"), same("path", "plugin_path")];
