//! PostgreSQL, as Debian packages it, and a database of its own in a guest's image.

use std::fs;
use std::io::Write;
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::error::{Doing, LabError};
use crate::guest::Image;
use crate::process;

/// Where Debian keeps PostgreSQL: programs and, below the same number, what they read.
const PROGRAMS: &str = "/usr/lib/postgresql";
const SHARED: &str = "/usr/share/postgresql";

/// The user whose rights the programs have on this machine: PostgreSQL does not run as root.
const NOBODY: u32 = 65_534;
/// The user that the server has in a guest.
const USER: &str = "postgres";

/// The table with a row for every request; nobody does the same twice.
const TABLE: &str = "CREATE TABLE request (id bigserial PRIMARY KEY, person integer NOT NULL, \
                     number integer NOT NULL, UNIQUE (person, number));\n";

/// A release of PostgreSQL that is installed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Release {
    number: u32,
}

impl Release {
    /// Finds the newest release that has a server.
    ///
    /// # Errors
    /// [`LabError::Missing`] when there is none.
    pub(super) fn find() -> Result<Self, LabError> {
        let folders = fs::read_dir(PROGRAMS).into_iter().flatten().flatten();
        let numbers = folders.filter_map(|folder| folder.file_name().to_str()?.parse().ok());
        let releases = numbers.map(|number| Self { number });
        let complete = |one: &Self| ["postgres", "initdb", "psql"].map(|name| one.program(name));
        releases
            .filter(|one| complete(one).iter().all(|path| path.is_file()))
            .max_by_key(|one| one.number)
            .ok_or_else(|| LabError::Missing {
                program: USER.to_owned(),
                package: "postgresql".to_owned(),
            })
    }

    /// A program of it.
    pub(super) fn program(&self, name: &str) -> PathBuf {
        Path::new(PROGRAMS)
            .join(self.number.to_string())
            .join("bin")
            .join(name)
    }

    /// A program of it, as it is to run on this machine.
    fn command(&self, name: &str) -> Command {
        let mut command = Command::new(self.program(name));
        command.uid(NOBODY).gid(NOBODY).env("LC_ALL", "C");
        command
    }
}

/// Adds a server with an empty database to an image, and returns the line of a shell that runs it.
/// `directory` is for the database while it is made, `inside` a folder in the guest.
///
/// # Errors
/// [`LabError`] with what PostgreSQL says, or when a file is missing.
pub(super) fn add(
    image: &mut Image,
    directory: &Path,
    inside: &str,
    port: u16,
) -> Result<String, LabError> {
    let release = Release::find()?;
    let cluster = make_cluster(&release, directory, port)?;
    let data = format!("{inside}/data");
    add_folder(image, &cluster, &data)?;
    let server = release.program("postgres").display().to_string();
    image.program(Path::new(&server), &server)?;
    // It does not start without the place for its extensions, and without what the abbreviations of
    // time zones mean.
    image.folder(&format!("{PROGRAMS}/{}/lib", release.number))?;
    let zones = format!("{SHARED}/{}/timezonesets/Default", release.number);
    image.file(&zones, 0o644, &read(Path::new(&zones))?)?;
    Ok(format!(
        "chown -R {USER} {data}\nchmod 700 {data}\nsu -s /bin/sh {USER} -c 'exec {server} -D {data}'"
    ))
}

/// Makes a database with the table for requests.
fn make_cluster(release: &Release, directory: &Path, port: u16) -> Result<PathBuf, LabError> {
    chown(directory, Some(NOBODY), Some(NOBODY))
        .doing(|| format!("give {} away", directory.display()))?;
    let cluster = directory.join("data");
    let mut initialise = release.command("initdb");
    initialise.args(["--username", USER, "--auth=trust", "--no-sync"]);
    initialise.args(["--encoding=UTF8", "--locale=C", "--wal-segsize=1"]);
    process::run(initialise.arg("--pgdata").arg(&cluster), "")?;
    append(&cluster.join("postgresql.conf"), &configuration(port))?;
    append(&cluster.join("pg_hba.conf"), "host all all ::/0 trust\n")?;
    let mut server = release.command("postgres");
    server.args(["--single", "-D"]).arg(&cluster).arg(USER);
    process::run(&mut server, TABLE)?;
    Ok(cluster)
}

/// What differs from PostgreSQL's defaults: a guest is small, and has neither time zones nor the
/// folder for local sockets.
fn configuration(port: u16) -> String {
    format!(
        "listen_addresses = '::'\nport = {port}\nunix_socket_directories = ''\n\
         timezone = 'GMT'\nlog_timezone = 'GMT'\n\
         shared_buffers = 16MB\ndynamic_shared_memory_type = mmap\n"
    )
}

fn append(file: &Path, text: &str) -> Result<(), LabError> {
    let opened = fs::File::options().append(true).open(file);
    opened
        .and_then(|mut opened| opened.write_all(text.as_bytes()))
        .doing(|| format!("write {}", file.display()))
}

/// Adds a folder and what is in it.
fn add_folder(image: &mut Image, folder: &Path, target: &str) -> Result<(), LabError> {
    image.folder(target)?;
    let what = || format!("read {}", folder.display());
    for entry in fs::read_dir(folder).doing(what)? {
        let entry = entry.doing(what)?;
        let target = format!("{target}/{}", entry.file_name().to_string_lossy());
        if entry.file_type().doing(what)?.is_dir() {
            add_folder(image, &entry.path(), &target)?;
        } else {
            image.file(&target, 0o600, &read(&entry.path())?)?;
        }
    }
    Ok(())
}

fn read(file: &Path) -> Result<Vec<u8>, LabError> {
    fs::read(file).doing(|| format!("read {}", file.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_database_has_the_table_for_requests() {
        let folder = tempfile::tempdir().unwrap();
        let release = Release::find().unwrap();
        let cluster = make_cluster(&release, folder.path(), 20_000).unwrap();
        let row = "INSERT INTO request (person, number) VALUES (1, 2) RETURNING id;\n";
        let mut server = release.command("postgres");
        server.args(["--single", "-D"]).arg(&cluster).arg(USER);
        let said = process::run(&mut server, &format!("{row}{row}")).unwrap();
        let output = String::from_utf8_lossy(&said.stdout);
        assert!(output.contains("id = \"1\""), "{output}");
        let errors = String::from_utf8_lossy(&said.stderr);
        assert!(errors.contains("duplicate key value"), "{errors}");
    }
}
