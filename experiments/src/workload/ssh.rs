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

const INTERVAL: Duration = Duration::from_millis(50);
/// Where sshd wants an empty folder, which Debian's service makes as well.
const PRIVILEGE_SEPARATION: &str = "/run/sshd";
/// sshd refuses root where the password is locked, as Debian's installer may leave it; the lab's
/// sshd sees this instead.
const SHADOW: &str = "root:*:20000:0:99999:7:::\nsshd:!:20000::::::\n";

/// A running session. Fields are dropped in their order, the client before the server.
pub(super) struct Ssh {
    typist: Pacer,
    client: Process,
    server: Process,
    /// What the client prints: the lines of the remote command.
    printed: Lines,
    /// What the remote command reads: the lines of the client.
    received: Lines,
    /// Says that no more will be received.
    received_all: Arc<AtomicBool>,
    from: String,
    to: String,
}

impl Ssh {
    pub(super) fn start(place: &Place<'_>) -> Result<Self, LabError> {
        let server = start_server(place)?;
        let file = place.directory.join("received");
        let (growing, received_all) = Growing::create(&file)?;
        let mut client = start_client(place, &file)?;
        let printed = Lines::read(client.take_output()?, place.clock)?;
        let received = Lines::read(growing, place.clock)?;
        let mut input = client.take_input()?;
        let typist = Pacer::start(INTERVAL, move |number| writeln!(input, "{number}").is_ok())?;
        Ok(Self {
            typist,
            client,
            server,
            printed,
            received,
            received_all,
            from: place.from.name().to_owned(),
            to: place.to.name().to_owned(),
        })
    }
}

impl Session for Ssh {
    fn is_established(&mut self) -> bool {
        !arrivals(&self.printed.so_far()).is_empty()
            && !arrivals(&self.received.so_far()).is_empty()
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
        self.server.stop();
        self.received_all.store(true, Ordering::Relaxed);
        let flow = |from: &str, to: &str, sent, lines: &[Line]| Flow {
            from: from.to_owned(),
            to: to.to_owned(),
            unit: Unit::Records,
            sent,
            arrivals: arrivals(lines),
            complete: None,
        };
        let (received, printed) = (self.received.finish(), self.printed.finish());
        Ok(Observed {
            flows: vec![
                flow(&self.from, &self.to, Some(self.typist.count()), &received),
                flow(&self.to, &self.from, None, &printed),
            ],
            failure,
            intact: Some(is_contiguous(&received) && is_contiguous(&printed)),
        })
    }
}

fn arrivals(lines: &[Line]) -> Vec<Arrival> {
    let number = |line: &Line| {
        let number = line.text.parse().ok()?;
        Some(Arrival::new(line.at, number))
    };
    lines.iter().filter_map(number).collect()
}

/// Whether the lines count 0, 1, 2 and so on.
fn is_contiguous(lines: &[Line]) -> bool {
    (0u64..)
        .zip(arrivals(lines))
        .all(|(expected, arrival)| arrival.number == expected)
}

fn start_server(place: &Place<'_>) -> Result<Process, LabError> {
    std::fs::create_dir_all(PRIVILEGE_SEPARATION)
        .doing(|| format!("make {PRIVILEGE_SEPARATION}"))?;
    for key in ["host_key", "user_key"] {
        make_key(&place.directory.join(key))?;
    }
    let directory = place.directory.display();
    let write = |name: &str, text: &str| {
        let file = place.directory.join(name);
        std::fs::write(&file, text).doing(|| format!("write {}", file.display()))?;
        Ok::<PathBuf, LabError>(file)
    };
    let shadow = write("shadow", SHADOW)?;
    let configuration = write(
        "sshd_config",
        &format!(
            "Port {}\nAddressFamily inet6\nHostKey {directory}/host_key\n\
             AuthorizedKeysFile {directory}/user_key.pub\nStrictModes no\nUsePAM no\n\
             PermitRootLogin prohibit-password\nUseDNS no\nPidFile none\n",
            place.port
        ),
    )?;
    // A program run in a namespace by `ip` has mounts of its own.
    let mut command = place.to.command("sh");
    command.args([
        "-c",
        "mount --bind \"$1\" /etc/shadow && exec /usr/sbin/sshd -D -e -f \"$2\"",
    ]);
    command.arg("sh").arg(shadow).arg(configuration);
    command.stdin(Stdio::null()).stdout(Stdio::null());
    let mut server = Process::start("sshd", &mut command, &place.log)?;
    wait_until_listening(place.to, place.port, &mut server)?;
    Ok(server)
}

fn make_key(file: &Path) -> Result<(), LabError> {
    let mut command = Command::new("ssh-keygen");
    command.args(["-q", "-t", "ed25519", "-N", "", "-C", "ilnp-lab", "-f"]);
    process::run(command.arg(file), "").map(drop)
}

fn start_client(place: &Place<'_>, received: &Path) -> Result<Process, LabError> {
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
    let seconds = INTERVAL.as_secs_f64();
    command.arg(format!(
        "(n=0; while echo $n; do n=$((n+1)); sleep {seconds}; done) & exec cat > '{}'",
        received.display()
    ));
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    Process::start("ssh", &mut command, &place.log)
}
