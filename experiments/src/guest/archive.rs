//! Writes the archives that a kernel unpacks at its start: `cpio` in its "new ASCII" form
//! (Documentation/driver-api/early-userspace/buffer-format.rst of Linux).

use std::collections::BTreeSet;
use std::io::{self, Write};
use std::path::Path;

const FOLDER: u32 = 0o040_000;
const FILE: u32 = 0o100_000;
const LINK: u32 = 0o120_000;
const CHARACTER_DEVICE: u32 = 0o020_000;
const TRAILER: &str = "TRAILER!!!";

/// An archive that is being written. Names are absolute paths; folders on the way to them are made.
#[derive(Debug)]
pub struct Archive<W> {
    output: W,
    written: u64,
    entries: u32,
    folders: BTreeSet<String>,
}

impl<W: Write> Archive<W> {
    /// An archive without entries.
    pub fn new(output: W) -> Self {
        Self {
            output,
            written: 0,
            entries: 0,
            folders: BTreeSet::new(),
        }
    }

    /// Adds a file; `mode` is its permissions.
    ///
    /// # Errors
    /// When it cannot be written, has 4 GiB or more, or its name is no absolute path of UTF-8.
    pub fn file(&mut self, name: &Path, mode: u32, content: &[u8]) -> io::Result<()> {
        self.entry(name, FILE | mode, (0, 0), content)
    }

    /// Adds an empty folder.
    ///
    /// # Errors
    /// As [`file`](Self::file).
    pub fn folder(&mut self, name: &Path) -> io::Result<()> {
        let name = relative(name)?;
        self.folders_up_to(name)?;
        self.add_folder(name)
    }

    /// Adds a symbolic link.
    ///
    /// # Errors
    /// As [`file`](Self::file).
    pub fn link(&mut self, name: &Path, target: &str) -> io::Result<()> {
        self.entry(name, LINK | 0o777, (0, 0), target.as_bytes())
    }

    /// Adds a character device.
    ///
    /// # Errors
    /// As [`file`](Self::file).
    pub fn device(&mut self, name: &Path, number: (u32, u32)) -> io::Result<()> {
        self.entry(name, CHARACTER_DEVICE | 0o600, number, &[])
    }

    /// Ends the archive. Others may follow in the same file: the kernel unpacks each.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn finish(mut self) -> io::Result<W> {
        self.entries = 0;
        self.record(TRAILER, 0, (0, 0), &[])?;
        self.output.flush()?;
        Ok(self.output)
    }

    fn entry(
        &mut self,
        name: &Path,
        mode: u32,
        device: (u32, u32),
        content: &[u8],
    ) -> io::Result<()> {
        let name = relative(name)?;
        if let Some((folder, _)) = name.rsplit_once('/') {
            self.folders_up_to(folder)?;
            self.add_folder(folder)?;
        }
        self.record(name, mode, device, content)
    }

    fn folders_up_to(&mut self, name: &str) -> io::Result<()> {
        for (end, _) in name.match_indices('/') {
            self.add_folder(name.get(..end).unwrap_or_default())?;
        }
        Ok(())
    }

    fn add_folder(&mut self, name: &str) -> io::Result<()> {
        if self.folders.insert(name.to_owned()) {
            self.record(name, FOLDER | 0o755, (0, 0), &[])?;
        }
        Ok(())
    }

    fn record(
        &mut self,
        name: &str,
        mode: u32,
        (major, minor): (u32, u32),
        content: &[u8],
    ) -> io::Result<()> {
        let size = u32::try_from(content.len())
            .map_err(|_| io::Error::other(format!("{name} is too large for an initramfs")))?;
        let name_size = u32::try_from(name.len() + 1).map_err(io::Error::other)?;
        // Inode, mode, owner, group, links, time, size, device of the file, device that it is,
        // length of the name, checksum.
        let fields = [
            self.entries,
            mode,
            0,
            0,
            1,
            0,
            size,
            0,
            0,
            major,
            minor,
            name_size,
            0,
        ];
        self.entries += 1;
        let mut head = String::from("070701");
        for field in fields {
            head.push_str(&format!("{field:08x}"));
        }
        head.push_str(name);
        head.push('\0');
        self.put(head.as_bytes())?;
        self.put(content)
    }

    /// Writes octets and fills up to a multiple of four.
    fn put(&mut self, octets: &[u8]) -> io::Result<()> {
        self.output.write_all(octets)?;
        self.written += octets.len() as u64;
        while !self.written.is_multiple_of(4) {
            self.output.write_all(&[0])?;
            self.written += 1;
        }
        Ok(())
    }
}

/// A name as it stands in the archive.
fn relative(name: &Path) -> io::Result<&str> {
    let text = name.to_str().and_then(|text| text.strip_prefix('/'));
    text.filter(|text| !text.is_empty()).ok_or_else(|| {
        let name = name.display();
        io::Error::other(format!(
            "{name} is no absolute path that an archive can have"
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::{Command, Stdio};

    /// What GNU cpio lists in an archive.
    fn listed(archive: &[u8]) -> Vec<Vec<String>> {
        let mut cpio = Command::new("cpio")
            .args(["--list", "--verbose", "--numeric-uid-gid", "--quiet"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        cpio.stdin.take().unwrap().write_all(archive).unwrap();
        let output = cpio.wait_with_output().unwrap();
        assert!(output.status.success());
        let text = String::from_utf8(output.stdout).unwrap();
        let words = |line: &str| line.split_whitespace().map(str::to_owned).collect();
        text.lines().map(words).collect()
    }

    #[test]
    fn other_programs_read_what_is_written() {
        let mut archive = Archive::new(vec![]);
        archive
            .file(Path::new("/init"), 0o755, b"#!/bin/sh\n")
            .unwrap();
        archive
            .link(Path::new("/usr/bin/sh"), "/bin/busybox")
            .unwrap();
        archive
            .file(Path::new("/usr/lib/x"), 0o644, b"123")
            .unwrap();
        archive.device(Path::new("/dev/console"), (5, 1)).unwrap();
        archive.folder(Path::new("/sys/fs")).unwrap();
        let listed = listed(&archive.finish().unwrap());
        let seen: Vec<(&str, &str)> = listed
            .iter()
            .map(|words| (words[0].as_str(), words.last().unwrap().as_str()))
            .collect();
        assert_eq!(
            seen,
            [
                ("-rwxr-xr-x", "init"),
                ("drwxr-xr-x", "usr"),
                ("drwxr-xr-x", "usr/bin"),
                ("lrwxrwxrwx", "/bin/busybox"),
                ("drwxr-xr-x", "usr/lib"),
                ("-rw-r--r--", "usr/lib/x"),
                ("drwxr-xr-x", "dev"),
                ("crw-------", "dev/console"),
                ("drwxr-xr-x", "sys"),
                ("drwxr-xr-x", "sys/fs"),
            ]
        );
    }

    #[test]
    fn names_are_absolute() {
        let mut archive = Archive::new(vec![]);
        for name in ["init", "/", ""] {
            assert!(archive.file(Path::new(name), 0o644, b"").is_err(), "{name}");
        }
    }
}
