//! A server that runs.

use std::fs;
use std::io::ErrorKind;
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use experiments::process::Process;
use nix::sys::signal::Signal;
use tempfile::TempDir;

use super::{Key, Role, Setup, Software};

/// A busy machine reads a large zone in this time.
const START: Duration = Duration::from_secs(30);
const ANSWER: Duration = Duration::from_millis(50);
/// SOA, class IN.
const QUESTION: [u8; 4] = [0, 6, 0, 1];

/// A name server; it is stopped, and what it wrote is removed, when this is dropped.
#[derive(Debug)]
pub struct NameServer {
    software: Software,
    address: SocketAddr,
    process: Process,
    command: Command,
    /// The zones that it must answer for before it is ready.
    primary_of: Vec<String>,
    /// The name of the namespace that it runs in.
    namespace: Option<String>,
    keys: Vec<Key>,
    directory: TempDir,
}

impl NameServer {
    pub(super) fn start(software: Software, setup: &Setup<'_>) -> anyhow::Result<Self> {
        let directory = match &setup.within {
            Some(place) => tempfile::tempdir_in(place)?,
            None => tempfile::tempdir()?,
        };
        let program = software.prepare(setup, directory.path())?;
        for key in &setup.keys {
            key.write(directory.path())?;
        }
        let mut command = surround(&program, setup);
        command.current_dir(directory.path());
        let primary_of = setup.zones.iter();
        let primary_of = primary_of.filter(|zone| matches!(zone.role, Role::Primary { .. }));
        let mut server = Self {
            software,
            address: setup.address,
            process: run(software, &mut command, directory.path())?,
            command,
            primary_of: primary_of.map(|zone| zone.name.clone()).collect(),
            namespace: setup.namespace.map(|place| place.name().to_owned()),
            keys: setup.keys.clone(),
            directory,
        };
        match setup.namespace {
            Some(namespace) => namespace.inside(|| server.await_answers())??,
            None => server.await_answers()?,
        }
        Ok(server)
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What it is.
    pub fn software(&self) -> Software {
        self.software
    }

    /// Its process number.
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// Where its configuration and everything that it writes is.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// One of its keys.
    ///
    /// # Panics
    /// When it has none of this name.
    pub fn key(&self, name: &str) -> &Key {
        let mut keys = self.keys.iter();
        keys.find(|key| key.name == name)
            .expect("a key of the server")
    }

    /// A file with one of its keys, for `nsupdate -k` and the like.
    ///
    /// # Panics
    /// When it has none of this name.
    pub fn key_file(&self, name: &str) -> PathBuf {
        let name = &self.key(name).name;
        self.directory.path().join(format!("{name}.key"))
    }

    /// What it has logged so far.
    pub fn log(&self) -> String {
        let text = fs::read(log_file(self.directory.path())).unwrap_or_default();
        String::from_utf8_lossy(&text).into_owned()
    }

    /// The end of its log, for messages of failures.
    pub fn log_end(&self) -> String {
        let log = self.log();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(40)..].join("\n")
    }

    /// Sends it a signal.
    pub fn signal(&mut self, signal: Signal) {
        self.process.signal(signal);
    }

    /// Ends it at once, as a crash does, and waits until it is gone.
    ///
    /// # Errors
    /// When it does not go.
    pub fn kill(&mut self) -> anyhow::Result<()> {
        self.process.signal(Signal::SIGKILL);
        let ended = self.process.wait(START);
        ended.context("it outlives SIGKILL")?;
        Ok(())
    }

    /// Asks it to end, and waits until it is gone.
    ///
    /// # Errors
    /// When it had to be killed.
    pub fn stop(&mut self) -> anyhow::Result<()> {
        self.process.signal(Signal::SIGTERM);
        let ended = self.process.wait(START);
        ended.with_context(|| format!("does not end on SIGTERM:\n{}", self.log_end()))?;
        Ok(())
    }

    /// Starts it again with the same files, and waits until it answers.
    ///
    /// # Errors
    /// As [`Software::start`].
    pub fn start_again(&mut self) -> anyhow::Result<()> {
        self.process = run(self.software, &mut self.command, self.directory.path())?;
        self.await_answers()
    }

    /// A command that runs where the server does.
    pub fn beside(&self, program: &str) -> Command {
        let Some(namespace) = &self.namespace else {
            return Command::new(program);
        };
        let mut command = Command::new("ip");
        command.args(["netns", "exec", namespace, program]);
        command
    }

    fn await_answers(&mut self) -> anyhow::Result<()> {
        let end = Instant::now() + START;
        while !self.is_ready()? {
            if let Some(status) = self.process.ended() {
                bail!("{:?} ended: {status}\n{}", self.software, self.log_end());
            }
            if Instant::now() > end {
                let why = format!("{:?} does not answer within {START:?}", self.software);
                bail!("{why}\n{}", self.log_end());
            }
        }
        Ok(())
    }

    fn is_ready(&self) -> anyhow::Result<bool> {
        if TcpStream::connect_timeout(&self.address, ANSWER).is_err() {
            std::thread::sleep(Duration::from_millis(5));
            return Ok(false);
        }
        if self.primary_of.is_empty() {
            return Ok(rcode_of(self.address, ".")?.is_some());
        }
        for zone in &self.primary_of {
            if rcode_of(self.address, zone)? != Some(0) {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

fn log_file(directory: &Path) -> PathBuf {
    directory.join("log")
}

fn run(software: Software, command: &mut Command, directory: &Path) -> anyhow::Result<Process> {
    let log = log_file(directory);
    let name = format!("{software:?}").to_lowercase();
    Ok(Process::start(&name, command, &log)?)
}

/// The program on its processor and in its namespace. Each step keeps the process number.
fn surround(program: &Command, setup: &Setup<'_>) -> Command {
    let mut words = vec![];
    if let Some(namespace) = setup.namespace {
        words.extend(["ip", "netns", "exec", namespace.name()].map(Into::into));
    }
    if let Some(core) = setup.core {
        words.extend(["taskset", "--cpu-list"].map(Into::into));
        words.push(core.to_string().into());
    }
    words.push(program.get_program().to_owned());
    words.extend(program.get_args().map(ToOwned::to_owned));
    let mut command = Command::new(&words[0]);
    command.args(&words[1..]);
    command
}

/// The response code to a question for a SOA record; `None` without an answer.
fn rcode_of(server: SocketAddr, zone: &str) -> anyhow::Result<Option<u8>> {
    let any = if server.is_ipv4() {
        "0.0.0.0:0"
    } else {
        "[::]:0"
    };
    let socket = UdpSocket::bind(any)?;
    socket.set_read_timeout(Some(ANSWER))?;
    let mut query = vec![0x5a, 0x5a, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    for label in zone.split('.').filter(|label| !label.is_empty()) {
        query.push(u8::try_from(label.len())?);
        query.extend_from_slice(label.as_bytes());
    }
    query.push(0);
    query.extend_from_slice(&QUESTION);
    let mut answer = [0; 512];
    let asked = socket
        .connect(server)
        .and_then(|()| socket.send(&query))
        .and_then(|_| socket.recv(&mut answer));
    match asked {
        Ok(length) if length >= 12 => Ok(Some(answer[3] & 0x0f)),
        Ok(_) => Ok(None),
        Err(error) if is_silence(error.kind()) => Ok(None),
        Err(error) => Err(error).context("ask for a SOA record"),
    }
}

fn is_silence(kind: ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::ConnectionRefused
    )
}
