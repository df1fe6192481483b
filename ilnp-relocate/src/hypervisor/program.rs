//! Programs that are run to their end for what a hypervisor cannot be asked for.

use std::process::{Output, Stdio};
use std::time::Duration;

use tokio::process::Command;
use tokio::time::timeout;

use super::HypervisorError;

/// How long `qemu-img` may take for what concerns the head of an image only.
const HEAD: Duration = Duration::from_secs(30);

/// A program, and the package that Debian has it in.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Program {
    pub(crate) name: &'static str,
    pub(crate) package: &'static str,
}

const QEMU_IMG: Program = Program {
    name: "qemu-img",
    package: "qemu-utils",
};

impl Program {
    /// Runs a command of this program to its end, whatever that is; not for longer than `deadline`.
    /// `doing` completes "cannot ...".
    ///
    /// # Errors
    /// When it does not start, or does not end.
    pub(crate) async fn finish(
        self,
        doing: &str,
        command: &mut Command,
        deadline: Duration,
    ) -> Result<Output, HypervisorError> {
        command.stdin(Stdio::null()).kill_on_drop(true);
        match timeout(deadline, command.output()).await {
            Ok(output) => output.map_err(|error| self.not_started(doing, &error)),
            Err(_) => Err(HypervisorError::TimedOut {
                doing: doing.to_owned(),
                seconds: deadline.as_secs(),
            }),
        }
    }

    /// It cannot be run at all.
    pub(crate) fn not_started(self, doing: &str, error: &std::io::Error) -> HypervisorError {
        let Self { name, package } = self;
        HypervisorError::Failed {
            doing: doing.to_owned(),
            reason: format!("{name} does not start: {error} (Debian has it in {package})"),
        }
    }
}

/// Runs `qemu-img` with the arguments that are given to it here, and returns what it prints.
///
/// # Errors
/// As [`Program::finish`], and what `qemu-img` says when it fails.
pub(crate) async fn qemu_img(
    doing: &str,
    arguments: impl FnOnce(&mut Command),
) -> Result<Vec<u8>, HypervisorError> {
    let mut command = Command::new(QEMU_IMG.name);
    arguments(&mut command);
    let output = QEMU_IMG.finish(doing, &mut command, HEAD).await?;
    if output.status.success() {
        return Ok(output.stdout);
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(HypervisorError::Failed {
        doing: doing.to_owned(),
        reason: said.trim().replace('\n', "; "),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_program_that_does_not_start_or_does_not_end_is_told() {
        let none = Program {
            name: "no-such-program",
            package: "no-such-package",
        };
        let mut command = Command::new(none.name);
        let missing = none.finish("look", &mut command, HEAD).await.unwrap_err();
        let told = missing.to_string();
        assert!(told.contains("no-such-program does not start"), "{told}");
        assert!(told.contains("no-such-package"), "{told}");
        let mut command = Command::new("sleep");
        let slow = none.finish("wait", command.arg("60"), Duration::from_millis(50));
        let slow = slow.await.unwrap_err();
        assert!(matches!(slow, HypervisorError::TimedOut { .. }), "{slow}");
    }
}
