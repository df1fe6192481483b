//! Runs `virsh`.

use std::process::{Output, Stdio};
use std::time::Duration;

use tokio::process::Command;

use super::advice;
use crate::hypervisor::HypervisorError;
use crate::hypervisor::program::Program;

pub(super) const VIRSH: Program = Program {
    name: "virsh",
    package: "libvirt-clients",
};

/// For everything but a migration. Ending a QEMU that does not want to takes libvirt 15 s.
const DEADLINE: Duration = Duration::from_secs(60);

/// What `virsh` says of the daemon, and not of what was asked.
const DAEMON_IS_GONE: [&str; 5] = [
    "failed to connect to the hypervisor",
    "Failed to connect socket",
    "End of file while reading data",
    "Cannot recv data",
    "client socket is closed",
];

/// Commands to one daemon about one domain.
#[derive(Clone, Debug)]
pub(super) struct Virsh {
    uri: String,
    domain: String,
}

impl Virsh {
    pub(super) fn new(uri: &str, domain: &str) -> Self {
        Self {
            uri: uri.to_owned(),
            domain: domain.to_owned(),
        }
    }

    /// Runs `virsh VERB --domain DOMAIN ARGUMENTS` and returns what it prints. `doing` completes
    /// "cannot ...".
    pub(super) async fn run(
        &self,
        doing: &str,
        verb: &str,
        arguments: &[&str],
    ) -> Result<String, HypervisorError> {
        self.finished(doing, self.command(verb, arguments)).await
    }

    /// The version of QEMU that the daemon runs, as `7.2.22`.
    pub(super) async fn hypervisor_version(&self) -> Result<String, HypervisorError> {
        let doing = "ask for the version of QEMU";
        let said = self.finished(doing, self.bare("version")).await?;
        said.lines()
            .find_map(|line| line.strip_prefix("Running hypervisor: QEMU "))
            .map(|version| version.trim().to_owned())
            .ok_or_else(|| HypervisorError::Failed {
                doing: doing.to_owned(),
                reason: format!("{} is no daemon of QEMU guests", self.uri),
            })
    }

    /// What the daemon says of itself and its host, as XML.
    pub(super) async fn capabilities(&self) -> Result<String, HypervisorError> {
        self.finished("ask whom QEMU runs as", self.bare("capabilities"))
            .await
    }

    async fn finished(&self, doing: &str, mut command: Command) -> Result<String, HypervisorError> {
        let output = VIRSH.finish(doing, &mut command, DEADLINE).await?;
        self.judge(doing, &output)
    }

    /// The command, to be run by the caller. It ends when its handle is dropped.
    pub(super) fn command(&self, verb: &str, arguments: &[&str]) -> Command {
        let mut command = self.bare(verb);
        command.arg("--domain").arg(&self.domain).args(arguments);
        command
    }

    fn bare(&self, verb: &str) -> Command {
        let mut command = Command::new(VIRSH.name);
        command
            .args(["--quiet", "--connect", &self.uri, verb])
            // What it says is read here.
            .env("LC_ALL", "C")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        command
    }

    /// What a command that has ended came to.
    pub(super) fn judge(&self, doing: &str, output: &Output) -> Result<String, HypervisorError> {
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        let said = String::from_utf8_lossy(&output.stderr);
        let reason = said
            .lines()
            .map(|line| line.strip_prefix("error: ").unwrap_or(line).trim())
            .filter(|line| !line.is_empty())
            .collect::<Vec<_>>()
            .join("; ");
        if DAEMON_IS_GONE.iter().any(|sign| reason.contains(sign)) {
            return Err(HypervisorError::Gone {
                guest: self.domain.clone(),
                reason: format!("{reason} (is libvirtd running, and is {} right?)", self.uri),
            });
        }
        if reason.contains("failed to get domain") {
            return Err(HypervisorError::Refused(format!(
                "libvirt at {} knows no domain {}: define it here, with `virsh define FILE`, by the \
                 definition that it has at the other site (`virsh dumpxml --inactive {}`) with the \
                 paths and bridges of this site",
                self.uri, self.domain, self.domain
            )));
        }
        let reason = match advice::on(&reason) {
            Some(advice) => format!("{reason} ({advice})"),
            None => reason,
        };
        Err(HypervisorError::Failed {
            doing: doing.to_owned(),
            reason,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt as _;
    use std::process::ExitStatus;

    use super::*;

    fn judged(status: i32, stderr: &str) -> Result<String, HypervisorError> {
        Virsh::new("qemu:///system", "vm1").judge(
            "ask",
            &Output {
                status: ExitStatus::from_raw(status << 8),
                stdout: b"said".to_vec(),
                stderr: stderr.as_bytes().to_vec(),
            },
        )
    }

    #[test]
    fn errors_are_told_apart() {
        assert_eq!(judged(0, "").unwrap(), "said");
        assert!(matches!(
            judged(
                1,
                "error: failed to connect to the hypervisor\nerror: Failed to connect socket"
            ),
            Err(HypervisorError::Gone { .. })
        ));
        assert!(matches!(
            judged(1, "error: failed to get domain 'vm1'\n"),
            Err(HypervisorError::Refused(_))
        ));
        assert_eq!(
            judged(1, "error: Timed out\n\nerror: really\n")
                .unwrap_err()
                .to_string(),
            "cannot ask: Timed out; really"
        );
    }
}
