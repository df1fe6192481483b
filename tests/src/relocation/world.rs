//! Two agents on one machine that know each other by certificates, and a guest that each could run.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::{FileExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::mpsc;
use std::thread::sleep;
use std::time::{Duration, Instant};

use experiments::process::{self, Process};
use nix::sys::signal::Signal;
use serde_json::Value;

use super::image::image;
use super::records::{RECORDS, record, records};
use crate::program;

/// How long anything may take on a busy machine.
pub const LIMIT: Duration = Duration::from_secs(120);
/// Where the base image has a MiB of something, beyond what the guest writes, in octets.
pub const BASE_AT: u64 = 32 << 20;

/// The program that is tested.
pub fn ilnp_relocate() -> PathBuf {
    program("ilnp-relocate")
}

/// Sites `a` and `b`, and in between whatever a test wants.
pub struct World {
    directory: tempfile::TempDir,
    agents: [Option<Process>; 2],
    ports: [u16; 2],
}

/// What differs from one test to the next.
#[derive(Clone, Default)]
pub struct Changes {
    /// Further lines in the `[[guest]]` table of b, in the place of those of the same key.
    pub cpu_at_b: Option<&'static str>,
    /// Where the agent of a dials b, when not where b listens.
    pub way_to_b: Option<u16>,
    /// Where the agent of b dials a, when not where a listens.
    pub way_to_a: Option<u16>,
    /// The disks of these sites are on file systems of their own, of so many MiB.
    pub room: [Option<u32>; 2],
    /// The size of the guest's disk in MiB, when it is not 64.
    pub disk: Option<u32>,
    /// What the guest's disk differs from its base in at the start, in MiB.
    pub delta: Option<u32>,
    /// What QEMU is at b, when it is not the machine's own.
    pub qemu_at_b: Option<PathBuf>,
    /// Both sites have the same disks.
    pub shared: bool,
    /// What the guest does besides: a word of its kernel that its `init` understands.
    pub work: &'static str,
}

impl World {
    /// Both agents run.
    pub fn new(changes: &Changes) -> Self {
        let world = Self {
            directory: tempfile::tempdir().unwrap(),
            agents: [None, None],
            ports: [port(), port()],
        };
        world.certify();
        for site in ["a", "b"] {
            world.lay_out(site, changes);
        }
        let mut world = world;
        world.start_agent("a");
        world.start_agent("b");
        world
    }

    /// Both agents run, and so does the guest, at a.
    pub fn with_guest(changes: &Changes) -> Self {
        let world = Self::new(changes);
        world.start_guest();
        world
    }

    /// Starts the guest at a.
    pub fn start_guest(&self) {
        self.ok("a", &["start", "vm1"]);
        self.writes_again("a");
    }

    fn certify(&self) {
        let ca = self.path("ca");
        let ca = ca.to_str().unwrap();
        for arguments in [
            ["init", ca, "--name", "test"].as_slice(),
            &["issue", ca, "a"],
            &["issue", ca, "b"],
        ] {
            let mut pki = Command::new(ilnp_relocate());
            let output = process::output(pki.arg("pki").args(arguments), "", LIMIT).unwrap();
            assert!(output.status.success(), "{output:?}");
        }
    }

    /// What a site has before its agent starts.
    fn lay_out(&self, site: &str, changes: &Changes) {
        let directory = self.path(site);
        fs::create_dir(&directory).unwrap();
        let disks = directory.join("disks");
        match (changes.shared, site) {
            (true, "b") => symlink(self.path("a/disks"), disks).unwrap(),
            _ => fs::create_dir(disks).unwrap(),
        }
        if let Some(mebibytes) = changes.room[index(site)] {
            mount(&directory.join("disks"), mebibytes);
        }
        let base = fs::File::create(directory.join("base.raw")).unwrap();
        base.set_len(u64::from(changes.disk.unwrap_or(64)) << 20)
            .unwrap();
        base.write_all_at(&vec![0x5a; 1 << 20], BASE_AT).unwrap();
        if let Some(mebibytes) = changes.delta.filter(|_| site == "a") {
            self.write_delta(site, mebibytes);
        }
        let (own, other) = (index(site), 1 - index(site));
        let there = [changes.way_to_b, changes.way_to_a][own];
        let text = format!(
            r#"
site = "{site}"
listen = ["[::1]:{}"]
state-dir = "state"
run-dir = "run"
control-socket = "agent.sock"
[tls]
ca = "../ca/ca.pem"
certificate = "../ca/{site}.pem"
key = "../ca/{site}.key"
revoked = "../ca/revoked.pem"
[[peer]]
site = "{}"
address = "[::1]:{}"
[[guest]]
name = "vm1"
machine = "pc-q35-7.2"
cpu = "{}"
memory = "160MiB"
accelerator = "tcg,thread=multi"
program = {:?}
arguments = ["-kernel", {:?}, "-initrd", {:?}, "-no-reboot",
    "-append", "console=ttyS0 quiet panic=-1 no_timer_check work={}",
    "-chardev", "file,id=serial,path={},append=on", "-serial", "chardev:serial"]
[[guest.disk]]
id = "vd0"
base = "base.raw"
overlay = "disks/vm1.qcow2"
"#,
            self.ports[own],
            ["a", "b"][other],
            there.unwrap_or(self.ports[other]),
            changes
                .cpu_at_b
                .filter(|_| site == "b")
                .unwrap_or("qemu64,-cx16"),
            changes
                .qemu_at_b
                .as_deref()
                .filter(|_| site == "b")
                .unwrap_or_else(|| Path::new("qemu-system-x86_64")),
            image().kernel,
            image().initrd,
            changes.work,
            self.serial(site).display(),
        );
        fs::write(directory.join("agent.toml"), text).unwrap();
    }

    /// Has the guest's disk differ from its base, beyond what the guest writes.
    fn write_delta(&self, site: &str, mebibytes: u32) {
        let (base, overlay) = (self.path(site).join("base.raw"), self.overlay(site));
        let create = ["create", "-q", "-f", "qcow2", "-F", "raw", "-b"];
        let mut create_image = Command::new("qemu-img");
        create_image.args(create).args([&base, &overlay]);
        let write =
            (0..mebibytes).map(|at| format!("write -q -P {} {}M 1M", at % 255 + 1, at + 48));
        let mut write_image = Command::new("qemu-io");
        write_image.args(write.flat_map(|write| ["-c".to_owned(), write]));
        for command in [&mut create_image, write_image.arg(&overlay)] {
            let output = process::output(command, "", LIMIT).unwrap();
            assert!(output.status.success(), "{output:?}");
        }
    }

    /// A file or directory of this world.
    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Where the agent of a site listens.
    pub fn port(&self, site: &str) -> u16 {
        self.ports[index(site)]
    }

    /// What the guest's console says at a site.
    pub fn serial(&self, site: &str) -> PathBuf {
        self.path(site).join("serial")
    }

    /// Starts an agent, and waits until it answers.
    pub fn start_agent(&mut self, site: &str) {
        let mut agent = Command::new(ilnp_relocate());
        agent
            .args(["agent", "--config"])
            .arg(self.path(site).join("agent.toml"))
            .env("RUST_LOG", "debug");
        let log = self.path(site).join("log");
        let agent = Process::start(&format!("agent of {site}"), &mut agent, &log).unwrap();
        self.agents[index(site)] = Some(agent);
        let deadline = Instant::now() + LIMIT;
        while !self.command(site, &["list"]).status.success() {
            assert!(Instant::now() < deadline, "{}", self.logs());
            sleep(Duration::from_millis(20));
        }
    }

    /// Kills an agent. Its hypervisors go on.
    pub fn kill_agent(&mut self, site: &str) {
        let mut agent = self.agents[index(site)].take().unwrap();
        agent.signal(Signal::SIGKILL);
        assert!(agent.wait(LIMIT).is_some(), "the agent of {site} lives on");
    }

    /// A command that is to be run at a site.
    pub fn prepared(&self, site: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new(ilnp_relocate());
        command
            .arg("--socket")
            .arg(self.path(site).join("agent.sock"))
            .args(arguments);
        command
    }

    /// Runs a command at a site.
    pub fn command(&self, site: &str, arguments: &[&str]) -> Output {
        process::output(&mut self.prepared(site, arguments), "", LIMIT)
            .unwrap_or_else(|error| panic!("at {site}: {error}\n{}", self.logs()))
    }

    /// Waits until a command has ended, and returns its status.
    pub fn ended(&self, command: &mut Process) -> Option<i32> {
        let status = command.wait(LIMIT).unwrap_or_else(|| {
            let (name, seconds) = (command.name(), LIMIT.as_secs());
            panic!("{name} has not ended after {seconds} s\n{}", self.logs())
        });
        status.code()
    }

    /// Runs a command that must succeed, and returns what it prints.
    pub fn ok(&self, site: &str, arguments: &[&str]) -> String {
        let output = self.command(site, arguments);
        assert!(
            output.status.success(),
            "{arguments:?} at {site}: {}\n{}",
            String::from_utf8_lossy(&output.stderr),
            self.logs()
        );
        String::from_utf8(output.stdout).unwrap()
    }

    /// Runs a command that must fail with status 1, and returns what it says.
    pub fn refused(&self, site: &str, arguments: &[&str]) -> String {
        let output = self.command(site, arguments);
        let told = String::from_utf8(output.stderr).unwrap();
        assert_eq!(
            output.status.code(),
            Some(1),
            "{arguments:?} at {site}: {told}"
        );
        told
    }

    /// What the agent of a site knows of the guest.
    pub fn status(&self, site: &str) -> Value {
        serde_json::from_str(&self.ok(site, &["--json", "status", "vm1"])).unwrap()
    }

    /// The newest report of a site; null where there is none.
    pub fn report(&self, site: &str) -> Value {
        let text = self.ok(site, &["--json", "report", "vm1"]);
        let reports: Value = serde_json::from_str(&text).unwrap();
        reports["reports"].get(0).cloned().unwrap_or_default()
    }

    /// Waits until the guest is at `site` and nowhere else, both agents say so, and it works there.
    pub fn comes_to_rest_at(&self, site: &str) {
        let deadline = Instant::now() + LIMIT;
        let other = ["b", "a"][index(site)];
        loop {
            let (here, there) = (self.status(site), self.status(other));
            let standing = &there["standing"];
            let away = ["released", "discarded"]
                .iter()
                .any(|kind| standing.get(kind).is_some());
            let gone = (away || *standing == "none") && !self.runs(other);
            if here["running"] == true && gone {
                assert_eq!(there["running"], false, "{there}");
                return self.writes_again(site);
            }
            assert!(
                Instant::now() < deadline,
                "{site}: {here}\n{other}: {there}\n{}",
                self.logs()
            );
            sleep(Duration::from_millis(100));
        }
    }

    /// Where the guest comes to rest, wherever that is.
    pub fn comes_to_rest(&self) -> &'static str {
        let deadline = Instant::now() + LIMIT;
        loop {
            for site in ["a", "b"] {
                if self.status(site)["running"] == true {
                    self.comes_to_rest_at(site);
                    return site;
                }
            }
            assert!(Instant::now() < deadline, "{}", self.logs());
            sleep(Duration::from_millis(100));
        }
    }

    /// Whether a QEMU of a site is there.
    pub fn runs(&self, site: &str) -> bool {
        self.qemu(site)
            .is_some_and(|pid| Path::new(&format!("/proc/{pid}")).exists())
    }

    /// The process of a site's QEMU, if it was ever started.
    pub fn qemu(&self, site: &str) -> Option<i32> {
        let text = fs::read_to_string(self.path(site).join("run/vm1.pid")).ok()?;
        text.trim().parse().ok()
    }

    /// The last record that the guest has synced, as it says on the console of a site.
    pub fn synced(&self, site: &str) -> u64 {
        let text = fs::read(self.serial(site)).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let complete = text.rsplit_once('\n').map_or("", |(complete, _)| complete);
        complete
            .lines()
            .filter_map(|line| line.trim().strip_prefix("synced ")?.parse().ok())
            .next_back()
            .unwrap_or(0)
    }

    /// Waits until the guest writes at this site.
    pub fn writes_again(&self, site: &str) {
        let (before, deadline) = (self.synced(site), Instant::now() + LIMIT);
        while self.synced(site) < before + 3 {
            assert!(
                Instant::now() < deadline,
                "the guest does not write at {site}\n{}",
                self.logs()
            );
            sleep(Duration::from_millis(20));
        }
    }

    /// Ends the guest and checks its disk.
    pub fn check_disk(&self, site: &str) {
        let last = self.synced(site);
        self.kill_qemu(site);
        let mut check = Command::new("qemu-img");
        check.args(["check", "-q"]).arg(self.overlay(site));
        let checked = process::output(&mut check, "", LIMIT).unwrap();
        assert!(checked.status.success(), "{checked:?}");
        self.compare_disk(site, last);
    }

    /// Compares a disk that nobody writes with what the guest has written, of which this was the
    /// last record that it has synced. What it never wrote is the base's.
    pub fn compare_disk(&self, site: &str, last: u64) {
        let raw = self.path("check.raw");
        let convert = ["convert", "-U", "-f", "qcow2", "-O", "raw"];
        let mut image = Command::new("qemu-img");
        image.args(convert).args([&self.overlay(site), &raw]);
        let converted = process::output(&mut image, "", LIMIT).unwrap();
        assert!(converted.status.success(), "{converted:?}");
        let found = fs::read(&raw).unwrap();
        let mut expected = fs::read(self.path(site).join("base.raw")).unwrap();
        for (number, at) in records(last) {
            put(&mut expected, at, &record(number));
        }
        // One may have been written and not synced, or synced and not told.
        for number in [last + 1, last + 2] {
            let at = number % RECORDS * 512;
            let range = usize::try_from(at).unwrap()..usize::try_from(at).unwrap() + 512;
            if found[range] == record(number) {
                put(&mut expected, at, &record(number));
            }
        }
        assert_eq!(found.len(), expected.len());
        let mut sectors = found.chunks(512).zip(expected.chunks(512));
        if let Some(sector) = sectors.position(|(found, expected)| found != expected) {
            panic!(
                "sector {sector} of {site}: {:?}, and record {last} was synced last",
                String::from_utf8_lossy(&found[512 * sector..][..16])
            );
        }
    }

    /// The image that the guest writes at a site.
    pub fn overlay(&self, site: &str) -> PathBuf {
        self.path(site).join("disks/vm1.qcow2")
    }

    /// Ends a QEMU as a crash does.
    pub fn kill_qemu(&self, site: &str) {
        let Some(pid) = self.qemu(site) else {
            return;
        };
        // It may have ended by itself.
        let _ = nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), Signal::SIGKILL);
        let deadline = Instant::now() + LIMIT;
        while self.runs(site) && Instant::now() < deadline {
            sleep(Duration::from_millis(10));
        }
    }

    /// What the agents logged.
    pub fn logs(&self) -> String {
        ["a", "b"]
            .map(|site| {
                let text = fs::read_to_string(self.path(site).join("log")).unwrap_or_default();
                format!("--- agent of {site}\n{text}")
            })
            .concat()
    }
}

impl Drop for World {
    fn drop(&mut self) {
        for agent in self.agents.iter_mut().flatten() {
            agent.signal(Signal::SIGKILL);
            agent.wait(LIMIT);
        }
        for site in ["a", "b"] {
            self.kill_qemu(site);
        }
        // Only some tests mount something here.
        let _ = Command::new("umount")
            .arg("--quiet")
            .arg(self.path("a/disks"))
            .arg(self.path("b/disks"))
            .stderr(Stdio::null())
            .status();
    }
}

/// A small file system of its own.
fn mount(directory: &Path, mebibytes: u32) {
    let size = format!("size={mebibytes}m");
    let mounted = Command::new("mount")
        .args(["-t", "tmpfs", "-o", &size, "none"])
        .arg(directory)
        .status();
    assert!(mounted.unwrap().success());
}

fn put(disk: &mut [u8], at: u64, sector: &[u8]) {
    let at = usize::try_from(at).unwrap();
    disk[at..at + sector.len()].copy_from_slice(sector);
}

fn index(site: &str) -> usize {
    usize::from(site == "b")
}

/// A port that nobody else uses: tests of one run count up from the process's own.
fn port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    loop {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let own = u16::try_from(std::process::id() % 100).unwrap() * 100;
        let port = 20_000 + own + number;
        if std::net::TcpListener::bind(("::1", port)).is_ok() {
            return port;
        }
    }
}

/// Begins a move, so slow that there is time to do something in each phase, and waits for one.
pub fn moving(world: &World, from: &str, phase: &str) -> Process {
    moving_at(world, from, phase, "24MiB")
}

/// Begins a move at a rate, and waits for a phase.
pub fn moving_at(world: &World, from: &str, phase: &str, rate: &str) -> Process {
    begin(
        world,
        from,
        rate,
        &format!("\"event\":\"phase\",\"phase\":\"{phase}\""),
    )
}

/// Begins a move at a rate, and waits until it says something.
pub(super) fn begin(world: &World, from: &str, rate: &str, marker: &str) -> Process {
    let to = if from == "a" { "b" } else { "a" };
    let mut command = world.prepared(
        from,
        &["--json", "move", "vm1", "--to", to, "--bandwidth", rate],
    );
    command.stdin(Stdio::null()).stdout(Stdio::piped());
    let name = format!("move from {from} to {to}");
    let log = world.path("moves.log");
    let mut moving = Process::start_with_output(&name, &mut command, &log).unwrap();
    let lines = BufReader::new(moving.take_output().unwrap()).lines();
    let (sender, said) = mpsc::channel();
    let wanted = marker.to_owned();
    std::thread::spawn(move || {
        let mut lines = lines.map_while(Result::ok);
        let _ = sender.send(lines.any(|line| line.contains(&wanted)));
        // Whoever writes without a reader must not fail.
        lines.for_each(drop);
    });
    assert!(
        said.recv_timeout(LIMIT) == Ok(true),
        "{marker} was not said by the {name}\n{}",
        world.logs()
    );
    moving
}

/// The newest report of a site, once it says how the relocation ended.
pub fn wait_for_outcome(world: &World, site: &str) -> Value {
    let deadline = Instant::now() + LIMIT;
    loop {
        let report = world.report(site);
        if report["outcome"].is_string() || Instant::now() > deadline {
            return report;
        }
        sleep(Duration::from_millis(50));
    }
}
