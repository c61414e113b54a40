//! What is in the file, and what a transaction does to it.
//!
//! | table | from | to |
//! |---|---|---|
//! | `about` | a name | a number: `format` is [`FORMAT`] |
//! | `keys` | name | when it ends, in eight bytes, and the value |
//! | `ends` | when a key ends, its name | nothing: the order in which keys expire |
//! | `counters` | name | the number, and when it ends |
//!
//! A moment is in milliseconds since 1970; the last there is means never.

use std::panic::{AssertUnwindSafe, catch_unwind};

use redb::{
    Database, ReadTransaction, ReadableDatabase, ReadableTable, Table, TableDefinition, TableError, WriteTransaction,
};

use super::writer::{Change, Write};
use crate::storage::expiring::{Changed, Entry, Moment};

/// How the tables are laid out. Another layout is another number.
pub(super) const FORMAT: u64 = 1;

const ABOUT: TableDefinition<'static, &str, u64> = TableDefinition::new("about");
const KEYS: TableDefinition<'static, &str, &[u8]> = TableDefinition::new("keys");
const ENDS: TableDefinition<'static, (u64, &str), ()> = TableDefinition::new("ends");
const COUNTERS: TableDefinition<'static, &str, (i64, u64)> = TableDefinition::new("counters");

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
        Ok(about) => about.get("format")?.map(|format| format.value()),
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
    transaction.open_table(ABOUT)?.insert("format", FORMAT)?;
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
                Some(Entry { value, ends }) => drop(counters.insert(&**name, (*value, ends.0))?),
                None => drop(counters.remove(&**name)?),
            }
        }
    }
    transaction.commit()?;
    Ok(done)
}

struct KeysAndEnds<'t> {
    keys: Table<'t, &'static str, &'static [u8]>,
    ends: Table<'t, (u64, &'static str), ()>,
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
        self.keys.insert(name, [&ends.0.to_le_bytes(), value].concat().as_slice())?;
        if ends != Moment::NEVER {
            self.ends.insert((ends.0, name), ())?;
        }
        Ok(was_there)
    }

    fn delete(&mut self, name: &str, now: Moment) -> Result<bool, redb::Error> {
        let old = self.ends_of(name)?;
        self.forget_end(name, old)?;
        self.keys.remove(name)?;
        Ok(old.is_some_and(|ends| now < ends))
    }

    /// Forgets keys that have expired, the first of them first; says how many.
    fn sweep(&mut self, now: Moment) -> Result<usize, redb::Error> {
        let mut expired = Vec::new();
        for end in self.ends.range(..(now.0, ""))?.take(FORGOTTEN) {
            let (end, name) = end.map(|(end, _)| (end.value().0, end.value().1.to_owned()))?;
            expired.push((end, name));
        }
        for (end, name) in &expired {
            self.keys.remove(name.as_str())?;
            self.ends.remove((*end, name.as_str()))?;
        }
        Ok(expired.len())
    }

    fn ends_of(&self, name: &str) -> Result<Option<Moment>, redb::Error> {
        Ok(self.keys.get(name)?.map(|stored| entry(stored.value()).ends))
    }

    fn forget_end(&mut self, name: &str, ends: Option<Moment>) -> Result<(), redb::Error> {
        if let Some(ends) = ends.filter(|ends| *ends != Moment::NEVER) {
            self.ends.remove((ends.0, name))?;
        }
        Ok(())
    }
}

/// A key as it is stored. What is too short to be one has expired.
fn entry(stored: &[u8]) -> Entry<&[u8]> {
    match stored.split_first_chunk() {
        Some((ends, value)) => Entry { value, ends: Moment(u64::from_le_bytes(*ends)) },
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
        let found = keys.get(name)?;
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
    for found in keys.range(prefix..)? {
        let (name, stored) = found?;
        if !name.value().starts_with(prefix) {
            break;
        }
        see(name.value(), entry(stored.value()));
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
    for found in counters.range::<&str>(..)? {
        let (name, stored) = found?;
        let (value, ends) = stored.value();
        if now < Moment(ends) {
            see(name.value(), value, Moment(ends));
        }
    }
    Ok(())
}
