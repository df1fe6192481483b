//! A guest that goes there and back, many times, while things break at moments that chance chooses.
//!
//! After every fault the guest runs at exactly one site, which both agents agree on, it was never
//! reset, and its disk holds what it has written and synced.

use std::fs::File;
use std::io::Write as _;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use serde_json::Value;

use super::wire::Wire;
use super::world::{Changes, World, begin, wait_for_outcome};

/// What moves with a fault may take: so slow that there is time for one.
const SLOW: &str = "32MiB";
/// The room for the disks of a site.
const ROOM_MIB: u32 = 64;
/// What is left of it where the disk is full.
const LEFT_MIB: u32 = 1;
/// Longer than most phases of a slow move.
const LONGEST_WAIT_MS: u64 = 900;
/// How long something is broken.
const BROKEN: Duration = Duration::from_secs(1);
/// How often it is looked whether the link is broken.
const LOOK: Duration = Duration::from_millis(10);

/// What breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    AgentOfSource,
    AgentOfTarget,
    BothAgents,
    Link,
    QemuOfTarget,
    DiskOfTarget,
    AbortAtSource,
    AbortAtTarget,
}

const FAULTS: [Fault; 8] = [
    Fault::AgentOfSource,
    Fault::Link,
    Fault::QemuOfTarget,
    Fault::AbortAtSource,
    Fault::DiskOfTarget,
    Fault::BothAgents,
    Fault::AgentOfTarget,
    Fault::AbortAtTarget,
];

/// What has become of the moves.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// Moves that were begun.
    pub moves: usize,
    /// Those in which something broke.
    pub faults: usize,
    /// Those that brought the guest to the other site, with or without a fault.
    pub moved: usize,
    /// What went wrong: a guest that was lost or reset, a disk that differs.
    pub losses: Vec<String>,
}

/// Moves a guest so many times, with so many faults among them. Chance is repeatable by its seed,
/// as far as the machine's load is.
///
/// # Errors
/// When the sites cannot be built, or a move without a fault fails. What faults do is in the tally.
pub fn endure(moves: usize, faults: usize, seed: u64) -> anyhow::Result<Tally> {
    let mut random = StdRng::seed_from_u64(seed);
    let wire = Wire::new();
    let changes = wire.between(Changes {
        room: [Some(ROOM_MIB); 2],
        ..Changes::default()
    });
    let world = World::new(&changes);
    wire.lay(&world);
    world.start_guest();
    let mut run = Run {
        world,
        wire,
        tally: Tally::default(),
        octets: 40 << 20,
    };
    let mut begun = 0;
    for number in 0..moves {
        // Spread evenly, and every kind in turn.
        let fault = (number + 1) * faults / moves > begun;
        let fault = fault.then(|| FAULTS[begun % FAULTS.len()]);
        begun += usize::from(fault.is_some());
        run.one(fault, &mut random)?;
        if !run.tally.losses.is_empty() {
            break;
        }
    }
    let site = run.world.comes_to_rest();
    run.world.check_disk(site);
    Ok(run.tally)
}

struct Run {
    world: World,
    wire: Wire,
    tally: Tally,
    /// What the last whole move sent.
    octets: u64,
}

impl Run {
    fn one(&mut self, fault: Option<Fault>, random: &mut StdRng) -> anyhow::Result<()> {
        let from = self.world.comes_to_rest();
        let to = if from == "a" { "b" } else { "a" };
        let before = self.wire.passed();
        self.tally.moves += 1;
        match fault {
            None => {
                self.world.ok(from, &["move", "vm1", "--to", to]);
                self.octets = self.wire.passed() - before;
            }
            Some(fault) => {
                self.tally.faults += 1;
                self.break_something(fault, from, to, random)?;
            }
        }
        let site = self.world.comes_to_rest();
        let report = wait_for_outcome(&self.world, from);
        let expected = if site == to { "moved" } else { "failed" };
        ensure!(
            report["outcome"] == expected,
            "the guest is at {site}, and {from} reports: {report}"
        );
        ensure!(
            fault.is_some() || site == to,
            "nothing broke, and the guest was not moved: {report}"
        );
        self.tally.moved += usize::from(site == to);
        if let Err(loss) = self.look(site) {
            let loss = format!("move {}, {fault:?}: {loss:#}", self.tally.moves);
            self.tally.losses.push(loss);
        }
        Ok(())
    }

    fn break_something(
        &mut self,
        fault: Fault,
        from: &'static str,
        to: &'static str,
        random: &mut StdRng,
    ) -> anyhow::Result<()> {
        if fault == Fault::Link {
            self.wire.cut_after(random.random_range(1..self.octets));
        }
        let mut moving = begin(&self.world, from, SLOW, "");
        let wait = Duration::from_millis(random.random_range(0..LONGEST_WAIT_MS));
        match fault {
            Fault::Link => {}
            // Later the guest may be the target's, and nothing could save it.
            Fault::QemuOfTarget => std::thread::sleep(wait / 3),
            _ => std::thread::sleep(wait),
        }
        match fault {
            Fault::AgentOfSource => self.world.kill_agent(from),
            Fault::AgentOfTarget => self.world.kill_agent(to),
            Fault::BothAgents => {
                self.world.kill_agent(from);
                self.world.kill_agent(to);
            }
            Fault::QemuOfTarget => {
                if self.world.status(to)["standing"].get("incoming").is_some() {
                    self.world.kill_qemu(to);
                }
            }
            Fault::DiskOfTarget => self.fill(to)?,
            // Both say so when it is too late.
            Fault::AbortAtSource => drop(self.world.command(from, &["abort", "vm1"])),
            Fault::AbortAtTarget => drop(self.world.command(to, &["abort", "vm1"])),
            Fault::Link => {
                // A guest that was handed over when the link was cut waits for it.
                while !self.wire.is_cut() && moving.ended().is_none() {
                    std::thread::sleep(LOOK);
                }
                std::thread::sleep(BROKEN);
            }
        }
        if matches!(fault, Fault::BothAgents | Fault::AgentOfTarget) {
            std::thread::sleep(BROKEN);
            self.world.start_agent(to);
        }
        if matches!(fault, Fault::BothAgents | Fault::AgentOfSource) {
            self.world.start_agent(from);
        }
        self.wire.mend();
        self.world.ended(&mut moving);
        let _ = std::fs::remove_file(self.world.path(to).join("disks/filler"));
        Ok(())
    }

    /// Leaves nearly nothing of the room for a site's disks.
    fn fill(&self, site: &str) -> anyhow::Result<()> {
        let path = self.world.path(site).join("disks/filler");
        let mut filler = File::create(path)?;
        let octets = vec![1; 1 << 20];
        for _ in 0..ROOM_MIB - LEFT_MIB {
            if filler.write_all(&octets).is_err() {
                break;
            }
        }
        Ok(())
    }

    /// Looks at the guest and its disk, at the site where it runs.
    fn look(&self, site: &str) -> anyhow::Result<()> {
        let world = &self.world;
        ensure!(
            ["a", "b"].iter().filter(|site| world.runs(site)).count() == 1,
            "a QEMU runs at each site\n{}",
            world.logs()
        );
        let mut boots = 0;
        for site in ["a", "b"] {
            let said = std::fs::read(world.serial(site)).unwrap_or_default();
            let said = String::from_utf8_lossy(&said);
            boots += said.matches("BOOTED").count();
            let synced = |line: &str| line.trim().strip_prefix("synced ")?.parse::<u64>().ok();
            let numbers: Vec<u64> = said.lines().filter_map(synced).collect();
            ensure!(numbers.is_sorted(), "the guest began anew at {site}");
        }
        ensure!(boots == 1, "the guest booted {boots} times");
        let pid = Pid::from_raw(world.qemu(site).context("no process")?);
        // What the guest has synced is in the image, whatever QEMU still holds.
        kill(pid, Signal::SIGSTOP)?;
        let last = world.synced(site);
        let compared = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            world.compare_disk(site, last);
        }));
        kill(pid, Signal::SIGCONT)?;
        ensure!(compared.is_ok(), "the disk differs at {site}");
        Ok(())
    }
}

impl Tally {
    /// The outcomes of a report, for people.
    pub fn text(&self) -> String {
        let Self {
            moves,
            faults,
            moved,
            losses,
        } = self;
        let losses: Value = losses.clone().into();
        format!("{moves} moves, {faults} of them with a fault: {moved} moved; lost: {losses}")
    }
}
