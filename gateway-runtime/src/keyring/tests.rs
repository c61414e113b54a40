//! How keys are found, kept and written.

use std::collections::BTreeMap;
use std::time::Duration;

use gateway_model::{AccessDefinition, ApiDefinition, Policy};
use serde_json::json;

use super::*;
use crate::session::hash::Algorithm;
use crate::storage::{Life, Memory, Store};

const ORG: &str = "53ac07777cbb8c2d53000002";

fn keyring(settings: Settings) -> Keyring {
    Keyring::new(Store::new(Memory::default()).into(), settings)
}

fn session(alias: &str) -> Session {
    Session::new().with_alias(alias).with_org_id(ORG)
}

async fn write(keyring: &Keyring, key: &str, session: &Session) {
    keyring.put(&keyring.id_of(key), session).await.expect("there is room");
}

async fn alias(keyring: &Keyring, org_id: &str, key: &str) -> Option<String> {
    keyring.look_up(org_id, key).await.expect("an answer").map(|known| known.session.alias.clone())
}

fn policy(id: &str, rate: f64) -> Policy {
    let rights = [("api".to_owned(), AccessDefinition::default())].into();
    Policy { id: id.into(), org_id: ORG.into(), rate, per: 1.0, access_rights: rights, ..Policy::default() }
}

fn book(policies: &[Policy]) -> Rulebook {
    let policies: BTreeMap<_, _> = policies.iter().map(|policy| (policy.id.clone(), policy.clone())).collect();
    Rulebook::new(Arc::new(policies), [])
}

#[tokio::test]
async fn a_key_is_found_as_it_is_and_in_the_organisation_of_the_api() {
    let keyring = keyring(Settings::default());
    write(&keyring, "plain", &session("plain")).await;
    write(&keyring, &format!("{ORG}mine"), &session("mine")).await;
    assert_eq!(alias(&keyring, ORG, "plain").await.as_deref(), Some("plain"));
    assert_eq!(alias(&keyring, ORG, "mine").await.as_deref(), Some("mine"));
    assert_eq!(alias(&keyring, "", "mine").await, None, "an API without an organisation");
    let known = keyring.cached(ORG, "mine").expect("it was looked up");
    assert_eq!((&*known.session.key_id, &*known.id), (&*format!("{ORG}mine"), &*format!("{ORG}mine")));
}

#[tokio::test]
async fn a_hashed_key_is_stored_and_counted_under_its_hash() {
    let rules = KeyRules { hash_keys: true, function: Some(Algorithm::Sha256), ..KeyRules::default() };
    let keyring = keyring(Settings { rules: rules.clone(), ..Settings::default() });
    let key = rules.compose(ORG, "mine");
    write(&keyring, &key, &session("mine")).await;
    let known = keyring.look_up(ORG, "mine").await.expect("an answer").expect("it is there");
    assert_eq!((&*known.id, &*known.session.key_id), (&*Algorithm::Sha256.hash(&key), &*key));
    assert_eq!(keyring.ids("").await.expect("an answer"), [Algorithm::Sha256.hash(&key)]);
}

#[tokio::test]
async fn that_a_key_is_unknown_is_not_remembered_and_what_is_written_is_seen_at_once() {
    let keyring = keyring(Settings::default());
    assert_eq!(alias(&keyring, ORG, "key").await, None);
    for name in ["first", "second"] {
        write(&keyring, "key", &session(name)).await;
        assert!(keyring.cached(ORG, "key").is_none());
        assert_eq!(alias(&keyring, ORG, "key").await.as_deref(), Some(name));
    }
    assert!(keyring.delete("key").await.expect("an answer"));
    assert!(keyring.cached(ORG, "key").is_none());
    assert_eq!(alias(&keyring, ORG, "key").await, None);
    assert!(!keyring.delete("key").await.expect("an answer"));
}

#[tokio::test]
async fn what_is_too_short_is_not_looked_for() {
    let rules = KeyRules { min_length: 3, ..KeyRules::default() };
    let keyring = keyring(Settings { rules, ..Settings::default() });
    write(&keyring, "ab", &session("short")).await;
    assert_eq!(alias(&keyring, "", "ab").await, None);
}

#[tokio::test]
async fn policies_apply_to_who_is_looked_up_and_others_do_after_a_reload() {
    let keyring = keyring(Settings::default());
    keyring.adopt(book(&[policy("gold", 5.0)]));
    let stored = Session { apply_policies: vec!["gold".into()], ..session("key") };
    write(&keyring, "key", &stored).await;
    let rate = async || keyring.look_up(ORG, "key").await.map(|known| known.expect("it is there").session.rate);
    assert_eq!(rate().await.expect("they apply"), 5.0);
    keyring.adopt(book(&[policy("gold", 9.0)]));
    assert!(keyring.cached(ORG, "key").is_none(), "its policies are others");
    assert_eq!(rate().await.expect("they apply"), 9.0);
    keyring.adopt(book(&[]));
    assert!(matches!(rate().await, Err(KeyError::Policies(ApplyError::NotFound { .. }))));
    let found = keyring.find(ORG, "key").await.expect("an answer").expect("it is there");
    assert_eq!((found.session.rate, &*found.session.key_id), (0.0, "key"), "as it was written");
}

#[tokio::test]
async fn what_is_no_session_is_an_error_that_says_where() {
    let rules = KeyRules { hash_keys: true, function: Some(Algorithm::Sha256), ..KeyRules::default() };
    let hashed = keyring(Settings { rules, ..Settings::default() });
    let hash = hashed.id_of("a secret key").into_owned();
    for (keyring, id, shown) in [(keyring(Settings::default()), "a secret key", "****"), (hashed, &*hash, &*hash)] {
        let keys = keyring.store.get().keys();
        for (value, why) in [
            ("{", "it ends too early at line 1, column 1"),
            ("{]", "it is no JSON at line 1, column 2"),
            (r#"{"rate": "a secret"}"#, "a value is of another type at line 1"),
        ] {
            keys.set(&format!("apikey-{id}"), value.into(), None).wait().await.expect("room");
            let error = keyring.look_up("", "a secret key").await.expect_err("it is no session").to_string();
            assert!(error.starts_with(&format!("what is stored under `apikey-{shown}")), "{error}");
            assert!(error.contains(&format!("is no session: {why}")), "{error}");
            assert!(!error.contains("secret"), "{error}");
        }
    }
}

#[tokio::test]
async fn a_session_is_stored_for_as_long_as_it_and_the_apis_say() {
    let keyring = keyring(Settings::default());
    let life =
        async |key: &str| keyring.store.get().keys().life(&format!("apikey-{key}")).wait().await.expect("an answer");
    write(&keyring, "for good", &session("a")).await;
    assert_eq!(life("for good").await, Some(Life::Endless));
    let api = ApiDefinition { api_id: "api".into(), session_lifetime: 50, ..ApiDefinition::default() };
    keyring.adopt(Rulebook::new(Arc::default(), [&api]));
    let rights = [("api".to_owned(), AccessDefinition::default())].into();
    write(&keyring, "of the api", &Session { access_rights: rights, ..session("b") }).await;
    let Some(Life::For(time)) = life("of the api").await else { panic!("it has an end") };
    assert!(time > Duration::from_secs(40) && time <= Duration::from_secs(50), "{time:?}");
}

#[tokio::test]
async fn a_plugins_session_is_saved_once_and_again_when_it_is_another() {
    let keyring = Arc::new(keyring(Settings::default()));
    let known = |alias: &str| Known { session: Arc::new(session(alias)), id: "abc".into() };
    let stored = async || keyring.stored("abc").await.expect("an answer").map(|session| session.alias);
    assert!(keyring.save(&known("one"), false).is_none(), "there is nothing to wait for");
    assert_eq!(stored().await.as_deref(), Some("one"));
    keyring.store.get().keys().delete("apikey-abc").wait().await.expect("an answer");
    assert!(keyring.save(&known("one"), false).is_none());
    assert_eq!(stored().await, None, "it was saved a moment ago");
    assert!(keyring.save(&known("two"), false).is_none());
    assert_eq!(stored().await.as_deref(), Some("two"));
    assert!(keyring.delete("abc").await.expect("an answer"));
    assert!(keyring.save(&known("two"), true).is_none());
    assert_eq!(stored().await, None, "who deleted it has the last word");
    assert!(keyring.save(&known("two"), false).is_none());
    assert_eq!(stored().await.as_deref(), Some("two"), "what was deleted is written anew");
}

#[tokio::test]
async fn quotas_are_told_as_they_are_counted_and_begin_anew() {
    let keyring = keyring(Settings::default());
    let mut session: Session = serde_json::from_value(json!({
        "quota_max": 10, "quota_remaining": 3,
        "access_rights": {"a": {"limit": {"quota_max": 5}, "allowance_scope": "a"}, "b": {}},
    }))
    .expect("a session");
    for _ in 0..2 {
        keyring.counters().increment("quota-a-key", 1, None).wait().await.expect("room");
    }
    keyring.refresh("key", &mut session).await.expect("an answer");
    assert_eq!((session.quota_remaining, session.access_rights["a"].limit.quota_remaining), (10, 3));
    keyring.reset("key", &session).await.expect("an answer");
    keyring.refresh("key", &mut session).await.expect("an answer");
    assert_eq!(session.access_rights["a"].limit.quota_remaining, 5);
    assert_eq!(session.access_rights["b"].limit.quota_remaining, 0);
}

/// Source: gateway.md §2.6.
#[tokio::test]
async fn rates_that_are_counted_in_the_store_begin_anew_too() {
    let keyring = keyring(Settings::default());
    let session: Session = serde_json::from_value(json!({
        "access_rights": {"a": {
            "allowance_scope": "a",
            "endpoints": [{"path": "/get", "methods": [{"name": "GET", "limit": {"rate": 1, "per": 1}}]}],
        }},
    }))
    .expect("a session");
    let endpoint = crate::session::limits::endpoint_hash("GET", "/get");
    let names = ["rate-limit-key".to_owned(), "rate-limit-a-key".to_owned(), format!("rate-limit-a-key-{endpoint}")];
    let hour = Duration::from_secs(3600);
    for name in &names {
        keyring.counters().record(name, hour, 5).wait().await.expect("room");
        keyring.counters().put(&format!("{name}.BLOCKED"), 1, Some(hour)).wait().await.expect("room");
    }
    keyring.counters().record("rate-limit-other", hour, 5).wait().await.expect("room");
    keyring.reset("key", &session).await.expect("an answer");
    for name in &names {
        assert_eq!(keyring.counters().peek(name, hour).wait().await.expect("an answer"), 0, "{name}");
        let blocked = keyring.counters().read(&format!("{name}.BLOCKED")).wait().await.expect("an answer");
        assert_eq!(blocked, None, "{name}");
    }
    assert_eq!(keyring.counters().peek("rate-limit-other", hour).wait().await.expect("an answer"), 1);
}

#[tokio::test]
async fn a_key_that_was_deleted_is_not_brought_back_by_a_change_of_it() {
    let keyring = keyring(Settings::default());
    assert!(!keyring.replace("key", &session("changed")).await.expect("an answer"));
    assert_eq!(alias(&keyring, ORG, "key").await, None);
    write(&keyring, "key", &session("first")).await;
    assert_eq!(alias(&keyring, ORG, "key").await.as_deref(), Some("first"));
    assert!(keyring.replace("key", &session("changed")).await.expect("an answer"));
    assert_eq!(alias(&keyring, ORG, "key").await.as_deref(), Some("changed"), "what was kept is forgotten");
}
