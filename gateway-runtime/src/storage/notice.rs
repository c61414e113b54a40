//! [`Notice`]: what gateways on one store tell each other, in the form of Tyk's. Source: gateway.md §9; Tyk,
//! `gateway/redis_signals.go`.
//!
//! A notice is signed with the `node_secret` that the gateways share. One that is not is dropped, unless
//! `allow_insecure_configs` is set.

use std::borrow::Cow;
use std::fmt::Write as _;

use ring::digest::{SHA256, digest};
use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq;

use super::Secret;

/// Go's number of SHA-256.
const SHA256_ALGORITHM: u64 = 5;

/// What has happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Notice {
    /// Definitions or policies are others: `ApiAdded`, `ApiUpdated`, `ApiRemoved`, `PolicyChanged`, `GroupReload`.
    Reload,
    /// The keys that are stored under these ids are others.
    Keys(Vec<String>),
    /// One that nothing here depends on, by its name.
    Other(String),
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
    #[error("`{0}` is not signed with this gateway's `node_secret`: give all gateways the same one")]
    Signature(String),
}

/// Signs notices, and reads signed ones.
#[derive(Debug, Clone, Default)]
pub(crate) struct Notices {
    /// `node_secret`; it may be empty.
    pub(crate) secret: Secret,
    /// `allow_insecure_configs`: unsigned ones are believed.
    pub(crate) allow_unsigned: bool,
}

impl Notices {
    /// A notice, ready to be published.
    pub(crate) fn sign(&self, notice: &Notice) -> String {
        let (command, payload) = match notice {
            Notice::Reload => ("GroupReload", String::new()),
            Notice::Keys(ids) => ("KeySpaceUpdateNotification", ids.join(",")),
            Notice::Other(command) => (command.as_str(), String::new()),
        };
        let signature = self.signature(command, &payload);
        let (command, payload, signature) = (command.into(), payload.into(), signature.into());
        let wire = Wire { command, payload, signature, algorithm: SHA256_ALGORITHM };
        serde_json::to_string(&wire).expect("texts and a number")
    }

    /// # Errors
    /// When it is none, or nobody with our secret has signed it.
    pub(crate) fn read(&self, text: &str) -> Result<Notice, NoticeError> {
        let Wire { command, payload, signature, algorithm } = serde_json::from_str(text)?;
        let expected = self.signature(&command, &payload);
        let is_signed = algorithm == SHA256_ALGORITHM && bool::from(expected.as_bytes().ct_eq(signature.as_bytes()));
        if !is_signed && !self.allow_unsigned {
            return Err(NoticeError::Signature(command.into_owned()));
        }
        Ok(match &*command {
            "ApiAdded" | "ApiUpdated" | "ApiRemoved" | "PolicyChanged" | "GroupReload" => Notice::Reload,
            "KeySpaceUpdateNotification" => {
                let ids = payload.split(',').map(str::trim).filter(|id| !id.is_empty());
                Notice::Keys(ids.map(str::to_owned).collect())
            }
            _ => Notice::Other(command.into_owned()),
        })
    }

    fn signature(&self, command: &str, payload: &str) -> String {
        let text = [command, payload, &self.secret.0].concat();
        digest(&SHA256, text.as_bytes()).as_ref().iter().fold(String::with_capacity(64), |mut hex, byte| {
            let _ = write!(hex, "{byte:02x}");
            hex
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(secret: &str) -> Notices {
        Notices { secret: Secret(secret.to_owned()), allow_unsigned: false }
    }

    #[test]
    fn what_is_signed_is_read_by_who_has_the_secret() {
        let notices = [
            Notice::Reload,
            Notice::Keys(vec!["248bfa47".to_owned(), "a\"b".to_owned()]),
            Notice::Other("NoticeGatewayDRLNotification".to_owned()),
        ];
        for notice in notices {
            let text = with("s").sign(&notice);
            assert_eq!(with("s").read(&text).expect("signed"), notice);
            assert!(matches!(with("t").read(&text), Err(NoticeError::Signature(_))), "{text}");
        }
    }

    #[test]
    fn a_notice_is_signed_as_the_reference_signs() {
        // The hash of `GroupReload` and `secret`, by sha256sum.
        let signature = "80ba4884c9e2400ec350d5b8663b70ffb0865d49be152aad9c73cf600ab9340b";
        let expected = format!(r#"{{"command":"GroupReload","payload":"","signature":"{signature}","algorithm":5}}"#);
        assert_eq!(with("secret").sign(&Notice::Reload), expected);
    }

    #[test]
    fn every_command_of_a_reload_is_one() {
        for command in ["ApiAdded", "ApiUpdated", "ApiRemoved", "PolicyChanged", "GroupReload"] {
            let text = with("s").sign(&Notice::Other(command.to_owned()));
            assert_eq!(with("s").read(&text).expect("signed"), Notice::Reload);
        }
    }

    #[test]
    fn what_is_not_signed_is_dropped_unless_that_is_allowed() {
        let lax = Notices { allow_unsigned: true, ..with("s") };
        for text in [
            r#"{"command":"GroupReload"}"#,
            r#"{"command":"GroupReload","payload":"","signature":"","algorithm":5}"#,
            r#"{"command":"GroupReload","payload":"","signature":"00","algorithm":0}"#,
        ] {
            assert!(matches!(with("s").read(text), Err(NoticeError::Signature(command)) if command == "GroupReload"));
            assert_eq!(lax.read(text).expect("allowed"), Notice::Reload);
        }
        for text in ["", "x", "[]", "{}", r#"{"command":7}"#] {
            assert!(matches!(lax.read(text), Err(NoticeError::Form(_))), "{text}");
        }
    }
}
