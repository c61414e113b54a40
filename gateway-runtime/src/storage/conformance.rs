//! What every engine does, as tests that run over each of them.

use std::collections::BTreeSet;
use std::time::Duration;

use bytes::Bytes;

use super::{Life, Reply, Signal, Store, StoreError};

/// Longer than any test.
pub(super) const HOUR: Duration = Duration::from_secs(3600);
/// Over at once.
const BLINK: Duration = Duration::from_millis(1);
/// What takes longer does not come.
const DEADLINE: Duration = Duration::from_secs(30);

/// A test for each claim, over the engine that `$bench::open` gives in its field `store`.
macro_rules! conformance {
    ($bench:ty) => {
        $crate::storage::conformance::claims! { $bench:
            a_key_is_what_was_set_last,
            a_key_goes_when_its_time_is_over,
            a_key_that_is_set_again_has_the_time_of_the_last,
            only_what_is_there_is_replaced,
            a_key_that_is_deleted_is_gone,
            names_may_be_strange,
            a_list_has_the_names_with_the_prefix_and_no_others,
            a_long_list_is_whole,
            a_counter_lives_for_the_time_of_its_first_step,
            a_counter_without_an_end_begins_anew_when_it_is_to_have_one,
            a_counter_can_be_set_and_removed,
            a_counter_goes_when_its_time_is_over,
            no_addition_is_lost,
            a_log_counts_what_came_before,
            a_log_forgets_what_is_old,
            a_log_that_is_looked_at_stays_as_it_is,
            a_signal_reaches_everybody,
            a_write_goes_on_when_nobody_waits_for_it,
        }
    };
}

macro_rules! claims {
    ($bench:ty: $($claim:ident),+ $(,)?) => {
        $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $claim() {
            let bench = <$bench>::open().await;
            $crate::storage::conformance::$claim(&bench.store).await;
        })+
    };
}

pub(super) use {claims, conformance};

/// Asks again and again, until it is so.
pub(super) async fn until<F: Future<Output = bool>>(what: &str, is_so: impl Fn() -> F) {
    let asked = async {
        while !is_so().await {
            tokio::time::sleep(BLINK).await;
        }
    };
    tokio::time::timeout(DEADLINE, asked).await.unwrap_or_else(|_| panic!("{what} did not come about"));
}

async fn done<T>(reply: Reply<T>) -> T {
    let answer = tokio::time::timeout(DEADLINE, reply.wait()).await.expect("an answer");
    answer.unwrap_or_else(|error| panic!("{error}"))
}

async fn value(store: &Store, name: &str) -> Option<Bytes> {
    done(store.keys().get(name)).await
}

async fn set(store: &Store, name: &str, value: &'static str, ttl: Option<Duration>) {
    done(store.keys().set(name, Bytes::from_static(value.as_bytes()), ttl)).await;
}

/// Within an hour, and not much less.
fn is_an_hour(life: Life) -> bool {
    matches!(life, Life::For(left) if left <= HOUR && left > HOUR / 2)
}

pub(super) async fn a_key_is_what_was_set_last(store: &Store) {
    assert_eq!(value(store, "apikey-a").await, None);
    assert!(!done(store.keys().exists("apikey-a")).await);
    assert_eq!(done(store.keys().life("apikey-a")).await, None);
    let long = Bytes::from(vec![7; 1 << 20]);
    for text in [Bytes::from_static(b"first"), Bytes::new(), Bytes::from_static(b"\0\xff\r\n"), long] {
        done(store.keys().set("apikey-a", text.clone(), None)).await;
        assert_eq!(value(store, "apikey-a").await, Some(text));
        assert!(done(store.keys().exists("apikey-a")).await);
    }
}

pub(super) async fn a_key_goes_when_its_time_is_over(store: &Store) {
    set(store, "apikey-a", "x", Some(BLINK)).await;
    until("the end of a key", async || value(store, "apikey-a").await.is_none()).await;
    assert!(!done(store.keys().exists("apikey-a")).await);
    assert_eq!(done(store.keys().life("apikey-a")).await, None);
    assert_eq!(done(store.keys().list("apikey-")).await, [""; 0]);
    assert!(!done(store.keys().delete("apikey-a")).await);
    set(store, "apikey-b", "x", Some(Duration::ZERO)).await;
    until("the end of a key without a life", async || value(store, "apikey-b").await.is_none()).await;
}

pub(super) async fn a_key_that_is_set_again_has_the_time_of_the_last(store: &Store) {
    set(store, "apikey-a", "x", Some(HOUR)).await;
    assert!(done(store.keys().life("apikey-a")).await.is_some_and(is_an_hour));
    set(store, "apikey-a", "x", None).await;
    assert_eq!(done(store.keys().life("apikey-a")).await, Some(Life::Endless));
    set(store, "apikey-a", "x", Some(HOUR)).await;
    assert!(done(store.keys().replace("apikey-a", Bytes::from_static(b"y"), None)).await);
    assert_eq!(done(store.keys().life("apikey-a")).await, Some(Life::Endless));
    let forever = Duration::MAX;
    set(store, "apikey-a", "x", Some(forever)).await;
    assert_eq!(value(store, "apikey-a").await.as_deref(), Some(&b"x"[..]));
}

pub(super) async fn only_what_is_there_is_replaced(store: &Store) {
    let replace = async |ttl| done(store.keys().replace("apikey-a", Bytes::from_static(b"new"), ttl)).await;
    assert!(!replace(None).await);
    assert_eq!(value(store, "apikey-a").await, None);
    set(store, "apikey-a", "old", None).await;
    assert!(replace(Some(HOUR)).await);
    assert_eq!(value(store, "apikey-a").await.as_deref(), Some(&b"new"[..]));
    assert!(done(store.keys().life("apikey-a")).await.is_some_and(is_an_hour));
    done(store.keys().delete("apikey-a")).await;
    assert!(!replace(None).await);
    set(store, "apikey-a", "old", Some(BLINK)).await;
    until("the end of a key", async || value(store, "apikey-a").await.is_none()).await;
    assert!(!replace(None).await);
    assert_eq!(value(store, "apikey-a").await, None);
}

pub(super) async fn a_key_that_is_deleted_is_gone(store: &Store) {
    assert!(!done(store.keys().delete("apikey-a")).await);
    set(store, "apikey-a", "x", Some(HOUR)).await;
    set(store, "apikey-b", "x", None).await;
    assert!(done(store.keys().delete("apikey-a")).await);
    assert!(!done(store.keys().delete("apikey-a")).await);
    assert_eq!(value(store, "apikey-a").await, None);
    assert_eq!(done(store.keys().list("")).await, ["apikey-b"]);
}

pub(super) async fn names_may_be_strange(store: &Store) {
    let long = "n".repeat(10_000);
    let names = ["", " ", "a b\r\n", "ключ-鍵-🔑", "*?[a-z]\\{1}%00", "\0", "'\"; DROP", "{tag}a", long.as_str()];
    for name in names {
        done(store.keys().set(name, Bytes::copy_from_slice(name.as_bytes()), Some(HOUR))).await;
    }
    for name in names {
        assert_eq!(value(store, name).await.as_deref(), Some(name.as_bytes()), "{name:?}");
        assert!(done(store.keys().list(name)).await.contains(&name.to_owned()), "{name:?}");
        assert!(done(store.keys().life(name)).await.is_some_and(is_an_hour), "{name:?}");
    }
    for name in names {
        assert!(done(store.keys().delete(name)).await, "{name:?}");
    }
    assert_eq!(done(store.keys().list("")).await, [""; 0]);
}

pub(super) async fn a_list_has_the_names_with_the_prefix_and_no_others(store: &Store) {
    for name in ["a*1", "a*2", "ab", "a[b]c", "a?", "A*1", "b"] {
        set(store, name, "x", None).await;
    }
    let check = async |prefix: &str, expected: &[&str]| {
        let mut names = done(store.keys().list(prefix)).await;
        names.sort();
        assert_eq!(names, expected, "{prefix:?}");
    };
    check("a*", &["a*1", "a*2"]).await;
    check("a[b]", &["a[b]c"]).await;
    check("a?", &["a?"]).await;
    check("ab", &["ab"]).await;
    check("c", &[]).await;
    check("", &["A*1", "a*1", "a*2", "a?", "a[b]c", "ab", "b"]).await;
}

pub(super) async fn a_long_list_is_whole(store: &Store) {
    let expected: BTreeSet<String> = (0..2_500).map(|n| format!("apikey-{n}")).collect();
    let replies: Vec<_> = expected.iter().map(|name| store.keys().set(name, Bytes::new(), None)).collect();
    for reply in replies {
        done(reply).await;
    }
    set(store, "apike", "x", None).await;
    let names = done(store.keys().list("apikey-")).await;
    assert_eq!(names.len(), expected.len());
    assert_eq!(names.into_iter().collect::<BTreeSet<_>>(), expected);
}

pub(super) async fn a_counter_lives_for_the_time_of_its_first_step(store: &Store) {
    let first = done(store.counters().increment("quota-a", 1, Some(HOUR))).await;
    assert_eq!(first.value, 1);
    assert!(is_an_hour(first.life), "{first:?}");
    let second = done(store.counters().increment("quota-a", 2, Some(HOUR * 24))).await;
    assert_eq!(second.value, 3);
    assert!(is_an_hour(second.life), "{second:?}");
    let third = done(store.counters().increment("quota-a", -1, None)).await;
    assert_eq!(third.value, 2);
    assert!(is_an_hour(third.life), "{third:?}");
    assert_eq!(done(store.counters().increment("quota-b", 1, None)).await.life, Life::Endless);
}

pub(super) async fn a_counter_without_an_end_begins_anew_when_it_is_to_have_one(store: &Store) {
    assert_eq!(done(store.counters().increment("quota-a", 5, None)).await.value, 5);
    let count = done(store.counters().increment("quota-a", 1, Some(HOUR))).await;
    assert_eq!(count.value, 1);
    assert!(is_an_hour(count.life), "{count:?}");
}

pub(super) async fn a_counter_can_be_set_and_removed(store: &Store) {
    assert_eq!(done(store.counters().read("quota-a")).await, None);
    assert!(!done(store.counters().remove("quota-a")).await);
    done(store.counters().put("quota-a", 41, Some(HOUR))).await;
    assert_eq!(done(store.counters().increment("quota-a", 1, Some(HOUR))).await.value, 42);
    let count = done(store.counters().read("quota-a")).await.expect("a counter");
    assert_eq!(count.value, 42);
    assert!(is_an_hour(count.life), "{count:?}");
    done(store.counters().put("quota-a", -7, None)).await;
    let count = done(store.counters().read("quota-a")).await.expect("a counter");
    assert_eq!((count.value, count.life), (-7, Life::Endless));
    assert!(done(store.counters().remove("quota-a")).await);
    assert_eq!(done(store.counters().read("quota-a")).await, None);
}

pub(super) async fn a_counter_goes_when_its_time_is_over(store: &Store) {
    done(store.counters().put("quota-a", 9, Some(BLINK))).await;
    until("the end of a counter", async || done(store.counters().read("quota-a")).await.is_none()).await;
    assert_eq!(done(store.counters().increment("quota-a", 1, Some(HOUR))).await.value, 1);
}

pub(super) async fn no_addition_is_lost(store: &Store) {
    const TASKS: i64 = 8;
    const STEPS: i64 = 250;
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..TASKS {
        let store = store.clone();
        tasks.spawn(async move {
            let mut seen = Vec::new();
            for _ in 0..STEPS {
                seen.push(done(store.counters().increment("quota-a", 1, Some(HOUR))).await.value);
            }
            seen
        });
    }
    let mut seen: Vec<i64> = tasks.join_all().await.into_iter().flatten().collect();
    seen.sort_unstable();
    assert_eq!(seen, (1..=TASKS * STEPS).collect::<Vec<_>>());
}

pub(super) async fn a_log_counts_what_came_before(store: &Store) {
    for expected in [0, 1, 2, 3, 3, 3] {
        assert_eq!(done(store.counters().record("rate-limit-a", HOUR, 3)).await, expected);
    }
    assert_eq!(done(store.counters().record("rate-limit-b", HOUR, 3)).await, 0);
    assert!(done(store.counters().remove("rate-limit-a")).await);
    assert_eq!(done(store.counters().record("rate-limit-a", HOUR, 3)).await, 0);
}

pub(super) async fn a_log_forgets_what_is_old(store: &Store) {
    for _ in 0..3 {
        done(store.counters().record("rate-limit-a", HOUR, 10)).await;
    }
    // What is asked for decides, not what was asked for before.
    until("the end of a log", async || done(store.counters().record("rate-limit-a", BLINK, 10)).await == 0).await;
}

pub(super) async fn a_log_that_is_looked_at_stays_as_it_is(store: &Store) {
    let peek = async |within| done(store.counters().peek("rate-limit-a", within)).await;
    assert_eq!(peek(HOUR).await, 0);
    for expected in [1, 2, 3, 3] {
        done(store.counters().record("rate-limit-a", HOUR, 3)).await;
        assert_eq!((peek(HOUR).await, peek(HOUR).await), (expected, expected));
    }
    until("the age of what is in a log", async || peek(BLINK).await == 0).await;
    assert_eq!(peek(HOUR).await, 3);
    assert_eq!(done(store.counters().record("rate-limit-a", HOUR, 9)).await, 3);
}

pub(super) async fn a_signal_reaches_everybody(store: &Store) {
    let mut ears = [store.signals().subscribe(), store.signals().subscribe()];
    let messages = [r#"{"command":"ApiUpdated"}"#, "", "ключ\r\n\0"];
    for message in messages {
        done(store.signals().publish(message)).await;
    }
    let mut late = store.signals().subscribe();
    for ear in &mut ears {
        for message in messages {
            let heard = tokio::time::timeout(DEADLINE, ear.next()).await.expect("a signal");
            assert_eq!(heard, Some(Signal::Message(message.into())));
        }
    }
    done(store.signals().publish("last")).await;
    let last = Some(Signal::Message("last".into()));
    let heard = async { while late.next().await != last {} };
    tokio::time::timeout(DEADLINE, heard).await.expect("a signal");
}

pub(super) async fn a_write_goes_on_when_nobody_waits_for_it(store: &Store) {
    drop(store.keys().set("apikey-a", Bytes::from_static(b"x"), None));
    until("a write", async || value(store, "apikey-a").await.is_some()).await;
    drop(store.counters().increment("quota-a", 1, None));
    until("a count", async || done(store.counters().read("quota-a")).await.is_some()).await;
    drop(store.keys().delete("apikey-a"));
    until("a deletion", async || value(store, "apikey-a").await.is_none()).await;
}

/// What an engine answers that has ended.
pub(super) async fn refused<T>(reply: Reply<T>) -> StoreError {
    match tokio::time::timeout(DEADLINE, reply.wait()).await.expect("an answer") {
        Ok(_) => panic!("it was done"),
        Err(error) => error,
    }
}
