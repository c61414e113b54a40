//! What errors are called: by `override_messages` ([`RequestError::id`]), by the rules of `error_overrides`
//! ([`RequestError::flag`]). Source: gateway.md §5.11; Tyk, `internal/errors/classification.go`.

use super::RequestError;
use crate::middleware::basic_auth::credentials::NoCredentials;
use crate::middleware::jwt::JwtError;
use crate::upstream::ForwardError;

/// The errors of `override_messages` that there are here.
pub(crate) const IDS: [&str; 6] = [
    "auth.auth_field_missing",
    "auth.key_not_found",
    "auth.cert_not_found",
    "auth.cert_expired",
    "auth.cert_required",
    "auth.cert_mismatch",
];

/// Those that there are not.
pub(crate) const IDS_ELSEWHERE: [&str; 5] = [
    "auth.key_is_invalid",
    "oauth.auth_field_missing",
    "oauth.auth_field_malformed",
    "oauth.key_not_found",
    "oauth.client_deleted",
];

/// An upstream's answer with a status from 500.
pub(crate) const UPSTREAM_STATUS: &str = "URS";

/// The kinds of errors that there are here.
pub(crate) const FLAGS: [&str; 20] = [
    "TLH",
    "UCF",
    "URT",
    "DNS",
    "CBO",
    UPSTREAM_STATUS,
    "UPE",
    "RLT",
    "QEX",
    "AMF",
    "AKI",
    "TKE",
    "TKI",
    "TCV",
    "BTL",
    "CLM",
    "BIV",
    "IHD",
    "CRQ",
    "CMM",
];

/// Those that there are not, or that are told as one of the others.
pub(crate) const FLAGS_ELSEWHERE: [&str; 16] =
    ["TLE", "TLI", "TLM", "TLN", "TLP", "TLA", "TLC", "UCT", "URR", "EPI", "CAB", "NRS", "NRH", "CDC", "EAD", "NHU"];

impl RequestError {
    pub(super) fn id(&self) -> Option<&'static str> {
        Some(match self {
            Self::CredentialMissing => "auth.auth_field_missing",
            Self::CredentialUnknown | Self::CredentialSecret => "auth.key_not_found",
            Self::CertificateUnknown => "auth.cert_not_found",
            Self::CertificateExpired => "auth.cert_expired",
            Self::ClientCertificateMissing => "auth.cert_required",
            Self::CertificateMismatch => "auth.cert_mismatch",
            _ => return None,
        })
    }

    pub(super) fn flag(&self) -> Option<&'static str> {
        Some(match self {
            Self::RateLimited | Self::ApiRateLimited | Self::OrganisationRateLimited => "RLT",
            Self::QuotaExceeded | Self::OrganisationQuotaExceeded => "QEX",
            Self::CredentialMissing | Self::NoPassword(NoCredentials::Missing) | Self::Jwt(JwtError::Missing) => "AMF",
            Self::CredentialUnknown | Self::CredentialSecret | Self::CertificateUnknown => "AKI",
            Self::KeyExpired | Self::CertificateExpired => "TKE",
            Self::Jwt(JwtError::Expired | JwtError::BeforeIssued | JwtError::NotYet) => "TCV",
            Self::Jwt(_) => "TKI",
            Self::OverSize { .. } => "BTL",
            Self::LengthMissing => "CLM",
            Self::BodyRefused(_) => "BIV",
            Self::NoPassword(_) => "IHD",
            Self::ClientCertificateMissing => "CRQ",
            Self::CertificateMismatch => "CMM",
            Self::Forward(error) => return of_upstream(error),
            _ => return None,
        })
    }
}

fn of_upstream(error: &ForwardError) -> Option<&'static str> {
    Some(match error {
        ForwardError::Lookup { .. } => "DNS",
        ForwardError::Connect { .. } => "UCF",
        ForwardError::Tls { .. } => "TLH",
        ForwardError::Timeout(_) | ForwardError::Deadline(_) => "URT",
        ForwardError::Open { .. } => "CBO",
        ForwardError::Framing(_) | ForwardError::Unasked | ForwardError::Exchange(_) => "UPE",
        // They have no body that a rule could change, or are the client's.
        ForwardError::Target(_) | ForwardError::AllDown | ForwardError::Body(_) => return None,
    })
}
