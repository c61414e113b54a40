//! [`Notice`]: what gateways on one store tell each other, in the form of Tyk's. Source: gateway.md §9; Tyk,
//! `gateway/redis_signals.go`.
//!
//! A notice is signed with the `node_secret` that the gateways share, or with the key that `public_key_path` is of. One that
//! is not is dropped, unless `allow_insecure_configs` is set.

mod public_key;

use std::borrow::Cow;
use std::fmt::Write as _;

use ring::digest::{SHA256, digest};
use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq;

use super::Secret;
pub(crate) use public_key::PublicKey;

/// Go's number of SHA-256.
const SHA256_ALGORITHM: u64 = 5;

/// What has happened.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Notice {
    /// Definitions or policies are others: `ApiAdded`, `ApiUpdated`, `ApiRemoved`, `PolicyChanged`, `GroupReload`.
    Reload,
    /// The keys that are stored under these ids are others: `KeySpaceUpdateNotification`.
    Keys(Vec<String>),
    /// The kept responses of an API go: `DeleteAPICache`.
    Responses(String),
    /// A gateway is there: `NoticeGatewayDRLNotification`.
    Load(Load),
    /// One that nothing here depends on, by its name.
    Other(String),
}

/// What a gateway says of itself. Source: TykTechnologies/drl, `Server`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(crate) struct Load {
    pub(crate) host_name: String,
    #[serde(rename = "ID")]
    pub(crate) id: String,
    /// Requests per second.
    pub(crate) load_per_sec: i64,
    /// Its part of all; each gateway makes that out for itself.
    pub(crate) percentage: f64,
    /// The tags of its APIs, one after another: gateways with others count by themselves.
    pub(crate) tag_hash: String,
}

impl Load {
    /// What tells gateways apart.
    pub(crate) fn name(&self) -> String {
        format!("{}|{}", self.id, self.host_name)
    }
}

/// How it is written.
#[derive(Serialize, Deserialize)]
struct Wire<'w> {
    #[serde(borrow)]
    command: Cow<'w, str>,
    #[serde(borrow, default)]
    payload: Cow<'w, str>,
    #[serde(borrow, default)]
    signature: Cow<'w, str>,
    #[serde(default)]
    algorithm: u64,
}

/// Why a notice is dropped.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NoticeError {
    #[error("it is no notice: {0}")]
    Form(#[from] serde_json::Error),
    #[error("what `{0}` says is not understood: {1}")]
    Payload(&'static str, serde_json::Error),
    #[error("`{0}` is not signed with this gateway's `node_secret`: give all gateways the same one")]
    Signature(String),
}

impl NoticeError {
    /// It was to say that a gateway is there, as each does every other second.
    pub(crate) fn is_of_load(&self) -> bool {
        match self {
            Self::Form(_) => false,
            Self::Payload(command, _) => *command == LOAD,
            Self::Signature(command) => command == LOAD,
        }
    }
}

/// Signs notices, and reads signed ones.
#[derive(Debug, Clone, Default)]
pub(crate) struct Notices {
    /// `node_secret`; it may be empty.
    pub(crate) secret: Secret,
    /// `allow_insecure_configs`: unsigned ones are believed.
    pub(crate) allow_unsigned: bool,
    /// `public_key_path`: what is signed in another way than with the secret is signed with its private key.
    pub(crate) key: Option<PublicKey>,
}

/// A load, as others tell theirs.
const LOAD: &str = "NoticeGatewayDRLNotification";
/// Kept responses are to go.
const RESPONSES: &str = "DeleteAPICache";
/// Keys have changed.
const KEYS: &str = "KeySpaceUpdateNotification";

impl Notices {
    /// A notice, ready to be published.
    pub(crate) fn sign(&self, notice: &Notice) -> String {
        let (command, payload) = match notice {
            Notice::Reload => ("GroupReload", String::new()),
            Notice::Keys(ids) => (KEYS, ids.join(",")),
            Notice::Responses(api_id) => (RESPONSES, api_id.clone()),
            Notice::Load(load) => (LOAD, serde_json::to_string(load).expect("texts and numbers")),
            Notice::Other(command) => (command.as_str(), String::new()),
        };
        let signature = self.signature(command, &payload);
        let (command, payload, signature) = (command.into(), payload.into(), signature.into());
        let wire = Wire { command, payload, signature, algorithm: SHA256_ALGORITHM };
        serde_json::to_string(&wire).expect("texts and a number")
    }

    /// # Errors
    /// When it is none, or nobody with our secret, or with the private key, has signed it.
    pub(crate) fn read(&self, text: &str) -> Result<Notice, NoticeError> {
        let Wire { command, payload, signature, algorithm } = serde_json::from_str(text)?;
        if !self.allow_unsigned && !self.is_signed(&command, &payload, &signature, algorithm) {
            return Err(NoticeError::Signature(command.into_owned()));
        }
        Ok(match &*command {
            "ApiAdded" | "ApiUpdated" | "ApiRemoved" | "PolicyChanged" | "GroupReload" => Notice::Reload,
            KEYS => Notice::Keys(ids(&payload)),
            RESPONSES => Notice::Responses(payload.into_owned()),
            LOAD => Notice::Load(serde_json::from_str(&payload).map_err(|error| NoticeError::Payload(LOAD, error))?),
            _ => Notice::Other(command.into_owned()),
        })
    }

    /// A signature by the private key is of the payload alone: it is worth no more than who has it says.
    fn is_signed(&self, command: &str, payload: &str, signature: &str, algorithm: u64) -> bool {
        if algorithm == SHA256_ALGORITHM {
            return self.signature(command, payload).as_bytes().ct_eq(signature.as_bytes()).into();
        }
        self.key.as_ref().is_some_and(|key| key.has_signed(payload, signature))
    }

    fn signature(&self, command: &str, payload: &str) -> String {
        let text = [command, payload, &self.secret.0].concat();
        digest(&SHA256, text.as_bytes()).as_ref().iter().fold(String::with_capacity(64), |mut hex, byte| {
            let _ = write!(hex, "{byte:02x}");
            hex
        })
    }
}

/// The ids in a payload. Ours may have commas in them, which part ids, and colons, behind which Tyk's gateways say more: an
/// id too many does no harm.
fn ids(payload: &str) -> Vec<String> {
    let each = payload.split(',').map(str::trim);
    let short = each.clone().filter_map(|id| id.split_once(':')).map(|(id, _)| id);
    let whole = payload.contains(',').then_some(payload);
    each.chain(short).chain(whole).filter(|id| !id.is_empty()).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests;
