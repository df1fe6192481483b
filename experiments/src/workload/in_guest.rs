//! The servers of workloads that a virtual machine answers: they are in its image, and start with
//! it.

use std::fmt::Write;
use std::net::Ipv6Addr;
use std::path::Path;

use super::{curl, port, probe, query, session_name, ssh};
use crate::error::{Doing, LabError};
use crate::guest::Image;
use crate::scenario::{Program, Workload};

/// The far end of probes, and the application of queries, in a guest.
pub(super) const PROBE_END: &str = "/usr/bin/ilnp-lab-end";

/// What the servers in a guest are made with.
pub(crate) struct Furniture<'a, R> {
    /// The guest's name.
    pub(crate) guest: &'a str,
    /// The address by which the guest reaches another host.
    pub(crate) reach: R,
    /// The folder with the folders of sessions.
    pub(crate) sessions: &'a Path,
    /// The program that answers probes and is the application of queries.
    pub(crate) probe_end: &'a Path,
    /// What chance in files derives from.
    pub(crate) seed: u64,
}

/// Adds the server of a workload to an image, and returns the lines of a shell that start it. What
/// the client needs of it is left in the session's folder.
pub(crate) fn add(
    image: &mut Image,
    workload: &Workload,
    index: u16,
    furniture: &Furniture<'_, impl Fn(&str) -> Option<Ipv6Addr>>,
) -> Result<String, LabError> {
    let Furniture {
        sessions,
        probe_end,
        seed,
        ..
    } = *furniture;
    let name = session_name(workload, index);
    let directory = sessions.join(&name);
    std::fs::create_dir_all(&directory).doing(|| format!("make {}", directory.display()))?;
    let (port, inside) = (port(index), format!("/lab/{name}"));
    let mut add = |name: &str, mode: u32, content: &[u8]| {
        image.file(&format!("{inside}/{name}"), mode, content)
    };
    match workload.program {
        Program::Ssh => {
            ssh::make_keys(&directory)?;
            for key in ["host_key", "user_key.pub"] {
                let file = directory.join(key);
                let content = std::fs::read(&file).doing(|| format!("read {}", file.display()))?;
                add(key, 0o600, &content)?;
            }
            let text = ssh::server_configuration(port, &inside);
            add("sshd_config", 0o600, text.as_bytes())?;
            image.program(Path::new(ssh::SERVER), ssh::SERVER)?;
            let command = format!("{} -D -e -f {inside}/sshd_config", ssh::SERVER);
            Ok(start(&command, port))
        }
        Program::Curl => {
            let (size, speed) = (workload.size.unwrap_or(1), workload.speed.unwrap_or(1));
            let file = directory.join(curl::FILE);
            curl::make_file(&file, size, seed).doing(|| format!("write {}", file.display()))?;
            let content = std::fs::read(&file).doing(|| format!("read {}", file.display()))?;
            add(curl::FILE, 0o644, &content)?;
            let text = curl::server_configuration(port, speed, &inside);
            add("nginx.conf", 0o644, text.as_bytes())?;
            image.program(Path::new(curl::SERVER), curl::SERVER)?;
            let command = format!("{} -e stderr -c {inside}/nginx.conf", curl::SERVER);
            Ok(start(&command, port))
        }
        // The kernel answers.
        Program::Ping => Ok(String::new()),
        Program::Udp | Program::Tcp => {
            let settings = probe::Settings::of(workload);
            let mut own = format!("--length {}", settings.length);
            if settings.inward() {
                let _ = write!(own, " --interval {}", settings.interval.as_micros());
            }
            image.program(probe_end, PROBE_END)?;
            let over = workload.program.name();
            let command = format!("{PROBE_END} {over} {port} {own}");
            if settings.over_tcp {
                return Ok(start(&command, port));
            }
            Ok(format!("{command} >/dev/console 2>&1 &\n"))
        }
        Program::Query => {
            let place = query::TierPlace {
                guest: furniture.guest,
                port,
                directory: &directory,
                inside: &inside,
                application: (probe_end, PROBE_END),
            };
            let command = query::add_tier(image, workload, &place, &furniture.reach)?;
            Ok(start(&command, port))
        }
        Program::Iperf3 => Err(LabError::Misuse("iperf3 has no end in a guest".to_owned())),
    }
}

/// Adds what a guest needs to start sessions of its own.
pub(crate) fn add_near_end(image: &mut Image, probe_end: &Path) -> Result<(), LabError> {
    image.program(probe_end, PROBE_END)
}

/// Lines that start a server and wait until it listens, up to a minute.
fn start(command: &str, port: u16) -> String {
    format!("{command} >/dev/console 2>&1 &\nawait_port {port}\n")
}
