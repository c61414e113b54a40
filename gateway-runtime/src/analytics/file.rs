//! [`LinesFile`]: a file that is followed by others when it is full, of which the oldest are removed.
//!
//! `analytics.jsonl` is written; `analytics.jsonl.1` came before it, `analytics.jsonl.2` before that.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::PathBuf;

use super::FileSettings;

pub(super) struct LinesFile {
    settings: FileSettings,
    /// `None`: it is opened when it is written next.
    file: Option<File>,
    /// Of the file, in bytes.
    length: u64,
}

impl LinesFile {
    /// # Errors
    /// When the file cannot be written.
    pub(super) fn open(settings: FileSettings) -> io::Result<Self> {
        let mut file = Self { settings, file: None, length: 0 };
        file.opened()?;
        Ok(file)
    }

    /// # Errors
    /// When not all of it could be written.
    pub(super) fn write(&mut self, lines: &[Vec<u8>]) -> io::Result<()> {
        let written = self.try_write(lines);
        if written.is_err() {
            // Whatever is wrong may be over the next time.
            self.file = None;
        }
        written
    }

    fn try_write(&mut self, lines: &[Vec<u8>]) -> io::Result<()> {
        let mut together = Vec::new();
        for line in lines {
            let ahead = self.length + together.len() as u64;
            if ahead > 0 && ahead + line.len() as u64 > self.settings.max_bytes {
                self.append(&std::mem::take(&mut together))?;
                self.turn()?;
            }
            together.extend_from_slice(line);
        }
        self.append(&together)
    }

    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.opened()?.write_all(bytes)?;
        self.length += bytes.len() as u64;
        Ok(())
    }

    fn opened(&mut self) -> io::Result<&mut File> {
        match &mut self.file {
            Some(file) => Ok(file),
            none => {
                let file = OpenOptions::new().create(true).append(true).open(&self.settings.path)?;
                self.length = file.metadata()?.len();
                Ok(none.insert(file))
            }
        }
    }

    /// Makes room for a new file.
    fn turn(&mut self) -> io::Result<()> {
        self.file = None;
        self.length = 0;
        // What is not there need not be moved.
        let there = |done: io::Result<()>| match done {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            done => done,
        };
        let last = self.settings.max_files.saturating_sub(1);
        there(fs::remove_file(self.at(last)))?;
        for at in (0..last).rev() {
            there(fs::rename(self.at(at), self.at(at + 1)))?;
        }
        Ok(())
    }

    /// The path of the file so many before the one that is written.
    fn at(&self, before: usize) -> PathBuf {
        let path = &self.settings.path;
        if before == 0 {
            return path.clone();
        }
        let mut name = path.clone().into_os_string();
        name.push(format!(".{before}"));
        name.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(folder: &tempfile::TempDir, max_bytes: u64, max_files: usize) -> FileSettings {
        FileSettings { path: folder.path().join("a"), is_set: true, max_bytes, max_files }
    }

    fn lines(texts: &[&str]) -> Vec<Vec<u8>> {
        texts.iter().map(|text| format!("{text}\n").into_bytes()).collect()
    }

    #[test]
    fn full_files_are_followed_by_others_and_the_oldest_go() {
        let folder = tempfile::tempdir().expect("a folder");
        let read = |name: &str| fs::read_to_string(folder.path().join(name)).unwrap_or_default();
        let mut file = LinesFile::open(settings(&folder, 4, 3)).expect("opened");
        file.write(&lines(&["1", "2", "3"])).expect("written");
        assert_eq!((&*read("a"), &*read("a.1")), ("3\n", "1\n2\n"));
        drop(file);
        // What is there counts for a process that comes later.
        let mut file = LinesFile::open(settings(&folder, 4, 3)).expect("opened");
        file.write(&lines(&["4", "longer than a file", "5"])).expect("written");
        assert_eq!((&*read("a"), &*read("a.1"), &*read("a.2")), ("5\n", "longer than a file\n", "3\n4\n"));
        assert!(read("a.3").is_empty());
    }

    #[test]
    fn one_file_begins_anew_when_it_is_full() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut file = LinesFile::open(settings(&folder, 4, 1)).expect("opened");
        file.write(&lines(&["1", "2", "3"])).expect("written");
        assert_eq!(fs::read_to_string(folder.path().join("a")).expect("it is there"), "3\n");
        assert_eq!(fs::read_dir(folder.path()).expect("a folder").count(), 1);
    }

    #[test]
    fn a_folder_that_is_not_there_is_an_error_and_a_later_one_is_used() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut file = LinesFile::open(settings(&folder, 100, 2)).expect("opened");
        let path = folder.path().to_owned();
        fs::remove_dir_all(&path).expect("removed");
        file.file = None;
        assert!(file.write(&lines(&["1"])).is_err());
        fs::create_dir(&path).expect("made");
        file.write(&lines(&["2"])).expect("written");
        assert_eq!(fs::read_to_string(path.join("a")).expect("it is there"), "2\n");
    }
}
