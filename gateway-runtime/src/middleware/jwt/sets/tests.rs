//! When key sets are fetched, and when not. The time is handed in.

use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::json;
use tokio::sync::Semaphore;

use super::*;

/// Whoever publishes a set, or fails to.
struct Issuer {
    asked: AtomicUsize,
    /// The names of the keys; `None`: it is down.
    answer: Mutex<Option<Vec<&'static str>>>,
    /// An answer needs a permit.
    gate: Arc<Semaphore>,
}

impl Issuer {
    fn publish(&self, kids: Option<&[&'static str]>) {
        *self.answer.lock().expect("no panic") = kids.map(<[_]>::to_vec);
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

impl Source for Arc<Issuer> {
    fn fetch(&self, _: &Uri) -> BoxFuture<'static, Result<Bytes, SetError>> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        let answer = self.answer.lock().expect("no panic").clone();
        let gate = Arc::clone(&self.gate);
        Box::pin(async move {
            gate.acquire().await.expect("it is never closed").forget();
            let kids = answer.ok_or(SetError::Status(StatusCode::BAD_GATEWAY))?;
            let keys: Vec<_> = kids.iter().map(|kid| json!({"kty": "oct", "kid": kid, "k": "c2VjcmV0"})).collect();
            Ok(json!({ "keys": keys }).to_string().into())
        })
    }
}

fn issuer(kids: Option<&[&'static str]>, permits: usize) -> Arc<Issuer> {
    let gate = Arc::new(Semaphore::new(permits));
    let issuer = Arc::new(Issuer { asked: AtomicUsize::new(0), answer: Mutex::default(), gate });
    issuer.publish(kids);
    issuer
}

fn of(issuer: &Arc<Issuer>, patience: Duration) -> [Arc<KeySet>; 1] {
    let url = Uri::from_static("http://user:pass@issuer:81/keys?token=1");
    let set = KeySet::new(url, LIFETIME, Arc::new(Arc::clone(issuer)));
    [Arc::new(KeySet { patience, ..set })]
}

/// A set whose issuer answers at once.
fn set(kids: Option<&[&'static str]>) -> (Arc<Issuer>, [Arc<KeySet>; 1], Instant) {
    let issuer = issuer(kids, 1000);
    let sets = of(&issuer, TIMEOUT);
    (issuer, sets, Instant::now())
}

/// Whether the key is there.
async fn has(sets: &[Arc<KeySet>], kid: &str, now: Instant) -> bool {
    match look(sets, kid, now) {
        Look::Keys(_) => true,
        Look::Nothing => false,
        Look::Due => fetch(sets, kid, now).await.is_ok(),
    }
}

/// Lets other tasks go on until something is so.
async fn until(is_so: impl Fn() -> bool) {
    while !is_so() {
        tokio::task::yield_now().await;
    }
}

/// More than a fetch takes here.
const MOMENT: Duration = Duration::from_millis(500);

#[tokio::test]
async fn a_set_is_kept_for_its_lifetime() {
    let (issuer, sets, now) = set(Some(&["a"]));
    assert!(has(&sets, "a", now).await && has(&sets, "a", now).await);
    assert_eq!(issuer.asked(), 1);
    issuer.publish(Some(&["b"]));
    assert!(has(&sets, "a", now + LIFETIME - MOMENT).await);
    let later = now + LIFETIME + MOMENT;
    assert!(has(&sets, "a", later).await, "nobody waits for what is known");
    until(|| issuer.asked() == 2).await;
    assert!(has(&sets, "b", later).await);
    assert!(!has(&sets, "a", later).await, "a key that is withdrawn is none any more");
    assert!(!has(&sets, "a", later + MOMENT).await);
    assert_eq!(issuer.asked(), 3, "once more for the key that it does not have");
}

#[tokio::test]
async fn of_many_who_wait_one_asks_and_who_gives_up_takes_nothing_from_the_others() {
    let issuer = issuer(Some(&["a"]), 0);
    let (sets, now) = (of(&issuer, TIMEOUT), Instant::now());
    let ask = || {
        let sets = sets.clone();
        tokio::spawn(async move { has(&sets, "a", now).await })
    };
    let first = ask();
    while issuer.asked() == 0 {
        tokio::task::yield_now().await;
    }
    first.abort();
    assert!(first.await.is_err());
    let waiting: Vec<_> = (0..50).map(|_| ask()).collect();
    issuer.gate.add_permits(1);
    for one in waiting {
        assert!(one.await.expect("no panic"));
    }
    assert_eq!(issuer.asked(), 1);
}

#[tokio::test]
async fn an_issuer_that_is_down_is_not_asked_by_every_request() {
    let (issuer, sets, now) = set(None);
    for _ in 0..10 {
        assert!(!has(&sets, "a", now).await);
    }
    assert_eq!(issuer.asked(), 1);
    issuer.publish(Some(&["a"]));
    assert!(has(&sets, "a", now + PAUSE + MOMENT).await);
    assert_eq!(issuer.asked(), 2);
}

#[tokio::test]
async fn an_old_set_goes_on_while_its_issuer_is_down() {
    let (issuer, sets, now) = set(Some(&["a"]));
    assert!(has(&sets, "a", now).await);
    issuer.publish(None);
    let later = now + LIFETIME + MOMENT;
    for _ in 0..10 {
        assert!(has(&sets, "a", later).await && !has(&sets, "b", later).await);
    }
    assert_eq!(issuer.asked(), 2);
    assert!(has(&sets, "a", later + PAUSE + MOMENT).await);
    until(|| issuer.asked() == 3).await;
}

#[tokio::test]
async fn an_issuer_that_hangs_holds_up_nobody_whose_key_is_known() {
    let issuer = issuer(Some(&["a"]), 1);
    let (sets, now) = (of(&issuer, Duration::from_millis(20)), Instant::now());
    assert!(has(&sets, "a", now).await);
    let later = now + LIFETIME + MOMENT;
    for _ in 0..10 {
        assert!(matches!(look(&sets, "a", later), Look::Keys(_)));
        tokio::task::yield_now().await;
    }
    until(|| matches!(sets[0].state.load().failed, Some(SetError::Slow))).await;
    assert!(has(&sets, "a", later).await);
    assert_eq!(issuer.asked(), 2);
}

#[tokio::test]
async fn a_new_key_is_fetched_at_once_and_unknown_ones_now_and_then() {
    let (issuer, sets, now) = set(Some(&["a"]));
    assert!(has(&sets, "a", now).await);
    issuer.publish(Some(&["a", "b"]));
    assert!(has(&sets, "b", now).await);
    assert_eq!(issuer.asked(), 2);
    for _ in 0..10 {
        assert!(!has(&sets, "c", now).await);
    }
    assert_eq!(issuer.asked(), 2);
    assert!(!has(&sets, "c", now + PAUSE + MOMENT).await);
    assert_eq!(issuer.asked(), 3);
}

#[tokio::test]
async fn a_set_of_one_url_is_one_and_is_forgotten_by_it() {
    let issuer = issuer(Some(&["a"]), 1000);
    let source = Arc::new(Arc::clone(&issuer));
    let (sets, now) = (KeySets { source, lifetime: LIFETIME, sets: Mutex::default() }, Instant::now());
    let urls = ["http://one/", "http://two/"].map(Uri::from_static);
    let [one, two] = [0, 1].map(|at| [sets.of(&urls[at], None)]);
    assert!(Arc::ptr_eq(&one[0], &sets.of(&urls[0], Some(LIFETIME))));
    assert!(!Arc::ptr_eq(&one[0], &sets.of(&urls[0], Some(PAUSE))));
    assert!(has(&one, "a", now).await && has(&two, "a", now).await);
    sets.forget(Some(&urls[..1]));
    assert!(has(&one, "a", now).await && has(&two, "a", now).await);
    assert_eq!(issuer.asked(), 3);
    sets.forget(None);
    assert!(has(&one, "a", now).await && has(&two, "a", now).await);
    assert_eq!(issuer.asked(), 5);
}

#[test]
fn what_may_be_secret_of_a_url_is_not_shown() {
    let (_, [set], _) = set(None);
    assert_eq!(set.shown(), "http://issuer:81/keys");
}
