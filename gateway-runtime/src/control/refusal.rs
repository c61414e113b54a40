//! Every error of the control API: its status and its words. Source: gateway.md §2.

use gateway_sdk::{Response, StatusCode};

use super::reply;

/// Why a call of a route came to nothing. What it was to change is as it was.
#[derive(Debug, thiserror::Error)]
pub(super) enum Refusal {
    #[error("Request malformed")]
    Malformed,
    #[error("Request Entity Too Large: the control API takes up to {limit_bytes} bytes")]
    TooLarge { limit_bytes: usize },
    #[error("Request Timeout")]
    TooSlow,
    #[error("TLS not enabled")]
    NoTls,
    #[error("Client TLS certificate is required")]
    NoCertificate,
    #[error("Certificate with SHA256 {0} not allowed")]
    OtherCertificate(String),
    #[error("Certificate has expired")]
    OldCertificate,
    /// Nobody reloads any more.
    #[error("Gateway is shutting down")]
    Ending,
    #[error("API not found")]
    UnknownApi,
    /// One that is no name of a file of definitions.
    #[error("Invalid API ID")]
    ApiId,
    #[error("Request APIID does not match that in Definition! For Update operations these must match.")]
    OtherApiId,
    /// A load would not take it, and why.
    #[error("Validation of API Definition failed. Reason: {0}.")]
    Definition(String),
    #[error("the supplied API definition is in OAS format, please use the Tyk classic format for this API")]
    OasDefinition,
    #[error("this API endpoint only supports Tyk Classic APIs; please use the appropriate Tyk OAS API endpoint")]
    OasApi,
    #[error("request malformed")]
    OasMalformed,
    #[error("the payload should contain x-tyk-api-gateway")]
    NoExtension,
    #[error("the import payload should not contain x-tyk-api-gateway")]
    UnwantedExtension,
    #[error("the requested API definition is in Tyk classic format, please use old api endpoint")]
    ClassicApi,
    /// What is missing in the document.
    #[error("The document cannot be imported: {0}")]
    Import(String),
    /// Of a classic form that says that it was made from one.
    #[error("The OpenAPI document of this API is not there: put it beside its file, or send it with PUT")]
    NoDocument,
    /// What is in its file is no JSON, or cannot be read. The log says why.
    #[error("The file of this API cannot be patched: replace it with PUT")]
    Unpatchable,
    #[error("The new version name is required")]
    VersionName,
    #[error("Policy not found")]
    UnknownPolicy,
    #[error("Unable to create policy without id.")]
    NoPolicyId,
    /// One that is no name of a file of policies.
    #[error("Invalid Policy ID")]
    PolicyId,
    #[error("Request ID does not match that in policy! For Update operations these must match.")]
    OtherPolicyId,
    #[error("Due to enabled service policy source, please use the Dashboard API")]
    PolicyService,
    #[error("Policies cannot be written: `policies.policy_path` is not set in the gateway's configuration")]
    NoPolicyFolder,
    #[error("Failed to create file!")]
    WritePolicy,
    #[error("File object creation failed, write error")]
    Write,
    #[error("Delete failed")]
    Delete,
    /// The log says why.
    #[error("Cache invalidation failed")]
    Cache,
    /// Why it cannot be stored, in Tyk's words.
    #[error("{0}")]
    Certificate(String),
    #[error("Certificate with given SHA256 fingerprint not found")]
    UnknownCertificate,
    #[error("Key not found")]
    UnknownKey,
    #[error("Key is not found")]
    KeyNotFound,
    #[error("There is no such key found")]
    NoSuchKey,
    #[error("Hashed key listing is disabled in config (enable_hashed_keys_listing)")]
    HashedListing,
    #[error("Key requested by hash but key hashing is not enabled")]
    NotHashed,
    #[error("Keys are not named by users: `disable_key_actions_by_username` is set in the gateway's configuration")]
    Usernames,
    #[error("Unmarshalling failed")]
    Unmarshalling,
    #[error("Couldn't decode instruction")]
    Instruction,
    #[error("Failed to create key, keys must have at least one Access Rights record set.")]
    NoRights,
    /// Why it cannot be a key.
    #[error("Failed to create key - {0}")]
    Key(String),
    #[error("Key cannot be used without a certificate")]
    WithoutCertificate,
    #[error("Key must be used with an existent certificate")]
    NoSuchCertificate,
    #[error("Failed to create key, ensure security settings are correct.")]
    KeyUpdate,
    #[error(
        "custom key ID length {length} is less than min_token_length ({least}); the key would be unreachable at auth time. \
         Use an ID of at least min_token_length characters, or lower min_token_length in the gateway configuration."
    )]
    ShortKey { length: usize, least: usize },
    #[error("Failed to remove the key")]
    RemoveKey,
    /// Of whom Tyk would find no session.
    #[error("ORG not found")]
    NoOrganisations,
    #[error("Org not found")]
    UnknownOrganisation,
    #[error("No such organisation found in Active API list")]
    InactiveOrganisation,
    /// And why.
    #[error("Error writing to key store {0}")]
    WriteOrganisation(String),
    /// The log says where.
    #[error("What is stored here is no session: delete it, or write it anew")]
    Corrupt,
    /// The log says why.
    #[error("The store of keys does not answer")]
    Store,
    /// The log says why.
    #[error("Other gateways are not told: the store does not answer")]
    Untold,
    /// Our own fault; the log says which.
    #[error("Internal Server Error")]
    Internal,
}

impl Refusal {
    /// A key that is updated, or has an id of its operator's choice, is refused in fewer words.
    pub(super) fn in_fewer_words(self) -> Self {
        match self {
            Self::NoRights | Self::Key(_) => Self::KeyUpdate,
            other => other,
        }
    }

    fn status(&self) -> StatusCode {
        match self {
            Self::Malformed
            | Self::ApiId
            | Self::OtherApiId
            | Self::Definition(_)
            | Self::OasDefinition
            | Self::OasApi
            | Self::OasMalformed
            | Self::NoExtension
            | Self::UnwantedExtension
            | Self::ClassicApi
            | Self::Import(_)
            | Self::Unpatchable
            | Self::NoPolicyId
            | Self::PolicyId
            | Self::OtherPolicyId
            | Self::NoPolicyFolder
            | Self::NotHashed
            | Self::Usernames
            | Self::Unmarshalling
            | Self::Instruction
            | Self::NoRights
            | Self::Key(_)
            | Self::WithoutCertificate
            | Self::NoSuchCertificate
            | Self::KeyUpdate
            | Self::RemoveKey
            | Self::ShortKey { .. } => StatusCode::BAD_REQUEST,
            // Source: gateway.md §12, 28: what is wrong with a certificate is no 400.
            Self::NoTls
            | Self::NoCertificate
            | Self::OtherCertificate(_)
            | Self::OldCertificate
            | Self::Certificate(_) => StatusCode::FORBIDDEN,
            Self::UnknownApi
            | Self::NoDocument
            | Self::UnknownPolicy
            | Self::UnknownKey
            | Self::UnknownCertificate
            | Self::KeyNotFound
            | Self::NoSuchKey
            | Self::NoOrganisations
            | Self::UnknownOrganisation
            | Self::InactiveOrganisation
            | Self::HashedListing => StatusCode::NOT_FOUND,
            Self::TooSlow => StatusCode::REQUEST_TIMEOUT,
            Self::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Self::VersionName => StatusCode::UNPROCESSABLE_ENTITY,
            Self::Ending | Self::Store | Self::Untold => StatusCode::SERVICE_UNAVAILABLE,
            Self::PolicyService
            | Self::WritePolicy
            | Self::Write
            | Self::Delete
            | Self::Cache
            | Self::WriteOrganisation(_)
            | Self::Corrupt
            | Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }
}

impl From<Refusal> for Response {
    fn from(refusal: Refusal) -> Self {
        reply::error(refusal.status(), &refusal.to_string())
    }
}
