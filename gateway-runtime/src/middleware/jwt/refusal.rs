//! [`JwtError`]: why a JSON web token lets nobody in. Nothing of the token is in it, and nothing of a key.

use super::sets::SetError;
use crate::session::apply::ApplyError;

/// Why a token is refused. What the client is told is in `error.rs`.
#[derive(Debug, thiserror::Error)]
pub(crate) enum JwtError {
    #[error("no token")]
    Missing,
    #[error("it is no JSON web token: {0}")]
    Malformed(Fault),
    #[error(
        "the token is not signed by the `jwt_signing_method` of the API, or by an algorithm that is not verified here"
    )]
    Method,
    #[error("the signature is not by the key, or the key is of another kind")]
    Signature,
    #[error("the token names no key (`kid`), and a set of keys is what it is verified by")]
    NoKid,
    #[error("no key set of the API has the key that the token names")]
    UnknownKid,
    #[error("no key set of the API can be read: {0}")]
    NoKeySet(SetError),
    #[error("the token names no key of this gateway")]
    UnknownKey,
    #[error("the token names no key of this gateway: it has neither a `kid` nor a claim that says who is calling")]
    NoKeyNamed,
    #[error("the `jwt_data.secret` of the key that the token names is empty, or none for the `jwt_signing_method`")]
    KeySecret,
    #[error("the token has expired")]
    Expired,
    #[error("the token is issued in the future")]
    BeforeIssued,
    #[error("the token is not valid yet")]
    NotYet,
    #[error("no claim says who is calling")]
    NoIdentity,
    #[error("the claim `sub` is empty")]
    EmptySubject,
    #[error("the claim that `jwt_identity_base_field` names is empty")]
    EmptyIdentity,
    #[error("the token names no policy, and the API has no default")]
    NoPolicyNamed,
    #[error("policy `{id}` of the token is not there, or belongs to another organisation")]
    NoPolicy { id: String },
    #[error("no scope of the token stands for a policy")]
    NoScopePolicy,
    #[error("the token has neither scopes nor a policy")]
    NoScopeOrPolicy,
    #[error("the policy of the token cannot be applied: {0}")]
    Policy(ApplyError),
    #[error("the policies of the token's scopes cannot be applied together: {0}")]
    Policies(ApplyError),
}

/// What is wrong with the form of a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Fault {
    #[error("it has not three parts")]
    Parts,
    #[error("a part is not in base64 for URLs")]
    Base64,
    #[error("its header is no JSON object with an `alg`")]
    Header,
    #[error("nobody knows its `alg`")]
    Algorithm,
    #[error("its header has a `crit` that must be understood, and is not")]
    Critical,
    #[error("its claims are no JSON object")]
    Claims,
}
