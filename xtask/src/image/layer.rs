//! The root of the image: one gateway, two users, and empty folders. The same contents give the same bytes.

use std::io::{self, Write};

use flate2::{Compression, GzBuilder};
use tar::{Builder, EntryType, Header};

/// The working directory, as in Tyk's own images: `tyk.conf` and `apps/` are mounted here.
pub(crate) const HOME: &str = "/opt/tyk-gateway";
/// Where programs look for the certificates of authorities.
const CERTIFICATES: &str = "etc/ssl/certs/ca-certificates.crt";
/// "Unknown": the machine that compresses leaves no trace.
const NO_SYSTEM: u8 = 255;

/// What goes into the root.
#[derive(Debug)]
pub(crate) struct Root<'a> {
    pub(crate) gateway: &'a [u8],
    /// PEM.
    pub(crate) certificates: Option<&'a [u8]>,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    /// Seconds since 1970.
    pub(crate) modified: u64,
}

/// The root as tar, with parents before what is in them, sorted.
pub(crate) fn tar(root: &Root<'_>) -> io::Result<Vec<u8>> {
    let mut layer = Archive::new(root.modified);
    layer.folder("etc/", 0o755)?;
    layer.file("etc/group", 0o644, group(root.gid).as_bytes())?;
    layer.file("etc/passwd", 0o644, passwd(root.uid, root.gid).as_bytes())?;
    if let Some(certificates) = root.certificates {
        layer.folder("etc/ssl/", 0o755)?;
        layer.folder("etc/ssl/certs/", 0o755)?;
        layer.file(CERTIFICATES, 0o644, certificates)?;
    }
    layer.file("gateway", 0o755, root.gateway)?;
    layer.folder("opt/", 0o755)?;
    layer.folder("opt/tyk-gateway/", 0o755)?;
    layer.folder("opt/tyk-gateway/apps/", 0o755)?;
    layer.folder("tmp/", 0o1777)?;
    layer.finish()
}

/// Compresses, without the time and the system that gzip would note.
pub(crate) fn gzip(tar: &[u8]) -> io::Result<Vec<u8>> {
    let mut encoder = GzBuilder::new().mtime(0).operating_system(NO_SYSTEM).write(Vec::new(), Compression::best());
    encoder.write_all(tar)?;
    encoder.finish()
}

/// A tar in memory, whose entries belong to root and are of one time.
pub(crate) struct Archive {
    builder: Builder<Vec<u8>>,
    modified: u64,
}

impl Archive {
    pub(crate) fn new(modified: u64) -> Self {
        Self { builder: Builder::new(Vec::new()), modified }
    }

    pub(crate) fn folder(&mut self, path: &str, mode: u32) -> io::Result<()> {
        self.entry(EntryType::Directory, path, mode, &[])
    }

    pub(crate) fn file(&mut self, path: &str, mode: u32, data: &[u8]) -> io::Result<()> {
        self.entry(EntryType::Regular, path, mode, data)
    }

    pub(crate) fn finish(self) -> io::Result<Vec<u8>> {
        self.builder.into_inner()
    }

    fn entry(&mut self, kind: EntryType, path: &str, mode: u32, data: &[u8]) -> io::Result<()> {
        let mut header = Header::new_ustar();
        header.set_entry_type(kind);
        header.set_mode(mode);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(self.modified);
        header.set_size(data.len() as u64);
        self.builder.append_data(&mut header, path, data)
    }
}

fn passwd(uid: u32, gid: u32) -> String {
    let root = "root:x:0:0:root:/:/sbin/nologin\n";
    if uid == 0 { root.to_owned() } else { format!("{root}gateway:x:{uid}:{gid}:gateway:{HOME}:/sbin/nologin\n") }
}

fn group(gid: u32) -> String {
    let root = "root:x:0:\n";
    if gid == 0 { root.to_owned() } else { format!("{root}gateway:x:{gid}:\n") }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    fn root(certificates: Option<&[u8]>, uid: u32, gid: u32) -> Vec<u8> {
        tar(&Root { gateway: b"the gateway", certificates, uid, gid, modified: 7 }).expect("written")
    }

    /// Path, mode and text of each entry.
    fn entries(data: &[u8]) -> Vec<(String, u32, String)> {
        let mut archive = tar::Archive::new(data);
        let mut found = Vec::new();
        for entry in archive.entries().expect("a tar") {
            let mut entry = entry.expect("an entry");
            let header = entry.header().clone();
            assert_eq!((header.uid().ok(), header.gid().ok(), header.mtime().ok()), (Some(0), Some(0), Some(7)));
            assert_eq!((header.username(), header.groupname()), (Ok(Some("")), Ok(Some(""))));
            let mut text = String::new();
            entry.read_to_string(&mut text).expect("text");
            found.push((entry.path().expect("a path").display().to_string(), header.mode().expect("a mode"), text));
        }
        found
    }

    #[test]
    fn the_root_holds_a_gateway_its_user_and_folders_to_mount_into() {
        let found = entries(&root(None, 65532, 65533));
        let lines: Vec<_> = found.iter().map(|(path, mode, text)| (path.as_str(), *mode, text.as_str())).collect();
        let passwd = "root:x:0:0:root:/:/sbin/nologin\ngateway:x:65532:65533:gateway:/opt/tyk-gateway:/sbin/nologin\n";
        assert_eq!(
            lines,
            [
                ("etc/", 0o755, ""),
                ("etc/group", 0o644, "root:x:0:\ngateway:x:65533:\n"),
                ("etc/passwd", 0o644, passwd),
                ("gateway", 0o755, "the gateway"),
                ("opt/", 0o755, ""),
                ("opt/tyk-gateway/", 0o755, ""),
                ("opt/tyk-gateway/apps/", 0o755, ""),
                ("tmp/", 0o1777, ""),
            ]
        );
    }

    #[test]
    fn certificates_are_where_programs_look_for_them_and_entries_are_sorted() {
        let found = entries(&root(Some(b"PEM"), 1, 1));
        assert!(
            found.contains(&("etc/ssl/certs/ca-certificates.crt".to_owned(), 0o644, "PEM".to_owned())),
            "{found:?}"
        );
        assert!(found.is_sorted_by(|one, other| one.0 < other.0), "{found:?}");
    }

    #[test]
    fn root_is_listed_once() {
        let found = entries(&root(None, 0, 0));
        assert_eq!(found[1].2, "root:x:0:\n");
        assert_eq!(found[2].2, "root:x:0:0:root:/:/sbin/nologin\n");
    }

    #[test]
    fn what_is_compressed_tells_neither_time_nor_system() {
        let compressed = gzip(b"some text").expect("compressed");
        assert_eq!(&compressed[..10], &[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 2, NO_SYSTEM]);
        let mut text = String::new();
        flate2::read::GzDecoder::new(&*compressed).read_to_string(&mut text).expect("gzip");
        assert_eq!(text, "some text");
    }
}
