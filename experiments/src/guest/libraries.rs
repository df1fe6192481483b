//! The shared libraries that programs want.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::error::LabError;
use crate::process;

/// The libraries of a program, the dynamic linker among them, by the names that it looks for. A
/// program that is linked statically has none.
pub(super) fn of(program: &Path) -> Result<BTreeSet<PathBuf>, LabError> {
    // `ldd` fails for a static program; that is what `--verify` of the linker tells apart.
    let said = process::run(Command::new("ldd").arg(program), "");
    match said {
        Ok(output) => {
            read(&String::from_utf8_lossy(&output.stdout)).map_err(|library| LabError::Failed {
                command: format!("ldd {}", program.display()),
                status: "incomplete".to_owned(),
                output: format!("{library} is not found"),
            })
        }
        Err(LabError::Failed { output, .. }) if output.contains("not a dynamic executable") => {
            Ok(BTreeSet::new())
        }
        Err(error) => Err(error),
    }
}

/// The paths in what `ldd` prints, or the library that is not there.
fn read(text: &str) -> Result<BTreeSet<PathBuf>, String> {
    let mut found = BTreeSet::new();
    for line in text.lines() {
        let (name, place) = match line.trim().split_once(" => ") {
            Some((name, place)) => (name, place),
            None => ("", line.trim()),
        };
        if place == "not found" {
            return Err(name.to_owned());
        }
        let path = place.split(" (").next().unwrap_or_default();
        // The first line names what the kernel brings along, without a path.
        if path.starts_with('/') {
            found.insert(PathBuf::from(path));
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_ldd_prints() {
        let text = "\tlinux-vdso.so.1 (0x00007ffd)\n\
                    \tlibc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x00007f19)\n\
                    \t/lib64/ld-linux-x86-64.so.2 (0x00007f20)\n";
        let expected = [
            "/lib/x86_64-linux-gnu/libc.so.6",
            "/lib64/ld-linux-x86-64.so.2",
        ];
        assert_eq!(read(text), Ok(expected.map(PathBuf::from).into()));
        assert_eq!(read("\tstatically linked\n"), Ok(BTreeSet::new()));
        let text = "\tlibx.so.1 => not found\n";
        assert_eq!(read(text), Err("libx.so.1".to_owned()));
    }

    #[test]
    fn busybox_has_none_and_a_shell_has_some() {
        assert_eq!(of(Path::new("/usr/bin/busybox")).unwrap(), BTreeSet::new());
        let libraries = of(Path::new("/bin/sh")).unwrap();
        assert!(libraries.iter().any(|path| path.ends_with("libc.so.6")));
        assert!(libraries.iter().all(|path| path.exists()));
    }
}
