//! curl downloads a file from nginx.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rand::rngs::Xoshiro256PlusPlus;
use rand::{Rng, SeedableRng};

use super::pace::Pacer;
use super::server::wait_until_listening;
use super::{Observed, Place, Session};
use crate::error::{Doing, LabError};
use crate::measure::flow::{Arrival, Flow, Unit};
use crate::process::{Process, status_text};
use crate::topology::{Host, Party};

/// How often the size of the copy is looked at.
const SAMPLE: Duration = Duration::from_millis(5);

/// The program that answers.
pub(super) const SERVER: &str = "/usr/sbin/nginx";
/// What is downloaded.
pub(super) const FILE: &str = "file";

/// How many octets nginx sends at once.
const PIECE: u32 = 16_384;

/// A running download. Fields are dropped in their order, the client before the server.
pub(super) struct Curl {
    sampler: Pacer,
    client: Process,
    /// In a guest it starts and ends with the guest.
    server: Option<Process>,
    arrivals: Arc<Mutex<Vec<Arrival>>>,
    original: PathBuf,
    copy: PathBuf,
    size: u64,
    from: String,
    to: String,
}

impl Curl {
    pub(super) fn start(place: &Place<'_>, size: u64, speed: u64) -> Result<Self, LabError> {
        let (original, copy) = (place.directory.join(FILE), place.directory.join("copy"));
        let server = match place.to {
            Party::Host(host) => {
                make_file(&original, size, place.seed)
                    .doing(|| format!("write {}", original.display()))?;
                Some(start_server(place, host, speed)?)
            }
            Party::Machine(_) => None,
        };
        let mut command = place.from.command("curl");
        command.args(["--silent", "--show-error", "--no-buffer", "--output"]);
        command.arg(&copy);
        command.arg(format!("http://{}:{}/{FILE}", place.url_host(), place.port));
        command.stdin(Stdio::null()).stdout(Stdio::null());
        let client = Process::start_with_output("curl", &mut command, &place.log)?;
        let arrivals = Arc::new(Mutex::new(vec![]));
        let sampler = sample(&copy, Arc::clone(&arrivals), place)?;
        Ok(Self {
            sampler,
            client,
            server,
            arrivals,
            original,
            copy,
            size,
            from: place.from.name().to_owned(),
            to: place.to.name().to_owned(),
        })
    }
}

impl Session for Curl {
    fn is_established(&mut self) -> bool {
        let arrivals = self.arrivals.lock();
        !arrivals.unwrap_or_else(PoisonError::into_inner).is_empty()
    }

    fn stop_sending(&mut self) {
        // The server sends until the file is complete or the session ends.
    }

    fn finish(mut self: Box<Self>) -> Result<Observed, LabError> {
        self.sampler.stop();
        let status = self.client.ended();
        self.client.stop();
        self.server = None;
        let failed = status.filter(|status| !status.success());
        let failure = failed.map(|status| format!("curl ended with {}", status_text(status)));
        let arrivals = self.arrivals.lock();
        let arrivals = arrivals.unwrap_or_else(PoisonError::into_inner).clone();
        let complete = arrivals
            .last()
            .filter(|last| last.number == self.size)
            .map(|last| last.at);
        Ok(Observed {
            flows: vec![Flow {
                from: self.to.clone(),
                to: self.from.clone(),
                unit: Unit::Octets,
                sent: Some(self.size),
                arrivals,
                complete,
            }],
            failure,
            intact: Some(is_same_so_far(&self.original, &self.copy, self.size)?),
        })
    }
}

/// Writes a file of random octets.
pub(crate) fn make_file(file: &Path, size: u64, seed: u64) -> std::io::Result<()> {
    let mut random = Xoshiro256PlusPlus::seed_from_u64(seed);
    let mut writer = BufWriter::new(File::create(file)?);
    let mut block = [0u8; 8192];
    let mut left = size;
    while left > 0 {
        random.fill_bytes(&mut block);
        let length = left.min(block.len() as u64);
        writer.write_all(&block[..usize::try_from(length).unwrap_or(block.len())])?;
        left -= length;
    }
    writer.flush()
}

fn sample(
    copy: &Path,
    arrivals: Arc<Mutex<Vec<Arrival>>>,
    place: &Place<'_>,
) -> Result<Pacer, LabError> {
    let (copy, clock) = (copy.to_owned(), place.clock);
    Pacer::punctual(SAMPLE, move |_| {
        let number = std::fs::metadata(&copy).map_or(0, |data| data.len());
        let mut arrivals = arrivals.lock().unwrap_or_else(PoisonError::into_inner);
        if number
            > arrivals
                .last()
                .map_or(0, |arrival: &Arrival| arrival.number)
        {
            arrivals.push(Arrival::new(clock.now(), number));
        }
        true
    })
}

/// Compares what was copied with the original, as far as it was copied.
fn is_same_so_far(original: &Path, copy: &Path, size: u64) -> Result<bool, LabError> {
    let copied = std::fs::metadata(copy).map_or(0, |data| data.len());
    let mut command = Command::new("cmp");
    command.args(["--quiet", "--bytes", &copied.to_string()]);
    command.arg(original).arg(copy);
    let same = command.status().doing(|| "start cmp".to_owned())?.success();
    Ok(same && copied <= size)
}

/// The configuration of an nginx that sends what is in a folder, at the given speed in small pieces,
/// so that no large buffer hides that a session is dead.
pub(super) fn server_configuration(port: u16, speed: u64, directory: &str) -> String {
    let temporary = temporary_folders(directory);
    format!(
        "daemon off;\nuser root root;\nworker_processes 1;\npid {directory}/nginx.pid;\n\
         error_log stderr warn;\nevents {{ }}\n\
         http {{\n\taccess_log off;\n\tsendfile on;\n{temporary}\
         \tlimit_rate {speed};\n\tsendfile_max_chunk {PIECE};\n\
         \tserver {{ listen [::]:{port}; root {directory}; }}\n}}\n"
    )
}

/// Lines that keep what an nginx puts down for a while in a folder.
pub(super) fn temporary_folders(directory: &str) -> String {
    let line = |name| match name {
        "body" => format!("\tclient_body_temp_path {directory}/body;\n"),
        _ => format!("\t{name}_temp_path {directory}/{name};\n"),
    };
    ["body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(line)
        .concat()
}

fn start_server(place: &Place<'_>, host: &Host, speed: u64) -> Result<Process, LabError> {
    let file = place.directory.join("nginx.conf");
    let directory = place.directory.display().to_string();
    let text = server_configuration(place.port, speed, &directory);
    std::fs::write(&file, text).doing(|| format!("write {}", file.display()))?;
    let mut command = host.command(SERVER);
    command.arg("-e").arg("stderr").arg("-c").arg(&file);
    command.stdin(Stdio::null());
    let mut server = Process::start("nginx", &mut command, &place.log)?;
    wait_until_listening(host, place.port, &mut server)?;
    Ok(server)
}
