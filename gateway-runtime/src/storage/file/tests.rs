//! What the file outlives, and what files are refused.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use redb::TableDefinition;
use tempfile::TempDir;

use super::tables::{ABOUT, Batch, FORMAT_NAME};
use super::*;
use crate::storage::Store;
use crate::storage::conformance::{HOUR, conformance, refused, until};

struct Bench {
    store: Store,
    folder: TempDir,
}

impl Bench {
    async fn open() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let store = Store::new(FileStore::open(&folder.path().join("tyk.redb")).expect("a file"));
        Self { store, folder }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("tyk.redb")
    }

    /// Closes the file, and opens it again.
    async fn again(mut self) -> Self {
        self.store.engine().close().wait().await.expect("closed");
        self.store = Store::new(FileStore::open(&self.path()).expect("the file opens again"));
        self
    }
}

conformance!(Bench);

/// A closed file with a key, in a folder of its own.
async fn written() -> (TempDir, PathBuf) {
    let bench = Bench::open().await;
    bench.store.keys().set("apikey-a", "x".into(), None).wait().await.expect("written");
    bench.store.engine().close().wait().await.expect("closed");
    let path = bench.path();
    (bench.folder, path)
}

/// Why a file is refused, which is then as it was.
fn refusal(path: &Path) -> OpenError {
    let before = fs::read(path).expect("a file");
    let error = FileStore::open(path).err().expect("it is refused");
    assert!(error.to_string().starts_with(&path.display().to_string()), "{error}");
    assert!(fs::read(path).expect("a file") == before, "the file has changed");
    error
}

#[tokio::test]
async fn keys_and_counters_outlive_the_process() {
    let bench = Bench::open().await;
    bench.store.keys().set("apikey-a", "x".into(), Some(HOUR)).wait().await.expect("written");
    bench.store.keys().set("apikey-b", "y".into(), None).wait().await.expect("written");
    bench.store.counters().increment("quota-a", 3, Some(HOUR)).wait().await.expect("counted");
    bench.store.counters().increment("quota-b", 3, Some(HOUR)).wait().await.expect("counted");
    let bench = bench.again().await;
    bench.store.counters().remove("quota-b").wait().await.expect("removed");
    let bench = bench.again().await;
    assert_eq!(bench.store.keys().get("apikey-a").wait().await.expect("an answer").as_deref(), Some(&b"x"[..]));
    let life = bench.store.keys().life("apikey-a").wait().await.expect("an answer");
    assert!(matches!(life, Some(Life::For(left)) if left <= HOUR), "{life:?}");
    assert_eq!(bench.store.keys().life("apikey-b").wait().await.expect("an answer"), Some(Life::Endless));
    let count = bench.store.counters().increment("quota-a", 1, Some(HOUR)).wait().await.expect("counted");
    assert_eq!(count.value, 4);
    assert!(matches!(count.life, Life::For(left) if left <= HOUR));
    assert_eq!(bench.store.counters().read("quota-b").wait().await.expect("an answer"), None);
}

#[tokio::test]
async fn counters_are_written_without_being_told_to() {
    let bench = Bench::open().await;
    bench.store.counters().increment("quota-a", 3, Some(HOUR)).wait().await.expect("counted");
    // Who is killed closes nothing: a copy of the file is what is left.
    let copy = bench.folder.path().join("copy.redb");
    until("the writing of a counter", async || {
        fs::copy(bench.path(), &copy).expect("copied");
        let read = |found: &mut i64| {
            let database = open::open(&copy).ok()?;
            tables::counters(&database, Moment::now(), |_, value, _| *found = value).ok()
        };
        let mut found = 0;
        read(&mut found).is_some() && found == 3
    })
    .await;
}

#[tokio::test]
async fn what_was_answered_is_in_the_file() {
    let bench = Bench::open().await;
    let replies: Vec<_> =
        (0..1_000).map(|n| bench.store.keys().set(&format!("apikey-{n}"), "x".into(), None)).collect();
    for reply in replies {
        reply.wait().await.expect("written");
    }
    let copy = bench.folder.path().join("copy.redb");
    fs::copy(bench.path(), &copy).expect("copied");
    let copy = FileStore::open(&copy).expect("it opens as after `kill -9`");
    assert_eq!(copy.list("apikey-").wait().await.expect("a list").len(), 1_000);
}

#[tokio::test]
async fn nobody_else_may_read_the_file() {
    let (_folder, path) = written().await;
    assert_eq!(fs::metadata(&path).expect("a file").permissions().mode() & 0o777, 0o600);
}

#[tokio::test]
async fn a_file_that_another_has_open_is_refused() {
    let bench = Bench::open().await;
    assert!(matches!(FileStore::open(&bench.path()), Err(OpenError::Locked { .. })));
}

#[tokio::test]
async fn a_file_of_another_kind_is_refused() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("tyk.redb");
    for text in ["x", "{\"listen_port\": 8080}", "redb", &"long".repeat(100_000)] {
        fs::write(&path, text).expect("written");
        assert!(matches!(refusal(&path), OpenError::Foreign { .. }));
    }
    assert!(matches!(FileStore::open(folder.path()), Err(OpenError::Io { .. })));
    assert!(matches!(FileStore::open(&folder.path().join("no/such/folder")), Err(OpenError::Io { .. })));
}

#[tokio::test]
async fn a_file_of_another_program_or_version_is_refused() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("tyk.redb");
    let theirs: TableDefinition<'_, &str, u64> = TableDefinition::new("theirs");
    let database = Database::create(&path).expect("a file");
    let transaction = database.begin_write().expect("a transaction");
    transaction.open_table(theirs).expect("a table").insert("a", 1).expect("written");
    transaction.commit().expect("written");
    drop(database);
    assert!(matches!(FileStore::open(&path), Err(OpenError::Foreign { .. })));

    let (_folder, path) = written().await;
    let database = Database::open(&path).expect("a file");
    let transaction = database.begin_write().expect("a transaction");
    let two = 2_u64.to_be_bytes();
    transaction.open_table(ABOUT).expect("a table").insert(FORMAT_NAME, two.as_slice()).expect("written");
    transaction.commit().expect("written");
    drop(database);
    assert!(matches!(FileStore::open(&path), Err(OpenError::Format { found: 2, .. })));
}

#[tokio::test]
async fn a_damaged_file_is_refused_or_whole_and_never_another() {
    let (_folder, path) = written().await;
    let sound = fs::read(&path).expect("a file");
    let mut refused = 0;
    for at in (0..sound.len()).step_by(97) {
        let mut damaged = sound.clone();
        damaged[at] ^= 0x5a;
        fs::write(&path, &damaged).expect("written");
        match FileStore::open(&path) {
            Ok(store) => {
                let value = store.get("apikey-a").wait().await;
                assert!(matches!(&value, Ok(Some(value)) if value == "x"), "at {at}: {value:?}");
                store.close().wait().await.expect("closed");
            }
            Err(OpenError::Damaged { .. } | OpenError::Foreign { .. } | OpenError::Format { .. }) => refused += 1,
            Err(other) => panic!("at {at}: {other}"),
        }
    }
    assert!(refused > 0);
    for length in [sound.len() / 2, sound.len() - 1, 4096, 100] {
        fs::write(&path, &sound[..length]).expect("written");
        let error = FileStore::open(&path).err().expect("it is refused");
        assert!(matches!(error, OpenError::Damaged { .. }), "{length}: {error}");
    }
}

#[tokio::test]
async fn an_empty_file_is_a_new_one() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("tyk.redb");
    fs::write(&path, "").expect("written");
    let store = FileStore::open(&path).expect("a file");
    store.set("a", "x".into(), None).wait().await.expect("written");
}

#[tokio::test]
async fn what_has_expired_goes_from_the_file() {
    let (_folder, path) = written().await;
    let database = open::open(&path).expect("a file");
    let write = |name: &str, ends| {
        let (done, _) = oneshot::channel();
        let change = Change::Put { value: "x".into(), ends: Moment(ends), only_if_there: false };
        Write { name: name.into(), change, operation: Operation::Write, done }
    };
    let writes = [write("apikey-b", 10), write("apikey-c", 20), write("apikey-c", 30), write("apikey-d", 31)];
    let names = || {
        let mut names = Vec::new();
        tables::keys(&database, |name, _| names.push(name.to_owned())).expect("keys");
        names
    };
    let commit = |writes: &[Write], sweeps, now| {
        tables::commit(&database, &Batch { writes, counters: &[], sweeps }, Moment(now)).expect("written");
    };
    commit(&writes, false, 1);
    commit(&[], true, 25);
    assert_eq!(names(), ["apikey-a", "apikey-c", "apikey-d"]);
    commit(&[], true, 31);
    assert_eq!(names(), ["apikey-a", "apikey-d"]);
}

#[tokio::test]
async fn a_file_that_was_given_away_can_be_read_until_it_is_taken_back() {
    let bench = Bench::open().await;
    let store = &bench.store;
    store.keys().set("apikey-a", "x".into(), Some(HOUR)).wait().await.expect("written");
    store.counters().increment("quota-a", 2, Some(HOUR)).wait().await.expect("counted");
    store.engine().give_away().wait().await.expect("given");
    assert_eq!(store.keys().get("apikey-a").wait().await.expect("an answer").as_deref(), Some(&b"x"[..]));
    assert_eq!(store.keys().list("").wait().await.expect("a list"), ["apikey-a"]);
    assert_eq!(store.counters().increment("quota-a", 1, None).wait().await.expect("counted").value, 3);
    let error = refused(store.keys().set("apikey-b", "y".into(), None)).await;
    assert!(matches!(error.fault, Fault::Closed), "{error}");

    let other = FileStore::open(&bench.path()).expect("the other one has it");
    assert_eq!(other.read("quota-a").wait().await.expect("an answer").map(|count| count.value), Some(2));
    assert!(store.engine().take_back().wait().await.is_err(), "the other one has it");
    other.close().wait().await.expect("closed");
    store.engine().take_back().wait().await.expect("taken back");
    store.keys().set("apikey-b", "y".into(), None).wait().await.expect("written");
}

#[tokio::test]
async fn what_is_closed_is_refused() {
    let bench = Bench::open().await;
    bench.store.engine().close().wait().await.expect("closed");
    for error in [
        refused(bench.store.keys().set("a", "x".into(), None)).await,
        refused(bench.store.keys().delete("a")).await,
        refused(bench.store.keys().get("a")).await,
    ] {
        assert!(matches!(error.fault, Fault::Closed), "{error}");
        assert!(error.to_string().starts_with("storage `redb` cannot "), "{error}");
    }
}

/// A writer on a file with the key `apikey-a`, and what it shares with those who read.
async fn writer() -> (TempDir, Arc<Shared>, Writer) {
    let (folder, path) = written().await;
    let database = open::open(&path).expect("a file");
    let shared = Arc::new(Shared::new(&path, database, Tallies::tracked(NAME)));
    let writer = Writer::new(Arc::clone(&shared), sync_channel(1).1);
    (folder, shared, writer)
}

fn full_disk() -> redb::Error {
    redb::Error::Io(std::io::ErrorKind::StorageFull.into())
}

#[tokio::test]
async fn what_is_in_a_file_is_read_when_a_write_to_it_has_failed() {
    let (_folder, shared, mut writer) = writer().await;
    let (done, answer) = oneshot::channel();
    let write = Write { name: "apikey-b".into(), change: Change::Delete, operation: Operation::Delete, done };
    writer.failed(full_disk(), vec![write], &[], false);
    let error = answer.await.expect("an answer").expect_err("the disk is full");
    assert!(matches!(error.fault, Fault::Failed(_)) && error.operation == Operation::Delete, "{error}");
    let value = shared.look(Operation::Read, "apikey-a", |entry, _| entry.value.to_vec()).expect("it is read");
    assert_eq!(value.as_deref(), Some(&b"x"[..]));
}

#[tokio::test]
async fn a_file_that_does_not_open_again_is_told_as_what_it_is() {
    let (_folder, shared, mut writer) = writer().await;
    fs::remove_file(&shared.path).expect("removed");
    fs::create_dir(&shared.path).expect("a folder in its place");
    writer.failed(full_disk(), Vec::new(), &[], false);
    let error = shared.look(Operation::Read, "apikey-a", |_, _| ()).expect_err("it is away");
    assert!(matches!(error.fault, Fault::Failed(_)), "{error}");
    assert!(error.to_string().contains(&shared.path.display().to_string()), "{error}");
}

#[tokio::test]
async fn a_new_file_is_whole_or_not_there() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("tyk.redb");
    let names = || fs::read_dir(folder.path()).expect("a folder").map(|entry| entry.expect("an entry").file_name());
    // What a start that was killed has left.
    fs::write(folder.path().join("tyk.redb.0000000000000000.new"), [0; 4096]).expect("written");
    let store = FileStore::open(&path).expect("a file");
    store.close().wait().await.expect("closed");
    assert_eq!(names().filter(|name| name == "tyk.redb").count(), 1);
    assert_eq!(names().count(), 2, "nothing else was left");
    assert!(fs::read(&path).expect("a file").starts_with(b"redb"));
}
