//! Ids of keys: how they are made, whose they are, and by what name a session is stored.
//!
//! Source: Tyk, `internal/crypto/token.go`, `gateway/auth_manager.go`.

use std::borrow::Cow;
use std::fmt::Write as _;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use ring::rand::{SecureRandom, SystemRandom};
use serde::{Deserialize, Serialize};

use super::hash::Algorithm;

/// What the name of a stored session begins with.
pub(crate) const STORED: &str = "apikey-";

/// `{"` in base64: only a key that begins so can say more of itself.
const SAYS_MORE: &str = "ey";

/// An organisation's id as MongoDB makes it: so many hexadecimal digits.
const ORG_DIGITS: usize = 24;

/// What the configuration says about keys.
#[derive(Debug, Clone, Default)]
pub(crate) struct KeyRules {
    /// `hash_keys`: sessions are stored under the hash of a key.
    pub(crate) hash_keys: bool,
    /// `hash_key_function`: keys say themselves how they are hashed. `None`: they are an organisation and an id.
    pub(crate) function: Option<Algorithm>,
    /// `hash_key_function_fallback`: what keys may say that were made before.
    pub(crate) fallbacks: Vec<Algorithm>,
    /// `min_token_length`: what is shorter is no key.
    pub(crate) min_length: usize,
}

/// The system has no random numbers to give.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("the system gives no random numbers")]
pub(crate) struct NoRandomness;

/// What a key says of itself; the order of the fields is that of the text.
#[derive(Serialize)]
struct Written<'a> {
    org: &'a str,
    id: &'a str,
    h: &'a str,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Said {
    org: Option<String>,
    id: Option<String>,
    h: Option<String>,
}

impl Said {
    /// `None` for a key that only happens to begin as if it said something.
    fn by(key: &str) -> Option<Self> {
        if !key.starts_with(SAYS_MORE) {
            return None;
        }
        serde_json::from_slice(&BASE64_STANDARD.decode(key).ok()?).ok()
    }
}

impl KeyRules {
    /// The key of an id in an organisation; an organisation that the id itself begins with is not said twice.
    pub(crate) fn compose(&self, org_id: &str, id: &str) -> String {
        compose(org_id, id, self.function)
    }

    /// The key that the id had before keys said how they are hashed; `None` if they do not say it yet.
    pub(crate) fn legacy(&self, org_id: &str, id: &str) -> Option<String> {
        self.function.map(|_| compose(org_id, id, None))
    }

    /// Whether this cannot be a key.
    pub(crate) fn is_too_short(&self, key: &str) -> bool {
        key.len() < self.min_length
    }

    /// By what a stored session, its counters and its records know a key: itself, or its hash.
    pub(crate) fn stored_id<'k>(&self, key: &'k str) -> Cow<'k, str> {
        if self.hash_keys { hash_of(key).into() } else { key.into() }
    }

    /// The keys that a client may have meant who presents this one to an API of an organisation, the likeliest first.
    pub(crate) fn candidates(&self, presented: &str, org_id: &str) -> Vec<String> {
        if org_of(presented).as_deref().unwrap_or_default() == org_id {
            return vec![presented.to_owned()];
        }
        let fallbacks = self.fallbacks.iter().map(|function| compose(org_id, presented, Some(*function)));
        let mut candidates = vec![self.compose(org_id, presented), presented.to_owned()];
        for fallback in fallbacks {
            if !candidates.contains(&fallback) {
                candidates.push(fallback);
            }
        }
        candidates
    }
}

fn compose(org_id: &str, id: &str, function: Option<Algorithm>) -> String {
    let id = id.strip_prefix(org_id).unwrap_or(id);
    match function {
        None => format!("{org_id}{id}"),
        Some(function) => {
            let said = Written { org: org_id, id, h: function.as_str() };
            BASE64_STANDARD.encode(serde_json::to_string(&said).unwrap_or_default())
        }
    }
}

/// The hash of a key, as the key itself says that it is hashed.
pub(crate) fn hash_of(key: &str) -> String {
    let said = Said::by(key).and_then(|said| said.h).filter(|name| !name.is_empty());
    let function = said.map_or(Algorithm::Murmur32, |name| Algorithm::named(&name).unwrap_or(Algorithm::Murmur64));
    function.hash(key)
}

/// The organisation that a key says it belongs to.
pub(crate) fn org_of(key: &str) -> Option<String> {
    if let Some(org) = Said::by(key).and_then(|said| said.org) {
        return Some(org);
    }
    let digits = key.get(..ORG_DIGITS).filter(|_| key.len() > ORG_DIGITS)?;
    digits.bytes().all(|byte| byte.is_ascii_hexdigit()).then(|| digits.to_owned())
}

/// The id that a key says it has.
pub(crate) fn id_of(key: &str) -> Option<String> {
    Said::by(key)?.id
}

/// A new id: 32 hexadecimal digits that nobody can guess.
///
/// # Errors
/// When the system has no random numbers.
pub(crate) fn new_id() -> Result<String, NoRandomness> {
    let mut bytes = [0_u8; 16];
    SystemRandom::new().fill(&mut bytes).map_err(|_| NoRandomness)?;
    Ok(bytes.iter().fold(String::with_capacity(32), |mut id, byte| {
        let _ = write!(id, "{byte:02x}");
        id
    }))
}

/// A key as the log may show it. Source: Tyk, `gateway/log_helpers.go`.
pub(crate) fn obfuscated(key: &str) -> String {
    let is_long = key.chars().nth(4).is_some();
    match key.char_indices().rev().nth(3) {
        Some((begin, _)) if is_long => format!("****{}", &key[begin..]),
        // Four of four would be all of it.
        _ => "--".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ORG: &str = "53ac07777cbb8c2d53000002";
    const ID: &str = "0123456789abcdef0123456789abcdef";

    fn rules(function: Option<Algorithm>) -> KeyRules {
        KeyRules { function, ..KeyRules::default() }
    }

    fn said(key: &str) -> String {
        String::from_utf8(BASE64_STANDARD.decode(key).expect("base64")).expect("text")
    }

    #[test]
    fn a_key_is_an_organisation_and_an_id() {
        assert_eq!(rules(None).compose("default", ID), format!("default{ID}"));
        assert_eq!(rules(None).compose("default", "mine"), "defaultmine");
        assert_eq!(rules(None).compose("", "mine"), "mine");
    }

    #[test]
    fn a_key_of_the_newer_form_says_whose_it_is_and_how_it_is_hashed() {
        for function in Algorithm::ALL {
            let key = rules(Some(function)).compose("default", ID);
            assert_eq!(said(&key), format!(r#"{{"org":"default","id":"{ID}","h":"{}"}}"#, function.as_str()));
            assert_eq!(org_of(&key).as_deref(), Some("default"));
            assert_eq!(id_of(&key).as_deref(), Some(ID));
            assert_eq!(hash_of(&key), function.hash(&key));
        }
        let known = "eyJvcmciOiJkZWZhdWx0IiwiaWQiOiJtaW5lIiwiaCI6Im11cm11cjY0In0=";
        assert_eq!(rules(Some(Algorithm::Murmur64)).compose("default", "mine"), known);
    }

    #[test]
    fn an_organisation_in_front_of_an_id_is_not_said_twice() {
        assert_eq!(rules(None).compose(ORG, &format!("{ORG}mine")), format!("{ORG}mine"));
        let key = rules(Some(Algorithm::Sha256)).compose("default", "defaultmine");
        assert_eq!(said(&key), r#"{"org":"default","id":"mine","h":"sha256"}"#);
    }

    #[test]
    fn an_id_cannot_write_into_what_its_key_says() {
        let key = rules(Some(Algorithm::Murmur32)).compose("default", r#"x","org":"other"#);
        assert_eq!(org_of(&key).as_deref(), Some("default"));
    }

    #[test]
    fn the_organisation_of_a_key_is_said_or_in_front_of_it() {
        let of = |key: &str| org_of(key).unwrap_or_default();
        assert_eq!(of(&format!("{ORG}{ID}")), ORG);
        assert_eq!(of(&format!("{}{ID}", ORG.to_uppercase())), ORG.to_uppercase());
        assert_eq!(of(ORG), "", "that is no more than an organisation");
        assert_eq!(of(&format!("default{ID}")), "");
        assert_eq!(of("ey"), "");
        assert_eq!(of("eyJhbGciOiJIUzI1NiJ9.e30.x"), "", "a JWT");
        assert_eq!(of(&BASE64_STANDARD.encode("{\"id\":1}")), "");
        assert_eq!(of("ééééééééééééééééé"), "");
    }

    #[test]
    fn a_hash_is_what_the_key_says_else_the_oldest() {
        let key = |h: &str| BASE64_STANDARD.encode(format!(r#"{{"org":"o","id":"i","h":"{h}"}}"#));
        assert_eq!(hash_of("hello"), "248bfa47");
        assert_eq!(hash_of(&key("")), Algorithm::Murmur32.hash(&key("")));
        assert_eq!(hash_of(&key("sha256")), Algorithm::Sha256.hash(&key("sha256")));
        assert_eq!(hash_of(&key("md5")), Algorithm::Murmur64.hash(&key("md5")));
    }

    #[test]
    fn a_session_is_stored_under_its_key_or_the_hash_of_it() {
        let mut rules = rules(None);
        assert_eq!(rules.stored_id("hello"), "hello");
        rules.hash_keys = true;
        assert_eq!(rules.stored_id("hello"), "248bfa47");
    }

    #[test]
    fn a_key_is_looked_for_in_the_organisation_as_it_is_and_by_fallbacks() {
        let legacy = rules(None);
        let own = format!("{ORG}{ID}");
        assert_eq!(legacy.candidates(&own, ORG), [own.as_str()]);
        assert_eq!(legacy.candidates("mykey", ORG), [format!("{ORG}mykey"), "mykey".to_owned()]);
        assert_eq!(legacy.candidates("mykey", ""), ["mykey"]);

        let fallbacks = vec![Algorithm::Murmur128, Algorithm::Sha256];
        let newer = KeyRules { fallbacks, ..rules(Some(Algorithm::Sha256)) };
        let found: Vec<_> = newer.candidates("mykey", "o");
        let by = |h: &str| BASE64_STANDARD.encode(format!(r#"{{"org":"o","id":"mykey","h":"{h}"}}"#));
        assert_eq!(found, [by("sha256"), "mykey".to_owned(), by("murmur128")]);
        assert_eq!(newer.candidates(&by("murmur64"), "o"), [by("murmur64")]);
    }

    #[test]
    fn an_id_had_another_key_before_keys_said_more() {
        assert_eq!(rules(None).legacy("default", "ada"), None);
        let newer = rules(Some(Algorithm::Sha256));
        assert_eq!(newer.legacy("default", "ada").as_deref(), Some("defaultada"));
        assert_eq!(newer.legacy("default", "defaultada").as_deref(), Some("defaultada"));
        assert_eq!(id_of("defaultada"), None);
    }

    #[test]
    fn what_is_shorter_than_a_key_is_none() {
        let rules = KeyRules { min_length: 3, ..KeyRules::default() };
        assert!(rules.is_too_short("ab") && rules.is_too_short("") && !rules.is_too_short("abc"));
    }

    #[test]
    fn a_new_id_is_32_digits_and_never_the_same() {
        let ids: Vec<_> = (0..100).map(|_| new_id().expect("random numbers")).collect();
        assert!(ids.iter().all(|id| id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit())));
        assert!(ids.iter().enumerate().all(|(at, id)| !ids[..at].contains(id)));
    }

    #[test]
    fn the_log_shows_the_end_of_a_key() {
        for (key, shown) in
            [("0123456789", "****6789"), ("12345", "****2345"), ("1234", "--"), ("", "--"), ("ключи", "****лючи")]
        {
            assert_eq!(obfuscated(key), shown, "{key}");
        }
    }
}
