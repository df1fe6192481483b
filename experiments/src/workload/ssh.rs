//! An OpenSSH session in which both ends write numbered lines.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::pace::Pacer;
use super::server::wait_until_listening;
use super::{Observed, Place, Session};
use crate::error::{Doing, LabError};
use crate::measure::flow::{Arrival, Flow, Unit};
use crate::measure::lines::{Growing, Line, Lines};
use crate::process::{self, Process, status_text};
use crate::topology::{Host, Party};

const INTERVAL: Duration = Duration::from_millis(50);
/// Where sshd wants an empty folder, which Debian's service makes as well.
const PRIVILEGE_SEPARATION: &str = "/run/sshd";
/// The program that answers.
pub(super) const SERVER: &str = "/usr/sbin/sshd";
/// What a guest puts before the lines that it sends back.
const ECHO: &str = "echo ";
/// sshd refuses root where the password is locked, as Debian's installer may leave it; the lab's
/// sshd sees this instead.
const SHADOW: &str = "root:*:20000:0:99999:7:::\nsshd:!:20000::::::\n";

/// A running session. Fields are dropped in their order, the client before the server.
pub(super) struct Ssh {
    typist: Pacer,
    client: Process,
    /// In a guest it starts and ends with the guest.
    server: Option<Process>,
    /// What the client prints: the lines of the remote command.
    printed: Lines,
    /// What the remote command reads: the lines of the client, and what says that no more will be
    /// received. A guest, whose clock is another one, sends them back instead.
    received: Option<(Lines, Arc<AtomicBool>)>,
    from: String,
    to: String,
}

impl Ssh {
    pub(super) fn start(place: &Place<'_>) -> Result<Self, LabError> {
        let seconds = INTERVAL.as_secs_f64();
        let count = format!("(n=0; while echo $n; do n=$((n+1)); sleep {seconds}; done)");
        let (server, received, command) = match place.to {
            Party::Host(host) => {
                let file = place.directory.join("received");
                let (growing, complete) = Growing::create(&file)?;
                let received = (Lines::read(growing, place.clock)?, complete);
                let command = format!("{count} & exec cat > '{}'", file.display());
                (Some(start_server(place, host)?), Some(received), command)
            }
            Party::Machine(_) => {
                let command = format!("{count} & while read -r n; do echo {ECHO}$n; done");
                (None, None, command)
            }
        };
        let mut client = start_client(place, &command)?;
        let printed = Lines::read(client.take_output()?, place.clock)?;
        let mut input = client.take_input()?;
        let typist = Pacer::punctual(INTERVAL, move |number| writeln!(input, "{number}").is_ok())?;
        Ok(Self {
            typist,
            client,
            server,
            printed,
            received,
            from: place.from.name().to_owned(),
            to: place.to.name().to_owned(),
        })
    }
}

impl Session for Ssh {
    fn is_established(&mut self) -> bool {
        let printed = self.printed.so_far();
        let received = self.received.as_ref().map(|(lines, _)| lines.so_far());
        let [there, back] = both_ways(&printed, received.as_deref());
        !there.is_empty() && !back.is_empty()
    }

    fn stop_sending(&mut self) {
        self.typist.stop();
    }

    fn finish(mut self: Box<Self>) -> Result<Observed, LabError> {
        let failure = self
            .client
            .ended()
            .map(|status| format!("ssh ended with {}", status_text(status)));
        self.client.stop();
        self.server = None;
        let received = self.received.map(|(lines, complete)| {
            complete.store(true, Ordering::Relaxed);
            lines.finish()
        });
        let [there, back] = both_ways(&self.printed.finish(), received.as_deref());
        let intact = is_contiguous(&there) && is_contiguous(&back);
        // What a guest sends back has gone both ways when it is seen.
        let sink = if received.is_some() {
            &self.to
        } else {
            &self.from
        };
        let flow = |from: &str, to: &str, sent, arrivals| Flow {
            from: from.to_owned(),
            to: to.to_owned(),
            unit: Unit::Records,
            sent,
            arrivals,
            complete: None,
        };
        Ok(Observed {
            flows: vec![
                flow(&self.from, sink, Some(self.typist.count()), there),
                flow(&self.to, &self.from, None, back),
            ],
            failure,
            intact: Some(intact),
        })
    }
}

/// The lines of the client and those of the remote command, out of what the client printed and
/// what the remote command received.
fn both_ways(printed: &[Line], received: Option<&[Line]>) -> [Vec<Arrival>; 2] {
    let there = match received {
        Some(lines) => arrivals(lines, ""),
        None => arrivals(printed, ECHO),
    };
    [there, arrivals(printed, "")]
}

/// The numbers in lines that begin with a prefix.
fn arrivals(lines: &[Line], prefix: &str) -> Vec<Arrival> {
    let number = |line: &Line| {
        let number = line.text.strip_prefix(prefix)?.parse().ok()?;
        Some(Arrival::new(line.at, number))
    };
    lines.iter().filter_map(number).collect()
}

/// Whether the lines count 0, 1, 2 and so on.
fn is_contiguous(arrivals: &[Arrival]) -> bool {
    (0u64..)
        .zip(arrivals)
        .all(|(expected, arrival)| arrival.number == expected)
}

/// Makes the keys of the server and of the user.
pub(super) fn make_keys(directory: &Path) -> Result<(), LabError> {
    let mut keys = ["host_key", "user_key"].into_iter();
    keys.try_for_each(|key| {
        let mut command = Command::new("ssh-keygen");
        command.args(["-q", "-t", "ed25519", "-N", "", "-C", "ilnp-lab", "-f"]);
        process::run(command.arg(directory.join(key)), "").map(drop)
    })
}

/// The configuration of a server whose keys are in a folder.
pub(super) fn server_configuration(port: u16, directory: &str) -> String {
    format!(
        "Port {port}\nAddressFamily inet6\nHostKey {directory}/host_key\n\
         AuthorizedKeysFile {directory}/user_key.pub\nStrictModes no\nUsePAM no\n\
         PermitRootLogin prohibit-password\nUseDNS no\nPidFile none\n"
    )
}

fn start_server(place: &Place<'_>, host: &Host) -> Result<Process, LabError> {
    std::fs::create_dir_all(PRIVILEGE_SEPARATION)
        .doing(|| format!("make {PRIVILEGE_SEPARATION}"))?;
    make_keys(&place.directory)?;
    let write = |name: &str, text: &str| {
        let file = place.directory.join(name);
        std::fs::write(&file, text).doing(|| format!("write {}", file.display()))?;
        Ok::<PathBuf, LabError>(file)
    };
    let shadow = write("shadow", SHADOW)?;
    let directory = place.directory.display().to_string();
    let text = server_configuration(place.port, &directory);
    let configuration = write("sshd_config", &text)?;
    // A program run in a namespace by `ip` has mounts of its own.
    let mut command = host.command("sh");
    command.args([
        "-c",
        "mount --bind \"$1\" /etc/shadow && exec \"$2\" -D -e -f \"$3\"",
    ]);
    command.arg("sh").arg(shadow).arg(SERVER).arg(configuration);
    command.stdin(Stdio::null()).stdout(Stdio::null());
    let mut server = Process::start_with_output("sshd", &mut command, &place.log)?;
    wait_until_listening(host, place.port, &mut server)?;
    Ok(server)
}

fn start_client(place: &Place<'_>, remote: &str) -> Result<Process, LabError> {
    let mut command = place.from.command("ssh");
    command.args([
        "-F",
        "none",
        "-T",
        "-o",
        "BatchMode=yes",
        "-o",
        "IdentitiesOnly=yes",
    ]);
    command.args([
        "-o",
        "StrictHostKeyChecking=no",
        "-o",
        "UserKnownHostsFile=/dev/null",
    ]);
    command.args(["-o", "LogLevel=ERROR", "-p", &place.port.to_string(), "-i"]);
    command.arg(place.directory.join("user_key"));
    command.arg(format!("root@{}", place.target));
    command.arg(remote);
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    Process::start_with_output("ssh", &mut command, &place.log)
}
