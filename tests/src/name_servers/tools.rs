//! The programs that people ask and update servers with.

use std::io::Write as _;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{bail, ensure};
use experiments::process;

use super::NameServer;
use crate::session::{self, LONGEST};

/// What `dig` prints about a question of one server, for example `["vm1.example.org", "L64",
/// "+short"]`.
///
/// # Errors
/// When `dig` fails: there is no answer within two seconds.
pub fn dig(server: &NameServer, arguments: &[&str]) -> anyhow::Result<String> {
    let mut command = server.beside("dig");
    command
        .arg(format!("@{}", server.address().ip()))
        .arg("-p")
        .arg(server.address().port().to_string())
        .args(["+time=2", "+tries=1", "+noidnin", "+noidnout"])
        .args(arguments);
    session::output(&mut command)
}

/// Sends what `nsupdate` is told, without `server` and `send`. The key's name, or nothing for an
/// unsigned update.
///
/// # Errors
/// With what `nsupdate` says, when the update is not answered with NOERROR.
pub fn nsupdate(server: &NameServer, key: Option<&str>, lines: &str) -> anyhow::Result<()> {
    let mut command = server.beside("nsupdate");
    command.args(["-t", "5"]);
    if let Some(key) = key {
        command.arg("-k").arg(server.key_file(key));
    }
    feed(server, lines, &mut command)
}

/// As [`nsupdate`], by Knot's `knsupdate`.
///
/// # Errors
/// With what `knsupdate` says, when the update is not answered with NOERROR.
pub fn knsupdate(server: &NameServer, key: Option<&str>, lines: &str) -> anyhow::Result<()> {
    let mut command = server.beside("knsupdate");
    command.args(["-t", "5"]);
    if let Some(key) = key {
        // Its key files are in a form of their own.
        let key = server.key(key);
        let (name, algorithm, secret) = (&key.name, &key.algorithm, &key.secret);
        command
            .arg("-y")
            .arg(format!("{algorithm}:{name}:{secret}"));
    }
    feed(server, lines, &mut command)
}

fn feed(server: &NameServer, lines: &str, command: &mut Command) -> anyhow::Result<()> {
    let (ip, port) = (server.address().ip(), server.address().port());
    let mut script = tempfile::NamedTempFile::new()?;
    write!(script, "server {ip} {port}\n{lines}\nsend\n")?;
    let output = process::output(command.arg(script.path()), "", LONGEST)?;
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    ensure!(
        output.status.success() && said.trim().is_empty(),
        "{}",
        said.trim()
    );
    Ok(())
}

/// Asks until the answer, as `dig +short` prints it, is the wanted one; lines in any order.
///
/// # Errors
/// With the last answer, when it does not become so within `limit`.
pub fn await_answer(
    server: &NameServer,
    name: &str,
    rtype: &str,
    wanted: &[&str],
    limit: Duration,
) -> anyhow::Result<()> {
    let mut wanted = wanted.to_vec();
    wanted.sort_unstable();
    let end = Instant::now() + limit;
    loop {
        let said = dig(server, &[name, rtype, "+short"])?;
        let mut lines: Vec<&str> = said.lines().collect();
        lines.sort_unstable();
        if lines == wanted {
            return Ok(());
        }
        if Instant::now() > end {
            let software = server.software();
            bail!("{software:?} says {name} {rtype} is {lines:?}, not {wanted:?}");
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}
