use super::*;
use crate::storage::Memory;
use crate::tls::testing;

const ORG: &str = "5e9d9544a1dcd60001d0ed20";

fn opened() -> (Certificates, Store) {
    let (certificates, store) = (Certificates::new(Secret("s".to_owned()), []), Store::new(Memory::default()));
    certificates.open(store.clone());
    (certificates, store)
}

async fn added(certificates: &Certificates, text: &str) -> String {
    let (id, text) = certificates.prepare(text, ORG).expect("it is right");
    certificates.add(&id, text).await.expect("it is new");
    id
}

#[test]
fn an_id_ends_with_a_digest_and_is_no_path() {
    let digits = "0a".repeat(32);
    for (text, expected) in [
        (digits.clone(), true),
        (format!("default{digits}"), true),
        (format!("ж{digits}"), true),
        (digits[1..].to_owned(), false),
        (format!("/certs/{digits}"), false),
        (format!("{digits}.pem"), false),
        (format!("{}ж", &digits[2..]), false),
        (String::new(), false),
    ] {
        assert_eq!(is_id(&text), expected, "{text}");
    }
    let text = format!(r#"{{"certificates": ["{digits}", "a.pem"], "pinned_public_keys": {{"*": "o{digits}, x"}}}}"#);
    assert_eq!(ids_in(&text).collect::<Vec<_>>(), [digits.clone(), format!("o{digits}")]);
}

#[tokio::test]
async fn one_is_added_once_listed_and_removed() {
    let (certificates, store) = opened();
    let made = testing::server(&["a"]);
    let id = added(&certificates, &made.certificate).await;
    assert!(id.starts_with(ORG) && is_id(&id));
    let (_, again) = certificates.prepare(&made.certificate, ORG).expect("it is right");
    let known = certificates.add(&id, again).await.expect_err("it is there").to_string();
    assert_eq!(known, format!("Certificate with {id} id already exists"));
    assert_eq!(certificates.ids(ORG).await.expect("listed"), [id.as_str()]);
    assert_eq!(certificates.ids("").await.expect("listed"), [id.as_str()]);
    assert!(certificates.ids("other").await.expect("listed").is_empty());
    assert!(store.keys().exists(&format!("cert-raw-{id}")).wait().await.expect("asked"));
    certificates.remove(&id).await.expect("removed");
    certificates.remove(&id).await.expect("nothing is there any more");
    assert!(certificates.stored(&id).await.expect("asked").is_none());
}

#[tokio::test]
async fn a_request_finds_what_is_there_now_and_forgets_what_is_removed() {
    let (certificates, _) = opened();
    let made = testing::server(&["a"]);
    let (id, text) = certificates.prepare(&made.certificate, ORG).expect("it is right");
    assert!(certificates.look_up(&id).await.expect("asked").is_none());
    certificates.add(&id, text).await.expect("it is new");
    assert!(certificates.cached(&id).is_none());
    assert_eq!(certificates.look_up(&id).await.expect("asked").expect("found").chain, [made.der()]);
    assert!(certificates.cached(&id).is_some());
    certificates.remove(&id).await.expect("removed");
    assert!(certificates.cached(&id).is_none());
}

#[tokio::test]
async fn a_load_looks_up_what_is_named_and_knows_nothing_before() {
    let (certificates, store) = opened();
    let id = added(&certificates, &testing::server(&["a"]).certificate).await;
    let missing = "0".repeat(64);
    let named = Certificates::new(Secret("s".to_owned()), [&*id, "file.pem"]);
    let text = format!(r#"{{"certificates": ["{missing}"]}}"#);
    assert!(named.are_named() && !certificates.are_named());
    assert!(is_named_in(&text) && !is_named_in("{}"));
    named.refresh([&*text].into_iter()).await;
    assert!(named.loaded(&id).is_none(), "there is no store yet");
    named.open(store);
    named.refresh([&*text].into_iter()).await;
    assert!(matches!(named.loaded(&id), Some(Looked::Found(_))));
    assert!(matches!(named.loaded(&missing), Some(Looked::Missing)));
    named.refresh([].into_iter()).await;
    assert!(named.loaded(&missing).is_none());
    named.fetch(&text).await;
    assert!(matches!(named.loaded(&missing), Some(Looked::Missing)));
}

#[tokio::test]
async fn what_cannot_be_used_says_what_to_do() {
    let (certificates, store) = opened();
    let made = testing::server(&["a"]);
    let id = added(&certificates, &format!("{}{}", made.certificate, made.key)).await;
    let other = Certificates::new(Secret("t".to_owned()), []);
    other.open(store.clone());
    let told = other.look_up(&id).await.expect_err("another secret").to_string();
    assert!(told.contains("set `security.private_certificate_encoding_secret`"), "{told}");
    let junk = "1".repeat(64);
    store.keys().set(&format!("cert-raw-{junk}"), "junk".into(), None).wait().await.expect("written");
    let told = certificates.look_up(&junk).await.expect_err("junk").to_string();
    assert!(told.contains("delete it with `DELETE /tyk/certs/1111"), "{told}");
    certificates.fetch(&format!("\"{junk}\"")).await;
    assert!(matches!(certificates.loaded(&junk), Some(Looked::Failed(_))));
}
