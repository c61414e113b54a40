//! What is in the file, and what a transaction does to it.
//!
//! | table | from | to |
//! |---|---|---|
//! | `about` | a name | a number: `format` is [`FORMAT`] |
//! | `keys` | name | when it ends, and the value |
//! | `ends` | when a key ends, its name | nothing: the order in which keys expire |
//! | `counters` | name | the number, and when it ends |
//!
//! A moment is in milliseconds since 1970; the last there is means never. Numbers are eight bytes each, the highest first:
//! they are in their order then. All tables are of bytes, since redb is compiled anew for every other kind of table.

use std::panic::{AssertUnwindSafe, catch_unwind};

use redb::{
    Database, ReadTransaction, ReadableDatabase, ReadableTable, Table, TableDefinition, TableError, WriteTransaction,
};

use super::writer::{Change, Write};
use crate::storage::expiring::{Changed, Entry, Moment};

/// How the tables are laid out. Another layout is another number.
pub(super) const FORMAT: u64 = 1;
/// Under which name `about` has it.
pub(super) const FORMAT_NAME: &[u8] = b"format";

pub(super) const ABOUT: Definition = TableDefinition::new("about");
const KEYS: Definition = TableDefinition::new("keys");
const ENDS: Definition = TableDefinition::new("ends");
const COUNTERS: Definition = TableDefinition::new("counters");

pub(super) type Definition = TableDefinition<'static, &'static [u8], &'static [u8]>;
type Bytes<'t> = Table<'t, &'static [u8], &'static [u8]>;

/// What a name of `ends` stands for.
const NOTHING: &[u8] = &[];
/// Keys that one transaction forgets because they have expired.
const FORGOTTEN: usize = 1_000;

/// Whose tables are in a file.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Layout {
    /// There are none yet.
    Empty,
    /// Ours, in the format of this number.
    Ours(u64),
    /// Another program's.
    Foreign,
}

pub(super) fn layout(database: &Database) -> Result<Layout, redb::Error> {
    let transaction = database.begin_read()?;
    let format = match transaction.open_table(ABOUT) {
        Ok(about) => about.get(FORMAT_NAME)?.and_then(|format| number(format.value())),
        Err(TableError::TableDoesNotExist(_)) if transaction.list_tables()?.next().is_none() => {
            return Ok(Layout::Empty);
        }
        Err(TableError::Storage(error)) => return Err(error.into()),
        Err(_) => None,
    };
    match format {
        None => Ok(Layout::Foreign),
        Some(FORMAT) => {
            let are_there = [
                transaction.open_table(KEYS).map(drop),
                transaction.open_table(ENDS).map(drop),
                transaction.open_table(COUNTERS).map(drop),
            ];
            are_there.into_iter().collect::<Result<(), _>>()?;
            Ok(Layout::Ours(FORMAT))
        }
        Some(other) => Ok(Layout::Ours(other)),
    }
}

/// What redb does with a file that may be damaged in ways that it does not expect.
pub(super) fn guarded<T>(act: impl FnOnce() -> Result<T, redb::Error>) -> Result<T, redb::Error> {
    // What was begun is dropped, and with it undone.
    let done = catch_unwind(AssertUnwindSafe(act));
    done.unwrap_or_else(|_| Err(redb::Error::Corrupted("its parts do not fit together".to_owned())))
}

/// Lays out the tables of a new file.
pub(super) fn lay_out(database: &Database) -> Result<(), redb::Error> {
    let transaction = begin(database)?;
    transaction.open_table(ABOUT)?.insert(FORMAT_NAME, FORMAT.to_be_bytes().as_slice())?;
    transaction.open_table(KEYS)?;
    transaction.open_table(ENDS)?;
    transaction.open_table(COUNTERS)?;
    Ok(transaction.commit()?)
}

/// A transaction that is on the disk when it is committed, and after which a file that was not closed opens at once.
fn begin(database: &Database) -> Result<WriteTransaction, redb::Error> {
    let mut transaction = database.begin_write()?;
    transaction.set_quick_repair(true);
    Ok(transaction)
}

/// What a transaction is to do.
pub(super) struct Batch<'b> {
    pub(super) writes: &'b [Write],
    pub(super) counters: &'b [Changed<i64>],
    /// Whether keys that have expired are to go.
    pub(super) sweeps: bool,
}

/// What it has done.
#[derive(Default)]
pub(super) struct Done {
    /// For each write, whether there was a key.
    pub(super) were_there: Vec<bool>,
    /// There may be more keys that have expired.
    pub(super) more_expired: bool,
}

/// Does all of it, or nothing; it is on the disk then.
pub(super) fn commit(database: &Database, batch: &Batch<'_>, now: Moment) -> Result<Done, redb::Error> {
    let transaction = begin(database)?;
    let mut done = Done::default();
    {
        let mut keys = KeysAndEnds { keys: transaction.open_table(KEYS)?, ends: transaction.open_table(ENDS)? };
        for Write { name, change, .. } in batch.writes {
            let was_there = match change {
                Change::Put { value, ends, only_if_there } => keys.put(name, value, *ends, *only_if_there, now)?,
                Change::Delete => keys.delete(name, now)?,
            };
            done.were_there.push(was_there);
        }
        if batch.sweeps {
            done.more_expired = keys.sweep(now)? == FORGOTTEN;
        }
    }
    if !batch.counters.is_empty() {
        let mut counters = transaction.open_table(COUNTERS)?;
        for (name, entry) in batch.counters {
            match entry.as_ref().filter(|entry| entry.is_live(now)) {
                Some(Entry { value, ends }) => {
                    let stored = [value.to_be_bytes(), ends.0.to_be_bytes()].concat();
                    drop(counters.insert(name.as_bytes(), stored.as_slice())?);
                }
                None => drop(counters.remove(name.as_bytes())?),
            }
        }
    }
    transaction.commit()?;
    Ok(done)
}

struct KeysAndEnds<'t> {
    keys: Bytes<'t>,
    ends: Bytes<'t>,
}

impl KeysAndEnds<'_> {
    fn put(
        &mut self,
        name: &str,
        value: &[u8],
        ends: Moment,
        only_if_there: bool,
        now: Moment,
    ) -> Result<bool, redb::Error> {
        let old = self.ends_of(name)?;
        let was_there = old.is_some_and(|ends| now < ends);
        if only_if_there && !was_there {
            return Ok(false);
        }
        self.forget_end(name, old)?;
        self.keys.insert(name.as_bytes(), [&ends.0.to_be_bytes(), value].concat().as_slice())?;
        if ends != Moment::NEVER {
            self.ends.insert(end(ends, name).as_slice(), NOTHING)?;
        }
        Ok(was_there)
    }

    fn delete(&mut self, name: &str, now: Moment) -> Result<bool, redb::Error> {
        let old = self.ends_of(name)?;
        self.forget_end(name, old)?;
        self.keys.remove(name.as_bytes())?;
        Ok(old.is_some_and(|ends| now < ends))
    }

    /// Forgets keys that have expired, the first of them first; says how many.
    fn sweep(&mut self, now: Moment) -> Result<usize, redb::Error> {
        let mut expired = Vec::new();
        for end in self.ends.range(..end(now, "").as_slice())?.take(FORGOTTEN) {
            expired.push(end.map(|(end, _)| end.value().to_owned())?);
        }
        for end in &expired {
            self.keys.remove(end.get(size_of::<u64>()..).unwrap_or_default())?;
            self.ends.remove(end.as_slice())?;
        }
        Ok(expired.len())
    }

    fn ends_of(&self, name: &str) -> Result<Option<Moment>, redb::Error> {
        Ok(self.keys.get(name.as_bytes())?.map(|stored| entry(stored.value()).ends))
    }

    fn forget_end(&mut self, name: &str, ends: Option<Moment>) -> Result<(), redb::Error> {
        if let Some(ends) = ends.filter(|ends| *ends != Moment::NEVER) {
            self.ends.remove(end(ends, name).as_slice())?;
        }
        Ok(())
    }
}

/// The key of `ends`.
fn end(ends: Moment, name: &str) -> Vec<u8> {
    [&ends.0.to_be_bytes(), name.as_bytes()].concat()
}

/// A number that is stored; `None` if it is none.
fn number(stored: &[u8]) -> Option<u64> {
    stored.try_into().map(u64::from_be_bytes).ok()
}

/// A counter as it is stored; `None` if it is none.
fn counter(stored: &[u8]) -> Option<Entry<i64>> {
    let (value, ends) = stored.split_first_chunk()?;
    Some(Entry { value: i64::from_be_bytes(*value), ends: Moment(number(ends)?) })
}

/// A key as it is stored. What is too short to be one has expired.
fn entry(stored: &[u8]) -> Entry<&[u8]> {
    match stored.split_first_chunk() {
        Some((ends, value)) => Entry { value, ends: Moment(u64::from_be_bytes(*ends)) },
        None => Entry { value: &[], ends: Moment(0) },
    }
}

/// What `look` sees of a key.
pub(super) fn look<T>(
    database: &Database,
    name: &str,
    look: impl FnOnce(Entry<&[u8]>) -> T,
) -> Result<Option<T>, redb::Error> {
    guarded(|| {
        let keys = database.begin_read()?.open_table(KEYS)?;
        let found = keys.get(name.as_bytes())?;
        Ok(found.map(|stored| look(entry(stored.value()))))
    })
}

/// The names that begin with `prefix`.
pub(super) fn list(database: &Database, prefix: &str, now: Moment) -> Result<Vec<String>, redb::Error> {
    let mut names = Vec::new();
    each(&database.begin_read()?, prefix, |name, entry| {
        if entry.is_live(now) {
            names.push(name.to_owned());
        }
    })?;
    Ok(names)
}

/// Shows every key.
pub(super) fn keys(database: &Database, see: impl FnMut(&str, Entry<&[u8]>)) -> Result<(), redb::Error> {
    each(&database.begin_read()?, "", see)
}

fn each(
    transaction: &ReadTransaction,
    prefix: &str,
    mut see: impl FnMut(&str, Entry<&[u8]>),
) -> Result<(), redb::Error> {
    let keys = transaction.open_table(KEYS)?;
    for found in keys.range(prefix.as_bytes()..)? {
        let (name, stored) = found?;
        if !name.value().starts_with(prefix.as_bytes()) {
            break;
        }
        if let Ok(name) = str::from_utf8(name.value()) {
            see(name, entry(stored.value()));
        }
    }
    Ok(())
}

/// Shows every counter that has not expired.
pub(super) fn counters(
    database: &Database,
    now: Moment,
    mut see: impl FnMut(&str, i64, Moment),
) -> Result<(), redb::Error> {
    let counters = database.begin_read()?.open_table(COUNTERS)?;
    for found in counters.range::<&[u8]>(..)? {
        let (name, stored) = found?;
        let stored = counter(stored.value()).filter(|stored| stored.is_live(now));
        if let (Ok(name), Some(Entry { value, ends })) = (str::from_utf8(name.value()), stored) {
            see(name, value, ends);
        }
    }
    Ok(())
}
