//! tcpdump on an interface of a host.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::error::LabError;
use crate::process::Process;
use crate::topology::{Host, Namespace};

/// Enough of each packet for its headers and a Locator Update.
const SNAPSHOT: &str = "256";
const START: Duration = Duration::from_secs(5);
/// On a busy machine packets wait for tcpdump, which drops them when it is ended.
const SETTLE: Duration = Duration::from_millis(200);

/// A running capture. It ends, with its file complete, when this is dropped.
#[derive(Debug)]
pub struct Capture {
    process: Process,
    file: PathBuf,
}

impl Capture {
    /// Starts to capture on an interface, into `HOST-INTERFACE.pcap`, and returns when packets are
    /// seen.
    ///
    /// # Errors
    /// [`LabError::Failed`] when tcpdump ends, as it does when there is no such interface.
    pub fn start(host: &Host, interface: &str, out: &Path) -> Result<Self, LabError> {
        let file = out.join(format!("{}-{interface}.pcap", host.name()));
        Self::to_file(host.namespace(), interface, file)
    }

    /// Starts to capture on an interface of a namespace, and returns when packets are seen.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub fn to_file(
        namespace: &Namespace,
        interface: &str,
        file: PathBuf,
    ) -> Result<Self, LabError> {
        let log = file.with_extension("tcpdump.log");
        let mut command = namespace.command("tcpdump");
        command.args([
            "-i", interface, "-n", "-p", "-U", "-s", SNAPSHOT, "-Z", "root",
        ]);
        command.args(["--immediate-mode", "--time-stamp-precision=nano", "-w"]);
        command.arg(&file).stdout(Stdio::null());
        // What an earlier capture said is not what this one says.
        let _ = std::fs::remove_file(&log);
        let name = file.display();
        let mut process =
            Process::start_with_output(&format!("tcpdump for {name}"), &mut command, &log)?;
        let end = Instant::now() + START;
        while !said_listening(&log) {
            if process.ended().is_some() || Instant::now() > end {
                return Err(LabError::Failed {
                    command: process.name().to_owned(),
                    status: "no capture".to_owned(),
                    output: std::fs::read_to_string(&log).unwrap_or_default(),
                });
            }
            sleep(Duration::from_millis(5));
        }
        Ok(Self { process, file })
    }

    /// Ends the capture and returns its file, when tcpdump had time to write what it saw.
    pub fn finish(mut self) -> PathBuf {
        sleep(SETTLE);
        self.process.stop();
        self.file.clone()
    }
}

/// tcpdump says so once its socket is open.
fn said_listening(log: &Path) -> bool {
    std::fs::read_to_string(log).is_ok_and(|text| text.contains("listening on"))
}
